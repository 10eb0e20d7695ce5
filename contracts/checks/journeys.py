"""Journeys: sequences of steps that nobody wrote, by callers of all roles, beside a model of the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.checks.machines import driven
from contracts.findings import Finding
from contracts.probe import Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.walks.journey import Found, Journey
from specs.tables import Api


def entities(api: Api) -> Sequence[str]:
    """The entities that operations move by themselves, not below another."""
    return list(dict.fromkeys(machine.entity for operation, machine in driven(api) if operation.below is None))


@check(
    "journeys.walks",
    proves="whatever callers do in whatever order, every object is where its own steps led it",
    codes=("W401", "W402", "W403", "W404", "W405", "W408", "W412", "A102", "A103"),
    mode=Mode.FULL,
    cases=entities,
)
def walks(p: Probe, case: str) -> Iterator[Finding]:
    journey = Journey(p, p.api.machines[case])
    journey.run()
    for found in list(journey.found.values()):
        yield told(journey, found)
    # Walks that end because there is nothing more to walk with have been walks all the same.
    if journey.stopped is not None and not (journey.tried and isinstance(journey.stopped, Nothing)):
        raise journey.stopped


def told(journey: Journey, found: Found) -> Finding:
    """A breach as a finding: of the one step that shows it, else of the shortest walk that does."""
    p, breach = journey.p, found.breach
    exchange = journey.alone(breach)
    if exchange is not None:
        return p.finding(
            breach.code,
            exchange,
            operation=breach.operation,
            expected=breach.expected,
            came=breach.came,
            source=breach.source,
            place="access" if breach.code in ("W404", "A102", "A103") else "machines",
            subject=breach.subject,
            cell=breach.cell if breach.code.startswith("A") else "",
            steps=found.exchanges if not breach.event else (),
        )
    short = journey.shortest(found)
    way = ", ".join(f"{each.event} by {each.caller}" for each in short.steps)
    return p.finding(
        "W412",
        short.exchanges[-1] if short.exchanges else None,
        expected=short.breach.expected,
        came=short.breach.came,
        source=breach.source,
        place="machines",
        operation=breach.operation,
        subject=f"{short.breach.subject}: {way}" if way else short.breach.subject,
        steps=short.exchanges[:-1],
    )
