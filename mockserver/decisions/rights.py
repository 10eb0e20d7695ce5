"""Who may: the token, the scope of its rights, and the cell of the role matrix."""

from __future__ import annotations

from typing import Any

from mockserver import gate
from mockserver.decisions.cases import Case, Why, capability_of, names, passes, plainly, sentence
from mockserver.recording import Call
from specs.permissions import suffices
from specs.tables import ALL, Api, Capability


def allowed(call: Call, api: Api) -> Why:
    """The cell of the matrix that allowed it, and which rows that shows."""
    operation = api.operations.get(call.operation or "")
    if operation is None:
        return Why(f"{call.method} is answered for every path of the API.")
    if operation.open:
        source = operation.capabilities[0].source
        cell = {"capability": operation.id, "role": None, "allowed": True, "source": source}
        return Why(f"{operation.id} asks nobody for a token ({source}).", facts={"cell": cell})
    capability = capability_of(api, call.cell)
    if capability is None or call.role is None:
        return Why("no cell was looked up.")
    cell, told = _cell(api, capability, call.role, allowed=True)
    rows = api.visibility[operation.entity].told_by(call.role) if operation.entity in api.visibility else None
    seen = ""
    if rows not in (None, ALL):
        seen = f" Of {operation.entity} it sees the rows whose {rows} is its own"
        seen += f" ({api.visibility[operation.entity].source})."
    return Why(f"allowed by {told}.{seen}", facts={"cell": cell})


def _cell(api: Api, capability: Capability, role: str, *, allowed: bool) -> tuple[dict[str, Any], str]:
    """A cell of the matrix, and how it is told."""
    reason = next((why for each, _, why in capability.overlays if each == role), None)
    cell: dict[str, Any] = {
        "capability": capability.id,
        "title": capability.title,
        "role": role,
        "allowed": allowed,
        "source": "overlay" if reason is not None else capability.source,
        "roles": [each for each in api.roles if each in capability.roles],
    }
    cell |= {"overlay": reason} if reason is not None else {}
    cell |= {"needs": list(capability.needs), "rule": api.rule} if capability.needs else {}
    mark = f"an overlay: {reason}" if reason is not None else capability.source
    return cell, f"the cell {capability.id} x {role or 'no role'} ({mark})"


def token(case: Case) -> Why:
    """Whose tokens would do."""
    operation = case.operation
    roles = operation.capabilities[0].roles if operation is not None else frozenset(case.api.roles)
    who = names(each.name for each in case.cast if each.role in roles)
    mend = f"send `Authorization: Bearer <token>` with the token of {who}." if who else "give the scenario a caller."
    return Why(case.refused.said, f"{mend} `mockserver callers` lists them.")


def scope(case: Case) -> Why:
    """Where the caller has rights, and where the path wants them."""
    scope, x = case.api.scope, case.x
    if scope is None or scope.parameter is None or x is None or not hasattr(x, "caller"):
        return plainly(case)
    value = x.params[scope.parameter]
    record = x.work.get(scope.entity, value)
    thing: dict[str, Any] = {"entity": scope.entity, "id": value[:80], "is": "missing" if record is None else "foreign"}
    grants = [sorted(each) for each in x.cast.grants(x.caller)]
    held = " and ".join(", ".join(each) or "none" for each in grants)
    if record is None:
        there = names(row.record["id"] for row in x.work.layer.all(scope.entity))
        return Why(f"there is no {scope.entity} {value[:80]}.", f"take one of: {there}.", {"object": thing})
    thing["grants"] = grants
    others = names(each.name for each in case.cast if passes(case, each, gate.scope))
    because = f"{scope.entity} {value[:80]} is there, but the rights of {x.caller.name} hold in {held}."
    if passes(case, x.caller, gate.scope):
        because = f"{x.caller.name} has rights in {scope.entity} {value[:80]}, but the token was issued for less."
    return Why(
        because, f"ask as {others}, or name one of those." if others else "name one of those.", {"object": thing}
    )


def role(case: Case) -> Why:
    """The cell of the matrix that denied it, or the rights that the token lacks."""
    capability = capability_of(case.api, case.call.cell)
    if capability is None and case.operation is not None:
        capability = case.operation.capabilities[0]
    role = case.call.role or ""
    if capability is None:
        return plainly(case)
    cell, told = _cell(case.api, capability, role, allowed=role in capability.roles)
    own = ""
    if role in capability.roles:
        own = "; the token carries rights of its own, which are fewer than those of its role"
        mend = f"issue one that carries {' or '.join(capability.needs)}."
    else:
        may = names(each.name for each in case.cast if each.role in capability.roles)
        where = f"overlay: {{{case.api.name}: {{grant: [{{operation: {capability.id}, role: {role}, reason: ...}}]}}}}"
        mend = f"ask as {may}, or grant the cell in an {where}." if may else f"grant the cell in an {where}."
        if "overlay" in cell:
            mend = f"leave the overlay out, or ask as {may}." if may else "leave the overlay out."
        elif capability.needs and role in case.api.permissions:
            held = case.api.permissions[role]
            cell["holds"] = sorted(held)
            cell["lacks"] = [each for each in capability.needs if not suffices(held, [each], "any")]
    verb = "says deny" if role not in capability.roles else "says allow"
    return Why(f"{case.refused.said} {sentence(told)} {verb}{own}.", mend, {"cell": cell})
