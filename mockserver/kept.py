"""Seeded worlds, kept until what they were made of changes: building one costs more than all the rest of a start.

A world is kept as plain data under the user's cache folder, by the hash of the code, the scenario and the options. Only
plain values and amounts are read back, so a file that somebody else has put there can do no more than be refused.
"""

from __future__ import annotations

import functools
import hashlib
import io
import pickle
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from specs.documents import cache, keep

Rows = list[tuple[str, Any]]
"""(entity, record) of every record, in the order in which they were first put"""


class _Plain(pickle.Unpickler):
    """Reads plain values and amounts, and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("decimal", "Decimal"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def place(api: str, *told: object) -> Path:
    """Where the world of an API is kept, under whatever else it depends on than the code."""
    state = hashlib.blake2b(_code(), digest_size=16)
    state.update(repr((told, sys.version_info[:2], version("faker"))).encode())
    return cache() / f"world-{api}-{state.hexdigest()}.pickle"


@functools.cache
def _code() -> bytes:
    """What stands for all the code and all the tables that a world is made by."""
    state = hashlib.blake2b(digest_size=16)
    here = Path(__file__).parent
    for path in sorted([*here.rglob("*.py"), *here.parent.glob("specs/**/*.py"), *here.parent.glob("specs/**/*.yaml")]):
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return state.digest()


def read(path: Path) -> Rows | None:
    """The rows that are kept there; None if there are none that can be read."""
    try:
        rows: Rows = _Plain(io.BytesIO(path.read_bytes())).load()
        return rows
    except (OSError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError, pickle.UnpicklingError):
        return None


def write(path: Path, rows: Iterable[tuple[str, Any]]) -> None:
    """Keep rows, whole or not at all; without a writable cache nothing is kept."""
    keep(path, pickle.dumps(list(rows), protocol=5), most=8)
