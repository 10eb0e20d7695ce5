"""What the records of an API may hold, for telling whether one that came from elsewhere can be served.

What is shown of a record, the spec's schema says; of all else, `records.yaml` does, the server's and the API's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from mockserver import plugins
from mockserver.scenario import nearest
from mockserver.seeding import Kind
from mockserver.service import Service
from mockserver.store import Record, at
from mockserver.values import Unreadable
from mockserver.work import Workflows, key_of
from specs.tables import DERIVED, Api

_ID = re.compile(r"[!-~]{1,200}")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
# What describes a file becomes a header.
_MEDIA = re.compile(r"[!-~][ -~]{0,199}")
_NULL = " or null"
_WHOLE = 10**12
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "whole": (lambda value: type(value) is int and abs(value) <= _WHOLE, "a whole number"),
    "amount": (lambda value: type(value) is Decimal or (type(value) is int and abs(value) < 10**18), "an amount"),
    "flag": (lambda value: type(value) is bool, "true or false"),
    "bytes": (lambda value: type(value) is bytes, "bytes"),
    "text": (lambda value: type(value) is str, "a text"),
    "texts": (lambda value: _is_tuple(value, str), "a tuple of texts"),
    "amounts": (lambda value: _is_tuple(value, Decimal), "a tuple of amounts"),
    "any": (lambda value: True, "anything"),
}


class Members:
    """What each entity's records may hold."""

    @staticmethod
    @lru_cache(maxsize=8)
    def of(service: Service) -> Members:
        """Those of the API that a service serves."""
        return Members(service.api, service.plugin.workflows)

    def __init__(self, api: Api, workflows: Workflows) -> None:
        self._api, self._workflows = api, workflows
        stored = [entity for entity, table in api.visibility.items() if table.rows != DERIVED]
        self._stored = frozenset(stored)
        self._kinds: dict[str, Kind] = {}
        package = plugins.brought(api.name)
        places = [Path(__file__).parent]
        places += [Path(package.__file__).parent] if package is not None and package.__file__ else []
        self._tables: dict[str, Mapping[str, str]] = {entity: {} for entity in stored}
        for place in places:
            if (path := place / "records.yaml").exists():
                self._tables |= yaml.safe_load(path.read_text(encoding="utf-8"))

    def unknown(self, entity: str) -> str | None:
        """What is wrong with the name of an entity, and what would be right; None: there is one."""
        if entity in self._tables:
            return None
        return f"{self._api.name} has no {entity[:80]!r}; {nearest(entity[:80], self._tables)}"

    def check(self, entity: str, record: Record) -> None:
        """See that a record can be one of an entity that there is. Raises Unreadable with the place in the record."""
        kind = self._kind(entity)
        if (_NAME if kind is None else _ID).fullmatch(record["id"]) is None:
            raise Unreadable("id", f"{record['id'][:80]!r} is no id.")
        shown = frozenset[str]() if kind is None else kind.shown
        table = self._tables[entity]
        for name, value in record.items():
            if name in shown:
                _plainly(value, name)
            else:
                _fit(value, name, table)
        if kind is not None:
            self._shown(entity, kind, record)
        if entity == "Job":
            self._job(record)

    def _kind(self, entity: str) -> Kind | None:
        """What the spec says of an entity, if it shows any; each is compiled when it is first asked for."""
        if entity in self._stored and entity not in self._kinds:
            self._kinds[entity] = Kind.of(self._api, entity)
        return self._kinds.get(entity)

    def _shown(self, entity: str, kind: Kind, record: Record) -> None:
        for key in kind.keys:
            if record.get(key, record["id"]) != record["id"]:
                raise Unreadable(key, "is not the record's id.")
        for path in kind.told:
            if not isinstance(at(record, path), str):
                raise Unreadable(path, f"is missing; it says whose the {entity} is.")
        for place, messages in kind.faults(record):
            raise Unreadable(place, f"{messages[0].rstrip('.')}; mend it as {kind.schema} in the spec says.")
        if kind.machine is not None:
            state = at(record, kind.machine.field)
            if state not in kind.machine.states:
                raise Unreadable(kind.machine.field, f"no state {state!r}; {nearest(str(state), kind.machine.states)}")
        if "contentType" in record and not _MEDIA.fullmatch(str(record["contentType"])):
            raise Unreadable("contentType", "is no media type, such as application/pdf.")

    def _job(self, record: Record) -> None:
        machine = self._api.machines.get(str(record.get("entity")))
        events = () if machine is None else [row.event for row in machine.rows]
        known: dict[str, Iterable[str]] = {"job": self._workflows.jobs, "entity": self._tables, "otherwise": events}
        for name in ("job", "entity", "subject", "reads"):
            if name not in record:
                raise Unreadable(name, "is missing.")
        for name, there in known.items():
            if name in record and record[name] not in there:
                raise Unreadable(name, f"there is no {str(record[name])[:80]!r}; {nearest(str(record[name]), there)}")

    def parents(self, entity: str) -> Mapping[str, str]:
        """The entities below which an entity's records may lie -> the dotted member that holds the parent's id."""
        kind = self._kind(entity)
        return {} if kind is None else {parent: f"{key_of(parent)}.id" for parent in kind.parents}


def _plainly(value: Any, place: str) -> None:
    """See that what is shown is of the kinds that JSON has, and amounts."""
    if type(value) is dict:
        for name, each in value.items():
            _plainly(each, f"{place}.{name[:80]}")
    elif type(value) is list:
        for number, each in enumerate(value):
            _plainly(each, f"{place}[{number}]")
    elif type(value) in (bytes, tuple):
        raise Unreadable(place, "is shown to callers, so it is plain JSON or an amount.")


def _fit(value: Any, place: str, table: Mapping[str, str], path: str = "") -> None:
    """See that what is not shown is as the table says."""
    path = path or place
    said = table.get(path)
    if said is not None:
        holds, name = _KINDS[said.removesuffix(_NULL)]
        if not (holds(value) or (value is None and said.endswith(_NULL))):
            raise Unreadable(place, f"must be {name}.")
    elif type(value) is dict:
        for name, each in value.items():
            _fit(each, f"{place}.{name[:80]}", table, f"{path}.{name}")
    elif type(value) is list:
        for number, each in enumerate(value):
            _fit(each, f"{place}[{number}]", table, path)
    elif type(value) is not str:
        raise Unreadable(place, "must be a text, or an object or a list of texts.")


def _is_tuple(value: Any, of: type) -> bool:
    return type(value) is tuple and all(type(each) is of for each in value)
