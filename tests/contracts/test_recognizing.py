"""What a run sees before its checks: whether anybody calls, and whether the target is what it is held to."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.findings import Result
from contracts.mistakes import Mistake
from tests.contracts.driver import verify

LISTS = ["access.matrix"]


def answering(status: int, media: str, content: bytes) -> Any:
    """An application that answers everything alike."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        app.count += 1  # type: ignore[attr-defined]
        headers = [(b"content-type", media.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    app.count = 0  # type: ignore[attr-defined]
    return app


@pytest.mark.parametrize("api", ["accounts", "billing", "credits"])
def test_another_web_server_is_told_as_such_and_asked_no_more(api: str) -> None:
    app = answering(404, "text/html", b"<html>")
    with pytest.raises(Mistake, match=rf"does not look like {api} at .* answered 404 text/html\); is the address, or"):
        verify(app, api, only=LISTS)
    assert app.count <= 2


@pytest.mark.parametrize(
    ("status", "media", "content"),
    [
        (404, "application/json", b"{}"),
        (401, "text/html", b"<html>"),
        (403, "text/html", b"<html>"),
        (500, "text/html", b"<html>"),
        (503, "text/plain", b""),
        (429, "text/plain", b""),
    ],
)
def test_a_deployment_that_is_ill_or_refuses_is_still_checked(status: int, media: str, content: bytes) -> None:
    app = answering(status, media, content)
    assert isinstance(verify(app, "billing", only=LISTS), Result)
    assert app.count > 2


def test_an_api_that_nobody_calls_is_refused_before_anything_is_sent() -> None:
    app = answering(404, "text/html", b"")
    with pytest.raises(
        Mistake, match=r"^no caller for billing: give .*vendor.* a token \(--caller \w+=env:\w+_TOKEN\)"
    ):
        verify(app, "billing", only=LISTS, callers=())
    assert app.count == 0
