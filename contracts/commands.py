"""What `contracts run` and `contracts clean` do once their options are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from contracts import acceptance, callers, interrupts
from contracts.asking import JOURNALS, Asked, settle
from contracts.findings import Result
from contracts.following import fold
from contracts.mistakes import Mistake, near
from contracts.redaction import Redaction
from contracts.settings import Settings

BROKEN_OFF = 130


def verify(
    given: Mapping[str, Any],
    path: Path | None,
    tokens: Sequence[str],
    named: bool,
    *,
    quiet: bool,
    line: str,
) -> int:
    """Run, tell, write the reports; the exit status: 0 kept, 1 broken, 2 could not check.

    given, path, tokens, named: as `asking.settle` takes them, tokens as they were typed
    line: the command line, with the variables that options were read from
    Raises Mistake, specs.tables.TableError.
    """
    asked = _asked(given, path, tokens, named)
    settings = asked.settings
    _writable(asked)
    with interrupts.heard() as heard:
        try:
            result = _ran(settings, quiet)
            result.again = Redaction.of(settings.callers)(line)
            _accept(result, settings)
            _tell(result, asked)
        except KeyboardInterrupt:
            return BROKEN_OFF if heard.count > 1 else 2
    return 2 if heard.count else result.exit_status


def clean(given: Mapping[str, Any], path: Path | None, tokens: Sequence[str], named: bool) -> int:
    """Take away what the journals say that killed runs left; 0 if nothing is left, 2 if something is."""
    from contracts.journal import clean as take_away
    from contracts.target import Unreachable

    settings = _asked(given, path, tokens, named).settings
    with interrupts.heard():
        try:
            return take_away(settings, settings.journal or JOURNALS, print)
        except Unreachable as reason:
            raise Mistake(str(reason)) from None
        except KeyboardInterrupt:
            return BROKEN_OFF


def _asked(given: Mapping[str, Any], path: Path | None, tokens: Sequence[str], named: bool) -> Asked:
    """The settings; what its user should know is told on stderr."""
    asked = settle(
        given,
        environ=os.environ,
        tokens=[callers.given(text, os.environ) for text in tokens],
        path=path,
        named=named,
    )
    shown = [
        f"--caller {name}: a token on a command line is seen by everybody on this machine; say env:VARIABLE."
        for name, _, source in (text.partition("=") for text in tokens)
        if callers.is_literal(source)
    ]
    for note in (*asked.notes, *shown):
        print(f"contracts: {note}", file=sys.stderr)
    return asked


def _ran(settings: Settings, quiet: bool) -> Result:
    from contracts.progress import showing
    from contracts.run import run
    from contracts.target import Unreachable

    try:
        with showing(quiet=quiet) as progress:
            return run(settings, progress=progress, redact=Redaction.of(settings.callers))
    except Unreachable as reason:
        raise Mistake(str(reason)) from None


def _accept(result: Result, settings: Settings) -> None:
    """Mark what is accepted, and tell of acceptances that are over, or that nothing was found for."""
    today = date.today()
    result.findings = fold(acceptance.apply(result.findings, settings.accepted, today))
    whole = not (result.stopped or settings.only or settings.skip)
    for note in acceptance.notes(result.findings, settings.accepted, today, whole=whole):
        print(f"contracts: {note}", file=sys.stderr)


def _tell(result: Result, asked: Asked) -> None:
    from contracts.reports import ReportError, text, write

    print(text.write(result, colour=text.coloured(sys.stdout, os.environ)), end="", flush=True)
    try:
        for kind, path in asked.reports:
            write(kind, path, result)
    except ReportError as error:
        raise Mistake(str(error)) from None


def _writable(asked: Asked) -> None:
    """Refuse reports that could not be written, before anything is sent: a run is too dear to lose its end."""
    from contracts.reports import FORMATS

    files = [(f"--report {kind}={path}", path) for kind, path in asked.reports]
    for kind, path in asked.reports:
        if kind not in FORMATS:
            raise Mistake(f"--report {kind}={path}: no format {kind!r}; {near(kind, FORMATS)}")
    if asked.settings.wire is not None:
        files.append((f"--wire {asked.settings.wire}", asked.settings.wire))
    for place, path in files:
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise Mistake(f"{place}: cannot be written there; name a file in a folder that can be written to.")
