"""Sandboxes: worlds kept apart, so that those who share a server do not disturb each other.

One is made when it is first named, over the seed that all of one scenario share, so that it costs next to nothing. A
request names it by a path that begins with `/@NAME`, by the header `Mock-Sandbox`, or by a token `TOKEN@NAME`.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from mockserver.auth import Caller, Cast
from mockserver.clock import Clock
from mockserver.domain.errors import Conflict, Invalid, NotFound
from mockserver.faults import Faults
from mockserver.recording import MOST as CALLS
from mockserver.recording import Journal
from mockserver.service import Service
from mockserver.world import World

DEFAULT = "default"
HEADER = b"mock-sandbox"
PREFIX = "/@"
_ENCODED = "/%40"
MOST = 1_000
"""Sandboxes beside the default one, unless the user says otherwise."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
_MEND = "a name has 1 to 63 letters, digits and - . _ between them"


@dataclass(frozen=True, slots=True)
class Base:
    """What the sandboxes of one scenario share: seeded worlds, in which nothing happens any more, and who may call.

    callers: API -> token -> caller; homes: token -> the API that it is for
    """

    scenario: str
    worlds: Mapping[str, World]
    callers: Mapping[str, Mapping[str, Caller]]
    homes: Mapping[str, str]

    @classmethod
    def of(cls, scenario: str, worlds: Mapping[str, World], callers: Mapping[str, Mapping[str, Caller]]) -> Base:
        homes = {token: name for name, cast in callers.items() for token in cast}
        return cls(scenario, worlds, callers, homes)


@dataclass(frozen=True, slots=True)
class Side:
    """One API as a sandbox knows it: what serves it, its world, and who may call."""

    service: Service
    world: World
    cast: Cast

    def seeing(self, world: World) -> Side:
        """The same over another view of its world."""
        return replace(self, world=world)


class Sandbox:
    """A world for each API on one clock of its own, with whatever is done there.

    used: when it was last named, by the clock of the machine
    """

    def __init__(
        self, name: str, base: Base, services: Mapping[str, Service], *, own: bool = True, journal: int = CALLS
    ) -> None:
        self.name = name
        self.services = services
        self.used = 0.0
        self._take(base, own=own)
        first = next(iter(self.worlds.values()))
        self.faults = Faults(first.seed, first.clock)
        self.journal = Journal(journal)

    def _take(self, base: Base, *, own: bool = True) -> None:
        """Begin at a base. own: with worlds of its own, not those of the base itself"""
        self.base = base
        worlds = base.worlds
        if own:
            first = next(iter(worlds.values()))
            clock = first.fresh_clock()
            worlds = {name: world.fork(clock) for name, world in worlds.items()}
        self.worlds: Mapping[str, World] = worlds
        self.clock: Clock = next(iter(worlds.values())).clock
        self.sides = {
            name: Side(service, worlds[name], Cast(base.callers[name], worlds[name], base.homes))
            for name, service in self.services.items()
        }

    @property
    def prefix(self) -> str:
        """What a path begins with that names it."""
        return "" if self.name == DEFAULT else f"{PREFIX}{self.name}"

    @property
    def changes(self) -> int:
        """Records that are not as the seed has them."""
        return sum(world.changes for world in self.worlds.values())

    def reset(self, base: Base | None = None) -> None:
        """Return to the seed, or to that of another base."""
        if base is not None and base is not self.base:
            self._take(base)
        else:
            for world in self.worlds.values():
                world.reset()
        first = next(iter(self.worlds.values()))
        self.faults.reset(seed=first.seed, clock=first.clock)
        self.journal.clear()

    def end(self) -> None:
        """Let go of everything: nobody will come here again, and whom a fault delays waits no longer."""
        self.faults.clear()
        for world in self.worlds.values():
            world.end()

    def token(self, name: str) -> str:
        """The token of a caller by name, which leads here. KeyError lists who there is."""
        for cast in self.base.callers.values():
            for token, caller in cast.items():
                if caller.name == name:
                    return token if self.name == DEFAULT else f"{token}@{self.name}"
        there = ", ".join(caller.name for cast in self.base.callers.values() for caller in cast.values())
        raise KeyError(f"no caller {name!r}; there are: {there}")


@dataclass(slots=True)
class Limits:
    """How many sandboxes there may be, and how many seconds one may rest; the default one is not counted.

    rest: 0: as long as there is room; calls: requests that the journal of each keeps
    """

    most: int = MOST
    rest: float = 0.0
    calls: int = CALLS


class Sandboxes:
    """The sandboxes of a server by name, those that rest longest first."""

    def __init__(
        self,
        base: Base,
        services: Mapping[str, Service],
        limits: Limits | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = base
        self.limits = limits or Limits()
        self.default = Sandbox(DEFAULT, base, services, own=False, journal=self.limits.calls)
        self._services = services
        self._named: OrderedDict[str, Sandbox] = OrderedDict()
        self._elapsed = elapsed

    def __iter__(self) -> Iterator[Sandbox]:
        self._sweep()
        yield self.default
        yield from list(self._named.values())

    def __len__(self) -> int:
        return 1 + len(self._named)

    def find(self, name: str) -> Sandbox:
        """The sandbox of that name. Raises NotFound."""
        self._sweep()
        found = self.default if name == DEFAULT else self._named.get(name)
        if found is None:
            raise NotFound(f"no sandbox {name[:80]!r}; GET /__mock__/sandboxes lists those that there are.")
        return found

    def use(self, name: str, *, stranger: bool = False) -> Sandbox:
        """The sandbox of that name, made if there is none yet. Raises Invalid.

        stranger: nobody here knows who asks, so that none is kept for them, and none makes room for it
        """
        if name == DEFAULT:
            return self.default
        self._sweep()
        found = self._named.get(name)
        if found is None and stranger:
            check(name)
            return Sandbox(name, self.base, self._services, journal=0)
        if found is None:
            return self.create(name)
        found.used = self._elapsed()
        self._named.move_to_end(name)
        return found

    def create(self, name: str, base: Base | None = None) -> Sandbox:
        """A new sandbox; the one that rests longest makes room for it. Raises Invalid, Conflict if there is one."""
        check(name)
        self._sweep()
        if name == DEFAULT or name in self._named:
            raise Conflict(f"there is a sandbox {name} already; reset it, or take another name.")
        if not self.limits.most:
            raise Conflict("this server has no sandboxes beside the default one; start it with --sandboxes 100.")
        while len(self._named) >= self.limits.most:
            self._named.popitem(last=False)[1].end()
        made = self._named[name] = Sandbox(name, base or self.base, self._services, journal=self.limits.calls)
        made.used = self._elapsed()
        return made

    def drop(self, name: str) -> None:
        """Forget a sandbox and all that was done in it. Raises NotFound, Conflict for the default one."""
        if self.find(name) is self.default:
            raise Conflict("the default sandbox stays; reset it instead.")
        self._named.pop(name).end()

    def clear(self) -> int:
        """Forget all but the default one; how many there were."""
        count = len(self._named)
        for each in self._named.values():
            each.end()
        self._named.clear()
        return count

    def _sweep(self) -> None:
        """Forget those that have rested too long."""
        if not self.limits.rest:
            return
        oldest = self._elapsed() - self.limits.rest
        while self._named and next(iter(self._named.values())).used < oldest:
            self._named.popitem(last=False)[1].end()


def check(name: str) -> None:
    """See that a name can be one. Raises Invalid."""
    if _NAME.fullmatch(name) is None:
        raise Invalid(f"sandbox {name[:80]!r}: {_MEND}.", {"sandbox": [f"{_MEND[:1].upper()}{_MEND[1:]}."]})


@dataclass(slots=True)
class Chosen:
    """What a request says of its sandbox, and the request without it.

    names: by path and header; behind: by the token
    path: as it came, still percent-encoded, without the prefix
    token: the one that the request bears, without the name; None: none that could be read
    """

    names: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    path: str = ""
    scope: Any = None
    token: str | None = None


def chosen(scope: Any, path: str, headers: Mapping[bytes, bytes]) -> Chosen | None:
    """What a request says of its sandbox; None, at next to no cost, where it says nothing."""
    authorization = headers.get(b"authorization")
    # Some clients encode the @ of a base URL.
    prefix = PREFIX if path[:2] == PREFIX else _ENCODED if path[:4] == _ENCODED else ""
    if not prefix and HEADER not in headers and (authorization is None or b"@" not in authorization):
        return None
    found = Chosen(path=path, scope=scope)
    if prefix:
        name, slash, rest = path[len(prefix) :].partition("/")
        found.names.append(unquote(name))
        found.path = slash + rest or "/"
    found.names += [value.decode("latin-1") for key, value in scope["headers"] if key == HEADER]
    sent = []
    for key, value in scope["headers"]:
        if key == b"authorization" and b"@" in value:
            value, _, name_ = value.rpartition(b"@")
            found.behind.append(name_.decode("latin-1").rstrip(" "))
        if key == b"authorization":
            found.token = value.decode("latin-1").rpartition(" ")[2]
        sent.append((key, value))
    # Whoever reads on sees the request as it would be without sandboxes.
    decoded = scope["path"]
    if found.path != path:
        decoded = "/" + decoded[2:].partition("/")[2]
    found.scope = {**scope, "headers": sent, "path": decoded, "raw_path": found.path.encode("latin-1")}
    return found


def named(sandboxes: Sandboxes, choice: Chosen, *, ours: bool = False) -> Sandbox:
    """The sandbox that a request means. Raises Invalid where it means two, or names none that could be.

    ours: it is about one of the server's own pages, which admit whom they know by themselves
    """
    stranger = not ours and choice.token is not None and choice.token not in sandboxes.base.homes
    names = [*choice.names, *choice.behind]
    if stranger:
        # To whoever takes @ for a part of the token, it is an unknown one and nothing else.
        names = choice.names or [each for each in choice.behind if _NAME.fullmatch(each)] or [DEFAULT]
    first, *others = names
    if any(each != first for each in others):
        said = " and ".join(dict.fromkeys(each[:80] for each in names))
        raise Invalid(f"two sandboxes in one request: {said}; name one.", {"sandbox": ["Two that differ."]})
    return sandboxes.use(first, stranger=stranger)
