"""How much of a contract a run has looked at: operations, cells, transitions, statuses; what is missing, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from contracts.findings import Result, Verdict
from specs.expand import ANONYMOUS, cells
from specs.tables import Api, Machine

UNTRIED = frozenset({Verdict.BLOCKED, Verdict.SKIPPED})
WALKED = frozenset({"arrived", "refused"})


@dataclass(frozen=True, slots=True)
class Missing:
    """What was not looked at. group: what it belongs to, "" for itself; why: "" where nobody said."""

    group: str
    name: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of thing. title: what it counts, in the plural"""

    title: str
    whole: int
    missing: tuple[Missing, ...]

    @property
    def done(self) -> int:
        return self.whole - len(self.missing)

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 means all."""
        return 100 * self.done // self.whole if self.whole else 100


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one API. operations: those that succeeded once; statuses: those that the spec documents"""

    api: str
    operations: Part
    cells: Part
    transitions: Part
    statuses: Part

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.operations, self.cells, self.transitions, self.statuses


def coverage(result: Result) -> list[Coverage]:
    """What a run looked at, API by API; only of those whose tables it carries."""
    return [_of(result, result.documents[name]) for name in result.apis if name in result.documents]


def events(api: Api, entity: str) -> tuple[str, ...]:
    """Events that an operation can cause on an entity, in table order."""
    found = (each.event for each in api.operations.values() if each.entity == entity and each.event is not None)
    return tuple(dict.fromkeys(found))


def pairs(api: Api) -> Iterator[tuple[Machine, str, str]]:
    """Every machine, state and event that can be tried."""
    for entity, machine in api.machines.items():
        for state in machine.states:
            for event in events(api, entity):
                yield machine, state, event


def documented(api: Api) -> Mapping[str, tuple[int, ...]]:
    """operationId -> statuses that the spec has for it, lowest first."""
    return {
        operation["operationId"]: tuple(sorted(int(status) for status in operation["responses"] if status.isdigit()))
        for item in api.document["paths"].values()
        for operation in item.values()
        if isinstance(operation, Mapping) and "operationId" in operation
    }


def _of(result: Result, api: Api) -> Coverage:
    seen = {id: counts for (name, id), counts in result.statuses.items() if name == api.name}
    statuses = [(id, status) for id, known in documented(api).items() for status in known]
    return Coverage(
        api.name,
        operations=_part(
            "operations with a success",
            len(api.operations),
            (Missing("", id) for id in api.operations if not any(status < 400 for status in seen.get(id, ()))),
        ),
        cells=_cells(result, api),
        transitions=_transitions(result, api),
        statuses=_part(
            "documented statuses",
            len(statuses),
            (Missing(id, str(status)) for id, status in statuses if status not in seen.get(id, ())),
        ),
    )


def _cells(result: Result, api: Api) -> Part:
    wanted = [(cell.capability.id, cell.caller) for cell in cells(api)]
    tried = set()
    reasons: dict[tuple[str, str], str] = {}
    for each in result.cells:
        if each.api != api.name:
            continue
        cell = each.capability, each.role or ANONYMOUS
        if each.verdict in UNTRIED:
            reasons.setdefault(cell, each.reason)
        else:
            tried.add(cell)
    missing = (Missing(id, role, reasons.get((id, role), "")) for id, role in wanted if (id, role) not in tried)
    return _part("cells", len(wanted), missing)


def _transitions(result: Result, api: Api) -> Part:
    wanted = list(pairs(api))
    missing = []
    for machine, state, event in wanted:
        said = result.transitions.get((api.name, machine.entity, state, event), "")
        if said not in WALKED:
            missing.append(Missing(f"{machine.entity} {state}", event, said))
    return _part("transitions", len(wanted), missing)


def _part(title: str, whole: int, missing: Iterable[Missing]) -> Part:
    return Part(title, whole, tuple(missing))
