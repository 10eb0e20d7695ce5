"""Who is calling: tokens to callers. Rights are not decided here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mockserver import wire
from mockserver.domain.errors import Unauthenticated
from mockserver.work import Actor

if TYPE_CHECKING:
    from mockserver.world import World

EVERYWHERE = "any"
"""The grant that holds in whatever there is"""
_BEARER = re.compile(rb"bearer +(\S+) *", re.IGNORECASE)


@dataclass(frozen=True)
class Caller:
    """Somebody who may call: a name for people, a token, and whom the token stands for.

    account: id of the account that the token belongs to
    user: {id, name, icon?}: the person behind the token, or the token itself, as `audit` shows the author
    expires: canonical instant from which the token is no longer known; None = never
    rights: the permissions of a token that has its own; None = those of the role
    grants: of what the record `Grant` of its name says (access.yaml, `scope`), what the token is for; None = all of it
    more: what else a scenario says of it, for the API's own code
    """

    name: str
    token: str
    role: str
    account: str
    token_id: str
    user: Mapping[str, str] = field(repr=False)
    expires: str | None = None
    rights: tuple[str, ...] | None = None
    grants: tuple[str, ...] | None = None
    api: str = ""
    more: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def actor(self) -> Actor:
        """The caller as units of work know it."""
        return Actor(ref=self.user, role=self.role, account=self.account)


class Cast:
    """The callers that one API's world knows, by their tokens.

    callers: token -> caller; others: token -> the API that it is for, to tell who comes to the wrong door
    """

    def __init__(self, callers: Mapping[str, Caller], world: World, others: Mapping[str, str] | None = None) -> None:
        self._by_token = dict(callers)
        self._by_name = {each.name: each for each in callers.values()}
        # The header as nearly every client writes it, so that nearly every request costs one look-up.
        self._by_header = {f"Bearer {token}".encode(): each for token, each in callers.items() if each.expires is None}
        self._world = world
        self._others = others or {}

    def caller(self, authorization: bytes | None) -> Caller:
        """The caller behind an Authorization header. Raises Unauthenticated, which says what is wrong with it."""
        if authorization is None:
            raise Unauthenticated("no Authorization header; send `Authorization: Bearer <token>`.")
        if (known := self._by_header.get(authorization)) is not None:
            return known
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise Unauthenticated("the Authorization header is not `Bearer <token>`.")
        token = match[1].decode("latin-1")
        found = self._by_token.get(token) or self._issued(token)
        if found is None:
            api = self._others.get(token)
            if api is not None:
                raise Unauthenticated(f"the token is one of {api}; `mockserver callers` lists those of this API.")
            raise Unauthenticated("the token is unknown; `mockserver callers` lists those that are not.")
        if found.expires is not None and found.expires <= wire.instant(self._world.clock.now()):
            raise Unauthenticated("the token has expired.")
        return found

    def grants(self, caller: Caller) -> tuple[frozenset[str], ...]:
        """What the caller's rights hold in, as the world says it now; of several sets each limits the others.

        A token that is for fewer than its user loses what the user loses.
        """
        record = self._world.layer.get("Grant", caller.name)
        users = frozenset(() if record is None else record["values"])
        return (users,) if caller.grants is None else (users, frozenset(caller.grants))

    def _issued(self, token: str) -> Caller | None:
        """The caller behind a token that the API has issued."""
        row = self._world.layer.row("IssuedToken", token)
        if row is None or row.record["caller"] not in self._by_name:
            return None
        record = row.record
        return replace(
            self._by_name[record["caller"]],
            token=token,
            expires=record.get("expires"),
            rights=tuple(record["rights"]) if "rights" in record else None,
            grants=tuple(record["grants"]) if "grants" in record else None,
        )
