"""A client for tests: requests handed to the ASGI application in-process, without sockets, threads or an event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

BASE = "/public/v1/billing"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers (lower-case names) and the body's bytes."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def text(self) -> str:
        return self.content.decode()

    def __repr__(self) -> str:
        return f"<{self.status} {self.content[:300]!r}>"


class Client:
    """Sends requests as one caller; paths are relative to the billing base unless they start with two slashes."""

    def __init__(self, app: Any, token: str | None) -> None:
        self.app = app
        self.token = token

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. body: sent as JSON; content: sent as it is."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        sent.setdefault("host", "127.0.0.1:8000")
        if self.token is not None:
            sent.setdefault("authorization", f"Bearer {self.token}")
        if body is not None:
            content = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        if content is not None:
            sent.setdefault("content-length", str(len(content)))
        full = path[1:] if path.startswith("//") else BASE + path
        raw, _, query = full.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": raw,
            "raw_path": raw.encode(),
            "root_path": "",
            "query_string": quote(query, safe="%&=+-()*,;|:@/?!$'~._[]").encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 9),
            "extensions": {},
        }
        started: dict[str, Any] = {}
        chunks: list[bytes] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content or b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            else:
                chunks.append(message.get("body", b""))

        # Starlette spools a file of a megabyte to disk, which it does in a thread and so waits for.
        run = asyncio.run if content is not None and len(content) > 500_000 else _run
        run(self.app(scope, receive, send))
        found = {name.decode(): value.decode("latin-1") for name, value in started["headers"]}
        return Answer(started["status"], found, b"".join(chunks))

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("POST", path, body=body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("PUT", path, body=body, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.request("DELETE", path, **options)

    def upload(
        self,
        path: str,
        content: bytes,
        filename: str = "charges.jsonl",
        media: str = "application/jsonl",
        **fields: str,
    ) -> Answer:
        """A multipart POST: `fields` as text parts, then the file as the part `file`."""
        boundary = "----doubleentry"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        parts.append(f"{head}Content-Type: {media}\r\n\r\n".encode() + content + b"\r\n")
        whole = b"".join(parts) + f"--{boundary}--\r\n".encode()
        return self.request(
            "POST", path, content=whole, headers={"content-type": f"multipart/form-data; boundary={boundary}"}
        )


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing but its turn: by hand, which is far faster than an event loop."""
    try:
        # What `asyncio.sleep(0)` gives back is nothing: there is nobody else whose turn it could be.
        while work.send(None) is None:
            pass
    except StopIteration:
        return
    work.close()
    raise RuntimeError("the application waited for something that a test does not give")
