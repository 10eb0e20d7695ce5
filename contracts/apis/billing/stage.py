"""Right requests and objects of the run's own for billing: what bodies name, how files look, what moves what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import count
from typing import Any

from contracts import stage as generic
from contracts.apis.billing import uploads
from contracts.apis.billing.bodies import SIMPLE, Bodies
from contracts.apis.billing.ground import pointing
from contracts.apis.billing.sources import Manual, Source, manuals, sources
from contracts.apis.billing.uploads import JSONL, XLSX
from contracts.forms import FORM, Part, form
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe, member
from contracts.stage import Body
from contracts.wire import Caller, Exchange
from specs.tables import Operation, Transition

PARTS = ("Charge", "JournalSeller", "InvoiceLine", "CreditMemoLine")
"""Entities that are nowhere but below another."""
FULL = {"Journal": "Validated", "CustomLedger": "Validated"}
"""The states in which objects have something below them, where it is not the first."""
TOURS: Mapping[str, Sequence[Sequence[str]]] = {
    "Journal": [
        ("Validated", "Review", "Enquiring", "Error", "Validated", "Generated", "Accepted", "Queued", "Completed")
    ],
    "Ledger": [("Generated", "Queued", "Completed")],
    "CustomLedger": [("Error", "Validated", "Generated", "Queued", "Completed")],
    "Statement": [("Cancelled",), ("Queued", "Error", "Pending", "Issued")],
    "ManualOverride": [("Disabled", "Active", "Disabled")],
}
"""The ways on which every state is entered that a caller can see."""
UNKNOWN = "Item Not Found"
"""What vendors write where a line cannot be resolved; it becomes a charge in error (billing e.1)."""
AUTOMATED, MANUAL, CONSOLIDATED = "Automated", "Manual", "Consolidated"


def _reference(entity: str) -> str:
    """The member by which others name an object of an entity."""
    return entity[:1].lower() + entity[1:]


class Stage(generic.Stage):
    """The stage of billing.

    Journals are made by vendors, all else follows from them, or is made by Operations.
    """

    LASTING = frozenset(
        {
            "completeJournal",
            "queueLedger",
            "acceptCustomLedger",
            "queueCustomLedger",
            "createConsolidatedStatement",
            "queueStatement",
            "setStatementPending",
            "issueStatement",
            "setStatementError",
            "retryStatement",
            "recalculateStatement",
            "addStatementChild",
            "removeStatementChild",
            "createInvoices",
            "createCreditMemos",
            "createManualOverride",
        }
    )
    # Failures of background work, and blocked pairs, which no caller can bring about; and J15, whose guard asks for
    # ledgers that take the journal along by themselves.
    SHUN = frozenset({"J11", "J15", "L2", "L4e", "L7", "K6", "S2", "S9e", "C2", "C3", "C5"})

    def __init__(self, p: Probe) -> None:
        super().__init__(p)
        self._numbers = count(1)
        self._bodies = Bodies(self)
        self._spare: Thing | None = None
        self._looked_at = 0
        self.meant: set[str] = set()
        """overrides that a check made to see its own journals blocked"""

    # What there is to name

    @cached_property
    def vendor(self) -> Caller:
        """Who makes journals."""
        return self.p.who("vendor")

    @cached_property
    def operations(self) -> Caller:
        return self.p.who("operations")

    @cached_property
    def by_authorization(self) -> Mapping[str, Sequence[Source]]:
        """What journals may charge for, by authorization."""
        return sources(self.p, self.vendor)

    @cached_property
    def sources(self) -> Sequence[Source]:
        """What the journals of this run charge for, those of different sellers first."""
        return next(iter(self.by_authorization.values()))

    def abroad(self, *, buyer: bool = False) -> Source:
        """A source that is sold in another currency than it is bought in, under any authorization. Raises Nothing.

        buyer: it is the buyer's currency that is another
        """
        for each in (one for many in self.by_authorization.values() for one in many):
            apart = abs(each.buyer_rate - 1) > Decimal("0.001") if buyer else each.purchase != each.sale
            if each.outcome == "Ready" and apart:
                return each
        raise Nothing("no charge is known that is converted" + (" into the buyer's currency" if buyer else ""))

    @cached_property
    def manual(self) -> Manual:
        """What custom ledgers may bill. Raises Nothing."""
        found = next(iter(manuals(self.p)), None)
        if found is None:
            raise Nothing("no custom ledger tells what may be billed by hand")
        return found

    def plain(self, *, sellers: int = 1) -> Sequence[Source]:
        """Sources whose charges are billed as they are, each of another seller. Raises Nothing."""
        found = list({each.seller: each for each in reversed(self.of("Ready"))}.values())[::-1]
        if len(found) < sellers:
            raise Nothing(f"charges of only {len(found)} sellers are known; {sellers} are needed")
        return found[:sellers]

    def of(self, outcome: str) -> list[Source]:
        """The sources whose charges become so."""
        return [each for each in self.sources if each.outcome == outcome]

    def one(self, outcome: str) -> Source:
        """A source whose charges become so. Raises Nothing."""
        found = self.of(outcome)
        if not found:
            raise Nothing(f"no charge of this vendor is {outcome}, so nobody can tell what would become so")
        return found[0]

    def number(self) -> int:
        """A number that this run has not used."""
        return next(self._numbers)

    def document_number(self) -> str:
        """The number of a document of the ERP that there cannot be yet."""
        return f"{self.p.tag[9:]}-{self.number()}".upper()

    def name(self) -> str:
        return f"{self.p.tag} {self.number()}"

    # Files

    def without_overrides(self) -> None:
        """Disable the overrides of the run's own that are Active, so that their pairs are free."""
        for _, thing in self.p.things:
            if thing.entity == "ManualOverride" and self.state(thing) == "Active":
                self.do(thing, "disable")

    def line(self, source: Source, amount: Decimal | str = "100", **members: Any) -> dict[str, Any]:
        """A line of a journal's file. members: laid over it"""
        end = date.today().replace(day=1) - timedelta(days=1)
        number = self.number()
        unit = Decimal(amount)
        return {
            "externalIds": {"vendor": f"row-{number}", "invoice": f"VI-{number}", "reference": f"usage-{number}"},
            "search": {
                "source": {"type": source.kind.capitalize(), "criteria": "id", "value": source.id},
                "item": {"criteria": "item.id", "value": source.item},
            },
            "period": {"start": f"{end.replace(day=1)}T00:00:00.000Z", "end": f"{end}T00:00:00.000Z"},
            "quantity": 1,
            "price": {"unitPP": unit, "PPx1": unit},
            "description": {"value1": "Seats", "value2": self.p.tag},
            "segment": "COM",
            **members,
        }

    def wrong(self, source: Source) -> dict[str, Any]:
        """A line whose item nobody knows."""
        line = self.line(source)
        return {**line, "search": {**line["search"], "item": {"criteria": "item.id", "value": UNKNOWN}}}

    def row(self, unit: Decimal | str = "100", sale: Decimal | str = "110", **cells: Any) -> dict[str, Any]:
        """A row of a custom ledger's sheet. cells: laid over it, by header"""
        manual, end = self.manual, date.today().replace(day=1) - timedelta(days=1)
        return {
            "Document No.": manual.agreement,
            "Document Type": "Order",
            "Order Type": "VAR_Direct",
            "Type": "Item",
            "No.": manual.item,
            "Description": "By hand",
            "Quantity": 1,
            "Sales Currency Code": manual.sale,
            "Unit Price": Decimal(sale),
            "Purchase Currency Code": manual.purchase,
            "Purchase Price": Decimal(unit),
            "External Document No. 2": manual.agreement,
            "Startdate": end.replace(day=1),
            "Enddate": end,
            "Vendor Invoice Reference": f"VI-{self.number()}",
            **cells,
        }

    def file(self, entity: str, lines: Sequence[Mapping[str, Any]], kind: str = "jsonl") -> Body:
        """The form with a file of charges."""
        if entity == "CustomLedger":
            part = Part("file", uploads.sheet(lines), "charges.xlsx", XLSX)
        elif kind == "xlsx":
            part = Part("file", uploads.workbook(lines), "charges.xlsx", XLSX)
        else:
            part = Part("file", uploads.jsonl(lines), "charges.jsonl", JSONL)
        return Body(content=form(part), headers={"content-type": FORM})

    def body(self, operation: Operation, caller: Caller, params: Mapping[str, str], thing: Thing | None) -> Body:
        return self._bodies.of(operation, caller, params, thing)

    def params(self, operation: Operation, thing: Thing) -> dict[str, str]:
        filled = super().params(operation, thing)
        if operation.id == "removeStatementChild":
            child = self.child(thing)
            filled["childId"] = child if child is not None else self.spare_child()
        return filled

    def created(self, operation: Operation, exchange: Exchange) -> list[str]:
        return [] if exchange.status == 202 else super().created(operation, exchange)

    def touches(self, operation: Operation, body: Any, params: Mapping[str, str]) -> Mapping[str, set[str]]:
        if operation.id == "addStatementChild" and isinstance(body, Mapping) and isinstance(body.get("id"), str):
            return {"Statement": {body["id"]}}
        return {}

    # Objects

    def create(self, entity: str, caller: Caller | None = None) -> Thing:
        """A new object; ledgers, statements and charges come out of a journal of the run's own."""
        if entity == "Ledger":
            return self.ledgers(self.make("Journal", "Generated"))[0]
        if entity == "Statement":
            ledger = self.make("Ledger", "Generated")
            return self.statements(ledger)[0]
        if entity == "Charge":
            return self.charges(self.make("Journal", "Review"))[0]
        if entity == "Journal":
            self._unblock()
        return super().create(entity, caller)

    def _unblock(self) -> None:
        """Disable overrides of the run's own that keep its journals from being billed, unless they are meant to."""
        own = {(each.client, each.vendor) for each in self.sources}
        for _, thing in self.p.things[self._looked_at :]:
            if thing.entity == "ManualOverride" and thing.id not in self.meant:
                record = self.look(thing)
                pair = (member(record, "client.id"), member(record, "vendor.id"))
                if record.get("status") == "Active" and pair in own:
                    self.do(thing, "disable")
        self._looked_at = len(self.p.things)

    def subject(self, operation: Operation, caller: Caller) -> Thing:
        if operation.entity in PARTS and operation.event is None and operation.key is not None:
            assert operation.below is not None
            return self.part(operation.entity, self.make(operation.below, FULL.get(operation.below)))
        return super().subject(operation, caller)

    def part(self, entity: str, parent: Thing) -> Thing:
        """The first charge, seller or line below an object of the run's own. Raises Blocked."""
        operation = self.p.lists(entity, parent.entity)
        assert operation is not None and operation.parent is not None
        self.p.facts.forget()
        caller = self.acting(operation, parent)
        for row in self._own(entity, self.p.facts.rows(operation, caller, {operation.parent: parent.id}), parent):
            id = str(row["id"])
            self.p.adopt(entity, id)
            return Thing(entity, id, caller, {operation.parent: parent.id, "id": id})
        raise Blocked(f"{parent.entity} {parent.id} has no {entity}")

    def value(self, operation: Operation, path: str, now: Any) -> Any:
        if path == "assignee":
            return {"id": self._bodies.user()}
        if path == "billingStartDate":
            return "2026-01-02T00:00:00.000Z"
        if path == "billingEndDate":
            return "2026-01-30T00:00:00.000Z"
        return super().value(operation, path, now)

    def half_wrong(self, operation: Operation, caller: Caller) -> Iterator[Mapping[str, Any]]:
        yield from super().half_wrong(operation, caller)
        written = self.p.api.visibility[operation.entity].written_by(caller.role)
        right = self.right(operation, [name for name in SIMPLE if name in written])
        # What only a look at other members, or at other objects, can find wrong.
        if "billingEndDate" in written:
            yield {**right, "billingEndDate": "1999-12-31T00:00:00.000Z"}
        if "assignee" in written and right:
            yield {**right, "assignee": {"id": self.p.facts.shape("User")}}

    def follows(self, operation: Operation, path: str, other: str) -> bool:
        # The attributes of an invoice show once more what its erpData has (c.7).
        return operation.entity == "Invoice" and other.startswith("attributes")

    def make(self, entity: str, state: str | None = None, caller: Caller | None = None) -> Thing:
        if entity == "Charge" and state in ("Error", "Split", "Skipped"):
            return self._charge(state)
        return super().make(entity, state, caller)

    def fit(self, entity: str, state: str, row: Transition, caller: Caller | None = None) -> Thing:
        kind = row.when.get("billingType")
        if kind == MANUAL:
            ledger = self.make("CustomLedger", "Generated")
            return self.bring(self.statements(ledger)[0], state)
        if kind == CONSOLIDATED:
            return self.bring(self.consolidated(queued=row.event != "addChild"), state)
        if row.id == "J15":
            return self._completable(state)
        if (entity, row.event) == ("Charge", "reset"):
            return self._reconciled(state)
        thing = self.held(entity, state, caller)
        if row.event == "accept" and not member(self.look_as(thing, ("operations",)), "processing.ready"):
            raise Blocked(f"{entity} {thing.id} has no billable charge, though one was handed in")
        return thing

    def unmet(self, entity: str, state: str, row: Transition) -> Thing | None:
        if row.id in ("J15", "C8") and state != "Ignored":
            return self.make(entity, state) if (row.id, state) != ("C8", "Reconciling") else None
        if (row.id, state) == ("S3", "Generated"):
            return self.consolidated(queued=False)
        return None

    def allows(self, thing: Thing, row: Transition) -> bool:
        # A journal is accepted for what it bills; one whose every charge was put aside bills nothing.
        if row.id != "J9":
            return True
        listing = self.p.lists("Charge", "Journal")
        assert listing is not None
        rows = self.p.facts.rows(
            listing, self.operations, {listing.parent or "": thing.id}, "eq(processing.status,Ready)"
        )
        return any(member(row, "processing.status") == "Ready" for row in rows)

    def tours(self, entity: str) -> Sequence[Sequence[str]]:
        return TOURS.get(entity, ())

    def outcome(self, thing: Thing, row: Transition) -> str | None:
        ends = {"J2": "Validated", "J7": "Review", "J18": "Review", "J9": "Generated", "J19": "Review"}
        ends |= {"L3": "Review", "L5": "Generated", "K2": "Validated", "K4": "Generated", "S8": "Queued"}
        return ends.get(row.id)

    def advance(self, thing: Thing, row: Transition, then: Transition | None = None) -> str | None:
        if row.event == "upload" and then is not None and then.event == "rejected":
            return self.told(thing, self.upload(thing, [self.wrong_of(thing)]))
        return super().advance(thing, row, then)

    def attached(self, parent: Thing) -> Thing:
        """A new attachment of an object of the run's own. Raises Blocked."""
        for operation in self.p.api.operations.values():
            if (operation.does, operation.below) == ("attach", parent.entity):
                self.p.expect(self.play(self.case(operation, self.acting(operation, parent), parent)))
                return self.p.things[-1][1]
        raise Blocked(f"no operation attaches a file to a {parent.entity}")

    def wrong_of(self, thing: Thing) -> dict[str, Any]:
        """A line or row for an object that becomes a charge in error."""
        if thing.entity == "CustomLedger":
            return self.row(**{"No.": UNKNOWN})
        return self.wrong(self.plain()[0])

    def upload(self, thing: Thing, lines: Sequence[Mapping[str, Any]], kind: str = "jsonl") -> Exchange:
        """Hand in a file of charges. Raises Blocked where it is refused."""
        operation, body = self.by_event(thing.entity, "upload"), self.file(thing.entity, lines, kind)
        exchange = self.p.call(
            operation,
            self.acting(operation, thing),
            self.params(operation, thing),
            content=body.content,
            headers=body.headers,
        )
        return self.p.expect(exchange)

    def journal(
        self,
        lines: Sequence[Mapping[str, Any]],
        state: str = "Review",
        kind: str = "jsonl",
        authorization: str | None = None,
    ) -> Thing:
        """A journal with the charges of these lines, in a state. Raises Blocked."""
        self._unblock()
        case = self.case("createJournal", self.vendor)
        named = {"authorization": {"id": authorization}} if authorization is not None else {}
        self.p.expect(self.play(generic.replaced(case, body={**case.body, **named})))
        thing = self.p.things[-1][1]
        self.upload(thing, lines, kind)
        self.settle(thing)
        return self.bring(thing, state)

    def custom_ledger(self, rows: Sequence[Mapping[str, Any]], state: str = "Validated") -> Thing:
        """A custom ledger with the charges of these rows, in a state. Raises Blocked."""
        thing = self.create("CustomLedger")
        self.upload(thing, rows)
        self.settle(thing)
        return self.bring(thing, state)

    def do(self, thing: Thing, event: str) -> Exchange:
        """One event, which must be done. Raises Blocked."""
        operation = self.by_event(thing.entity, event)
        return self.p.expect(self.play(self.case(operation, self.acting(operation, thing), thing)))

    # What follows from what

    def ledgers(self, journal: Thing) -> list[Thing]:
        """The ledgers of a journal of the run's own. Raises Blocked where there is none."""
        return self._following("Ledger", journal)

    def statements(self, ledger: Thing) -> list[Thing]:
        """The statements of a ledger or custom ledger of the run's own. Raises Blocked where there is none."""
        return self._following("Statement", ledger)

    def _following(self, entity: str, origin: Thing) -> list[Thing]:
        operation = self.p.lists(entity)
        assert operation is not None
        self.p.facts.forget()
        query = f'eq({_reference(origin.entity)}.id,"{origin.id}")'
        rows = self._own(entity, self.p.facts.rows(operation, self.operations, query=query), origin)
        found = [Thing(entity, str(row["id"]), self.operations, {"id": str(row["id"])}) for row in rows]
        if not found:
            raise Blocked(f"{origin.entity} {origin.id} has no {entity}")
        self.p.adopt(entity, *(each.id for each in found))
        return found

    def _own(self, entity: str, rows: Sequence[Mapping[str, Any]], origin: Thing) -> Sequence[Mapping[str, Any]]:
        """Those that say whose they are: a list that shows too much must not make anything the run's own."""
        name = _reference(origin.entity)
        known = self.p.schema_of(entity).get("properties", {})
        return pointing(rows, name, origin.id) if name in known else rows

    def charges(self, parent: Thing) -> list[Thing]:
        """The charges below a journal, ledger, custom ledger or statement."""
        operation = self.p.lists("Charge", parent.entity)
        assert operation is not None and operation.parent is not None
        self.p.facts.forget()
        rows = self._own("Charge", self.p.facts.rows(operation, self.operations, {operation.parent: parent.id}), parent)
        found = [
            Thing("Charge", str(row["id"]), self.operations, {operation.parent: parent.id, "id": str(row["id"])})
            for row in rows
        ]
        self.p.adopt("Charge", *(each.id for each in found))
        return found

    def child(self, statement: Thing) -> str | None:
        """The id of a child of a consolidated statement."""
        operation = self.p.operation("listStatements")
        self.p.facts.forget()
        rows = self.p.facts.rows(operation, self.operations, query=f'eq(parent.id,"{statement.id}")')
        return next((str(row["id"]) for row in pointing(rows, "parent", statement.id)), None)

    def consolidated(self, *, queued: bool) -> Thing:
        """A consolidated statement in Generated. queued: with a child, so that it can be queued"""
        child = self.make("Statement", "Queued")
        parent = self.shell(child)
        if queued:
            self.join(parent, child)
            if self.state(child) != "Consolidating":
                raise Blocked(f"a child that was added is {self.state(child)}")
        return parent

    def spare_child(self) -> str:
        """The id of a queued statement of the run's own that no consolidated one has taken in."""
        if self._spare is None or self.state(self._spare) != "Queued":
            self._spare = self.make("Statement", "Queued")
        return self._spare.id

    def shell(self, child: Thing) -> Thing:
        """An empty consolidated statement that a statement may join."""
        operation = self.p.operation("createConsolidatedStatement")
        case = self.case(operation, self.operations)
        record = self.look(child)
        currency = {name: member(record, f"price.currency.{name}") for name in ("purchase", "sale")}
        parties = {name: {"id": member(record, f"{name}.id")} for name in ("buyer", "seller", "vendor")}
        self.p.expect(self.play(generic.replaced(case, body={**parties, "price": {"currency": currency}})))
        return self.p.things[-1][1]

    def join(self, parent: Thing, child: Thing) -> Exchange:
        """Add a child to a consolidated statement. Raises Blocked."""
        case = self.case("addStatementChild", self.operations, parent)
        return self.p.expect(self.play(generic.replaced(case, body={"id": child.id})))

    def cause(self, thing: Thing, row: Transition) -> None:
        """What has to happen to other objects for a system event."""
        if row.id in ("J12", "J13"):
            for ledger in self.ledgers(thing):
                self.bring(ledger, "Generated")
                if row.id == "J13":
                    self.do(ledger, "queue")
                    break
        elif row.id == "J14":
            for ledger in self.ledgers(thing):
                self.bring(ledger, "Completed")
        elif row.id == "J17":
            self.do(self.charges(thing)[0], "ignore")
        elif row.id in ("L9", "K8"):
            for statement in self.statements(thing):
                if self.state(statement) not in ("Issued", "Cancelled"):
                    self.bring(statement, "Issued")
        elif row.id == "S13":
            self.join(self.shell(thing), thing)
        elif row.id in ("S14", "S15", "S16"):
            self._parent_of(thing, {"S14": "removeChild", "S15": "queue", "S16": "cancel"}[row.id])
        elif row.id == "C9":
            self._recalculated(thing)

    def _parent_of(self, child: Thing, event: str) -> None:
        id = str(member(self.look(child), "parent.id"))
        self.do(Thing("Statement", id, self.operations, {"id": id}), event)

    # Charges

    def journal_of(self, charge: Thing) -> Thing:
        return Thing("Journal", charge.params["journalId"], self.vendor, {"id": charge.params["journalId"]})

    def _charge(self, state: str) -> Thing:
        """A charge under review that is in error, split or skipped, with its shares if it has any."""
        if state == "Error":
            found = self._lent_charge(state)
            if found is None:
                raise Nothing("no charge in error gets under review by itself; lend a journal in Review that has one")
            return found
        lines = [self.line(self.one(state)), self.line(self.plain()[0])]
        for charge in self.charges(self.journal(lines)):
            if self.state(charge) == state:
                return charge
        raise Blocked(f"a charge that should be {state} is not")

    def _lent_charge(self, state: str) -> Thing | None:
        """A charge of a lent journal under review."""
        operation = self.p.operation("listJournalCharges")
        for journal in filter(None, (self.lent("Journal", each) for each in ("Review", "Reconciling"))):
            self.p.facts.forget()
            rows = self.p.facts.rows(operation, self.operations, {"journalId": journal.id})
            for row in self._own("Charge", rows, journal):
                if member(row, "processing.status") == state and "parent" not in row:
                    params = {"journalId": journal.id, "id": str(row["id"])}
                    thing = Thing("Charge", str(row["id"]), self.operations, params)
                    # At the end of the run it is taken back as what was made is.
                    self.p.things.append((0, thing))
                    return thing
        return None

    def _given_back(self, charge: Thing) -> bool:
        """Undo what was done to a lent charge: it is reset, and its journal under review again."""
        if member(self.look(charge), "reconciliation.type") in ("Match", "Ignore"):
            self.do(charge, "reset")
        journal = self.journal_of(charge)
        if self.state(journal) == "Reconciling":
            self._recalculated(charge)
        return self.state(journal) == "Review"

    def end(self, thing: Thing) -> bool:
        if thing.entity == "Charge":
            return self._given_back(thing)
        if thing.entity == "ManualOverride":
            # Disabled is all that it can be; the API deletes none.
            self.bring(thing, "Disabled")
            return False
        return super().end(thing)

    def _reconciled(self, state: str) -> Thing:
        """A charge that may be reset: it was matched or ignored, and is in a state since."""
        if state == "Error":
            raise Nothing("what is matched is in error no more, so none in error can be reset")
        if state == "Ignored":
            return self.make("Charge", state)
        thing = self.make("Charge", "Ready")
        self.do(thing, "match")
        if state == "Ready":
            self._recalculated(thing)
        return thing

    def _recalculated(self, charge: Thing) -> None:
        journal = self.journal_of(charge)
        self.do(journal, "recalculate")
        self.settle(journal)

    # Journals that nothing but a call completes

    def _completable(self, state: str) -> Thing:
        """A journal all of whose ledgers are Completed, and which is not so itself."""
        if state == "Accepted":
            raise Nothing("a ledger that is Completed was queued, and its journal with it")
        found = self.lent("Journal", state)
        if found is not None and all(self.state(each) == "Completed" for each in self._lent_ledgers(found)):
            return found
        thing = self.make("Journal", "Queued")
        for ledger in self.ledgers(thing):
            self.bring(ledger, "Completed")
            if self.state(ledger) != "Completed":
                raise Blocked("a ledger all of whose statements are final is not Completed")
        if self.state(thing) != state:
            raise Nothing("this deployment completes a journal before anybody can")
        return thing

    def _lent_ledgers(self, journal: Thing) -> list[Thing]:
        operation = self.p.operation("listLedgers")
        rows = self.p.facts.rows(operation, self.operations, query=f'eq(journal.id,"{journal.id}")')
        own = pointing(rows, "journal", journal.id)
        return [Thing("Ledger", str(row["id"]), self.operations, {"id": str(row["id"])}) for row in own]
