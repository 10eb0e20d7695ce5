"""A run that is killed in its middle: what it made is taken away afterwards, and nobody else's object was touched."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts import config
from specs.tables import load

HOME = Path(__file__).parents[2]
CONFIG = HOME / "fixtures" / "contracts.toml"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HOME), "NO_COLOR": "1"}
BY_MOMENT = {2: "soon", 9: "in its middle", 40: "late"}

pytestmark = pytest.mark.slow


@pytest.fixture
def address() -> Iterator[str]:
    """A server of the default world, in a process of its own."""
    command = [sys.executable, "-m", "mockserver", "--port", "0"]
    with subprocess.Popen(command, env=ENVIRONMENT, cwd=HOME, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        yield found[0] if found else ""
        server.terminate()


def toolkit(*words: str, cwd: Path) -> list[str]:
    return [sys.executable, "-m", "contracts", *words, "--config", str(CONFIG), "--journal", str(cwd / "journals")]


def seen(address: str, api: str) -> dict[tuple[str, str, str], Any]:
    """(caller, operation, id) -> row, for all that a caller's lists show: lists below nothing, page by page."""
    found: dict[tuple[str, str, str], Any] = {}
    tables = load(api)
    paging, items = tables.conventions.paging, tables.conventions.lists["items"]
    callers = [each for each in config.read(CONFIG, {}).callers if (each.api, each.kind) == (api, "known")]
    with httpx.Client(base_url=address) as client:
        for caller in callers:
            for operation in tables.operations.values():
                if operation.does != "list" or operation.below is not None or caller.role not in operation.roles:
                    continue
                tenants = [each for each in caller.grants if "-" in each] or ["10000000-0000-4000-8000-000000000001"]
                path = operation.path.replace("{tenantLocator}", tenants[0])
                for start in range(0, 1000, 100):
                    query = f"{paging['limit']}=100&{paging['offset']}={start}"
                    answer = client.get(f"{path}?{query}", headers={"authorization": f"Bearer {caller.token}"})
                    assert answer.status_code == 200, answer.text
                    rows = answer.json()[items]
                    for row in rows:
                        id = row.get("id") or row.get("locator") or row.get("rootLocator") or json.dumps(row)
                        found[caller.name, operation.id, id] = row
                    if len(rows) < 100:
                        break
    return found


@pytest.mark.parametrize("moment", BY_MOMENT, ids=BY_MOMENT.values())
@pytest.mark.parametrize("api", ["billing", "credits"])
@pytest.mark.parametrize("answered", [True, False], ids=["answered", "before the last answer"])
def test_what_a_killed_run_made_is_taken_away_and_nothing_else_is_touched(
    answered: bool, api: str, moment: int, address: str, tmp_path: Path
) -> None:
    before = seen(address, api)
    words = ("run", "--target", address, "--api", api, "--mode", "own", "--only", "check:machines.*", "--quiet")
    with subprocess.Popen(toolkit(*words, cwd=tmp_path), env=ENVIRONMENT, cwd=tmp_path) as run:
        wait_for(tmp_path / "journals", moment, run)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL, "the run was over before it could be killed"
    if not answered:
        forget_the_last_answer(tmp_path / "journals")

    cleaned = subprocess.run(
        toolkit("clean", "--target", address, cwd=tmp_path),
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert cleaned.stdout.rstrip().endswith("nothing is left.")

    after = seen(address, api)
    assert {key: after.get(key) for key in before} == before, "an object that the run did not make was changed"
    # Where an API deletes nothing, what was made is brought to an end; what is summed up of it is no object of its own.
    alive = {key for key, row in after.items() if key not in before and not is_over(api, key[1], row)}
    assert not alive
    assert list((tmp_path / "journals").glob("*")) == []


def forget_the_last_answer(folder: Path) -> None:
    """Leave the journal as it is when a run is killed after the server has made something, and before it heard so."""
    (path,) = folder.glob("*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if '"made"' in line)
    path.write_text("".join(lines[:last]))


def is_over(api: str, operation: str, row: Any) -> bool:
    """Whether a row is of an object that has come to its end, or of none."""
    tables = load(api)
    entity = tables.operations[operation].entity
    machine = tables.machines.get(entity)
    return (
        row.get(machine.field) in machine.final if machine is not None else tables.visibility[entity].rows == "derived"
    )


def wait_for(folder: Path, made: int, run: subprocess.Popen[bytes]) -> None:
    """Until the journal tells of so many objects."""
    for _ in range(3000):
        lines = "".join(path.read_text() for path in folder.glob("*.jsonl")) if folder.is_dir() else ""
        if lines.count('"made"') >= made:
            return
        assert run.poll() is None, "the run is over, and has made too little"
        time.sleep(0.01)
    raise AssertionError("the run makes nothing")


def test_the_journal_of_a_run_that_is_still_going_is_left_alone(address: str, tmp_path: Path) -> None:
    words = ("run", "--target", address, "--api", "billing", "--mode", "own", "--only", "check:machines.*", "--quiet")
    with subprocess.Popen(toolkit(*words, cwd=tmp_path), env=ENVIRONMENT, cwd=tmp_path) as run:
        wait_for(tmp_path / "journals", 1, run)
        run.send_signal(signal.SIGSTOP)
        cleaned = subprocess.run(
            toolkit("clean", "--target", address, cwd=tmp_path),
            env=ENVIRONMENT,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        run.send_signal(signal.SIGKILL)
    assert cleaned.returncode == 2
    assert "its run is still going" in cleaned.stderr + cleaned.stdout


def test_a_journal_of_another_deployment_is_not_cleaned_here(address: str, tmp_path: Path) -> None:
    journal = tmp_path / "journals" / "20260101T000000-000000.jsonl"
    journal.parent.mkdir()
    intent = {"intent": 1, "api": "billing", "operation": "createJournal", "entity": "Journal", "caller": "vendor"}
    journal.write_text(
        json.dumps({"target": "https://elsewhere.example"})
        + "\n"
        + json.dumps({**intent, "params": {}, "tag": "x"})
        + "\n"
    )
    cleaned = subprocess.run(
        toolkit("clean", "--target", address, cwd=tmp_path),
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert cleaned.returncode == 2
    assert f"{journal}: skipped, as it was made at https://elsewhere.example, not at {address};" in cleaned.stdout
    assert journal.exists()
