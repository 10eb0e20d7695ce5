"""The scenarios of credits and accounts: as sound as the default one, and what each says to try comes true."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from typing import Any

import pytest

from mockserver import MockServer, create_app, scenario
from mockserver.sandboxes import Sandbox
from tests import test_accounts_seed as accounts
from tests import test_credits_world as credits
from tests.credits_invariants import check
from tests.driver import Answer, Client
from tests.rights import Operation, assert_documented, operations

MINE = ("declined-cards", "expired-windows", "many-accounts", "overpayment", "shortfalls")
TENANT = "10000000-0000-4000-8000-000000000001"
ACCOUNTS = "/v1/finance/accounts"
README = (scenario.HOME / "README.md").read_text(encoding="utf-8")
IDS = re.compile(r"[0-9A-Z]{26}|KES\d{13}|8300\d{5}|700300")


def callers_of(name: str, line: str) -> set[str]:
    """The callers of a scenario that a line names, outside paths."""
    return {part.name for part in scenario.load(name).callers} & set(re.findall(r"(?<![\w/-])[\w-]+", line))


@cache
def built(name: str) -> MockServer:
    return create_app("accounts", "credits", scenario=name)


# As sound as the default one


@pytest.mark.parametrize("name", MINE)
@pytest.mark.parametrize(
    "proof",
    [
        credits.test_every_invariant_holds_in_the_default_world,
        credits.test_every_state_that_lasts_is_there,
        credits.test_there_are_pages_in_the_first_tenant_and_something_in_each,
        credits.test_locators_tell_the_time_of_their_making,
    ],
    ids=lambda proof: proof.__name__,
)
def test_the_credits_of_a_scenario_are_as_sound_as_the_default_ones(
    name: str, proof: Callable[[MockServer], None]
) -> None:
    built(name).reset()
    proof(built(name))


@pytest.mark.parametrize("name", MINE)
@pytest.mark.parametrize(
    "proof",
    [
        accounts.test_every_record_is_valid_against_the_spec,
        accounts.test_signs_are_those_of_the_types,
        accounts.test_parents_go_two_levels_up_and_all_of_them_are_there,
        accounts.test_the_german_account_has_every_document_twice,
        accounts.test_the_brazilian_account_has_what_its_government_asks_for,
        accounts.test_an_account_has_no_invoices,
        accounts.test_names_are_those_of_the_customers_of_billing,
    ],
    ids=lambda proof: proof.__name__,
)
def test_the_accounts_of_a_scenario_are_as_sound_as_the_default_ones(name: str, proof: Callable[[Any], None]) -> None:
    built(name).reset()
    proof(built(name).worlds["accounts"])


@pytest.mark.parametrize("name", MINE)
def test_another_seed_and_another_day_leave_a_scenario_sound(name: str) -> None:
    app = create_app("accounts", "credits", scenario=name, seed=2, now="2029-07-31T12:00:00Z")
    check(app.worlds["credits"])
    accounts.test_every_record_is_valid_against_the_spec(app.worlds["accounts"])


@pytest.mark.parametrize("name", MINE)
def test_a_scenario_is_about_something_and_says_three_things_to_try(name: str) -> None:
    found = scenario.load(name)
    assert found.about.strip()
    assert len(found.tries) == 3
    assert found.about.splitlines()[-3:] == [f"Try: {line}" for line in found.tries]


@pytest.mark.parametrize("name", MINE)
def test_the_readme_says_as_whom_to_try_a_scenario(name: str) -> None:
    (row,) = (line for line in README.splitlines() if line.startswith(f"| {name} |"))
    told = set(row.split("|")[3].strip().split(", "))
    assert told == {each for line in scenario.load(name).tries for each in callers_of(name, line)}


# What they say to try


class Walk:
    """What somebody does who follows a line; every answer is one that the spec has, and no invariant breaks."""

    def __init__(self, app: MockServer, box: Sandbox) -> None:
        self.app, self.box = app, box
        self.told = ""
        self.callers: set[str] = set()

    def ask(self, who: str, method: str, path: str, body: Any = None, status: int = 200) -> Answer:
        """One request, below the tenant unless its path says whose it is."""
        full = path if path.startswith(ACCOUNTS) else f"/billing/{TENANT}{path}"
        answer = Client(self.app, self.box.token(who)).request(method, f"/{full}", body=body)
        assert answer.status == status, answer
        assert_documented(self.app, *self._operation(method, full.partition("?")[0]), answer)
        check(self.box.worlds["credits"])
        self.callers.add(who)
        self.told += f"{full} {body} " + answer.content.decode("latin-1")
        return answer

    def do(self, who: str, method: str, path: str, body: Any = None) -> Any:
        return self.ask(who, method, path, body).json

    def control(self, path: str, body: Any) -> None:
        answer = Client(self.app, None).post(f"//@{self.box.name}/__mock__{path}", body)
        assert answer.status == 200, answer

    def move(self, path: str, *events: str) -> Any:
        """What comes of the payment, distribution or disbursement at a path as the clerk sees it through."""
        return [self.do("clerk", "PATCH", f"{path}/{event}") for event in events][-1]

    def pay(self, amount: float, invoice: str, *events: str, **more: Any) -> Any:
        body = {"type": "StandardPayment", "amount": amount, "data": {}, "targets": [on(invoice)], **more}
        made = self.do("clerk", "POST", "/payments", body)
        return self.move(f"/payments/{made['locator']}", *events)

    def distribute(self, amount: float, account: str, invoice: str) -> Any:
        body = {"amount": amount, "sources": [on(account, "account")], "targets": [on(invoice)]}
        made = self.do("clerk", "POST", "/creditDistributions", body)
        return self.move(f"/creditDistributions/{made['locator']}", "validate", "execute")

    def owed(self, invoice: str) -> tuple[str, float]:
        found = self.do("clerk", "GET", f"/invoices/{invoice}")
        return found["invoiceState"], found["totalRemainingAmount"]

    def look(self, who: str, path: str) -> Any:
        """What somebody sees whom the line does not name."""
        answer = Client(self.app, self.box.token(who)).get(f"//billing/{TENANT}{path}")
        assert answer.status == 200, answer
        return answer.json

    def balance(self, account: str) -> float:
        path = f"/accounting/ledgerAccounts/accountCreditBalance/{account}?currency=USD"
        return float(self.look("treasurer", path)["balance"])

    def forgiven(self, credit: Any) -> list[float]:
        locators = credit["shortfallCreditLocators"]
        return [self.look("auditor", f"/shortfallCredits/{each}")["amount"] for each in locators]

    def pages(self, query: str) -> list[list[str]]:
        """The account numbers of each page, from the first to the one that links to no next."""
        found, path = [], f"{ACCOUNTS}?{query}"
        while path:
            page = self.do("finance", "GET", path)
            found.append([each["accountNumber"] for each in page["data"]])
            link = page["_links"].get("next")
            path = f"/v1/finance{link['href']}" if link else ""
        return found

    def _operation(self, method: str, path: str) -> tuple[str, Operation]:
        for name in self.app.services:
            for operation in operations(name).values():
                pattern = re.sub(r"\{\w+\}", "[^/]+", operation.path)
                if operation.method == method and re.fullmatch(pattern, path):
                    return name, operation
        raise LookupError(f"{method} {path}")


def on(locator: str, kind: str = "invoice") -> dict[str, str]:
    return {"containerLocator": locator, "containerType": kind}


WALKED: list[tuple[str, int]] = []


def follows(name: str, number: int) -> pytest.MarkDecorator:
    """The test follows a scenario's line of that number, counted from 1."""
    WALKED.append((name, number))
    return pytest.mark.parametrize("walk", [(name, number)], indirect=True, ids=[f"{name}-{number}"])


@pytest.fixture
def walk(request: pytest.FixtureRequest) -> Iterator[Walk]:
    """A walk in a sandbox of its own; after it, whatever the line names has been met."""
    name, number = request.param
    app = built(name)
    made = Walk(app, app.sandbox(f"line-{number}"))
    yield made
    app.sandboxes.drop(made.box.name)
    line = scenario.load(name).tries[number - 1]
    assert callers_of(name, line) == made.callers, "others follow the line than it says"
    assert [each for each in IDS.findall(line) if each not in made.told] == [], "named by the line, and not met"


def test_every_line_is_followed() -> None:
    assert sorted(WALKED) == [(name, number) for name in MINE for number in (1, 2, 3)]


@follows("shortfalls", 1)
def test_a_payment_falls_short_by_the_tolerance_in_eur(walk: Walk) -> None:
    invoice = "01KK3RCSM010000000000N0104"
    near = walk.pay(179.09, invoice, "validate", "post")
    assert (walk.forgiven(near), walk.owed(invoice)) == ([], ("open", 0.91))
    walk.box.reset()
    paid = walk.pay(179.10, invoice, "validate", "post")
    assert (paid["currency"], walk.forgiven(paid), walk.owed(invoice)) == ("EUR", [0.9], ("settled", 0))


@follows("shortfalls", 2)
def test_what_is_beyond_the_tolerance_comes_within_it(walk: Walk) -> None:
    invoice = "01KJPWD6M010000000000N0102"
    assert walk.owed(invoice) == ("open", 1.1)
    paid = walk.pay(0.10, invoice, "validate", "post")
    assert (walk.forgiven(paid), walk.owed(invoice)) == ([1.0], ("settled", 0))


@follows("shortfalls", 3)
def test_a_shortfall_credit_goes_with_its_payment(walk: Walk) -> None:
    payment, invoice = "/payments/01KJSESXM010000000000P0101", "01KJMA0FM010000000000N0101"
    assert walk.owed(invoice) == ("settled", 0)
    taken = walk.do("clerk", "PATCH", f"{payment}/reverse", {"reversalType": "nsf"})
    (credit,) = taken["shortfallCreditLocators"]
    shown = walk.look("auditor", f"/shortfallCredits/{credit}")
    assert (shown["amount"], shown["shortfallCreditState"]) == (0.6, "reversed")
    assert walk.owed(invoice) == ("open", 250)


def test_the_same_shortfall_is_forgiven_in_one_currency_and_not_in_the_other() -> None:
    layer = built("shortfalls").worlds["credits"].layer
    found = layer.get("Invoice", "01KK1602M010000000000N0103")
    assert found is not None
    assert (found["currency"], found["invoiceState"], found["totalRemainingAmount"]) == ("EUR", "open", 1)


@follows("overpayment", 1)
def test_a_credit_balance_settles_another_invoice(walk: Walk) -> None:
    account, invoice = "01JVPEQMM010000000000A0201", "01KJPWD6M010000000000N0202"
    assert walk.balance(account) == 80
    made = walk.distribute(50, account, invoice)
    assert (walk.forgiven(made), walk.owed(invoice), walk.balance(account)) == ([0.3], ("settled", 0), 30)


@follows("overpayment", 2)
def test_a_disbursement_gives_some_of_it_back(walk: Walk) -> None:
    for event, state in (("validate", "validated"), ("approve", "approved"), ("execute", "executed")):
        shown = walk.do("treasurer", "PATCH", f"/disbursements/01KKBFJYM010000000000B0201/{event}")
        assert (shown["disbursementState"], shown["amount"]) == (state, 30)
    assert walk.balance("01JVPEQMM010000000000A0201") == 50


@follows("overpayment", 3)
def test_a_payment_whose_rest_is_spent_cannot_be_reversed(walk: Walk) -> None:
    walk.distribute(20, "01JVPEQMM010000000000A0201", "01KK1602M010000000000N0203")
    assert walk.owed("01KK1602M010000000000N0203") == ("settled", 0)
    payment = "/payments/01KJSESXM010000000000P0201"
    said = walk.ask("clerk", "PATCH", f"{payment}/reverse", {"reversalType": "nsf"}, status=400)
    assert "holds 60.00 USD" in said.json["message"]
    assert walk.do("clerk", "GET", payment)["paymentState"] == "posted"


@follows("declined-cards", 1)
def test_a_declined_charge_is_retried_as_its_plan_says(walk: Walk) -> None:
    path = "/payments/01KKE1ZNM010000000000P0303"
    assert walk.move(path, "request")["paymentState"] == "requested"
    shown = walk.do("clerk", "GET", path)
    assert shown["paymentState"] == "failed"
    assert [each["event"] for each in shown["executionLog"]].count("executing") == 3


@follows("declined-cards", 2)
def test_the_good_card_is_charged(walk: Walk) -> None:
    invoice = "01KJMA0FM010000000000N0301"
    more = {"financialInstrumentLocator": "01JVPEQMM010000000000F0302"}
    made = walk.pay(90, invoice, "validate", "request", **more)
    assert walk.do("clerk", "GET", f"/payments/{made['locator']}")["paymentState"] == "posted"
    assert walk.owed(invoice) == ("settled", 0)


@follows("declined-cards", 3)
def test_a_request_that_nothing_charges_any_more_can_be_cancelled(walk: Walk) -> None:
    assert walk.move("/payments/01KKGMCCM010000000000P0304", "cancel")["paymentState"] == "cancelled"
    assert walk.owed("01KJW16MM010000000000N0304") == ("open", 45)


def test_the_failed_requests_were_charged_once_and_three_times() -> None:
    layer = built("declined-cards").worlds["credits"].layer
    logs = [layer.get("Payment", f"{id}010000000000P{number}") for id, number in FAILED]
    assert [[each["event"] for each in found["executionLog"]].count("executing") for found in logs if found] == [1, 3]


FAILED = (("01KK1602M", "0301"), ("01KK3RCSM", "0302"))


@follows("expired-windows", 1)
def test_what_is_older_than_the_window_is_not_shown(walk: Walk) -> None:
    for query, last in (("", (1, 2)), ("?months=2025-03-01", (2,))):
        shown = walk.do("kestrel", "GET", f"{ACCOUNTS}/700300{query}")
        assert {each["invoiceId"] for each in shown["invoices"]} == {f"83000000{number}" for number in last}
        assert {each["paymentId"] for each in shown["payments"]} == {f"KES000000000000{number}" for number in last}


@follows("expired-windows", 2)
def test_a_document_of_an_invoice_that_is_too_old_is_not_there(walk: Walk) -> None:
    query = "?documentId=DETAILED_PDF_EN"
    assert walk.ask("kestrel", "GET", f"{ACCOUNTS}/700300/830000002{query}").content.startswith(b"%PDF")
    walk.ask("kestrel", "GET", f"{ACCOUNTS}/700300/830000003{query}", status=404)


@follows("expired-windows", 3)
def test_tokens_end_and_the_window_moves_with_the_clock(walk: Walk) -> None:
    walk.ask("kestrel-late", "GET", ACCOUNTS, status=401)
    walk.ask("kestrel-brief", "GET", ACCOUNTS)
    assert "830000002" in walk.ask("kestrel", "GET", f"{ACCOUNTS}/700300").text
    walk.control("/clock/advance", {"by": "P1D"})
    walk.ask("kestrel-brief", "GET", ACCOUNTS, status=401)
    shown = walk.do("kestrel", "GET", f"{ACCOUNTS}/700300")
    assert [each["invoiceId"] for each in shown["invoices"]] == ["830000001"]


@follows("many-accounts", 1)
def test_very_many_accounts_come_in_pages(walk: Walk) -> None:
    pages = walk.pages("limit=100")
    assert [len(page) for page in pages] == [100] * 11 + [99]
    assert len(set(chain(*pages))) == 1199


@follows("many-accounts", 2)
def test_the_last_page_and_what_lies_beyond_it(walk: Walk) -> None:
    for query, count in (("offset=1190", 9), ("offset=1199", 0), ("limit=0", 0)):
        shown = walk.do("finance", "GET", f"{ACCOUNTS}?{query}")
        assert (len(shown["data"]), shown["page"]["total"]) == (count, 1199)


@follows("many-accounts", 3)
def test_they_can_be_sorted_by_name_either_way(walk: Walk) -> None:
    names = {row.record["id"]: row.record["accountName"] for row in walk.box.worlds["accounts"].layer.all("Account")}
    down, up = ([*chain(*walk.pages(f"sorts={sign}ACCOUNT_NAME&limit=100"))] for sign in ("-", ""))
    assert [names[each] for each in down] == [names[each] for each in reversed(up)]
    assert sorted(down) == sorted(up)
    assert [names[each] for each in up] == sorted(names[each] for each in up)
