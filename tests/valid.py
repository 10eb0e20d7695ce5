"""For every operation a request that is right in every respect: on an object of the caller's own, in a fit state.

So a test that spoils one thing knows that nothing else can be the reason of a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from mockserver import MockServer
from mockserver.apis.billing.charge_files import write_csv, write_jsonl, write_xlsx
from mockserver.apis.billing.custom_ledger_files import custom_ledger_template
from mockserver.auth import Caller
from mockserver.store import Record, at
from mockserver.work import Work
from specs.tables import Capability, Operation
from tests.driver import BASE, XLSX, Answer, Client

FORM = "multipart/form-data; boundary=----doubleentry"
CALLERS = ("vendor", "client", "operations")
# Whose an object is, as billing b.2 says; what is not named belongs to Operations.
OWNER = {"Journal": "vendor.id", "Statement": "client.id", "Invoice": "client.id", "CreditMemo": "client.id"}

Fits = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class Request:
    """A request, not yet sent."""

    method: str
    path: str
    body: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, client: Client) -> Answer:
        """What the server answers to this caller."""
        return client.request(self.method, self.path, body=self.body, content=self.content, headers=self.headers)

    def with_headers(self, **headers: str) -> Request:
        """The same with headers laid over; underscores stand for hyphens."""
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): headers[name] for name in headers}})


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form; without a filename it is a field."""

    name: str
    content: bytes
    filename: str | None = None
    media: str | None = None


def form(*parts: Part) -> bytes:
    """A multipart body, framed as FORM says."""
    whole = b""
    for part in parts:
        head = f'Content-Disposition: form-data; name="{part.name}"'
        head += f'; filename="{part.filename}"' if part.filename is not None else ""
        head += f"\r\nContent-Type: {part.media}" if part.media is not None else ""
        whole += b"------doubleentry\r\n" + head.encode() + b"\r\n\r\n" + part.content + b"\r\n"
    return whole + b"------doubleentry--\r\n"


def status(*names: str) -> Fits:
    """Records in one of these states."""
    return lambda record: record.get("status") in names


def removable(record: Record) -> bool:
    """Attachments that may be changed and deleted."""
    return record["type"] == "Attachment" and not record["isDeleted"]


def _charge(*names: str) -> Fits:
    return lambda charge: charge["processing"]["status"] in names and "parent" not in charge


# operation -> which objects allow it (billing d.1 to d.9); what is not named, any object does
FITS: Mapping[str, Fits] = {
    "deleteJournal": status("Draft"),
    "uploadJournalCharges": status("Draft"),
    "submitJournal": status("Validated"),
    "regenerateJournal": status("Review"),
    "enquireJournal": status("Review"),
    "acceptJournal": lambda journal: journal["status"] == "Review" and journal["processing"]["ready"] > 0,
    "completeJournal": status("Queued"),
    "recalculateJournal": status("Reconciling"),
    "resetJournal": status("Generated"),
    "recalculateLedger": status("Review"),
    "acceptLedger": status("Review"),
    "queueLedger": status("Generated"),
    "deleteCustomLedger": status("Draft"),
    "uploadCustomLedgerCharges": status("Draft"),
    "acceptCustomLedger": status("Validated"),
    "queueCustomLedger": status("Generated"),
    "queueStatement": lambda one: one["status"] == "Generated" and one["billingType"] != "Consolidated",
    "setStatementPending": status("Queued"),
    "issueStatement": status("Pending"),
    "setStatementError": status("Queued"),
    "retryStatement": lambda one: one["status"] == "Error" and one["billingType"] == "Automated",
    "recalculateStatement": lambda one: one["status"] == "Error" and one["billingType"] == "Automated",
    "cancelStatement": status("Generated"),
    "addStatementChild": lambda one: one["status"] == "Generated" and one["billingType"] == "Consolidated",
    "removeStatementChild": lambda one: one["status"] == "Generated" and one["billingType"] == "Consolidated",
    "disableManualOverride": status("Active"),
    "enableManualOverride": status("Disabled"),
    "matchJournalCharge": _charge("Ready", "Error"),
    "ignoreJournalCharge": _charge("Ready"),
    "resetJournalCharge": lambda charge: charge.get("reconciliation", {}).get("type") in ("Match", "Ignore"),
}
# operation -> in which states the parent allows it
PARENT_FITS: Mapping[str, Fits] = {
    "matchJournalCharge": status("Review"),
    "ignoreJournalCharge": status("Review"),
    "resetJournalCharge": status("Reconciling"),
}


class Valid:
    """Valid requests of one caller on the world as it is."""

    def __init__(self, app: MockServer, caller: str) -> None:
        self.app = app
        self.caller: Caller = app.callers[caller]
        self.service = app.services["billing"]
        self.work: Work = app.world.work()

    def capability(self, id: str) -> Request:
        """A valid request for a capability. It may first change the world, where no object is in a fit state."""
        found = capabilities(self.app)[id]
        operation = self.service.api.operations[found.operation]
        request = self.operation(operation)
        return request.with_headers(accept="text/csv") if found.id != operation.id else request

    def operation(self, operation: Operation, params: Mapping[str, str] | None = None) -> Request:
        """A valid request for an operation, on the object of these ids if they are given."""
        params = self.target(operation) if params is None else params
        path = operation.path.removeprefix(BASE)
        for name, value in params.items():
            path = path.replace("{" + name + "}", value)
        request = Request(operation.method, path)
        if operation.does == "upload":
            return self._form(request, self.file(operation.entity, params["id"]))
        if operation.does == "attach":
            described = Part("attachment", b'{"name": "Notes", "description": "Read me."}')
            return self._form(request, described, Part("file", b"Nothing new.", "notes.txt", "text/plain"))
        body = self._body(operation, params)
        return replace(request, body=body) if body is not None else request

    def target(self, operation: Operation) -> dict[str, str]:
        """Ids for the path."""
        names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
        if not names:
            return {}
        if operation.below is None or operation.does == "attach":
            record = self.one(operation.below or operation.entity, FITS.get(operation.id, _any))
            found = {names[0]: record["id"]}
            if operation.id == "removeStatementChild":
                found[names[1]] = next(self.work.where("Statement", "parent.id", record["id"]))["id"]
            return found
        parent, child = self.pair(operation)
        return dict(zip(names, (parent["id"], child["id"]), strict=False))

    def pair(self, operation: Operation) -> tuple[Record, Record]:
        """A parent of the caller's own, and an object below it."""
        assert operation.below is not None
        changes = operation.does in ("update", "delete") and operation.entity.endswith("Attachment")
        fits = FITS.get(operation.id, removable if changes else _any)
        for parent in filter(PARENT_FITS.get(operation.id, _any), self.own(operation.below)):
            for row in self.service.below(self.work, operation.entity, operation.below, parent):
                if fits(row.record):
                    return parent, row.record
        raise LookupError(f"{operation.id}: the world holds nothing fit for {self.caller.name}")

    def one(self, entity: str, fits: Fits) -> Record:
        """An object of the caller's own."""
        for record in self.own(entity):
            if fits(record):
                return record
        raise LookupError(f"the world holds no {entity} fit for {self.caller.name}")

    def own(self, entity: str) -> Iterator[Record]:
        """The caller's own objects, those of the scenario's pins first: they have all that a test may ask for."""
        everything = self.caller.role == "operations"
        found = [each for each in self.work.all(entity) if everything or self.is_own(entity, each)]
        yield from sorted(found, key=lambda each: "-1000-" not in each["id"])

    def is_own(self, entity: str, record: Record) -> bool:
        """Whether an object belongs to the caller's account."""
        return entity in OWNER and at(record, OWNER[entity]) == self.caller.account

    def file(self, entity: str, id: str, kind: str = "jsonl", count: int = 3) -> Part:
        """A file of charges that an object takes without error, as the part of a form."""
        record = self.work.need(entity, id)
        if entity == "CustomLedger":
            return Part("file", custom_ledger_template(self.rows(record)), "charges.xlsx", XLSX)
        write, media = {
            "jsonl": (write_jsonl, "application/jsonl"),
            "csv": (write_csv, "text/csv"),
            "xlsx": (write_xlsx, XLSX),
        }[kind]
        return Part("file", write(self.lines(record, count)), f"charges.{kind}", media)

    def lines(self, journal: Record, count: int = 3) -> list[dict[str, Any]]:
        """Lines that match under a journal's authorization."""
        subscription = self.subscription(journal)
        item = next(each for each in self.work.all("Item") if each["product"]["id"] == journal["product"]["id"])
        return [
            {
                "externalIds": {"vendor": f"row-{number}", "invoice": "VI-1", "reference": f"usage-{number}"},
                "search": {
                    "source": {"type": "Subscription", "criteria": "id", "value": subscription["id"]},
                    "item": {"criteria": "item.id", "value": item["id"]},
                },
                "period": {"start": "2026-02-01T00:00:00.000Z", "end": "2026-02-28T00:00:00.000Z"},
                "quantity": 10,
                "price": {"unitPP": 10, "PPx1": 100},
                "description": {"value1": "Seats"},
                "segment": "COM",
            }
            for number in range(1, count + 1)
        ]

    def subscription(self, journal: Record) -> Record:
        """The first subscription that a journal's charges may be for."""
        return next(self.subscriptions(journal))

    def subscriptions(self, journal: Record) -> Iterator[Record]:
        """Those that a journal's charges may be for: not split, priced, billed automatically."""
        blocked = {
            (each["client"]["id"], each["vendor"]["id"])
            for each in self.work.all("ManualOverride")
            if each["status"] == "Active"
        }
        for found in self.work.all("Subscription"):
            agreement = self.work.need("Agreement", found["agreement"]["id"])
            pair = (agreement["client"]["id"], agreement["vendor"]["id"])
            splits = any(each.get("split", {}).get("active") for each in (found, agreement))
            is_under = at(found, "authorization.id") == journal["authorization"]["id"]
            if is_under and not splits and "markup" in agreement and pair not in blocked:
                yield found

    def rows(self, ledger: Record) -> list[dict[str, Any]]:
        """Rows that a custom ledger takes."""
        currency = ledger["price"]["currency"]
        agreement = next(
            each
            for each in self.work.all("Agreement")
            if (each["vendor"]["id"], each["seller"]["id"]) == (ledger["vendor"]["id"], ledger["seller"]["id"])
        )
        item = next(
            each
            for each in self.work.all("Item")
            if each["product"]["id"] == agreement["product"]["id"] and at(each, "externalIds.vendor") is not None
        )
        return [
            {
                "documentNumber": agreement["id"],
                "statementType": side,
                "orderType": "VAR_Direct",
                "item": item["externalIds"]["vendor"],
                "description": {"value1": "By hand"},
                "quantity": 2,
                "saleCurrency": currency["sale"],
                "unitSP": price + 10,
                "purchaseCurrency": currency["purchase"],
                "unitPP": price,
                "externalDocumentNo2": agreement["id"],
                "start": "2026-02-01T00:00:00.000Z",
                "end": "2026-02-28T00:00:00.000Z",
                "vendorInvoice": "VI-1",
            }
            for side, price in (("Debit", 100), ("Credit", 20))
        ]

    def _form(self, request: Request, *parts: Part) -> Request:
        return replace(request, content=form(*parts), headers={"content-type": FORM})

    def _body(self, operation: Operation, params: Mapping[str, str]) -> Any:
        made = getattr(self, f"_{operation.id}", None)
        if made is not None:
            return made(**params)
        if operation.does != "update":
            return None
        names = self.service.api.visibility[operation.entity].written_by(self.caller.role)
        if "assignee" in names and operation.entity == "Ledger":
            return {"assignee": {"id": "USR-1000-0001"}}
        simple = next((name for name in ("notes", "description", "externalId") if name in names), None)
        if simple is None:
            return {"name": "Another name"}
        return {simple: "Another text"}

    # Bodies; each is handed the ids of the path.

    def _createJournal(self) -> Any:
        authorization = next(
            each
            for each in self.work.all("Authorization")
            if self.caller.role != "vendor" or each["vendor"]["id"] == self.caller.account
        )
        return {"name": "March usage", "authorization": {"id": authorization["id"]}, "externalIds": {}}

    def _completeJournal(self, id: str) -> Any:
        for ledger in list(self.work.where("Ledger", "journal.id", id)):
            self.work.put("Ledger", {**ledger, "status": "Completed"})
        self.work.commit()
        self.work = self.app.world.work()

    def _matchJournalCharge(self, journalId: str, id: str) -> Any:
        return {"subscription": {"id": self.subscription(self.work.need("Journal", journalId))["id"]}}

    def _createCustomLedger(self) -> Any:
        return {
            "name": "By hand",
            "seller": {"id": "SEL-1000-0001"},
            "vendor": {"id": "ACC-1000-0002"},
            "price": {"currency": {"purchase": "EUR", "sale": "EUR"}},
            "billingStartDate": "2026-02-01T00:00:00.000Z",
            "billingEndDate": "2026-02-28T00:00:00.000Z",
            "externalIds": {},
        }

    def _createConsolidatedStatement(self) -> Any:
        child = self.one("Statement", status("Queued"))
        return consolidated_like(child)

    def _updateStatement(self, id: str) -> Any:
        return {"statusNotes": {"message": "Looked at."}}

    def _setStatementError(self, id: str) -> Any:
        return {"statusNotes": {"message": "The ERP does not know the buyer."}}

    def _addStatementChild(self, id: str) -> Any:
        parent = self.work.need("Statement", id)
        child = self.one(
            "Statement", lambda one: one["billingType"] == "Automated" and "parent" not in one and one["id"] != id
        )
        alike = {name: parent[name] for name in ("buyer", "seller", "vendor")}
        price = {**child["price"], "currency": parent["price"]["currency"]}
        self.work.put("Statement", {**child, **alike, "price": price, "status": "Queued"})
        self.work.commit()
        self.work = self.app.world.work()
        return {"id": child["id"]}

    def _createInvoices(self) -> Any:
        return self._document("NL-PSI-900001")

    def _createCreditMemos(self) -> Any:
        return self._document("NL-CM-900001")

    def _document(self, number: str) -> Any:
        buyer = next(self.work.all("Buyer"))
        parties = {"buyer": {"id": buyer["id"]}, "seller": {"id": "SEL-1000-0001"}}
        return {"documentNo": number, "countryCode": "NL", **parties}

    def _createManualOverride(self) -> Any:
        return {"client": {"id": "ACC-1000-0005"}, "vendor": {"id": "ACC-1000-0003"}}


def consolidated_like(child: Record) -> dict[str, Any]:
    """The body of a consolidated statement that a statement can join."""
    currency = {name: child["price"]["currency"][name] for name in ("purchase", "sale")}
    parties = {name: {"id": child[name]["id"]} for name in ("buyer", "seller", "vendor")}
    return {**parties, "price": {"currency": currency}}


def _any(record: Record) -> bool:
    return True


def capabilities(app: MockServer) -> dict[str, Capability]:
    """Every capability by id."""
    return _capabilities(app.services["billing"])


@cache
def _capabilities(service: Any) -> dict[str, Capability]:
    return {each.id: each for each in service.api.capabilities}
