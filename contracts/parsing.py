"""JSON read in a fraction of the time that Python's own `json` takes, where both read the same."""

from __future__ import annotations

import re
from typing import Any

import orjson

_DIGITS = bytes(48 if 48 <= each <= 57 else 32 for each in range(256))
_RUN = b"0" * 19
_LONG = re.compile(rb"(?:^|[:,\[])\s*-?[0-9]{19}")


def plain(content: bytes) -> Any:
    """The value of a body, if it is JSON as its standard has it: UTF-8, and no number beyond 64 bits; else None.

    Python reads more than that: UTF-16, NaN, halves of surrogate pairs, whole numbers of any length.
    """
    # orjson would round a number of 20 digits. Most bodies are cleared by the first question, at a tenth of the cost.
    if _RUN in content.translate(_DIGITS) and _LONG.search(content):
        return None
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
