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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import load
import machine
import report
from calls import Answer, Asked, Call, Request, Unfit, ask, find
from servers import BARE, OURS, PLACE, ROOT, Running, Server, bare, end_on_signals, ours, prism, running

API = "billing"
SIDE_ROUNDS = 3
"""Rounds for the calls of which nothing is wanted: enough to see, and the whole stays at about three minutes."""


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


def _benchmark(rounds: int, seconds: int, peer: Callable[[Mapping[str, Any]], Server] | None) -> None:
    document, routes = _contract()
    base = document["servers"][0]["url"]
    tokens = _tokens()
    with tempfile.TemporaryDirectory(dir=PLACE) as caches:
        warm, cold = Path(caches) / "warm", Path(caches) / "cold"
        mine = ours(base, warm)
        # The first start also fills the cache; any answer will do, since no id is known yet.
        anything = Request(method="GET", path="/journals?limit=1", token=tokens["vendor"])
        with running(mine, anything) as first:
            asked = find(first.port, base, tokens, routes)
        servers = [mine, bare(base, asked.plan)]
        if peer is not None:
            try:
                servers.append(peer(document))
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
        _rounds(figures, servers, asked, rounds, seconds, document)
    for line in report.lines(figures, asked.calls, [server.name for server in servers]):
        print(line)


def _rounds(
    figures: report.Figures,
    servers: Sequence[Server],
    asked: Asked,
    rounds: int,
    seconds: int,
    document: Mapping[str, Any],
) -> None:
    """Load every server with every call in every round."""
    reading = asked.calls[0].requests[0]
    with ExitStack() as lasting:
        steady = {each.name: lasting.enter_context(running(each, reading)) for each in servers if not each.grows}
        said = {name: _answers(each, asked) for name, each in steady.items()}
        for each in steady.values():
            for call in _fitting(each.server, asked):
                load.measure(each, call, 1)
        for turn in range(rounds):
            with ExitStack() as passing:
                fresh = {each.name: passing.enter_context(running(each, reading)) for each in servers if each.grows}
                said |= {name: _answers(each, asked) for name, each in fresh.items()}
                up = steady | fresh
                if turn == 0:
                    for name, answers in said.items():
                        figures.sizes |= {(name, call): len(answer.body) for call, answer in answers.items()}
                    print(*_comparisons(said, document), "", sep="\n")
                for call in asked.calls:
                    if call.wanted is None and turn >= SIDE_ROUNDS:
                        continue
                    length = seconds if call.wanted is not None else 1
                    for server in _turned(servers, turn):
                        if call in _fitting(server, asked):
                            sample = load.measure(up[server.name], call, length)
                            figures.samples.setdefault((server.name, call.name), []).append(sample)
                for name, each in up.items():
                    if (held := machine.resident(each.pid)) is not None:
                        figures.memory.setdefault(name, []).append(held)


def _fitting(server: Server, asked: Asked) -> list[Call]:
    """The calls that a server can answer at all."""
    return [call for call in asked.calls if call.stateless or not server.stateless]


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


def _comparisons(said: Mapping[str, Mapping[str, Answer]], document: Mapping[str, Any]) -> Iterator[str]:
    """How far the answers of the others can be compared with ours, in words."""
    mine = said[OURS]
    same = [call for call, answer in said[BARE].items() if answer.body == mine[call].body]
    yield f"{BARE}: the same bytes as ours for {', '.join(same) or 'nothing'}"
    examples = [schema["example"] for schema in document["components"]["schemas"].values() if "example" in schema]
    for name in said.keys() - {OURS, BARE}:
        found = {call: answer for call, answer in said[name].items() if answer.status < 400}
        given = [call for call, answer in found.items() if answer.value in examples]
        others = ", ".join(call for call in found if call not in given)
        invented = f"; makes up {others}" if others else ""
        yield f"{name}: the contract's examples for {', '.join(given) or 'nothing'}{invented}"


def _turned(servers: Sequence[Server], turn: int) -> list[Server]:
    """Another one first each round, so that none is always the one that comes after a certain other."""
    first = turn % len(servers)
    return [*servers[first:], *servers[:first]]


def _contract() -> tuple[dict[str, Any], list[tuple[str, str, list[str]]]]:
    """The assembled document, and method, path and roles of every operation."""
    from specs.documents import document
    from specs.tables import load as tables

    operations = tables(API).operations.values()
    return document(API), [(each.method, each.path, sorted(each.roles)) for each in operations]


def _tokens() -> dict[str, str]:
    """Role -> the token of its first caller who can log in."""
    done = subprocess.run(
        [sys.executable, "-m", "mockserver", "callers", "--json"], cwd=ROOT, capture_output=True, timeout=60
    )
    if done.returncode != 0:
        raise Unfit(f"`mockserver callers` failed: {done.stderr.decode(errors='replace').strip()[-300:]}")
    tokens: dict[str, str] = {}
    for each in json.loads(done.stdout):
        if not each["expires"]:
            tokens.setdefault(each["role"], each["token"])
    return tokens


def _others() -> str:
    """What else uses the processor, so that a reader knows how far to trust absolute figures."""
    return ", ".join(f"{name} {share:.0%}" for share, name in machine.busy()[:5]) or "nothing else"


if __name__ == "__main__":
    raise SystemExit(main())
