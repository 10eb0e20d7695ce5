"""A server in this process, on a thread of its own, that is made when it is first called."""

from __future__ import annotations

import contextlib
import json
import logging
import select
import socket
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

ENDING = 10.0
"""Seconds that the end may take."""


class Serving:
    """Listens at once, on a free port of the loopback; the first call makes the server and waits for it meanwhile.

    So a test session may hand the address to its workers and start nothing that none of them asks for, and of several
    that ask first none is too early.

    options: of mockserver.create_app; `apis` is a list of APIs. Raises OSError where nothing may listen.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = dict(options)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._bell, self._ringer = socket.socketpair()
        self._ended = False
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=self._serve, name=f"mockserver {self.url}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server, and the thread with it."""
        self._ended = True
        with contextlib.suppress(OSError):
            self._ringer.send(b"!")
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(ENDING)
        for each in (self._bell, self._ringer, self._listener):
            each.close()

    def _serve(self) -> None:
        called, _, _ = select.select([self._listener, self._bell], [], [])
        if self._bell in called:
            return
        import uvicorn

        from mockserver.connections import UVICORN

        # The tests' own logging stays as it is.
        config = uvicorn.Config(self._application(), log_config=None, **UVICORN)
        self._server = uvicorn.Server(config)
        if not self._ended:
            self._server.run(sockets=[self._listener])

    def _application(self) -> Any:  # Any: an ASGI application
        try:
            from mockserver import create_app

            logging.getLogger("connexion").setLevel(logging.ERROR)
            return create_app(*self._options.pop("apis", ()), **self._options)
        except Exception as error:
            # Those who call wait in processes of their own: it is their tests that must tell what is wrong.
            return _failing(f"the mock server cannot start: {str(error) or type(error).__name__}")


def _failing(message: str) -> Any:  # Any: an ASGI application
    body = json.dumps({"detail": message}).encode()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # Any: as ASGI has it
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
