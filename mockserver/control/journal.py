"""What was asked of a sandbox's APIs, why it was answered as it was, and whether it was asked as a test expects."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mockserver import matching, wire
from mockserver.control import Asked, operation
from mockserver.decisions import decision
from mockserver.domain.errors import Invalid
from mockserver.matching import NOT_THERE, SHOWN, Difference, Near
from mockserver.recording import BODY, Call
from mockserver.redaction import HIDDEN, Redactor, is_secret

FILTERS = ("operation", "api", "caller", "role", "status", "method", "path")
COUNTS = ("times", "atLeast", "atMost")
NAMED = 100
"""Numbers of requests that an answer names"""
LISTED = 4_096
"""Bytes of a body that a list shows; a longer one is shown with its request alone"""


@operation
def list_requests(asked: Asked) -> Any:
    journal, query = asked.sandbox.journal, asked.query
    wanted = {name: query[name] for name in FILTERS if name in query}
    _known(asked, wanted)
    after, limit = query.get("since"), query["limit"]
    found = journal.where(lambda call: call.number > (after or 0) and matching.fits(call, wanted))
    # Who says where they have read to wants what comes next; who does not wants the latest.
    page = found[:limit] if after is not None else found[-limit:]
    redactor = _redactor(asked)
    return {"requests": [_shown(each, redactor, LISTED) for each in page], "total": len(found), **_settings(asked)}


@operation
def get_request(asked: Asked) -> Any:
    number = asked.path["number"]
    if not (number.isascii() and number.isdecimal() and len(number) < 16):
        raise Invalid(f"number: {number[:40]!r} is no number of a request.", {"number": ["A whole number from 1 on."]})
    call, redactor = asked.sandbox.journal.find(int(number)), _redactor(asked)
    return {**_shown(call, redactor), "decision": _worded(decision(call, asked.sandbox), redactor)}


@operation
def clear_journal(asked: Asked) -> Any:
    asked.sandbox.journal.clear()


@operation
def set_journal(asked: Asked) -> Any:
    asked.sandbox.journal.set(most=asked.body.get("most"), bodies=asked.body.get("bodies"))
    return _settings(asked)


@operation
def verify_requests(asked: Asked) -> Any:
    journal, wanted = asked.sandbox.journal, asked.body["match"]
    if not journal.most:
        raise Invalid("the journal is off, so nothing can be verified; PUT /__mock__/journal {most: 1000} turns it on.")
    if "body" in wanted and not journal.bodies:
        raise Invalid(
            "match.body: bodies are not kept; PUT /__mock__/journal {bodies: true} before the calls are made.",
            {"match.body": ["Bodies are not kept."]},
        )
    _known(asked, wanted, "match.")
    least, most, expected = _expected(asked.body)
    found = journal.where(lambda call: matching.fits(call, wanted))
    is_right = least <= len(found) and (most is None or len(found) <= most)
    redactor = _redactor(asked)
    near = [] if is_right or len(found) >= least else matching.nearest(journal, wanted)
    return {
        "verified": is_right,
        "count": len(found),
        "expected": expected,
        "numbers": [call.number for call in found[:NAMED]],
        "nearest": [_near(each, redactor) for each in near],
        "forgotten": journal.forgotten,
    }


def _known(asked: Asked, wanted: Mapping[str, Any], place: str = "") -> None:
    """Refuse what nothing can be like: by a slip it would seem that nothing was called. Raises Invalid.

    place: what stands before the name of each thing wanted
    """
    if "status" in wanted and not matching.is_status(wanted["status"]):
        shown = _redactor(asked).text(str(wanted["status"])[:80])
        raise Invalid(
            f"{place}status: {shown!r} is none; say one, such as 404, or a class of them: 1xx, 2xx, 3xx, 4xx, 5xx.",
            {f"{place}status": ["Say one, such as 404, or a class of them, such as 4xx."]},
        )
    services, casts = asked.sandbox.services.values(), asked.sandbox.base.callers.values()
    there = {
        "api": list(asked.sandbox.services),
        "operation": [id for each in services for id in each.api.operations],
        "caller": [caller.name for cast in casts for caller in cast.values()],
        "role": [role for each in services for role in each.api.roles],
    }
    for name, known in there.items():
        said = wanted.get(name)
        if isinstance(said, str) and not any(matching.glob_fits(said, each) for each in known):
            close = difflib.get_close_matches(said, known, 1, 0.6)
            mend = f"did you mean {close[0]}?" if close else f"there is no such {name} here."
            raise Invalid(
                f"{place}{name}: {_redactor(asked).text(said[:80])!r}: {mend}", {place + name: [f"No such {name}."]}
            )


def _expected(body: Any) -> tuple[int, int | None, str]:
    """(at least, at most or None, in words) how often. Raises Invalid."""
    said = {name: body[name] for name in COUNTS if name in body}
    if "times" in said and len(said) > 1:
        raise Invalid("times: says how often exactly; leave atLeast and atMost out.", {"times": ["Stands alone."]})
    if said.get("atLeast", 0) > said.get("atMost", said.get("atLeast", 0)):
        raise Invalid("atLeast: is more than atMost.", {"atLeast": ["Is more than atMost."]})
    if "times" in said:
        return said["times"], said["times"], f"exactly {said['times']}"
    least = said.get("atLeast", 0 if "atMost" in said else 1)
    words = [f"at least {least}"] if least or "atMost" not in said else []
    words += [f"at most {said['atMost']}"] if "atMost" in said else []
    return least, said.get("atMost"), " and ".join(words)


def _settings(asked: Asked) -> dict[str, Any]:
    journal = asked.sandbox.journal
    return {
        "most": journal.most,
        "bodies": journal.bodies,
        "kept": len(journal),
        "forgotten": journal.forgotten,
        "last": journal.last,
    }


def _redactor(asked: Asked) -> Redactor:
    return Redactor.of(asked.sandbox, asked.server.control.admin)


def _shown(call: Call, redactor: Redactor, most: int = BODY) -> dict[str, Any]:
    """A request as everybody may see it, with a body of so many bytes at the most."""
    refused = call.refused
    return {
        "number": call.number,
        "at": wire.instant(call.at) if isinstance(call.at, datetime) else call.at,
        "method": redactor.text(call.method),
        "path": redactor.path(call.path),
        "query": redactor.query(call.query),
        "api": call.api,
        "operation": call.operation,
        "caller": call.caller,
        "role": call.role,
        "cell": call.cell,
        "status": call.status,
        "said": None if refused is None else redactor.text(refused.said),
        "fault": call.fault,
        "seconds": round(call.seconds, 6),
        "size": call.size,
        "sent": call.sent,
        "body": None if call.body is None or len(call.body) > most else redactor.body(call.body),
        "headers": None if call.headers is None else redactor.headers(call.headers),
    }


def _near(near: Near, redactor: Redactor) -> dict[str, Any]:
    return {
        "number": near.call.number,
        "method": redactor.text(near.call.method),
        "path": redactor.path(near.call.path),
        "status": near.call.status,
        "differs": [_difference(each, redactor) for each in near.differences[:SHOWN]],
        "more": max(0, len(near.differences) - SHOWN),
    }


def _difference(each: Difference, redactor: Redactor) -> dict[str, Any]:
    """What differs; of a secret, only that it does."""
    cleaners: dict[str, Callable[[Any], Any]] = {"path": redactor.path, "query": redactor.query}
    clean = cleaners.get(each.what, redactor.value)
    is_hidden = any(is_secret(name.partition("[")[0]) for name in each.what.split("."))
    shown = {
        side: None if value is NOT_THERE else HIDDEN if is_hidden else clean(value)
        for side, value in (("expected", each.expected), ("found", each.found))
    }
    return {"what": redactor.text(each.what)[:200], **shown, "missing": each.found is NOT_THERE}


def _worded(value: Any, redactor: Redactor) -> Any:
    """A decision without secrets: the ids and texts in it may come from the request."""
    if isinstance(value, dict):
        return {name: _worded(each, redactor) for name, each in value.items()}
    if isinstance(value, list):
        return [_worded(each, redactor) for each in value]
    return redactor.text(value) if isinstance(value, str) else value
