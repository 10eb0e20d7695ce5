"""Calls of a server's own API over HTTP, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

CONTROL = "/__mock__"
# What fails is shown where the test asked for it.
__tracebackhide__ = True
PATIENCE = 120.0
"""Seconds that an answer may take; the first one waits until the worlds are made."""


class MockError(Exception):
    """The server refused what was asked of it, or could not be asked; `str()` is one line that tells the mend.

    status: of the answer; None: there was none
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Calls:
    """Asks the server itself, about one sandbox.

    root: URL of the server, without a slash at its end; prefix: what a path begins with that names the sandbox
    admin: the token that the server's own API asks for, if any
    """

    root: str
    prefix: str = ""
    admin: str | None = None

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        return self._ask("POST", path, body, query)

    def put(self, path: str, body: Any) -> Any:
        return self._ask("PUT", path, body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """What the answer holds; None where it has no body. Raises MockError."""
        where = urlsplit(self.root)
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{where.path}{self.prefix}{CONTROL}{path}" + (f"?{urlencode(asked)}" if asked else "")
        headers = {"Connection": "close"}
        if self.admin is not None:
            headers["Authorization"] = f"Bearer {self.admin}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        # A connection of its own for each call: tests ask from several threads, and after any pause.
        connection = kind(where.hostname or "", where.port, timeout=PATIENCE)
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            status, content = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise MockError(
                f"no mock server answers at {self.root} ({error or type(error).__name__}); start it with "
                "`mockserver`, or leave --mock-url and MOCKSERVER_URL out: the tests start one of their own."
            ) from None
        finally:
            connection.close()
        if status >= 300:
            raise MockError(f"{method} {CONTROL}{path}: {status}: {_detail(content)}", status)
        return json.loads(content) if content else None


def segment(value: str) -> str:
    """A value as one segment of a path."""
    return quote(value, safe="")


def _detail(content: bytes) -> str:
    try:
        return str(json.loads(content)["detail"])
    except (ValueError, TypeError, KeyError):
        return content[:200].decode("utf-8", "replace") or "no reason given"
