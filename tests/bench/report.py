"""The figures of a run as text: one table, the ratios, and the wanted ones beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from calls import Call
from load import Sample
from servers import BARE, OURS

START = 0.5
"""Wanted: from start to first answer at most this share of Prism's time."""


@dataclass(slots=True)
class Figures:
    """What was measured, by the names of servers and calls.

    starts: seconds to the first answer; cold: the same of ours with an empty cache
    spent: seconds of processor time until the first answer
    memory: bytes after the load of a round, with what its creates made
    sizes: bytes of an answer's body
    """

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, list[int]] = field(default_factory=dict)
    cold: float | None = None

    def rate(self, server: str, call: str) -> float | None:
        """The median of the requests per second."""
        samples = self.samples.get((server, call))
        return median(each.rate for each in samples) if samples else None

    def cpu(self, server: str, call: str) -> float | None:
        """The median of the processor time per request, in microseconds."""
        used = [each.cpu for each in self.samples.get((server, call), ()) if each.cpu is not None]
        return median(used) if used else None


def lines(figures: Figures, calls: Sequence[Call], servers: Sequence[str]) -> Iterator[str]:
    """The report, line by line."""
    yield from _table(list(_rows(figures, calls, servers)), left=2)
    yield ""
    yield from _table(list(_processes(figures, servers)), left=1)
    yield ""
    yield from _table(list(_ratios(figures, calls, servers)), left=1)


def _rows(figures: Figures, calls: Sequence[Call], servers: Sequence[str]) -> Iterator[list[str]]:
    yield ["call", "server", "req/s", "p50 ms", "p99 ms", "CPU us/req", "bytes"]
    for call in calls:
        name = call.name
        for server in servers:
            samples = figures.samples.get((server, call.name))
            if not samples:
                continue
            used = figures.cpu(server, call.name)
            yield [
                name,
                server,
                f"{median(each.rate for each in samples):,.0f}",
                f"{median(each.p50 for each in samples):.1f}",
                f"{median(each.p99 for each in samples):.1f}",
                f"{used:,.0f}" if used is not None else "-",
                f"{figures.sizes[server, call.name]:,}",
            ]
            name = ""


def _processes(figures: Figures, servers: Sequence[str]) -> Iterator[list[str]]:
    yield ["server", "start s", "(all)", "CPU s", "memory MB"]
    for server in servers:
        starts, memory = figures.starts[server], figures.memory.get(server)
        each = " ".join(f"{seconds:.2f}" for seconds in starts)
        spent = f"{median(figures.spent[server]):.2f}" if server in figures.spent else "-"
        yield [server, f"{median(starts):.2f}", each, spent, f"{median(memory) / 1e6:,.0f}" if memory else "-"]
        if server == OURS and figures.cold is not None:
            yield [f"{OURS}, empty cache", f"{figures.cold:.2f}", "", "", ""]


def _ratios(figures: Figures, calls: Sequence[Call], servers: Sequence[str]) -> Iterator[list[str]]:
    prism = next((server for server in servers if server not in (OURS, BARE)), None)
    yield ["ours to", prism or "Prism", "wanted", "", "by CPU", BARE, "by CPU"]
    for call in calls:
        if (mine := figures.rate(OURS, call.name)) is None:
            continue
        theirs = figures.rate(prism, call.name) if prism is not None else None
        row = [call.name, *_against(mine, theirs, call.wanted, lambda found, wanted: found >= wanted, ">=")]
        # The requests that one second of the processor is good for: the same ratio, less moved by what else it does.
        cost = figures.cpu(OURS, call.name)
        row.append(_times(figures.cpu(prism, call.name) if prism is not None else None, cost))
        row.append(_times(mine, figures.rate(BARE, call.name)))
        yield [*row, _times(figures.cpu(BARE, call.name), cost)]
    starts: Mapping[str, float] = {server: median(found) for server, found in figures.starts.items()}
    theirs = starts.get(prism) if prism is not None else None
    row = ["start", *_against(starts[OURS], theirs, START, lambda found, wanted: found <= wanted, "<=")]
    spent: Mapping[str, float] = {server: median(found) for server, found in figures.spent.items()}
    row.append(_times(spent.get(OURS), spent.get(prism) if prism is not None else None))
    yield [*row, _times(starts[OURS], starts.get(BARE)), _times(spent.get(OURS), spent.get(BARE))]


def _against(
    mine: float, theirs: float | None, wanted: float | None, fits: Callable[[float, float], bool], sign: str
) -> list[str]:
    if wanted is None:
        return [_times(mine, theirs), "", ""]
    verdict = "" if not theirs else "met" if fits(mine / theirs, wanted) else "MISSED"
    return [_times(mine, theirs), f"{sign} {wanted:g} x", verdict]


def _times(one: float | None, other: float | None) -> str:
    return f"{one / other:.2f} x" if one is not None and other else "-"


def _table(rows: list[list[str]], *, left: int) -> Iterator[str]:
    """Aligned columns, the first `left` of them to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
