"""Who made a credit, and when, why and by whom it took effect and was taken back: told by itself, in that order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from contracts.apis.credits.books import KINDS, Books, Entry, need
from contracts.apis.credits.ground import APIS, SPEC, Ground, Row
from contracts.apis.credits.stage import Stage
from contracts.findings import Finding
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.wire import Caller, Exchange
from specs.tables import Operation

REVERSED: Mapping[str, tuple[str, ...]] = {
    "Payment": ("reversalReason", "reversedAt", "reversedBy"),
    "CreditDistribution": ("reversalReason", "reversedAt"),
    "WriteOff": ("reversalReason", "reversedAt"),
}
"""What an entity tells of its reversal; the others tell nothing of it"""


def untold(entity: str, row: Row, is_reversed: bool) -> list[str]:
    """What a credit that was carried out, or taken back, should tell and does not."""
    since = KINDS[entity].realized
    names = (*((since,) if since is not None else ()), *(REVERSED.get(entity, ()) if is_reversed else ()))
    return [name for name in names if name not in row]


@check(
    "credits.told",
    proves="what was carried out tells since when, what was taken back when, why and by whom, and nothing else does",
    codes=("W409",),
    apis=APIS,
)
def told(p: Probe, case: str) -> Iterator[Finding]:
    books = Books(Ground(p))
    need(books.entries)
    for entry in books.entries.values():
        for subject, expected, came in faults(entry):
            wrong = books.ground.wrong("W409", entry.kind.listing, subject, expected, f"{came} of {entry.name}", "O, I")
            yield replace(wrong, operation=p.facts.first("W409", subject, p.operation(entry.kind.listing)))


def faults(entry: Entry) -> Iterator[tuple[str, str, str]]:
    """(entity and member, what should be told, what is)."""
    row, entity, is_reversed = entry.row, entry.kind.entity, entry.state == "reversed"
    is_done = entry.is_live or is_reversed
    for name in untold(entity, row, is_reversed) if is_done else ():
        yield f"{entity} {name}", f"{name} of what is {entry.state}", "none"
    later = [] if is_reversed else list(REVERSED.get(entity, ()))
    later += [entry.kind.realized] if entry.kind.realized is not None and not is_done else []
    for name in later:
        if name in row:
            yield f"{entity} {name}", f"no {name} of what is {entry.state}", f"{row[name]!r}"
    times = [name for name in ("createdAt", entry.kind.realized, "reversedAt") if name is not None and name in row]
    for one, other in pairwise(times):
        if _instant(row[other]) < _instant(row[one]):
            yield f"{entity} {other}", f"{other} at {row[one]}, its {one}, or later", f"{row[other]}"


def _instant(value: Any) -> datetime:
    """Raises Blocked where it is none, which is told of its shape."""
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise Blocked(f"{value!r} is no instant") from None


MAKING: Mapping[str, Callable[[Stage], Any]] = {
    "createPayment": lambda stage: stage.bodies.payment(),
    "createCreditDistribution": lambda stage: stage.bodies.distribution(),
    "createDisbursement": lambda stage: stage.bodies.disbursement(),
}
"""Operations that draft something, and their bodies"""


@check(
    "credits.authors",
    proves="whatever one caller makes tells one author",
    codes=("W409",),
    mode=Mode.OWN,
    apis=APIS,
)
def authors(p: Probe, case: str) -> Iterator[Finding]:
    assert isinstance(p.stage, Stage)
    callers = [each for each in p.callers if p.scope(each) == p.stage.ground.home]
    compared = 0
    for caller in {each.role: each for each in reversed(callers)}.values():
        made = [_made(p.stage, p.operation(each), caller) for each in MAKING if caller.role in p.operation(each).roles]
        compared += len(made) > 1
        yield from _odd(p, made)
    if not compared:
        raise Nothing("no caller may make two kinds of credits")


def _made(stage: Stage, operation: Operation, caller: Caller) -> Exchange:
    exchange = stage.p.expect(stage.p.call(operation, caller, stage.ground.home, body=MAKING[operation.id](stage)))
    stage.end(stage.p.things[-1][1])
    return exchange


def _odd(p: Probe, made: Sequence[Exchange]) -> Iterator[Finding]:
    """Those of a caller's credits that tell another author than the others do."""
    told = [each.json.get("createdBy") if isinstance(each.json, dict) else None for each in made]
    usual = Counter(told).most_common(1)[0][0] if told else None
    for exchange, author in zip(made, told, strict=True):
        if author != usual:
            expected = f"{usual}, as {exchange.caller.name} made it and other credits tell that"
            beside = [each for each, other in zip(made, told, strict=True) if other == usual][:1]
            yield p.finding(
                "W409", exchange, expected=expected, came=f"{author}", source="O, I", place=SPEC,
                subject="createdBy", steps=beside,
            )  # fmt: skip
