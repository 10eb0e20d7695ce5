"""Requests, answers and what passed between them, and how a person repeats one with curl."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from contracts import parsing


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls, known to the run by name.

    token: never shown; None sends no Authorization header
    account: whose rows are the caller's own, where the caller's file says it
    grants: values of the API's scope, or accounts, that the caller's rights hold for, where the file says so
    kind: known, nobody, garbage or expired
    """

    name: str
    api: str
    role: str
    token: str | None = field(default=None, repr=False)
    account: str = ""
    grants: tuple[str, ...] = ()
    kind: str = "known"
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def placeholder(self) -> str:
        """What stands for the token wherever it is told."""
        return "$TOKEN_" + re.sub(r"[^A-Z0-9]", "_", self.name.upper())


@dataclass(frozen=True, slots=True)
class Request:
    """One request. path: from the root, percent-encoded; query: as it stands behind the question mark."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def with_headers(self, **headers: str) -> Request:
        """The same with headers laid over; underscores stand for hyphens."""
        laid = {**self.headers, **{name.replace("_", "-"): headers[name] for name in headers}}
        return Request(self.method, self.path, self.query, laid, self.content)


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers in lower case. seconds: until it was read"""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    seconds: float = 0.0

    @cached_property
    def json(self) -> Any:
        """The body read as JSON, None if it is none."""
        if self.plain is not None:
            return self.plain
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @cached_property
    def plain(self) -> Any:
        """The same where it is JSON as its standard has it (`parsing.plain`), else None."""
        return parsing.plain(self.content)

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def said(self) -> str:
        """The first words of the body, for a line of a report."""
        text = " ".join(self.content[:600].decode("utf-8", "replace").split())
        return text if len(text) <= 160 else text[:157] + "..."


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call of a run and its answer.

    number: the how-manieth call of the run; operation: operationId, "" for what is none
    safety: why the call was let out: `read`, `ghost`, `unreadable`, `open`, `create`, `own`
    """

    number: int
    api: str
    operation: str
    caller: Caller
    request: Request
    answer: Answer
    check: str
    safety: str

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def json(self) -> Any:
        return self.answer.json


def curl(exchange: Exchange, target: str) -> str:
    """The command that repeats a call; secrets are variables that the reader sets, never themselves.

    target: address of the deployment, without a path
    """
    from contracts.redaction import Redaction
    from contracts.shell import line

    token, request = exchange.caller.token, exchange.request
    if token is not None:
        others = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
        request = replace(request, headers={"Authorization": f"Bearer {token}", **others})
    clean = Redaction.of([exchange.caller]).exchange(replace(exchange, request=request))
    return line(clean.request, target)
