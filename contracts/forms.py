"""Bodies that are no plain JSON: forms with files in them, and JSON with numbers as exact as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

BOUNDARY = "----doubleentry"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form; without a filename it is a field."""

    name: str
    content: bytes
    filename: str | None = None
    media: str | None = None


def form(*parts: Part) -> bytes:
    """The body of a multipart request; names beyond ASCII as UTF-8, as browsers send them."""
    whole = b""
    for part in parts:
        named = f'; filename="{part.filename}"' if part.filename is not None else ""
        typed = f"\r\nContent-Type: {part.media}" if part.media is not None else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part.name}"{named}{typed}\r\n\r\n'
        whole += head.encode() + part.content + b"\r\n"
    return whole + f"--{BOUNDARY}--\r\n".encode()


def exact(value: Any) -> str:
    """JSON in which a Decimal is a number with all its digits."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)}: {exact(each)}" for name, each in value.items()) + "}"
    return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value)
