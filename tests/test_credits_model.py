"""The world behind the credits beside a small model of it: random calls by everybody, and its laws after each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.credits_calls import Calls
from tests.credits_invariants import check
from tests.credits_model import (
    DISBURSEMENT,
    DISTRIBUTION,
    MOVES,
    PAYMENT,
    SHORTFALL,
    WRITE_OFF,
    Credit,
    Invoice,
    Model,
    Part,
    Refused,
    Step,
)
from tests.credits_small import ACCOUNTS, AWAY, CALLERS, HOME, INSTRUMENTS, TENANTS, UNKNOWN, USERS, app, small_invoices
from tests.credits_wire import (
    LISTS,
    QUIET,
    ROUTES,
    billed,
    body,
    cents,
    meant,
    said,
    shown_invoice,
    summary,
    summed,
    timeless,
)
from tests.driver import Answer, Client
from tests.fingerprint import fingerprint

WAYS = ("immediate", "manual", "reads:2", "after:3000")


class Credits(RuleBasedStateMachine):
    """The server and the model, step by step."""

    processing: ClassVar[str] = "immediate"
    covered: ClassVar[Tried]
    """(operation, state, status) -> how often it was tried"""

    def __init__(self) -> None:
        super().__init__()
        self.app = app(self.processing)
        self.app.reset()
        mode, _, number = self.processing.partition(":")
        self.model = Model(
            tenants=TENANTS,
            accounts=ACCOUNTS,
            instruments=INSTRUMENTS,
            invoices=small_invoices(),
            callers=CALLERS,
            mode=mode,
            reads=int(number) if mode == "reads" else 0,
        )
        self.clients = {each.name: Client(self.app, f"{each.name}-token") for each in CALLERS}
        self.clients |= {"nobody": Client(self.app, None), "stranger": Client(self.app, "pat_unknown")}
        self.admin = self.clients["admin"]
        self.picture: dict[str, Any] = {}
        self.is_now = False
        self.calls = Calls(self.model, self.covered)
        self.count = 0
        self.agree(Random(0))

    # What is done

    @initialize(numbers=st.tuples(*[st.integers(0, 99)] * 2))
    def a_beginning(self, numbers: tuple[int, ...]) -> None:
        """Two payments that are posted: one that is short by what is tolerated or a cent more, one that is too much."""
        draw = Random(repr(numbers))
        for over in (-draw.choice((99, 100, 101)), draw.choice((2000, 12345))):
            invoice = draw.choice([each for each in self.model.invoices.values() if self.model.owes(each) > 500])
            targets, amount = [Part(invoice.locator, "invoice")], self.model.owes(invoice) + over
            args = {"type": "Cash", "amount": amount, "targets": targets}
            self.perform(Step("clerk", "createPayment", invoice.tenant, args=args), draw)
            for operation in ("validatePayment", "postPayment"):
                locator = self.model.credits[-1].locator
                # One on an account that is not in use stays a draft.
                if self.model.credits[-1].valid is not False:
                    self.perform(Step("clerk", operation, invoice.tenant, locator), draw)
            self.agree(draw)

    # Small ranges are drawn evenly; of a large one Hypothesis would try the same few numbers over and over.
    @rule(numbers=st.tuples(*[st.integers(0, 99)] * 5))
    def step(self, numbers: tuple[int, ...]) -> None:
        """Something that anybody might call, or time that passes; what it is follows from the numbers."""
        self.count += 1  # so that steps that Hypothesis repeats are others
        draw = Random(repr((self.count, numbers)))
        roll = draw.random()
        if self.model.jobs and roll < (0.04 if self.model.mode == "immediate" else 0.4):
            self.let_happen(draw)
        elif roll > 0.985:
            self.let_an_hour_pass()
        else:
            for wanted in self.calls.chosen(draw):
                self.perform(wanted, draw)
        self.agree(draw)

    def let_happen(self, draw: Random) -> None:
        """What waits happens: by hand, by the clock, or by looking."""
        if self.model.mode == "manual":
            payment = draw.choice(self.model.jobs).payment
            only = draw.random() < 0.5
            path = "//__mock__/jobs/release" + (f"?subject={payment.locator}" if only else "")
            assert self.admin.post(path).status == 200
            self.model.run(lambda job: not only or job.payment is payment, again=False)
        elif self.model.mode == "after":
            self.let_an_hour_pass()
        else:
            payment = draw.choice(self.model.jobs).payment
            self.ask("admin", "GET", f"//billing/{payment.tenant}/payments/{payment.locator}")
            self.model.seen([payment.locator])

    def let_an_hour_pass(self) -> None:
        self.app.world.clock.advance(timedelta(hours=1))
        self.model.passed()

    def ask(self, caller: str, method: str, path: str, **options: Any) -> Answer:
        """A call; whatever is due happens before it, on both sides."""
        self.model.settle()
        return self.clients[caller].request(method, path, **options)

    def perform(self, wanted: Step, draw: Random) -> None:
        """Do it on both sides; what is refused, or only looks, changes nothing."""
        # Whether the picture is that of now: nothing was called since, nor has work come due by looking.
        is_now = self.is_now and (self.model.mode != "reads" or not self.model.jobs)
        self.ask("admin", "GET", QUIET)
        before, picture = fingerprint(self.app.world), self.picture
        state = self.state_of(wanted)
        is_read = ROUTES.get(wanted.operation, ("POST",))[0] == "GET"
        preview = self.previewed(wanted) if wanted.operation == "postPayment" else None
        status, credit = 200, None
        try:
            credit = self.model.do(wanted)
        except Refused as refused:
            status = refused.status
        answer = self.send(wanted)
        assert answer.status == status, (wanted, state, status, answer)
        self.covered[wanted.operation, state, status] += 1
        if status >= 300 or is_read:
            assert fingerprint(self.app.world) == before, wanted
        if status >= 300:
            self.told(answer)
            return
        self.is_now &= is_read
        self.learn(wanted, credit, answer)
        if credit is not None and wanted.operation.startswith("validate"):
            assert answer.json["validationResult"]["success"] is credit.valid, (wanted, answer)
            assert bool(answer.json["validationResult"]["validationItems"]) is not credit.valid
        if preview is not None and credit is not None:
            self.came_true(preview, credit)
        if credit is not None and credit.is_live and not is_read and is_now and draw.random() < 0.25:
            self.there_and_back(wanted, credit, picture, draw)

    def told(self, answer: Answer) -> None:
        """A refusal says its status, a word for it, and how to mend it (6)."""
        words = {400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "notFound"}
        found = answer.json
        assert found.keys() == {"status", "error", "message", "requestId"}
        assert (found["status"], found["error"]) == (answer.status, words[answer.status])
        assert found["message"]

    def there_and_back(self, wanted: Step, credit: Credit, before: dict[str, Any], draw: Random) -> None:
        """Reversed at once, it leaves everything as it was, but for its own record and those of its shortfalls."""
        self.agree(draw)
        names = {PAYMENT: "Payment", DISTRIBUTION: "CreditDistribution", DISBURSEMENT: "Disbursement"}
        back = Step("admin", f"reverse{names.get(credit.kind, 'WriteOff')}", credit.tenant, credit.locator)
        if credit.kind in (PAYMENT, DISTRIBUTION):
            back = replace(back, args={"reason": "correction"})
        assert self.model.do(back) is credit
        answer = self.send(back)
        assert answer.status == 200, (wanted, back, answer)
        self.covered[back.operation, "back", 200] += 1
        self.agree(draw)
        own = {credit.locator, *(each.locator for each in self.model.credits if each.parent is credit)}
        for what in ("invoices", "balances", "credits"):
            was, now = (
                {key: timeless(value) for key, value in shown[what].items() if key not in own}
                for shown in (before, self.picture)
            )
            assert now == was, (wanted, what)

    def state_of(self, wanted: Step) -> str:
        if wanted.operation in MOVES:
            credit = self.model.find(MOVES[wanted.operation][0], wanted.id)
            return credit.state if credit is not None and credit.tenant == wanted.tenant else ""
        return ""

    def send(self, wanted: Step) -> Answer:
        """The call as it goes over the wire."""
        method, path = ROUTES.get(wanted.operation, ("POST", ""))
        path = f"//billing/{wanted.tenant}{path.format(id=wanted.id)}"
        if wanted.operation == "createAuthToken":
            path = "//auth/users/tokens"
        elif wanted.args.get("forced"):
            path += "?forced=true"
        return self.clients[wanted.caller].request(method, path, body=body(wanted))

    def learn(self, wanted: Step, credit: Credit | None, answer: Answer) -> None:
        """What only the server can say: locators and tokens."""
        if wanted.operation == "createAuthToken":
            made = self.model.issued[-1]
            self.clients[made.name] = Client(self.app, answer.json)
        elif wanted.operation == "settleNegativeOrZeroInvoice":
            assert answer.json["listCompleted"] is True
            assert len(answer.json["items"]) == (credit is not None)
            if credit is not None:
                credit.locator = answer.json["items"][0]["locator"]
        elif credit is not None and not credit.locator:
            credit.locator = answer.json["locator"]
            assert sum(each.locator == credit.locator for each in self.model.credits) == 1

    def previewed(self, wanted: Step) -> dict[str, Any] | None:
        """What posting would do, as the server says before it; None where it will not be posted."""
        if wanted.tenant not in (HOME, AWAY):
            return None
        answer = self.admin.get(f"//billing/{wanted.tenant}/payments/{wanted.id}/previewPost")
        found: dict[str, Any] = answer.json
        return found if answer.status == 200 else None

    def came_true(self, preview: Mapping[str, Any], payment: Credit) -> None:
        """Posting has done what its preview said."""
        self.bind()
        own = [payment, *(each for each in self.model.credits if each.parent is payment)]
        shown = sorted(map(summary, preview["credits"]), key=repr)
        assert shown == sorted(map(summed, own), key=repr), (preview, own)
        forgiven = sorted((said(SHORTFALL, each) for each in preview["shortfallCredits"]), key=repr)
        # The preview was asked for by another, who would have caused it.
        wanted = sorted((meant(each, ()) | {"by": USERS["Mira"]} for each in own[1:]), key=repr)
        assert forgiven == wanted, (preview, own)
        for each in preview["invoices"]:
            now = self.admin.get(f"//billing/{payment.tenant}/invoices/{each['locator']}").json
            assert shown_invoice(each) == shown_invoice(now)
        named = {home[0].locator for part in payment.targets if (home := self.calls.home(part)) is not None}
        assert {each["locator"] for each in preview["invoices"]} == named

    # What is compared

    def agree(self, draw: Random) -> None:
        """The server shows what the model says, of everything, and every law of 11.5 holds."""
        self.ask("admin", "GET", QUIET)
        self.bind()
        before = fingerprint(self.app.world) if self.model.mode != "reads" else ""
        model = self.model
        picture: dict[str, Any] = {"credits": {}, "invoices": {}, "balances": {}}
        for tenant in model.tenants:
            everything: dict[str, Any] = {}
            for kind, (path, _) in LISTS.items():
                shown = self.listed(tenant, path)
                own = {each.locator: each for each in model.credits if (each.tenant, each.kind) == (tenant, kind)}
                assert shown.keys() == own.keys(), (kind, shown.keys() ^ own.keys())
                for locator, found in shown.items():
                    children = [each for each in model.credits if each.parent is own[locator]]
                    assert said(kind, found) == meant(own[locator], children), (found, own[locator])
                everything |= own
            shown = self.listed(tenant, "credits")
            assert {key: summary(found) for key, found in shown.items()} == {
                key: summed(credit) for key, credit in everything.items()
            }
            picture["credits"] |= shown
            self.paged(tenant, shown, draw)
        self.invoices(picture, draw)
        self.balances(picture)
        self.below(draw)
        self.nothing_is_invented(picture)
        assert not before or fingerprint(self.app.world) == before
        check(self.app.world)
        self.picture, self.is_now = picture, True

    def listed(self, tenant: str, path: str) -> dict[str, Any]:
        """A list as the admin sees it, by locator; it is in order, and complete."""
        answer = self.ask("admin", "GET", f"//billing/{tenant}/{path}/list?count=1000")
        assert answer.status == 200, answer
        found = answer.json
        assert found["listCompleted"] is True
        ages = [(each["createdAt"], each["locator"]) for each in found["items"]]
        assert ages == sorted(ages)
        shown = {each["locator"]: each for each in found["items"]}
        assert len(shown) == len(ages)
        numbers = [
            each[name] for name in ("paymentNumber", "disbursementNumber") for each in shown.values() if name in each
        ]
        assert len(set(numbers)) == len(numbers)
        if path == "payments":
            self.model.seen(shown)
        elif path == "shortfallCredits":
            self.learned(shown)
        return shown

    def bind(self) -> None:
        """Learn the locators of new shortfall credits."""
        self.model.settle()
        for tenant in sorted({each.tenant for each in self.model.credits if not each.locator}):
            self.listed(tenant, "shortfallCredits")

    def learned(self, shown: Mapping[str, Any]) -> None:
        """New shortfall credits are told by the credit that fell short, and the invoice."""
        new = {(each.parent.locator, each.onto[0]): each for each in self.model.credits if each.parent is not None}
        known = {each.locator for each in self.model.credits}
        for locator, found in shown.items():
            if locator not in known:
                new[found["parentCreditLocator"], found["targets"][0]["containerLocator"]].locator = locator

    def paged(self, tenant: str, shown: Mapping[str, Any], draw: Random) -> None:
        """A page anywhere, of all or of one account, is that part of the whole list (2.2)."""
        account = draw.choice([None, *(each.locator for each in ACCOUNTS), UNKNOWN])
        offset, count = draw.randrange(0, len(shown) + 2), draw.randrange(1, 6)
        path = f"//billing/{tenant}/credits/list?offset={offset}&count={count}"
        answer = self.ask("admin", "GET", path + (f"&accountLocator={account}" if account else "")).json
        wanted = [each for each in shown.values() if account in (None, each.get("accountLocator"))]
        assert answer["items"] == wanted[offset : offset + count]
        assert answer["listCompleted"] is (offset + len(answer["items"]) >= len(wanted))

    def invoices(self, picture: dict[str, Any], draw: Random) -> None:
        """What is owed, by list; and by item, with the credits, of whatever has changed and of one more."""
        model = self.model
        rows: dict[str, Any] = {}
        for account in ACCOUNTS:
            path = f"//billing/{account.tenant}/invoices/accounts/{account.locator}/list"
            found = {each["locator"]: each for each in self.ask("admin", "GET", path).json["items"]}
            assert found.keys() == {each.locator for each in model.invoices.values() if each.account == account.locator}
            rows |= found
        picked = draw.choice(list(rows))
        for locator, row in rows.items():
            invoice = model.invoices[locator]
            assert shown_invoice(row) == billed(model, invoice, items=False), row
            was = self.picture.get("invoices", {}).get(locator)
            if locator != picked and was is not None and was["row"] == row and was["credits"] == self.onto(invoice):
                picture["invoices"][locator] = dict(was)
                continue
            path = f"//billing/{invoice.tenant}/invoices/{locator}"
            full = shown_invoice(self.ask("admin", "GET", path).json)
            assert full == billed(model, invoice, items=True), (invoice, full)
            self.credited(invoice, path, picture["credits"])
            picture["invoices"][locator] = full | {"row": row, "credits": self.onto(invoice)}

    def onto(self, invoice: Invoice) -> list[tuple[str, str]]:
        """The credits that were applied to an invoice, with their states."""
        return [(each.locator, each.state) for each in self.model.credits if invoice.locator in each.onto]

    def credited(self, invoice: Invoice, path: str, credits: Mapping[str, Any]) -> None:
        """C4, and the payments and distributions of an invoice: what was applied, what was reversed only on demand."""
        applied = [each for each in self.model.credits if invoice.locator in each.onto]
        for flag in (False, True):
            said = f"?includeReversed={str(flag).lower()}&count=1000"
            wanted = {each.locator: each for each in applied if each.is_live or flag}
            found = self.ask("admin", "GET", f"{path}/credits/list{said}").json["items"]
            assert {each["locator"]: each for each in found} == {key: credits[key] for key in wanted}
            assert len(found) == len(wanted)
            for kind in (PAYMENT, DISTRIBUTION):
                found = self.ask("admin", "GET", f"{path}/{LISTS[kind][0]}/list{said}").json["items"]
                own = {key for key, each in wanted.items() if each.kind == kind}
                assert {each["locator"] for each in found} == own

    def below(self, draw: Random) -> None:
        """What lies below a payment, and which payments name a thing: of one of each, another every time."""
        payments = [each for each in self.model.credits if each.kind == PAYMENT]
        if not payments:
            return
        payment = draw.choice(payments)
        path = f"//billing/{payment.tenant}/payments"
        found = self.ask("admin", "GET", f"{path}/{payment.locator}/shortfallCredits/list").json["items"]
        assert {each["locator"] for each in found} == {e.locator for e in self.model.credits if e.parent is payment}
        for flag in (False, True):
            said = f"invoices/list?includeReversed={str(flag).lower()}"
            found = self.ask("admin", "GET", f"{path}/{payment.locator}/{said}").json["items"]
            named = {home[0].locator for part in payment.targets if (home := self.calls.home(part)) is not None}
            assert {each["locator"] for each in found} == (named if flag or payment.state != "reversed" else set())
        target = draw.choice([part.locator for each in payments for part in each.targets] or [UNKNOWN])
        found = self.ask("admin", "GET", f"{path}/list?targetContainerLocator={target}&count=1000").json["items"]
        fitting = [each for each in payments if each.tenant == payment.tenant]
        assert [each["locator"] for each in found] == [
            each.locator for each in fitting if target in [part.locator for part in each.targets]
        ]
        self.model.seen(each["locator"] for each in found)

    def balances(self, picture: dict[str, Any]) -> None:
        """Credit balances, each the sum of what it lists, never below nothing (11.5, 8)."""
        for account in ACCOUNTS:
            path = f"//billing/{account.tenant}/accounting/ledgerAccounts/accountCreditBalance/{account.locator}"
            # Where no credit of this currency ever was, nothing can have come.
            for currency in sorted({each.currency for each in self.model.credits if each.account == account.locator}):
                found = self.ask("admin", "GET", f"{path}?currency={currency}&size=1000").json
                balance = cents(found["balance"])
                assert balance == self.model.balance(account.locator, currency) >= 0, (account, currency, found)
                assert balance == sum(cents(line["amount"]) for line in found["lines"])
                if balance:
                    picture["balances"][account.locator, currency] = balance

    def nothing_is_invented(self, picture: Mapping[str, Any]) -> None:
        """What came in less what went out, and what was forgiven, is what was settled and what is kept; by currency."""
        for tenant in self.model.tenants:
            sums: Counter[str] = Counter()
            for invoice in self.model.invoices.values():
                if invoice.tenant == tenant:
                    found = picture["invoices"][invoice.locator]
                    sums[invoice.currency] += found["total"] - found["left"]
            for (account, currency), balance in picture["balances"].items():
                sums[currency] += balance if self.model.accounts[account].tenant == tenant else 0
            for credit in picture["credits"].values():
                if self.of(credit["locator"]).tenant == tenant:
                    amount, type, state = cents(credit["amount"]), credit["creditType"], credit["creditState"]
                    came = {(PAYMENT, "posted"): 1, (WRITE_OFF, "distributed"): 1, (SHORTFALL, "distributed"): 1}
                    sums[credit["currency"]] -= amount * (came | {(DISBURSEMENT, "executed"): -1}).get((type, state), 0)
            assert not any(sums.values()), (tenant, sums)

    def of(self, locator: str) -> Credit:
        return next(each for each in self.model.credits if each.locator == locator)


Tried = Counter[tuple[str, str, int]]


def walk(processing: str, number: int, *, examples: int, steps: int, tried: Tried) -> None:
    """Walks of one way of processing from one seed; what they try is added to `tried`, and tried again last."""
    machine: Any = type("Credits", (Credits,), {"processing": processing, "covered": tried})
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


def pairs(tried: Tried) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """(operation, state) that were taken, and those that were refused by the state or by what was said."""
    return {key[:2] for key in tried if key[2] == 200 and key[1]}, {key[:2] for key in tried if key[2] == 400}


@pytest.mark.parametrize("processing", WAYS)
def test_the_credits_do_what_the_model_says(processing: str) -> None:
    tried = Tried()
    walk(processing, 1, examples=16, steps=60, tried=tried)
    taken, refused = pairs(tried)
    assert len(taken) > 25
    assert len(refused) > 50


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2, 10))
def test_the_credits_do_what_the_model_says_in_20_000_steps(number: int) -> None:
    tried = Tried()
    for way in WAYS:
        walk(way, number, examples=20, steps=60, tried=tried)
    assert tried.total() > 40_000 / 8
    taken, refused = pairs(tried)
    possible = {(operation, state) for operation, (_, states, _) in MOVES.items() for state in states.split()}
    assert len(possible - taken) < 3, possible - taken
    assert len(refused) > 100
