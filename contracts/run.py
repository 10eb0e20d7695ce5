"""A run: every check that was chosen, for every API that was chosen, against one target."""

from __future__ import annotations

import gc
import random
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from contracts import registry
from contracts.findings import CheckResult, Finding, Result, Unchecked
from contracts.guard import Beyond, Unsafe
from contracts.journal import LASTING, Journal, Thing
from contracts.mistakes import Mistake
from contracts.probe import Blocked, Nothing, Probe
from contracts.recognizing import recognize
from contracts.registry import Check
from contracts.selecting import Selection
from contracts.sending import Sender, Stopped
from contracts.settings import Mode, Settings
from contracts.target import Target, Unreachable, connect
from contracts.wire import Exchange
from specs.tables import Api, load, names

SELDOM = 10
"""So many times more objects are made before they are looked through for garbage."""


class Progress(Protocol):
    """Who is told how far a run is."""

    def begin(self, checks: int) -> None: ...

    def start(self, check: Check, api: str, cases: int) -> None: ...

    def step(self, requests: int, findings: int) -> None: ...

    def done(self, result: CheckResult) -> None: ...


class Silent:
    """Tells nobody."""

    def begin(self, checks: int) -> None: ...

    def start(self, check: Check, api: str, cases: int) -> None: ...

    def step(self, requests: int, findings: int) -> None: ...

    def done(self, result: CheckResult) -> None: ...


@dataclass
class Running:
    """A run under way: what its parts share, and the result as far as it is."""

    settings: Settings
    sender: Sender
    result: Result
    probes: dict[str, Probe] = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)
    case: str = ""
    """the case that is running"""
    asked: int = 0
    """calls that were sent before the first check"""
    _found: dict[tuple[str, str, str, str], int] = field(default_factory=dict)

    def report(self, finding: Finding) -> None:
        """Take a finding; one that is known already is counted and not told again."""
        if not self.selection.takes_code(finding.code):
            return
        at = self._found.get(finding.identity)
        if at is None:
            self._found[finding.identity] = len(self.result.findings)
            self.result.findings.append(replace(finding, case=self.case))
        else:
            known = self.result.findings[at]
            # The shorter of two ways to see it is the one to tell.
            shorter = finding if len(finding.steps) < len(known.steps) else known
            self.result.findings[at] = replace(shorter, also=known.also + 1, check=known.check, case=known.case)

    def seen(self, exchange: Exchange) -> None:
        """Count what an operation answered."""
        if exchange.operation:
            counts = self.result.statuses.setdefault((exchange.api, exchange.operation), {})
            counts[exchange.status] = counts.get(exchange.status, 0) + 1

    def run(self, check: Check, api: Api, case: str) -> None:
        """One case of a check."""
        p = self.probes[api.name]
        p.check, self.case = check.id, case
        try:
            with p.judging_late():
                for finding in check.run(p, case):
                    p.judge_due()
                    self.report(finding)
        except (Blocked, Unsafe) as reason:
            self.result.unchecked.append(
                Unchecked(api.name, check.id, case, str(reason), fatal=not isinstance(reason, Nothing | Beyond))
            )
        except (Stopped, Unreachable, Mistake):
            raise
        except Exception as fault:  # an answer that no check was written for; the others still have their say
            self.result.unchecked.append(Unchecked(api.name, check.id, case, _told(fault), fatal=True))


@contextmanager
def running(settings: Settings, redact: Callable[[str], str] = str) -> Iterator[Running]:
    """A run, set up; what it made is taken away when it ends, whatever ends it, if it is to be tidy.

    Raises target.Unreachable, specs.tables.TableError.
    """
    target = _connected(settings)
    sender = Sender(
        target,
        rate=settings.rate,
        budget=settings.budget,
        wire=settings.wire,
        redact=redact,
        sleep=settings.clock.sleep,
    )
    apis = [load(name, overlays=settings.overlays) for name in settings.apis or names()]
    result = Result(
        _plain(target.address), settings.mode, settings.seed, tuple(api.name for api in apis), strict=settings.strict
    )
    result.documents = {api.name: api for api in apis}
    result.served = settings.app is None
    result.callers, result.selected = settings.callers, bool(settings.only or settings.skip)
    path = None
    if settings.journal is not None and settings.mode is not Mode.READ_ONLY:
        path = settings.journal / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{random.SystemRandom().getrandbits(24):06x}.jsonl"
    journal = Journal(path, target=result.target)
    made = Running(settings, sender, result, selection=Selection.of(settings.only, settings.skip))
    for api in apis:
        made.probes[api.name] = Probe(
            api,
            settings,
            sender,
            journal=journal,
            report=made.report,
            note=result.cells.append,
            walk=result.transitions.setdefault,  # type: ignore[arg-type]  # what came first stays
            seen=made.seen,
        )
    began, removable = time.monotonic(), True
    try:
        yield made
    finally:
        try:
            removable = not settings.tidy or _clean(made)
        finally:
            result.requests, result.seconds = sender.count, time.monotonic() - began
            # What could be taken away, or was not looked at any more, is for `contracts clean`.
            journal.close(keep=removable)
            sender.close()


def run(settings: Settings, *, progress: Progress | None = None, redact: Callable[[str], str] = str) -> Result:
    """Run what the settings ask for. Raises target.Unreachable before anything was sent, specs.tables.TableError."""
    progress = progress or Silent()
    with _seldom_swept(), running(settings, redact) as made:
        try:
            _all(made, progress)
        except Stopped as reason:
            made.result.stopped = str(reason)
        except Unreachable as reason:
            if not any(counts for counts in made.result.statuses.values()):
                raise
            made.result.stopped = str(reason)
        except KeyboardInterrupt:
            made.result.stopped, made.result.interrupted = "interrupted.", True
        _drop_strangers(made)
    return made.result


@contextmanager
def _seldom_swept() -> Iterator[None]:
    """Have Python look for garbage less often: most of what a run makes it keeps, and a look goes over all of that."""
    often, *others = gc.get_threshold()
    gc.set_threshold(often * SELDOM, *others)
    try:
        yield
    finally:
        gc.set_threshold(often, *others)


def _drop_strangers(made: Running) -> None:
    """See that no token passes for a known one that was never let in: what it was refused says nothing of rights."""
    names = made.sender.strangers
    if not names:
        return
    made.result.findings = [each for each in made.result.findings if each.caller not in names]
    told = f"{', '.join(names)}: every call was answered 401; the token is wrong or has expired, renew it."
    made.result.stopped = made.result.stopped or told


def plan(settings: Settings, apis: Sequence[Api]) -> list[tuple[Check, Api, list[str]]]:
    """What a run will do: checks and their cases, in order."""
    selection = Selection.of(settings.only, settings.skip)
    chosen = []
    for check, api in product(registry.checks(), apis):
        if not check.applies(api) or not selection.takes_check(check):
            continue
        cases = [case for case in check.cases(api) if selection.takes_case(api, case)]
        if cases:
            chosen.append((check, api, cases))
    if settings.shuffle:
        random.Random(settings.seed).shuffle(chosen)
    return chosen


def _all(made: Running, progress: Progress) -> None:
    settings, result = made.settings, made.result
    chosen = plan(settings, list(result.documents.values()))
    recognize(made, {api.name for check, api, _ in chosen if settings.mode.allows(check.mode)})
    progress.begin(sum(settings.mode.allows(check.mode) for check, _, _ in chosen))
    for check, api, cases in chosen:
        if not settings.mode.allows(check.mode):
            result.unchecked.append(Unchecked(api.name, check.id, "", f"needs --mode {check.mode}"))
            continue
        progress.start(check, api.name, len(cases))
        one = CheckResult(check.id, api.name)
        requests, findings, began = made.sender.count, len(result.findings), time.monotonic()
        unchecked = len(result.unchecked)
        try:
            for case in cases:
                made.run(check, api, case)
                one.cases += 1
                one.names.append(case)
                progress.step(made.sender.count - requests, len(result.findings) - findings)
        finally:
            one.requests, one.findings = made.sender.count - requests, len(result.findings) - findings
            one.seconds, one.unchecked = time.monotonic() - began, len(result.unchecked) - unchecked
            result.checks.append(one)
        progress.done(one)
    if made.asked and made.sender.count == made.asked:
        result.stopped = "no check had anything to send; give more callers a token, or choose other checks."


def _clean(made: Running) -> bool:
    """Take away what the run made, newest first; whether something is left that could be."""
    removable = False
    for p in made.probes.values():
        p.check = "clean"
        p.sender.spare = 0
        for number, thing in reversed(p.things):
            done, why = _away(made, p, thing)
            if done is None:
                removable = True
            else:
                p.journal.gone(number, entity=thing.entity, id=thing.id, **({} if done else {"why": LASTING}))
            if not done:
                made.result.left.append(f"{p.api.name}: {thing.entity} {thing.id}: {why}")
    return removable


def _away(made: Running, p: Probe, thing: Thing) -> tuple[bool | None, str]:
    """Take one object away: whether that is done, None where it could be and is not; and why not."""
    try:
        return p.stage.end(thing), "no operation takes it away"
    except KeyboardInterrupt:
        # Who wants to leave, leaves once everything is away; who was told so before and insists, at once.
        if made.result.interrupted:
            raise
        made.result.stopped, made.result.interrupted = "interrupted.", True
        return _away(made, p, thing)
    except (Blocked, Unsafe, Stopped, Unreachable) as reason:
        return None, str(reason)
    except Exception as fault:  # as above: what is left of the others still goes
        return None, _told(fault)


def _told(fault: Exception) -> str:
    """A fault of a check in one line, with its place."""
    last = traceback.extract_tb(fault.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    return f"the check could not read what came: {type(fault).__name__}: {fault} ({place})"


def address(settings: Settings) -> str:
    """Where a run with these settings calls, as its result and its journal name it."""
    with closing(_connected(settings)) as target:
        return _plain(target.address)


def _connected(settings: Settings) -> Target:
    ca = str(settings.ca) if settings.ca else None
    return connect(settings.target, settings.app, timeout=settings.timeout, ca=ca)


def _plain(address: str) -> str:
    """An address without credentials."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
