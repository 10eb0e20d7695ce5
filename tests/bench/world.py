"""A world of charges in a process of its own, made and asked as told: one job a line comes in, what it measured goes
out. Requests pass through the whole application, without a network.

    python world.py < JOBS > MEASURED
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import machine
from charges import AUTHORIZATION, KINDS, World, askings

from mockserver import create_app
from tests.driver import Client

MEMORY = 14 * 2**30
"""Bytes of address space: a world that needs more is told of, and the machine lives."""
SPOTS = 50
"""Requests speak of so many charges, spread over the world: in a large one no others are new than in a small one."""
OFTEN, BRIEF, MAKING = 40, 0.15, 2
"""A request is repeated so often, or for so many seconds after the first few, which may have to make an index."""


class Cut(BaseException):
    """A job took longer than it may; no Exception, or the server would answer it with 500."""


class Place:
    """The server, and the last world that was made in it."""

    def __init__(self) -> None:
        self.app = create_app("billing")
        self.vendor = Client(self.app, "vendor-token")
        self.operations = Client(self.app, "operations-token")
        self.world: World | None = None
        self.askings = {each.name: each for each in askings()}
        self.numbers = count()
        # What the process does once, such as to import the query language, is no matter of a world's size.
        self.operations.get("/journals?eq(id,none)&order=id")
        # As the command does it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(5_000, 200, 1_000)

    def make(self, *, kind: str, size: int) -> dict[str, Any]:
        """A journal with so many charges, from file to settled; bytes are those above what the process held before.

        seconds: on the clock; cpu: of processor time
        held: afterwards, the kept file among them; peak: at most, with the file and the request around it
        """
        before = machine.resident(os.getpid()) or 0
        content = KINDS[kind].write(size)
        journal = self.vendor.post("/journals", {"name": kind, "authorization": {"id": AUTHORIZATION}}).json["id"]
        gc.collect()
        began, used = time.perf_counter(), time.process_time()
        answer = self.vendor.upload(f"/journals/{journal}/upload", content, f"charges.{kind}", KINDS[kind].media)
        settled = self.vendor.get(f"/journals/{journal}")
        seconds, used = time.perf_counter() - began, time.process_time() - used
        if answer.status != 200 or settled.json["status"] not in ("Validated", "Error"):
            return {"refused": f"{answer.status} {answer.text[:200]}; {settled.text[:200]}"}
        counts, length = settled.json["upload"], len(content)
        del content, answer, settled
        gc.collect()
        held = (machine.resident(os.getpid()) or 0) - before
        path = f"/journals/{journal}/charges"
        # Some of the beginning, the middle and the end.
        pages = [self.operations.get(f"{path}?offset={at}") for at in (0, size // 2, max(size - 10, 0))]
        ids = tuple(each["id"] for page in pages for each in page.json["data"])
        self.world = World(size=size, path=path, ids=ids, other=self._other(journal))
        peak = (machine.peak(os.getpid()) or 0) - before
        return {"seconds": seconds, "cpu": used, "held": held, "peak": peak, "bytes": length, "counts": counts}

    def _other(self, journal: str) -> str:
        """The list of another journal, of the default world, that fills a page."""
        for each in self.operations.get("/journals?limit=100").json["data"]:
            if each["id"] != journal and each.get("upload", {}).get("total", 0) >= 10:
                return f"/journals/{each['id']}/charges"
        raise LookupError("no journal has ten charges")

    def ask(self, *, name: str) -> dict[str, Any]:
        """The times of a request, repeated, in seconds of processor time; rows: of its last answer."""
        assert self.world is not None
        asking, times, began = self.askings[name], list[float](), time.perf_counter()
        while not times or (len(times) < OFTEN and time.perf_counter() - began < BRIEF):
            spot = next(self.numbers) % SPOTS
            path = asking.query(self.world, spot * (self.world.size // SPOTS) + spot)
            # Nothing waits here, so this is what it takes on a free core, however busy the machine is.
            sent = time.process_time()
            answer = self.operations.get(path)
            times.append(time.process_time() - sent)
            if len(times) <= MAKING:
                began = time.perf_counter()
            if answer.status != 200:
                return {"refused": f"{answer.status} {path}: {answer.text[:300]}"}
        rows = answer.json.get("data")
        return {"times": times, "rows": 1 if rows is None else len(rows)}


def _cut(number: int, frame: object) -> None:
    raise Cut


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _cut)
    place = Place()
    for line in sys.stdin:
        job = json.loads(line)
        name, seconds = job.pop("job"), job.pop("seconds")
        try:
            signal.alarm(seconds)
            try:
                made = getattr(place, name)(**job)
            finally:
                signal.alarm(0)
        except Cut:
            made = {"refused": f"cut after {seconds} s"}
        except MemoryError:
            made = {"refused": f"needs more than {MEMORY / 2**30:.0f} GiB"}
        print(json.dumps(made), flush=True)


if __name__ == "__main__":
    main()
