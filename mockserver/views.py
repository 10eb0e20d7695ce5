"""What a caller sees of a record: the default view, changed by `select`, without what the role hides.

A view is compiled once and then shapes any number of records. Without a `select` that costs one look-up per member.

    nothing         the default view: everything but the names in `omitted`
    name, +name     that too; a reference is expanded by one level: all that the object itself has, save collections and
                    audit; references of its own stay as they are
    -name           without that
    *, -*           everything, nothing; references stay as they are
    a.b.c           that leaf, also through references

`id` always stays, in references too. Unknown names are ignored, and hidden ones are as if unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mockserver.rql.selection import Choice, choices
from mockserver.wire import number
from specs.shapes import Property, referred

if TYPE_CHECKING:
    from mockserver.rql.code import Expand, Record
    from mockserver.rql.query import Pick

Veil = Mapping[str, Any]
"""Hidden paths as a tree: name -> None where the name is hidden, else the veil of what lies below it."""

EVERYTHING = "*"
"""As the hidden path of an entity: references to it are never expanded; their core members stay."""

_CLEAR: Veil = {}
_ABSENT: Any = object()


def nothing_hidden(entity: str) -> frozenset[str]:
    """A `hidden_of` for callers who see everything."""
    return frozenset()


class View:
    """How the records of one entity look to one role, for one `select`.

    hidden: dotted paths that the role never sees; nothing tells that they exist
    omitted: names that are left out unless asked for
    references: property name -> entity, for references within expanded objects
    hidden_of: what the role does not see of an entity that a reference expands to; may hold EVERYTHING

    `view.omitted` are the properties that this view leaves out, in the order of the spec.
    """

    def __init__(
        self,
        shape: Property,
        *,
        hidden: frozenset[str],
        omitted: Iterable[str],
        select: tuple[Pick, ...],
        expand: Expand,
        references: Mapping[str, str] | None = None,
        hidden_of: Callable[[str], frozenset[str]] = nothing_hidden,
    ) -> None:
        self._expand, self._references, self._hidden_of = expand, references or {}, hidden_of
        left_out = frozenset(omitted)
        veil = _veil(hidden)
        base, root = choices(select)
        shapers: dict[str, Callable[[Any], Any] | None] = {}
        absent: list[str] = []
        for folded, member in shape.members.items():
            below = veil.get(member.name, _CLEAR)
            if below is None:
                continue
            choice = root.below.get(folded)
            within = base == "all" or (base == "default" and member.name not in left_out)
            if member.name == "id" or (within and choice is None):
                shapers[member.name] = _shaper(member, below)
            elif choice is not None and not choice.removed and (within or _reaches(choice, member, below)):
                shapers[member.name] = self._chooser(choice, member, below, within)
            else:
                absent.append(member.name)
        self._shapers = shapers
        self.omitted = tuple(absent)

    def project(self, record: Record, *, meta: bool = False) -> dict[str, Any]:
        """The JSON object of a record. What needs no change is shared with the record, so nobody may change either.

        meta: end with `$meta.omitted`, if anything is left out
        """
        out: dict[str, Any] = {}
        shapers = self._shapers
        for name, value in record.items():
            shaper = shapers.get(name, _ABSENT)
            if shaper is None:
                out[name] = value
            elif shaper is not _ABSENT and (shown := shaper(value)) is not _ABSENT:
                out[name] = shown
        if meta and self.omitted:
            out["$meta"] = {"omitted": list(self.omitted)}
        return out

    def _chooser(self, choice: Choice, member: Property, veil: Veil, within: bool) -> Callable[[Any], Any]:
        def choose(value: Any) -> Any:
            return self._chosen(value, choice, veil, member, member.refers, within)

        return choose

    def _chosen(
        self, value: Any, choice: Choice | None, veil: Veil, member: Property | None, entity: str | None, within: bool
    ) -> Any:
        """What is left of a value; _ABSENT for nothing.

        member: its shape; None within expanded objects, which are taken as they come
        entity: what it points at, if it is a reference
        within: it is shown unless `choice` takes it away
        """
        if choice is None:
            return pruned(value, veil) if within else _ABSENT
        if choice.removed:
            return _ABSENT
        if isinstance(value, list):
            item = member.item if member is not None else None
            elements = [self._chosen(element, choice, veil, item, None, within) for element in value]
            return [element for element in elements if element is not _ABSENT]
        whole = choice.whole or (within and not choice.bare)
        if isinstance(value, Mapping):
            return self._object(value, choice, veil, member, entity, whole)
        return plain(value) if whole else _ABSENT

    def _object(
        self, value: Record, choice: Choice, veil: Veil, member: Property | None, entity: str | None, whole: bool
    ) -> Any:
        """whole: its own members are shown, unless taken away"""
        source = value
        if entity is not None and choice.adds and "id" in value:
            hidden = self._hidden_of(entity)
            if EVERYTHING not in hidden:
                source = {**value, **(self._expand(entity, value["id"]) or {})}
                veil = _both(veil, _veil(hidden))
        out: dict[str, Any] = {}
        found = whole
        for name, inner in source.items():
            chosen = choice.below.get(name.casefold())
            if name == "id":
                out[name] = inner
                found = found or (chosen is not None and chosen.adds)
                continue
            below = veil.get(name, _CLEAR)
            if below is None:
                continue
            # Of what an expansion adds, collections and audit are left out, as in a default view.
            own = name in value or (choice.whole and name != "audit" and not isinstance(inner, list))
            deeper = member.members.get(name.casefold()) if member is not None else None
            target = deeper.refers if deeper is not None else referred(self._references, entity, name)
            shown = self._chosen(inner, chosen, below, deeper, target, whole and own)
            if shown is not _ABSENT:
                out[name] = shown
                found = True
        return out if found else _ABSENT


def _reaches(choice: Choice, member: Property, veil: Veil) -> bool:
    """Whether something that was asked for is there; behind references there may always be something."""
    if choice.whole:
        return not choice.removed
    inside = member.item or member
    for name, deeper in choice.below.items():
        inner = inside.members.get(name)
        if inner is None:
            if inside.refers is not None and deeper.adds:
                return True
        elif (below := veil.get(inner.name, _CLEAR)) is not None and _reaches(deeper, inner, below):
            return True
    return False


def _shaper(member: Property, veil: Veil) -> Callable[[Any], Any] | None:
    """What makes the default view of a property; None where records hold it just as it is sent."""
    if veil:
        return (lambda value: pruned(value, veil)) if any(veil.values()) else _without(frozenset(veil))
    return plain if _counts(member, set()) else None


def _without(hidden: frozenset[str]) -> Callable[[Any], Any]:
    """What takes some members, and nothing that lies deeper, out of an object or out of each of a list."""

    def shape(value: Any) -> Any:
        if type(value) is not dict:
            return [shape(inner) for inner in value] if type(value) is list else plain(value)
        return {
            name: inner if type(inner) is str else plain(inner) for name, inner in value.items() if name not in hidden
        }

    return shape


def _counts(member: Property, passed: set[int]) -> bool:
    """Whether a Decimal may lie in it."""
    if member.item is not None:
        return _counts(member.item, passed)
    if member.kind in ("object", "collection"):
        if id(member.members) in passed:
            return False
        passed.add(id(member.members))
        return not member.members or any(_counts(below, passed) for below in member.members.values())
    return member.kind in ("number", "integer")


def plain(value: Any) -> Any:
    """The same with plain numbers for amounts."""
    kind = type(value)
    if kind is Decimal:
        return number(value)
    if kind is dict:
        return {name: inner if type(inner) is str else plain(inner) for name, inner in value.items()}
    if kind is list:
        return [plain(inner) for inner in value]
    return value


def pruned(value: Any, veil: Veil) -> Any:
    """The same as `plain`, without what is hidden."""
    if not veil:
        return plain(value)
    if isinstance(value, list):
        return [pruned(inner, veil) for inner in value]
    if not isinstance(value, Mapping):
        return plain(value)
    return {
        name: pruned(inner, below) for name, inner in value.items() if (below := veil.get(name, _CLEAR)) is not None
    }


@lru_cache(maxsize=256)
def _veil(hidden: frozenset[str]) -> Veil:
    tree: dict[str, Any] = {}
    # The shorter path first: what lies below a hidden name needs no word of its own.
    for path in sorted(hidden, key=len):
        *above, last = path.split(".")
        here: dict[str, Any] | None = tree
        for name in above:
            here = here.setdefault(name, {}) if here is not None else None
        if here is not None:
            here[last] = None
    return tree


def _both(one: Veil, other: Veil) -> Veil:
    """What either of two veils hides."""
    if not one or not other:
        return one or other
    merged = dict(one)
    for name, below in other.items():
        known = merged.get(name, _CLEAR)
        merged[name] = None if known is None or below is None else _both(known, below)
    return merged
