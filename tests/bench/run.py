"""The benchmark: our server beside a bare Starlette application, Prism and WireMock, in one run, in turns.

    python tests/bench/run.py [--quick] [--only PART]...

Every figure is a median of interleaved rounds. Servers that keep what is created are started anew for each round, so
that all rounds meet the same world; the others keep nothing and run through, warmed up. Only the loopback is used.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import commands
import load
import machine
import report
import scale
import verdicts
from calls import (
    ACCOUNTS,
    BARE,
    BILLING,
    CREDITS,
    PRISM,
    WIREMOCK,
    Answer,
    Asked,
    Call,
    Request,
    Unfit,
    ask,
    find,
    roles,
    stubs,
)
from machine import progress
from servers import (
    OURS,
    PLACE,
    PRISM_VERSION,
    ROOT,
    WIREMOCK_VERSION,
    Running,
    Server,
    bare,
    end_on_signals,
    ours,
    prism,
    running,
    wiremock,
)
from verdicts import Verdict

COMPARED = ("requests", "start")
PARTS = (*COMPARED, "help", "sandboxes", "scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    rounds, seconds: of load, for each call
    warming: seconds for each call before the first round: a JVM compiles what it does often
    alike: requests of each call that every server answers before its memory is looked at
    starts, runs: of each server, and of each command
    sizes, lines, turns: of scale: charges in the worlds, of a file, and rounds
    """

    rounds: int
    seconds: int
    warming: int
    alike: int
    starts: int
    runs: int
    sizes: Sequence[int]
    lines: int
    turns: int


WHOLE = Plan(rounds=5, seconds=2, warming=3, alike=500, starts=5, runs=15, sizes=scale.SIZES, lines=100_000, turns=3)
QUICK = Plan(rounds=1, seconds=1, warming=1, alike=100, starts=1, runs=7, sizes=scale.SIZES[:2], lines=20_000, turns=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Who takes part in the comparison, and in what.

    servers: those that are shown; others: they answer for one of those, each the calls of one more API
    """

    servers: Sequence[Server]
    others: Sequence[Server]
    asked: Asked
    documents: Mapping[str, Mapping[str, Any]]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure our server, alone and beside others.")
    parser.add_argument("--quick", action="store_true", help="a first look: one round, no world of a million charges")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part of it; may be said more than once")
    parser.add_argument("--without", action="append", default=[], choices=(PRISM, WIREMOCK), help="leave a peer out")
    parser.add_argument(
        "--one-core", action="store_true", help="hold each server to the first core, the load to others"
    )
    parser.add_argument("--prism-log", action="store_true", help="have Prism log every request, as it does by itself")
    options = parser.parse_args()
    plan = QUICK if options.quick else WHOLE
    parts = options.only or PARTS
    end_on_signals()
    # Where this is set, every start compiles anew what was not compiled before; no user's machine does that.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    began, failed = time.perf_counter(), False
    found: list[Verdict] = []
    try:
        PLACE.mkdir(parents=True, exist_ok=True)
        core = _first_core() if options.one_core else None
        print(f"load average {machine.load()}; at work: {_others()}\n")
        measures: list[tuple[Sequence[str], Callable[[], Iterable[Verdict]]]] = [
            (COMPARED, partial(_compared, plan, parts, options.without, core, prism_log=options.prism_log)),
            (["help"], partial(commands.measured, plan.runs)),
            (["sandboxes"], _sandboxes),
            (["scale"], partial(scale.measured, plan.sizes, lines=plan.lines, rounds=plan.turns)),
        ]
        for names, measure in measures:
            if not set(names) & set(parts):
                continue
            try:
                found += measure()
            except Unfit as unfit:
                # The other parts are worth their time all the same.
                print(f"bench: {unfit}", file=sys.stderr)
                failed = True
    except Unfit as unfit:
        print(f"bench: {unfit}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; what it started is ended.", file=sys.stderr)
        return 130
    print(*verdicts.lines(found), sep="\n")
    print(f"{time.perf_counter() - began:.0f} s in all; load average {machine.load()}; at work: {_others()}")
    return int(failed)


def _first_core() -> int:
    """The core that servers are held to; we, and so the load, keep to the others. Raises Unfit."""
    if not hasattr(os, "sched_setaffinity") or len(cores := sorted(os.sched_getaffinity(0))) < 2:
        raise Unfit("--one-core needs Linux and two cores")
    os.sched_setaffinity(0, cores[1:])
    return cores[0]


def _compared(
    plan: Plan, parts: Collection[str], without: Collection[str], core: int | None, *, prism_log: bool
) -> list[Verdict]:
    """The servers side by side; core: the one that each is held to, if any."""
    figures = report.Figures()
    with tempfile.TemporaryDirectory(dir=PLACE) as caches:
        field = _field(Path(caches), without, core, prism_log=prism_log)
        asked = field.asked
        reading = asked.calls[0].requests[0]
        base = field.servers[0].base
        for turn in range(plan.starts if "start" in parts else 0):
            progress(f"starts, round {turn + 1} of {plan.starts}")
            with running(replace(ours(base, Path(caches) / f"cold-{turn}"), core=core), reading) as empty:
                figures.cold.append(empty.started)
            for server in _turned(field.servers, turn):
                with running(server, reading) as started:
                    figures.starts.setdefault(server.name, []).append(started.started)
                    if started.spent is not None:
                        figures.spent.setdefault(server.name, []).append(started.spent)
        if "requests" in parts:
            print(f"load by {load.tool()}; {plan.rounds} rounds of {plan.seconds} s")
            _rounds(figures, field, plan)
            _alike(figures, field, plan.alike)
    print(*report.lines(figures, asked.calls, [server.name for server in field.servers]), sep="\n")
    return list(report.verdicts(figures, asked.calls))


def _field(caches: Path, without: Collection[str], core: int | None, *, prism_log: bool) -> Field:
    """The servers, and what they are asked, which is found in a world of ours. One that cannot be installed is left
    out by name.
    """
    progress("finding what to ask, installing peers")
    documents, routes = _contracts()
    base = documents[BILLING]["servers"][0]["url"]
    cast = _cast()
    mine = ours(base, caches / "warm")
    # The first start also fills the cache; any answer will do, since no id is known yet.
    anything = Request(method="GET", path="/journals?limit=1", token=roles(cast, BILLING)["vendor"])
    with running(mine, anything) as first:
        asked = find(first.port, base, cast, routes)
    servers, others = [mine, bare(base, asked.plan)], list[Server]()
    if PRISM not in without:
        try:
            # It serves one document in a process: its start and memory are told of billing's.
            servers.append(prism(BILLING, documents[BILLING], log=prism_log))
            others += [prism(api, documents[api], log=prism_log) for api in (ACCOUNTS, CREDITS)]
            print(f"{PRISM} {PRISM_VERSION}{'' if prism_log else ', its log of requests off'}")
        except Unfit as unfit:
            print(f"{PRISM} is skipped: {unfit}.")
    if WIREMOCK not in without:
        try:
            with running(mine, asked.calls[0].requests[0]) as telling:
                servers.append(wiremock(stubs(_everything(telling, asked), base), base))
            print(f"{WIREMOCK} {WIREMOCK_VERSION}, canned replies, on {_java(servers[-1].command[0])}")
        except Unfit as unfit:
            print(f"{WIREMOCK} is skipped: {unfit}.")
    held = [[replace(each, core=core) for each in some] for some in (servers, others)]
    return Field(servers=held[0], others=held[1], asked=asked, documents=documents)


def _java(command: str) -> str:
    """The version of a Java, in its own words."""
    done = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=60)
    return next(iter(done.stderr.splitlines()), "an unknown Java")


def _rounds(figures: report.Figures, field: Field, plan: Plan) -> None:
    """Load every server with every call that it can answer in every round; the `others` only count for their calls."""
    asked = field.asked
    everyone = [*field.servers, *field.others]
    with ExitStack() as lasting:
        steady = {each: lasting.enter_context(_up(each, asked)) for each in everyone if not each.grows}
        said: dict[str, dict[str, Answer]] = {}
        for server, each in steady.items():
            progress(f"warming up {server.name}{f' ({server.api})' if server.api else ''}")
            said.setdefault(server.name, {}).update(_answers(each, asked))
            for call in _fitting(server, asked):
                load.measure(each, call, plan.warming)
        for turn in range(plan.rounds):
            with ExitStack() as passing:
                fresh = {each: passing.enter_context(_up(each, asked)) for each in field.servers if each.grows}
                said |= {server.name: _answers(each, asked) for server, each in fresh.items()}
                up = steady | fresh
                if turn == 0:
                    for name, answers in said.items():
                        figures.sizes |= {(name, call): len(answer.body) for call, answer in answers.items()}
                    print(*_comparisons(said, field.documents.values()), "", sep="\n")
                for call in asked.calls:
                    progress(f"requests, round {turn + 1} of {plan.rounds}: {call.name}")
                    for server in _turned([each for each in everyone if call in _fitting(each, asked)], turn):
                        sample = load.measure(up[server], call, plan.seconds)
                        figures.samples.setdefault((server.name, call.name), []).append(sample)
                for server in field.servers:
                    if (held := machine.resident(up[server].pid)) is not None:
                        figures.loaded.setdefault(server.name, []).append(held)


def _alike(figures: report.Figures, field: Field, number: int) -> None:
    """The memory of every server, just started, once it has answered as many requests of each call as the others."""
    for server in field.servers:
        progress(f"memory: {server.name}")
        with _up(server, field.asked) as each:
            _prepare(each, field.asked)
            for call in _fitting(server, field.asked):
                for request in islice(cycle(call.requests), number):
                    _answer(each, call, request)
            if (held := machine.resident(each.pid)) is not None:
                figures.memory[server.name] = [held]


def _sandboxes() -> list[Verdict]:
    """What sandboxes cost, measured in a process of its own."""
    progress("sandboxes")
    script = Path(__file__).with_name("sandboxes.py")
    done = subprocess.run([sys.executable, str(script), "--json"], cwd=ROOT, capture_output=True, timeout=300)
    if done.returncode != 0:
        raise Unfit(f"{script.name} failed: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return [Verdict(**each) for each in json.loads(done.stdout)]


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
    _prepare(target, asked)
    for call in _fitting(target.server, asked):
        said[call.name] = _answer(target, call, call.requests[0])
        if call.undo is not None:
            ask(target.port, target.server.base, call.undo)
    return said


def _everything(target: Running, asked: Asked) -> list[tuple[Request, Answer]]:
    """Every request of every call with its answer, after preparing; those of the calls that are first at last, where
    WireMock looks first.
    """
    _prepare(target, asked)
    # Statements return to where they began: the last of a call's requests makes the first possible again.
    said = [(request, _answer(target, call, request)) for call in asked.calls for request in call.requests]
    return said[::-1]


def _prepare(target: Running, asked: Asked) -> None:
    for request in asked.prepare if target.server.name == OURS else ():
        if (done := ask(target.port, target.server.base, request)).status >= 400:
            raise Unfit(f"{OURS}: answers {done.status} to {request.method} {request.path}, which prepares the world")


def _answer(target: Running, call: Call, request: Request) -> Answer:
    answer = ask(target.port, target.server.base, request)
    if answer.status != call.status:
        found = f"{answer.status}, not {call.status}: {answer.body[:300].decode(errors='replace')}"
        raise Unfit(f"{target.server.name}, {call.name}: answers {found}")
    return answer


def _comparisons(said: Mapping[str, Mapping[str, Answer]], documents: Collection[Mapping[str, Any]]) -> Iterator[str]:
    """How far the answers of the others can be compared with ours, in words."""
    mine = said[OURS]
    for name in (each for each in (BARE, WIREMOCK) if each in said):
        same = [call for call, answer in said[name].items() if answer.body == mine[call].body]
        yield f"{name}: the same bytes as ours for {', '.join(same) or 'nothing'}"
    examples = [example for document in documents for example in _examples(document)]
    for name in said.keys() & {PRISM}:
        found = {call: answer for call, answer in said[name].items() if answer.status < 400}
        given = [call for call, answer in found.items() if answer.value in examples]
        others = ", ".join(call for call in found if call not in given)
        invented = f"; makes up {others}" if others else ""
        rows = sorted({len(each) for call in given for each in _lists(found[call].value)})
        held = f"; a list of it holds {' or '.join(map(str, rows))}" if rows else ""
        yield f"{name}: the contract's examples for {', '.join(given) or 'nothing'}{held}{invented}"


def _lists(value: Any) -> Iterator[list[Any]]:
    """The rows of an answer that is a list in an envelope."""
    if isinstance(value, dict) and value.keys() & {"$meta", "listCompleted"}:
        yield from (each for each in value.values() if isinstance(each, list))


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
