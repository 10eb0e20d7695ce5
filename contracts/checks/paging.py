"""Pages: they make up the list, are as long as they were asked to be, and say truly where they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.checks.rows import total_is_of
from contracts.findings import Finding
from contracts.listing import Listing, listings, marks, operations, parameter, widest
from contracts.probe import Probe
from contracts.registry import check
from contracts.wire import Exchange, Request
from specs.tables import Api

STEPS = 4
"""Pages of one size that are read."""
GARBAGE = ("-1", "abc", "1.5", "99999999999999999999")


def paged(api: Api) -> Sequence[str]:
    return operations(api) if api.conventions.paging else []


@dataclass(frozen=True)
class Pages:
    """A list, and how its pages are asked for.

    offset, limit: names of the parameters; ids: of every row, in the order of the list
    """

    listing: Listing
    offset: str
    limit: str
    default: int
    cap: int
    ids: list[str]

    @classmethod
    def of(cls, listing: Listing) -> Pages:
        paging = listing.p.api.conventions.paging
        names = str(paging["offset"]), str(paging["limit"])
        return cls(listing, *names, int(paging["default"]), int(paging["cap"]), listing.ids(listing.all()))

    def page(self, offset: int, limit: int, more: str = "") -> Exchange:
        """One page. Raises Blocked where it is refused."""
        return self.listing.p.expect(self.ask(f"{self.limit}={limit}&{self.offset}={offset}{more}"), 200)

    def ask(self, query: str) -> Exchange:
        return self.listing.ask(query)

    def shown(self, exchange: Exchange) -> list[str]:
        return self.listing.ids(self.listing.shown(exchange))

    def told(self, exchange: Exchange, name: str) -> Any:
        return self.listing.told(exchange).get(name)

    def schema(self, name: str) -> Mapping[str, Any]:
        """What the spec allows of a parameter; empty where it bounds nothing."""
        p = self.listing.p
        return p.resolved(parameter(p, self.listing.operation, name).get("schema", {}))

    @property
    def bounded(self) -> bool:
        """Whether the spec bounds the parameters: what is beyond is refused then, else answered as far as may be."""
        return "minimum" in self.schema(self.limit) or "maximum" in self.schema(self.limit)

    def source(self, name: str) -> str:
        p = self.listing.p
        return marks(str(parameter(p, self.listing.operation, name).get("description", "")))

    def finding(
        self,
        code: str,
        subject: str,
        exchange: Exchange,
        *,
        expected: str,
        came: str = "",
        source: str = "",
        steps: Sequence[Exchange] = (),
    ) -> Finding:
        """A finding; the same fault in the lists of an API, which share their pages, is told of the first of them."""
        p = self.listing.p
        p.facts.faults.add((code, subject))
        return p.finding(
            code,
            exchange,
            expected=expected,
            came=came,
            source=source or self.source(self.limit),
            place="conventions",
            operation=p.facts.first(code, subject, self.listing.operation),
            subject=subject,
            steps=steps,
        )


@check(
    "paging.pages",
    proves="pages of any size make up the list, each row once, and say the same total; beyond the end there is nothing",
    codes=("Q501", "Q502"),
    cases=paged,
)
def pages(p: Probe, case: str) -> Iterator[Finding]:
    made = listings(p, case)
    one = Pages.of(widest(p, case))
    total = one.told(one.listing.first, "total")
    wrong = isinstance(total, int) and one.listing.whole and total != len(one.ids)
    hides = not one.listing.sees_all and isinstance(total, int) and total > len(one.ids) and total_is_of(made) == "R203"
    if wrong and not hides:
        yield one.finding(
            "Q502", "total", one.listing.first, expected=f"a total of {len(one.ids)}", came=f"a total of {total}"
        )
    # A third of the list a page, and rows one by one where its first page ends.
    third = max(2, -(-len(one.ids) // 3))
    yield from _walk(one, 0, third, None if wrong else total)
    yield from _walk(one, max(0, third - 2), 1, None if wrong else total)
    yield from _beyond(one)


def _walk(one: Pages, start: int, size: int, total: Any) -> Iterator[Finding]:
    came: list[str] = []
    steps: list[Exchange] = []
    for offset in range(start, min(len(one.ids), start + STEPS * size), size):
        exchange = one.page(offset, size)
        steps.append(exchange)
        shown = one.shown(exchange)
        if len(shown) > size:
            yield one.finding("Q511", "limit", exchange, expected=f"{size} rows at most", came=f"{len(shown)} rows")
            return
        if total is not None and one.told(exchange, "total") != total:
            yield one.finding(
                "Q502",
                "total of a page",
                exchange,
                expected=f"a total of {total} on every page",
                came=f"a total of {one.told(exchange, 'total')} at {one.offset}={offset}",
                steps=(one.listing.first,),
            )
            return
        came += shown
    wanted = one.ids[start : start + STEPS * size]
    if sorted(came) == sorted(wanted):
        return
    twice = sorted({id for id in came if came.count(id) > 1})
    lost = [id for id in wanted if id not in came]
    said = [f"{twice[0]} twice"] if twice else []
    said += [f"{lost[0]} nowhere"] if lost else []
    yield one.finding(
        "Q501",
        "pages",
        steps[-1],
        expected=f"{len(wanted)} rows, each once, in pages of {size} from {start} on",
        came=f"{len(came)} rows: {', '.join(said) or 'others'}",
        steps=steps,
    )


def _beyond(one: Pages) -> Iterator[Finding]:
    if not one.listing.whole:
        return
    exchange = one.page(len(one.ids) + 5, 5)
    if one.shown(exchange):
        yield one.finding(
            "Q501",
            "beyond the end",
            exchange,
            expected="no rows beyond the last",
            came=f"{len(one.shown(exchange))} rows",
        )


@check(
    "paging.limits",
    proves="the default size, none, the most, more than that, and what is no size or place are answered as told",
    codes=("Q510", "Q511", "Q512"),
    cases=paged,
)
def limits(p: Probe, case: str) -> Iterator[Finding]:
    one = Pages.of(widest(p, case))
    default = p.expect(one.ask(""), 200)
    wrong = _length(one, default, one.default)
    if wrong:
        yield one.finding("Q511", "default", default, expected=f"{one.default} rows where no limit is said", came=wrong)
    elif ("Q511", "limit") not in p.facts.faults:
        yield from _none(one)
        yield from _beyond_the_cap(one)
    yield from _wrong(one, default)


def _length(one: Pages, exchange: Exchange, limit: int) -> str:
    """What is wrong with the length of the first page, if it should be as long as `limit`; "" for nothing."""
    shown, wanted, said = len(one.shown(exchange)), min(limit, len(one.ids)), one.told(exchange, "limit")
    if shown != wanted and one.listing.whole:
        return f"{shown} rows"
    return f"a limit of {said}" if said is not None and said != limit else ""


def _none(one: Pages) -> Iterator[Finding]:
    exchange = one.ask(f"{one.limit}=0")
    if one.bounded and int(one.schema(one.limit).get("minimum", 0)) > 0:
        yield from _refused(one, exchange, one.limit, "0")
        return
    total, said = one.told(one.listing.first, "total"), one.told(exchange, "total")
    if exchange.status != 200 or one.shown(exchange):
        came = f"{len(one.shown(exchange))} rows" if exchange.status == 200 else ""
        yield one.finding("Q510", "0", exchange, expected=f"no rows and a total of {total}", came=came)
    elif said != total and ("Q502", "total of a page") not in one.listing.p.facts.faults:
        yield one.finding("Q510", "0", exchange, expected=f"no rows and a total of {total}", came=f"a total of {said}")


def _beyond_the_cap(one: Pages) -> Iterator[Finding]:
    exchange = one.ask(f"{one.limit}={one.cap + 1}")
    if "maximum" in one.schema(one.limit):
        yield from _refused(one, exchange, one.limit, str(one.cap + 1))
        return
    one.listing.p.expect(exchange, 200)
    wrong = _length(one, exchange, one.cap)
    if wrong:
        yield one.finding("Q511", "cap", exchange, expected=f"{one.cap} rows at most, and told so", came=wrong)


def _wrong(one: Pages, default: Exchange) -> Iterator[Finding]:
    # Lists of an API read them alike: one of them gets all, the others some.
    p, case = one.listing.p, one.listing.operation.id
    values = GARBAGE if case == paged(p.api)[0] else p.facts.chance("garbage", case).sample(GARBAGE, 2)
    for name in (one.limit, one.offset):
        for value in values:
            exchange = one.ask(f"{name}={value}")
            if one.bounded:
                yield from _refused(one, exchange, name, value)
            elif exchange.status != 200 or _place(one, exchange) != _place(one, default):
                rows, limit, offset = _place(one, exchange)
                came = f"{rows} rows from {offset}, limit {limit}" if exchange.status == 200 else ""
                yield one.finding(
                    "Q512",
                    f"{name}={value}",
                    exchange,
                    expected=f"the same as if {name} had not been said",
                    came=came,
                    source=one.source(name),
                    steps=(default,),
                )


def _place(one: Pages, exchange: Exchange) -> tuple[int, Any, Any]:
    """How many rows a page has, and which limit and offset it tells."""
    return len(one.shown(exchange)), one.told(exchange, "limit"), one.told(exchange, "offset")


def _refused(one: Pages, exchange: Exchange, name: str, value: str) -> Iterator[Finding]:
    status = one.listing.p.status("query")
    if exchange.status != status:
        yield one.finding(
            "Q512",
            f"{name}={value}",
            exchange,
            expected=f"{status}: {value} is no {name}",
            source=one.source(name),
        )


def led(api: Api) -> Sequence[str]:
    """Lists that say where their other pages are, or whether there are more."""
    said = str(api.conventions.lists["envelope"])
    return paged(api) if any(f"${name}" in said for name in ("next", "previous", "self", "completed")) else []


@check(
    "paging.links",
    proves="links lead to the page before, this one and the next, and the last page says that it is the last",
    codes=("Q514",),
    cases=led,
)
def links(p: Probe, case: str) -> Iterator[Finding]:
    one = Pages.of(widest(p, case))
    said = str(p.api.conventions.lists["envelope"])
    if "$completed" in said:
        yield from _completed(one)
    if any(f"${name}" in said for name in ("next", "previous", "self")):
        yield from _links(one, said)


def _completed(one: Pages) -> Iterator[Finding]:
    """Told once everything has been shown, and not before. Only the second is the vendor's word."""
    count, size = len(one.ids), max(1, min(len(one.ids) // 2, one.cap))
    asked = (
        [(0, size, "S, D"), (count - size, size, "M"), (count + 5, 5, "M")]
        if one.listing.whole
        else [(0, size, "S, D")]
    )
    for offset, limit, source in asked:
        exchange = one.page(offset, limit)
        wanted = offset + limit >= count
        if one.shown(exchange) != one.ids[offset : offset + limit]:
            # Whatever it says is said of another page.
            continue
        if one.told(exchange, "completed") != wanted:
            yield one.finding(
                "Q514",
                "completed too soon" if not wanted else "completed too late",
                exchange,
                expected=f"completed: {str(wanted).lower()}, with {max(0, count - offset - limit)} rows to come",
                came=f"completed: {one.told(exchange, 'completed')}",
                source="S, D" if not wanted else source,
            )


def _links(one: Pages, said: str) -> Iterator[Finding]:
    count, size = len(one.ids), max(1, len(one.ids) // 3)
    # Where the end of the list was not reached, what follows the last row that is known is not.
    last = (max(0, count - size),) if one.listing.whole else ()
    for offset in dict.fromkeys((0, size, *last)):
        for more in dict.fromkeys(("", _carried(one))):
            exchange = one.page(offset, size, more)
            places = {"self": offset, "next": offset + size, "previous": max(0, offset - size)}
            there = {"self": True, "next": offset + size < count, "previous": offset > 0}
            for name in places:
                if f"${name}" in said:
                    yield from _led(one, exchange, name, places[name] if there[name] else None, size, more)


def _carried(one: Pages) -> str:
    """A parameter that links repeat, with a value that is not its default."""
    for name in one.listing.p.api.conventions.links.get("parameters", ()):
        schema = one.schema(name)
        others = [each for each in schema.get("enum", ()) if each != schema.get("default")]
        if others and name == one.listing.p.api.conventions.sorts.get("parameter"):
            return f"&{name}={others[0]}"
    return ""


def _led(one: Pages, exchange: Exchange, name: str, place: int | None, size: int, more: str) -> Iterator[Finding]:
    link = one.told(exchange, name)
    if place is None or not isinstance(link, str):
        if (place is None) != (link is None):
            expected = f"no link to a {name} page" if place is None else f"a link to the rows from {place} on"
            yield one.finding("Q514", name, exchange, expected=expected, came=f"{name}: {link}", source="S, M")
        return
    wanted = one.shown(one.page(place, size, more))
    followed = _follow(one, link)
    if followed.status != 200 or one.shown(followed) != wanted:
        yield one.finding(
            "Q514",
            name + (" with " + more[1:].partition("=")[0] if more else ""),
            followed,
            expected=f"the {len(wanted)} rows from {place} on behind {name}: {link}",
            came=f"{len(one.shown(followed))} others" if followed.status == 200 else "",
            source="S, M",
            steps=(exchange,),
        )


def _follow(one: Pages, link: str) -> Exchange:
    """Ask for what a link says: a whole address, a path, or one below the API's base."""
    p, listing = one.listing.p, one.listing
    base = p.settings.bases.get(p.api.name, p.api.conventions.base).rstrip("/")
    path, _, query = link.partition("?")
    path = "/" + path.split("://", 1)[1].partition("/")[2] if "://" in path else path
    path = path if path.startswith(f"{base}/") else base + path
    return p.send(listing.operation, listing.caller, Request("GET", path, query), listing.params)
