"""Lists and what may be asked of them: each property of each entity filtered and ordered by, in every page size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any
from urllib.parse import quote

from mockserver.store import at
from specs.shapes import Property
from specs.tables import Operation
from tests.driver import BASE
from tests.recorded.recorder import Recorder, session

READERS = ("operations", "vendor", "client", "vendor-other", "client-other")
DEEPEST = 3
"""Names in a path that is filtered by"""
WORDS: Mapping[str, str] = {
    "string": "'x'",
    "enum": "Draft",
    "number": "100",
    "integer": "1",
    "date": "2026-01-15",
    "boolean": "true",
}
"""What is compared with, where no record has a value"""
ANY = ("eq({p},{v})", "ne({p},{v})", "eq({p},null())", "ne({p},null())", "in({p},({v},{w}))", "out({p},({w},{v}))")
ORDERED = ("gt({p},{v})", "ge({p},{v})", "lt({p},{v})", "le({p},{w})", "and(ge({p},{v}),le({p},{w}))")
TEXT = ("like({p},*{t}*)", "ilike({p},{t}*)", "like({p},*{t})", "ne({p},empty())", "{p}={v}", *ORDERED[:3])
KINDS: Mapping[str, tuple[str, ...]] = {
    "string": ANY + TEXT,
    "enum": (*ANY, "{p}={v}", "not(in({p},({v},{w})))"),
    "number": ANY + ORDERED,
    "integer": ANY + ORDERED,
    "date": ANY + ORDERED,
    "boolean": ANY[:4],
}
JOINED = ("{a}&{b}", "{a},{b}", "{a};{b}", "or({a},{b})", "and({a},not({b}))", "({a}|{b})&ne(id,null())")
SELECTS = ("audit", "-*,id", "*", "*,-audit", "seller.address,vendor.status", "-price,-status", "lines", "id,-*,name")

Place = tuple[str, Property]


@session("billing-lists")
def default(r: Recorder) -> None:
    """The lists of the default world, over all their properties."""
    asked(r, Random("billing-lists"), filters=0.6, orders=0.3)


@session("billing-lists-currencies", "multi-currency")
def currencies(r: Recorder) -> None:
    """The same where amounts are in many currencies."""
    asked(r, Random("billing-lists-currencies"), filters=0.08, orders=0.06)


@session("billing-lists-large", "large")
def large(r: Recorder) -> None:
    """The same where there is much of everything."""
    asked(r, Random("billing-lists-large"), filters=0.08, orders=0.1)


def asked(r: Recorder, random: Random, *, filters: float, orders: float) -> None:
    """Queries over every list. filters, orders: of how many properties, as a share"""
    service = r.services["billing"]
    for operation in service.api.operations.values():
        if operation.does != "list":
            continue
        readers = [name for name in READERS if r.callers[name].role in operation.roles]
        path = _fullest(r, operation)
        rows = r.as_("operations").get(f"{path}?limit=100&select=audit").json["data"]
        places = list(_places(service.shape(operation.entity)))
        for page in (
            "",
            "limit=0",
            "limit=1&offset=1",
            "limit=4&offset=6",
            f"offset={len(rows)}",
            "limit=500&offset=-1",
        ):
            r.as_(random.choice(readers)).get(f"{path}?{page}")
        for select in random.sample(SELECTS, 3):
            r.as_(random.choice(readers)).get(f"{path}?limit=3&select={select}")
        for place in _some(places, filters, random):
            said = _filter(place, rows, random)
            if random.random() < 0.2:
                said = random.choice(JOINED).format(a=said, b=_filter(random.choice(places), rows, random))
            r.as_(random.choice(readers)).get(f"{path}?{said}&limit={random.choice((2, 5, 20, 100))}")
        for place in _some(places, orders, random):
            keys = [random.choice(("", "-", "+")) + place[0]]
            if random.random() < 0.5:
                keys.append(random.choice(("id", "-id", "status", random.choice(places)[0])))
            page = random.choice(("limit=100", "limit=5&offset=3", "limit=20&offset=10"))
            r.as_(random.choice(readers)).get(f"{path}?order={','.join(keys)}&{page}&select=-*,id")


def _fullest(r: Recorder, operation: Operation) -> str:
    """The path of a list; below an object, of one that has many there."""
    path = operation.path.removeprefix(BASE)
    if operation.below is None:
        return path
    above = path.partition("/{")[0]
    asked, most = "", -1
    for parent in r.as_("operations").get(f"{above}?limit=30&order=-id").json["data"]:
        there = re.sub(r"\{\w+\}", parent["id"], path)
        total = r.as_("operations").get(f"{there}?limit=0").json["$meta"]["pagination"]["total"]
        if total > most:
            asked, most = there, total
    return asked


def _places(shape: Property, above: tuple[str, ...] = ()) -> Iterator[Place]:
    for member in shape.members.values():
        names = (*above, member.name)
        if member.kind == "object":
            if len(names) < DEEPEST:
                yield from _places(member, names)
        else:
            yield ".".join(names), member


def _some(places: list[Place], share: float, random: Random) -> list[Place]:
    """That many of the places: the object's own, and of those within others fewer."""
    own = [each for each in places if each[0].count(".") < 2]
    deep = [each for each in places if each[0].count(".") >= 2]
    return random.sample(own, int(len(own) * share)) + random.sample(deep, int(len(deep) * share / 4))


def _filter(place: Place, rows: list[Any], random: Random) -> str:
    path, found = place
    if found.kind == "collection":
        inner = [each for each in (found.item.members.values() if found.item else ()) if each.kind in WORDS]
        if not inner:
            return random.choice(("any({p})", "any({p},eq(self(),EUR))", "all({p},like(self(),*R*))")).format(p=path)
        member = random.choice(inner)
        return f"{random.choice(('any', 'all'))}({path},{_filter((member.name, member), [], random)})"
    values = [value for row in rows if isinstance(value := at(row, path), str | int | float)]
    one, other = (_word(found, random.choice(values) if values else None) for _ in range(2))
    text = quote(one.strip("'\"")[2:6].strip() or "1", safe="")
    return random.choice(KINDS[found.kind]).format(p=path, v=one, w=other, t=text)


def _word(place: Property, value: Any) -> str:
    if value is None:
        return place.enum[0] if place.enum else WORDS[place.kind]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and place.kind == "string":
        return '"' + quote(value.replace('"', ""), safe=" ") + '"'
    return quote(str(value), safe=":")
