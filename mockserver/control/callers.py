"""Who may call the APIs of a sandbox, and with which token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mockserver.auth import Caller
from mockserver.banner import cast
from mockserver.control import Asked, operation
from mockserver.sandboxes import Sandbox
from mockserver.world import World


@operation
def list_callers(asked: Asked) -> Any:
    box = asked.sandbox
    # Any: the cast of a server is that of its default sandbox; of another one it takes no more than this.
    there: Any = _Cast.of(box)
    people = cast(there)
    return {"callers": [{**each, "token": box.token(each["name"])} for each in people]}


@dataclass(frozen=True, slots=True)
class _Cast:
    """A sandbox's callers by name, and its worlds."""

    callers: Mapping[str, Caller]
    worlds: Mapping[str, World]

    @classmethod
    def of(cls, sandbox: Sandbox) -> _Cast:
        callers = (each for cast in sandbox.base.callers.values() for each in cast.values())
        return cls({each.name: each for each in callers}, sandbox.worlds)
