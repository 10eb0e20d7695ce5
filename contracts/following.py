"""One defect, one finding: what only follows from another finding is told below it, not beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from contracts.findings import Finding

# How near a code is to the cause: an answer that fails, or is not even of its shape, explains what else is wrong with
# it, and a step that goes wrong what comes after it. A code explains only those of a greater depth.
_DEPTHS: Mapping[str, int] = {
    "S305": 0,
    "S301": 1,
    "S302": 1,
    "S303": 1,
    "S304": 1,
    "S310": 2,
    "A101": 2,
    "A103": 2,
    "R201": 3,
    "R202": 3,
    "W408": 3,
    "W401": 4,
    "W402": 4,
    "W403": 4,
    "W404": 4,
    "Q501": 4,
    "W405": 5,
    "Q502": 5,
    "Q503": 5,
    "S306": 8,
    "S307": 8,
    "W412": 9,
}
_OTHERS = 6
# Somebody sees or does what they must not: never told below anything else.
_ALONE = frozenset(
    {"A102", "A104", "A105", "A106", "A108", "A109", "A110", "R201", "R204", "R205", "R206", "R207", "R210", "W403"}
)
_OF_ONE_ROLE = frozenset({"A101", "A103"})
_MANY = 4
"""The same finding at so many operations is one defect of what they share."""


def fold(findings: Sequence[Finding]) -> list[Finding]:
    """The same findings, each that follows from another with the name of that one in `follows`.

    Nothing is left out, and nothing that fails a run is told below what does not.
    """
    told = _alike([_below(each, findings) for each in findings])
    heads = {(each.api, name(each)): each for each in told}
    return [replace(each, follows=_top(each, heads)) if each.follows else each for each in told]


def _top(finding: Finding, heads: Mapping[tuple[str, str], Finding]) -> str:
    """The last of the findings that one follows from: it follows from none."""
    seen, above = {name(finding)}, heads[finding.api, finding.follows]
    while above.follows and name(above) not in seen:
        seen.add(name(above))
        above = heads[above.api, above.follows]
    return name(above)


def name(finding: Finding) -> str:
    """How a finding is named where another follows from it."""
    return " ".join(filter(None, (finding.code, finding.operation, finding.subject)))


def _below(finding: Finding, all_: Sequence[Finding]) -> Finding:
    if finding.code in _ALONE or finding.follows:
        return finding
    causes = [each for each in all_ if _explains(each, finding)]
    if not causes:
        return finding
    cause = min(causes, key=lambda each: (_depth(each), name(each)))
    return replace(finding, follows=name(cause))


def _explains(cause: Finding, finding: Finding) -> bool:
    if cause is finding or not cause.operation or not _may_hold(cause, finding):
        return False
    if _is_answer_of(finding, cause):
        return True
    if _depth(cause) >= _depth(finding):
        return False
    calls = {(each.operation, each.caller.role) for each in finding.steps} | {(finding.operation, finding.role)}
    if cause.code in _OF_ONE_ROLE:
        return (cause.operation, cause.role) in calls
    return cause.operation in {operation for operation, _ in calls}


def _is_answer_of(finding: Finding, leak: Finding) -> bool:
    """Whether a status that the spec does not have is the very one by which something leaks."""
    if finding.code != "S301" or leak.code not in _ALONE:
        return False
    return any((each.operation, str(each.status)) == (finding.operation, finding.subject) for each in leak.steps)


def _alike(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of one code at one operation, or about one thing at many, below the first of them."""
    at_operation: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    about: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for each in findings:
        if not each.follows:
            of_cell = (each.cell,) if each.cell else ()
            at_operation[each.api, each.code, each.operation, *of_cell].append(each)
    firsts = {key: found[0] for key, found in at_operation.items()}
    for each in firsts.values():
        about[each.api, each.code, each.subject.rpartition("/")[2]].append(each)
    heads: dict[int, Finding] = {}
    for found in about.values():
        for each in found[1:] if len(found) >= _MANY else ():
            heads[id(each)] = found[0]
    for found in at_operation.values():
        for each in found[1:]:
            heads[id(each)] = heads.get(id(found[0]), found[0])
    return [
        replace(each, follows=name(heads[id(each)])) if id(each) in heads and _may_hold(heads[id(each)], each) else each
        for each in findings
    ]


def _may_hold(cause: Finding, finding: Finding) -> bool:
    """Whether one may stand above another: it weighs as much, and is no more accepted."""
    return (
        cause.api == finding.api
        and bool(cause.accepted) <= bool(finding.accepted)
        and (cause.severity == "defect" or finding.severity == "question")
    )


def _depth(finding: Finding) -> int:
    return _DEPTHS.get(finding.code, _OTHERS)
