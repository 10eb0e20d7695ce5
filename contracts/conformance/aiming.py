"""Where generated requests are aimed: at what the caller can see, or at what the run made, so that no 404 hides the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from contracts.oracle import ADDRESS, Oracle
from contracts.probe import Blocked, Probe
from contracts.wire import Caller, Request
from specs.tables import Operation

PARENTS = 3
"""Objects that are looked below at most, until one has something there."""
OURS = frozenset({"user-agent", "x-schemathesis-testcaseid", "accept-encoding", "accept", "connection", "content-length"})
"""Headers that the tool adds for itself."""


def seen(p: Probe, operation: Operation, caller: Caller) -> dict[str, str]:
    """Values for the path of a reading that lead to something the caller can see; ids of nothing where there is nothing."""
    if operation.key is None and operation.parent is None:
        return {}
    first = operation.below or operation.entity
    for id in list(_ids(p, first, caller))[:PARENTS]:
        if operation.below is None or operation.key is None:
            return {(operation.parent or operation.key or ""): id}
        for row in _below(p, operation, caller, id):
            return {(operation.parent or ""): id, operation.key: str(row[p.key(operation.entity)])}
    return p.ghosts(operation)


def _ids(p: Probe, entity: str, caller: Caller) -> Iterator[str]:
    """What the settings name as the caller's, then what lists show, then what is lent."""
    known = p.settings.known.get(p.api.name, {}).get(caller.name, {}).get("own", {})
    yield from known.get(entity, ())
    if entity in p.api.visibility:
        key = p.key(entity)
        yield from (str(row[key]) for row in p.facts.seen(entity, caller) if row.get(key) is not None)
    yield from p.settings.lend.get(p.api.name, {}).get(entity, ())


def _below(p: Probe, operation: Operation, caller: Caller, parent: str) -> list[Mapping[str, Any]]:
    listing = p.lists(operation.entity, operation.below)
    if listing is None or caller.role not in listing.roles:
        return []
    try:
        rows = p.facts.rows(listing, caller, {listing.parent or "": parent})
    except Blocked:
        return []
    return [row for row in rows if row.get(p.key(operation.entity)) is not None]


def fitted(case: Any, params: Mapping[str, str]) -> dict[str, str] | None:
    """The values of a case's path: these, but for the one that was generated wrong. None where no such path can be sent."""
    filled = dict(params)
    meta = case.meta
    for name, value in case.path_parameters.items():
        if _is_wrong(meta, name):
            filled[name] = unquote(str(value))
    if not all(value.strip("./") and "/" not in value for value in filled.values()):
        return None
    case.path_parameters = {name: quote(value, safe="") for name, value in filled.items()}
    return filled


def _is_wrong(meta: Any, name: str) -> bool:
    from schemathesis.core.parameters import ParameterLocation

    data = meta.phase.data
    if not meta.is_negative_at(ParameterLocation.PATH):
        return False
    named = {each.parameter for each in data.mutations if each.parameter_location is ParameterLocation.PATH}
    return name in ({data.parameter} | named) - {None} or named == {None}


def request(p: Probe, operation: Operation, caller: Caller, case: Any, params: Mapping[str, str]) -> Request:
    """The case as a call of the run: its own query, headers and body, and the run's own path."""
    from schemathesis.config import SanitizationConfig
    from schemathesis.transport.prepare import prepare_request

    made = prepare_request(case, None, config=SanitizationConfig(enabled=False))
    headers = {name.lower(): str(value) for name, value in made.headers.items() if name.lower() not in OURS}
    headers |= {name.lower(): str(value) for name, value in case.headers.items()}
    content = made.body.encode() if isinstance(made.body, str) else made.body
    aimed = p.request(operation, caller, params, content=content, headers=headers)
    return Request(aimed.method, aimed.path, urlsplit(str(made.url)).query, aimed.headers, aimed.content)


def as_meant(p: Probe, operation: Operation, sent: Request, case: Any) -> Request:
    """The call as if it had gone to the paths of the spec, whatever paths the deployment has."""
    from schemathesis.transport.prepare import prepare_path

    prefix = re.sub(r"/+$", "", urlsplit(Oracle.base(p.api)).path)
    path = prefix + prepare_path(case.path, case.path_parameters)
    return Request(sent.method, path, sent.query, sent.headers, sent.content)


__all__ = ["ADDRESS", "as_meant", "fitted", "request", "seen"]
