"""The benchmark: our server beside a bare Starlette application and Prism, in one run, in turns.

    python tests/bench/run.py [--quick]

Every figure is a median of interleaved rounds. Servers that keep what is created are started anew for each round, so
that all rounds meet the same world; Prism keeps nothing and runs through, warmed up. Only the loopback is used.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import load
import machine
import report
from calls import ACCOUNTS, BILLING, CREDITS, Answer, Asked, Call, Request, Unfit, ask, find, roles
from servers import BARE, OURS, PLACE, ROOT, Running, Server, bare, end_on_signals, ours, prism, running

SIDE_ROUNDS = 3
"""Rounds for the calls of which nothing is wanted: enough to see, and the whole stays below four minutes."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure ours, a bare Starlette application and Prism side by side.")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 second instead of 5 of 2: a first look")
    parser.add_argument("--without-prism", action="store_true", help="leave Prism out, e.g. where there is no npm")
    parser.add_argument("--prism-log", action="store_true", help="have Prism log every request, as it does by itself")
    options = parser.parse_args()
    rounds, seconds = (2, 1) if options.quick else (5, 2)
    end_on_signals()
    began = time.perf_counter()
    try:
        PLACE.mkdir(parents=True, exist_ok=True)
        print(f"load average {machine.load()}; at work: {_others()}")
        print(f"load by {load.tool()}; {rounds} rounds of {seconds} s, less where nothing is wanted\n")
        peer = None if options.without_prism else partial(prism, log=options.prism_log)
        _benchmark(rounds, seconds, peer)
    except Unfit as unfit:
        print(f"bench: {unfit}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; what it started is ended.", file=sys.stderr)
        return 130
    print(f"\n{time.perf_counter() - began:.0f} s in all; load average {machine.load()}")
    return 0


def _benchmark(rounds: int, seconds: int, peer: Callable[[str, Mapping[str, Any]], Server] | None) -> None:
    documents, routes = _contracts()
    base = documents[BILLING]["servers"][0]["url"]
    cast = _cast()
    with tempfile.TemporaryDirectory(dir=PLACE) as caches:
        warm, cold = Path(caches) / "warm", Path(caches) / "cold"
        mine = ours(base, warm)
        # The first start also fills the cache; any answer will do, since no id is known yet.
        anything = Request(method="GET", path="/journals?limit=1", token=roles(cast, BILLING)["vendor"])
        with running(mine, anything) as first:
            asked = find(first.port, base, cast, routes)
        servers = [mine, bare(base, asked.plan)]
        # Prism serves one document in a process: what is told of its start and memory is told of billing's.
        others: list[Server] = []
        if peer is not None:
            try:
                servers.append(peer(BILLING, documents[BILLING]))
                others += [peer(api, documents[api]) for api in (ACCOUNTS, CREDITS)]
            except Unfit as unfit:
                print(f"Prism is skipped: {unfit}.\n")
        figures = report.Figures()
        reading = asked.calls[0].requests[0]
        with running(ours(base, cold), reading) as empty:
            figures.cold = empty.started
        for turn in range(rounds):
            for server in _turned(servers, turn):
                with running(server, reading) as started:
                    figures.starts.setdefault(server.name, []).append(started.started)
                    if started.spent is not None:
                        figures.spent.setdefault(server.name, []).append(started.spent)
        _rounds(figures, servers, others, asked, rounds, seconds, documents)
    for line in report.lines(figures, asked.calls, [server.name for server in servers]):
        print(line)


def _rounds(
    figures: report.Figures,
    servers: Sequence[Server],
    others: Sequence[Server],
    asked: Asked,
    rounds: int,
    seconds: int,
    documents: Mapping[str, Mapping[str, Any]],
) -> None:
    """Load every server with every call that it can answer in every round; `others` only count for their calls."""
    everyone = [*servers, *others]
    with ExitStack() as lasting:
        steady = {each: lasting.enter_context(_up(each, asked)) for each in everyone if not each.grows}
        said: dict[str, dict[str, Answer]] = {}
        for server, each in steady.items():
            said.setdefault(server.name, {}).update(_answers(each, asked))
            for call in _fitting(server, asked):
                load.measure(each, call, 1)
        for turn in range(rounds):
            with ExitStack() as passing:
                fresh = {each: passing.enter_context(_up(each, asked)) for each in servers if each.grows}
                said |= {server.name: _answers(each, asked) for server, each in fresh.items()}
                up = steady | fresh
                if turn == 0:
                    for name, answers in said.items():
                        figures.sizes |= {(name, call): len(answer.body) for call, answer in answers.items()}
                    print(*_comparisons(said, documents.values()), "", sep="\n")
                for call in asked.calls:
                    if call.wanted is None and turn >= SIDE_ROUNDS:
                        continue
                    length = seconds if call.wanted is not None else 1
                    for server in _turned([each for each in everyone if call in _fitting(each, asked)], turn):
                        sample = load.measure(up[server], call, length)
                        figures.samples.setdefault((server.name, call.name), []).append(sample)
                for server in servers:
                    if (held := machine.resident(up[server].pid)) is not None:
                        figures.memory.setdefault(server.name, []).append(held)


def _up(server: Server, asked: Asked) -> AbstractContextManager[Running]:
    """A server that has answered the first of its calls."""
    return running(server, _fitting(server, asked)[0].requests[0])


def _fitting(server: Server, asked: Asked) -> list[Call]:
    """The calls that a server can answer at all."""
    served = (call for call in asked.calls if server.api in (None, call.api))
    return [call for call in served if call.stateless or not server.stateless]


def _answers(target: Running, asked: Asked) -> dict[str, Answer]:
    """One answer to each call, by its name, after preparing. Raises Unfit where a status is not the expected one."""
    said = {}
    if target.server.name == OURS:
        for request in asked.prepare:
            if (done := ask(target.port, target.server.base, request)).status >= 400:
                raise Unfit(
                    f"{OURS}: answers {done.status} to {request.method} {request.path}, which prepares the world"
                )
    for call in _fitting(target.server, asked):
        answer = ask(target.port, target.server.base, call.requests[0])
        if answer.status != call.status:
            found = f"{answer.status}, not {call.status}: {answer.body[:300].decode(errors='replace')}"
            raise Unfit(f"{target.server.name}, {call.name}: answers {found}")
        if call.undo is not None:
            ask(target.port, target.server.base, call.undo)
        said[call.name] = answer
    return said


def _comparisons(said: Mapping[str, Mapping[str, Answer]], documents: Collection[Mapping[str, Any]]) -> Iterator[str]:
    """How far the answers of the others can be compared with ours, in words."""
    mine = said[OURS]
    same = [call for call, answer in said[BARE].items() if answer.body == mine[call].body]
    yield f"{BARE}: the same bytes as ours for {', '.join(same) or 'nothing'}"
    examples = [example for document in documents for example in _examples(document)]
    for name in said.keys() - {OURS, BARE}:
        found = {call: answer for call, answer in said[name].items() if answer.status < 400}
        given = [call for call, answer in found.items() if answer.value in examples]
        others = ", ".join(call for call in found if call not in given)
        invented = f"; makes up {others}" if others else ""
        yield f"{name}: the contract's examples for {', '.join(given) or 'nothing'}{invented}"


def _examples(document: Mapping[str, Any]) -> Iterator[Any]:
    """What a document gives as examples of whole answers."""
    yield from (schema["example"] for schema in document["components"]["schemas"].values() if "example" in schema)
    for path in document["paths"].values():
        for operation in (each for each in path.values() if "responses" in each):
            media = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
            if "example" in media:
                yield media["example"]


def _turned(servers: Sequence[Server], turn: int) -> list[Server]:
    """Another one first each round, so that none is always the one that comes after a certain other."""
    first = turn % len(servers)
    return [*servers[first:], *servers[:first]]


def _contracts() -> tuple[dict[str, dict[str, Any]], list[tuple[str, str, list[str]]]]:
    """The assembled document of each API, and method, path and roles of every operation of billing."""
    from specs.documents import document
    from specs.tables import load as tables

    operations = tables(BILLING).operations.values()
    routes = [(each.method, each.path, sorted(each.roles)) for each in operations]
    return {api: document(api) for api in (BILLING, ACCOUNTS, CREDITS)}, routes


def _cast() -> list[dict[str, Any]]:
    """What is told of the callers who can log in."""
    done = subprocess.run(
        [sys.executable, "-m", "mockserver", "callers", "--json"], cwd=ROOT, capture_output=True, timeout=60
    )
    if done.returncode != 0:
        raise Unfit(f"`mockserver callers` failed: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return [each for each in json.loads(done.stdout) if not each["expires"]]


def _others() -> str:
    """What else uses the processor, so that a reader knows how far to trust absolute figures."""
    return ", ".join(f"{name} {share:.0%}" for share, name in machine.busy()[:5]) or "nothing else"


if __name__ == "__main__":
    raise SystemExit(main())
