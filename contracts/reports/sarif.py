"""A run as SARIF 2.1.0, for code hosts: codes as rules, findings as results in the file that says what is right."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import specs
from contracts.codes import CODES, Code
from contracts.findings import Finding, Result, Severity
from contracts.reports import telling

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = Path(specs.__file__).parent.parent


def write(result: Result) -> str:
    """The JSON text."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(result)]}
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _run(result: Result) -> dict[str, Any]:  # Any: JSON
    sort = telling.findings(result)
    found = [*sort.all]
    rules = [telling.code(each) for each in found]
    known = list({each.id: each for each in (*CODES.values(), *rules)}.values())
    at = {each.id: place for place, each in enumerate(known)}
    return {
        "tool": {
            "driver": {"name": "doubleentry contracts", "version": _version(), "rules": [_rule(each) for each in known]}
        },
        "automationDetails": {"id": f"contracts/{result.mode}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(result)],
        "results": [_result(each, at[each.code], result) for each in found],
        "properties": {"target": result.target, "mode": str(result.mode), "seed": result.seed},
    }


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.id,
        "name": code.id,
        "shortDescription": {"text": f"{code.title[:1].upper()}{code.title[1:]}."},
        "fullDescription": {"text": code.why or code.title},
        "help": {
            "text": f"{code.why} Where to look: {code.mend}",
            "markdown": f"{code.why}\n\n**Where to look:** {code.mend}\n\n`contracts explain {code.id}`",
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["contract", telling.GROUPS.get(code.id[:1], "other")]},
    }


def _invocation(result: Result) -> dict[str, Any]:
    notes = [
        {
            "level": "error" if fatal else "note",
            "message": {"text": f"{reason}: {', '.join(telling.case(each) for each in cases)}"},
        }
        for (reason, fatal), cases in telling.reasons(result.unchecked).items()
    ]
    if result.stopped:
        notes.insert(0, {"level": "error", "message": {"text": result.stopped}})
    return {
        "commandLine": telling.again(result),
        "executionSuccessful": result.exit_status != 2,
        "exitCode": result.exit_status,
        "exitCodeDescription": telling.word(result),
        "toolExecutionNotifications": notes,
    }


def _result(finding: Finding, rule: int, result: Result) -> dict[str, Any]:
    said: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _level(finding),
        "message": {"text": _message(finding)},
        "locations": [_location(finding)],
        "partialFingerprints": {"contractFinding/v1": _fingerprint(finding)},
        "properties": {
            "severity": str(finding.severity),
            "check": finding.check,
            "caller": finding.caller,
            "role": finding.role,
            "expected": finding.expected,
            "came": finding.came,
            "source": finding.source,
            "follows": finding.follows,
            "steps": [telling.step(each) for each in finding.steps],
            "curl": telling.commands(finding, result),
        },
    }
    if finding.accepted:
        said["suppressions"] = [{"kind": "external", "status": "accepted", "justification": finding.accepted}]
    return said


def _level(finding: Finding) -> str:
    if finding.accepted:
        return "note"
    return "warning" if finding.severity is Severity.QUESTION else "error"


def _message(finding: Finding) -> str:
    title = telling.code(finding).title
    return (
        f"{telling.about(finding)}: {title}: expected {telling.plain(finding.expected)}, "
        f"got {telling.plain(finding.came)} ({telling.source(finding)})"
    )


def _location(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {
        "logicalLocations": [
            {
                "name": finding.operation or finding.api,
                "fullyQualifiedName": ".".join(filter(None, [finding.api, finding.operation])),
                "kind": "member" if finding.operation else "module",
            }
        ]
    }
    if finding.place:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _uri(finding.place)},
            "region": {"startLine": _line(finding)},
        }
    return location


def _uri(place: str) -> str:
    """The file as an address, relative to the project where it is named so."""
    path = Path(place)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _line(finding: Finding) -> int:
    """The line of the file that speaks of it; 1 where none is seen to."""
    names = [finding.cell.partition("/")[0], finding.operation, *finding.subject.replace("/", " ").split()]
    lines = _lines(finding.place)
    for name in filter(None, names):
        for number, line in enumerate(lines, 1):
            if line.startswith((f"{name}:", f"{name},", f"operationId: {name}")):
                return number
    return 1


@cache
def _lines(place: str) -> tuple[str, ...]:
    """The lines of a table or spec, bare of what indents them; none where it is not at hand."""
    for path in (_ROOT / place, Path(place)):
        if path.is_file():
            return tuple(line.strip() for line in path.read_text("utf-8", "replace").splitlines())
    return ()


def _fingerprint(finding: Finding) -> str:
    return hashlib.sha256("\0".join(finding.identity).encode("utf-8", "backslashreplace")).hexdigest()


def _version() -> str:
    try:
        return version("doubleentry")
    except PackageNotFoundError:
        return "0"
