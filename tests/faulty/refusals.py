"""How refusals are worded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from mockserver.reply import Reply
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Server, Spoil


def _worded(change: Any, *, status: int | None = None, operation: str | None = None) -> Spoil:
    """Bodies of refusals that are changed, of one status or of all; `change` is handed value and answer."""

    def change_body(reply: Reply) -> Reply:
        value = orjson.loads(reply.body)
        made = change(value)
        return replace(reply, body=orjson.dumps(value if made is None else made))

    return _refused(change_body, status=status, operation=operation)


def _refused(change: Any, *, status: int | None = None, operation: str | None = None) -> Spoil:
    """Answers of refusals that are changed."""

    def spoil(server: Server) -> None:
        problems = server.service.problems
        right = problems.reply

        def reply(fault: Any, *, operation: str | None = None, headers: Any = None) -> Reply:
            made = right(fault, operation=operation, headers=headers or {})
            is_meant = status in (None, made.status) and wanted in (None, operation)
            return change(made) if is_meant else made

        wanted = operation
        problems.reply = reply  # type: ignore[method-assign]

    return spoil


def _without(name: str) -> Any:
    return lambda value: value.pop(name, None) and None


def _set(name: str, new: Any) -> Any:
    return lambda value: {**value, name: new}


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (
        B,
        "plain-text-404",
        "S309 S302 S304",
        "",
        "What is not found is told in plain text.",
        _refused(lambda reply: replace(reply, body=b"Not Found", media="text/plain"), status=404),
    ),
    (
        B,
        "status-of-body-differs",
        "S309",
        "",
        "The body of a refusal says another status.",
        _worded(_set("status", 500), status=403),
    ),
    (
        B,
        "another-title",
        "S309",
        "",
        "The title of an invalid request is another.",
        _worded(_set("title", "Oops"), status=400),
    ),
    (
        B,
        "faults-untold",
        "S309",
        "",
        "An invalid body is refused without saying where.",
        _worded(_without("errors"), status=400),
    ),
    (B, "title-missing", "S309 S304", "", "A conflict has no title.", _worded(_without("title"), status=409)),
    (
        B,
        "html-refusal",
        "S302 S309",
        "",
        "Refusals are told to be HTML.",
        _refused(lambda reply: replace(reply, media="text/html"), status=403),
    ),
    (
        B,
        "challenge-missing",
        "S303 S309 A104",
        "",
        "401 does not say which scheme is asked for.",
        _refused(lambda reply: replace(reply, headers={}), status=401),
    ),
    (C, "request-id-missing", "S309 S304", "", "Refusals have no request id.", _worded(_without("requestId"))),
    (
        C,
        "another-word",
        "S309 S304",
        "",
        "What is not found is told with another word.",
        _worded(_set("error", "missing"), status=404),
    ),
    (
        C,
        "status-as-text",
        "S309 S304",
        "",
        "The status in a refusal is a text.",
        _worded(lambda value: {**value, "status": str(value["status"])}),
    ),
    (
        A,
        "faults-not-listed",
        "S309 S304",
        "",
        "Refusals hold one error instead of a list.",
        _worded(lambda value: {**value, "errors": value["errors"][0]} if "errors" in value else None),
    ),
    (
        A,
        "another-code",
        "S309 S304",
        "",
        "403 has the code of 404.",
        _worded(
            lambda value: (
                {**value, "errors": [{**each, "code": "EQX-700-404"} for each in value["errors"]]}
                if "errors" in value
                else None
            ),
            status=403,
        ),
    ),
    (
        A,
        "token-refusal-in-other-words",
        "S309 S304",
        "GetOAuth2AccessToken",
        "A refused token is told in the words of other refusals.",
        _worded(
            lambda value: {"errors": [{"code": "S1006", "message": "no"}], "ticketId": "260316090000001"},
            operation="GetOAuth2AccessToken",
        ),
    ),
)

DEFECTS = catalog("errors", ROWS)
