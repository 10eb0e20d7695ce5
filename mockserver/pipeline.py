"""One request, from path to answer: the refusals in the order of access.yaml, then the handler, then the commit.

The pipeline is a Connexion middleware: Connexion hands it the specification and resolves each operationId to its
handler; it compiles every operation once and answers by itself. What is no path of an API goes on to Connexion's own
application.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from connexion.middleware.abstract import ROUTING_CONTEXT, SpecMiddleware
from connexion.resolver import Resolver
from connexion.spec import Specification

from mockserver import bodies, negotiation, problems, rql, wire
from mockserver.auth import Caller, Cast
from mockserver.docs import DOCUMENT
from mockserver.domain.errors import Forbidden, Invalid, NotAcceptable, Refusal, Unauthenticated, UnsupportedMedia
from mockserver.handlers import JSON, Reply, dense
from mockserver.routing import Node, Routes
from mockserver.service import Endpoint, Service
from mockserver.store import Record, Row
from mockserver.work import Upload, Work
from mockserver.world import World
from specs.tables import Capability, Operation

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[["Exchange"], Reply]

NO_QUERY = rql.Query()
_HOST = re.compile(rb"[A-Za-z0-9.-]{1,255}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


class Exchange:
    """One request on its way: what came, and what each step has found out about it."""

    __slots__ = (
        "body",
        "caller",
        "capability",
        "endpoint",
        "file",
        "headers",
        "media",
        "operation",
        "params",
        "parent",
        "query",
        "row",
        "scope",
        "secret",
        "service",
        "work",
        "world",
    )

    def __init__(
        self, scope: Scope, service: Service, endpoint: Endpoint, params: Mapping[str, str], world: World, secret: bytes
    ) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.service = service
        self.endpoint = endpoint
        self.operation: Operation = endpoint.operation
        self.params = params
        self.world = world
        self.secret = secret
        self.media: str | None = None
        self.parent: Record | None = None
        self.row: Row | None = None
        self.file: Upload | None = None
        self.body: Any = {}
        self.query = NO_QUERY
        self.caller: Caller
        self.capability: Capability
        self.work: Work

    @property
    def role(self) -> str:
        """The caller's role."""
        return self.caller.role

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
        self.work = self.world.work(self.service.api.name, self.caller.actor)
        self.work.params = self.params


# The refusals, by their names in access.yaml. Each raises what refuses, or leaves on the exchange what it found.


def token(x: Exchange, cast: Cast) -> None:
    # Which of two would count is for nobody to guess; a list of headers longer than the mapping holds one twice.
    sent = x.scope["headers"]
    if len(x.headers) != len(sent) and len({value for name, value in sent if name == b"authorization"}) > 1:
        raise Unauthenticated("two Authorization headers that differ; send one.")
    x.caller = cast.caller(x.headers.get(b"authorization"), lambda: wire.instant(x.world.clock.now()))


def role(x: Exchange) -> None:
    chosen = None
    if len(x.operation.capabilities) > 1 or len(x.endpoint.offers) > 1:
        chosen = negotiation.choose(_text(x.headers.get(b"accept")), x.endpoint.offers)
    x.capability = x.service.capability(x.operation, chosen)
    # Refused before anything is looked up or read: a caller without the role must not learn what there is.
    if x.caller.role not in x.capability.roles:
        allowed = ", ".join(each for each in x.service.api.roles if each in x.capability.roles) or "nobody"
        raise Forbidden(f"{x.capability.id} is for {allowed}, not for {x.caller.role}.")


def find(x: Exchange) -> None:
    x.parent, x.row = x.service.find(x.work, x.operation, x.params)


def accept(x: Exchange) -> None:
    header = _text(x.headers.get(b"accept"))
    if x.operation.does == "read" and x.operation.entity.endswith("Attachment"):
        x.media = _attachment_media(x, header)
    elif len(x.endpoint.offers) > 1:
        x.media = negotiation.choose(header, x.endpoint.offers)
        if x.media is None:
            raise NotAcceptable(f"nothing of {header} can be sent; there are: {', '.join(x.endpoint.offers)}.")


def media(x: Exchange) -> None:
    if not x.endpoint.has_body:
        return
    given = x.headers.get(b"content-type", b"")
    if given == b"application/json" and not x.endpoint.multipart:
        return
    header = given.decode("latin-1")
    kind = bodies.media_type(header)
    if x.endpoint.multipart:
        if kind != bodies.MULTIPART:
            raise UnsupportedMedia(f"send {bodies.MULTIPART}, not {kind or 'a body without a type'}.")
        return
    if not _carries_body(x):
        return
    if not bodies.is_json(kind):
        raise UnsupportedMedia(f"send {JSON}, not {kind or 'a body without a type'}.")
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", header, re.IGNORECASE)
    if charset is not None and charset[1].lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia(f"send JSON in UTF-8, not in {charset[1]}.")


def body(x: Exchange, content: bytes | bodies.Form | None) -> None:
    x.query = _query(x)
    if isinstance(content, bodies.Form):
        _form(x, content)
    elif content:
        x.body = x.endpoint.read(bodies.json(content))
        if x.operation.does == "create":
            x.body = dense(x.body)
    elif x.endpoint.needs_body:
        raise Invalid("the body is missing.", {"body": ["A JSON body is required."]})
    x.work.body = x.body


def _query(x: Exchange) -> rql.Query:
    raw: bytes = x.scope.get("query_string", b"")
    if not raw:
        return NO_QUERY
    if x.operation.method != "GET":
        try:
            unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            raise Invalid(
                "the query string is not UTF-8.", {"query": ["Not UTF-8."]}, title=bodies.UNREADABLE
            ) from None
        return NO_QUERY
    return rql.parse(raw)


def _form(x: Exchange, form: bodies.Form) -> None:
    """A file, and for an attachment the JSON beside it, which comes as a part of any kind (billing b.10)."""
    files = {name.casefold(): each for name, each in form.files.items()}
    texts = {name.casefold(): each for name, each in form.texts.items()}
    x.file = files.get("file")
    if x.file is None:
        raise Invalid("no file was sent.", {"file": ["A part named `file`, with a file name, is required."]})
    if x.operation.does != "attach":
        return
    kind = _file_media(x)
    accepts = x.service.api.conventions.attachments["accepts"]
    if kind not in accepts:
        raise UnsupportedMedia(f"{kind or 'a file without a type'} is not accepted; these are: {', '.join(accepts)}.")
    x.file = Upload(x.file.filename, kind, x.file.content)
    described = texts.get("attachment")
    if described is None and "attachment" in files:
        described_bytes = files["attachment"].content
    else:
        described_bytes = (described or "").encode()
    # Some clients put the two members into parts of their own.
    value = (
        bodies.json(described_bytes)
        if described_bytes.strip()
        else {n: texts[n] for n in ("name", "description") if n in texts}
    )
    read = x.endpoint.read_part(value if value is not None else {})
    x.body = {name: member for name, member in read.items() if member is not None}


def _file_media(x: Exchange) -> str:
    """The type of an attached file: what the client says, or what its name says where the client does not know."""
    assert x.file is not None
    kind = bodies.media_type(x.file.content_type)
    if kind in ("", "application/octet-stream"):
        from mimetypes import guess_type

        if x.file.filename.lower().endswith(".jsonl"):
            return negotiation.JSONL
        return guess_type(x.file.filename)[0] or kind
    return kind


def _attachment_media(x: Exchange, header: str | None) -> str | None:
    """None or JSON for the metadata, another type for the file (billing b.9, Q36). Raises NotAcceptable."""
    assert x.row is not None
    if header is None or not header.strip():
        return None
    stored = str(x.row.record["contentType"])
    if x.row.record.get("isExternal"):
        # The ERP's PDF comes whatever is asked for, but for those who ask for the metadata by name.
        return JSON if negotiation.choose(header, (stored, JSON)) == JSON else stored
    wanted = negotiation.choose(header, (stored, JSON))
    if wanted is None:
        raise NotAcceptable(f"the file is {stored}; accept that, or {JSON} for what is known of it.")
    return wanted


def _carries_body(x: Exchange) -> bool:
    return b"transfer-encoding" in x.headers or x.headers.get(b"content-length", b"0") not in (b"0", b"")


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


BEFORE_BODY: dict[str, Callable[[Exchange], None]] = {"role": role, "find": find, "accept": accept, "media": media}


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
    ) -> None:
        self.app = app
        self.services = services
        self.world = world
        self.cast = Cast(callers)
        self.secret = secret
        self.routes: Routes[tuple[Service, Endpoint, Handler, tuple[Callable[[Exchange], None], ...]]] = Routes()
        self._bases: list[tuple[str, Service]] = []
        self._documents: dict[str, bytes] = {}

    def add_api(self, specification: Specification, *, resolver: Resolver, name: str, **options: Any) -> None:
        """Compile every operation of a specification into the routes."""
        service = self.services[name]
        base = specification.base_path
        self._bases.append((base, service))
        self._documents[base + DOCUMENT] = orjson.dumps(service.api.document)
        steps = tuple(BEFORE_BODY[row["check"]] for row in service.api.refusals if row["check"] in BEFORE_BODY)
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
            await _send(send, scope, await self._answer(scope, receive, *found))

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
            token(x, self.cast)
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
                    find(x)
            body(x, content)
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
            trace=problems.trace_id(self.world.seed, self.world.refusals, _text(parent)),
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
        return await bodies.read(receive, _text(x.headers.get(b"content-length")), bodies.JSON_LIMIT)
    limit = int(x.service.api.conventions.attachments["limit"])
    declared = _text(x.headers.get(b"content-length"))
    bodies.too_large(declared, limit + bodies.FRAMING)
    return await bodies.form(_text(x.headers.get(b"content-type")) or "", receive, limit)


async def _send(send: Send, scope: Scope, reply: Reply) -> None:
    headers = [(b"content-length", b"%d" % len(reply.body))] if reply.status != 204 else []
    if reply.media is not None:
        headers.append((b"content-type", reply.media.encode()))
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})
