"""The kinds of faults: what a rule of each says, what is wrong with it, and what it does to a call that it strikes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

import orjson

from mockserver import wire
from mockserver.reply import JSON
from mockserver.scenario import LATEST
from mockserver.strikes import GONE, Answer, Strike, Switch

BODY = 100_000
"""Bytes of an answer that a rule brings along"""
TEXT = "text/plain; charset=utf-8"
NOTHING: Mapping[str, str] = {}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?", re.ASCII)
# They tell where an answer ends: one that lies about it is a fault of its own, `cut`.
_OURS = frozenset({"content-length", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
_BARE = frozenset({204, 205})
"""Statuses of answers that have no body"""
_READING = frozenset({"GET"})

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hit:
    """One time that a rule strikes.

    said: the rule as JSON; drawn: a number from 0 to under 1; switch: the rule's
    left: seconds until the rule's window of so many calls ends; None: it has none
    """

    said: Said
    drawn: float
    switch: Switch
    left: float | None = None


# What each kind does to a call


def _latency(strike: Strike, hit: Hit) -> None:
    said = hit.said
    least, most = (said[name] if name in said else said["seconds"] for name in ("least", "most"))
    strike.put_off(least + (most - least) * hit.drawn, hit.switch)


def _status(strike: Strike, hit: Hit) -> None:
    strike.reply, strike.lost = _either(hit.said, brought(hit.said))


def _rate_limit(strike: Strike, hit: Hit) -> None:
    # Rounded up: whoever comes again after so many whole seconds must not come too early.
    seconds = hit.said.get("retryAfter", 1 if hit.left is None else ceil(hit.left))
    strike.reply = Answer(429, headers={"Retry-After": str(int(seconds))})


def _drop(strike: Strike, hit: Hit) -> None:
    strike.drop = True
    strike.reply, strike.lost = _either(hit.said, GONE)


def _cut(strike: Strike, hit: Hit) -> None:
    strike.cut = hit.said.get("part", 0.5)


def _slow(strike: Strike, hit: Hit) -> None:
    strike.rate, strike.slow = int(hit.said["bytesPerSecond"]), hit.switch


def _stale(strike: Strike, hit: Hit) -> None:
    strike.stale = True


def _either(said: Said, answer: Answer) -> tuple[Answer | None, Answer | None]:
    """(reply, lost) of a strike."""
    return (None, answer) if said.get("lost") else (answer, None)


def brought(said: Said) -> Answer:
    """The answer that a rule brings along."""
    headers = dict(said.get("headers", NOTHING))
    media = next((headers.pop(name) for name in list(headers) if name.lower() == "content-type"), None)
    if "body" not in said:
        return Answer(int(said["status"]), headers=headers)
    is_text = isinstance(said["body"], str)
    content = said["body"].encode() if is_text else orjson.dumps(said["body"])
    return Answer(int(said["status"]), content, (media or (TEXT if is_text else JSON)) if content else media, headers)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    ways: what its rule must say, one or the other; may: what it may say beside
    methods: those of the calls that it can befall; None: all
    goes_on: whether the rules after it may strike the same call
    """

    does: Callable[[Strike, Hit], None]
    ways: tuple[tuple[str, ...], ...] = ((),)
    may: tuple[str, ...] = ()
    methods: frozenset[str] | None = None
    goes_on: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        """All that its rule can say."""
        return (*dict.fromkeys(name for way in self.ways for name in way), *self.may)


KINDS: Mapping[str, Kind] = {
    "latency": Kind(_latency, ways=(("seconds",), ("least", "most")), goes_on=True),
    "status": Kind(_status, ways=(("status",),), may=("body", "headers", "lost")),
    "rate-limit": Kind(_rate_limit, ways=((), ("calls", "window"), ("calls", "window", "shared")), may=("retryAfter",)),
    "drop": Kind(_drop, may=("lost",)),
    "cut": Kind(_cut, may=("part",)),
    "slow": Kind(_slow, ways=(("bytesPerSecond",),)),
    "stale": Kind(_stale, methods=_READING),
}
_OWN = frozenset(name for kind in KINDS.values() for name in kind.members)


def wrong(said: Said, now: datetime) -> Iterator[tuple[str, str]]:
    """What is wrong with a rule, beside what control/faults.yaml says of its members: (place, message).

    now: what the clock of the sandbox shows
    """
    kind = KINDS.get(said.get("kind", ""))
    if kind is None:
        yield "kind", f"must be one of {', '.join(KINDS)}."
        return
    own = [name for name in said if name in _OWN]
    for name in own:
        if name not in kind.members:
            has = f"it has {', '.join(kind.members)}" if kind.members else "it has none of its own"
            yield name, f"a fault of the kind {said['kind']} has no such member; {has}."
    chosen = {name for name in own if name not in kind.may and name in kind.members}
    if not any(chosen == set(way) for way in kind.ways):
        yield "kind", f"{said['kind']} wants {', or '.join(' and '.join(way) or 'nothing' for way in kind.ways)}."
        return
    if "least" in chosen and said["least"] > said["most"]:
        yield "least", f"must not be more than most, which is {said['most']}."
    if "status" in chosen:
        yield from _wrong_answer(said)
    yield from _wrong_window(said, now)


def _wrong_answer(said: Said) -> Iterator[tuple[str, str]]:
    status, headers = said["status"], said.get("headers", NOTHING)
    if not (200 <= status < 300 or 400 <= status < 600):
        yield "status", f"must be 200 to 299 or 400 to 599, not {status}."
    body = said.get("body", "")
    size = len(body.encode() if isinstance(body, str) else orjson.dumps(body))
    if size > BODY:
        yield "body", f"must have at most {BODY} bytes, not {size}."
    if size and status in _BARE:
        yield "body", f"a {status} has none; take 200, or leave the body out."
    seen = set()
    for name, value in headers.items():
        place, folded = f"headers.{name[:80]}", name.lower()
        if _NAME.fullmatch(name) is None:
            yield "headers", f"{name[:80]!r} is no name of a header, such as X-Request-Id."
        elif folded in _OURS:
            yield place, "is for the server to say; leave it out. A fault of the kind cut breaks off an answer."
        elif folded in seen:
            yield place, "stands twice; say it once."
        elif folded == "content-type" and not size:
            yield place, "say the body that is of this type, too."
        elif _VALUE.fullmatch(value) is None:
            yield place, "must be printable ASCII, without line breaks and without blanks at its ends."
        seen.add(folded)


def _wrong_window(said: Said, now: datetime) -> Iterator[tuple[str, str]]:
    instants = {}
    for name in ("from", "until"):
        if name in said:
            try:
                instants[name] = wire.parse_instant(said[name])
            except ValueError:
                yield name, "must be a date-time, such as 2026-03-31T09:00:00Z, or a date."
    until, shown = instants.get("until"), wire.instant(now)
    if until is not None and until <= instants.get("from", ""):
        yield "until", "must be later than from."
    elif wire.moment(instants.get("from", shown)) >= LATEST:
        yield "from", f"no clock goes as far as {LATEST.year}; say an earlier instant."
    # What stays may strike yet: a reset returns the clock to its start.
    elif until is not None and until <= shown and not said.get("stays"):
        yield "until", f"{until} is past, the clock of the sandbox shows {shown}; say a later instant."
