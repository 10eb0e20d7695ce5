"""What was asked of a sandbox's APIs: a ring of the latest requests, kept as they came and worded only when read.

Nothing here is cleaned of tokens yet: `mockserver.redaction` does that, and nothing goes out another way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from mockserver.domain.errors import Invalid, NoSuchTransition, NotFound, Refusal

if TYPE_CHECKING:
    from mockserver.bodies import Form

MOST = 1_000
"""Requests that a journal keeps, unless it is told otherwise."""
UTMOST = 20_000
"""Requests that a journal can be told to keep."""
BYTES = 16_000_000
"""Bytes that a journal keeps in all of paths, queries, headers, bodies, and what was said to them."""
BODY = 65_536
"""Bytes of a body that is kept; of a longer one, only how long it was, of a form also what its parts were."""
PATH = 2_000
QUERY = 8_193
"""Characters of a query string: one more than any API reads, so that one too long is still seen to be."""
TEXT = 500
"""Characters of what a refusal says, and of each place in it."""
PLACES = 5
HEADERS = 40

Headers = Mapping[bytes, bytes]


# A tuple and a dataclass that is not frozen: making one of the other takes twice as long, and every request makes one.


@dataclass(slots=True)
class Refused:
    """What is kept of a refusal: never the exception, which would hold on to the whole request.

    faults: (place, what is wrong there); entity: of what there was none; state, event: of a machine without that way
    """

    kind: type[Refusal]
    said: str
    faults: tuple[tuple[str, str], ...] = ()
    entity: str | None = None
    state: str | None = None
    event: str | None = None

    @classmethod
    def of(cls, refusal: Refusal) -> Refused:
        faults: tuple[tuple[str, str], ...] = ()
        entity = state = event = None
        if isinstance(refusal, Invalid):
            first = list(refusal.errors.items())[:PLACES]
            faults = tuple((place[:TEXT], "; ".join(said[:PLACES])[:TEXT]) for place, said in first)
        elif isinstance(refusal, NotFound):
            entity = refusal.entity
        elif isinstance(refusal, NoSuchTransition):
            state, event = refusal.state, refusal.event
        return cls(type(refusal), str(refusal)[:TEXT], faults, entity, state, event)

    @property
    def weight(self) -> int:
        return len(self.said) + (sum(len(place) + len(said) for place, said in self.faults) if self.faults else 0)


class Call(NamedTuple):
    """One request as it was answered.

    number: counts from 1; at: the sandbox's clock; path, query: percent-encoded as they came, cut where they are long
    api: whose path it was; operation: None where the path is none's; caller, role: None before a token was accepted
    cell: the capability of the matrix that was looked up; status: 0 where nothing was answered
    seconds: of real time; size: bytes of the answer; sent: bytes of the body, None where none was read to its end
    body: as it came; of a form what `mockserver.bodies.Form` tells of it; fault: what was injected
    """

    number: int
    at: datetime | str
    method: str
    path: str
    query: str
    api: str | None
    operation: str | None
    caller: str | None
    role: str | None
    cell: str | None
    refused: Refused | None
    status: int
    seconds: float
    size: int
    sent: int | None
    body: bytes | None
    headers: Headers | None
    fault: str | None
    weight: int

    @property
    def stripped(self) -> Call:
        """The same without body and headers."""
        left = self.weight - len(self.body or b"") - _size(self.headers)
        return self._replace(body=None, headers=None, weight=left)


class Journal:
    """The latest requests to a sandbox, the oldest first; those that do not fit any more are forgotten, and counted.

    most: how many are kept; 0: none, at no cost
    bodies: whether bodies and headers are kept, too
    """

    __slots__ = ("_calls", "_weight", "bodies", "last", "most")

    def __init__(self, most: int = MOST, *, bodies: bool = False) -> None:
        self.most = most
        self.bodies = bodies
        self.last = 0
        self._calls: deque[Call] = deque()
        self._weight = 0

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    @property
    def forgotten(self) -> int:
        """How many requests were recorded since it was last cleared and are not kept any more."""
        return self.last - len(self._calls)

    def record(
        self,
        at: datetime | str,
        method: str,
        path: str,
        query: str,
        api: str | None,
        operation: str | None,
        caller: str | None,
        role: str | None,
        cell: str | None,
        refusal: Refusal | None,
        status: int,
        seconds: float,
        size: int,
        body: bytes | Form | None = None,
        headers: Headers | None = None,
        fault: str | None = None,
    ) -> None:
        """Keep a request. What costs anything, like a body, is looked at only where it is asked for."""
        if not self.most:
            return
        self.last = number = self.last + 1
        path, query = path[:PATH], query[:QUERY]
        weight = len(path) + len(query)
        refused = sent = None
        if refusal is not None:
            refused = Refused.of(refusal)
            weight += refused.weight
        kept: bytes | None = None
        if body is not None:
            sent = len(body) if isinstance(body, bytes) else body.size
            if self.bodies:
                kept = _kept(body)
                weight += 0 if kept is None else len(kept)
        if headers is not None:
            headers = _first(headers) if self.bodies else None
            weight += _size(headers)
        calls = self._calls
        calls.append(
            Call(
                number,
                at,
                method[:40],
                path,
                query,
                api,
                operation,
                caller,
                role,
                cell,
                refused,
                status,
                seconds,
                size,
                sent,
                kept,
                headers,
                fault,
                weight,
            )
        )
        self._weight += weight
        if len(calls) > self.most or self._weight > BYTES:
            self._trim()

    def find(self, number: int) -> Call:
        """The request of that number. Raises NotFound, which tells a forgotten one from one that is still to come."""
        at = number - self.forgotten - 1
        if 0 <= at < len(self._calls):
            return self._calls[at]
        if 0 < number <= self.last:
            raise NotFound(f"request {number} is forgotten; the journal keeps {self.most}, PUT /__mock__/journal more.")
        raise NotFound(f"no request {number}; the last one has number {self.last}.")

    def where(self, wanted: Callable[[Call], bool]) -> list[Call]:
        """The requests that are wanted, the oldest first."""
        return [call for call in self._calls if wanted(call)]

    def set(self, *, most: int | None = None, bodies: bool | None = None) -> None:
        """Change what is kept; what is not to be kept any more is forgotten at once."""
        self.most = self.most if most is None else most
        if bodies is not None:
            self.bodies = bodies
        if bodies is False:
            self._calls = deque(call.stripped for call in self._calls)
            self._weight = sum(call.weight for call in self._calls)
        self._trim()

    def clear(self) -> None:
        """Forget every request; numbers begin anew, settings stay."""
        self._calls.clear()
        self.last = self._weight = 0

    def _trim(self) -> None:
        while self._calls and (len(self._calls) > self.most or self._weight > BYTES):
            self._weight -= self._calls.popleft().weight


def _kept(body: bytes | Form) -> bytes | None:
    """As much of a body as is kept."""
    if isinstance(body, bytes):
        return body if len(body) <= BODY else None
    return body.told(BODY)


def _size(headers: Headers | None) -> int:
    return 0 if headers is None else sum(map(len, headers)) + sum(map(len, headers.values()))


def _first(headers: Headers) -> Headers:
    """As many headers as anybody reads, each cut."""
    return {name[:TEXT]: value[:TEXT] for name, value in list(headers.items())[:HEADERS]}
