"""Faults on demand: what networks, gateways and replicas do to a caller, by rules that each sandbox has of its own.

Which call a rule strikes follows from the seed, the rule's number and how many calls it has matched, and from nothing
else: the same calls meet the same faults again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from fnmatch import translate
from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from mockserver import wire
from mockserver.domain.errors import Conflict, Invalid, NotFound
from mockserver.problems import Fault
from mockserver.reply import JSON, Reply
from mockserver.store import Layer
from mockserver.world import World

if TYPE_CHECKING:
    from mockserver.clock import Clock
    from mockserver.sandboxes import Side

MOST = 100
"""Rules of a sandbox"""
LONGEST = 300.0
"""Seconds by which all rules together may delay an answer, and those that a slow one may take"""
BODY = 100_000
"""Bytes of an answer that a rule brings along"""
BODIES = 1_000_000
"""Bytes of all of them together"""
TICK = 0.1
"""Seconds between two pieces of a slow answer"""
TEXT = "text/plain; charset=utf-8"
NOTHING: Mapping[str, str] = {}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?", re.ASCII)
# They tell where an answer ends: one that lies about it is a fault of its own, `cut`.
_OURS = frozenset({"content-length", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
_BARE = frozenset({204, 205})
"""Statuses of answers that have no body"""
_READING = frozenset({"GET"})

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule has a call answered with.

    body: None: what the API itself says with such a status
    """

    status: int
    body: bytes | None = None
    media: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def reply(self, side: Side, operation: str) -> Reply:
        """The answer as an operation gives it."""
        said = f"a fault of the sandbox: {self.status}."
        if self.body is not None or self.status < 400:
            return Reply(self.status, self.body or b"", self.media, self.headers, said)
        known = HTTPStatus(self.status) if self.status in HTTPStatus._value2member_map_ else None
        detail = f"{(known.description or known.phrase).rstrip('.')}." if known is not None else "The service failed."
        fault = Fault(self.status, detail, side.world, None, title=None if known is not None else "Error")
        return replace(side.service.problems.reply(fault, operation=operation, headers=self.headers), said=said)


GONE = Answer(503, b"")
"""Of a call that nobody answers any more"""


@dataclass(slots=True)
class Strike:
    """What befalls one call of an operation.

    delay: seconds before anything is done
    reply: instead of the work; lost: instead of its answer, the work done
    drop: no answer comes, neither one of those nor that of the work
    cut: the share of the body that comes; rate: bytes of it that come in a second
    stale: the work is done on `stale(world)`, and nothing of it is kept
    rules: the ids of those that struck
    """

    api: str = ""
    operation: str = ""
    delay: float = 0.0
    reply: Answer | None = None
    lost: Answer | None = None
    drop: bool = False
    cut: float | None = None
    rate: int | None = None
    stale: bool = False
    rules: list[str] = field(default_factory=list)


# Kinds: what each does to a call, of what its rule says; `drawn` is a number from 0 to under 1.


def _latency(strike: Strike, said: Said, drawn: float) -> None:
    least, most = (said[name] if name in said else said["seconds"] for name in ("least", "most"))
    strike.delay = min(LONGEST, strike.delay + least + (most - least) * drawn)


def _status(strike: Strike, said: Said, drawn: float) -> None:
    strike.reply, strike.lost = _either(said, _answer(said))


def _rate_limit(strike: Strike, said: Said, drawn: float) -> None:
    strike.reply = Answer(429, headers={"Retry-After": str(int(said.get("retryAfter", 1)))})


def _drop(strike: Strike, said: Said, drawn: float) -> None:
    strike.drop = True
    strike.reply, strike.lost = _either(said, GONE)


def _cut(strike: Strike, said: Said, drawn: float) -> None:
    strike.cut = said.get("part", 0.5)


def _slow(strike: Strike, said: Said, drawn: float) -> None:
    strike.rate = int(said["bytesPerSecond"])


def _stale(strike: Strike, said: Said, drawn: float) -> None:
    strike.stale = True


def _either(said: Said, answer: Answer) -> tuple[Answer | None, Answer | None]:
    """(reply, lost) of a strike."""
    return (None, answer) if said.get("lost") else (answer, None)


def _answer(said: Said) -> Answer:
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

    does: Callable[[Strike, Said, float], None]
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
    "rate-limit": Kind(_rate_limit, may=("retryAfter",)),
    "drop": Kind(_drop, may=("lost",)),
    "cut": Kind(_cut, may=("part",)),
    "slow": Kind(_slow, ways=(("bytesPerSecond",),)),
    "stale": Kind(_stale, methods=_READING),
}
_OWN = frozenset(name for kind in KINDS.values() for name in kind.members)


@dataclass(slots=True)
class Rule:
    """A rule, and what has come of it.

    said: the rule as JSON; size: bytes of the body that it brings along
    operation, caller: what a name must match; None: any
    since, until: canonical instants of the sandbox's clock, from the first to before the second; "": open
    calls: how many it has matched; struck: how many of them it struck
    """

    number: int
    said: Said
    kind: Kind
    size: int
    operation: re.Pattern[str] | None
    caller: re.Pattern[str] | None
    since: str
    until: str
    calls: int = 0
    struck: int = 0

    @property
    def id(self) -> str:
        """What it is called."""
        return f"fault-{self.number}"

    def matches(self, api: str, operation: str, method: str, caller: Callable[[], str], now: Callable[[], str]) -> bool:
        """Whether a call is one of those that it is about."""
        said = self.said
        return (
            said.get("api", api) == api
            and said.get("method", method) == method
            and (self.kind.methods is None or method in self.kind.methods)
            and (self.operation is None or self.operation.match(operation) is not None)
            and (not self.since or self.since <= now())
            and (not self.until or now() < self.until)
            # A caller whom nobody knows is not even `*`.
            and (self.caller is None or (bool(name := caller()) and self.caller.match(name) is not None))
        )

    def strikes(self, seed: int) -> bool:
        """Whether it strikes the last call that it matched, if no other does."""
        share = self.said.get("share", 1)
        return (
            self.calls > self.said.get("after", 0)
            and (self.struck < self.said["count"] if "count" in self.said else True)
            and (share >= 1 or self.drawn(seed, "share") < share)
        )

    def drawn(self, seed: int, what: str) -> float:
        """A number from 0 to under 1 for the last call that it matched."""
        text = f"fault/{what}/{seed}/{self.number}/{self.calls}"
        return int.from_bytes(blake2b(text.encode(), digest_size=6).digest()) / 2**48


class Faults:
    """The rules of one sandbox, in the order in which they came.

    seed, clock: the sandbox's
    """

    def __init__(self, seed: int, clock: Clock) -> None:
        self._seed = seed
        self._clock = clock
        self._rules: dict[str, Rule] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())

    @property
    def active(self) -> bool:
        """Whether there is any rule."""
        return bool(self._rules)

    def add(self, said: Said) -> Rule:
        """Make a rule of its JSON. Raises Invalid, Conflict where there are too many."""
        wrong: dict[str, list[str]] = {}
        for place, message in _wrong(said):
            wrong.setdefault(place, []).append(message)
        if wrong:
            raise Invalid("; ".join(f"{place}: {each}" for place, told in wrong.items() for each in told), wrong)
        size = len(_answer(said).body or b"") if "body" in said else 0
        mend = "switch some off: DELETE /__mock__/faults/{id}, or /__mock__/faults for all."
        if len(self._rules) >= MOST:
            raise Conflict(f"there are {MOST} faults already; {mend}")
        if size + sum(rule.size for rule in self) > BODIES:
            raise Conflict(f"the bodies of all faults together may have {BODIES} bytes; {mend}")
        self._last += 1
        made = Rule(
            self._last,
            said,
            KINDS[said["kind"]],
            size,
            _pattern(said.get("operation")),
            _pattern(said.get("caller")),
            wire.parse_instant(said["from"]) if "from" in said else "",
            wire.parse_instant(said["until"]) if "until" in said else "",
        )
        self._rules[made.id] = made
        return made

    def drop(self, id: str) -> None:
        """Switch one off. Raises NotFound."""
        if self._rules.pop(id, None) is None:
            raise NotFound(f"no fault {id[:80]!r}; GET /__mock__/faults lists those that there are.")

    def clear(self) -> int:
        """Switch all off; how many there were. The next one is the first again."""
        count = len(self._rules)
        self._rules.clear()
        self._last = 0
        return count

    def reset(self, *, seed: int | None = None, clock: Clock | None = None) -> None:
        """Begin anew: what `stays` has struck nothing yet, the others are gone. seed, clock: those from here on"""
        self._seed = self._seed if seed is None else seed
        self._clock = clock or self._clock
        self._rules = {id: replace(rule, calls=0, struck=0) for id, rule in self._rules.items() if _stays(rule)}
        self._last = max((rule.number for rule in self), default=0)

    def strike(self, *, api: str, operation: str, method: str, caller: Callable[[], str]) -> Strike | None:
        """What befalls a call; None: nothing.

        caller: the name of who calls, "" where nobody knows; asked for only where a rule wants it
        """
        method = "GET" if method == "HEAD" else method
        name, now = _once(caller), _once(lambda: wire.instant(self._clock.now()))
        strike, is_open = Strike(api, operation), True
        for rule in self._rules.values():
            if not rule.matches(api, operation, method, name, now):
                continue
            # Counted though another has struck: what a rule does must not hang on its neighbours.
            rule.calls += 1
            if is_open and rule.strikes(self._seed):
                rule.struck += 1
                rule.kind.does(strike, rule.said, rule.drawn(self._seed, "spread"))
                strike.rules.append(rule.id)
                is_open = rule.kind.goes_on
        return strike if strike.rules else None


def _stays(rule: Rule) -> bool:
    return bool(rule.said.get("stays"))


def _once(ask: Callable[[], str]) -> Callable[[], str]:
    """What answers as `ask` does, but asks it only once, and not before it must."""
    found: list[str] = []

    def answer() -> str:
        if not found:
            found.append(ask())
        return found[0]

    return answer


def _pattern(glob: str | None) -> re.Pattern[str] | None:
    return None if glob is None else re.compile(translate(glob))


def matching(glob: str, names: Iterator[str]) -> bool:
    """Whether any of the names is one that a rule with such a glob is about."""
    pattern = re.compile(translate(glob))
    return any(pattern.match(name) is not None for name in names)


# What is wrong with a rule, beside what control/faults.yaml says of its members: (place, message)


def _wrong(said: Said) -> Iterator[tuple[str, str]]:
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
        yield "kind", f"{said['kind']} wants {', or '.join(' and '.join(way) for way in kind.ways)}."
        return
    if "least" in chosen and said["least"] > said["most"]:
        yield "least", f"must not be more than most, which is {said['most']}."
    if "status" in chosen:
        yield from _wrong_answer(said)
    yield from _wrong_window(said)


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


def _wrong_window(said: Said) -> Iterator[tuple[str, str]]:
    instants = {}
    for name in ("from", "until"):
        if name in said:
            try:
                instants[name] = wire.parse_instant(said[name])
            except ValueError:
                yield name, "must be a date-time, such as 2026-03-31T09:00:00Z, or a date."
    if len(instants) == 2 and instants["until"] <= instants["from"]:
        yield "until", "must be later than from."


class _Past(World):
    """A world as it was before its last change; what is done there is forgotten."""

    def __init__(self, present: World) -> None:
        self.__dict__.update(present.__dict__)
        self._present = present
        # Neither kept nor brought about: a job that waits is for a request to run that shows what became of it.
        self.keeper, self.waiting = None, False
        self.layer = Layer(present.layer.indexes, present.layer)
        for (entity, id), row in present.replaced.items():
            self.layer.set(entity, id, row)

    @property
    def refusals(self) -> int:
        # Those of the present: no two requests that are refused have the same trace id.
        return self._present.refusals

    @refusals.setter
    def refusals(self, count: int) -> None:
        self._present.refusals = count


def stale(world: World) -> World:
    """A world as it was before its last change, for one reading, of which nothing is kept.

    A row that the change removed is there again, but as the last one.
    """
    return _Past(world)


# On the wire


async def deliver(send: Send, scope: Mapping[str, Any], reply: Reply, strike: Strike) -> None:
    """Send an answer as a strike leaves it.

    Where no server is that has a connection to close, ConnectionResetError is raised in its place.
    """
    body = b"" if scope["method"] == "HEAD" else reply.body
    # Of an answer without a body the head is the whole of it: broken off, nothing comes.
    if strike.drop or (strike.cut is not None and not body):
        _hang_up(send, at_once=True)
        return
    await send(reply.start)
    if strike.cut is not None:
        await send({"type": "http.response.body", "body": body[: int(len(body) * strike.cut)], "more_body": True})
        _hang_up(send)
    elif strike.rate is not None and body:
        await _trickle(send, body, strike.rate)
    else:
        await send({"type": "http.response.body", "body": body})


async def _trickle(send: Send, body: bytes, least: float) -> None:
    rate = max(least, len(body) / LONGEST)
    step = max(1, int(rate * TICK))
    for start in range(0, len(body), step):
        piece = body[start : start + step]
        await asyncio.sleep(len(piece) / rate)
        if getattr(_connection(send), "disconnected", False):
            return
        await send({"type": "http.response.body", "body": piece, "more_body": start + step < len(body)})


def _hang_up(send: Send, *, at_once: bool = False) -> None:
    """Close the connection. at_once: forget what was written and is not yet on its way"""
    connection = _connection(send)
    if connection is None:
        raise ConnectionResetError("a fault of the sandbox closed the connection")
    (connection.transport.abort if at_once else connection.transport.close)()
    # Uvicorn notices by itself, but a turn later; until then it would miss an answer and say so.
    connection.disconnected = True


def _connection(send: Send) -> Any:  # Any: uvicorn has no type for what its two protocols have in common
    """The request as uvicorn knows it, with its transport; None under anything else."""
    owner = getattr(send, "__self__", None)
    return owner if hasattr(owner, "transport") and hasattr(owner, "disconnected") else None
