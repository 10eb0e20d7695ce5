"""Faults on demand: what networks, gateways and replicas do to a caller, by rules that each sandbox has of its own.

Which call a rule strikes follows from the seed, the rule's number and how many calls it has matched, and from nothing
else, but for a limit of calls, which goes by the clock and the callers: the same calls meet the same faults again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import translate
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

from mockserver import fault_kinds, wire
from mockserver.domain.errors import Conflict, Invalid, NotFound
from mockserver.fault_kinds import KINDS, Hit, Kind, Said
from mockserver.strikes import Strike, Switch

if TYPE_CHECKING:
    from mockserver.clock import Clock

MOST = 100
"""Rules of a sandbox"""
BODIES = 1_000_000
"""Bytes of the bodies of all of them together"""

T = TypeVar("T")


class Limit:
    """So many calls in a window of time, which begins with the first call in it.

    most: calls; span: how long a window is; is_shared: all callers have one, else each has one
    """

    def __init__(self, most: int, span: timedelta, *, is_shared: bool) -> None:
        self._is_shared = is_shared
        self._most = most
        self._span = span
        # Who calls -> when the window began, and the calls in it; no more than there are callers
        self._windows: dict[str, tuple[datetime, int]] = {}

    @classmethod
    def of(cls, said: Said) -> Limit | None:
        """The one that a rule speaks of."""
        if "calls" not in said:
            return None
        return cls(int(said["calls"]), timedelta(seconds=said["window"]), is_shared=bool(said.get("shared")))

    def count(self, caller: Callable[[], str], now: datetime) -> float:
        """Count a call; the seconds until the window ends if it is one too many, else 0."""
        who = "" if self._is_shared else caller()
        begun, calls = self._windows.get(who, (now, 0))
        # A clock that was set back has left the window, too.
        if not begun <= now < begun + self._span:
            begun, calls = now, 0
        self._windows[who] = begun, calls + 1
        return (begun + self._span - now).total_seconds() if calls >= self._most else 0.0


@dataclass(slots=True)
class Rule:
    """A rule, and what has come of it.

    said: the rule as JSON; size: bytes of the body that it brings along
    operation, caller: what a name must match; None: any
    since, until: instants of the sandbox's clock, from the first to before the second; None: open
    limit: how many of the calls that it matches it lets through; left: what that said of the last one
    switch: what those hang on that wait because of it
    calls: how many it has matched; struck: how many of them it struck
    """

    number: int
    said: Said
    kind: Kind
    size: int
    operation: re.Pattern[str] | None
    caller: re.Pattern[str] | None
    since: datetime | None
    until: datetime | None
    limit: Limit | None
    left: float = 0.0
    switch: Switch = field(default_factory=Switch)
    calls: int = 0
    struck: int = 0

    @classmethod
    def of(cls, number: int, said: Said) -> Rule:
        """The rule that some valid JSON is."""
        return cls(
            number,
            said,
            KINDS[said["kind"]],
            len(fault_kinds.brought(said).body or b"") if "body" in said else 0,
            _glob(said.get("operation")),
            _glob(said.get("caller")),
            _moment(said.get("from")),
            _moment(said.get("until")),
            Limit.of(said),
        )

    @property
    def id(self) -> str:
        """What it is called."""
        return f"fault-{self.number}"

    def matches(
        self, api: str, operation: str, method: str, caller: Callable[[], str], now: Callable[[], datetime]
    ) -> bool:
        """Whether a call is one of those that it is about."""
        said = self.said
        return (
            said.get("api", api) == api
            and said.get("method", method) == method
            and (self.kind.methods is None or method in self.kind.methods)
            and (self.operation is None or self.operation.match(operation) is not None)
            and (self.since is None or self.since <= now())
            and (self.until is None or now() < self.until)
            # A caller whom nobody knows is not even `*`.
            and (self.caller is None or (bool(name := caller()) and self.caller.match(name) is not None))
        )

    def count(self, caller: Callable[[], str], now: Callable[[], datetime]) -> None:
        """Note that it has matched a call."""
        self.calls += 1
        if self.limit is not None:
            self.left = self.limit.count(caller, now())

    def strikes(self, seed: int) -> bool:
        """Whether it strikes the last call that it matched, if no other does."""
        share = self.said.get("share", 1)
        return (
            (self.limit is None or self.left > 0)
            and self.calls > self.said.get("after", 0)
            and (self.struck < self.said["count"] if "count" in self.said else True)
            and (share >= 1 or self.drawn(seed, "share") < share)
        )

    def hit(self, seed: int) -> Hit:
        """What is known of its striking the last call that it matched."""
        return Hit(self.said, self.drawn(seed, "spread"), self.switch, None if self.limit is None else self.left)

    def begin(self) -> None:
        """Have struck nothing yet."""
        self.calls = self.struck = 0
        self.limit, self.switch = Limit.of(self.said), Switch()

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
        for place, message in fault_kinds.wrong(said, self._clock.now()):
            wrong.setdefault(place, []).append(message)
        if wrong:
            raise Invalid("; ".join(f"{place}: {each}" for place, told in wrong.items() for each in told), wrong)
        made = Rule.of(self._last + 1, said)
        mend = "switch some off: DELETE /__mock__/faults/{id}, or /__mock__/faults for all."
        if len(self._rules) >= MOST:
            raise Conflict(f"there are {MOST} faults already; {mend}")
        if made.size + sum(rule.size for rule in self) > BODIES:
            raise Conflict(f"the bodies of all faults together may have {BODIES} bytes; {mend}")
        self._last = made.number
        self._rules[made.id] = made
        return made

    def drop(self, id: str) -> None:
        """Switch one off: what waits because of it goes on. Raises NotFound."""
        if (rule := self._rules.pop(id, None)) is None:
            raise NotFound(f"no fault {id[:80]!r}; GET /__mock__/faults lists those that there are.")
        rule.switch.off.set()

    def clear(self) -> int:
        """Switch all off; how many there were. The next one is the first again."""
        count = len(self._rules)
        for id in list(self._rules):
            self.drop(id)
        self._last = 0
        return count

    def reset(self, *, seed: int | None = None, clock: Clock | None = None) -> None:
        """Begin anew: what `stays` has struck nothing yet, the others are off. seed, clock: those from here on"""
        self._seed = self._seed if seed is None else seed
        self._clock = clock or self._clock
        for rule in self:
            # What waits was to be done in the world as it was; done in the next, it would be there unasked for.
            rule.switch.is_void = True
            rule.switch.off.set()
            rule.begin()
        self._rules = {id: rule for id, rule in self._rules.items() if rule.said.get("stays")}
        self._last = max((rule.number for rule in self), default=0)

    def strike(self, *, api: str, operation: str, method: str, caller: Callable[[], str]) -> Strike | None:
        """What befalls a call; None: nothing.

        caller: the name of who calls, "" where nobody knows; asked for only where a rule wants it
        """
        method = "GET" if method == "HEAD" else method
        name, now = _once(caller), _once(self._clock.now)
        strike, is_open = Strike(api, operation), True
        for rule in self._rules.values():
            if not rule.matches(api, operation, method, name, now):
                continue
            # Counted though another has struck: what a rule does must not hang on its neighbours.
            rule.count(name, now)
            if is_open and rule.strikes(self._seed):
                rule.struck += 1
                rule.kind.does(strike, rule.hit(self._seed))
                strike.rules.append(rule.id)
                is_open = rule.kind.goes_on
        return strike if strike.rules else None


def _once(ask: Callable[[], T]) -> Callable[[], T]:
    """What answers as `ask` does, but asks it only once, and not before it must."""
    found: list[T] = []

    def answer() -> T:
        if not found:
            found.append(ask())
        return found[0]

    return answer


def pattern(glob: str) -> re.Pattern[str]:
    """What matches the names that a rule with such a glob is about."""
    return re.compile(translate(glob))


def _glob(glob: str | None) -> re.Pattern[str] | None:
    return None if glob is None else pattern(glob)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else wire.moment(wire.parse_instant(text))
