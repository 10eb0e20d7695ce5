"""A stateful mock of billing APIs: `create_app()` gives the ASGI application, the command `mockserver` serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockserver.app import MockServer, create_app

__all__ = ["MockServer", "create_app"]


def __getattr__(name: str) -> Any:  # Any: whatever of `mockserver.app` is asked for
    # Connexion and the compiled libraries take most of the start-up; who only wants --help should not pay for them.
    if name in __all__:
        from mockserver import app

        return getattr(app, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
