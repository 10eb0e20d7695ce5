"""In own mode nothing that was there before is changed, not even where the lists of a deployment show too much."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from mockserver import MockServer, create_app
from mockserver.world import World
from tests.contracts.driver import verify
from tests.fingerprint import entities

DRAWN = ("check:conformance.*", "check:journeys.*")
"""Left out: they take long, and write nowhere but where the others do."""
OURS = ("Counter", "Job")
"""Entities of the server's own"""
Rewritten = Callable[[dict[str, Any]], dict[str, Any]]


def as_it_is(scope: dict[str, Any]) -> dict[str, Any]:
    return scope


def without_filters(scope: dict[str, Any]) -> dict[str, Any]:
    """Whatever a list is asked for, all that its other parameters let through is in it."""
    parts = [part for part in scope["query_string"].split(b"&") if not re.fullmatch(rb"[a-z]+\(.*\)", part)]
    return {**scope, "query_string": b"&".join(parts)}


def below_another(scope: dict[str, Any]) -> dict[str, Any]:
    """Below every journal lie the charges of one that was there before, and so with ledgers."""
    path = re.sub(r"(?<=/journals/)[^/]+(?=/charges$)", "BJO-1000-0005", scope["path"])
    path = re.sub(r"(?<=/ledgers/)BLE[^/]+(?=/charges$)", "BLE-1000-0009-1000-0001", path)
    return {**scope, "path": path, "raw_path": path.encode()} if scope["method"] == "GET" else scope


def records(world: World) -> dict[tuple[str, str], Any]:
    kept = [entity for entity in entities(world) if entity not in OURS]
    return {(entity, row.record["id"]): row.record for entity in kept for row in world.layer.all(entity)}


@pytest.mark.parametrize("rewritten", [as_it_is, without_filters, below_another])
def test_what_was_there_stays_as_it_was(rewritten: Rewritten) -> None:
    app = create_app("billing")
    before = records(app.worlds["billing"])

    result = verify(_asked(app, rewritten), "billing", mode="own", skip=DRAWN, patience=0.5)

    after = records(app.worlds["billing"])
    assert result.requests > 5_000, "the run has come far enough to have done harm"
    assert [key for key, record in before.items() if after.get(key) != record] == []


def _asked(app: MockServer, rewritten: Rewritten) -> Any:
    """The application, asked for something else."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        await app(rewritten(scope) if scope["type"] == "http" else scope, receive, send)

    return wrapped
