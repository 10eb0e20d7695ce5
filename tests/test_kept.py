"""Seeded worlds are kept: the same as if made anew, and never more than data."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mockserver import create_app, kept, scenario
from tests.fingerprint import fingerprint

ROOT = Path(__file__).parent.parent
PARKING = f"{ROOT}/tests/apis/parking"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("DOUBLEENTRY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def worlds(folder: Path) -> list[Path]:
    return sorted(folder.glob("world-*.pickle"))


def test_a_kept_world_is_the_world_that_was_made(folder: Path) -> None:
    made = create_app("billing", seed=3)
    (file,) = worlds(folder)
    written = file.stat().st_mtime_ns
    again = create_app("billing", seed=3)
    assert file.stat().st_mtime_ns == written
    assert fingerprint(again.world) == fingerprint(made.world)
    assert again.callers == made.callers


@pytest.mark.parametrize("other", [{"seed": 4}, {"now": "2026-04-01"}])
def test_another_world_is_kept_apart(folder: Path, other: dict[str, object]) -> None:
    create_app("billing", seed=3)
    create_app("billing", **{"seed": 3, **other})  # type: ignore[arg-type]
    assert len(worlds(folder)) == 2


def test_the_tables_of_an_api_count_too(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "parking"
    shutil.copytree(PARKING, other)
    spec = other / "openapi.yaml"
    create_app(PARKING, scenario=f"{PARKING}/world.yaml")
    create_app(str(other), scenario=f"{PARKING}/world.yaml")
    assert len(worlds(folder)) == 1
    spec.write_text(spec.read_text().replace("enum: [street, garage]", "enum: [street, garage, roof]"))
    create_app(str(other), scenario=f"{PARKING}/world.yaml")
    assert len(worlds(folder)) == 2


def test_a_choice_of_apis_takes_the_worlds_that_are_kept(folder: Path) -> None:
    beside = create_app("billing", PARKING, scenario=f"{PARKING}/beside.yaml", seed=3)
    there = {file: file.stat().st_mtime_ns for file in worlds(folder)}
    assert len(there) == 2
    alone = create_app(PARKING, scenario=f"{PARKING}/beside.yaml", seed=3)
    create_app("billing", seed=3)
    assert {file: file.stat().st_mtime_ns for file in worlds(folder)} == there
    assert fingerprint(alone.world) == fingerprint(beside.worlds["parking"])


def test_a_kept_world_is_found_by_another_process(folder: Path) -> None:
    # Sets come in another order in every process; nothing of a world's place may hang on that.
    program = f"from mockserver import create_app; create_app({PARKING!r}, scenario={PARKING!r} + '/world.yaml')"
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=ROOT, timeout=60)
    assert len(worlds(folder)) == 1


def test_only_the_newest_worlds_stay(folder: Path) -> None:
    for count in range(10):
        kept.write(folder / f"world-{count:032x}.pickle", [("Journal", {"id": str(count)})])
    assert len(worlds(folder)) == 8
    assert kept.read(folder / f"world-{9:032x}.pickle") == [("Journal", {"id": "9"})]


def test_a_scenario_is_parsed_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: default\nseed: 7\n")
    read = scenario.load(mine)
    with monkeypatch.context() as patch:
        patch.setattr(yaml, "compose", None)
        assert scenario.load(mine) == read
    mine.write_text("extends: default\nseed: 8\n")
    assert scenario.load(mine).seed == 8


def test_a_kept_scenario_is_told_by_what_it_says_and_its_mistakes_by_its_name(folder: Path, tmp_path: Path) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text("extends: default\nsizes: {billing: {journals: many}}\n")
        with pytest.raises(scenario.ScenarioError, match=rf"^{name}:2: sizes\.billing\.journals: "):
            scenario.load(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps(Path()), pickle.dumps([("Journal", 1)])])
def test_a_kept_scenario_that_is_none_is_read_anew(folder: Path, content: bytes) -> None:
    read = scenario.load("default")
    for file in folder.glob("scenario-*.pickle"):
        file.write_bytes(content)
    assert scenario.load("default") == read


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("ran"),)  # type: ignore[return-value]


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", pickle.dumps(Evil()), pickle.dumps([("Journal", {"id": "1"})])[:-8]]
)
def test_a_file_that_is_no_plain_data_is_made_anew(
    folder: Path, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = create_app("billing", seed=3)
    (file,) = worlds(folder)
    file.write_bytes(content)
    assert kept.read(file) is None
    assert fingerprint(create_app("billing", seed=3).world) == fingerprint(made.world)
    assert not (tmp_path / "ran").exists()


def test_without_a_writable_cache_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DOUBLEENTRY_CACHE", str(tmp_path / "file" / "cache"))
    assert create_app("billing", seed=3).callers
