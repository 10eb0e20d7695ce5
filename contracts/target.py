"""The implementation under test: an address, or an ASGI application in this process. Sends, and knows nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from contracts.wire import Answer, Request

T = TypeVar("T")
LIMIT = 64 * 1024 * 1024
"""Bytes of an answer; a longer one ends the call."""


class Unreachable(Exception):
    """The target did not answer; `str()` is one line that tells the mend."""


def nothing() -> None:
    """What is done while an answer is under way, where nothing is."""


class Target(Protocol):
    """What requests go to."""

    address: str

    def send(self, request: Request, meanwhile: Callable[[], None] = nothing) -> Answer:
        """The answer to one request, its headers as they stand. Raises Unreachable.

        meanwhile: called before the answer is read, and while it is under way if the target is elsewhere
        """
        ...

    def at_once(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers to requests that are all under way at the same time."""
        ...

    def close(self) -> None: ...


class InProcess:
    """An ASGI application in this process."""

    def __init__(self, app: Any, address: str = "http://127.0.0.1:8000") -> None:
        self.app, self.address = app, address
        self._host = urlsplit(address).netloc
        self._loop = asyncio.new_event_loop()
        self._lifespan: Any = None
        self._asked: asyncio.Queue[Any] | None = None
        self._run(self._start())

    def send(self, request: Request, meanwhile: Callable[[], None] = nothing) -> Answer:
        meanwhile()
        return self._run(self._call(request))

    def at_once(self, requests: Sequence[Request]) -> list[Answer]:
        async def all_of_them() -> list[Answer]:
            return list(await asyncio.gather(*map(self._call, requests)))

        return self._run(all_of_them())

    def close(self) -> None:
        if self._loop.is_closed():
            return
        if self._asked is not None and self._lifespan is not None and not self._lifespan.done():
            self._asked.put_nowait({"type": "lifespan.shutdown"})
            with suppress(asyncio.TimeoutError, Exception):
                self._run(asyncio.wait_for(self._lifespan, 5))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    async def _start(self) -> None:
        """Start the application's lifespan, if it has one."""
        self._asked = asyncio.Queue()
        started = self._loop.create_future()

        async def send(message: Any) -> None:
            if message["type"].startswith("lifespan.startup") and not started.done():
                started.set_result(message)

        async def live() -> None:
            assert self._asked is not None
            with suppress(Exception):
                await self.app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, self._asked.get, send)
            if not started.done():
                started.set_result({"type": "lifespan.startup.complete"})

        self._lifespan = self._loop.create_task(live())
        self._asked.put_nowait({"type": "lifespan.startup"})
        message = await started
        if message["type"] == "lifespan.startup.failed":
            raise Unreachable(f"the application did not start: {message.get('message', 'no reason given')}.")

    async def _call(self, request: Request) -> Answer:
        # As clients over HTTP do, curl among them: without it some answers are others.
        sent = {name.lower(): value for name, value in request.headers.items()}
        headers = {"host": self._host, "accept": "*/*", "user-agent": "doubleentry", **sent}
        if request.content is not None:
            headers.setdefault("content-length", str(len(request.content)))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(request.path),
            "raw_path": request.path.encode(),
            "root_path": "",
            "query_string": request.query.encode(),
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
            "extensions": {},
            "state": {},
        }
        status, found, chunks, told = 0, {}, [], [{"type": "http.request", "body": request.content or b""}]

        async def receive() -> Any:
            return told.pop() if told else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                for name, value in message.get("headers", ()):
                    found[name.decode("latin-1").lower()] = value.decode("latin-1")
            elif message["type"] == "http.response.body":
                chunks.append(message.get("body", b""))

        began = time.perf_counter()
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # whatever an application raises is its own failure, as behind a server
            return Answer(500, {}, f"{type(error).__name__}: the application raised.".encode())
        return Answer(status, found, b"".join(chunks), time.perf_counter() - began)


class Pooled:
    """A target that is called over the network: several requests at once have a thread each."""

    AT_ONCE = 8
    _pool: ThreadPoolExecutor | None = None

    def send(self, request: Request, meanwhile: Callable[[], None] = nothing) -> Answer:
        raise NotImplementedError

    def at_once(self, requests: Sequence[Request]) -> list[Answer]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.AT_ONCE)
        return list(self._pool.map(self.send, requests))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


class Http(Pooled):
    """A deployment at an address, behind TLS or a proxy.

    timeout: seconds a call; ca: file of the certificates to trust, where it is not the system's
    """

    def __init__(self, address: str, *, timeout: float, ca: str | None = None) -> None:
        import ssl

        import httpx

        self.address = address.rstrip("/")
        verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca) if ca else True
        # trust_env: a proxy of the environment is the user's choice; netrc would add credentials of its own.
        self._client = httpx.Client(timeout=timeout, verify=verify, follow_redirects=False, auth=_no_auth)

    def send(self, request: Request, meanwhile: Callable[[], None] = nothing) -> Answer:
        import httpx

        meanwhile()
        began = time.perf_counter()
        try:
            made = self._client.build_request(
                request.method,
                self.address + request.target,
                headers={"user-agent": "doubleentry", **request.headers},
                content=request.content,
            )
            with closing(self._client.send(made, stream=True)) as came:
                content = _bounded(came)
                headers = {name.lower(): value for name, value in came.headers.items()}
                return Answer(came.status_code, headers, content, time.perf_counter() - began)
        except httpx.InvalidURL as error:
            raise Unreachable(f"{self.address} is no address: {error}.") from None
        except httpx.HTTPError as error:
            what = str(error) or type(error).__name__
            raise Unreachable(f"target did not answer at {self.address} ({what}); is it running there?") from None

    def close(self) -> None:
        super().close()
        self._client.close()


def _no_auth(request: Any) -> Any:
    return request


def _bounded(came: Any) -> bytes:
    """The body, as long as it is no longer than LIMIT."""
    chunks, length = [], 0
    for chunk in came.iter_bytes():
        length += len(chunk)
        if length > LIMIT:
            raise Unreachable(f"an answer of more than {LIMIT:,} bytes; that is no answer of this API.")
        chunks.append(chunk)
    return b"".join(chunks)


def connect(address: str, app: Any, *, timeout: float, ca: str | None = None) -> Target:
    """The target that these settings name."""
    from contracts.direct import Direct, reaches

    if app is not None:
        return InProcess(app)
    return Direct(address, timeout=timeout) if reaches(address) else Http(address, timeout=timeout, ca=ca)
