"""How far a run is, told on stderr: bars on a terminal, a line a check elsewhere, nothing when asked to be quiet."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from contracts.run import Silent

if TYPE_CHECKING:
    from contracts.findings import CheckResult
    from contracts.registry import Check
    from contracts.run import Progress


class Lines(Silent):
    """A line for each check when it ends, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._all, self._ended = stream, 0, 0

    def begin(self, checks: int) -> None:
        self._all = checks

    def done(self, result: CheckResult) -> None:
        self._ended += 1
        number = f"{self._ended:>{len(str(self._all))}}/{self._all}"
        counts = f"{_counted(result.cases, 'case'):>10} {_counted(result.requests, 'request'):>14}"
        idle = not result.requests and 0 < result.cases <= result.unchecked
        nothing = "not checked" if idle else "nothing found"
        found = _counted(result.findings, "finding") if result.findings else nothing
        line = f"{number} {result.api:<9} {result.check:<26} {counts} {result.seconds:>7.1f} s  {found}"
        print(line, file=self._stream, flush=True)


class Bars(Silent):
    """All checks in one bar, the cases of the one that runs in another."""

    def __init__(self, bars: Any) -> None:  # Any: rich.progress.Progress, which is imported where it is used
        self._bars = bars
        self._whole = bars.add_task("checks", total=None, told="")
        self._one: Any = None
        self._requests = self._findings = 0

    def begin(self, checks: int) -> None:
        self._bars.update(self._whole, total=checks)

    def start(self, check: Check, api: str, cases: int) -> None:
        self._drop()
        self._one = self._bars.add_task(f"{api} {check.id}", total=cases, told="")

    def step(self, requests: int, findings: int) -> None:
        if self._one is not None:
            self._bars.update(self._one, advance=1, told=_told(requests, findings))

    def done(self, result: CheckResult) -> None:
        self._requests += result.requests
        self._findings += result.findings
        self._drop()
        self._bars.update(self._whole, advance=1, told=_told(self._requests, self._findings))

    def _drop(self) -> None:
        if self._one is not None:
            self._bars.remove_task(self._one)
            self._one = None


@contextmanager
def showing(*, quiet: bool, stream: TextIO | None = None) -> Iterator[Progress]:
    """The progress that fits where it is shown."""
    stream = stream or sys.stderr
    if quiet:
        yield Silent()
    elif not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield Lines(stream)
    else:
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[told]}"),
            progress.TimeElapsedColumn(),
        )
        # transient: what it leaves behind is the report alone.
        with progress.Progress(*columns, console=Console(file=stream), transient=True) as bars:
            yield Bars(bars)


def _told(requests: int, findings: int) -> str:
    return f"{_counted(requests, 'request')}, {_counted(findings, 'finding')}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
