"""How far a fault reaches: one that all operations share is told once, one of a single operation is told there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from weakref import WeakKeyDictionary

from contracts.probe import Blocked, Probe
from specs.tables import Capability

ENOUGH = 3
"""Other operations that must have the same fault for it to be taken as one of them all; two where there are but two."""
_FOUND: WeakKeyDictionary[Probe, dict[str, bool]] = WeakKeyDictionary()


def everywhere(p: Probe, fault: str, elsewhere: Iterable[bool]) -> bool:
    """Whether a fault that was found is at other operations, too; asked once for each fault.

    fault: its code and what else tells it from others; elsewhere: whether the next other operation has it
    """
    known = _FOUND.setdefault(p, {})
    if fault not in known:
        try:
            seen = list(islice(elsewhere, ENOUGH))
        except Blocked:
            seen = []
        known[fault] = len(seen) > 1 and all(seen)
    return known[fault]


def others(p: Probe, than: Capability) -> Iterator[Capability]:
    """Capabilities of other operations that ask for a token, in an order of the run's own."""
    found = [each for each in p.api.capabilities if each.operation != than.operation]
    found = [each for each in found if not p.operation(each.operation).open]
    p.facts.chance("reach", than.id).shuffle(found)
    return iter(found)
