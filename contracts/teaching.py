"""What `contracts list` and `contracts explain` print."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from contracts.codes import CODES
from contracts.examples import example
from contracts.mistakes import Mistake
from contracts.registry import Check, checks
from specs.tables import load, names

WIDTH = 110


def listing(apis: Sequence[str], overlays: Sequence[Path]) -> str:
    """Every check with its mode, codes and cases by API, and what it proves."""
    loaded = [load(name, overlays=overlays) for name in ([] if "all" in apis else apis) or names()]
    lines = []
    for check in checks():
        counts = ", ".join(f"{api.name} {len(check.cases(api))}" for api in loaded if check.applies(api))
        if counts:
            lines += [f"{check.id}  ({check.mode})", *_folded(f"{check.proves}.")]
            lines += [f"    codes: {', '.join(check.codes)}", f"    cases: {counts}", ""]
    return "\n".join(lines).rstrip()


def explained(code: str) -> str:
    """One finding taught: what it says, why that matters, where to look, who finds it, and how it looks."""
    found = CODES.get(code.upper())
    if found is None:
        group = [each for each in CODES if each[0] == code[:1].upper()]
        there = f"there are: {', '.join(group)}." if group else "`contracts list` names those of each check."
        raise Mistake(f"no code {code!r}; {there}")
    finders = [check for check in checks() if found.id in check.codes]
    lines = [f"{found.id}  {found.title}", ""]
    for word, text in (("why", found.why), ("mend", found.mend), ("found by", _finders(finders))):
        lines += _folded(f"{word}: {text}", "  ")
    return "\n".join([*lines, "", "  for example:", *(f"    {line}" for line in _shown(found.id, finders))])


def _shown(code: str, finders: Sequence[Check]) -> list[str]:
    """A finding of this code, as a run tells it."""
    from contracts.reports import clean, text

    _, result = example(code, finders[0].id if finders else "check")
    result = clean(result)
    return text.finding(result.findings[0], result).splitlines()


def _finders(finders: Iterable[Check]) -> str:
    return ", ".join(f"{check.id} ({check.mode})" for check in finders) or "no check of this version."


def _folded(text: str, indent: str = "    ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
