"""One request, from path to answer: the checks in the order of access.yaml, then the handler, then the commit.

The pipeline is a Connexion middleware: Connexion hands it the specification and resolves each operationId to its
handler; it compiles every operation once and answers by itself. What is no path of an API goes on to Connexion's own
application.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import orjson
from connexion.middleware.abstract import ROUTING_CONTEXT, SpecMiddleware
from connexion.resolver import Resolver
from connexion.spec import Specification

from mockserver import bodies, gate, handlers, links, strikes
from mockserver import sandboxes as boxes
from mockserver.auth import Caller
from mockserver.control import PATH as CONTROL
from mockserver.control import PROBLEM, Control
from mockserver.docs import DOCUMENT
from mockserver.domain.errors import Refusal, Unkept
from mockserver.exchange import Exchange, Scope
from mockserver.gate import Step, text
from mockserver.handlers import Portions, Preparer, refused
from mockserver.problems import Fault
from mockserver.redaction import Redactor
from mockserver.reply import Reply
from mockserver.routing import Node, Routes
from mockserver.sandboxes import Sandbox, Sandboxes, Side
from mockserver.service import Endpoint, Service
from mockserver.strikes import Strike

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Exchange], Reply]
PAGES = ("/docs", links.PREFIX)
"""Where our own pages lie, beside the APIs"""
AHEAD = 1_000_000
"""Bytes of a body that are read before a fault delays the work"""
FREEZE = 20
"""Collections of the youngest objects, after which what long work has made is set aside"""
SANDBOX = "mockserver.sandbox"
"""The extension of a request's scope that our own pages find its sandbox in"""
Log = Callable[[str, str, str, int, str], None]
"""Told of every request: caller's name, method, path with query, status, detail of a refusal."""


@dataclass(frozen=True, slots=True)
class Target:
    """One operation, compiled: what checks it before and after its body is read, and what does it.

    api: whose it is
    prepare: what takes long, a portion at a time, before the handler; it changes nothing
    finds_anew: whether what was found must be found again, if others have changed the world while the body came in
    """

    api: str
    endpoint: Endpoint
    handler: Handler
    before: tuple[Step, ...]
    after: tuple[Step, ...]
    prepare: Preparer | None = None

    @property
    def finds_anew(self) -> bool:
        return gate.find in self.before


@dataclass(slots=True)
class Heard:
    """What is known of a request once it was answered, for the journal."""

    api: str | None = None
    operation: str | None = None
    x: Any = None
    content: bytes | bodies.Form | None = None
    caller: Caller | None = None

    def arrive(self, content: bytes | bodies.Form | None, caller: Caller | None) -> None:
        """Note what was sent, and by whom, of a request that may never be worked on."""
        self.content, self.caller = content, caller


class Pipeline(SpecMiddleware):  # type: ignore[misc]  # connexion ships no types
    """Answers every request to an API's paths; hands on the rest.

    services: API name -> what serves it; control: what answers below /__mock__
    """

    def __init__(
        self,
        app: Any,
        *,
        services: Mapping[str, Service],
        sandboxes: Sandboxes,
        control: Control,
        secret: bytes,
        log: Log | None = None,
    ) -> None:
        self.app = app
        self.services = services
        self.sandboxes = sandboxes
        self.control = control
        self.secret = secret
        self.log = log
        self.routes: Routes[Target] = Routes()
        self._bases = [(base, name) for name, each in services.items() for base in each.api.conventions.bases]
        self._documents: dict[str, bytes] = {}

    def add_api(self, specification: Specification, *, resolver: Resolver, name: str, **options: Any) -> None:
        """Compile every operation of a specification into the routes."""
        service, base = self.services[name], specification.base_path
        self._documents[service.api.conventions.base + DOCUMENT] = orjson.dumps(service.api.document)
        for path, item in specification["paths"].items():
            for method, spec in item.items():
                if not isinstance(spec, dict) or "operationId" not in spec:
                    continue
                handler: Handler = resolver.resolve_function_from_operation_id(spec["operationId"])
                endpoint = service.endpoints[spec["operationId"]]
                prepare = handlers.preparer(service, endpoint.id)
                target = Target(name, endpoint, handler, *gate.steps(service, endpoint), prepare)
                self.routes.add(method.upper(), base.rstrip("/") + path, target)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        raw = scope.get("raw_path") or scope["path"].encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        headers = dict(scope["headers"])
        sandbox, refused = self.sandboxes.default, None
        if (choice := boxes.chosen(scope, path, headers)) is not None:
            scope, path, headers = choice.scope, choice.path, dict(choice.scope["headers"])
            try:
                sandbox = boxes.named(self.sandboxes, choice, ours=_is_control(path))
            except Refusal as refusal:
                refused = refusal
        found = self.routes.find(path)
        side = None
        heard, strike, begun = Heard(), None, perf_counter()
        if refused is not None:
            reply = self._unchosen(scope, path, refused, found)
        elif found is not None:
            if sandbox.faults.active:
                strike = _struck(sandbox, scope, headers, found[0])
                if strike is not None:
                    await _as_task()
                    # What was sent has arrived, whatever becomes of it: a caller who waits no longer has asked for it.
                    content, receive = await _ahead(receive)
                    media = text(headers.get(b"content-type")) if sandbox.journal.bodies else None
                    heard.arrive(await bodies.arrived(content, media), _caller(sandbox, strike.api, headers))
                    await strike.wait()
            if strike is None:
                reply = await self._answer(scope, headers, receive, sandbox, *found, heard)
            else:
                reply = await self._stricken(scope, headers, receive, sandbox, found, heard, strike)
        elif path in self._documents:
            reply = self._document(scope, path, sandbox)
        elif _is_control(path):
            reply = await self.control.answer(scope, path, headers, receive, sandbox)
        elif (side := self._side(path, sandbox)) is not None:
            reply = self._problem(scope, side, 404, f"no such path: {path[:200]}.")
        elif _is_page(path):
            await self._page(scope, path, receive, send, sandbox)
            return
        else:
            reply = self._nothing(path)
        try:
            if strike is None:
                await send(reply.start)
                await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})
            else:
                await strikes.deliver(send, scope, reply, strike)
        finally:
            is_over = strike is not None and strike.is_over
            if sandbox.journal.most and (found is not None or side is not None) and not is_over:
                heard.api = heard.api or (None if side is None else side.service.api.name)
                self._record(sandbox, scope, path, reply, heard, strike, perf_counter() - begun)
            if self.log is not None:
                side = side or self._side(path, sandbox)
                self.log(*self._told(scope, sandbox, path, side, reply.status, reply.said))

    def _unchosen(
        self, scope: Scope, path: str, refusal: Refusal, found: tuple[Node[Target], list[str]] | None
    ) -> Reply:
        """The answer to a request of which nobody can tell which sandbox it means."""
        said = str(refusal)
        side = self._side(path, self.sandboxes.default)
        if side is None:
            detail = said[:1].upper() + said[1:]
            return Reply(
                400, orjson.dumps({"title": "Bad Request", "status": 400, "detail": detail}), PROBLEM, said=said
            )
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        entry = None if found is None else found[0].methods.get(method)
        # Counted in a world of its own: the trace ids of the default one must not tell of it.
        nowhere = replace(side, world=side.world.fork(side.world.clock))
        return self._problem(scope, nowhere, 400, said, operation=None if entry is None else entry[0].endpoint.id)

    def _side(self, path: str, sandbox: Sandbox) -> Side | None:
        """The API that a path belongs to, though it may be none of its operations'."""
        name = next((name for base, name in self._bases if path.startswith(base + "/") or path == base), None)
        return None if name is None else sandbox.sides[name]

    def _document(self, scope: Scope, path: str, sandbox: Sandbox) -> Reply:
        if scope["method"] in ("GET", "HEAD"):
            return Reply(200, self._documents[path])
        side = self._side(path, sandbox)
        assert side is not None
        mend = f"{scope['method']} is not defined here; there are: GET, HEAD."
        return self._problem(scope, side, 405, mend, headers={"Allow": "GET, HEAD"})

    def _nothing(self, path: str) -> Reply:
        """The answer to a path that is no API's and none of our own pages."""
        bases = ", ".join(base for base, _ in self._bases)
        said = f"No such path: {path[:200]}; the APIs are below {bases}; /docs shows them."
        return Reply(404, orjson.dumps({"title": "Not Found", "status": 404, "detail": said}), said=said)

    async def _page(self, scope: Scope, path: str, receive: Receive, send: Send, sandbox: Sandbox) -> None:
        """Hand a request on to our own pages."""
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await _as_task()
        # Connexion's application wants to know that no operation was found.
        extensions = {**scope.get("extensions", {}), ROUTING_CONTEXT: {}, SANDBOX: sandbox}
        await self.app({**scope, "extensions": extensions}, receive, noted)
        if self.log is not None:
            self.log(*self._told(scope, sandbox, path, None, status, ""))

    async def _stricken(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        sandbox: Sandbox,
        found: tuple[Node[Target], list[str]],
        heard: Heard,
        strike: Strike,
    ) -> Reply:
        """The answer of an operation that a fault befalls, or what it has in its place."""
        side, id = sandbox.sides[strike.api], strike.operation
        heard.api, heard.operation = strike.api, strike.operation
        if strike.reply is not None:
            return strike.reply.reply(side, id)
        reply = await self._answer(scope, headers, receive, sandbox, *found, heard, is_stale=strike.stale)
        return reply if strike.lost is None else strike.lost.reply(side, id)

    def _record(
        self,
        sandbox: Sandbox,
        scope: Scope,
        path: str,
        reply: Reply,
        heard: Heard,
        strike: Strike | None,
        seconds: float,
    ) -> None:
        """Tell the sandbox's journal of a request that was answered."""
        x, journal = heard.x, sandbox.journal
        # Before a token was accepted there is no role, and neither of the two that are looked up otherwise.
        is_known = x is not None and bool(x.role)
        caller = x.caller if is_known else heard.caller
        capability = getattr(x, "capability", None) if is_known else None
        # Not by their names: with so many of them that takes three times as long, and every request is recorded.
        journal.record(
            sandbox.clock.now(),
            scope["method"],
            path,
            scope.get("query_string", b"").decode("latin-1"),
            heard.api,
            heard.operation,
            None if caller is None else caller.name,
            None if caller is None else caller.role if x is None else x.role,
            None if capability is None else capability.id,
            None if x is None else x.refusal,
            0 if strike is not None and strike.drop else reply.status,
            seconds,
            len(reply.body),
            heard.content,
            None if x is None or not journal.bodies else x.headers,
            None if strike is None else ", ".join(strike.rules),
        )

    async def _answer(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        sandbox: Sandbox,
        node: Node[Target],
        values: list[str],
        heard: Heard,
        *,
        is_stale: bool = False,
    ) -> Reply:
        method = scope["method"]
        entry = node.methods.get("GET" if method == "HEAD" else method)
        if entry is None:
            first, _ = next(iter(node.methods.values()))
            heard.api = first.api
            if method == "OPTIONS":
                return Reply(204, b"", None, {"Allow": node.allow})
            mend = f"{method} is not defined here; there are: {node.allow}."
            return self._problem(
                scope, sandbox.sides[first.api], 405, mend, headers={"Allow": node.allow}, operation=first.endpoint.id
            )
        target, names = entry
        side, endpoint = sandbox.sides[target.api], target.endpoint
        heard.api, heard.operation = target.api, endpoint.id
        if is_stale:
            side = side.seeing(strikes.stale(side.world))
        world = side.world
        params = dict(zip(names, values, strict=True))
        x = Exchange(scope, headers, side.service, endpoint, params, sandbox, side, self.secret)
        heard.x = x
        try:
            if world.waiting:
                world.settle()
            for step in target.before:
                step(x)
            content: bytes | bodies.Form | None = None
            if endpoint.has_body:
                commits = world.commits
                heard.content = content = await _content(x, receive)
                _refresh(x, target, commits)
            gate.body(x, content)
            for step in target.after:
                step(x)
            x.work.body, x.work.query = x.body, x.said
            if target.prepare is not None and (portions := target.prepare(x)) is not None:
                commits = world.commits
                await _worked_out(portions)
                _refresh(x, target, commits)
                x.work.body, x.work.query = x.body, x.said
            reply = target.handler(x)
            x.work.commit()
            return reply
        except Refusal as refusal:
            return refused(x, refusal)
        except ConnectionResetError:
            return Reply(400, b"", None)
        except Unkept as unkept:
            print(f"mockserver: {unkept}", file=sys.stderr, flush=True)
            return self._problem(scope, side, 507, str(unkept), operation=endpoint.id)
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
        self, scope: Scope, sandbox: Sandbox, path: str, side: Side | None, status: int, detail: str
    ) -> tuple[str, str, str, int, str]:
        """What a log says of a request; never the token."""
        name = "-"
        if side is not None:
            with suppress(Refusal):
                name = side.cast.caller(dict(scope["headers"]).get(b"authorization")).name
        shown = Redactor.of(sandbox, self.control.admin)
        query = shown.query(scope.get("query_string", b"").decode("latin-1"))
        target = sandbox.prefix + shown.path(path) + (f"?{query}" if query else "")
        return name, scope["method"], target, status, shown.text(detail)

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


def _is_control(path: str) -> bool:
    """Whether a path belongs to the server's own API."""
    return path == CONTROL or path.startswith(f"{CONTROL}/")


def _is_page(path: str) -> bool:
    """Whether a path may be one of our own pages."""
    return path == "/" or any(path == page or path.startswith(f"{page}/") for page in PAGES)


async def _worked_out(portions: Portions) -> None:
    """Do what takes long a portion at a time, and in a thread what cannot be divided; others have their turns."""
    result = None
    while True:
        try:
            undivided = portions.send(result)
        except StopIteration:
            return
        result = None
        if undivided is None:
            # What it makes is data, in which the collector would look for garbage for as long as others wait. In a
            # process that is not the server's own the count never comes that far: Python collects at ten.
            if gc.get_count()[1] >= FREEZE:
                gc.freeze()
            await asyncio.sleep(0)
            continue
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # driven by hand, with nobody else to answer
            result = undivided()
        else:
            result = await asyncio.to_thread(undivided)


async def _as_task() -> None:
    """Wait for a turn where this is no task yet (see `mockserver.connections`): what comes may ask for its own."""
    try:
        is_task = asyncio.current_task() is not None
    except RuntimeError:  # driven by hand
        return
    if not is_task:
        await asyncio.sleep(0)


def _refresh(x: Exchange, target: Target, commits: int) -> None:
    """Begin anew where others have changed the world while this request waited; it had `commits` before."""
    if x.world.commits != commits:
        x.begin()
        if target.finds_anew:
            gate.find(x)


async def _content(x: Exchange, receive: Receive) -> bytes | bodies.Form:
    """The body as the operation wants it: parts of a form, or bytes."""
    if not x.endpoint.multipart:
        return await bodies.read(receive, text(x.headers.get(b"content-length")), bodies.JSON_LIMIT)
    limit = int(x.service.api.conventions.attachments["limit"])
    declared = text(x.headers.get(b"content-length"))
    bodies.too_large(declared, limit + bodies.FRAMING)
    return await bodies.form(text(x.headers.get(b"content-type")) or "", receive, limit)


def _struck(sandbox: Sandbox, scope: Scope, headers: dict[bytes, bytes], node: Node[Target]) -> Strike | None:
    """The fault that befalls a call of an operation."""
    method = scope["method"]
    entry = node.methods.get("GET" if method == "HEAD" else method)
    if entry is None:
        return None
    target = entry[0]

    def caller() -> str:
        found = _caller(sandbox, target.api, headers)
        return "" if found is None else found.name

    return sandbox.faults.strike(api=target.api, operation=target.endpoint.id, method=method, caller=caller)


def _caller(sandbox: Sandbox, api: str, headers: Mapping[bytes, bytes]) -> Caller | None:
    """Who calls; None where nobody knows."""
    try:
        return sandbox.sides[api].cast.caller(headers.get(b"authorization"))
    except Refusal:
        return None


async def _ahead(receive: Receive) -> tuple[bytes | None, Receive]:
    """The body as far as it is read at once, and what gives it again; of a large one nothing is kept apart."""
    messages: list[Message] = []
    size, more = 0, True
    while more and size <= AHEAD:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    content = None if more else b"".join(each.get("body", b"") for each in messages)
    left = iter(messages)

    async def again() -> Message:
        return next(left, None) or await receive()

    return content, again
