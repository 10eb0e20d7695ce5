"""A run as it could have been, made by hand: findings of every weight, cells of every verdict, and hostile answers."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.findings import CellResult, CheckResult, Finding, Result, Unchecked, Verdict
from contracts.reports.coverage import pairs
from contracts.wire import Answer, Caller, Exchange, Request
from specs.expand import cells
from specs.tables import Api, load

BASE = "/public/v1/billing"
VENDOR = Caller("vendor", "billing", "vendor", "vendor-secret-7f3a", "ACC-1")
CLIENT = Caller("client", "billing", "client", "client secret&<\"ö'", "ACC-2")
OPERATIONS = Caller("operations", "billing", "operations", "operations-secret-91bc")
FINANCE = Caller(
    "finance",
    "accounts",
    "holder",
    "finance-secret-55d0",
    credentials={"clientId": "finance-client", "clientSecret": "finance-s3cr3t/+pa55"},
)
CALLERS = (VENDOR, CLIENT, OPERATIONS, FINANCE)
SECRETS = tuple(text for each in CALLERS for text in (each.token or "", *each.credentials.values()))
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)> ]]> \x1b[31m\x00\u202e |`````| **b** &amp;"


def call(
    caller: Caller,
    method: str,
    path: str,
    status: int,
    answer: bytes = b"{}",
    *,
    query: str = "",
    content: bytes | None = None,
    operation: str = "",
    headers: Mapping[str, str] | None = None,
) -> Exchange:
    """One call of the made-up run."""
    sent = {"content-type": "application/json"} if content is not None else {}
    request = Request(method, BASE + path, query, {**sent, **(headers or {})}, content)
    came = Answer(status, {"content-type": "application/json"}, answer, 0.0123)
    return Exchange(7, caller.api, operation, caller, request, came, "made.up", "read")


def finding(code: str = "A102", **said: object) -> Finding:
    """A finding, with these members instead of the usual ones."""
    usual: dict[str, object] = {
        "code": code,
        "api": "billing",
        "operation": "createJournal",
        "subject": "createJournal/client",
        "expected": "403",
        "came": '201 {"id": "BJO-1000-0001"}',
        "source": "RM",
        "place": "specs/billing/access.yaml",
        "check": "access.matrix",
        "case": "createJournal",
        "caller": "client",
        "role": "client",
        "cell": "createJournal/client",
        "steps": (call(CLIENT, "POST", "/journals", 201, content=b'{"name": "it\'s"}', operation="createJournal"),),
    }
    return Finding(**{**usual, **said})  # type: ignore[arg-type]  # the members above


def whole() -> Result:
    """A run of all three APIs that found something of everything."""
    billing, apis = load("billing"), ("accounts", "billing", "credits")
    result = Result("http://127.0.0.1:8000", "own", 7, apis, requests=1234, seconds=56.78, callers=CALLERS)
    result.documents = {name: load(name) for name in apis}
    result.findings = [
        finding(
            "R204", subject="price.purchase", operation="getJournal", cell="", source="DOC", case="Journal", also=3
        ),
        finding(),
        finding(
            "W406",
            operation="acceptJournal",
            subject="Ledger",
            expected="one ledger per seller",
            came=f"none, but {HOSTILE}",
            cell="",
            source="CAN, DOC",
            place="specs/billing/machines.yaml",
            check="effects.journal",
            case="",
            steps=(
                call(VENDOR, "POST", "/journals", 201, b'{"id": "BJO-1"}', content=b'{"name": "a $HOME `id`"}'),
                call(OPERATIONS, "POST", "/journals/BJO-1/accept", 200, HOSTILE.encode()),
                call(OPERATIONS, "GET", "/ledgers", 200, b"\xff\xfe\x00", query='eq(journal.id,"BJO-1")&limit=5'),
            ),
        ),
        finding(
            "Q510",
            operation="listLedgers",
            subject="limit=0",
            source="M (paging)",
            cell="",
            check="paging.zero",
            case="",
        ),
        finding("S303", operation="getLedger", subject="200", cell="", accepted="known, mended in May", source="spec"),
        finding("S305", operation="", subject="GET /odd", cell="", caller="", came="500", source="OA4", steps=()),
    ]
    result.cells = list(_cells(billing))
    result.unchecked = [
        Unchecked("billing", "effects.journal", "", "needs --mode full"),
        Unchecked("billing", "files.upload", "", "needs --mode full"),
        Unchecked("credits", "access.matrix", "fetchCredits", f"no token: {HOSTILE}", fatal=True),
    ]
    result.checks = [
        CheckResult("access.matrix", "billing", 2, 350, 4.2, 1, ["createJournal", "getJournal"]),
        CheckResult("paging.zero", "billing", 1, 12, 0.3, 1, [""]),
        CheckResult("access.matrix", "credits", 1, 60, 1.1, 0, ["fetchCredits"]),
    ]
    result.statuses = {("billing", "createJournal"): {201: 4, 403: 9, 418: 1}, ("billing", "getJournal"): {404: 3}}
    result.transitions = {
        ("billing", entity.entity, state, event): "arrived" if state in _starts(entity, event) else "refused"
        for entity, state, event in pairs(billing)
        if entity.entity != "Statement"
    }
    result.transitions["billing", "Journal", "Draft", "accept"] = "arrived"
    result.transitions["billing", "Journal", "Review", "accept"] = "no charges in the file"
    result.left = [f"billing: Journal BJO-9: {HOSTILE}"]
    return result


def _starts(entity: object, event: str) -> list[str]:
    return [state for row in entity.rows if row.event == event for state in row.starts]  # type: ignore[attr-defined]


def _cells(api: Api) -> list[CellResult]:
    """A verdict about every cell but those of one collection; every verdict that there is."""
    odd = {
        ("createJournal", "client"): Verdict.UNEXPECTED_ALLOW,
        ("getJournal", "vendor"): Verdict.UNEXPECTED_DENY,
        ("updateJournal", "client"): Verdict.WRONG,
        ("deleteJournal", "vendor"): Verdict.BLOCKED,
        ("submitJournal", "operations"): Verdict.SKIPPED,
    }
    found = []
    for cell in cells(api):
        if cell.capability.collection == "Overrides":
            continue
        role = "" if cell.caller == "nobody" else cell.caller
        for caller in ("nobody", "garbage") if not role else (role,):
            verdict = odd.get((cell.capability.id, caller), Verdict.ALLOWED if cell.allowed else Verdict.DENIED)
            found.append(
                CellResult("billing", cell.capability.id, caller, role, verdict, str(cell.status), "200", cell.source)
            )
    return found
