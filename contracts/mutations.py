"""Bodies that break one rule of a schema, and bodies that just keep them all, made out of one that is right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Resolve = Callable[[Mapping[str, Any]], Mapping[str, Any]]
DEEPEST = 4
"""Levels of a body that are looked into."""
WRONG: Mapping[str, Any] = {
    "string": {"wrong": "type"},
    "integer": "many",
    "number": "much",
    "boolean": "perhaps",
    "object": "no object",
    "array": "no list",
}
FORMATS: Mapping[str, tuple[str, ...]] = {
    "date": ("2026-02-30", "1 May"),
    "date-time": ("2026-02-30T10:00:00Z", "yesterday"),
    "uuid": ("no-uuid",),
    "email": ("nobody",),
}
LETTERS = " Žižková 東京 🧾 ñ"
LENGTHY = 200
"""Letters that any name can have where the spec does not bound it."""
LONG = 10_000
"""Letters or items beyond which a bound is not tried."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A body that differs from a right one in one place.

    member: its dotted place; rule: the rule of the schema that it breaks, or just keeps
    """

    member: str
    rule: str
    body: Any


def wrong(resolve: Resolve, schema: Mapping[str, Any], body: Any) -> Iterator[Mutation]:
    """The body with one rule broken at a time."""
    for place, rule, changed in _wrong(resolve, schema, body, "", 0):
        yield Mutation(place or "body", rule, changed)


def right(resolve: Resolve, schema: Mapping[str, Any], body: Any, tag: str) -> Iterator[Mutation]:
    """The body in other ways that are right: at bounds, without what is optional, with what nobody knows.

    tag: stands in texts that the run made up; others are words that the deployment knows, and are left as they are
    """
    schema = _branch(resolve, _whole(resolve, schema), body)
    if not isinstance(body, dict):
        return
    if schema.get("additionalProperties", True) is not False:
        yield Mutation("x-unknown", "unknown member", {**body, "xUnknownMember": {"any": ["thing"]}})
    required = schema.get("required", ())
    for name, each in schema.get("properties", {}).items():
        if name not in body:
            continue
        part = _whole(resolve, each)
        # An absent choice may mean another one, an absent reference one by other means; nothing at all is no request.
        meant = bool({"enum", "default"} & part.keys()) or (isinstance(body[name], dict) and "id" in body[name])
        if name not in required and len(body) > 1 and not meant:
            yield Mutation(name, "left out", {key: value for key, value in body.items() if key != name})
        if _is_nullable(part) and name not in required:
            yield Mutation(name, "null", {**body, name: None})
        if isinstance(body[name], str) and tag in body[name]:
            for rule, text in _bounds(part, body[name]):
                yield Mutation(name, rule, {**body, name: text})


def unknown(body: Any, ghost: Callable[[str], str | None]) -> Iterator[Mutation]:
    """The body with one of the ids in it replaced by one that cannot be. ghost: of an id, None of what is none"""
    for place, changed in _unknown(body, ghost, ""):
        yield Mutation(place, "unknown id", changed)


def _unknown(value: Any, ghost: Callable[[str], str | None], place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            for inner, changed in _unknown(part, ghost, _joined(place, name)):
                yield inner, {**value, name: changed}
    elif isinstance(value, list):
        for inner, changed in _unknown(value[0], ghost, f"{place}.0") if value else ():
            yield inner, [changed, *value[1:]]
    elif isinstance(value, str) and (id := ghost(value)) is not None:
        yield place, id


def swapped(body: Any) -> Iterator[Mutation]:
    """The body with a beginning and its end the other way round."""
    if isinstance(body, dict):
        for name, value in body.items():
            end = re.sub("(?i)start", lambda found: "End" if found[0][0] == "S" else "end", name)
            if end != name and isinstance(value, str) and isinstance(body.get(end), str) and value < body[end]:
                yield Mutation(name, "end before start", {**body, name: body[end], end: value})


def odd(body: Any) -> Iterator[Mutation]:
    """The body with what may be right or wrong, but must not make a server fail."""
    yield Mutation("body", "a list", [body])
    for depth in (30, 300):
        yield Mutation("body", f"{depth} objects in each other", json.loads('{"a":' * depth + "1" + "}" * depth))
    for name, value in body.items() if isinstance(body, dict) else ():
        if isinstance(value, str):
            yield Mutation(name, "nothing", {**body, name: ""})
            yield Mutation(name, "a zero byte", {**body, name: "\x00"})
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield Mutation(name, "a huge number", {**body, name: 1e300})


def _bounds(schema: Mapping[str, Any], value: str) -> Iterator[tuple[str, str]]:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if {"format", "pattern"} & schema.keys():
        return
    yield "letters", (value + LETTERS)[:longest]
    if longest is None:
        yield "length", value.ljust(LENGTHY, "x")
    if longest is not None and longest <= LONG:
        yield "maxLength", (value + " " + "x" * longest)[:longest]
    if shortest:
        yield "minLength", (value or "x")[:shortest].ljust(shortest, "x")


def _wrong(
    resolve: Resolve, schema: Mapping[str, Any], value: Any, place: str, depth: int
) -> Iterator[tuple[str, str, Any]]:
    schema = _branch(resolve, _whole(resolve, schema), value)
    if schema.get("readOnly"):
        return
    if {"oneOf", "anyOf", "not"} & schema.keys():
        yield from ((place, rule, changed) for rule, changed in _both(schema, value))
        return
    for rule, changed in _broken(schema, value):
        yield place, rule, changed
    if depth >= DEEPEST:
        return
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if name in value:
                yield _joined(place, name), "required", {key: each for key, each in value.items() if key != name}
        for name, part in schema.get("properties", {}).items():
            if name in value:
                for inner, rule, changed in _wrong(resolve, part, value[name], _joined(place, name), depth + 1):
                    yield inner, rule, {**value, name: changed}
            else:
                for rule, changed in _added(_whole(resolve, part)):
                    yield _joined(place, name), rule, {**value, name: changed}
    elif isinstance(value, list) and value and isinstance(schema.get("items"), Mapping):
        for inner, rule, changed in _wrong(resolve, schema["items"], value[0], f"{place}.0", depth + 1):
            yield inner, rule, [changed, *value[1:]]


def _added(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(rule, a value that breaks it) for a member that the body does not have: of what needs no right one beside it."""
    if not schema.get("readOnly") and not {"oneOf", "anyOf", "not"} & schema.keys():
        sample = "x" if "string" in _kinds(schema) else None
        yield from ((rule, changed) for rule, changed in _broken(schema, sample) if rule in ("type", "enum", "format"))


def _both(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, Any]]:
    """The value with a second alternative, of which only one may be there."""
    ways = schema.get("oneOf", ())
    if not isinstance(value, dict) or not all(set(each) == {"required"} for each in ways):
        return
    names = [name for each in ways for name in each["required"]]
    there = [name for name in names if name in value]
    for name in names:
        if there and name not in value:
            yield "oneOf", {**value, name: value[there[0]]}


def _broken(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, Any]]:
    """(rule, a value that breaks it and no other) of a schema that holds nothing else."""
    kinds = _kinds(schema)
    if kinds and (kind := next(iter(kinds))) in WRONG:
        yield "type", WRONG[kind]
        if kind == "string":
            yield "type", 12345
    if "enum" in schema or "const" in schema:
        yield "enum", "noSuchValue"
        return
    if isinstance(value, str):
        yield from _broken_text(schema, value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _broken_number(schema)
    elif isinstance(value, list):
        if schema.get("minItems"):
            yield "minItems", value[: schema["minItems"] - 1]
        if value and schema.get("maxItems", LONG) < LONG:
            yield "maxItems", (value * (schema["maxItems"] + 1))[: schema["maxItems"] + 1]


def _broken_text(schema: Mapping[str, Any], value: str) -> Iterator[tuple[str, Any]]:
    for text in FORMATS.get(schema.get("format", ""), ()):
        yield "format", text
    if "pattern" in schema:
        for text in ("!", "", f"{value}!", f"!{value}"):
            if re.search(schema["pattern"], text) is None:
                yield "pattern", text
                break
    elif schema.get("minLength"):
        yield "minLength", ""
    if schema.get("maxLength", LONG) < LONG and "format" not in schema:
        yield "maxLength", (value or "x") + "x" * schema["maxLength"]


def _broken_number(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "integer" in _kinds(schema):
        yield "type", 1.5
    if schema.get("multipleOf"):
        yield "multipleOf", (schema.get("minimum", 0) or 0) + schema["multipleOf"] * 10.3
    for rule, bound, step in (
        ("minimum", schema.get("minimum"), -1),
        ("maximum", schema.get("maximum"), 1),
        ("exclusiveMinimum", schema.get("exclusiveMinimum"), 0),
        ("exclusiveMaximum", schema.get("exclusiveMaximum"), 0),
    ):
        if isinstance(bound, int | float) and not isinstance(bound, bool):
            # Of OpenAPI 3.0 a bound that is exclusive is told by a word beside it.
            yield rule, bound + step


def _kinds(schema: Mapping[str, Any]) -> tuple[str, ...]:
    kinds: str | Sequence[str] = schema.get("type", ())
    return tuple(each for each in ([kinds] if isinstance(kinds, str) else kinds) if each != "null")


def _is_nullable(schema: Mapping[str, Any]) -> bool:
    return bool(schema.get("nullable")) or "null" in schema.get("type", ())


def _whole(resolve: Resolve, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with references followed and `allOf` put together."""
    found = resolve(schema)
    ways = [resolve(each) for each in (*found.get("anyOf", ()), *found.get("oneOf", ()))]
    if ways and all(each.get("type") == "string" and each.get("format") in FORMATS for each in ways):
        # A text in one of several forms: what is none of the narrowest is none of them.
        return {**{name: value for name, value in found.items() if name not in ("anyOf", "oneOf")}, **ways[-1]}
    if "allOf" not in found:
        return found
    merged: dict[str, Any] = {name: value for name, value in found.items() if name != "allOf"}
    for part in found["allOf"]:
        other = _whole(resolve, part)
        properties = {**other.get("properties", {}), **merged.get("properties", {})}
        required = [*other.get("required", ()), *merged.get("required", ())]
        merged = {**other, **merged}
        merged |= ({"properties": properties} if properties else {}) | ({"required": required} if required else {})
    return merged


def _branch(resolve: Resolve, schema: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """Of alternatives of different types the one that a value is of; the schema itself where that says nothing."""
    kind = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else ""
    for word in ("oneOf", "anyOf"):
        fitting = [part for part in (_whole(resolve, each) for each in schema.get(word, ())) if kind in _kinds(part)]
        if len(fitting) == 1:
            return fitting[0]
    return schema


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
