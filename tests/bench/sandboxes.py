"""What sandboxes cost: making, resetting, restoring and carrying them, in this process and without a network.

python tests/bench/sandboxes.py [--json]
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import machine
import verdicts
from verdicts import Verdict

from mockserver import MockServer, create_app
from mockserver import sandboxes as boxes
from tests.driver import Client

MANY = 1_000
CHANGED = 1_500
SESSIONS = 50
ROUNDS = 20
JOURNAL = {"name": "One", "authorization": {"id": "AUT-1000-0001"}}


def main() -> int:
    app = create_app()
    found = [*_made(app), *_returned(app), *_carried(app), *_chosen(app), *_sessions()]
    if "--json" in sys.argv[1:]:
        print(json.dumps([asdict(each) for each in found]))
    else:
        print(*verdicts.lines(found), sep="\n")
    return 0


def _made(app: MockServer) -> Iterator[Verdict]:
    gc.collect()
    before = machine.resident(os.getpid()) or 0
    times = [_timed(partial(app.sandbox, f"box-{at}")) for at in range(MANY)]
    for at in range(MANY):
        assert Client(app, f"vendor-token@box-{at}").get("/journals/BJO-1000-0001").status == 200
    yield _below("make one", 1_000 * statistics.median(times), 1, "ms")
    held = (machine.resident(os.getpid()) or 0) - before
    yield _below(f"{MANY:,} of them, each read once", held / 1e6, 100, "MB")
    app.sandboxes.clear()


def _returned(app: MockServer) -> Iterator[Verdict]:
    box = app.sandbox("returned")
    vendor = Client(app, "vendor-token@returned")
    times = []
    for _ in range(ROUNDS):
        for _ in range(5):
            assert vendor.post("/journals", JOURNAL).status == 201
        times.append(_timed(box.reset))
    yield _below("reset, after 5 creates", 1_000 * statistics.median(times), 1, "ms")
    times = []
    assert vendor.post("//@returned/__mock__/snapshots", {"name": "before"}).status == 201
    for _ in range(3):
        for _ in range(CHANGED):
            assert vendor.post("/journals", JOURNAL).status == 201
        times.append(_timed(lambda: vendor.post("//@returned/__mock__/snapshots/before/restore")))
    yield _below(f"restore, {CHANGED:,} objects made since", 1_000 * statistics.median(times), 10, "ms")
    app.sandboxes.clear()


def _carried(app: MockServer) -> Iterator[Verdict]:
    vendor = Client(app, "vendor-token")
    began = time.perf_counter()
    first = vendor.get("//@from/__mock__/export")
    assert first.status == 200, first
    out = time.perf_counter() - began
    began = time.perf_counter()
    taken = vendor.post("//@to/__mock__/import", content=first.content, headers={"content-type": "application/json"})
    assert taken.status in (200, 201, 204), taken
    into = time.perf_counter() - began
    same = vendor.get("//@to/__mock__/export").content == first.content
    yield _same(f"export of {len(first.content) / 1e6:.1f} MB in {out:.2f} s, import in {into:.2f} s", same)
    app.sandboxes.clear()


def _chosen(app: MockServer) -> Iterator[Verdict]:
    """What it costs a request that names no sandbox to be asked whether it does, beside all of the request."""
    vendor = Client(app, "vendor-token")
    scope: dict[str, Any] = {"headers": [(b"host", b"x"), (b"authorization", b"Bearer vendor-token")], "path": "/"}
    headers = dict(scope["headers"])
    whole = min(_per_call(lambda: vendor.get("/journals/BJO-1000-0001"), 2_000) for _ in range(5))
    look = min(_per_call(lambda: boxes.chosen(scope, "/public/v1", headers), 100_000) for _ in range(5))
    yield _below("look-up, of a request without a network", 100 * look / whole, 3, "%")


def _sessions() -> Iterator[Verdict]:
    """The same sessions one after another, and all of them a step at a time."""
    one, other = create_app("billing"), create_app("billing")
    after = [list(_session(one, at)) for at in range(SESSIONS)]
    running = [_session(other, at) for at in range(SESSIONS)]
    found: list[list[bytes]] = [[] for _ in running]
    left = set(range(SESSIONS))
    while left:
        for at in sorted(left):
            step = next(running[at], None)
            if step is None:
                left.discard(at)
            else:
                found[at].append(step)
    yield _same(f"{SESSIONS} sessions interleaved", found == after)


def _session(app: MockServer, at: int) -> Iterator[bytes]:
    vendor = Client(app, f"vendor-token@session-{at}")
    for _ in range(5):
        made = vendor.post("/journals", JOURNAL)
        yield made.content
        yield vendor.get(f"/journals/{made.json['id']}").content
        yield vendor.get("/journals?order=-audit.created.at&limit=3").content
        yield vendor.delete(f"/journals/{made.json['id']}").content


def _timed(call: Callable[[], Any]) -> float:
    """Seconds of processor time: nothing waits, so this is what a free core takes."""
    began = time.process_time()
    call()
    return time.process_time() - began


def _per_call(call: Callable[[], Any], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times


def _below(what: str, measured: float, wanted: float, unit: str) -> Verdict:
    """A figure that should not be higher."""
    found, most = f"{measured:.2f} {unit}", f"<= {wanted:g} {unit}"
    return Verdict(what=f"sandboxes: {what}", against="", found=found, wanted=most, met=measured <= wanted)


def _same(what: str, same: bool) -> Verdict:
    """Bytes that should not differ."""
    found = "identical" if same else "different"
    return Verdict(what=f"sandboxes: {what}", against="", found=found, wanted="identical", met=same)


if __name__ == "__main__":
    sys.exit(main())
