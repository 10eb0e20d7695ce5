"""A stateful mock of billing APIs: `create_app()` gives the ASGI application, the command `mockserver` serves it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockserver.app import MockServer, Options, create_app
    from mockserver.scenario import ScenarioError
    from specs.tables import TableError

__all__ = ["MockServer", "Options", "ScenarioError", "TableError", "create_app"]
_HOMES = {"ScenarioError": "mockserver.scenario", "TableError": "specs.tables"}


def __getattr__(name: str) -> Any:  # Any: whatever is asked for
    # Connexion and the compiled libraries take most of the start-up; who only wants --help should not pay for them.
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "mockserver.app")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
