"""Refusals as the bodies that an API answers them with: the only place where exceptions get statuses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import orjson

from mockserver import templates
from mockserver.domain import errors
from mockserver.reply import Reply
from specs.tables import Api

if TYPE_CHECKING:
    from mockserver.world import World

CHECKS: Mapping[type[errors.Refusal], str] = {
    errors.Unauthenticated: "token",
    errors.OutOfScope: "scope",
    errors.Forbidden: "role",
    errors.NotFound: "find",
    errors.NotAcceptable: "accept",
    errors.UnsupportedMedia: "media",
    errors.Conflict: "state",
    errors.Invalid: "query",
}
"""The check of access.yaml that a refusal comes from; what is invalid has one status, in the query as in the body."""
OTHERS: Mapping[type[errors.Refusal], int] = {errors.TooLarge: 413, errors.Gone: 403}
MOST = 5
"""Faults that one text tells"""
CHALLENGE = {"WWW-Authenticate": "Bearer"}
NO_HEADERS: Mapping[str, str] = {}
_HOLE = re.compile(rb"\xff(\w+)\xff")
"""The place of a value in JSON, which never holds this byte: it is UTF-8"""
# Sections of RFC 9110 that define the statuses, as `type` of a problem; RFC 9457 has a word for any other.
SECTIONS = {
    400: "15.5.1",
    401: "15.5.2",
    402: "15.5.3",
    403: "15.5.4",
    404: "15.5.5",
    405: "15.5.6",
    406: "15.5.7",
    409: "15.5.10",
    410: "15.5.11",
    412: "15.5.13",
    413: "15.5.14",
    415: "15.5.16",
    422: "15.5.21",
    500: "15.6.1",
}


@dataclass(slots=True)
class Fault:
    """One refusal on its way to a body.

    errors: place -> messages; title, code: instead of those that the API has for the status
    world: where; it counts how many requests it has refused, this one too
    is_scattered: the text says nothing that `errors` does not say better
    parent: the caller's trace context
    """

    status: int
    detail: str
    world: World
    parent: str | None
    errors: Mapping[str, list[str]] | None = None
    title: str | None = None
    code: str | None = None
    is_scattered: bool = False


class Problems:
    """How one API words what it refuses (conventions.yaml, `errors`)."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._wording = api.conventions.errors
        self._media = str(self._wording["media"])
        self._statuses: dict[tuple[type[errors.Refusal], str | None], int] = {}
        self._titles = {status.value: status.phrase for status in HTTPStatus} | self._by_status("titles")
        self._codes = self._by_status("codes")
        bodies = {None: self._wording["body"], **self._wording.get("bodies", {})}
        self._bodies = {id: self._compiled(body) for id, body in bodies.items()}
        self._written = lru_cache(maxsize=256)(self._write)

    def _by_status(self, name: str) -> dict[int, str]:
        return {int(status): text for status, text in self._wording.get(name, {}).items()}

    def _compiled(self, body: Any) -> tuple[templates.Filler, tuple[tuple[str, Maker], ...]]:
        wanted = templates.names(body)
        has_places = not wanted.isdisjoint({"errors", "message"})
        makers = {**MAKERS, "detail": MAKERS["detail"] if has_places else _whole}
        wanted |= {templates.FAULTS} if "message" in wanted else frozenset()
        return templates.compiled(body), tuple((name, make) for name, make in makers.items() if name in wanted)

    def status(self, refusal: errors.Refusal) -> int:
        """The status that answers a refusal."""
        key = (type(refusal), refusal.entity if isinstance(refusal, errors.NotFound) else None)
        if key not in self._statuses:
            kind, entity = key
            bases = kind.__mro__
            self._statuses[key] = next((OTHERS[base] for base in bases if base in OTHERS), 0) or self._api.status(
                next(CHECKS[base] for base in bases if base in CHECKS), entity
            )
        return self._statuses[key]

    def refusal(self, refusal: errors.Refusal, *, operation: str, world: World, parent: str | None) -> Reply:
        """The answer to a refusal; parent: the caller's trace context."""
        faults, title = None, refusal.title
        if isinstance(refusal, errors.Invalid):
            faults = refusal.errors or None
            title = title or (None if faults else self._wording.get("unreadable"))
        scattered = isinstance(refusal, errors.Faulty)
        fault = Fault(self.status(refusal), str(refusal), world, parent, faults, title, refusal.code, scattered)
        headers = CHALLENGE if isinstance(refusal, errors.Unauthenticated) else NO_HEADERS
        return self.reply(fault, operation=operation, headers=headers)

    def reply(self, fault: Fault, *, operation: str | None = None, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
        """The answer to a fault; operation: the id of the one that was called, if one was."""
        fault.world.refusals += 1
        fault.detail = _sentence(fault.detail)
        body = operation if operation in self._bodies else None
        if not fault.errors:
            text, makers = self._written(body, fault.status, fault.title, fault.code)
            content, said = text % tuple([orjson.dumps(make(fault)) for make in makers]), fault.detail
        else:
            fault.title = fault.title or self._titles[fault.status]
            fault.code = fault.code or self._codes.get(fault.status)
            fill, each = self._bodies[body]
            content, said = orjson.dumps(fill({name: make(fault) for name, make in each})), _whole(fault)
        return Reply(fault.status, content, self._media, headers, said)

    def _write(self, body: str | None, status: int, title: str | None, code: str | None) -> tuple[bytes, list[Maker]]:
        """The JSON of a fault without places, as bytes to format, and what makes that which no two faults share."""
        holes = {name: orjson.Fragment(b"\xff%b\xff" % name.encode()) for name in DIFFERING}
        faults = [{"message": holes["detail"]}]
        same = {
            "status": status,
            "title": title or self._titles[status],
            "code": code or self._codes.get(status),
            "type": _type(status),
            templates.FAULTS: faults,
        }
        written = orjson.dumps(self._bodies[body][0]({**holes, **same}))
        makers = [DIFFERING[name.decode()] for name in _HOLE.findall(written)]
        return _HOLE.sub(b"%b", written.replace(b"%", b"%%")), makers


def _faults(fault: Fault) -> list[dict[str, Any]]:
    return [{"fields": [place], "message": _joined(said)} for place, said in (fault.errors or {}).items()]


def _joined(said: list[str]) -> str:
    """Several messages as one: each is a sentence, or will do as a part of one."""
    return "; ".join([*(each.rstrip(".") for each in said[:-1]), said[-1]]) if len(said) > 1 else said[0]


def _told(place: str, said: list[str]) -> str:
    # What is missing is its own place already.
    return f"{place} is required." if said[0].endswith(" is required.") else f"{place}: {_joined(said)}"


def _whole(fault: Fault) -> str:
    """What is wrong, place by place, in one text: for bodies that have no place for single faults."""
    if not fault.is_scattered:
        return fault.detail
    told = [_told(place, said) for place, said in (fault.errors or {}).items()]
    more = f" And {len(told) - MOST} more." if len(told) > MOST else ""
    return " ".join(told[:MOST]) + more


def _type(status: int) -> str:
    section = SECTIONS.get(status)
    return f"https://tools.ietf.org/html/rfc9110#section-{section}" if section else "about:blank"


def _trace(fault: Fault) -> str:
    return trace_id(fault.world.seed, fault.world.refusals, fault.parent)


def _ticket(fault: Fault) -> str:
    return ticket(fault.world.clock.now(), fault.world.refusals)


def _uuid(fault: Fault) -> str:
    return uuid(fault.world.seed, fault.world.refusals)


Maker = Callable[[Fault], Any]
DIFFERING: Mapping[str, Maker] = {
    "detail": attrgetter("detail"),
    "trace": _trace,
    "ticket": _ticket,
    "uuid": _uuid,
}
"""The value of each name that no two faults of a status share"""
MAKERS: Mapping[str, Maker] = {
    **DIFFERING,
    "status": attrgetter("status"),
    "title": attrgetter("title"),
    "code": attrgetter("code"),
    "errors": attrgetter("errors"),
    "type": lambda fault: _type(fault.status),
    templates.FAULTS: _faults,
}
"""The value of each name in a template of errors; `message` and `fields` are those of each of the faults"""


@lru_cache(maxsize=8)
def _hash(seed: int) -> hashlib.blake2b:
    return hashlib.blake2b(b"%d/" % seed, digest_size=24)


def trace_id(seed: int, number: int, parent: str | None) -> str:
    """A W3C trace context: the caller's trace if one came along, else one that follows from seed and number."""
    counted = _hash(seed).copy()
    counted.update(b"%d" % number)
    own = counted.hexdigest()
    trace = own[:32]
    if parent is not None:
        parts = parent.split("-")
        if len(parts) == 4 and len(parts[1]) == 32 and all(c in "0123456789abcdef" for c in parts[1]):
            trace = parts[1]
    return f"00-{trace}-{own[32:48]}-00"


def ticket(now: datetime, number: int) -> str:
    """The number of a support ticket: digits, made of the time and of how many requests were refused before."""
    return f"{now:%y%m%d%H%M%S}{number:03d}"


def uuid(seed: int, number: int) -> str:
    """The id of a refused request, in the shape of a random UUID."""
    own = hashlib.blake2b(f"request/{seed}/{number}".encode(), digest_size=16).hexdigest()
    return f"{own[:8]}-{own[8:12]}-4{own[13:16]}-{'89ab'[int(own[16], 16) % 4]}{own[17:20]}-{own[20:]}"


@lru_cache(maxsize=256)  # most refusals are told in the words of an earlier one
def _sentence(text: str) -> str:
    """The text with a capital letter in front, unless it starts with a name that has its own spelling, or a place."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.islower() and not first.endswith(":") else text
