"""A small model of the world behind the credits, written from the facts (credits 5, 7 to 11) and from nothing else.

It says of any call whether it is taken or how it is refused, and what is owed, left and held after it. Amounts are
whole cents. Nothing is kept that can be told from the moves of the credits in effect: an invoice owes its total less
what was moved onto it, a balance is what was fed into it. So to take a credit back is to forget its moves, and nothing
of the server's own way of undoing is repeated here. Times and texts are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PAYMENT, DISTRIBUTION, DISBURSEMENT = "payment", "creditDistribution", "disbursement"
WRITE_OFF, SHORTFALL = "writeOff", "shortfallWriteOff"
EFFECTIVE = {
    PAYMENT: "posted",
    DISTRIBUTION: "executed",
    DISBURSEMENT: "executed",
    WRITE_OFF: "distributed",
    SHORTFALL: "distributed",
}

# operationId -> (kind, the states that allow it, the state that it leads to); credits 8
MOVES: Mapping[str, tuple[str, str, str]] = {
    "updatePayment": (PAYMENT, "draft", "draft"),
    "validatePayment": (PAYMENT, "draft", "validated"),
    "resetPayment": (PAYMENT, "validated", "draft"),
    "postPayment": (PAYMENT, "validated", "posted"),
    "executePayment": (PAYMENT, "validated", "requested"),
    "failPayment": (PAYMENT, "requested executing", "failed"),
    "cancelPayment": (PAYMENT, "requested", "cancelled"),
    "discardPayment": (PAYMENT, "draft validated", "discarded"),
    "reversePayment": (PAYMENT, "posted", "reversed"),
    "updateCreditDistribution": (DISTRIBUTION, "draft", "draft"),
    "createOrReplaceCreditDistribution": (DISTRIBUTION, "draft", "draft"),
    "validateCreditDistribution": (DISTRIBUTION, "draft", "validated"),
    "resetCreditDistribution": (DISTRIBUTION, "validated", "draft"),
    "executeCreditDistribution": (DISTRIBUTION, "validated", "executed"),
    "discardCreditDistribution": (DISTRIBUTION, "draft validated", "discarded"),
    "reverseCreditDistribution": (DISTRIBUTION, "executed", "reversed"),
    "validateDisbursement": (DISBURSEMENT, "draft", "validated"),
    "approveDisbursement": (DISBURSEMENT, "validated", "approved"),
    "executeDisbursement": (DISBURSEMENT, "approved", "executed"),
    "rejectDisbursement": (DISBURSEMENT, "validated approved", "rejected"),
    "resetDisbursement": (DISBURSEMENT, "validated approved", "draft"),
    "discardDisbursement": (DISBURSEMENT, "draft validated", "discarded"),
    "reverseDisbursement": (DISBURSEMENT, "executed", "reversed"),
    "reverseWriteOff": (WRITE_OFF, "distributed", "reversed"),
}
CREATES = {
    "createPayment": PAYMENT,
    "createCreditDistribution": DISTRIBUTION,
    "createDisbursement": DISBURSEMENT,
    "writeOff": WRITE_OFF,
}
ON_INVOICES = ("writeOffInvoice", "settleNegativeOrZeroInvoice")
GROUPS = {
    PAYMENT: "payments",
    DISTRIBUTION: "credit-distributions",
    DISBURSEMENT: "disbursements",
    WRITE_OFF: "write-offs",
}
# operationId -> the permissions of which any one suffices (credits 2, 5.1, 9)
NEEDS: Mapping[str, tuple[str, ...]] = {
    **{operation: (f"{GROUPS[kind]}.write",) for operation, (kind, _, _) in MOVES.items()},
    **{operation: (f"{GROUPS[kind]}.write",) for operation, kind in CREATES.items()},
    **dict.fromkeys(ON_INVOICES, ("invoices.write",)),
    "previewPaymentPost": ("payments.read",),
    "fetchCredits": ("credits.read", "credits.list"),
    "getInvoiceWithItems": ("invoices.read",),
    "createAuthToken": ("users.write", "users.token"),
}
TOKENS = 3  # that a user may have (credits 5)
PLAIN = "reversed"  # the reason where a request gives none (M)


class Refused(Exception):
    """The call is refused, with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Part:
    """A source or target: which container, and its share if one is said."""

    locator: str
    type: str
    amount: int | None = None


@dataclass
class Item:
    locator: str
    amount: int
    reopened: bool = False


@dataclass
class Invoice:
    locator: str
    tenant: str
    account: str
    currency: str
    items: list[Item]
    products: tuple[str, ...] = ()
    due: int = 0
    """Hours after the start of the world; what is due before that is due"""
    discarded: bool = False
    closed: bool = False
    """A zero invoice that was settled by name"""
    reopened: bool = False

    @property
    def total(self) -> int:
        return sum(item.amount for item in self.items)


@dataclass(frozen=True)
class Account:
    locator: str
    tenant: str
    state: str = "validated"
    plan: str | None = None
    instrument: str | None = None


@dataclass(frozen=True)
class Tenant:
    """What a tenant has configured. plans: shortfall tolerances in cents; retries: how often a plan tries again."""

    locator: str
    currency: str
    types: Mapping[str, tuple[str, ...]]
    reversals: Mapping[str, str]
    plans: Mapping[str, Mapping[str, int]]
    default: str | None
    products: Mapping[str, str | None]
    retries: Mapping[str, int]


@dataclass(frozen=True)
class Caller:
    """Who calls: permissions and tenants held; a token's last hour, None = it stays."""

    name: str
    user: str
    rights: frozenset[str]
    tenants: frozenset[str]
    until: float | None = None

    def holds(self, permission: str) -> bool:
        return bool(self.rights & {permission, f"{permission.partition('.')[0]}.*", "*.*"})


@dataclass(eq=False)
class Credit:
    """Anything that there is a credit of. asked: sources and targets as the draft named them."""

    kind: str
    tenant: str
    amount: int
    account: str | None
    currency: str
    by: str
    sources: list[Part] = field(default_factory=list)
    targets: list[Part] = field(default_factory=list)
    state: str = "draft"
    locator: str = ""
    type: str = ""
    plan: str | None = None
    instrument: str | None = None
    use_default: bool = False
    asked: tuple[list[Part], list[Part]] | None = None
    moves: list[tuple[Invoice, Item, int]] = field(default_factory=list)
    onto: list[str] = field(default_factory=list)
    """Invoices that it was applied to"""
    fed: int = 0
    parent: Credit | None = None
    reason: str | None = None
    reversed_by: str | None = None
    log: list[str] = field(default_factory=list)
    requester: str = ""
    is_real: bool = False
    """Whether it ever took effect"""
    valid: bool | None = None
    stated: Mapping[str, str | None] = field(default_factory=dict)
    """The account and the currency that its requests named; what they did not, its containers tell"""

    @property
    def is_live(self) -> bool:
        return self.state == EFFECTIVE[self.kind]


@dataclass(eq=False)
class Job:
    """The execution service's next step with a payment; `reads`: looks at it that are still waited for."""

    work: str
    payment: Credit
    reads: int = 0
    is_due: bool = False


@dataclass(frozen=True)
class Step:
    """A call: who, which operation, in which tenant, on what, saying what (amounts in cents)."""

    caller: str
    operation: str
    tenant: str
    id: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)


class Model:
    """The world as it should be. mode: how background work comes; reads: how many looks it waits for."""

    def __init__(
        self,
        *,
        tenants: Iterable[Tenant],
        accounts: Iterable[Account],
        instruments: Mapping[str, tuple[str, bool]],
        invoices: Iterable[Invoice],
        callers: Iterable[Caller],
        mode: str = "immediate",
        reads: int = 0,
    ) -> None:
        """instruments: locator -> (account, whether it declines)"""
        self.mode, self.reads, self.hour = mode, reads, 0
        self.tenants = {each.locator: each for each in tenants}
        self.accounts = {each.locator: each for each in accounts}
        self.instruments = instruments
        self.invoices = {each.locator: each for each in invoices}
        self.homes = {item.locator: (invoice, item) for invoice in self.invoices.values() for item in invoice.items}
        self.callers = {each.name: each for each in callers}
        self.issued: list[Caller] = []
        self.credits: list[Credit] = []
        self.jobs: list[Job] = []
        self._moved: dict[str, int] = {}

    # What there is

    def left(self, item: Item) -> int:
        """What an item still owes."""
        return item.amount - self._moved.get(item.locator, 0)

    def owes(self, invoice: Invoice) -> int:
        """What an invoice still owes (11.5, 5 and 7)."""
        return sum(self.left(item) for item in invoice.items)

    def state(self, invoice: Invoice) -> str:
        """open, settled or discarded (11.5, 6); what never owed anything is settled by name (9)."""
        if invoice.discarded:
            return "discarded"
        is_settled = invoice.closed or (invoice.total != 0 and self.owes(invoice) == 0)
        return "settled" if is_settled else "open"

    def balance(self, account: str, currency: str) -> int:
        """The credit balance (11.5, 8)."""
        return sum(each.fed for each in self.credits if (each.account, each.currency) == (account, currency))

    def find(self, kind: str, locator: str) -> Credit | None:
        return next((each for each in self.credits if (each.kind, each.locator) == (kind, locator)), None)

    def container(self, tenant: str, part: Part) -> Account | tuple[Invoice, Item | None] | None:
        """What a part names, if the tenant has it."""
        if part.type == "account":
            found = self.accounts.get(part.locator)
            return found if found is not None and found.tenant == tenant else None
        pair: tuple[Invoice, Item | None] | None = None
        if part.type == "invoice" and part.locator in self.invoices:
            pair = self.invoices[part.locator], None
        elif part.type == "invoiceItem" and part.locator in self.homes:
            pair = self.homes[part.locator]
        return pair if pair is not None and pair[0].tenant == tenant else None

    def room(self, place: Account | tuple[Invoice, Item | None]) -> int | None:
        """What a target can take: at most what all of its invoice owes; a balance takes everything (11.1, 2)."""
        if isinstance(place, Account):
            return None
        invoice, item = place
        if invoice.discarded:
            return 0
        whole = max(0, self.owes(invoice))
        return whole if item is None else max(0, min(whole, self.left(item)))

    def held(self, place: Account | tuple[Invoice, Item | None], currency: str) -> int:
        """What a source can give: a balance, or what an invoice with a negative balance owes its payer (11.3)."""
        if isinstance(place, Account):
            return self.balance(place.locator, currency)
        invoice, item = place
        whole = max(0, -self.owes(invoice))
        return whole if item is None else max(0, min(whole, -self.left(item)))

    def tolerance(self, invoice: Invoice) -> int:
        """What may be forgiven of an invoice (11.2)."""
        tenant, account = self.tenants[invoice.tenant], self.accounts[invoice.account]
        named = [account.plan, *(tenant.products[each] for each in invoice.products), tenant.default]
        plan = next((each for each in named if each), None)
        return tenant.plans.get(plan or "", {}).get(invoice.currency, 0)

    # What is called

    def do(self, step: Step) -> Credit | None:
        """Do what a call does; the credit that it makes or moves. Raises Refused, and then nothing has happened."""
        self._let_in(step)
        if step.operation == "createAuthToken":
            self._issue(step)
            return None
        if step.operation in CREATES:
            self._sound(step)
            return getattr(self, f"_make_{CREATES[step.operation]}")(step)  # type: ignore[no-any-return]  # by name
        if step.operation in (*ON_INVOICES, "getInvoiceWithItems"):
            invoice = self.invoices.get(step.id)
            if invoice is None or invoice.tenant != step.tenant:
                raise Refused(404)
            if step.operation == "writeOffInvoice":
                return self._write_off(step, invoice.account, [Part(invoice.locator, "invoice")])
            return self._settle(step, invoice) if step.operation in ON_INVOICES else None
        if step.operation == "fetchCredits":
            return None
        return self._on_credit(step)

    def _let_in(self, step: Step) -> None:
        """Token, scope, permission, in this order (5)."""
        caller = self.callers.get(step.caller)
        if caller is None or (caller.until is not None and caller.until <= self.hour):
            raise Refused(401)
        is_everywhere = "any" in caller.tenants and step.tenant in self.tenants
        if step.tenant and step.tenant not in caller.tenants and not is_everywhere:
            raise Refused(403)
        if not any(caller.holds(each) for each in NEEDS[step.operation]):
            raise Refused(403)

    @staticmethod
    def _sound(step: Step) -> None:
        if "broken" in step.args:
            raise Refused(400)  # the body is no such body

    def _on_credit(self, step: Step) -> Credit | None:
        kind, states, end = MOVES.get(step.operation, (PAYMENT, "", ""))
        credit = self.find(kind, step.id)
        if step.operation == "createOrReplaceCreditDistribution" and credit is None:
            self._sound(step)
            # What another tenant has there is not told (5).
            for each in self.credits:
                if each.locator == step.id:
                    raise Refused(400 if each.tenant == step.tenant else 404)
            return self._make_creditDistribution(step, step.id)
        if credit is None or credit.tenant != step.tenant:
            raise Refused(404)
        self._sound(step)
        if step.operation == "previewPaymentPost":
            # What posting would do: to a validated payment, or to a draft that is valid (M).
            if credit.state != "validated" and (credit.state != "draft" or not self._is_valid(credit)):
                raise Refused(400)
            return credit
        if credit.state not in states.split():
            raise Refused(400)
        getattr(self, f"_{step.operation}", self._plainly)(credit, step)
        if credit.valid or not step.operation.startswith("validate"):
            credit.state = end
        return credit

    def _plainly(self, credit: Credit, step: Step) -> None:
        """Nothing but the state changes, and the parts are again as they were asked for where it is a draft again."""
        if step.operation.startswith("reset"):
            if credit.asked is not None:
                credit.sources, credit.targets = credit.asked
            credit.asked = credit.valid = None
        elif step.operation.startswith("reverse"):
            self._take_back(credit, step)

    # Drafts

    def _agreed(self, tenant: str, args: Mapping[str, Any], parts: Sequence[Part]) -> tuple[str | None, str]:
        """(account, currency) of a draft; what is unknown or mixed is refused (6)."""
        places = [self.container(tenant, part) for part in parts]
        if any(place is None for place in places):
            raise Refused(400)
        account, instrument = args.get("account"), args.get("instrument")
        if account is not None and getattr(self.accounts.get(account), "tenant", None) != tenant:
            raise Refused(400)
        if instrument is not None:
            home = self.instruments.get(instrument)
            if home is None or self.accounts[home[0]].tenant != tenant:
                raise Refused(400)
        currencies = {each for each in [args.get("currency")] if each}
        owners = [] if account is None else [account]
        for place in places:
            if isinstance(place, Account):
                owners.append(place.locator)
            elif place is not None:
                owners.append(place[0].account)
                currencies.add(place[0].currency)
        if len(currencies) > 1:
            raise Refused(400)
        return next(iter(owners), None), next(iter(currencies), self.tenants[tenant].currency)

    def _draft(self, kind: str, step: Step) -> Credit:
        args = step.args
        sources, targets = list(args.get("sources", ())), list(args.get("targets", ()))
        account, currency = self._agreed(step.tenant, args, [*sources, *targets])
        return Credit(
            kind,
            step.tenant,
            args["amount"],
            account,
            currency,
            self.callers[step.caller].user,
            sources,
            targets,
            type=args.get("type", ""),
            plan=args.get("plan"),
            instrument=args.get("instrument"),
            use_default=args.get("use_default", False),
            stated=self._stated({}, args),
        )

    @staticmethod
    def _stated(before: Mapping[str, str | None], args: Mapping[str, Any]) -> Mapping[str, str | None]:
        return {name: args.get(name, before.get(name)) for name in ("account", "currency")}

    def _make_payment(self, step: Step) -> Credit:
        if step.args.get("mode") == "aggregate":
            raise Refused(400)
        return self._added(self._draft(PAYMENT, step))

    def _make_creditDistribution(self, step: Step, locator: str = "") -> Credit:
        made = self._draft(DISTRIBUTION, step)
        made.locator = locator
        return self._added(made)

    def _make_disbursement(self, step: Step) -> Credit:
        return self._added(self._draft(DISBURSEMENT, step))

    def _added(self, credit: Credit) -> Credit:
        self.credits.append(credit)
        return credit

    def _updatePayment(self, credit: Credit, step: Step) -> None:
        args = step.args
        if args.get("mode") == "aggregate":
            raise Refused(400)
        targets = self._edited(credit.targets, args, "targets")
        stated = self._stated(credit.stated, args)
        said = {"instrument": credit.instrument, **args, **stated}
        credit.account, credit.currency = self._agreed(credit.tenant, said, targets)
        credit.targets, credit.valid, credit.stated = targets, None, stated
        credit.plan, credit.instrument = args.get("plan", credit.plan), args.get("instrument", credit.instrument)
        credit.use_default = args.get("use_default", credit.use_default)

    def _updateCreditDistribution(self, credit: Credit, step: Step) -> None:
        sources, targets = (self._edited(getattr(credit, side), step.args, side) for side in ("sources", "targets"))
        stated = self._stated(credit.stated, step.args)
        credit.account, credit.currency = self._agreed(credit.tenant, stated, [*sources, *targets])
        credit.sources, credit.targets, credit.valid, credit.stated = sources, targets, None, stated
        credit.amount = step.args.get("amount", credit.amount)

    def _createOrReplaceCreditDistribution(self, credit: Credit, step: Step) -> None:
        sources, targets = list(step.args["sources"]), list(step.args["targets"])
        credit.account, credit.currency = self._agreed(credit.tenant, step.args, [*sources, *targets])
        credit.sources, credit.targets, credit.amount, credit.valid = sources, targets, step.args["amount"], None
        credit.stated = self._stated({}, step.args)

    @staticmethod
    def _edited(parts: Sequence[Part], args: Mapping[str, Any], side: str) -> list[Part]:
        gone = args.get(f"remove_{side}", ())
        if not set(gone) <= {part.locator for part in parts}:
            raise Refused(400)
        return [*(part for part in parts if part.locator not in gone), *args.get(f"add_{side}", ())]

    # Validation: it succeeds as a call, and says in the body whether the thing is valid (6)

    def _validatePayment(self, credit: Credit, step: Step) -> None:
        credit.valid = self._is_valid(credit)

    def _validateCreditDistribution(self, credit: Credit, step: Step) -> None:
        asked = credit.sources, credit.targets
        credit.sources, credit.targets, is_room = self._tried(credit)
        credit.valid = is_room and self._is_valid(credit)
        if credit.valid:
            credit.asked = asked
        else:
            credit.sources, credit.targets = asked

    _validateDisbursement = _validateCreditDistribution

    def _tried(self, credit: Credit) -> tuple[list[Part], list[Part], bool]:
        """Sources, targets, and whether each holds or owes its part: all in their order, as executing would have it.

        Missing amounts come out of what the others leave; without a source, it is the account's balance (M).
        """
        sources, sides, is_room = credit.sources, [], True
        if not sources and credit.account is not None:
            sources = [Part(credit.account, "account")]
        for is_source, parts in ((True, sources), (False, credit.targets)):
            free, made = credit.amount - sum(part.amount or 0 for part in parts), []
            for part in parts:
                place, amount = self._place(credit, part), part.amount
                room = self.held(place, credit.currency) if is_source else self.room(place)
                if amount is None:
                    amount = max(0, free if room is None else min(free, room))
                    free -= amount
                made.append(Part(part.locator, part.type, amount))
                if room is not None and amount > room:
                    is_room = False
                elif amount and not isinstance(place, Account):
                    self._move(credit, *place, -amount if is_source else amount)
            sides.append(made)
        self._never(credit)
        return sides[0], sides[1], is_room

    def fits(self, credit: Credit) -> bool:
        """Whether what was validated could be executed now."""
        return self._tried(credit)[2]

    def _place(self, credit: Credit, part: Part) -> Account | tuple[Invoice, Item | None]:
        place = self.container(credit.tenant, part)
        assert place is not None, part
        return place

    def _is_valid(self, credit: Credit) -> bool:
        tenant, account = self.tenants[credit.tenant], self.accounts.get(credit.account or "")
        if account is None or account.state != "validated":
            return False
        if credit.kind != DISTRIBUTION and credit.type not in tenant.types[credit.kind]:
            return False
        if credit.plan is not None and credit.plan not in tenant.retries:
            return False
        if credit.instrument is not None:
            if self.instruments[credit.instrument][0] != account.locator:
                return False
        elif credit.use_default and account.instrument is None:
            return False
        for parts in (credit.sources, credit.targets):
            if len({part.locator for part in parts}) != len(parts):
                return False
            for part in parts:
                place = self._place(credit, part)
                if not isinstance(place, Account) and place[0].discarded:
                    return False
                if (place.locator if isinstance(place, Account) else place[0].account) != account.locator:
                    return False
        if credit.kind == PAYMENT:
            return sum(part.amount or 0 for part in credit.targets) <= credit.amount
        return self._adds_up(credit)

    @staticmethod
    def _adds_up(credit: Credit) -> bool:
        """Each side is the whole (11.5, 1), and nothing stands on both; a disbursement draws from balances alone."""
        sides = [credit.sources] if credit.kind == DISBURSEMENT else [credit.sources, credit.targets]
        for parts in sides:
            if sum(part.amount or 0 for part in parts) != credit.amount or not all(part.amount for part in parts):
                return False
        if credit.kind == DISBURSEMENT:
            return all(part.type == "account" for part in credit.sources)
        return not {part.locator for part in credit.sources} & {part.locator for part in credit.targets}

    # Money moves

    def _move(self, credit: Credit, invoice: Invoice, item: Item | None, amount: int) -> None:
        """Let a credit settle so much, item by item in their order (M); all that is owed settles reductions, too."""
        rest = abs(amount)
        sign = 1 if amount > 0 else -1
        is_all = amount == self.owes(invoice)
        for each in invoice.items:
            if is_all:
                part = self.left(each)
            elif item is not None and each is not item:
                continue
            else:
                part = sign * max(0, min(rest, sign * self.left(each)))
                rest -= abs(part)
            if part:
                credit.moves.append((invoice, each, part))
                self._moved[each.locator] = self._moved.get(each.locator, 0) + part

    def _forget(self, credit: Credit) -> None:
        """Undo the moves of a credit; what is owed again is open again (11.4)."""
        was = {invoice.locator: self.owes(invoice) for invoice, _, _ in credit.moves}
        for _, item, part in credit.moves:
            item.reopened |= self.left(item) == 0
            self._moved[item.locator] -= part
        for invoice in {invoice.locator: invoice for invoice, _, _ in credit.moves}.values():
            invoice.reopened |= was[invoice.locator] == 0 and self.owes(invoice) != 0
        credit.moves, credit.fed = [], 0

    def _never(self, credit: Credit) -> None:
        """Its moves never happened: unlike a reversal this leaves no trace of having been settled."""
        for _, item, amount in credit.moves:
            self._moved[item.locator] -= amount
        credit.moves = []

    def _forgive(self, credit: Credit, invoices: Iterable[Invoice]) -> None:
        """A shortfall credit for what little remains (11.1, 3), one live one an invoice at most (11.5, 4)."""
        for invoice in {each.locator: each for each in invoices}.values():
            left = self.owes(invoice)
            is_forgiven = any(
                each.kind == SHORTFALL and each.is_live and each.targets[0].locator == invoice.locator
                for each in self.credits
            )
            if 0 < left <= self.tolerance(invoice) and not is_forgiven:
                target = Part(invoice.locator, "invoice", left)
                by = credit.requester or self.callers[self._by].user
                made = Credit(
                    SHORTFALL, credit.tenant, left, invoice.account, invoice.currency, by, [], [target], "distributed"
                )
                made.parent, made.is_real, made.onto = credit, True, [invoice.locator]
                self._move(made, invoice, None, left)
                self.credits.append(made)

    def _post(self, credit: Credit) -> None:
        """11.1."""
        rest, targets, paid = credit.amount, [], []
        credit.fed = 0
        for part in credit.targets:
            place = self._place(credit, part)
            amount = min(each for each in (rest, part.amount, self.room(place)) if each is not None)
            rest -= amount
            targets.append(Part(part.locator, part.type, amount))
            if isinstance(place, Account):
                credit.fed += amount
                continue
            paid.append(place[0])
            if amount:
                self._move(credit, *place, amount)
                credit.onto.append(place[0].locator)
        credit.targets, credit.fed = targets, credit.fed + rest
        credit.state, credit.is_real = "posted", True
        self._forgive(credit, paid)

    def _postPayment(self, credit: Credit, step: Step) -> None:
        self._by = step.caller
        self._post(credit)

    def _executeCreditDistribution(self, credit: Credit, step: Step) -> None:
        self._by = step.caller
        fed, paid, onto = 0, [], []
        try:
            for part in credit.sources:
                place, amount = self._place(credit, part), part.amount or 0
                if amount > self.held(place, credit.currency):
                    raise Refused(400)
                if isinstance(place, Account):
                    fed -= amount
                else:
                    self._move(credit, *place, -amount)
            for part in credit.targets:
                place, amount = self._place(credit, part), part.amount or 0
                room = self.room(place)
                if isinstance(place, Account):
                    fed += amount
                    continue
                if room is not None and amount > room:
                    raise Refused(400)
                self._move(credit, *place, amount)
                paid.append(place[0])
                onto.append(place[0].locator)
        except Refused:
            self._never(credit)
            raise
        credit.fed, credit.onto, credit.is_real = fed, onto, True
        self._forgive(credit, paid)

    def _executeDisbursement(self, credit: Credit, step: Step) -> None:
        assert credit.account is not None
        if self.balance(credit.account, credit.currency) < credit.amount:
            raise Refused(400)
        credit.fed, credit.is_real = -credit.amount, True

    def _make_writeOff(self, step: Step) -> Credit:
        account = self.accounts.get(step.args["account"])
        if account is None or account.tenant != step.tenant:
            raise Refused(400)
        return self._write_off(step, account.locator, step.args["targets"])

    def _write_off(self, step: Step, account: str, targets: Sequence[Part]) -> Credit:
        """At once, in the order given; a missing amount is all that is unsettled, and nothing is no amount (8, 10)."""
        owner, currency = self._agreed(step.tenant, {"account": account}, targets)
        if self.accounts[account].state != "validated":
            raise Refused(400)  # as for what is validated (M)
        made = Credit(WRITE_OFF, step.tenant, 0, owner, currency, self.callers[step.caller].user, state="distributed")
        try:
            for part in targets:
                place = self._place(made, part)
                if isinstance(place, Account) or place[0].account != account:
                    raise Refused(400)
                owed = self.room(place) or 0
                amount = owed if part.amount is None else part.amount
                if not 0 < amount <= owed:
                    raise Refused(400)
                self._move(made, *place, amount)
                made.targets.append(Part(part.locator, part.type, amount))
                made.onto.append(place[0].locator)
                made.amount += amount
            if not targets:
                raise Refused(400)
        except Refused:
            self._never(made)
            raise
        made.is_real = True
        return self._added(made)

    def _settle(self, step: Step, invoice: Invoice) -> Credit | None:
        """What a negative invoice owes goes to the balance; a zero one is just settled (9, 11.4; due or forced, M)."""
        left = self.owes(invoice)
        if self.state(invoice) != "open" or left > 0:
            raise Refused(400)
        if invoice.due > self.hour and not step.args.get("forced"):
            raise Refused(400)
        if left == 0:
            invoice.closed = True
            self._moved |= {item.locator: item.amount for item in invoice.items}
            return None
        if self.accounts[invoice.account].state != "validated":
            raise Refused(400)
        by = self.callers[step.caller].user
        made = Credit(DISTRIBUTION, step.tenant, -left, invoice.account, invoice.currency, by, state="executed")
        made.sources = [Part(invoice.locator, "invoice", -left)]
        made.targets = [Part(invoice.account, "account", -left)]
        made.is_real, made.fed = True, -left
        self._move(made, invoice, None, left)
        return self._added(made)

    # Taken back

    def _reversePayment(self, credit: Credit, step: Step) -> None:
        """For a configured reason (10), and only if what it fed is still there (11.4)."""
        allowed = self.tenants[credit.tenant].reversals.get(step.args["reason"])
        if allowed not in (credit.kind, "any"):
            raise Refused(400)
        self._take_back(credit, step)

    _reverseCreditDistribution = _reversePayment

    def _take_back(self, credit: Credit, step: Step) -> None:
        if credit.fed > 0 and credit.account and self.balance(credit.account, credit.currency) < credit.fed:
            raise Refused(400)
        children = [each for each in self.credits if each.parent is credit]
        for each in (*children, credit):
            self._forget(each)
            each.state, each.reason = "reversed", step.args.get("reason", PLAIN)
        credit.reversed_by = self.callers[step.caller].user

    # The execution service

    def _executePayment(self, credit: Credit, step: Step) -> None:
        credit.log.append("requested")
        credit.requester = self.callers[step.caller].user
        self._later("take", credit)

    def _failPayment(self, credit: Credit, step: Step) -> None:
        credit.log.append("failed")

    def _cancelPayment(self, credit: Credit, step: Step) -> None:
        credit.log.append("cancelled")

    def _later(self, work: str, payment: Credit) -> None:
        self.jobs.append(Job(work, payment, self.reads))

    def run(self, wanted: Callable[[Job], bool], *, again: bool = True) -> None:
        """Do the jobs that are wanted, oldest first; again: also those that they start in turn."""
        there = list(self.jobs)
        while (job := next((job for job in self.jobs if wanted(job) and (again or job in there)), None)) is not None:
            self.jobs.remove(job)
            getattr(self, f"_{job.work}")(job.payment)

    def settle(self) -> None:
        """What is due happens."""
        if self.mode != "manual":
            self.run(lambda job: {"immediate": True, "reads": job.reads <= 0, "after": job.is_due}[self.mode])

    def seen(self, locators: Iterable[str]) -> None:
        """Payments were looked at."""
        looked = set(locators)
        for job in self.jobs:
            if job.payment.locator in looked and job.reads > 0:
                job.reads -= 1

    def passed(self) -> None:
        """An hour has passed, which is more than any job waits for."""
        self.hour += 1
        for job in self.jobs:
            job.is_due = True

    def _take(self, payment: Credit) -> None:
        if payment.state == "requested":
            payment.state = "executing"
            payment.log.append("executing")
            self._later("charge", payment)

    def _charge(self, payment: Credit) -> None:
        """Posted, or declined: again while retries remain, then failed (8)."""
        if payment.state != "executing":
            return
        instrument = payment.instrument
        if instrument is None and payment.use_default and payment.account is not None:
            instrument = self.accounts[payment.account].instrument
        if instrument is None or not self.instruments[instrument][1]:
            payment.log.append("posted")
            self._post(payment)
            return
        payment.log.append("declined")
        retries = self.tenants[payment.tenant].retries[payment.plan] if payment.plan else 0
        if payment.log.count("executing") > retries:
            payment.log.append("failed")
            payment.state = "failed"
        else:
            payment.state = "requested"
            self._later("take", payment)

    # Access tokens

    def _issue(self, step: Step) -> None:
        """Only what the user holds now, which may be nothing (6); three live ones at most (5)."""
        self._sound(step)
        caller, args = self.callers[step.caller], step.args
        wanted = args["permissions"]
        if not all(right != "*.write" and self._may_give(caller, right) for right in wanted):
            raise Refused(400)
        tenants = set(args["tenants"])
        if not tenants <= caller.tenants and not ("any" in caller.tenants and tenants <= {*self.tenants, "any"}):
            raise Refused(400)
        if args["until"] is not None and args["until"] <= self.hour:
            raise Refused(400)
        name = caller.name.partition("/")[0]
        own = [each for each in self.issued if each.name.startswith(f"{name}/")]
        if sum(each.until is None or each.until > self.hour for each in own) >= TOKENS:
            raise Refused(400)
        made = Caller(f"{name}/{len(own)}", caller.user, frozenset(wanted), frozenset(tenants), args["until"])
        self.issued.append(made)
        self.callers[made.name] = made

    @staticmethod
    def _may_give(caller: Caller, right: str) -> bool:
        return "*.*" in caller.rights or (right != "*.*" and caller.holds(right))
