"""Charge files of any length, and what a caller asks of the charges that they become."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import xlsxwriter

AUTHORIZATION = "AUT-1000-0001"
SUBSCRIPTIONS = ("SUB-1000-2000-3000", "SUB-1000-2000-3001")
ITEM, NO_ITEM = "Cloud seat", "No seat"
COLUMNS = (
    "externalIds.vendor",
    "externalIds.invoice",
    "search.source.type",
    "search.source.criteria",
    "search.source.value",
    "search.item.criteria",
    "search.item.value",
    "period.start",
    "period.end",
    "quantity",
    "price.unitPP",
    "price.PPx1",
    "description.value1",
)
WRONG = 100
"""One line in so many names an item that does not exist."""
ALIKE = 20
"""Charges of one price, in every world: an answer is as long in a large one as in a small one."""
DAYS = 28
TEXTS = 1_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def vendor_id(number: int) -> str:
    return f"r{number}"


def day(number: int) -> str:
    return f"2026-02-{1 + number % DAYS:02}"


def quantity(number: int, size: int) -> int:
    return 1 + number % max(size // ALIKE, 1)


def price(number: int, size: int) -> str:
    """Of a tenth for each unit."""
    tenths = quantity(number, size)
    return f"{tenths // 10}.{tenths % 10}"


def cells(number: int, size: int) -> tuple[str, ...]:
    """A line, in the order of the columns; of a file of a million such lines every byte counts."""
    return (
        vendor_id(number),
        "V",
        "Subscription",
        "id",
        SUBSCRIPTIONS[number % len(SUBSCRIPTIONS)],
        "name",
        NO_ITEM if number % WRONG == WRONG - 1 else ITEM,
        day(number),
        "2026-02-28",
        str(quantity(number, size)),
        "0.1",
        price(number, size),
        f"S{number % TEXTS}",
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of charge file: its name, its media type, and what makes one of so many lines."""

    name: str
    media: str
    write: Callable[[int], bytes]


def _csv(size: int) -> bytes:
    out = io.BytesIO()
    out.write(",".join(COLUMNS).encode() + b"\n")
    for number in range(size):
        out.write(",".join(cells(number, size)).encode() + b"\n")
    return out.getvalue()


def _jsonl(size: int) -> bytes:
    out = io.BytesIO()
    for number in range(size):
        line: dict[str, Any] = {}
        for column, cell in zip(COLUMNS, cells(number, size), strict=True):
            *above, name = column.split(".")
            within = line
            for each in above:
                within = within.setdefault(each, {})
            within[name] = float(cell) if column in NUMBERS else cell
        out.write(json.dumps(line).encode() + b"\n")
    return out.getvalue()


def _xlsx(size: int) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, COLUMNS)
        for number in range(size):
            for place, (column, cell) in enumerate(zip(COLUMNS, cells(number, size), strict=True)):
                sheet.write(number + 1, place, float(cell) if column in NUMBERS else cell)
    return out.getvalue()


NUMBERS = frozenset({"quantity", "price.unitPP", "price.PPx1"})
KINDS: Mapping[str, Kind] = {
    each.name: each
    for each in (Kind("jsonl", "application/jsonl", _jsonl), Kind("csv", "text/csv", _csv), Kind("xlsx", XLSX, _xlsx))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is known of a world: its charges, the list of them, ids of some, and the list of another journal."""

    size: int
    path: str
    ids: tuple[str, ...]
    other: str


Query = Callable[[World, int], str]


@dataclass(frozen=True, slots=True)
class Asking:
    """A request that is repeated, each time about another charge, which a number stands for.

    flat: whether it should take as long in a large world as in a small one; else it looks at every charge
    """

    name: str
    query: Query
    flat: bool = True


def askings() -> Iterator[Asking]:
    """What is asked of every world, in order: the first that needs an index may have to make it."""
    yield Asking("read by id", lambda world, n: f"{world.path}/{world.ids[n % len(world.ids)]}")
    yield Asking("first page", lambda world, n: world.path)
    yield Asking("middle page", lambda world, n: f"{world.path}?offset={world.size // 2 + n % 10}")
    yield Asking("charges of another journal", lambda world, n: world.other)
    yield _filter("id", lambda world, n: f"id={world.ids[n % len(world.ids)]}")
    yield _filter("status, few", lambda world, n: "upload.status=Error")
    yield _filter("status, most", lambda world, n: "upload.status=Ready")
    yield _filter("external id", lambda world, n: f"externalIds.vendor={vendor_id(n)}")
    yield _filter("date", lambda world, n: f"period.start={day(n)}")
    yield _filter("price", lambda world, n: f"price.PPx1={price(n, world.size)}")
    yield _filter("price, range", _range)
    yield _filter("parent", lambda world, n: f"subscription.id={SUBSCRIPTIONS[n % len(SUBSCRIPTIONS)]}")
    for name, order in (
        ("id", "-id"),
        ("status", "upload.status"),
        ("external id", "externalIds.vendor"),
        ("date", "-period.start"),
        ("price", "price.PPx1"),
    ):
        yield Asking(f"order by {name}, first page", _page(order, middle=False))
        yield Asking(f"order by {name}, middle page", _page(order, middle=True))
    yield _scan("like on a text", lambda world, n: f"like(description.value1,*{n % 100}*)")
    yield _scan("ilike on an id", lambda world, n: f"ilike(externalIds.vendor,R*{n % 100})")
    yield _scan("through a reference", lambda world, n: f"like(subscription.name,*{n % 100}*)")
    yield _scan("any of a list", lambda world, n: "any(upload.errors)")
    yield _scan("other than", lambda world, n: f"ne(quantity,{quantity(n, world.size)})")
    yield _scan("two properties", lambda world, n: "gt(price.SPx1,price.PPx1)")
    yield _scan("either, not", lambda world, n: f"or(eq(quantity,{n}),not(like(description.value1,S{n % 10}*)))")


def _filter(name: str, query: Query) -> Asking:
    return Asking(f"filter by {name}", lambda world, n: f"{world.path}?{query(world, n)}")


def _scan(name: str, query: Query) -> Asking:
    return Asking(f"any filter: {name}", lambda world, n: f"{world.path}?{query(world, n)}", flat=False)


def _range(world: World, n: int) -> str:
    """Five prices or so."""
    low = quantity(n, world.size)
    return f"and(ge(price.PPx1,{low // 10}.{low % 10}),lt(price.PPx1,{(low + 5) // 10}.{(low + 5) % 10}))"


def _page(order: str, *, middle: bool) -> Query:
    return lambda world, n: f"{world.path}?order={order}" + (f"&offset={world.size // 2 + n % 10}" if middle else "")
