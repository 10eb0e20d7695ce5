"""What might be called next in the small world of credits: mostly what gets on, and often enough what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.credits_model import (
    CREATES,
    DISBURSEMENT,
    DISTRIBUTION,
    MOVES,
    PAYMENT,
    SHORTFALL,
    WRITE_OFF,
    Credit,
    Invoice,
    Item,
    Model,
    Part,
    Refused,
    Step,
)
from tests.credits_small import ACCOUNTS, AWAY, DISCARDED, HOME, INSTRUMENTS, NOWHERE, UNKNOWN, ulid
from tests.credits_wire import CURRENCIES, HAVE_BODIES

# How often what is tried; what leads on must not drown among what is always possible.
OFFERS = {
    "move": 45,
    "payment": 22,
    "distribution": 14,
    "disbursement": 7,
    "write_off": 4,
    "invoice": 5,
    "look": 5,
    "token": 3,
    "story": 10,
}
_POST, _EXECUTE = ("validatePayment", "postPayment"), ("validateCreditDistribution", "executeCreditDistribution")
_CHARGE = ("validatePayment", "executePayment")
_PAY_OUT = ("validateDisbursement", "approveDisbursement", "executeDisbursement")
WAYS_ON: dict[str, Sequence[Sequence[str]]] = {
    PAYMENT: (_POST, _POST, _CHARGE, _CHARGE, _POST[:1]),
    DISTRIBUTION: (_EXECUTE, _EXECUTE, _EXECUTE[:1], (_EXECUTE[0], "resetCreditDistribution")),
    DISBURSEMENT: (_PAY_OUT, _PAY_OUT[:2], _PAY_OUT[:1]),
    WRITE_OFF: ((),),
}
_AMOUNTS = ({"amount": 0}, {"amount": -5}, {"amount": 10.005}, {"amount": "ten"}, {"targets": None})
BROKEN: dict[str, Sequence[dict[str, Any]]] = dict.fromkeys(HAVE_BODIES, _AMOUNTS)
BROKEN |= {"createDisbursement": (*_AMOUNTS[:4], {"sources": "all"}), "writeOff": ({"targets": {}},)}
BROKEN |= {"reversePayment": ({"reversalType": 7},), "reverseCreditDistribution": ({"reversalType": ""},)}
BROKEN |= {"updatePayment": ({"addTargets": None},), "updateCreditDistribution": ({"addTargets": 1}, {"amount": 0})}
BROKEN |= {"createAuthToken": ({"name": ""}, {"permissions": "payments.write"}, {"expiresAt": "tomorrow"})}


class Calls:
    """Draws calls that fit what the model knows.

    tried: (operation, state, status) -> how often it was tried already
    """

    def __init__(self, model: Model, tried: Mapping[tuple[str, str, int], int]) -> None:
        self.model = model
        self.tried = tried
        self.count = 0

    def home(self, part: Part) -> tuple[Invoice, Item | None] | None:
        """The invoice that a part names, and the item, if there is such."""
        if part.type == "invoice":
            return (self.model.invoices[part.locator], None) if part.locator in self.model.invoices else None
        return self.model.homes.get(part.locator)

    def chosen(self, draw: Random) -> Iterator[Step]:
        """A call: nine of ten by somebody who may; and after what makes something, often those that lead it on."""
        name = draw.choices(list(OFFERS), list(OFFERS.values()))[0]
        if name == "story":
            yield from draw.choice(
                (self._forgiven_once, self._owed_no_more, self._drawn_already, self._spent, self._askew)
            )(draw)
            return
        wanted: Step = getattr(self, f"_{name}")(draw)
        if wanted.operation in HAVE_BODIES and draw.random() < 0.03:
            wanted = replace(wanted, args={**wanted.args, "broken": draw.choice(BROKEN[wanted.operation])})
        known = len(self.model.credits)
        yield replace(wanted, caller=self.caller(draw, wanted))
        if wanted.operation == "createAuthToken" and draw.random() < 0.2:
            yield from [replace(wanted, caller="admin")] * 3
        if wanted.operation in CREATES and len(self.model.credits) > known:
            credit, way = self.model.credits[-1], WAYS_ON[CREATES[wanted.operation]]
            for operation in draw.choice(way) if draw.random() < 0.8 else ():
                if credit.valid is False or draw.random() < 0.08:
                    break
                onward = Step("", operation, credit.tenant, credit.locator)
                yield replace(onward, caller=self.caller(draw, onward))

    # Stories that chance would seldom tell

    def _made(self, draw: Random, operation: str, tenant: str, *onward: str, **args: Any) -> Iterator[Step]:
        """Something new, led on by those who may."""
        known = len(self.model.credits)
        step = Step("", operation, tenant, args=args)
        yield replace(step, caller=self.able(draw, step))
        for each in onward if len(self.model.credits) > known else ():
            if self.model.credits[known].valid is False and not each.startswith("validate"):
                return
            yield from self._moved(draw, each, self.model.credits[known])

    def _moved(self, draw: Random, operation: str, credit: Credit, **args: Any) -> Iterator[Step]:
        step = Step("", operation, credit.tenant, credit.locator, args)
        yield replace(step, caller=self.able(draw, step))

    def _paid(self, draw: Random, invoice: Invoice, amount: int) -> Iterator[Step]:
        targets = [Part(invoice.locator, "invoice")]
        yield from self._made(
            draw, "createPayment", invoice.tenant, *_POST, amount=amount, type="Cash", targets=targets
        )

    def _owing(self, draw: Random, least: int) -> Invoice:
        found = [each for each in self.model.invoices.values() if self.model.owes(each) > least]
        return draw.choice(found or list(self.model.invoices.values()))

    def _forgiven_once(self, draw: Random) -> Iterator[Step]:
        """Paid in two parts, the second short within the tolerance; the first taken back, and paid short again."""
        invoice = self._owing(draw, 500)
        tolerance, known = self.model.tolerance(invoice), len(self.model.credits)
        yield from self._paid(draw, invoice, max(1, self.model.owes(invoice) // 2))
        yield from self._paid(draw, invoice, max(1, self.model.owes(invoice) - tolerance))
        if len(self.model.credits) > known:
            yield from self._moved(draw, "reversePayment", self.model.credits[known], reason="correction")
        yield from self._paid(draw, invoice, max(1, self.model.owes(invoice) - draw.randint(0, tolerance)))

    def _owed_no_more(self, draw: Random) -> Iterator[Step]:
        """A distribution that was valid until something else has settled its target, wholly or in part."""
        invoice = self._owing(draw, 100)
        amount, targets = self.model.owes(invoice), [Part(invoice.locator, "invoice")]
        yield from self._paid(draw, invoice, max(1, 2 * amount))
        known = len(self.model.credits)
        other = self._owing(draw, 100)
        balance = self.model.balance(other.account, other.currency)
        amount, targets = min(balance, self.model.owes(other)), [Part(other.locator, "invoice")]
        if amount > 0:
            sources = [Part(other.account, "account")]
            valid = {"amount": amount, "sources": sources, "targets": targets}
            yield from self._made(draw, "createCreditDistribution", other.tenant, _EXECUTE[0], **valid)
            yield from self._paid(draw, other, max(1, self.model.owes(other) - draw.choice((0, amount // 2))))
            for each in self.model.credits[known : known + 1]:
                yield from self._moved(draw, _EXECUTE[1], each)

    def _drawn_already(self, draw: Random) -> Iterator[Step]:
        """Two distributions out of one negative invoice, each valid alone."""
        negative = [each for each in self.model.invoices.values() if self.model.owes(each) < -1]
        invoice = draw.choice(negative or list(self.model.invoices.values()))
        held, known = abs(self.model.owes(invoice)), len(self.model.credits)
        for amount in (held, held - draw.randint(0, held // 2)):
            sources, targets = [Part(invoice.locator, "invoice")], [Part(invoice.account, "account")]
            valid = {"amount": max(1, amount), "sources": sources, "targets": targets}
            yield from self._made(draw, "createCreditDistribution", invoice.tenant, _EXECUTE[0], **valid)
        for each in self.model.credits[known : known + 2]:
            yield from self._moved(draw, _EXECUTE[1], each)

    def _spent(self, draw: Random) -> Iterator[Step]:
        """A payment of too much, whose rest is paid out before the payment is taken back."""
        invoice = self._owing(draw, 0)
        known = len(self.model.credits)
        yield from self._paid(draw, invoice, max(1, self.model.owes(invoice) + 700))
        held = self.model.balance(invoice.account, invoice.currency)
        if held:
            out = {"amount": held - draw.choice((0, 0, min(699, held - 1))), "currency": invoice.currency}
            out |= {"account": invoice.account, "sources": [], "type": "Cheque"}
            yield from self._made(draw, "createDisbursement", invoice.tenant, *WAYS_ON[DISBURSEMENT][0], **out)
            yield from self._moved(draw, "reversePayment", self.model.credits[known], reason="correction")

    def _askew(self, draw: Random) -> Iterator[Step]:
        """Targets that stand twice, lie in one another, or are another account's, where there is money for them."""
        invoice = self._owing(draw, 100)
        yield from self._made(
            draw, "createPayment", invoice.tenant, *_POST, amount=15000, type="Cash", targets=[],
            account=invoice.account, currency=invoice.currency,
        )  # fmt: skip
        whole, item = Part(invoice.locator, "invoice"), Part(invoice.items[0].locator, "invoiceItem")
        like = [each for each in self.model.invoices.values() if each.currency == invoice.currency]
        other = draw.choice([each for each in like if each.tenant == invoice.tenant])
        owed = max(100, self.model.owes(invoice))
        parts = draw.choice(
            (
                [replace(whole, amount=owed // 2), replace(whole, amount=owed - owed // 2)],
                [replace(item, amount=owed - owed // 4), replace(whole, amount=owed // 2)],
                [item, whole],
                [whole, Part(other.locator, "invoice")],
            )
        )
        amount = sum(part.amount or 0 for part in parts) or owed
        if draw.random() < 0.5:
            args = {"amount": amount, "type": "Cash", "targets": parts}
            yield from self._made(draw, "createPayment", invoice.tenant, *_POST, **args)
        else:
            args = {"amount": amount, "sources": [], "targets": parts}
            yield from self._made(draw, "createCreditDistribution", invoice.tenant, *_EXECUTE, **args)

    # Who calls, and what

    def able(self, draw: Random, wanted: Step) -> str:
        """Somebody who may."""
        return draw.choice([name for name in self.model.callers if self.is_let_in(name, wanted)])

    def caller(self, draw: Random, wanted: Step) -> str:
        names = [*self.model.callers, "nobody", "stranger"]
        able = [name for name in self.model.callers if self.is_let_in(name, wanted)]
        return draw.choice(able if able and draw.random() < 0.9 else names)

    def is_let_in(self, name: str, wanted: Step) -> bool:
        try:
            self.model._let_in(replace(wanted, caller=name))
        except Refused:
            return False
        return True

    def _move(self, draw: Random) -> Step:
        """An event of a credit that there is."""
        rare = draw.random()
        pairs = [
            (operation, each)
            for each in self.model.credits
            for operation, (kind, states, _) in MOVES.items()
            if each.kind == kind and (each.state in states.split()) == (rare < 0.75)
        ]
        charged = [each for each in self.model.credits if each.state in ("requested", "executing")]
        if charged and draw.random() < 0.2:
            # These states pass by themselves, so that chance alone would seldom meet them.
            rare = 1.0
            pairs = [(name, each) for each in charged for name, (kind, _, _) in MOVES.items() if kind == PAYMENT]
        if not pairs:
            operation, credit = draw.choice(list(MOVES)), Credit("", HOME, 0, None, "", "", locator=UNKNOWN)
        elif rare < 0.5:
            operation, credit = draw.choices(pairs, [self.weight(*pair) for pair in pairs])[0]
        else:
            # What was tried least: the walks are many, and should see every state with every event.
            tried = Counter[tuple[str, str]]()
            for key, count in self.tried.items():
                tried[key[:2]] += count * (key[2] in (200, 400))
            known = sorted({(operation, each.state) for operation, each in pairs}, key=lambda pair: (tried[pair], pair))
            operation, state = draw.choice([pair for pair in known if tried[pair] == tried[known[0]]])
            credit = draw.choice([each for name, each in pairs if (name, each.state) == (operation, state)])
        tenant = credit.tenant if draw.random() < 0.97 else draw.choice((HOME, AWAY, NOWHERE))
        return Step("", operation, tenant, credit.locator, self.arguments(draw, operation, credit))

    def weight(self, operation: str, credit: Credit) -> int:
        """How likely it is: what is outdated by now, or was spent, or has let another be forgiven, most of all."""
        model = self.model
        if operation.startswith("validate"):
            return 1 if credit.valid is False else 10
        if operation.startswith("reverse"):
            is_spent = credit.fed > model.balance(credit.account or "", credit.currency)
            forgiven = {each.onto[0]: each.parent for each in model.credits if each.kind == SHORTFALL and each.is_live}
            return 30 if is_spent or any(forgiven.get(each, credit) is not credit for each in credit.onto) else 3
        if operation == "executeCreditDistribution":
            return 6 if model.fits(credit) else 40
        return 8 if operation in ("postPayment", "approveDisbursement", "executeDisbursement") else 2

    def arguments(self, draw: Random, operation: str, credit: Credit) -> dict[str, Any]:
        """What the body of an event says."""
        if operation.startswith("reverse") and operation in HAVE_BODIES:
            good = [name for name, kind in self.model.tenants[credit.tenant].reversals.items()]
            return {"reason": draw.choice([*good, *good, "unheard of"])}
        if operation == "createOrReplaceCreditDistribution":
            return self.distribution(draw, credit.tenant)
        if not operation.startswith("update"):
            return {}
        made: dict[str, Any] = {}
        for side in ("targets",) if credit.kind == PAYMENT else ("sources", "targets"):
            there = [part.locator for part in getattr(credit, side)]
            made[f"remove_{side}"] = draw.sample(there, draw.randrange(len(there) + 1)) if draw.random() < 0.6 else []
            if draw.random() < 0.05:
                made[f"remove_{side}"] = [UNKNOWN]
            adds = self.parts(draw, credit.tenant, credit.account, credit.currency)
            made[f"add_{side}"] = adds if side == "targets" and draw.random() < 0.7 else []
        if credit.kind == PAYMENT:
            made |= self.execution(draw, credit.tenant, credit.account)
        elif draw.random() < 0.5:
            made["amount"] = max(1, credit.amount + draw.choice((-100, -1, 1, 500)))
        return made

    def _payment(self, draw: Random) -> Step:
        tenant = self.tenant(draw)
        account = self.account(draw, tenant)
        targets = self.parts(draw, tenant, account)
        made: dict[str, Any] = {"type": draw.choice((*["Cash"] * 9, "Card")), "targets": targets}
        made |= {"amount": self.near(draw, targets), **self.execution(draw, tenant, account)}
        if draw.random() < 0.5:
            made["account"] = account if draw.random() < 0.9 else draw.choice((UNKNOWN, ACCOUNTS[3].locator))
        if draw.random() < 0.1:
            made["currency"] = draw.choice(CURRENCIES)
        return Step("", "createPayment", tenant, args=made)

    def execution(self, draw: Random, tenant: str, account: str | None) -> dict[str, Any]:
        """How it is charged."""
        made: dict[str, Any] = {}
        if draw.random() < 0.25:
            own = [locator for locator, (owner, _) in INSTRUMENTS.items() if owner == account]
            made["instrument"] = draw.choice(own if own and draw.random() < 0.9 else [*INSTRUMENTS, UNKNOWN])
        elif draw.random() < 0.2:
            made["use_default"] = True
        plans = [*self.model.tenants[tenant].retries]
        if plans and draw.random() < 0.35:
            made["plan"] = draw.choice([*plans * 6, "weekly"])
        if draw.random() < 0.02:
            made["mode"] = "aggregate"
        return made

    def _distribution(self, draw: Random) -> Step:
        tenant = self.tenant(draw)
        if draw.random() < 0.8:
            return Step("", "createCreditDistribution", tenant, args=self.distribution(draw, tenant))
        self.count += 1
        new = ulid("C", self.count)
        locator = draw.choice([*(each.locator for each in self.model.credits), *[new] * (1 + len(self.model.credits))])
        args = self.distribution(draw, tenant)
        return Step("", "createOrReplaceCreditDistribution", tenant, locator, args)

    def distribution(self, draw: Random, tenant: str) -> dict[str, Any]:
        """Out of a balance that there is, or of an invoice that owes less than nothing, to what owes something."""
        rich = [
            (account.locator, currency)
            for account in ACCOUNTS
            for currency in CURRENCIES
            if account.tenant == tenant and self.model.balance(account.locator, currency)
        ]
        account, currency = self.account(draw, tenant), ""
        if rich and draw.random() < 0.8:
            account, currency = draw.choice(rich)
        negative = [
            each
            for each in self.model.invoices.values()
            if each.tenant == tenant and self.model.owes(each) < 0 and (not rich or draw.random() < 0.4)
        ]
        sources = [] if draw.random() < 0.3 else [Part(account, "account")]
        targets = self.parts(draw, tenant, account, currency)
        if negative:
            invoice = draw.choice(negative)
            account = invoice.account
            part = Part(invoice.locator, "invoice")
            sources = [part if draw.random() < 0.7 else Part(draw.choice(invoice.items).locator, "invoiceItem")]
            if draw.random() < 0.3:
                sources.append(Part(account, "account"))
            targets = self.parts(draw, tenant, account, invoice.currency)
            targets = [Part(account, "account")] if draw.random() < 0.4 else targets
        held = sum(self.held(part, currency) for part in sources) or self.model.balance(account, currency)
        whole = self.near(draw, targets)
        amount = draw.choice((whole, min(whole, held) or whole, held or whole, held + 1, held // 2 or whole))
        made: dict[str, Any] = {"amount": amount, "sources": sources, "targets": targets}
        if draw.random() < 0.2:
            made["sources"] = [replace(part, amount=max(1, amount // len(sources))) for part in sources]
        if not targets or draw.random() < 0.3:
            made |= {"account": account} | ({"currency": currency} if currency else {})
        return made

    def held(self, part: Part, currency: str) -> int:
        if part.type == "account":
            return self.model.balance(part.locator, currency)
        home = self.home(part)
        return 0 if home is None else self.model.held(home, currency)

    def _disbursement(self, draw: Random) -> Step:
        tenant = self.tenant(draw)
        account, currency = self.account(draw, tenant), draw.choice(CURRENCIES)
        rich = [
            (each.locator, name)
            for each in ACCOUNTS
            for name in CURRENCIES
            if each.tenant == tenant and self.model.balance(each.locator, name)
        ]
        if not rich and draw.random() < 0.8:
            return self._payment(draw)
        if rich and draw.random() < 0.9:
            account, currency = draw.choice(rich)
        held = self.model.balance(account, currency)
        amount = draw.choice((held, held // 2, held // 3, held + 1, 500)) or 700
        sources = [Part(account, "account", draw.choice((None, None, amount)))] if draw.random() < 0.6 else []
        if draw.random() < 0.1:
            sources += self.parts(draw, tenant, account)
        made = {"amount": amount, "sources": sources, "currency": currency, "account": account}
        made["type"] = "Cheque" if draw.random() < 0.95 else "Gold"
        return Step("", "createDisbursement", tenant, args=made)

    def _write_off(self, draw: Random) -> Step:
        tenant = self.tenant(draw)
        account = self.account(draw, tenant)
        targets = self.parts(draw, tenant, account)
        if draw.random() < 0.05:
            account = UNKNOWN
        return Step("", "writeOff", tenant, args={"account": account, "targets": targets})

    def _invoice(self, draw: Random) -> Step:
        operation = draw.choice(("writeOffInvoice", "settleNegativeOrZeroInvoice", "settleNegativeOrZeroInvoice"))
        settling = operation.startswith("settle")
        all_of_them = list(self.model.invoices.values())
        fitting = [each for each in all_of_them if (self.model.owes(each) <= 0) == settling]
        invoice = draw.choice(fitting if fitting and draw.random() < 0.8 else all_of_them)
        locator = invoice.locator if draw.random() < 0.95 else UNKNOWN
        tenant = invoice.tenant if draw.random() < 0.95 else draw.choice((HOME, AWAY, NOWHERE))
        args = {"forced": draw.random() < 0.4} if settling else {}
        return Step("", operation, tenant, locator, args)

    def _look(self, draw: Random) -> Step:
        """A read, to see who is let in; or a preview of what a payment in any state would do."""
        operation = draw.choice(("previewPaymentPost", "previewPaymentPost", "fetchCredits", "getInvoiceWithItems"))
        if operation == "previewPaymentPost":
            payments = [each for each in self.model.credits if each.kind == PAYMENT]
            if payments:
                payment = draw.choice(payments)
                return Step("", operation, payment.tenant, payment.locator)
            operation = "fetchCredits"
        invoice = draw.choice(list(self.model.invoices.values()))
        tenant = draw.choice((invoice.tenant, invoice.tenant, HOME, AWAY, NOWHERE))
        return Step("", operation, tenant, invoice.locator if operation == "getInvoiceWithItems" else "")

    def _token(self, draw: Random) -> Step:
        """An access token, with rights and tenants that its user may or may not hold."""
        right = (["payments.write", "payments.read"], ["payments.*"], ["invoices.write"])
        rights = draw.choice((*right, *right, *right, ["*.*"], ["*.write"], []))
        tenants = draw.choice(([HOME], [HOME], [HOME], [HOME, AWAY], ["any"], [NOWHERE], [AWAY]))
        until = draw.choice((None, None, 0.5, 1.5, 2.5, -1))
        args = {"name": "export", "permissions": rights, "tenants": tenants, "until": until}
        return Step("", "createAuthToken", "", args=args)

    @staticmethod
    def tenant(draw: Random) -> str:
        return HOME if draw.random() < 0.75 else AWAY

    @staticmethod
    def account(draw: Random, tenant: str) -> str:
        own = [each.locator for each in ACCOUNTS if each.tenant == tenant]
        return draw.choices(own, [12, 5, 1][: len(own)])[0]

    def parts(self, draw: Random, tenant: str, account: str | None, currency: str = "") -> list[Part]:
        """Targets: one or several invoices or items of the account, in one currency, one time of eight a wrong one."""
        model = self.model
        own = [each for each in model.invoices.values() if each.account == account and not each.discarded]
        own = [each for each in own if currency in ("", each.currency)] or own
        owing = [each for each in own if model.owes(each) > 0]
        pool = owing if owing and draw.random() < 0.85 else own
        touched = {locator for each in model.credits for locator in each.onto}
        again = [each for each in pool if each.locator in touched]
        pool = again if again and draw.random() < 0.5 else pool
        if not pool or draw.random() < 0.06:
            return []
        first = draw.choice(pool)
        same = [each for each in pool if each.currency == first.currency and each is not first]
        picked = [first, *draw.sample(same, min(len(same), draw.choice((0, 0, 0, 1, 1, 2))))]
        found = []
        for invoice in picked:
            part = Part(invoice.locator, "invoice")
            if draw.random() < 0.3:
                part = Part(draw.choice(invoice.items).locator, "invoiceItem")
            if draw.random() < 0.2:
                owed = max(1, model.owes(invoice))
                part = replace(part, amount=draw.choice((owed, max(1, owed // 2), owed + 100, 1, max(1, owed - 100))))
            found.append(part)
        if draw.random() < 0.06 and account is not None:
            found.append(Part(account, "account", draw.choice((None, 100))))
        if draw.random() < 0.08:
            others = [Part(each.locator, "invoice") for each in model.invoices.values() if each not in own]
            wrong = [Part(UNKNOWN, "invoice"), Part(DISCARDED, "invoice"), replace(found[0], type="invoiceItem")]
            like = [each for each in model.invoices.values() if each not in own and each.currency == first.currency]
            wrong += [Part(each.locator, "invoice") for each in like if each.tenant == tenant]
            wrong += [found[0], Part(UNKNOWN, "subpayment"), Part(ACCOUNTS[1].locator, "account")]
            found.append(draw.choice([*wrong, draw.choice(others)]))
        return found

    def near(self, draw: Random, targets: Sequence[Part]) -> int:
        """An amount about what the targets owe: the tolerances and a cent beside them, halves, and far too much."""
        homes = {home[0].locator: home[0] for part in targets if (home := self.home(part)) is not None}
        owed = sum(max(0, self.model.owes(each)) for each in homes.values())
        tolerances = [self.model.tolerance(each) for each in homes.values()] or [0]
        short = draw.choice(tolerances)
        off = draw.choice((0, 0, -short, -short, -short - 1, 1 - short, -1, 1, 1500, 4000, -owed // 2, -owed // 3))
        return max(1, owed + off)
