"""What it costs to ask the installed commands for help."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from calls import Unfit
from machine import progress
from servers import ROOT
from verdicts import Verdict, at_most

COMMANDS = ("mockserver", "contracts")
WANTED = 6
PASS = "python -c pass"


def measured(runs: int) -> list[Verdict]:
    """`--help` of each command beside Python alone, in turns; the medians of so many runs. Raises Unfit."""
    progress("--help")
    folder = Path(sys.executable).parent
    programs = {PASS: [sys.executable, "-c", "pass"]}
    programs |= {f"{name} --help": [str(folder / name), "--help"] for name in COMMANDS}
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    # Once unmeasured: the first run may have to compile what it imports.
    for turn in range(runs + 1):
        for name, program in programs.items():
            took = _run(program)
            if turn:
                seconds[name].append(took)
    for name, found in seconds.items():
        print(f"{name}: {1_000 * median(found):.0f} ms, the median of {runs}; {1_000 * min(found):.0f} at best")
    print()
    alone = median(seconds[PASS])
    return [at_most(name, PASS, median(found) / alone, WANTED) for name, found in seconds.items() if name != PASS]


def _run(program: Sequence[str]) -> float:
    """The seconds that a program takes."""
    # The packages beside the benchmark, wherever those that are installed may lie.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    try:
        done = subprocess.run(program, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unfit(f"{program[0]}: {error}; install the project: make test") from None
    took = time.perf_counter() - began
    if done.returncode != 0:
        raise Unfit(f"{' '.join(program)}: ended with {done.returncode}")
    return took
