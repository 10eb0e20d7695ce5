"""Why a request was answered as it was: the check, the cell, the row of the table that decided, and the mend.

Everything is worked out when it is asked for, of what the journal kept, the tables, and the sandbox as it is then. It
tells what callers must not learn, such as whether an object is missing or somebody else's: it is for whoever owns the
mock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mockserver import gate
from mockserver.decisions import objects, requests, rights
from mockserver.decisions.cases import Case, Why, exchange, plainly, sentence
from mockserver.domain import errors
from mockserver.exchange import Exchange
from mockserver.problems import CHECKS, OTHERS
from mockserver.recording import Call, Refused
from mockserver.sandboxes import Sandbox
from specs.tables import Api

HTTP = "HTTP"
"""The source of a status that no table has a row for"""
EXPLAINED: Mapping[str, Callable[[Case], Why]] = {
    "token": rights.token,
    "scope": rights.scope,
    "role": rights.role,
    "find": objects.find,
    "accept": requests.accept,
    "media": requests.media,
    "query": requests.invalid,
    "body": requests.invalid,
    "state": objects.state,
}
"""What explains a refusal, by the check of access.yaml that refused"""


def decision(call: Call, sandbox: Sandbox) -> dict[str, Any]:
    """What decided, as JSON; `words` says all of it in a few sentences."""
    side = sandbox.sides.get(call.api or "")
    if side is None:
        why = requests.nowhere(call)
        return _told(call, "refused" if call.status >= 400 else "allowed", why)
    api = side.service.api
    if _is_fault(call, api):
        said = f"the fault {call.fault}, which was set in this sandbox, answered in the API's place."
        return _told(call, "fault", Why(said, "switch the fault off."))
    if call.refused is None:
        if call.status >= 500:
            return _told(call, "failed", Why("the server failed; its terminal says where.", "report it."))
        if call.status >= 400:
            return _told(call, "refused", requests.unrouted(call, api))
        return _told(call, "allowed", rights.allowed(call, api))
    x = exchange(call, sandbox)
    check = _check(call, x, call.refused)
    why = EXPLAINED.get(check, plainly)(Case(call, call.refused, api, sandbox, x))
    place, told = _place(api, check, call.status)
    why.facts = {"check": place, **why.facts}
    return _told(call, "refused", why, told)


def _told(call: Call, verdict: str, why: Why, by: str = "") -> dict[str, Any]:
    words = [f"{call.status}{by}: {why.because}" if call.status else why.because]
    words += [why.mend] if why.mend else []
    if call.fault is not None and verdict != "fault":
        words.append(f"the fault {call.fault}, which was set in this sandbox, was in force.")
    made: dict[str, Any] = {"verdict": verdict, **why.facts}
    made |= {"because": why.because} | ({"mend": why.mend} if why.mend else {})
    return made | {"words": " ".join(sentence(each) for each in words)}


def _is_fault(call: Call, api: Api) -> bool:
    """Whether what was injected answered, and not just came beside the API's own answer."""
    if call.fault is None or 0 < call.status < 400:
        return False
    return call.refused is None or call.status not in _statuses(api, call.refused)


def _statuses(api: Api, refused: Refused) -> set[int]:
    """The statuses that a refusal may have."""
    kinds = refused.kind.__mro__
    checks = {CHECKS[kind] for kind in kinds if kind in CHECKS}
    return {api.status(check, refused.entity) for check in checks} | {OTHERS[kind] for kind in kinds if kind in OTHERS}


def _check(call: Call, x: Exchange | None, refused: Refused) -> str:
    """The check of access.yaml that refused."""
    if issubclass(refused.kind, errors.TooLarge):
        return gate.BODY
    check = next((CHECKS[kind] for kind in refused.kind.__mro__ if kind in CHECKS), "")
    if check != "query" or x is None or not x.endpoint.has_body:
        return check
    # What is invalid may be so in the query or in the body, which is read after it: the query is read once more.
    try:
        gate.query(x)
    except errors.Invalid:
        return check
    return gate.BODY


def _place(api: Api, check: str, status: int) -> tuple[dict[str, Any], str]:
    """A check's place in the order of refusals, where it has its status from, and how that is told."""
    order = [row["check"] for row in api.refusals]
    row = next((row for row in api.refusals if row["check"] == check), None)
    place = {"name": check, "status": status, "order": order}
    if row is None or status not in (row["status"], *row.get("of", {}).values()):
        return {**place, "source": HTTP}, f" by `{check}`, as HTTP has it (no row of {api.home}/access.yaml says it)"
    number, source = order.index(check) + 1, str(row["source"])
    told = f" by `{check}`, check {number} of {len(order)} in {api.home}/access.yaml ({source})"
    return {**place, "number": number, "source": source}, told
