"""One request on its way: what came, and what each step has found out about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from mockserver.auth import Caller, Cast
from mockserver.domain.errors import Refusal
from mockserver.parameters import NOTHING
from mockserver.rql.query import Query
from mockserver.sandboxes import Sandbox, Side
from mockserver.service import Endpoint, Rows, Service
from mockserver.store import Record, Row
from mockserver.work import Leaving, Upload, Work
from mockserver.world import SYSTEM, World
from specs.tables import Capability, Operation

Scope = MutableMapping[str, Any]

NO_QUERY = Query()
_HOST = re.compile(rb"[A-Za-z0-9.-]{1,255}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


class Exchange:
    """One request on its way: what came, and what each step has found out about it."""

    __slots__ = (
        "body",
        "caller",
        "capability",
        "cast",
        "content",
        "endpoint",
        "file",
        "found",
        "headers",
        "leaving",
        "media",
        "operation",
        "params",
        "parent",
        "query",
        "refusal",
        "role",
        "row",
        "said",
        "sandbox",
        "scope",
        "secret",
        "service",
        "work",
        "world",
    )

    def __init__(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        service: Service,
        endpoint: Endpoint,
        params: Mapping[str, str],
        sandbox: Sandbox,
        side: Side,
        secret: bytes,
    ) -> None:
        self.scope = scope
        self.headers = headers
        self.service = service
        self.endpoint = endpoint
        self.operation: Operation = endpoint.operation
        self.params = params
        self.sandbox = sandbox
        self.world: World = side.world
        self.cast: Cast = side.cast
        self.secret = secret
        self.role = ""
        self.media: str | None = None
        self.parent: Record | None = None
        self.row: Row | None = None
        self.file: Upload | None = None
        self.found: Rows | None = None
        self.content: bytes | None = None
        self.leaving: Leaving | None = None
        self.body: Any = {}
        self.query = NO_QUERY
        self.refusal: Refusal | None = None
        self.said = NOTHING
        self.caller: Caller
        self.capability: Capability
        self.work: Work

    @property
    def origin(self) -> str:
        """Scheme and host under which the caller reached us; never anything but a host out of the Host header."""
        host = self.headers.get(b"host", b"")
        if _HOST.fullmatch(host) is None:
            name, port = self.scope.get("server") or ("127.0.0.1", 80)
            host = f"{name}:{port}".encode()
        return f"{self.scope.get('scheme', 'http')}://{host.decode('ascii')}"

    def begin(self) -> None:
        """Start the unit of work, or start it anew after waiting for the body."""
        self.work = work = self.world.work(self.caller.actor if self.endpoint.is_closed else SYSTEM)
        if (scope := self.service.api.scope) is not None and self.endpoint.is_closed:
            if scope.parameter is None:
                work.realm = tuple(sorted(frozenset.intersection(*self.cast.grants(self.caller))))
                self.role = scope.empty if scope.empty is not None and not work.realm else self.caller.role
            else:
                if scope.parameter in self.params:
                    # UUIDs are the same in capitals.
                    value = self.params[scope.parameter]
                    value = value.lower() if self.service.api.conventions.ids[scope.entity].form == "uuid" else value
                    self.params = {**self.params, scope.parameter: value}
                    work.realm = (value,)
                else:
                    work.realm = ()
        work.params, work.leaving = self.params, self.leaving
