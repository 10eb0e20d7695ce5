"""Findings that a deployment's owner accepts for a while: each with a reason and a last day, in contracts.toml."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase

from contracts.findings import Finding


@dataclass(frozen=True, slots=True)
class Accepted:
    """One acceptance.

    api, operation, subject: globs; "" accepts whatever is there
    until: the last day on which it holds; place: how messages name it
    """

    code: str
    reason: str
    until: date
    api: str = ""
    operation: str = ""
    subject: str = ""
    place: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether it speaks of this finding."""
        return self.code == finding.code and all(
            not glob or fnmatchcase(value, glob)
            for glob, value in (
                (self.api, finding.api),
                (self.operation, finding.operation),
                (self.subject, finding.subject),
            )
        )

    def speaks_of(self, api: str) -> bool:
        return not self.api or fnmatchcase(api, self.api)

    def holds(self, today: date) -> bool:
        return today <= self.until


def apply(findings: Iterable[Finding], accepted: Sequence[Accepted], today: date) -> list[Finding]:
    """The findings, those that are accepted today with the reason."""
    return [replace(each, accepted=_reason(each, accepted, today)) for each in findings]


def notes(findings: Sequence[Finding], accepted: Sequence[Accepted], today: date, *, whole: bool) -> list[str]:
    """A line for each acceptance that no longer holds, or that nothing was found for.

    whole: whether the run looked at everything; of one that did not, nobody can tell what it would have found
    """
    said = []
    for each in accepted:
        found = sum(each.covers(finding) for finding in findings)
        if not each.holds(today):
            counts = f"; {_counted(found)} again" if found else ""
            said.append(
                f"{each.place}: {each.code} was accepted until {each.until}{counts}; mend it, or say why longer."
            )
        elif whole and not found:
            said.append(f"{each.place}: {each.code} was accepted, and not found; take the entry out.")
    return said


def _reason(finding: Finding, accepted: Sequence[Accepted], today: date) -> str:
    return next((each.reason for each in accepted if each.holds(today) and each.covers(finding)), "")


def _counted(number: int) -> str:
    return "1 finding counts" if number == 1 else f"{number} findings count"
