"""Faults: which rules there are, how often each has struck, and switching them on and off."""

from __future__ import annotations

from typing import Any

from mockserver import fault_reach
from mockserver.control import Asked, operation
from mockserver.domain.errors import Invalid
from mockserver.faults import Rule


@operation
def list_faults(asked: Asked) -> Any:
    return {"faults": [_told(rule) for rule in asked.sandbox.faults]}


@operation
def add_fault(asked: Asked) -> Any:
    sandbox = asked.sandbox
    if wrong := dict(fault_reach.unreachable(sandbox, asked.body)):
        told = "; ".join(f"{place}: {said}" for place, said in wrong.items())
        raise Invalid(told, {place: [said] for place, said in wrong.items()})
    earlier = list(sandbox.faults)
    made = sandbox.faults.add(asked.body)
    doubts = " ".join(fault_reach.doubts(sandbox, made, earlier))
    return _told(made) | ({"warning": doubts} if doubts else {})


@operation
def drop_fault(asked: Asked) -> Any:
    asked.sandbox.faults.drop(asked.path["id"])


@operation
def drop_faults(asked: Asked) -> Any:
    return {"dropped": asked.sandbox.faults.clear()}


def _told(rule: Rule) -> dict[str, Any]:
    return {"id": rule.id, "calls": rule.calls, "struck": rule.struck, "rule": rule.said}
