"""Whether two refusals can be told apart by whoever gets them: status, headers that matter, and what the body says."""

from __future__ import annotations

import re

from contracts.wire import Answer

HEADERS = (
    "content-type",
    "www-authenticate",
    "allow",
    "location",
    "etag",
    "last-modified",
    "cache-control",
    "retry-after",
)
"""Those that could tell; others (dates, traces, lengths) differ between any two answers."""
# Ids, numbers, times and traces: a word with a digit in it, whatever else is in it.
_WORD = re.compile(r"[A-Za-z_-]*[0-9][A-Za-z0-9_-]*")


def difference(one: Answer, other: Answer, *names: str) -> str:
    """What tells two answers apart, in a few words; "" if nothing does.

    names: texts that stand for what was asked, and that may differ: ids, names of operations
    """
    if one.status != other.status:
        return f"{one.status} and {other.status}"
    for name in HEADERS:
        if one.headers.get(name) != other.headers.get(name):
            return f"{name}: {one.headers.get(name, 'none')} and {other.headers.get(name, 'none')}"
    first, second = _blank(one, names), _blank(other, names)
    return f"{one.said} and {other.said}" if first != second else ""


def _blank(answer: Answer, names: tuple[str, ...]) -> str:
    """The body without ids and numbers; whole words, so that a part of a longer number is not cut out of it."""
    text = _WORD.sub("*", answer.content.decode("utf-8", "replace"))
    for name in sorted((name for name in names if name and not _WORD.search(name)), key=len, reverse=True):
        text = text.replace(name, "*")
    return text
