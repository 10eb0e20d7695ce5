"""What all reports say alike: the order of findings, the verdict, the commands, and texts that do no harm."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.codes import CODES, Code
from contracts.findings import Finding, Result, Severity, Unchecked
from contracts.following import name
from contracts.wire import Exchange, curl

GROUPS = {
    "A": "access",
    "R": "rows and visibility",
    "S": "shapes",
    "W": "workflows",
    "Q": "queries and pages",
    "M": "money and links",
    "F": "files",
}
"""First letter of a code -> what its group is about."""
LONGEST = 2000
"""Letters of a body that a report shows."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """The findings of a run by what they weigh, and what only follows from them, by the name of what it follows."""

    defects: tuple[Finding, ...]
    questions: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    following: Mapping[str, tuple[Finding, ...]]

    @property
    def all(self) -> tuple[Finding, ...]:
        """Every finding, each followed by what follows from it."""
        heads = (*self.defects, *self.questions, *self.accepted)
        return tuple(each for head in heads for each in (head, *self.of(head)))

    def of(self, head: Finding) -> tuple[Finding, ...]:
        """What follows from a finding."""
        return self.following.get(f"{head.api} {name(head)}", ())


def findings(result: Result) -> Sorted:
    """The findings in the order in which every report tells them: API, code, operation, subject."""
    at = {name: place for place, name in enumerate(result.apis)}
    ordered = sorted(
        result.findings, key=lambda each: (at.get(each.api, len(at)), each.code, each.operation, each.subject)
    )
    following: dict[str, tuple[Finding, ...]] = {}
    for each in ordered:
        if each.follows:
            head = f"{each.api} {each.follows}"
            following[head] = (*following.get(head, ()), each)
    ordered = [each for each in ordered if not each.follows]
    open_ = [each for each in ordered if not each.accepted]
    return Sorted(
        following=following,
        defects=tuple(each for each in open_ if each.severity is Severity.DEFECT),
        questions=tuple(each for each in open_ if each.severity is Severity.QUESTION),
        accepted=tuple(each for each in ordered if each.accepted),
    )


def code(finding: Finding) -> Code:
    """What its code means; of one that nobody knows, only its name."""
    return CODES.get(finding.code) or Code(finding.code, finding.code, "", "")


def about(finding: Finding) -> str:
    """What a finding is about: operation, caller, subject."""
    told = finding.operation or finding.subject or finding.api
    plainly = {"", told, f"{told}/{finding.caller}", f"{told}/{finding.role}"}
    told += f" as {finding.caller}" if finding.caller else ""
    return told if finding.subject in plainly else f"{told}, {finding.subject}"


def source(finding: Finding) -> str:
    """Where it says so: place and source mark."""
    return ", ".join(filter(None, [finding.place, finding.source]))


def commands(finding: Finding, result: Result) -> list[str]:
    """A curl for each step; the last one is the call that is wrong."""
    return [curl(step, result.target) for step in finding.steps]


def last(finding: Finding, result: Result) -> str:
    """The curl of the call that is wrong; "" for a finding without a call."""
    return curl(finding.steps[-1], result.target) if finding.steps else ""


def followers(finding: Finding, result: Result) -> list[str]:
    """What follows from a finding, a line each: code, what it is about, what came."""
    return [
        f"{each.code} {plain(about(each))}: expected {plain(each.expected)}, got {plain(each.came)}"
        for each in findings(result).of(finding)
    ]


def step(exchange: Exchange) -> str:
    """One call as a line: who, what, and what came."""
    request = exchange.request
    return f"{exchange.caller.name} {request.method} {request.target} -> {exchange.status}"


def unserved(result: Result) -> str:
    """What has to be done before a curl of the result finds anybody; "" where nothing has to."""
    if result.served or not any(each.steps for each in result.findings):
        return ""
    return f"the application was called in this process; for the curl lines, serve it at {result.target} first."


def word(result: Result) -> str:
    """The verdict in a word or three."""
    return ("kept", "broken", "could not check")[result.exit_status]


def verdict(result: Result) -> str:
    """The verdict in one line, with the reason."""
    sort = findings(result)
    told = [
        counted(len(sort.defects), "defect"),
        *[counted(len(sort.questions), "question")] * bool(sort.questions),
        *[f"{len(sort.accepted)} accepted"] * bool(sort.accepted),
    ]
    line = f"{word(result)}: {', '.join(told)}; {counted(result.requests, 'request')} in {result.seconds:.1f} s"
    return f"{line}; {_why(result)}" if result.exit_status == 2 else f"{line}."


def _why(result: Result) -> str:
    if result.stopped:
        return result.stopped
    if not result.requests:
        return "nothing was sent."
    fatal = sum(each.fatal for each in result.unchecked)
    return f"{counted(fatal, 'case')} could not be checked."


def exit_line(result: Result) -> str:
    """What the exit status means, and the command that shows it again."""
    meaning = {
        0: "the contract is kept, as far as it was looked at",
        1: "the contract is broken",
        2: "it could not be checked whether the contract is kept",
    }[result.exit_status]
    return f"exit {result.exit_status}: {meaning}; again: {again(result)}"


def again(result: Result) -> str:
    """The command that repeats the run."""
    if result.again:
        return result.again
    words = ["contracts", "run", "--target", result.target]
    for api in result.apis:
        words += ["--api", api]
    words += ["--mode", str(result.mode), "--seed", str(result.seed)]
    return shlex.join([*words, *["--strict"] * result.strict])


def reasons(unchecked: Iterable[Unchecked]) -> dict[tuple[str, bool], list[Unchecked]]:
    """What could not be checked, by reason and by whether it is fatal; what is fatal first."""
    grouped: dict[tuple[str, bool], list[Unchecked]] = {}
    for each in sorted(unchecked, key=lambda each: (not each.fatal, each.reason, each.api, each.check, each.case)):
        grouped.setdefault((each.reason, each.fatal), []).append(each)
    return grouped


def case(each: Unchecked) -> str:
    """A case by its full name."""
    return " ".join(filter(None, [each.api, each.check, each.case]))


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plain(text: str) -> str:
    """The text as one line that no terminal obeys: what cannot be printed is shown as a code."""
    return "".join(each if each.isprintable() else _told(each) for each in re.sub(r"[\s]+", " ", text)).strip()


def _told(letter: str) -> str:
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"


def body(content: bytes | None) -> str:
    """A body as text, cut where it is long; bytes that are no text are told by their number."""
    if not content:
        return ""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return f"({counted(len(content), 'byte')} that are no text)"
    text = "".join(each if each.isprintable() or each in "\n\t" else _told(each) for each in text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(content):,} bytes in all)"
