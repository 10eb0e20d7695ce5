"""Who calls: callers from files, from the environment and from the command line, and where their tokens come from."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contracts.mistakes import Mistake, near
from contracts.wire import Caller

PREFIX = "CONTRACTS_TOKEN_"
KINDS = ("known", "expired")
"""What a caller of a file may be; the run makes those without a token and with garbage by itself."""
KEYS = ("name", "api", "role", "token", "account", "grants", "kind", "expired", "credentials")
# What `mockserver callers --json` tells beside these; for people, and nothing to a run.
TOLD = ("permissions", "accountName", "user", "expires")


@dataclass(frozen=True, slots=True)
class Given:
    """A token given by name: `--caller NAME=SOURCE` or CONTRACTS_TOKEN_NAME.

    place: how a message names it; spelled: whether NAME is as the caller is called, or as environments spell it
    """

    name: str
    token: str
    place: str
    spelled: bool = True

    def means(self, name: str) -> bool:
        return name == self.name if self.spelled else shell(name) == self.name

    def is_of(self, api: str, roles: Iterable[str]) -> bool:
        """Whether it names one of these roles of an API, alone or as API/ROLE."""
        return any(self.means(role) or self.means(f"{api}/{role}") for role in roles)


def shell(name: str) -> str:
    """A name as a variable of the environment can be called."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def read(path: Path, environ: Mapping[str, str]) -> tuple[Caller, ...]:
    """The callers of a file: JSON as `mockserver callers --json` prints it, or TOML with [[callers]].

    Raises Mistake.
    """
    text = _text(path)
    try:
        raw = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON (name a TOML file *.toml)"
        raise Mistake(f"{path}: not valid {kind}: {error}.") from None
    rows = raw.get("callers") if isinstance(raw, dict) else raw
    return rows_of(rows, f"{path}: callers" if isinstance(raw, dict) else f"{path}: ", path.parent, environ)


def rows_of(rows: Any, place: str, folder: Path, environ: Mapping[str, str]) -> tuple[Caller, ...]:
    """The callers that these rows tell.

    place: how messages name the list; folder: where `file:` of a token looks
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Mistake(f"{place.rstrip(': ')}: no list of callers; each is a table with name, api, role and token.")
    found: dict[tuple[str, str], Caller] = {}
    for number, row in enumerate(rows):
        caller = _caller(row, f"{place}[{number}]", folder, environ)
        if (caller.api, caller.name) in found:
            raise Mistake(f"{place}[{number}].name: {caller.api} has a caller {caller.name!r} already; rename one.")
        found[caller.api, caller.name] = caller
    return tuple(found.values())


def _caller(row: Mapping[str, Any], place: str, folder: Path, environ: Mapping[str, str]) -> Caller:
    for key in row:
        if key not in KEYS and key not in TOLD:
            raise Mistake(f"{place}.{key}: no such key; {near(key, KEYS)}")
    for key in ("name", "api", "role"):
        if not row.get(key):
            lacks = "the matrix is told by roles: name one, or leave the caller out" if key == "role" else "add it"
            raise Mistake(f"{place}: no {key!r}; {lacks}.")
    for key in ("name", "api", "role", "account", "token", "kind"):
        if not isinstance(row.get(key, ""), str):
            raise Mistake(f"{place}.{key}: {row[key]!r} is no text; put it in quotes.")
    kind = row.get("kind", "expired" if row.get("expired") is True else "known")
    if kind not in KINDS:
        raise Mistake(f"{place}.kind: {kind!r}; {near(kind, KINDS)}")
    if not isinstance(row.get("expired", False), bool):
        raise Mistake(f"{place}.expired: {row['expired']!r}; it is true or false.")
    grants, credentials = row.get("grants", []), row.get("credentials", {})
    if not isinstance(grants, list) or not all(isinstance(each, str) for each in grants):
        raise Mistake(f'{place}.grants: {grants!r}; a list of texts, such as ["700102"].')
    if not isinstance(credentials, dict) or not all(isinstance(each, str) for each in credentials.values()):
        raise Mistake(f'{place}.credentials: a table of texts, such as {{clientId = "..."}}.')
    return Caller(
        name=row["name"],
        api=row["api"],
        role=row["role"],
        token=token(row["token"], f"{place}.token", environ, folder) if row.get("token") else None,
        account=row.get("account", ""),
        grants=tuple(grants),
        kind=kind,
        credentials={
            name: token(value, f"{place}.credentials.{name}", environ, folder) for name, value in credentials.items()
        },
    )


def token(source: str, place: str, environ: Mapping[str, str], folder: Path | None = None) -> str:
    """What a source says: `env:VARIABLE`, `file:PATH`, or the token itself.

    folder: where a path that is not absolute begins; None: where the command was called
    Raises Mistake, which never tells what was found.
    """
    kind, _, name = source.partition(":")
    if kind == "env":
        if not environ.get(name, "").strip():
            raise Mistake(f"{place}: the environment has no {name}; export it.")
        found = environ[name].strip()
    elif kind == "file":
        found = _text((folder or Path()) / Path(name).expanduser(), place).strip()
    else:
        found = source
    if not found or not found.isprintable() or not found.isascii() or " " in found:
        raise Mistake(f"{place}: that is no token: it is empty, or has blanks or control characters in it.")
    return found


def is_literal(source: str) -> bool:
    """Whether a source is the token itself."""
    return not source.startswith(("env:", "file:"))


def given(text: str, environ: Mapping[str, str]) -> Given:
    """What `--caller NAME=SOURCE` says."""
    name, equals, source = text.partition("=")
    if not name or not equals or not source:
        # Nothing of the text is told again: half of it may be a token.
        raise Mistake("--caller: say NAME=SOURCE; SOURCE is env:VARIABLE or file:PATH.")
    return Given(name, token(source, f"--caller {name}", environ), f"--caller {name}")


def exported(environ: Mapping[str, str]) -> tuple[Given, ...]:
    """What the variables CONTRACTS_TOKEN_<NAME> say, in the order of their names."""
    return tuple(
        Given(name.removeprefix(PREFIX), token(f"env:{name}", name, environ), name, spelled=False)
        for name in sorted(environ)
        if name.startswith(PREFIX) and len(name) > len(PREFIX)
    )


def merged(*layers: Iterable[Caller]) -> tuple[Caller, ...]:
    """The callers of several files; the later one goes first where two have one name."""
    found = {(each.api, each.name): each for layer in layers for each in layer}
    return tuple(found.values())


def with_tokens(
    callers: Sequence[Caller], tokens: Iterable[Given], roles: Mapping[str, Sequence[str]]
) -> tuple[Caller, ...]:
    """The callers with tokens given by name: of a caller, or of a role, which makes a caller where there is none.

    roles: API -> its roles, of the APIs that are asked for. API/NAME names one API's caller alone.
    Raises Mistake for a name that is nobody's, or that several have.
    """
    people = list(callers)
    for each in tokens:
        found = _named(people, each) or _in_role(people, each, roles)
        if len(found) > 1:
            which = " or ".join(f"{one.api}/{one.name}" for one in found)
            raise Mistake(f"{each.place}: more than one may be meant; say {which}.")
        if not found:
            known = [*(one.name for one in people), *(role for of in roles.values() for role in of)]
            raise Mistake(f"{each.place}: no caller and no role {each.name!r}; {near(each.name, known)}")
        (one,) = found
        mine = (one.api, one.name)
        people = [who for who in people if (who.api, who.name) != mine] + [replace(one, token=each.token)]
    order = {(each.api, each.name): number for number, each in enumerate(callers)}
    return tuple(sorted(people, key=lambda who: order.get((who.api, who.name), len(order))))


def _named(people: Iterable[Caller], each: Given) -> list[Caller]:
    return [one for one in people if each.means(one.name) or each.means(f"{one.api}/{one.name}")]


def _in_role(people: Iterable[Caller], each: Given, roles: Mapping[str, Sequence[str]]) -> list[Caller]:
    """Who has the role of that name; somebody new where nobody has."""
    people = list(people)
    found = []
    for api, names in roles.items():
        for role in names:
            if each.means(role) or each.means(f"{api}/{role}"):
                of = [one for one in people if (one.api, one.role, one.kind) == (api, role, "known")]
                found += of or [Caller(role, api, role)]
    return found


def _text(path: Path, place: str = "") -> str:
    before = f"{place}: " if place else ""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Mistake(f"{before}{path}: not text in UTF-8; save it as such.") from None
    except OSError as error:
        raise Mistake(f"{before}{path}: {error.strerror or error}; name a file that can be read.") from None
