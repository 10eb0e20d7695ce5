"""Who sees what: members and rows, in bodies, lists, counts, filters, orders and files (billing b.2, b.5, c)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import openpyxl  # type: ignore[import-untyped, unused-ignore]  # openpyxl carries no annotations
import pytest

from mockserver import MockServer
from mockserver.store import Record, at
from specs.tables import Api, load
from tests.driver import XLSX, Client
from tests.valid import OWNER, Valid

As = Callable[[str], Client]
API: Api = load("billing")
ROLES = ("client", "vendor", "operations")

# Who sees members of what they can reach, as billing c.0 to c.11 say it: first letters of the roles. Written down here
# once more, so that a wrong table does not prove itself.
WHO_SEES = {
    "Journal": {
        "processing": "o",
        "backup": "o",
        "price.currency": "vo",
        "price.totalPP": "vo",
        "price.totalSP": "o",
        "price.totalBSP": "o",
        "price.markup": "o",
        "price.margin": "o",
        "externalIds.vendor": "v",
        "externalIds.operations": "o",
        "upload": "vo",
        "error": "vo",
        "notes": "vo",
        "dueDate": "vo",
        "assignee": "vo",
    },
    "Charge": {
        "price.currency.purchase": "vo",
        "price.currency.sale": "co",
        "price.currency.rate": "o",
        "price.unitPP": "vo",
        "price.PPx1": "vo",
        "price.unitSP": "co",
        "price.SPx1": "co",
        "price.unitBSP": "co",
        "price.BSPx1": "co",
        "price.markup": "o",
        "price.margin": "o",
        "price.markupSource": "o",
        "upload": "vo",
        "processing": "o",
        "reconciliation": "o",
        "search": "cvo",
        "quantity": "cvo",
        "erpData": "cvo",
        "externalIds.vendor": "cvo",
    },
    "CustomLedger": {"externalIds.vendor": "v", "externalIds.operations": "o", "price.markup": "o"},
    "Statement": {
        "price.currency.purchase": "o",
        "price.currency.rate": "o",
        "price.currency.sale": "co",
        "price.totalPP": "o",
        "price.totalSP": "co",
        "price.totalBSP": "co",
        "price.totalST": "co",
        "price.totalGT": "co",
        "price.markup": "o",
        "price.margin": "o",
        "processing": "o",
        "backup": "o",
        "externalIds.operations": "o",
        "externalIds.vendor": "v",
        "externalIds.client": "c",
        "externalIds.erpId": "co",
        "statusNotes": "co",
        "error": "co",
        "ledger": "co",
    },
    "Invoice": {
        "price.totalPP": "o",
        "price.markup": "o",
        "price.margin": "o",
        "price.currency": "co",
        "price.totalSP": "co",
        "price.totalST": "co",
        "price.totalGT": "co",
        "lines.purchasePriceLcy": "o",
        "lines.purchasePriceTotalLcy": "o",
        "lines.salesMargin": "o",
        "lines.salesMarkup": "o",
        "lines.amount": "co",
        "erpData": "co",
    },
    "InvoiceLine": {
        "purchasePriceLcy": "o",
        "purchasePriceTotalLcy": "o",
        "salesMargin": "o",
        "salesMarkup": "o",
        "unitPrice": "co",
        "amountIncludingVat": "co",
    },
    "CreditMemo": {
        "price.totalPP": "o",
        "price.markup": "o",
        "price.margin": "o",
        "price.totalSP": "co",
        "lines.price.purchaseCurrencyCode": "o",
        "lines.price.purchaseCurrencyFactor": "o",
        "lines.price.purchasePrice": "o",
        "lines.price.purchasePriceLcy": "o",
        "lines.price.purchasePriceTotal": "o",
        "lines.price.purchasePriceTotalLcy": "o",
        "lines.price.salesMarkup": "o",
        "lines.price.salesMargin": "o",
        "lines.price.amount": "co",
    },
    "CreditMemoLine": {
        "price.purchaseCurrencyCode": "o",
        "price.purchaseCurrencyFactor": "o",
        "price.purchasePrice": "o",
        "price.purchasePriceLcy": "o",
        "price.purchasePriceTotal": "o",
        "price.purchasePriceTotalLcy": "o",
        "price.salesMarkup": "o",
        "price.salesMargin": "o",
        "price.amount": "co",
    },
}
# entity -> role -> the list that shows it, and the operation that shows one
READ = {
    "Journal": {"vendor": "listJournals", "operations": "listJournals"},
    "Charge": {
        "vendor": "listJournalCharges",
        "client": "listStatementCharges",
        "operations": "listLedgerCharges",
    },
    "CustomLedger": {"operations": "listCustomLedgers"},
    "Statement": {"client": "listStatements", "operations": "listStatements"},
    "Invoice": {"client": "listInvoices", "operations": "listInvoices"},
    "InvoiceLine": {"client": "listInvoiceLines", "operations": "listInvoiceLines"},
    "CreditMemo": {"client": "listCreditMemos", "operations": "listCreditMemos"},
    "CreditMemoLine": {"client": "listCreditMemoLines", "operations": "listCreditMemoLines"},
}
CASES = [(entity, member, role) for entity, members in WHO_SEES.items() for member in members for role in READ[entity]]
HIDDEN = [(entity, member, role) for entity, member, role in CASES if role[0] not in WHO_SEES[entity][member]]
SHOWN = [(entity, member, role) for entity, member, role in CASES if role[0] in WHO_SEES[entity][member]]


def test_the_table_hides_what_is_written_here_and_nothing_else() -> None:
    readers = {entity: frozenset(READ.get(entity, {"operations"})) for entity in API.visibility}
    found = {
        (entity, member, roles & readers[entity])
        for entity, table in API.visibility.items()
        for member, roles in table.only.items()
    }
    written = {
        (entity, member, frozenset(role for role in readers[entity] if role[0] in who))
        for entity, members in WHO_SEES.items()
        for member, who in members.items()
    }
    assert {row for row in found if row[2] != readers[row[0]]} == {row for row in written if row[2] != readers[row[0]]}


# One object with the member, so that its absence means something

STAND_INS: Mapping[str, Any] = {
    "backup": {"status": "Pending"},
    "assignee": {"id": "USR-1000-0001", "name": "Ottilie Brandt"},
    "error": {"id": "SOM:0001", "code": "SOM:0001", "message": "Something."},
    "statusNotes": {"message": "Something."},
    "notes": "Something.",
    "reconciliation": {"type": "Ignore", "reason": "Something."},
    "ledger": {"id": "BLE-1000-0001-0000-0001"},
    "dueDate": "2026-04-01T00:00:00.000Z",
    "erpData": {"cdg": "x"},
    "currency": "EUR",
    "purchaseCurrencyCode": "EUR",
}


class Sight:
    """An object that has a member, and where a role finds it."""

    def __init__(self, app: MockServer, entity: str, member: str, role: str) -> None:
        self.app, self.entity, self.member = app, entity, member
        valid = Valid(app, role)
        operation = API.operations[READ[entity][role]]
        service = app.services["billing"]
        if operation.below is None:
            record = next(iter(valid.own(entity)))
            self.list = operation.path.removeprefix("/public/v1/billing")
            self._put(entity, lay(record, member))
        else:
            parent, record = next(
                (parent, rows[0].record)
                for parent in valid.own(operation.below)
                if (rows := list(service.below(valid.work, entity, operation.below, parent)))
            )
            self.list = "/" + operation.path.split("/")[4] + f"/{parent['id']}/" + operation.path.rpartition("/")[2]
            if entity in ("InvoiceLine", "CreditMemoLine"):
                lines = [lay(line, member) for line in parent["lines"]]
                self._put(operation.below, {**parent, "lines": lines})
            else:
                self._put(entity, lay(record, member))
        self.id = record["id"]
        self.one = f"{self.list}/{self.id}"

    def _put(self, entity: str, record: Record) -> None:
        work = self.app.world.work()
        work.put(entity, record)
        work.commit()

    def texts(self, client: Client) -> Iterator[tuple[str, Any]]:
        """(where, object) of every way to look at it."""
        top = self.member.partition(".")[0]
        selections = ("", "?select=*", f"?select={self.member}", f"?select=+{top}", f"?select=-*,{self.member}")
        for select in selections:
            yield f"one {select}", answer(client, self.one + select)
            page = answer(client, f"{self.list}{select or '?'}&limit=100")
            assert self.member not in page["$meta"].get("omitted", ())
            yield f"list {select}", next(each for each in page["data"] if each["id"] == self.id)


def answer(client: Client, path: str) -> Any:
    """What is there."""
    found = client.get(path)
    assert found.status == 200, (path, found)
    return found.json


def lay(record: Record, path: str) -> dict[str, Any]:
    """A copy that has a value at a dotted path."""
    head, _, rest = path.partition(".")
    if not rest:
        return {**record, head: record.get(head, STAND_INS.get(head, 7))}
    value = record.get(head, [{}] if head == "lines" else {})
    if isinstance(value, list):
        return {**record, head: [lay(each, rest) for each in value]}
    if (head, rest) == ("externalIds", rest) and rest not in value:
        return {**record, head: {**value, rest: "private"}}
    if rest == "markupSource":
        return {**record, head: {**value, rest: value.get(rest, "Line")}}
    if rest in ("purchase", "sale"):
        return {**record, head: {**value, rest: value.get(rest, "EUR")}}
    return {**record, head: lay(value, rest)}


def has(value: Any, path: str) -> bool:
    """Whether something lies at a dotted path, in any element of the arrays on the way."""
    head, _, rest = path.partition(".")
    if isinstance(value, list):
        return any(has(each, path) for each in value)
    if not isinstance(value, dict) or head not in value:
        return False
    return has(value[head], rest) if rest else True


@pytest.mark.parametrize(("entity", "member", "role"), SHOWN)
def test_who_sees_a_member_is_shown_it(app: MockServer, as_: As, entity: str, member: str, role: str) -> None:
    sight = Sight(app, entity, member, role)
    client = as_(role)
    assert has(answer(client, f"{sight.one}?select=*"), member)
    assert has(answer(client, f"{sight.one}?select=-*,{member}"), member)
    page = answer(client, f"{sight.list}?select=*&limit=100")["data"]
    assert has(next(each for each in page if each["id"] == sight.id), member)


@pytest.mark.parametrize(("entity", "member", "role"), HIDDEN)
def test_a_hidden_member_appears_nowhere(app: MockServer, as_: As, entity: str, member: str, role: str) -> None:
    sight = Sight(app, entity, member, role)
    client = as_(role)
    for where, shown in sight.texts(client):
        assert not has(shown, member), where
        assert member not in shown.get("$meta", {}).get("omitted", ())


@pytest.mark.parametrize(("entity", "member", "role"), HIDDEN)
def test_a_hidden_member_is_no_ground_for_a_filter_or_an_order(
    app: MockServer, as_: As, entity: str, member: str, role: str
) -> None:
    sight = Sight(app, entity, member, role)
    client = as_(role)
    leaf = {"processing": "processing.total", "backup": "backup.status", "upload": "upload.status"}.get(member, member)
    leaf = {"reconciliation": "reconciliation.reason"}.get(leaf, leaf)
    leaf = "processing.status" if (entity, member) == ("Charge", "processing") else leaf
    if leaf.startswith("lines."):
        inner = leaf.partition(".")[2]
        queries = [f"any(lines,ne({inner},null()))", f"all(lines,eq({inner},null()))", f"any(lines,in({inner},(1)))"]
    else:
        queries = [
            f"ne({leaf},null())",
            f"{leaf}=1",
            f"not(eq({leaf},1))",
            f"or(eq(id,x),gt({leaf},1))",
            f"out({leaf},(1))",
        ]
        queries += [f"order={leaf}", f"order=-{leaf}", f"order=id,{leaf}", f"eq(id,{leaf})", leaf.upper() + "=1"]
    for query in queries:
        # Compared as a constant, a name says nothing of the property: that one is taken.
        found = client.get(f"{sight.list}?{query}")
        if query.startswith("eq(id,"):
            assert found.status == 400 or found.json["data"] == []
        else:
            assert found.status == 400, query
            assert "value" not in found.json


@pytest.mark.parametrize("role", ["vendor", "client"])
def test_a_refusal_of_a_hidden_name_does_not_name_others(app: MockServer, as_: As, role: str) -> None:
    path = {"vendor": "/journals", "client": "/statements"}[role]
    text = as_(role).get(f"{path}?nosuch=1").text + as_(role).get(f"{path}?price.nosuch=1").text
    for name in ("processing", "backup", "markup", "margin", "totalBSP" if role == "vendor" else "totalPP"):
        assert name not in text


# References

EXPANSIONS = [
    (
        "vendor",
        "/journals/BJO-1000-0005/attachments",
        "journal",
        ("processing", "price.totalSP", "price.markup", "externalIds.operations"),
    ),
    (
        "vendor",
        "/journals/BJO-1000-0005/charges",
        "journal",
        ("processing", "price.totalSP", "backup", "externalIds.operations"),
    ),
    (
        "client",
        "/invoices",
        "statement",
        ("processing", "price.totalPP", "price.currency.rate", "externalIds.operations"),
    ),
    (
        "client",
        "/statements/SOM-1000-0001-0000-0006/attachments",
        "statement",
        ("processing", "price.totalPP", "price.markup"),
    ),
    ("client", "/invoices/INV-1000-0001-0000-0001/attachments", "invoice", ("price.totalPP", "lines.salesMarkup")),
    ("client", "/invoices/INV-1000-0001-0000-0001/lines", "invoice", ("price.margin", "lines.purchasePriceLcy")),
]


@pytest.mark.parametrize(("role", "path", "name", "hidden"), EXPANSIONS)
def test_an_expanded_reference_shows_no_more_than_the_object_itself(
    app: MockServer, as_: As, role: str, path: str, name: str, hidden: tuple[str, ...]
) -> None:
    for select in (f"+{name}", f"{name}", f"*,{name}", *(f"+{name}.{member}" for member in hidden), f"-*,{name}"):
        for row in answer(as_(role), f"{path}?select={select}&limit=100")["data"]:
            for member in hidden:
                assert not has(row, f"{name}.{member}"), select
    for member in hidden:
        assert as_(role).get(f"{path}?ne({name}.{member},null())").status == 400
    expanded = answer(as_(role), f"{path}?select=+{name}&limit=1")["data"][0][name]
    assert has(expanded, "status" if name != "invoice" else "price.totalSP")


FOREIGN = [
    ("client", "/statements", "ledger", {"id"}),
    ("client", "/statements/SOM-1000-0001-0000-0006/charges", "journal", {"id", "name", "icon", "dueDate"}),
    ("client", "/statements/SOM-1000-0001-0000-0006/charges", "ledger", {"id"}),
    ("vendor", "/journals/BJO-1000-0012/charges", "statement", {"id"}),
    ("vendor", "/journals/BJO-1000-0012/charges", "ledger", {"id"}),
]


@pytest.mark.parametrize(("role", "path", "name", "core"), FOREIGN)
def test_a_reference_to_what_a_role_cannot_reach_is_not_expanded(
    as_: As, role: str, path: str, name: str, core: set[str]
) -> None:
    for select in (f"+{name}", f"+{name}.price.totalPP,{name}.status,{name}.audit"):
        rows = [row for row in answer(as_(role), f"{path}?select={select}&limit=100")["data"] if name in row]
        assert rows
        for row in rows:
            assert set(row[name]) <= core


# Files

SALE, PURCHASE = ("price.unitSP", "price.SPx1"), ("price.unitPP", "price.PPx1")


@pytest.mark.parametrize("media", ["text/csv", XLSX, "application/jsonl"])
@pytest.mark.parametrize(
    ("role", "path", "shown"),
    [
        ("vendor", "/journals/BJO-1000-0005/charges", PURCHASE),
        ("operations", "/journals/BJO-1000-0005/charges", SALE),
        ("client", "/statements/SOM-1000-0001-0000-0006/charges", SALE),
    ],
)
def test_a_file_shows_what_the_list_shows(as_: As, role: str, path: str, shown: tuple[str, str], media: str) -> None:
    found = as_(role).get(path, headers={"accept": media})
    assert found.status == 200
    listed = answer(as_(role), f"{path}?limit=100")["data"]
    assert listed
    if media == "application/jsonl":
        lines = [json.loads(line) for line in found.content.splitlines()]
        assert lines == listed
        return
    rows = table(found.content, media)
    assert [row["Charge ID"] for row in rows] == [each["id"] for each in listed]
    status = {"operations": "processing.status", "vendor": "upload.status", "client": None}[role]
    assert ("Status" in rows[0]) == (status is not None)
    for row, charge in zip(rows, listed, strict=True):
        for header, member in zip(("Unit Price", "Total"), shown, strict=True):
            wanted = at(charge, member)
            assert (float(row[header]) if row[header] not in ("", None) else None) == wanted
        assert status is None or row["Status"] == at(charge, status)


def table(content: bytes, media: str) -> list[dict[str, Any]]:
    if media == "text/csv":
        return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    header, *rows = openpyxl.load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


# Rows

COLLECTIONS = {
    "Journal": "/journals",
    "Ledger": "/ledgers",
    "CustomLedger": "/custom-ledgers",
    "Statement": "/statements",
    "Invoice": "/invoices",
    "CreditMemo": "/credit-memos",
    "ManualOverride": "/manual-overrides",
}
READERS = {
    "Journal": ("vendor", "vendor-other", "operations"),
    **dict.fromkeys(("Statement", "Invoice", "CreditMemo"), ("client", "client-other", "operations")),
}


def pages(client: Client, path: str) -> Iterator[Any]:
    """Every row of a list, page by page as the vendor's client asks for them."""
    offset = 0
    while True:
        page = answer(client, f"{path}{'&' if '?' in path else '?'}limit=7&offset={offset}")
        yield from page["data"]
        meta = page["$meta"]["pagination"]
        assert (meta["limit"], meta["offset"]) == (7, offset)
        offset += 7
        if offset >= meta["total"]:
            return


@pytest.mark.parametrize(
    ("entity", "caller"),
    [(entity, caller) for entity in COLLECTIONS for caller in READERS.get(entity, ("operations",))],
)
def test_a_list_shows_ones_own_rows_and_counts_no_others(app: MockServer, as_: As, entity: str, caller: str) -> None:
    path = COLLECTIONS[entity]
    everything = [row.record for row in app.world.layer.all(entity)]
    account = app.callers[caller].account
    own = [each["id"] for each in everything if caller == "operations" or at(each, OWNER[entity]) == account]
    others = [each["id"] for each in everything if each["id"] not in own]
    assert own
    assert others or caller == "operations"
    client = as_(caller)
    assert [each["id"] for each in pages(client, path)] == own
    assert answer(client, f"{path}?limit=0")["$meta"]["pagination"]["total"] == len(own)
    ids = ",".join(others[:20]) or "x"
    assert answer(client, f"{path}?in(id,({ids}))")["$meta"]["pagination"]["total"] == 0
    assert {each["id"] for each in pages(client, f"{path}?out(id,({ids}))&order=-id")} == set(own)
    for id in others[:5]:
        assert client.get(f"{path}/{id}").status == 404


@pytest.mark.parametrize("caller", ["vendor", "vendor-other", "client", "client-other", "operations"])
def test_lists_below_an_object_hold_what_belongs_to_it(app: MockServer, as_: As, caller: str) -> None:
    client = as_(caller)
    valid = Valid(app, caller)
    for operation in API.operations.values():
        if operation.does != "list" or operation.below is None or app.callers[caller].role not in operation.roles:
            continue
        home = operation.below[:1].lower() + operation.below[1:]
        for parent in list(valid.own(operation.below))[:3]:
            path = "/" + operation.path.split("/")[4] + f"/{parent['id']}/" + operation.path.rpartition("/")[2]
            rows = list(pages(client, f"{path}?select=*"))
            if operation.entity == "CreditMemoLine":  # it names no parent (c.10)
                assert [row["id"] for row in rows] == [line["id"] for line in parent["lines"]]
            else:
                assert {row[home]["id"] for row in rows} <= {parent["id"]}


# Nothing that the spec does not declare


class Declared:
    """Walks an answer along its schema."""

    def __init__(self, app: MockServer) -> None:
        self.document = app.services["billing"].api.document
        self.references = API.conventions.references
        self.public = API.conventions.public
        self.faults: set[str] = set()

    def resolve(self, schema: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any], bool]:
        """(properties, the part that says what items there are, whether anything goes)."""
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        members = dict(schema.get("properties", {}))
        free = bool(schema.get("additionalProperties", False))
        rest = schema
        for part in schema.get("allOf", ()):
            more, inner, open_ = self.resolve(part)
            members |= more
            free |= open_
            rest = inner if "items" in inner else rest
        return members, rest, free

    def walk(self, value: Any, schema: Mapping[str, Any], place: str) -> None:
        members, rest, free = self.resolve(schema)
        if isinstance(value, list):
            for each in value:
                self.walk(each, rest["items"], f"{place}[]")
        elif isinstance(value, dict) and not (free and not members):
            for name, inner in value.items():
                assert inner is not None, f"{place}.{name} is null"
                if name in members:
                    self.member(inner, members[name], f"{place}.{name}", name)
                elif not free:
                    self.faults.add(f"{place}.{name}")

    def member(self, value: Any, schema: Mapping[str, Any], place: str, name: str) -> None:
        entity = self.references.get(name)
        if entity is None or not isinstance(value, dict):
            self.walk(value, schema, place)
            return
        # An expanded reference shows what the object itself shows, or what conventions.yaml makes public of it.
        known, _, free = self.resolve(schema)
        if free and not known:
            known, _, _ = self.resolve({"$ref": f"/{entity}Ref"})
        whole = {"properties": known}
        if entity in self.document["components"]["schemas"]:
            whole = {"properties": {**self.resolve({"$ref": f"/{entity}"})[0], **known}}
        for each in self.public.get(entity, ()):
            whole["properties"].setdefault(each, {"additionalProperties": True})
        self.walk(value, whole, place)


@pytest.mark.parametrize("caller", ["vendor", "client", "operations"])
def test_no_answer_holds_a_member_that_the_spec_does_not_declare(app: MockServer, as_: As, caller: str) -> None:
    declared = Declared(app)
    document = app.services["billing"].api.document
    client, valid = as_(caller), Valid(app, caller)
    walked = 0
    for operation in API.operations.values():
        if operation.does not in ("list", "read", "download") or caller not in operation.roles:
            continue
        spec = document["paths"][operation.path.removeprefix("/public/v1/billing")]["get"]
        schema = spec["responses"]["200"]["content"]["application/json"]["schema"]
        path = valid.operation(operation).path
        for select in (
            "",
            "?select=*",
            "?select=+audit,seller,buyer,agreement,journal,statement,ledger,subscription,item",
        ):
            declared.walk(
                answer(client, f"{path}{select}" + ("&limit=100" if select and operation.does == "list" else "")),
                schema,
                operation.id,
            )
            walked += 1
    assert walked > 20
    assert declared.faults == set()


def test_every_object_of_the_default_world_is_declared(app: MockServer, operations: Client) -> None:
    declared = Declared(app)
    for path in COLLECTIONS.values():
        schema = app.services["billing"].api.document["paths"][path]["get"]["responses"]["200"]["content"][
            "application/json"
        ]["schema"]
        for offset in (0, 100):
            declared.walk(answer(operations, f"{path}?select=*&limit=100&offset={offset}"), schema, path)
    assert declared.faults == set()


@pytest.mark.parametrize(
    ("client_name", "query"),
    [("vendor", "eq(vendor.id,'ACC-1000-0003')"), ("vendor", "vendor.name=Copperline Systems")],
)
def test_a_filter_does_not_reach_over_to_others(as_: As, client_name: str, query: str) -> None:
    found = as_(client_name).get(f"/journals?{quote(query, safe='(),=')}")
    assert found.json["$meta"]["pagination"]["total"] == 0
