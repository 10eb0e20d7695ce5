"""A run for a terminal: findings readable at a glance, then what was looked at, and the verdict last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap
from typing import TextIO

from contracts.findings import Finding, Result
from contracts.reports import clean, telling
from contracts.reports.coverage import Missing, Part, coverage
from contracts.reports.telling import plain

_WIDTH = 110
_NAMED, _BEGUN = 40, 6
"""Lines of what is missing that one part gets: all of a few, and the beginning where it is most; reports name all."""
_FOLLOWING = 4
"""Findings that are told below the one that they follow from"""
LASTING = "no operation takes it away"
"""Why something stays for good"""
_COLOURS = {"red": "31", "yellow": "33", "green": "32", "dim": "2", "bold": "1"}
_EXITS = ("green", "red", "yellow")


@dataclass(frozen=True, slots=True)
class Ink:
    """Colours texts, where colours are wanted."""

    on: bool

    def __call__(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.on and text else text


def coloured(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a stream wants colours: a terminal that knows them, and nobody who said NO_COLOR."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def write(result: Result, *, colour: bool = False) -> str:
    """The whole text of a run, without any secret of its callers."""
    result, ink = clean(result), Ink(colour)
    sort = telling.findings(result)
    blocks = [
        *(_finding(each, result, ink, "red") for each in sort.defects),
        _titled("questions (where the vendor says nothing and we filled in)", sort.questions, result, ink, "yellow"),
        _titled("accepted", sort.accepted, result, ink, "dim"),
        _unchecked(result, ink),
        _left(result, ink),
        _checks(result, ink),
        _coverage(result, ink),
        [
            *filter(None, [telling.unserved(result)]),
            ink(telling.verdict(result), _EXITS[result.exit_status]),
            plain(telling.exit_line(result)),
        ],
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines) + "\n"


def finding(each: Finding, result: Result) -> str:
    """One finding of a result that is clean already, for where it stands alone."""
    return "\n".join(_finding(each, result, Ink(False), ""))


def _titled(title: str, found: Sequence[Finding], result: Result, ink: Ink, colour: str) -> list[str]:
    if not found:
        return []
    texts = ["\n".join(_finding(each, result, ink, colour)) for each in found]
    return [ink(f"{title}: {len(found)}", "bold"), *"\n\n".join(texts).split("\n")]


def _finding(finding: Finding, result: Result, ink: Ink, colour: str) -> list[str]:
    """One finding, in the form of every message here: what, what would be right, what came, how to see it again."""
    head = f"{finding.check}: {plain(telling.about(finding))}: {telling.code(finding).title}"
    rows = [
        ("expected", f"{plain(finding.expected)} {ink(f'({telling.source(finding)})', 'dim')}"),
        ("got", plain(finding.came)),
        ("accepted", plain(finding.accepted)),
        ("seen", f"{telling.counted(finding.also, 'time')} more" if finding.also else ""),
        *_steps(finding),
        ("again", telling.last(finding, result)),
        *_following(finding, result),
    ]
    return [f"{ink(finding.code, colour)} {head}", *(f"  {name:<8} {text}".rstrip() for name, text in rows if text)]


def _following(finding: Finding, result: Result) -> Iterator[tuple[str, str]]:
    """What only follows from it: the beginning, and how much more there is."""
    lines = telling.followers(finding, result)
    for number, line in enumerate(lines[:_FOLLOWING]):
        yield "follow" if not number else "", line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."
    if len(lines) > _FOLLOWING:
        yield "", f"and {len(lines) - _FOLLOWING} more; --report json=FILE tells all"


def _steps(finding: Finding) -> Iterator[tuple[str, str]]:
    """The calls that lead there, where it is not one alone."""
    if len(finding.steps) > 1:
        for number, each in enumerate(finding.steps, 1):
            yield "steps" if number == 1 else "", f"{number}. {plain(telling.step(each))}"


def _unchecked(result: Result, ink: Ink) -> list[str]:
    if not result.unchecked:
        return []
    lines = [ink(f"not checked: {len(result.unchecked)}", "bold")]
    for (reason, fatal), cases in telling.reasons(result.unchecked).items():
        names = [telling.case(each) for each in cases]
        lines.append(f"  {ink('could not', 'yellow') if fatal else 'skipped'}: {plain(reason)}")
        lines += _folded(names)
    return lines


def _folded(names: Sequence[str], indent: str = "    ") -> list[str]:
    """Names as a paragraph."""
    text = plain("; ".join(names))
    return wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _left(result: Result, ink: Ink) -> list[str]:
    if not result.left:
        return []
    return [
        ink(f"left on the deployment: {len(result.left)}", "bold"),
        *_stayed(result.left),
        *["  `contracts clean` tries again."] * any(LASTING not in line for line in result.left),
    ]


def _stayed(left: Sequence[str]) -> Iterator[str]:
    """What was left, by kind and reason, with the ids of the first."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for line in left:
        api, _, rest = line.partition(": ")
        thing, _, why = rest.partition(": ")
        entity, _, id = thing.partition(" ")
        kinds.setdefault((f"{api}: {entity}", why.replace(id, "it") if id else why), []).append(id)
    for (kind, why), ids in kinds.items():
        shown = ", ".join(ids[:_FOLLOWING]) + (f" and {len(ids) - _FOLLOWING} more" if len(ids) > _FOLLOWING else "")
        yield f"  {plain(kind)}: {plain(why)}: {plain(shown)}"


def _checks(result: Result, ink: Ink) -> list[str]:
    if not result.checks:
        return []
    rows = [
        (each.check, each.api, f"{each.cases:,}", f"{each.requests:,}", f"{each.seconds:.1f}", f"{each.findings:,}")
        for each in result.checks
    ]
    total = [sum(column) for column in zip(*((e.cases, e.requests, e.findings) for e in result.checks), strict=True)]
    seconds = sum(each.seconds for each in result.checks)
    rows.append(("all", "", f"{total[0]:,}", f"{total[1]:,}", f"{seconds:.1f}", f"{total[2]:,}"))
    lines = list(_table(("check", "api", "cases", "requests", "seconds", "findings"), rows))
    return [ink(lines[0], "bold"), *lines[1:]]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns under each other, words to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = [
            text.ljust(width) if column < 2 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _coverage(result: Result, ink: Ink) -> list[str]:
    found = coverage(result)
    if not found:
        return []
    head = ("coverage", "", *(part.title for part in found[0].parts))
    rows = [(one.api, "", *(f"{part.done} of {part.whole}" for part in one.parts)) for one in found]
    lines = [line.replace("    ", "  ", 1) for line in _table(head, rows)]
    for one in found if not result.selected else ():
        for part in one.parts:
            lines += _missing(one.api, part)
    return [ink(lines[0], "bold"), *lines[1:]]


def _missing(api: str, part: Part) -> list[str]:
    """What is missing of a part, by name."""
    if not part.missing:
        return []
    title = f"  {api} lacks {len(part.missing)} of {part.whole} {part.title}"
    if len(part.missing) == part.whole and not any(each.why for each in part.missing):
        return [title]
    lines = [line for why, names in _by_reason(part.missing) for line in _folded([*names, *[f"({why})"] * bool(why)])]
    most = _NAMED if part.done > len(part.missing) else _BEGUN
    rest = (
        [f"    and {telling.counted(len(lines) - most, 'line')} more; --report json=FILE names all"]
        if len(lines) > most
        else []
    )
    return [f"{title}:", *lines[:most], *rest]


def _by_reason(missing: Iterable[Missing]) -> Iterator[tuple[str, list[str]]]:
    """Each reason, and the names it holds for; names of one group are told together."""
    for why, some in groupby(sorted(missing, key=lambda each: each.why), key=lambda each: each.why):
        names = []
        for group, members in groupby(some, key=lambda each: each.group):
            inside = [each.name for each in members]
            names += [f"{group}: {' '.join(inside)}"] if group else inside
        yield why, names
