"""The world behind the credits: what its scenario says comes true, and the invariants hold whatever is done in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from mockserver import MockServer, create_app
from mockserver.domain.machine import transition
from mockserver.scenario import ScenarioError
from specs.tables import load
from tests.credits_invariants import INVARIANTS, STATES, Books, Broken, check
from tests.driver import Answer, Client

TENANT = "30000000-0000-4000-8000-000000000001"
OTHER = "30000000-0000-4000-8000-000000000002"

SMALL = f"""
callers:
  admin: {{api: credits, token: admin-token, role: admin, tenants: any}}
pins:
  - {{api: credits, entity: Tenant, id: {TENANT}, name: First}}
  - {{api: credits, entity: Tenant, id: {OTHER}, name: Second, type: production}}
  - {{api: credits, entity: Account, name: Ada, tenant: First}}
  - {{api: credits, entity: Account, name: Ben, tenant: First, shortfallTolerancePlanName: generous}}
  - {{api: credits, entity: Account, name: Cleo, tenant: Second}}
  - {{api: credits, entity: FinancialInstrument, account: Ada, declines: true}}
  - {{api: credits, entity: FinancialInstrument, account: Ben, default: true}}
  - {{api: credits, entity: Invoice, account: Ada, amount: 100.00}}
  - {{api: credits, entity: Invoice, account: Ada, amount: 20.90}}
  - {{api: credits, entity: Invoice, account: Ada, items: [{{amount: 80.00}}, {{amount: -5.50}}, {{amount: 3.25}}]}}
  - {{api: credits, entity: Invoice, account: Ada, amount: -15.00, dueTime: 2026-03-01T00:00:00Z}}
  - {{api: credits, entity: Invoice, account: Ada, items: [{{amount: 7.00}}, {{amount: -7.00}}]}}
  - {{api: credits, entity: Invoice, account: Ada, amount: 50.00, currency: CAD}}
  - {{api: credits, entity: Invoice, account: Ben, amount: 60.00, products: [Home]}}
  - {{api: credits, entity: Invoice, account: Ben, items: [{{amount: 33.33}}, {{amount: 0.01}}, {{amount: 44.44}}]}}
  - {{api: credits, entity: Invoice, account: Ben, amount: -30.00, items: [{{amount: -40.00}}, {{amount: 10.00}}]}}
  - {{api: credits, entity: Invoice, account: Cleo, amount: 10.00}}
"""


@pytest.fixture(scope="module")
def default() -> MockServer:
    return create_app("credits")


def world_of(text: str, folder: Path, **more: Any) -> MockServer:
    path = folder / "world.yaml"
    path.write_text(text, encoding="utf-8")
    return create_app("credits", scenario=str(path), **more)


# The default world


def test_every_invariant_holds_in_the_default_world(default):
    check(default.worlds["credits"])


def test_every_state_that_lasts_is_there(default):
    world = default.worlds["credits"]
    for entity, machine in world.api.machines.items():
        found = {row.record[machine.field] for row in world.layer.all(entity)}
        # A write-off and a shortfall credit are drafts for no longer than it takes to distribute them.
        passing = {"draft"} if entity in ("WriteOff", "ShortfallCredit") else set()
        assert found == set(machine.states) - passing, entity


def test_there_are_pages_in_the_first_tenant_and_something_in_each(default):
    world = default.worlds["credits"]
    tenants = [row.record for row in world.layer.all("Tenant")]
    counts = Counter(row.record["tenantLocator"] for entity in STATES for row in world.layer.all(entity))
    assert counts[tenants[0]["id"]] > 120
    assert all(0 < counts[tenant["id"]] < 40 for tenant in tenants[1:])
    assert [tenant["type"] for tenant in tenants] == ["test", "test", "production"]


def test_locators_tell_the_time_of_their_making(default):
    for entity in ("Payment", "CreditDistribution", "ShortfallCredit"):
        rows = [row.record for row in default.worlds["credits"].layer.all(entity)]
        assert [each["id"] for each in rows] == sorted(each["id"] for each in rows)
        assert [each["createdAt"] for each in rows] == sorted(each["createdAt"] for each in rows)


@pytest.mark.parametrize("number", [2, 3])
def test_other_seeds_give_other_worlds_that_are_as_sound(number):
    check(create_app("credits", seed=number).worlds["credits"])


@pytest.mark.parametrize("now", [datetime(1999, 12, 31, tzinfo=UTC), datetime(2031, 1, 1, 12, tzinfo=UTC)])
def test_other_starts_give_worlds_that_are_as_sound(now):
    server = create_app("credits", now=now)
    check(server.worlds["credits"])
    latest = max(row.record["createdAt"] for row in server.worlds["credits"].layer.all("Payment"))
    assert latest < f"{now:%Y-%m-%d}T23"


# Invariants that can tell


Harm = Callable[[dict[str, Any]], None]

HARMS: Mapping[int, tuple[str, Harm]] = {
    1: ("CreditDistribution", lambda each: each["targets"][0].update(amount=each["targets"][0]["amount"] + 1)),
    2: ("Payment", lambda each: each.update(rest=each["rest"] + 1)),
    3: ("ShortfallCredit", lambda each: each["targets"][0].update(amount=each["amount"] * 100)),
    4: ("ShortfallCredit", lambda each: each.update(shortfallCreditState="reversed")),
    5: ("Invoice", lambda each: each.update(totalRemainingAmount=each["totalRemainingAmount"] + 1)),
    6: ("Invoice", lambda each: each.pop("settledTime")),
    7: ("Invoice", lambda each: each["invoiceItems"][0].update(amount=each["invoiceItems"][0]["amount"] + 1)),
    8: ("Balance", lambda each: each.update(amount=each["amount"] + 1)),
    9: ("Payment", lambda each: each.update(currency="XXX")),
    10: ("Payment", lambda each: each.update(reversalReason="nsf")),
    11: ("Payment", lambda each: each.update(amount=each["amount"] * 0)),
    14: ("Payment", lambda each: each.update(tenantLocator=OTHER)),
    15: ("Invoice", lambda each: each["entries"][0].update(live=False)),
}


@pytest.mark.parametrize("number", HARMS)
def test_an_invariant_tells_what_breaks_it(default, number):
    default.reset()
    world = default.worlds["credits"]
    entity, harm = HARMS[number]
    first = next(row.record for row in world.layer.all(entity) if has_effect(entity, row.record))
    record = deepcopy(dict(first))
    harm(record)
    world.layer.put(entity, record)
    try:
        assert list(INVARIANTS[number](Books(world))), "the invariant did not notice"
        with pytest.raises(Broken):
            check(world)
    finally:
        default.reset()


def has_effect(entity: str, record: Mapping[str, Any]) -> bool:
    if entity == "Invoice":
        return record["invoiceState"] == "settled" and bool(record["entries"])
    return entity == "Balance" or record[STATES[entity][0]] == STATES[entity][1]


# Machines


def triples() -> Iterator[tuple[str, str, str]]:
    """(operation, entity, state) for every event of a machine, in every state that there is."""
    api = load("credits")
    for operation in api.operations.values():
        if operation.does == "act":
            for state in api.machines[operation.entity].states:
                yield operation.id, operation.entity, state


@pytest.mark.parametrize(("operation", "entity", "state"), list(triples()))
def test_an_event_happens_where_the_machine_says_so_and_nowhere_else(default, operation, entity, state):
    world = default.worlds["credits"]
    act, machine = world.api.operations[operation], world.api.machines[entity]
    default.reset()
    there = [row.record for row in world.layer.all(entity) if row.record[machine.field] == state]
    if not there:
        pytest.skip(f"no {entity} stays {state}: it is distributed as soon as it is made")
    client = Client(default, default.token("admin"))
    statuses = set()
    for record in there:
        default.reset()
        path = act.path.replace("{tenantLocator}", record["tenantLocator"]).replace("{locator}", record["id"])
        answer = client.request(act.method, f"/{path}", body=BODIES.get(operation))
        check(world)
        statuses.add(answer.status)
        if answer.status == 200:
            row = transition(machine, record, str(act.event))
            assert answer.json[machine.field] == row.end
        else:
            assert world.layer.get(entity, record["id"]) == record
    default.reset()
    legal = act.event in machine.events_from(state)
    assert (200 in statuses) is legal, statuses
    assert statuses <= {200, 400}


NO_CHANGE = {"addTargets": [], "removeTargets": [], "setData": {}, "removeData": {}}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "updatePayment": NO_CHANGE,
    "updateCreditDistribution": {**NO_CHANGE, "addSources": [], "removeSources": []},
    "reversePayment": {"reversalType": "correction"},
    "reverseCreditDistribution": {"reversalType": "correction"},
}


# Scenarios


@pytest.mark.parametrize(
    ("pin", "told"),
    [
        ("{entity: Invoice, account: Ada}", "no amount; add one"),
        ("{entity: Invoice, account: Adda, amount: 1}", "no account 'Adda'; did you mean Ada?"),
        ("{entity: Invoice, account: Ada, amount: 1.001}", "amount: 1.001 is no amount"),
        ("{entity: Invoice, account: Ada, amount: some}", "amount: 'some' is no amount"),
        ("{entity: Invoice, account: Ada, amount: 1, status: paid}", "status: no 'paid'; "),
        ("{entity: Invoice, account: Ada, amount: 1, at: 2030-01-01}", "is not before the world's start"),
        ("{entity: Invoice, account: Ada, amount: 1, at: soon}", "at: 'soon' is no instant"),
        ("{entity: Invoice, account: Ada, amount: 1, colour: red}", "colour: unknown; "),
        ("{entity: Invoice, account: Ada, amount: 1, products: [Boat]}", "products: no product 'Boat'; "),
        ("{entity: Invoice, account: Ada, items: [{amount: 1, size: 2}]}", "items[0].size: unknown; "),
        ("{entity: Invoice, id: ABC, account: Ada, amount: 1}", "is no Invoice id"),
        ("{entity: Account, name: Dan, tenant: Third}", "tenant: no tenant 'Third'; "),
        ("{entity: Account, name: Dan, shortfallTolerancePlanName: odd}", "no 'odd'; "),
        ("{entity: Tenant, name: First}", "a second tenant 'First'"),
        ("{entity: Tenant, name: Third, type: live}", "type: no 'live'; "),
        (
            "{entity: Tenant, name: Third, defaultShortfallTolerancePlan: odd}",
            "defaultShortfallTolerancePlan: no 'odd'; ",
        ),
        (
            "{entity: Tenant, name: Third, shortfallTolerancePlans: {odd: 1}}",
            "shortfallTolerancePlans.odd: is a mapping",
        ),
        ("{entity: Tenant, name: Third, shortfallTolerancePlans: {odd: {USD: x}}}", "odd.USD: 'x' is no amount"),
        ("{entity: Tenant, name: Third, reversalTypes: {odd: invoice}}", "reversalTypes.odd: no 'invoice'; "),
        ("{entity: Tenant, name: Third, retryPlans: {odd: {retries: x}}}", "write {retries: 2, hours: 24}"),
        ("{entity: Tenant, name: Third, numbering: {odd: X}}", "numbering.odd: no plan of numbers"),
        ("{entity: Tenant, name: Third, paymentTypes: []}", "paymentTypes: is empty"),
        (
            "{entity: Tenant, name: Third, products: {Boat: {defaultShortfallTolerancePlan: odd}}}",
            "products.Boat: no 'odd'",
        ),
        ("{entity: Payment, account: Ada, amount: 5, type: Barter}", "type: no 'Barter'; "),
        ("{entity: Payment, account: Ada, amount: 5, targets: [{bill: x}]}", "targets[0]: write {invoice: <id>}"),
        ("{entity: Payment, amount: 5, status: posted}", "belongs to no account"),
        (
            "{entity: Payment, account: Ada, amount: 5, instrument: 01KGKY2GM010000000000N0001}",
            "instrument: no financial instrument",
        ),
        ("{entity: Disbursement, account: Ada, amount: 5, status: executed}", "is not valid: "),
        ("{entity: WriteOff, account: Ada}", "targets: there is nothing to write off"),
        (
            "{entity: Payment, account: Ada, amount: 5, status: posted, shortfalls: [01KGKY2GM010000000000S0009]}",
            "shortfalls: more than come of it",
        ),
        ("{entity: ShortfallCredit, amount: 1}", "is not pinned by itself"),
    ],
)
def test_a_pin_that_cannot_be_is_told_in_one_line(tmp_path, pin, told):
    text = f"{SMALL}  - {{api: credits, {pin[1:]}\n"
    with pytest.raises(ScenarioError) as error:
        world_of(text, tmp_path)
    assert told in str(error.value)
    assert str(error.value).startswith("world.yaml:")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("role: admin, tenants: [Third]", "no tenant 'Third'; "),
        ("role: admin, tenants: any, account: Ada", "list tenants"),
        ("tenants: any, permissions: ['*.write']", "'*.write' is no permission"),
    ],
)
def test_a_caller_that_cannot_be_is_told_in_one_line(tmp_path, keys, told):
    text = SMALL.replace("\npins:", f"\n  odd: {{api: credits, token: odd-token, {keys}}}\npins:")
    with pytest.raises(ScenarioError) as error:
        world_of(text, tmp_path)
    assert told in str(error.value)


def test_a_caller_may_list_permissions(tmp_path):
    text = SMALL.replace(
        "\npins:", "\n  own: {api: credits, token: own-token, tenants: [First], permissions: [payments.read]}\npins:"
    )
    server = world_of(text, tmp_path)
    assert Client(server, "own-token").get(f"//billing/{TENANT}/payments/list").status == 200
    assert Client(server, "own-token").get(f"//billing/{TENANT}/credits/list").status == 403
    assert Client(server, "own-token").get(f"//billing/{OTHER}/payments/list").status == 403


def test_a_scenario_without_tenants_has_one(tmp_path):
    server = world_of("callers:\n  admin: {api: credits, token: t, role: admin, tenants: any}\n", tmp_path)
    (tenant,) = (row.record["id"] for row in server.worlds["credits"].layer.all("Tenant"))
    assert Client(server, "t").get(f"//billing/{tenant}/credits/list").json == {"listCompleted": True, "items": []}


def test_a_grant_that_is_taken_away_counts_at_once(tmp_path):
    server = world_of(SMALL, tmp_path)
    admin = Client(server, "admin-token")
    assert admin.get(f"//billing/{OTHER}/credits/list").status == 200
    server.worlds["credits"].layer.put("Grant", {"id": "admin", "values": [TENANT]})
    assert admin.get(f"//billing/{OTHER}/credits/list").status == 403


# Whatever is done


amounts = st.one_of(
    st.sampled_from([100, 99.4, 99, 20, 20.9, 0.01, 1, 33.33, 60, 59.5, 120]),
    st.integers(1, 15000).map(lambda cents: cents / 100),
)
# Small numbers are drawn far more often than others, so each is spread over all of them.
picks = st.integers(0, 10_000).map(lambda drawn: crc32(b"%d" % drawn))
KINDS = {
    "payments": ("validate", "reset", "post", "request", "fail", "cancel", "discard", "reverse"),
    "creditDistributions": ("validate", "reset", "execute", "discard", "reverse"),
    "disbursements": ("validate", "approve", "execute", "reject", "reset", "discard", "reverse"),
    "writeOffs": ("reverse",),
}
ENTITIES = {
    "payments": "Payment",
    "creditDistributions": "CreditDistribution",
    "disbursements": "Disbursement",
    "writeOffs": "WriteOff",
}
SEEN: Counter[tuple[str, str, int]] = Counter()


@cache
def small() -> MockServer:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return world_of(SMALL, Path(folder))


class Anything(RuleBasedStateMachine):
    """Any writes in any order: each succeeds or is refused with 400, and after it the invariants hold."""

    @initialize()
    def begin(self) -> None:
        self.server = small()
        self.server.reset()
        self.world = self.server.worlds["credits"]
        self.client = Client(self.server, "admin-token")

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self.client.request(method, f"//billing/{TENANT}/{path}", body=body)
        assert answer.status in (200, 400), answer
        self.world.settle()
        check(self.world)
        kind, event = path.split("/")[0], path.split("/")[-1].partition("?")[0]
        SEEN[kind, event if event in KINDS.get(kind, ()) else method, answer.status] += 1
        return answer

    def ids(self, entity: str, **members: Any) -> list[str]:
        rows = (row.record for row in self.world.layer.all(entity))
        wanted = {"tenantLocator": TENANT, **members}.items()
        return [each["id"] for each in rows if all(each.get(name) == value for name, value in wanted)]

    def item(self, pick: int, account: str, amount: float | None) -> dict[str, Any]:
        """An invoice, an item or the account; mostly one that belongs to the account."""
        kind = ("invoice", "invoice", "invoiceItem", "account")[pick % 4]
        own = self.ids("Invoice", accountLocator=account) if pick % 11 else self.ids("Invoice")
        if kind == "invoiceItem":
            own = [each for each in self.ids("InvoiceItem") if self.item_of(each) in own]
        locator = account if kind == "account" else own[pick // 4 % len(own)]
        return {"containerLocator": locator, "containerType": kind} | ({"amount": amount} if amount is not None else {})

    def item_of(self, item: str) -> str:
        found = self.world.layer.get("InvoiceItem", item)
        assert found is not None
        return str(found["invoice"])

    def account(self, pick: int) -> str:
        found = self.ids("Account")
        return found[pick % len(found)]

    @rule(
        amount=amounts,
        who=picks,
        onto=st.lists(st.tuples(picks, st.one_of(st.none(), amounts)), max_size=3),
        currency=st.sampled_from([None, None, "USD", "CAD"]),
        goes=st.sampled_from([(), ("validate",), ("validate", "post"), ("validate", "post"), ("validate", "request")]),
        instrument=st.booleans(),
    )
    def pay(
        self,
        amount: float,
        who: int,
        onto: list[tuple[int, float | None]],
        currency: str | None,
        goes: tuple[str, ...],
        instrument: bool,
    ) -> None:
        account = self.account(who)
        body: dict[str, Any] = {"type": "StandardPayment", "amount": amount, "data": {}, "accountLocator": account}
        body["targets"] = [self.item(pick, account, stated) for pick, stated in onto]
        body |= {"currency": currency} if currency else {}
        if instrument:
            body |= {"financialInstrumentLocator": self.ids("FinancialInstrument")[who % 2], "retryPlanName": "daily"}
        self.go("payments", body, goes)

    @rule(
        amount=amounts,
        who=picks,
        out_of=st.lists(st.tuples(picks, st.one_of(st.none(), amounts)), max_size=2),
        onto=st.lists(st.tuples(picks, st.none()), min_size=1, max_size=2),
        goes=st.sampled_from([(), ("validate",), ("validate", "execute"), ("validate", "execute")]),
    )
    def distribute(
        self,
        amount: float,
        who: int,
        out_of: list[tuple[int, float | None]],
        onto: list[tuple[int, None]],
        goes: tuple[str, ...],
    ) -> None:
        account = self.account(who)
        body: dict[str, Any] = {"amount": amount, "accountLocator": account}
        body["sources"] = [self.item(pick, account, stated) for pick, stated in out_of]
        body["targets"] = [self.item(pick, account, stated) for pick, stated in onto]
        self.go("creditDistributions", body, goes)

    @rule(pick=picks)
    def distribute_what_there_is(self, pick: int) -> None:
        """All of a balance, or as much as an invoice of the account owes: what nearly always can be."""
        balances = [row.record for row in self.world.layer.all("Balance") if row.record["amount"]]
        if not balances:
            return
        held = balances[pick % len(balances)]
        owing = [
            row.record
            for row in self.world.layer.all("Invoice")
            if (row.record["accountLocator"], row.record["currency"]) == (held["account"], held["currency"])
            and row.record["totalRemainingAmount"] > 0
        ]
        if not owing:
            return
        invoice = owing[pick // 7 % len(owing)]
        amount = float(min(held["amount"], invoice["totalRemainingAmount"]))
        body = {
            "amount": amount,
            "sources": [],
            "accountLocator": held["account"],
            "targets": [{"containerLocator": invoice["id"], "containerType": "invoice"}],
        }
        self.go("creditDistributions", body, ("validate", "execute"))

    @rule(
        amount=amounts,
        who=picks,
        goes=st.sampled_from([(), ("validate", "approve"), ("validate", "approve", "execute")]),
    )
    def disburse(self, amount: float, who: int, goes: tuple[str, ...]) -> None:
        body = {"type": "StandardDisbursement", "useDefaultFinancialInstrument": False, "data": {}, "sources": []}
        self.go("disbursements", {**body, "amount": amount, "accountLocator": self.account(who)}, goes)

    @rule(who=picks, onto=st.lists(st.tuples(picks, st.one_of(st.none(), amounts)), max_size=2))
    def write_off(self, who: int, onto: list[tuple[int, float | None]]) -> None:
        account = self.account(who)
        body = {"accountLocator": account, "targets": [self.item(pick, account, stated) for pick, stated in onto]}
        self.go("writeOffs", body, ())

    def go(self, kind: str, body: Mapping[str, Any], events: tuple[str, ...]) -> None:
        answer = self.ask("POST", kind, body)
        for event in events if answer.status == 200 else ():
            self.ask("PATCH", f"{kind}/{answer.json['locator']}/{event}")

    @rule(pick=picks)
    def move(self, pick: int) -> None:
        """An event that is legal for something: each of those that are as likely as any other."""
        legal = self.legal()
        if legal:
            kind, event = sorted(legal)[pick % len(legal)]
            there = legal[kind, event]
            self.fire(kind, there[pick // 64 % len(there)], event)

    def legal(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for kind, entity in ENTITIES.items():
            for id in self.ids(entity):
                record = self.world.layer.get(entity, id)
                assert record is not None
                for event in self.world.api.machines[entity].events_from(record[STATES[entity][0]]):
                    if event in KINDS[kind]:
                        found.setdefault((kind, event), []).append(id)
        return found

    @rule(pick=picks, kind=st.sampled_from(list(KINDS)), event=picks)
    def move_somehow(self, pick: int, kind: str, event: int) -> None:
        there = self.ids(ENTITIES[kind])
        if there:
            self.fire(kind, there[pick % len(there)], KINDS[kind][event % len(KINDS[kind])])

    @rule(pick=picks, kind=st.sampled_from(list(KINDS)))
    def take_back(self, pick: int, kind: str) -> None:
        """Reverse what has had an effect; what it did is undone to the cent."""
        entity = ENTITIES[kind]
        there = self.ids(entity, **{STATES[entity][0]: STATES[entity][1]})
        if there:
            self.fire(kind, there[pick % len(there)], "reverse")

    def fire(self, kind: str, id: str, event: str) -> None:
        reasons = {"payments": "nsf", "creditDistributions": "misapplied"}
        body = {"reversalType": reasons[kind]} if event == "reverse" and kind in reasons else None
        self.ask("PATCH", f"{kind}/{id}/{event}", body)

    @rule(pick=picks, amount=st.one_of(st.none(), amounts), adds=st.integers(0, 2), removes=st.booleans())
    def edit(self, pick: int, amount: float | None, adds: int, removes: bool) -> None:
        """A draft: containers come and go, in a payment or a distribution."""
        kind = ("payments", "creditDistributions")[pick % 2]
        entity = ENTITIES[kind]
        there = self.ids(entity, **{STATES[entity][0]: "draft"})
        if not there:
            return
        record = self.world.layer.get(entity, there[pick // 2 % len(there)])
        assert record is not None
        account = record.get("accountLocator", self.account(pick))
        added = [self.item(pick // 8 + each, account, amount) for each in range(adds)]
        removed = [item["containerLocator"] for item in record["targets"]][:removes]
        body: dict[str, Any] = {"addTargets": added, "removeTargets": removed}
        if kind == "payments":
            body |= {"setData": {"note": pick}, "removeData": {"other": None}}
        else:
            body |= {"addSources": [], "removeSources": [], "amount": amount or 10}
        self.ask("PATCH", f"{kind}/{record['id']}", body)

    @rule(pick=picks, amount=amounts)
    def replace(self, pick: int, amount: float) -> None:
        """A distribution at a locator: one that is free, or any that is there."""
        account, there = self.account(pick), self.ids("CreditDistribution")
        locator = there[pick % len(there)] if there and pick % 3 else f"01KM000000000000000000{pick % 10_000:04d}"
        body = {"amount": amount, "sources": [], "targets": [self.item(pick, account, None)]}
        self.ask("PUT", f"creditDistributions/{locator}", body)

    @rule(pick=picks)
    def preview(self, pick: int) -> None:
        """What posting would do, which then is what it does."""
        there = self.ids("Payment", paymentState="validated")
        if not there:
            return
        path = f"payments/{there[pick % len(there)]}"
        before = self.money()
        shown = self.ask("GET", f"{path}/previewPost").json
        assert self.money() == before
        posted = self.ask("PATCH", f"{path}/post").json
        forgiven = self.client.get(f"//billing/{TENANT}/{path}/shortfallCredits/list").json["items"]
        assert [each["amount"] for each in shown["shortfallCredits"]] == [each["amount"] for each in forgiven]
        assert shown["credits"][0]["creditState"] == posted["paymentState"] == "posted"
        left = {each["locator"]: each["totalRemainingAmount"] for each in shown["invoices"]}
        found = (row.record for row in self.world.layer.all("Invoice") if row.record["id"] in left)
        assert left == {each["id"]: float(each["totalRemainingAmount"]) for each in found}

    @rule(amount=amounts, who=picks, pick=picks)
    def pay_and_take_back(self, amount: float, who: int, pick: int) -> None:
        """A payment that is reversed at once leaves every item and every balance as it was."""
        before = self.money()
        account = self.account(who)
        body = {"type": "StandardPayment", "amount": amount, "data": {}, "accountLocator": account}
        answer = self.ask("POST", "payments", {**body, "targets": [self.item(pick, account, None)]})
        if answer.status == 200:
            path = f"payments/{answer.json['locator']}"
            self.ask("PATCH", f"{path}/validate")
            posted = self.ask("PATCH", f"{path}/post")
            if posted.status == 200:
                assert self.ask("PATCH", f"{path}/reverse", {"reversalType": "nsf"}).status == 200
        assert self.money() == before

    def money(self) -> Any:
        items = {
            item["locator"]: item["remainingAmount"]
            for row in self.world.layer.all("Invoice")
            for item in row.record["invoiceItems"]
        }
        held = {
            row.record["id"]: row.record["amount"] for row in self.world.layer.all("Balance") if row.record["amount"]
        }
        return items, held

    @rule(pick=picks, forced=st.booleans())
    def settle(self, pick: int, forced: bool) -> None:
        there = self.ids("Invoice")
        self.ask("POST", f"invoices/{there[pick % len(there)]}/settle?forced={'true' if forced else 'false'}")

    @rule(pick=picks)
    def write_off_invoice(self, pick: int) -> None:
        there = self.ids("Invoice")
        if pick % 3 == 0:
            self.ask("PATCH", f"invoices/{there[pick // 3 % len(there)]}/writeOff")


def walk(number: int, *, examples: int, steps: int) -> int:
    """Walk at random; how many writes were made."""
    SEEN.clear()
    machine = seed(number)(type("Anything", (Anything,), {}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )
    return SEEN.total()


def test_the_invariants_hold_whatever_is_done():
    walk(1, examples=15, steps=40)
    done = {(kind, event) for kind, event, status in SEEN if status == 200}
    assert done >= {("payments", "post"), ("payments", "reverse"), ("creditDistributions", "execute")}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2, 10))
def test_the_invariants_hold_in_20_000_steps(number):
    made = walk(number, examples=80, steps=50)
    assert made > 20_000 / 8, made
    done = {(kind, event) for kind, event, status in SEEN if status == 200}
    assert done >= {("payments", "post"), ("payments", "reverse"), ("creditDistributions", "execute")}
    assert len(done & {(kind, event) for kind, events in KINDS.items() for event in events}) >= 12
