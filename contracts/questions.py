"""Which questions a list is asked: of every operator and kind of member, made of values that its rows have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from contracts.facts import Row
from contracts.listing import Listing
from contracts.probe import member
from contracts.queries import (
    Known,
    Member,
    Question,
    among,
    both,
    compare,
    either,
    like,
    literal,
    negated,
    of_kind,
    unset,
    writable,
)


def singles(known: Known, chance: Random) -> Iterator[Question]:
    """One question for each operator and kind of member, made of values that rows have."""
    members = known.members()
    for kind in ("string", "number", "date", "enum", "boolean"):
        found = [each for each in of_kind(members, kind, least=1) if any(writable(value, kind) for value in each.set)]
        several = [each for each in found if len(each.set) > 1] or found
        if several:
            yield from _of(chance.choice(several), chance)
    key = next((each for each in members if each.path == known.listing.key), None)
    if key is not None:
        # Texts are compared by collations that differ; ids of one form are not.
        for operator in ("gt", "le"):
            yield compare(operator, key, chance.choice(key.set))
    partly = [each for each in members if each.is_unset]
    if partly:
        missing = chance.choice(partly)
        yield unset("eq", missing)
        yield unset("ne", missing)
        if any(writable(value, missing.kind) for value in missing.set):
            value = chance.choice([each for each in missing.set if writable(each, missing.kind)])
            yield _named(compare("ne", missing, value), "ne of what is unset")
            yield _named(among("out", missing, [value]), "out of what is unset")
    yield from _two_members(members, chance)
    words = [each for each in of_kind(members, "string", least=1) if any(writable(one, "string") for one in each.set)]
    if words:
        yield from _patterns(chance.choice(words), chance)
        empty = chance.choice(words)
        yield Question(f"eq({empty.path},empty())", lambda row: member(row, empty.path) == "", "eq empty()")


def _of(found: Member, chance: Random) -> Iterator[Question]:
    """Comparisons and lists of one member."""
    values = [value for value in found.set if writable(value, found.kind)]
    value = chance.choice(values)
    yield compare("eq", found, value)
    yield compare("ne", found, value)
    if found.kind in ("number", "date"):
        for operator in ("gt", "ge", "lt", "le"):
            yield compare(operator, found, value)
    some = chance.sample(values, min(2, len(values)))
    yield among("in", found, some)
    yield among("out", found, some)
    if found.kind in ("enum", "boolean"):
        yield _named(
            compare("eq", found, value),
            "shortcut",
            f"{found.path}={value if found.kind == 'enum' else literal(value, found.kind)}",
        )


def _named(question: Question, name: str, text: str = "") -> Question:
    return Question(text or question.text, question.holds, name, question.source)


def _patterns(found: Member, chance: Random) -> Iterator[Question]:
    value = chance.choice([each for each in found.set if writable(each, "string")])
    middle = value[1:-1].strip() or value
    for operator, text in (("like", str), ("ilike", str.swapcase)):
        change: Callable[[str], str] = text
        yield like(operator, found, f"*{change(middle)}*", "contains")
        yield like(operator, found, f"{change(value[:3]).rstrip()}*", "starts with")
        yield like(operator, found, f"*{change(value[-3:]).lstrip()}", "ends with")
        yield like(operator, found, change(value), "without stars")
        yield like(operator, found, change(value[:-1]).rstrip(), "without stars")
    # Whether capitals count is a setting of the deployment; that they do is our reading of it.
    yield replace(like("like", found, f"*{middle.swapcase()}*", "of another case"), source="INF")


def _two_members(members: Sequence[Member], chance: Random) -> Iterator[Question]:
    """A member against another of the same row; a bare name means that."""
    numbers = of_kind(members, "number", least=1)
    pairs = [
        (one, other)
        for one in numbers
        for other in numbers
        if one is not other and one.path.rpartition(".")[0] == other.path.rpartition(".")[0]
    ]
    if pairs:
        one, other = chance.choice(pairs)
        yield Question(
            f"eq({one.path},{other.path})",
            lambda row: member(row, one.path) == member(row, other.path),
            "eq of two members",
        )


def joined(asked: Sequence[Question], chance: Random) -> Iterator[list[Question]]:
    """Questions of several, step by step: the later ones are told by what the earlier ones show."""
    plain = [each for each in asked if "=" not in each.text]
    if len(plain) < 3:
        return
    one, other, third = chance.sample(plain, 3)
    yield [
        negated(one),
        both(one, other, "and({0},{1})", "and"),
        either(one, other, "or({0},{1})", "or"),
    ]
    yield [
        negated(both(one, other, "and({0},{1})", "and")),
        both(one, other, "{0}&{1}", "and of segments"),
        both(one, other, "{0},{1}", "and by comma"),
        either(one, other, "{0};{1}", "or by semicolon"),
        either(one, other, "({0}|{1})", "or by bar"),
    ]
    yield [
        both(either(one, other, "or({0},{1})", "or"), negated(third), "and({0},{1})", "nested"),
        # AND binds tighter than OR.
        either(one, both(other, third, "{0},{1}", "and"), "{0};{1}", "or of and"),
    ]


def elements(listing: Listing, name: str, elements: Sequence[Any], chance: Random) -> Iterator[Question]:
    yield Question(f"any({name})", lambda row: bool(row.get(name)), "any")
    if not elements:
        return
    if isinstance(elements[0], str):
        value = chance.choice(sorted({each for each in elements if writable(each, "string")} or {"x"}))
        yield Question(f"any({name},eq(self(),'{value}'))", lambda row: value in _held(row, name), "any self()")
        return
    item = listing.shape.members[name.casefold()].item
    inner = [
        (each.name, each.kind)
        for each in (item.members.values() if item is not None else ())
        if each.kind in ("string", "number", "integer") and f"{name}.{each.name}" not in listing.hidden
    ]
    pairs = [
        (path, "number" if kind == "integer" else kind, one[path])
        for path, kind in inner
        for one in elements
        if path in one and writable(one[path], "number" if kind == "integer" else kind)
    ]
    if not pairs:
        return
    path, kind, value = chance.choice(pairs)
    text = f"eq({path},{literal(value, kind)})"

    def fits(each: Any) -> bool:
        return isinstance(each, dict) and bool(each.get(path) == value)

    yield Question(f"any({name},{text})", lambda row: any(map(fits, _held(row, name))), "any of")
    yield Question(f"all({name},{text})", lambda row: all(map(fits, _held(row, name))), "all of")
    yield Question(f"not(any({name},{text}))", lambda row: not any(map(fits, _held(row, name))), "not any")


def _held(row: Row, name: str) -> list[Any]:
    found = row.get(name)
    return found if isinstance(found, list) else []
