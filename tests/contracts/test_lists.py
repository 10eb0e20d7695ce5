"""Pages, orders, filters and selections: silent on the sound server, and each planted fault is found under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from contracts import facts
from contracts.listing import escaped, leaves, marks
from contracts.probe import Blocked
from contracts.queries import Member, Question, among, compare, like, negated, unset, writable
from contracts.registry import checks
from contracts.run import run, running
from contracts.settings import Settings
from contracts.wire import Caller
from mockserver import MockServer, create_app
from specs.tables import Operation, names
from tests.contracts.driver import settings, silent, told, verify
from tests.faulty import filters, orders, paging, selects
from tests.faulty.defects import Defect
from tests.faulty.planting import Server, answered
from tests.test_another_api import FOLDER, WORLD

NAMED, DISTRIBUTIONS = "createOrReplaceCreditDistribution", "fetchMultipleCreditDistributions"
ONLY = ("paging.*", "ordering.*", "filters.*", "selection.*")
READ_SIDE = ("rows.*", "visibility.*", "views.*", *ONLY)
# What the seed of a run happens to look below may have nothing there; told as unchecked, and no reason to fail.
NOTHING = ("list", "fetch")
# The documents of an account, which are no list of their own, are looked at with the accounts themselves.
OTHERS = ("months-ignored", "first-month-only", "oldest-invoice-first")


def planted() -> list[Any]:
    every = (*paging.DEFECTS, *orders.DEFECTS, *filters.DEFECTS, *selects.DEFECTS)
    found = [each for each in every if each.name not in OTHERS and any(code[0] == "Q" for code in each.codes)]
    # Each takes a whole run of these checks; every fourth is enough to see at once that something broke.
    weights = (() if at % 4 == 0 else (pytest.mark.slow,) for at in range(len(found)))
    return [pytest.param(each, id=each.name, marks=mark) for each, mark in zip(found, weights, strict=True)]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("api", names())
def test_nothing_is_found_on_the_sound_server(api: str, seed: int, sound_app: MockServer) -> None:
    assert silent(verify(sound_app, api, only=ONLY, seed=seed), expecting=NOTHING) == []


@pytest.mark.parametrize("defect", planted())
def test_a_planted_fault_is_found_under_its_name(defect: Defect) -> None:
    result = verify(defect.plant(), defect.api, only=ONLY)

    found = [each for each in result.findings if each.code in defect.codes]
    assert found, told(result.findings)
    # What breaks the spec besides is for the judge of all answers to tell.
    others = [each for each in result.findings if each.code not in defect.codes and each.code[0] != "S"]
    assert told(others) == []
    if defect.at:
        assert defect.at in {each.operation for each in found}


@pytest.mark.parametrize("by", ["createdAt", "locator"])
def test_what_callers_named_themselves_in_earlier_runs_stands_where_its_time_says(by: str) -> None:
    server = Server("credits")
    for seed in (1, 2):
        made = verify(server.asgi, "credits", mode="own", only=[f"operation:{NAMED}"], seed=seed)
        assert made.statuses["credits", NAMED][200]
    answered(DISTRIBUTIONS, lambda value, x: value["items"].sort(key=lambda row: row[by]))(server)

    result = verify(server.asgi, "credits", only=["ordering.orders"])
    found = {(each.code, each.operation, each.subject) for each in result.findings}
    assert found == ({("Q503", DISTRIBUTIONS, "by itself")} if by == "locator" else set()), told(result.findings)


def test_the_read_side_of_all_apis_takes_few_requests(sound_app: MockServer) -> None:
    result = verify(sound_app, *names(), only=READ_SIDE)

    counted = {f"{each.api} {each.check}": each.requests for each in result.checks}
    assert result.requests <= 3_000, counted


def test_an_api_that_is_a_folder_is_looked_at_by_its_tables_alone() -> None:
    callers = (
        Caller("warden", "parking", "warden", "warden-token", "town"),
        Caller("ada", "parking", "driver", "ada-token", "ada"),
        Caller("ben", "parking", "driver", "ben-token", "ben"),
    )
    only = tuple(f"check:{each}" for each in READ_SIDE)
    app = create_app(FOLDER, scenario=WORLD)

    result = run(Settings(target="http://127.0.0.1:8000", app=app, apis=(FOLDER,), callers=callers, only=only))

    assert silent(result, expecting=NOTHING) == []
    assert {each.check for each in result.checks if each.requests} >= {"paging.links", "ordering.orders"}


@pytest.mark.parametrize("depth", [1, 100], ids=["not-read-to-its-end", "read-to-its-end"])
@pytest.mark.parametrize(
    ("api", "check", "cap"),
    [
        ("billing", "ordering.orders", 20),
        ("billing", "filters.operators", 20),
        ("accounts", "ordering.orders", 2),
        ("accounts", "paging.links", 3),
        ("credits", "filters.parameters", 2),
        ("credits", "ordering.orders", 2),
        ("credits", "paging.links", 3),
    ],
)
def test_a_list_longer_than_a_page_is_judged_by_what_one_page_can_show(
    api: str, check: str, cap: int, depth: int, sound_app: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "DEPTH", depth)
    found = next(each for each in checks() if each.id == check)
    with running(settings(sound_app, api)) as made:
        p = made.probes[api]
        conventions = replace(p.api.conventions, paging={**p.api.conventions.paging, "cap": cap})
        p.api = replace(p.api, conventions=conventions)
        for case in found.cases(p.api):
            made.run(found, p.api, case)

        pages = [rows for rows in p.facts._rows.values() if len(rows.rows) > cap or not rows.whole]
        assert pages, "no list is longer than a page"
        assert told(made.result.findings) == []
        assert [each.reason for each in made.result.unchecked if each.fatal] == []


def test_ids_are_looked_for_again_once_something_was_written(
    sound_app: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = _counted(monkeypatch)
    with running(settings(sound_app, "billing")) as made:
        p = made.probes["billing"]
        caller = p.who("operations")
        found = list(p.facts.ids("JournalSeller", caller))
        first = len(looks)
        assert list(p.facts.ids("JournalSeller", caller)) == found != []
        assert len(looks) == first
        p.facts.forget()
        assert list(p.facts.ids("JournalSeller", caller)) == found
        assert len(looks) == 2 * first


def test_ids_that_were_refused_are_asked_for_again(sound_app: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = _counted(monkeypatch)
    with running(settings(sound_app, "billing")) as made:
        p = made.probes["billing"]
        caller, rows = p.who("operations"), p.facts.rows
        with monkeypatch.context() as other:
            other.setattr(p.facts, "rows", partial(_refused, rows))
            assert list(p.facts.ids("JournalSeller", caller)) == []
        assert list(p.facts.ids("JournalSeller", caller)) != []
        assert looks.count("JournalSeller") == 2


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The entities whose ids are looked for, as they are."""
    looks: list[str] = []
    find = facts.Facts._found

    def found(self: facts.Facts, entity: str, *given: Any) -> Iterator[str]:
        looks.append(entity)
        return find(self, entity, *given)

    monkeypatch.setattr(facts.Facts, "_found", found)
    return looks


def _refused(rows: Callable[..., Any], operation: Operation, *given: Any) -> Any:
    if operation.below is not None:
        raise Blocked("refused")
    return rows(operation, *given)


ROWS: Sequence[dict[str, Any]] = (
    {"id": "1", "name": "Abbey Road", "size": 9, "status": "Open"},
    {"id": "2", "name": "abbey lane", "size": 10, "status": "Done"},
    {"id": "3", "size": 10, "status": "Done"},
)
NAME = Member("name", "string", tuple(row.get("name") for row in ROWS))
SIZE = Member("size", "number", tuple(row["size"] for row in ROWS))
STATUS = Member("status", "enum", tuple(row["status"] for row in ROWS))


@pytest.mark.parametrize(
    ("question", "text", "ids"),
    [
        (compare("eq", NAME, "Abbey Road"), "eq(name,'Abbey Road')", "1"),
        (compare("ne", NAME, "Abbey Road"), "ne(name,'Abbey Road')", "23"),
        (compare("ge", SIZE, 10), "ge(size,10)", "23"),
        (compare("lt", SIZE, 10), "lt(size,10)", "1"),
        (among("out", NAME, ["Abbey Road"]), "out(name,('Abbey Road'))", "23"),
        (among("in", STATUS, ["Open", "Gone"]), "in(status,('Open','Gone'))", "1"),
        (unset("eq", NAME), "eq(name,null())", "3"),
        (unset("ne", NAME), "ne(name,null())", "12"),
        (like("like", NAME, "*bbey*", "contains"), "like(name,'*bbey*')", "12"),
        (like("like", NAME, "Abbey*", "starts with"), "like(name,'Abbey*')", "1"),
        (like("ilike", NAME, "Abbey*", "starts with"), "ilike(name,'Abbey*')", "12"),
        (like("like", NAME, "*lane", "ends with"), "like(name,'*lane')", "2"),
        (like("like", NAME, "Abbey", "without stars"), "like(name,'Abbey')", ""),
        (negated(compare("gt", SIZE, 9)), "not(gt(size,9))", "1"),
    ],
)
def test_a_question_is_answered_by_the_rows_themselves(question: Question, text: str, ids: str) -> None:
    assert question.text == text
    assert "".join(row["id"] for row in ROWS if question.holds(row)) == ids


@pytest.mark.parametrize(
    ("value", "kind", "can_be"),
    [
        (1.5, "number", True),
        (1e-7, "number", False),
        (25.0000000393, "number", False),
        ("O'Neill", "string", False),
        ("A-1 b.c", "string", True),
        ("x", "string", False),
        (True, "boolean", True),
    ],
)
def test_only_values_without_doubt_are_written(value: Any, kind: str, can_be: bool) -> None:
    assert writable(value, kind) is can_be


def test_what_structures_a_query_is_sent_as_it_is_and_the_rest_is_escaped() -> None:
    assert escaped("and(eq(name,'A b'),in(id,('x')))&order=-id") == "and(eq(name,'A%20b'),in(id,('x')))&order=-id"


def test_values_behind_a_path_are_found_through_lists() -> None:
    assert leaves({"lines": [{"no": 1}, {"no": None}, {"no": 2}]}, "lines.no") == [1, 2]


def test_source_marks_are_read_from_brackets() -> None:
    assert marks("Items to skip. (S, D; default and bound, M)") == "S, D, M"
    assert marks("One order [S]. Names are case-sensitive [M].") == "S, M"
    assert marks("No mark at all.") == "M"
