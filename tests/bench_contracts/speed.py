"""How fast the toolkit is: its calls a second beside stock Schemathesis, its start, and what a planted defect costs.

    python -m tests.bench_contracts.run --speed [--defects N]

Both call all operations of the three APIs, over HTTP on one server and in one process with it; a run that is not over
by then is broken off after LONGEST seconds, or after BUDGET calls. Starts are the best of so many: what else runs on a
machine only ever adds to them.
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
from typing import Any

from contracts import selftest

ROOT = Path(__file__).parents[2]
CALLERS = {"accounts": "finance", "credits": "admin", "billing": "client"}
"""As whom Schemathesis calls"""
MODES = ("read-only", "own", "full")
LONGEST = 4.0
BUDGET = 5000
STARTS = 4
DEFECTS = 20
RATE, START, COST, HELP = 3.0, 2.0, 2.0, 6.0
"""What is wanted: times stock, seconds, seconds, times `python -c pass`"""
Run = tuple[int, float]
"""Calls, and the seconds that they took: by the clock over HTTP, else of the processor, as server and client are one"""
CONFIG = "fixtures/contracts.toml"


def main(defects: int, jobs: int) -> int:
    """Print the figures; 0 if all are as wanted, else 1."""
    kept = [*_starts(), *_rates(), *_cost(defects, jobs)]
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


def _rates() -> Iterator[bool]:
    """Of all operations of the three APIs together: what a run needs to get ready weighs on a small one alone."""
    with _served() as address:
        # API by API, all kinds of runs side by side: what else runs on the machine changes from minute to minute.
        rows = [[_alone(measure, api, address, *mode) for measure, mode in KINDS] for api in CALLERS]
    stock, *own = (_rate(runs) for runs in zip(*rows, strict=True))
    for mode, found in zip(MODES, own, strict=True):
        yield _beside(f"calls a second, {mode}, HTTP", found, stock)
    pairs = [(_alone(stock_run, api, ""), _alone(own_run, api, "", "full")) for api in CALLERS]
    stock, full = (_rate(runs) for runs in zip(*pairs, strict=True))
    yield _beside("calls a second of processor, full, in process", full, stock)


def _rate(runs: Sequence[Run]) -> float:
    return sum(calls for calls, _ in runs) / sum(seconds for _, seconds in runs)


def _beside(told: str, own: float, stock: float) -> bool:
    return _line(told, f"{own:.0f}", f"{own / stock:.1f} x stock ({stock:.0f})", RATE, own >= RATE * stock)


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


def _alone(measure: Callable[..., Run], *given: Any) -> Run:
    """Measured in a process of its own: what Schemathesis keeps of one run must not reach the next."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *given).result()


def stock_run(api: str, address: str) -> Run:
    """Schemathesis as it comes. address: "" for an application in this process"""
    import schemathesis  # noqa: F401  # not a part of what is measured

    from tests.bench_contracts.stock import against
    from tests.faulty.planting import Server

    server = Server(api)
    token = server.app.token(CALLERS[api])
    spent = time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        run = against(address or server.asgi, api, token, seed=1, examples=1, longest=LONGEST)
    return run.requests, run.seconds if address else time.process_time() - spent


def own_run(api: str, address: str, mode: str) -> Run:
    """The toolkit in a mode."""
    import hypothesis  # noqa: F401
    import openpyxl  # noqa: F401
    import schemathesis  # noqa: F401  # as above

    from contracts import config, registry
    from contracts.run import run
    from contracts.settings import Mode, Settings
    from tests.faulty import sound

    registry.checks()
    said = config.read(ROOT / CONFIG)
    app = None if address else sound(api)
    spent = time.process_time()
    result = run(
        Settings(
            target=address,
            app=app,
            apis=(api,),
            callers=tuple(each for each in said.callers if each.api == api),
            mode=Mode(mode),
            budget=BUDGET,
            known=said.known,
            lend=said.lend,
            values=said.values,
        )
    )
    return result.requests, result.seconds if address else time.process_time() - spent


KINDS: Sequence[tuple[Callable[..., Run], Sequence[str]]] = (
    (stock_run, ()),
    *((own_run, (mode,)) for mode in MODES),
)


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
    print(f"{told:46}{figure:>9}  {beside:34} wanted {wanted:g}{'' if kept else '  MISSED'}", flush=True)
    return kept
