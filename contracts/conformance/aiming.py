"""Where generated requests are aimed: at what the caller can see, or the run made, so that no 404 hides the rest."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from contracts.existing import paths
from contracts.probe import Probe
from contracts.wire import Caller, Request
from specs.tables import Operation

SOME = 3
"""Objects that a reading is tried on, at most."""
OURS = frozenset(
    {"user-agent", "x-schemathesis-testcaseid", "accept-encoding", "accept", "connection", "content-length"}
)
"""Headers that the tool adds for itself."""


def seen(p: Probe, operation: Operation, caller: Caller) -> list[dict[str, str]]:
    """Values for the path of a reading that lead to what the caller can see; where there is nothing, as generated."""
    return list(islice(paths(p, operation, caller), SOME)) or [{}]


def offered(p: Probe, operation: Operation) -> list[str]:
    """The media types that can be asked for; with `*/*` where that is answered by a way to elsewhere."""
    responses = p.spec(operation)["responses"]
    found = [
        media for status, said in responses.items() if status < "300" for media in p.resolved(said).get("content", ())
    ]
    return list(dict.fromkeys(found)) + (["*/*"] if any("300" <= status < "400" for status in responses) else [])


def fitted(p: Probe, caller: Caller, case: Any, params: Mapping[str, str]) -> dict[str, str] | None:
    """The values of a case's path: these, and the caller's scope, but for the one that was generated wrong.

    None where no such path can be sent.
    """
    scope = p.api.scope
    own = {**(p.scope(caller) if scope is not None and scope.parameter in case.path_parameters else {}), **params}
    filled = {}
    for name, value in case.path_parameters.items():
        filled[name] = unquote(str(value)) if name not in own or _is_wrong(case.meta, name) else own[name]
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
    assert content is None or isinstance(content, bytes)
    aimed = p.request(operation, caller, params, content=content, headers=headers)
    return Request(aimed.method, aimed.path, urlsplit(str(made.url)).query, aimed.headers, aimed.content)


def as_meant(sent: Request, case: Any) -> Request:
    """The call as if it had gone to the path of the spec, whatever the deployment's begin with."""
    path = case.operation.schema.get_full_path(case.formatted_path)
    return Request(sent.method, path, sent.query, sent.headers, sent.content)
