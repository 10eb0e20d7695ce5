"""What befalls a call that a fault strikes, and how its answer leaves: late, another one, in part, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from mockserver.problems import Fault
from mockserver.reply import Reply
from mockserver.store import Layer
from mockserver.world import World

if TYPE_CHECKING:
    from mockserver.sandboxes import Side

LONGEST = 300.0
"""Seconds by which all rules together may delay an answer, and those that a slow one may take"""
TICK = 0.1
"""Seconds between two pieces of a slow answer"""

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule has a call answered with.

    body: None: what the API itself says with such a status
    """

    status: int
    body: bytes | None = None
    media: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def reply(self, side: Side, operation: str) -> Reply:
        """The answer as an operation gives it."""
        said = f"a fault of the sandbox: {self.status}."
        if self.body is not None or self.status < 400:
            return Reply(self.status, self.body or b"", self.media, self.headers, said)
        known = HTTPStatus(self.status) if self.status in HTTPStatus._value2member_map_ else None
        detail = f"{(known.description or known.phrase).rstrip('.')}." if known is not None else "The service failed."
        fault = Fault(self.status, detail, side.world, None, title=None if known is not None else "Error")
        return replace(side.service.problems.reply(fault, operation=operation, headers=self.headers), said=said)


GONE = Answer(503, b"")
"""Of a call that nobody answers any more"""


@dataclass(slots=True)
class Switch:
    """What those calls hang on that wait because of a rule.

    off: set once they are to wait no longer
    is_void: the world is no more as it was when they came; nothing is to be done for them
    """

    off: asyncio.Event = field(default_factory=asyncio.Event)
    is_void: bool = False

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until it is off."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.off.wait()


@dataclass(slots=True)
class Strike:
    """What befalls one call of an operation.

    delays: seconds that it waits before anything is done, one after the other, each as long as its rule is on
    reply: instead of the work; lost: instead of its answer, the work done
    drop: no answer comes, neither one of those nor that of the work
    cut: the share of the body that comes
    rate: bytes of the body that come in a second, as long as `slow` is on
    stale: the work is done on `stale(world)`, and nothing of it is kept
    rules: the ids of those that struck
    is_over: the server ended, or the sandbox was reset, while it waited: it is dropped, with nothing done
    """

    api: str = ""
    operation: str = ""
    delays: list[tuple[float, Switch]] = field(default_factory=list)
    reply: Answer | None = None
    lost: Answer | None = None
    drop: bool = False
    cut: float | None = None
    rate: int | None = None
    slow: Switch = field(default_factory=Switch)
    stale: bool = False
    rules: list[str] = field(default_factory=list)
    is_over: bool = False

    @property
    def delay(self) -> float:
        """Seconds that it waits if no rule is switched off meanwhile."""
        return sum(seconds for seconds, _ in self.delays)

    def put_off(self, seconds: float, switch: Switch) -> None:
        """Have it wait longer, though not beyond the limit."""
        self.delays.append((min(seconds, LONGEST - self.delay), switch))

    async def wait(self) -> None:
        """Wait as long as it delays the call."""
        try:
            for seconds, switch in self.delays:
                if seconds:
                    await switch.pause(seconds)
            self.is_over = any(switch.is_void for _, switch in self.delays)
        except asyncio.CancelledError:  # the server ends
            self.is_over = True
        if self.is_over:
            self.drop, self.lost, self.reply = True, None, GONE


class _Past(World):
    """A world as it was before its last change; what is done there is forgotten."""

    def __init__(self, present: World) -> None:
        self.__dict__.update(present.__dict__)
        self._present = present
        # Neither kept nor brought about: a job that waits is for a request to run that shows what became of it.
        self.keeper, self.waiting = None, False
        self.layer = Layer(present.layer.indexes, present.layer)
        for entity, id, row in (
            (entity, id, row) for entity, rows in present.replaced.items() for id, row in rows.items()
        ):
            self.layer.set(entity, id, row)

    @property
    def refusals(self) -> int:
        # Those of the present: no two requests that are refused have the same trace id.
        return self._present.refusals

    @refusals.setter
    def refusals(self, count: int) -> None:
        self._present.refusals = count


def stale(world: World) -> World:
    """A world as it was before its last change, for one reading, of which nothing is kept.

    A row that the change removed is there again, but as the last one.
    """
    return _Past(world)


# On the wire


async def deliver(send: Send, scope: Mapping[str, Any], reply: Reply, strike: Strike) -> None:
    """Send an answer as a strike leaves it.

    Where no server is that has a connection to close, ConnectionResetError is raised in its place.
    """
    body = b"" if scope["method"] == "HEAD" else reply.body
    # Of an answer without a body the head is the whole of it: broken off, nothing comes.
    if strike.drop or (strike.cut is not None and not body):
        _hang_up(send, at_once=True)
        return
    await send(reply.start)
    if strike.cut is not None:
        await send({"type": "http.response.body", "body": body[: int(len(body) * strike.cut)], "more_body": True})
        _hang_up(send)
    elif strike.rate is not None and body:
        await _trickle(send, body, strike.rate, strike.slow)
    else:
        await send({"type": "http.response.body", "body": body})


async def _trickle(send: Send, body: bytes, least: float, switch: Switch) -> None:
    rate = max(least, len(body) / LONGEST)
    step = max(1, int(rate * TICK))
    sent = 0
    while sent < len(body):
        piece = body[sent : sent + step]
        await switch.pause(len(piece) / rate)
        if getattr(_connection(send), "disconnected", False):
            return
        if switch.off.is_set():
            piece = body[sent:]
        sent += len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": sent < len(body)})


def _hang_up(send: Send, *, at_once: bool = False) -> None:
    """Close the connection. at_once: forget what was written and is not yet on its way"""
    connection = _connection(send)
    if connection is None:
        raise ConnectionResetError("a fault of the sandbox closed the connection")
    (connection.transport.abort if at_once else connection.transport.close)()
    # Uvicorn notices by itself, but a turn later; until then it would miss an answer and say so.
    connection.disconnected = True


def _connection(send: Send) -> Any:  # Any: uvicorn has no type for what its two protocols have in common
    """The request as uvicorn knows it, with its transport; None under anything else."""
    owner = getattr(send, "__self__", None)
    return owner if hasattr(owner, "transport") and hasattr(owner, "disconnected") else None
