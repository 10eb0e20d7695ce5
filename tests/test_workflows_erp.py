"""Invoices and credit memos as the ERP sends them (billing c.7 to c.10, d.6, d.7, d.10 step 9)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from mockserver.apis.billing import erp
from mockserver.apis.billing.files import content
from mockserver.domain.errors import Invalid
from mockserver.store import Record
from tests.billing_world import Small, line
from tests.test_seed import build

LINES = [
    {
        "itemNo": "X1",
        "quantity": 10,
        "unitPrice": Decimal("15"),
        "discountAmount": Decimal(0),
        "vatPercent": Decimal(21),
    },
    {"itemNo": "X2", "quantity": 1, "unitPrice": Decimal("15"), "vatPercent": Decimal(9)},
]


@pytest.fixture
def small() -> Small:
    return Small()


def issued(small: Small, amount: int = 100) -> Record:
    """An issued statement."""
    return small.issued(small.statements(small.queued(line(amount=amount)))[0]["id"])


def document(statement: Record | None = None, **members: Any) -> dict[str, Any]:
    """An invoice of the ERP, for a statement if there is one."""
    made: dict[str, Any] = {"documentNo": "NL-PSI-1", "countryCode": "NL", "lines": LINES}
    made["externalIds"] = {"customer": "NL-SCU-100001"}
    made["erpData"] = {"revision": 1, "documentDate": "2026-03-02T00:00:00.000Z"}
    if statement is not None:
        made["erpData"]["referenceNumber"] = {"orderNo": statement["externalIds"]["erpId"]}
    return {**made, **members}


def memo(statement: Record | None = None, **members: Any) -> dict[str, Any]:
    """A credit memo of the ERP, for a statement if there is one."""
    prices = [{"itemNo": "X1", "price": {"quantity": 4, "unitPrice": Decimal(15), "vatPercent": Decimal(21)}}]
    made: dict[str, Any] = {"documentNo": "NL-CM-1", "countryCode": "NL", "lines": prices, "erpData": {"rowVersion": 7}}
    made["externalIds"] = {"customer": "NL-SCU-100001"}
    if statement is not None:
        made["externalIds"]["statement"] = statement["externalIds"]["erpId"]
    return {**made, **members}


def test_an_invoice_finds_its_statement_by_the_order_number(small: Small) -> None:
    statement = issued(small)
    invoice = small.make("Invoice", document(statement))
    assert invoice["statement"]["id"] == statement["id"]
    assert (invoice["billingType"], invoice["status"], invoice["type"]) == ("Automated", "Issued", "Debit")
    for name in ("agreement", "vendor", "product", "licensee", "client"):
        assert invoice[name]["id"] == statement[name]["id"]
    assert invoice["clientId"] == invoice["client"]["id"]
    linked = small.get("Statement", statement["id"])
    assert linked["invoice"]["id"] == invoice["id"]
    assert linked["price"]["totalST"] == invoice["price"]["totalST"]
    assert linked["price"]["totalGT"] == linked["price"]["totalSP"] + linked["price"]["totalST"]


def test_the_amounts_of_lines_and_totals_are_worked_out(small: Small) -> None:
    invoice = small.make("Invoice", document())
    one, two = invoice["lines"]
    assert (one["lineAmount"], one["amountIncludingVat"], one["vatBaseAmount"]) == (150, Decimal("181.5"), 150)
    assert (two["amount"], two["amountIncludingVat"]) == (15, Decimal("16.35"))
    assert [one["lineNo"], two["lineNo"]] == [10000, 20000]
    assert [one["id"], two["id"]] == [f"INL-{invoice['id'][4:18]}-000{place}" for place in (1, 2)]
    price = invoice["price"]
    assert [price[name] for name in ("totalSP", "totalST", "totalGT")] == [165, Decimal("32.85"), Decimal("197.85")]
    assert invoice["erpData"]["invoiceTotal"] == invoice["erpData"]["balanceDue"] == price["totalGT"]


def test_given_totals_count_and_the_grand_total_is_their_sum(small: Small) -> None:
    price = {"currency": "EUR", "totalSP": Decimal(30), "totalST": Decimal("2.70"), "totalPP": 20, "currencyFactor": 1}
    shown = small.make("Invoice", document(price=price))["price"]
    assert shown["totalGT"] == Decimal("32.70")
    assert (shown["markup"], shown["currencyFactor"]) == (50, 1)


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        ({}, ("120", "37.5", "27.2727272727")),
        ({"currencyFactor": 1}, ("120", "37.5", "27.2727272727")),
        ({"currencyFactor": 0}, ("120", "37.5", "27.2727272727")),
        ({"currencyFactor": Decimal("1.08")}, ()),
        ({"currencyFactor": Decimal("1.08"), "totalPP": 150}, ("150", "10", "9.0909090909")),
    ],
    ids=["local", "a factor of one", "no factor", "foreign", "foreign, its cost given"],
)
def test_costs_in_the_local_currency_are_measured_against_a_document_in_it_alone(
    small: Small, price: dict[str, Any], shown: tuple[str, ...]
) -> None:
    lines = [{**each, "purchasePriceTotalLcy": cost} for each, cost in zip(LINES, (110, 10), strict=True)]
    found = small.make("Invoice", document(price=price, lines=lines))["price"]
    names = ("totalPP", "markup", "margin")
    assert tuple(found[name] for name in names if name in found) == tuple(map(Decimal, shown))


def test_what_the_erp_sends_for_what_was_bought_in_another_currency_costs_as_much_in_that_of_the_document() -> None:
    world = build("multi-currency")
    record = world.layer.get("Invoice", "INV-2400-0004-0000-0001")
    assert record is not None
    # Bought for USD 200 at 0.8636363636, sold for CHF 190 with a markup of 10 %, and all of it in whole centimes.
    price = record["price"]
    assert (price["currency"], price["totalPP"], price["totalSP"]) == ("CHF", Decimal("172.73"), 190)
    assert (price["markup"], price["margin"]) == (Decimal("9.9982631853"), Decimal("9.0894736842"))
    assert [line["purchasePriceTotalLcy"] for line in record["lines"]] == [Decimal("172.73")]

    foreign = 0
    for row in world.layer.all("Invoice"):
        statement = world.layer.get("Statement", row.record["statement"]["id"])
        assert statement is not None
        foreign += statement["price"]["currency"]["rate"] != 1
        # A cent here and there is what rounding leaves.
        assert abs(row.record["price"]["markup"] - statement["price"]["markup"]) < Decimal("0.01"), row.record["id"]
    assert foreign > 3


def test_without_a_statement_an_invoice_is_manual(small: Small) -> None:
    invoice = small.make("Invoice", document())
    assert invoice["billingType"] == "Manual"
    assert not {"statement", "vendor", "product", "licensee"} & set(invoice)
    named = small.make(
        "Invoice",
        document(documentNo="2", externalIds={**document()["externalIds"], "agreement": "AGR-1000-0000-0001"}),
    )
    assert named["agreement"]["id"] == "AGR-1000-0000-0001"


def test_a_document_is_one_by_number_and_country(small: Small) -> None:
    first = small.make("Invoice", document())
    again = small.make("Invoice", document(erpData={"revision": 2}, status="Paid", lines=LINES[:1]))
    other = small.make("Invoice", document(documentNo="NL-PSI-2"))
    assert (again["id"] == first["id"], other["id"] == first["id"]) == (True, False)
    assert (again["status"], len(again["lines"]), again["revision"]) == ("Paid", 1, 2)
    assert {"created", "updated", "issued", "paid"} == set(again["audit"])
    assert again["erpData"]["documentDate"] == first["erpData"]["documentDate"]
    assert (again["erpData"]["balanceDue"], again["price"]["totalSP"]) == (0, 150)


@pytest.mark.parametrize("revision", [1, 0])
def test_a_sync_that_is_not_newer_is_skipped(small: Small, revision: int) -> None:
    first = small.make("Invoice", document())
    small.make("Invoice", document(erpData={"revision": revision}, status="Overdue"))
    assert small.get("Invoice", first["id"]) == first


@pytest.mark.parametrize("order", [("Paid", "Issued"), ("Overdue", "Paid"), ("Paid", "Overdue")])
def test_any_status_may_follow_any_other(small: Small, order: tuple[str, str]) -> None:
    for revision, status in enumerate(order, 1):
        invoice = small.make("Invoice", document(erpData={"revision": revision}, status=status))
        assert invoice["status"] == status
        assert status.lower() in invoice["audit"]


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"externalIds": {"customer": "nobody"}}, "buyer"),
        ({"buyer": {"id": "BUY-0000-0000"}}, "buyer.id"),
        ({"seller": {"id": "SEL-0000-0000"}}, "seller.id"),
        ({"countryCode": "XX"}, "countryCode"),
    ],
)
def test_a_single_document_of_nobody_is_refused(small: Small, members: dict[str, Any], place: str) -> None:
    with pytest.raises(Invalid) as refused:
        small.make("Invoice", document(**members))
    assert place in refused.value.errors
    assert small.all("Invoice") == []


def test_in_bulk_one_bad_document_does_not_keep_the_others_out(small: Small) -> None:
    bad = [document(documentNo="1", externalIds={}), document(documentNo="2", countryCode="XX")]
    work = small.work()
    task = erp.sync(work, [*bad, document(documentNo="3"), document(documentNo="4")], "Invoice")
    work.commit()
    assert (task["id"][:4], task["total"]) == ("TSK-", 4)
    assert [invoice["documentNo"] for invoice in small.all("Invoice")] == ["3", "4"]


def test_an_invoice_is_not_linked_to_anothers_statement(small: Small) -> None:
    statement = issued(small)
    invoice = small.make("Invoice", {**document(statement), "externalIds": {"customer": "NL-SCU-100002"}})
    assert "statement" not in invoice
    assert "invoice" not in small.get("Statement", statement["id"])


@pytest.mark.parametrize(
    "named",
    [
        lambda each: {"erpData": {"referenceNumber": {"orderNo": each["externalIds"]["erpId"]}}},
        lambda each: {"externalIds": {"customer": "NL-SCU-100001", "statement": each["externalIds"]["erpId"]}},
        lambda each: {"externalIds": {"customer": "NL-SCU-100001", "statement": each["id"]}},
        lambda each: {"erpData": {"erpId": each["externalIds"]["erpId"]}},
        lambda each: {"erpData": {"yourReference": each["id"]}},
    ],
)
def test_every_member_that_names_a_statement_finds_it(small: Small, named: Callable[[Record], dict[str, Any]]) -> None:
    statement = issued(small)
    invoice = small.make("Invoice", document(**named(statement)))
    assert invoice["statement"]["id"] == statement["id"]
    assert invoice["vendor"]["id"] == statement["vendor"]["id"]


@pytest.mark.parametrize("name", ["no such order", "SOM-0000-0000-0000-0000", "taken"])
def test_a_statement_that_is_not_there_or_has_another_invoice_is_not_linked(small: Small, name: str) -> None:
    statement = issued(small)
    first = small.make("Invoice", document(statement))
    keys = {"customer": "NL-SCU-100001", "statement": statement["id"] if name == "taken" else name}
    other = small.make("Invoice", document(documentNo="other", externalIds=keys))
    assert ("statement" in other, other["billingType"]) == (False, "Manual")
    assert small.get("Statement", statement["id"])["invoice"]["id"] == first["id"]


MEMBERS: dict[str, Any] = {
    "name": "May",
    "type": "Credit",
    "buyer": {"id": "BUY-1000-0001"},
    "seller": {"id": "SEL-1000-0001"},
    "lines": LINES[:1],
    "externalIds": {"agreement": "AGR-1000-0000-0001"},
    "erpData": {"yourReference": "PO 7", "referenceNumber": {"quoteNo": "Q-1"}, "payment": {"termsCode": "30DAYS"}},
    "price": {"currency": "EUR", "currencyFactor": Decimal(2)},
}


@pytest.mark.parametrize("sent", [[], *([name] for name in MEMBERS)], ids=lambda names: "-".join(names) or "nothing")
def test_what_a_later_sync_leaves_out_stays_as_it_was(small: Small, sent: list[str]) -> None:
    statement = issued(small)
    first = small.make("Invoice", document(statement, name="April", status="Overdue"))
    key = {"documentNo": first["documentNo"], "countryCode": "NL"}
    now = small.make("Invoice", {**key, **{name: MEMBERS[name] for name in sent}})
    follows = {
        "lines": {"price", "erpData"},
        "price": {"price"},
        "erpData": {"erpData", "attributes"},
        "externalIds": {"externalIds"},
    }
    changed = {"audit", "revision", *sent, *(each for name in sent for each in follows.get(name, ()))}
    assert {name: value for name, value in now.items() if name not in changed} == {
        name: value for name, value in first.items() if name not in changed
    }
    assert now["statement"]["id"] == statement["id"]
    assert now["billingType"] == "Automated"
    assert now["erpData"]["referenceNumber"]["orderNo"] == first["erpData"]["referenceNumber"]["orderNo"]
    assert now["externalIds"]["customer"] == "NL-SCU-100001"
    assert small.get("Statement", statement["id"])["invoice"]["id"] == now["id"]


def test_a_partial_sync_keeps_factors_and_what_is_still_to_be_paid(small: Small) -> None:
    price = {"currency": "EUR", "totalSP": Decimal(30), "totalST": Decimal(3), "currencyFactor": Decimal("1.5")}
    first = small.make("Invoice", document(price=price, erpData={"balanceDue": Decimal(7)}))
    key = {"documentNo": first["documentNo"], "countryCode": "NL"}
    now = small.make("Invoice", {**key, "name": "May"})
    assert (now["price"], now["erpData"]) == (first["price"], first["erpData"])
    now = small.make("Invoice", {**key, "price": {"totalGT": Decimal(40)}})
    assert [now["price"][name] for name in ("totalSP", "totalST", "totalGT")] == [30, 10, 40]
    assert now["price"]["currencyFactor"] == Decimal("1.5")
    assert now["erpData"]["balanceDue"] == 40
    assert small.make("Invoice", {**key, "status": "Paid"})["erpData"]["balanceDue"] == 0


@st.composite
def syncs(draw: st.DrawFn) -> list[tuple[int, dict[str, Any]]]:
    """Which of two documents comes, and which of two statements it names, and how."""
    step: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "number": st.integers(0, 1),
            "buyer": st.sampled_from(["", "BUY-1000-0001", "BUY-1000-0002"]),
            "named": st.sampled_from(["", "order", "key", "id", "reference", "unknown"]),
            "statement": st.integers(0, 1),
        }
    )
    return [(each["number"], each) for each in draw(st.lists(step, max_size=6))]


@settings(max_examples=25, deadline=None)
@given(syncs())
def test_statements_and_invoices_always_agree_on_who_belongs_to_whom(steps: list[tuple[int, dict[str, Any]]]) -> None:
    small = Small()
    statements = [issued(small), issued(small)]
    for number, step in steps:
        body: dict[str, Any] = {"documentNo": f"D-{number}", "countryCode": "NL"}
        statement = statements[step["statement"]]
        order = statement["externalIds"]["erpId"]
        body |= {
            "": {},
            "order": {"erpData": {"referenceNumber": {"orderNo": order}}},
            "key": {"externalIds": {"statement": order}},
            "id": {"externalIds": {"statement": statement["id"]}},
            "reference": {"erpData": {"yourReference": statement["id"]}},
            "unknown": {"externalIds": {"statement": "nothing"}},
        }[step["named"]]
        body |= {"buyer": {"id": step["buyer"]}} if step["buyer"] else {}
        with contextlib.suppress(Invalid):
            small.make("Invoice", body)
        links = {each["id"]: each.get("statement", {}).get("id") for each in small.all("Invoice")}
        back = {
            each["invoice"]["id"]: each["id"]
            for each in (small.get("Statement", one["id"]) for one in statements)
            if "invoice" in each
        }
        assert {invoice: linked for invoice, linked in links.items() if linked} == back
        for each in small.all("Invoice"):
            assert ("vendor" in each, each["billingType"] == "Automated") == ("statement" in each, "statement" in each)
        for one in statements:
            linked = small.get("Statement", one["id"])
            assert ("totalST" in linked["price"]) == ("invoice" in linked)


def test_a_credit_memo_belongs_to_a_credit(small: Small) -> None:
    debit, credit = issued(small), issued(small, -100)
    assert "statement" not in small.make("CreditMemo", memo(debit, documentNo="other"))
    made = small.make("CreditMemo", memo(credit, status="Deleted"))
    assert (made["statement"]["id"], made["status"]) == (credit["id"], "Issued")
    assert [made["price"][name] for name in ("totalSP", "totalST", "totalGT")] == [60, Decimal("12.6"), Decimal("72.6")]
    assert (made["lines"][0]["price"]["lineAmount"], made["lines"][0]["id"][-4:]) == (60, "0001")
    assert {"documentNo", "documentDate", "navisionCountryCode", "postingDate", "rowVersion", "addresses"} <= set(
        made["erpData"]
    )
    linked = small.get("Statement", credit["id"])
    assert (linked["creditMemo"]["id"], linked["price"]["totalST"]) == (made["id"], Decimal("-12.6"))
    assert linked["price"]["totalGT"] == Decimal("-137.6")


def test_the_first_sync_makes_the_document_and_later_ones_draw_it_again(small: Small) -> None:
    invoice = small.make("Invoice", document())
    (file,) = small.all("InvoiceAttachment")
    assert (file["type"], file["isExternal"], file["name"]) == ("Output", True, f"{invoice['id']}.pdf")
    before = content(small.get("File", file["id"]))
    assert "197.85 EUR" in PdfReader(io.BytesIO(before)).pages[0].extract_text()
    small.make("Invoice", document(erpData={"revision": 2}, lines=LINES[:1]))
    (again,) = small.all("InvoiceAttachment")
    assert again["id"] == file["id"]
    assert "181.50 EUR" in PdfReader(io.BytesIO(content(small.get("File", file["id"])))).pages[0].extract_text()


def test_an_update_stamps_the_status_and_brings_along_what_follows(small: Small) -> None:
    invoice = small.make("Invoice", document())
    data = {**invoice["erpData"], "yourReference": "PO 9"}
    now = small.update("Invoice", invoice["id"], {"status": "Overdue", "erpData": data})
    assert ("overdue" in now["audit"], now["attributes"]["yourReference"], now["revision"]) == (True, "PO 9", 2)
    (file,) = small.all("InvoiceAttachment")
    assert "PO 9" in PdfReader(io.BytesIO(content(small.get("File", file["id"])))).pages[0].extract_text()


def test_a_reset_journal_unlinks_its_invoices(small: Small) -> None:
    journal = small.accepted()
    statement = small.statements(journal)[0]["id"]
    small.do("Statement", statement, "queue")
    invoice = small.make("Invoice", document(small.issued(statement)))
    small.do("Journal", journal, "reset")
    now = small.get("Invoice", invoice["id"])
    assert ("statement" in now, now["billingType"]) == (False, "Manual")
