"""Background work that waits, and its release by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockserver.control import Asked, operation
from mockserver.domain.errors import NotFound
from mockserver.store import Record


@operation
def list_jobs(asked: Asked) -> Any:
    worlds = asked.sandbox.worlds
    waiting = [
        {"id": job["id"], "api": api, "job": job["job"], "entity": job["entity"], "subject": job["subject"]}
        | {name: job[name] for name in ("due",) if name in job}
        for api, world in worlds.items()
        for job in world.jobs()
    ]
    return {"processing": next(iter(worlds.values())).processing.mode, "jobs": waiting}


@operation
def release_jobs(asked: Asked) -> Any:
    worlds, wanted = asked.sandbox.worlds, asked.query.get("subject")
    # Only the jobs that wait now: what they start in turn waits for another word.
    there = {
        api: [job["id"] for job in world.jobs() if wanted in (None, job["subject"])] for api, world in worlds.items()
    }
    if wanted is not None and not any(there.values()):
        raise NotFound(f"no job waits on {wanted[:80]}.")
    return {"ran": sum(worlds[api].run(_is_in(ids)) for api, ids in there.items())}


def _is_in(ids: list[str]) -> Callable[[Record], bool]:
    return lambda job: job["id"] in ids
