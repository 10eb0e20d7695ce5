"""Pages of lists: where they begin and end, how many rows there are, and where the other pages lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mockserver.domain.errors import Invalid
from mockserver.exchange import Exchange
from mockserver.gate import Step
from mockserver.paging import Pagination
from mockserver.reply import Reply
from mockserver.rql.query import Query
from mockserver.service import Rows
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import (
    Around,
    Handler,
    Spoil,
    answered,
    at,
    checked,
    dropped,
    during,
    handled,
    put,
    tables,
    told,
)
from tests.faulty.tables import conventions


def _asked(change: Any) -> Around:
    """A list that reads another page than the one asked for."""

    def around(x: Exchange, go: Handler) -> Reply:
        x.query = change(x.query)
        return go(x)

    return around


def _five_by_default(x: Exchange, go: Handler) -> Reply:
    if "count" not in x.said.sent:
        x.query = replace(x.query, limit=5)
    return go(x)


def _said(change: Any) -> Any:
    return lambda value, x: change(value, value[x.service.api.conventions.lists["items"]])


def _page(make: Any) -> Spoil:
    """Another cut of the rows."""
    return during("mockserver.handlers:page", make)


def _one_more(right: Any) -> Any:
    def page(rows: Any, total: int, query: Query, *, default: int, cap: int) -> Any:
        shown, told = right(
            rows, total, replace(query, limit=min(query.limit or default, cap) + 1), default=default, cap=cap + 1
        )
        return shown, Pagination(told.offset, max(0, told.limit - 1), told.total)

    return page


def _last_lost(right: Any) -> Any:
    def page(rows: Any, total: int, query: Query, **bounds: int) -> Any:
        shown, told = right(rows, total, query, **bounds)
        is_last = told.offset + len(shown) >= total
        return (shown[:-1] if is_last and told.offset else shown), told

    return page


def _overlapping(right: Any) -> Any:
    """Every page but the first begins with the last row of the one before."""

    def page(rows: Any, total: int, query: Query, **bounds: int) -> Any:
        shown, told = right(rows, total, replace(query, offset=max(0, (query.offset or 0) - 1)), **bounds)
        return shown, Pagination(query.offset or 0, told.limit, told.total)

    return page


def _turned(right: Any) -> Any:
    """Rows come in the other order from the second page on."""

    def page(rows: Any, total: int, query: Query, **bounds: int) -> Any:
        return right(Rows(list(rows)[::-1], total) if query.offset else rows, total, query, **bounds)

    return page


def _zero_is_default(query: Query) -> Query:
    return replace(query, limit=None) if query.limit == 0 else query


def _negative_refused(x: Exchange, step: Step) -> None:
    """A wrong page parameter is refused, where it means the default."""
    if b"limit=-" in x.scope["query_string"] or b"offset=-" in x.scope["query_string"]:
        raise Invalid("no such page.", {"limit": ["Must be from 0 on."]})
    step(x)


def _negative_taken(x: Exchange, step: Step) -> None:
    """A wrong page parameter is read as the default, where it is to be refused."""
    query = x.scope["query_string"]
    x.scope["query_string"] = b"&".join(each for each in query.split(b"&") if b"=-" not in each)
    step(x)


def _asked_limit(value: Any, x: Exchange) -> None:
    """The envelope tells the limit that was asked for, not the one that was kept to."""
    if x.query.limit is not None:
        put(value, "$meta.pagination.limit", x.query.limit)


def _next_too_far(value: Any, x: Exchange) -> None:
    link = at(value, "_links.next.href")
    if link is not None:
        path, _, offset = link.partition("offset=")
        number = offset.partition("&")[0]
        put(value, "_links.next.href", f"{path}offset={int(number) + 1}{offset[len(number) :]}")


def _no_sorts(value: Any, x: Exchange) -> None:
    for name in ("prev", "self", "next"):
        link = at(value, f"_links.{name}.href")
        if link is not None:
            put(value, f"_links.{name}.href", link.partition("&sorts=")[0])


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (
        B,
        "offset-ignored",
        "Q501",
        "listLedgers",
        "Every page of a list is the first.",
        handled("listLedgers", _asked(lambda query: replace(query, offset=None))),
    ),
    (B, "pages-overlap", "Q501", "", "Every page begins with the last row of the page before.", _page(_overlapping)),
    (B, "last-row-lost", "Q501", "", "The last row of the last page is missing.", _page(_last_lost)),
    (B, "pages-turn-round", "Q501 Q504", "", "From the second page on the order is the other one.", _page(_turned)),
    (B, "one-row-more", "Q511", "", "A page holds one row more than its limit.", _page(_one_more)),
    (B, "cap-forgotten", "Q511", "", "A limit above the cap is kept to.", tables(conventions(paging={"cap": 100_000}))),
    (
        B,
        "another-default",
        "Q511",
        "",
        "A page without a limit holds 25 rows instead of 10.",
        tables(conventions(paging={"default": 25})),
    ),
    (
        B,
        "asked-limit-told",
        "Q511",
        "listStatements",
        "The envelope tells the limit that was asked for, not the one kept to.",
        answered("listStatements", _asked_limit),
    ),
    (
        B,
        "total-of-page",
        "Q502",
        "listInvoices",
        "The total is the number of rows on the page.",
        answered("listInvoices", _said(lambda value, items: put(value, "$meta.pagination.total", len(items)))),
    ),
    (
        B,
        "total-without-filter",
        "Q502",
        "listStatements",
        "The total counts the rows that a filter leaves out.",
        answered(
            "listStatements",
            lambda value, x: put(value, "$meta.pagination.total", x.service.rows(x.work, x.operation.entity).total),
        ),
    ),
    (
        B,
        "total-one-off",
        "Q502",
        "listJournalCharges",
        "The total is one too high.",
        answered("listJournalCharges", told("$meta.pagination.total", lambda total: total + 1)),
    ),
    (
        B,
        "limit-zero-is-default",
        "Q510",
        "",
        "A limit of 0 gives a page of rows.",
        _page(lambda right: lambda rows, total, query, **bounds: right(rows, total, _zero_is_default(query), **bounds)),
    ),
    (
        B,
        "negative-limit-refused",
        "Q512",
        "",
        "A limit below 0 is refused, where it means the default.",
        checked("query", _negative_refused),
    ),
    (
        C,
        "payments-offset-ignored",
        "Q501",
        "fetchMultiplePayments",
        "Every page of payments is the first.",
        handled("fetchMultiplePayments", _asked(lambda query: replace(query, offset=None))),
    ),
    (
        C,
        "always-completed",
        "Q501 Q502 Q514",
        "fetchCredits",
        "Every page says that it is the last.",
        answered("fetchCredits", lambda value, x: put(value, "listCompleted", True)),
    ),
    (
        C,
        "never-completed",
        "Q501 Q502 Q514",
        "fetchMultipleDisbursements",
        "No page says that it is the last.",
        answered("fetchMultipleDisbursements", lambda value, x: put(value, "listCompleted", False)),
    ),
    (
        C,
        "another-default-of-credits",
        "Q511",
        "",
        "A page without a count holds 5 rows instead of 100.",
        handled("*", _five_by_default),
    ),
    (C, "negative-count-taken", "Q512 S306", "", "A count below 0 is read as none.", checked("query", _negative_taken)),
    (
        A,
        "accounts-overlap",
        "Q501",
        "listFinanceAccounts",
        "Every page of accounts begins with the last of the page before.",
        _page(_overlapping),
    ),
    (
        A,
        "accounts-total-of-page",
        "Q502",
        "listFinanceAccounts",
        "The total is the number of accounts on the page.",
        answered("listFinanceAccounts", _said(lambda value, items: put(value, "page.total", len(items)))),
    ),
    (
        A,
        "next-too-far",
        "Q514",
        "listFinanceAccounts",
        "The link to the next page leaves out a row.",
        answered("listFinanceAccounts", _next_too_far),
    ),
    (
        A,
        "previous-missing",
        "Q514",
        "listFinanceAccounts",
        "The second page has no link to the first.",
        answered("listFinanceAccounts", dropped("_links.prev")),
    ),
    (
        A,
        "links-forget-order",
        "Q514",
        "listFinanceAccounts",
        "Links to other pages forget the order.",
        answered("listFinanceAccounts", _no_sorts),
    ),
)

DEFECTS = catalog("paging", ROWS)
