"""Mistakes of whoever asks for a run: one line that names the place, what was found there, and the mend."""

from __future__ import annotations

from collections.abc import Iterable

MANY = 12
"""Names that a line lists; beyond that it names the near ones alone."""


class Mistake(Exception):
    """What a user asked for cannot be; `str()` is one line: where, what was found, what would be right."""


def near(word: str, known: Iterable[str]) -> str:
    """The end of a line about a word that nobody knows: what it may have meant, and what there is."""
    from difflib import get_close_matches

    names = list(dict.fromkeys(known))
    spelled = {name.lower(): name for name in reversed(names)}
    close = [spelled[each] for each in get_close_matches(word.lower(), spelled, 3, 0.6)]
    hint = f"did you mean {' or '.join(close)}?" if close else ""
    listed = f"there are: {', '.join(names)}." if 0 < len(names) <= MANY else ""
    return (
        " ".join(filter(None, [hint, listed]))
        or "there are none." * (not names)
        or f"none of the {len(names)} there are is like it."
    )
