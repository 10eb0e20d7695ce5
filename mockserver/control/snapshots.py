"""Snapshots of a sandbox: taking, listing, going back to, and forgetting them."""

from __future__ import annotations

from typing import Any

from mockserver import snapshots, wire
from mockserver.control import Asked, operation
from mockserver.snapshots import Snapshot


@operation
def list_snapshots(asked: Asked) -> Any:
    return {"snapshots": [_told(each) for each in snapshots.of(asked.sandbox)], "most": snapshots.MOST}


@operation
def take_snapshot(asked: Asked) -> Any:
    return _told(snapshots.of(asked.sandbox).take(asked.sandbox, asked.body["name"]))


@operation
def restore_snapshot(asked: Asked) -> Any:
    return _told(snapshots.of(asked.sandbox).restore(asked.sandbox, asked.path["name"]))


@operation
def delete_snapshot(asked: Asked) -> Any:
    snapshots.of(asked.sandbox).delete(asked.path["name"])


def _told(snapshot: Snapshot) -> dict[str, Any]:
    return {"name": snapshot.name, "scenario": snapshot.base.scenario, "now": wire.instant(snapshot.now)}
