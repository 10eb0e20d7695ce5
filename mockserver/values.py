"""The values of records as JSON that gives back exactly what they were: amounts, bytes and tuples under a tag.

    Decimal("1.50") -> {"$decimal": "1.50"}    b"..." -> {"$bytes": "<Base64>"}    (1, 2) -> {"$tuple": [1, 2]}

An object with a member that begins with `$` lies itself under a tag, `$object`, so that none is taken for another.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_AMOUNT = re.compile(r"-?(?=[\d.]{1,60}(?:E|$))\d+(?:\.\d+)?(?:E[+-]?\d{1,2})?", re.ASCII)
_MOST = Decimal("1E18")
DECIMAL, BYTES, TUPLE, OBJECT = "$decimal", "$bytes", "$tuple", "$object"


class Unreadable(ValueError):
    """A value that cannot be; `place` is where, `str()` what is wrong."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place = place


def tagged(value: Any) -> Any:
    """A value of a record as JSON. TypeError for what no record holds."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or kind is float or value is None:
        return value
    if kind is dict or isinstance(value, Mapping):
        made = {name: tagged(each) for name, each in value.items()}
        return {OBJECT: made} if any(name[:1] == "$" for name in made) else made
    if kind is list:
        return [tagged(each) for each in value]
    if kind is Decimal:
        return {DECIMAL: str(value)}
    if kind is bytes:
        return {BYTES: b64encode(value).decode()}
    if kind is tuple:
        return {TUPLE: [tagged(each) for each in value]}
    raise TypeError(f"a record holds a {kind.__name__}, which has no form in JSON")


def is_same(one: Any, other: Any) -> bool:
    """Whether `tagged` says the same of two values, to the order of members and the digits of amounts."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is dict:
        return list(one) == list(other) and all(is_same(each, other[name]) for name, each in one.items())
    if kind is list or kind is tuple:
        return len(one) == len(other) and all(map(is_same, one, other))
    return str(one) == str(other) if kind is Decimal or kind is float else bool(one == other)


def untagged(value: Any, place: str = "") -> Any:
    """What `tagged` was given. Raises Unreadable for what it would never give."""
    kind = type(value)
    if kind is list:
        return [untagged(each, f"{place}[{number}]") for number, each in enumerate(value)]
    if kind is not dict:
        return value
    tag = next((name for name in value if name[:1] == "$"), None)
    if tag is None:
        return {name: untagged(each, f"{place}.{name[:80]}") for name, each in value.items()}
    inner: Any = value[tag]  # Any: whatever came; each reader sees to its kind
    fits = tag in _READ and type(inner) is _READ[tag][0]
    if len(value) > 1 or not fits:
        tags = ", ".join(f"{name} (of {said})" for name, (_, said) in _READ.items())
        raise Unreadable(place, f"is no tagged value; it has one member, of {tags}.")
    if tag == OBJECT:
        if not any(name[:1] == "$" for name in inner):
            raise Unreadable(place, f"needs no {OBJECT}: no member of it begins with $.")
        return {name: untagged(each, f"{place}.{name[:80]}") for name, each in inner.items()}
    if tag == TUPLE:
        return tuple(untagged(each, f"{place}[{number}]") for number, each in enumerate(inner))
    return _bytes(inner, place) if tag == BYTES else _decimal(inner, place)


_READ: Mapping[str, tuple[type, str]] = {
    DECIMAL: (str, "text"),
    BYTES: (str, "text"),
    TUPLE: (list, "a list"),
    OBJECT: (dict, "an object"),
}


def _decimal(text: str, place: str) -> Decimal:
    if len(text) > 70 or _AMOUNT.fullmatch(text) is None:
        raise Unreadable(place, f"{text[:40]!r} is no amount, such as 12.50.")
    value = Decimal(text)
    if abs(value) >= _MOST or str(value) != text:
        raise Unreadable(place, f"{text[:40]!r} is no amount below {_MOST:f}, written as the server writes it.")
    return value


def _bytes(text: str, place: str) -> bytes:
    try:
        content = b64decode(text, validate=True)
    except (Error, ValueError):
        content = b""
    if b64encode(content).decode() != text:
        raise Unreadable(place, "is no Base64.")
    return content
