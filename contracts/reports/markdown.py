"""A run as Markdown, fit for the summary of a CI job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from contracts.findings import Finding, Result
from contracts.reports import telling
from contracts.reports.coverage import coverage

_TOLD = 50
"""Findings that are told in full; a job's summary has room for about a megabyte."""
_MARKS = {"kept": "✅", "broken": "❌", "could not check": "⚠️"}


def write(result: Result) -> str:
    """The Markdown text."""
    sort = telling.findings(result)
    parts = [
        [f"## {_MARKS[telling.word(result)]} Contract of {_code(result.target)}: {telling.word(result)}"],
        [_text(telling.verdict(result))],
        [f"Again: {_code(telling.again(result))}"],
        list(filter(None, [_text(telling.unserved(result))])),
        *_section("Defects", sort.defects, result),
        *_section("Questions", sort.questions, result),
        *_section("Accepted", sort.accepted, result),
        *_unchecked(result),
        *_coverage(result),
        *_checks(result),
    ]
    if result.left:
        parts += [["### Left on the deployment"], [f"- {_text(line)}" for line in result.left]]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _section(title: str, found: Sequence[Finding], result: Result) -> Iterator[list[str]]:
    if not found:
        return
    yield [f"### {title}: {len(found)}"]
    rows = [
        [each.code, _code(telling.about(each)), _cell(each.expected), _cell(each.came), _cell(telling.source(each))]
        for each in found
    ]
    yield _table(["Code", "What", "Expected", "Got", "Source"], rows)
    for each in found[:_TOLD]:
        yield _details(each, result)
    if len(found) > _TOLD:
        yield [f"{len(found) - _TOLD} more are not told in full here; the HTML and JSON reports do."]


def _details(finding: Finding, result: Result) -> list[str]:
    meaning = telling.code(finding)
    lines = [
        f"<details><summary>{finding.code} {_html(telling.about(finding))}: {_html(meaning.title)}</summary>",
        "",
        f"{meaning.why} **Where to look:** {_text(meaning.mend)}",
        "",
    ]
    lines += [f"Accepted: {_text(finding.accepted)}", ""] if finding.accepted else []
    lines += [f"Seen {telling.counted(finding.also, 'time')} more.", ""] if finding.also else []
    if finding.steps:
        lines += [f"{number}. {_code(telling.step(each))}" for number, each in enumerate(finding.steps, 1)]
        lines += ["", *_fenced("\n".join(telling.commands(finding, result)), "bash"), ""]
        if answer := telling.body(finding.steps[-1].answer.content):
            lines += ["The last answer:", "", *_fenced(answer), ""]
    if followers := telling.followers(finding, result):
        lines += ["What follows from it:", "", *(f"- {_text(each)}" for each in followers), ""]
    return [*lines, "</details>"]


def _unchecked(result: Result) -> Iterator[list[str]]:
    if not result.unchecked:
        return
    yield [f"### Not checked: {len(result.unchecked)}"]
    rows = [
        ["could not" if fatal else "skipped", _cell(reason), str(len(cases)), _cell(_few([*map(telling.case, cases)]))]
        for (reason, fatal), cases in telling.reasons(result.unchecked).items()
    ]
    yield _table(["", "Reason", "Cases", "Which"], rows)


def _coverage(result: Result) -> Iterator[list[str]]:
    found = coverage(result)
    if not found:
        return
    yield ["### Looked at"]
    head = ["API", *(part.title.capitalize() for part in found[0].parts)]
    yield _table(
        head,
        [[one.api, *(f"{part.done} of {part.whole} ({part.percent} %)" for part in one.parts)] for one in found],
    )


def _checks(result: Result) -> Iterator[list[str]]:
    if not result.checks:
        return
    rows = [
        [_code(each.check), each.api, str(each.cases), str(each.requests), f"{each.seconds:.1f}", str(each.findings)]
        for each in result.checks
    ]
    head = ["Check", "API", "Cases", "Requests", "Seconds", "Findings"]
    yield [
        f"<details><summary>{telling.counted(len(rows), 'check')}</summary>",
        "",
        *_table(head, rows),
        "",
        "</details>",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table; a bar inside of a cell would end it."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *escaped)]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _cell(text: str) -> str:
    return _text(text if len(text) <= 300 else text[:297] + "...")


def _text(text: str) -> str:
    """A text in which nothing is Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]()#+!~$@])", r"\\\1", _html(telling.plain(text)))


def _html(text: str) -> str:
    return telling.plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    """A text as code in a line."""
    text = telling.plain(text)
    ticks = "`" * (_longest(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _fenced(text: str, language: str = "") -> list[str]:
    """A text as a block of code, whatever stands in it."""
    fence = "`" * max(3, _longest(text) + 1)
    return [f"{fence}{language}", text, fence]


def _longest(text: str) -> int:
    """The longest run of backticks."""
    return max((len(run) for run in re.findall("`+", text)), default=0)
