"""A run of Schemathesis against one API of the server in this process, as one of its callers.

`python -m tests.schemathesis.run --api billing --caller vendor` prints what it found as JSON; exit status 1 if there is
anything.
"""

from __future__ import annotations

import json
import sys
import tomllib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
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

from contracts.conformance.accepted import accepted
from mockserver import MockServer, create_app
from tests.schemathesis.guides.plain import Guide

HERE = Path(__file__).parent
PHASES = ("examples", "coverage", "fuzzing", "stateful")
NOBODY = "nobody"
"""Who has no token."""


@dataclass
class Report:
    """What a run did and found."""

    api: str
    caller: str
    seed: int
    requests: int = 0
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps(vars(self), indent=2, default=str)


def run(
    api: str,
    caller: str,
    *,
    scenario: str = "default",
    seed: int = 1,
    phases: Sequence[str] = PHASES,
    examples: int = 10,
    without: Sequence[str] = (),
) -> Report:
    """One run. Registers hooks for the whole process, so a process makes one run.

    api: a name or a folder; caller: by name in the scenario, or `nobody`
    examples: generated requests an operation and kind, at most; without: operationIds to leave out
    """
    app = create_app(api, scenario=scenario)
    (service,) = app.services.values()
    name, base = service.api.name, service.api.conventions.base
    report = Report(name, caller, seed)
    guided = guide(app, name, caller)

    @schemathesis.hook
    def before_load_schema(ctx: HookContext, raw_schema: dict[str, Any]) -> None:
        guided.link(raw_schema)

    @schemathesis.hook
    def before_call(ctx: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
        guided.prepare(case)

    @schemathesis.hook
    def filter_failure(ctx: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
        row = accepted(name, failure, case, response)
        if row is not None:
            report.accepted[row["name"]] += 1
        return row is None

    token = None if caller == NOBODY else app.token(caller)
    schema: BaseSchema = schemathesis.openapi.from_asgi(
        f"{base}/openapi.json", app, config=config(token, seed=seed, phases=phases, examples=examples)
    )
    if without:
        schema = schema.exclude(operation_id=list(without))
    _start_chains_anew(schema, app)
    for event in from_schema(schema).execute():
        _note(report, event)
    return report


def guide(app: MockServer, api: str, caller: str) -> Guide:
    """What knows an API's world for one of its callers: a module of guides/ by its name, else the plain guide."""
    name = f"tests.schemathesis.guides.{api}"
    kind: type[Guide] = import_module(name).Guide if find_spec(name) is not None else Guide
    return kind(app, api, None if caller == NOBODY else app.callers[caller])


def config(token: str | None, *, seed: int, phases: Sequence[str], examples: int) -> SchemathesisConfig:
    """schemathesis.toml with what differs from run to run."""
    raw = tomllib.loads((HERE / "schemathesis.toml").read_text())
    raw["seed"] = seed
    raw["generation"]["max-examples"] = examples
    if token is not None:
        raw["auth"] = {"openapi": {"bearerAuth": {"bearer": token}}}
    for phase in PHASES:
        raw["phases"].setdefault(phase, {})["enabled"] = phase in phases
    return SchemathesisConfig.from_dict(raw)


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
    parser.add_argument("--api", required=True, help="a name, or a folder with a slash in it")
    parser.add_argument("--caller", required=True, help=f"one of the scenario's, or {NOBODY}")
    parser.add_argument("--scenario", default="default", help="a name or a file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=PHASES)
    parser.add_argument("--examples", type=int, default=10, help="generated requests an operation and kind, at most")
    parser.add_argument("--without", nargs="+", default=(), metavar="OPERATION", help="operations to leave out")
    report = run(**vars(parser.parse_args(arguments)))
    print(report.as_json())
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
