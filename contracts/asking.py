"""What a run is asked for: contracts.toml, the environment and the command line put together, and found right."""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from contracts import application, callers, config, extra
from contracts.callers import Given
from contracts.config import Config
from contracts.mistakes import Mistake, near
from contracts.nameable import mistakes
from contracts.selectors import refuse_unknown
from contracts.settings import Mode, Settings
from contracts.wire import Caller
from specs.tables import Api, load, names

ALL = "all"
JOURNALS = Path(".contracts")
"""Where journals of what was made lie, if nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done: the run itself, the reports of it, and what its user is told before it begins."""

    settings: Settings
    reports: tuple[tuple[str, Path], ...] = ()
    notes: tuple[str, ...] = ()


def settle(
    given: Mapping[str, Any],
    *,
    environ: Mapping[str, str],
    tokens: Sequence[Given] = (),
    path: Path | None = None,
    named: bool = False,
) -> Asked:
    """The settings of a run.

    given: the options that were said, by the names that contracts.toml has for them; those of the file fill the rest
    tokens: those of the command line; the environment's come before them
    path: of contracts.toml; without it, the one in the working directory, or the one that the application brings
    named: whether the mode was said on the command line
    Raises Mistake, and TableError for an API or an overlay that cannot be.
    """
    extra.needed()
    file = _file(path, given.get("app"), environ)
    said = {**_without_other(file.options, given), **given}
    address = _address(said)
    mode = said.get("mode", Mode.READ_ONLY)
    _permit(address, mode, said.get("allow_hosts", ()), named=named)
    _trusted(said.get("ca"))
    people = callers.merged(file.callers, _listed(said.get("callers_file"), environ))
    overlays = tuple(said.get("overlays", ()))
    given_tokens = [*callers.exported(environ), *tokens]
    places = _places(said.get("apis", ()), people, given_tokens)
    apis = {api.name: api for api in (load(place, overlays=overlays) for place in places)}
    if len(apis) < len(places):
        raise Mistake(f"--api: {', '.join(places)}: two of one name; run them one after the other.")
    cast = _cast(people, given_tokens, apis)
    _fits(file, apis, cast)
    refuse_unknown([*said.get("only", ()), *said.get("skip", ())], apis.values())
    settings = Settings(
        target=address,
        app=application.load(said["app"]) if not address else None,
        apis=places,
        callers=tuple(each for each in cast if each.api in apis),
        mode=mode,
        overlays=overlays,
        known=file.known,
        lend=file.lend,
        values=file.values,
        bases=file.bases,
        accepted=file.accepted,
        journal=said.get("journal", JOURNALS if address else None),
        **{name: said[name] for name in _PLAIN if name in said},
    )
    return Asked(settings, tuple(said.get("reports", {}).items()), tuple(_notes(address, file)))


_PLAIN = ("seed", "rate", "budget", "timeout", "patience", "only", "skip", "strict", "shuffle", "wire", "ca")


def is_loopback(address: str) -> bool:
    """Whether an address is of this machine alone."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _file(path: Path | None, app: str | None, environ: Mapping[str, str]) -> Config:
    """contracts.toml: the one that was named, the one that lies here, or the one beside the application."""
    if path is not None:
        return config.read(path, environ)
    if Path(config.NAME).is_file():
        return config.read(Path(config.NAME), environ)
    beside = application.config(app) if app else None
    return config.read(beside, environ) if beside is not None else Config()


def _without_other(options: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The file's options without the target that the command line replaces by one of the other kind."""
    other = {"target", "app"} if {"target", "app"} & given.keys() else set()
    return {name: value for name, value in options.items() if name not in other}


def _address(said: Mapping[str, Any]) -> str:
    """The address of the deployment, without a slash at its end; "" for an application in this process."""
    target, app = said.get("target", ""), said.get("app", "")
    if target and app:
        raise Mistake("a target and an app are named; keep one of them.")
    if not target and not app:
        raise Mistake("no target; say --target http://127.0.0.1:8000, or --app module:attribute.")
    if not target:
        return ""
    try:
        parts = urlsplit(target)
        right = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        right = None
    if not right:
        raise Mistake(f"target {target!r} is no address; say https://HOST or http://HOST:PORT.")
    if parts.username or parts.password:
        raise Mistake("target: no name or password in it; tokens belong to callers.")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Mistake(
            f"target {target!r}: scheme, host and port alone; where an API's paths begin otherwise than in its spec, "
            f"say so under [base] in {config.NAME}."
        )
    return f"{parts.scheme}://{parts.netloc}"


def _permit(address: str, mode: Mode, allowed: Iterable[str], *, named: bool) -> None:
    """Refuse a deployment that nobody named as one to be called, and writes there that nobody asked for by name."""
    if not address or is_loopback(address):
        return
    host = urlsplit(address).hostname or ""
    if host not in {each.lower() for each in allowed}:
        raise Mistake(
            f"target {address}: {host} is not this machine; allow it by name: --allow-host {host}, "
            f'or allow_hosts = ["{host}"] in {config.NAME}.'
        )
    if mode.writes and not named:
        raise Mistake(f"mode {mode} on {host}: beyond this machine it must be said on the command line: --mode {mode}.")


def _trusted(ca: Path | None) -> None:
    """Refuse a file that holds no certificates."""
    if ca is None:
        return
    import ssl

    try:
        ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError:
        raise Mistake(f"--ca {ca}: no certificates in it; name a file in PEM.") from None
    except OSError as error:
        raise Mistake(f"--ca {ca}: {error.strerror or error}; name a file that can be read.") from None


def _listed(path: Path | None, environ: Mapping[str, str]) -> tuple[Caller, ...]:
    return callers.read(path, environ) if path is not None else ()


def _places(apis: Sequence[str], people: Sequence[Caller], tokens: Sequence[Given]) -> tuple[str, ...]:
    """The APIs to look at, by name or folder: those that were named, or those that a caller is told for, or all."""
    if ALL in apis:
        if len(apis) > 1:
            raise Mistake(f"--api: {ALL} is every API of specs/; name it alone.")
        return names()
    if apis:
        return tuple(dict.fromkeys(apis))
    told = {each.api for each in people}
    roles = {name: load(name).roles for name in names()} if not told else {}
    told |= {name for name, of in roles.items() for each in tokens if each.is_of(name, of)}
    return tuple(name for name in names() if name in told) or names()


def _cast(people: tuple[Caller, ...], tokens: Sequence[Given], apis: Mapping[str, Api]) -> tuple[Caller, ...]:
    """Who calls, with tokens and in roles that there are."""
    for each in people:
        if each.api in apis and each.role not in apis[each.api].roles:
            raise Mistake(
                f"caller {each.name}: {each.api} has no role {each.role!r}; {near(each.role, apis[each.api].roles)}"
            )
        if each.api not in apis and each.api not in names():
            raise Mistake(f"caller {each.name}: no API {each.api!r} here; {near(each.api, [*apis, *names()])}")
    mine = {name: api.roles for name, api in apis.items()}
    meant = [each for each in tokens if each.spelled or not _elsewhere(each, people, mine)]
    cast = callers.with_tokens(people, meant, mine)
    lacking = [each.name for each in cast if each.token is None and each.api in apis]
    if lacking:
        first = lacking[0]
        raise Mistake(
            f"no token for {', '.join(lacking)}; say --caller {first}=env:VARIABLE, "
            f"or set {callers.PREFIX}{callers.shell(first)}."
        )
    return cast


def _elsewhere(each: Given, people: Iterable[Caller], mine: Mapping[str, Sequence[str]]) -> bool:
    """Whether a variable of the environment is for an API that this run does not look at."""
    if any(each.means(who.name) for who in people) or any(each.is_of(name, of) for name, of in mine.items()):
        return False
    return any(each.is_of(name, load(name).roles) for name in names() if name not in mine)


def _fits(file: Config, apis: Mapping[str, Api], cast: Iterable[Caller]) -> None:
    """Refuse names in the file that its APIs do not have."""
    there = [*apis, *(name for name in names() if name not in apis)]
    people = {(each.api, each.name) for each in cast}
    for table in ("known", "lend", "values", "bases"):
        shown = "base" if table == "bases" else table
        for name in getattr(file, table):
            if name not in there:
                raise Mistake(f"{file.path}: {shown}.{name}: no such API; {near(name, there)}")
    for each in file.accepted:
        if each.operation and apis.keys() >= set(filter(each.speaks_of, there)):
            names_there = [id for name, api in apis.items() if each.speaks_of(name) for id in api.operations]
            if not fnmatch.filter(names_there, each.operation):
                raise Mistake(f"{each.place}.operation: no such operation; {near(each.operation, names_there)}")
    for name, api in apis.items():
        for mistake in mistakes(api, file.values.get(name, {})):
            raise Mistake(f"{file.path}: values.{name}{mistake}")
        entities = _entities(api)
        named = [(f"lend.{name}", file.lend.get(name, {}))]
        for caller, relations in file.known.get(name, {}).items():
            if (name, caller) not in people:
                mine = [who for of, who in people if of == name]
                raise Mistake(f"{file.path}: known.{name}.{caller}: no such caller; {near(caller, sorted(mine))}")
            named += [(f"known.{name}.{caller}.{relation}", of) for relation, of in relations.items()]
        for place, of in named:
            for entity in of:
                if entity not in entities:
                    raise Mistake(f"{file.path}: {place}.{entity}: no such entity; {near(entity, entities)}")


def _entities(api: Api) -> list[str]:
    """What an API has objects of, and what its rights hold in."""
    scope = [api.scope.entity] if api.scope is not None else []
    return list(dict.fromkeys([*api.visibility, *(each.entity for each in api.operations.values()), *scope]))


def _notes(address: str, file: Config) -> list[str]:
    """What its user should know of a run beyond this machine."""
    if not address or is_loopback(address):
        return []
    said = [f"{address}: without TLS, tokens can be read on the way."] if address.startswith("http:") else []
    if file.literals:
        more = f" ({len(file.literals)} like it)" if len(file.literals) > 1 else ""
        said.append(f"{file.literals[0]}: the token itself stands in the file{more}; say env:VARIABLE instead.")
    return said


def divided(settings: Settings, parts: int, name: str) -> Settings:
    """The share of one of several processes that make a run together: budget and rate, and a journal of its own."""
    return replace(
        settings,
        rate=settings.rate and settings.rate / parts,
        budget=settings.budget and max(1, settings.budget // parts),
        journal=settings.journal and settings.journal / name,
    )
