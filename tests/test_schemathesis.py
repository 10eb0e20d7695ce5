"""Schemathesis as each role: nothing is found, every right really succeeds, and the refusals draw the matrix."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from specs.documents import document
from specs.tables import load

ROOT = Path(__file__).parent.parent
ROLES = ("client", "vendor", "operations")
SYNC = ("createInvoices", "createCreditMemos")
"""Their bodies are so rich that they make more than half of all requests of the coverage phase."""
REFUSED = {"401", "403"}


def run(role: str, *more: str, timeout: int = 900) -> dict[str, Any]:
    """The report of one run, in a process of its own: hooks are registered for a whole process."""
    command = [sys.executable, "-m", "tests.schemathesis.run", "--role", role, *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.stdout.startswith("{"), done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@cache
def labels() -> dict[str, str]:
    """operationId -> `METHOD /path`."""
    paths = document("billing")["paths"].items()
    return {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, item in paths
        for method, operation in item.items()
        if isinstance(operation, dict)
    }


def denied(role: str) -> set[str]:
    """Labels of what a role may not call: the given matrix, read here anew, and access.yaml where that is silent."""
    with (ROOT / "specs/billing/role-matrix.csv").open(encoding="utf-8", newline="") as file:
        given = {row["operation_id"]: row[role] == "deny" for row in csv.DictReader(file)}
    operations = load("billing").operations
    return {labels()[id] for id, each in operations.items() if given.get(id, role not in each.roles)}


def assert_nothing_found(report: dict[str, Any]) -> None:
    shown = [
        f"{each['code']} {each['operation']}\n{each['message']}\n{each.get('again')}\n{each.get('answer')}"
        for each in report["findings"]
    ]
    assert not shown, f"{len(shown)} findings; the first:\n" + "\n\n".join(shown[:5])


def assert_refusals_draw_the_matrix(report: dict[str, Any], role: str, *, without: tuple[str, ...] = ()) -> None:
    left_out = {labels()[id] for id in without}
    statuses = {label: set(found) for label, found in report["statuses"].items()}
    assert set(statuses) == set(labels().values()) - left_out
    assert {label for label, found in statuses.items() if found <= REFUSED} == denied(role) - left_out
    unreached = {
        label: found for label, found in statuses.items() if not found <= REFUSED and not any(s < "400" for s in found)
    }
    assert not unreached, "never succeeded, so hardly tested; teach tests/schemathesis/hooks.py what they need"


@pytest.mark.parametrize("role", ROLES)
def test_the_coverage_phase_finds_nothing(role: str) -> None:
    report = run(role, "--phases", "coverage", "--without", *SYNC)
    assert_nothing_found(report)
    assert_refusals_draw_the_matrix(report, role, without=SYNC)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("role", ROLES)
def test_all_phases_find_nothing(role: str, seed: int) -> None:
    report = run(role, "--seed", str(seed))
    assert_nothing_found(report)
    assert_refusals_draw_the_matrix(report, role)


def test_every_accepted_failure_has_a_reason_and_a_narrow_place() -> None:
    rows = tomllib.loads((ROOT / "tests/schemathesis/accepted.toml").read_text(encoding="utf-8"))["accepted"]
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        assert len(row["reason"]) > 40, row["name"]
        # Never a whole check, never a server error.
        assert row["code"] in ("ST201", "ST202"), row["name"]
        assert {"parameters", "places", "within", "says", "status"} & set(row), row["name"]
