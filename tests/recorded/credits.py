"""Credits: every operation by many, and seeded calls of every kind."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any, cast

from mockserver import MockServer, create_app
from tests import credits_stage, rights
from tests.credits_stage import CALLERS, STAGING, TRAINING, UNKNOWN, Stage
from tests.mixes import Mix
from tests.recorded.recorder import NOBODY, Recorder, session
from tests.valid import Request

LISTS = (
    *("payments", "creditDistributions", "disbursements", "writeOffs", "shortfallCredits", "credits"),
    "accounts/01JT2YS8M010000000000A0002/invoices",
)
QUERIES = (
    *(
        "",
        "?count=3",
        "?count=3&offset=4",
        "?offset=1000",
        "?count=0",
        "?count=1001",
        "?count=x",
        "?includeReversed=true",
    ),
    *("?accountLocator=01JT2YS8M010000000000A0002", "?accountLocator=nothing", "?extended=true&more=1"),
    "?targetContainerLocator=01KCK66JM010000000000N0010&includeReversed=true",
)


@cache
def served() -> MockServer:
    """A server whose cast is that of the tests of rights."""
    return create_app("credits", "accounts", scenario=credits_stage.scenario())


@session("credits-rights", app=served)
def by_everybody(r: Recorder) -> None:
    """Each operation on an object in a fit state, by somebody who may and by several of the others."""
    random = Random("credits-rights")
    for id, operation in rights.operations("credits").items():
        r.reset()
        if credits_stage.FIT.get(id) == "requested":
            # Else the request would be executed before the next call.
            r.as_(NOBODY).put("//__mock__/processing", {"processing": "manual"})
        stage = Stage(cast(MockServer, r))
        locator = stage.object(id)
        sent = credits_stage.request(id, STAGING, locator)
        for name in random.sample(sorted(CALLERS), 4):
            if not CALLERS[name].may(operation.row.get("needs", ())) or operation.method == "GET":
                sent.send(r.as_(name))
        sent.send(r.as_(NOBODY))
        sent.send(r.as_("admin"))
        sent.send(r.as_("admin"))
        for tenant in (TRAINING, UNKNOWN):
            credits_stage.request(id, tenant, locator).send(r.as_(random.choice(("admin", "clerk", "reader"))))
        if operation.has_body:
            name = random.choice(sorted(sent.body))
            less = {key: sent.body[key] for key in sent.body if key != name}
            wrong: tuple[Any, ...] = ({**sent.body, name: "x"}, less, [])
            for body in wrong:
                Request(sent.method, sent.path, body=body).send(r.as_("admin"))
        if operation.method != "GET" and locator is not None:
            for name in ("admin", "read-all", "reader"):
                r.as_(name).get(sent.path.rpartition("/")[0])
        r.as_("admin").request("HEAD" if operation.method == "GET" else "OPTIONS", sent.path)


@session("credits-changes", app=served)
def changes(r: Recorder) -> None:
    """Seeded calls, and now and then every list."""
    random = Random("credits-changes")
    mix = Mix(cast(MockServer, r), "credits", 5)
    for number, _ in enumerate(mix.calls(500)):
        if number % 10 == 0:
            name = random.choice(("admin", "admin", "read-all", "credits-any", "reader"))
            r.as_(name).get(f"//billing/{STAGING}/{random.choice(LISTS)}/list{random.choice(QUERIES)}")
        if number % 100 == 0:
            r.as_(NOBODY).post("//__mock__/clock/advance", {"by": "P1D"})
    for path in LISTS:
        for query in QUERIES:
            r.as_("admin").get(f"//billing/{STAGING}/{path}/list{query}")


@session("accounts", app=served)
def accounts(r: Recorder) -> None:
    """Seeded calls to accounts, and every page and order of its list."""
    for _ in Mix(cast(MockServer, r), "accounts", 5).calls(160):
        pass
    for name in ("finance", "finance-two", "finance-none"):
        for query in ("", "?limit=100", "?limit=7&offset=7", "?limit=0", "?offset=1000", "?limit=3&offset=26"):
            for sort in ("", "ACCOUNT_NAME", "-ACCOUNT_NAME", "ACCOUNT_NUMBER", "-ACCOUNT_NUMBER", "NOTHING"):
                said = f"{query}{'&' if query else '?'}sorts={sort}" if sort else query
                r.as_(name).get(f"//v1/finance/accounts{said}")
    for number in ("700100", "700102", "700190"):
        at = f"//v1/finance/accounts/{number}"
        for months in ("", "?months=2026-01-01", "?months=2025-04-30,2026-02-01", "?months=1999-01-01", "?months=x"):
            r.as_("finance-two").get(at + months)
        for invoice in r.as_("finance").get(at).json.get("invoices", [])[:3]:
            for document in [each["documentId"] for each in invoice.get("documents", [])] + ["nothing"]:
                there = f"{at}/{invoice['invoiceId']}?documentId={document}"
                r.as_("finance").get(there)
                r.as_("finance-two").get(there, headers={"accept": "application/octet-stream"})
