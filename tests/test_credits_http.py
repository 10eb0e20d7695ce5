"""Credits over HTTP: the worked example of the reference step by step, what each write does, and every refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver import MockServer, create_app
from mockserver.apis.credits import moves
from tests.credits_invariants import check
from tests.driver import Answer, Client

TENANT = "10000000-0000-4000-8000-000000000001"
OTHER = "10000000-0000-4000-8000-000000000002"
NOBODY = "7ZZZZZZZZZ10000000000X0001"
UNCHANGED = {"addTargets": [], "removeTargets": [], "setData": {}, "removeData": {}}
AS_IT_WAS = {"addTargets": [], "removeTargets": [], "addSources": [], "removeSources": []}
BRANDT = "Ottilie Brandt"
FINCH = "Harbour & Finch Group"


class Desk:
    """One caller at the credits of one tenant; after every change the invariants hold."""

    def __init__(self, app: MockServer, name: str, tenant: str = TENANT) -> None:
        self.app, self.tenant = app, tenant
        self.client = Client(app, app.token(name) if name else None)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self.client.request(method, f"//billing/{self.tenant}/{path}", body=body)
        if method != "GET":
            check(self.app.worlds["credits"])
        return answer

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def do(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.ask(method, path, body)
        assert answer.status == 200, answer
        return answer.json

    def refused(self, method: str, path: str, body: Any = None, status: int = 400) -> str:
        """The message of a refusal, which has changed nothing."""
        before = self.app.worlds["credits"].commits
        answer = self.ask(method, path, body)
        assert answer.status == status, answer
        assert self.app.worlds["credits"].commits == before
        assert set(answer.json) == {"status", "error", "message", "requestId"}
        assert answer.json["status"] == status
        return str(answer.json["message"])

    def pay(self, amount: float, *targets: str, until: str = "posted", **more: Any) -> Any:
        body = {
            "type": "StandardPayment",
            "amount": amount,
            "data": {},
            "targets": [on(each) for each in targets],
            **more,
        }
        payment = self.do("POST", "payments", body)
        for event in {"draft": (), "validated": ("validate",), "posted": ("validate", "post")}[until]:
            payment = self.do("PATCH", f"payments/{payment['locator']}/{event}")
        return payment

    def distribute(self, amount: float, source: Any, target: Any, until: str = "executed") -> Any:
        body = {"amount": amount, "sources": [source] if source else [], "targets": [target] if target else []}
        made = self.do("POST", "creditDistributions", body)
        for event in {"draft": (), "validated": ("validate",), "executed": ("validate", "execute")}[until]:
            made = self.do("PATCH", f"creditDistributions/{made['locator']}/{event}")
        return made

    def applied(self, invoice: str, reversed_too: bool = False) -> list[tuple[str, str, float]]:
        query = "?includeReversed=true" if reversed_too else ""
        found = self.get(f"invoices/{invoice}/credits/list{query}")["items"]
        return [(each["creditType"], each["creditState"], each["amount"]) for each in found]

    def owed(self, invoice: str) -> tuple[str, float]:
        found = self.get(f"invoices/{invoice}")
        return found["invoiceState"], found["totalRemainingAmount"]

    def balance(self, account: str, currency: str = "USD") -> float:
        return float(
            self.get(f"accounting/ledgerAccounts/accountCreditBalance/{account}?currency={currency}")["balance"]
        )


def on(locator: str, kind: str = "invoice", **more: Any) -> dict[str, Any]:
    return {"containerLocator": locator, "containerType": kind, **more}


@pytest.fixture(scope="module")
def served() -> MockServer:
    return create_app("credits")


@pytest.fixture
def app(served: MockServer) -> Iterator[MockServer]:
    served.reset()
    yield served
    served.reset()


@pytest.fixture
def admin(app: MockServer) -> Desk:
    return Desk(app, "admin")


@pytest.fixture
def accounts(app: MockServer) -> dict[str, str]:
    return {row.record["name"]: row.record["id"] for row in app.worlds["credits"].layer.all("Account")}


@pytest.fixture
def invoices(app: MockServer) -> dict[str, str]:
    """The pinned invoices by the number that their locator ends with."""
    pinned = (row.record["id"] for row in app.worlds["credits"].layer.all("Invoice"))
    return {id[-4:]: id for id in pinned if "10000000000N" in id}


A, B, C, D = "0001", "0002", "0003", "0004"


# The worked example (credits 12)


def test_the_worked_example_step_by_step(app, accounts, invoices):
    clerk, auditor = Desk(app, "clerk"), Desk(app, "auditor")
    a, b, c, d = (invoices[each] for each in (A, B, C, D))
    account = accounts[BRANDT]
    assert auditor.owed(a) == ("open", 100)
    assert auditor.applied(a) == auditor.applied(a, reversed_too=True) == []

    first = clerk.pay(99.40, a, until="draft")["locator"]
    shown = {each["locator"]: each for each in auditor.get(f"credits/list?accountLocator={account}")["items"]}
    assert shown[first]["creditState"] == "draft"
    clerk.do("PATCH", f"payments/{first}/validate")
    shown = {each["locator"]: each for each in auditor.get(f"credits/list?accountLocator={account}")["items"]}
    assert shown[first]["creditState"] == "validated"
    assert auditor.applied(a) == []

    clerk.do("PATCH", f"payments/{first}/post")
    both = [("payment", "posted", 99.4), ("shortfallWriteOff", "distributed", 0.6)]
    assert auditor.applied(a) == auditor.applied(a, reversed_too=True) == both
    assert auditor.owed(a) == ("settled", 0)

    clerk.do("PATCH", f"payments/{first}/reverse", {"reversalType": "nsf"})
    gone = [("payment", "reversed", 99.4), ("shortfallWriteOff", "reversed", 0.6)]
    assert auditor.applied(a) == []
    assert auditor.applied(a, reversed_too=True) == gone
    assert auditor.owed(a) == ("open", 100)
    assert "unsettledTime" in auditor.get(f"invoices/{a}")

    clerk.pay(120.00, a)
    assert auditor.applied(a) == [("payment", "posted", 120)]
    assert auditor.applied(a, reversed_too=True) == [*gone, ("payment", "posted", 120)]
    assert auditor.owed(a) == ("settled", 0)
    assert Desk(app, "treasurer").balance(account) == 20

    made = clerk.distribute(20.00, on(account, "account"), on(b))
    assert auditor.applied(b) == [("creditDistribution", "executed", 20), ("shortfallWriteOff", "distributed", 0.9)]
    assert auditor.owed(b) == ("settled", 0)
    (forgiven,) = made["shortfallCreditLocators"]
    assert auditor.get(f"shortfallCredits/{forgiven}")["parentCreditLocator"] == made["locator"]
    assert auditor.applied(a) == [("payment", "posted", 120)]
    assert Desk(app, "treasurer").balance(account) == 0

    clerk.pay(98.00, c)
    assert auditor.applied(c) == [("payment", "posted", 98)]
    assert auditor.owed(c) == ("open", 2)

    clerk.pay(99.90, d)
    assert auditor.applied(d) == [("payment", "posted", 99.9)]
    assert auditor.owed(d) == ("open", 0.1)


# Payments


def test_targets_are_paid_in_their_order_and_the_rest_feeds_the_balance(admin, accounts, invoices):
    payment = admin.pay(130, invoices[C], invoices[B])
    assert [each["amount"] for each in payment["targets"]] == [100, 20.9]
    assert payment["remainingAmount"] == 0
    assert admin.balance(accounts[BRANDT]) == 9.1


def test_a_target_takes_the_amount_that_is_stated_for_it(admin, accounts, invoices):
    targets = [on(invoices[A], amount=30), on(invoices[C]), on(accounts[BRANDT], "account", amount=5)]
    payment = admin.pay(200, targets=targets)
    assert [each["amount"] for each in payment["targets"]] == [30, 100, 5]
    assert admin.owed(invoices[A]) == ("open", 70)
    assert admin.balance(accounts[BRANDT]) == 70, "what a target does not take goes to the balance, its own 5 included"


def test_a_payment_on_a_settled_invoice_feeds_the_balance(admin, accounts, invoices):
    admin.pay(100, invoices[A])
    payment = admin.pay(40, invoices[A])
    assert payment["targets"][0]["amount"] == 0
    assert admin.balance(accounts[BRANDT]) == 40
    assert admin.applied(invoices[A]) == [("payment", "posted", 100)]


def test_one_item_of_an_invoice_can_be_paid(admin, invoices):
    before = admin.get(f"invoices/{invoices['0011']}")
    item = next(each for each in before["invoiceItems"] if each["remainingAmount"] == 24)
    payment = admin.pay(24, targets=[on(item["locator"], "invoiceItem")])
    after = admin.get(f"invoices/{invoices['0011']}")
    paid = next(each for each in after["invoiceItems"] if each["locator"] == item["locator"])
    assert paid["remainingAmount"] == 0
    assert "settlementTime" in paid
    assert after["totalRemainingAmount"] == before["totalRemainingAmount"] - 24
    assert ("payment", "posted", 24) in admin.applied(invoices["0011"])
    listed = admin.get(f"payments/{payment['locator']}/invoices/list")["items"]
    assert [each["locator"] for each in listed] == [invoices["0011"]]


def test_what_is_equal_to_the_tolerance_is_forgiven_and_a_cent_more_is_not(admin, invoices):
    admin.pay(99, invoices[A])
    assert admin.owed(invoices[A]) == ("settled", 0)
    admin.pay(98.99, invoices[C])
    assert admin.owed(invoices[C]) == ("open", 1.01)


def test_a_targeted_invoice_that_the_payment_gave_nothing_is_forgiven_too(admin, accounts, invoices):
    admin.pay(90, invoices[A])
    admin.pay(19, invoices[B])
    admin.do("POST", "writeOffs", {"accountLocator": accounts[BRANDT], "targets": [on(invoices[B], amount=1.1)]})
    assert (admin.owed(invoices[A]), admin.owed(invoices[B])) == (("open", 10), ("open", 0.8))
    payment = admin.pay(10, invoices[A], invoices[B])
    assert [each["amount"] for each in payment["targets"]] == [10, 0]
    assert admin.owed(invoices[B]) == ("settled", 0)
    assert admin.applied(invoices[B])[-1] == ("shortfallWriteOff", "distributed", 0.8)
    assert len(admin.applied(invoices[B])) == 3, "the payment itself was not applied to it"
    assert payment["locator"] not in str(admin.get(f"invoices/{invoices[B]}/payments/list"))


def test_what_a_stated_amount_leaves_is_forgiven_while_the_rest_feeds_the_balance(admin, accounts, invoices):
    admin.pay(93, invoices[A])
    payment = admin.pay(9, targets=[on(invoices[A], amount=6.5)])
    (forgiven,) = payment["shortfallCreditLocators"]
    assert admin.get(f"shortfallCredits/{forgiven}")["amount"] == 0.5
    assert admin.owed(invoices[A]) == ("settled", 0)
    assert admin.balance(accounts[BRANDT]) == 2.5


def test_the_preview_tells_what_posting_does_and_changes_nothing(admin, invoices):
    payment = admin.pay(99.4, invoices[A], until="draft")
    preview = admin.get(f"payments/{payment['locator']}/previewPost")
    assert [(each["creditType"], each["amount"]) for each in preview["credits"]] == [
        ("payment", 99.4),
        ("shortfallWriteOff", 0.6),
    ]
    assert [each["amount"] for each in preview["shortfallCredits"]] == [0.6]
    assert [each["invoiceState"] for each in preview["invoices"]] == ["settled"]
    assert admin.owed(invoices[A]) == ("open", 100)
    assert admin.get(f"payments/{payment['locator']}") == payment
    posted = admin.pay(1, invoices[C])["locator"]
    assert "annot post when posted" in admin.refused("GET", f"payments/{posted}/previewPost")


def test_a_draft_can_be_edited_and_nothing_else_can(admin, invoices):
    payment = admin.pay(50, invoices[A], until="draft")
    path = f"payments/{payment['locator']}"
    change = {
        "addTargets": [on(invoices[C], amount=10)],
        "removeTargets": [invoices[A]],
        "setData": {"channel": "branch", "desk": 4},
        "removeData": {},
        "transactionMethod": "wire",
        "nextRequestTime": "2026-04-01T00:00:00Z",
    }
    edited = admin.do("PATCH", path, change)
    assert edited["targets"] == [on(invoices[C], amount=10)]
    assert edited["data"] == {"channel": "branch", "desk": 4}
    nothing = {"addTargets": [], "removeTargets": [], "setData": {}, "removeData": {"desk": True}}
    assert admin.do("PATCH", path, nothing)["data"] == {"channel": "branch"}
    assert "is none of the targets" in admin.refused("PATCH", path, {**nothing, "removeTargets": [invoices[A]]})
    admin.do("PATCH", f"{path}/validate")
    assert "annot edit when validated" in admin.refused("PATCH", path, nothing)
    admin.do("PATCH", f"{path}/reset")
    assert "validationResult" not in admin.do("PATCH", path, nothing)


def test_a_draft_grows_to_no_more_than_a_request_may_hold(admin, accounts, invoices):
    hundred, more = ({f"{name}{n}": n for n in range(100)} for name in "ab")
    path = f"payments/{admin.pay(50, until='draft', data=hundred)['locator']}"
    assert admin.refused("PATCH", path, {**UNCHANGED, "setData": more}).startswith("setData: makes 200 in data,")
    assert admin.do("PATCH", path, {**UNCHANGED, "setData": more, "removeData": hundred})["data"] == more
    assert len(admin.do("PATCH", path, {**UNCHANGED, "setData": {"b0": "other"}})["data"]) == 100
    targets = [on(invoices[A])] * 100
    assert len(admin.do("PATCH", path, {**UNCHANGED, "addTargets": targets})["targets"]) == 100
    assert "addTargets: makes 101 in targets" in admin.refused("PATCH", path, {**UNCHANGED, "addTargets": targets[:1]})
    assert admin.do("PATCH", path, UNCHANGED)["data"], "what is full can still be edited"
    path = f"creditDistributions/{admin.distribute(5, None, None, 'draft')['locator']}"
    sources = [on(accounts[BRANDT], "account")] * 100
    admin.do("PATCH", path, {**AS_IT_WAS, "addSources": sources})
    assert "addSources: makes 101 in sources" in admin.refused("PATCH", path, {**AS_IT_WAS, "addSources": sources[:1]})


def test_what_nobody_said_follows_the_targets_of_a_draft(admin, accounts, invoices):
    payment = admin.pay(50, invoices[A], until="draft")
    assert (payment["accountLocator"], payment["currency"]) == (accounts[BRANDT], "USD")
    path = f"payments/{payment['locator']}"
    change = {**UNCHANGED, "removeTargets": [invoices[A]], "addTargets": [on(invoices["0023"])]}
    assert admin.do("PATCH", path, change)["accountLocator"] == accounts[FINCH]
    change = {**UNCHANGED, "removeTargets": [invoices["0023"]], "addTargets": [on(invoices[D])]}
    assert admin.do("PATCH", path, change)["currency"] == "CAD"
    said = {**UNCHANGED, "accountLocator": accounts[BRANDT], "currency": "CAD"}
    admin.do("PATCH", path, said)
    change = {**UNCHANGED, "removeTargets": [invoices[D]], "addTargets": [on(invoices["0023"])]}
    assert "CAD and USD are mixed" in admin.refused("PATCH", path, change)
    kept = admin.do("PATCH", path, {**change, "currency": "USD"})
    assert kept["accountLocator"] == accounts[BRANDT], "what was said stays"


def test_what_nobody_said_follows_the_containers_of_a_distribution(admin, accounts, invoices):
    made = admin.distribute(5, None, on(invoices[A]), "draft")
    path = f"creditDistributions/{made['locator']}"
    change = {**AS_IT_WAS, "removeTargets": [invoices[A]], "addTargets": [on(invoices["0023"])]}
    assert admin.do("PATCH", path, change)["accountLocator"] == accounts[FINCH]
    admin.do("PUT", path, {"amount": 5, "sources": [], "targets": [on(invoices["0023"])], "currency": "USD"})
    mixed = {**AS_IT_WAS, "removeTargets": [invoices["0023"]], "addTargets": [on(invoices[D])]}
    assert "USD and CAD are mixed" in admin.refused("PATCH", path, mixed)


def test_what_has_no_value_is_not_kept_in_data_however_deep(admin):
    data = {"a": {"b": None, "c": [None, {"d": None}]}, "e": None}
    kept = {"a": {"c": [None, {}]}}
    payment = admin.pay(5, until="draft", data=data)
    assert payment["data"] == kept
    path = f"payments/{admin.pay(5, until='draft')['locator']}"
    assert admin.do("PATCH", path, {**UNCHANGED, "setData": data})["data"] == kept


def test_a_validation_that_fails_answers_200_and_leaves_a_draft(admin, accounts, invoices):
    for made, place, error in (
        (admin.pay(10, invoices[A], until="validated", type="Barter"), "payment", "type 'Barter' is not configured"),
        (admin.pay(10, until="validated"), "payment", "belongs to no account"),
        (
            admin.pay(10, invoices[A], until="validated", accountLocator=accounts[FINCH]),
            "invoice",
            "belongs to account",
        ),
        (admin.pay(10, invoices[A], invoices[A], until="validated"), "invoice", "stands twice"),
        (admin.pay(10, targets=[on(invoices[A], amount=11)], until="validated"), "payment", "targets ask for 11.00"),
        (admin.pay(10, invoices["0021"], until="validated"), "invoice", "is discarded"),
        (admin.pay(10, until="validated", accountLocator=accounts["Juniper Hale"]), "account", "is draft"),
        (admin.pay(10, invoices[A], until="validated", retryPlanName="never"), "payment", "retryPlanName 'never'"),
        (
            admin.pay(10, invoices[A], until="validated", useDefaultFinancialInstrument=True),
            "account",
            "has no default",
        ),
    ):
        assert made["paymentState"] == "draft"
        assert made["validationResult"]["success"] is False
        (item,) = made["validationResult"]["validationItems"]
        assert item["elementType"] == place
        assert error in item["errors"][0]


def test_a_reversal_needs_a_type_that_is_for_payments(admin, invoices):
    path = f"payments/{admin.pay(10, invoices[A])['locator']}/reverse"
    assert "nsf" in admin.refused("PATCH", path, {"reversalType": "misapplied"})
    admin.refused("PATCH", path, {"reversalType": "unheard"})
    admin.refused("PATCH", path, {})
    admin.refused("PATCH", path)
    assert admin.do("PATCH", path, {"reversalType": "correction"})["reversalReason"] == "correction"


def test_a_payment_whose_rest_was_spent_cannot_be_reversed(admin, accounts, invoices):
    payment = admin.pay(120, invoices[A])
    spent = admin.distribute(15, on(accounts[BRANDT], "account"), on(invoices[C]))
    path = f"payments/{payment['locator']}/reverse"
    assert "holds 5.00 USD" in admin.refused("PATCH", path, {"reversalType": "nsf"})
    admin.do("PATCH", f"creditDistributions/{spent['locator']}/reverse", {"reversalType": "misapplied"})
    admin.do("PATCH", path, {"reversalType": "nsf"})
    assert admin.balance(accounts[BRANDT]) == 0
    assert admin.owed(invoices[A]) == admin.owed(invoices[C]) == ("open", 100)


def test_payments_are_reversed_in_whatever_order(admin, invoices):
    first, second = admin.pay(60, invoices[A]), admin.pay(40, invoices[A])
    admin.do("PATCH", f"payments/{first['locator']}/reverse", {"reversalType": "nsf"})
    assert admin.owed(invoices[A]) == ("open", 60)
    admin.do("PATCH", f"payments/{second['locator']}/reverse", {"reversalType": "nsf"})
    assert admin.owed(invoices[A]) == ("open", 100)


def test_what_was_forgiven_stays_so_and_nothing_is_forgiven_twice(admin, invoices):
    first, second = admin.pay(60, invoices[A]), admin.pay(39.5, invoices[A])
    assert len(second["shortfallCreditLocators"]) == 1
    admin.do("PATCH", f"payments/{first['locator']}/reverse", {"reversalType": "nsf"})
    assert admin.owed(invoices[A]) == ("open", 60)
    third = admin.pay(59.7, invoices[A])
    assert third["shortfallCreditLocators"] == []
    assert admin.owed(invoices[A]) == ("open", 0.3)


# The execution service


def test_a_requested_payment_is_charged_in_the_background(admin, invoices):
    payment = admin.pay(100, invoices[A], until="validated")
    path = f"payments/{payment['locator']}"
    assert admin.do("PATCH", f"{path}/request")["paymentState"] == "requested"
    now = admin.get(path)
    assert now["paymentState"] == "posted"
    assert [each["event"] for each in now["executionLog"]] == ["requested", "executing", "posted"]
    assert admin.owed(invoices[A]) == ("settled", 0)


@pytest.mark.parametrize(("plan", "charged"), [(None, 1), ("daily", 3)])
def test_a_declined_payment_is_retried_as_its_plan_says_and_fails(admin, app, invoices, plan, charged):
    declines = next(
        row.record for row in app.worlds["credits"].layer.all("FinancialInstrument") if row.record["declines"]
    )
    more = {"financialInstrumentLocator": declines["id"], **({"retryPlanName": plan} if plan else {})}
    path = f"payments/{admin.pay(10, invoices['0023'], until='validated', **more)['locator']}"
    admin.do("PATCH", f"{path}/request")
    now = admin.get(path)
    assert now["paymentState"] == "failed"
    assert [each["event"] for each in now["executionLog"]].count("executing") == charged
    assert "nextRequestTime" not in now


def test_between_two_tries_a_payment_is_requested_again(invoices):
    manual = create_app("credits", processing="manual")
    admin, world = Desk(manual, "admin"), manual.worlds["credits"]
    declines = next(row.record for row in world.layer.all("FinancialInstrument") if row.record["declines"])
    more = {"financialInstrumentLocator": declines["id"], "retryPlanName": "daily"}
    path = f"payments/{admin.pay(10, invoices['0023'], until='validated', **more)['locator']}"
    states = [admin.do("PATCH", f"{path}/request")["paymentState"]]
    while world.run(limit=1):
        states.append(admin.get(path)["paymentState"])
    assert states == ["requested", "executing", "requested", "executing", "requested", "executing", "failed"]


@pytest.mark.parametrize(("event", "state"), [("cancel", "cancelled"), ("fail", "failed")])
def test_a_requested_payment_can_be_stopped(invoices, event, state):
    manual = create_app("credits", processing="manual")
    admin = Desk(manual, "admin")
    path = f"payments/{admin.pay(10, invoices[A], until='validated')['locator']}"
    admin.do("PATCH", f"{path}/request")
    assert admin.do("PATCH", f"{path}/{event}")["paymentState"] == state
    manual.worlds["credits"].run()
    assert admin.get(path)["paymentState"] == state
    check(manual.worlds["credits"])


# Distributions


def test_missing_amounts_are_computed_and_a_reset_forgets_them(admin, accounts, invoices):
    admin.pay(150, invoices[A])
    source, target = on(accounts[BRANDT], "account"), on(invoices[C])
    made = admin.distribute(30, source, target, until="validated")
    assert made["sources"] == [{**source, "amount": 30}]
    assert made["targets"] == [{**target, "amount": 30}]
    back = admin.do("PATCH", f"creditDistributions/{made['locator']}/reset")
    assert (back["sources"], back["targets"]) == ([source], [target])


def test_without_a_source_the_balance_of_the_account_is_one(admin, accounts, invoices):
    admin.pay(150, invoices[A])
    made = admin.distribute(30, None, on(invoices[C]))
    assert made["sources"] == [on(accounts[BRANDT], "account", amount=30)]


def test_a_distribution_that_does_not_add_up_stays_a_draft(admin, accounts, invoices):
    admin.pay(150, invoices[A])
    account, c = on(accounts[BRANDT], "account"), on(invoices[C])
    for made, error in (
        (admin.distribute(60, account, c, "validated"), "sources add up to 50.00, not to 60.00."),
        (admin.distribute(60, {**account, "amount": 60}, c, "validated"), "holds 50.00 USD, not 60.00."),
        (
            admin.distribute(10, account, on(invoices[C], amount=5), "validated"),
            "targets add up to 5.00, not to 10.00.",
        ),
        (admin.distribute(10, account, None, "validated"), "targets add up to 0.00, not to 10.00."),
        (admin.distribute(30, account, on(invoices[B]), "validated"), "targets add up to 20.90, not to 30.00."),
        (admin.distribute(10, account, account, "validated"), "is source and target; leave one out."),
        (admin.distribute(10, c, on(invoices[B]), "validated"), "sources add up to 0.00, not to 10.00."),
    ):
        assert made["creditDistributionState"] == "draft"
        found = [error for item in made["validationResult"]["validationItems"] for error in item["errors"]]
        assert error in found


def test_what_changed_since_it_was_validated_is_refused(admin, accounts, invoices):
    admin.pay(150, invoices[A])
    account = on(accounts[BRANDT], "account")
    one = admin.distribute(50, account, on(invoices[C]), "validated")["locator"]
    admin.distribute(40, account, on(invoices[C]))
    message = admin.refused("PATCH", f"creditDistributions/{one}/execute")
    assert "holds 10.00 USD, not 50.00; reset the distribution and validate it again." in message


def test_an_invoice_and_its_items_give_and_take_no_more_than_it_has_together(admin, accounts, invoices):
    negative, owing = invoices["0018"], invoices["0011"]
    drawn = admin.get(f"invoices/{negative}")["invoiceItems"][0]["locator"]
    item = "01KDCY5RM010000000000T0111"
    for amount, sources, targets, error in (
        (
            60,
            [on(negative), on(drawn, "invoiceItem")],
            [on(invoices["0015"])],
            "sources add up to 42.00, not to 60.00.",
        ),
        (
            60,
            [on(negative, amount=30), on(drawn, "invoiceItem", amount=30)],
            [on(invoices["0015"])],
            "holds 12.00 USD, not 30.00.",
        ),
        (
            184,
            [on(accounts[FINCH], "account")],
            [on(item, "invoiceItem"), on(owing)],
            "targets add up to 104.00, not to 184.00.",
        ),
        (
            150,
            [on(accounts[FINCH], "account")],
            [on(item, "invoiceItem", amount=80), on(owing, amount=70)],
            "owes 24.00 USD, not 70.00.",
        ),
    ):
        made = admin.do("POST", "creditDistributions", {"amount": amount, "sources": sources, "targets": targets})
        made = admin.do("PATCH", f"creditDistributions/{made['locator']}/validate")
        assert made["creditDistributionState"] == "draft"
        assert error in str(made["validationResult"])
    assert (admin.owed(negative), admin.owed(owing)) == (("open", -42), ("open", 104)), "nothing was kept of the trial"
    body = {"amount": 104, "sources": [], "targets": [on(item, "invoiceItem"), on(owing)]}
    path = f"creditDistributions/{admin.do('POST', 'creditDistributions', body)['locator']}"
    made = admin.do("PATCH", f"{path}/validate")
    assert [each["amount"] for each in made["targets"]] == [80, 24]
    admin.do("PATCH", f"{path}/execute")
    assert admin.owed(owing) == ("settled", 0)


FINCH_ID = "01JT2YS8M010000000000A0002"
ITEM, INVOICE = on("01KDCY5RM010000000000T0111", "invoiceItem"), on("01KDCY5RM010000000000N0011")
GIVE = [on(FINCH_ID, "account"), on("01KJ7E0WM010000000000N0018"), on("01KJA0DKM010000000000T0202", "invoiceItem")]
TAKE = [ITEM, INVOICE, on("01KDCY5RM010000000000T0112", "invoiceItem"), on("01KF0E44M010000000000N0015")]


def parts(places: list[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Some of them, one in three with an amount."""
    shares = st.sampled_from(({}, {}, {}, {}, {"amount": 1}, {"amount": 24}))
    each = st.tuples(st.sampled_from(places), shares).map(lambda pair: {**pair[0], **pair[1]})
    return st.lists(each, min_size=1, max_size=3, unique_by=lambda part: part["containerLocator"])


@example(184, [GIVE[0]], [ITEM, INVOICE])
@example(104, [GIVE[0]], [ITEM, INVOICE])
@example(104, [GIVE[0]], [INVOICE, ITEM])
@given(st.sampled_from((1, 24, 25, 42, 80, 104, 193)), parts(GIVE), parts(TAKE))
def test_what_is_valid_can_be_executed(served, amount, sources, targets):
    work = moves.dry(served.worlds["credits"].work())
    work.params = {"tenantLocator": TENANT}
    work.body = {"amount": amount, "sources": sources, "targets": targets}
    work.body |= {"accountLocator": FINCH_ID, "currency": "USD"}
    made = work.fire("CreditDistribution", work.workflows.makers["CreditDistribution"](work), "validate")
    if made["creditDistributionState"] == "validated":
        done = work.fire("CreditDistribution", made, "execute")
        assert (done["sources"], done["targets"]) == (made["sources"], made["targets"])


def test_money_moves_out_of_a_negative_invoice_and_back(admin, invoices):
    made = admin.distribute(42, on(invoices["0018"]), on(invoices["0023"]))
    assert admin.owed(invoices["0018"]) == ("settled", 0)
    assert admin.owed(invoices["0023"]) == ("open", 168)
    path = f"creditDistributions/{made['locator']}/reverse"
    admin.do("PATCH", path, {"reversalType": "misapplied"})
    assert admin.owed(invoices["0018"]) == ("open", -42)
    assert admin.owed(invoices["0023"]) == ("open", 210)


def test_a_distribution_is_made_and_replaced_at_a_locator_of_ones_own(admin, accounts, invoices):
    path = f"creditDistributions/{NOBODY}"
    body = {"amount": 10, "sources": [], "targets": [on(invoices[A])]}
    assert admin.do("PUT", path, body)["locator"] == NOBODY
    again = admin.do("PUT", path, {"amount": 12, "sources": [on(accounts[BRANDT], "account")], "targets": []})
    assert (again["amount"], again["targets"]) == (12, [])
    payment = admin.pay(150, invoices[A])["locator"]
    assert "is taken already" in admin.refused("PUT", f"creditDistributions/{payment}", body)
    admin.do("PUT", path, {**body, "targets": [on(invoices[C])]})
    admin.do("PATCH", f"{path}/validate")
    assert "annot edit when validated" in admin.refused("PUT", path, body)


def test_a_locator_that_another_tenant_uses_is_not_found_whatever_it_is_of(admin, app, accounts, invoices):
    home = Desk(app, "admin", OTHER)
    body = {"amount": 10, "sources": [], "targets": []}
    item = admin.get(f"invoices/{invoices[A]}")["invoiceItems"][0]["locator"]
    forgiven = admin.pay(99.5, invoices[A])["shortfallCreditLocators"][0]
    taken = [invoices[A], item, accounts[BRANDT], "01JVPEQMM010000000000F0001", forgiven]
    taken += [admin.pay(1, until="draft")["locator"], admin.distribute(1, None, None, "draft")["locator"]]
    for locator in taken:
        message = home.refused("PUT", f"creditDistributions/{locator}", body, status=404)
        assert message == f"No credit distribution {locator}."
    for locator in taken[:-1]:
        message = admin.refused("PUT", f"creditDistributions/{locator}", body)
        assert message == f"{locator} is taken already; choose another locator."


# Disbursements and write-offs


def test_a_disbursement_lowers_the_balance_and_its_reversal_restores_it(admin, accounts, invoices):
    admin.pay(150, invoices[A])
    body = {
        "amount": 20,
        "type": "StandardDisbursement",
        "useDefaultFinancialInstrument": False,
        "data": {},
        "sources": [],
    }
    made = admin.do("POST", "disbursements", {**body, "accountLocator": accounts[BRANDT]})
    path = f"disbursements/{made['locator']}"
    for event, balance in (("validate", 50), ("approve", 50), ("execute", 30), ("reverse", 50)):
        made = admin.do("PATCH", f"{path}/{event}")
        assert admin.balance(accounts[BRANDT]) == balance
    assert made["disbursementState"] == "reversed"
    assert not {"reversedAt", "reversalReason"} & set(made)
    credit = next(each for each in admin.get("credits/list?count=1000")["items"] if each["locator"] == made["locator"])
    assert {"reversedAt", "reversalReason", "realizedAt"} <= set(credit)


def test_a_disbursement_whose_balance_was_spent_says_what_can_be_done(admin, accounts, invoices):
    admin.pay(150, invoices[A])
    body = {"amount": 50, "type": "StandardDisbursement", "useDefaultFinancialInstrument": False, "data": {}}
    made = admin.do("POST", "disbursements", {**body, "sources": [on(accounts[BRANDT], "account")]})
    path = f"disbursements/{made['locator']}"
    for step in ("validate", "approve"):
        admin.do("PATCH", f"{path}/{step}")
    admin.distribute(45, on(accounts[BRANDT], "account"), on(invoices[C]))
    assert admin.refused("PATCH", f"{path}/execute") == (
        f"Account {accounts[BRANDT]} holds 5.00 USD, not 50.00; reset the disbursement and lower it, or reject it."
    )
    admin.do("PATCH", f"{path}/reject")


def test_more_than_the_balance_is_not_paid_out(admin, accounts, invoices):
    body = {
        "amount": 20,
        "type": "Gift",
        "useDefaultFinancialInstrument": False,
        "data": {},
        "sources": [on(invoices[A])],
    }
    made = admin.do("POST", "disbursements", body)
    made = admin.do("PATCH", f"disbursements/{made['locator']}/validate")
    found = [error for item in made["validationResult"]["validationItems"] for error in item["errors"]]
    assert any("type 'Gift'" in error for error in found)
    assert any("only credit balances" in error for error in found)


def test_a_write_off_settles_what_is_owed_and_is_reversed_whole(admin, accounts, invoices):
    body = {"accountLocator": accounts[BRANDT], "targets": [on(invoices[B]), on(invoices[A], amount=30)]}
    made = admin.do("POST", "writeOffs", body)
    assert (made["amount"], made["writeOffState"]) == (50.9, "distributed")
    assert admin.owed(invoices[B]) == ("settled", 0)
    assert admin.owed(invoices[A]) == ("open", 70)
    assert "owes 0.00" in admin.refused("POST", "writeOffs", body)
    back = admin.do("PATCH", f"writeOffs/{made['locator']}/reverse")
    assert "reversedAt" in back
    assert back["reversalReason"] == "reversed"
    assert admin.owed(invoices[B]) == ("open", 20.9)
    whole = admin.do("PATCH", f"invoices/{invoices[A]}/writeOff")
    assert whole["amount"] == 100
    assert "owes 0.00" in admin.refused("PATCH", f"invoices/{invoices[A]}/writeOff")


def test_a_write_off_is_of_invoices_of_one_account(admin, accounts, invoices):
    account = accounts[BRANDT]
    for targets in (
        [],
        [on(account, "account")],
        [on(invoices["0023"])],
        [on(invoices[A], amount=100.01)],
        [on(NOBODY)],
    ):
        admin.refused("POST", "writeOffs", {"accountLocator": account, "targets": targets})


@pytest.mark.parametrize("state", ["draft", "discarded"])
def test_only_a_validated_account_has_write_offs_and_settlements(admin, app, accounts, invoices, state):
    layer = app.worlds["credits"].layer
    for account in (accounts[BRANDT], accounts[FINCH]):
        layer.put("Account", {**layer.get("Account", account), "accountState": state})
    body = {"accountLocator": accounts[BRANDT], "targets": [on(invoices[A])]}
    expected = f"Account {accounts[BRANDT]} is {state}; only a validated account has credits."
    assert admin.refused("POST", "writeOffs", body) == expected
    assert admin.refused("PATCH", f"invoices/{invoices[A]}/writeOff") == expected
    settled = admin.refused("POST", f"invoices/{invoices['0018']}/settle?forced=true")
    assert settled == expected.replace(accounts[BRANDT], accounts[FINCH])


def test_a_discarded_invoice_is_neither_written_off_nor_settled(admin, invoices):
    path = f"invoices/{invoices['0021']}"
    assert admin.refused("PATCH", f"{path}/writeOff") == (
        f"Invoice {invoices['0021']} is discarded; nothing is written off."
    )
    assert admin.refused("POST", f"{path}/settle") == (
        "Cannot settle when discarded; from discarded: nothing, it is final."
    )


def test_a_settled_invoice_says_what_would_let_it_be_settled_again(admin, invoices):
    path = f"invoices/{invoices['0020']}/settle?forced=true"
    admin.do("POST", path)
    assert admin.refused("POST", path) == (
        "Cannot settle when settled; from settled: nothing, until a credit that settled it is reversed."
    )


def test_a_zero_invoice_settles_its_items_against_each_other(admin, invoices):
    path = f"invoices/{invoices['0020']}"
    before = admin.get(path)
    assert (before["invoiceState"], before["totalRemainingAmount"]) == ("open", 0), "nobody has settled it yet"
    assert [each["remainingAmount"] for each in before["invoiceItems"]] == [20, -20]
    admin.do("POST", f"{path}/settle?forced=true")
    after = admin.get(path)
    assert [each["remainingAmount"] for each in after["invoiceItems"]] == [0, 0]
    assert {each["settlementTime"] for each in after["invoiceItems"]} == {after["settledTime"]}
    assert admin.applied(invoices["0020"], reversed_too=True) == []


def test_a_negative_invoice_settles_into_the_balance_once_it_is_due_or_forced(admin, accounts, invoices):
    before = admin.balance(accounts[FINCH])
    path = f"invoices/{invoices['0018']}/settle"
    assert "forced=true" in admin.refused("POST", path)
    (made,) = admin.do("POST", f"{path}?forced=true")["items"]
    assert (made["amount"], made["creditDistributionState"]) == (42, "executed")
    assert admin.balance(accounts[FINCH]) == before + 42
    admin.refused("POST", path)
    assert "owes 100.00" in admin.refused("POST", f"invoices/{invoices[A]}/settle?forced=true")
    assert admin.do("POST", f"invoices/{invoices['0020']}/settle?forced=true") == {"listCompleted": True, "items": []}
    assert admin.owed(invoices["0020"]) == ("settled", 0)


# Reading


def test_pages_of_credits_come_one_after_the_other(admin):
    whole = admin.get("credits/list?count=1000")
    assert whole["listCompleted"] is True
    assert len(whole["items"]) > 120
    seen: list[Any] = []
    while True:
        page = admin.get(f"credits/list?offset={len(seen)}&count=50&extended=false")
        seen += page["items"]
        if page["listCompleted"]:
            break
    assert seen == whole["items"]
    assert len(admin.get("credits/list")["items"]) == 100


def test_lists_below_an_invoice_and_an_account(admin, accounts, invoices):
    payment = admin.pay(120, invoices[A])
    made = admin.distribute(20, on(accounts[BRANDT], "account"), on(invoices[C]))
    assert [each["locator"] for each in admin.get(f"invoices/{invoices[A]}/payments/list")["items"]] == [
        payment["locator"]
    ]
    below = admin.get(f"invoices/{invoices[C]}/creditDistributions/list")["items"]
    assert [each["locator"] for each in below] == [made["locator"]]
    listed = admin.get(f"invoices/accounts/{accounts[BRANDT]}/list")["items"]
    assert [each["locator"] for each in listed] == [invoices[each] for each in (A, B, C)]
    assert all("invoiceItems" not in each for each in listed)
    by_target = admin.get(f"payments/list?targetContainerLocator={invoices[A]}")["items"]
    assert [each["locator"] for each in by_target] == [payment["locator"]]
    admin.do("PATCH", f"creditDistributions/{made['locator']}/reverse", {"reversalType": "misapplied"})
    admin.do("PATCH", f"payments/{payment['locator']}/reverse", {"reversalType": "nsf"})
    for path in (f"invoices/{invoices[A]}/payments", f"payments/{payment['locator']}/invoices"):
        assert admin.get(f"{path}/list")["items"] == []
        assert len(admin.get(f"{path}/list?includeReversed=true")["items"]) == 1


def test_the_ledger_of_a_balance_tells_each_movement(admin, accounts, invoices):
    payment = admin.pay(120, invoices[A])
    made = admin.distribute(20, on(accounts[BRANDT], "account"), on(invoices[C]))
    path = f"accounting/ledgerAccounts/accountCreditBalance/{accounts[BRANDT]}"
    found = admin.get(f"{path}?currency=USD")
    assert [(each["creditLocator"], each["amount"]) for each in found["lines"]] == [
        (made["locator"], -20),
        (payment["locator"], 20),
    ]
    assert found["balance"] == 0
    assert len(admin.get(f"{path}?currency=USD&size=1")["lines"]) == 1
    assert admin.get(f"{path}?currency=EUR")["lines"] == []
    owed = admin.get(f"invoices/{invoices[C]}")["invoiceItems"][0]
    ledger = admin.get(f"accounting/ledgerAccounts/invoiceItem/{owed['locator']}?currency=USD")
    assert ledger["balance"] == owed["amount"] - owed["remainingAmount"] == 20
    assert "are kept" in admin.refused(
        "GET", f"accounting/ledgerAccounts/cash/{accounts[BRANDT]}?currency=USD", status=404
    )
    admin.refused("GET", f"accounting/ledgerAccounts/accountCreditBalance/{NOBODY}?currency=USD", status=404)


def test_the_ledger_of_an_invoice_tells_what_can_still_be_drawn_out_of_it(admin, invoices):
    path = f"accounting/ledgerAccounts/invoiceCreditBalance/{invoices['0018']}?currency=USD"
    before = admin.get(path)
    assert (before["balance"], before["lines"]) == (42, [])
    made = admin.distribute(15, on(invoices["0018"]), on(invoices["0023"]))
    drawn = admin.get(path)
    assert (drawn["balance"], [each["amount"] for each in drawn["lines"]]) == (27, [-15])
    admin.do("PATCH", f"creditDistributions/{made['locator']}/reverse", {"reversalType": "misapplied"})
    back = admin.get(path)
    assert (back["balance"], sorted(each["amount"] for each in back["lines"])) == (42, [-15, 15])
    admin.do("POST", f"invoices/{invoices['0018']}/settle?forced=true")
    assert admin.get(path)["balance"] == 0
    owing = admin.get(path.replace(invoices["0018"], invoices["0023"]))
    assert (owing["balance"], owing["lines"]) == (0, [])
    assert admin.get(path.replace("USD", "EUR"))["balance"] == 0


# Refusals (credits 6)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 1.001},
        {"amount": "10"},
        {"amount": 1_000_000_000.01},
        {"data": None},
        {"targets": None},
        {"type": ""},
        {"currency": "usd"},
        {"paymentMode": "aggregate"},
        {"paymentMode": "other"},
        {"accountLocator": NOBODY},
        {"accountLocator": "me"},
        {"financialInstrumentLocator": NOBODY},
        {"targets": [on(NOBODY)]},
        {"targets": [on(NOBODY, "invoiceItem")]},
        {"targets": [on(NOBODY, "account")]},
        {"targets": [on(NOBODY, "subpayment")]},
        {"targets": [on(NOBODY, "policy")]},
        {"targets": [{"containerLocator": NOBODY}]},
    ],
)
def test_an_abnormal_payment_is_refused(admin, invoices, change):
    body = {"type": "StandardPayment", "amount": 10, "data": {}, "targets": [on(invoices[A])], **change}
    assert admin.refused("POST", "payments", {name: value for name, value in body.items() if value is not None})


def test_currencies_are_not_mixed(admin, invoices):
    body = {"type": "StandardPayment", "amount": 10, "data": {}, "targets": [on(invoices[A]), on(invoices[D])]}
    assert "USD and CAD are mixed" in admin.refused("POST", "payments", body)
    body = {**body, "targets": [on(invoices[A])], "currency": "EUR"}
    assert "EUR and USD are mixed" in admin.refused("POST", "payments", body)


def test_a_container_of_another_type_or_tenant_is_unknown(admin, app, accounts, invoices):
    body = {"type": "StandardPayment", "amount": 10, "data": {}}
    assert "no account" in admin.refused("POST", "payments", {**body, "targets": [on(invoices[A], "account")]})
    other = Desk(app, "admin", OTHER)
    assert "in the tenant" in other.refused("POST", "payments", {**body, "targets": [on(invoices[A])]})
    other.refused("POST", "payments", {**body, "targets": [], "accountLocator": accounts[BRANDT]})


def test_an_illegal_transition_is_400_and_says_what_is_legal(admin, invoices):
    path = f"payments/{admin.pay(10, invoices[A], until='draft')['locator']}"
    message = admin.refused("PATCH", f"{path}/post")
    assert message == "Cannot post when draft; from draft: edit, validate, discard."


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("credits/list?count=0", 400),
        ("credits/list?count=1001", 400),
        ("credits/list?count=x", 400),
        ("credits/list?offset=-1", 400),
        ("credits/list?extended=yes", 400),
        ("credits/list?accountLocator=me", 400),
        ("shortfallCredits/x", 400),
        (f"shortfallCredits/{NOBODY}", 404),
        (f"invoices/{NOBODY}/credits/list", 404),
        (f"payments/{NOBODY}", 404),
        ("nothing", 404),
    ],
)
def test_reads_are_refused(admin, path, status):
    assert admin.refused("GET", path, status=status)


def test_an_unknown_account_is_no_error_but_an_empty_list(admin):
    assert admin.get(f"credits/list?accountLocator={NOBODY}") == {"items": [], "listCompleted": True}


def test_nobody_posts_a_credit(admin):
    answer = admin.ask("POST", "credits/list", {})
    assert (answer.status, answer.json["error"]) == (405, "methodNotAllowed")


def test_the_order_of_refusals(app, invoices):
    assert Desk(app, "").ask("GET", "credits/list?count=0").status == 401
    assert Desk(app, "credits-expired").ask("GET", "credits/list").status == 401
    assert Desk(app, "auditor-other").ask("GET", "credits/list").status == 403
    assert Desk(app, "auditor-other", OTHER).ask("GET", "credits/list").status == 200
    assert Desk(app, "auditor", NOBODY).ask("GET", "credits/list").status in (400, 403)
    unknown = "10000000-0000-4000-8000-0000000000ff"
    assert Desk(app, "auditor", unknown).ask("GET", "credits/list").status == 403
    assert Desk(app, "clerk").ask("GET", "credits/list?count=0").status == 403
    assert Desk(app, "reader").ask("GET", "credits/list").status == 200
    assert Desk(app, "reader", "10000000-0000-4000-8000-000000000003").ask("GET", "credits/list").status == 403


def test_a_locator_of_another_tenant_is_not_found(app, invoices):
    assert Desk(app, "admin", OTHER).ask("GET", f"invoices/{invoices[A]}").status == 404
    assert Desk(app, "admin", OTHER).ask("GET", f"invoices/{invoices[A]}/credits/list").status == 404


# Access tokens (credits 5)


def token(app: MockServer, caller: str, **said: Any) -> Answer:
    body = {"name": "export", "tenants": [TENANT], "permissions": ["credits.read"], "expiresAt": "2027-01-01T00:00:00Z"}
    return Client(app, app.token(caller)).post("//auth/users/tokens", {**body, **said})


def test_a_token_holds_what_it_was_given_where_it_was_given(app):
    answer = token(app, "admin")
    assert answer.status == 200, answer
    bearer = Client(app, answer.json)
    assert bearer.get(f"//billing/{TENANT}/credits/list").status == 200
    assert bearer.get(f"//billing/{TENANT}/payments/list").status == 403
    assert bearer.get(f"//billing/{OTHER}/credits/list").status == 403
    me = bearer.get("//auth/users/whoami").json
    assert (me["permissions"], me["tenants"]) == (["credits.read"], [TENANT])


def test_a_token_is_not_to_be_kept_by_caches(app):
    assert token(app, "admin").headers["cache-control"] == "no-store"


def test_a_tenant_in_capitals_is_the_same_tenant(app):
    layer, id = app.worlds["credits"].layer, "abcdef00-0000-4000-8000-00000000000a"
    layer.put("Tenant", {**layer.get("Tenant", TENANT), "id": id})
    bearer = Client(app, token(app, "admin", tenants=[id.upper()]).json)
    assert bearer.get("//auth/users/whoami").json["tenants"] == [id]
    assert bearer.get(f"//billing/{id}/credits/list").status == 200
    assert bearer.get(f"//billing/{TENANT}/credits/list").status == 403


def test_a_token_without_a_permission_may_do_nothing_whatever_its_user_may(app):
    bearer = Client(app, token(app, "admin", permissions=[]).json)
    assert bearer.get("//auth/users/whoami").json["permissions"] == []
    assert bearer.get(f"//billing/{TENANT}/credits/list").status == 403


@pytest.mark.parametrize(
    "said",
    [
        {"permissions": ["*.write"]},
        {"tenants": ["10000000-0000-4000-8000-0000000000ff"]},
        {"expiresAt": "2020-01-01T00:00:00Z"},
        {"name": ""},
    ],
)
def test_a_token_that_cannot_be_is_refused(app, said):
    assert token(app, "admin", **said).status == 400


def test_a_token_has_no_more_than_its_maker(app):
    rights = ["users.token", "credits.read"]
    maker = Client(app, token(app, "admin", permissions=rights).json)
    body = {"name": "x", "tenants": [TENANT], "permissions": ["credits.read"], "expiresAt": None}
    assert maker.post("//auth/users/tokens", body).status == 200
    assert maker.post("//auth/users/tokens", {**body, "permissions": ["credits.*"]}).status == 400
    assert maker.post("//auth/users/tokens", {**body, "permissions": ["payments.read"]}).status == 400
    assert maker.post("//auth/users/tokens", {**body, "tenants": [OTHER]}).status == 400
    assert maker.post("//auth/users/tokens", {**body, "tenants": ["any"]}).status == 400


def test_a_user_has_three_tokens_at_most_and_an_expired_one_does_not_count(app):
    for _ in range(3):
        assert token(app, "admin", expiresAt="2026-03-16T10:00:00Z").status == 200
    assert token(app, "admin").status == 400
    app.worlds["credits"].clock.set(app.worlds["credits"].clock.now().replace(hour=11))
    answer = token(app, "admin", expiresAt=None)
    assert answer.status == 200, answer


def test_a_token_loses_what_its_user_loses(app):
    bearer = Client(app, token(app, "admin", tenants=["any"]).json)
    app.worlds["credits"].layer.put("Grant", {"id": "admin", "values": ["type:test", OTHER]})
    assert bearer.get(f"//billing/{TENANT}/credits/list").status == 200
    assert bearer.get("//billing/10000000-0000-4000-8000-000000000003/credits/list").status == 403
    assert bearer.get("//auth/users/whoami").json["tenants"] == [OTHER, "type:test"]


def test_a_token_expires(app):
    bearer = Client(app, token(app, "admin", expiresAt="2026-03-16T10:00:00Z").json)
    assert bearer.get(f"//billing/{TENANT}/credits/list").status == 200
    app.worlds["credits"].clock.set(app.worlds["credits"].clock.now().replace(hour=10))
    assert bearer.get(f"//billing/{TENANT}/credits/list").status == 401


def test_who_may_not_make_tokens(app):
    assert token(app, "clerk").status == 403
    assert Client(app, app.token("clerk")).get("//auth/users/whoami").json["roles"] == ["billing-clerk"]


def test_a_draft_that_changes_its_account_keeps_its_place_in_the_order(admin, accounts, invoices):
    moved = admin.pay(5, until="draft", accountLocator=accounts[FINCH])["locator"]
    later = admin.pay(6, invoices[A], until="draft")["locator"]
    change = {
        "addTargets": [],
        "removeTargets": [],
        "setData": {},
        "removeData": {},
        "accountLocator": accounts[BRANDT],
    }
    admin.do("PATCH", f"payments/{moved}", change)
    found = admin.get(f"credits/list?accountLocator={accounts[BRANDT]}")
    assert [each["locator"] for each in found["items"]] == [moved, later]
    assert found["listCompleted"] is True
