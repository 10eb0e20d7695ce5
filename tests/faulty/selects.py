"""What a selection adds and takes away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mockserver.exchange import Exchange
from mockserver.reply import Reply
from mockserver.rql.query import Pick
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Around, Handler, Server, handled


def _picks(keeps: Any) -> Around:
    """Only some of what was said counts."""

    def around(x: Exchange, go: Handler) -> Reply:
        x.query = replace(x.query, select=tuple(each for each in x.query.select if keeps(each)))
        return go(x)

    return around


def _whole_parent(x: Exchange, go: Handler) -> Reply:
    """A member within an object that is taken away takes all of the object with it."""
    x.query = replace(
        x.query,
        select=tuple(
            Pick(each.path.partition(".")[0], True) if each.remove and "." in each.path else each
            for each in x.query.select
        ),
    )
    return go(x)


def _closed(server: Server) -> None:
    """References stay as they are, though they are asked for."""
    server.service.expand = lambda work, role: lambda entity, id: None  # type: ignore[method-assign]


EVERYTHING = "*"
LISTS = "listJournals listLedgers listCustomLedgers listStatements listInvoices listCreditMemos listManualOverrides"
READS = "getJournal getLedger getCustomLedger getStatement getInvoice getCreditMemo getManualOverride"
B = "billing"

ROWS: tuple[Row, ...] = (
    (
        B,
        "plus-ignored",
        "Q508",
        "",
        "What is selected beside the rest is not added.",
        handled("*", _picks(lambda each: each.remove)),
    ),
    (B, "minus-ignored", "Q509", "", "What is taken away stays.", handled("*", _picks(lambda each: not each.remove))),
    (
        B,
        "select-ignored-by-id",
        "Q508 Q509",
        "",
        "A selection counts in lists alone.",
        handled(READS, _picks(lambda each: False)),
    ),
    (
        B,
        "select-ignored-in-lists",
        "Q508 Q509",
        "",
        "A selection counts by id alone.",
        handled(LISTS, _picks(lambda each: False)),
    ),
    (
        B,
        "deep-minus-ignored",
        "Q509",
        "",
        "A member within an object cannot be taken away.",
        handled("*", _picks(lambda each: not (each.remove and "." in each.path))),
    ),
    (
        B,
        "deep-minus-takes-all",
        "Q509 Q508",
        "",
        "A member within an object that is taken away takes the object with it.",
        handled("*", _whole_parent),
    ),
    (B, "references-not-expanded", "Q508", "", "A reference that is selected stays as it is.", _closed),
    (
        B,
        "star-ignored",
        "Q508",
        "",
        "A star does not add what a list leaves out.",
        handled("*", _picks(lambda each: each.path != EVERYTHING or each.remove)),
    ),
)

DEFECTS = catalog("select", ROWS)
