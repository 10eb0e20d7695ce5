"""Who one is, and access tokens with rights of their own (credits 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from mockserver.auth import EVERYWHERE, Caller
from mockserver.domain.errors import Conflict, Invalid
from mockserver.store import Record
from mockserver.work import Work
from specs.permissions import holds, is_right

ENTITY = "IssuedToken"

Grants = tuple[frozenset[str], ...]
"""What rights hold in, as grants are written: locators, `any`, `type:test`; of several sets each limits the others."""


def rights(work: Work, caller: Caller) -> tuple[str, ...]:
    """The permissions that the caller holds now: a token's own, else those of the role."""
    if caller.rights is not None:
        return caller.rights
    return tuple(sorted(work.api.permissions.get(caller.role, ())))


def issue(work: Work, caller: Caller, grants: Grants) -> str:
    """A new token with the rights and tenants that the body names (credits 5, D, O).

    Raises Invalid for rights or tenants that the caller does not hold now, and Conflict for one token too many.
    """
    body = work.body
    _check_rights(body["permissions"], rights(work, caller))
    # UUIDs are the same in capitals (RFC 9562, 4); the other words have none.
    tenants = [word.lower() for word in body["tenants"]]
    _check_tenants(work, tenants, grants)
    expires = body.get("expiresAt")
    if expires is not None and expires <= work.now:
        raise Invalid("expiresAt: lies in the past.", {"expiresAt": ["Name an instant to come."]})
    _check_number(work, caller)
    token = _token(work, caller)
    record: dict[str, Any] = {
        "id": token,
        "caller": caller.name,
        "name": body["name"],
        "rights": list(body["permissions"]),
        "grants": tenants,
    }
    work.put(ENTITY, {**record, **({"expires": expires} if expires is not None else {})})
    return token


def whoami(work: Work, caller: Caller, grants: Grants) -> dict[str, Any]:
    """The user behind the token, and what the token carries (credits 5, O)."""
    every = sorted(frozenset.union(*grants))
    return {
        "locator": caller.user["id"],
        "userName": caller.user["name"],
        "roles": [caller.role] if caller.role else [],
        "tenants": [word for word in every if all(_reaches(work, word, each) for each in grants)],
        "permissions": list(rights(work, caller)),
    }


def _check_rights(asked: Sequence[str], held: Sequence[str]) -> None:
    for at, right in enumerate(asked):
        place = f"permissions[{at}]"
        if not is_right(right):
            mend = "an action on every resource is none (`*.write`); write resource.action, resource.* or *.*."
            raise Invalid(f"{place}: {right!r} is no permission; {mend}", {place: [f"No permission; {mend}"]})
        if not holds(held, right):
            raise Invalid(f"{place}: you do not hold {right}.", {place: ["You do not hold it; name one that you do."]})


def _check_tenants(work: Work, asked: Sequence[str], grants: Grants) -> None:
    for at, word in enumerate(asked):
        if not all(_reaches(work, word, each) for each in grants):
            place = f"tenants[{at}]"
            raise Invalid(f"{place}: you are not assigned {word}.", {place: ["Name one that you are assigned."]})


def _reaches(work: Work, word: str, granted: frozenset[str]) -> bool:
    """Whether all that a grant speaks of lies within these grants; a tenant that is not there lies in none."""
    record = work.get("Tenant", word)
    if record is None and word != EVERYWHERE and not word.startswith("type:"):
        return False
    wider = {word, EVERYWHERE, *([f"type:{record['type']}"] if record is not None else [])}
    return not wider.isdisjoint(granted)


def _check_number(work: Work, caller: Caller) -> None:
    most = int(work.api.conventions.rules["tokens"]["most"])
    live = [each for each in work.where(ENTITY, "caller", caller.name) if _is_live(work, each)]
    if len(live) >= most:
        raise Conflict(f"you have {most} access tokens, which is the most; wait until one of them expires.")


def _is_live(work: Work, token: Record) -> bool:
    return bool(token.get("expires", "9") > work.now)


def _token(work: Work, caller: Caller) -> str:
    drawn = hashlib.blake2b(f"{work.world.seed}/{caller.name}/{work.count(ENTITY)}".encode(), digest_size=20)
    return f"pat_{drawn.hexdigest()}"
