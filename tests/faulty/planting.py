"""One server of one API, and the places at which it can be spoiled without touching any other server of the process.

A `Spoil` is handed a `Server` that has just been made and changes one thing of it: a row of its tables, a handler, a
check before one, what a workflow does, or a function of the code for as long as this server handles a request.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson

from mockserver import create_app
from mockserver.domain.errors import Refusal
from mockserver.exchange import Exchange
from mockserver.gate import Step
from mockserver.pipeline import Pipeline, Target
from mockserver.problems import Problems
from mockserver.reply import JSON, Reply
from mockserver.routing import Node
from mockserver.service import Service
from mockserver.store import Record
from mockserver.work import Work, Workflows
from mockserver.world import World
from specs.tables import Api

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Any, Receive, Send], Awaitable[None]]
Handler = Callable[[Exchange], Reply]
Around = Callable[[Exchange, Handler], Reply]
"""Answers a request in the place of a handler, which it is handed"""
Check = Callable[[Exchange, Step], None]
"""Stands in the place of a check of the gate, which it is handed"""
Change = Callable[[Any, Exchange], Any]
"""Changes the JSON value of an answer where it stands, or returns another in its place"""
Happen = Callable[[Any, Work, Record], Any]
"""Stands in the place of an effect, guard or job: handed that, the unit of work and the record"""

_ONE_AT_A_TIME = threading.RLock()


class Server:
    """An application with a world, services and workflows of its own."""

    def __init__(self, api: str) -> None:
        self.app = create_app(api)
        self.service: Service = self.app.services[api]
        self.world: World = self.app.worlds[api]
        self.asgi: Asgi = self.app
        self.workflows = _copied(self.world.workflows)
        self.world.workflows = self.workflows
        # Handlers that the API brings are looked up by name; a namespace of this server's own can be changed.
        handlers = self.service.plugin.handlers
        own = SimpleNamespace(**(vars(handlers) if handlers is not None else {}))
        self.service.plugin = replace(self.service.plugin, workflows=self.workflows, handlers=own)  # type: ignore[arg-type]
        self._pipeline: Pipeline | None = None

    @property
    def api(self) -> Api:
        return self.service.api

    def lay(self, api: Api) -> None:
        """Serve by other tables from now on; what the world holds was made by the right ones."""
        self.service.api = self.world.api = api
        self.service.problems = Problems(api)
        for id, endpoint in self.service.endpoints.items():
            endpoint.operation = api.operations[id]

    @property
    def pipeline(self) -> Pipeline:
        """What answers requests, compiled; its tables must not change any more."""
        if self._pipeline is None:
            stack = self.app.middleware
            stack.app, stack.middleware_stack = stack._build_middleware_stack()
            self._pipeline = next(each for each in stack.middleware_stack if isinstance(each, Pipeline))
        return self._pipeline

    def retarget(self, change: Callable[[Target], Target]) -> None:
        """Change how every operation is answered."""
        for node in _nodes(self.pipeline.routes._root):
            node.methods = {method: (change(target), names) for method, (target, names) in node.methods.items()}

    def wrap(self, made: Callable[[Asgi], Asgi]) -> None:
        """Put something around the whole application."""
        self.asgi = made(self.asgi)


Spoil = Callable[[Server], None]


def _copied(workflows: Workflows) -> Workflows:
    made = Workflows()
    for name, registered in vars(workflows).items():
        setattr(made, name, dict(registered))
    return made


def _nodes(node: Node[Target]) -> Iterator[Node[Target]]:
    yield node
    for below in [*node.literal.values(), *([node.variable] if node.variable is not None else [])]:
        yield from _nodes(below)


def ids(names: str | Iterable[str]) -> frozenset[str]:
    """OperationIds, said as one text with spaces between."""
    return frozenset(names.split() if isinstance(names, str) else names)


# The seams


def tables(change: Callable[[Api], Api]) -> Spoil:
    """Other tables."""
    return lambda server: server.lay(change(server.api))


def handled(operations: str, around: Around) -> Spoil:
    """Another handler; `*` for every operation."""
    wanted = ids(operations)

    def spoil(server: Server) -> None:
        def change(target: Target) -> Target:
            if "*" not in wanted and target.endpoint.id not in wanted:
                return target
            handler = target.handler
            # Whatever was found ahead of the handler would hide what is done to the question here.
            return replace(target, handler=lambda x: around(x, handler), prepare=None)

        server.retarget(change)

    return spoil


def checked(name: str, check: Check, operations: str = "*") -> Spoil:
    """Another check of the gate, by its function's name there."""
    wanted = ids(operations)

    def spoil(server: Server) -> None:
        def swapped(step: Step) -> Step:
            return (lambda x: check(x, step)) if step.__name__ == name else step

        def change(target: Target) -> Target:
            if "*" not in wanted and target.endpoint.id not in wanted:
                return target
            return replace(target, before=tuple(map(swapped, target.before)), after=tuple(map(swapped, target.after)))

        server.retarget(change)

    return spoil


def answered(operations: str, change: Change, *, role: str | None = None) -> Spoil:
    """Another JSON body of a success."""

    def around(x: Exchange, go: Handler) -> Reply:
        reply = go(x)
        if reply.media != JSON or not reply.body or reply.status >= 400 or role not in (None, x.role):
            return reply
        value = orjson.loads(reply.body)
        made = change(value, x)
        return replace(reply, body=orjson.dumps(value if made is None else made))

    return handled(operations, around)


def rows(operations: str, change: Change, *, role: str | None = None) -> Spoil:
    """Other rows in a list: each one changed where it stands."""

    def change_all(value: Any, x: Exchange) -> None:
        for row in value[x.service.api.conventions.lists["items"]]:
            change(row, x)

    return answered(operations, change_all, role=role)


def replied(operations: str, change: Callable[[Reply, Exchange], Reply]) -> Spoil:
    """Another answer, whatever its type."""
    return handled(operations, lambda x, go: change(go(x), x))


def effect(entity: str, events: str, happen: Happen) -> Spoil:
    """Another effect of some events."""
    return _registered("effects", [(entity, event) for event in events.split()], happen)


def guard(entity: str, events: str, happen: Happen) -> Spoil:
    """Another guard of some events."""
    return _registered("guards", [(entity, event) for event in events.split()], happen)


def job(name: str, happen: Happen) -> Spoil:
    """Another background job."""
    return _registered("jobs", [name], happen)


def maker(entity: str, make: Callable[[Any, Work], Record]) -> Spoil:
    """Another maker of new records, handed the right one."""
    return _registered("makers", [entity], make)


def loader(entity: str, load: Callable[..., Record]) -> Spoil:
    """Another reader of uploaded files, handed the right one."""
    return _registered("loaders", [entity], load)


def _registered(kind: str, keys: Iterable[Any], happen: Callable[..., Any]) -> Spoil:
    def spoil(server: Server) -> None:
        registered = getattr(server.workflows, kind)
        for key in keys:
            right = registered.get(key, lambda *given: None)
            registered[key] = lambda *given, right=right: happen(right, *given)

    return spoil


def derived(entity: str, make: Callable[[Any, Work, Any], Any]) -> Spoil:
    """Other rows of an entity that is made of others; handed what makes the right ones."""

    def spoil(server: Server) -> None:
        plugin = server.service.plugin
        right = plugin.derived[entity]
        made = {**plugin.derived, entity: lambda work, above: make(right, work, above)}
        server.service.plugin = replace(plugin, derived=made)

    return spoil


def during(place: str, make: Callable[[Any], Any]) -> Spoil:
    """Another function of the code, while this server handles a request and at no other time.

    place: `module:name`, or `module:Class.name`
    """

    def spoil(server: Server) -> None:
        module, _, path = place.partition(":")
        *above, name = path.split(".")
        owner: Any = importlib.import_module(module)
        for each in above:
            owner = getattr(owner, each)
        right = getattr(owner, name)
        wrong = make(right)

        def wrapped(app: Asgi) -> Asgi:
            async def call(scope: Any, receive: Receive, send: Send) -> None:
                if scope["type"] != "http":
                    await app(scope, receive, send)
                    return
                # All of the request first, so that nothing waits, and nobody else runs, while the function is wrong.
                came, sent = await _received(receive), list[Message]()

                async def again() -> Message:
                    return came.pop(0) if came else {"type": "http.disconnect"}

                async def keep(message: Message) -> None:
                    sent.append(message)

                with _ONE_AT_A_TIME:
                    setattr(owner, name, wrong)
                    try:
                        await app(scope, again, keep)
                    finally:
                        setattr(owner, name, right)
                for message in sent:
                    await send(message)

            return call

        server.wrap(wrapped)

    return spoil


async def _received(receive: Receive) -> list[Message]:
    came = []
    while True:
        message = await receive()
        came.append(message)
        if message["type"] != "http.request" or not message.get("more_body", False):
            return came


def both(*spoils: Spoil) -> Spoil:
    """One defect that lies in two places of the code."""

    def spoil(server: Server) -> None:
        for each in spoils:
            each(server)

    return spoil


# What changes of rows and records are made of


def at(value: Any, path: str) -> Any:
    """The value behind a dotted path; None where there is none."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def put(value: Any, path: str, new: Any) -> None:
    """Set what lies behind a dotted path, if what is to hold it is there."""
    *above, last = path.split(".")
    for name in above:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, dict):
        value[last] = new


def drop(value: Any, path: str) -> None:
    """Take away what lies behind a dotted path."""
    *above, last = path.split(".")
    for name in above:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, dict):
        value.pop(last, None)


def dropped(path: str) -> Change:
    return lambda value, x: drop(value, path)


def told(path: str, new: Callable[[Any], Any]) -> Change:
    """Another value of a member, where it has one."""

    def change(value: Any, x: Exchange) -> None:
        if (now := at(value, path)) is not None:
            put(value, path, new(now))

    return change


def of_record(*paths: str) -> Change:
    """What the record holds, whether the caller may see it or not."""

    def change(value: Any, x: Exchange) -> None:
        record = x.work.get(x.operation.entity, value["id"])
        for path in paths if record is not None else ():
            if (found := at(record, path)) is not None:
                *above, last = path.split(".")
                here = value
                for name in above:
                    here = here.setdefault(name, {})
                here[last] = orjson.loads(orjson.dumps(found, default=float))

    return change


def kept(x: Exchange, *changes: tuple[str, Record]) -> None:
    """Store records in a unit of work of their own, whatever becomes of the request's."""
    work = x.world.work(x.work.actor)
    for entity, record in changes:
        work.put(entity, record)
    work.commit()


def refusing(x: Exchange, go: Handler, otherwise: Callable[[Refusal], Reply]) -> Reply:
    """What the handler answers, or something else where it refuses."""
    try:
        return go(x)
    except Refusal as refusal:
        return otherwise(refusal)
