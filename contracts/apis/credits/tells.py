"""Who made a credit, and when, why and by whom it took effect and was taken back: told by itself, in that order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from contracts.apis.credits.books import KINDS, Books, Entry, need
from contracts.apis.credits.ground import APIS, SPEC, Ground, Row
from contracts.apis.credits.stage import Stage
from contracts.findings import Finding
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.wire import Exchange

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
        for subject, expected, came in _faults(entry):
            name = p.facts.first("W409", subject, p.operation(entry.kind.listing))
            wrong = books.ground.wrong("W409", entry.kind.listing, subject, expected, f"{came} of {entry.name}", "O, I")
            yield _at(wrong, name)


def _faults(entry: Entry) -> Iterator[tuple[str, str, str]]:
    """(member, what it should be, what it is), one at most."""
