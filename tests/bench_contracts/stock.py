"""Schemathesis as it comes, as one caller of one server: every check, every phase, nothing told of the API."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from specs.tables import load

CALLERS = {
    "billing": ("operations", "vendor", "client"),
    "credits": ("admin", "auditor", "clerk", "treasurer", "reader"),
    "accounts": ("finance", "finance-none"),
}
"""One a role"""


@dataclass(frozen=True, slots=True)
class Stock:
    """What a run found: (check, operation) of each failure."""

    failures: frozenset[tuple[str, str]]
    requests: int
    seconds: float

    def __add__(self, other: Stock) -> Stock:
        return Stock(self.failures | other.failures, self.requests + other.requests, self.seconds + other.seconds)


NOTHING = Stock(frozenset(), 0, 0.0)


def against(server: Any, api: str, token: str, *, seed: int, examples: int) -> Stock:
    """A run. server: an ASGI application, or an address; examples: generated requests an operation and kind, at most"""
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import events, from_schema

    # Without a configuration of its own it would look for a file in the folders above.
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "generation": {"max-examples": examples, "database": "none"},
            "auth": {"openapi": {"bearerAuth": {"bearer": token}}},
        }
    )
    began = time.monotonic()
    document = load(api).conventions.base + "/openapi.json"
    if isinstance(server, str):
        schema = schemathesis.openapi.from_url(server + document, config=config)
    else:
        schema = schemathesis.openapi.from_asgi(document, server, config=config)
    failures: set[tuple[str, str]] = set()
    requests = 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            failures.add(("error", event.label))
        if isinstance(event, events.ScenarioFinished):
            requests += len(event.recorder.interactions)
            failures |= set(_failures(event))
    return Stock(frozenset(failures), requests, time.monotonic() - began)


def _failures(event: Any) -> Sequence[tuple[str, str]]:
    return [
        (check.name, check.failure_info.failure.operation or event.label)
        for checks in event.recorder.checks.values()
        for check in checks
        if check.failure_info is not None
    ]
