"""Overlays: files that grant or deny cells of an API's matrix, each with its reason: deployments differ.

    billing:
      grant:
        - {operation: createJournalAttachment, role: operations, reason: the vendor's own tests do it}
      deny:
        - {operation: updateInvoice, role: client, reason: no update at all in the newest release}
      refuse:
        - {operation: uploadJournalCharges, media: text/csv, reason: the vendor reads no CSV}
    credits:
      rule: {is: all, reason: this deployment asks for every permission that an operation names}

The given matrix stays as it came; whatever prints it shows what an overlay changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from specs.permissions import RULES
from specs.tables import Api, Capability, Operation, TableError, holders, names, read

VERBS = ("grant", "deny", "refuse", "rule")
CELL = ("operation", "role", "reason")
MEDIA = ("operation", "media", "reason")
RULE = ("is", "reason")


def apply(api: Api, path: Path) -> Api:
    """The API with the cells that the file changes. Raises TableError: one line with file, entry and mend."""
    content = read(path)
    if not isinstance(content, Mapping) or not content:
        raise TableError(f"{path}: empty; name an API ({', '.join(names())}) and what to grant, deny or refuse.")
    for name in content:
        if name not in (*names(), api.name):
            raise TableError(f"{path}: no API {name!r}; there are: {', '.join(names())}.")
    part = content.get(api.name, {})
    if not isinstance(part, Mapping):
        raise TableError(f"{path}: {api.name}: say what to grant, deny or refuse; a list stands under each.")
    for verb in part:
        if verb not in VERBS:
            raise TableError(f"{path}: {api.name}: no {verb!r}; there are: {', '.join(VERBS)}.")
    if "rule" in part:
        # First, so that what is granted and denied beside it has the last word.
        api = _ruled(api, f"{path}: {api.name}.rule", part["rule"])
    operations = dict(api.operations)
    said: dict[tuple[str, str], str] = {}
    for verb in ("grant", "deny"):
        for place, row in _rows(path, api.name, verb, part.get(verb, []), CELL):
            if row["role"] not in api.roles:
                raise TableError(f"{place}: no role {row['role']!r}; there are: {', '.join(api.roles)}.")
            home = _home(api, place, row["operation"])
            if operations[home].open:
                raise TableError(f"{place}: {home} asks nobody for a token; there is nothing to grant or deny.")
            before = said.setdefault((row["operation"], row["role"]), place)
            if before != place:
                raise TableError(f"{place}: {before} names the same cell; keep one.")
            operations[home] = _changed(operations[home], row, verb == "grant")
    uploads = {id: dict(row) for id, row in api.conventions.uploads.items()}
    for place, row in _rows(path, api.name, "refuse", part.get("refuse", []), MEDIA):
        accepts = uploads.get(row["operation"], {}).get("accepts", [])
        if row["media"] not in accepts:
            there = ", ".join(f"{id} {media}" for id, each in uploads.items() for media in each["accepts"])
            raise TableError(f"{place}: {row['operation']} does not read {row['media']}; there are: {there}.")
        upload = uploads[row["operation"]]
        upload["accepts"] = [media for media in accepts if media != row["media"]]
        upload["refused"] = upload.get("refused", {}) | {row["media"]: _line(row["reason"])}
    return replace(
        api,
        operations=MappingProxyType(operations),
        conventions=replace(api.conventions, uploads=MappingProxyType(uploads)),
    )


def _rows(path: Path, api: str, verb: str, rows: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, str]]]:
    if not isinstance(rows, list):
        raise TableError(f"{path}: {api}.{verb}: a list of {{{', '.join(keys)}}} stands here.")
    for number, row in enumerate(rows):
        place = f"{path}: {api}.{verb}[{number}]"
        yield place, _row(place, row, keys)


def _row(place: str, row: Any, keys: tuple[str, ...]) -> Mapping[str, str]:
    """The row, which has a text under each of these keys and nothing else."""
    if not isinstance(row, Mapping):
        raise TableError(f"{place}: say {{{', '.join(keys)}}}.")
    for key in keys:
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise TableError(f"{place}: no `{key}`; say {{{', '.join(keys)}}}.")
    for key in row:
        if key not in keys:
            raise TableError(f"{place}: no {key!r} belongs here; say {{{', '.join(keys)}}}.")
    return row


def _ruled(api: Api, place: str, row: Any) -> Api:
    """The API with its permissions read by another rule: the cells that differ by it turn, the others stay."""
    row = _row(place, row, RULE)
    if not api.permissions:
        raise TableError(f"{place}: the roles of {api.name} are no sets of permissions; grant or deny single cells.")
    if row["is"] not in RULES:
        raise TableError(f"{place}: no {row['is']!r}; there are: {', '.join(RULES)}.")
    if row["is"] == api.rule:
        return api
    reason = _line(row["reason"])

    def turned(capability: Capability) -> Capability:
        before, now = (set(holders(api.permissions, capability.needs, rule)) for rule in (api.rule, row["is"]))
        for role in (each for each in api.roles if each in before ^ now):
            capability = _cell(capability, role, role in now, reason)
        return capability

    operations = {
        id: operation
        if operation.open
        else replace(operation, capabilities=tuple(turned(each) for each in operation.capabilities))
        for id, operation in api.operations.items()
    }
    # What an earlier overlay turned and this one turns back is as it was given.
    return replace(api, operations=MappingProxyType(operations), rule=row["is"], ruled="" if api.ruled else reason)


def _home(api: Api, place: str, id: str) -> str:
    """The operation that carries the capability `id`."""
    for capability in api.capabilities:
        if capability.id == id:
            return capability.operation
    from difflib import get_close_matches

    near = get_close_matches(id, [capability.id for capability in api.capabilities], n=3)
    hint = f"; did you mean {' or '.join(near)}" if near else ""
    raise TableError(f"{place}: no operation {id!r}{hint}.")


def _changed(operation: Operation, row: Mapping[str, str], allowed: bool) -> Operation:
    return replace(
        operation,
        capabilities=tuple(
            _cell(each, row["role"], allowed, _line(row["reason"])) if each.id == row["operation"] else each
            for each in operation.capabilities
        ),
    )


def _cell(capability: Capability, role: str, allowed: bool, reason: str) -> Capability:
    if (role in capability.roles) is allowed:
        return capability
    others = tuple(change for change in capability.overlays if change[0] != role)
    # What an earlier overlay changed and this one changes back is as it was given: nothing to show.
    changes = others if others != capability.overlays else (*others, (role, allowed, reason))
    return replace(
        capability,
        roles=capability.roles | {role} if allowed else capability.roles - {role},
        overlays=changes,
    )


def _line(reason: str) -> str:
    """A reason in one line, however it was written."""
    return " ".join(reason.split())
