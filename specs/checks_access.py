"""What makes access.yaml wrong: beside the spec, beside the given matrix, and in itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from specs.forms import CHECKS
from specs.permissions import is_permission, is_right
from specs.places import file as file_of
from specs.places import known, member
from specs.tables import Api, TableError

COLUMNS = ("api", "collection", "capability", "operation_id", "method", "path")
FIRES = ("act", "upload")
MAY_FIRE = (*FIRES, "delete", "own")
OF_ONE = ("read", "update", "delete", "act", "upload", "download", "replace")
OF_NONE = ("list", "create", "sync", "attach")
# What code of the API's own does: it may read more of the path than the engine does.
OWN_CODE = ("act", "own")
METHOD = {"list": "GET", "read": "GET", "download": "GET", "replace": "PUT", "delete": "DELETE"}
WAYS = ("who", "needs", "open")
# A check of a request -> those that must have been passed before it can be made.
AFTER: Mapping[str, tuple[str, ...]] = {
    "scope": ("token",),
    "role": ("token",),
    "find": ("token", "scope"),
    "accept": ("find",),
    "body": ("media",),
    "state": tuple(check for check in CHECKS if check != "state"),
}

Row = Mapping[str, Any]


def access(home: str, access: Row, matrix: Mapping[str, Mapping[str, str]], paths: Mapping[str, Row]) -> None:
    """The spec, access.yaml and the given matrix speak of the same operations and roles."""
    file, rows, roles = file_of(home, "access"), access["operations"], list(access["roles"])
    _permissions(file, access)
    _scope(file, access, paths)
    for id in paths:
        if id not in rows:
            raise TableError(f"{file}: no row for {id}; add one (every operationId needs a row).")
    matrix_file = f"{home}/{access.get('matrix')}"
    _given(matrix_file, matrix, rows, roles)
    for id, row in rows.items():
        place, operation = f"{file}: {id}", row.get("at", id)
        if operation not in paths:
            raise TableError(f"{place}: the spec has no operation {operation}; add it there or drop the row.")
        _event(place, row)
        _callers(place, row, matrix.get(id), access)
        if "does" in row:
            _open(place, row, paths[id])
            _path(place, row, paths[id], access.get("scope", {}).get("parameter"))
    for id, given in matrix.items():
        path = paths[rows[id].get("at", id)]
        here, served = (f"{each['method']} {each['path']}" for each in (given, path))
        if here != served:
            raise TableError(f"{matrix_file}: {id}: {here}, but the spec has {served}; mend one of the two.")


def _given(file: str, matrix: Mapping[str, Mapping[str, str]], rows: Row, roles: list[str]) -> None:
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


def _permissions(file: str, access: Row) -> None:
    """Roles are names alone, or all of them sets of permissions; then a rule says how many of them are needed."""
    roles = access["roles"]
    if not isinstance(roles, Mapping):
        if "rule" in access:
            raise TableError(f"{file}: rule: the roles are no sets of permissions; make them such, or drop `rule`.")
        return
    if "rule" not in access:
        raise TableError(
            f"{file}: no 'rule'; say whether `any` of the permissions needed suffices, or `all` are needed."
        )
    for role, permissions in roles.items():
        for each in permissions:
            if not is_right(each):
                raise TableError(
                    f"{file}: roles: {role}: {each!r} is no permission; say resource.action, resource.* or *.*."
                )


def _scope(file: str, access: Row, paths: Mapping[str, Row]) -> None:
    """What rights hold in is named by a parameter that there is and a check looks at, or by none."""
    scope = access.get("scope", {})
    parameter = scope.get("parameter")
    if parameter is not None and not any(parameter in path["keys"] for path in paths.values()):
        raise TableError(f"{file}: scope: no path has {{{parameter}}}; mend `parameter`, here or in the spec.")
    if "kinds" in scope and parameter is None:
        raise TableError(f"{file}: scope: `kinds` without `parameter`; say which one is looked at, or drop `kinds`.")
    for word in filter(scope.__contains__, ("empty", "unbound")):
        known(f"{file}: scope: {word}", [scope[word]], access["roles"])
    checked = any(row["check"] == "scope" for row in access["refusals"])
    if checked and parameter is None:
        raise TableError(f"{file}: refusals: 'scope', but no `scope` with a `parameter`; add it, or drop the row.")
    if parameter is not None and not checked:
        raise TableError(f"{file}: refusals: 0 rows for 'scope'; keep exactly one.")


def _event(place: str, row: Row) -> None:
    does = row.get("does")
    if does in FIRES and "event" not in row:
        raise TableError(f"{place}: does {does} without an event; name the one of machines.yaml that it fires.")
    if "event" in row and does not in MAY_FIRE:
        raise TableError(f"{place}: {does or 'another media type'} fires no event; drop `event`, or mend `does`.")


def _callers(place: str, row: Row, given: Mapping[str, str] | None, access: Row) -> None:
    """One place says who may call it."""
    said = [way for way in WAYS if way in row]
    if given is not None and said:
        raise TableError(f"{place}: the given matrix decides; drop `{said[0]}`, or use an overlay.")
    sets = isinstance(access["roles"], Mapping)
    if given is None and not said:
        what = "say what it `needs`" if sets else "say `who` may call it"
        beyond = "not in the given matrix" if "matrix" in access else "nobody may call it"
        raise TableError(f"{place}: {beyond}; {what}, and the `source`.")
    if len(said) > 1:
        raise TableError(f"{place}: `{said[0]}` and `{said[1]}` both say who may call it; keep one.")
    if said and "source" not in row:
        raise TableError(f"{place}: `{said[0]}` without `source`; say where that comes from.")
    if "needs" in row and not sets:
        raise TableError(f"{place}: `needs`, but the roles are no sets of permissions; say `who`.")
    if "who" in row and sets:
        raise TableError(f"{place}: `who`, but the roles are sets of permissions; say `needs` ([]: any token will do).")
    for each in row.get("needs", ()):
        if not is_permission(each):
            raise TableError(f"{place}: needs: {each!r} is no permission; say resource.action.")
    known(f"{place}: who", row.get("who", ()), access["roles"])


def _open(place: str, row: Row, path: Row) -> None:
    if "open" in row and not path["open"]:
        raise TableError(f"{place}: `open`, but the spec asks for a token; say `security: []` there, or drop `open`.")
    if path["open"] and "open" not in row:
        raise TableError(f"{place}: the spec asks for no token; name its `security` there, or say `open: true` here.")


def _path(place: str, row: Row, path: Row, scope: str | None) -> None:
    """The path names the object above, and the object itself, where there are such, and nothing else."""
    does, served = row["does"], f"{path['method']} {path['path']}"
    if path["method"] != METHOD.get(does, path["method"]):
        raise TableError(f"{place}: {does} is a {METHOD[does]}, but the spec has {served}; mend one of the two.")
    if does == "attach" and "below" not in row:
        raise TableError(f"{place}: attach without `below`; name the entity that it is attached to.")
    keys = [key for key in path["keys"] if key != scope]
    if "below" in row and not keys:
        raise TableError(f"{place}: {served} names no {row['below']} above; drop `below`, or mend the path.")
    names = keys[1:] if "below" in row else keys
    if does in OF_ONE and not names:
        what = f"no {row['entity']} to {does}" + (" below one" if "below" in row else "")
        raise TableError(f"{place}: {served} names {what}; mend the path, `below` or `does`.")
    most = 1 if does in OF_ONE else 0
    if does not in OWN_CODE and len(names) > most:
        left = ", ".join(f"{{{name}}}" for name in names[most:])
        raise TableError(f"{place}: {served}: `{does}` has no use for {left}; mend `below`, `does` or the path.")


def scope(api: Api) -> None:
    """What rights hold in has ids, and the member that tells its kind."""
    file, found = file_of(api.home, "access"), api.scope
    if found is None:
        return
    if found.entity not in api.conventions.ids:
        place = file_of(api.home, "conventions")
        raise TableError(f"{place}: ids: no entry for {found.entity}, which the scope of access.yaml names; add one.")
    if found.kinds is None:
        return
    schemas = api.document["components"].get("schemas", {})
    schema = api.visibility[found.entity].schema if found.entity in api.visibility else found.entity
    # Its records need not be shown by any operation; where they are, the schema is held to.
    if schema in schemas and member(api.document, schema, found.kinds) is None:
        raise TableError(
            f"{file}: scope: {found.entity} has no member {found.kinds}; mend `kinds`, here or in the spec."
        )


def refusals(api: Api) -> None:
    """A row for each check that is made, in an order in which they can be."""
    file, checks = file_of(api.home, "access"), [str(row["check"]) for row in api.refusals]
    needed = ["token", "role", "query", "find"]
    needed += ["media", "body"] if _reads_bodies(api) else []
    needed += ["state"] if api.machines else []
    for check in CHECKS:
        if checks.count(check) > 1 or (check in needed and not checks.count(check)):
            raise TableError(f"{file}: refusals: {checks.count(check)} rows for {check!r}; keep exactly one.")
    _in_order(file, checks)


def _in_order(file: str, checks: Sequence[str]) -> None:
    for number, check in enumerate(checks):
        for before in AFTER.get(check, ()):
            if before in checks[number:]:
                raise TableError(f"{file}: refusals: {check!r} can be checked only after {before!r}; put it there.")


def _reads_bodies(api: Api) -> bool:
    return any(
        "requestBody" in each
        for item in api.document["paths"].values()
        for each in item.values()
        if isinstance(each, dict)
    )
