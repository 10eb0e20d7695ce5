"""What is made without an id, such as a token, leaves no journal behind: nobody could take it away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contracts.journal import left
from mockserver import create_app
from tests.contracts.driver import verify


def test_a_run_that_issues_tokens_ends_without_a_journal(tmp_path: Path) -> None:
    result = verify(create_app("accounts"), "accounts", mode="own", only=["access.allowed"], journal=tmp_path)

    assert result.statuses["accounts", "GetOAuth2AccessToken"].get(200)
    assert list(tmp_path.iterdir()) == []


def test_what_is_made_and_answered_without_its_id_stays_in_the_journal(tmp_path: Path) -> None:
    app = without_ids(create_app("billing"))

    verify(app, "billing", mode="own", only=["access.allowed", "operation:createJournal"], journal=tmp_path)

    (journal,) = tmp_path.iterdir()
    _, entries = left(journal)
    assert {(entry.operation, entry.id) for entry in entries} == {("createJournal", "")}


def without_ids(app: Any) -> Any:
    """The application, whose answers to POST /journals are empty objects."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        async def emptied(message: Any) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b"{}"}
            elif message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
                message = {**message, "headers": kept}
            await send(message)

        makes = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/journals")
        await app(scope, receive, emptied if makes else send)

    return wrapped
