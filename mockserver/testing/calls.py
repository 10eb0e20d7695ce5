"""Calls of a server's own API over HTTP, with nothing but the standard library."""

from __future__ import annotations

import difflib
import http.client
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from mockserver.hosts import is_loopback

CONTROL = "/__mock__"
# What fails is shown where the test asked for it.
__tracebackhide__ = True
CONNECTING = 10.0
"""Seconds that a connection may take."""
PATIENCE = 120.0
"""Seconds that an answer may take; the first one waits until the worlds are made."""


class MockError(Exception):
    """The server refused what was asked of it, or could not be asked; `str()` is one line that tells the mend.

    status: of the answer; None: there was none
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def address(url: str) -> str:
    """The address of a server, without a slash at its end. Raises ValueError where it is none."""
    said = url.strip().rstrip("/")
    if _is_address(said):
        return said
    is_bare = _is_address(f"http://{said}") and urlsplit(f"http://{said}").port is not None
    meant = f"http://{said}" if is_bare else "http://HOST:PORT"
    raise ValueError(f"{url[:200] or '(empty)'}: say {meant}, as the server's banner shows it")


def _is_address(said: str) -> bool:
    try:
        where = urlsplit(said)
        is_whole = where.scheme in ("http", "https") and bool(where.hostname) and where.port != 0
    except ValueError:
        return False
    # What stands behind the path, or before the host, would get lost on the way without a word.
    return is_whole and said.isprintable() and not set("?#@ ") & set(said)


def bearable(token: str) -> str:
    """An admin token without the line's end that files leave. Raises ValueError, which does not show it."""
    said = token.strip()
    if not said or not (said.isascii() and said.isprintable()) or " " in said:
        raise ValueError("(not shown): no header can bear it; say the admin token that the server's banner shows")
    return said


def nearest(said: str, there: Iterable[str]) -> str:
    """What there is, after the one that is nearest to what was said."""
    known = list(there)
    close = difflib.get_close_matches(said.lower(), {each.lower(): each for each in known}, 1, 0.6)
    meant = next((each for each in known if close and each.lower() == close[0]), None)
    return (f"did you mean {meant}? " if meant else "") + f"there are: {', '.join(known)}."


@dataclass(slots=True)
class Calls:
    """Asks the server itself, about one sandbox.

    root: URL of the server, without a slash at its end; prefix: what a path begins with that names the sandbox
    admin: the token that the server's own API asks for, if any
    ended: why nothing more may be asked; None: it may
    """

    root: str
    prefix: str = ""
    admin: str | None = None
    ended: str | None = None

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        return self._ask("POST", path, body, query)

    def put(self, path: str, body: Any) -> Any:
        return self._ask("PUT", path, body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """What the answer holds; None where it has no body. Raises MockError; TypeError for what JSON cannot hold."""
        if self.ended is not None:
            raise MockError(self.ended)
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{CONTROL}{path}" + (f"?{urlencode(asked)}" if asked else "")
        headers = {"Connection": "close"}
        if self.admin is not None:
            headers["Authorization"] = f"Bearer {self.admin}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        status, kind, content = self._answer(
            method, target, None if body is None else json.dumps(body, default=_plain).encode(), headers
        )
        is_json = kind.partition(";")[0].strip().endswith("json")
        if (content and not is_json) or 300 <= status < 400:
            raise MockError(
                f"what answers at {self.root} is no mock server ({method} {target}: {status} {kind}); "
                "say the address that the server's banner shows.",
                status,
            )
        if status == 401:
            borne = "none was given" if self.admin is None else "what was given is another one"
            raise MockError(
                f"{self.root} asks for its admin token, and {borne}: say --mock-admin TOKEN, MOCKSERVER_ADMIN in the "
                "environment, or Server(url, admin=TOKEN); the server's banner shows it.",
                status,
            )
        if status >= 300:
            raise MockError(f"{method} {CONTROL}{path}: {status}: {_detail(content)}", status)
        return json.loads(content) if content else None

    def _answer(
        self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str, bytes]:
        """Status, media type and body of what comes back. Raises MockError where nothing does."""
        where = urlsplit(self.root)
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        # A connection of its own for each call: tests ask from several threads, and after any pause.
        connection = kind(where.hostname or "", where.port, timeout=CONNECTING)
        try:
            connection.connect()
            connection.sock.settimeout(PATIENCE)
            connection.request(method, f"{where.path}{self.prefix}{target}", content, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type", ""), answer.read()
        # A host's name may be one that cannot be encoded.
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error or type(error).__name__
            raise MockError(
                f"no mock server answers at {self.root} ({reason}); start it: {self._start}; or leave --mock-url and "
                "MOCKSERVER_URL out: the tests start one of their own."
            ) from None
        finally:
            connection.close()

    @property
    def _start(self) -> str:
        """The command that starts a server at this address."""
        where = urlsplit(self.root)
        words = ["mockserver", *([] if is_loopback(where.hostname or "") else ["--host", "0.0.0.0"])]
        return " ".join([*words, "--port", str(where.port or (443 if where.scheme == "https" else 80))])


def segment(value: str) -> str:
    """A value as one segment of a path."""
    return quote(value, safe="")


def _detail(content: bytes) -> str:
    try:
        return str(json.loads(content)["detail"])
    except (ValueError, TypeError, KeyError):
        return content[:200].decode("utf-8", "replace") or "no reason given"


def instant(value: datetime | date | str) -> str:
    """An instant as the server reads it; a date is its midnight. Raises TypeError for one without a zone."""
    if isinstance(value, str):
        return value
    if not isinstance(value, date):
        raise TypeError(f"{value!r} is no instant; say a datetime with a zone, a date, or 2026-04-01T00:00:00Z")
    if not isinstance(value, datetime):
        return value.isoformat()
    if value.tzinfo is None:
        raise TypeError(f"{value} has no zone; give it one, e.g. tzinfo=UTC")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _plain(value: object) -> str | float:
    """A value that tests have at hand as JSON says it."""
    if isinstance(value, date):
        return instant(value)
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{value!r} ({type(value).__name__}) is nothing that JSON can say; give its text or its members.")
