"""What time it is in a sandbox; letting time pass, stand still or run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from mockserver import moving, wire
from mockserver.control import Asked, operation
from mockserver.domain.errors import Invalid
from mockserver.sandboxes import Sandbox

ENDS: Mapping[str, Callable[[datetime, Any], datetime]] = {
    "seconds": lambda now, said: moving.later(now, timedelta(seconds=said)),
    "by": lambda now, said: moving.after(now, said, "by"),
    "to": lambda now, said: moving.instant(said, "to"),
}
"""Member of a body -> the instant that it means, from the present one and its value"""


@operation
def get_clock(asked: Asked) -> Any:
    return _told(asked.sandbox)


@operation
def advance_clock(asked: Asked) -> Any:
    if len(asked.body) != 1:
        raise Invalid(f"say one of {', '.join(ENDS)}, not {len(asked.body)} of them.", {"body": ["Say one of them."]})
    ((name, said),) = asked.body.items()
    return _moved(asked.sandbox, ENDS[name](asked.sandbox.clock.now(), said))


@operation
def set_clock(asked: Asked) -> Any:
    running, clock = asked.body["running"], asked.sandbox.clock
    if "now" in asked.body:
        return _moved(asked.sandbox, moving.instant(asked.body["now"], "now"), running=running)
    if running:
        clock.run()
    else:
        clock.freeze()
    return _told(asked.sandbox) | {"ran": 0}


def _moved(sandbox: Sandbox, to: datetime, *, running: bool | None = None) -> dict[str, Any]:
    ran = moving.advance(list(sandbox.worlds.values()), to, running=running)
    return _told(sandbox) | {"ran": ran}


def _told(sandbox: Sandbox) -> dict[str, Any]:
    return {"now": wire.instant(sandbox.clock.now()), "running": sandbox.clock.runs}
