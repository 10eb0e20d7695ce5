"""Every cell of the served matrix, turned: the matrix check names it, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockserver import create_app
from specs.tables import load, names
from tests.contracts.driver import verify

SAMPLE = {"billing": 16, "credits": 8, "accounts": 6}
SHARES = 12
"""Parts that the whole is tried in, so that several processes can share it"""


def cells(api: str) -> Iterator[tuple[str, str, bool]]:
    """(capability, role, whether the overlay grants it) of every cell that an overlay can turn."""
    known = load(api)
    for capability in known.capabilities:
        if not known.operations[capability.operation].open:
            yield from ((capability.id, role, role not in capability.roles) for role in known.roles)


def found(api: str, capability: str, role: str, grants: bool, folder: Path) -> list[tuple[str, str]]:
    """(code, subject) of what the matrix check says of a server in which this cell is turned."""
    overlay = folder / "overlay.yaml"
    verb = "grant" if grants else "deny"
    overlay.write_text(f"{api}:\n  {verb}:\n    - {{operation: {capability}, role: {role}, reason: turned}}\n")
    result = verify(create_app(api, overlay=overlay), api, only=["access.matrix"])
    assert not result.stopped, result.stopped
    # What can be looked at by way of the turned cell alone is told as such, and so are writes on ids that nobody can
    # see to be unknown any more.
    reasons = [each.reason for each in result.unchecked if each.fatal]
    assert all(capability in each or "no answer says" in each for each in reasons), reasons
    return [(each.code, each.subject) for each in result.findings]


def sample() -> list[tuple[str, str, str, bool]]:
    chosen = []
    for api in names():
        every = list(cells(api))
        chosen += [(api, *cell) for cell in random.Random(7).sample(every, min(SAMPLE[api], len(every)))]
    return chosen


@pytest.mark.parametrize(("api", "capability", "role", "grants"), sample())
def test_a_turned_cell_is_reported_by_name_and_alone(
    api: str, capability: str, role: str, grants: bool, tmp_path: Path
) -> None:
    code = "A102" if grants else "A101"
    assert found(api, capability, role, grants, tmp_path) == [(code, f"{capability}/{role}")]


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_every_turned_cell_is_reported_by_name_and_alone(share: int, tmp_path: Path) -> None:
    every = [(api, *cell) for api in names() for cell in cells(api)]
    for api, capability, role, grants in every[share::SHARES]:
        code = "A102" if grants else "A101"
        assert found(api, capability, role, grants, tmp_path) == [(code, f"{capability}/{role}")]
