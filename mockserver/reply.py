"""An answer on its way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, body and headers beyond Content-Length.

    said: what a log shows of a refusal
    """

    status: int
    body: bytes = b""
    media: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    said: str = ""
