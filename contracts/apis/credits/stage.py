"""Requests of the credits API that are right in every respect, and credits of the run's own in each of their states.

What moves money moves it on what the user lends: a run makes neither accounts nor invoices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from contracts import stage
from contracts.apis.credits.bodies import Bodies
from contracts.apis.credits.ground import Ground, money, plain
from contracts.apis.credits.touching import Touching
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe
from contracts.settings import Mode
from contracts.stage import Body, Case
from contracts.wire import Caller, Exchange
from specs.tables import Operation, Transition

FLOAT = Decimal(50)
"""What a lent account is fed with where a step needs a credit balance"""
MADE = {"writeOffInvoice": "WriteOff", "settleNegativeOrZeroInvoice": "CreditDistribution"}
THERE = ("Account", "Invoice", "ShortfallCredit")
"""What no run makes: it is there, or it is not"""
UNMARKED = ("CreditDistribution", "WriteOff")
"""Made by requests that have no place for a mark of the run"""
CHARGED = ("requested", "executing", "cancelled", "failed")
"""Where the execution service brings a payment, or takes it from"""
ENDS = ("discard", "reverse", "reject", "fail")
"""How what the run made ends, as soon as its state allows one of them"""


class Stage(stage.Stage):
    """Makes credits.

    LASTING: what moves money of an account or an invoice, which no run makes, and tokens, which nothing takes back
    """

    LASTING = frozenset(
        {
            "postPayment",
            "executePayment",
            "executeCreditDistribution",
            "executeDisbursement",
            "writeOff",
            "writeOffInvoice",
            "settleNegativeOrZeroInvoice",
            "createAuthToken",
        }
    )

    def __init__(self, p: Probe) -> None:
        super().__init__(p)
        self.ground = Ground(p)
        self.touching, self.bodies = Touching(self.ground), Bodies(self)
        self.tokens = 0
        """access tokens that were issued by this run"""
        self.wrongs: set[tuple[str, str]] = set()
        """operation and subject of what the stories found"""
        self.resting: dict[str, Decimal] = {}
        """what each lent invoice owes between the stories"""
        self._settled: dict[str, Thing] = {}
        self._hasty = False
        self._given: dict[tuple[str, str], Thing] = {}
        self._done: dict[str, list[Exchange]] = {}

    # Requests

    def actor(self, operation: Operation) -> Caller:
        return self.ground.reader(operation)

    def case(self, operation: Operation | str, caller: Caller | None = None, thing: Thing | None = None) -> Case:
        found = self.p.operation(operation)
        if found.id == "fetchLedgerAccount":
            who = caller or self.actor(found)
            params = {**self.ground.home, "refType": "accountCreditBalance", "refLocator": self.ground.account}
            return Case(found, who, params, f"currency={self.ground.currency}")
        if found.does == "replace" and thing is None:
            thing = self._at(found.entity, self.p.mint(found.entity), caller or self.actor(found))
        case = super().case(found, caller, thing)
        query = "forced=true" if found.id == "settleNegativeOrZeroInvoice" else ""
        return Case(case.operation, case.caller, {**self.ground.home, **case.params} if thing else case.params, query,
                    case.body, case.content, case.headers, case.thing)  # fmt: skip

    def subject(self, operation: Operation, caller: Caller) -> Thing:
        if operation.id in MADE:
            return self._open(operation, caller)
        if operation.id == "previewPaymentPost":
            return self.make("Payment", "validated")
        if operation.entity == "Payment" and operation.event in ("fail", "cancel"):
            # What was lent is left for the walk of the machine, as it can be used up once.
            return self._charged("requested")
        entity = operation.below or operation.entity
        there = entity in THERE or (entity == "WriteOff" and operation.does == "read" and self.p.mode is not Mode.FULL)
        return self._there(entity, caller) if there else super().subject(operation, caller)

    def body(self, operation: Operation, caller: Caller, params: Mapping[str, str], thing: Thing | None) -> Body:
        return self.bodies.of(operation, caller)

    def later(self, minutes: int = 10) -> str:
        """An instant to come, on the deployment's own clock: that of what is made there now."""
        draft = self.look(self.create("Payment"))
        made = datetime.fromisoformat(str(draft.get("createdAt")))
        return (made + timedelta(minutes=minutes)).isoformat(timespec="seconds").replace("+00:00", "Z")

    @cached_property
    def purse(self) -> tuple[str, str, str]:
        """(account, currency, invoice) with a credit balance: lent and fed, or one that has it anyway."""
        if not self.ground.owing():
            return self.ground.rich
        account, currency = str(self.ground.target["accountLocator"]), self.ground.currency
        if self.ground.balance(account, currency) < 1:
            self.feed(account, currency, FLOAT)
        return account, currency, str(self.ground.target["locator"])

    def feed(self, account: str, currency: str, amount: Decimal) -> Thing:
        """Feed the credit balance of a lent account by a payment for nothing."""
        members: dict[str, Any] = {
            "amount": plain(amount),
            "accountLocator": account,
            "currency": currency,
            "targets": [],
        }
        return self.led(self.draft("createPayment", self.bodies.payment(**members)), "validate", "post")

    # Credits

    def draft(self, operation: str, body: Any) -> Thing:
        """What a body makes. Raises Blocked."""
        found = self.p.operation(operation)
        self.p.expect(self.p.call(found, self.actor(found), self.ground.home, body=body))
        return self.p.things[-1][1]

    def led(self, thing: Thing, *events: str) -> Thing:
        """The thing after these events. Raises Blocked."""
        for each in events:
            self.step(thing, each)
        return thing

    def step(self, thing: Thing, event: str) -> Exchange:
        """Cause an event. Raises Blocked where it is refused."""
        operation = self.by_event(thing.entity, event)
        return self.p.expect(self.play(self.case(operation, None, thing)))

    def make(self, entity: str, state: str | None = None, caller: Caller | None = None) -> Thing:
        machine = self.p.api.machines.get(entity)
        if entity in THERE:
            return self._there(entity, caller, state)
        if entity == "WriteOff" and machine is not None and state == machine.initial:
            raise Nothing("a write-off is distributed when it is made; none rests in draft")
        if entity == "Payment" and state in CHARGED:
            return self.lent(entity, state) or self._charged(state)
        if entity != "Payment" and state not in (None, "draft", "discarded") and self.p.mode is Mode.FULL:
            self.purse  # noqa: B018  # fed, if it is not yet: what draws on it must find it
        if machine is not None and state == machine.initial:
            state = None
        return super().make(entity, state, caller)

    def fit(self, entity: str, state: str, row: Transition, caller: Caller | None = None) -> Thing:
        if entity != "Payment" or state not in ("requested", "executing"):
            return self.make(entity, state, caller)
        # A step that may be done uses up what was lent: so each is done once, and one stays for those that may not.
        try:
            return self._charged(state)
        except Nothing:
            rest = self._resting(state)
        given = self._given.get((state, row.event))
        if given is not None and given.id in {each.id for each in rest}:
            return given
        if given is not None and self.state(given) == row.end:
            self.p.walked(entity, state, row.event, "arrived")
        if given is not None or len(rest) < 2:
            raise Nothing(f"no two more payments rest {state}; lend some under [lend.{self.p.api.name}]")
        self._given[state, row.event] = rest[0]
        return rest[0]

    def play(self, case: Case) -> Exchange:
        exchange = super().play(case)
        if case.thing is not None and case.operation.event is not None:
            self._done.setdefault(case.thing.id, []).append(exchange)
        return exchange

    def done_to(self, locator: str) -> Sequence[Exchange]:
        """The steps that this run took with something, the first one first."""
        return self._done.get(locator, ())

    def outcome(self, thing: Thing, row: Transition) -> str | None:
        # Nothing that the run makes by itself names a card that is declined.
        return "posted" if (thing.entity, row.event) == ("Payment", "request") else None

    def arrive(self, thing: Thing, *starts: str) -> str:
        return super().arrive(thing, *starts, *(["executing"] if "requested" in starts else []))

    def lent(self, entity: str, state: str | None = None) -> Thing | None:
        for locator in self.ground.lent(entity):
            thing = self._held(entity, locator)
            if state in (None, self.state(thing)):
                return thing
        return None

    def _resting(self, state: str) -> list[Thing]:
        """Lent payments that are in a state now."""
        lent = [self._held("Payment", each) for each in self.ground.lent("Payment")]
        return [each for each in lent if self.state(each) == state]

    def _held(self, entity: str, locator: str) -> Thing:
        reading = self.p.reads(entity)
        assert reading is not None
        return self._at(entity, locator, self.actor(reading))

    def _charged(self, state: str) -> Thing:
        """A payment of the run's own that the execution service has, or had. Raises Nothing, Blocked."""
        if state == "failed" and "declining" in self.ground.values:
            return self.declined()
        if not self._hasty:
            try:
                thing = super().make("Payment", state)
            except Nothing:
                raise
            except Blocked:
                self._hasty = True
            else:
                if self.state(thing) == state:
                    return thing
                self._hasty = True
        raise Nothing(f"charges are over before a payment can be seen {state}; lend one that is")

    def declined(self) -> Thing:
        """A payment whose every charge was refused. Raises Nothing where no card is known that does that, Blocked."""
        thing, state = self.charged()
        if state != "failed":
            raise Blocked(f"a payment by a card that is declined should have failed; it is {state}")
        return thing

    def charged(self, **members: Any) -> tuple[Thing, str]:
        """A payment that was charged to the card that is declined, and what became of it. Raises Nothing, Blocked."""
        said = self.ground.values.get("declining")
        if said is None:
            raise Nothing(f"no card is known that is declined; name one under [values.{self.p.api.name}.declining]")
        charge = {"accountLocator": said["account"], "financialInstrumentLocator": said["instrument"], "targets": []}
        thing = self.draft("createPayment", self.bodies.payment(**{**charge, **members}))
        self.led(thing, "validate", "request")
        return thing, self.arrive(thing, "requested")

    def advance(self, thing: Thing, row: Transition, then: Transition | None = None) -> str | None:
        told = super().advance(thing, row, then)
        done = self.done_to(thing.id)
        # A validation that finds something wrong succeeds, too; what it found is why there is no way on.
        if row.event == "validate" and done and isinstance(done[-1].json, dict):
            result = done[-1].json.get("validationResult")
            if isinstance(result, dict) and result.get("success") is False:
                raise Blocked(f"{thing.entity} {thing.id} was found not valid: {done[-1].answer.said[-160:]}")
        return told

    def refused(self, exchange: Exchange, reason: str) -> Blocked:
        is_limit = (exchange.operation, exchange.status) == ("createAuthToken", self.p.status("state"))
        return self.unissued(exchange) if is_limit else super().refused(exchange, reason)

    def unissued(self, exchange: Exchange) -> Nothing:
        """Why a user may be issued no token: runs before this one leave theirs, as nothing takes them back."""
        most = self.p.api.conventions.rules["tokens"]["most"]
        told = f"{exchange.caller.name} is issued no access token; a user has {most} at most, until they expire"
        return Nothing(f"{told} ({exchange.status} {exchange.answer.said[:80]})")

    def makes(self, operation: Operation) -> str:
        return MADE.get(operation.id, operation.entity)

    def created(self, operation: Operation, exchange: Exchange) -> list[str]:
        record = exchange.json
        self.tokens += operation.id == "createAuthToken"
        rows = (
            record.get("items", ())
            if operation.id == "settleNegativeOrZeroInvoice" and isinstance(record, dict)
            else [record]
        )
        rows = [each for each in rows if isinstance(each, dict) and "locator" in each]
        for each in rows:
            self.touching.note(str(each["locator"]), each)
            if operation.id in MADE:
                invoice = exchange.request.path.split("/")[-2]
                self._settled[invoice] = self._at(MADE[operation.id], str(each["locator"]), exchange.caller)
        return [str(each["locator"]) for each in rows]

    def _at(self, entity: str, locator: str, caller: Caller) -> Thing:
        return Thing(entity, locator, caller, {**self.ground.home, "locator": locator})

    def _there(self, entity: str, caller: Caller | None, state: str | None = None) -> Thing:
        """What no run makes: an account, an invoice, a shortfall credit that is there."""
        if entity == "Account":
            return Thing(
                entity,
                self.ground.account,
                caller or self.p.callers[0],
                {**self.ground.home, "accountLocator": self.ground.account},
            )
        operation = self.p.reads(entity)
        assert operation is not None
        who = caller or self.actor(operation)
        if entity == "Invoice" and state in (None, "open"):
            return self._at(entity, str(self.ground.target["locator"]), who)
        for row in self._rows(entity):
            if state in (None, row.get(self.p.api.machines[entity].field)):
                return self._at(entity, str(row["locator"]), who)
        raise Nothing(f"no {entity} is there{f' that is {state}' if state else ''}")

    def _rows(self, entity: str) -> Iterable[Mapping[str, Any]]:
        listing = self.p.lists(entity)
        if listing is not None:
            return self.ground.rows(listing.id)
        return (row for account in self.ground.payers for row in self.ground.rows("fetchInvoicesForAccount", account))

    def reopen(self) -> None:
        """Take back what single operations settled lent invoices by."""
        for locator, thing in list(self._settled.items()):
            self.end(thing)
            del self._settled[locator]

    def _open(self, operation: Operation, caller: Caller) -> Thing:
        """A lent invoice that the operation settles. Raises Nothing."""
        self.reopen()
        if operation.id == "writeOffInvoice":
            # The one that drafts name comes last: it must owe something as long as they are used.
            owing, named = self.ground.owing(), self.ground.target["locator"]
            found = [*(each for each in reversed(owing) if each["locator"] != named), *owing]
        else:
            lent = (self.ground.invoice(each) for each in self.ground.owners)
            found = [each for each in lent if each.get("invoiceState") == "open" and money(each.get("totalAmount")) < 0]
        for each in found:
            return self._at("Invoice", str(each["locator"]), caller)
        raise Nothing(f"no invoice is lent that {operation.id} could settle; name one under [lend.{self.p.api.name}]")

    # Afterwards

    def end(self, thing: Thing) -> bool:
        machine = self.p.api.machines[thing.entity]
        state = self.state(thing)
        for event in ENDS:
            if event in machine.events_from(state):
                self.step(thing, event)
                return True
        return state in machine.final

    def tagged(self, entity: str, caller: Caller, params: Mapping[str, str], tag: str) -> list[str]:
        if entity in UNMARKED:
            raise Blocked(f"a {entity} bears no mark of its run; look for the newest one that {caller.name} made")
        return super().tagged(entity, caller, params, tag)

    def touches(self, operation: Operation, body: Any, params: Mapping[str, str]) -> Mapping[str, set[str]]:
        return self.touching.of(operation, body, params)
