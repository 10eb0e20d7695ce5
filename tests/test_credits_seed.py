"""Scenario files of credits: what pins and callers may say, what is refused and how, what the README tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mockserver import MockServer, create_app, scenario
from mockserver.apis.credits.configuration import CONFIGURATION, REVERSIBLE, TYPES
from mockserver.apis.credits.pinned import METHODS, WAYS
from mockserver.apis.credits.pinning import MEMBERS
from mockserver.scenario import ScenarioError
from mockserver.store import Record
from specs import tables
from tests.driver import Client

TENANT = "40000000-0000-4000-8000-000000000001"
CAST = "callers:\n  admin: {api: credits, token: admin-token, role: admin}\n"
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writing(text: str) -> Path:
        path = tmp_path / "my-world.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return writing


def built(path: Path | str = "default") -> MockServer:
    return create_app("credits", scenario=path)


def refused(path: Path) -> str:
    """What the file is refused with: always one line, with its place."""
    with pytest.raises(ScenarioError) as caught:
        built(path)
    assert re.match(r"my-world\.yaml:\d+: ", str(caught.value))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tenant_of(server: MockServer) -> Record:
    (row,) = server.world.layer.all("Tenant")
    return row.record


def pinned(*pins: str) -> str:
    return CAST + "pins:\n" + "".join(f"  - {{api: credits, {pin}}}\n" for pin in pins)


# A tenant with a configuration of its own


def test_what_a_tenant_does_not_say_follows_the_plans_that_it_says(write: Write) -> None:
    made = tenant_of(built(write(pinned("entity: Tenant, name: Z, shortfallTolerancePlans: {small: {EUR: 2}}"))))
    assert made["products"] == {"Home": {}, "Motor": {}}
    assert "defaultShortfallTolerancePlan" not in made


def test_default_products_keep_the_plan_that_is_there(write: Write) -> None:
    plans = "{standard: {EUR: 1}, generous: {EUR: 2}}"
    made = tenant_of(built(write(pinned(f"entity: Tenant, name: Z, shortfallTolerancePlans: {plans}"))))
    assert made["products"] == CONFIGURATION["products"]
    assert made["defaultShortfallTolerancePlan"] == "standard"


def test_a_tenant_may_have_no_plan_at_all_and_accounts_are_drawn_for_it(write: Write) -> None:
    text = pinned("entity: Tenant, name: Z, shortfallTolerancePlans: {}")
    server = built(write(f"{text}sizes: {{credits: {{accounts: 60, invoices: 30, payments: 30}}}}\n"))
    assert tenant_of(server)["shortfallTolerancePlans"] == {}
    assert not list(server.world.layer.all("ShortfallCredit"))


def test_a_reversal_that_names_no_type_takes_the_first_that_the_tenant_has_for_it(write: Write) -> None:
    server = built(
        write(
            pinned(
                "entity: Tenant, name: Z, reversalTypes: {mislaid: creditDistribution, bounced: payment, odd: any}",
                "entity: Account, name: Ada",
                "entity: Payment, account: Ada, amount: 5, status: reversed",
            )
        )
    )
    (payment,) = (row.record for row in server.world.layer.all("Payment"))
    assert payment["reversalReason"] == "bounced"


WRONG = {
    "products: [Boat]": "products: is a mapping; write products: {Home: {}, Motor: {defaultShortfallTolerancePlan: sta",
    "products: {Boat: small}": "products.Boat: is a mapping; write {} or {defaultShortfallTolerancePlan: standard}.",
    "products: {Boat: {plan: standard}}": "products.Boat.plan: unknown; write {} or {defaultShortfallTolerancePlan: ",
    "retryPlans: daily": "retryPlans: is a mapping; write retryPlans: {daily: {retries: 2, hours: 24}}.",
    "retryPlans: {x: 1}": "retryPlans.x: says no retries and hours; write {retries: 2, hours: 24}.",
    "retryPlans: {x: {retries: -1, hours: 1}}": "x: says no retries and hours; write {retries: 2, hours: 24}.",
    "shortfallTolerancePlans: 2": "write shortfallTolerancePlans: {standard: {USD: 1.00, EUR: 0.90}}.",
    "shortfallTolerancePlans: {small: 2}": "small: is a mapping of currencies to amounts; write {USD: 1.00, EUR:",
    "shortfallTolerancePlans: {small: {euro: 2}}": "small.euro: 'euro' is no currency; write {USD: 1.00, EUR: 0.90}.",
    "shortfallTolerancePlans: {small: {EUR: -2}}": "small.EUR: -2 is below 0; a tolerance is 0 or more.",
    "reversalTypes: [nsf]": "reversalTypes: is a mapping; write reversalTypes: {nsf: payment, correction: any}.",
    "numbering: PMT": "numbering: is a mapping; write numbering: {payment: PMT-, invoice: INV-}.",
    "numbering: {payment: 1}": "numbering.payment: 1 is no text; write what numbers begin with, like PMT-.",
    "numbering: {paiment: P}": "numbering.paiment: no plan of numbers; did you mean payment?",
    "paymentTypes: Cash": "paymentTypes: is a list of texts; write paymentTypes: [StandardPayment, CheckPayment].",
    "disbursementTypes: []": "disbursementTypes: is empty; name one at least: [StandardDisbursement].",
    "defaultCurrency: euro": "defaultCurrency: 'euro' is no currency; write three letters, like EUR.",
}


@pytest.mark.parametrize("said", WRONG)
def test_a_wrong_configuration_is_refused_with_an_example_of_the_right_form(write: Write, said: str) -> None:
    told = refused(write(pinned(f"entity: Tenant, name: Z, {said}")))
    assert told.startswith(f"my-world.yaml:4: pins[0].{said.split(':')[0]}")
    assert WRONG[said] in told


@pytest.mark.parametrize(
    ("pin", "says"),
    [
        ("entity: Account, name: Ada, currency: dollar", "pins[0].currency: 'dollar' is no currency; write three"),
        ("entity: Payment, amount: 1, retryPlanName: weekly", "retryPlanName: no 'weekly'; there are: daily."),
        ("entity: Payment, amount: 1, transactionMethod: gold", "transactionMethod: no 'gold'; there are: ach, cash"),
        ("entity: Payment, amount: 1, currency: $", "pins[0].currency: '$' is no currency"),
        ("entity: WriteOff, reversalType: nsf", "pins[0].reversalType: unknown; there are: account, at, status,"),
    ],
)
def test_a_wrong_member_is_refused_with_its_mend(write: Write, pin: str, says: str) -> None:
    assert says in refused(write(pinned(pin)))


@pytest.mark.parametrize(
    ("types", "says"),
    [
        ("{}", "pins[2].status: its tenant has no reversalTypes for a payment; add one"),
        ("{mislaid: creditDistribution}", "pins[2].status: its tenant has no reversalTypes for a payment; add one"),
        ("{bounced: payment}", "pins[2].reversalType: no 'nsf'; there are: bounced."),
    ],
)
def test_a_reason_that_the_tenant_does_not_have_is_refused(write: Write, types: str, says: str) -> None:
    reason = ", reversalType: nsf" if "payment" in types else ""
    pins = (
        f"entity: Tenant, name: Z, reversalTypes: {types}",
        "entity: Account, name: Ada",
        f"entity: Payment, account: Ada, amount: 5, status: reversed{reason}",
    )
    assert says in refused(write(pinned(*pins)))


# Callers


@pytest.mark.parametrize(
    ("permission", "says"),
    [
        ("credit.read", "no operation knows 'credit.read'; did you mean credits.read? there are: *.*, accounting.*"),
        ("credits.raed", "no operation knows 'credits.raed'; did you mean credits.read?"),
        ("payment.*", "no operation knows 'payment.*'; did you mean payments.*?"),
        ("'*.write'", "'*.write' is no permission; write resource.action, resource.* or *.*."),
    ],
)
def test_a_permission_that_would_open_nothing_is_refused_with_the_nearest(
    write: Write, permission: str, says: str
) -> None:
    text = f"callers:\n  x: {{token: t, api: credits, permissions: [{permission}], tenants: any}}\n"
    assert f"callers.x.permissions: {says}" in refused(write(text))


@pytest.mark.parametrize("permission", ["credits.read", "credits.write", "'credits.*'", "'*.*'", "users.token"])
def test_a_permission_of_words_that_operations_know_will_do(write: Write, permission: str) -> None:
    text = f"callers:\n  x: {{token: t, api: credits, permissions: [{permission}], tenants: any}}\n"
    assert built(write(text)).callers["x"].rights == (permission.strip("'"),)


@pytest.mark.parametrize(
    ("api", "said", "key"),
    [
        ("credits", "role: treasury", "tenants"),
        ("credits", "permissions: ['*.*']", "tenants"),
        ("accounts", "role: holder", "accounts"),
    ],
)
def test_a_caller_that_forgets_what_it_may_see_is_refused_in_the_same_words(
    write: Write, api: str, said: str, key: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        create_app(api, scenario=write(f"callers:\n  x: {{token: t, api: {api}, {said}}}\n"))
    words = f"no {key}; list what it may see, or say {key}: [] if that is nothing."
    assert str(caught.value) == f"my-world.yaml:2: callers.x: {words}"


def test_a_caller_may_say_that_it_may_see_nothing(write: Write) -> None:
    text = CAST + "  x: {token: t, api: credits, role: treasury, tenants: []}\n"
    server = built(write(text))
    path = f"//billing/{tenant_of(server)['id']}/disbursements/{'0' * 26}/validate"
    assert Client(server, "t").request("PATCH", path).status == 403
    assert Client(server, "admin-token").request("PATCH", path).status == 404


@pytest.mark.parametrize("sizes", ["{journals: 3}", "{credits: 3}", "{credits: [3]}"])
def test_sizes_that_name_no_api_say_how_they_are_told(write: Write, sizes: str) -> None:
    (name,) = re.findall(r"\w+", sizes)[:1]
    said = refused(write(f"{CAST}sizes: {sizes}\n"))
    assert said.startswith(f"my-world.yaml:3: sizes.{name}: ")
    assert said.endswith(" will not do; sizes are told by API, as in sizes: {billing: {journals: 40}}.")


# What the README promises

README = (scenario.HOME / "README.md").read_text(encoding="utf-8")
SECTION = README.split("### Of credits\n")[1].split("\n### ")[0]
HELD = README.split("### What credits holds\n")[1].split("\n### ")[0]
FIELDS = {entity: machine.field for entity, machine in tables.load("credits").machines.items()}
KINDS = {"N": "Invoice", "P": "Payment", "D": "CreditDistribution", "B": "Disbursement", "W": "WriteOff"}
ROWS = re.findall(r"^\| (01\w{24}) \| ([a-z]+) \| (-?[\d.]+) \|(.+)\|$", HELD, re.MULTILINE)


@pytest.fixture(scope="module")
def default() -> MockServer:
    return built()


def told() -> dict[tuple[str, str], tuple[str, str]]:
    """(entity, member) -> what it may be, and what there is without it."""
    lines = (line for line in SECTION.splitlines() if line.startswith("| ") and not line.startswith("| Entity"))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {(row[0], member): (row[2], row[3]) for row in rows for member in row[1].split(", ")}


def test_the_readme_tells_every_member_of_every_pin() -> None:
    known = {(entity, member) for entity, members in MEMBERS.items() if entity != "InvoiceItem" for member in members}
    assert set(told()) == known
    assert f"`{{id, {', '.join(MEMBERS['InvoiceItem'])}}}`" in told()["Invoice", "items"][0]


def test_the_readme_tells_every_word_that_there_is_to_choose_from() -> None:
    assert told()["Tenant", "type"] == (", ".join(TYPES), CONFIGURATION["type"])
    assert told()["Payment", "transactionMethod"][0] == ", ".join(METHODS)
    assert all(each in told()["Tenant", "reversalTypes"][0] for each in REVERSIBLE)
    for entity, ways in WAYS.items():
        assert set(told()[entity, "status"][0].split(", ")) == set(ways)
        assert told()[entity, "status"][1] == next(iter(ways))


def test_the_example_of_a_tenant_goes_as_it_says(write: Write) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    layer = built(write(example)).world.layer
    (shortfall,) = (row.record for row in layer.all("ShortfallCredit"))
    assert (shortfall["id"], str(shortfall["amount"])) == ("01KGKY2GM020000000000S0001", "8.00")
    payments = {row.record["id"][-1]: row.record for row in layer.all("Payment")}
    assert len([each for each in payments["2"]["executionLog"] if each["event"] == "executing"]) == 1 + 3
    assert payments["3"]["reversalReason"] == "bounced"
    assert all(each["paymentNumber"].startswith("BOAT-") for each in payments.values())


def test_the_readme_tells_what_a_tenant_has_that_says_nothing(write: Write) -> None:
    members = (name for name in CONFIGURATION if name not in ("type", "defaultShortfallTolerancePlan"))
    defaults = {name: told()["Tenant", name][1].strip("`").split("`,")[0] for name in members}
    said = ", ".join(f"{name}: {value}" for name, value in defaults.items())
    spelled = tenant_of(built(write(pinned(f"id: {TENANT}, entity: Tenant, name: Z, {said}"))))
    assert spelled == tenant_of(built(write(pinned(f"id: {TENANT}, entity: Tenant, name: Z"))))


@pytest.mark.parametrize(("id", "state", "amount", "rest"), ROWS)
def test_what_is_pinned_is_as_the_readme_says(default: MockServer, id: str, state: str, amount: str, rest: str) -> None:
    entity = KINDS[id[21]]
    record = default.world.layer.get(entity, id)
    assert record is not None
    assert (record[FIELDS[entity]], str(record["totalAmount" if entity == "Invoice" else "amount"])) == (state, amount)
    if entity == "Invoice":
        remains, name = (each.strip() for each in rest.split("|")[:2])
        account = default.world.layer.get("Account", record["accountLocator"])
        assert account is not None
        assert (str(record["totalRemainingAmount"]), account["name"]) == (remains, name)
    for locator in re.findall(r"shortfall credit (\w{26})", rest):
        credit = default.world.layer.get("ShortfallCredit", locator)
        assert credit is not None
        assert credit["parentCreditLocator"] == id
        assert not (found := re.search(r"of (\d+\.\d\d)", rest)) or found[1] == str(credit["amount"])


@pytest.mark.parametrize("row", re.findall(r"^\| (\w{26} \| [A-Z].*) \|$", HELD, re.MULTILINE))
def test_accounts_are_as_the_readme_says(default: MockServer, row: str) -> None:
    id, name, tenant, currency, special = row.split(" | ") if row.count(" | ") == 4 else (*row[:-2].split(" | "), "")
    record = default.world.layer.get("Account", id)
    assert record is not None
    home = default.world.layer.get("Tenant", record["tenantLocator"])
    assert home is not None
    assert (record["name"], record["currency"]) == (name, currency)
    assert home["name"].endswith(tenant)
    assert (record["accountState"] == "draft") == ("draft" in special)


def test_the_readme_names_everything_that_is_pinned() -> None:
    pins = [pin for pin in scenario.load("default").pins if pin.api == "credits" and pin.entity != "User"]
    ids = [str(pin.id) for pin in pins] + [id for pin in pins for id in pin.members.get("shortfalls", ())]
    assert ids and [id for id in ids if id not in HELD] == []


def test_the_four_untouched_invoices_go_as_the_readme_says(default: MockServer) -> None:
    home = "10000000-0000-4000-8000-000000000001"
    client = Client(default, "admin-token")

    def pay(amount: float, invoice: str) -> Any:
        body = {"type": "StandardPayment", "amount": amount, "data": {}}
        body["targets"] = [{"containerLocator": invoice, "containerType": "invoice"}]
        made = client.post(f"//billing/{home}/payments", body).json["locator"]
        for step in ("validate", "post"):
            answer = client.request("PATCH", f"//billing/{home}/payments/{made}/{step}")
            assert answer.status == 200
        return len(answer.json["shortfallCreditLocators"]), client.get(f"//billing/{home}/invoices/{invoice}").json

    first, second, third, fourth = re.findall(r"^\| (\w{26}) \|.*\| untouched", HELD, re.MULTILINE)
    default.reset()
    for amount, id, shortfalls, remains in ((99.4, first, 1, 0), (98, third, 0, 2), (99.9, fourth, 0, 0.1)):
        count, invoice = pay(amount, id)
        assert (count, invoice["totalRemainingAmount"]) == (shortfalls, remains)
    default.reset()
    assert pay(120, first)[1]["invoiceState"] == "settled"
    account = {"containerLocator": "01JT2YS8M010000000000A0001", "containerType": "account"}
    body = {"amount": 20, "sources": [account], "targets": [{"containerLocator": second, "containerType": "invoice"}]}
    made = client.post(f"//billing/{home}/creditDistributions", body).json["locator"]
    for step in ("validate", "execute"):
        answer = client.request("PATCH", f"//billing/{home}/creditDistributions/{made}/{step}")
    (shortfall,) = answer.json["shortfallCreditLocators"]
    assert client.get(f"//billing/{home}/shortfallCredits/{shortfall}").json["amount"] == 0.9
    default.reset()
