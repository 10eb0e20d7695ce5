"""The grids of the page: the matrix as a heat map, and what became of every event in every state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.findings import CellResult, Finding, Result, Verdict
from contracts.reports.coverage import events
from contracts.reports.markup import Markup, element
from specs.expand import ANONYMOUS
from specs.tables import Api, Capability, Machine


@dataclass(frozen=True, slots=True)
class Look:
    """How one kind of cell is shown: a letter, so that nobody needs the colour."""

    letter: str
    kind: str
    means: str


# What is worse comes first: of several verdicts about one cell, that one is shown.
LOOKS: Mapping[Verdict, Look] = {
    Verdict.UNEXPECTED_ALLOW: Look("L", "leak", "let through, must not be"),
    Verdict.UNEXPECTED_DENY: Look("R", "refused", "refused, must not be"),
    Verdict.WRONG: Look("W", "wrong", "refused with a wrong status"),
    Verdict.ALLOWED: Look("A", "allowed", "allowed, rightly"),
    Verdict.DENIED: Look("D", "denied", "denied, rightly"),
    Verdict.BLOCKED: Look("B", "blocked", "could not be checked"),
    Verdict.SKIPPED: Look("S", "skipped", "skipped"),
}
UNSEEN = Look("–", "untried", "not looked at")
ARRIVED = Look("→", "allowed", "arrived, rightly")
REFUSED = Look("×", "denied", "refused, rightly")
SLIPPED = Look("L", "leak", "accepted, must not be")
STUCK = Look("R", "refused", "refused, must not be")
UNWALKED = Look("?", "untried", "not tried")
_ORDER = list(LOOKS)
Links = Mapping[tuple[str, str], str]


def matrix(api: Api, result: Result, links: Links) -> Markup:
    """Capabilities by collection x callers. links: (API, cell) -> id of its finding"""
    found = _worst(api, result)
    columns = _columns(api, result)
    rows: dict[str, list[Markup]] = {}
    for capability in api.capabilities:
        cells = [_cell(capability, caller, found.get((capability.id, caller)), api, links) for caller in columns]
        head = element("th", capability.title, element("div", element("code", capability.id), class_="wide soft"))
        rows.setdefault(capability.collection, []).append(element("tr", head, cells))
    looks = Counter(_look(found.get((each.id, caller))) for each in api.capabilities for caller in columns)
    return Markup(_legend([*LOOKS.values(), UNSEEN], looks) + _grid([["Capability", *columns]], rows, len(columns) + 1))


def machine(api: Api, entity: Machine, result: Result) -> Markup:
    """States x events of one entity."""
    columns = events(api, entity.entity)
    looks: Counter[Look] = Counter()
    rows = []
    for state in entity.states:
        cells = []
        for event in columns:
            said = result.transitions.get((api.name, entity.entity, state, event), "")
            look, end = _walked(entity, state, event, said)
            looks[look] += 1
            tip = f"{event} in {state}: {look.means}" + (f" ({said})" if look is UNWALKED and said else "")
            tip += f"; leads to {end}" if end else "; is no way out of it"
            cells.append(element("td", element("span", look.letter, **look_attributes(look, tip)), class_="cell"))
        final = element("span", " final", class_="soft") if state in entity.final else ""
        rows.append(element("tr", element("th", element("code", state), final), cells))
    legend = _legend([ARRIVED, REFUSED, SLIPPED, STUCK, UNWALKED], looks)
    return Markup(legend + _grid([["State", *columns]], {"": rows}, len(columns) + 1))


def look_attributes(look: Look, tip: str) -> dict[str, str]:
    """Colour, and the words behind the letter for those who point at it or have it read to them."""
    return {"class_": look.kind, "title": tip, "aria_label": tip}


def cell_links(findings: Sequence[tuple[str, Finding]]) -> Links:
    """(API, cell) -> id of the first finding about it."""
    links: dict[tuple[str, str], str] = {}
    for id, each in findings:
        if each.cell:
            links.setdefault((each.api, each.cell), id)
    return links


def _columns(api: Api, result: Result) -> list[str]:
    """Callers, strangers first, then by role; a role that nobody called in stands for itself."""
    seen = [(each.role, each.caller) for each in result.cells if each.api == api.name]
    columns: list[str] = []
    for role in ("", *api.roles):
        columns += list(dict.fromkeys(caller for one, caller in seen if one == role)) or [role or ANONYMOUS]
    return columns


def _worst(api: Api, result: Result) -> dict[tuple[str, str], CellResult]:
    """The verdict to show of each capability and caller."""
    found: dict[tuple[str, str], CellResult] = {}
    for each in result.cells:
        if each.api == api.name:
            key = each.capability, each.caller
            known = found.get(key)
            if known is None or _ORDER.index(each.verdict) < _ORDER.index(known.verdict):
                found[key] = each
    return found


def _look(found: CellResult | None) -> Look:
    return UNSEEN if found is None else LOOKS[found.verdict]


def _cell(capability: Capability, caller: str, found: CellResult | None, api: Api, links: Links) -> Markup:
    look = _look(found)
    tip = f"{capability.id} as {caller}: {look.means}"
    if found is not None:
        tip += f"; expected {found.expected}" * bool(found.expected) + f", came {found.came}" * bool(found.came)
        tip += f" ({found.source})" * bool(found.source) + f"; {found.reason}" * bool(found.reason)
    attributes = look_attributes(look, tip)
    link = links.get((api.name, f"{capability.id}/{caller}"))
    inside = (
        element("a", look.letter, href=f"#{link}", **attributes) if link else element("span", look.letter, **attributes)
    )
    return element("td", inside, class_="cell")


def _walked(entity: Machine, state: str, event: str, said: str) -> tuple[Look, str]:
    """How a pair is shown, and where it leads to if it is declared."""
    end = next((row.end for row in entity.rows if row.event == event and state in row.starts and not row.system), "")
    looks = {"arrived": ARRIVED if end else SLIPPED, "refused": STUCK if end else REFUSED}
    return looks.get(said, UNWALKED), end


def _legend(looks: Sequence[Look], counts: Mapping[Look, int]) -> Markup:
    keys = (
        element("span", element("span", look.letter, class_=look.kind), f" {look.means}: {counts[look]}", class_="key")
        for look in looks
        if counts.get(look)
    )
    return element("div", *keys, class_="legend")


def _grid(head: Sequence[Sequence[str]], groups: Mapping[str, Sequence[Markup]], width: int) -> Markup:
    bodies = (element("tbody", _title(title, width), rows, class_="collection") for title, rows in groups.items())
    return element("div", element("table", element("thead", _heads(head)), *bodies, class_="grid"), class_="scroll")


def _heads(head: Sequence[Sequence[str]]) -> Iterator[Markup]:
    for row in head:
        yield element(
            "tr", element("th", row[0]), *(element("th", name, class_="column", scope="col") for name in row[1:])
        )


def _title(title: str, width: int) -> Markup:
    return element("tr", element("th", title, class_="title", colspan=width)) if title else Markup("")
