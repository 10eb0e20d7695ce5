"""The order of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import orjson

from mockserver.domain.errors import Invalid
from mockserver.exchange import Exchange
from mockserver.reply import Reply
from mockserver.rql.ordering import Key
from mockserver.store import at
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Around, Handler, Server, Spoil, during, handled


def _sorted(change: Any) -> Spoil:
    """Orders that mean something else than they say."""
    return during(
        "mockserver.rql.ordering:keys", lambda right: lambda sorts, shape, **more: change(right, sorts, shape, more)
    )


def _ascending(right: Any, sorts: Any, shape: Any, more: Any) -> Any:
    return right(tuple(replace(each, descending=False) for each in sorts), shape, **more)


def _first_key(right: Any, sorts: Any, shape: Any, more: Any) -> Any:
    return right(sorts[:1], shape, **more)


def _as_text(right: Any, sorts: Any, shape: Any, more: Any) -> Any:
    """Numbers in the order of their digits."""
    right(sorts, shape, **more)
    key = sorts[0]
    return [Key(None, lambda each: str(at(each, key.path) or ""), key.descending)]


def _unknown_ignored(right: Any, sorts: Any, shape: Any, more: Any) -> Any:
    try:
        return right(sorts, shape, **more)
    except Invalid as refusal:
        if "Invalid property path." not in str(refusal):
            raise
        return []


def _ignored(x: Exchange, go: Handler) -> Reply:
    x.query = replace(x.query, order=())
    return go(x)


def _within_page(x: Exchange, go: Handler) -> Reply:
    """Only the rows of the page are put in order."""
    keys, x.query = x.query.order, replace(x.query, order=())
    reply = go(x)
    if not keys:
        return reply
    value = orjson.loads(reply.body)
    value["data"].sort(key=lambda row: str(at(row, keys[0].path) or ""), reverse=keys[0].descending)
    return replace(reply, body=orjson.dumps(value))


def _another_each_time(operation: str) -> Spoil:
    """Rows that are alike come in another order each time."""
    return _turned(operation, lambda time: time % 2 == 1)


def _turned(operation: str, is_turned: Callable[[int], bool]) -> Spoil:
    """Rows come the other way round, those times of all."""

    def spoil(server: Server) -> None:
        times = count()

        def around(x: Exchange, go: Handler) -> Reply:
            right = x.service.rows

            def turned(work: Any, entity: str) -> Any:
                found = right(work, entity)
                rows = list(found)
                return type(found)(rows[::-1] if is_turned(next(times)) else rows, found.total)

            x.service.rows = turned  # type: ignore[method-assign]
            try:
                return go(x)
            finally:
                x.service.rows = right  # type: ignore[method-assign]

        handled(operation, around)(server)

    return spoil


def _sorts(change: Any) -> Around:
    def around(x: Exchange, go: Handler) -> Reply:
        said = type(x.said)({**x.said, "sorts": change(x.said["sorts"])} if "sorts" in x.said else x.said)
        said.sent = x.said.sent
        x.said = said
        return go(x)

    return around


def _first_to_last(right: Any) -> Any:
    """The oldest comes first."""
    return lambda rows: right(rows)[::-1]


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (B, "order-ignored", "Q503", "listInvoices", "A list ignores its order.", handled("listInvoices", _ignored)),
    (B, "descending-ignored", "Q503", "", "A list asked to come down goes up.", _sorted(_ascending)),
    (B, "second-key-ignored", "Q503", "", "Only the first key of an order counts.", _sorted(_first_key)),
    (B, "numbers-ordered-as-text", "Q503", "", "Numbers are put in the order of their digits.", _sorted(_as_text)),
    (
        B,
        "order-within-page",
        "Q503 Q501",
        "listStatements",
        "Only the rows of a page are put in order.",
        handled("listStatements", _within_page),
    ),
    (B, "order-by-unknown", "Q513", "", "An order by a member that is not there is none.", _sorted(_unknown_ignored)),
    (
        B,
        "rows-turn-each-time",
        "Q504 Q501",
        "listLedgers",
        "A list comes in another order each time.",
        _another_each_time("listLedgers"),
    ),
    (
        C,
        "payments-turn-each-time",
        "Q504 Q501",
        "fetchMultiplePayments",
        "A list comes in another order each time.",
        _another_each_time("fetchMultiplePayments"),
    ),
    (
        C,
        "newest-payment-first",
        "Q503",
        "fetchMultiplePayments",
        "The newest payment stands first.",
        _turned("fetchMultiplePayments", lambda time: True),
    ),
    (
        A,
        "sorts-ignored",
        "Q503",
        "listFinanceAccounts",
        "Accounts are not sorted by name.",
        handled("listFinanceAccounts", _sorts(lambda said: "ACCOUNT_NUMBER")),
    ),
    (
        A,
        "sorts-up-only",
        "Q503",
        "listFinanceAccounts",
        "Accounts asked to come down go up.",
        handled("listFinanceAccounts", _sorts(lambda said: said.removeprefix("-"))),
    ),
    (
        A,
        "oldest-invoice-first",
        "Q503",
        "getFinanceAccount",
        "The oldest invoice stands first.",
        during("mockserver.apis.accounts.summaries:newest_first", _first_to_last),
    ),
)

DEFECTS = catalog("order", ROWS)
