"""Waiting for background work, in real time and in none."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from contracts.run import running
from contracts.stage import Stage
from contracts.waiting import Leaping
from mockserver import MockServer
from tests.contracts.driver import settings


def asked(sound: MockServer, monkeypatch: pytest.MonkeyPatch, **options: object) -> list[float]:
    """When the state of an object was asked for that never leaves it; seconds since the first time."""
    told = settings(sound, "billing", mode="full", **options)
    times: list[float] = []

    def state(stage: Stage, thing: object) -> str:
        times.append(told.clock.now())
        return "Validating"

    with running(told) as made:
        stage = made.probes["billing"].stage
        thing = stage.make("Journal")
        with monkeypatch.context() as changed:
            changed.setattr(type(stage), "state", state)
            assert stage.arrive(thing, "Validating") == "Validating"
    return [each - times[0] for each in times]


def test_nobody_waits_where_nothing_happens_by_itself(
    sound_of: Callable[..., MockServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    found = asked(sound_of("billing"), monkeypatch, patience=3600.0, clock=Leaping())
    assert found[-1] > 3600.0
    assert time.monotonic() - began < 60


def test_it_is_asked_as_often_as_in_real_time(
    sound_of: Callable[..., MockServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = asked(sound_of("billing"), monkeypatch, patience=0.4)
    leaping = asked(sound_of("billing"), monkeypatch, patience=0.4, clock=Leaping())
    assert len(leaping) == len(real)
    assert leaping == pytest.approx(real, abs=0.1)
