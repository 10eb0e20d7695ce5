"""Which scenarios come with the project, what each is about and what to try there."""

from __future__ import annotations

from functools import cache
from typing import Any

from mockserver import scenario as scenarios
from mockserver.control import Asked, operation
from mockserver.scenario import AND, TRY, ScenarioError


@operation
def list_scenarios(asked: Asked) -> Any:
    running = asked.sandbox.base.scenario
    there = running.split(AND)
    return {
        "running": running,
        "scenarios": [{**_told(name), "running": name in there} for name in scenarios.names()],
    }


# Files that come with the project do not change while it runs, and each takes some 10 ms to read.
@cache
def _told(name: str) -> dict[str, Any]:
    try:
        found = scenarios.load(name)
    except ScenarioError as error:
        return {"name": name, "about": f"Cannot be used: {error}", "tries": []}
    about = " ".join(line.strip() for line in found.about.splitlines() if not line.startswith(TRY))
    return {"name": name, "about": about, "tries": list(found.tries)}
