"""How our server does as its world grows: charge files, requests in worlds of several sizes, and what others notice.

    python tests/bench/scale.py [SIZE]...

Each world lives in a process of its own; they are asked in turns. What takes too long is cut and told.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import verdicts
from calls import BILLING, FORM, Answer, Request, Unfit, ask
from calls import form as form_of
from charges import AUTHORIZATION, KINDS, Asking, askings
from machine import progress
from servers import PLACE, ROOT, Running, end_on_signals, ours, running
from verdicts import Verdict, at_most, table

from specs.tables import load as tables

SIZES = (1_000, 100_000, 1_000_000)
STEP = 60
"""Seconds that any step may take but for those that make a world, which may take more."""
MAKING = 300
GRACE = 30
"""Seconds more, for a step that does not notice its end."""
FLAT, NANOSECONDS, LINES, KILOBYTES, P99 = 1.5, 300, 20_000, 3, 50
"""Wanted: time in the largest world to that in the smallest; a record that is looked at; lines a second of a file;
memory of a charge; milliseconds of the slowest hundredth of reads while something long runs."""
READERS, PACE = 8, 0.04
"""So many callers send such a read each, every so many seconds, however long one takes: few enough that none waits for
its own read before, unless that one took too long."""
SCANS, SCANNING, IDLE = 3, 3.0, 1.0
"""So many scans at least, for so many seconds at least; seconds of reads beside nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one asking took in one world; seconds of processor time.

    first: the very first time, when an index may have to be made; times: all others; rows: that it answers
    """

    first: float
    times: list[float]
    rows: int


@dataclass(slots=True)
class Figures:
    """samples: by name of the asking and size; notes: what could not be measured, and why"""

    samples: dict[tuple[str, int], Sample] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def seconds(self, name: str, size: int) -> float | None:
        found = self.samples.get((name, size))
        return None if found is None else median(found.times)


class Worker:
    """A process that makes a world and asks it (`world.py`); ended on leaving."""

    def __init__(self, name: str) -> None:
        """name: of its log, which is read where it fails"""
        self._log = (PLACE / f"world-{name}.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("world.py"))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def do(self, job: str, seconds: int, **options: Any) -> dict[str, Any]:
        """What a job measured, or why it did not, as `refused`."""
        told, made = self._process.stdin, self._process.stdout
        assert told is not None and made is not None
        if self._process.poll() is not None:
            return {"refused": f"ended with {self._process.returncode}; see {self._log.name}"}
        told.write(json.dumps({"job": job, "seconds": seconds, **options}).encode() + b"\n")
        told.flush()
        if not select.select([made], [], [], seconds + GRACE)[0]:
            self._process.kill()
            self._process.wait()
            return {"refused": f"did not end within {seconds + GRACE} s"}
        line = made.readline()
        found: dict[str, Any] = json.loads(line) if line else {"refused": f"ended; see {self._log.name}"}
        return found


def measured(sizes: Sequence[int], *, lines: int, rounds: int) -> Iterator[Verdict]:
    """Everything of this part; prints what was measured.

    sizes: of the worlds, ascending; lines: of the file of each kind; rounds: in which the worlds are asked
    """
    yield from _files(lines)
    yield from _worlds(sizes, rounds)
    yield from _beside(sizes[-1])


def _files(lines: int) -> Iterator[Verdict]:
    """A file of each kind, in a process of its own."""
    for kind in KINDS:
        progress(f"a file of {lines:,} lines: {kind}")
        with Worker(kind) as worker:
            yield from _made(f"{kind}, {lines:,} lines", lines, worker.do("make", MAKING, kind=kind, size=lines))
    print()


def _made(name: str, lines: int, made: dict[str, Any]) -> Iterator[Verdict]:
    """What is wanted of a file that became charges."""
    rate = held = None
    if "refused" in made:
        print(f"upload, {name}: {made['refused']}")
    else:
        # By processor time: what a free core does, however busy the machine is.
        rate, held = lines / made["cpu"], made["held"] / lines / 1_000
        print(
            f"upload, {name}: {made['bytes'] / 1e6:,.1f} MB in {made['seconds']:.1f} s, {made['cpu']:.1f} s of CPU, "
            f"{made['held'] / 1e6:,.0f} MB held afterwards, {made['peak'] / 1e6:,.0f} MB at most; {made['counts']}"
        )
    yield Verdict(
        what=f"upload, {name}",
        against="",
        found="-" if rate is None else f"{rate:,.0f} lines/s of CPU",
        wanted=f">= {LINES:,} lines/s",
        met=None if rate is None else rate >= LINES,
    )
    yield Verdict(
        what=f"memory of a charge, {name}",
        against="",
        found="-" if held is None else f"{held:.2f} KB",
        wanted=f"<= {KILOBYTES} KB",
        met=None if held is None else held <= KILOBYTES,
    )


def _worlds(sizes: Sequence[int], rounds: int) -> Iterator[Verdict]:
    """The same requests in worlds of all sizes, in turns."""
    figures = Figures()
    with ExitStack() as stack:
        workers: dict[int, Worker] = {}
        for size in sizes:
            progress(f"a world of {size:,} charges")
            worker = stack.enter_context(Worker(str(size)))
            # The only kind of file of which the largest world's fits into the 100 MiB that a file may have.
            made = worker.do("make", MAKING, kind="csv", size=size)
            # A small world is lost in what the process takes anyway.
            found = list(_made(f"csv, {size:,} lines, one journal", size, made))
            yield from found if size > sizes[0] else ()
            if "refused" not in made:
                workers[size] = worker
        print()
        for turn in range(rounds):
            progress(f"requests in {len(workers)} worlds, round {turn + 1} of {rounds}")
            for asking in askings():
                for size, worker in workers.items():
                    _asked(figures, asking, size, worker)
    print(*table(list(_rows(figures, sizes)), left=1), *figures.notes, "", sep="\n")
    yield from _wanted(figures, sizes[0], sizes[-1])


def _asked(figures: Figures, asking: Asking, size: int, worker: Worker) -> None:
    key = (asking.name, size)
    if any(note.startswith(_place(*key)) for note in figures.notes):
        return
    made = worker.do("ask", STEP, name=asking.name)
    if "refused" in made:
        figures.notes.append(f"{_place(*key)}: {made['refused']}")
    elif key in figures.samples:
        figures.samples[key].times.extend(made["times"])
    else:
        first, *more = made["times"]
        figures.samples[key] = Sample(first, more or [first], made["rows"])


def _place(name: str, size: int) -> str:
    return f"{name}, {size:,} charges"


def _rows(figures: Figures, sizes: Sequence[int]) -> Iterator[list[str]]:
    yield [
        "ms of CPU",
        *(f"{each:,}" for each in sizes),
        *(f"first, {each:,}" for each in sizes),
        "rows",
        "ns a record",
    ]
    for asking in askings():
        samples = [figures.samples.get((asking.name, size)) for size in sizes]
        rows = sorted({each.rows for each in samples if each is not None})
        record = _record(figures, asking, sizes[-1])
        yield [
            asking.name,
            *("-" if each is None else f"{1_000 * median(each.times):.3f}" for each in samples),
            *("-" if each is None else f"{1_000 * each.first:.2f}" for each in samples),
            " or ".join(map(str, rows)),
            "" if asking.flat or record is None else f"{record:,.0f}",
        ]


def _record(figures: Figures, asking: Asking, size: int) -> float | None:
    """Nanoseconds for each record of a world."""
    seconds = figures.seconds(asking.name, size)
    return None if seconds is None else seconds / size * 1e9


def _wanted(figures: Figures, smallest: int, largest: int) -> Iterator[Verdict]:
    for asking in askings():
        if asking.flat:
            large, small = figures.seconds(asking.name, largest), figures.seconds(asking.name, smallest)
            ratio = large / small if large is not None and small is not None else None
            yield at_most(asking.name, f"{largest:,} to {smallest:,}", ratio, FLAT)
        else:
            record = _record(figures, asking, largest)
            yield Verdict(
                what=asking.name,
                against=f"{largest:,}",
                found="-" if record is None else f"{record:,.0f} ns a record",
                wanted=f"<= {NANOSECONDS} ns a record",
                met=None if record is None else record <= NANOSECONDS,
            )


class Reader(threading.Thread):
    """Reads one object again and again at a fixed pace, on one connection, until it is told to stop.

    delays: seconds from when each read was due to its answer; one that is still due at the end has waited until then
    """

    def __init__(self, target: Running, request: Request, start: float) -> None:
        """start: when the first read is due, by the clock of time.perf_counter"""
        super().__init__(daemon=True)
        self.delays: list[float] = []
        self.refused: str | None = None
        self._wire = request.raw(target.port, target.server.base)
        self._port = target.port
        self._start = start
        self._over = threading.Event()

    def run(self) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=MAKING) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                due = self._start
                while not self._over.is_set():
                    time.sleep(max(0.0, due - time.perf_counter()))
                    connection.sendall(self._wire)
                    self._answer(connection)
                    self.delays.append(time.perf_counter() - due)
                    due += PACE
                now = time.perf_counter()
                while due < now:
                    self.delays.append(now - due)
                    due += PACE
        except (OSError, ValueError) as error:
            self.refused = f"a read beside it failed: {error}"

    def _answer(self, connection: socket.socket) -> None:
        """Read one answer; it has the length in its head."""
        got = bytearray()
        while (head := got.find(b"\r\n\r\n")) < 0:
            got += self._some(connection)
        if not got.startswith(b"HTTP/1.1 200"):
            raise ValueError(got[:60].decode(errors="replace"))
        lower = bytes(got[:head]).lower()
        length = int(lower.partition(b"content-length:")[2].split()[0])
        while len(got) < head + 4 + length:
            got += self._some(connection)

    def _some(self, connection: socket.socket) -> bytes:
        found = connection.recv(262_144)
        if not found:
            raise ValueError("the connection was closed")
        return found

    def stop(self) -> None:
        """Have it end after the read that is under way."""
        self._over.set()


def _beside(size: int) -> Iterator[Verdict]:
    """What reads of another object notice of a large upload and of long scans, over HTTP."""
    base = tables(BILLING).conventions.base
    list_one = Request(method="GET", path="/journals?limit=1", token="vendor-token")
    progress(f"reads beside an upload of {size:,} lines and beside scans of them")
    with tempfile.TemporaryDirectory(dir=PLACE) as cache, running(ours(base, Path(cache)), list_one) as target:

        def send(request: Request, status: int = 200) -> Answer:
            answer = ask(target.port, base, request, patience=MAKING)
            if answer.status != status:
                raise Unfit(f"{request.method} {request.path}: {answer.status} {answer.body[:200]!r}")
            return answer

        other = send(list_one).value["data"][0]["id"]
        reading = Request(method="GET", path=f"/journals/{other}", token="vendor-token")
        new = json.dumps({"name": "Large", "authorization": {"id": AUTHORIZATION}}).encode()
        journal = send(Request(method="POST", path="/journals", token="vendor-token", body=new), 201).value["id"]
        path = f"/journals/{journal}"
        content = form_of(KINDS["csv"].write(size), "csv", KINDS["csv"].media)

        def upload() -> None:
            send(Request(method="POST", path=f"{path}/upload", token="vendor-token", body=content, media=FORM))
            # Validated by now, or when it is next asked for.
            if (settled := send(Request(method="GET", path=path, token="vendor-token")).value)["status"] != "Error":
                raise Unfit(f"{path} is {settled['status']}; one line in a hundred is wrong")

        def scan() -> None:
            began, done = time.perf_counter(), 0
            while done < SCANS or time.perf_counter() - began < SCANNING:
                query = f"like(description.value1,*{done % 100}*)"
                send(Request(method="GET", path=f"{path}/charges?{query}", token="operations-token"))
                done += 1
                if time.perf_counter() - began > STEP:
                    raise Unfit(f"{done} scans took more than {STEP} s")

        _noticed("nothing", target, reading, lambda: time.sleep(IDLE))
        yield _verdict(f"an upload of {size:,} lines", _noticed("the upload", target, reading, upload))
        yield _verdict("the same upload again", _noticed("the upload again", target, reading, upload))
        yield _verdict(f"scans of {size:,} charges", _noticed("the scans", target, reading, scan))
    print()


def _noticed(name: str, target: Running, reading: Request, long: Callable[[], None]) -> float | None:
    """The slowest hundredth of reads beside something long; milliseconds, None where it cannot be told."""
    began, refused = time.perf_counter(), None
    readers = [Reader(target, reading, began + PACE * place / READERS) for place in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        long()
    except (Unfit, OSError) as error:
        refused = str(error)
    took = time.perf_counter() - began
    for reader in readers:
        reader.stop()
    for reader in readers:
        reader.join(MAKING)
        refused = refused or reader.refused
    delays = sorted(delay for reader in readers for delay in reader.delays)
    if refused or not delays:
        print(f"reads beside {name}: {refused or 'none was answered'}")
        return None
    at = [1_000 * delays[int(len(delays) * share)] for share in (0.5, 0.99)]
    print(
        f"reads beside {name}, which took {took:.1f} s: {at[0]:.1f} ms the median, {at[1]:.1f} ms p99, "
        f"{1_000 * delays[-1]:.0f} ms the slowest; {len(delays):,} of them, each from when it was due"
    )
    return at[1]


def _verdict(beside: str, p99: float | None) -> Verdict:
    return Verdict(
        what=f"p99 of a read beside {beside}",
        against="",
        found="-" if p99 is None else f"{p99:,.1f} ms",
        wanted=f"< {P99} ms",
        met=None if p99 is None else p99 < P99,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure our server in worlds of several sizes.")
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE", help="charges in a world")
    parser.add_argument("--lines", type=int, default=100_000, help="of the file of each kind")
    parser.add_argument("--rounds", type=int, default=3, help="in which the worlds are asked")
    options = parser.parse_args()
    end_on_signals()
    PLACE.mkdir(parents=True, exist_ok=True)
    try:
        found = list(measured(sorted(options.sizes), lines=options.lines, rounds=options.rounds))
        print(*verdicts.lines(found), sep="\n")
    except Unfit as unfit:
        print(f"bench: {unfit}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; what it started is ended.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
