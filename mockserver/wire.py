"""How values stand on the wire and in records.

Instants are text in UTC with three digits (`2025-06-30T23:59:59.000Z`), so that text order is time order. Money is
`Decimal` in records and a plain number on the wire. Absent members are absent: a record never holds None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*([Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def instant(moment: datetime) -> str:
    """The canonical text of an aware instant, e.g. "2025-06-30T23:59:59.000Z"."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    millisecond = utc.microsecond // 1000
    # Half of what `isoformat` takes, and nearly every change asks for one.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (  # noqa: UP031  # an f-string takes as long as `isoformat`
        utc.year,
        utc.month,
        utc.day,
        utc.hour,
        utc.minute,
        utc.second,
        millisecond,
    )


@lru_cache(maxsize=4096)  # a file of charges names the same few periods over and over
def parse_instant(text: str) -> str:
    """The canonical text of an instant or date as callers write it; a date means midnight UTC, no offset means UTC.

    Raises ValueError for what is no instant, or lies outside the years 1 to 9999 in UTC.
    """
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no date or date-time")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    zone = (zone or "Z").upper()
    offset = "+00:00" if zone == "Z" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    micros = (fraction or "").ljust(6, "0")[:6]
    # A leap second stands for the last moment of its minute: datetime knows none.
    seconds = "59" if second == "60" else second or "00"
    moment = datetime.fromisoformat(f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{seconds}.{micros}{offset}")
    try:
        return instant(moment)
    except OverflowError:
        raise ValueError(f"{text!r} is outside the years 1 to 9999") from None


def moment(text: str) -> datetime:
    """The aware instant behind canonical text."""
    return datetime.fromisoformat(text)


def number(value: Decimal) -> int | float:
    """The plain number of an amount."""
    plain = float(value)
    return int(plain) if plain.is_integer() and -(2**53) < plain < 2**53 else plain


def digits(value: Decimal | float) -> str:
    """The digits of the number that JSON shows for an amount, without an exponent and without zeros behind."""
    shown = number(value if isinstance(value, Decimal) else Decimal(repr(value)))
    return f"{Decimal(repr(shown)).normalize():f}" if isinstance(shown, float) else str(shown)


def plain(value: Any) -> Any:
    """A record, or a part of one, as JSON values."""
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, Mapping):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    return value


def dump(value: Any) -> bytes:
    """The JSON of a value that may hold amounts."""
    return orjson.dumps(value, default=_default)


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return number(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def exact(value: Any) -> Any:
    """JSON values with every fractional number as the Decimal that its text shows."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: exact(member) for name, member in value.items()}
    if isinstance(value, list):
        return [exact(member) for member in value]
    return value
