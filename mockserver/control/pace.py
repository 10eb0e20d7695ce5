"""When background work is done in a sandbox."""

from __future__ import annotations

from typing import Any

from mockserver.control import Asked, operation
from mockserver.domain.errors import Conflict, Invalid
from mockserver.world import Processing

STANDS = "the clock stands: POST /__mock__/clock/advance moves it on, PUT /__mock__/clock with running true lets it go."


@operation
def get_processing(asked: Asked) -> Any:
    return {"processing": str(next(iter(asked.sandbox.worlds.values())).processing)}


@operation
def set_processing(asked: Asked) -> Any:
    try:
        wanted = Processing.parse(asked.body["processing"])
    except ValueError as error:
        raise Invalid(str(error), {"processing": [str(error)]}) from None
    if (wanted.mode, wanted.reads) == ("reads", 0):
        mend = "the state shows once at least; say reads:1, or immediate for work that is done before the next call"
        raise Invalid(f"processing 'reads:0': {mend}.", {"processing": [f"{mend[0].upper()}{mend[1:]}."]})
    worlds = asked.sandbox.worlds.values()
    if any(next(world.jobs(), None) is not None for world in worlds):
        # A job holds what its mode needs, which another mode would misread.
        raise Conflict("jobs wait already; release them, or reset, and say it before there is work.")
    for world in worlds:
        world.processing = wanted
    stands = wanted.mode == "after" and not asked.sandbox.clock.runs
    return {"processing": str(wanted)} | ({"warning": STANDS} if stands else {})
