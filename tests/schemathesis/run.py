"""A run of Schemathesis against the server in this process, as one role.

`python -m tests.schemathesis.run --role vendor` prints what it found as JSON; exit status 1 if there is anything.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.schemas import BaseSchema

from mockserver import MockServer, create_app
from tests.schemathesis.hooks import Guide

HERE = Path(__file__).parent
PHASES = ("examples", "coverage", "fuzzing", "stateful")


@dataclass
class Report:
    """What a run did and found."""

    role: str
    seed: int
    requests: int = 0
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps(vars(self), indent=2, default=str)


def run(
    role: str, *, seed: int = 1, phases: Sequence[str] = PHASES, examples: int = 10, without: Sequence[str] = ()
) -> Report:
    """One run. Registers hooks for the whole process, so a process makes one run.

    examples: generated requests an operation and kind, at most; without: operationIds to leave out
    """
    app = create_app("billing")
    report = Report(role, seed)
    guide = Guide(app, app.callers[role])
    rows = tomllib.loads((HERE / "accepted.toml").read_text()).get("accepted", [])

    @schemathesis.hook
    def before_call(ctx: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
        guide.prepare(case)

    @schemathesis.hook
    def filter_failure(ctx: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
        row = next((row for row in rows if fits(row, failure, case, response)), None)
        if row is not None:
            report.accepted[row["name"]] += 1
        return row is None

    schema: BaseSchema = schemathesis.openapi.from_asgi(
        "/public/v1/billing/openapi.json", app, config=config(app, role, seed=seed, phases=phases, examples=examples)
    )
    if without:
        schema = schema.exclude(operation_id=list(without))
    _start_chains_anew(schema, app)
    for event in from_schema(schema).execute():
        _note(report, event)
    return report


def config(app: MockServer, role: str, *, seed: int, phases: Sequence[str], examples: int) -> SchemathesisConfig:
    """schemathesis.toml with what differs from run to run."""
    raw = tomllib.loads((HERE / "schemathesis.toml").read_text())
    raw["seed"] = seed
    raw["generation"]["max-examples"] = examples
    raw["auth"] = {"openapi": {"bearerAuth": {"bearer": app.token(role)}}}
    for phase in PHASES:
        raw["phases"].setdefault(phase, {})["enabled"] = phase in phases
    return SchemathesisConfig.from_dict(raw)


def fits(row: Mapping[str, Any], failure: Failure, case: Case[Any], response: Response) -> bool:
    """Whether a row of accepted.toml is about this failure."""
    if row["code"] != failure.code or not fnmatchcase(case.operation.label, row.get("operations", "*")):
        return False
    if response.status_code != row.get("status", response.status_code):
        return False
    if "parameters" in row:
        broken = set(re.findall(r"`(\w+)`", failure.message.partition(" in query")[0]))
        if not broken or not broken <= set(row["parameters"]):
            return False
    invalid = failure.message.partition("Invalid component:")[2].strip()
    if "says" in row and re.fullmatch(row["says"], invalid) is None:
        return False
    errors = _errors(response)
    value = str((case.query or {}).get(row.get("within", ""), ""))
    if "within" in row and not (errors and all(place.removesuffix("...") in value for place in errors)):
        return False
    if "places" in row and not (errors and all(re.fullmatch(row["places"], place) for place in errors)):
        return False
    # What is refused as unknown must be what was sent; else the refusal is about something that nobody said.
    return not row.get("sent") or all(
        _sent(case.body, place) in "".join(messages) for place, messages in errors.items()
    )


def _errors(response: Response) -> Mapping[str, list[str]]:
    """What a refusal names as wrong: place to messages."""
    try:
        found: Mapping[str, list[str]] = json.loads(response.content).get("errors", {})
    except ValueError:
        return {}
    return found


def _sent(body: Any, place: str) -> str:
    """How a message quotes the value that the body has at a dotted place."""
    for name in place.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return repr(body) if isinstance(body, str) else "\0"


def _start_chains_anew(schema: Any, app: MockServer) -> None:
    """Give every chain of calls of the stateful phase a new world: what the last one left would change its choices."""
    make = schema.as_state_machine

    def as_state_machine(*args: Any, **kwargs: Any) -> Any:
        machine = make(*args, **kwargs)

        class Anew(machine):  # type: ignore[misc, valid-type]  # made at run time
            def __init__(self) -> None:
                app.reset()
                super().__init__()

        return Anew

    schema.as_state_machine = as_state_machine


def _note(report: Report, event: events.EngineEvent) -> None:
    if isinstance(event, events.NonFatalError):
        report.findings.append({"code": "error", "operation": event.label, "message": event.info.format()})
    if not isinstance(event, events.ScenarioFinished):
        return
    for id, interaction in event.recorder.interactions.items():
        report.requests += 1
        operation = event.recorder.cases[id].value.operation
        # Other methods are tried on an operation's path, too; what they answer says nothing of the operation.
        if interaction.response is not None and interaction.request.method == operation.method.upper():
            report.statuses.setdefault(operation.label, Counter())[interaction.response.status_code] += 1
    for id, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            failure = check.failure_info.failure
            response = event.recorder.interactions[id].response
            report.findings.append(
                {
                    "code": failure.code,
                    "check": check.name,
                    "operation": failure.operation or event.label,
                    "message": f"{failure.title}: {failure.message}"[:1500],
                    "answer": "" if response is None else response.content.decode(errors="replace")[:700],
                    "again": check.failure_info.code_sample[:1500],
                }
            )


def main(arguments: Sequence[str]) -> int:
    """Run once and print the report."""
    parser = ArgumentParser("python -m tests.schemathesis.run", description=__doc__)
    parser.add_argument("--role", choices=("client", "vendor", "operations"), required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=PHASES)
    parser.add_argument("--examples", type=int, default=10, help="generated requests an operation and kind, at most")
    parser.add_argument("--without", nargs="+", default=(), metavar="OPERATION", help="operations to leave out")
    report = run(**vars(parser.parse_args(arguments)))
    print(report.as_json())
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
