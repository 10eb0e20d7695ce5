"""The toolkit against servers with one defect each: which it finds, under which name, and what it says beside that.

A catalogue is a module of the user's, named `module:attribute`: a sequence of defects, and beside it `sound(api)`,
which makes a server without any.

Against a defect the directed checks run first, and what draws its requests at random only where these have not found
it: that takes longer than all the rest. What they made is left there, as the server goes away itself. Against the
sound server everything runs, and takes away what it made.
"""

from __future__ import annotations

import contextlib
import gc
import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TextIO

from contracts import extra
from contracts.findings import Finding, Result
from contracts.following import fold
from contracts.mistakes import Mistake, near

SEEDS = (1, 2, 3)
WANTED = 0.98
"""Of all defects this part must be found under its right name."""
PATIENCE = 1.0
"""Seconds that background work may take, which nobody waits for: nothing of what is planted works by itself."""
LONGEST = 900
"""Seconds that one run may take"""
DRAWN = ("check:conformance.*", "check:journeys.*")
"""Checks that draw their requests at random"""
LITTER = 200_000
"""Objects that runs may leave behind before it is looked which of them can go"""
SETTINGS = Path(__file__).parent.parent / "fixtures" / "contracts.toml"


class Planted(Protocol):
    """One defect.

    kind: its class; codes: those under which it is rightly found
    at: what a finding must name: an operationId, or an entity; "" where any will do
    """

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def api(self) -> str: ...

    @property
    def says(self) -> str: ...

    @property
    def codes(self) -> Sequence[str]: ...

    @property
    def at(self) -> str: ...

    def plant(self) -> Any:
        """An ASGI application that has it, and no other."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run against one server came to.

    right: findings that name the defect; other: those that do not, a line each
    stopped: why it ended before its end; unchecked: what could not be checked, and should have been
    """

    name: str
    right: tuple[str, ...]
    other: tuple[str, ...]
    requests: int
    seconds: float
    stopped: str = ""
    unchecked: int = 0

    @property
    def found(self) -> bool:
        return bool(self.right or self.other)


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalogue that was read. place: module:attribute, by which other processes read it again"""

    place: str
    defects: Mapping[str, Planted]
    sound: Callable[[str], Any]


def selftest(
    catalog: str = "tests.faulty:DEFECTS", *, only: Sequence[str] = (), jobs: int | None = None, out: TextIO
) -> int:
    """Run against the sound server, then against each defect; print what came of it.

    only: names or classes of defects; jobs: processes, by default as many as there are cores
    Returns 0 if nothing was found on the sound server and nearly every defect was, 1 if not, 2 if there is nothing to
    run.
    """
    try:
        extra.needed()
        known = load(catalog)
        chosen = _chosen(known, only)
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        return 2
    with processes(jobs or os.cpu_count() or 1) as pool:
        sound = _sound(pool, known, list(dict.fromkeys(each.api for each in chosen)), out)
        outcomes = _run(pool, known, chosen, out)
    _table(chosen, outcomes, out)
    named = sum(bool(outcomes[each.name].right) for each in chosen)
    _list(chosen, outcomes, out)
    print(f"\n{named} of {len(chosen)} found under their right name, {100 * named / len(chosen):.1f} %.", file=out)
    return 0 if sound and named >= WANTED * len(chosen) else 1


def load(place: str) -> Catalog:
    """The catalogue of that name. Raises Mistake."""
    module, colon, attribute = place.partition(":")
    if not colon:
        raise Mistake(f"--catalog {place}: say module:attribute, such as tests.faulty:DEFECTS.")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        raise Mistake(f"--catalog {place}: no module {error.name!r}; call from the folder of its project.") from None
    for name in (attribute, "sound"):
        if not hasattr(found, name):
            raise Mistake(f"--catalog {place}: no {name!r} there; a catalogue has its defects, and `sound(api)`.")
    defects = {each.name: each for each in getattr(found, attribute)}
    if not SETTINGS.is_file():
        raise Mistake(f"{SETTINGS}: not there; the callers of the planted servers stand in it.")
    return Catalog(place, defects, found.sound)


def names(defect: Planted, finding: Finding) -> bool:
    """Whether a finding is about the defect: of the right code, and at the right place."""
    places = (finding.subject, finding.cell)
    return (
        finding.code in defect.codes
        and (
            finding.operation == defect.at
            or any(defect.at in place for place in places)
            # An entity stands in the names of its operations.
            or (defect.at[:1].isupper() and defect.at in finding.operation)
        )
    )


def _chosen(known: Catalog, only: Sequence[str]) -> list[Planted]:
    kinds = {each.kind for each in known.defects.values()}
    for word in only:
        if word not in known.defects and word not in kinds:
            raise Mistake(f"--only {word}: no such defect or class; {near(word, [*kinds, *known.defects])}")
    return [each for each in known.defects.values() if not only or each.name in only or each.kind in only]


# Running


@contextlib.contextmanager
def processes(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes to run against servers in, ready for it."""
    # Fresh ones: nothing that is open here, and no thread, is taken along.
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_ready)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _ready() -> None:
    """Make ready a process that runs one thing after the other.

    What a run leaves behind is collected once it has ended: looking for it meanwhile takes a seventh of the time.
    """
    import schemathesis  # noqa: F401

    gc.collect()
    gc.freeze()
    gc.disable()


def _sound(pool: ProcessPoolExecutor, known: Catalog, apis: Sequence[str], out: TextIO) -> bool:
    """Whether nothing was found on the sound server; tells what was."""
    tasks = {pool.submit(against_sound, known.place, api, seed): (api, seed) for api in apis for seed in SEEDS}
    silent = True
    for done in as_completed(tasks):
        (api, seed), outcome = tasks[done], done.result()
        said = "nothing found" if not outcome.other else f"{len(outcome.other)} found"
        said += f", {outcome.unchecked} could not be checked" if outcome.unchecked else ""
        said += f", stopped: {outcome.stopped}" if outcome.stopped else ""
        print(f"sound {api}, seed {seed}: {said}; {outcome.requests} requests, {outcome.seconds:.1f} s", file=out)
        for line in outcome.other:
            print(f"  {line}", file=out)
        silent = silent and not outcome.other and not outcome.stopped
    out.flush()
    return silent


def _run(pool: ProcessPoolExecutor, known: Catalog, chosen: Sequence[Planted], out: TextIO) -> dict[str, Outcome]:
    tasks = {pool.submit(against, known.place, each.name): each for each in chosen}
    outcomes: dict[str, Outcome] = {}
    shows = out.isatty()
    for done in as_completed(tasks):
        defect = tasks[done]
        outcomes[defect.name] = outcome = done.result()
        missed = sum(not each.right for each in outcomes.values())
        if shows:
            print(f"\r{len(outcomes)} of {len(chosen)}, {missed} not found \x1b[K", end="", file=out, flush=True)
        elif not outcome.right:
            print(f"{len(outcomes)} of {len(chosen)}: {defect.name} not found", file=out, flush=True)
    if shows:
        print("\r\x1b[K", end="", file=out)
    return outcomes


def against(place: str, name: str, seed: int = 1) -> Outcome:
    """A run against one defect of a catalogue."""
    defect = load(place).defects[name]
    made = _against(defect, seed, skip=DRAWN)
    if made.right or made.stopped:
        return made
    more = _against(defect, seed, only=DRAWN)
    other = made.other if more.right else tuple(dict.fromkeys((*made.other, *more.other)))
    return replace(more, other=other, requests=made.requests + more.requests, seconds=made.seconds + more.seconds)


def _against(defect: Planted, seed: int, **selected: Sequence[str]) -> Outcome:
    try:
        result = _result(defect.plant, defect.api, seed, tidy=False, **selected)
    except Exception as error:  # whatever a check makes of such a server is a fault of the check, and told as that
        return Outcome(defect.name, (), (), 0, 0.0, " ".join(f"{type(error).__name__}: {error}".split()))
    right = tuple(_line(each) for each in result.findings if names(defect, each))
    heads = [each for each in fold(result.findings) if not each.follows]
    # Without a right one, those of the right code elsewhere are told, too.
    other = tuple(_line(each) for each in heads if not right or each.code not in defect.codes)
    return replace(_outcome(defect.name, result), right=right, other=other)


def against_sound(place: str, api: str, seed: int) -> Outcome:
    """A run against the sound server."""
    known = load(place)
    result = _result(lambda: known.sound(api), api, seed, tidy=True)
    return replace(_outcome(api, result), other=tuple(map(_line, result.findings)))


def _result(
    make: Callable[[], Any], api: str, seed: int, *, tidy: bool, only: Sequence[str] = (), skip: Sequence[str] = ()
) -> Result:
    from contracts import config
    from contracts.run import run
    from contracts.settings import Mode, Settings
    from contracts.waiting import Leaping

    said = config.read(SETTINGS)
    settings = Settings(
        app=make(),
        apis=(api,),
        callers=said.callers,
        mode=Mode.FULL,
        seed=seed,
        patience=PATIENCE,
        clock=Leaping(),
        only=tuple(only),
        skip=tuple(skip),
        known=said.known,
        lend=said.lend,
        values=said.values,
        tidy=tidy,
    )
    try:
        # What a server that fails has to say of it is of no use here.
        with _within(LONGEST), contextlib.redirect_stderr(io.StringIO()):
            return run(settings)
    finally:
        if not gc.isenabled() and gc.get_count()[0] > LITTER:
            gc.collect()


@contextlib.contextmanager
def _within(seconds: int) -> Iterator[None]:
    """End a run that takes longer, as Ctrl-C does; where there are no alarms, it may take as long as it does."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _outcome(name: str, result: Result) -> Outcome:
    fatal = sum(each.fatal for each in result.unchecked)
    return Outcome(name, (), (), result.requests, result.seconds, result.stopped, fatal)


def _line(finding: Finding) -> str:
    place = " ".join(filter(None, (finding.operation, finding.subject)))
    return f"{finding.code} {place}: expected {finding.expected}, came {finding.came} [{finding.check}]"[:240]


# Telling

COLUMNS = ("class", "defects", "found", "rightly", "noisy", "requests", "seconds")


def _table(chosen: Sequence[Planted], outcomes: Mapping[str, Outcome], out: TextIO) -> None:
    """A line a class, and one for all of them. noisy: defects beside which something else was found, too"""
    kinds = dict.fromkeys(each.kind for each in chosen)
    lines = [COLUMNS, *(_row(kind, [each for each in chosen if each.kind == kind], outcomes) for kind in kinds)]
    lines.append(_row("all", chosen, outcomes))
    widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
    print(file=out)
    for line in lines:
        first, *rest = (
            each.ljust(width) if not place else each.rjust(width)
            for place, (each, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join([first, *rest]), file=out)


def _row(kind: str, defects: Sequence[Planted], outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    mine = [outcomes[each.name] for each in defects]
    counts = (len(mine), sum(each.found for each in mine), sum(bool(each.right) for each in mine))
    noisy = sum(bool(each.right and each.other) for each in mine)
    requests, seconds = sum(each.requests for each in mine), sum(each.seconds for each in mine)
    return (kind, *map(str, (*counts, noisy, requests)), f"{seconds:.0f}")


def _list(chosen: Sequence[Planted], outcomes: Mapping[str, Outcome], out: TextIO) -> None:
    """Every defect that was not found rightly, and every one that something else was found beside."""
    for title, wanted in (("Not found under its right name", False), ("With something else beside it", True)):
        listed = [each for each in chosen if bool(outcomes[each.name].right) is wanted]
        listed = [each for each in listed if not wanted or outcomes[each.name].other]
        if listed:
            print(f"\n{title}:", file=out)
        for each in listed:
            outcome = outcomes[each.name]
            print(f"  {each.name} ({each.kind}, {each.api}) {'/'.join(each.codes)} {each.at}: {each.says}", file=out)
            for line in outcome.other[:6]:
                print(f"      {line}", file=out)
            if len(outcome.other) > 6:
                print(f"      and {len(outcome.other) - 6} more", file=out)
            if outcome.stopped:
                print(f"      stopped: {outcome.stopped}", file=out)
