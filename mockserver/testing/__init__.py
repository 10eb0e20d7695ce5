"""The server in users' tests: a pytest plugin, and the handles that its fixtures give.

`mock_sandbox: Sandbox` says what a test holds; fixtures/README.md shows each part in ten lines.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockserver.testing.calls import MockError
    from mockserver.testing.handles import Sandbox, Server

__all__ = ["MockError", "Sandbox", "Server"]
_HOMES = {"MockError": "mockserver.testing.calls"}


def __getattr__(name: str) -> Any:  # Any: whatever is asked for
    # pytest imports the plugin, and so this package, in every session; who does not use it should pay nothing.
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "mockserver.testing.handles")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
