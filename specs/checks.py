"""What makes a table wrong. Each check raises TableError: one line with file, entry and mend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from specs.tables import ALL, PARENT, Api, Machine, TableError

DOES = ("list", "read", "create", "update", "delete", "act", "upload", "sync", "attach")

_TEXTS = {"type": "array", "items": {"type": "string"}}
_ROW = {"type": "object", "additionalProperties": False}
SHAPES: dict[str, dict[str, Any]] = {
    "access": _ROW
    | {
        "required": ["roles", "refusals", "operations"],
        "properties": {
            "roles": _TEXTS | {"minItems": 1, "uniqueItems": True},
            "matrix": {"type": "string"},
            "refusals": {
                "type": "array",
                "items": _ROW
                | {
                    "required": ["check", "status", "source"],
                    "properties": {
                        "check": {"enum": ["token", "role", "find", "accept", "media", "body", "state"]},
                        "status": {"type": "integer", "minimum": 400, "maximum": 499},
                        "source": {"type": "string"},
                    },
                },
            },
            "operations": {
                "type": "object",
                "additionalProperties": _ROW
                | {
                    "properties": {
                        "does": {"enum": list(DOES)},
                        "entity": {"type": "string"},
                        "below": {"type": "string"},
                        "event": {"type": "string"},
                        "who": _TEXTS,
                        "source": {"type": "string"},
                        "at": {"type": "string"},
                        "media": {"enum": ["file"]},
                    },
                    "oneOf": [{"required": ["does", "entity"]}, {"required": ["at", "media"]}],
                },
            },
        },
    },
    "machines": {
        "type": "object",
        "additionalProperties": _ROW
        | {
            "required": ["initial", "final", "rows"],
            "properties": {
                "field": {"type": "string"},
                "initial": {"type": "string"},
                "final": _TEXTS,
                "audit": {"type": "boolean"},
                "rows": {
                    "type": "array",
                    "items": _ROW
                    | {
                        "required": ["id", "event", "from", "to", "source"],
                        "properties": {
                            "id": {"type": "string"},
                            "event": {"type": "string"},
                            "from": _TEXTS | {"minItems": 1},
                            "to": {"type": "string"},
                            "by": {"enum": ["system"]},
                            "then": {"type": "string"},
                            "else": {"type": "string"},
                            "when": {"type": "object"},
                            "silent": {"type": "boolean"},
                            "source": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
    "visibility": {
        "type": "object",
        "additionalProperties": _ROW
        | {
            "required": ["rows", "omits", "source"],
            "properties": {
                "rows": {
                    "anyOf": [{"const": PARENT}, {"type": "object", "additionalProperties": {"type": "string"}}]
                },
                "only": {"type": "object", "additionalProperties": _TEXTS},
                "omits": _ROW | {"required": ["list", "read"], "properties": {"list": _TEXTS, "read": _TEXTS}},
                "writes": {"type": "object", "additionalProperties": _TEXTS},
                "source": {"type": "string"},
            },
        },
    },
    "conventions": {
        "type": "object",
        "required": ["title", "base", "paging", "errors", "ids", "references", "core", "public", "money", "uploads", "attachments"],
    },
}


def shapes(name: str, raw: Mapping[str, Any]) -> None:
    """Every table has the entries that its reader expects, and no others."""
    import jsonschema_rs

    for table, schema in SHAPES.items():
        for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(raw[table]):
            where = ".".join(str(step) for step in error.instance_path) or "the whole file"
            raise TableError(f"{_file(name, table)}: {where}: {error.message}.")


def operations(
    name: str,
    access: Mapping[str, Any],
    matrix: Mapping[str, Mapping[str, str]],
    paths: Mapping[str, Mapping[str, Any]],
) -> None:
    """The spec, access.yaml and the given matrix speak of the same operations and roles."""
    file, rows, roles = _file(name, "access"), access["operations"], access["roles"]
    for id in paths:
        if id not in rows:
            raise TableError(f"{file}: no row for {id}; add one (every operationId needs a row).")
    for id, row in rows.items():
        home = row.get("at", id)
        if home not in paths:
            raise TableError(f"{file}: {id}: the spec has no operation {home}; add it there or drop the row.")
        if id not in matrix and "who" not in row:
            raise TableError(f"{file}: {id}: not in the given matrix; say `who` may call it, and the `source`.")
        if "who" in row and "source" not in row:
            raise TableError(f"{file}: {id}: `who` without `source`; say where that comes from.")
        if id in matrix and "who" in row:
            raise TableError(f"{file}: {id}: the given matrix decides; drop `who`, or use an overlay.")
        _known(f"{file}: {id}: who", row.get("who", ()), roles)
    for id, given in matrix.items():
        matrix_file = f"specs/{name}/{access['matrix']}"
        if id not in rows:
            raise TableError(f"{matrix_file}: {id} has no row in access.yaml; add one.")
        path = paths[rows[id].get("at", id)]
        if (given["method"], given["path"]) != (path["method"], path["path"]):
            raise TableError(
                f"{matrix_file}: {id}: {given['method']} {given['path']}, but the spec has {path['method']} {path['path']}."
            )
        for role in roles:
            if given.get(role) not in ("allow", "deny"):
                raise TableError(f"{matrix_file}: {id}: {role} is {given.get(role)!r}; say allow or deny.")


def machines(api: Api) -> None:
    """Every state can be reached and left unless it is final, and no event is torn between two ends."""
    for entity, machine in api.machines.items():
        place = f"{_file(api.name, 'machines')}: {entity}"
        _no_dead_ends(place, machine)
        _no_doubt(place, machine)
        for row in machine.rows:
            if row.otherwise is not None and row.otherwise not in {each.event for each in machine.rows}:
                raise TableError(f"{place}: {row.id}: no row for the event {row.otherwise!r} under `else`; add one.")
        enum = _member(api.document, entity, machine.field).get("enum")
        if enum is not None:
            _known(f"{place}: states", machine.states, enum)
    for operation in api.operations.values():
        if operation.event is None:
            continue
        owner = api.machines.get(operation.entity)
        place = f"{_file(api.name, 'access')}: {operation.id}"
        if owner is None:
            raise TableError(f"{place}: {operation.entity} has no machine; drop `event` or add one to machines.yaml.")
        _known(f"{place}: event", [operation.event], [row.event for row in owner.rows if not row.system])


def _no_dead_ends(place: str, machine: Machine) -> None:
    left = {start for row in machine.rows for start in row.starts}
    reached = {machine.initial} | {row.end for row in machine.rows}
    for state in machine.states:
        if state not in left and state not in machine.final:
            raise TableError(f'{place}: no way out of "{state}"; add a row from it, or list it under final.')
        if state not in reached and state not in machine.final:
            raise TableError(f'{place}: no way into "{state}"; add a row to it, or drop the rows from it.')
    for row in machine.rows:
        for start in row.starts:
            if start in machine.final:
                raise TableError(f'{place}: {row.id} leaves "{start}", which is final; drop one of the two.')


def _no_doubt(place: str, machine: Machine) -> None:
    seen: dict[tuple[str, str, str], str] = {}
    for row in machine.rows:
        for start in row.starts:
            key = (row.event, start, repr(sorted(row.when.items())))
            if key in seen:
                raise TableError(f'{place}: {seen[key]} and {row.id} both lead {row.event} from "{start}"; keep one.')
            seen[key] = row.id


def entities(api: Api) -> None:
    """Every entity that an operation touches has a schema, a visibility and an id; every member named exists."""
    file = _file(api.name, "visibility")
    for operation in api.operations.values():
        for entity in filter(None, (operation.entity, operation.below)):
            if entity not in api.visibility:
                raise TableError(f"{file}: no entry for {entity}, which {operation.id} shows; add one.")
    for entity, row in api.visibility.items():
        place = f"{file}: {entity}"
        members = [*row.only, *row.writes, *row.omits["list"], *row.omits["read"]]
        if not isinstance(row.rows, str):
            _known(f"{place}: rows", row.rows, api.roles)
            members += [member for member in row.rows.values() if member != ALL]
        for member in members:
            if not _member(api.document, entity, member):
                raise TableError(f"{place}: the schema has no member {member}; mend the name, here or in the spec.")
        for roles in (*row.only.values(), *row.writes.values()):
            _known(f"{place}: roles", roles, api.roles)
    for entity in api.conventions.references.values():
        if entity not in api.conventions.core:
            raise TableError(f"{_file(api.name, 'conventions')}: core: no entry for {entity}; add its core members.")


def _member(document: Mapping[str, Any], entity: str, path: str) -> Mapping[str, Any]:
    """The schema of a dotted member, looking through references and arrays; empty if there is none."""
    schemas = document["components"]["schemas"]
    schema: Mapping[str, Any] = schemas.get(entity, {})
    for name in path.split("."):
        schema = _plain(schemas, schema)
        if schema.get("type") == "array":
            schema = _plain(schemas, schema["items"])
        schema = schema.get("properties", {}).get(name, {})
    return _plain(schemas, schema)


def _plain(schemas: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _known(place: str, found: Iterable[str], right: Iterable[str]) -> None:
    right = list(right)
    for each in found:
        if each not in right:
            raise TableError(f"{place}: no {each!r}; there are: {', '.join(right)}.")


def _file(name: str, table: str) -> str:
    return f"specs/{name}/{table}.yaml"
