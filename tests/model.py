"""A small model of the billing world, written from the facts (billing d to f) and from nothing else.

It knows states, cascades, counts and sums, and says of any call whether it is taken, or with which status it is
refused. Amounts are `Fraction`, so nothing of the server's arithmetic is repeated here. Times and texts are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

# (kind, event) -> the states that allow it (d.1 to d.8)
ALLOWED = {
    key: states.split()
    for key, states in {
        ("Journal", "upload"): "Draft Validated Error Enquiring",
        ("Journal", "submit"): "Validated Enquiring",
        ("Journal", "enquiry"): "Review",
        ("Journal", "regenerate"): "Review Generated",
        ("Journal", "accept"): "Review",
        ("Journal", "complete"): "Accepted Queued",
        ("Journal", "delete"): "Draft Validated Error Enquiring",
        ("Journal", "recalculate"): "Reconciling",
        ("Journal", "reset"): "Generated Accepted",
        ("Charge", "match"): "Ready Error Reconciling",
        ("Charge", "ignore"): "Ready Error Reconciling",
        ("Charge", "reset"): "Ignored Reconciling Ready Error",
        ("Ledger", "recalculate"): "Review Error",
        ("Ledger", "accept"): "Review",
        ("Ledger", "queue"): "Generated",
        ("CustomLedger", "upload"): "Draft Validated Error",
        ("CustomLedger", "accept"): "Validated",
        ("CustomLedger", "queue"): "Generated",
        ("CustomLedger", "delete"): "Draft Validated Error",
        ("Statement", "queue"): "Generated Error",
        ("Statement", "pending"): "Queued",
        ("Statement", "issue"): "Pending",
        ("Statement", "error"): "Queued Pending",
        ("Statement", "retry"): "Error",
        ("Statement", "recalculate"): "Error",
        ("Statement", "cancel"): "Generated Queued Pending Error",
        ("Statement", "addChild"): "Generated",
        ("Statement", "removeChild"): "Generated",
        ("ManualOverride", "disable"): "Active",
        ("ManualOverride", "enable"): "Disabled",
    }.items()
}
KINDS = ("Journal", "Ledger", "CustomLedger", "Statement", "ManualOverride", "Invoice")
EVENTS = (*ALLOWED, *((kind, "put") for kind in KINDS))
# What the children of a consolidated statement share with it (S13).
COMMON = ("buyer", "seller", "vendor", "currency")
# Who may call it, where it is not Operations alone (a, a.2).
VENDORS = {("Journal", event) for event in ("create", "upload", "submit", "delete")}
ROLES = {**dict.fromkeys(VENDORS, ("vendor",)), ("Journal", "put"): ("vendor", "operations")}
ROLES[("Invoice", "put")] = ("client", "operations")
STATUSES = ("ready", "error", "split", "skipped", "ignored")


def rounded(value: Fraction, places: int) -> Fraction:
    """Half away from zero (f, Q37)."""
    scaled = abs(value) * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(whole if value >= 0 else -whole, 10**places)


@dataclass(frozen=True)
class Money:
    """Sums; `cost` is the purchase side in the sale currency."""

    pp: Fraction = Fraction(0)
    sp: Fraction = Fraction(0)
    bsp: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)

    def __add__(self, other: Money) -> Money:
        return Money(self.pp + other.pp, self.sp + other.sp, self.bsp + other.bsp, self.cost + other.cost)

    @property
    def shown(self) -> Money:
        """At five places."""
        return Money(*(rounded(each, 5) for each in (self.pp, self.sp, self.bsp, self.cost)))

    @property
    def members(self) -> dict[str, Fraction]:
        """The price summary (c.0, f)."""
        at = self.shown
        found = {"totalPP": at.pp, "totalSP": at.sp, "totalBSP": at.bsp}
        if at.cost and at.sp:
            gain = (at.sp - at.cost) * 100
            found |= {"markup": rounded(gain / at.cost, 10), "margin": rounded(gain / at.sp, 10)}
        return found


@dataclass(frozen=True)
class Source:
    """What a line can name, or a charge be matched with.

    sides: who pays, which percentage, and one unit of the sale currency in theirs
    fault: `line` - nothing, or more than one, is found; `catalog` - it is found and cannot be billed
    """

    member: str
    id: str
    authorization: str
    agreement: str = ""
    seller: str = ""
    client: str = ""
    buyer: str = ""
    markup: Fraction = Fraction(0)
    rate: Fraction = Fraction(1)
    currency: tuple[str, str] = ("EUR", "EUR")
    sides: tuple[tuple[str, int, Fraction], ...] = ()
    fault: str = ""

    @property
    def is_split(self) -> bool:
        return len(self.sides) > 1


@dataclass(frozen=True)
class Line:
    """A line of a charge file. wrong: `line` - a member is missing; `item`, `order` - there is no such; or nothing."""

    source: Source
    amount: Fraction
    wrong: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a custom ledger file, in EUR, for one piece; `agreement` is empty where it names none that is known."""

    document: str
    agreement: str
    client: str
    buyer: str
    pp: Fraction
    sp: Fraction


@dataclass
class Charge:
    """One charge. `own`: what its line said; `target`: what it was matched with; `first`: its state before that."""

    id: str
    own: Source
    pp: Fraction
    wrong: str = ""
    parent: str = ""
    buyer: str = ""
    agreement: str = ""
    client: str = ""
    upload: str = "Ready"
    status: str = "Ready"
    money: Money = Money()
    hand: str = ""
    target: Source | None = None
    first: Charge | None = None
    ledger: str = ""
    statement: Statement | None = None


@dataclass
class Journal:
    id: str
    caller: str
    authorization: str
    vendor: str
    status: str = "Draft"
    name: str = ""
    notes: str = ""
    lines: tuple[Line, ...] = ()
    charges: dict[str, Charge] = field(default_factory=dict)
    money: Money = Money()


@dataclass
class Ledger:
    id: str
    journal: str
    seller: str
    charges: list[Charge]
    status: str = "Review"
    assignee: str = ""


@dataclass
class CustomLedger:
    id: str
    vendor: str
    seller: str
    status: str = "Draft"
    name: str = ""
    rows: tuple[Row, ...] = ()
    charges: dict[str, Charge] = field(default_factory=dict)


@dataclass
class Statement:
    kind: str
    home: str
    vendor: str
    client: str
    buyer: str
    seller: str
    currency: tuple[str, str]
    charges: list[Charge] = field(default_factory=list)
    id: str = ""
    status: str = "Generated"
    money: Money = Money()
    parent: str = ""
    erp: str = ""
    notes: str = ""
    tax: Fraction | None = None
    invoice: str = ""
    joined: int = 0

    @property
    def type(self) -> str:
        return "Credit" if self.money.shown.sp < 0 else "Debit"


@dataclass
class Override:
    id: str
    client: str
    vendor: str
    status: str = "Active"
    notes: str = ""


@dataclass
class Invoice:
    id: str
    client: str
    revision: int
    net: Fraction
    tax: Fraction
    statement: str
    billing: str
    status: str = "Issued"
    name: str = ""


@dataclass
class Job:
    """Work that waits: for `reads` more looks at its subject where looks are counted, or until it is due."""

    work: str
    subject: str
    reads: int = 0
    is_due: bool = False


@dataclass(frozen=True)
class Step:
    """A call: who, what, on what, with what; `below` is the journal of a charge."""

    caller: str
    kind: str
    event: str
    id: str
    below: str = ""
    args: tuple[tuple[str, Any], ...] = ()

    @property
    def arg(self) -> dict[str, Any]:
        return dict(self.args)


def counts(charges: Iterable[Charge]) -> dict[str, int]:
    """processing: each charge once, by its status (Q35)."""
    found = dict.fromkeys(("total", *STATUSES), 0)
    for charge in charges:
        found["total"] += 1
        if charge.status.lower() in found:
            found[charge.status.lower()] += 1
    return found


def uploads(charges: Iterable[Charge]) -> dict[str, int]:
    """upload: the same, by how the upload went."""
    found = dict.fromkeys(("total", "split", "ready", "error"), 0)
    for charge in charges:
        found["total"] += 1
        found[charge.upload.lower()] += 1
    return found


def summed(charges: Iterable[Charge]) -> Money:
    """The money of what is billable (d.2)."""
    return sum((charge.money for charge in charges if charge.status == "Ready"), Money())


class Model:
    """The world as it should be. reads: how many looks a job waits for."""

    def __init__(self, *, reads: int = 0) -> None:
        self.reads = reads
        self.journals: dict[str, Journal] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.custom: dict[str, CustomLedger] = {}
        self.statements: list[Statement] = []
        self.overrides: dict[str, Override] = {}
        self.invoices: dict[str, Invoice] = {}
        self.gone: list[tuple[str, str]] = []
        self.jobs: list[Job] = []
        self.hidden: set[str] = set()
        """Subscriptions that lines find no more, though they are there: their external id was changed"""
        self.closed: set[str] = set()
        """Sellers that are not Active; a ledger of theirs is in Error (L2, L4; M)"""

    # What there is

    def state(self, kind: str, id: str, below: str = "") -> str:
        """The state of an object; nothing where it does not exist."""
        found: Any
        if kind == "Charge":
            found = self.journals[below].charges.get(id) if below in self.journals else None
        else:
            found = self._all(kind).get(id)
        return "" if found is None else str(found.status)

    def _all(self, kind: str) -> dict[str, Any]:
        if kind == "Statement":
            return {each.id: each for each in self.statements}
        homes: dict[str, dict[str, Any]] = {
            "Journal": self.journals,
            "Ledger": self.ledgers,
            "CustomLedger": self.custom,
        }
        homes |= {"ManualOverride": self.overrides, "Invoice": self.invoices}
        return homes[kind]

    def statement(self, id: str) -> Statement:
        return next(each for each in self.statements if each.id == id)

    def children(self, id: str) -> list[Statement]:
        return [each for each in self.statements if each.parent == id]

    def subjects(self) -> Iterator[tuple[str, str, str]]:
        """(kind, id, journal of a charge) of whatever can be called upon, gone ones too."""
        for kind in KINDS:
            yield from ((kind, id, "") for id in self._all(kind))
        for journal in self.journals.values():
            yield from (("Charge", id, journal.id) for id in journal.charges)
        yield from ((kind, id, "") for kind, id in self.gone)

    def is_overridden(self, client: str, vendor: str, *, but: str = "") -> bool:
        """Whether the pair is billed by hand (d.8)."""
        return any(
            (each.client, each.vendor, each.status) == (client, vendor, "Active")
            for each in self.overrides.values()
            if each.id != but
        )

    # What is refused

    def expect(self, step: Step, role: str, account: str) -> int:
        """The status that the call is answered with (b.2, b.8, d)."""
        kind, event = step.kind, step.event
        if role not in ROLES.get((kind, event), ("operations",)):
            return 403
        if event == "create":
            return 201 if step.arg.get("is_good", True) else 400
        state = self.state(kind, step.id, step.below)
        if not state or not self._owns(step, role, account):
            return 404
        if event == "put":
            return 200
        if event == "upload" and not step.arg.get("is_good", True):
            return 400  # a file that cannot be read is refused as such, whatever the state
        if event == "removeChild" and step.arg["child"] not in {each.id for each in self.children(step.id)}:
            return 409 if not self._takes(step, state) else 404
        if not self._takes(step, state) or not self._may(step):
            return 409
        if not step.arg.get("is_good", True):
            return 400
        return 204 if event == "delete" else 200

    def _owns(self, step: Step, role: str, account: str) -> bool:
        if role == "operations":
            return True
        if step.kind == "Journal":
            return self.journals[step.id].vendor == account
        return step.kind == "Invoice" and self.invoices[step.id].client == account

    def _takes(self, step: Step, state: str) -> bool:
        if "Child" in step.event and self.statement(step.id).kind != "Consolidated":
            return False
        return state in ALLOWED[step.kind, step.event]

    def _may(self, step: Step) -> bool:
        """The guards that are answered like a wrong state."""
        kind, event = step.kind, step.event
        if kind == "Charge":
            charge = self.journals[step.below].charges[step.id]
            if event == "reset" and charge.hand not in ("Match", "Ignore"):
                return False
            return self.journals[step.below].status in ("Review", "Reconciling")
        if (kind, event) == ("Journal", "accept"):
            return counts(self.journals[step.id].charges.values())["ready"] > 0
        if (kind, event) == ("CustomLedger", "accept"):
            return counts(self.custom[step.id].charges.values())["ready"] > 0
        if (kind, event) == ("Journal", "complete"):
            return self._is_done(step.id)
        if (kind, event) == ("ManualOverride", "enable"):
            override = self.overrides[step.id]
            return not self.is_overridden(override.client, override.vendor, but=step.id)
        if kind == "Statement" and event in ("queue", "retry") and self.statement(step.id).kind == "Consolidated":
            return bool(self.children(step.id))
        if event == "addChild" and step.arg["child"]:
            parent, child = self.statement(step.id), self.statement(step.arg["child"])
            same = all(getattr(parent, name) == getattr(child, name) for name in COMMON)
            return same and child.status == "Queued" and not child.parent and child.kind != "Consolidated"
        return True

    # What happens

    def apply(self, step: Step) -> None:
        """Do what a call that is taken does, but for making objects."""
        getattr(self, f"_{step.kind}_{step.event}".lower())(step)

    def _later(self, work: str, subject: str) -> None:
        self.jobs.append(Job(work, subject, self.reads))

    def seen(self, *ids: str) -> None:
        """Objects were looked at."""
        for job in self.jobs:
            if job.subject in ids and job.reads > 0:
                job.reads -= 1

    def run(self, wanted: Iterable[Job]) -> None:
        """Do these jobs, oldest first."""
        chosen = list(wanted)
        self.jobs = [job for job in self.jobs if not any(job is each for each in chosen)]
        for job in chosen:
            kind = job.work.partition("_")[0]
            if any(job.subject in each for each in (self.journals, self.ledgers, self.custom)) or kind == "statement":
                getattr(self, f"_do_{job.work}")(job.subject)

    # Journals

    def _journal_put(self, step: Step) -> None:
        journal = self.journals[step.id]
        journal.notes = step.arg["notes"]
        if step.caller != "operations":
            journal.name = step.arg["name"]

    def _journal_upload(self, step: Step) -> None:
        journal = self.journals[step.id]
        journal.lines = step.arg["lines"]
        self._empty(journal, "validate")

    def _empty(self, journal: Journal, work: str) -> None:
        journal.status, journal.charges, journal.money = "Validating", {}, Money()
        self._later(work, journal.id)

    def _do_validate(self, id: str) -> None:
        self._build(id)
        wrong = any("Error" in (each.upload, each.status) for each in self.journals[id].charges.values())
        self.journals[id].status = "Error" if wrong else "Validated"

    def _do_rebuild(self, id: str) -> None:
        self._build(id)
        self.journals[id].status = "Review"

    def _build(self, id: str) -> None:
        journal = self.journals[id]
        head = id.removeprefix("BJO-")
        for count, line in enumerate(journal.lines, 1):
            place = count * 100
            charge = Charge(f"CHG-{head}-0000-0000-{place:04d}", line.source, line.amount, line.wrong)
            self._come_out(journal, charge)
        journal.money = summed(journal.charges.values())

    def _come_out(self, journal: Journal, charge: Charge) -> None:
        """Status and price of a charge as things are (d.2 C1 to C5, e.2 to e.4), and its shares where it is split."""
        source = charge.target or charge.own
        journal.charges[charge.id] = charge
        charge.money, charge.upload = Money(), "Ready"
        is_lost = source.fault == "line" or (charge.target is None and source.id in self.hidden)
        if charge.wrong or is_lost or source.authorization != journal.authorization:
            charge.upload = charge.status = "Error"
            return
        charge.agreement, charge.buyer, charge.client = source.agreement, source.buyer, source.client
        if self.is_overridden(source.client, journal.vendor):
            charge.status = "Skipped"
        elif source.fault:
            charge.status = "Error"
        elif source.is_split and not charge.parent:
            charge.upload = charge.status = "Split"
            for place, (buyer, percentage, rate) in enumerate(source.sides, 1):
                number = int(charge.id[-4:]) + place
                part = Charge(f"{charge.id[:-4]}{number:04d}", source, charge.pp * percentage / 100, parent=charge.id)
                part.agreement, part.buyer, part.client = source.agreement, buyer, source.client
                part.money = _priced(part.pp, source, rate)
                journal.charges[part.id] = part
        else:
            charge.status = "Ready"
            charge.money = _priced(charge.pp, source, source.sides[0][2])

    def _journal_submit(self, step: Step) -> None:
        self.journals[step.id].status = "Review"

    def _journal_enquiry(self, step: Step) -> None:
        self.journals[step.id].status = "Enquiring"

    def _journal_regenerate(self, step: Step) -> None:
        self._discard_ledgers(step.id)
        self._empty(self.journals[step.id], "rebuild")

    def _journal_accept(self, step: Step) -> None:
        self.journals[step.id].status = "Generating"
        self._later("ledgers", step.id)

    def _do_ledgers(self, id: str) -> None:
        journal = self.journals[id]
        by_seller: dict[str, list[Charge]] = {}
        for charge in journal.charges.values():
            if charge.status == "Ready":
                by_seller.setdefault((charge.target or charge.own).seller, []).append(charge)
        for seller, charges in by_seller.items():
            ledger = Ledger(f"BLE-{id[4:]}-{seller[4:]}", id, seller, charges)
            ledger.status = self._rated(seller)
            self.ledgers[ledger.id] = ledger
            for charge in charges:
                charge.ledger = ledger.id
        journal.status = "Generated"
        journal.money = sum((summed(each.charges).shown for each in self._ledgers(id)), Money())

    def _journal_complete(self, step: Step) -> None:
        self.journals[step.id].status = "Completed"

    def _journal_delete(self, step: Step) -> None:
        del self.journals[step.id]
        self.gone.append(("Journal", step.id))

    def _journal_reset(self, step: Step) -> None:
        self.journals[step.id].status = "Resetting"
        self._later("reset", step.id)

    def _do_reset(self, id: str) -> None:
        self._discard_ledgers(id)
        journal = self.journals[id]
        journal.status, journal.money = "Review", summed(journal.charges.values())

    def _journal_recalculate(self, step: Step) -> None:
        self.journals[step.id].status = "Validating"
        self._later("recalculate", step.id)

    def _do_recalculate(self, id: str) -> None:
        journal = self.journals[id]
        for charge in list(journal.charges.values()):
            if charge.status in ("Ignored", "Split") or (charge.parent and charge.status == "Ready"):
                continue
            if charge.parent and charge.target is None:
                # The shares of a split stay as they were made; only a regenerated journal undoes them (e.3).
                charge.status = "Ready"
            else:
                self._come_out(journal, charge)
        journal.status, journal.money = "Review", summed(journal.charges.values())

    def _ledgers(self, journal: str) -> list[Ledger]:
        return [each for each in self.ledgers.values() if each.journal == journal]

    def _discard_ledgers(self, journal: str) -> None:
        for ledger in self._ledgers(journal):
            del self.ledgers[ledger.id]
            # The next ledger of that seller has the same id; what waited for this one must not happen to it.
            self.jobs = [job for job in self.jobs if job.subject != ledger.id]
            self.gone.append(("Ledger", ledger.id))
            for charge in ledger.charges:
                charge.ledger, charge.statement = "", None
            for statement in [each for each in self.statements if each.home == ledger.id]:
                self.statements.remove(statement)
                # One that was made and removed between two looks has no id that anybody knows.
                self.gone += [("Statement", statement.id)] if statement.id else []
                for invoice in self.invoices.values():
                    if invoice.statement == statement.id:
                        invoice.statement, invoice.billing = "", "Manual"
                if statement.parent:
                    self._consolidate(self.statement(statement.parent))

    # Charges

    def _charge_match(self, step: Step) -> None:
        self._reconcile(step, "Match", "Reconciling", step.arg["source"])

    def _charge_ignore(self, step: Step) -> None:
        charge = self.journals[step.below].charges[step.id]
        self._reconcile(step, "Ignore", "Ignored", charge.target)

    def _reconcile(self, step: Step, hand: str, status: str, target: Source | None) -> None:
        journal = self.journals[step.below]
        charge = journal.charges[step.id]
        if charge.hand not in ("Match", "Ignore"):
            charge.first = replace(charge)
        charge.hand, charge.status, charge.target = hand, status, target
        if hand == "Match" and target is not None:
            charge.agreement, charge.buyer, charge.client = target.agreement, target.buyer, target.client
        journal.status, journal.money = "Reconciling", summed(journal.charges.values())

    def _charge_reset(self, step: Step) -> None:
        journal = self.journals[step.below]
        first = journal.charges[step.id].first
        assert first is not None  # whatever is matched or ignored has been something before
        journal.charges[step.id] = replace(first, hand="Reset", status="Reconciling", first=None)
        journal.status, journal.money = "Reconciling", summed(journal.charges.values())

    # Ledgers

    def _ledger_put(self, step: Step) -> None:
        self.ledgers[step.id].assignee = step.arg["assignee"]

    def _ledger_recalculate(self, step: Step) -> None:
        self.ledgers[step.id].status = "Rating"
        self._later("rate", step.id)

    def _do_rate(self, id: str) -> None:
        self.ledgers[id].status = self._rated(self.ledgers[id].seller)

    def _rated(self, seller: str) -> str:
        return "Error" if seller in self.closed else "Review"

    def _ledger_accept(self, step: Step) -> None:
        self.ledgers[step.id].status = "Generating"
        self._later("statements", step.id)

    def _do_statements(self, id: str) -> None:
        ledger = self.ledgers[id]
        journal = self.journals[ledger.journal]
        groups: dict[tuple[str, ...], list[Charge]] = {}
        for charge in ledger.charges:
            groups.setdefault((charge.agreement, charge.buyer), []).append(charge)
        for (_, buyer), charges in groups.items():
            client, source = charges[0].client, charges[0].target or charges[0].own
            made = Statement("Automated", id, journal.vendor, client, buyer, ledger.seller, source.currency, charges)
            self._made(made, is_blocked=self.is_overridden(client, journal.vendor))
        ledger.status = "Generated"
        if journal.status == "Generated" and all(each.status == "Generated" for each in self._ledgers(journal.id)):
            journal.status = "Accepted"

    def _made(self, statement: Statement, *, is_blocked: bool) -> None:
        statement.money = summed(statement.charges)
        statement.status = "Cancelled" if is_blocked else "Generated"
        for charge in statement.charges:
            charge.statement = statement
        self.statements.append(statement)

    def _ledger_queue(self, step: Step) -> None:
        ledger = self.ledgers[step.id]
        ledger.status = "Queued"
        self._queue_all(step.id)
        journal = self.journals[ledger.journal]
        if journal.status in ("Generated", "Accepted"):
            journal.status = "Queued"
        self._settle(step.id)

    def _queue_all(self, home: str) -> None:
        for statement in self.statements:
            if statement.home == home and statement.status == "Generated":
                statement.status = "Queued"

    def _settle(self, home: str) -> None:
        """A queued ledger is Completed once each statement is final, and then its journal (L9, K8, J14)."""
        found = self.ledgers.get(home) or self.custom.get(home)
        if found is None or found.status != "Queued":
            return
        if all(self._is_final(each) for each in self.statements if each.home == home):
            found.status = "Completed"
            if isinstance(found, Ledger):
                journal = self.journals[found.journal]
                if journal.status == "Queued" and self._is_done(journal.id):
                    self._later("complete", journal.id)

    def _is_done(self, journal: str) -> bool:
        return all(each.status == "Completed" for each in self._ledgers(journal))

    def _do_complete(self, id: str) -> None:
        # By hand it may have been completed before (J15).
        if self.journals[id].status == "Queued":
            self.journals[id].status = "Completed"

    def _is_final(self, statement: Statement) -> bool:
        if statement.status == "Consolidated":
            return self.statement(statement.parent).status == "Issued"
        return statement.status in ("Issued", "Cancelled")

    # Custom ledgers

    def _customledger_put(self, step: Step) -> None:
        self.custom[step.id].name = step.arg["name"]

    def _customledger_upload(self, step: Step) -> None:
        ledger = self.custom[step.id]
        ledger.status, ledger.rows, ledger.charges = "Validating", step.arg["rows"], {}
        self._later("custom", step.id)

    def _do_custom(self, id: str) -> None:
        ledger = self.custom[id]
        for count, row in enumerate(ledger.rows, 1):
            nothing = Source("agreement", row.agreement, "")
            charge = Charge(f"CHG-{id[4:]}-0000-0000-{count * 10:04d}", nothing, row.pp)
            charge.agreement, charge.buyer, charge.client = row.agreement, row.buyer, row.client
            if row.agreement:
                charge.money = Money(row.pp, row.sp, row.sp, row.pp)
            else:
                charge.upload = charge.status = "Error"
            ledger.charges[charge.id] = charge
        ledger.status = "Error" if counts(ledger.charges.values())["error"] else "Validated"

    def _customledger_accept(self, step: Step) -> None:
        self.custom[step.id].status = "Generating"
        self._later("manual", step.id)

    def _do_manual(self, id: str) -> None:
        ledger = self.custom[id]
        groups: dict[tuple[str, ...], list[Charge]] = {}
        for row, charge in zip(ledger.rows, ledger.charges.values(), strict=True):
            groups.setdefault((row.document, row.agreement, row.buyer), []).append(charge)
        for (*_, buyer), charges in groups.items():
            client = charges[0].client
            made = Statement("Manual", id, ledger.vendor, client, buyer, ledger.seller, ("EUR", "EUR"), charges)
            # What the automated pipeline bills is not billed by hand as well (S2).
            self._made(made, is_blocked=not self.is_overridden(client, ledger.vendor))
        ledger.status = "Generated"

    def _customledger_queue(self, step: Step) -> None:
        self.custom[step.id].status = "Queued"
        self._queue_all(step.id)
        self._settle(step.id)

    def _customledger_delete(self, step: Step) -> None:
        del self.custom[step.id]
        self.gone.append(("CustomLedger", step.id))

    # Statements

    def _statement_put(self, step: Step) -> None:
        self.statement(step.id).notes = step.arg["notes"]

    def _statement_queue(self, step: Step) -> None:
        self.statement(step.id).status = "Queued"
        for child in self.children(step.id):
            child.status = "Consolidated"

    _statement_retry = _statement_queue

    def _statement_pending(self, step: Step) -> None:
        self.statement(step.id).status = "Pending"

    def _statement_issue(self, step: Step) -> None:
        self.statement(step.id).status = "Issued"
        for each in (self.statement(step.id), *self.children(step.id)):
            self._settle(each.home)

    def _statement_error(self, step: Step) -> None:
        statement = self.statement(step.id)
        statement.status, statement.notes = "Error", step.arg["notes"]

    def _statement_recalculate(self, step: Step) -> None:
        statement = self.statement(step.id)
        if statement.kind == "Automated":
            statement.status = "Generating"
            self._later("statement_recalculate", step.id)
        elif statement.kind == "Manual":
            statement.status = "Queued"

    def _do_statement_recalculate(self, id: str) -> None:
        if self.state("Statement", id):
            self.statement(id).status = "Queued"

    def _statement_cancel(self, step: Step) -> None:
        statement = self.statement(step.id)
        statement.status = "Cancelled"
        for child in self.children(step.id):
            child.status, child.parent = "Queued", ""
        self._settle(statement.home)

    def _statement_addchild(self, step: Step) -> None:
        child = self.statement(step.arg["child"])
        child.status, child.parent = "Consolidating", step.id
        self._consolidate(self.statement(step.id))

    def _statement_removechild(self, step: Step) -> None:
        child = self.statement(step.arg["child"])
        child.status, child.parent = "Generated", ""
        self._consolidate(self.statement(step.id))

    def _consolidate(self, parent: Statement) -> None:
        children = self.children(parent.id)
        parent.joined = len(children)
        parent.charges = [charge for child in children for charge in child.charges]
        parent.money = sum((child.money.shown for child in children), Money())

    # Overrides and invoices

    def _manualoverride_put(self, step: Step) -> None:
        self.overrides[step.id].notes = step.arg["notes"]

    def _manualoverride_disable(self, step: Step) -> None:
        self.overrides[step.id].status = "Disabled"

    def _manualoverride_enable(self, step: Step) -> None:
        self.overrides[step.id].status = "Active"

    def _invoice_put(self, step: Step) -> None:
        invoice = self.invoices[step.id]
        invoice.name = step.arg["name"]
        if step.caller == "operations":
            invoice.status = step.arg["status"]

    def synced(self, made: Invoice) -> None:
        """A document of the ERP came (d.6): one that is not newer changes nothing."""
        old = self.invoices.get(made.id)
        if old is not None and made.revision <= old.revision:
            return
        statement = next((each for each in self.statements if each.id and each.id == made.statement), None)
        if statement is None or statement.type == "Credit":
            made = replace(made, statement="", billing="Manual")
        else:
            made = replace(made, billing=statement.kind)
            statement.invoice, statement.tax = made.id, made.tax
        self.invoices[made.id] = made


def _priced(pp: Fraction, source: Source, buyer_rate: Fraction) -> Money:
    """The prices of a charge (e.4)."""
    sp = pp * (100 + source.markup) / 100 * source.rate
    return Money(pp, sp, sp * buyer_rate, pp * source.rate)
