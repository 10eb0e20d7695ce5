"""Ids that look drawn and are counted: a walk over all numbers of the right length, which never meets one twice."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from specs.tables import Identifier


def spread(seed: int, entity: str, count: int, digits: int) -> str:
    """The `count`-th number of `digits` digits of an entity under a seed; distinct counts give distinct numbers."""
    start, step, size = _walk(seed, entity, digits)
    return str((start + count * step) % size).zfill(digits)


@lru_cache(maxsize=256)  # one an entity, asked for with every new record
def _walk(seed: int, entity: str, digits: int) -> tuple[int, int, int]:
    """Start, step and size of the walk over all numbers of so many digits."""
    size = 10**digits
    # A step that ends in 7 shares no factor with a power of ten, so the walk visits every number once.
    step = int(_hash(f"{entity}/step/{digits}"), 16) % (size // 10) * 10 + 7
    return int(_hash(f"{seed}/{entity}"), 16) % size, step, size


def derived(identifier: Identifier, *parts: str) -> str:
    """The id that follows from other facts alone, e.g. a document's number and country."""
    digits = sum(identifier.groups)
    return identifier.shape(str(int(_hash("/".join(parts)), 16) % 10**digits).zfill(digits))


def digits(id: str) -> str:
    """The digits of an id, without prefix and dashes."""
    return "".join(character for character in id if character.isdigit())


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
