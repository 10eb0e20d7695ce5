"""What a request must be like to be counted, and what differs where it is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from heapq import nsmallest
from itertools import islice
from typing import Any
from urllib.parse import unquote

import orjson

from mockserver.recording import Call

NEAREST = 3
SHOWN = 20
"""Differences of one request that are told"""
COUNTED = 50
"""Differences of one request that are counted: one with more is not near"""
_STATUS = re.compile(r"[1-5](?:xx|XX|[0-9][0-9])", re.ASCII)
NOT_THERE: Any = object()
"""Stands for a member that a body does not have; told as null"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was asked for.

    what: a name of what is matched, or a place in the body: `body.lines[0].amount`
    """

    what: str
    expected: Any
    found: Any


@dataclass(frozen=True, slots=True)
class Near:
    """A request that nearly matches."""

    call: Call
    differences: tuple[Difference, ...]


def is_status(wanted: Any) -> bool:
    """Whether a status can be wanted so: `404`, or a class of them, `4xx`."""
    if isinstance(wanted, int | str) and not isinstance(wanted, bool):
        return _STATUS.fullmatch(str(wanted)) is not None
    return False


def status_fits(wanted: Any, status: int) -> bool:
    """Whether a status is the one wanted, or one of its class."""
    text = str(wanted).lower()
    return text == str(status) or (text[1:] == "xx" and text[:1] == str(status)[:1])


def glob_fits(pattern: str, text: str) -> bool:
    """Whether a text, percent-decoded or as it came, is of a pattern in which `*` stands for anything."""
    return _fits(pattern, text) or ("%" in text and _fits(pattern, unquote(text)))


def _fits(pattern: str, text: str) -> bool:
    # By searching forward: an expression with many stars could take for ever.
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *between, last = rest
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in between:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _name_fits(pattern: str, name: str | None) -> bool:
    return name is not None and _fits(pattern, name)


FITS: Mapping[str, Callable[[Any, Call], bool]] = {
    "operation": lambda wanted, call: _name_fits(wanted, call.operation),
    "api": lambda wanted, call: _name_fits(wanted, call.api),
    "method": lambda wanted, call: bool(wanted.upper() == call.method),
    "path": lambda wanted, call: glob_fits(wanted, call.path),
    "caller": lambda wanted, call: _name_fits(wanted, call.caller),
    "role": lambda wanted, call: _name_fits(wanted, call.role),
    "query": lambda wanted, call: glob_fits(wanted, call.query),
    "status": lambda wanted, call: status_fits(wanted, call.status),
}
"""How each thing that can be asked for is compared; the first four tell what was called"""
CALLED = ("operation", "api", "method", "path")


def fits(call: Call, wanted: Mapping[str, Any]) -> bool:
    """Whether a request has everything that is wanted of it."""
    return next(differences(call, wanted), None) is None


def differences(call: Call, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    """What of a request is not as it is wanted."""
    for name, fit in FITS.items():
        if name in wanted and not fit(wanted[name], call):
            yield Difference(name, wanted[name], getattr(call, name))
    if "body" in wanted:
        yield from parts(wanted["body"], _body(call), "body")


def parts(wanted: Any, found: Any, place: str) -> Iterator[Difference]:
    """What of a value is not as wanted: members named must be there and equal, lists by position; more may be there."""
    if isinstance(wanted, dict) and wanted:
        has = found if isinstance(found, dict) else {}
        for name, each in wanted.items():
            yield from parts(each, has.get(name, NOT_THERE), f"{place}.{name}")
    elif isinstance(wanted, list) and wanted:
        items = found if isinstance(found, list) else []
        for n, each in enumerate(wanted):
            yield from parts(each, items[n] if n < len(items) else NOT_THERE, f"{place}[{n}]")
    elif isinstance(wanted, dict | list):
        if type(wanted) is not type(found):
            yield Difference(place, wanted, found)
    elif isinstance(wanted, bool) is not isinstance(found, bool) or wanted != found:
        yield Difference(place, wanted, found)


def nearest(calls: Iterable[Call], wanted: Mapping[str, Any]) -> list[Near]:
    """The requests that come nearest to what is wanted without being it, the best first, of equal ones the latest.

    Those that called the right operation come before those that did not, however much else differs.
    """

    def distance(near: Near) -> tuple[int, int, int]:
        called = sum(1 for each in near.differences if each.what in CALLED)
        return called, len(near.differences), -near.call.number

    found = (Near(call, tuple(islice(differences(call, wanted), COUNTED))) for call in calls)
    return nsmallest(NEAREST, (near for near in found if near.differences), key=distance)


def _body(call: Call) -> Any:
    return NOT_THERE if call.body is None else _read(call.body)


@lru_cache(maxsize=64)
def _read(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return content.decode("utf-8", "replace")
