"""Much of what can be asked of a server, in one order, so that two servers that differ anywhere answer differently."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from contracts.target import InProcess
from contracts.wire import Answer, Request
from mockserver import MockServer
from specs.tables import Operation

CHARGES = Path(__file__).parent.parent.parent / "fixtures" / "charges"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LINE = json.loads((CHARGES / "journal.jsonl").read_text().splitlines()[0])
STAGING = "10000000-0000-4000-8000-000000000001"
OTHER = "10000000-0000-4000-8000-000000000002"
QUERIES = {
    "billing": (
        *("limit=0", "limit=3&offset=2", "limit=500", "limit=-1", "offset=4", "limit=x"),
        *(
            "order=-id",
            "order=name,-id",
            "order=price.totalPP",
            "order=-price.totalSP",
            "order=nonsense",
            "order=-price.margin",
        ),
        *(
            "select=audit",
            "select=-status",
            "select=*",
            "select=-price.currency",
            "select=price.markup",
            "select=vendor,journal,statement",
        ),
        *(
            "ne(name,x)",
            "not(eq(status,Review))",
            "or(eq(status,Review),eq(status,Draft))",
            "and(ne(id,x),eq(status,Draft))",
        ),
        *(
            "in(status,(Draft,Review))",
            "out(status,(Draft,Review,Completed))",
            "like(name,*sage*)",
            "like(name,*SAGE*)",
            "ilike(name,*SAGE*)",
        ),
        *(
            "gt(revision,2)",
            "ge(revision,2)",
            "lt(revision,6)",
            "le(revision,6)",
            "gt(price.totalPP,9)",
            "eq(notes,null())",
        ),
        *(
            "le(audit.created.at,2025-12-01T23:00:00.000Z)",
            "eq(vendor.name,Tidewater%20Software)",
            "gt(price.markup,1)",
        ),
        *("nonsense(name,x)", "eq(nonsense,x)", "status=Review", "eq(name,Usage)", "eq(buyer.name,x)"),
    ),
    "credits": (
        *("count=2", "offset=2&count=2", "count=-1", "count=5000", "accountLocator=01JT2YS8M010000000000A0002"),
        *(
            "targetContainerLocator=01KDCY5RM010000000000N0011",
            "includeReversed=true",
            "currency=USD",
            "currency=CAD",
            "forced=maybe",
        ),
    ),
    "accounts": (
        *(
            "limit=2",
            "limit=2&offset=2",
            "offset=-1",
            "limit=5000",
            "sorts=-ACCOUNT_NAME&limit=3",
            "sorts=ACCOUNT_NAME",
            "sorts=X",
        ),
        *("months=2026-02-01", "months=2026-02-01,2026-01-01", "months=2026-13-01"),
    ),
}


def transcript(server: Any, app: MockServer) -> Generator[tuple[str, Any], None, None]:
    """Every question and its answer, one after the other. app: a sound server, which tells what there is"""
    (name,) = app.services
    target = InProcess(server)
    try:
        for said, answer in {"billing": _billing, "credits": _credits, "accounts": _accounts}[name](target, app):
            yield said, _shown(answer)
    finally:
        target.close()


def _shown(answer: Answer) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    return answer.status, tuple(sorted(answer.headers.items())), answer.content


class Asking:
    """Requests, one after the other; each comes back with what it said."""

    def __init__(self, target: InProcess) -> None:
        self.target = target

    def __call__(
        self,
        method: str,
        path: str,
        token: str | None,
        *,
        query: str = "",
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[str, Answer]:
        request = made(method, path, token, query=query, body=body, content=content, headers=headers)
        return f"{token} {method} {path}?{query} {str(headers or '')[:80]}", self.target.send(request)


def made(
    method: str,
    path: str,
    token: str | None,
    *,
    query: str = "",
    body: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Request:
    sent = dict(headers or {})
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    if body is not None:
        content = json.dumps(body).encode()
        sent["content-type"] = "application/json"
    return Request(method, quote(path, safe="/%"), quote(query, safe="%&=+-()*,;|:@/?!$'~._[]"), sent, content)


def _ids(app: MockServer, entity: str) -> list[str]:
    """Of an entity the pinned ids, or some."""
    (world,) = app.worlds.values()
    found = [row.record["id"] for row in world.layer.all(entity)]
    pinned = [id for id in found if "-1000-" in id or "0000000000" in id or id.startswith(("7001", "8100"))]
    wanted = pinned or found
    return wanted if len(wanted) < 25 else [*wanted[:20], *wanted[-4:]]


def _paths(app: MockServer, operation: Operation, tenant: str = STAGING) -> Iterator[str]:
    """The paths of an operation on some of what there is."""
    (api,) = (service.api for service in app.services.values())
    base = api.conventions.base if api.name == "billing" else "/v1/finance" if api.name == "accounts" else ""
    path = (operation.path if operation.path.startswith(base) else base + operation.path).replace(
        "{tenantLocator}", tenant
    )
    (world,) = app.worlds.values()
    if operation.below is not None:
        member = operation.below[0].lower() + operation.below[1:]
        parents = _ids(app, operation.below)
        for parent in dict.fromkeys([*parents[:10], *parents[-4:]]):
            above = path.replace(f"{{{operation.parent}}}", parent)
            if operation.key is None:
                yield above
                continue
            rows = (
                [row.record for row in world.layer.all(operation.entity)]
                if operation.entity in world.layer.indexes
                else []
            )
            for record in [each for each in rows if (each.get(member) or {}).get("id") == parent][:4]:
                yield above.replace(f"{{{operation.key}}}", record["id"])
            yield above.replace(f"{{{operation.key}}}", "MISSING-0000")
    elif operation.key is not None:
        for id in [*_ids(app, operation.entity), "MISSING-0000", "x" * 70, "o'neill"]:
            yield path.replace(f"{{{operation.key}}}", id)
    else:
        yield path


def _reads(ask: Asking, app: MockServer, tokens: list[str | None]) -> Iterator[tuple[str, Answer]]:
    (api,) = (service.api for service in app.services.values())
    for operation in api.operations.values():
        if operation.method != "GET" or operation.does == "own":
            continue
        for number, path in enumerate(_paths(app, operation)):
            for token in tokens if number == 0 else tokens[:3] if number < 6 else tokens[:1]:
                yield ask("GET", path, token)
            if number in (0, 4):
                for query in QUERIES[api.name]:
                    for token in tokens[:3] if operation.below is None else tokens[:1]:
                        yield ask("GET", path, token, query=query)
                for accept in ("text/csv", XLSX, "application/jsonl", "image/gif", "application/pdf"):
                    for token in tokens[:2]:
                        yield ask(
                            "GET", path, token, headers={"accept": accept}, query="limit=3" if number else "ne(id,x)"
                        )


def _writes(ask: Asking, app: MockServer, tokens: list[str | None]) -> Iterator[tuple[str, Answer]]:
    """Every step of every object, by everybody, with a body that nobody can read and one that says nothing."""
    (api,) = (service.api for service in app.services.values())
    for operation in api.operations.values():
        if operation.method == "GET" or operation.does in ("own", "create", "upload", "attach", "sync"):
            continue
        for place, token in enumerate([*reversed(tokens[:4]), tokens[-1]]):
            for number, path in enumerate(_paths(app, operation)):
                if place == 4 and number:
                    break
                if number in (0, 3):
                    yield ask(operation.method, path, token, content=b"{", headers={"content-type": "application/json"})
                    yield ask(operation.method, path, token, body=[])
                if operation.method != "DELETE" or number % 2:
                    yield ask(operation.method, path, token, body={})


def _form(path: str, token: str, content: bytes, filename: str, media: str) -> Request:
    edge = "edge"
    named = f'Content-Disposition: form-data; name="file"; filename="{filename}"'
    body = f"--{edge}\r\n{named}\r\nContent-Type: {media}\r\n\r\n".encode() + content + f"\r\n--{edge}--\r\n".encode()
    headers = {"authorization": f"Bearer {token}", "content-type": f"multipart/form-data; boundary={edge}"}
    return Request("POST", path, "", headers, body)


def _billing(target: InProcess, app: MockServer) -> Iterator[tuple[str, Answer]]:
    ask, base = Asking(target), "/public/v1/billing"
    tokens: list[str | None] = [
        "operations-token",
        "vendor-token",
        "client-token",
        "vendor-other-token",
        "client-other-token",
        "expired-token",
        "x",
        None,
    ]
    yield from _reads(ask, app, tokens)
    yield ask("PATCH", f"{base}/journals", "vendor-token")
    yield ask("GET", f"{base}/journals/BJO-1000-0007/charges/CHG-1000-0005-0000-0000-0100", "vendor-token")
    yield from _creations(ask, target, base)
    yield from _whole_story(ask, target, base)
    yield from _writes(ask, app, tokens)


def _creations(ask: Asking, target: InProcess, base: str) -> Iterator[tuple[str, Answer]]:
    journal = {
        "name": "Usage of März that has a name of more than forty characters",
        "authorization": {"id": "AUT-1000-0001"},
        "dueDate": "2026-03-28",
    }
    money = {"currency": {"purchase": "EUR", "sale": "EUR"}}
    ledger = {
        "name": "By hand",
        "seller": {"id": "SEL-1000-0001"},
        "vendor": {"id": "ACC-1000-0002"},
        "price": money,
        "billingStartDate": "2026-03-01",
        "billingEndDate": "2026-03-31",
        "notes": "n",
    }
    override = {"client": {"id": "ACC-1000-0005"}, "vendor": {"id": "ACC-1000-0003"}, "notes": "n", "more": 1}
    for path, body, changes in (
        (
            "journals",
            journal,
            (
                {"name": ...},
                {"name": 1},
                {"name": ""},
                {"authorization": {"id": "AUT-1000-0003"}},
                {"dueDate": "2026-02-30"},
                {"notes": "n", "name": "J"},
            ),
        ),
        (
            "custom-ledgers",
            ledger,
            (
                {"name": 1},
                {"name": "Märzenbecher"},
                {"seller": {"id": "SEL-0000-0000"}},
                {"billingEndDate": "2026-01-01"},
                {"notes": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}},
            ),
        ),
        (
            "manual-overrides",
            override,
            (
                {"client": {"id": "ACC-1000-0006"}, "vendor": {"id": "ACC-1000-0002"}},
                {"client": {"id": "ACC-0000-0006"}},
                {},
            ),
        ),
    ):
        for change in ({}, *changes):
            sent = {name: value for name, value in {**body, **change}.items() if value is not ...}
            for token in ("operations-token", "vendor-token", "client-token"):
                yield ask("POST", f"{base}/{path}", token, body=sent)
    yield ask(
        "PUT",
        f"{base}/journals/BJO-1000-0001",
        "vendor-token",
        body={
            "name": "N",
            "notes": None,
            "assignee": {"id": "USR-1000-0001"},
            "externalIds": {"operations": "not its own", "vendor": "v"},
        },
    )
    yield ask("GET", f"{base}/journals/BJO-1000-0001", "operations-token")
    yield ask("PUT", f"{base}/journals/BJO-1000-0001", "vendor-token", body={"dueDate": "2026-02-30"})
    yield ask(
        "PUT",
        f"{base}/journals/BJO-1000-0001",
        "operations-token",
        body={"notes": "mine", "externalIds": {"operations": "o"}},
    )
    yield ask("PUT", f"{base}/journals/BJO-1000-0014", "vendor-token", body={"name": "N"})
    yield ask(
        "PUT",
        f"{base}/custom-ledgers/CLE-1000-0001",
        "operations-token",
        body={"notes": "kept?", "billingEndDate": "2020-01-01"},
    )
    yield ask("PUT", f"{base}/custom-ledgers/CLE-1000-0001", "operations-token", body={"notes": "kept"})
    yield ask("GET", f"{base}/custom-ledgers/CLE-1000-0001", "operations-token")
    yield ask("GET", f"{base}/custom-ledgers", "operations-token")
    yield ask("GET", f"{base}/ledgers", "operations-token", query="le(audit.created.at,2025-05-01T13:00:00.000Z)")
    found = target.send(made("GET", f"{base}/invoices", "client-token")).json
    for id in [row["id"] for row in found["data"]][:3] if isinstance(found, dict) and "data" in found else []:
        yield ask("PUT", f"{base}/invoices/{id}", "client-token", body={"name": "N", "status": "Paid"})
        yield ask("PUT", f"{base}/invoices/{id}", "operations-token", body={"status": "Lost"})
        yield ask(
            "PUT",
            f"{base}/invoices/{id}",
            "operations-token",
            body={"status": "Paid", "erpData": {"payment": {"methodCode": "CARD"}}},
        )
    for token in ("operations-token", "vendor-token"):
        for parent, wanted in (
            ("journals/BJO-1000-0001", "JOA"),
            ("custom-ledgers/CLE-1000-0001", "CLA"),
            ("invoices/INV-1000-0001", "INA"),
        ):
            for content, name, media in (
                (b"%PDF-1\r\n\xff\xfe" + b"x" * 3000, "Rechnung März.PDF", "application/pdf"),
                (b"\x89PNG", "a.png", "image/png"),
                (b"MZ", "a.exe", "application/x-msdownload"),
            ):
                made_ = target.send(_form(f"{base}/{parent}/attachments", token, content, name, media))
                yield f"attach {parent} {name}", made_
                if isinstance(made_.json, dict) and str(made_.json.get("id", "")).startswith(wanted):
                    path = f"{base}/{parent}/attachments/{made_.json['id']}"
                    yield ask("GET", path, token)
                    where = target.send(made("GET", path, token, headers={"accept": media})).headers.get("location", "")
                    if where:
                        place, _, query = where.partition("//")[2].partition("/")[2].partition("?")
                        yield "download", target.send(Request("GET", f"/{place}", query, {}, None))
                    yield ask("DELETE", path, token)
                    yield ask("GET", path, token)
                    described = made("GET", path, token, headers={"accept": "application/json"})
                    yield f"described {path}", target.send(described)


def _whole_story(ask: Asking, target: InProcess, base: str) -> Iterator[tuple[str, Answer]]:
    """Charges from their file to the invoice."""
    vendor, operations = "vendor-token", "operations-token"
    yield ask("POST", f"{base}/journals/BJO-1000-0001/submit", vendor, body={})
    whole = (CHARGES / "journal.jsonl").read_bytes()
    for name, media, content in (
        ("journal.jsonl", "application/jsonl", whole),
        ("journal.xlsx", XLSX, (CHARGES / "journal.xlsx").read_bytes()),
        ("short.jsonl", "application/jsonl", whole.splitlines()[0]),
        ("journal.jsonl", "application/jsonl", whole),
        ("broken.jsonl", "application/jsonl", b"{nonsense"),
    ):
        yield (
            f"upload {name}",
            target.send(_form(f"{base}/journals/BJO-1000-0001/upload", vendor, content, name, media)),
        )
        yield ask("GET", f"{base}/journals/BJO-1000-0001", operations)
        yield ask("GET", f"{base}/journals/BJO-1000-0001/charges", operations, query="limit=100")
    halves = [
        {**LINE, "quantity": 1.5, "price": {"unitPP": unit, "PPx1": unit}} for unit in (0.000025, 10.01, -3.33, 1.005)
    ]
    content = b"".join(json.dumps(each).encode() + b"\n" for each in halves)
    id = _made(target, f"{base}/journals", vendor, {"name": "Halves", "authorization": {"id": "AUT-1000-0001"}})
    yield (
        "upload halves",
        target.send(_form(f"{base}/journals/{id}/upload", vendor, content, "halves.jsonl", "application/jsonl")),
    )
    one = _made(target, f"{base}/journals", vendor, {"name": "One", "authorization": {"id": "AUT-1000-0001"}})
    least = json.dumps({**LINE, "quantity": 1, "price": {"unitPP": 0.000025, "PPx1": 0.000025}}).encode()
    yield (
        "upload one",
        target.send(_form(f"{base}/journals/{one}/upload", vendor, least, "one.jsonl", "application/jsonl")),
    )
    back = _made(target, f"{base}/journals", vendor, {"name": "Back", "authorization": {"id": "AUT-1000-0001"}})
    less = json.dumps({**LINE, "quantity": 1, "price": {"unitPP": -20, "PPx1": -20}}).encode()
    yield (
        "upload back",
        target.send(_form(f"{base}/journals/{back}/upload", vendor, less, "back.jsonl", "application/jsonl")),
    )
    yield from _reconciled(ask, base, operations)
    for journal in (one, id, back, "BJO-1000-0001", "BJO-1000-0005"):
        for path in (f"journals/{journal}", f"journals/{journal}/charges", f"journals/{journal}/sellers"):
            for token in (operations, vendor):
                yield ask("GET", f"{base}/{path}", token, query="select=audit")
        for accept in ("text/csv", XLSX, "application/jsonl"):
            for query in ("", "limit=2", "eq(processing.status,Ready)", "gt(quantity,2)"):
                yield ask(
                    "GET", f"{base}/journals/{journal}/charges", operations, headers={"accept": accept}, query=query
                )
        yield from _billed(ask, target, base, journal)
    yield from _consolidated(ask, target, base, operations)
    for _ in range(2):
        yield ask("POST", f"{base}/manual-overrides/BOV-1000-0002/disable", operations, body={})
    # A pair that is billed by hand again before its statements are made
    by_hand = _made(target, f"{base}/journals", vendor, {"name": "Hand", "authorization": {"id": "AUT-1000-0001"}})
    yield (
        "upload",
        target.send(_form(f"{base}/journals/{by_hand}/upload", vendor, whole, "j.jsonl", "application/jsonl")),
    )
    yield ask("POST", f"{base}/manual-overrides/BOV-1000-0003/enable", operations, body={})
    yield from _billed(ask, target, base, by_hand)
    yield (
        "upload rows",
        target.send(
            _form(
                f"{base}/custom-ledgers/CLE-1000-0001/upload",
                operations,
                (CHARGES / "custom-ledger.xlsx").read_bytes(),
                "c.xlsx",
                XLSX,
            )
        ),
    )
    for event in ("accept", "queue"):
        yield ask("GET", f"{base}/custom-ledgers/CLE-1000-0001", operations)
        yield ask("GET", f"{base}/custom-ledgers/CLE-1000-0001/charges", operations)
        yield ask("POST", f"{base}/custom-ledgers/CLE-1000-0001/{event}", operations, body={})
    for journal in ("BJO-1000-0009", "BJO-1000-0010"):
        for event in ("regenerate", "reset"):
            yield ask("POST", f"{base}/journals/{journal}/{event}", operations, body={})
            yield ask("GET", f"{base}/ledgers", operations, query=f"eq(journal.id,{journal})")
    yield from _at_once(target, base)


def _billed(ask: Asking, target: InProcess, base: str, journal: str) -> Iterator[tuple[str, Answer]]:
    """A journal from its review to what its statements become."""
    vendor, operations = "vendor-token", "operations-token"
    for event in ("submit", "enquiry", "submit", "accept"):
        token = vendor if event == "submit" else operations
        yield ask("POST", f"{base}/journals/{journal}/{event}", token, body={})
        yield ask("GET", f"{base}/journals/{journal}", operations, query="select=audit")
    found = target.send(made("GET", f"{base}/ledgers", operations, query=f"eq(journal.id,{journal})"))
    yield "ledgers", found
    ledgers = [row["id"] for row in found.json["data"]] if isinstance(found.json, dict) and "data" in found.json else []
    yield ask("POST", f"{base}/journals/{journal}/complete", operations, body={})
    for ledger in ledgers:
        for event in ("recalculate", "accept", "accept", "queue"):
            yield ask("POST", f"{base}/ledgers/{ledger}/{event}", operations, body={})
            yield ask("GET", f"{base}/ledgers/{ledger}", operations)
            yield ask("GET", f"{base}/ledgers/{ledger}/charges", operations)
        found = target.send(made("GET", f"{base}/statements", operations, query=f"eq(ledger.id,{ledger})"))
        yield "statements", found
        statements = (
            [row["id"] for row in found.json["data"]] if isinstance(found.json, dict) and "data" in found.json else []
        )
        if len(statements) > 1:
            yield from _consolidated(ask, target, base, operations)
        yield from _to_the_end(ask, base, statements, operations)
        yield ask("GET", f"{base}/ledgers/{ledger}", operations)
    yield ask("GET", f"{base}/journals/{journal}", operations, query="select=audit")


def _to_the_end(ask: Asking, base: str, statements: list[str], token: str) -> Iterator[tuple[str, Answer]]:
    for number, id in enumerate(statements):
        yield ask("POST", f"{base}/statements/{id}/queue", token, body={})
        yield ask("POST", f"{base}/statements/{id}/error", token, body={})
        for event in ("retry", "pending", "error", "retry", "pending"):
            yield ask("POST", f"{base}/statements/{id}/{event}", token, body={})
            yield ask("PUT", f"{base}/statements/{id}", token, body={"statusNotes": {"message": "m"}})
            yield ask("POST", f"{base}/statements/{id}/{event}", token, body={"statusNotes": {"message": "m"}})
            yield ask("GET", f"{base}/statements/{id}", token)
        lines = [
            {"quantity": 2, "unitPrice": 10.005, "discountAmount": 1, "vatPercent": 21},
            {"quantity": 1, "unitPrice": 3, "vatPercent": 6},
        ]
        for kind, memo in (("invoices", False), ("credit-memos", True)):
            document = {
                "documentNo": f"NL-T-{id[-9:]}-{number}",
                "countryCode": "NL",
                "externalIds": {"statement": id, "customer": "NL-SCU-1"},
                "lines": [{"price": line} for line in lines] if memo else lines,
                "buyer": {"id": "BUY-1000-0001"},
            }
            statement = ask.target.send(made("GET", f"{base}/statements/{id}", token)).json
            if isinstance(statement, dict) and "buyer" in statement:
                document["buyer"] = {"id": statement["buyer"]["id"]}
            yield ask("POST", f"{base}/{kind}", token, body=document)
        yield ask("POST", f"{base}/statements/{id}/issue", token, body={})
        yield ask("POST", f"{base}/statements/{id}/cancel", token, body={})
        yield ask("GET", f"{base}/statements/{id}", token)


def _reconciled(ask: Asking, base: str, token: str) -> Iterator[tuple[str, Answer]]:
    charges, journal = f"{base}/journals/BJO-1000-0005/charges", f"{base}/journals/BJO-1000-0005"
    first, second = (f"{charges}/CHG-1000-0005-0000-0000-0{number}00" for number in (1, 2))
    target = {"subscription": {"id": "SUB-1000-2000-3000"}}
    yield ask("POST", f"{second}/match", token, body={**target, "agreement": {"id": "AGR-1000-2000-3000"}})
    yield ask("POST", f"{second}/match", token, body={**target, "reason": "r"})
    yield ask("GET", journal, token)
    yield ask("GET", second, token, query="select=audit")
    yield ask("POST", f"{second}/reset", token, body={})
    yield ask("GET", second, token, query="select=audit")
    yield ask("POST", f"{first}/ignore", token, body={"reason": "r"})
    yield ask("POST", f"{journal}/recalculate", token, body={})
    yield ask("GET", journal, token)


def _consolidated(ask: Asking, target: InProcess, base: str, token: str) -> Iterator[tuple[str, Answer]]:
    found = target.send(made("GET", f"{base}/statements", token, query="eq(status,Queued)&limit=100")).json
    rows = (
        [row for row in found["data"] if row["billingType"] != "Consolidated"]
        if isinstance(found, dict) and "data" in found
        else []
    )
    alike: dict[Any, list[Any]] = {}
    for row in rows:
        if isinstance(row.get("price"), dict) and "buyer" in row:
            key = (
                row["buyer"]["id"],
                row["seller"]["id"],
                row["vendor"]["id"],
                json.dumps(row["price"].get("currency")),
            )
            alike.setdefault(key, []).append(row)
    children = max(alike.values(), key=len, default=[])
    if not children:
        return
    first = children[0]
    currency = {name: first["price"]["currency"][name] for name in ("purchase", "sale")}
    body = {
        **{name: {"id": first[name]["id"]} for name in ("buyer", "seller", "vendor")},
        "price": {"currency": currency},
    }
    parent = _made(target, f"{base}/statements", token, body)
    for child in children[:3]:
        yield ask("POST", f"{base}/statements/{parent}/children", token, body={"id": child["id"]})
        yield ask("POST", f"{base}/statements/{parent}/child", token, body={"id": child["id"]})
        yield ask("GET", f"{base}/statements/{parent}", token)
        yield ask("GET", f"{base}/statements/{child['id']}", token)
    yield ask("POST", f"{base}/statements/{parent}/cancel", token, body={})
    for child in children[:3]:
        yield ask("GET", f"{base}/statements/{child['id']}", token)


def _at_once(target: InProcess, base: str) -> Iterator[tuple[str, Answer]]:
    vendor, operations = "vendor-token", "operations-token"
    for path, token, id in (("journals", vendor, "BJO-1000-0003"), ("custom-ledgers", operations, "CLE-1000-0002")):
        bodies = ({"notes": "one", "name": "a"}, {"name": "b"}, {"notes": "two"})
        for number, answer in enumerate(
            target.at_once([made("PUT", f"{base}/{path}/{id}", token, body=body) for body in bodies])
        ):
            yield f"put at once {number}", answer
    yield "read", target.send(made("GET", f"{base}/journals/BJO-1000-0003", vendor))
    yield "read", target.send(made("GET", f"{base}/custom-ledgers/CLE-1000-0002", operations))
    for answer in target.at_once([made("POST", f"{base}/journals/BJO-1000-0003/submit", vendor, body={})] * 3):
        yield "submit at once", answer
    pair = {"client": {"id": "ACC-1000-0007"}, "vendor": {"id": "ACC-1000-0004"}}
    for answer in target.at_once([made("POST", f"{base}/manual-overrides", operations, body=pair)] * 3):
        yield "override at once", answer


def _made(target: InProcess, path: str, token: str, body: Any) -> str:
    answer = target.send(made("POST", path, token, body=body)).json
    return str(answer.get("id", answer.get("locator", "none"))) if isinstance(answer, dict) else "none"


def _credits(target: InProcess, app: MockServer) -> Iterator[tuple[str, Answer]]:
    ask = Asking(target)
    tokens: list[str | None] = [
        "admin-token",
        "reader-token",
        "clerk-token",
        "treasurer-token",
        "auditor-token",
        "auditor-other-token",
        "credits-expired-token",
        "x",
        None,
    ]
    yield from _reads(ask, app, tokens)
    home = f"/billing/{STAGING}"
    for token in tokens:
        for kind, locator in (
            ("accountCreditBalance", "01JT2YS8M010000000000A0002"),
            ("accountCreditBalance", "01JT2YS8M010000000000A0006"),
            ("invoiceItem", "01KCK66JM010000000000T0101"),
        ):
            yield ask("GET", f"{home}/accounting/ledgerAccounts/{kind}/{locator}", token, query="currency=USD")
        yield ask("GET", "/auth/users/whoami", token)
        for tenant in (OTHER, "30000000-0000-4000-8000-000000000009"):
            yield ask("GET", f"/billing/{tenant}/payments/list", token)
            yield ask("GET", f"/billing/{tenant}/credits/list", token)
    yield from _money(ask, target, home)
    yield from _tokens(ask, target, home)
    for number in (15, 17):
        path = f"{home}/invoices/01KF{'0E44' if number == 15 else '85A9'}M010000000000N00{number}"
        yield ask("GET", f"{path}/credits/list", "admin-token", query="includeReversed=true")
    yield from _writes(ask, app, tokens)
    yield from _reads(ask, app, tokens[:2])


def _money(ask: Asking, target: InProcess, home: str) -> Iterator[tuple[str, Answer]]:
    token = "admin-token"
    account, invoice = (
        "01JT2YS8M010000000000A0001",
        {"containerLocator": "01KGKY2GM010000000000N0001", "containerType": "invoice"},
    )
    whose = {"containerLocator": account, "containerType": "account"}
    small = {"containerLocator": "01KGPGF7M010000000000N0002", "containerType": "invoice"}
    third = {"containerLocator": "01KGS2VYM010000000000N0003", "containerType": "invoice"}
    payment = {
        "amount": 120.55,
        "targets": [invoice, small],
        "accountLocator": account,
        "data": {"a": 1},
        "type": "StandardPayment",
    }
    cases: list[dict[str, Any]] = [
        payment,
        {**payment, "amount": 150.25, "targets": [third]},
        {**payment, "amount": 20.6, "targets": [small]},
        {**payment, "amount": 18.5, "targets": [small]},
        {**payment, "targets": []},
        {**payment, "amount": -5},
        {**payment, "amount": 1.005},
        {**payment, "amount": 10**13},
        {**payment, "accountLocator": "01JT2YS8M010000000000A0009"},
        {**payment, "targets": [{**invoice, "amount": 500}]},
        {**payment, "accountLocator": "01JT2YS8M010000000000A0005", "targets": []},
        {**payment, "currency": "CAD", "targets": []},
        {**payment, "amount": 17, "targets": [small, third]},
    ]
    for body in cases:
        yield ask("POST", f"{home}/payments", token, body=body)
        id = _made(target, f"{home}/payments", token, body)
        yield ask(
            "PATCH",
            f"{home}/payments/{id}",
            token,
            body={"addTargets": [], "removeTargets": [], "setData": {"b": 2}, "removeData": {"a": 1}},
        )
        for step in (
            "post",
            "validate",
            "reset",
            "validate",
            "previewPost",
            "discard?",
            "post",
            "post",
            "reverse",
            "reverse",
        ):
            if step == "previewPost":
                yield ask("GET", f"{home}/payments/{id}/{step}", token)
            elif step == "reverse":
                for kind in ("nonsense", "nsf"):
                    yield ask("PATCH", f"{home}/payments/{id}/reverse", token, body={"reversalType": kind})
            elif step != "discard?":
                yield ask("PATCH", f"{home}/payments/{id}/{step}", token, body={})
            yield ask("GET", f"{home}/payments/{id}", token)
            for each in (invoice, small, third):
                yield ask("GET", f"{home}/invoices/{each['containerLocator']}", token)
            yield ask("GET", f"{home}/payments/{id}/shortfallCredits/list", token)
            for currency in ("USD", "CAD"):
                yield ask(
                    "GET",
                    f"{home}/accounting/ledgerAccounts/accountCreditBalance/{account}",
                    token,
                    query=f"currency={currency}",
                )
    # A balance to spend
    fed = _made(target, f"{home}/payments", token, {**payment, "amount": 100, "targets": []})
    for step in ("validate", "post"):
        yield ask("PATCH", f"{home}/payments/{fed}/{step}", token, body={})
    drawn = {
        "accountLocator": account,
        "sources": [whose],
        "data": {},
        "type": "StandardDisbursement",
        "useDefaultFinancialInstrument": False,
    }
    for amount in (10, 20, 10**6):
        disbursement = {**drawn, "amount": amount}
        distribution = {"amount": amount, "accountLocator": account, "sources": [whose], "targets": [third]}
        for kind, body, steps in (
            (
                "disbursements",
                disbursement,
                ("validate", "reset", "validate", "approve", "execute", "reset", "reverse"),
            ),
            ("creditDistributions", distribution, ("validate", "reset", "validate", "execute", "reverse")),
        ):
            id = _made(target, f"{home}/{kind}", token, body)
            if kind == "creditDistributions":
                yield ask("PUT", f"{home}/{kind}/{id}", token, body={**body, "targets": [small]})
            for step in steps:
                yield ask(
                    "PATCH",
                    f"{home}/{kind}/{id}/{step}",
                    token,
                    body={"reversalType": "correction"} if step == "reverse" else {},
                )
                yield ask("GET", f"{home}/{kind}/{id}", token)
                yield ask(
                    "GET",
                    f"{home}/accounting/ledgerAccounts/accountCreditBalance/{account}",
                    token,
                    query="currency=USD",
                )
    for part in ({"amount": 5}, {"amount": 5000}, {}):
        yield ask("POST", f"{home}/writeOffs", token, body={"accountLocator": account, "targets": [{**third, **part}]})
    yield ask("POST", f"{home}/invoices/01KJ7E0WM010000000000N0018/settle", token)
    yield from _spent_twice(ask, target, home, payment, drawn, whose)


def _spent_twice(
    ask: Asking, target: InProcess, home: str, payment: Any, drawn: Any, whose: Any
) -> Iterator[tuple[str, Answer]]:
    token = "admin-token"
    account = drawn["accountLocator"]
    id = _made(target, f"{home}/payments", token, {**payment, "amount": 60, "targets": []})
    yield ask("PATCH", f"{home}/payments/{id}/validate", token, body={})
    for answer in target.at_once([made("PATCH", f"{home}/payments/{id}/post", token, body={})] * 3):
        yield "post at once", answer
    for _ in range(2):
        other = _made(target, f"{home}/disbursements", token, {**drawn, "amount": 40})
        for step in ("validate", "approve"):
            yield ask("PATCH", f"{home}/disbursements/{other}/{step}", token, body={})
        for answer in target.at_once([made("PATCH", f"{home}/disbursements/{other}/execute", token, body={})] * 2):
            yield "execute at once", answer
        yield ask(
            "GET", f"{home}/accounting/ledgerAccounts/accountCreditBalance/{account}", token, query="currency=USD"
        )
    third = {"containerLocator": "01KGS2VYM010000000000N0003", "containerType": "invoice"}
    # Validated while there was enough, executed when there is not.
    several = [
        _made(
            target,
            f"{home}/creditDistributions",
            token,
            {"amount": 45, "accountLocator": account, "sources": [whose], "targets": [third]},
        )
        for _ in range(3)
    ]
    for step in ("validate", "execute"):
        for each in several:
            yield ask("PATCH", f"{home}/creditDistributions/{each}/{step}", token, body={})
            yield ask("GET", f"{home}/creditDistributions/{each}", token)


def _tokens(ask: Asking, target: InProcess, home: str) -> Iterator[tuple[str, Answer]]:
    for owner, rights, tenants in (
        ("clerk-token", ["payments.read"], [STAGING]),
        ("admin-token", ["payments.read", "users.token"], [STAGING]),
        ("clerk-token", ["disbursements.write"], [STAGING]),
        ("admin-token", ["payments.*"], [OTHER]),
        ("auditor-token", ["credits.list"], [STAGING]),
    ):
        said, answer = ask(
            "POST",
            "/auth/users/tokens",
            owner,
            body={"name": "t", "permissions": rights, "tenants": tenants, "expiresAt": "2027-01-01T00:00:00Z"},
        )
        yield said, answer
        token = answer.json if isinstance(answer.json, str) else "none"
        for path in (
            f"{home}/payments/list",
            f"{home}/invoices/01KGKY2GM010000000000N0001",
            f"/billing/{OTHER}/payments/list",
        ):
            yield ask("GET", path, token)
        yield ask(
            "POST",
            "/auth/users/tokens",
            token,
            body={
                "name": "u",
                "permissions": ["disbursements.write"],
                "tenants": [STAGING],
                "expiresAt": "2027-01-01T00:00:00Z",
            },
        )


def _accounts(target: InProcess, app: MockServer) -> Iterator[tuple[str, Answer]]:
    ask = Asking(target)
    tokens: list[str | None] = [
        "finance-token",
        "finance-two-token",
        "finance-none-token",
        "finance-expired-token",
        "x",
        None,
    ]
    yield from _reads(ask, app, tokens)
    base = "/v1/finance/accounts"
    yield ask("GET", f"{base}/nonsense", "finance-none-token", query="months=x")
    for number in _ids(app, "Account"):
        found = target.send(made("GET", f"{base}/{number}", "finance-token"))
        yield "account", found
        invoices = found.json.get("invoices", []) if isinstance(found.json, dict) else []
        for invoice in invoices[:2]:
            for document in [*invoice["documents"][:3], {"documentId": "X_PDF_EN"}]:
                path = f"{base}/{number}/{invoice['invoiceId']}"
                for token in tokens[:3]:
                    yield ask("GET", path, token, query=f"documentId={document['documentId']}")
                    other = f"{base}/700102/{invoice['invoiceId']}"
                    yield ask("GET", other, token, query=f"documentId={document['documentId']}")
    (world,) = app.worlds.values()
    for row in list(world.layer.all("Client")):
        client = row.record
        body = {"client_id": client["id"], "client_secret": client["secret"], "grant_type": "client_credentials"}
        for change in (
            {},
            {"grant_type": "password", "user_name": client["user"], "user_password": client["password"]},
            {"grant_type": "implicit"},
            {"client_secret": "x"},
        ):
            yield ask("POST", "/oauth2/v1/token", None, body={**body, **change})
        yield ask("POST", "/oauth2/v1/refreshaccesstoken", None, body={**body, "refresh_token": "x"})
        yield ask("POST", "/oauth2/v1/token", None, body={"grant_type": "client_credentials"})
