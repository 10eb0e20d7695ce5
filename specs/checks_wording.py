"""What makes conventions.yaml wrong: names that the spec lacks, values that a template lacks, ids that look alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from specs.forms import ERROR_VALUES, FAULT_VALUES, IDENTIFIERS, LIST_VALUES
from specs.places import JSON, answers, file, known, member, parameters, whole
from specs.tables import Api, Operation, TableError

MAKES = ("create", "attach", "sync", "replace")
# Refused before an operation is known: a path that there is not, and a method that it has not.
ROUTING = (404, 405)
LINKS = ("previous", "self", "next")


def bases(api: Api) -> None:
    """Every path lies below one of the bases, and none of these below another."""
    place = f"{file(api.home, 'conventions')}: bases"
    for one, other in combinations(sorted(api.conventions.bases), 2):
        if other.startswith(f"{one}/"):
            raise TableError(f"{place}: {other} lies below {one}; keep the shorter.")
    for operation in api.operations.values():
        if not any(operation.path == base or operation.path.startswith(f"{base}/") for base in api.conventions.bases):
            raise TableError(f"{place}: none begins {operation.path} ({operation.id}); add it, or mend `servers`.")


def ids(api: Api) -> None:
    """What is made has ids of its own, which say enough of their form and look like no other entity's."""
    place, found = file(api.home, "conventions"), api.conventions
    owners: dict[str, str] = {}
    for entity, identifier in found.ids.items():
        needed = IDENTIFIERS[identifier.form]
        for entry in ("prefix", "groups", "length"):
            if entry in needed and not getattr(identifier, entry):
                raise TableError(f"{place}: ids.{entity}: no {entry!r}; add it.")
            if entry not in needed and getattr(identifier, entry):
                raise TableError(
                    f"{place}: ids.{entity}: {entry!r} is nothing to ids of form {identifier.form}; drop it."
                )
        other = owners.setdefault(identifier.prefix, entity) if identifier.prefix else entity
        if other != entity:
            raise TableError(f"{place}: ids: {identifier.prefix} begins ids of {other} and {entity}; tell them apart.")
    for operation in api.operations.values():
        if operation.does in MAKES and operation.entity not in found.ids:
            raise TableError(f"{place}: ids: no entry for {operation.entity}, which {operation.id} makes; add one.")


def files(api: Api) -> None:
    """What takes files says which."""
    place, found = file(api.home, "conventions"), api.conventions
    for operation in api.operations.values():
        if operation.does == "upload" and operation.id not in found.uploads:
            raise TableError(f"{place}: uploads: no entry for {operation.id}; say which media it accepts.")
        if operation.does == "attach" and not found.attachments:
            raise TableError(f"{place}: no 'attachments', which {operation.id} takes; add limit, link and accepts.")
    known(f"{place}: uploads", found.uploads, [each.id for each in api.operations.values() if each.does == "upload"])


def wording(api: Api) -> None:
    """References have members, lists what they are paged and sorted by, refusals what their bodies show."""
    place, found = file(api.home, "conventions"), api.conventions
    for entity in found.references.values():
        if entity not in found.core:
            raise TableError(f"{place}: core: no entry for {entity}; add its core members.")
    _lists(place, api)
    _errors(f"{place}: errors", api)


def filters(api: Api) -> None:
    """Every filter is a declared parameter of a list, and a member of what is listed."""
    for operation in api.operations.values():
        if not operation.filters:
            continue
        place = f"{file(api.home, 'access')}: {operation.id}: filters"
        if operation.does != "list":
            raise TableError(f"{place}: {operation.does} is no list; drop them.")
        if api.conventions.query != "parameters":
            raise TableError(f"{place}: a list is filtered by {api.conventions.query} here; drop them.")
        known(place, operation.filters, _query(api, operation))
        schema = api.visibility[operation.entity].schema
        for path in operation.filters.values():
            if member(api.document, schema, path) is None:
                raise TableError(f"{place}: the schema has no member {path}; mend the name, here or in the spec.")


# Lists


def _lists(place: str, api: Api) -> None:
    found = api.conventions
    lists = [operation for operation in api.operations.values() if operation.does == "list"]
    values = [name for name, _ in _values(f"{place}: lists.envelope", found.lists["envelope"], LIST_VALUES)]
    for name in values:
        if name in LINKS and not found.links:
            raise TableError(f"{place}: lists.envelope: ${name}, but no `links`; add `links`, with their `parameters`.")
    for operation in lists:
        if not found.paging:
            raise TableError(
                f"{place}: no 'paging', which {operation.id} is cut by; add offset, limit, default and cap."
            )
        _fits(f"{place}: lists", api, operation, {**found.lists["envelope"], found.lists["items"]: []})
    if found.paging and found.paging["default"] > found.paging["cap"]:
        raise TableError(f"{place}: paging: the default is larger than the cap; mend one of the two.")
    if found.query == "parameters":
        _declared(place, api, {operation.id: _query(api, operation) for operation in lists})
    if found.sorts:
        _sorts(f"{place}: sorts", api, lists)


def _fits(place: str, api: Api, operation: Operation, envelope: Mapping[str, Any]) -> None:
    """The envelope has the members of the answer that the spec declares."""
    success, content = min(answers(api.document, _spec(api, operation)[1]))
    schema = whole(api.document, content.get(JSON, {}).get("schema", {}))
    for name in envelope:
        if name not in schema.get("properties", {}):
            raise TableError(
                f"{place}: the {success} of {operation.id} has no member {name}; mend the one or the other."
            )
    for name in schema.get("required", ()):
        if name not in envelope:
            raise TableError(f"{place}: the {success} of {operation.id} requires {name}; add it.")


def _declared(place: str, api: Api, queries: Mapping[str, Mapping[str, Any]]) -> None:
    """What lists are paged by each of them declares; what they are sorted and linked by, one of them at least."""
    found = api.conventions
    for entry in ("offset", "limit"):
        for id, query in queries.items():
            name = found.paging[entry]
            if name not in query:
                raise TableError(
                    f"{place}: paging.{entry}: {id} declares no parameter {name}; add it, or mend the name."
                )
            default = query[name].get("default")
            if entry == "limit" and default not in (None, found.paging["default"]):
                raise TableError(f"{place}: paging.default: {id} declares {default}; mend one of the two.")
    somewhere = dict.fromkeys(name for query in queries.values() for name in query)
    if found.sorts:
        known(f"{place}: sorts.parameter", [found.sorts["parameter"]], somewhere)
    known(f"{place}: links.parameters", found.links.get("parameters", ()), somewhere)


def _sorts(place: str, api: Api, lists: Sequence[Operation]) -> None:
    """The texts that the parameter takes are those that have a member, and the members are those of what is listed."""
    found = api.conventions.sorts
    if api.conventions.query != "parameters":
        raise TableError(f"{place}: a list is sorted by {api.conventions.query} here; drop it.")
    for operation in lists:
        declared = _query(api, operation).get(found["parameter"])
        if declared is None:
            continue
        known(f"{place}: members", [text.removeprefix("-") for text in declared.get("enum", ())], found["members"])
        schema = api.visibility[operation.entity].schema
        for path in (found["ties"], *found["members"].values()):
            if member(api.document, schema, path) is None:
                raise TableError(f"{place}: {schema} has no member {path}; mend the name, here or in the spec.")


# Refusals


def _errors(place: str, api: Api) -> None:
    errors = api.conventions.errors
    templates = {None: errors["body"], **errors.get("bodies", {})}
    known(f"{place}.bodies", [id for id in templates if id is not None], api.operations)
    for id, body in templates.items():
        where = f"{place}.body" if id is None else f"{place}.bodies.{id}"
        used = set()
        for name, repeated in _values(where, body, (*ERROR_VALUES, *FAULT_VALUES)):
            if name in FAULT_VALUES and not repeated:
                raise TableError(f"{where}: ${name} is of one fault; put it into a list, which is filled for each.")
            used.add(name)
        for value, entry in {"title": "titles", "code": "codes"}.items():
            for status in _statuses(api, id) if value in used else ():
                if str(status) not in errors.get(entry, {}):
                    raise TableError(f"{place}.{entry}: no {value} for {status}; add it.")
    _refuses(place, api, templates)


def _statuses(api: Api, id: str | None) -> list[int]:
    """The statuses that the tables and the document give to refusals: of one operation, or of all."""
    given = [status for row in api.refusals for status in (row["status"], *row.get("of", {}).values())]
    operations = api.operations.values() if id is None else [api.operations[id]]
    documented = [status for each in operations for status, _ in answers(api.document, _spec(api, each)[1])]
    routed = ROUTING if id is None else ()
    return sorted({*given, *routed, *(status for status in documented if status >= 400)})


def _refuses(place: str, api: Api, templates: Mapping[str | None, Mapping[str, Any]]) -> None:
    """The bodies have the members of every refusal that the spec declares."""
    seen = set()
    for operation in api.operations.values():
        own = operation.id if operation.id in templates else None
        where = f"{place}.body" if own is None else f"{place}.bodies.{own}"
        for status, content in answers(api.document, _spec(api, operation)[1]):
            # Most refusals are one response that all operations share: looked at once.
            if status < 400 or not content or (where, id(content)) in seen:
                continue
            seen.add((where, id(content)))
            _refusal(where, f"the {status} of {operation.id}", api, templates[own], content)


def _refusal(where: str, what: str, api: Api, body: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    media = api.conventions.errors["media"]
    if media not in content:
        raise TableError(f"{where}: {what} is {', '.join(content)} in the spec, not {media}; mend one of the two.")
    schema = whole(api.document, content[media].get("schema", {}))
    for name in body:
        if "properties" in schema and name not in schema["properties"]:
            raise TableError(f"{where}: {what} has no member {name}; mend one of the two.")
    for name in schema.get("required", ()):
        if name not in body:
            raise TableError(f"{where}: {what} requires {name}; add it.")


# What both are made of


def _values(place: str, template: Any, right: Sequence[str], repeated: bool = False) -> Iterator[tuple[str, bool]]:
    """The values that a template names, and whether each stands in a list, which is filled for each fault."""
    if isinstance(template, Mapping):
        for each in template.values():
            yield from _values(place, each, right, repeated)
    elif isinstance(template, list):
        if len(template) != 1:
            raise TableError(f"{place}: a list stands once for every fault; keep one element.")
        yield from _values(place, template[0], right, True)
    elif isinstance(template, str) and template.startswith("$"):
        if template[1:] not in right:
            raise TableError(f"{place}: no {template}; there are: {', '.join(f'${each}' for each in right)}.")
        yield template[1:], repeated


def _spec(api: Api, operation: Operation) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The path item and the operation in the document."""
    prefix = api.document["servers"][0]["url"].rstrip("/")
    item = api.document["paths"][operation.path[len(prefix) :]]
    return item, item[operation.method.lower()]


def _query(api: Api, operation: Operation) -> dict[str, dict[str, Any]]:
    return parameters(api.document, *_spec(api, operation), "query")
