"""Who may call what, cell by cell on the running server; a refusal changes nothing (billing a, b.2, b.8, Q41)."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import specs.tables
from mockserver import MockServer, create_app
from mockserver.store import Record
from specs.tables import Capability, Operation
from tests.driver import Answer, Client
from tests.fingerprint import fingerprint
from tests.valid import CALLERS, FORM, Part, Request, Valid, capabilities, form, status

As = Callable[[str], Client]

MATRIX = Path(specs.tables.HERE) / "billing" / "role-matrix.csv"
# What the given matrix is silent about, as billing a.2 says it: first letters of the roles.
BEYOND = {
    **dict.fromkeys(("recalculateJournal", "resetJournal"), "o"),
    **dict.fromkeys(("matchJournalCharge", "ignoreJournalCharge", "resetJournalCharge"), "o"),
    **dict.fromkeys(("getJournalSeller", "updateJournalAttachment"), "vo"),
    **dict.fromkeys(("queueLedger", "queueCustomLedger", "updateCustomLedgerAttachment"), "o"),
    **dict.fromkeys(("createLedgerAttachment", "updateLedgerAttachment", "deleteLedgerAttachment"), "o"),
    **dict.fromkeys(
        ("createConsolidatedStatement", "updateStatement", "addStatementChild", "removeStatementChild"), "o"
    ),
    **dict.fromkeys(("queueStatement", "setStatementPending", "issueStatement", "setStatementError"), "o"),
    **dict.fromkeys(("listStatementAttachments", "getStatementAttachment"), "co"),
    **dict.fromkeys(("createStatementAttachment", "updateStatementAttachment", "deleteStatementAttachment"), "o"),
    **dict.fromkeys(("createInvoices", "createCreditMemos"), "o"),
    **dict.fromkeys(("createInvoiceAttachment", "updateInvoiceAttachment", "deleteInvoiceAttachment"), "o"),
    **dict.fromkeys(("listCreditMemos", "getCreditMemo"), "co"),
    **dict.fromkeys(("createCreditMemoAttachment", "updateCreditMemoAttachment", "deleteCreditMemoAttachment"), "o"),
}
# What a success answers where it is not the 200 of reading, changing and acting (billing b.8).
SUCCESS = {"create": 201, "attach": 201, "sync": 201, "delete": 204}


def given() -> dict[str, frozenset[str]]:
    """The given matrix: capability -> roles."""
    with MATRIX.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["operation_id"]: frozenset(role for role in CALLERS if row[role] == "allow") for row in rows}


def expected() -> dict[str, frozenset[str]]:
    """Every capability -> roles that may use it."""
    letters = {id: frozenset(role for role in CALLERS if role[0] in who) for id, who in BEYOND.items()}
    return given() | letters


WHO = expected()
CELLS = [(id, role) for id in WHO for role in CALLERS]
GRANTED = [(id, role) for id, role in CELLS if role in WHO[id]]
DENIED = [(id, role) for id, role in CELLS if role not in WHO[id]]
MISSING_ID = re.compile(r"[A-Z]{3}-[\d-]+")
MISSING = re.compile(r"\b([A-Z]{3})-[\d-]+")


def holder(id: str) -> str:
    """A caller who may use a capability."""
    return next(role for role in reversed(CALLERS) if role in WHO[id])


def success(app: MockServer, capability: Capability) -> int:
    return SUCCESS.get(app.services["billing"].api.operations[capability.operation].does, 200)


def missing(request: Request) -> Request:
    """The same request, for ids that nothing has."""
    return replace(request, path=MISSING.sub(lambda found: found[1] + re.sub(r"\d", "9", found[0][3:]), request.path))


def spoilt(request: Request) -> Iterator[Request]:
    """The same request with another thing wrong each time; none of them may be noticed before the role is."""
    yield request
    yield missing(request)
    yield replace(request, path=request.path + "/../x" if "{" in request.path else request.path + "?eq(((")
    yield replace(
        request, body=None, content=b'{"broken', headers={**request.headers, "content-type": "application/json"}
    )
    yield replace(request, body=None, content=b"x", headers={**request.headers, "content-type": "image/png"})


def test_every_capability_has_an_expectation_and_none_beside(app: MockServer) -> None:
    assert set(WHO) == set(capabilities(app))
    assert (len(given()), len(BEYOND), len(CELLS)) == (67, 36, 309)


@pytest.mark.parametrize(("id", "role"), GRANTED)
def test_who_may_succeeds(app: MockServer, as_: As, id: str, role: str) -> None:
    request = Valid(app, role).capability(id)
    before = fingerprint(app.world)
    answer = request.send(as_(role))
    assert answer.status == success(app, capabilities(app)[id]), answer
    changes = request.method != "GET"
    assert (fingerprint(app.world) != before) == changes


@pytest.mark.parametrize(("id", "role"), DENIED)
def test_who_may_not_is_refused_before_anything_is_looked_up_or_read(
    app: MockServer, as_: As, id: str, role: str
) -> None:
    request = Valid(app, holder(id)).capability(id)
    before = fingerprint(app.world)
    details = set()
    for each in spoilt(request):
        answer = each.send(as_(role))
        assert (answer.status, answer.json["title"], answer.json["status"]) == (403, "Forbidden", 403)
        assert answer.headers["content-type"] == "application/json"
        details.add(answer.json["detail"])
    assert len(details) == 1
    assert fingerprint(app.world) == before


STRANGERS = {
    "no header": None,
    "garbage": "Bearer garbage",
    "expired": "Bearer expired-token",
    "no scheme": "operations-token",
    "another scheme": "Basic b3BlcmF0aW9uczp0b2tlbg==",
    "no token": "Bearer ",
    "two tokens": "Bearer operations-token vendor-token",
    "another case": "Bearer OPERATIONS-TOKEN",
}


@pytest.mark.parametrize("id", WHO)
def test_who_is_nobody_is_told_so_before_anything_else(app: MockServer, id: str) -> None:
    request = Valid(app, holder(id)).capability(id)
    before = fingerprint(app.world)
    for authorization in STRANGERS.values():
        for each in spoilt(request):
            sent = each if authorization is None else each.with_headers(authorization=authorization)
            answer = sent.send(Client(app, None))
            assert (answer.status, answer.json["title"]) == (401, "Authentication Failed"), authorization
            assert answer.headers["www-authenticate"] == "Bearer"
    assert fingerprint(app.world) == before


def test_a_token_expires_with_the_worlds_clock(app: MockServer) -> None:
    from datetime import UTC, datetime

    app.world.clock.set(datetime(2026, 2, 14, 8, 59, tzinfo=UTC))
    assert Client(app, "expired-token").get("/statements").status == 200
    app.world.clock.set(datetime(2026, 2, 14, 9, 0, tzinfo=UTC))
    assert Client(app, "expired-token").get("/statements").status == 401


@pytest.mark.parametrize("spelling", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(app: MockServer, spelling: str) -> None:
    answer = Client(app, None).get("/journals", headers={"authorization": f"{spelling} vendor-token"})
    assert answer.status == 200


# Own, foreign and missing

FOREIGN = [(id, role) for id, role in GRANTED if role != "operations"]


class Others(Valid):
    """What is somebody else's, in whatever state."""

    def own(self, entity: str) -> Iterator[Record]:
        return (each for each in self.work.all(entity) if not self.is_own(entity, each))

    def ids(self, operation: Operation, beside: Collection[str] = ()) -> tuple[str, ...]:
        """The ids of a path to something of somebody else's, whose last id is none of `beside`."""
        names = operation.path.count("{")
        if operation.below is None or operation.does == "attach":
            return tuple([next(self.own(operation.below or operation.entity))["id"]] * names)
        for parent in self.own(operation.below):
            for row in self.service.below(self.work, operation.entity, operation.below, parent):
                if row.record["id"] not in beside:
                    return (parent["id"], row.record["id"])[:names]
        raise LookupError(operation.id)


@pytest.mark.parametrize(("id", "role"), FOREIGN)
def test_a_foreign_object_reads_like_a_missing_one(app: MockServer, as_: As, id: str, role: str) -> None:
    operation = app.services["billing"].api.operations[capabilities(app)[id].operation]
    request = Valid(app, role).capability(id)
    mine = MISSING_ID.findall(request.path)
    if not mine:
        return  # it names no object
    theirs = Others(app, role).ids(operation)
    before = fingerprint(app.world)
    paths = [request.path.replace(mine[0], theirs[0])]
    if len(mine) > 1:
        paths.append(paths[0].replace(mine[1], theirs[1]))
    for path in paths:
        foreign, nowhere = (
            _blank(replace(request, path=each).send(as_(role))) for each in (path, missing(request).path)
        )
        assert foreign["status"] == 404
        assert foreign == nowhere
    assert fingerprint(app.world) == before


BELOW = [id for id in WHO if re.fullmatch(r"(get|update|delete).*(Line|Attachment|Charge|Seller)", id)]


@pytest.mark.parametrize("id", BELOW)
def test_a_child_of_another_parent_reads_like_one_that_is_nowhere(app: MockServer, as_: As, id: str) -> None:
    role = next(role for role in CALLERS if role in WHO[id])
    caller = Valid(app, role)
    operation = app.services["billing"].api.operations[id]
    request = caller.capability(id)
    parent, own = MISSING_ID.findall(request.path)
    record = caller.work.need(operation.below or "", parent)
    siblings = {
        row.record["id"] for row in caller.service.below(caller.work, operation.entity, operation.below or "", record)
    }
    try:
        foreign = Others(app, role).ids(operation, beside=siblings)[1]
    except LookupError:
        foreign = own[:-4] + "9998"  # there is no other object with a child of that kind
    first, second = (
        _blank(replace(request, path=request.path.replace(own, each)).send(as_(role)))
        for each in (foreign, re.sub(r"\d", "9", own))
    )
    assert first["status"] == 404
    assert first == second


def _blank(answer: Answer) -> dict[str, Any]:
    """A problem without the ids that it names."""
    problem = answer.json
    assert problem.keys() == {"type", "title", "status", "detail", "traceId"}
    return {**problem, "detail": MISSING.sub(r"\1", problem["detail"]), "traceId": ""}


@pytest.mark.parametrize(
    "id", ["x", "BJO-1", "bjo-1000-0001", "BLE-1000-0001", "%00", "%2e%2e", "%F0%9F%92%A9", "0" * 3000]
)
def test_an_id_of_another_form_is_a_missing_one(vendor: Client, id: str) -> None:
    for answer in (vendor.get(f"/journals/{id}"), vendor.put(f"/journals/{id}", {}), vendor.delete(f"/journals/{id}")):
        assert (answer.status, answer.json["title"]) == (404, "Not Found")


# The order of refusals. Every set of faults at once: the first in the order answers.

ORDER = (401, 403, 404, 406, 415, 400, 400, 409)


def _json_action(app: MockServer, faults: frozenset[int]) -> tuple[str | None, Request]:
    """submitJournal, with these things wrong."""
    path = "/journals/BJO-1000-0001/submit" if 409 in faults else "/journals/BJO-1000-0003/submit"
    content = b'{"name": 7}' if 400 in faults else b'{"notes": "Done."}'
    media = "text/plain" if 415 in faults else "application/json"
    return _caller(faults, "vendor", "client"), _lost(
        faults, Request("POST", path, content=content, headers={"content-type": media})
    )


def _upload(app: MockServer, faults: frozenset[int]) -> tuple[str | None, Request]:
    """uploadJournalCharges, where the form is wrong."""
    id = "BJO-1000-0005" if 409 in faults else "BJO-1000-0001"
    part = Part("other", b"x") if 400 in faults else Valid(app, "vendor").file("Journal", id)
    headers = {"content-type": "application/json" if 415 in faults else FORM}
    return _caller(faults, "vendor", "operations"), _lost(
        faults, Request("POST", f"/journals/{id}/upload", content=form(part), headers=headers)
    )


def _uploaded_file(app: MockServer, faults: frozenset[int]) -> tuple[str | None, Request]:
    """uploadJournalCharges, where the file in the form is wrong."""
    id = "BJO-1000-0005" if 409 in faults else "BJO-1000-0001"
    part = Valid(app, "vendor").file("Journal", id)
    part = replace(part, content=b"{") if 400 in faults else part
    part = replace(part, media="application/pdf", filename="charges.pdf") if 415 in faults else part
    return _caller(faults, "vendor", "operations"), _lost(
        faults, Request("POST", f"/journals/{id}/upload", content=form(part), headers={"content-type": FORM})
    )


def _attachment(app: MockServer, faults: frozenset[int]) -> tuple[str | None, Request]:
    """createJournalAttachment, where the file or the JSON beside it is wrong."""
    described = Part("attachment", b'{"name": 7}' if 400 in faults else b"{}")
    media = "application/x-msdownload" if 415 in faults else "text/plain"
    content = form(described, Part("file", b"x", "x", media))
    return _caller(faults, "vendor", "operations"), _lost(
        faults, Request("POST", "/journals/BJO-1000-0005/attachments", content=content, headers={"content-type": FORM})
    )


def _reading(app: MockServer, faults: frozenset[int]) -> tuple[str | None, Request]:
    """getInvoiceAttachment."""
    path = "/invoices/INV-1000-0001-0000-0001/attachments/INA-1000-0001" + ("?eq(((" if 400 in faults else "")
    headers = {"accept": "image/png" if 406 in faults else "application/json"}
    return _caller(faults, "client", "vendor"), _lost(faults, Request("GET", path, headers=headers))


def _listing(app: MockServer, faults: frozenset[int]) -> tuple[str | None, Request]:
    """listStatementCharges."""
    statement = Valid(app, "client").pair(app.services["billing"].api.operations["getStatementCharge"])[0]["id"]
    path = f"/statements/{statement}/charges" + ("?eq(price.PPx1,1)" if 400 in faults else "")
    headers = {"accept": "image/png" if 406 in faults else "application/json"}
    return _caller(faults, "client", "vendor"), _lost(faults, Request("GET", path, headers=headers))


def _caller(faults: frozenset[int], right: str, wrong: str) -> str | None:
    return None if 401 in faults else wrong if 403 in faults else right


def _lost(faults: frozenset[int], request: Request) -> Request:
    return missing(request) if 404 in faults else request


Spoiler = Callable[[MockServer, frozenset[int]], tuple[str | None, Request]]
SPOILERS: Mapping[Spoiler, tuple[int, ...]] = {
    _json_action: (401, 403, 404, 415, 400, 409),
    _upload: (401, 403, 404, 415, 400, 409),
    _uploaded_file: (401, 403, 404, 415, 400, 409),
    _attachment: (401, 403, 404, 415, 400),
    _reading: (401, 403, 404, 406, 400),
    _listing: (401, 403, 404, 406, 400),
}


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__.strip("_"))
def test_of_several_faults_the_first_in_the_order_answers(app: MockServer, spoil: Spoiler) -> None:
    before = fingerprint(app.world)
    kinds = SPOILERS[spoil]
    for size in range(1, len(kinds) + 1):
        for faults in itertools.combinations(kinds, size):
            caller, request = spoil(app, frozenset(faults))
            answer = request.send(Client(app, None if caller is None else app.token(caller)))
            assert answer.status == min(faults, key=ORDER.index), (faults, answer)
    assert fingerprint(app.world) == before
    caller, request = spoil(app, frozenset())
    assert caller is not None
    assert request.send(Client(app, app.token(caller))).status < 300


def test_the_order_is_the_one_that_the_table_states(app: MockServer) -> None:
    rows = app.services["billing"].api.refusals
    assert tuple(row["status"] for row in rows) == (401, 403, 404, 406, 415, 400, 400, 409)


# Overlays

FLIPPED = [
    ("createJournalAttachment", "operations", True),
    ("deleteJournalAttachment", "operations", True),
    ("getJournalChargesFile", "vendor", False),
    ("updateInvoice", "client", False),
    ("retryStatement", "operations", False),
]


def test_an_overlay_flips_its_cells_and_no_others(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    lines = ["billing:"]
    for verb, allowed in (("grant", True), ("deny", False)):
        lines.append(f"  {verb}:")
        lines += [
            f"    - {{operation: {id}, role: {role}, reason: to see it}}"
            for id, role, wanted in FLIPPED
            if wanted is allowed
        ]
    overlay.write_text("\n".join(lines), encoding="utf-8")
    app = create_app("billing", overlay=overlay)
    flipped = {(id, role): wanted for id, role, wanted in FLIPPED}
    for id, role in CELLS:
        app.reset()
        is_granted = flipped.get((id, role), role in WHO[id])
        request = Valid(app, role if is_granted else holder(id)).capability(id)
        answer = request.send(Client(app, app.token(role)))
        wanted = success(app, capabilities(app)[id]) if is_granted else 403
        assert answer.status == wanted, (id, role, answer)


def test_the_file_and_the_list_of_charges_are_two_cells_of_one_operation(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        "billing:\n  deny:\n    - {operation: getJournalChargesFile, role: vendor, reason: no files}\n",
        encoding="utf-8",
    )
    app = create_app("billing", overlay=overlay)
    vendor = Client(app, app.token("vendor"))
    journal = Valid(app, "vendor").one("Journal", status("Review"))["id"]
    accepts = {"application/json": 200, "*/*": 200, "": 200, "text/csv": 403, "application/jsonl": 403}
    found = {
        accept: vendor.get(f"/journals/{journal}/charges", headers={"accept": accept}).status for accept in accepts
    }
    assert found == accepts
