"""Who is calling: tokens to callers (billing b.2). Rights are not decided here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mockserver.domain.errors import Unauthenticated
from mockserver.work import Actor

_BEARER = re.compile(rb"bearer +(\S+) *", re.IGNORECASE)


@dataclass(frozen=True)
class Caller:
    """Somebody who may call: a name for people, a token, and whom the token stands for.

    account: id of the account that the token belongs to
    user: {id, name, icon?}: the person behind the token, or the token itself, as `audit` shows the author
    expires: canonical instant from which the token is no longer known; None = never
    """

    name: str
    token: str
    role: str
    account: str
    token_id: str
    user: Mapping[str, str] = field(repr=False)
    expires: str | None = None

    @cached_property
    def actor(self) -> Actor:
        """The caller as units of work know it."""
        return Actor(ref=self.user, role=self.role, account=self.account)


class Cast:
    """The callers that a world knows, by their tokens."""

    def __init__(self, callers: Mapping[str, Caller]) -> None:
        self._by_token = dict(callers)
        # The header as nearly every client writes it, so that nearly every request costs one look-up.
        self._by_header = {f"Bearer {token}".encode(): each for token, each in callers.items() if each.expires is None}

    def caller(self, authorization: bytes | None, now: Callable[[], str]) -> Caller:
        """The caller behind an Authorization header. Raises Unauthenticated, which says what is wrong with it.

        now: tells the present instant
        """
        if authorization is None:
            raise Unauthenticated("no Authorization header; send `Authorization: Bearer <token>`.")
        if (known := self._by_header.get(authorization)) is not None:
            return known
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise Unauthenticated("the Authorization header is not `Bearer <token>`.")
        found = self._by_token.get(match[1].decode("latin-1"))
        if found is None:
            raise Unauthenticated("the token is unknown; `mockserver callers` lists those that are not.")
        if found.expires is not None and found.expires <= now():
            raise Unauthenticated("the token has expired.")
        return found
