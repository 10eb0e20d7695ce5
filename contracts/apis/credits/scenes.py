"""Where money lies before and after a step, and where it should: what a lent account holds, what its invoices owe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from contracts.apis.credits.bodies import item
from contracts.apis.credits.ground import SPEC, ZERO, Row, money, plain, remains
from contracts.apis.credits.stage import Stage
from contracts.apis.credits.tells import untold
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe
from contracts.wire import Exchange


@dataclass(frozen=True, slots=True)
class Scene:
    """What a credit balance holds, and the invoices as they are."""

    balance: Decimal
    invoices: Mapping[str, Row]

    def owes(self, locator: str) -> Decimal:
        return remains(self.invoices[locator])


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where money should lie after a step.

    taken: what each target gets, in order; forgiven: invoice -> amount of its shortfall credit
    """

    balance: Decimal
    owes: Mapping[str, Decimal]
    taken: Sequence[Decimal] = ()
    forgiven: Mapping[str, Decimal] = field(default_factory=dict)


Target = tuple[str, Decimal | None]
"""An invoice, and how much of the payment is said to be for it"""


def paid(scene: Scene, amount: Decimal, targets: Sequence[Target], tolerance: Decimal) -> Outcome:
    """A payment goes to its targets in their order, to each what it owes; the rest goes to the balance.

    What is then short by no more than the tolerance is forgiven.
    """
    left, taken = amount, []
    owes = {locator: scene.owes(locator) for locator in scene.invoices}
    for locator, stated in targets:
        part = min(left, owes[locator], left if stated is None else stated)
        taken.append(part)
        owes[locator] -= part
        left -= part
    forgiven = {locator: owes[locator] for locator, _ in targets if 0 < owes[locator] <= tolerance}
    return Outcome(scene.balance + left, {**owes, **dict.fromkeys(forgiven, ZERO)}, taken, forgiven)


class Stagehand:
    """Plays one story on one lent account and keeps the calls that a reader needs to repeat it."""

    def __init__(self, p: Probe, least: Decimal = Decimal(10), invoices: int = 1, currency: str | None = None) -> None:
        """Raises Nothing where nothing was lent that would do."""
        assert isinstance(p.stage, Stage)
        self.p, self.stage, self.ground = p, p.stage, p.stage.ground
        self.steps: list[Exchange] = []
        self._begun = False
        by_account: dict[tuple[str, str], list[Row]] = {}
        for each in self.ground.owing(currency, least):
            key = str(each["accountLocator"]), str(each["currency"])
            by_account.setdefault(key, []).append(each)
        fit = [(key, found) for key, found in by_account.items() if len(found) >= invoices]
        if not fit and self.ground.spoiled:
            raise Blocked("what is lent is not as it was; other findings say why")
        if not fit:
            raise Nothing(
                f"no account is lent with {invoices} invoice(s) that owe more than {least} {currency or ''}".rstrip()
                + "; name them under [lend.credits] in contracts.toml"
            )
        (self.account, self.currency), self.invoices = fit[0]

    def target(self, at: int = 0) -> str:
        return str(self.invoices[at]["locator"])

    # What is done

    def create(self, operation: str, body: Any) -> Thing:
        """Raises Blocked."""
        found = self.p.operation(operation)
        exchange = self.p.call(found, self.stage.actor(found), self.ground.home, body=body)
        self.steps.append(self.p.expect(exchange))
        if "amount" in body and exchange.json.get("amount") != body["amount"]:
            raise Blocked(f"{operation}: {body['amount']} was asked for, and {exchange.json.get('amount')} came")
        return self.p.things[-1][1]

    def do(self, thing: Thing, *events: str) -> Row:
        """The thing as the answer of the last event tells it. Raises Blocked."""
        for each in events:
            self.steps.append(self.stage.step(thing, each))
        found = self.steps[-1].json
        if not isinstance(found, dict):
            raise Blocked(f"{self.steps[-1].operation}: no object came")
        if events[-1] == "validate" and (found.get("validationResult") or {}).get("success") is False:
            raise Blocked(f"{thing.entity} {thing.id} was found not valid: {self.steps[-1].answer.said[-160:]}")
        return found

    def payment(self, amount: Decimal, *targets: Target, **members: Any) -> Thing:
        """A draft of this account."""
        named = [
            item("invoice", locator) | ({} if stated is None else {"amount": plain(stated)})
            for locator, stated in targets
        ]
        return self.create(
            "createPayment",
            {
                "amount": plain(amount),
                "type": self.ground.payment_type,
                "data": {"mark": self.p.tag},
                "currency": self.currency,
                "accountLocator": self.account,
                "targets": named,
                **members,
            },
        )

    def fed(self, amount: Decimal) -> Thing:
        """A payment that went to the balance of the account alone."""
        thing = self.payment(amount)
        self.do(thing, "validate", "post")
        return thing

    def scene(self) -> Scene:
        """Where the money lies now. Raises Blocked where, at first, an invoice says one thing and its items another."""
        invoices = {each: self.ground.invoice(each) for each in (str(row["locator"]) for row in self.invoices)}
        for locator, invoice in invoices.items() if not self._begun else ():
            if _parts(invoice) not in (None, remains(invoice)):
                raise Blocked(f"invoice {locator} does not owe what its items owe; see credits.invoices")
        self._begun = True
        return Scene(self.ground.balance(self.account, self.currency), invoices)

    # What is seen

    def wrong(self, code: str, operation: str, subject: str, expected: str, came: str, source: str) -> Finding:
        """A finding about the last step."""
        return self.p.finding(
            code,
            self.steps[-1],
            operation=operation,
            subject=subject,
            expected=expected,
            came=came,
            source=source,
            place=SPEC,
            steps=self.steps,
        )

    def lies(self, operation: str, wanted: Outcome, now: Scene) -> Iterator[Finding]:
        """Money lies where it should; what was settled says so."""
        for locator, left in wanted.owes.items():
            invoice = now.invoices[locator]
            if _parts(invoice) not in (None, now.owes(locator)):
                came = f"{_parts(invoice)}, and {now.owes(locator)} of the whole"
                yield self.wrong(
                    "M601", operation, "items", f"items of invoice {locator} that owe what it owes", came, "O, I"
                )
                return
            if now.owes(locator) != left:
                came = f"{now.owes(locator)}"
                yield self.wrong("M605", operation, "invoice", f"{left} left to pay of invoice {locator}", came, "D, I")
                return
            if (invoice.get("invoiceState") == "settled") is not (left == 0):
                came = f"{invoice.get('invoiceState')}, {left} left to pay"
                yield self.wrong("W406", operation, "invoiceState", "settled just when nothing is left", came, "D, I")
                return
        if now.balance != wanted.balance:
            expected = f"a credit balance of {wanted.balance} {self.currency}"
            yield self.wrong("M605", operation, "balance", expected, str(now.balance), "D, I")

    def tells(self, thing: Thing, row: Row, is_reversed: bool = False) -> Iterator[Finding]:
        """The last step's answer says when it took effect, or when, why and by whom it was taken back."""
        step = self.p.operation(self.steps[-1].operation)
        for name in untold(thing.entity, row, is_reversed):
            subject = f"{thing.entity} {name}"
            said = f"{name} of what is {'reversed' if is_reversed else 'carried out'}"
            yield self.wrong("W409", self.p.facts.first("W409", subject, step), subject, said, "none", "O, I")

    def forgiven(self, operation: str, parent: Row, wanted: Mapping[str, Decimal]) -> Iterator[Finding]:
        """What fell short within the tolerance has a shortfall credit of what was missing, and nothing else has."""
        found = [self.ground.read("fetchShortfallCredit", each) for each in children(parent)]
        amounts: dict[str, list[Decimal]] = {}
        for each in found:
            for part in each.get("targets", ()):
                amounts.setdefault(str(part.get("containerLocator")), []).append(money(each.get("amount")))
            if each.get("parentCreditLocator") != parent.get("locator"):
                came = f"{each.get('parentCreditLocator')}"
                yield self.wrong("M606", operation, "parentCreditLocator", f"{parent.get('locator')}", came, "S, I")
                return
        for locator in wanted.keys() | amounts.keys():
            expected, there = wanted.get(locator), amounts.get(locator, [])
            said = f"{f'a shortfall credit of {expected}' if expected else 'none'} on invoice {locator}"
            if expected is None:
                yield self.wrong("M605", operation, "shortfall", said, f"one of {there[0]}", "S, D")
            elif not there:
                yield self.wrong("W406", operation, "shortfall", said, "none", "S, D")
            elif len(there) > 1:
                yield self.wrong("W407", operation, "shortfall", said, f"{len(there)} of them", "S, M")
            elif there[0] != expected:
                yield self.wrong("M601", operation, "shortfall", said, f"one of {there[0]}", "S, D")

    def took(self, operation: str, row: Row, wanted: Sequence[Decimal]) -> Iterator[Finding]:
        """Each target got what it should."""
        targets = row.get("targets")
        found = [money(each.get("amount")) for each in targets] if isinstance(targets, list) else []
        if found != list(wanted):
            said = ", ".join(map(str, wanted))
            yield self.wrong("M601", operation, "targets", f"targets of {said}", ", ".join(map(str, found)), "D, M")
        elif "remainingAmount" in row and money(row["remainingAmount"]) != 0:
            came = f"{row['remainingAmount']}"
            yield self.wrong("M601", operation, "remainingAmount", "0 once it is posted", came, "O, M")

    def taken_back(self, thing: Thing, before: Scene, was: Scene, *forgiven: str) -> Iterator[Finding]:
        """Reverse, and see that all is as it was before.

        was: what it was until now; forgiven: shortfall credits that go with it
        """
        operation = self.stage.by_event(thing.entity, "reverse").id
        row = self.do(thing, "reverse")
        silent = list(self.tells(thing, row, is_reversed=True))
        yield from silent
        if silent:
            return
        if thing.entity in ("Payment", "CreditDistribution") and row.get("reversalReason") != self.ground.reason:
            came = f"{row.get('reversalReason')!r}"
            yield self.wrong(
                "W406", operation, "reversalReason", f"the reversal type {self.ground.reason!r}", came, "O, D"
            )
            return
        for each in forgiven:
            child = self.ground.read("fetchShortfallCredit", each)
            if child.get("shortfallCreditState") != "reversed":
                came = f"{child.get('shortfallCreditState')}"
                yield self.wrong("W406", operation, "shortfall", "its shortfall credit reversed with it", came, "I, M")
                return
        now = self.scene()
        wanted = Outcome(before.balance, {each: before.owes(each) for each in before.invoices})
        found = list(self.lies(operation, wanted, now))
        yield from found
        for locator, invoice in now.invoices.items() if not found else ():
            if was.invoices[locator].get("invoiceState") == "settled" and "unsettledTime" not in invoice:
                yield self.wrong(
                    "W406",
                    operation,
                    "unsettledTime",
                    f"a time at which invoice {locator} opened again",
                    "none",
                    "O, I",
                )
                return


def children(parent: Row) -> list[str]:
    """The shortfall credits that a credit names."""
    found = parent.get("shortfallCreditLocators")
    return [str(each) for each in found] if isinstance(found, list) else []


def _parts(invoice: Row) -> Decimal | None:
    """What the items of an invoice owe together; None where none are shown."""
    items = invoice.get("invoiceItems")
    return sum((money(each.get("remainingAmount")) for each in items), ZERO) if isinstance(items, list) else None
