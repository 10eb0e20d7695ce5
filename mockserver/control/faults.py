"""Faults: which rules there are, how often each has struck, and switching them on and off."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mockserver.control import Asked, operation
from mockserver.domain.errors import Invalid
from mockserver.faults import Rule, matching
from mockserver.scenario import nearest


@operation
def list_faults(asked: Asked) -> Any:
    return {"faults": [_told(rule) for rule in asked.sandbox.faults]}


@operation
def add_fault(asked: Asked) -> Any:
    if wrong := dict(_unknown(asked)):
        raise Invalid("; ".join(f"{place}: {told[0]}" for place, told in wrong.items()), wrong)
    return _told(asked.sandbox.faults.add(asked.body))


@operation
def drop_fault(asked: Asked) -> Any:
    asked.sandbox.faults.drop(asked.path["id"])


@operation
def drop_faults(asked: Asked) -> Any:
    return {"dropped": asked.sandbox.faults.clear()}


def _told(rule: Rule) -> dict[str, Any]:
    return {"id": rule.id, "calls": rule.calls, "struck": rule.struck, "rule": rule.said}


def _unknown(asked: Asked) -> Iterator[tuple[str, Sequence[str]]]:
    """What a rule names that is not there: it would never strike, and nobody would know why."""
    said, services, cast = asked.body, asked.server.services, asked.sandbox.base.callers
    api = said.get("api")
    if api is not None and api not in services:
        yield "api", [f"{api!r} is not served; {nearest(api, services)}"]
        return
    chosen = services if api is None else [api]
    operations = [id for name in chosen for id in services[name].endpoints]
    yield from _unmatched("operation", said.get("operation"), operations)
    yield from _unmatched("caller", said.get("caller"), [each.name for name in chosen for each in cast[name].values()])


def _unmatched(place: str, glob: str | None, names: Iterable[str]) -> Iterator[tuple[str, Sequence[str]]]:
    known = list(names)
    if glob is not None and not matching(glob, iter(known)):
        near = difflib.get_close_matches(glob.strip("*"), known, 1, 0.6)
        mend = f"did you mean {near[0]}?" if near else f"there are, e.g., {', '.join(sorted(known)[:5])}."
        yield place, [f"no {place} is {glob!r}; {mend}"]
