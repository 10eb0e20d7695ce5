"""Constants of a query, converted once to what records hold, and patterns."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mockserver.rql.refusals import NO_CONVERSION, WRONG_OPERATOR, refusal, shown
from mockserver.rql.syntax import Constant, Path, Value
from mockserver.wire import parse_instant
from specs.shapes import Property

_DECIMAL = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,3})?")
# A "+" that nobody percent-encoded arrives as a space: 2025-06-30T00:00:00 02:00.
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)")


def constant(value: Value, target: Property, path: Path) -> Any:
    """What a word means for a property: text, Decimal, canonical instant, bool; None for null().

    Raises Invalid, keyed by the path and naming the value.
    """
    if isinstance(value, Constant):
        if value.name == "null":
            return None
        if target.kind != "string":
            mend = f"empty() is the empty text, and {path.text} is no text ({target.kind}); null() is its absence."
            raise refusal(WRONG_OPERATOR, "empty", mend, at=value.at)
        return ""
    try:
        return _CONVERSIONS[target.kind](value.text, target)
    except ValueError as error:
        mend = f"{shown(value.text)!r} is no value of {path.text}; {error}."
        raise refusal(NO_CONVERSION, path.text, mend, at=value.at) from None


def _string(text: str, target: Property) -> str:
    return text


def _number(text: str, target: Property) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise ValueError("a number is wanted, such as 12 or -0.5")
    return Decimal(text)


def _boolean(text: str, target: Property) -> bool:
    if text.casefold() not in ("true", "false"):
        raise ValueError("true or false is wanted")
    return text.casefold() == "true"


def _enum(text: str, target: Property) -> str:
    if text not in target.enum:
        raise ValueError(f"one of these is wanted: {', '.join(target.enum)}")
    return text


def _date(text: str, target: Property) -> str:
    try:
        return parse_instant(_LOST_PLUS.sub(r"\1+\2", text))
    except ValueError:
        raise ValueError("a date is wanted, such as 2025-06-30 or 2025-06-30T23:59:59.000Z") from None


_CONVERSIONS: dict[str, Callable[[str, Property], Any]] = {
    "string": _string,
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "enum": _enum,
    "date": _date,
}


def pattern(text: str, variable: str, constant: Callable[[str], str], *, folded: bool) -> str:
    """The test that `like` makes of a variable, or with `folded`, `ilike`, as an expression.

    A star is special at the two ends, `\\*` is a star. constant: gives the name that an expression finds a value by
    """
    starts = text.startswith("*")
    ends = text.endswith("*") and not text.endswith("\\*") and (len(text) > 1)
    body = text[1 if starts else 0 : -1 if ends else None].replace("\\*", "*")
    wanted, held = (constant(body.casefold()), f"{variable}.casefold()") if folded else (constant(body), variable)
    if starts and ends:
        return f"{wanted} in {held}"
    if starts:
        return f"{held}.endswith({wanted})"
    return f"{held}.startswith({wanted})" if ends else f"{held} == {wanted}"
