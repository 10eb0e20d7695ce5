"""What a start need not make anew, kept until what it was made of changes: seeded worlds, and scenarios once read.

A world is kept as plain data under the user's cache folder, by the hash of the code, the scenario and the options. Only
plain values and amounts are read back, so a file that somebody else has put there can do no more than be refused.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pickle
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from specs.documents import cache, keep

MOST = 8
"""Files of one kind that stay"""


class _Plain(pickle.Unpickler):
    """Reads plain values and amounts, and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("decimal", "Decimal"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def place(what: str, *told: object) -> Path:
    """Where something is kept, under whatever else it depends on than the code."""
    state = hashlib.blake2b(_code(), digest_size=16)
    state.update(repr((told, sys.version_info[:2])).encode())
    return cache() / f"{what}-{state.hexdigest()}.pickle"


@functools.cache
def _code() -> bytes:
    """What stands for all the code and all the tables that a world is made by."""
    state = hashlib.blake2b(digest_size=16)
    here = Path(__file__).parent
    # Not by pathlib, which takes longer to find the files than it takes to read them.
    paths = [
        f"{folder}/{name}"
        for top in (here, here.parent / "specs")
        for folder, _, names in os.walk(top)
        for name in names
        if name.endswith((".py", ".yaml"))
    ]
    # Faker says its version there; to ask for that of a package takes longer than all this.
    if (faker := find_spec("faker")) is not None and faker.origin is not None:
        paths.append(faker.origin)
    for path in sorted(paths):
        with open(path, "rb", buffering=0) as file:
            state.update(path.rpartition("/")[2].encode() + b"\0" + file.read() + b"\0")
    return state.digest()


def read(path: Path) -> Any:  # Any: whatever was written there
    """The plain data that are kept there; None if there are none that can be read."""
    try:
        return _Plain(io.BytesIO(path.read_bytes())).load()
    except (OSError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError, pickle.UnpicklingError):
        return None


def write(path: Path, made: Any) -> None:  # Any: plain data
    """Keep plain data, whole or not at all; without a writable cache nothing is kept."""
    keep(path, pickle.dumps(made, protocol=5), most=MOST)
