"""What runs need beside the base package: the extra `contracts`, which an installation may be without."""

from __future__ import annotations

from importlib.util import find_spec

from contracts.mistakes import Mistake

MODULES = ("httpx", "hypothesis", "openpyxl", "rich", "schemathesis")
"""What the extra brings, and runs import where they come to it"""


def needed() -> None:
    """Raise Mistake where the extra is not installed: a run would find that out in its middle, check by check."""
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise Mistake(f"not installed: {', '.join(missing)}; they come with pip install 'doubleentry[contracts]'.")
