"""The world of the accounts API: what the default one holds, what pins may say, and what is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mockserver import create_app, plugins, scenario, seed, wire
from mockserver.apis.accounts.catalog import IDS, KINDS, documents
from mockserver.apis.accounts.countries import COUNTRIES
from mockserver.apis.accounts.pins import MEMBERS, TYPES
from mockserver.apis.accounts.rules import months_before, window
from mockserver.apis.accounts.words import LANGUAGES
from mockserver.scenario import ScenarioError
from mockserver.service import Service
from mockserver.store import Record
from mockserver.world import World
from specs import tables
from tests.driver import Client

API = tables.load("accounts")
PLUGIN = plugins.plugin(API)
Write = Callable[[str], Path]


def build(path: str | Path = "default", **options: Any) -> World:
    return seed.build(scenario.load(path), apis={"accounts": (API, PLUGIN)}, **options)["accounts"]


@pytest.fixture(scope="module")
def world() -> World:
    return build()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writing(text: str) -> Path:
        path = tmp_path / "my-world.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return writing


def rows(world: World, entity: str) -> list[Record]:
    return [row.record for row in world.layer.all(entity)]


def grants(world: World, name: str) -> list[str]:
    record = world.layer.get("Grant", name)
    assert record is not None
    return list(record["values"])


def of(world: World, entity: str, number: str) -> list[Record]:
    return [row.record for row in world.layer.where(entity, "account.id", number)]


def everything(world: World) -> str:
    return str([(entity, id, row.record) for entity, id, row in world.layer.changed() if row is not None])


# The default world


def test_one_caller_has_three_pages_one_has_two_accounts_and_one_has_none(world: World) -> None:
    assert len(grants(world, "finance")) >= 25
    assert grants(world, "finance-two") == ["700102", "700191"]
    assert grants(world, "finance-none") == []
    cast = {each.name: each for each in seed.callers(world).values()}
    assert {name: each.role for name, each in cast.items()} == {
        "finance": "holder",
        "finance-two": "holder",
        "finance-none": "outsider",
        "finance-expired": "holder",
    }
    expires = cast["finance-expired"].expires
    assert expires is not None and expires < wire.instant(world.clock.now())


def test_there_is_an_account_that_nobody_may_see(world: World) -> None:
    seen = {number for caller in seed.callers(world).values() for number in grants(world, caller.name)}
    assert {account["id"] for account in rows(world, "Account")} - seen == {"700190"}


def test_parents_go_two_levels_up_and_all_of_them_are_there(world: World) -> None:
    parents = {account["id"]: account.get("parentAccountNumber") for account in rows(world, "Account")}
    assert all(parent in parents for parent in parents.values() if parent is not None)
    assert parents[parents[parents["700102"]]] is None
    assert parents["700191"] not in grants(world, "finance")


def test_account_numbers_have_six_digits_and_pinned_ones_begin_with_7001(world: World) -> None:
    ids = [account["id"] for account in rows(world, "Account")]
    assert len(ids) == 28 == len(set(ids))
    assert all(re.fullmatch(r"\d{6}", id) for id in ids)
    pinned = [pin.id for pin in scenario.load("default").pins if (pin.api, pin.entity) == ("accounts", "Account")]
    assert pinned and all(str(id).startswith("7001") for id in pinned)


def test_every_value_of_every_enumeration_is_there(world: World) -> None:
    schemas = API.document["components"]["schemas"]
    detail = schemas["AccountDetail"]["properties"]
    accounts, invoices = rows(world, "Account"), rows(world, "Invoice")
    for member in ("billingFrequency", "invoiceFormat"):
        assert {account[member] for account in accounts} == set(detail[member]["enum"])
    assert {invoice["type"] for invoice in invoices} == set(schemas["InvoiceType"]["enum"])
    days = window(world.clock.now().date(), API.conventions.rules["months"])
    shown = [invoice for invoice in invoices if invoice["date"] in days]
    found = {each["fileType"] for invoice in shown for each in invoice["documents"]}
    assert found == set(schemas["Document"]["properties"]["fileType"]["enum"])
    assert {payment["type"] for payment in rows(world, "Payment")} == set(
        schemas["Payment"]["properties"]["type"]["enum"]
    )


def test_the_german_account_has_every_document_twice(world: World) -> None:
    for invoice in of(world, "Invoice", "700104"):
        ids = [each["documentId"] for each in invoice["documents"]]
        english, german = ({id[:-3] for id in ids if id.endswith(suffix)} for suffix in ("_EN", "_DE"))
        assert english == german
        assert len(ids) == 2 * len(english)


def test_the_brazilian_account_has_what_its_government_asks_for(world: World) -> None:
    for invoice in of(world, "Invoice", "700111"):
        ids = {each["documentId"] for each in invoice["documents"]}
        official = {"BOLETO_PDF_NA", "OFFICIAL_INVOICE_PDF_NA", "NF_URL_NA"}
        assert official & ids == (official if invoice["type"] == "INVOICE" else set())
        assert {id[-2:] for id in ids - official} == {"EN", "PT"}
    other = {
        each["documentId"]
        for invoice in rows(world, "Invoice")
        for each in invoice["documents"]
        if invoice["account"]["id"] != "700111"
    }
    assert not {id for id in other if id.endswith("_NA")}


def test_an_account_has_no_invoices(world: World) -> None:
    assert of(world, "Invoice", "700120") == of(world, "Payment", "700120") == []


@pytest.mark.parametrize("now", ["2026-03-16", "2024-02-29", "2025-02-28", "2031-12-31", "1970-01-01"])
def test_whatever_the_day_is_the_edge_is_pinned_and_the_window_is_full(now: str) -> None:
    today = date.fromisoformat(now)
    world = build(now=datetime(today.year, today.month, today.day, 9, tzinfo=UTC))
    edge = {invoice["id"]: invoice["date"] for invoice in of(world, "Invoice", "700100")}
    assert [edge[f"81000000{number}"] in window(today, 12) for number in (1, 2, 3, 4)] == [True, True, False, False]
    assert edge["810000002"] == months_before(today, 12).isoformat()
    months = {invoice["date"][:7] for invoice in of(world, "Invoice", "700102") if invoice["date"] in window(today, 12)}
    assert len(months) in (12, 13)
    assert all(invoice["date"] <= now for invoice in rows(world, "Invoice"))
    assert all(payment["date"] <= now for payment in rows(world, "Payment"))


def test_frequencies_are_kept(world: World) -> None:
    for number, each in (("700102", 1), ("700103", 3), ("700110", 12)):
        days = sorted(invoice["date"] for invoice in of(world, "Invoice", number) if invoice["type"] == "INVOICE")
        months = [int(day[:4]) * 12 + int(day[5:7]) for day in days]
        assert {later - earlier for earlier, later in pairwise(months)} == {each}


def test_signs_are_those_of_the_types(world: World) -> None:
    for invoice in rows(world, "Invoice"):
        assert (invoice["amount"] < 0) == (invoice["type"] == "CREDIT_MEMO")
        assert invoice["amount"] and invoice["amount"] == round(invoice["amount"], 2)
    assert all(payment["amount"] > 0 for payment in rows(world, "Payment"))
    assert [invoice for invoice in rows(world, "Invoice") if invoice["type"] == "CREDIT_MEMO"]


def test_names_are_those_of_the_customers_of_billing(world: World) -> None:
    names = {account["accountName"] for account in rows(world, "Account")}
    billing = {pin.members["name"] for pin in scenario.load("default").pins if pin.members.get("type") == "Client"}
    assert billing <= names


def test_every_record_is_valid_against_the_spec(world: World) -> None:
    service = Service(API, PLUGIN)
    for entity in ("Account", "Invoice", "Payment"):
        validator = service.validators.compiled({"$ref": f"#/components/schemas/{entity}"})
        members = set(API.document["components"]["schemas"][entity]["properties"])
        for record in rows(world, entity):
            shown = wire.plain({name: value for name, value in record.items() if name in members})
            assert validator.is_valid(shown), shown


def test_the_same_scenario_gives_the_same_world_and_another_seed_another() -> None:
    assert everything(build()) == everything(build())
    assert everything(build(seed=2)) != everything(build())
    pinned = build(seed=2).layer.get("Account", "700102")
    assert pinned is not None and pinned["accountName"] == "Harbour & Finch Analytics"


# What pins may say

MINE = """
callers:
  me: {token: my-token, role: holder, accounts: all}
pins:
  - {api: accounts, entity: Account, id: "123456", accountName: Mine Ltd, country: GB}
"""


def test_a_small_world_holds_what_it_says_and_no_more(write: Write) -> None:
    world = build(write(MINE))
    assert [account["accountName"] for account in rows(world, "Account")] == ["Mine Ltd"]
    assert grants(world, "me") == ["123456"]
    assert rows(world, "Invoice") == rows(world, "Payment") == []


def test_what_is_pinned_is_as_it_says_and_the_rest_is_drawn(write: Write) -> None:
    world = build(
        write(
            MINE
            + """
  - api: accounts
    entity: Invoice
    id: "810000123"
    account: Mine Ltd
    type: CREDIT_MEMO
    amount: -12.30
    date: 2026-01-31
  - {api: accounts, entity: Invoice, account: "123456", documents: [SUMMARY_PDF_FR, NF_URL_NA]}
  - {api: accounts, entity: Payment, id: ABC1234567890123, account: "123456", amount: 5, type: UNAPPLIED, date: -1mo-2d}
  - {api: accounts, entity: Payment, account: "123456"}
"""
        )
    )
    first, second = rows(world, "Invoice")
    assert (first["id"], first["amount"], first["date"], first["type"]) == (
        "810000123",
        Decimal("-12.30"),
        "2026-01-31",
        "CREDIT_MEMO",
    )
    assert [each["documentId"] for each in first["documents"]] == ["DETAILED_PDF_EN"]
    assert [each["fileType"] for each in second["documents"]] == ["PDF_SUMMARY", "NF_URL"]
    assert second["amount"] > 0 and second["type"] == "INVOICE"
    paid, other = rows(world, "Payment")
    assert (paid["id"], paid["amount"], paid["type"], paid["date"]) == (
        "ABC1234567890123",
        Decimal(5),
        "UNAPPLIED",
        "2026-02-14",
    )
    assert re.fullmatch(r"PMT\d{13}", other["id"])


def test_a_pin_may_be_of_the_world_s_day_and_that_moves_with_the_start(write: Write) -> None:
    path = write(MINE + "  - {api: accounts, entity: Invoice, account: Mine Ltd, date: 2026-03-16}\n")
    assert [invoice["date"] for invoice in rows(build(path), "Invoice")] == ["2026-03-16"]
    with pytest.raises(ScenarioError, match="2026-03-16 is after the world's day, 2026-03-15"):
        build(path, now=datetime(2026, 3, 15, 9, tzinfo=UTC))


def test_a_holder_may_list_no_account_and_then_sees_nothing(write: Write) -> None:
    path = write(MINE.replace("pins:", "  x: {token: x, role: holder, accounts: []}\npins:"))
    app = create_app("accounts", scenario=path)
    assert grants(app.world, "x") == []
    assert Client(app, "x").get("//v1/finance/accounts").status == 403
    assert Client(app, app.token("me")).get("//v1/finance/accounts").status == 200


def test_an_amount_below_0_makes_a_credit_memo(write: Write) -> None:
    world = build(write(MINE + "  - {api: accounts, entity: Invoice, account: Mine Ltd, amount: -1}\n"))
    assert [invoice["type"] for invoice in rows(world, "Invoice")] == ["CREDIT_MEMO"]


def test_a_caller_names_accounts_by_number_or_name_and_may_take_some_away(write: Write) -> None:
    text = """
callers:
  a: {token: a, role: holder, accounts: Mine Ltd}
  b: {token: b, role: holder, accounts: ["111111", Mine Ltd]}
  c: {token: c, role: holder, accounts: [all, "-111111"]}
  d:
    token: d
    role: holder
    accounts: [all, -Mine Ltd]
    user: d@example.org
    clientId: app
    clientSecret: s
    refreshToken: r
pins:
  - {api: accounts, entity: Account, id: "111111", accountName: Yours Ltd}
  - {api: accounts, entity: Account, id: "123456", accountName: Mine Ltd}
"""
    world = build(write(text))
    assert [grants(world, name) for name in "abcd"] == [["123456"], ["111111", "123456"], ["123456"], ["111111"]]
    client = world.layer.get("Client", "app")
    assert client is not None
    assert (client["secret"], client["user"], client["caller"]) == ("s", "d@example.org", "d")
    assert world.layer.get("RefreshToken", "r") is not None
    assert seed.callers(world)["d"].more == {"clientId": "app", "clientSecret": "s", "refreshToken": "r"}


def test_drawn_accounts_and_their_history_come_by_size(write: Write) -> None:
    world = build(write(MINE.replace("pins:", "sizes: {accounts: {accounts: 9, months: 2}}\npins:")))
    assert len(rows(world, "Account")) == 9 == len(grants(world, "me"))
    assert {invoice["date"] for invoice in rows(world, "Invoice") if invoice["type"] == "INVOICE"} <= {
        "2026-01-01",
        "2026-02-01",
        "2026-03-01",
    }
    assert rows(world, "Invoice")


REFUSED = {
    '{entity: Account, id: "12345"}': "'12345' is no Account id; write it like",
    '{entity: Account, id: "123456", accountName: Other}': "123456 is pinned twice",
    "{entity: Account, nme: x}": "nme: unknown; there are: accountIbxs, accountName",
    "{entity: Account, billingFrequency: DAILY}": "billingFrequency: no 'DAILY'; there are: ANNUALLY, MONTHLY",
    "{entity: Account, invoiceLanguage: Germn}": "invoiceLanguage: no 'Germn'; did you mean German?",
    "{entity: Account, country: XX}": "country: no country 'XX'; there are:",
    "{entity: Account, currencyCode: euro}": "currencyCode: 'euro' is no currency; write three letters",
    "{entity: Account, months: -1}": "months: -1 will not do; say a whole number from 0 to 120.",
    "{entity: Account, accountIbxs: LD8}": "accountIbxs: is a list; write [LD8, AM3].",
    "{entity: Account, accountName: 7}": "accountName: 7 is no text",
    "{entity: Account, billingContact: Mina}": "billingContact: holds members; write {firstName: ...}.",
    "{entity: Account, billingContact: {name: Mina}}": "billingContact.name: unknown; there are: email, firstName",
    '{entity: Account, parentAccountNumber: "999999"}': "parentAccountNumber: no account '999999'; there are:",
    '{entity: Account, id: "222222", parentAccountNumber: "222222"}': "round in a circle (222222 -> 222222)",
    "{entity: Invoice, amount: 1}": "account: no account; say the number or the name",
    "{entity: Invoice, account: Min Ltd}": "account: no account 'Min Ltd'; did you mean Mine Ltd?",
    "{entity: Invoice, account: Mine Ltd, type: CREDIT_MEMO, amount: 1}": "amount: 1.00 cannot be of a CREDIT_MEMO",
    "{entity: Invoice, account: Mine Ltd, type: INVOICE, amount: -1}": "amount: -1.00 cannot be of a INVOICE",
    "{entity: Invoice, account: Mine Ltd, amount: 0}": "amount: 0 will not do; say an amount of two decimals",
    "{entity: Invoice, account: Mine Ltd, amount: 1.005}": "amount: 1.005 will not do",
    "{entity: Invoice, account: Mine Ltd, amount: much}": "amount: much will not do",
    "{entity: Invoice, account: Mine Ltd, date: 2026-13-01}": "date: '2026-13-01' is no date; write",
    "{entity: Invoice, account: Mine Ltd, date: -1y}": "date: '-1y' is no date",
    "{entity: Invoice, account: Mine Ltd, date: 2026-03-17}": "date: 2026-03-17 is after the world's day, 2026-03-16: ",
    "{entity: Payment, account: Mine Ltd, date: 2027-01-01}": "say an earlier one, or back from it like -3d, or",
    "{entity: Invoice, account: Mine Ltd, documents: [DETAILED_DOC_EN]}": "documents: no document 'DETAILED_DOC_EN'",
    "{entity: Invoice, account: Mine Ltd, documents: [NF_URL_NA, NF_URL_NA]}": "NF_URL_NA stands there twice",
    "{entity: Invoice, account: Mine Ltd, amount: -1, documents: [BOLETO_PDF_NA]}": "CREDIT_MEMO has no BOLETO_PDF_NA",
    "{entity: Invoice, id: INV-1, account: Mine Ltd}": "id: 'INV-1' is no Invoice id",
    "{entity: Payment, account: Mine Ltd, amount: -1}": "amount: a payment is above 0; drop the sign.",
    "{entity: Payment, id: P1, account: Mine Ltd}": "id: 'P1' is no Payment id; write it like PMT2200000000417.",
    "{entity: Payment, account: Mine Ltd, type: LATE}": "type: no 'LATE'; there are: APPLIED, UNAPPLIED.",
}


@pytest.mark.parametrize("pin", REFUSED)
def test_a_pin_is_refused_in_one_line_that_says_where(write: Write, pin: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        build(write(MINE + f"  - {{api: accounts, {pin[1:]}\n"))
    message = str(caught.value)
    assert "\n" not in message
    assert re.match(r"my-world\.yaml:\d+: pins\[\d\]", message)
    assert REFUSED[pin] in message


def test_parents_that_go_round_in_a_circle_are_refused_with_the_way(write: Write) -> None:
    pins = [f"{{api: accounts, entity: Account, id: '{id}', parentAccountNumber: '{above}'}}" for id, above in CIRCLE]
    with pytest.raises(ScenarioError, match=r"222222 -> 333333 -> 444444 -> 222222"):
        build(write(MINE + "".join(f"  - {pin}\n" for pin in pins)))


CIRCLE = (("222222", "333333"), ("333333", "444444"), ("444444", "222222"))
WRONG = {
    "{token: x, role: holder}": "callers.x: no accounts; list what it may see, or say accounts: [] if that is nothing.",
    "{token: x, role: outsider, accounts: all}": "outsider with accounts; drop the accounts, or name the role holder.",
    "{token: x, role: holder, accounts: [Nobody]}": "no account 'Nobody'; there are: 123456, Mine Ltd.",
    "{token: x, role: holder, account: Mine Ltd}": "nobody calls for a single account here; list some under accounts.",
    "{token: x, role: holder, accounts: all, clientId: me-client}": "clientId 'me-client' is another caller's too",
    "{token: x, role: holder, accounts: all, refreshToken: me-refresh}": "'me-refresh' is another caller's too",
    "{token: x, role: holder, accounts: all, secret: x}": "unknown; ",
}


@pytest.mark.parametrize("caller", WRONG)
def test_a_caller_is_refused_in_one_line_that_says_where(write: Write, caller: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        build(write(MINE.replace("pins:", f"  x: {caller}\npins:")))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("my-world.yaml:4: callers.x")
    assert WRONG[caller] in str(caught.value)


# What the README promises

README = (scenario.HOME / "README.md").read_text(encoding="utf-8")
SECTION = README.split("### Of accounts\n")[1].split("\n### ")[0]
HELD = README.split("### What accounts holds\n")[1].split("\n### ")[0]
DOCUMENTS = re.findall(r"^\| ([A-Z_, ]+_(?:EN|NA)) \| ([A-Z_, ]+) \|", SECTION, re.MULTILINE)


def told(prefix: str) -> list[list[str]]:
    """The cells of the rows that are about ids of this beginning."""
    lines = (line for line in HELD.splitlines() if re.match(rf"\| {prefix}\d+ \|", line))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_the_readme_tells_every_member_of_every_pin() -> None:
    rows = set(re.findall(r"^\| (\w+) \| (\w+) \|", SECTION, re.MULTILINE)) - {("Entity", "Member")}
    assert rows == {(entity, member) for entity, members in MEMBERS.items() for member in members}


def test_the_readme_tells_every_word_that_there_is_to_choose_from() -> None:
    assert [each for each in (*COUNTRIES, *LANGUAGES, *TYPES) if not re.search(rf"\b{each}\b", SECTION)] == []


@pytest.mark.parametrize(("names", "types"), DOCUMENTS)
def test_the_readme_tells_which_documents_a_type_has(names: str, types: str) -> None:
    for name in names.split(", "):
        assert set(types.split(", ")) == set(IDS[name].types)


def test_the_readme_names_every_kind_of_document() -> None:
    assert {IDS[name] for names, _ in DOCUMENTS for name in names.split(", ")} == set(KINDS)


@pytest.mark.parametrize("row", told("7"), ids=lambda row: row[0])
def test_accounts_are_as_the_readme_says(world: World, row: list[str]) -> None:
    (record,) = (each for each in rows(world, "Account") if each["id"] == row[0])
    assert [record["accountName"], record.get("parentAccountNumber", "")] == row[1:3]
    assert row[3].startswith(record["country"])
    assert ("EXCEL" in row[3]) == (record["invoiceFormat"] == "EXCEL")
    assert record["billingFrequency"] == "MONTHLY" or record["billingFrequency"] in row[3]
    assert ("no invoice" in row[3]) == (not of(world, "Invoice", row[0]))


@pytest.mark.parametrize("row", [*told("8"), *told("PMT")], ids=lambda row: row[0])
def test_invoices_and_payments_are_as_the_readme_says(world: World, row: list[str]) -> None:
    (record,) = (each for each in (*rows(world, "Invoice"), *rows(world, "Payment")) if each["id"] == row[0])
    assert [record["account"]["id"], record["type"], str(record["amount"]), record["date"]] == row[1:5]
    assert (record["date"] < window(date(2026, 3, 16), 12).first) == ("not shown" in row[5])


def test_the_readme_lists_everything_that_is_pinned() -> None:
    pinned = [pin.id for pin in scenario.load("default").pins if pin.api == "accounts"]
    assert pinned == [row[0] for row in (*told("7"), *told("8"), *told("PMT"))]


# Which documents an invoice has


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_invoice_has_its_documents_in_english_and_in_its_own_language(language: str) -> None:
    found = [each["documentId"] for each in documents("INVOICE", format="PDF", language=language, country="GB")]
    stems = ("DETAILED_PDF", "SUMMARY_PDF", "DETAILED_XLS")
    suffixes = dict.fromkeys(("EN", LANGUAGES[language]))
    assert found == [f"{stem}_{suffix}" for stem in stems for suffix in suffixes]


def test_every_kind_is_had_somewhere_and_each_document_has_its_invoice_s_type() -> None:
    found = [
        each
        for type in ("INVOICE", "CREDIT_MEMO", "MANUAL_INVOICE", "STATEMENT")
        for format in ("PDF", "EXCEL")
        for each in documents(type, format=format, language="Portuguese", country="BR")
        if each["type"] == type
    ]
    assert {each["fileType"] for each in found} == {kind.file_type for kind in KINDS}
