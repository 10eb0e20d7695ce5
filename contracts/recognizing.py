"""Whether a target is a deployment of what it is to be held to, asked before any check is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from contracts.callers import shell
from contracts.mistakes import Mistake
from contracts.probe import Blocked, Probe
from contracts.wire import Caller, Exchange, Request
from specs.tables import Operation

if TYPE_CHECKING:
    from contracts.run import Running

TRIES = 2
"""Lists that are asked for; a deployment may lack one."""
KNOWING = (401, 403, 429)
"""What may be answered before a path is looked at, by a gateway in its own words"""


def recognize(made: Running, apis: Collection[str]) -> None:
    """See that the target looks like each of these APIs of a run. Raises Mistake, target.Unreachable."""
    probes = [made.probes[name] for name in made.probes if name in apis]
    for p in probes:
        if not p.callers:
            roles = list(p.api.roles)
            raise Mistake(
                f"no caller for {p.api.name}: give {', '.join(roles)} a token "
                f"(--caller {roles[0]}=env:{shell(roles[0])}_TOKEN), or name callers in contracts.toml."
            )
    before = made.sender.count
    for p in probes:
        _recognize(p)
    made.asked = made.sender.count - before


def _recognize(p: Probe) -> None:
    foreign = None
    for operation, caller, request in islice(_readings(p), TRIES):
        foreign = p.sender.send(
            request, caller, api=p.api.name, operation=operation.id, check="recognizing", safety="read"
        )
        if not _is_foreign(p, operation, foreign):
            return
    if foreign is not None:
        answer = f"{foreign.status} {foreign.answer.media}".rstrip()
        raise Mistake(
            f"target does not look like {p.api.name} at {p.sender.target.address} (GET {foreign.request.path} answered "
            f"{answer}); is the address, or [base] in contracts.toml, right?"
        )


def _readings(p: Probe) -> Iterator[tuple[Operation, Caller, Request]]:
    """Calls that need no id, by callers who may; lists come first."""
    readings = [each for each in p.api.operations.values() if each.method == "GET" and each.does in ("list", "read")]
    for operation in sorted(readings, key=lambda each: each.does != "list"):
        may = p.may(operation)
        if operation.key is not None or operation.parent is not None or not may:
            continue
        try:
            yield operation, may[0], p.request(operation, may[0])
        except (Blocked, ValueError):  # something of its path is not known
            continue


def _is_foreign(p: Probe, operation: Operation, exchange: Exchange) -> bool:
    """Whether no deployment of the API would answer so: no JSON, and no status that the spec has for the call.

    A 404 in other words than JSON is one: the path is of no object that could be missing.
    """
    status = exchange.status
    if exchange.json is not None or status >= 500 or status in KNOWING:
        return False
    return status == 404 or str(status) not in p.spec(operation)["responses"]
