"""One request, from path to answer: the checks in the order of access.yaml, then the handler, then the commit.

The pipeline is a Connexion middleware: Connexion hands it the specification and resolves each operationId to its
handler; it compiles every operation once and answers by itself. What is no path of an API goes on to Connexion's own
application.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from connexion.middleware.abstract import ROUTING_CONTEXT, SpecMiddleware
from connexion.resolver import Resolver
from connexion.spec import Specification

from mockserver import bodies, gate, links
from mockserver.auth import Caller, Cast
from mockserver.docs import DOCUMENT
from mockserver.domain.errors import Refusal
from mockserver.exchange import Exchange, Scope
from mockserver.gate import Step, text
from mockserver.handlers import refused
from mockserver.problems import Fault
from mockserver.reply import Reply
from mockserver.routing import Node, Routes
from mockserver.service import Endpoint, Service
from mockserver.world import World

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Exchange], Reply]
PAGES = ("/docs", "/__mock__", links.PREFIX)
"""Where our own pages lie, beside the APIs"""
Log = Callable[[str, str, str, int, str], None]
"""Told of every request: caller's name, method, path with query, status, detail of a refusal."""


@dataclass(frozen=True, slots=True)
class Target:
    """One operation, compiled: what checks it before and after its body is read, and what does it.

    finds_anew: whether what was found must be found again, if others have changed the world while the body came in
    """

    side: Side
    endpoint: Endpoint
    handler: Handler
    before: tuple[Step, ...]
    after: tuple[Step, ...]

    @property
    def finds_anew(self) -> bool:
        return gate.find in self.before


@dataclass(frozen=True, slots=True)
class Side:
    """One API as the pipeline knows it: what serves it, its world, and who may call."""

    service: Service
    world: World
    cast: Cast


class Pipeline(SpecMiddleware):  # type: ignore[misc]  # connexion ships no types
    """Answers every request to an API's paths; hands on the rest.

    services, worlds, callers: API name -> what serves it, its world, and token -> caller
    """

    def __init__(
        self,
        app: Any,
        *,
        services: Mapping[str, Service],
        worlds: Mapping[str, World],
        callers: Mapping[str, Mapping[str, Caller]],
        secret: bytes,
        log: Log | None = None,
    ) -> None:
        self.app = app
        homes = {token: name for name, cast in callers.items() for token in cast}
        self.sides = {
            name: Side(service, worlds[name], Cast(callers[name], worlds[name], homes))
            for name, service in services.items()
        }
        self.secret = secret
        self.log = log
        self.routes: Routes[Target] = Routes()
        self._bases = [(base, side) for side in self.sides.values() for base in side.service.api.conventions.bases]
        self._documents: dict[str, bytes] = {}

    def add_api(self, specification: Specification, *, resolver: Resolver, name: str, **options: Any) -> None:
        """Compile every operation of a specification into the routes."""
        side = self.sides[name]
        service, base = side.service, specification.base_path
        self._documents[service.api.conventions.base + DOCUMENT] = orjson.dumps(service.api.document)
        for path, item in specification["paths"].items():
            for method, spec in item.items():
                if not isinstance(spec, dict) or "operationId" not in spec:
                    continue
                handler: Handler = resolver.resolve_function_from_operation_id(spec["operationId"])
                endpoint = service.endpoints[spec["operationId"]]
                target = Target(side, endpoint, handler, *gate.steps(service, endpoint))
                self.routes.add(method.upper(), base.rstrip("/") + path, target)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        found = self.routes.find(path)
        side = None
        if found is not None:
            reply = await self._answer(scope, receive, *found)
        elif path in self._documents:
            reply = self._document(scope, path)
        elif (side := self._side(path)) is not None:
            reply = self._problem(scope, side, 404, f"no such path: {path[:200]}.")
        elif _is_page(path):
            await self._page(scope, path, receive, send)
            return
        else:
            reply = self._nothing(path)
        await _send(send, scope, reply)
        if self.log is not None:
            side = side or (self._side(path) if found is None else next(iter(found[0].methods.values()))[0].side)
            self.log(*self._told(scope, path, side, reply.status, reply.said))

    def _side(self, path: str) -> Side | None:
        """The API that a path belongs to, though it may be none of its operations'."""
        return next((side for base, side in self._bases if path.startswith(base + "/") or path == base), None)

    def _document(self, scope: Scope, path: str) -> Reply:
        if scope["method"] in ("GET", "HEAD"):
            return Reply(200, self._documents[path])
        side = self._side(path)
        assert side is not None
        mend = f"{scope['method']} is not defined here; there are: GET, HEAD."
        return self._problem(scope, side, 405, mend, headers={"Allow": "GET, HEAD"})

    def _nothing(self, path: str) -> Reply:
        """The answer to a path that is no API's and none of our own pages."""
        bases = ", ".join(base for base, _ in self._bases)
        said = f"No such path: {path[:200]}; the APIs are below {bases}; /docs shows them."
        return Reply(404, orjson.dumps({"title": "Not Found", "status": 404, "detail": said}), said=said)

    async def _page(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        """Hand a request on to our own pages."""
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        # Connexion's application wants to know that no operation was found.
        extensions = {**scope.get("extensions", {}), ROUTING_CONTEXT: {}}
        await self.app({**scope, "extensions": extensions}, receive, noted)
        if self.log is not None:
            self.log(*self._told(scope, path, None, status, ""))

    async def _answer(self, scope: Scope, receive: Receive, node: Node[Target], values: list[str]) -> Reply:
        method = scope["method"]
        entry = node.methods.get("GET" if method == "HEAD" else method)
        if entry is None:
            first, _ = next(iter(node.methods.values()))
            if method == "OPTIONS":
                return Reply(204, b"", None, {"Allow": node.allow})
            mend = f"{method} is not defined here; there are: {node.allow}."
            return self._problem(
                scope, first.side, 405, mend, headers={"Allow": node.allow}, operation=first.endpoint.id
            )
        target, names = entry
        side, endpoint = target.side, target.endpoint
        world = side.world
        params = dict(zip(names, values, strict=True))
        x = Exchange(scope, side.service, endpoint, params, world, side.cast, self.secret)
        try:
            if world.waiting:
                world.settle()
            if not endpoint.is_closed:
                x.begin()
            for step in target.before:
                step(x)
            content: bytes | bodies.Form | None = None
            if endpoint.has_body:
                commits = world.commits
                content = await _content(x, receive)
                if world.commits != commits:
                    # Others have changed the world while the body came in.
                    x.begin()
                    if target.finds_anew:
                        gate.find(x)
            gate.body(x, content)
            for step in target.after:
                step(x)
            x.work.body, x.work.query = x.body, x.said
            reply = target.handler(x)
            x.work.commit()
            return reply
        except Refusal as refusal:
            return refused(x, refusal)
        except ConnectionResetError:
            return Reply(400, b"", None)
        except Exception:
            # A fault of ours: nothing is kept, the caller learns no more than that, the terminal gets the whole story.
            traceback.print_exc(file=sys.stderr)
            return self._problem(
                scope,
                side,
                500,
                "the server failed; its terminal says where. Nothing was changed.",
                operation=endpoint.id,
            )

    def _told(
        self, scope: Scope, path: str, side: Side | None, status: int, detail: str
    ) -> tuple[str, str, str, int, str]:
        """What a log says of a request; never the token."""
        name = "-"
        if side is not None:
            with suppress(Refusal):
                name = side.cast.caller(dict(scope["headers"]).get(b"authorization")).name
        query = scope.get("query_string", b"").decode("latin-1")
        return name, scope["method"], f"{path}?{query}" if query else path, status, detail

    def _problem(
        self,
        scope: Scope,
        side: Side,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        operation: str | None = None,
    ) -> Reply:
        parent = next((value for name, value in scope["headers"] if name == b"traceparent"), None)
        fault = Fault(status, detail, side.world, text(parent))
        return side.service.problems.reply(fault, operation=operation, headers=headers or {})


def _is_page(path: str) -> bool:
    """Whether a path may be one of our own pages."""
    return path == "/" or any(path == page or path.startswith(f"{page}/") for page in PAGES)


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
