"""Access tokens for client credentials, passwords and refresh tokens, and the count of invalid attempts (accounts 5).

Clients, refresh tokens and counts are records of the world, so a reset puts them back, and unlocks whoever is locked.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from mockserver import wire
from mockserver.domain.errors import Invalid
from mockserver.store import Record
from mockserver.work import Work

CLIENT = "Client"
"""{id, secret, user, password, caller}: an application and the user that its tokens stand for"""
REFRESH = "RefreshToken"
"""{id, client, holder, expires}: what renews tokens of the user that the client `holder` stands for"""
ATTEMPTS = "Attempts"
"""{id: user name, wrong: consecutive invalid attempts}"""


class Failed(Invalid):
    """An attempt that was invalid and counts."""


def issue(work: Work, body: Mapping[str, Any]) -> dict[str, str]:
    """The answer to a request for a token. Raises Invalid; Failed, where the count of the attempts is to be kept."""
    rules = work.api.conventions.rules
    grant = body.get("grant_type", "password")
    if grant not in rules["grants"]:
        said = "" if "grant_type" in body else "without grant_type, password is meant; "
        why = "it is past its end of life" if grant == "password" else "this deployment does not serve it"
        mend = " or ".join(rules["grants"])
        raise Invalid(f"{said}the grant {grant} is refused: {why}; send grant_type {mend}.")
    client = _client(work, body)
    if grant != "password":
        _attempt(work, client, _secret(client, body))
        return _token(work, client)
    for name in ("user_name", "user_password"):
        if name not in body:
            raise Invalid(f"the grant password needs a {name}; add it.", {name: ["Is required."]})
    holder = next(work.where(CLIENT, "user", body["user_name"]), None)
    if holder is None:
        raise _failure(work, f"no user_name {body['user_name'][:80]!r} is known")
    is_right = _encoded(holder["password"], body.get("password_encoding", "none")) == body["user_password"]
    _attempt(work, holder, _secret(client, body) or (None if is_right else "the user_password is wrong"))
    return _token(work, holder, renewed_by=client)


def renew(work: Work, body: Mapping[str, Any]) -> dict[str, str]:
    """The answer to a request to renew a token. Raises as `issue` does."""
    client = _client(work, body)
    token = work.get(REFRESH, body["refresh_token"])
    holder, fault = client, _secret(client, body)
    if token is None or token["client"] != client["id"]:
        fault = fault or "the refresh_token is none of this client's"
    else:
        holder = work.need(CLIENT, token["holder"])
        fault = fault or ("the refresh_token has expired" if token["expires"] <= work.now else None)
    _attempt(work, holder, fault)
    return _token(work, holder, renewed_by=client)


def keep_refresh(work: Work, id: str, *, client: str, holder: str) -> None:
    """Keep a refresh token, valid from now on for as long as the table says."""
    work.put(REFRESH, {"id": id, "client": client, "holder": holder, "expires": _later(work, "refresh")})


def _client(work: Work, body: Mapping[str, Any]) -> Record:
    client = work.get(CLIENT, body["client_id"])
    if client is None:
        # There is no user whom it could lock, so this attempt is not counted (M).
        raise _failure(work, f"no client_id {body['client_id'][:80]!r} is known")
    return client


def _secret(client: Record, body: Mapping[str, Any]) -> str | None:
    return None if client["secret"] == body["client_secret"] else "the client_secret is wrong"


def _encoded(password: str, encoding: str) -> str:
    """The password as it is sent; md5-b64 is read as the Base64 of the digest's bytes (M)."""
    if encoding == "none":
        return password
    return b64encode(hashlib.md5(password.encode(), usedforsecurity=False).digest()).decode()


def _attempt(work: Work, holder: Record, fault: str | None) -> None:
    """Count an attempt of a user: a valid one sets the count back, the fifth invalid one in a row locks (O).

    Raises Failed for one with a fault, Invalid for a locked user.
    """
    user, most = holder["user"], work.api.conventions.rules["attempts"]
    wrong = int((work.get(ATTEMPTS, user) or {"wrong": 0})["wrong"])
    locked = f"after {most} invalid attempts in a row {user} is locked; POST /__mock__/reset unlocks"
    if wrong >= most:
        raise _failure(work, locked)
    if fault is None:
        if wrong:
            work.put(ATTEMPTS, {"id": user, "wrong": 0})
        return
    work.put(ATTEMPTS, {"id": user, "wrong": wrong + 1})
    left = most - wrong - 1
    more = f"{left} more in a row {'lock' if left > 1 else 'locks'} {user}" if left else locked
    raise _failure(work, f"{fault}; {more}", kind=Failed)


def _failure(work: Work, why: str, *, kind: type[Invalid] = Invalid) -> Invalid:
    failure = work.api.conventions.rules["failure"]
    return kind(f"{why}.", title=failure["title"], code=failure["code"])


def _token(work: Work, holder: Record, *, renewed_by: Record | None = None) -> dict[str, str]:
    """A new access token, with a refresh token for the client that may renew it; client_credentials get none (O)."""
    rules = work.api.conventions.rules
    access = _opaque(work, "AccessToken", holder["caller"])
    expires = _later(work, "timeout")
    work.put("IssuedToken", {"id": access, "caller": holder["caller"], "expires": expires})
    told = {
        "access_token": access,
        "token_timeout": str(rules["timeout"]),
        "user_name": holder["user"],
        "token_type": "Bearer",
    }
    if renewed_by is not None:
        id = _opaque(work, REFRESH, holder["caller"])
        keep_refresh(work, id, client=renewed_by["id"], holder=holder["id"])
        told |= {"refresh_token": id, "refresh_token_timeout": str(rules["refresh"])}
    return told


def _opaque(work: Work, what: str, caller: str) -> str:
    """A token that looks drawn and follows from the seed, so that the same calls get the same ones."""
    text = f"{work.world.seed}/{work.api.name}/{what}/{caller}/{work.count(what)}"
    return urlsafe_b64encode(hashlib.blake2b(text.encode(), digest_size=24).digest()).decode()


def _later(work: Work, rule: str) -> str:
    return wire.instant(wire.moment(work.now) + timedelta(seconds=work.api.conventions.rules[rule]))
