"""Schemathesis as each caller: nothing is found, every right really succeeds, and the refusals draw the matrix."""

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
import yaml

from specs.documents import document
from specs.tables import names

ROOT = Path(__file__).parent.parent
CALLERS = {
    "billing": ("client", "vendor", "operations"),
    "accounts": ("finance", "finance-two", "finance-none", "nobody"),
    "credits": ("admin", "auditor", "clerk", "treasurer", "reader"),
}
QUICK = {**CALLERS, "accounts": ("finance", "finance-none"), "credits": ("clerk", "treasurer")}
RICH = {"billing": ("createInvoices", "createCreditMemos")}
"""Operations whose bodies are so rich that they make more than half of all requests of the coverage phase."""
PARKING = "tests/apis/parking"
"""An API that nobody has, and that has no code of its own."""


def run(api: str, caller: str, *more: str, timeout: int = 900) -> dict[str, Any]:
    """The report of one run, in a process of its own: hooks are registered for a whole process."""
    command = [sys.executable, "-m", "tests.schemathesis.run", "--api", api, "--caller", caller, *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.stdout.startswith("{"), done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def table(path: Path) -> Any:
    """A table as it is written, and not as the server reads it."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def folder(api: str) -> Path:
    return ROOT / api if "/" in api else ROOT / "specs" / api


@cache
def labels(api: str) -> dict[str, str]:
    """operationId -> `METHOD /path`."""
    return {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, item in document(api)["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "operationId" in operation
    }


def allowed(api: str, role: str | None) -> set[str]:
    """Labels of what a role, or nobody, may call: by access.yaml and the given matrix, both read here anew."""
    access = table(folder(api) / "access.yaml")
    given = {}
    if "matrix" in access:
        with (folder(api) / access["matrix"]).open(encoding="utf-8", newline="") as file:
            given = {row["operation_id"]: row[role] != "deny" for row in csv.DictReader(file)}
    return {label for id, label in labels(api).items() if given.get(id, _may(access, access["operations"][id], role))}


def _may(access: dict[str, Any], row: dict[str, Any], role: str | None) -> bool:
    if row.get("open") or role is None:
        return bool(row.get("open"))
    if "needs" not in row:
        return role in row.get("who", ())
    held = set(access["roles"][role])
    owns = [{need, f"{need.split('.')[0]}.*", "*.*"} & held for need in row["needs"]]
    return not owns or (all if access["rule"] == "all" else any)(owns)


def refused(api: str) -> set[str]:
    """The statuses that somebody can get who may not call: of the check of roles and of all that come before it."""
    found = set()
    for row in table(folder(api) / "access.yaml")["refusals"]:
        found.add(str(row["status"]))
        if row["check"] == "role":
            break
    return found


def assert_nothing_found(report: dict[str, Any]) -> None:
    shown = [
        f"{each['code']} {each['operation']}\n{each['message']}\n{each.get('again')}\n{each.get('answer')}"
        for each in report["findings"]
    ]
    assert not shown, f"{len(shown)} findings; the first:\n" + "\n\n".join(shown[:5])


def assert_refusals_draw_the_matrix(
    report: dict[str, Any], api: str, role: str | None, *, without: tuple[str, ...] = ()
) -> None:
    tried = {label for id, label in labels(api).items() if id not in without}
    statuses = {label: set(found) for label, found in report["statuses"].items()}
    assert set(statuses) == tried
    rights = allowed(api, role) & tried
    only_refused = {label for label, found in statuses.items() if found <= refused(api)}
    succeeded = {label for label, found in statuses.items() if any(status < "400" for status in found)}
    assert succeeded <= rights, "the table denies it"
    assert succeeded == rights, "never succeeded, so hardly tested; teach the API's guide in tests/schemathesis/guides"
    assert only_refused == tried - rights


def role_of(caller: str, scenario: Path = ROOT / "fixtures/default.yaml") -> str | None:
    """A caller's role in a scenario, as it is written there; None of nobody."""
    return None if caller == "nobody" else str(table(scenario)["callers"][caller]["role"])


def cast(callers: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(api, caller) for api in callers for caller in callers[api]]


@pytest.mark.parametrize(("api", "caller"), cast(QUICK))
def test_the_coverage_phase_finds_nothing(api: str, caller: str) -> None:
    without = RICH.get(api, ())
    report = run(api, caller, "--phases", "coverage", *(["--without", *without] if without else []))
    assert_nothing_found(report)
    assert_refusals_draw_the_matrix(report, api, role_of(caller), without=without)


def test_an_api_of_tables_alone_is_sound_too() -> None:
    world = f"{PARKING}/world.yaml"
    report = run(PARKING, "ada", "--scenario", world, "--phases", "coverage")
    assert_nothing_found(report)
    assert_refusals_draw_the_matrix(report, PARKING, role_of("ada", ROOT / world))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("api", "caller"), cast(CALLERS))
def test_all_phases_find_nothing(api: str, caller: str, seed: int) -> None:
    report = run(api, caller, "--seed", str(seed))
    assert_nothing_found(report)
    assert_refusals_draw_the_matrix(report, api, role_of(caller))


def test_every_api_is_tried() -> None:
    assert set(CALLERS) == set(names())


def test_every_accepted_failure_has_a_reason_and_a_narrow_place() -> None:
    rows = tomllib.loads((ROOT / "contracts/conformance/accepted.toml").read_text(encoding="utf-8"))["accepted"]
    assert len({(row["api"], row["name"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["api"] in CALLERS, row["name"]
        assert len(row["reason"]) > 40, row["name"]
        # Never a whole check, never a server error.
        assert row["code"] in ("ST201", "ST202"), row["name"]
        assert {"parameters", "places", "within", "says", "status", "answer"} & set(row), row["name"]
