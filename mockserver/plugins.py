"""What an API brings in code, looked up by its name: `mockserver.apis.<api>` and its modules, all of them optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from types import ModuleType

from mockserver.service import Plugin
from mockserver.work import Workflows, key_of
from specs.tables import ALL, DERIVED, Api

HOME = "mockserver.apis"


def plugin(api: Api) -> Plugin:
    """The API's plugin, or an empty one, with every index that the engine looks rows up by."""
    module, package = brought(api.name, "plugin"), brought(api.name)
    if module is not None:
        found: Plugin = module.PLUGIN
    else:
        found = Plugin(workflows=getattr(package, "WORKFLOWS", Workflows()), indexes=getattr(package, "INDEXES", {}))
    return replace(
        found,
        indexes=_joined(found.indexes, _needed(api)),
        handlers=found.handlers or brought(api.name, "handlers"),
    )


def brought(api: str, module: str = "") -> ModuleType | None:
    """A module of an API's code, or its package itself; None if it has none."""
    name = f"{HOME}.{api}.{module}".rstrip(".")
    try:
        return import_module(name)
    except ModuleNotFoundError as missing:
        # Whatever else is missing is missing in code that is there, which is a fault of ours.
        if missing.name is not None and f"{name}.".startswith(f"{missing.name}.") and missing.name != HOME:
            return None
        raise


def _needed(api: Api) -> dict[str, list[str]]:
    """entity -> the members that say whose a row is, and below what it lies."""
    found: dict[str, list[str]] = {}
    for entity, table in api.visibility.items():
        if not isinstance(table.rows, str):
            found.setdefault(entity, []).extend(member for member in table.rows.values() if member != ALL)
    for operation in api.operations.values():
        shown = api.visibility.get(operation.entity)
        if operation.below is not None and shown is not None and shown.rows != DERIVED:
            found.setdefault(operation.entity, []).append(f"{key_of(operation.below)}.id")
    return found


def _joined(own: Mapping[str, Sequence[str]], needed: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {
        entity: tuple(dict.fromkeys([*own.get(entity, ()), *needed.get(entity, ())]))
        for entity in dict.fromkeys([*own, *(entity for entity, members in needed.items() if members)])
    }
