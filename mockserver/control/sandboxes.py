"""Which sandboxes there are; making, dropping and resetting them."""

from __future__ import annotations

from typing import Any

from mockserver import wire
from mockserver.control import Asked, operation
from mockserver.sandboxes import Sandbox


@operation
def list_sandboxes(asked: Asked) -> Any:
    boxes = asked.server.sandboxes
    return {
        "sandboxes": [_told(each) for each in boxes],
        "most": boxes.limits.most,
        "rest": boxes.limits.rest,
    }


@operation
def create_sandbox(asked: Asked) -> Any:
    base = asked.server.base(asked.body["scenario"]) if "scenario" in asked.body else None
    return _told(asked.server.sandboxes.create(asked.body["name"], base))


@operation
def get_sandbox(asked: Asked) -> Any:
    return _told(asked.server.sandboxes.find(asked.path["name"]))


@operation
def drop_sandbox(asked: Asked) -> Any:
    asked.server.sandboxes.drop(asked.path["name"])


@operation
def drop_sandboxes(asked: Asked) -> Any:
    return {"dropped": asked.server.sandboxes.clear()}


@operation
def reset(asked: Asked) -> Any:
    base = asked.server.base(asked.body["scenario"]) if "scenario" in asked.body else None
    asked.sandbox.reset(base)
    return {"reset": True}


def _told(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "name": sandbox.name,
        "scenario": sandbox.base.scenario,
        "now": wire.instant(sandbox.clock.now()),
        "changes": sandbox.changes,
        "jobs": sum(1 for world in sandbox.worlds.values() for _ in world.jobs()),
        "prefix": sandbox.prefix,
    }
