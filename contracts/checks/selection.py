"""Selections: what a query adds to a view, takes away from it, and starts from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contracts.facts import ENOUGH, Row
from contracts.findings import Finding
from contracts.listing import Listing, widest, with_rql
from contracts.probe import Blocked, Probe, member
from contracts.readings import differs, read, reading
from contracts.registry import check
from contracts.wire import Exchange
from specs.tables import Operation

MOST = 20
"""Rows that a selection is looked at in."""
FEW = 3
"""Selections that are tried of a list of a few rows."""
UNKNOWN = "-noSuchMember,+notThatEither"


@dataclass(frozen=True)
class Views:
    """The same rows under different selections: of a list, or of one object. default: as they are without one"""

    p: Probe
    operation: Operation
    listing: Listing
    default: list[Row]
    id: str = ""

    def ask(self, select: str) -> Exchange:
        """The answer to a selection, whatever it is; "" asks for the default view."""
        query = f"select={select}" if select else ""
        if not self.id:
            more = f"{self.p.api.conventions.paging['limit']}={MOST}"
            return self.listing.ask("&".join(filter(None, (query, more))))
        assert self.operation.key is not None
        return read(
            self.p, self.operation, self.listing.caller, {**self.listing.params, self.operation.key: self.id}, query
        )

    def rows(self, exchange: Exchange) -> list[Row]:
        """The rows of an answer. Raises Blocked where none of them is one of the default view's."""
        if not self.id:
            rows, known = self.listing.shown(exchange), set(self.listing.ids(self.default))
            if rows and not known & set(self.listing.ids(rows)):
                raise Blocked(
                    f"{self.operation.id} shows other rows each time; what a selection changes cannot be told"
                )
            return rows
        return [exchange.json] if isinstance(exchange.json, dict) else []

    def names(self, rows: Sequence[Row]) -> set[str]:
        """Members that some of the rows have, of those rows that both this answer and the default view hold."""
        known = set(self.listing.ids(self.default))
        return {name for row in rows if self.listing.id(row) in known for name in row} - {"$meta"}

    def default_names(self, rows: Sequence[Row]) -> set[str]:
        """What the default view has in the rows that an answer holds."""
        known = set(self.listing.ids(rows))
        return self.names([row for row in self.default if self.listing.id(row) in known])

    def finding(self, code: str, subject: str, exchange: Exchange, *, expected: str, came: str = "") -> Finding:
        where = "by id " if self.id else ""
        return self.p.finding(
            code,
            exchange,
            expected=expected,
            came=came,
            source="DOC, CLI",
            place="conventions",
            operation=self.p.facts.first(code, where + subject, self.operation),
            subject=where + subject,
        )


@check(
    "selection.lists",
    proves="a selection of a list adds, removes and starts from what it says; ids stay, unknown names change nothing",
    codes=("Q508", "Q509"),
    cases=with_rql,
)
def lists(p: Probe, case: str) -> Iterator[Finding]:
    listing = widest(p, case)
    views = Views(p, listing.operation, listing, listing.all()[:MOST])
    yield from _selected(views)
    yield from _expanded(views)


@check(
    "selection.readings",
    proves="a selection of one object does the same",
    codes=("Q508", "Q509"),
    cases=with_rql,
)
def readings(p: Probe, case: str) -> Iterator[Finding]:
    found = reading(p.api, p.operation(case))
    if found is None or not any(each["name"] == "select" for each in p.spec(found)["parameters"]):
        return
    listing = widest(p, case)
    row = p.facts.chance("selection", case).choice(listing.all())
    if listing.caller not in p.may(found):
        return
    views = Views(p, found, listing, [], listing.id(row))
    default = p.expect(views.ask(""), 200)
    yield from _selected(Views(p, found, listing, views.rows(default), listing.id(row)))


def _selected(views: Views) -> Iterator[Finding]:
    key = views.listing.key
    names = sorted(views.names(views.default) - {key})
    if not names:
        return
    chance = views.p.facts.chance("selected", views.operation.id)
    chosen = chance.choice(names)
    told = [
        _taken_away(views, chosen, key),
        _nothing(views, chosen, key),
        _unchanged(views, UNKNOWN, "unknown names"),
        _added(views),
    ]
    deep = [(name, sorted(inner)) for name, inner in _objects(views.default).items() if inner]
    if deep:
        name, inner = chance.choice(deep)
        told.append(_leaf(views, name, chance.choice(inner), key))
    deep = [(name, inner) for name, inner in deep if len(inner) > 1]
    if deep:
        name, inner = chance.choice(deep)
        told.append(_without_leaf(views, name, *chance.sample(inner, 2)))
    # Lists of an API share their views: those of a few rows, which tell less, are asked some of it.
    for each in told if len(views.listing.all()) >= ENOUGH else chance.sample(told, min(FEW, len(told))):
        yield from each


def _refused(views: Views, exchange: Exchange, subject: str) -> Iterator[Finding]:
    yield views.finding("Q508", subject, exchange, expected="an answer: every name can be selected, unknown ones too")


def _taken_away(views: Views, name: str, key: str) -> Iterator[Finding]:
    exchange = views.ask(f"-{name},-{key}")
    if exchange.status != 200:
        yield from _refused(views, exchange, "-name")
        return
    rows = views.rows(exchange)
    came, wanted = views.names(rows), views.default_names(rows) - {name}
    if name in came:
        yield views.finding("Q509", "-name", exchange, expected=f"no {name}", came=f"{name} is still there")
    elif any(key not in row for row in rows):
        yield views.finding(
            "Q509", "the id", exchange, expected=f"{key} in every row, whatever is selected", came=f"no {key}"
        )
    elif came != wanted:
        yield views.finding(
            "Q509",
            "-name",
            exchange,
            expected=f"everything but {name}",
            came=f"{', '.join(sorted(wanted - came)[:3]) or 'nothing'} less, {len(came - wanted)} more",
        )


def _nothing(views: Views, name: str, key: str) -> Iterator[Finding]:
    exchange = views.ask(f"-*,{name}")
    if exchange.status != 200:
        yield from _refused(views, exchange, "-*")
        return
    rows = views.rows(exchange)
    others = views.names(rows) - {name, key}
    if others:
        said = ", ".join(sorted(others)[:4])
        yield views.finding("Q509", "-*", exchange, expected=f"{key} and {name} alone", came=f"{said}, too")
    elif name not in views.names(rows) and name in views.default_names(rows):
        yield views.finding("Q508", "-*,name", exchange, expected=f"{key} and {name}", came=f"no {name}")
    elif any(key not in row for row in rows):
        yield views.finding(
            "Q509", "the id", exchange, expected=f"{key} in every row, whatever is selected", came=f"no {key}"
        )


def _unchanged(views: Views, select: str, subject: str) -> Iterator[Finding]:
    exchange = views.ask(select)
    if exchange.status != 200:
        yield from _refused(views, exchange, subject)
    elif views.names(views.rows(exchange)) != views.default_names(views.rows(exchange)):
        came = sorted(views.names(views.rows(exchange)) ^ views.default_names(views.rows(exchange)))
        yield views.finding(
            "Q508", subject, exchange, expected="the default view", came=f"differs in {', '.join(came[:4])}"
        )


def _added(views: Views) -> Iterator[Finding]:
    """What the view leaves out comes by its name, and by a star; what neither brings no row may have."""
    p = views.p
    omits = p.api.visibility[views.operation.entity].omits.get("read" if views.id else "list", ())
    named = [name for name in omits if name not in views.listing.hidden]
    star = views.ask("*")
    if star.status != 200:
        yield from _refused(views, star, "*")
        return
    by_star = views.names(views.rows(star))
    lost = views.default_names(views.rows(star)) - by_star
    if lost:
        yield views.finding("Q508", "*", star, expected="everything", came=f"no {', '.join(sorted(lost)[:4])}")
        return
    if not named:
        return
    exchange = views.ask(",".join(f"+{name}" for name in named))
    if exchange.status != 200:
        yield from _refused(views, exchange, "+name")
        return
    by_name = views.names(views.rows(exchange))
    there = by_star | by_name
    for name in named:
        if name not in by_name and (name in there or _is_never_empty(views, name)):
            yield views.finding("Q508", "+name", exchange, expected=f"{name}, which was asked for", came=f"no {name}")
        elif name not in by_star and name in there:
            yield views.finding("Q508", "*", star, expected=f"everything, {name} too", came=f"no {name}")
    gone = views.default_names(views.rows(exchange)) - by_name
    if gone:
        came = f"no {', '.join(sorted(gone)[:4])}"
        yield views.finding("Q508", "+name", exchange, expected="all of the default view, and what is added", came=came)


def _is_never_empty(views: Views, name: str) -> bool:
    """Whether every record has it: an audit that tells of every state that was entered."""
    machine = views.p.api.machines.get(views.operation.entity)
    return name == "audit" and machine is not None and machine.audit


def _objects(rows: Sequence[Row]) -> Mapping[str, set[str]]:
    """Members that are objects, and what lies right below them, without their ids."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, Mapping) and name != "$meta":
                plain = {inner for inner, deeper in value.items() if not isinstance(deeper, (Mapping, list))}
                found.setdefault(name, set()).update(plain - {"id"})
    return found


def _leaf(views: Views, name: str, inner: str, key: str) -> Iterator[Finding]:
    path = f"{name}.{inner}"
    exchange = views.ask(f"-*,{path}")
    if exchange.status != 200:
        yield from _refused(views, exchange, "a.b")
        return
    rows = views.rows(exchange)
    if not any(member(row, path) is not None for row in rows):
        yield views.finding("Q508", "a.b", exchange, expected=f"{path}, which was asked for", came=f"no {path}")
        return
    beside = {each for row in rows if isinstance(row.get(name), Mapping) for each in row[name]} - {inner, "id"}
    others = (views.names(rows) - {name, key}) | {f"{name}.{each}" for each in beside}
    if others:
        said = ", ".join(sorted(others)[:4])
        yield views.finding("Q509", "a.b", exchange, expected=f"{path} alone", came=f"{said}, too")


def _without_leaf(views: Views, name: str, inner: str, other: str) -> Iterator[Finding]:
    """That a dotted name can be taken away, too, is read out of that it can be added."""
    path = f"{name}.{inner}"
    exchange = views.ask(f"-{path}")
    if exchange.status != 200:
        yield from _refused(views, exchange, "-a.b")
        return
    rows = views.rows(exchange)
    if any(member(row, path) is not None for row in rows):
        found = views.finding("Q509", "-a.b", exchange, expected=f"no {path}", came=f"{path} is still there")
        yield replace(found, source="INF")
    elif name not in views.names(rows) and name in views.default_names(rows):
        found = views.finding(
            "Q509", "-a.b", exchange, expected=f"{name} without {inner}", came=f"no {name}, nor {other}"
        )
        yield replace(found, source="INF")


def _expanded(views: Views) -> Iterator[Finding]:
    """A reference that is selected shows what it refers to, as a reading of that does."""
    p, caller = views.p, views.listing.caller
    for name in sorted(_objects(views.default)):
        shape = views.listing.shape.members.get(name.casefold())
        target = shape.refers if shape is not None else None
        found = p.reads(target) if target is not None else None
        row: Any = next((row for row in views.default if member(row, f"{name}.id") is not None), None)
        if found is None or found.key is None or row is None or caller not in p.may(found):
            continue
        id = row[name]["id"]
        whole = p.call(found, caller, {**views.listing.params, found.key: id})
        exchange = views.ask(f"+{name}")
        if exchange.status != 200:
            yield from _refused(views, exchange, "+reference")
            return
        there = [each for each in views.rows(exchange) if member(each, f"{name}.id") == id]
        if whole.status != 200 or not there:
            return
        shown = there[0][name]
        more = {key for key, value in whole.json.items() if not isinstance(value, (Mapping, list))}
        lost = sorted(more - shown.keys())
        difference = differs(shown, whole.json)
        if lost or difference is not None:
            came = f"no {', '.join(lost[:4])}" if lost else f"another {difference[0] if difference else ''}"
            yield views.finding("Q508", "+reference", exchange, expected=f"{name} as {found.id} tells it", came=came)
        return
