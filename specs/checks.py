"""What makes a table wrong. Each check raises TableError: one line with file, entry and mend.

`shapes` holds for each table alone, `operations` for access.yaml beside the spec, `whole` for all of them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specs.checks_access import access as operations
from specs.checks_access import refusals, scope
from specs.checks_document import document
from specs.checks_machines import machines
from specs.checks_wording import bases, files, filters, ids, wording
from specs.forms import faults
from specs.places import file, known, member
from specs.tables import ALL, ANY, DERIVED, PARENT, Api, Operation, TableError, Visibility

__all__ = ["operations", "shapes", "whole"]
COMPUTED = ("list", "own")


def shapes(home: str, raw: Mapping[str, Any]) -> None:
    """Every table has the entries that its reader expects and no others, and the spec is one that can be served."""
    for table in ("access", "machines", "visibility", "conventions"):
        for fault in faults(table, raw[table]):
            raise TableError(f"{file(home, table)}: {fault}")
    document(home, raw["document"])


def whole(api: Api) -> None:
    """What the tables say of each other and of the document holds."""
    machines(api)
    entities(api)
    refusals(api)
    scope(api)
    ids(api)
    files(api)
    bases(api)
    filters(api)
    wording(api)


def entities(api: Api) -> None:
    """Every entity that an operation touches has a schema and a visibility; every member named exists."""
    place = file(api.home, "visibility")
    for operation in api.operations.values():
        for entity in filter(None, (operation.entity, operation.below)):
            if entity not in api.visibility:
                raise TableError(f"{place}: no entry for {entity}, which {operation.id} shows; add one.")
        _rows_that_can_be_found(place, api, operation)
    for entity, row in api.visibility.items():
        _members(f"{place}: {entity}", api, row)
    access = file(api.home, "access")
    for refusal in api.refusals:
        known(f"{access}: refusals: {refusal['check']}: of", refusal.get("of", ()), api.visibility)


def _rows_that_can_be_found(place: str, api: Api, operation: Operation) -> None:
    rows = api.visibility[operation.entity].rows
    if operation.below is None and rows == PARENT:
        raise TableError(f"{place}: {operation.entity}: rows: {operation.id} has no object above; name the roles.")
    if rows == DERIVED and operation.does not in COMPUTED:
        raise TableError(
            f"{place}: {operation.entity}: rows: derived rows are not stored, so {operation.id} finds nothing to "
            f"{operation.does}; name the roles, or say `does: own` in access.yaml."
        )
    if operation.below is not None and isinstance(api.visibility[operation.below].rows, str):
        # Whose an object is must be said by itself: one level of `parent` is looked up, and no more.
        raise TableError(f"{place}: {operation.below}: rows: {operation.id} is below it; name the roles that see it.")


def _members(place: str, api: Api, row: Visibility) -> None:
    """The members that a row names, in the schema that it names."""
    if row.schema not in api.document["components"].get("schemas", {}):
        raise TableError(
            f"{place}: the spec has no schema {row.schema}; mend the name, here or there, or say `schema`."
        )
    members = [*row.only, *row.writes, *row.omits["list"], *row.omits["read"]]
    if not isinstance(row.rows, str):
        known(f"{place}: rows", row.rows, (*api.roles, ANY))
        # What the path says need not be said again in the object.
        beside = (ALL, api.scope.parameter if api.scope else None)
        members += [each for each in row.rows.values() if each not in beside]
    for each in members:
        if member(api.document, row.schema, each) is None:
            raise TableError(f"{place}: the schema has no member {each}; mend the name, here or in the spec.")
    for roles in (*row.only.values(), *row.writes.values()):
        known(f"{place}: roles", roles, api.roles)
