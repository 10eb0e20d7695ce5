"""The figures of servers as text, and what is wanted of ours beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from calls import BARE, OWN_READ, PRISM, Call
from load import Sample
from servers import OURS
from verdicts import Verdict, at_least, at_most, table, times

P99 = 1 / 5
"""Wanted: the slowest hundredth of ours takes at most this share of Prism's."""
STARTS = {BARE: 1.5, PRISM: 1 / 4}
COLD = {PRISM: 1 / 2}
MEMORY = {PRISM: 1 / 2}


@dataclass(slots=True)
class Figures:
    """What was measured, by the names of servers and calls.

    starts: seconds to the first answer; cold: the same of ours with an empty cache
    spent: seconds of processor time until the first answer
    memory: bytes after as many requests of each call as every other server answered
    loaded: bytes after the load of a round, in which who is faster answers more, with what its creates made
    sizes: bytes of an answer's body
    """

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, list[int]] = field(default_factory=dict)
    loaded: dict[str, list[int]] = field(default_factory=dict)
    cold: list[float] = field(default_factory=list)

    def of(self, server: str, call: str, figure: Callable[[Sample], float | None]) -> float | None:
        """The median of a figure over the rounds."""
        found = [value for each in self.samples.get((server, call), ()) if (value := figure(each)) is not None]
        return median(found) if found else None

    def ratio(self, call: str, peer: str, figure: Callable[[Sample], float | None]) -> float | None:
        """Ours to a peer's."""
        mine, theirs = self.of(OURS, call, figure), self.of(peer, call, figure)
        return mine / theirs if mine is not None and theirs else None


def lines(figures: Figures, calls: Sequence[Call], servers: Sequence[str]) -> Iterator[str]:
    """What was measured, line by line."""
    if figures.samples:
        yield from table(list(_rows(figures, calls, servers)), left=2)
        yield ""
    yield from table(list(_processes(figures, servers)), left=1)
    yield ""
    if figures.samples:
        yield from table(list(_ratios(figures, calls, servers)), left=1)
        yield ""


def verdicts(figures: Figures, calls: Sequence[Call]) -> Iterator[Verdict]:
    """What is wanted of requests and starts."""
    read = next(call.name for call in calls)
    for call in calls if figures.samples else ():
        for peer, wanted in call.wanted.items():
            if peer == OWN_READ:
                mine, own = figures.of(OURS, call.name, _rate), figures.of(OURS, read, _rate)
                yield at_least(call.name, peer, mine / own if mine and own else None, wanted)
            else:
                yield at_least(call.name, peer, figures.ratio(call.name, peer, _rate), wanted)
    for call in calls if figures.samples else ():
        if call.stateless:
            yield at_most(f"{call.name}, p99", PRISM, figures.ratio(call.name, PRISM, _p99), P99)
    for peer, wanted in STARTS.items() if figures.starts else ():
        yield at_most("start, warm cache", peer, _share(figures.starts.get(OURS), figures.starts.get(peer)), wanted)
    for peer, wanted in COLD.items() if figures.starts else ():
        yield at_most("start, no cache", peer, _share(figures.cold, figures.starts.get(peer)), wanted)
    for peer, wanted in MEMORY.items() if figures.memory else ():
        yield at_most(
            "memory after as many requests", peer, _share(figures.memory.get(OURS), figures.memory.get(peer)), wanted
        )


def _rate(sample: Sample) -> float:
    return sample.rate


def _p99(sample: Sample) -> float:
    return sample.p99


def _cpu(sample: Sample) -> float | None:
    return sample.cpu


def _share(mine: Sequence[float] | None, theirs: Sequence[float] | None) -> float | None:
    return median(mine) / median(theirs) if mine and theirs else None


def _rows(figures: Figures, calls: Sequence[Call], servers: Sequence[str]) -> Iterator[list[str]]:
    yield ["call", "server", "req/s", "p50 ms", "p99 ms", "CPU us/req", "bytes"]
    for call in calls:
        name = call.name
        for server in servers:
            samples = figures.samples.get((server, call.name))
            if not samples:
                continue
            used = figures.of(server, call.name, _cpu)
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
    yield ["server", "start s", "(all)", "CPU s", "memory MB, alike", "after the load"]
    for server in servers:
        spent = figures.spent.get(server)
        memory = (each.get(server) for each in (figures.memory, figures.loaded))
        held = [f"{median(each) / 1e6:,.0f}" if each else "-" for each in memory]
        yield [server, *_each(figures.starts.get(server)), f"{median(spent):.2f}" if spent else "-", *held]
        if server == OURS and figures.cold:
            yield [f"{OURS}, no cache", *_each(figures.cold), "", "", ""]


def _each(seconds: Sequence[float] | None) -> list[str]:
    return [f"{median(seconds):.2f}", " ".join(f"{each:.2f}" for each in seconds)] if seconds else ["-", ""]


def _ratios(figures: Figures, calls: Sequence[Call], servers: Sequence[str]) -> Iterator[list[str]]:
    """Ours to each peer, and the same by processor time: what one second of it is good for, which is less moved by
    whatever else the machine does.
    """
    peers = [server for server in servers if server != OURS]
    yield ["ours to", *(column for peer in peers for column in (peer, "by CPU", "p99"))]
    for call in calls:
        row = [call.name]
        for peer in peers:
            cost = figures.ratio(call.name, peer, _cpu)
            row += [times(figures.ratio(call.name, peer, _rate)), times(1 / cost if cost else None)]
            row.append(times(figures.ratio(call.name, peer, _p99)))
        yield row
