"""What a run says: findings, verdicts of the matrix, what could not be checked. Values, no text for people."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from contracts.wire import Caller, Exchange

# Marks of what the project itself put in where the vendor says nothing. All others are facts of the vendor.
OURS = frozenset({"M", "INF", "PROP", "I"})


class Severity(StrEnum):
    """How much a finding weighs."""

    DEFECT = "defect"
    """a fact of the vendor is broken; the run fails"""
    QUESTION = "question"
    """a convention of ours is; shown, and no reason to fail unless asked for"""


class Verdict(StrEnum):
    """What a run found out about one cell."""

    ALLOWED = "expected-allow"
    DENIED = "expected-deny"
    UNEXPECTED_ALLOW = "unexpected-allow"
    UNEXPECTED_DENY = "unexpected-deny"
    WRONG = "wrong-status"
    BLOCKED = "blocked"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of the contract.

    operation: operationId, or "" where it is about several; subject: what tells two findings of one code and operation
    apart: a cell's caller role, a member, a state and event. Together with `code` and `api` these are its identity.
    expected, came: one line each; source: the mark of the fact; place: file of the table or spec that says so
    steps: the shortest calls that show it, the last of them being the one that is wrong
    check: who found it
    """

    code: str
    api: str
    operation: str
    subject: str
    expected: str
    came: str
    source: str
    place: str
    check: str
    caller: str = ""
    role: str = ""
    cell: str = ""
    steps: tuple[Exchange, ...] = ()
    accepted: str = ""
    """why it is accepted (contracts.toml), where it is"""
    follows: str = ""
    """the finding that it only follows from, where there is one (following.py)"""
    also: int = 0
    """how often it was found beside this once"""
    case: str = ""
    """the case of the check that found it"""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes it the same finding as another."""
        return self.code, self.api, self.operation, self.subject

    @property
    def severity(self) -> Severity:
        return Severity.QUESTION if is_ours(self.source) else Severity.DEFECT


def is_ours(source: str) -> bool:
    """Whether a source mark names nothing but conventions of ours. What stands in brackets only points at a place."""
    marks = [mark.strip() for mark in re.split(r"[,;]", re.sub(r"\([^)]*\)", "", source)) if mark.strip()]
    return bool(marks) and all(mark in OURS for mark in marks)


@dataclass(frozen=True, slots=True)
class CellResult:
    """The verdict about one cell: capability x caller's role."""

    api: str
    capability: str
    caller: str
    role: str
    verdict: Verdict
    expected: str
    came: str = ""
    source: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What could not be checked, and why. `fatal`: nobody may take the run for a pass."""

    api: str
    check: str
    case: str
    reason: str
    fatal: bool = False


@dataclass(slots=True)
class CheckResult:
    """What one check did for one API."""

    check: str
    api: str
    cases: int = 0
    requests: int = 0
    seconds: float = 0.0
    findings: int = 0
    names: list[str] = field(default_factory=list)
    """the cases that ran, as the check names them"""
    unchecked: int = 0
    """cases that could not be checked"""


@dataclass(slots=True)
class Result:
    """A whole run.

    target: the address, without credentials
    transitions: (api, entity, state, event) -> "arrived", "refused", or why not
    statuses: (api, operation) -> status -> how often
    callers: everybody the run called as; reports take their secrets out of whatever they write
    """

    target: str
    mode: str
    seed: int
    apis: tuple[str, ...]
    findings: list[Finding] = field(default_factory=list)
    cells: list[CellResult] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    statuses: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)
    transitions: dict[tuple[str, str, str, str], str] = field(default_factory=dict)
    requests: int = 0
    seconds: float = 0.0
    stopped: str = ""
    """one line, if the run ended before its end"""
    interrupted: bool = False
    """its user ended it; nobody may take what was found so far for a verdict"""
    left: list[str] = field(default_factory=list)
    """objects of the run's own that could not be taken away, a line each"""
    strict: bool = False
    """questions fail the run, too"""
    selected: bool = False
    """a part was chosen (`--only`, `--skip`), so that the rest was not meant to be looked at"""
    documents: dict[str, Any] = field(default_factory=dict, repr=False)
    """API -> its frozen tables (specs.tables.Api)"""
    callers: tuple[Caller, ...] = field(default=(), repr=False)
    served: bool = True
    """the target was called over HTTP; behind that of an application in this process is nobody, until it is served"""
    again: str = ""
    """the command that repeats the run, where the user gave one"""

    @property
    def failing(self) -> list[Finding]:
        """Findings that fail the run."""
        return [
            each for each in self.findings if not each.accepted and (self.strict or each.severity is Severity.DEFECT)
        ]

    @property
    def exit_status(self) -> int:
        """0 kept, 1 broken, 2 could not check."""
        if self.failing and not self.interrupted:
            return 1
        return 2 if self.stopped or not self.requests or any(each.fatal for each in self.unchecked) else 0
