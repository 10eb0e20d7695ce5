"""The same calls to accounts and credits give the same bytes, in whatever process and after every reset."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from mockserver import MockServer, create_app
from tests import rights
from tests.credits_stage import scenario
from tests.mixes import Mix

ROOT = Path(__file__).parent.parent
APIS = ("accounts", "credits")


def served(seed: int, *apis: str) -> MockServer:
    return create_app(*(apis or APIS), scenario=scenario(), seed=seed)


def digest(seed: int, calls: int) -> str:
    """The digest of a mix over both, taking turns."""
    app = served(seed)
    mixes = [Mix(app, api, seed) for api in APIS]
    turns = [mix.calls(calls // 2) for mix in mixes]
    for _ in range(calls // 2):
        for turn in turns:
            next(turn)
    return " ".join(mix.run(0) for mix in mixes)


@cache
def printed(seed: int, calls: int, hash_seed: int) -> str:
    """What a process of its own prints."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-m", "tests.test_determinism_apis", str(seed), str(calls)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300)
    return done.stdout


def test_two_processes_with_other_hash_seeds_give_the_same_bytes_for_the_same_500_calls() -> None:
    first, second = printed(5, 500, 1), printed(5, 500, 4242)
    assert first
    assert first == second


@pytest.mark.slow
def test_they_do_so_for_many_calls_and_seeds() -> None:
    for seed in (1, 7, 42):
        assert printed(seed, 3000, 3) == printed(seed, 3000, 99)


def test_another_seed_gives_other_bytes() -> None:
    assert digest(5, 60) == digest(5, 60)
    assert digest(5, 60) != digest(6, 60)


@pytest.mark.parametrize("api", APIS)
def test_a_reset_returns_to_the_very_same_bytes(api: str) -> None:
    app = served(9, api)
    first = Mix(app, api, 9).run(150)
    app.reset()
    assert Mix(app, api, 9).run(150) == first


@pytest.mark.parametrize(
    ("api", "statuses"),
    [("accounts", {200, 400, 401, 403, 404}), ("credits", {200, 400, 401, 403, 404})],
)
def test_a_mix_reaches_every_operation_and_every_kind_of_answer(api: str, statuses: set[int]) -> None:
    mix = Mix(served(9, api), api, 9)
    mix.run(400)
    assert mix.tried == set(rights.operations(api))
    assert set(mix.statuses) == statuses
    assert mix.statuses[200] > 120


if __name__ == "__main__":
    print(digest(int(sys.argv[1]), int(sys.argv[2])))
