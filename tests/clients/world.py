"""What the default world holds, found by asking it, and what the clients send: the tests know no id by heart."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import httpx
import xlsxwriter

Json = dict[str, Any]  # a body as JSON gives it

BILLING = "/public/v1/billing"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EPOCH_OF_EXCEL = 25569  # days from the spreadsheet's day zero to 1970-01-01


@dataclass(frozen=True)
class Resource:
    """A collection of the vendor's client: its place below `client.billing`, and which roles may read it."""

    name: str
    readers: tuple[str, ...]

    def service(self, billing: Any, parent: str | None) -> Any:
        """The service of the client, sync or async, that stands for this collection."""
        top, _, nested = self.name.partition(".")
        collection = getattr(billing, top)
        return getattr(collection, nested)(parent) if nested else collection

    def __str__(self) -> str:
        return self.name


RESOURCES = (
    Resource("journals", ("vendor", "operations")),
    Resource("journals.charges", ("vendor", "operations")),
    Resource("journals.sellers", ("vendor", "operations")),
    Resource("journals.attachments", ("vendor", "operations")),
    Resource("ledgers", ("operations",)),
    Resource("ledgers.charges", ("operations",)),
    Resource("ledgers.attachments", ("operations",)),
    Resource("custom_ledgers", ("operations",)),
    Resource("custom_ledgers.charges", ("operations",)),
    Resource("custom_ledgers.attachments", ("operations",)),
    Resource("statements", ("client", "operations")),
    Resource("statements.charges", ("client", "operations")),
    Resource("statements.attachments", ("client", "operations")),
    Resource("invoices", ("client", "operations")),
    Resource("invoices.attachments", ("client", "operations")),
    Resource("credit_memos", ("client", "operations")),
    Resource("credit_memos.attachments", ("client", "operations")),
    Resource("manual_overrides", ("operations",)),
)
CHARGES = tuple(resource for resource in RESOURCES if resource.name.endswith(".charges"))
READS = [(resource, reader) for resource in RESOURCES for reader in resource.readers]
REFUSED = [
    (resource, role)
    for resource in RESOURCES
    for role in ("vendor", "client")
    if "." not in resource.name and role not in resource.readers
]
# Parent collection and who may write attachments below it.
ATTACHMENTS = (
    ("journals", "vendor"),
    ("ledgers", "operations"),
    ("custom_ledgers", "operations"),
    ("statements", "operations"),
    ("invoices", "operations"),
    ("credit_memos", "operations"),
)


@dataclass(frozen=True)
class Sample:
    """Something that can be billed: enough to write charge lines that match."""

    authorization: str
    subscription: str
    item: str

    def jsonl(self, *, sign: int = 1) -> bytes:
        """Two charge lines of 400 each, to pay (sign 1) or to give back (sign -1)."""
        return b"".join(json.dumps(self.line(f"row-{number}", sign)).encode() + b"\n" for number in (1, 2))

    def line(self, entry: str, sign: int) -> Json:
        return {
            "externalIds": {"vendor": entry, "invoice": "BT-778", "reference": "clients"},
            "search": {
                "source": {"type": "Subscription", "criteria": "id", "value": self.subscription},
                "item": {"criteria": "item.id", "value": self.item},
            },
            "period": {"start": "2025-06-01", "end": "2025-06-30"},
            "price": {"unitPP": 40 * sign, "PPx1": 400 * sign},
            "quantity": 10,
            "segment": "COM",
            "description": {"value1": "Seats", "value2": ""},
        }

    def xlsx(self) -> bytes:
        """The first line of `jsonl` in the columns of the vendor's spreadsheet template."""
        row = {
            "Entry ID": "row-1",
            "External Reference": "clients",
            "Vendor Invoice Reference": "BT-778",
            "Source": "Subscription",
            "Source Criteria": "id",
            "Source Value": self.subscription,
            "Order Search Criteria": "",
            "Order Search Value": "",
            "Item Search Criteria": "item.id",
            "Item Search Value": self.item,
            "Usage Start Time": "2025-06-01",
            "Usage End Time": "2025-06-30",
            "Quantity": 10,
            "Purchase Price": 40,
            "Total Purchase Price": 400,
            "Description1": "Seats",
            "Description2": "",
            "Market Segment": "COM",
        }
        return workbook([list(row), list(row.values())])


def workbook(rows: list[list[Any]]) -> bytes:
    """An XLSX file of one sheet; empty cells are left out."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, [None if cell == "" else cell for cell in row])
    return content.getvalue()


class World:
    """Looks into the served world with plain HTTP, so that the client under test is not its own witness."""

    def __init__(self, url: str, tokens: dict[str, str]) -> None:
        self.tokens = tokens
        self.http = httpx.Client(base_url=url + BILLING, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, *, caller: str = "operations") -> Json:
        answer = self.http.get(path, headers={"Authorization": f"Bearer {self.tokens[caller]}"})
        answer.raise_for_status()
        body: Json = answer.json()
        return body

    def rows(self, path: str, *, caller: str = "operations", query: str = "") -> Iterator[Json]:
        """Every row of a collection, page by page."""
        offset, total = 0, 1
        while offset < total:
            page = self.get(f"{path}?{query}&limit=100&offset={offset}", caller=caller)
            yield from page["data"]
            offset, total = offset + 100, page["$meta"]["pagination"]["total"]

    def ids(self, path: str, *, caller: str = "operations") -> list[str]:
        return [row["id"] for row in self.rows(path, caller=caller, query="select=-*,id")]

    def count(self, path: str, *, caller: str = "operations") -> int:
        total: int = self.get(f"{path}?limit=0", caller=caller)["$meta"]["pagination"]["total"]
        return total

    def parent(self, resource: Resource, caller: str) -> str | None:
        """The parent that has the most of a nested collection, among those that `caller` reaches."""
        top, _, nested = resource.name.partition(".")
        return self.fullest(top.replace("_", "-"), nested, caller) if nested else None

    @cache  # noqa: B019 - one world lives as long as the tests do
    def fullest(self, top: str, nested: str, caller: str) -> str:
        parents = self.ids(f"/{top}", caller=caller)
        counts = {parent: self.count(f"/{top}/{parent}/{nested}", caller=caller) for parent in parents}
        assert any(counts.values()), f"no {top} of the default world that {caller} reaches has {nested}"
        return max(counts, key=lambda parent: counts[parent])

    @cache  # noqa: B019 - as above
    def sample(self) -> Sample:
        """A subscription and an item of the caller `vendor` that were billed to the caller `client` before."""
        vendor = next(self.rows("/journals", caller="vendor"))["vendor"]["id"]
        blocked = {
            (override["client"]["id"], override["vendor"]["id"])
            for override in self.rows("/manual-overrides")
            if override["status"] == "Active"
        }
        for statement in self.rows("/statements", caller="client", query="billingType=Automated"):
            pair = (statement["client"]["id"], statement["vendor"]["id"])
            if pair[1] != vendor or pair in blocked:
                continue
            for charge in self.rows(f"/statements/{statement['id']}/charges"):
                # A split child would come back as several charges; one source, one charge is the plain case.
                if "subscription" in charge and "parent" not in charge:
                    return Sample(charge["authorization"]["id"], charge["subscription"]["id"], charge["item"]["id"])
        raise AssertionError("no statement of the default world bills a subscription of `vendor` to `client`")

    def erp_document(self, statement: str, *, number: str) -> Json:
        """What an ERP would send as invoice or credit memo of an issued statement."""
        found = self.get(f"/statements/{statement}")
        net = abs(found["price"]["totalSP"])
        line = {"lineNo": 10000, "type": "2", "itemNo": "X900", "description": "Seats", "quantity": 1, "unitPrice": net}
        return {
            "documentNo": number,
            "countryCode": found["seller"].get("externalId", "NL"),
            "status": "Issued",
            "buyer": {"id": found["buyer"]["id"]},
            "seller": {"id": found["seller"]["id"]},
            "externalIds": {"statement": found["externalIds"]["erpId"]},
            "price": {"currency": found["price"]["currency"]["sale"], "totalSP": net, "totalST": 0, "totalGT": net},
            "erpData": {"documentDate": "2025-07-02T00:00:00.000Z", "postingDate": "2025-07-02T00:00:00.000Z"},
            "lines": [{**line, "amount": net, "lineAmount": net, "vatPercent": 0, "amountIncludingVat": net}],
        }

    def custom_ledger(self) -> Json:
        """A body that makes a custom ledger like one that the world has charges for."""
        found = self.get(f"/custom-ledgers/{self.fullest('custom-ledgers', 'charges', 'operations')}")
        currency = found["price"]["currency"]
        return {
            "name": "Billed by hand",
            "seller": {"id": found["seller"]["id"]},
            "vendor": {"id": found["vendor"]["id"]},
            "price": {"currency": {"purchase": currency["purchase"], "sale": currency["sale"]}},
            "notes": "clients",
            "billingStartDate": "2025-06-01T00:00:00.000Z",
            "billingEndDate": "2025-06-30T00:00:00.000Z",
            "externalIds": {},
        }

    def custom_ledger_file(self) -> bytes:
        """A sales document import of one row, like a charge that the world has on the ledger of `custom_ledger`."""
        parent = self.fullest("custom-ledgers", "charges", "operations")
        charges = self.rows(f"/custom-ledgers/{parent}/charges")
        charge = next(one for one in charges if one.get("processing", {}).get("status") == "Ready" and "item" in one)
        attributes, erp, price = charge["attributes"], charge["erpData"], charge["price"]
        start = 20240 + EPOCH_OF_EXCEL  # 2025-06-01
        cells = {
            "A": ("Document No.", "Length = 20", attributes["documentNumber"]),
            "B": ("Document Type", "Option", "Order"),
            "C": ("Order Type", "Option", attributes.get("orderType", "VAR_Direct")),
            "D": ("Sell-to Customer No.", "Length = 20", erp["scu"]),
            "E": ("Bill-to Customer No.", "Length = 20", erp["scu"]),
            "K": ("Type", "Option", "Item"),
            "L": ("No.", "Length = 20", charge["item"]["externalIds"]["vendor"]),
            "M": ("Description", "Length = 60", "Seats"),
            "O": ("Quantity", "Decimal", 2),
            "P": ("Sales Currency Code", "Length = 10", price["currency"]["sale"]),
            "Q": ("Unit Price", "Decimal", 50),
            "R": ("Purchase Currency Code", "Length = 10", price["currency"]["purchase"]),
            "S": ("Purchase Price", "Decimal", 40),
            "T": ("Contract No.", "Length = 20", erp.get("cco", "")),
            "W": ("External Document No. 2", "Length = 20", charge["agreement"]["id"]),
            "AN": ("Startdate", "Date", start),
            "AO": ("Enddate", "Date", start + 29),
        }
        width = 73
        rows: list[list[Any]] = [[""] * width for _ in range(6)]
        rows[0][0], rows[1][0] = "Sales Document Import Template", "Remarks"
        rows[2] = list(range(1, width + 1))
        for letters, (header, form, value) in cells.items():
            rows[3][column(letters)], rows[4][column(letters)], rows[5][column(letters)] = header, form, value
        return workbook(rows)

    def free_pair(self) -> tuple[str, str]:
        """A client and a vendor without an active override, and not the pair that the charges of `sample` need."""
        active = {
            (override["client"]["id"], override["vendor"]["id"])
            for override in self.rows("/manual-overrides", query="status=Active")
        }
        statements = list(self.rows("/statements"))
        needed = self.get("/journals?limit=1", caller="vendor")["data"][0]["vendor"]["id"]
        clients = sorted({statement["client"]["id"] for statement in statements})
        vendors = sorted({statement["vendor"]["id"] for statement in statements} - {needed})
        return next((one, other) for one in clients for other in vendors if (one, other) not in active)


def column(letters: str) -> int:
    """The place, from 0, of a spreadsheet column."""
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1
