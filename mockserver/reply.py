"""An answer on its way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"


# Not frozen: making one that is takes three times as long, and every request makes one.
@dataclass(slots=True)
class Reply:
    """An answer: status, body and headers beyond Content-Length.

    said: what a log shows of a refusal
    """

    status: int
    body: bytes = b""
    media: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    said: str = ""

    @property
    def start(self) -> dict[str, Any]:
        """The message that an answer begins with: status and headers."""
        headers = [(b"content-length", b"%d" % len(self.body))] if self.status != 204 else []
        if self.media is not None:
            headers.append((b"content-type", self.media.encode()))
        for name, value in self.headers.items():
            headers.append((name.lower().encode(), value.encode("latin-1")))
        return {"type": "http.response.start", "status": self.status, "headers": headers}
