"""The arithmetic of billing (f) as callers see it: real files in, real totals out, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from mockserver import MockServer
from mockserver.apis.billing.charge_files import write_csv, write_jsonl, write_xlsx
from mockserver.apis.billing.custom_ledger_files import custom_ledger_template
from tests.billing_world import PLAIN, SPLIT, XLSX, line, row
from tests.driver import Answer, Client
from tests.small_server import small_server

GERMAN, DOLLAR = "sub-german", "sub-dollar"
FORMATS = {
    "jsonl": (write_jsonl, "application/jsonl"),
    "csv": (write_csv, "text/csv"),
    "xlsx": (write_xlsx, XLSX),
}
# PP, SP, markup, margin of section f
VECTORS = [
    ("5170.20", "5620.44", "8.7083671812", "8.0107607234"),
    ("20.00", "30.00", "50", "33.3333333333"),
    ("738.60", "802.92", "8.7083671812", "8.0107607234"),
]


class Desk:
    """A vendor, Operations and a client, and what they do again and again."""

    def __init__(self, app: MockServer) -> None:
        self.app = app
        self.vendor, self.operations, self.client = (
            Client(app, app.token(name)) for name in ("vendor", "operations", "client")
        )

    def journal(self, lines: Sequence[Mapping[str, Any]], *, form: str = "jsonl") -> str:
        """A journal in Review with the charges of a file."""
        id = str(read(self.vendor.post("/journals", {"name": "M", "authorization": {"id": "AUT-1000-0001"}}))["id"])
        write, media = FORMATS[form]
        read(self.vendor.upload(f"/journals/{id}/upload", write(list(lines)), f"march.{form}", media))
        read(self.vendor.post(f"/journals/{id}/submit"))
        return id

    def month_end(self, lines: Sequence[Mapping[str, Any]]) -> str:
        """A journal whose ledgers and statements are made and queued."""
        id = self.journal(lines)
        read(self.operations.post(f"/journals/{id}/accept"))
        for event in ("accept", "queue"):
            for ledger in self.all("/ledgers", f'eq(journal.id,"{id}")'):
                read(self.operations.post(f"/ledgers/{ledger['id']}/{event}"))
        return id

    def by_hand(self, *rows: Mapping[str, Any], currency: str = "EUR") -> dict[str, Any]:
        """A custom ledger with the charges of a file."""
        body = {
            "name": "By hand",
            "seller": {"id": "SEL-1000-0001"},
            "vendor": {"id": "ACC-1000-0001"},
            "price": {"currency": {"purchase": "EUR", "sale": currency}},
            "billingStartDate": "2026-02-01",
            "billingEndDate": "2026-02-28",
        }
        path = f"/custom-ledgers/{read(self.operations.post('/custom-ledgers', body))['id']}"
        read(self.operations.upload(f"{path}/upload", custom_ledger_template(rows), "hand.xlsx", XLSX))
        return self.get(path)

    def get(self, path: str) -> dict[str, Any]:
        """An object as Operations see it, amounts exact."""
        return read(self.operations.get(path))

    def all(self, path: str, query: str = "") -> list[dict[str, Any]]:
        """A whole list as Operations see it."""
        found: list[dict[str, Any]] = self.get(f"{path}?limit=100" + (f"&{query}" if query else ""))["data"]
        return found

    def invoiced(self, statement: str, lines: Iterable[Mapping[str, Any]], **members: Any) -> dict[str, Any]:
        """The invoice of a queued statement."""
        for event in ("pending", "issue"):
            read(self.operations.post(f"/statements/{statement}/{event}"))
        found = self.get(f"/statements/{statement}")
        document = {
            "documentNo": f"D-{statement}",
            "countryCode": "NL",
            "buyer": {"id": found["buyer"]["id"]},
            "erpData": {"referenceNumber": {"orderNo": found["externalIds"]["erpId"]}},
            "lines": list(lines),
            **members,
        }
        return read(self.operations.post("/invoices", document))


def read(answer: Answer) -> dict[str, Any]:
    """The body of an answer that must be good, with amounts as they stand there."""
    assert answer.status < 300, answer
    found: dict[str, Any] = json.loads(answer.content, parse_float=Decimal, parse_int=Decimal)
    return found


def rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


@pytest.fixture(scope="module")
def server() -> MockServer:
    return small_server()


@pytest.fixture
def desk(server: MockServer) -> Desk:
    server.reset()
    return Desk(server)


@pytest.mark.parametrize(("pp", "sp", "markup", "margin"), VECTORS)
def test_both_sides_of_a_custom_ledger_give_the_documented_percentages(
    desk: Desk, pp: str, sp: str, markup: str, margin: str
) -> None:
    ledger = desk.by_hand(row(pp, sp))
    (charge,) = desk.all(f"/custom-ledgers/{ledger['id']}/charges")
    for price in (ledger["price"], charge["price"]):
        assert (price["markup"], price["margin"]) == (Decimal(markup), Decimal(margin))
    assert (ledger["price"]["totalPP"], ledger["price"]["totalSP"]) == (Decimal(pp), Decimal(sp))


def test_the_percentages_of_several_rows_are_weighted_by_their_totals(desk: Desk) -> None:
    price = desk.by_hand(row("100", "200"), row("900", "900"))["price"]
    assert (price["totalPP"], price["totalSP"]) == (1000, 1100)
    assert (price["markup"], price["margin"]) == (10, Decimal("9.0909090909"))


@pytest.mark.parametrize("form", FORMATS)
def test_a_charge_price_is_shown_in_full_precision(desk: Desk, form: str) -> None:
    given = {**line(GERMAN), "quantity": Decimal(2)}
    given["price"] = {"unitPP": Decimal("92.09375679688615"), "PPx1": Decimal("184.1875135937723")}
    id = desk.journal([given], form=form)
    (charge,) = desk.all(f"/journals/{id}/charges")
    price = charge["price"]
    assert float(price["unitPP"]) == 92.09375679688615
    assert float(price["PPx1"]) == 184.1875135937723
    assert float(price["unitSP"]) == pytest.approx(101.30313247657476, rel=1e-15)
    assert float(price["SPx1"]) == pytest.approx(202.60626495314952, rel=1e-15)
    assert (price["markup"], price["margin"]) == (10, Decimal("9.0909090909"))
    assert desk.get(f"/journals/{id}")["price"]["totalSP"] == Decimal("202.60626")


def test_a_total_price_is_taken_as_it_comes_and_not_checked_against_the_unit_price(desk: Desk) -> None:
    given = line(PLAIN)
    given["price"] = {"unitPP": Decimal(10), "PPx1": Decimal("8.33")}
    price = desk.all(f"/journals/{desk.journal([given])}/charges")[0]["price"]
    assert (price["unitSP"], price["SPx1"]) == (Decimal("12.5"), Decimal("10.4125"))


def test_totals_agree_from_the_journal_down_to_the_charges(desk: Desk) -> None:
    amounts = {PLAIN: "100.01", SPLIT: "33.33", GERMAN: "250.7", DOLLAR: "19.9", "sub-lined": "-12.34"}
    id = desk.month_end([line(name, amount) for name, amount in amounts.items()])
    journal, ledgers = desk.get(f"/journals/{id}"), desk.all("/ledgers")
    statements, charges = desk.all("/statements"), desk.all(f"/journals/{id}/charges")
    assert len(ledgers) == 3
    assert {each["price"]["currency"]["sale"] for each in statements} == {"EUR", "USD"}
    billable = [each for each in charges if each["processing"]["status"] == "Ready"]
    assert len(billable) == len(charges) - 1 == 6

    # By hand: 25 percent on plain and split, 50 on the line, 10 for the German and, at 1.1, the American seller.
    sale = Decimal("125.0125") + Decimal("41.6625") + Decimal("275.77") + Decimal("24.079") - Decimal("18.51")
    assert journal["price"]["totalPP"] == sum(map(Decimal, amounts.values()))
    assert journal["price"]["totalSP"] == sale
    for total, part in (("totalPP", "PPx1"), ("totalSP", "SPx1"), ("totalBSP", "BSPx1")):
        whole = journal["price"][total]
        assert sum(each["price"][total] for each in ledgers) == whole
        assert sum(each["price"][total] for each in statements) == whole
        assert rounded(sum((each["price"][part] for each in billable), Decimal(0)), 5) == whole
        for parents, path in ((ledgers, "ledgers"), (statements, "statements")):
            for parent in parents:
                own = desk.all(f"/{path}/{parent['id']}/charges")
                assert rounded(sum((each["price"][part] for each in own), Decimal(0)), 5) == parent["price"][total]


def test_the_percentages_of_each_object_follow_from_the_totals_beside_them(desk: Desk) -> None:
    id = desk.month_end([line(PLAIN, "100.01"), line(SPLIT, "33.33"), line("sub-lined", "7.77"), line(GERMAN, "9.99")])
    for each in (desk.get(f"/journals/{id}"), *desk.all("/ledgers"), *desk.all("/statements")):
        price = each["price"]
        gain = (price["totalSP"] - price["totalPP"]) * 100
        assert price["markup"] == rounded(gain / price["totalPP"], 10)
        assert price["margin"] == rounded(gain / price["totalSP"], 10)


def test_a_purchase_in_euros_sold_in_dollars_has_the_markup_of_its_agreement(desk: Desk) -> None:
    desk.month_end([line(DOLLAR, "100")])
    (statement,) = desk.all("/statements")
    assert statement["price"]["currency"] == {"purchase": "EUR", "sale": "USD", "rate": Decimal("1.1")}
    assert (statement["price"]["totalPP"], statement["price"]["totalSP"]) == (100, 121)
    assert (statement["price"]["markup"], statement["price"]["margin"]) == (10, Decimal("9.0909090909"))


def test_shares_go_to_their_buyers_and_add_up_to_their_parent(desk: Desk) -> None:
    id = desk.month_end([line(SPLIT, "0.00007"), line(SPLIT, "1234.56789")])
    charges = desk.all(f"/journals/{id}/charges")
    for parent in (each for each in charges if each["processing"]["status"] == "Split"):
        shares = [each for each in charges if each.get("parent", {}).get("id") == parent["id"]]
        assert [each["split"]["percentage"] for each in shares] == [70, 30]
        for name in ("unitPP", "PPx1", "unitSP", "SPx1"):
            assert float(sum(each["price"][name] for each in shares)) == pytest.approx(float(parent["price"][name]))
    by_buyer = {each["buyer"]["id"]: each["price"] for each in desk.all("/statements")}
    assert by_buyer.keys() == {"BUY-1000-0001", "BUY-1000-0004"}
    # The second buyer pays in dollars: 1.1 of them for a euro of the sale.
    assert by_buyer["BUY-1000-0004"]["totalBSP"] == rounded(
        Decimal("1234.56796") * Decimal("0.3") * Decimal("1.375"), 5
    )


@pytest.mark.parametrize(
    ("amounts", "kind", "total"),
    [(("200", "-150"), "Debit", "62.5"), (("100", "-150"), "Credit", "-62.5"), (("100", "-100"), "Debit", "0")],
)
def test_a_statement_nets_its_charges(desk: Desk, amounts: Sequence[str], kind: str, total: str) -> None:
    desk.month_end([line(PLAIN, amount) for amount in amounts])
    (statement,) = desk.all("/statements")
    assert (statement["type"], statement["price"]["totalSP"]) == (kind, Decimal(total))
    # The ratio of two negative totals is positive; of nothing there is none.
    assert statement["price"].get("markup") == (25 if Decimal(total) else None)
    kinds = {charge["statementType"] for charge in desk.all(f"/statements/{statement['id']}/charges")}
    assert kinds == {"Debit", "Credit"}


def test_nothing_paid_has_no_markup(desk: Desk) -> None:
    price = desk.by_hand(row("0", "10"))["price"]
    assert (price["totalPP"], price["totalSP"]) == (0, 10)
    assert "markup" not in price


def test_a_credit_memo_row_turns_its_amounts_round(desk: Desk) -> None:
    ledger = desk.by_hand(row("100", "125", quantity=2), row("40", "50", statementType="Credit"))
    assert (ledger["price"]["totalPP"], ledger["price"]["totalSP"]) == (160, 200)
    first, second = desk.all(f"/custom-ledgers/{ledger['id']}/charges")
    assert (first["price"]["PPx1"], first["price"]["SPx1"], first["statementType"]) == (200, 250, "Debit")
    assert (second["price"]["PPx1"], second["price"]["SPx1"], second["statementType"]) == (-40, -50, "Credit")


def test_a_synced_invoice_gives_its_statement_the_tax_and_the_grand_total(desk: Desk) -> None:
    desk.month_end([line(PLAIN, "24")])
    (statement,) = desk.all("/statements")
    assert "totalST" not in statement["price"]
    assert "totalGT" not in statement["price"]
    invoice = desk.invoiced(statement["id"], [], price={"currency": "EUR", "totalSP": 30.00, "totalST": 2.70})
    for price in (invoice["price"], desk.get(f"/statements/{statement['id']}")["price"]):
        assert (price["totalSP"], price["totalST"], price["totalGT"]) == (30, Decimal("2.7"), Decimal("32.7"))
    seen = read(desk.client.get(f"/statements/{statement['id']}"))
    assert seen["price"]["totalGT"] == Decimal("32.7")
    assert "totalPP" not in seen["price"]
    assert seen["invoice"]["id"] == invoice["id"]


def test_invoice_lines_are_taxed_after_their_discount_and_make_up_the_totals(desk: Desk) -> None:
    desk.month_end([line(PLAIN, "24")])
    (statement,) = desk.all("/statements")
    lines = [
        {"quantity": 1, "unitPrice": 15.00, "vatPercent": 9},
        {"quantity": 2, "unitPrice": 10.005, "discountAmount": 5.01, "vatPercent": 21},
    ]
    invoice = desk.invoiced(statement["id"], lines)
    first, second = desk.all(f"/invoices/{invoice['id']}/lines")
    assert (first["lineAmount"], first["vatBaseAmount"], first["amountIncludingVat"]) == (15, 15, Decimal("16.35"))
    assert (second["lineAmount"], second["amountIncludingVat"]) == (15, Decimal("18.15"))
    price = invoice["price"]
    assert (price["totalSP"], price["totalST"], price["totalGT"]) == (30, Decimal("4.5"), Decimal("34.5"))


def test_a_credit_memo_gives_its_statement_a_negative_tax(desk: Desk) -> None:
    desk.month_end([line(PLAIN, "-100")])
    (statement,) = desk.all("/statements")
    for event in ("pending", "issue"):
        read(desk.operations.post(f"/statements/{statement['id']}/{event}"))
    order = desk.get(f"/statements/{statement['id']}")["externalIds"]["erpId"]
    memo = read(
        desk.operations.post(
            "/credit-memos",
            {
                "documentNo": "CM-1",
                "countryCode": "NL",
                "buyer": {"id": "BUY-1000-0001"},
                "externalIds": {"statement": order},
                "price": {"currency": "EUR", "totalSP": 125, "totalST": 26.25},
            },
        )
    )
    assert (memo["price"]["totalSP"], memo["price"]["totalGT"]) == (125, Decimal("151.25"))
    found = desk.get(f"/statements/{statement['id']}")
    assert found["creditMemo"]["id"] == memo["id"]
    price = found["price"]
    assert (price["totalSP"], price["totalST"], price["totalGT"]) == (-125, Decimal("-26.25"), Decimal("-151.25"))


def test_small_amounts_are_rounded_only_in_totals(desk: Desk) -> None:
    # Three times half of the last place: rounded one by one they would come to nothing, or to three.
    id = desk.journal([line(PLAIN, "0.000004") for _ in range(3)])
    assert desk.get(f"/journals/{id}")["price"]["totalPP"] == Decimal("0.00001")
    assert [each["price"]["PPx1"] for each in desk.all(f"/journals/{id}/charges")] == [Decimal("0.000004")] * 3
