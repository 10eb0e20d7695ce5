"""What a person is told of a server: where each API is, who may call it with which token, and what to try first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mockserver import wire
from mockserver.hosts import is_loopback
from specs.permissions import suffices

if TYPE_CHECKING:
    from mockserver.app import MockServer
    from mockserver.auth import Caller
    from mockserver.service import Service
    from mockserver.store import Record
    from specs.tables import Api, Operation

SHORT = 13
"""A grant of up to so many characters is shown whole in the banner; `mockserver callers` shows them all."""


def banner(server: MockServer, host: str, port: int) -> str:
    """What a person sees when the server is up."""
    root = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    told = {"docs": f"{root}/docs", **server.told}
    lines = ["doubleentry mockserver", "", *_table([[f"  {name:<10}", value] for name, value in told.items()])]
    tries = []
    for name, service in server.services.items():
        callers = [each for each in server.callers.values() if each.api == name]
        lines += ["", f"  {name:<10}  {root}{service.api.conventions.base}"]
        lines += _table([_row(server, service.api, each) for each in callers]) if callers else ["    nobody calls it"]
        tries += [f"  try: {each}" for each in _attempt(server, service, callers, root)]
    lines += ["", *tries]
    if not is_loopback(host):
        lines += ["", f"  warning: {host} is reachable by others, and the tokens above are no secret."]
    if (admin := server.control.admin) is not None:
        lines += ["", f"  /__mock__ asks for its admin token: Authorization: Bearer {admin}"]
    return "\n".join(lines) + "\n"


def cast(server: MockServer) -> list[dict[str, Any]]:
    """Everything about who may call, as plain values."""
    return [
        {
            "name": each.name,
            "api": each.api,
            "role": each.role,
            "permissions": list(each.rights or ()),
            "account": each.account,
            "accountName": (server.worlds[each.api].layer.get("Account", each.account) or {}).get("name", ""),
            "grants": _grants(server, each),
            "user": each.user["id"],
            "token": each.token,
            "expires": each.expires,
            "expired": _is_expired(server, each),
            "credentials": _credentials(each),
        }
        for each in server.callers.values()
    ]


def cast_table(server: MockServer) -> str:
    """Everything about who may call, as a table; credentials beside the token in one of their own."""
    people = cast(server)
    rows = [["NAME", "API", "ROLE", "ACCOUNT", "", "GRANTS", "TOKEN", ""]]
    rows += [
        [
            *(each["name"], each["api"], each["role"] or _counted(each["permissions"], "permissions")),
            *(each["account"], each["accountName"], _listed(each["grants"])),
            *(each["token"], _ends(each)),
        ]
        for each in people
    ]
    lines = _table(rows)
    names = list(dict.fromkeys(name for each in people for name in each["credentials"]))
    if names:
        rows = [["NAME", *(re.sub(r"(?<!^)([A-Z])", r" \1", name).upper() for name in names)]]
        rows += [
            [each["name"], *(each["credentials"].get(name, "") for name in names)]
            for each in people
            if each["credentials"]
        ]
        lines += ["", *_table(rows)]
    return "\n".join(lines)


def _row(server: MockServer, api: Api, caller: Caller) -> list[str]:
    grants, counted = _grants(server, caller), api.scope.grants if api.scope is not None else ""
    shown = grants[0] if len(grants) == 1 and len(grants[0]) <= SHORT else _counted(grants, counted)
    return [
        f"    {caller.name}",
        caller.role or _counted(list(caller.rights or ()), "permissions"),
        *([shown] if api.scope is not None else []),
        caller.token,
        "expired" if _is_expired(server, caller) else "",
    ]


def _attempt(server: MockServer, service: Service, callers: list[Caller], root: str) -> Iterator[str]:
    """A command that lists something, for the first caller who may."""
    api = service.api
    for caller in callers:
        for operation in api.operations.values():
            if operation.does == "list" and not _is_expired(server, caller) and _may(api, caller, operation):
                path = _filled(server, api, caller, operation)
                if path is not None:
                    first = f"?{api.conventions.paging['limit']}=1" if "limit" in api.conventions.paging else ""
                    yield f"curl -H 'Authorization: Bearer {caller.token}' '{root}{path}{first}'"
                    return


def _may(api: Api, caller: Caller, operation: Operation) -> bool:
    if caller.rights is not None:
        return suffices(caller.rights, operation.capabilities[0].needs, api.rule)
    return caller.role in operation.roles


def _filled(server: MockServer, api: Api, caller: Caller, operation: Operation) -> str | None:
    """The operation's path, with what the caller may name in it; None if it takes more than that."""
    path = operation.path
    if api.scope is not None and api.scope.parameter is not None:
        named = next(_named(server, api, caller), None)
        if named is None:
            return None
        path = path.replace(f"{{{api.scope.parameter}}}", named)
    return None if "{" in path else path


def _named(server: MockServer, api: Api, caller: Caller) -> Iterator[str]:
    """What a caller's grants name, those of a kind looked up."""
    assert api.scope is not None
    layer = server.worlds[api.name].layer
    for grant in _grants(server, caller):
        if layer.get(api.scope.entity, grant) is not None:
            yield grant
    for grant in _grants(server, caller):
        for row in layer.all(api.scope.entity):
            if _is_of(grant, row.record, api.scope.kinds):
                yield row.record["id"]


def _is_of(grant: str, record: Record, kinds: str | None) -> bool:
    return grant == "any" or (kinds is not None and grant == f"{kinds}:{record.get(kinds)}")


def _grants(server: MockServer, caller: Caller) -> list[str]:
    """What a caller's rights hold in."""
    if caller.grants is not None:
        return list(caller.grants)
    return list((server.worlds[caller.api].layer.get("Grant", caller.name) or {}).get("values", ()))


def _credentials(caller: Caller) -> dict[str, str]:
    """What a caller can show beside the token, e.g. to get another one."""
    return {name: value for name, value in caller.more.items() if isinstance(value, str)}


def _is_expired(server: MockServer, caller: Caller) -> bool:
    return caller.expires is not None and caller.expires <= wire.instant(server.worlds[caller.api].clock.now())


def _ends(person: Mapping[str, Any]) -> str:
    return f"{'expired' if person['expired'] else 'until'} {person['expires']}" if person["expires"] else ""


def _counted(values: list[str], what: str) -> str:
    return f"{len(values)} {what if len(values) != 1 else what.removesuffix('s')}" if what else ""


def _listed(values: list[str], most: int = 3) -> str:
    rest = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + rest


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
