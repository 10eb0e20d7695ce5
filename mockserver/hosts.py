"""How the server is hosted: what uvicorn is told, and which hosts are this machine alone."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

UVICORN: Mapping[str, Any] = {
    "log_level": "warning",
    "access_log": False,
    "lifespan": "off",
    "server_header": False,
    "date_header": False,
    "timeout_graceful_shutdown": 2,
}
"""What both the command and the server of a user's tests serve with"""


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
