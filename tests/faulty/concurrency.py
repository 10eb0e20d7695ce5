"""Requests that are under way at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

from mockserver.store import Row
from tests.faulty.defects import Row as Said
from tests.faulty.defects import catalog
from tests.faulty.planting import Asgi, Receive, Send, Server, Spoil


def _on_what_was(method: str, suffix: str, entity: str, *others: str) -> Spoil:
    """A request that works on its object as it was when the request came, whatever happened meanwhile.

    suffix: what the path ends with behind the id; others: entities that are as they were, too
    """

    def spoil(server: Server) -> None:
        def wrapped(app: Asgi) -> Asgi:
            async def call(scope: Any, receive: Receive, send: Send) -> None:
                path = scope.get("path", "")
                if scope["type"] != "http" or scope["method"] != method or not path.endswith(suffix):
                    await app(scope, receive, send)
                    return
                id = path.removesuffix(suffix).rpartition("/")[2]
                before: dict[tuple[str, str], Row | None] = {(entity, id): server.world.layer.row(entity, id)}
                for other in others:
                    before |= {(other, row.record["id"]): row for row in server.world.layer.all(other)}
                # Here the others run.
                await asyncio.sleep(0)
                for (kind, key), row in before.items():
                    if row is not None and server.world.layer.row(kind, key) is not row:
                        server.world.layer.set(kind, key, Row(row.record))
                await app(scope, receive, send)

            return call

        server.wrap(wrapped)

    return spoil


def _pair_unseen(server: Server) -> None:
    """Whether a pair is free is looked up before, and not again."""

    def wrapped(app: Asgi) -> Asgi:
        async def call(scope: Any, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith("/manual-overrides"):
                await app(scope, receive, send)
                return
            layer = server.world.layer
            before = {row.record["id"] for row in layer.all("ManualOverride")}
            await asyncio.sleep(0)
            new = [row for row in layer.all("ManualOverride") if row.record["id"] not in before]
            for row in new:
                layer.remove("ManualOverride", row.record["id"])
            await app(scope, receive, send)
            for row in new:
                layer.put("ManualOverride", row.record)

        return call

    server.wrap(wrapped)


B, C = "billing", "credits"

ROWS: tuple[Said, ...] = (
    (
        B,
        "journal-update-lost",
        "W410",
        "updateJournal",
        "Of two updates of a journal at once the later one undoes the first.",
        _on_what_was("PUT", "", "Journal"),
    ),
    (
        B,
        "custom-ledger-update-lost",
        "W410",
        "updateCustomLedger",
        "Of two updates of a custom ledger at once the later one undoes the first.",
        _on_what_was("PUT", "", "CustomLedger"),
    ),
    (
        B,
        "submitted-twice",
        "W411",
        "submitJournal",
        "A journal that is submitted twice at once is submitted twice.",
        _on_what_was("POST", "/submit", "Journal"),
    ),
    (
        B,
        "pair-overridden-twice",
        "W411",
        "createManualOverride",
        "A pair gets two active overrides when they come at once.",
        _pair_unseen,
    ),
    (
        C,
        "posted-twice",
        "W411",
        "postPayment",
        "A payment that is posted twice at once is posted twice.",
        _on_what_was("PATCH", "/post", "Payment"),
    ),
    (
        C,
        "disbursed-twice",
        "W411",
        "executeDisbursement",
        "A disbursement that is executed twice at once is executed twice.",
        _on_what_was("PATCH", "/execute", "Disbursement"),
    ),
)

DEFECTS = catalog("concurrency", ROWS)
