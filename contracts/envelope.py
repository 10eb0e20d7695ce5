"""How an API words its refusals: the template of conventions.yaml, `errors`, held against an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from contracts.wire import Exchange
from specs.tables import Api

if TYPE_CHECKING:
    from contracts.findings import Finding
    from contracts.probe import Probe

ABSENT = object()
_PHRASES = {each.value: each.phrase for each in HTTPStatus}


def findings(p: Probe, exchange: Exchange, *, operation: str = "") -> Iterator[Finding]:
    """A finding for each way in which a refusal is not in the API's own words. operation: whose path it was, if none"""
    asked = exchange.operation or operation
    for subject, expected, came in faults(p.api, exchange, asked):
        # What answered, as far as its status tells; what the tables have no row for is a refusal like any other.
        names = {p.status(row["check"]): row["check"] for row in reversed(p.api.refusals)}
        source = p.source(names.get(exchange.status, "token"))
        found = p.finding(
            "S309",
            exchange,
            expected=expected,
            came=came,
            source=source,
            place="conventions",
            subject=subject,
            check="shape.errors",
        )
        # One finding for an API, unless the operation has words of its own: refusals are worded in one place.
        own = asked in p.api.conventions.errors.get("bodies", {})
        yield replace(found, operation=asked if own else "")


def faults(api: Api, exchange: Exchange, operation: str) -> Iterator[tuple[str, str, str]]:
    """(subject, expected, what came) of each way in which a refusal is not in the API's own words.

    subject: the status and the member. What the template leaves open (details, traces) is not looked at.
    """
    wording = api.conventions.errors
    if exchange.status < 400 or exchange.request.method == "HEAD":
        return
    if exchange.answer.media != wording["media"]:
        came = exchange.answer.media or "no content type"
        yield f"{exchange.status} media", f"content type {wording['media']}", came
        return
    own = wording.get("bodies", {}).get(operation)
    body, record = own or wording["body"], exchange.json
    if not isinstance(record, dict):
        yield f"{exchange.status} body", f"an object with {', '.join(body)}", exchange.answer.said or "no body"
        return
    # Bodies of single operations have titles and codes of their own, which are no part of the table.
    told = {} if own else _told(wording, exchange.status)
    yield from _untold(wording, body, record, exchange.status)
    for member, expected, came in _differences(body, record, {**told, "$status": (exchange.status,)}, ""):
        yield f"{exchange.status} {member}", f"{member}: {expected}", came


def _untold(
    wording: Mapping[str, Any], body: Mapping[str, Any], record: Mapping[str, Any], status: int
) -> Iterator[tuple[str, str, str]]:
    """A body that says that there are faults, and not where; one that could not be read at all has none to name."""
    for member, value in body.items():
        title = next((name for name, each in body.items() if each == "$title"), None)
        named = title is not None and record.get(title) == wording.get("titles", {}).get(str(status))
        if value == "$errors" and status == 400 and "unreadable" in wording and named and not record.get(member):
            yield f"{status} {member}", f"{member}: what is wrong, by its place", _shown(record.get(member, ABSENT))


def _told(wording: Mapping[str, Any], status: int) -> dict[str, tuple[Any, ...]]:
    """What may stand for a value that the tables know by status."""
    found: dict[str, tuple[Any, ...]] = {}
    if (code := wording.get("codes", {}).get(str(status))) is not None:
        found["$code"] = (code,)
    title = wording.get("titles", {}).get(str(status))
    if title is None and "titles" in wording:
        title = _PHRASES.get(status)
    if title is not None:
        unreadable = (wording["unreadable"],) if status == 400 and "unreadable" in wording else ()
        found["$title"] = (title, *unreadable)
    return found


def _differences(
    template: Any, value: Any, told: Mapping[str, tuple[Any, ...]], place: str
) -> Iterator[tuple[str, str, str]]:
    """(member, expected, what came) where a value does not fill a template."""
    if isinstance(template, Mapping):
        for name, part in template.items():
            here = f"{place}.{name}" if place else name
            found = value.get(name, ABSENT) if isinstance(value, Mapping) else ABSENT
            yield from _differences(part, found, told, here)
    elif isinstance(template, list):
        if not isinstance(value, list) or not value:
            yield place, "a list of what is wrong", _shown(value)
        else:
            yield from _differences(template[0], value[0], told, f"{place}.0")
    elif isinstance(template, str) and template.startswith("$"):
        # What is not told by status may be left out where it has nothing to say.
        if template in told and value not in told[template]:
            yield place, " or ".join(map(str, told[template])), _shown(value)
    elif value != template:
        yield place, str(template), _shown(value)


def _shown(value: Any) -> str:
    return "is missing" if value is ABSENT else repr(value)[:120]
