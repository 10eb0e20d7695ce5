"""Billing's own checks: what follows from steps, sums to the last place, files in and out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from contracts.apis.billing import money, uploads
from contracts.apis.billing.ground import listing
from contracts.forms import Part, exact, form
from contracts.probe import Blocked
from contracts.run import running
from mockserver import MockServer, create_app
from mockserver.apis.billing import charge_files, custom_ledger_files
from tests.contracts.driver import settings, told, verify
from tests.contracts.test_machines import BY_NAME, rightly

SoundOf = Callable[..., MockServer]
# defect -> the checks that are to find it
FOUND = {
    "one-ledger-for-two-sellers": "billing.ledgers",
    "statements-doubled": "billing.statements",
    "regenerate-keeps-ledgers": "billing.undone",
    "second-file-adds": "billing.uploads",
    "reset-keeps-match": "billing.reconciled",
    "queue-leaves-statements": "billing.completion",
    "override-without-effect": "billing.overrides",
    "child-does-not-join": "billing.consolidation",
    "first-child-only": "billing.consolidation",
    "pair-overridden-twice": "billing.overrides.once",
    "invoice-not-linked-back": "billing.documents",
    "discount-forgotten": "billing.lines",
    "half-to-even": "billing.manual.amounts",
    "refunds-not-counted": "billing.amounts",
    "sale-not-converted": "billing.shares",
    "buyer-side-divided": "billing.shares",
    "whole-price-to-each-share": "billing.shares",
    "quantity-forgotten": "billing.manual.amounts",
    "last-line-dropped": "billing.files.in",
    "descriptions-dropped": "billing.files.in",
    "broken-file-accepted": "billing.files.unfit",
    "file-of-one-page": "billing.files.out",
    "xlsx-in-whole": "billing.files.out",
}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_sound_server_keeps_every_rule(sound_of: SoundOf, seed: int) -> None:
    result = verify(sound_of("billing"), "billing", mode="full", only=["billing.*"], seed=seed)
    assert told(result.findings) == []
    assert result.unchecked == []


def test_a_list_whose_pages_never_end_is_not_read_for_ever() -> None:
    with running(settings(_without_offset(create_app("billing")), "billing", budget=50)) as made:
        probe = made.probes["billing"]
        conventions = replace(probe.api.conventions, paging={**probe.api.conventions.paging, "cap": 5})
        probe.api = replace(probe.api, conventions=conventions)
        with pytest.raises(Blocked, match=r"listJournals shows one page twice; see paging\.pages"):
            listing(probe, "listJournals")


def _without_offset(app: Any) -> Any:
    """The application, to whom every page is the first."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "query_string": re.sub(rb"offset=\d+", b"offset=0", scope["query_string"])}
        await app(scope, receive, send)

    return wrapped


@pytest.mark.parametrize("name", FOUND)
def test_a_planted_defect_is_found_alone(name: str) -> None:
    defect = BY_NAME[name]
    result = verify(defect.plant(), defect.api, mode="full", only=[FOUND[name]], patience=0.3)
    right, others = rightly(defect, result)
    assert right
    assert others == []


def ready(pp: str, sp: str, **price: Any) -> dict[str, Any]:
    amounts = {"PPx1": Decimal(pp), "SPx1": Decimal(sp), "currency": {"rate": Decimal(1)}, **price}
    return {"processing": {"status": "Ready"}, "price": amounts}


@pytest.mark.parametrize(
    ("shown", "code"), [("0.00003", ""), ("0.00002", "M603"), ("0.00004", "M603"), ("0.00103", "M601")]
)
def test_a_total_is_rounded_half_away_from_zero_once(shown: str, code: str) -> None:
    wrongs = list(money.totals({"price": {"totalPP": Decimal(shown)}}, [ready("0.000025", "0")], 5))
    assert [each.code for each in wrongs] == ([code] if code else [])


@pytest.mark.parametrize(
    ("net", "gross", "markup", "margin"),
    [("5170.20", "5620.44", "8.7083671812", "8.0107607234"), ("20", "30", "50", "33.3333333333")],
)
def test_the_documented_percentages_are_right_and_others_are_not(
    net: str, gross: str, markup: str, margin: str
) -> None:
    price = {"markup": Decimal(markup), "margin": Decimal(margin)}
    assert list(money.percentages(price, Decimal(net), Decimal(gross), 10)) == []
    swapped = {"markup": price["margin"], "margin": price["markup"]}
    assert [each.code for each in money.percentages(swapped, Decimal(net), Decimal(gross), 10)] == ["M602", "M602"]
    assert [each.code for each in money.percentages(price, Decimal(0), Decimal(gross), 10)] == ["M602", "M602"]


def test_only_charges_that_are_ready_are_summed() -> None:
    charges = [ready("10", "11"), {**ready("5", "6"), "processing": {"status": "Split"}}]
    assert money.summed(charges, "PPx1") == 10


def test_charge_files_are_as_the_templates_have_them() -> None:
    line = {"externalIds": {"vendor": "é", "invoice": "1"}, "price": {"unitPP": Decimal("0.10"), "PPx1": Decimal(1)}}
    for content, kind in ((uploads.jsonl, "jsonl"), (uploads.workbook, "xlsx"), (uploads.table, "csv")):
        (read,) = charge_files.read_lines(content([line]), kind)  # type: ignore[arg-type]  # one of the three kinds
        assert read.data["externalIds"] == line["externalIds"]
        assert read.data["price"] == line["price"]
    row = {"Type": "Item", "Document No.": "D", "Quantity": 2, "Unit Price": Decimal("1.5")}
    (found,) = custom_ledger_files.read_rows(uploads.sheet([row]))
    assert (found.data["documentNumber"], found.data["quantity"], found.data["unitSP"]) == ("D", 2, Decimal("1.5"))


def test_a_workbook_that_was_written_is_written_once_and_one_of_other_cells_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploads, "_books", {})
    monkeypatch.setattr(uploads, "BOOKS", 2)
    one, same, other = (uploads.sheet([{"Quantity": each}]) for each in (1, 1, True))
    assert same is one
    assert other != one
    uploads.sheet([{"Quantity": 2}])
    assert len(uploads._books) == 1


def test_numbers_and_bytes_leave_as_they_are() -> None:
    assert exact({"a": Decimal("0.10"), "b": [1, None, "é"]}) == '{"a": 0.10, "b": [1, null, "\\u00e9"]}'
    body = form(Part("file", b"\r\n\x00\xff", "größe.txt", "text/plain"))
    assert b'filename="gr\xc3\xb6\xc3\x9fe.txt"\r\nContent-Type: text/plain\r\n\r\n\r\n\x00\xff\r\n--' in body
