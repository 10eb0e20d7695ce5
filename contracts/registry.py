"""The checks there are: each a function that yields findings, registered under its name with what it proves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from contracts.settings import Mode
from specs.tables import Api

if TYPE_CHECKING:
    from contracts.findings import Finding
    from contracts.probe import Probe

Run = Callable[["Probe", str], Iterator["Finding"]]
Cases = Callable[[Api], Sequence[str]]
MODULES = (
    "access",
    "strangers",
    "order",
    "objects",
    "rows",
    "visibility",
    "views",
    "paging",
    "ordering",
    "filters",
    "selection",
    "methods",
    "validation",
    "robustness",
    "machines",
    "effects",
    "changes",
    "concurrency",
    "arithmetic",
    "files",
    "conformance",
    "journeys",
)
"""contracts/checks/*.py, in the order in which they run: what explains other faults comes first"""


class Unknown(LookupError):
    """No check of that name; `str()` lists what is near."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    id: group and name, `access.matrix`; mode: the least that it needs
    cases: what it is split into, told from the tables alone, so that it can be listed without a target
    apis: the only APIs that it is about; None: all
    """

    id: str
    proves: str
    codes: tuple[str, ...]
    mode: Mode
    run: Run
    cases: Cases
    apis: tuple[str, ...] | None = None

    def applies(self, api: Api) -> bool:
        """Whether it has anything to do for an API."""
        return (self.apis is None or api.name in self.apis) and bool(self.cases(api))


CHECKS: dict[str, Check] = {}


def whole(api: Api) -> Sequence[str]:
    """The cases of a check that is not split: one, without a name."""
    return ("",)


def check(
    id: str,
    *,
    proves: str,
    codes: Sequence[str],
    mode: Mode = Mode.READ_ONLY,
    cases: Cases = whole,
    apis: Sequence[str] | None = None,
) -> Callable[[Run], Run]:
    """Register a function as a check. It is called with a Probe and one of its cases, and yields what is wrong."""

    def register(run: Run) -> Run:
        if id in CHECKS:
            raise ValueError(f"check {id}: there is one of that name; take another.")
        CHECKS[id] = Check(id, proves, tuple(codes), mode, run, cases, None if apis is None else tuple(apis))
        return run

    return register


def checks() -> tuple[Check, ...]:
    """Every check, in the order of MODULES and of their modules; those of single APIs come last."""
    from pathlib import Path

    here = Path(__file__).parent
    for name in MODULES:
        if (here / "checks" / f"{name}.py").exists():
            import_module(f"contracts.checks.{name}")
    for home in sorted((here / "apis").glob("*/checks.py")):
        import_module(f"contracts.apis.{home.parent.name}.checks")
    places = {f"contracts.checks.{name}": place for place, name in enumerate(MODULES)}
    # Who imported a module before must not matter: sorting keeps the order within each.
    return tuple(sorted(CHECKS.values(), key=lambda each: places.get(each.run.__module__, len(places))))


def find(id: str) -> Check:
    """The check of that name. Raises Unknown."""
    known = {each.id: each for each in checks()}
    if id not in known:
        near = get_close_matches(id, known, n=1)
        raise Unknown(f"no check {id!r}{f'; did you mean {near[0]}?' if near else ''} `contracts list` names all.")
    return known[id]
