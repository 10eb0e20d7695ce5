"""The whole content of a world as one short text: equal before and after means that nothing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import orjson

from mockserver.store import Layer
from mockserver.world import World


def fingerprint(world: World) -> str:
    """Every record of every entity in its order, counters, waiting jobs and files among them, and the clock."""
    found = blake2b(digest_size=16)
    for entity in sorted(entities(world)):
        found.update(entity.encode())
        for row in world.layer.all(entity):
            found.update(orjson.dumps(row.record, default=_plain, option=orjson.OPT_PASSTHROUGH_DATACLASS))
    found.update(world.clock.now().isoformat().encode())
    return found.hexdigest()


def entities(world: World) -> set[str]:
    """Every entity of which a world holds, or held, records."""
    names: set[str] = set()
    layer: Layer | None = world.layer
    while layer is not None:
        names |= {entity for entity, _, _ in layer.changed()}
        layer = layer.below
    return names


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return blake2b(value).hexdigest()
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return repr(value)  # callers, who keep what they were once asked for
    raise TypeError(type(value).__name__)
