"""Ids that look drawn and are counted, so that none is given twice and the same calls see the same ones."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from specs.tables import Identifier

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_STEP = 44
"""Bits of a ULID between one count and the next: what lies between them is drawn."""


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


def ulid(seed: int, entity: str, moment: datetime, count: int) -> str:
    """The `count`-th ULID of an entity under a seed, made at `moment`: of two, the later sorts behind the earlier.

    Within a millisecond the greater count is the later. Moments before 1970 count as its first.
    """
    milliseconds = max(0, (moment - _EPOCH) // timedelta(milliseconds=1))
    # Half of the 80 bits behind the time stay free above the first, so that counts up to 2**34 never run over.
    first = int(_hash(f"{seed}/{entity}/{milliseconds}"), 16) % 2**79
    drawn = int(_hash(f"{seed}/{entity}/ulid/{count}"), 16) % 2**_STEP
    return _crockford((milliseconds << 80) + first + (count << _STEP) + drawn)


def uuid(seed: int, entity: str, count: int) -> str:
    """The `count`-th UUID of an entity under a seed, in the shape of version 4."""
    digest = hashlib.blake2b(f"{seed}/{entity}/uuid/{count}".encode(), digest_size=16).digest()
    return str(UUID(bytes=digest, version=4))


def _crockford(value: int) -> str:
    """The 26 characters of 128 bits in base 32, which sort as the numbers do."""
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))


def derived(identifier: Identifier, *parts: str) -> str:
    """The id that follows from other facts alone, e.g. a document's number and country."""
    digits = sum(identifier.groups)
    return identifier.shape(str(int(_hash("/".join(parts)), 16) % 10**digits).zfill(digits))


def digits(id: str) -> str:
    """The digits of an id, without prefix and dashes."""
    return "".join(character for character in id if character.isdigit())


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
