"""Who may do what in which tenant, cell by cell on the running server; a refusal changes nothing (credits 5, 6)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mockserver import MockServer, create_app, wire
from mockserver.scenario import HOME
from tests import rights
from tests.credits_stage import (
    ACCOUNTS,
    API,
    CALLERS,
    FIT,
    MAKES,
    NOWHERE,
    PRODUCTION,
    RETIRED,
    SEED,
    STAGING,
    TABLE,
    TRAINING,
    TYPES,
    UNKNOWN,
    WAYS,
    Caller,
    Stage,
    body,
    built,
    invoice,
    request,
    scenario,
)
from tests.driver import Answer, Client
from tests.rights import STRANGERS, assert_documented, blank, fingerprints
from tests.valid import Request

OPERATIONS = rights.operations(API)
ROWS: Mapping[str, dict[str, Any]] = rights.table(API)["operations"]
MALFORMED = "not-a-uuid"
TENANTS = (STAGING, TRAINING, PRODUCTION, RETIRED, UNKNOWN, MALFORMED)
OBJECTS = ("staging", "training", "missing", "malformed")
HOMES = {"staging": STAGING, "training": TRAINING}
CAST = [caller for name, caller in CALLERS.items() if name != "credits-expired"]
QUICK = ("admin", "auditor", "clerk", "treasurer", "reader", "auditor-other", "both", "useless")
RULES = ("any", "all")


@pytest.fixture
def app() -> Iterator[MockServer]:
    with rights.reset(built()) as app:
        yield app


@pytest.fixture
def strict() -> Iterator[MockServer]:
    """The same under the overlay that asks for every permission that an operation names."""
    with rights.reset(built(rule="all")) as app:
        yield app


def as_(app: MockServer, name: str) -> Client:
    return Client(app, CALLERS[name].token)


def names_object(id: str) -> bool:
    return bool({"locator", "accountLocator", "refLocator"} & set(OPERATIONS[id].params))


def names_tenant(id: str) -> bool:
    return "tenantLocator" in OPERATIONS[id].params


# Every operation by every caller in every tenant on every object


def expected(id: str, caller: Caller, tenant: str, thing: str, rule: str = "any") -> int:
    """What the table and credits 5 and 6 say, whichever comes first."""
    faults = {}
    if names_tenant(id):
        if tenant == MALFORMED:
            faults["query"] = rights.status(API, "query")
        elif not caller.reaches(tenant):
            faults["scope"] = rights.status(API, "scope")
    if not caller.may(ROWS[id]["needs"], rule):
        faults["role"] = rights.status(API, "role")
    replaces = ROWS[id]["does"] == "replace" and thing == "missing"
    if names_object(id):
        if thing == "malformed":
            faults["query"] = rights.status(API, "query")
        elif HOMES.get(thing) != tenant and not replaces:
            faults["find"] = rights.status(API, "find")
    if ((id in MAKES and not names_object(id)) or replaces) and tenant not in ACCOUNTS:
        faults["body"] = rights.status(API, "body")  # it names an account of another tenant, which is an unknown one
    return faults[rights.first(API, faults)] if faults else 200


def cells(id: str, cast: list[Caller]) -> Iterator[tuple[Caller, str, str]]:
    """(caller, tenant, object) of an operation; of what it does not name there is one."""
    tenants = TENANTS if names_tenant(id) else (STAGING,)
    things = OBJECTS if names_object(id) else ("staging",)
    return itertools.product(cast, tenants, things)


def objects(app: MockServer, id: str) -> dict[str, str | None]:
    """What an operation is done to: an object of each tenant in a fit state, one that is nowhere, no locator."""
    found = {name: Stage(app, tenant).object(id) for name, tenant in HOMES.items()}
    return {**found, "missing": NOWHERE, "malformed": "list-of-all"}


def asked(id: str, tenant: str, thing: str, there: Mapping[str, str | None]) -> Request:
    home = tenant if tenant in ACCOUNTS and not names_object(id) else HOMES.get(thing, tenant)
    return request(id, tenant, there[thing], home if home in ACCOUNTS else STAGING)


def test_the_scenario_has_every_kind_of_caller_and_tenant() -> None:
    assert len(OPERATIONS) == 52
    assert sorted({*TYPES.values()}) == ["production", "retired", "test"]
    reach = {name: [tenant for tenant in TYPES if CALLERS[name].reaches(tenant)] for name in CALLERS}
    assert reach["admin"] == list(TYPES)
    assert reach["auditor"] == [STAGING, PRODUCTION]
    assert reach["reader"] == reach["tester"] == [STAGING, TRAINING]
    assert reach["auditor-other"] == reach["elsewhere"] == [TRAINING]
    assert (reach["retirer"], reach["nowhere"]) == ([RETIRED], [])


@pytest.mark.parametrize("id", OPERATIONS)
def test_a_cell_answers_as_the_table_says(app: MockServer, id: str) -> None:
    see_cells(app, id, [caller for caller in CAST if caller.name in QUICK])


@pytest.mark.slow
@pytest.mark.parametrize("id", OPERATIONS)
def test_a_cell_of_any_other_caller_answers_as_the_table_says(app: MockServer, id: str) -> None:
    see_cells(app, id, [caller for caller in CAST if caller.name not in QUICK] + [CALLERS["admin"]])


def see_cells(app: MockServer, id: str, cast: list[Caller]) -> None:
    """Every cell of an operation and these callers answers as expected, and what is refused changes nothing."""
    there = objects(app, id)
    before = fingerprints(app)
    granted = []
    for caller, tenant, thing in cells(id, cast):
        wanted = expected(id, caller, tenant, thing)
        if wanted == 200:
            granted.append((caller, tenant, thing))
            continue
        answer = asked(id, tenant, thing, there).send(Client(app, caller.token))
        assert answer.status == wanted, (caller.name, tenant, thing, answer)
        assert_documented(app, API, OPERATIONS[id], answer)
    assert fingerprints(app) == before
    assert granted, "nobody can do it"
    for caller, tenant, thing in granted:
        if OPERATIONS[id].method != "GET":
            app.reset()
            there = objects(app, id)
            before = fingerprints(app)
        answer = asked(id, tenant, thing, there).send(Client(app, caller.token))
        assert answer.status == 200, (caller.name, tenant, thing, answer)
        assert_documented(app, API, OPERATIONS[id], answer)
        assert (fingerprints(app) != before) == (OPERATIONS[id].method != "GET"), (caller.name, tenant, thing)


@pytest.mark.parametrize("id", OPERATIONS)
def test_a_cell_answers_as_the_table_says_under_the_other_rule(strict: MockServer, id: str) -> None:
    stage = Stage(strict)
    there = stage.object(id)
    before = fingerprints(strict)
    allowed = []
    for caller in CAST:
        if expected(id, caller, STAGING, "staging", "all") == 200:
            allowed.append(caller)
            continue
        answer = request(id, STAGING, there).send(Client(strict, caller.token))
        assert answer.status == 403, (caller.name, answer)
        assert_documented(strict, API, OPERATIONS[id], answer)
    assert fingerprints(strict) == before
    for caller in allowed:
        if OPERATIONS[id].method != "GET":
            strict.reset()
            there = stage.object(id)
        assert request(id, STAGING, there).send(Client(strict, caller.token)).status == 200, caller.name


def test_every_operation_of_the_table_can_be_done_by_the_default_cast(app: MockServer) -> None:
    ours = {name: CALLERS[name] for name in ("admin", "auditor", "clerk", "treasurer", "reader", "auditor-other")}
    for id, row in ROWS.items():
        assert any(caller.may(row["needs"]) for caller in ours.values()), id


# Section 5.2, as it stands there


def statuses(row: str, rule: str) -> list[int]:
    """What a row of the table says of the four reads; * flips to 403 under `all`."""
    return [403 if "*" in each and rule == "all" else int(each.rstrip("*")) for each in TABLE[row][2].split()]


def of_the_seed(app: MockServer, client: Client, tenant: str = STAGING) -> list[int]:
    """What the four reads of the seed answer."""
    credit = next(
        row.record["id"]
        for row in app.worlds[API].layer.all("ShortfallCredit")
        if row.record["tenantLocator"] == STAGING
    )
    things = {"fetchShortfallCredit": credit, "fetchCreditsForAnInvoice": invoice(STAGING, 1)}
    return [request(id, tenant, things.get(id)).send(client).status for id in SEED]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("row", TABLE)
def test_the_table_of_the_reference_holds_for_callers(row: str, rule: str) -> None:
    app = built(rule=rule)
    app.reset()
    assert of_the_seed(app, Client(app, CALLERS[row].token)) == statuses(row, rule)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("row", TABLE)
def test_the_table_of_the_reference_holds_for_access_tokens(row: str, rule: str) -> None:
    app = built(rule=rule)
    app.reset()
    held = sorted(CALLERS[row].rights)
    client = Client(app, token(app, "admin", held, [STAGING]))
    assert of_the_seed(app, client) == statuses(row, rule)
    # A ghost that cannot be found is 403 for those alone who may not: so all the other operations, too.
    for id, operation in ROWS.items():
        if names_object(id):
            answer = request(id, STAGING, NOWHERE).send(client)
            assert (answer.status == 403) != rights.suffices(held, operation["needs"], rule), (id, answer)


@pytest.mark.parametrize("rule", RULES)
def test_all_permissions_are_of_no_use_where_the_tenant_is_not_in_scope(rule: str) -> None:
    app = built(rule=rule)
    app.reset()
    for client in (
        as_(app, "elsewhere"),
        as_(app, "nowhere"),
        as_(app, "retirer"),
        Client(app, token(app, "admin", ["*.*"], [TRAINING])),
        Client(app, token(app, "admin", ["*.*"], [])),
    ):
        assert of_the_seed(app, client) == [403] * 4
    assert of_the_seed(app, Client(app, None)) == [401] * 4
    assert of_the_seed(app, Client(app, "garbage")) == [401] * 4


def test_the_overlay_turns_the_starred_cells_and_no_others() -> None:
    for row in TABLE:
        flipped = [a != b for a, b in zip(statuses(row, "any"), statuses(row, "all"), strict=True)]
        assert flipped == ["*" in each for each in TABLE[row][2].split()]


def test_an_administrator_needs_no_list_of_tenants(tmp_path: Path) -> None:
    """credits 5, D: everything, on every tenant, no tenant list needed."""
    file = tmp_path / "root.yaml"
    file.write_text(
        f"extends: {HOME / 'default.yaml'}\ncallers:\n  root: {{api: credits, token: root-token, role: admin}}\n",
        encoding="utf-8",
    )
    app = create_app("credits", scenario=file)
    for tenant in (STAGING, TRAINING, PRODUCTION):
        assert Client(app, "root-token").get(f"//billing/{tenant}/credits/list").status == 200
    root = Client(app, "root-token")
    assert root.get(f"//billing/{UNKNOWN}/credits/list").status == 403
    # What one reaches, one can give.
    sent = {"name": "x", "tenants": [STAGING], "permissions": ["credits.read"], "expiresAt": None}
    made = root.post("//auth/users/tokens", sent)
    assert made.status == 200, made
    assert [credits(Client(app, made.json), tenant) for tenant in (STAGING, TRAINING)] == [200, 403]
    assert root.get("//auth/users/whoami").json["tenants"] == ["any"]


# Strangers


TOKENS = {
    "known": "admin-token",
    "second": "auditor-token",
    "other": "finance-token",
    "expired": "credits-expired-token",
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_who_is_nobody_is_told_so_before_anything_else(app: MockServer, kind: str) -> None:
    before = fingerprints(app)
    for id, operation in OPERATIONS.items():
        right = request(id, STAGING, invoice(STAGING, 1))
        for sent in (right, request(id, UNKNOWN, NOWHERE), request(id, MALFORMED, "x"), broken(right)):
            sent = encoded(sent)
            answer = rights.sent_by_stranger(app, sent, kind, TOKENS)
            assert answer.status == rights.status(API, "token") == 401, (id, answer)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert_documented(app, API, operation, answer)
    assert fingerprints(app) == before


def broken(sent: Request) -> Request:
    """With a body that cannot be read."""
    headers = {"content-type": "application/json"}
    return replace(sent, body=None, content=b'{"amount', headers=headers) if sent.body is not None else sent


def encoded(sent: Request) -> Request:
    """With its body as bytes."""
    if sent.body is None:
        return sent
    headers = {"content-type": "application/json"}
    return replace(sent, body=None, content=json.dumps(sent.body).encode(), headers=headers)


# What is told apart by nothing


@pytest.mark.parametrize("id", [id for id in OPERATIONS if names_object(id)])
def test_an_object_of_another_tenant_looks_like_one_that_is_not_there(app: MockServer, id: str) -> None:
    if ROWS[id]["does"] == "replace":
        return  # what is not there is made; the next test has it
    there = objects(app, id)
    before = fingerprints(app)
    for tenant, home, foreign in ((STAGING, "staging", "training"), (TRAINING, "training", "staging")):
        for caller in ("admin", "tester"):
            first, second = (
                blank(request(id, tenant, there[each], HOMES[home]).send(as_(app, caller)), there[each] or "")
                for each in (foreign, "missing")
            )
            assert first == second
            assert first[0] == 404
    assert fingerprints(app) == before


def test_replacing_what_another_tenant_has_at_this_locator_is_refused_and_changes_nothing(app: MockServer) -> None:
    theirs = Stage(app, TRAINING).make("CreditDistribution", "draft")
    payment = Stage(app, TRAINING).make("Payment", "draft")
    before = fingerprints(app)
    for locator in (theirs, payment):
        answer = request("createOrReplaceCreditDistribution", STAGING, locator).send(as_(app, "admin"))
        assert answer.status in (400, 404), answer
        assert TRAINING not in answer.text
    assert request("createOrReplaceCreditDistribution", STAGING, theirs).send(as_(app, "admin")).status == 404
    assert fingerprints(app) == before


@pytest.mark.parametrize("id", [id for id in OPERATIONS if names_tenant(id)])
def test_a_tenant_that_is_not_assigned_looks_like_one_that_is_not_there(app: MockServer, id: str) -> None:
    there = objects(app, id)
    for caller, tenants in (
        ("elsewhere", (STAGING, PRODUCTION, RETIRED)),
        ("useless", (TRAINING, PRODUCTION, RETIRED)),
        ("nowhere", (STAGING, TRAINING)),
    ):
        unknown = blank(request(id, UNKNOWN, there["staging"]).send(as_(app, caller)), UNKNOWN)
        assert unknown[0] == 403
        for tenant in tenants:
            assert blank(request(id, tenant, there["staging"]).send(as_(app, caller)), tenant) == unknown


CONTAINERS = {
    "createPayment": ("targets", "accountLocator", "financialInstrumentLocator"),
    "createCreditDistribution": ("sources", "targets", "accountLocator"),
    "createDisbursement": ("sources", "accountLocator", "financialInstrumentLocator"),
    "writeOff": ("targets", "accountLocator"),
}


@pytest.mark.parametrize("id", CONTAINERS)
def test_what_a_body_names_of_another_tenant_reads_like_what_is_not_there(app: MockServer, id: str) -> None:
    before = fingerprints(app)
    for member in CONTAINERS[id]:
        found = []
        for locator in (ACCOUNTS[TRAINING], NOWHERE):
            sent = body(MAKES[id], STAGING)
            container = invoice(TRAINING, 1) if locator != NOWHERE else NOWHERE
            kind = "invoice"
            if member == "sources":
                container, kind = locator, "account"
            if member in ("sources", "targets"):
                sent[member] = [{"containerLocator": container, "containerType": kind}]
                locator = container
            else:
                sent[member] = locator
            answer = as_(app, "admin").post(OPERATIONS[id].at(tenantLocator=STAGING), sent)
            assert answer.status == 400, (member, answer)
            found.append(blank(answer, locator))
        assert found[0] == found[1], member
    assert fingerprints(app) == before


@pytest.mark.parametrize("tenant", [STAGING, TRAINING, PRODUCTION, RETIRED])
def test_lists_never_show_anything_of_another_tenant(app: MockServer, tenant: str) -> None:
    layer, client = app.worlds[API].layer, as_(app, "admin")
    homes = {
        row.record["id"]: row.record["tenantLocator"]
        for entity in (*WAYS, "ShortfallCredit", "Invoice", "Account")
        for row in layer.all(entity)
    }
    mine = {id for id, home in homes.items() if home == tenant}
    for path in ("credits", "shortfallCredits", "payments", "creditDistributions", "disbursements", "writeOffs"):
        found = client.get(f"//billing/{tenant}/{path}/list?count=1000").json
        assert found["listCompleted"]
        assert {each["locator"] for each in found["items"]} <= mine
        wanted = {
            "credits": (*WAYS, "ShortfallCredit"),
            "shortfallCredits": ("ShortfallCredit",),
            **{plural: (entity,) for entity, plural in (("Payment", "payments"), ("WriteOff", "writeOffs"))},
            "creditDistributions": ("CreditDistribution",),
            "disbursements": ("Disbursement",),
        }[path]
        assert len(found["items"]) == sum(layer.count(entity, "tenantLocator", tenant) for entity in wanted)
        foreign = next(id for id, home in homes.items() if home != tenant)
        for other in (foreign, NOWHERE, ACCOUNTS[TRAINING if tenant != TRAINING else STAGING]):
            empty = client.get(f"//billing/{tenant}/{path}/list?accountLocator={other}").json
            assert empty == {"listCompleted": True, "items": []}
    target = invoice(TRAINING if tenant != TRAINING else STAGING, 1)
    filtered = client.get(f"//billing/{tenant}/payments/list?targetContainerLocator={target}").json
    assert filtered == {"listCompleted": True, "items": []}


INTERNALS = (
    *("id", "tenantLocator", "entries", "fed", "rest", "asked", "live", "shares", "requestedBy", "distributedAt"),
    *("products", "declines", "defaultInstrument"),
)


@pytest.mark.parametrize("id", [id for id in OPERATIONS if names_tenant(id)])
def test_what_is_shown_has_members_of_the_spec_alone(app: MockServer, id: str) -> None:
    answer = request(id, STAGING, Stage(app).object(id)).send(as_(app, "admin"))
    assert answer.status == 200
    assert [name for name in INTERNALS if f'"{name}":' in answer.text] == []


def twisted(id: str) -> list[str]:
    """Other ways to write an id, each of which somebody may read as the same."""
    coded = "".join(f"%{ord(letter):02X}" for letter in id)
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter.isdigit() else letter for letter in id)
    return [
        coded,
        f"{id}%20",
        f"%20{id}",
        f"{id}%00",
        f"{id}%0A",
        f"{id};x=1",
        f"{id}%2F",
        f"./{id}",
        f"x/../{id}",
        wide,
    ]


@pytest.mark.parametrize("way", range(10))
def test_a_tenant_is_not_reached_by_another_spelling_of_it(app: MockServer, way: int) -> None:
    for caller, tenant in (("elsewhere", STAGING), ("useless", TRAINING), ("nowhere", STAGING)):
        for rest in ("credits/list", f"invoices/{invoice(tenant, 1)}"):
            answer = as_(app, caller).get(f"//billing/{twisted(tenant)[way]}/{rest}")
            assert answer.status in (400, 403, 404), answer
    # Nor is an object of another tenant.
    answer = as_(app, "tester").get(f"//billing/{STAGING}/invoices/{twisted(invoice(TRAINING, 1))[way]}")
    assert answer.status in (400, 404), answer


@pytest.mark.parametrize("id", [id for id, operation in OPERATIONS.items() if operation.method == "GET"])
def test_asking_for_the_head_alone_is_refused_as_asking_for_all_of_it(app: MockServer, id: str) -> None:
    there = objects(app, id)
    for caller in ("admin", "useless", "elsewhere", "nowhere"):
        for thing in ("staging", "training", "missing"):
            whole = request(id, STAGING, there[thing])
            first, second = (replace(whole, method=method).send(as_(app, caller)) for method in ("GET", "HEAD"))
            assert (second.status, second.content) == (first.status, b"")
            assert second.headers.get("content-type") == first.headers.get("content-type")


# The order of refusals

CHECKS = ("token", "scope", "role", "query", "find", "media", "body", "state")


def possible(id: str) -> tuple[str, ...]:
    """The checks that an operation can fail."""
    operation, found = OPERATIONS[id], ["token"]
    if names_tenant(id):
        found.append("scope")
    if ROWS[id]["needs"]:
        found.append("role")
    if names_object(id) or (operation.method == "GET" and ROWS[id]["does"] == "list"):
        found.append("query")
    if names_object(id) and ROWS[id]["does"] != "replace":
        found.append("find")
    if operation.has_body:
        found += ["media", "body"]
    if ROWS[id]["does"] == "act":
        found.append("state")
    return tuple(found)


def faulty(app: MockServer, id: str, faults: frozenset[str], fit: str | None, unfit: str | None) -> Answer:
    """The answer to a request in which these checks have something to refuse."""
    thing = unfit if "state" in faults else fit
    thing = NOWHERE if "find" in faults else thing
    tenant = PRODUCTION if "scope" in faults else STAGING
    sent = encoded(request(id, tenant, thing))
    if "query" in faults:
        lists = ROWS[id]["does"] == "list"
        sent = replace(sent, path=sent.path + "?count=0") if lists else request(id, tenant, "no-locator")
        sent = encoded(sent)
    headers = dict(sent.headers)
    if "media" in faults:
        headers["content-type"] = "text/plain"
    content = b"[7]" if "body" in faults else sent.content
    caller = None if "token" in faults else CALLERS["useless" if "role" in faults else "everything"].token
    return replace(sent, headers=headers, content=content).send(Client(app, caller))


@pytest.mark.parametrize("id", OPERATIONS)
def test_of_several_faults_the_first_in_the_order_answers(app: MockServer, id: str) -> None:
    entity = ROWS[id]["entity"]
    fit = Stage(app).object(id)
    unfit = None
    if ROWS[id]["does"] == "act":
        final = {"Payment": "discarded", "CreditDistribution": "discarded", "Disbursement": "rejected"}
        unfit = Stage(app).make(entity, final.get(entity, "reversed"))
    ids = ("everything", "useless", fit or "", unfit or "", NOWHERE)
    checks = possible(id)
    before = fingerprints(app)

    def tell(faults: tuple[str, ...]) -> Any:
        return blank(faulty(app, id, frozenset(faults), fit, unfit), *ids)

    alone = {check: tell((check,)) for check in checks}
    assert {check: said[0] for check, said in alone.items()} == {check: rights.status(API, check) for check in checks}
    several = list(itertools.combinations(checks, 2))
    several += [checks[at:] for at in range(len(checks) - 2)]
    for faults in several:
        assert tell(faults) == alone[rights.first(API, faults)], faults
    assert fingerprints(app) == before


def test_the_order_is_that_of_the_reference() -> None:
    """credits 5 and 6: token, tenant, permission, parameters, resource; illegal transitions are 400."""
    told = [(check, rights.status(API, check)) for check in rights.order(API)]
    wanted = [("token", 401), ("scope", 403), ("role", 403), ("query", 400), ("find", 404)]
    assert told == [*wanted, ("media", 400), ("body", 400), ("state", 400)]
    assert sorted({check for id in OPERATIONS for check in possible(id)}) == sorted(CHECKS)
    pairs = {pair for id in OPERATIONS for pair in itertools.pairwise(possible(id))}
    assert set(itertools.pairwise(CHECKS)) <= pairs


def test_a_tenant_that_is_no_uuid_is_a_parameter_that_is_wrong_once_the_caller_may(app: MockServer) -> None:
    for caller, wanted in (("nowhere", 400), ("elsewhere", 400), ("useless", 403), ("admin", 400)):
        answer = as_(app, caller).get(f"//billing/{MALFORMED}/credits/list")
        assert answer.status == wanted, (caller, answer)


# Access tokens


def ask(app: MockServer, caller: str | None, **members: Any) -> Answer:
    """Ask for an access token; caller: a name of the cast, or a token."""
    sent = {"name": "nightly", "tenants": [STAGING], "permissions": ["credits.read"], "expiresAt": None, **members}
    known = CALLERS[caller].token if caller in CALLERS else caller
    return Client(app, known).post("//auth/users/tokens", sent)


def token(app: MockServer, caller: str, permissions: list[str], tenants: list[str], expires: str | None = None) -> str:
    """A new access token."""
    answer = ask(app, caller, permissions=permissions, tenants=tenants, expiresAt=expires)
    assert answer.status == 200, answer
    found: str = answer.json
    return found


def credits(client: Client, tenant: str = STAGING) -> int:
    """What the list of credits answers."""
    return client.get(f"//billing/{tenant}/credits/list").status


def test_a_token_is_narrower_than_its_user_in_rights_and_tenants(app: MockServer) -> None:
    mine = Client(app, token(app, "tester", ["credits.read"], [STAGING]))
    assert [credits(mine, each) for each in TYPES] == [200, 403, 403, 403]
    assert [credits(as_(app, "tester"), each) for each in TYPES] == [200, 200, 403, 403]
    assert mine.get(f"//billing/{STAGING}/payments/list").status == 403
    assert as_(app, "tester").get(f"//billing/{STAGING}/payments/list").status == 200
    told = mine.get("//auth/users/whoami").json
    assert (told["permissions"], told["tenants"]) == (["credits.read"], [STAGING])
    assert told["locator"] == as_(app, "tester").get("//auth/users/whoami").json["locator"]


@pytest.mark.parametrize(
    ("tenants", "reached"),
    [
        ([STAGING, PRODUCTION], [STAGING, PRODUCTION]),
        (["any"], [STAGING, TRAINING, PRODUCTION, RETIRED]),
        (["type:test"], [STAGING, TRAINING]),
        (["type:retired"], [RETIRED]),
        (["type:production", TRAINING], [TRAINING, PRODUCTION]),
        (["type:deleted"], []),
        ([], []),
    ],
    ids=str,
)
def test_tenants_are_named_by_locator_by_type_or_all_at_once(
    app: MockServer, tenants: list[str], reached: list[str]
) -> None:
    mine = Client(app, token(app, "admin", ["credits.list"], tenants))
    assert [tenant for tenant in TYPES if credits(mine, tenant) == 200] == sorted(reached)
    assert credits(mine, UNKNOWN) == 403


REFUSED = {
    "a permission that its user does not hold": ("users-clerk", {"permissions": ["credits.read", "payments.write"]}),
    "a wildcard wider than what its user holds": ("users-clerk", {"permissions": ["credits.*"]}),
    "everything": ("users-clerk", {"permissions": ["*.*"]}),
    "an action on every resource": ("admin", {"permissions": ["*.write"]}),
    "no permission at all by its form": ("admin", {"permissions": ["everything"]}),
    "a tenant that its user is not assigned": ("tester", {"tenants": [PRODUCTION]}),
    "a tenant that is not there": ("tester", {"tenants": [UNKNOWN]}),
    "all tenants of a type that its user is not assigned": ("tester", {"tenants": ["type:production"]}),
    "any tenant": ("tester", {"tenants": ["any"]}),
    "an end that has passed": ("admin", {"expiresAt": "2026-03-16T08:59:59Z"}),
    "an end that is now": ("admin", {"expiresAt": "2026-03-16T09:00:00Z"}),
    "an end that is no instant": ("admin", {"expiresAt": "soon"}),
    "a name that is none": ("admin", {"name": ""}),
}


@pytest.mark.parametrize("why", REFUSED)
def test_no_token_is_made_for_what_its_user_cannot_give(app: MockServer, why: str) -> None:
    caller, members = REFUSED[why]
    if caller == "users-clerk":
        caller = token(app, "admin", ["users.token", "credits.read", "credits.list"], ["any"])
    before = fingerprints(app)
    answer = ask(app, caller, **members)
    assert answer.status == 400, answer
    assert_documented(app, API, OPERATIONS["createAuthToken"], answer)
    assert fingerprints(app) == before


@pytest.mark.parametrize("left_out", ["name", "tenants", "permissions", "expiresAt"])
def test_every_member_of_a_request_for_a_token_is_required(app: MockServer, left_out: str) -> None:
    sent = {"name": "x", "tenants": ["any"], "permissions": ["credits.read"], "expiresAt": None}
    del sent[left_out]
    assert as_(app, "admin").post("//auth/users/tokens", sent).status == 400


def test_a_token_loses_the_tenants_that_its_user_loses(app: MockServer) -> None:
    """credits 5, D: only what the user holds now; loses what the user loses."""
    mine = [Client(app, token(app, "tester", ["*.*"], tenants)) for tenants in ([STAGING], [TRAINING], ["type:test"])]
    assert [credits(each) for each in mine] == [200, 403, 200]
    grant(app, "tester", [TRAINING])
    assert [credits(as_(app, "tester"), each) for each in (STAGING, TRAINING)] == [403, 200]
    assert [credits(each, STAGING) for each in mine] == [403, 403, 403]
    assert [credits(each, TRAINING) for each in mine] == [403, 200, 200]
    grant(app, "tester", ["any"])
    # What it gains, its tokens do not: they have the tenants that they were made for.
    assert [credits(each, PRODUCTION) for each in mine] == [403, 403, 403]
    assert [credits(each, STAGING) for each in mine] == [200, 403, 200]
    grant(app, "tester", [])
    assert [credits(each, tenant) for each in mine for tenant in TYPES] == [403] * 12


def test_a_token_gives_no_tenant_that_its_user_has_lost(app: MockServer) -> None:
    """credits 5, D: only permissions and tenants that the user holds now."""
    mine = token(app, "tester", ["users.token", "credits.read"], ["type:test"])
    grant(app, "tester", [TRAINING])
    for lost in (STAGING, "type:test"):
        answer = ask(app, mine, tenants=[lost])
        assert answer.status == 400, (lost, answer)
    given = ask(app, mine, tenants=[TRAINING])
    assert given.status == 200
    assert [credits(Client(app, given.json), each) for each in (STAGING, TRAINING)] == [403, 200]


def grant(app: MockServer, caller: str, values: list[str]) -> None:
    work = app.worlds[API].work()
    work.put("Grant", {"id": caller, "values": values})
    work.commit()


def test_a_caller_loses_a_tenant_with_the_next_request(app: MockServer) -> None:
    clerk = as_(app, "clerk")
    assert clerk.get(f"//billing/{STAGING}/payments/list").status == 200
    grant(app, "clerk", [])
    lost = clerk.get(f"//billing/{STAGING}/payments/list")
    assert lost.status == 403
    assert blank(lost, STAGING) == blank(clerk.get(f"//billing/{UNKNOWN}/payments/list"), UNKNOWN)
    grant(app, "clerk", ["type:production"])
    assert clerk.get(f"//billing/{PRODUCTION}/payments/list").status == 200
    assert clerk.get("//auth/users/whoami").json["tenants"] == ["type:production"]


def test_a_token_ends_at_exactly_its_instant(app: MockServer) -> None:
    clock = app.worlds[API].clock
    ends = clock.now() + timedelta(minutes=90)
    mine = Client(app, token(app, "admin", ["*.*"], ["any"], wire.instant(ends)))
    forever = Client(app, token(app, "admin", ["*.*"], ["any"]))
    clock.set(ends - timedelta(milliseconds=1))
    assert (credits(mine), credits(as_(app, "admin"))) == (200, 200)
    clock.set(ends)
    late = mine.get(f"//billing/{UNKNOWN}/credits/list")
    assert (late.status, late.headers["www-authenticate"]) == (401, "Bearer")
    assert "expired" in late.json["message"]
    assert ask(app, mine.token).status == 401
    clock.advance(timedelta(days=36_500))
    assert (credits(mine), credits(forever), credits(as_(app, "admin"))) == (401, 200, 200)


def test_an_instant_in_another_zone_ends_a_token_when_it_comes(app: MockServer) -> None:
    clock = app.worlds[API].clock
    mine = Client(app, token(app, "admin", ["*.*"], ["any"], "2026-03-16T12:00:00+02:00"))
    clock.set(wire.moment("2026-03-16T09:59:59.999Z"))
    assert credits(mine) == 200
    clock.set(wire.moment("2026-03-16T10:00:00.000Z"))
    assert credits(mine) == 401


def test_a_callers_own_token_ends_on_the_clock(app: MockServer) -> None:
    clock, client = app.worlds[API].clock, as_(app, "outdated")
    start = clock.now()
    clock.set(start + timedelta(hours=1) - timedelta(milliseconds=1))
    assert credits(client) == 200
    issued = token(app, "outdated", ["credits.read"], ["any"])
    clock.set(start + timedelta(hours=1))
    assert credits(client) == 401
    # The end of a login is not that of the access tokens that were made with it.
    assert credits(Client(app, issued)) == 200


def test_the_fourth_token_of_a_user_is_refused_until_one_of_them_ends(app: MockServer) -> None:
    clock = app.worlds[API].clock
    ends = clock.now() + timedelta(hours=1)
    first = token(app, "tester", ["credits.read", "users.token"], [STAGING], wire.instant(ends))
    for _ in range(2):
        token(app, "tester", ["credits.read"], [STAGING])
    before = fingerprints(app)
    for caller in ("tester", first):  # the user and one of its tokens are one
        fourth = ask(app, caller)
        assert fourth.status == 400
        assert_documented(app, API, OPERATIONS["createAuthToken"], fourth)
    assert fingerprints(app) == before
    assert ask(app, "admin").status == 200  # of another user
    clock.set(ends)
    assert ask(app, "tester").status == 200
    assert ask(app, "tester").status == 400


def test_tokens_are_texts_that_are_new_each_time_and_gone_after_a_reset(app: MockServer) -> None:
    made = [token(app, "tester", ["credits.read"], [STAGING]) for _ in range(3)]
    assert len(set(made)) == 3
    assert all(isinstance(each, str) and credits(Client(app, each)) == 200 for each in made)
    app.reset()
    assert [credits(Client(app, each)) for each in made] == [401] * 3
    assert token(app, "tester", ["credits.read"], [STAGING]) == made[0]


def test_a_token_makes_tokens_no_wider_than_itself(app: MockServer) -> None:
    narrow = token(app, "tester", ["users.token", "credits.read"], [STAGING])
    assert ask(app, narrow, permissions=["payments.read"]).status == 400
    assert ask(app, narrow, tenants=[TRAINING]).status == 400
    assert ask(app, narrow, tenants=["type:test"]).status == 400
    inner = ask(app, narrow)
    assert inner.status == 200
    assert [credits(Client(app, inner.json), each) for each in TYPES] == [200, 403, 403, 403]
    assert ask(app, inner.json).status == 403


@pytest.mark.parametrize("rule", RULES)
def test_who_may_ask_for_a_token(rule: str) -> None:
    app = built(rule=rule)
    for held, wanted in (
        (["users.write"], 200 if rule == "any" else 403),
        (["users.token"], 200 if rule == "any" else 403),
        (["users.write", "users.token"], 200),
        (["users.*"], 200),
        (["credits.read"], 403),
    ):
        app.reset()
        narrow = token(app, "admin", held, ["any"])
        assert ask(app, narrow, permissions=held[:1], tenants=[]).status == wanted


def test_a_token_of_somebody_with_a_role_and_rights_beside_it_may_have_of_either(app: MockServer) -> None:
    reads = {"payments": "payments.read", "credits": "credits.list", "disbursements": "disbursements.list"}
    for held, wanted in (
        (["payments.read"], [200, 403, 403]),
        (["credits.list"], [403, 200, 403]),
        (["credits.read", "payments.*"], [200, 200, 403]),
    ):
        mine = Client(app, token(app, "both", held, [STAGING]))
        assert [mine.get(f"//billing/{STAGING}/{name}/list").status for name in reads] == wanted, held
    assert ask(app, "both", permissions=["disbursements.list"]).status == 400


def test_what_an_overlay_denies_to_a_role_its_tokens_lose_too(tmp_path: Path) -> None:
    file = tmp_path / "denied.yaml"
    file.write_text(
        "credits:\n  deny:\n    - {operation: fetchCredits, role: admin, reason: nobody lists credits here}\n",
        encoding="utf-8",
    )
    app = create_app("credits", scenario=scenario(), overlay=file)
    mine = Client(app, token(app, "admin", ["credits.read", "payments.read"], ["any"]))
    for client in (as_(app, "admin"), mine):
        assert credits(client) == 403
        assert client.get(f"//billing/{STAGING}/payments/list").status == 200
    assert credits(as_(app, "any-any")) == 200  # it has no role that could lose it


def test_whoever_has_a_token_may_ask_whose_it_is(app: MockServer) -> None:
    for caller in CAST:
        answer = Client(app, caller.token).get("//auth/users/whoami")
        assert answer.status == 200
        assert set(answer.json["permissions"]) == caller.rights
        assert set(answer.json["tenants"]) == set(caller.tenants)
        assert_documented(app, API, OPERATIONS["whoami"], answer)


def test_a_token_of_another_api_is_told_where_it_belongs(app: MockServer) -> None:
    message = Client(app, "finance-token").get("//auth/users/whoami").json["message"]
    assert "accounts" in message
    assert "mockserver callers" in message
    mine = token(app, "admin", ["*.*"], ["any"])
    for known in ("admin-token", mine):
        assert Client(app, known).get("//v1/finance/accounts").status == 401


def test_the_fit_states_are_those_of_the_stage() -> None:
    """Every operation that an object's machine allows has an object that it can be done to."""
    for id, state in FIT.items():
        assert state in WAYS[ROWS[id]["entity"]], id
