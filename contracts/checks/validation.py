"""Requests that break the spec in one place are refused, and those that keep it in another way are accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from contracts import mutations
from contracts.existing import first, path, required_query, spelled
from contracts.findings import Finding
from contracts.guard import Unsafe
from contracts.probe import UNSET, Blocked, Nothing, Probe
from contracts.registry import check
from contracts.settings import Mode
from contracts.stage import Case
from contracts.subjects import subject
from contracts.wire import Caller, Exchange
from specs.tables import Api, Operation


def asking(api: Api) -> Sequence[str]:
    """Readings that declare query parameters of their own; pages, orders and selections have checks of their own."""
    if api.conventions.query == "rql":
        return ()
    return [each.id for each in api.operations.values() if each.method == "GET" and _declared(api, each)]


def bodied(api: Api) -> Sequence[str]:
    """Operations that take a JSON body."""
    return [each.id for each in api.operations.values() if "application/json" in _content(api, each)]


def _spec(api: Api, operation: Operation) -> Mapping[str, Any]:
    server = str(api.document["servers"][0]["url"]).rstrip("/")
    found: Mapping[str, Any] = api.document["paths"][operation.path.removeprefix(server)][operation.method.lower()]
    return found


def _content(api: Api, operation: Operation) -> Mapping[str, Any]:
    body = _spec(api, operation).get("requestBody", {})
    if "$ref" in body:
        body = api.document["components"]["requestBodies"][body["$ref"].rpartition("/")[2]]
    found: Mapping[str, Any] = body.get("content", {})
    return found


def _declared(api: Api, operation: Operation) -> list[Mapping[str, Any]]:
    """The query parameters of an operation, without those of pages and orders."""
    own = {
        api.conventions.paging.get("limit"),
        api.conventions.paging.get("offset"),
        api.conventions.sorts.get("parameter"),
    }
    components = api.document["components"].get("parameters", {})
    said = _spec(api, operation).get("parameters", ())
    found = [components[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in said]
    return [each for each in found if each["in"] == "query" and each["name"] not in own]


@check(
    "validation.refused",
    proves="a query parameter that breaks its schema is refused",
    codes=("S306",),
    cases=asking,
)
def refused(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    caller, params = _reader(p, operation)
    for said in _declared(p.api, operation):
        for rule, value in _wrong_values(p, said):
            others = _query(p, operation, {said["name"]: value})
            exchange = p.call(operation, caller, params, query=others)
            if exchange.status < 400:
                yield _accepted(p, exchange, said["name"], rule)


@check(
    "validation.accepted",
    proves="query parameters as the spec has them are accepted",
    codes=("S307",),
    cases=asking,
)
def accepted(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    caller, params = _reader(p, operation)
    for said in _declared(p.api, operation):
        for rule, value in _right_values(p, said):
            exchange = p.call(operation, caller, params, query=_query(p, operation, {said["name"]: value}))
            if exchange.status in (p.status("query"), p.status("body")):
                yield _refused(p, exchange, said["name"], rule)
    exchange = p.call(operation, caller, params, query=_query(p, operation, {"xUnknownParameter": "1"}))
    if exchange.status == p.status("query"):
        yield _refused(p, exchange, "x-unknown", "unknown parameter", "conventions")


@check(
    "validation.bodies",
    proves="a body that breaks its schema in one place is refused, whichever the place and the rule",
    codes=("S306",),
    mode=Mode.OWN,
    cases=bodied,
)
def bodies(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    made, tried, at = _case(p, operation), 0, 0
    ways = list(_breaking(p, operation, made.body))
    while at < len(ways):
        each, at = ways[at], at + 1
        exchange = _played(p, made, each.body)
        tried += exchange is not None
        if exchange is not None and exchange.status < 400:
            yield _accepted(p, exchange, each.member, each.rule)
            made = _case(p, operation)
            ways = list(_breaking(p, operation, made.body))
    if at and not tried:
        raise Nothing(f"{operation.id}: nothing takes back what it does; only --mode full may call it")


def _breaking(p: Probe, operation: Operation, body: Any) -> Iterator[mutations.Mutation]:
    yield from mutations.wrong(p.resolved, _schema(p, operation), body)
    yield from mutations.swapped(body)
    yield from mutations.unknown(body, lambda text: _ghost(p, text))


def _ghost(p: Probe, text: str) -> str | None:
    """The id of the same form that cannot be; None for what is no id, or one of what the API shows nothing of."""
    for entity, known in p.api.conventions.ids.items():
        shown = entity in p.api.visibility or entity in p.api.conventions.public
        if shown and known.form != "digits" and re.fullmatch(known.pattern, text):
            return p.facts.shape(entity)
    return None


@check(
    "validation.odd",
    proves="bodies that nobody sends on purpose make no operation fail",
    codes=("S305",),
    mode=Mode.OWN,
    cases=bodied,
)
def odd(p: Probe, case: str) -> Iterator[Finding]:
    # What comes is judged on its way back: a failure of the server is a finding, whatever was sent.
    operation = p.operation(case)
    made, at = _case(p, operation), 0
    ways = list(mutations.odd({} if made.body is UNSET else made.body))
    while at < len(ways):
        each, at = ways[at], at + 1
        exchange = _played(p, made, each.body)
        if at < len(ways) and exchange is not None and exchange.status < 400 and not _repeats(operation):
            made = _case(p, operation)
            ways = list(mutations.odd({} if made.body is UNSET else made.body))
    yield from ()


@check(
    "validation.variants",
    proves="a body in every way that the spec allows is accepted: without what is optional, at its bounds, with more",
    codes=("S307",),
    mode=Mode.OWN,
    cases=bodied,
)
def variants(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    made, tried, at = _case(p, operation), 0, 0
    ways = list(mutations.right(p.resolved, _schema(p, operation), made.body, p.tag))
    while at < len(ways):
        each, at = ways[at], at + 1
        exchange = _played(p, made, each.body)
        tried += exchange is not None
        if exchange is None:
            continue
        if exchange.status == p.status("body"):
            made = _case(p, operation)
            plain = _played(p, made, made.body)
            if plain is None or plain.status >= 400:
                reason = f"{operation.id}: its right body is not accepted, either"
                raise Blocked(reason) if plain is None else p.stage.refused(plain, reason)
            yield _refused(p, exchange, each.member, each.rule)
        if at == len(ways) or (exchange.status < 400 and _repeats(operation)):
            continue
        made = _case(p, operation)
        ways = list(mutations.right(p.resolved, _schema(p, operation), made.body, p.tag))
    if at and not tried:
        raise Nothing(f"{operation.id}: nothing takes back what it does; only --mode full may call it")


def _schema(p: Probe, operation: Operation) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _content(p.api, operation)["application/json"]["schema"]
    return found


def _repeats(operation: Operation) -> bool:
    """Whether it can be done to one object time after time, as an update can."""
    return operation.event is None and first(operation) is not None


def _case(p: Probe, operation: Operation) -> Case:
    """A right request. Raises Nothing where the mode does not let it be made."""
    try:
        if operation.does == "own":
            return p.stage.case(operation)
        return p.stage.case(operation, None, subject(p, operation))
    except Unsafe as reason:
        raise Nothing(str(reason)) from None


def _played(p: Probe, made: Case, body: Any) -> Exchange | None:
    """The answer to another body; None where it may not be sent, or the server failed, which is told already."""
    try:
        return p.call(made.operation, made.caller, made.params, query=made.query, body=body, headers=made.headers)
    except (Unsafe, Blocked):
        return None


def _reader(p: Probe, operation: Operation) -> tuple[Caller, dict[str, str]]:
    """Somebody who may, and a path to something that they can read."""
    reason: Blocked = Blocked(f"no caller may {operation.id}")
    for caller in p.may(operation):
        try:
            return caller, path(p, operation, caller)
        except Nothing as why:
            reason = why
    start = first(operation)
    if start is not None and operation.key is not None and isinstance(reason, Nothing):
        for caller in p.may(operation):
            for id in p.facts.ids(start[1], caller):
                return caller, {**p.ghosts(operation), start[0]: id}
    raise reason


def _query(p: Probe, operation: Operation, values: Mapping[str, str | None]) -> str:
    """A query of what the operation requires, and these values; None leaves one out."""
    needed = dict(each.split("=", 1) for each in required_query(p, operation).split("&") if each)
    given = {**needed, **{name: quote(value, safe="") for name, value in values.items() if value is not None}}
    return "&".join(f"{name}={value}" for name, value in given.items() if values.get(name, "") is not None)


def _wrong_values(p: Probe, said: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """(rule, a value that breaks it) of a query parameter; None: it is left out."""
    schema = p.resolved(said.get("schema", {}))
    kind = schema.get("type")
    if said.get("required"):
        yield "required", None
    if kind == "array":
        schema = p.resolved(schema.get("items", {}))
    if kind in ("integer", "number", "boolean"):
        yield "type", "x"
    if "enum" in schema:
        yield "enum", "noSuchValue"
    value = next((text for text in (said.get("example"), schema.get("example")) if isinstance(text, str)), "x")
    for each in mutations.wrong(
        p.resolved, schema, value if schema.get("type") == "string" else schema.get("minimum", 1)
    ):
        if each.rule not in ("type", "enum"):
            yield each.rule, spelled(each.body)


def _right_values(p: Probe, said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(what it is, a value) of a query parameter, as the spec has them."""
    schema = p.resolved(said.get("schema", {}))
    for value in schema.get("enum", ()):
        yield "enum", spelled(value)
    if schema.get("type") == "boolean":
        yield from (("type", "true"), ("type", "false"))
    for rule in ("minimum", "maximum", "default"):
        if rule in schema:
            yield rule, spelled(schema[rule])
    for each in (said, schema):
        if "example" in each:
            yield "example", spelled(each["example"])
        for other in each["examples"].values() if isinstance(each.get("examples"), Mapping) else ():
            yield "example", spelled(p.resolved(other).get("value"))


def _accepted(p: Probe, exchange: Exchange, member: str, rule: str) -> Finding:
    return p.finding(
        "S306",
        exchange,
        expected=f"{p.status('body')}: {member} breaks `{rule}`",
        source="spec",
        place="openapi",
        subject=f"{member} {rule}",
    )


def _refused(p: Probe, exchange: Exchange, member: str, rule: str, place: str = "openapi") -> Finding:
    return p.finding(
        "S307",
        exchange,
        expected=f"success: {member} is right ({rule})",
        source="spec",
        place=place,
        subject=f"{member} {rule}",
    )
