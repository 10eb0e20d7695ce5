"""The default sandbox in a file, across restarts: what it was at first, then each change before anybody can see it.

A line is a checksum and JSON; the checksum goes on from the line before it, so that none can be missing. A last line
that was not written to its end was never answered and does not count; a damaged one before it ends the start. Written
lines outlive the process at once, a loss of power only as far as the system has written them to the disk.

A start whose options say otherwise than the file is refused where the file could not be gone on with (scenario, seed,
APIs), and told so in a line where it can.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from mockserver import portable, wire
from mockserver import scenario as scenarios
from mockserver.domain.errors import Invalid, Unkept
from mockserver.sandboxes import Base, Sandbox
from mockserver.snapshots import set_clock
from mockserver.store import Changes, Layer, Row
from mockserver.values import tagged, untagged
from mockserver.world import Processing, World

LOG = logging.getLogger("mockserver.persistence")
FORMAT = "doubleentry-state"
VERSION = 1
ROOM = 8_000_000
"""Bytes of changes before the file is written anew, or as many as the whole sandbox takes, if those are more"""


class StateError(ValueError):
    """A file that cannot be gone on with; `str()` is one line that tells the mend."""


class State:
    """The file that keeps a sandbox; made, it has brought the sandbox to what the file says.

    scenario: as the server was told; seed: of its worlds
    base: what a scenario by name begins with, for a sandbox that was reset to another one
    Raises StateError for a file that is damaged, in use, or of another server.
    """

    def __init__(
        self, path: str | os.PathLike[str], sandbox: Sandbox, *, scenario: str, base: Callable[[str], Base]
    ) -> None:
        self._path = Path(path)
        self._sandbox = sandbox
        self._base = base
        first = next(iter(sandbox.worlds.values()))
        self._head = {
            "format": FORMAT,
            "version": VERSION,
            "scenario": scenario,
            "seed": first.seed,
            "apis": list(sandbox.worlds),
        }
        self._told = {
            "rights": sorted(_turned(sandbox)),
            "scenario": _digest(scenario),
            "processing": str(first.processing),
            "now": "" if sandbox.clock.runs else wire.instant(sandbox.clock.now()),
        }
        self._last: tuple[datetime, Sequence[float]] | None = None
        self._known: list[tuple[World, int]] = []
        self._fd = -1
        self._size = self._whole_size = self._sum = 0
        try:
            lines = self._open()
            if lines is not None:
                self._read(lines)
            self._whole()
        except OSError as error:
            self.close()
            raise StateError(f"{path}: cannot be written ({error.strerror}); name another file.") from None
        except StateError:
            self.close()
            raise

    def mark(self) -> None:
        """Write what may have changed otherwise than by changes of records: the whole world, the clock, the processing.

        Raises Unkept; then the file is behind, and nothing more is kept, nor answered, until it could be written.
        """
        with self._written():
            if self._has_turned():
                self._whole()
            else:
                self._append(self._present())

    def close(self) -> None:
        """Leave the file to others."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # Writing

    def _keep(self, world: World, changes: Changes, ticks: bool) -> None:
        """Write the changes of one unit of work. Raises Unkept, and nothing of them is in the file."""
        with self._written():
            if self._has_turned() or self._size - self._whole_size > max(ROOM, self._whole_size):
                self._whole()
            self._append(self._change(world, changes, ticks))

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            mend = "make room there; until then nothing is changed."
            raise Unkept(f"the file {self._path.name} cannot be written ({error.strerror}); {mend}") from None

    def _change(self, world: World, changes: Changes, ticks: bool) -> dict[str, Any]:
        rows = [[entity, id, None if row is None else tagged(row.record)] for entity, id, row in changes.changed()]
        return {
            "api": world.api.name,
            "now": wire.instant(world.clock.now()),
            "ticks": ticks,
            "refusals": world.refusals,
            "rows": rows,
            **self._real(),
        }

    def _present(self) -> dict[str, Any]:
        """What is no record: the clock and the processing."""
        clock, first = self._sandbox.clock, next(iter(self._sandbox.worlds.values()))
        said = {"now": wire.instant(clock.now()), "running": clock.runs, "processing": str(first.processing)}
        return said | self._real()

    def _real(self) -> dict[str, Sequence[float]]:
        """What real time it is, for a clock that goes along with it: after a restart it shows what it would have."""
        return {"real": _real()} if self._sandbox.clock.runs else {}

    def _has_turned(self) -> bool:
        """Whether the worlds are not those that the file goes on from."""
        worlds = list(self._sandbox.worlds.values())
        return len(worlds) != len(self._known) or any(
            world is not known or world.turns != turns
            for world, (known, turns) in zip(worlds, self._known, strict=True)
        )

    def _append(self, value: Any) -> None:
        line, sum_ = _line(value, self._sum)
        try:
            _write(self._fd, line)
        except OSError:
            # Half a line must not stay: what comes next would stand behind it.
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
                raise
            self._known = []
            raise
        self._size += len(line)
        self._sum = sum_

    def _whole(self) -> None:
        """Write the file anew, aside, and put it in the place of the old one."""
        self._known = []
        head, sum_ = _line({**self._head, "told": self._told}, 0)
        whole, sum_ = _line(orjson.Fragment(portable.export(self._sandbox)), sum_)
        if self._sandbox.clock.runs:
            present, sum_ = _line(self._present(), sum_)
            whole += present
        aside = self._path.with_name(self._path.name + ".new")
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(fd, head + whole)
            os.fsync(fd)
            os.rename(aside, self._path)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                os.unlink(aside)
            raise
        self.close()
        self._fd, self._sum = fd, sum_
        self._size = self._whole_size = len(head) + len(whole)
        for world in self._sandbox.worlds.values():
            world.keeper = self._keep
        self._known = [(world, world.turns) for world in self._sandbox.worlds.values()]

    # Reading

    def _open(self) -> Sequence[bytes] | None:
        """The lines of the file, which is nobody else's from here on; None if there is none."""
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = os.stat(self._path).st_ino != os.fstat(self._fd).st_ino
        except BlockingIOError:
            taken = True
        if taken:
            self.close()
            raise StateError(f"{self._path}: another server keeps its state there; end it, or name another file.")
        with open(self._fd, "rb", closefd=False) as file:
            return file.read().split(b"\n")

    def _read(self, lines: Sequence[bytes]) -> None:
        if lines == [b""]:
            return  # an empty file, as `mktemp` makes it
        said = iter(self._said(lines))
        head = next(said, None)
        if not isinstance(head, dict) or head.get("format") != FORMAT or head.get("version") != VERSION:
            raise StateError(f"{self._path}: is no state of this server's; name another file.")
        told = head.pop("told", {})
        if head != self._head:
            raise StateError(
                f"{self._path}: is of a server with {_told(head)}, this one has {_told(self._head)}; "
                "start it alike, or name another file."
            )
        document = next(said, None)
        if document is None:
            # Head and world come into their place together, so that this is no line that was still being written.
            raise StateError(f"{self._path}: is cut off in line 2; bring back the whole file, or name another file.")
        sandbox = self._sandbox
        try:
            if document["scenario"] != sandbox.base.scenario:
                with suppress(Invalid):
                    sandbox.reset(self._base(document["scenario"]))
            base, fresh = sandbox.base, sandbox.clock.now()
            portable.adopt(sandbox, portable.read(document, sandbox.services, trusted=True))
            for change in said:
                self._replay(change)
            self._go_on(fresh)
            self._tell(told, began=sandbox.base is base)
        except StateError:
            raise
        except (Invalid, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise StateError(f"{self._path}: cannot be read by this version ({error}); name another file.") from None
        for world in sandbox.worlds.values():
            world.waiting = next(world.jobs(), None) is not None

    def _go_on(self, fresh: datetime) -> None:
        """Have a clock that goes along with real time show what it would have by now; it never goes back.

        fresh: what it would show if there were no file
        """
        clock = self._sandbox.clock
        if clock.runs:
            if self._last is not None:
                now, real = self._last
                fresh = max(fresh, now + timedelta(seconds=_since(real)))
            clock.advance(max(fresh - clock.now(), timedelta()))

    def _tell(self, told: Mapping[str, Any], *, began: bool) -> None:
        """Log, a line each, what this start says otherwise than the one that wrote the file, and what holds.

        began: whether what the file holds began as its scenario does at this start
        """
        world, clock = next(iter(self._sandbox.worlds.values())), self._sandbox.clock
        differ = {name for name, value in told.items() if name in self._told and value != self._told[name]}
        if "rights" in differ:
            cells = sorted(set(told["rights"]) ^ set(self._told["rights"]))
            more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
            shown = f"{', '.join(cells[:3])}{more}"
            LOG.warning("%s: comes from another --overlay (%s); the rights of this start hold.", self._path, shown)
        if "scenario" in differ:
            said = "what the file holds stays, a reset leads to the scenario as it is now."
            LOG.warning("%s: the scenario %s has changed since; %s", self._path, self._head["scenario"], said)
        if "processing" in differ and str(world.processing) != self._told["processing"]:
            said = f"not {self._told['processing']} as this start says; PUT /__mock__/processing changes it."
            LOG.warning("%s: keeps processing %s, %s", self._path, world.processing, said)
        if "now" in differ:
            said = f"{wire.instant(clock.now())}, {'running' if clock.runs else 'standing'}"
            mend = "not where this start says; PUT /__mock__/clock changes it."
            LOG.warning("%s: keeps its clock, %s, %s", self._path, said, mend)
        if not began:
            said = f"as {self._sandbox.base.scenario} does at this start (other callers or --now, or an import)"
            LOG.warning("%s: did not begin %s; a reset leads back to what it holds now.", self._path, said)
        # What was not heard is told again at the next start.
        self._told |= {name: told[name] for name in ("processing", "now") if name in told}

    def _said(self, lines: Sequence[bytes]) -> Iterator[Any]:
        """What the lines say, but for one at the end that was not written to its own."""
        sum_ = 0
        for number, line in enumerate(lines[:-1], 1):
            text = line[9:]
            sum_ = zlib.crc32(text, sum_)
            if line[:9] != b"%08x " % sum_:
                if number == 1:
                    raise StateError(f"{self._path}: is no state of this server's; name another file.")
                mend = "bring back the whole file" if number == 2 else f"keep what is before it (head -n {number - 1})"
                raise StateError(f"{self._path}: line {number} is damaged; {mend}, or name another file.")
            yield orjson.loads(text)
        if lines[-1]:
            said = "of a change that was never answered, or the file was cut since"
            LOG.warning("%s: ends in half a line, %s; the rest holds.", self._path, said)

    def _replay(self, said: Any) -> None:
        clock = self._sandbox.clock
        self._last = (wire.moment(said["now"]), said["real"]) if "real" in said else None
        if "api" not in said:
            set_clock(clock, wire.moment(said["now"]), running=said["running"])
            for world in self._sandbox.worlds.values():
                world.processing = Processing.parse(said["processing"])
            return
        world = self._sandbox.worlds[said["api"]]
        layer: Layer = world.layer
        for entity, id, record in said["rows"]:
            layer.set(entity, id, None if record is None else Row(untagged(record)))
        world.refusals = said["refusals"]
        clock.set(wire.moment(said["now"]))
        if said["ticks"]:
            clock.tick()


def _line(value: Any, sum_: int) -> tuple[bytes, int]:
    """The line of a value after one with a checksum, and its own checksum."""
    text = orjson.dumps(value)
    sum_ = zlib.crc32(text, sum_)
    return b"%08x %b\n" % (sum_, text), sum_


def _write(fd: int, content: bytes) -> None:
    written = os.write(fd, content)
    while written < len(content):
        written += os.write(fd, memoryview(content)[written:])


def _turned(sandbox: Sandbox) -> Iterator[str]:
    """The cells of the matrix that overlays have turned."""
    for name, service in sandbox.services.items():
        for capability in service.api.capabilities:
            for role, allowed, _ in capability.overlays:
                yield f"{name} {capability.id} {'granted to' if allowed else 'denied to'} {role}"


def _digest(scenario: str) -> str:
    """What stands for all that a scenario says, but for what it says of itself and where."""
    found = scenarios.load(scenario)
    callers = tuple(replace(each, file="", line=0) for each in found.callers)
    pins = tuple(replace(each, file="", base=None) for each in found.pins)
    said = replace(found, name="", about="", places={}, callers=callers, pins=pins)
    return blake2b(repr(said).encode(), digest_size=8).hexdigest()


def _real() -> Sequence[float]:
    """Seconds as two clocks count them: one that somebody may set, and one that begins anew with the machine."""
    return [time.time(), time.monotonic()]


def _since(real: Sequence[float]) -> float:
    """Seconds since then, at least: neither clock can have counted more than have gone by, but for one set forward."""
    return max(0.0, *(now - then for now, then in zip(_real(), real, strict=True)))


def _told(head: Any) -> str:
    return f"scenario {head.get('scenario')}, seed {head.get('seed')}, APIs {' '.join(head.get('apis', ()))}"
