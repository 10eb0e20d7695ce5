"""Custom ledgers and manual overrides (billing c.5, c.11, d.4, d.8, e.5)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mockserver.apis.billing import custom_ledger_files
from mockserver.domain.errors import Conflict, Invalid, NoSuchTransition, UnsupportedMedia
from mockserver.work import Upload
from tests.billing_world import XLSX, Small, line, row

PAIR = {"client": {"id": "ACC-1000-0003"}, "vendor": {"id": "ACC-1000-0001"}}


@pytest.fixture
def small() -> Small:
    return Small()


# Custom ledgers


def test_a_custom_ledger_starts_empty(small: Small) -> None:
    ledger = small.get("CustomLedger", small.custom_ledger(notes="n", externalIds={"operations": "o", "vendor": "v"}))
    assert (ledger["status"], ledger["notes"], ledger["externalIds"]) == ("Draft", "n", {"operations": "o"})
    assert ledger["price"]["currency"] == {"purchase": "EUR", "sale": "EUR", "rate": 1}
    assert (ledger["price"]["totalSP"], ledger["processing"]["total"]) == (0, 0)


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"seller": {"id": "SEL-0000-0000"}}, "seller.id"),
        ({"vendor": {"id": "ACC-1000-0003"}}, "vendor.id"),
        ({"billingStartDate": "2026-03-01T00:00:00.000Z"}, "billingEndDate"),
    ],
)
def test_a_custom_ledger_that_cannot_be_is_refused(small: Small, members: dict[str, Any], place: str) -> None:
    with pytest.raises(Invalid) as refused:
        small.custom_ledger(**members)
    assert place in refused.value.errors


def test_a_period_cannot_be_updated_to_end_before_it_starts(small: Small) -> None:
    id = small.custom_ledger()
    with pytest.raises(Invalid):
        small.update("CustomLedger", id, {"billingEndDate": "2026-01-01T00:00:00.000Z"})
    assert small.update("CustomLedger", id, {"name": "x"})["name"] == "x"


def test_both_sides_of_the_price_come_from_the_file(small: Small) -> None:
    id = small.custom_ledger()
    ledger = small.upload_rows(id, row(quantity=2), row("20", "30"))
    assert (ledger["status"], ledger["processing"]["ready"]) == ("Validated", 2)
    assert [ledger["price"][name] for name in ("totalPP", "totalSP")] == [Decimal("1497.20"), Decimal("1635.84")]
    one, two = small.charges(id)
    assert [one["id"][-4:], two["id"][-4:]] == ["0010", "0020"]
    assert (one["price"]["markup"], one["price"]["margin"]) == (Decimal("8.7083671812"), Decimal("8.0107607234"))
    assert (two["price"]["markup"], two["price"]["margin"]) == (50, Decimal("33.3333333333"))
    assert (one["price"]["PPx1"], one["price"]["unitPP"], one["billingType"]) == (
        Decimal("1477.2"),
        Decimal("738.6"),
        "Manual",
    )
    assert "markupSource" not in one["price"]
    assert one["erpData"] == {"cco": "NL-CCO-1", "erpCountryCode": "NL", "scu": "NL-SCU-100001", "erpItemId": "X1"}
    assert one["attributes"]["documentNumber"] == "AGR-1000-0000-0001"
    named = {
        one[name]["id"] for name in ("agreement", "buyer", "client", "item", "licensee", "product", "seller", "vendor")
    }
    assert {"AGR-1000-0000-0001", "BUY-1000-0001", "ITM-1000-0000-0001", "SEL-1000-0001"} <= named


def test_a_credit_memo_is_turned_round(small: Small) -> None:
    id = small.custom_ledger()
    small.upload_rows(id, row("20", "30", statementType="Credit"))
    (charge,) = small.charges(id)
    assert (charge["statementType"], charge["price"]["SPx1"], charge["price"]["markup"]) == ("Credit", -30, 50)


def test_external_document_no_2_names_the_agreement_before_document_no(small: Small) -> None:
    id = small.custom_ledger()
    small.upload_rows(id, row(externalDocumentNo2="agr-3"), row(externalDocumentNo2="PO 7"))
    assert [charge["agreement"]["id"] for charge in small.charges(id)] == ["AGR-1000-0000-0003", "AGR-1000-0000-0001"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"documentNumber": "D1", "externalDocumentNo2": "D2"}, "names no agreement"),
        ({"externalDocumentNo2": "AGR-1000-0000-0002", "billTo": "NL-SCU-100002"}, "with seller"),
        ({"externalDocumentNo2": "AGR-1000-0000-0006"}, "with vendor"),
        ({"billTo": "NL-SCU-100002"}, "buyers 'NL-SCU-100002' of that client"),
        ({"item": "sku-9"}, "items 'sku-9'"),
        ({"saleCurrency": "USD"}, "USD is not the custom ledger's currency"),
        ({"start": "2026-03-01T00:00:00.000Z"}, "before the start"),
    ],
)
def test_a_row_that_means_nothing_makes_the_custom_ledger_an_error(
    small: Small, members: dict[str, Any], said: str
) -> None:
    id = small.custom_ledger()
    ledger = small.upload_rows(id, row(), row(**members))
    assert (ledger["status"], ledger["error"]["code"], ledger["processing"]["error"]) == ("Error", "CLE:0001", 1)
    assert said in " ".join(small.charges(id)[1]["upload"]["errors"])
    with pytest.raises(NoSuchTransition):
        small.do("CustomLedger", id, "accept")
    ledger = small.upload_rows(id, row())
    assert (ledger["status"], "error" in ledger, len(small.charges(id))) == ("Validated", False, 1)


def test_two_exchange_rates_make_the_rate(small: Small) -> None:
    id = small.custom_ledger(price={"currency": {"purchase": "EUR", "sale": "USD"}})
    rates: dict[str, Any] = {"saleCurrency": "USD", "saleRate": Decimal("0.8"), "purchaseRate": Decimal(1)}
    small.upload_rows(id, row("100", "150", **rates), row("100", "121", saleCurrency="USD"))
    one, two = small.charges(id)
    assert (one["price"]["currency"]["rate"], one["price"]["markup"]) == (Decimal("1.25"), 20)
    assert (two["price"]["currency"]["rate"], two["price"]["markup"]) == (Decimal("1.1"), 10)


@pytest.mark.parametrize(
    ("filename", "media"),
    [("x.csv", "text/csv"), ("x.jsonl", "application/jsonl"), ("x.jsonl", "application/octet-stream")],
)
def test_only_a_workbook_is_taken(small: Small, filename: str, media: str) -> None:
    id = small.custom_ledger()
    with pytest.raises(UnsupportedMedia):
        small.load("CustomLedger", id, Upload(filename, media, b"x"))
    with pytest.raises(Invalid):
        small.load("CustomLedger", id, Upload("x.xlsx", XLSX, b"no workbook"))
    assert small.get("CustomLedger", id)["status"] == "Draft"


def test_a_workbook_is_read_once(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[bytes] = []
    read = custom_ledger_files.read_rows

    def noted(content: bytes) -> list[custom_ledger_files.Row]:
        readings.append(content)
        return read(content)

    monkeypatch.setattr(custom_ledger_files, "read_rows", noted)
    assert len(small.charges(small.upload_rows(small.custom_ledger(), row(), row())["id"])) == 2
    assert len(readings) == 1
    assert small.world.prepared is None


def test_of_workbooks_that_wait_together_each_gives_its_own_rows(small: Small) -> None:
    ids = [small.custom_ledger() for _ in range(3)]
    for count, id in enumerate(ids, 1):
        content = custom_ledger_files.custom_ledger_template([row()] * count)
        small.load("CustomLedger", id, Upload("hand.xlsx", XLSX, content), settle=False)
    small.world.run()
    assert [len(small.charges(id)) for id in ids] == [1, 2, 3]


def test_the_workbook_is_kept_as_an_input_attachment(small: Small) -> None:
    id = small.custom_ledger()
    small.upload_rows(id, row())
    (file,) = small.all("CustomLedgerAttachment")
    assert (file["name"], file["type"], file["customLedger"]["id"]) == ("hand.xlsx", "Input", id)


def test_statements_are_made_for_each_document_agreement_and_buyer(small: Small) -> None:
    small.make("ManualOverride", PAIR)
    id = small.custom_ledger()
    rows = (
        row(),
        row("20", "1000", statementType="Credit"),
        row(documentNumber="D2"),
        row(externalDocumentNo2="agr-3"),
    )
    small.upload_rows(id, *rows)
    assert small.do("CustomLedger", id, "accept", settle=False)["status"] == "Generating"
    small.world.run()
    assert small.get("CustomLedger", id)["status"] == "Generated"
    statements = small.statements(id)
    assert [(each["agreement"]["id"][-1], each["type"]) for each in statements] == [
        ("1", "Credit"),
        ("1", "Debit"),
        ("3", "Debit"),
    ]
    assert {(each["billingType"], each["status"], each["customLedger"]["id"]) for each in statements} == {
        ("Manual", "Generated", id)
    }
    assert "ledger" not in statements[0]


def test_a_pair_of_the_automated_pipeline_is_not_billed_by_hand(small: Small) -> None:
    id = small.custom_ledger()
    small.upload_rows(id, row())
    small.do("CustomLedger", id, "accept")
    assert [statement["status"] for statement in small.statements(id)] == ["Cancelled"]


def test_a_custom_ledger_is_completed_with_its_last_statement(small: Small) -> None:
    small.make("ManualOverride", PAIR)
    id = small.custom_ledger()
    small.upload_rows(id, row(), row(documentNumber="D2"))
    small.do("CustomLedger", id, "accept")
    small.do("CustomLedger", id, "queue")
    one, two = (statement["id"] for statement in small.statements(id))
    small.put("Statement", one, statusNotes={"message": "no"})
    small.do("Statement", one, "error")
    # What is manual goes straight back: nothing of it can be computed anew.
    assert small.do("Statement", one, "recalculate")["status"] == "Queued"
    small.issued(one)
    assert small.get("CustomLedger", id)["status"] == "Queued"
    small.do("Statement", two, "cancel")
    assert small.get("CustomLedger", id)["status"] == "Completed"


def test_nothing_to_bill_cannot_be_accepted(small: Small) -> None:
    id = small.custom_ledger()
    small.put("CustomLedger", id, status="Validated")
    with pytest.raises(Conflict, match="no billable charge"):
        small.do("CustomLedger", id, "accept")


def test_a_failed_generation_leaves_the_custom_ledger_validated(small: Small) -> None:
    id = small.custom_ledger()
    small.upload_rows(id, row())
    work = small.work()
    work.remove("Agreement", "AGR-1000-0000-0001")
    work.commit()
    ledger = small.do("CustomLedger", id, "accept")
    assert (ledger["status"], small.all("Statement")) == ("Validated", [])
    assert "AGR-1000-0000-0001" in ledger["error"]["message"]


def test_a_deleted_custom_ledger_takes_its_charges_and_files_along(small: Small) -> None:
    id = small.custom_ledger()
    small.upload_rows(id, row())
    small.do("CustomLedger", id, "delete")
    assert [small.all(entity) for entity in ("CustomLedger", "Charge", "CustomLedgerAttachment", "File")] == [[]] * 4


# Overrides


def test_an_override_is_active_from_the_start(small: Small) -> None:
    record = small.make("ManualOverride", {**PAIR, "externalId": "e", "notes": "n"})
    assert (record["status"], record["externalId"], record["notes"]) == ("Active", "e", "n")
    assert set(record["audit"]) == {"created", "active"}


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"client": {"id": "ACC-1000-0001"}}, "client.id"),
        ({"vendor": {"id": "ACC-1000-0003"}}, "vendor.id"),
        ({"client": {"id": "ACC-0000-0000"}}, "client.id"),
    ],
)
def test_an_override_needs_a_client_and_a_vendor(small: Small, members: dict[str, Any], place: str) -> None:
    with pytest.raises(Invalid) as refused:
        small.make("ManualOverride", {**PAIR, **members})
    assert place in refused.value.errors


def test_a_pair_has_one_active_override(small: Small) -> None:
    first = small.make("ManualOverride", PAIR)["id"]
    with pytest.raises(Invalid, match=first):
        small.make("ManualOverride", PAIR)
    small.do("ManualOverride", first, "disable")
    second = small.make("ManualOverride", PAIR)["id"]
    with pytest.raises(Conflict, match=second):
        small.do("ManualOverride", first, "enable")
    small.do("ManualOverride", second, "disable")
    assert small.do("ManualOverride", first, "enable")["status"] == "Active"


def test_a_disabled_override_lets_the_pair_through(small: Small) -> None:
    override = small.make("ManualOverride", PAIR)["id"]
    small.do("ManualOverride", override, "disable")
    id = small.journal()
    small.upload(id, [line()])
    assert small.statuses(id) == ["Ready"]
