"""A whole run as JSON, for programs; result.schema.json beside this file describes it."""

from __future__ import annotations

import base64
import json
from typing import Any

from contracts.findings import Finding, Result
from contracts.reports import telling
from contracts.reports.coverage import Part, coverage
from contracts.wire import Exchange, curl

VERSION = 1
"""Raised when a member changes its meaning or goes; a new one raises nothing."""
_LONGEST = 20_000
"""Letters, or bytes, of a body that are kept."""


def write(result: Result) -> str:
    """The JSON text; the same run gives the same text but for seconds."""
    return json.dumps(record(result), indent=1, ensure_ascii=False) + "\n"


def record(result: Result) -> dict[str, Any]:  # Any: JSON
    """The run as plain values."""
    sort = telling.findings(result)
    return {
        "version": VERSION,
        "target": result.target,
        "mode": str(result.mode),
        "seed": result.seed,
        "strict": result.strict,
        "apis": list(result.apis),
        "verdict": telling.word(result),
        "exitStatus": result.exit_status,
        "stopped": result.stopped,
        "again": telling.again(result),
        "requests": result.requests,
        "seconds": round(result.seconds, 3),
        "findings": [_finding(each, result) for each in sort.all],
        "unchecked": [
            {"api": each.api, "check": each.check, "case": each.case, "reason": each.reason, "fatal": each.fatal}
            for each in sorted(result.unchecked, key=lambda each: (each.api, each.check, each.case, each.reason))
        ],
        "checks": [
            {
                "check": each.check,
                "api": each.api,
                "cases": each.cases,
                "requests": each.requests,
                "seconds": round(each.seconds, 3),
                "findings": each.findings,
                "names": each.names,
            }
            for each in result.checks
        ],
        "cells": [
            {
                "api": each.api,
                "capability": each.capability,
                "caller": each.caller,
                "role": each.role,
                "verdict": str(each.verdict),
                "expected": each.expected,
                "came": each.came,
                "source": each.source,
                "reason": each.reason,
            }
            for each in result.cells
        ],
        "transitions": [
            {"api": api, "entity": entity, "state": state, "event": event, "outcome": outcome}
            for (api, entity, state, event), outcome in sorted(result.transitions.items())
        ],
        "statuses": [
            {"api": api, "operation": id, "seen": {str(status): seen[status] for status in sorted(seen)}}
            for (api, id), seen in sorted(result.statuses.items())
        ],
        "coverage": [
            {
                "api": one.api,
                "operations": _part(one.operations),
                "cells": _part(one.cells),
                "transitions": _part(one.transitions),
                "statuses": _part(one.statuses),
            }
            for one in coverage(result)
        ],
        "left": list(result.left),
    }


def _finding(finding: Finding, result: Result) -> dict[str, Any]:
    meaning = telling.code(finding)
    return {
        "code": finding.code,
        "title": meaning.title,
        "severity": str(finding.severity),
        "accepted": finding.accepted,
        "api": finding.api,
        "operation": finding.operation,
        "subject": finding.subject,
        "check": finding.check,
        "case": finding.case,
        "cell": finding.cell,
        "caller": finding.caller,
        "role": finding.role,
        "expected": finding.expected,
        "came": finding.came,
        "source": finding.source,
        "place": finding.place,
        "follows": finding.follows,
        "also": finding.also,
        "why": meaning.why,
        "mend": meaning.mend,
        "steps": [_step(each, result) for each in finding.steps],
    }


def _step(exchange: Exchange, result: Result) -> dict[str, Any]:
    request, answer = exchange.request, exchange.answer
    return {
        "number": exchange.number,
        "operation": exchange.operation,
        "caller": exchange.caller.name,
        "safety": exchange.safety,
        "request": {
            "method": request.method,
            "target": request.target,
            "headers": {name: request.headers[name] for name in sorted(request.headers)},
            **_body(request.content),
        },
        "answer": {
            "status": answer.status,
            "headers": {name: answer.headers[name] for name in sorted(answer.headers)},
            **_body(answer.content),
            "seconds": round(answer.seconds, 4),
        },
        "curl": curl(exchange, result.target),
    }


def _body(content: bytes | None) -> dict[str, Any]:
    """The body as text, or as base64 where it is none; `length` is that of the whole."""
    if content is None:
        return {"body": None, "length": 0}
    try:
        return {"body": content.decode("utf-8")[:_LONGEST], "length": len(content)}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content[:_LONGEST]).decode(), "length": len(content)}


def _part(part: Part) -> dict[str, Any]:
    missing = [
        {"group": each.group, "name": each.name, "why": each.why}
        if each.group
        else {"name": each.name, "why": each.why}
        for each in part.missing
    ]
    return {"whole": part.whole, "done": part.done, "missing": missing}
