"""What makes a table wrong. Each check raises TableError: one line with file, entry and mend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from specs.documents import METHODS
from specs.forms import CHECKS, faults
from specs.tables import ALL, PARENT, Api, Machine, TableError, Transition

COLUMNS = ("api", "collection", "capability", "operation_id", "method", "path")
FIRES = ("act", "upload")
MAKES = ("create", "attach", "sync")


def shapes(name: str, raw: Mapping[str, Any]) -> None:
    """Every table has the entries that its reader expects and no others, and the spec is one that can be served."""
    for table in ("access", "machines", "visibility", "conventions"):
        for fault in faults(table, raw[table]):
            raise TableError(f"{_file(name, table)}: {fault}")
    found = [row["check"] for row in raw["access"]["refusals"]]
    for check in CHECKS:
        if found.count(check) != 1:
            raise TableError(
                f"{_file(name, 'access')}: refusals: {found.count(check)} rows for {check!r}; keep exactly one."
            )
    document(name, raw["document"])


def document(name: str, content: Any) -> None:
    """The spec has what its readers rely on: names of operations, a success each, references that lead somewhere."""
    file = _file(name, "openapi")
    for word, kind in {"servers": list, "paths": dict, "components": dict}.items():
        if not isinstance(content, dict) or not isinstance(content.get(word), kind) or not content[word]:
            raise TableError(f"{file}: no {word}; an OpenAPI document needs them.")
    if not isinstance(content["servers"][0], dict) or not isinstance(content["servers"][0].get("url"), str):
        raise TableError(f"{file}: servers: the first has no url; say what all paths begin with.")
    homes: dict[str, str] = {}
    for path, item in content["paths"].items():
        if not isinstance(item, dict):
            raise TableError(f"{file}: {path}: say which methods there are.")
        for method in filter(item.__contains__, METHODS):
            place = f"{method.upper()} {path}"
            id = _operation(f"{file}: {place}", item[method])
            if id in homes:
                raise TableError(f"{file}: {place}: {id} is the operationId of {homes[id]} too; give each its own.")
            homes[id] = place
    for reference in sorted(set(re.findall(rb'"\$ref":"([^"]+)"', orjson.dumps(content)))):
        _leads_somewhere(file, content, reference.decode())


def _operation(place: str, operation: Any) -> str:
    """The operationId of an operation that has all that is read of it."""
    for word, kind in {"operationId": str, "tags": list, "summary": str, "responses": dict}.items():
        if not isinstance(operation, dict) or not isinstance(operation.get(word), kind) or not operation[word]:
            raise TableError(f"{place}: no {word}; add it.")
    for status in operation["responses"]:
        if not re.fullmatch("[1-5][0-9][0-9]", status):
            raise TableError(f"{place}: responses: {status!r} is no status; name each one that it answers.")
    if not any(status < "400" for status in operation["responses"]):
        raise TableError(f"{place}: responses: no success; add the status below 400 that it answers.")
    return str(operation["operationId"])


def _leads_somewhere(file: str, content: Mapping[str, Any], reference: str) -> None:
    passed = set()
    while True:
        found: Any = content
        # Assembled, a document refers to itself alone; anything else is a site that nobody reads.
        for step in reference.removeprefix("#/").split("/") if reference.startswith("#/") else [reference]:
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or step not in found:
                raise TableError(f"{file}: the reference {reference} leads nowhere; mend it, or add what it names.")
            found = found[step]
        passed.add(reference)
        if not isinstance(found, dict) or not isinstance(found.get("$ref"), str):
            return
        reference = found["$ref"]
        if reference in passed:
            raise TableError(f"{file}: the reference {reference} leads back to itself; say what it is.")


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
    matrix_file = f"specs/{name}/{access.get('matrix')}"
    _given(matrix_file, matrix, rows, roles)
    for id, row in rows.items():
        home = row.get("at", id)
        if home not in paths:
            raise TableError(f"{file}: {id}: the spec has no operation {home}; add it there or drop the row.")
        _event(f"{file}: {id}", row)
        if id not in matrix and "who" not in row:
            raise TableError(f"{file}: {id}: not in the given matrix; say `who` may call it, and the `source`.")
        if "who" in row and "source" not in row:
            raise TableError(f"{file}: {id}: `who` without `source`; say where that comes from.")
        if id in matrix and "who" in row:
            raise TableError(f"{file}: {id}: the given matrix decides; drop `who`, or use an overlay.")
        _known(f"{file}: {id}: who", row.get("who", ()), roles)
    for id, given in matrix.items():
        path = paths[rows[id].get("at", id)]
        here, served = (f"{each['method']} {each['path']}" for each in (given, path))
        if here != served:
            raise TableError(f"{matrix_file}: {id}: {here}, but the spec has {served}; mend one of the two.")


def _given(file: str, matrix: Mapping[str, Mapping[str, str]], rows: Mapping[str, Any], roles: list[str]) -> None:
    """The given matrix has a cell for each role, and a row of access.yaml for each of its own."""
    columns = (*COLUMNS, *roles)
    for id, given in matrix.items():
        for column in given:
            if column not in columns:
                what = "a cell beyond the last column" if column is None else f"the column {column!r}"
                raise TableError(f"{file}: {id}: {what}; there are: {', '.join(columns)}.")
        for column in COLUMNS:
            if not given.get(column):
                raise TableError(f"{file}: {id}: nothing under {column!r}; fill it in.")
        if id not in rows:
            raise TableError(f"{file}: {id} has no row in access.yaml; add one.")
        for role in roles:
            if given.get(role) not in ("allow", "deny"):
                raise TableError(f"{file}: {id}: {role} is {given.get(role)!r}; say allow or deny.")


def _event(place: str, row: Mapping[str, Any]) -> None:
    does = row.get("does")
    if does in FIRES and "event" not in row:
        raise TableError(f"{place}: does {does} without an event; name the one of machines.yaml that it fires.")
    if "event" in row and does not in (*FIRES, "delete"):
        raise TableError(f"{place}: {does or 'another media type'} fires no event; drop `event`, or mend `does`.")


def machines(api: Api) -> None:
    """Every state can be reached, and left unless it is final, and no event is torn between two ends."""
    for entity, machine in api.machines.items():
        place = f"{_file(api.name, 'machines')}: {entity}"
        state = _member(api.document, entity, machine.field)
        if not state:
            raise TableError(f"{place}: the schema has no member {machine.field}; mend the name, here or in the spec.")
        if "enum" in state:
            _known(f"{place}: states", machine.states, state["enum"])
        for row in machine.rows:
            for member, value in row.when.items():
                known = _member(api.document, entity, member)
                if not known:
                    raise TableError(f"{place}: {row.id}: when: the schema has no member {member}; mend the name.")
                _known(f"{place}: {row.id}: when: {member}", [value], known.get("enum", [value]))
            _otherwise(f"{place}: {row.id}", machine, row)
        _no_dead_ends(place, machine)
        _no_doubt(place, machine)
    _fired(api)


def _fired(api: Api) -> None:
    """Operations fire events that there are, and every event that is not the system's has an operation."""
    fired = set()
    for operation in api.operations.values():
        owner = api.machines.get(operation.entity)
        place = f"{_file(api.name, 'access')}: {operation.id}"
        if operation.event is None:
            continue
        if owner is None:
            raise TableError(f"{place}: {operation.entity} has no machine; drop `event` or add one to machines.yaml.")
        _known(f"{place}: event", [operation.event], dict.fromkeys(row.event for row in owner.rows if not row.system))
        fired.add((operation.entity, operation.event))
    for entity, machine in api.machines.items():
        for row in machine.rows:
            if not row.system and (entity, row.event) not in fired:
                place = f"{_file(api.name, 'machines')}: {entity}: {row.id}"
                raise TableError(f"{place}: no operation fires {row.event!r}; say `by: system`, or mend access.yaml.")


def _no_dead_ends(place: str, machine: Machine) -> None:
    left = {start for row in machine.rows for start in row.starts}
    reached, size = {machine.initial}, 0
    while size < len(reached):
        size = len(reached)
        reached |= {row.end for row in machine.rows if reached.intersection(row.starts)}
    for state in machine.states:
        if state not in left and state not in machine.final:
            raise TableError(f'{place}: no way out of "{state}"; add a row from it, or list it under final.')
        if state not in reached:
            raise TableError(f'{place}: no way from "{machine.initial}" to "{state}"; add a row, or drop the state.')
    for row in machine.rows:
        for start in row.starts:
            if start in machine.final:
                raise TableError(f'{place}: {row.id} leaves "{start}", which is final; drop one of the two.')


def _no_doubt(place: str, machine: Machine) -> None:
    for number, row in enumerate(machine.rows):
        for other in machine.rows[:number]:
            if row.id == other.id:
                raise TableError(f"{place}: two rows called {row.id}; rename one.")
            both = [start for start in row.starts if start in other.starts]
            # Two conditions exclude each other only where they want different values of one member.
            apart = any(other.when.get(member, value) != value for member, value in row.when.items())
            if row.event == other.event and both and not apart:
                raise TableError(f'{place}: {other.id} and {row.id} both lead {row.event} from "{both[0]}"; keep one.')


def _otherwise(place: str, machine: Machine, row: Transition) -> None:
    """What happens when the job of a row fails is an event of the system's that leaves the row's end."""
    if row.otherwise is None:
        return
    if row.then is None:
        raise TableError(f"{place}: `else` without `then`; name the job that may fail, or drop it.")
    ways = [each.event for each in machine.rows if each.system and row.end in each.starts]
    _known(f"{place}: else", [row.otherwise], ways)


def entities(api: Api) -> None:
    """Every entity that an operation touches has a schema and a visibility; every member named exists."""
    file = _file(api.name, "visibility")
    for operation in api.operations.values():
        for entity in filter(None, (operation.entity, operation.below)):
            if entity not in api.visibility:
                raise TableError(f"{file}: no entry for {entity}, which {operation.id} shows; add one.")
        if operation.below is None and api.visibility[operation.entity].rows == PARENT:
            raise TableError(f"{file}: {operation.entity}: rows: {operation.id} has no object above; name the roles.")
    for entity, row in api.visibility.items():
        place = f"{file}: {entity}"
        if entity not in api.document["components"]["schemas"]:
            raise TableError(f"{place}: the spec has no schema of that name; mend the name, here or there.")
        members = [*row.only, *row.writes, *row.omits["list"], *row.omits["read"]]
        if not isinstance(row.rows, str):
            _known(f"{place}: rows", row.rows, api.roles)
            members += [member for member in row.rows.values() if member != ALL]
        for member in members:
            if not _member(api.document, entity, member):
                raise TableError(f"{place}: the schema has no member {member}; mend the name, here or in the spec.")
        for roles in (*row.only.values(), *row.writes.values()):
            _known(f"{place}: roles", roles, api.roles)
    conventions(api)


def conventions(api: Api) -> None:
    """What has an id, a title or an upload elsewhere has its words here."""
    file, found = _file(api.name, "conventions"), api.conventions
    for entity in found.references.values():
        if entity not in found.core:
            raise TableError(f"{file}: core: no entry for {entity}; add its core members.")
    owners: dict[str, str] = {}
    for entity, identifier in found.ids.items():
        other = owners.setdefault(identifier.prefix, entity)
        if other != entity:
            raise TableError(f"{file}: ids: {identifier.prefix} begins ids of {other} and {entity}; tell them apart.")
    for operation in api.operations.values():
        if operation.does in MAKES and operation.entity not in found.ids:
            raise TableError(f"{file}: ids: no entry for {operation.entity}, which {operation.id} makes; add one.")
        if operation.does == "upload" and operation.id not in found.uploads:
            raise TableError(f"{file}: uploads: no entry for {operation.id}; say which media it accepts.")
    _known(f"{file}: uploads", found.uploads, [each.id for each in api.operations.values() if each.does == "upload"])
    for row in api.refusals:
        if str(row["status"]) not in found.errors["titles"]:
            raise TableError(f"{file}: errors.titles: no title for {row['status']}; add it.")
    if found.paging["default"] > found.paging["cap"]:
        raise TableError(f"{file}: paging: the default is larger than the cap; mend one of the two.")


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
