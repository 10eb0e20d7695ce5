"""What the Accept header asks for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

JSON = "application/json"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
JSONL = "application/jsonl"
PDF = "application/pdf"


@lru_cache(maxsize=512)
def ranges(accept: str) -> tuple[tuple[str, float], ...]:
    """The media ranges of an Accept header, the most wanted first, equal ones as they stand; q=0 left out."""
    found = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 1.0
        if name and 0 < quality <= 1:
            found.append((name, quality))
    return tuple(sorted(found, key=lambda each: -each[1]))


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """The offered type that the header wants most; the first where it does not care; None if it takes none.

    A named type beats a wildcard of the same weight, so `text/csv, */*` means CSV.
    """
    if accept is None or not accept.strip():
        return offered[0]
    wanted = sorted(ranges(accept), key=lambda each: (-each[1], each[0].count("*")))
    for name, _ in wanted:
        if name in ("*/*", "*"):
            return offered[0]
        for each in offered:
            if name == each or (name.endswith("/*") and each.startswith(name[:-1])):
                return each
    return None
