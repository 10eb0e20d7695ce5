"""Snapshots: a sandbox as it was, under a name, to go back to as often as one likes.

Taking one costs nothing that grows with the world: what is there becomes a layer that nothing changes any more, and
what happens from here on lies in a layer above it. Reset keeps the snapshots; they go with their sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from mockserver.clock import Clock
from mockserver.domain.errors import Conflict, Invalid, NotFound
from mockserver.sandboxes import Base, Sandbox
from mockserver.world import Held

MOST = 100
"""Snapshots of one sandbox."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)
_MEND = "say 1 to 64 letters and digits, with - . _ between them: before-close"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A sandbox as it was.

    worlds: API -> its world as it was; running: whether the clock went along with real time
    """

    name: str
    base: Base
    worlds: Mapping[str, Held]
    now: datetime
    running: bool


class Snapshots:
    """The snapshots of a sandbox by name, in the order in which they were taken."""

    def __init__(self) -> None:
        self._named: dict[str, Snapshot] = {}

    def __iter__(self) -> Iterator[Snapshot]:
        yield from self._named.values()

    def take(self, sandbox: Sandbox, name: str) -> Snapshot:
        """Keep the sandbox as it is now. Raises Invalid, Conflict if there is one of that name or room for no more."""
        if _NAME.fullmatch(name) is None:
            raise Invalid(
                f"name: {name[:80]!r} names no snapshot; {_MEND}.", {"name": [f"{_MEND[0].upper()}{_MEND[1:]}."]}
            )
        if name in self._named:
            raise Conflict(f"there is a snapshot {name} already; delete it, or take another name.")
        if len(self._named) >= MOST:
            raise Conflict(f"there are {MOST} snapshots, which is the most; delete one of them.")
        made = self._named[name] = Snapshot(
            name,
            sandbox.base,
            {api: world.held() for api, world in sandbox.worlds.items()},
            sandbox.clock.now(),
            sandbox.clock.runs,
        )
        return made

    def restore(self, sandbox: Sandbox, name: str) -> Snapshot:
        """Have the sandbox be as it was. Raises NotFound."""
        found = self._find(name)
        if sandbox.base is not found.base:
            sandbox.reset(found.base)
        set_clock(sandbox.clock, found.now, running=found.running)
        for api, world in sandbox.worlds.items():
            world.restore(found.worlds[api])
        return found

    def delete(self, name: str) -> None:
        """Forget a snapshot. Raises NotFound."""
        self._find(name)
        del self._named[name]

    def _find(self, name: str) -> Snapshot:
        if name not in self._named:
            raise NotFound(f"no snapshot {name[:80]!r}; GET /__mock__/snapshots lists those that there are.")
        return self._named[name]


def set_clock(clock: Clock, now: datetime, *, running: bool) -> None:
    """Have a clock stand at an instant, or go on from it."""
    clock.freeze()
    clock.set(now)
    if running:
        clock.run()


_OF: WeakKeyDictionary[Sandbox, Snapshots] = WeakKeyDictionary()


def of(sandbox: Sandbox) -> Snapshots:
    """The snapshots of a sandbox; they are forgotten with it."""
    return _OF.setdefault(sandbox, Snapshots())
