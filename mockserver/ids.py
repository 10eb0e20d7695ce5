"""Ids that look drawn and are counted: a walk over all numbers of the right length, which never meets one twice."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from specs.tables import Identifier


def spread(seed: int, entity: str, count: int, digits: int) -> str:
    """The `count`-th number of `digits` digits of this entity under this seed; distinct counts give distinct numbers."""
    size = 10**digits
    # A step that ends in 1, 3, 7 or 9 shares no factor with a power of ten, so the walk visits every number once.
    step = int(_hash(f"{entity}/step/{digits}"), 16) % (size // 10) * 10 + 7
    start = int(_hash(f"{seed}/{entity}"), 16)
    return str((start + count * step) % size).zfill(digits)


def derived(identifier: Identifier, *parts: str) -> str:
    """The id that follows from other facts alone, e.g. a document's number and country."""
    digits = sum(identifier.groups)
    return identifier.shape(str(int(_hash("/".join(parts)), 16) % 10**digits).zfill(digits))


def digits(id: str) -> str:
    """The digits of an id, without prefix and dashes."""
    return "".join(character for character in id if character.isdigit())


@lru_cache(maxsize=256)  # two texts an entity, asked for with every new record
def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
