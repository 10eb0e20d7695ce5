"""One request, from path to answer: the refusals in the order of access.yaml, then the handler, then the commit.

The pipeline is a Connexion middleware: Connexion hands it the specification and resolves each operationId to its
handler; it compiles every operation once and answers by itself. What is no path of an API goes on to Connexion's own
application.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson
from connexion.middleware.abstract import ROUTING_CONTEXT, SpecMiddleware
from connexion.resolver import Resolver
from connexion.spec import Specification

from mockserver import bodies, gate, problems
from mockserver.auth import Caller, Cast
from mockserver.docs import DOCUMENT
from mockserver.domain.errors import Invalid, Refusal, Unauthenticated
from mockserver.exchange import Exchange, Scope
from mockserver.gate import text
from mockserver.handlers import Reply
from mockserver.routing import Node, Routes
from mockserver.service import Endpoint, Service
from mockserver.world import World

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Exchange], Reply]
Log = Callable[[str, str, str, int, str], None]
"""Told of every request: caller's name, method, path with query, status, detail of a refusal."""


class Pipeline(SpecMiddleware):  # type: ignore[misc]  # connexion ships no types
    """Answers every request to an API's paths; hands on the rest.

    services: API name -> service; `callers` and `secret` come from the world's scenario
    """

    def __init__(
        self,
        app: Any,
        *,
        services: Mapping[str, Service],
        world: World,
        callers: Mapping[str, Caller],
        secret: bytes,
        log: Log | None = None,
    ) -> None:
        self.app = app
        self.services = services
        self.world = world
        self.cast = Cast(callers)
        self.secret = secret
        self.log = log
        self.routes: Routes[tuple[Service, Endpoint, Handler, tuple[Callable[[Exchange], None], ...]]] = Routes()
        self._bases: list[tuple[str, Service]] = []
        self._documents: dict[str, bytes] = {}

    def add_api(self, specification: Specification, *, resolver: Resolver, name: str, **options: Any) -> None:
        """Compile every operation of a specification into the routes."""
        service = self.services[name]
        base = specification.base_path
        self._bases.append((base, service))
        self._documents[base + DOCUMENT] = orjson.dumps(service.api.document)
        checks = (gate.BEFORE_BODY.get(row["check"]) for row in service.api.refusals)
        steps = tuple(check for check in checks if check is not None)
        for path, item in specification["paths"].items():
            for method, spec in item.items():
                if not isinstance(spec, dict) or "operationId" not in spec:
                    continue
                handler: Handler = resolver.resolve_function_from_operation_id(spec["operationId"])
                target = (service, service.endpoints[spec["operationId"]], handler, steps)
                self.routes.add(method.upper(), base + path, target)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        found = self.routes.find(path)
        if found is None and path in self._documents and scope["method"] in ("GET", "HEAD"):
            await _send(send, scope, Reply(200, self._documents[path]))
        elif found is None:
            service = next(
                (service for base, service in self._bases if path.startswith(base + "/") or path == base), None
            )
            if service is None:
                # Connexion's application wants to know that no operation was found.
                await self.app(
                    {**scope, "extensions": {**scope.get("extensions", {}), ROUTING_CONTEXT: {}}}, receive, send
                )
            else:
                await _send(send, scope, self._problem(scope, service, 404, f"no such path: {path[:200]}."))
        else:
            reply = await self._answer(scope, receive, *found)
            await _send(send, scope, reply)
            if self.log is not None:
                self.log(*self._told(scope, path, reply))

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        node: Node[tuple[Service, Endpoint, Handler, tuple[Callable[[Exchange], None], ...]]],
        values: list[str],
    ) -> Reply:
        method = scope["method"]
        entry = node.methods.get("GET" if method == "HEAD" else method)
        if entry is None:
            (service, _, _, _), _ = next(iter(node.methods.values()))
            if method == "OPTIONS":
                return Reply(204, b"", None, {"Allow": node.allow})
            return self._problem(
                scope,
                service,
                405,
                f"{method} is not defined here; there are: {node.allow}.",
                headers={"Allow": node.allow},
            )
        (service, endpoint, handler, steps), names = entry
        x = Exchange(scope, service, endpoint, dict(zip(names, values, strict=True)), self.world, self.secret)
        try:
            if self.world.waiting:
                self.world.settle()
            gate.token(x, self.cast)
            x.begin()
            for step in steps:
                step(x)
            content: bytes | bodies.Form | None = None
            if endpoint.has_body:
                commits = self.world.commits
                content = await _content(x, receive)
                if self.world.commits != commits:
                    # Others have changed the world while the body came in.
                    x.begin()
                    gate.find(x)
            gate.body(x, content)
            reply = handler(x)
            x.work.commit()
            return reply
        except Refusal as refusal:
            return self._refusal(scope, service, refusal)
        except ConnectionResetError:
            return Reply(400, b"", None)
        except Exception:
            # A fault of ours: nothing is kept, the caller learns no more than that, the terminal gets the whole story.
            traceback.print_exc(file=sys.stderr)
            return self._problem(
                scope, service, 500, "the server failed; its terminal says where. Nothing was changed."
            )

    def _told(self, scope: Scope, path: str, reply: Reply) -> tuple[str, str, str, int, str]:
        """What a log says of a request; never the token."""
        try:
            headers = dict(scope["headers"])
            name = self.cast.caller(headers.get(b"authorization"), lambda: "").name
        except Refusal:
            name = "-"
        query = scope.get("query_string", b"").decode("latin-1")
        detail = orjson.loads(reply.body)["detail"] if reply.status >= 400 and reply.body else ""
        return name, scope["method"], f"{path}?{query}" if query else path, reply.status, detail

    def _refusal(self, scope: Scope, service: Service, refusal: Refusal) -> Reply:
        status = problems.status(refusal)
        errors = refusal.errors if isinstance(refusal, Invalid) else None
        title = refusal.title if isinstance(refusal, Invalid) else None
        if isinstance(refusal, Invalid) and title is None and not errors:
            title = service.api.conventions.errors["unreadable"]
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(refusal, Unauthenticated) else {}
        return self._problem(scope, service, status, str(refusal), errors=errors, title=title, headers=headers)

    def _problem(
        self,
        scope: Scope,
        service: Service,
        status: int,
        detail: str,
        *,
        errors: Mapping[str, list[str]] | None = None,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        self.world.refusals += 1
        parent = next((value for name, value in scope["headers"] if name == b"traceparent"), None)
        content = problems.body(
            status,
            _sentence(detail),
            wording=service.api.conventions.errors,
            trace=problems.trace_id(self.world.seed, self.world.refusals, text(parent)),
            errors=errors,
            title=title,
        )
        return Reply(status, content, service.api.conventions.errors["media"], headers or {})


def _sentence(text: str) -> str:
    """The text with a capital letter in front, unless it starts with a name that has its own spelling."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].islower() else text


async def _content(x: Exchange, receive: Receive) -> bytes | bodies.Form:
    """The body as the operation wants it: parts of a form, or bytes."""
    if not x.endpoint.multipart:
        return await bodies.read(receive, text(x.headers.get(b"content-length")), bodies.JSON_LIMIT)
    limit = int(x.service.api.conventions.attachments["limit"])
    declared = text(x.headers.get(b"content-length"))
    bodies.too_large(declared, limit + bodies.FRAMING)
    return await bodies.form(text(x.headers.get(b"content-type")) or "", receive, limit)


async def _send(send: Send, scope: Scope, reply: Reply) -> None:
    headers = [(b"content-length", b"%d" % len(reply.body))] if reply.status != 204 else []
    if reply.media is not None:
        headers.append((b"content-type", reply.media.encode()))
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})
