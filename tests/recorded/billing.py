"""Billing: every operation by everybody, whole lives of journals, and much that happens in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any, cast

from mockserver import MockServer
from specs.tables import Operation
from tests import test_determinism
from tests.driver import XLSX
from tests.recorded.recorder import NOBODY, Recorder, session
from tests.valid import Request, Valid, consolidated_like

CALLERS = ("operations", "vendor", "client")
OTHERS = ("vendor-other", "client-other")
STRANGERS = ("expired", NOBODY, "finance", "made-up")
READERS = (*CALLERS, "vendor-other")
ACCEPTS = ("text/csv", "application/jsonl", XLSX, "application/pdf", "text/html", "text/html, */*;q=0.1")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ID = re.compile(r"\b[A-Z]{3}(?:-\d{4}){2,5}\b")


@session("billing-rights")
def rights(r: Recorder) -> None:
    """Each operation from the seed, by all who may and all who may not; what became of its object, as each sees it."""
    random = Random("billing-rights")
    for operation in r.services["billing"].api.operations.values():
        last: Request | None = None
        for name in CALLERS:
            last = _by_one_who_may(r, operation, name) or last
        if last is None:
            continue
        for name in (*OTHERS, random.choice(STRANGERS)):
            r.reset()
            last.send(r.as_(name))
        r.reset()
        _about(r, operation, last, random)


def _by_one_who_may(r: Recorder, operation: Operation, name: str) -> Request | None:
    r.reset()
    valid = Valid(cast(MockServer, r), name)
    if not any(valid.caller.role in each.roles for each in operation.capabilities):
        return None
    try:
        request = valid.operation(operation)
    except (LookupError, StopIteration):
        return None
    request.send(r.as_(name))
    if request.method != "GET":
        above = "/" + "/".join(request.path.split("/")[1:3])
        for reader in READERS:
            r.as_(reader).get(above)
        # Again, and as it is now: what was kept of an answer must not outlive the record.
        request.send(r.as_(name))
        r.as_(name).get(f"{above}?select=audit")
        r.as_("operations").get(f"/{request.path.split('/')[1]}?limit=4&order=-audit.updated.at,id&select=audit")
    return request


def _about(r: Recorder, operation: Operation, request: Request, random: Random) -> None:
    """The same path with other ids, methods and headers."""
    name = next(each for each in CALLERS if r.callers[each].role in operation.roles)
    one, traced = r.as_(name), {"traceparent": TRACE}
    ids = ID.findall(request.path)
    if ids:
        ghost = request.path.replace(ids[-1], ids[-1][:-4] + "9998")
        one.request(
            request.method, ghost, body=request.body, content=request.content, headers={**request.headers, **traced}
        )
    one.request("HEAD" if request.method == "GET" else "PATCH", request.path, headers=traced)
    one.request("OPTIONS", request.path)
    one.request(request.method, request.path + "/", body=request.body, content=request.content, headers=request.headers)
    if request.method == "GET":
        for accept in ACCEPTS if operation.does == "list" else random.sample(ACCEPTS, 2):
            one.get(request.path, headers={"accept": accept})
    elif request.body is not None:
        for body in _spoiled(request.body, random):
            r.reset()
            one.request(request.method, request.path, body=body)


def _spoiled(body: Any, random: Random) -> Iterator[Any]:
    """A body with one thing wrong, or left out, or too much."""
    name = random.choice(sorted(body))
    yield {key: value for key, value in body.items() if key != name}
    yield {**body, name: random.choice([7, None, [], {"id": 3}, "x" * 300, True])}
    yield {**body, "unknown": 1, name.upper(): body[name]}
    yield [body]


@session("billing-changes")
def changes(r: Recorder) -> None:
    """Seeded changes of every kind, and after each few of them lists in orders with ties and gaps, page by page."""
    mix = test_determinism.Mix(cast(MockServer, r), 11)
    known = {name for name, each in r.callers.items() if each.api == "billing"} | {NOBODY}
    mix.clients = {name: each for name, each in mix.clients.items() if name in known}
    random = Random("billing-changes")
    mix.run(0)
    for _ in range(130):
        _calls(mix, random, 4)
        for _ in range(2):
            _listed(r, random)


def _calls(mix: test_determinism.Mix, random: Random, count: int) -> None:
    names = [each for each in sorted(mix.paths) if mix.paths[each][0] != "GET"]
    for name in random.choices(names, k=count):
        mix.call(mix.api.operations[name], name)


COLLECTIONS = ("journals", "ledgers", "custom-ledgers", "statements", "invoices", "credit-memos", "manual-overrides")
ORDERS = (
    *("status", "-status", "status,-audit.updated.at", "-audit.created.at", "revision,-id", "-externalId,status"),
    *("owner.name,id", "-assignee.name", "name", "audit.updated.by.name,-status", "-seller.name,price.totalSP"),
)
FILTERS = (
    "",
    "",
    "gt(revision,1)",
    "ne(status,Draft)",
    "like(id,*1*)",
    "eq(notes,null())",
    "ne(audit.updated.at,null())",
)


def _listed(r: Recorder, random: Random) -> None:
    limit = random.choice((1, 3, 5, 10, 100))
    parts = [f"limit={limit}", f"offset={random.choice((0, 0, 1, 2, 4, 9))}", random.choice(FILTERS)]
    parts.append(random.choice(("", f"order={random.choice(ORDERS)}")))
    parts.append(random.choice(("", "", "select=audit", "select=-*,id,status,revision", "select=seller.address")))
    path = f"/{random.choice(COLLECTIONS)}?{'&'.join(filter(None, parts))}"
    r.as_(random.choice((*CALLERS, "operations", "vendor-other"))).get(path)


@session("billing-journal")
def journal(r: Recorder) -> None:
    """From a draft to statements that are issued and invoiced, read by everybody at every step."""
    vendor, operations, client = r.as_("vendor"), r.as_("operations"), r.as_("client")
    made = vendor.post("/journals", {"name": "March", "authorization": {"id": "AUT-1000-0001"}, "notes": "x"})
    id = made.json["id"]
    at = f"/journals/{id}"
    for name, media in test_determinism.UPLOADS:
        vendor.upload(f"{at}/upload", (test_determinism.FILES / name).read_bytes(), name, media)
        _looked(r, at)
    vendor.put(at, {"name": "March, mended", "externalIds": {"vendor": "V-1", "operations": "no"}})
    operations.put(at, {"notes": "Seen.", "assignee": {"id": "USR-1000-0001"}})
    vendor.upload(f"{at}/attachments", b"a,b\n1,2\n", "note.csv", "text/csv", attachment='{"name": "A note"}')
    vendor.get(f"{at}/attachments")
    for _ in range(2):
        vendor.post(f"{at}/submit")
        _looked(r, at)
    for charge in operations.get(f"{at}/charges?limit=100").json["data"]:
        there = f"{at}/charges/{charge['id']}"
        for action, body in (
            ("ignore", {"reason": "Not sold any more."}),
            ("reset", None),
            ("match", None),
            ("match", {"subscription": {"id": "SUB-1000-2000-3000"}}),
            ("match", {"subscription": {"id": "SUB-1000-2000-3002"}}),
        ):
            operations.post(f"{there}/{action}", body)
            vendor.get(there)
            operations.get(there)
        operations.get(f"{at}?select=audit")
    for action in ("recalculate", "enquiry", "submit", "regenerate", "recalculate", "accept", "reset", "accept"):
        operations.post(f"{at}/{action}")
        vendor.post(f"{at}/{action}")
        _looked(r, at)
    vendor.get(f"{at}/sellers")
    for ledger in operations.get(f"/ledgers?eq(journal.id,{id})").json["data"]:
        for action in ("recalculate", "accept", "queue"):
            _looked(r, f"/ledgers/{ledger['id']}")
            operations.post(f"/ledgers/{ledger['id']}/{action}")
    for number, one in enumerate(operations.get(f"/statements?like(ledger.id,BLE-{id[4:]}-*)&limit=50").json["data"]):
        there = f"/statements/{one['id']}"
        for action in ("recalculate", "error", "retry", "queue", "pending", "issue"):
            operations.post(f"{there}/{action}", {"statusNotes": {"message": "?"}} if action == "error" else None)
            client.get(there)
            vendor.get(there)
        _looked(r, there)
        buyer, seller = ({"id": one[each]["id"]} for each in ("buyer", "seller"))
        document = {"documentNo": f"NL-PSI-80000{number}", "countryCode": "NL", "buyer": buyer, "seller": seller}
        operations.post("/invoices", document)
        operations.post("/invoices", {**document, "statement": {"id": one["id"]}})
        client.get("/invoices?limit=3&order=-audit.created.at")
        client.get(there)
    operations.post(f"{at}/complete")
    _looked(r, at)
    for media in ACCEPTS:
        operations.get(f"{at}/charges?limit=100", headers={"accept": media})
    vendor.delete(at)


def _looked(r: Recorder, path: str) -> None:
    for name in ("vendor", "operations", "client", "vendor-other"):
        r.as_(name).get(path)
    for name in ("vendor", "operations"):
        r.as_(name).get(f"{path}/charges?limit=100&order=-price.PPx1,id")
    r.as_("operations").get(f"/{path.split('/')[1]}?limit=3&order=-audit.updated.at")


@session("billing-moves")
def moves(r: Recorder) -> None:
    """Rows that change what they belong to, and come back: children of statements, charges of ledgers, ERP numbers."""
    operations = r.as_("operations")
    journals = [_generated(r, f"Month {number}") for number in range(3)]
    for at in journals[:2]:
        operations.post(f"{at}/reset")
        _below(r, at)
        operations.post(f"{at}/accept")
        _below(r, at)
    for at in reversed(journals):
        for ledger in operations.get(f"/ledgers?eq(journal.id,{at[10:]})").json["data"]:
            for action in ("accept", "recalculate", "queue"):
                operations.post(f"/ledgers/{ledger['id']}/{action}")
            operations.get(f"/ledgers/{ledger['id']}/charges?limit=100")
    found = operations.get("/statements?order=-audit.created.at&limit=6&select=audit").json["data"]
    alike = [each for each in found if each["buyer"]["id"] == found[0]["buyer"]["id"]]
    shell = operations.post("/statements", consolidated_like(alike[0])).json.get("id", "SOM-0")
    for child in (*alike, found[-1]):
        operations.post(f"/statements/{shell}/children", {"id": child["id"]})
        _family(r, shell)
    for child in (alike[0], alike[0], alike[-1]):
        operations.delete(f"/statements/{shell}/children/{child['id']}")
        _family(r, shell)
        operations.post(f"/statements/{child['id']}/queue")
        operations.post(f"/statements/{shell}/children", {"id": child["id"]})
        _family(r, shell)
    one, two = (f"/statements/{each['id']}" for each in found[-2:])
    for path, name in ((one, "ERP-1"), (two, "ERP-2"), (one, "ERP-2"), (two, "ERP-1"), (two, "ERP-3")):
        operations.put(path, {"externalIds": {"erpId": name}})
        operations.get("/statements?in(externalIds.erpId,(ERP-1,ERP-2,ERP-3))&select=-*,id,externalIds")
    for number, named in enumerate(("ERP-1", "ERP-2", "ERP-3", found[-1]["id"])):
        sides: dict[str, Any] = {each: {"id": found[-1][each]["id"]} for each in ("buyer", "seller")}
        document = {"documentNo": f"NL-PSI-81000{number}", "countryCode": "NL", **sides}
        document["externalIds"] = {"statement": named}
        operations.post("/invoices", document)
        operations.post("/credit-memos", {**document, "documentNo": f"NL-CM-81000{number}"})
        r.as_("client").get("/invoices?limit=100")
        operations.get(f"{two}?select=audit")
    for at in journals:
        _below(r, at)


def _generated(r: Recorder, name: str) -> str:
    """The path of a new journal that has become ledgers."""
    vendor = r.as_("vendor")
    made = vendor.post("/journals", {"name": name, "authorization": {"id": "AUT-1000-0001"}})
    at = f"/journals/{made.json['id']}"
    vendor.upload(f"{at}/upload", (test_determinism.FILES / "journal.jsonl").read_bytes())
    vendor.post(f"{at}/submit")
    r.as_("operations").post(f"{at}/accept")
    _below(r, at)
    return at


def _below(r: Recorder, at: str) -> None:
    """What belongs to a journal, in the order in which it comes by itself."""
    for path in (at, f"{at}/charges", f"/ledgers?eq(journal.id,{at[10:]})", f"/statements?like(ledger.id,*{at[13:]}*)"):
        r.as_("operations").get(path)
    r.as_("vendor").get("/journals?limit=100&select=-*,id,status")


def _family(r: Recorder, shell: str) -> None:
    """A consolidated statement, and the statements and charges that it is made of."""
    for path in (f"/{shell}", f"/{shell}/charges?limit=100", f"?eq(parent.id,{shell})&limit=100"):
        r.as_("operations").get(f"/statements{path}")
    r.as_("client").get("/statements?limit=100&select=-*,id,parent")


@session("billing-references")
def references(r: Recorder) -> None:
    """What is seen of a thing through others that refer to it, before it changes and after."""
    operations = r.as_("operations")

    def look() -> None:
        for name in ("operations", "vendor", "client"):
            for query in THROUGH:
                r.as_(name).get(f"/{query}")

    look()
    operations.put("/journals/BJO-1000-0009", {"name": "Another name", "notes": "Changed."})
    operations.put("/ledgers/BLE-1000-0009-1000-0001", {"assignee": {"id": "USR-1000-0001"}, "notes": "Changed."})
    r.as_("vendor").put("/journals/BJO-1000-0001", {"name": "A name of its vendor's"})
    look()
    for path in ("/journals/BJO-1000-0009/reset", "/ledgers/BLE-1000-0010-1000-0001/queue"):
        operations.post(path)
    for one in operations.get("/statements?status=Generated&limit=3").json["data"]:
        operations.post(f"/statements/{one['id']}/queue")
    look()
    operations.put("/invoices/INV-1000-0001-0000-0001", {"externalIds": {"operations": "X"}, "notes": "Changed."})
    operations.put("/manual-overrides/BOV-1000-0001", {"notes": "Changed."})
    operations.post("/manual-overrides/BOV-1000-0001/disable")
    look()


THROUGH = (
    "ledgers?select=journal&limit=100",
    "ledgers?select=journal.status,journal.audit,-price&order=journal.name,-journal.dueDate&limit=100",
    "ledgers?like(journal.name,*name*)&select=-*,id,journal.notes",
    "ledgers/BLE-1000-0009-1000-0001?select=journal.name,journal.vendor.name,assignee",
    "ledgers/BLE-1000-0009-1000-0001/charges?select=journal,ledger&limit=3&order=-ledger.id",
    "statements?select=ledger,invoice&limit=100&order=ledger.id,id",
    "statements?ne(ledger.id,null())&order=-ledger.id&limit=5&select=-*,id,ledger.status",
    "statements/SOM-1000-0001-0000-0006?select=ledger.journal,invoice.notes,audit",
    "invoices?select=statement,-lines&limit=100&order=statement.type,-statement.id",
    "invoices/INV-1000-0001-0000-0001?select=statement.status,statement.ledger",
    "credit-memos?select=statement&limit=5&eq(statement.type,Credit)",
    "journals/BJO-1000-0009/attachments?select=journal.status,journal.name",
    "journals/BJO-1000-0005/charges?limit=4&select=journal.name,seller.address,subscription.agreement",
)
"""Lists and objects that show others, or are filtered and ordered by them"""


@session("billing-waiting")
def waiting(r: Recorder) -> None:
    """Work that waits for a while, for reads or for a hand; and things that change, or go, before it is done."""
    vendor, operations, anybody = r.as_("vendor"), r.as_("operations"), r.as_(NOBODY)
    for mode in ("manual", "after:60", "reads:2", "manual"):
        anybody.put("//__mock__/processing", {"processing": mode})
        made = [_draft(r, f"{mode} {number}") for number in range(3)]
        anybody.get("//__mock__/jobs")
        vendor.delete(made[0])
        anybody.get("//__mock__/jobs")
        for at in (*made, *made):
            vendor.get(at)
        anybody.post("//__mock__/clock/advance", {"seconds": 59})
        vendor.get("/journals?limit=5&order=-audit.created.at")
        anybody.post("//__mock__/clock/advance", {"seconds": 1})
        for at in made:
            vendor.get(f"{at}?select=audit")
            vendor.post(f"{at}/submit")
        anybody.get("//__mock__/jobs")
        anybody.post(f"//__mock__/jobs/release?subject={made[1][10:]}")
        for _ in range(3):
            vendor.get("/journals?limit=5&order=-audit.created.at&select=audit")
        anybody.post("//__mock__/jobs/release")
        for at in made:
            operations.post(f"{at}/accept")
            operations.post(f"{at}/reset")
        anybody.post("//__mock__/jobs/release")
        for at in made:
            for ledger in operations.get(f"/ledgers?eq(journal.id,{at[10:]})").json["data"]:
                operations.post(f"/ledgers/{ledger['id']}/recalculate")
            operations.post(f"{at}/reset")
        anybody.get("//__mock__/jobs")
        anybody.post("//__mock__/clock/advance", {"by": "P1D"})
        for at in made:
            operations.get(f"{at}?select=audit")


def _draft(r: Recorder, name: str) -> str:
    made = r.as_("vendor").post("/journals", {"name": name, "authorization": {"id": "AUT-1000-0001"}})
    at = f"/journals/{made.json['id']}"
    r.as_("vendor").upload(f"{at}/upload", (test_determinism.FILES / "journal.jsonl").read_bytes())
    return at
