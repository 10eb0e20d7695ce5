"""The default sandbox in a file, across restarts: what it was at first, then each change before anybody can see it.

A line is a checksum and JSON; the checksum goes on from the line before it, so that none can be missing. A last line
that was not written to its end was never answered and does not count; a damaged one before it ends the start. Written
lines outlive the process at once, a loss of power only as far as the system has written them to the disk.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from mockserver import portable, wire
from mockserver.domain.errors import Invalid
from mockserver.sandboxes import Base, Sandbox
from mockserver.snapshots import set_clock
from mockserver.store import Changes, Layer, Row
from mockserver.values import tagged, untagged
from mockserver.world import Processing, World

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

        Raises OSError; then the file is behind, and nothing more is kept, nor answered, until it could be written.
        """
        if self._has_turned():
            self._whole()
        else:
            clock, first = self._sandbox.clock, self._known[0][0]
            said = {"now": wire.instant(clock.now()), "running": clock.runs, "processing": str(first.processing)}
            self._append(said)

    def close(self) -> None:
        """Leave the file to others."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # Writing

    def _keep(self, world: World, changes: Changes, ticks: bool) -> None:
        """Write the changes of one unit of work. Raises OSError, and nothing of them is in the file."""
        if self._has_turned() or self._size - self._whole_size > max(ROOM, self._whole_size):
            self._whole()
        rows = [[entity, id, None if row is None else tagged(row.record)] for entity, id, row in changes.changed()]
        self._append(
            {
                "api": world.api.name,
                "now": wire.instant(world.clock.now()),
                "ticks": ticks,
                "refusals": world.refusals,
                "rows": rows,
            }
        )

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
        head, sum_ = _line(self._head, 0)
        whole, sum_ = _line(portable.export(self._sandbox), sum_)
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
        if head != self._head:
            raise StateError(
                f"{self._path}: is of a server with {_told(head)}, this one has {_told(self._head)}; "
                "start it alike, or name another file."
            )
        document = next(said, None)
        if document is None:
            return
        sandbox = self._sandbox
        try:
            if document["scenario"] != sandbox.base.scenario:
                with suppress(Invalid):
                    sandbox.reset(self._base(document["scenario"]))
            fresh = sandbox.clock.now()
            portable.adopt(sandbox, portable.read(document, sandbox.services, trusted=True))
            for change in said:
                self._replay(change)
        except (Invalid, ValueError, KeyError, TypeError) as error:
            raise StateError(f"{self._path}: cannot be read by this version ({error}); name another file.") from None
        for world in sandbox.worlds.values():
            world.waiting = next(world.jobs(), None) is not None
        # A clock that goes along with real time has gone on while nobody looked; it never goes back.
        if sandbox.clock.runs:
            sandbox.clock.advance(max(fresh - sandbox.clock.now(), timedelta()))

    def _said(self, lines: Sequence[bytes]) -> Iterator[Any]:
        """What the lines say, but for one at the end that was not written to its own."""
        sum_ = 0
        for number, line in enumerate(lines[:-1], 1):
            text = line[9:]
            sum_ = zlib.crc32(text, sum_)
            if line[:9] != b"%08x " % sum_:
                if number == 1:
                    raise StateError(f"{self._path}: is no state of this server's; name another file.")
                raise StateError(
                    f"{self._path}: line {number} is damaged; keep what stands before it (head -n {number - 1}), "
                    "or name another file."
                )
            yield orjson.loads(text)

    def _replay(self, said: Any) -> None:
        clock = self._sandbox.clock
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


def _told(head: Any) -> str:
    return f"scenario {head.get('scenario')}, seed {head.get('seed')}, APIs {' '.join(head.get('apis', ()))}"
