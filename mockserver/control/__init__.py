"""The server's own API, below /__mock__: what tests and demos ask of the mock itself.

Each area is a module with its functions and a part of the OpenAPI document beside it: `clock.py`, `clock.yaml`. A
function is registered under its operationId, is handed what was asked, found valid, and returns what is answered. One
that works for long is a coroutine, and lets others have their turn.
"""

from __future__ import annotations

import hmac
import inspect
import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jsonschema_rs
import orjson

from mockserver import bodies
from mockserver.domain import errors
from mockserver.hosts import is_loopback
from mockserver.parameters import Parameters, Said
from mockserver.reply import Reply
from mockserver.routing import Routes
from mockserver.scenario import nearest
from mockserver.validators import Validators, problems

if TYPE_CHECKING:
    from mockserver.app import MockServer
    from mockserver.sandboxes import Sandbox

PATH = "/__mock__"
DOCUMENT = f"{PATH}/openapi.json"
PROBLEM = "application/problem+json"
METHODS = ("get", "put", "post", "delete", "patch")
STATUSES: Mapping[type[errors.Refusal], int] = {
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.Invalid: 400,
}
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    507: "Insufficient Storage",
}
_PLACE = re.compile(r"\S+\.\w+:\d+:", re.ASCII)
HERE = Path(__file__).parent


@dataclass(slots=True)
class Asked:
    """One request to the server itself.

    sandbox: the one that the request names, else the default one; origin: scheme and host as the caller knows them
    """

    server: MockServer
    sandbox: Sandbox
    path: Mapping[str, str]
    query: Said
    body: Any


Function = Callable[[Asked], Any]
FUNCTIONS: dict[str, Function] = {}


def operation(function: Function) -> Function:
    """Register a function under its operationId: its name in camelCase."""
    first, *rest = function.__name__.rstrip("_").split("_")
    FUNCTIONS[first + "".join(each.capitalize() for each in rest)] = function
    return function


@dataclass(frozen=True, slots=True)
class Page:
    """One operation, compiled.

    members: the schema of its body, which says what there are
    success: the status of its answer; limit: bytes of its body
    """

    id: str
    function: Function
    parameters: Parameters
    body: jsonschema_rs.Draft202012Validator | None
    members: Mapping[str, Any]
    needs_body: bool
    success: int
    limit: int


def areas() -> Sequence[str]:
    """What there are modules and documents of."""
    return sorted(path.stem for path in HERE.glob("*.yaml"))


def document() -> dict[str, Any]:
    """The OpenAPI document of all areas."""
    import yaml

    made: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": {
            "title": "doubleentry: the server itself",
            "version": "1",
            "description": "What tests and demos ask of the mock. Each call is about the sandbox that it names, by the "
            "header `Mock-Sandbox` or a path that begins with `/@NAME`, else about the default one.",
        },
        "servers": [{"url": PATH}],
        "paths": {},
        "components": {"schemas": {}},
    }
    for name in areas():
        text = (HERE / f"{name}.yaml").read_text(encoding="utf-8")
        part = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        made["paths"] |= part["paths"]
        made["components"]["schemas"] |= part.get("schemas", {})
    return made


class Control:
    """Answers what is asked of the server itself.

    admin: the token that every call must bear; None: none, since nobody but this machine can reach the server
    """

    def __init__(self, admin: str | None = None) -> None:
        self.admin = admin
        self.server: MockServer

    # Made when the first of its pages is asked for: a server starts more often than it is asked.

    @cached_property
    def document(self) -> dict[str, Any]:
        """What is served as its OpenAPI document."""
        return document()

    @cached_property
    def _routes(self) -> Routes[Page]:
        made: Routes[Page] = Routes()
        for name in areas():
            import_module(f"mockserver.control.{name}")
        validators = Validators(self.document)
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    shared = item.get("parameters", [])
                    made.add(method.upper(), PATH + path, _page(item[method], shared, validators))
        return made

    async def answer(
        self,
        scope: MutableMapping[str, Any],
        path: str,
        headers: Mapping[bytes, bytes],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        sandbox: Sandbox,
    ) -> Reply:
        """The answer to a request below /__mock__; what is refused has changed nothing."""
        try:
            _admitted(self.admin, headers)
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            if path == DOCUMENT and method == "GET":
                return Reply(200, orjson.dumps(self.document))
            found = self._routes.find(path)
            if found is None:
                return _problem(404, f"no such page: {path[:200]}; {DOCUMENT} describes those that there are.")
            node, values = found
            if method not in node.methods:
                said = f"{scope['method']} is not defined here; there are: {node.allow}."
                return _problem(405, said, headers={"Allow": node.allow})
            page, names = node.methods[method]
            asked = await self._asked(page, scope, dict(zip(names, values, strict=True)), headers, receive, sandbox)
            answered = page.function(asked)
            if inspect.isawaitable(answered):
                answered = await answered
            if self.server.state is not None and method != "GET":
                self.server.state.mark()
        except errors.Refusal as refusal:
            status = next(STATUSES[kind] for kind in type(refusal).__mro__ if kind in STATUSES)
            found_ = refusal.errors if isinstance(refusal, errors.Invalid) else {}
            return _problem(status, str(refusal), faults=found_)
        except ConnectionResetError:
            return Reply(400, b"", None)
        except errors.Unkept as unkept:
            print(f"mockserver: {unkept}", file=sys.stderr, flush=True)
            return _problem(507, str(unkept))
        except Exception:
            # A fault of ours: the caller learns no more than that, the terminal gets the whole story.
            traceback.print_exc(file=sys.stderr)
            return _problem(500, "the server failed; its terminal says where.")
        if isinstance(answered, Reply):
            return answered
        return Reply(204, b"", None) if answered is None else Reply(page.success, orjson.dumps(answered))

    async def _asked(
        self,
        page: Page,
        scope: MutableMapping[str, Any],
        params: Mapping[str, str],
        headers: Mapping[bytes, bytes],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        sandbox: Sandbox,
    ) -> Asked:
        page.parameters.read_path(params)
        raw: bytes = scope.get("query_string", b"")
        _known(raw, page)
        query = page.parameters.query(raw)
        body = None
        if page.body is not None:
            declared = headers.get(b"content-length", b"").decode("latin-1") or None
            content = await bodies.read(receive, declared, page.limit)
            if content:
                kind = bodies.media_type(headers.get(b"content-type", b"").decode("latin-1"))
                if not bodies.is_json(kind):
                    raise errors.UnsupportedMedia(f"send application/json, not {kind or 'a body without a type'}.")
                body = bodies.json(content)
                if not page.body.is_valid(body):
                    faults = dict(islice(_strange(page.members, body), 1)) or dict(problems(page.body, body))
                    told = "; ".join(f"{place}: {said[0]}" for place, said in list(faults.items())[:5])
                    raise errors.Invalid(told or "the body will not do.", faults)
            elif page.needs_body:
                raise errors.Invalid("the body is missing.", {"body": ["A JSON body is required."]})
        elif headers.get(b"content-length", b"0") not in (b"0", b"2"):  # {} says nothing, and many clients send it
            raise errors.Invalid("no body is read here; leave it out.", {"body": ["Nothing is read of it."]})
        return Asked(self.server, sandbox, params, query, {} if body is None else body)


def _page(spec: Mapping[str, Any], shared: Sequence[Mapping[str, Any]], validators: Validators) -> Page:
    content = spec.get("requestBody", {}).get("content", {}).get("application/json")
    return Page(
        id=spec["operationId"],
        function=FUNCTIONS[spec["operationId"]],
        parameters=Parameters([*shared, *spec.get("parameters", [])], validators),
        body=None if content is None else validators.compiled(content["schema"]),
        members={} if content is None else validators.resolve(content["schema"]),
        needs_body=bool(spec.get("requestBody", {}).get("required", False)),
        success=min(int(status) for status in spec["responses"] if status.startswith("2")),
        limit=int(spec.get("x-limit", 1_000_000)),
    )


def _known(raw: bytes, page: Page) -> None:
    """Refuse a parameter that a page has not; a slip must not do more than was meant."""
    names = page.parameters.names
    for said in _names(raw):
        if said not in names:
            mend = f"there is: {', '.join(names)}" if names else "there is none"
            raise errors.Invalid(f"no parameter {said[:80]!r} here; {mend}.")


def _names(raw: bytes) -> Iterator[str]:
    for each in raw.split(b"&"):
        if each:
            yield each.partition(b"=")[0].decode("latin-1")


def _strange(schema: Mapping[str, Any], body: Any, place: str = "") -> Iterator[tuple[str, Sequence[str]]]:
    """Where a body has a member that there is none of, and what it may have been meant for."""
    members = schema.get("properties", {})
    for name, value in body.items() if isinstance(body, dict) and members else ():
        if name in members:
            yield from _strange(members[name], value, f"{place}.{name}".lstrip("."))
        elif schema.get("additionalProperties") is False:
            yield place or "body", [f"has no {name[:80]!r}; {nearest(name[:80], members)}"]


def _admitted(admin: str | None, headers: Mapping[bytes, bytes]) -> None:
    """See that whoever asks may. Raises Unauthenticated, Forbidden."""
    if admin is not None:
        sent = headers.get(b"authorization", b"")
        if not hmac.compare_digest(sent, f"Bearer {admin}".encode()):
            raise errors.Unauthenticated(
                "the server's own pages ask for its admin token: Authorization: Bearer and what was told at the start."
            )
    elif (origin := headers.get(b"origin")) is not None and not _is_here(origin.decode("latin-1")):
        # A page out of the Internet, open in a browser on this machine, must not steer the server.
        raise errors.Forbidden("a page of another host may not ask this.")


def _is_here(origin: str) -> bool:
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False


def _problem(
    status: int,
    detail: str,
    *,
    faults: Mapping[str, Sequence[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    # A place in a file, such as default.yaml:12, keeps its own spelling.
    said = detail if _PLACE.match(detail) else detail[:1].upper() + detail[1:]
    body: dict[str, Any] = {"title": TITLES[status], "status": status, "detail": said}
    body |= {"errors": faults} if faults else {}
    more = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return Reply(status, orjson.dumps(body), PROBLEM, {**more, **(headers or {})}, said=said)
