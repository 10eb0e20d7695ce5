"""Whole runs of the sound server in an order that nobody wrote: whatever came before it, no check finds anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contracts.findings import Result
from mockserver import MockServer
from specs.tables import names
from tests.contracts.driver import told, verify

SoundOf = Callable[..., MockServer]
SEEDS = range(1, 21)
QUICK = 2
"""The seed of quick runs: lists of billing are longer than a page before their filters and orders are looked at."""


def weighed(api: str, seed: int) -> object:
    # A whole run of billing takes the time of all the others together.
    is_quick = seed == QUICK and api != "billing"
    return pytest.param(api, seed, marks=() if is_quick else (pytest.mark.slow,))


def unheard(result: Result) -> list[str]:
    """What keeps a run from being a pass: findings, and what should have been checked and could not."""
    fatal = [f"{each.check} {each.case}: {each.reason}" for each in result.unchecked if each.fatal]
    return told(result.findings) + fatal + ([f"stopped: {result.stopped}"] if result.stopped else [])


@pytest.mark.parametrize(("api", "seed"), [weighed(api, seed) for api in names() for seed in SEEDS])
def test_nothing_is_found_in_whatever_order_the_checks_run(api: str, seed: int, sound_of: SoundOf) -> None:
    result = verify(sound_of(api), api, mode="full", shuffle=True, seed=seed)

    assert unheard(result) == []
    assert result.exit_status == 0
