"""How the server is hosted: what uvicorn is told, and which hosts are this machine alone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any


def _web_socket(**told: Any) -> Any:  # Any: as uvicorn has its protocols
    """What speaks WebSocket on a connection that asks for it, which few ever do: importing it is a part of a start."""
    from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

    assert AutoWebSocketsProtocol is not None, "one of its libraries is there"
    return AutoWebSocketsProtocol(**told)


UVICORN: Mapping[str, Any] = {
    "log_level": "warning",
    "access_log": False,
    "lifespan": "off",
    "server_header": False,
    "date_header": False,
    "timeout_graceful_shutdown": 2,
    "ws": _web_socket if find_spec("websockets") or find_spec("wsproto") else "none",
}
"""What both the command and the server of a user's tests serve with"""


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
