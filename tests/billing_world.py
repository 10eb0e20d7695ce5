"""A small billing world made by hand: two vendors, three clients, every way of being billed, nothing by chance."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from mockserver import wire
from mockserver.apis.billing import INDEXES, WORKFLOWS
from mockserver.clock import Clock
from mockserver.store import Record
from mockserver.work import Actor, Upload, Work
from mockserver.world import Processing, World
from specs import tables

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

VENDOR = Actor({"id": "USR-1000-0001", "name": "Vera"}, "vendor", "ACC-1000-0001")
OTHER_VENDOR = Actor({"id": "USR-1000-0002", "name": "Otto"}, "vendor", "ACC-1000-0002")
OPERATIONS = Actor({"id": "USR-1000-0003", "name": "Ona"}, "operations", "ACC-1000-0009")

# Subscriptions by external id: what each is good for.
PLAIN, LINED, MARKED, SPLIT, EMPTY_SPLIT, BARE, FOREIGN, DOLLAR, BLOCKED, TWIN = (
    *("sub-plain", "sub-lined", "sub-marked", "sub-split", "sub-empty-split"),
    *("sub-bare", "sub-foreign", "sub-dollar", "sub-blocked", "sub-twin"),
)


@functools.cache
def api() -> tables.Api:
    """The billing tables, read once a process."""
    return tables.load("billing")


class Small:
    """A world and what tests do to it again and again."""

    def __init__(self, *, processing: str = "manual") -> None:
        self.world = World(
            seed=7,
            clock=Clock(START),
            indexes=INDEXES,
            api=api(),
            workflows=WORKFLOWS,
            processing=Processing.parse(processing),
        )
        work = self.work()
        for entity, record in catalog():
            work.put(entity, record)
        work.commit()

    def work(
        self, actor: Actor = OPERATIONS, body: Mapping[str, Any] | None = None, params: Mapping[str, str] | None = None
    ) -> Work:
        """A unit of work by an actor, with the body of a request."""
        work = self.world.work(actor)
        work.body, work.params = body or {}, params or {}
        return work

    def make(self, entity: str, body: Mapping[str, Any], actor: Actor = OPERATIONS) -> Record:
        """A new record out of a body, kept."""
        work = self.work(actor, body)
        record = WORKFLOWS.makers[entity](work)
        work.commit()
        return record

    def do(
        self,
        entity: str,
        id: str,
        event: str,
        body: Mapping[str, Any] | None = None,
        *,
        settle: bool = True,
        actor: Actor = OPERATIONS,
        **params: str,
    ) -> Record:
        """Fire an event, keep what it did, and let the jobs run; the record as it is then."""
        work = self.work(actor, body, params)
        work.fire(entity, work.need(entity, id), event)
        work.commit()
        if settle:
            self.world.run()
        return self.get(entity, id)

    def update(self, entity: str, id: str, members: Mapping[str, Any]) -> Record:
        """What a PUT does to members that the caller may write."""
        work = self.work()
        record = {**work.need(entity, id), **members}
        if (guard := WORKFLOWS.guards.get((entity, "update"))) is not None:
            guard(work, record)
        kept = work.change(entity, record)
        if (effect := WORKFLOWS.effects.get((entity, "update"))) is not None:
            effect(work, kept)
        work.commit()
        return self.get(entity, id)

    def get(self, entity: str, id: str) -> Record:
        """A kept record; an empty one where there is none."""
        return self.world.layer.get(entity, id) or {}

    def all(self, entity: str) -> list[Record]:
        """Every kept record of an entity."""
        return [row.record for row in self.world.layer.all(entity)]

    def charges(self, parent: str) -> list[Record]:
        """The charges below a journal, ledger, custom ledger or statement, in id order."""
        paths = {"BJO": "journal.id", "BLE": "ledger.id", "CLE": "customLedger.id", "SOM": "statement.id"}
        rows = self.world.layer.where("Charge", paths[parent[:3]], parent)
        return sorted((row.record for row in rows), key=lambda charge: str(charge["id"]))

    def statuses(self, parent: str) -> list[str]:
        """How the processing of each charge went."""
        return [str(charge["processing"]["status"]) for charge in self.charges(parent)]

    def put(self, entity: str, id: str, **members: Any) -> None:
        """Change the catalog."""
        work = self.work()
        work.put(entity, {**work.need(entity, id), **members})
        work.commit()

    # The way of a journal

    def journal(self, **members: Any) -> str:
        """A journal in Draft."""
        body = {"name": "March", "authorization": {"id": "AUT-1000-0001"}, **members}
        return str(self.make("Journal", body, VENDOR)["id"])

    def upload(self, id: str, lines: Sequence[Mapping[str, Any]], *, settle: bool = True) -> Record:
        """Upload lines to a journal."""
        content = b"\n".join(orjson.dumps(wire.plain(each)) for each in lines)
        return self.load("Journal", id, Upload("march.jsonl", "application/jsonl", content), VENDOR, settle=settle)

    def load(self, entity: str, id: str, upload: Upload, actor: Actor = OPERATIONS, *, settle: bool = True) -> Record:
        """Upload a file and fire the event, as the engine does."""
        work = self.work(actor)
        work.fire(entity, WORKFLOWS.loaders[entity](work, work.need(entity, id), upload), "upload")
        work.commit()
        if settle:
            self.world.run()
        return self.get(entity, id)

    def reviewed(self, *lines: Mapping[str, Any]) -> str:
        """A journal in Review, by way of Enquiring where a line is in error."""
        id = self.journal()
        if self.upload(id, lines)["status"] == "Validated":
            self.do("Journal", id, "submit")
            return id
        # A vendor cannot submit what is in error; it gets there when the catalog changes under a journal in review.
        self.upload(id, [line(PLAIN)])
        self.do("Journal", id, "submit")
        self.do("Journal", id, "enquire")
        self.upload(id, lines, settle=False)
        work = self.work()
        journal = work.need("Journal", id)
        WORKFLOWS.jobs["rebuildJournal"](work, journal)
        for job in list(self.world.jobs()):
            work.remove("Job", job["id"])
        work.commit()
        return id

    def generated(self, *lines: Mapping[str, Any]) -> str:
        """A journal whose ledgers are made."""
        id = self.reviewed(*lines or (line(PLAIN),))
        self.do("Journal", id, "accept")
        return id

    def accepted(self, *lines: Mapping[str, Any]) -> str:
        """A journal whose statements are made."""
        id = self.generated(*lines)
        for ledger in self.ledgers(id):
            self.do("Ledger", ledger["id"], "accept")
        return id

    def queued(self, *lines: Mapping[str, Any]) -> str:
        """A journal whose statements are on their way to the ERP."""
        id = self.accepted(*lines)
        for ledger in self.ledgers(id):
            self.do("Ledger", ledger["id"], "queue")
        return id

    def ledgers(self, journal: str) -> list[Record]:
        """The ledgers of a journal."""
        return [row.record for row in self.world.layer.where("Ledger", "journal.id", journal)]

    def statements(self, parent: str) -> list[Record]:
        """The statements of a journal, ledger or custom ledger."""
        if parent.startswith("BJO"):
            return [each for ledger in self.ledgers(parent) for each in self.statements(ledger["id"])]
        member = "ledger" if parent.startswith("BLE") else "customLedger"
        return [row.record for row in self.world.layer.where("Statement", f"{member}.id", parent)]

    def issued(self, id: str) -> Record:
        """A queued statement, issued."""
        self.do("Statement", id, "pending")
        return self.do("Statement", id, "issue")

    # The way of a custom ledger

    def custom_ledger(self, **members: Any) -> str:
        """A custom ledger in Draft."""
        body = {
            "name": "By hand",
            "seller": {"id": "SEL-1000-0001"},
            "vendor": {"id": "ACC-1000-0001"},
            "price": {"currency": {"purchase": "EUR", "sale": "EUR"}},
            "billingStartDate": "2026-02-01T00:00:00.000Z",
            "billingEndDate": "2026-02-28T00:00:00.000Z",
        }
        return str(self.make("CustomLedger", {**body, **members})["id"])

    def upload_rows(self, id: str, *rows: Mapping[str, Any]) -> Record:
        """Upload rows to a custom ledger."""
        from mockserver.apis.billing.custom_ledger_files import custom_ledger_template

        return self.load("CustomLedger", id, Upload("hand.xlsx", XLSX, custom_ledger_template(rows)))


def line(
    subscription: str = PLAIN,
    amount: str | int = 100,
    *,
    item: str = "sku-1",
    quantity: int = 10,
    **members: Any,
) -> dict[str, Any]:
    """A line of a charge file."""
    total = Decimal(amount)
    return {
        "externalIds": {"vendor": "row", "invoice": "VI-1", "reference": "ref"},
        "search": {
            "source": {"type": "Subscription", "criteria": "externalIds.vendor", "value": subscription},
            "item": {"criteria": "item.externalIds.vendor", "value": item},
        },
        "period": {"start": "2026-02-01", "end": "2026-02-28"},
        "price": {"unitPP": total / quantity, "PPx1": total},
        "quantity": quantity,
        "segment": "COM",
        "description": {"value1": "Seats"},
        **members,
    }


def source(type: str, criteria: str, value: str, item: str = "sku-1") -> dict[str, Any]:
    """The search of a line."""
    return {
        "source": {"type": type, "criteria": criteria, "value": value},
        "item": {"criteria": "externalIds.vendor", "value": item},
    }


def row(unit_pp: str = "738.60", unit_sp: str = "802.92", *, quantity: int = 1, **members: Any) -> dict[str, Any]:
    """A row of a custom ledger file."""
    return {
        "documentNumber": "AGR-1000-0000-0001",
        "statementType": "Debit",
        "orderType": "VAR_Direct",
        "sellTo": "NL-SCU-100001",
        "billTo": "NL-SCU-100001",
        "licenseContact": "LC-1",
        "item": "sku-1",
        "description": {"value1": "Seats"},
        "quantity": Decimal(quantity),
        "saleCurrency": "EUR",
        "unitSP": Decimal(unit_sp),
        "purchaseCurrency": "EUR",
        "unitPP": Decimal(unit_pp),
        "contractNo": "NL-CCO-1",
        "externalDocumentNo2": "AGR-1000-0000-0001",
        "start": "2026-02-01T00:00:00.000Z",
        "end": "2026-02-28T00:00:00.000Z",
        "country": "NL",
        "vendorInvoice": "VI-1",
        **members,
    }


def _ref(record: Mapping[str, Any], entity: str) -> dict[str, Any]:
    return {name: record[name] for name in api().conventions.core[entity] if name in record}


def catalog() -> list[tuple[str, dict[str, Any]]]:
    """(entity, record) of all that journals refer to."""
    made: list[tuple[str, dict[str, Any]]] = []

    def add(entity: str, id: str, **members: Any) -> dict[str, Any]:
        record = {"id": id, **members}
        made.append((entity, record))
        return record

    def account(number: int, type: str, name: str) -> dict[str, Any]:
        return _ref(add("Account", f"ACC-1000-{number:04d}", name=name, type=type, status="Active"), "Account")

    vendor, other = account(1, "Vendor", "Vendor One"), account(2, "Vendor", "Vendor Two")
    clients = [account(3, "Client", "Client A"), account(4, "Client", "Client B"), account(5, "Client", "Client C")]
    account(9, "Operations", "Operations")
    for number, name in enumerate(("Vera", "Otto", "Ona"), 1):
        add("User", f"USR-1000-{number:04d}", name=name)

    def seller(number: int, country: str, currencies: list[str]) -> dict[str, Any]:
        address = {"addressLine1": "Kade 1", "postCode": "1", "city": "Haven", "state": "N/A", "country": country}
        known = {"name": f"Seller {country}", "externalId": country, "status": "Active"}
        return add("Seller", f"SEL-1000-{number:04d}", **known, currencies=currencies, address=address)

    home, abroad, over = seller(1, "NL", ["EUR"]), seller(2, "DE", ["EUR"]), seller(3, "US", ["USD"])

    def buyer(number: int, client: Mapping[str, Any], currency: str = "EUR") -> dict[str, Any]:
        address = {"addressLine1": "Straat 2", "postCode": "2", "city": "Haven", "state": "N/A", "country": "NL"}
        known = {"name": f"Buyer {number}", "externalIds": {"erpCustomer": f"NL-SCU-10{number:04d}"}}
        return add("Buyer", f"BUY-1000-{number:04d}", **known, client=client, currency=currency, address=address)

    buyers = [buyer(1, clients[0]), buyer(2, clients[1]), buyer(3, clients[2]), buyer(4, clients[0], "USD")]

    def product(number: int, vendor: Mapping[str, Any]) -> dict[str, Any]:
        known = {"name": f"Product {number}", "status": "Published", "externalIds": {"operations": f"P{number}"}}
        return add("Product", f"PRD-1000-{number:04d}", **known, vendor=vendor)

    product_one, product_two = product(1, vendor), product(2, other)
    for number, kind, external in ((1, product_one, "sku-1"), (2, product_one, "sku-2"), (3, product_two, "sku-1")):
        known = {"name": f"Item {number}", "externalIds": {"vendor": external, "operations": f"X{number}"}}
        add("Item", f"ITM-1000-0000-{number:04d}", **known, product=_ref(kind, "Product"))

    def authorization(number: int, vendor: Mapping[str, Any], product: Mapping[str, Any]) -> dict[str, Any]:
        known = {"name": f"Auth {number}", "currency": "EUR", "vendor": vendor, "product": _ref(product, "Product")}
        return add("Authorization", f"AUT-1000-{number:04d}", **known, owner=_ref(home, "Seller"))

    auth, foreign = authorization(1, vendor, product_one), authorization(2, other, product_two)
    again = authorization(3, vendor, product_one)
    add("ExchangeRate", "EUR-USD", rate=Decimal("1.1"))

    def agreement(
        number: int,
        client: int,
        *,
        seller: Mapping[str, Any] = home,
        authorization: Mapping[str, Any] = auth,
        **members: Any,
    ) -> dict[str, Any]:
        licensee = add(
            "Licensee",
            f"LCE-1000-0000-{number:04d}",
            name=f"Licensee {number}",
            externalId=f"LC-{number}",
            buyer=_ref(buyers[client], "Buyer"),
            client=clients[client],
        )
        return add(
            "Agreement",
            f"AGR-1000-0000-{number:04d}",
            name=f"Agreement {number}",
            status="Active",
            externalIds={"vendor": f"agr-{number}"},
            authorization=_ref(authorization, "Authorization"),
            vendor=authorization["vendor"],
            product=authorization["product"],
            client=clients[client],
            buyer=_ref(buyers[client], "Buyer"),
            seller=_ref(seller, "Seller"),
            licensee=_ref(licensee, "Licensee"),
            contractNo=f"NL-CCO-{number}",
            **members,
        )

    def subscription(number: int, external: str, agreement: Mapping[str, Any], **members: Any) -> dict[str, Any]:
        known = {"name": f"Sub {number}", "status": "Active", "externalIds": {"vendor": external}}
        refs = {"agreement": {"id": agreement["id"]}, "authorization": {"id": agreement["authorization"]["id"]}}
        return add("Subscription", f"SUB-1000-0000-{number:04d}", **known, **refs, **members)

    def allocation(buyer: int, percentage: int) -> dict[str, Any]:
        return {"buyer": _ref(buyers[buyer], "Buyer"), "percentage": Decimal(percentage)}

    main = agreement(1, 0, markup=Decimal(25))
    german = agreement(2, 1, seller=abroad, markup=Decimal(10))
    bare = agreement(3, 0)
    american = agreement(4, 0, seller=over, markup=Decimal(10))
    blocked = agreement(5, 2, markup=Decimal(20))
    theirs = agreement(6, 0, authorization=foreign, markup=Decimal(5))
    split = agreement(
        7, 0, markup=Decimal(25), split={"active": True, "allocations": [allocation(0, 60), allocation(3, 40)]}
    )
    agreement(8, 0, authorization=again, markup=Decimal(5))

    plain = subscription(1, PLAIN, main)
    lined = subscription(2, LINED, main, markup=Decimal(40))
    subscription(3, MARKED, main, markup=Decimal(40))
    shares = [allocation(0, 70), allocation(3, 30)]
    subscription(4, SPLIT, main, split={"active": True, "allocations": shares})
    subscription(5, EMPTY_SPLIT, main, split={"active": True, "allocations": []})
    subscription(6, BARE, bare)
    subscription(7, FOREIGN, theirs)
    subscription(8, DOLLAR, american)
    subscription(9, BLOCKED, blocked)
    subscription(10, TWIN, german)
    subscription(11, TWIN, main)
    subscription(12, "sub-german", german)
    subscription(13, "sub-agreement-split", split)
    add(
        "Asset",
        "AST-1000-0000-0001",
        name="Asset",
        status="Active",
        externalIds={"vendor": "asset-1"},
        agreement={"id": main["id"]},
        authorization={"id": auth["id"]},
        markup=Decimal(15),
    )
    item = {"id": "ITM-1000-0000-0001"}
    add(
        "AgreementLine",
        "ALI-1000-0000-0000-0001",
        agreement={"id": main["id"]},
        item=item,
        subscription={"id": lined["id"]},
        markup=Decimal(50),
    )
    add(
        "AgreementLine",
        "ALI-1000-0000-0000-0002",
        agreement={"id": main["id"]},
        item=item,
        subscription={"id": plain["id"]},
    )
    for number, owner in ((1, auth), (2, foreign)):
        refs = {"agreement": {"id": main["id"]}, "authorization": {"id": owner["id"]}}
        add("Order", f"ORD-1000-0000-{number:04d}", externalIds={"vendor": f"order-{number}"}, **refs)
    return made
