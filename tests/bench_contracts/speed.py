"""How fast the toolkit is: its calls a second beside stock Schemathesis, its start, and what a planted defect costs.

    python -m tests.bench_contracts.run --speed [--defects N] [--rounds N]

Both go over all operations of the three APIs, to their end, over HTTP on a server of each run's own and in one process
with it; a read-only run over those that read. As each is used: Schemathesis takes a run for each API, the toolkit one
for all of them. Its best round tells of each run, and its best start: what else runs on a machine only ever adds to
them. Calls a second are told twice, by the clock and of the caller's own processor alone: the first has the server's
share in it, and that of whatever else runs.
"""

from __future__ import annotations

import contextlib
import io
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from contracts import selftest

ROOT = Path(__file__).parents[2]
CALLERS = {"accounts": "finance", "credits": "admin", "billing": "client"}
"""As whom Schemathesis calls"""
MODES = ("read-only", "own", "full")
STARTS = 4
DEFECTS = 20
CONFIG = "fixtures/contracts.toml"
RATE, START, COST, HELP = 3.0, 2.0, 2.0, 6.0
"""What is wanted: times stock, seconds, seconds, times `python -c pass`"""


class Run(NamedTuple):
    """Calls, and the seconds that they took: by the clock, and of the processor."""

    calls: int
    seconds: float
    busy: float

    @property
    def rate(self) -> float:
        return self.calls / self.seconds

    @property
    def own(self) -> float:
        """Calls a second of the processor."""
        return self.calls / self.busy


def main(defects: int, jobs: int, rounds: int) -> int:
    """Print the figures; 0 if all are as wanted, else 1."""
    kept = [*_starts(), *_rates(rounds), *_cost(defects, jobs)]
    return 0 if all(kept) else 1


# Starts


def _starts() -> Iterator[bool]:
    interpreter = [sys.executable, "-c", "pass"]
    shown = [sys.executable, "-m", "contracts", "--help"]
    plain, helped, asked, called = [], [], [], []
    for _ in range(STARTS):
        plain.append(_ended(interpreter))
        helped.append(_ended(shown))
        asked.append(_asked_in_process())
        called.append(_called_over_http())
    bare = min(plain)
    yield _line("contracts --help / python -c pass", f"{min(helped) / bare:.1f}", "", HELP, min(helped) / bare <= HELP)
    for name, found in (("--app", asked), ("--target", called)):
        told = f"start to first request, three APIs, {name}"
        yield _line(told, f"{min(found):.2f} s", f"{min(found) / bare:.0f} x python", START, min(found) <= START)


def _ended(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _asked_in_process() -> float:
    """Seconds until an application in the toolkit's own process is first asked."""
    began = time.time()
    app = ["--app", "tests.bench_contracts.first:app", "--config", CONFIG]
    ended = subprocess.run(
        [sys.executable, "-m", "contracts", "run", *app], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(ended.stdout.split()[-1]) - began


def _called_over_http() -> float:
    """Seconds until the first request is at an address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"http://127.0.0.1:{server.getsockname()[1]}"
        began = time.perf_counter()
        command = [sys.executable, "-m", "contracts", "run", "--target", target, "--config", CONFIG]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            server.settimeout(60)
            there, _ = server.accept()
            with there:
                there.recv(1)
                found = time.perf_counter() - began
                run.kill()
    return found


# Calls a second


def _rates(rounds: int) -> Iterator[bool]:
    made = [[_stock(served=True), *(_own(mode, served=True) for mode in MODES)] for _ in range(rounds)]
    stock, *own = (max(runs, key=lambda run: run.rate) for runs in zip(*made, strict=True))
    for mode, run in zip(MODES, own, strict=True):
        beside = f"{run.rate / stock.rate:.1f} x stock ({stock.rate:.0f}); of processor {run.own / stock.own:.1f} x"
        yield _line(f"calls a second, {mode}, HTTP", f"{run.rate:.0f}", beside, RATE, run.rate >= RATE * stock.rate)
    stock, full = _stock(served=False), _own("full", served=False)
    beside = f"{full.own / stock.own:.1f} x stock ({stock.own:.0f})"
    told = "calls a second of processor, full, in process"
    yield _line(told, f"{full.own:.0f}", beside, RATE, full.own >= RATE * stock.own)


def _stock(*, served: bool) -> Run:
    """Schemathesis over the three APIs, one after the other."""
    runs = [_alone(stock_run, api, served=served) for api in CALLERS]
    return Run(*(sum(each) for each in zip(*runs, strict=True)))


def _own(mode: str, *, served: bool) -> Run:
    return _alone(own_run, mode, served=served)


@contextlib.contextmanager
def _served() -> Iterator[str]:
    """The address of a server of its own."""
    command = [sys.executable, "-m", "mockserver", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout is not None
            yield next(word for line in server.stdout for word in line.split() if word.endswith("/docs"))[
                : -len("/docs")
            ]
        finally:
            server.terminate()


def _alone(measure: Callable[[str, str], Run], given: str, *, served: bool) -> Run:
    """Measured in a process of its own: what Schemathesis keeps of one run must not reach the next."""
    with (
        _served() if served else contextlib.nullcontext("") as address,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        return pool.submit(measure, given, address).result()


def stock_run(api: str, address: str) -> Run:
    """Schemathesis as it comes. address: "" for an application in this process"""
    import schemathesis  # noqa: F401  # not a part of what is measured

    from mockserver import create_app
    from tests.bench_contracts.stock import against

    app = create_app(api)
    spent = time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        run = against(address or app, api, app.token(CALLERS[api]), seed=1, examples=1)
    return Run(run.requests, run.seconds, time.process_time() - spent)


def own_run(mode: str, address: str) -> Run:
    """The toolkit in a mode."""
    import hypothesis  # noqa: F401
    import openpyxl  # noqa: F401
    import schemathesis  # noqa: F401  # as above

    from contracts import config, registry
    from contracts.run import run
    from contracts.settings import Mode, Settings
    from mockserver import create_app

    registry.checks()
    said = config.read(ROOT / CONFIG)
    app = None if address else create_app()
    spent = time.process_time()
    result = run(
        Settings(
            target=address,
            app=app,
            callers=said.callers,
            mode=Mode(mode),
            known=said.known,
            lend=said.lend,
            values=said.values,
        )
    )
    return Run(result.requests, result.seconds, time.process_time() - spent)


# Defects


def _cost(defects: int, jobs: int) -> Iterator[bool]:
    """What a planted defect costs: every so-many-th of the catalogue."""
    known = selftest.load("tests.faulty:DEFECTS")
    names = list(known.defects)
    chosen = names[:: max(1, len(names) // defects)]
    with selftest.processes(jobs) as pool:
        # What a process needs to get ready is spread over hundreds of defects, and would weigh on a few.
        list(pool.map(selftest.against, [known.place] * jobs, [names[-1]] * jobs))
        began = time.perf_counter()
        found = list(pool.map(selftest.against, [known.place] * len(chosen), chosen))
        passed = (time.perf_counter() - began) / len(chosen)
    seconds = mean(each.seconds for each in found)
    calls = mean(each.requests for each in found)
    beside = f"{passed:.2f} s in {jobs} processes; {calls:.0f} calls"
    told = f"a planted defect, mean of {len(chosen)}"
    yield _line(told, f"{seconds:.2f} s", beside, COST, seconds <= COST)


def _line(told: str, figure: str, beside: str, wanted: float, kept: bool) -> bool:
    print(f"{told:46}{figure:>9}  {beside:40} wanted {wanted:g}{'' if kept else '  MISSED'}", flush=True)
    return kept
