"""contracts.toml: what a deployment needs said. Read and found right before anything is sent; the format: README.md."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from contracts import callers
from contracts.acceptance import Accepted
from contracts.codes import CODES
from contracts.mistakes import Mistake, near
from contracts.settings import Mode
from contracts.wire import Caller

NAME = "contracts.toml"
RELATIONS = ("own", "foreign")


@dataclass(frozen=True, slots=True)
class Config:
    """What a file says; each part empty where it says nothing.

    options: name of an option -> its value, of the right type; literals: places where a token stands as it is
    """

    path: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    callers: tuple[Caller, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)
    lend: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[Accepted, ...] = ()
    literals: tuple[str, ...] = ()


def rate(value: Any) -> float | None:
    """Calls a second, of a number or a text such as `5/s`, `300/m`; None if it is neither, or not above 0."""
    number, slash, unit = str(value).strip().partition("/")
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(unit.strip() if slash else "s")
    try:
        found = float(number)
    except ValueError:
        return None
    return found / seconds if seconds and 0 < found < float("inf") else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> tuple[str, ...] | None:
    """Texts of a list, or the only one."""
    found = [value] if isinstance(value, str) else value
    return tuple(found) if isinstance(found, list) and all(isinstance(each, str) and each for each in found) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _count(value: Any) -> int | None:
    return _whole(value) or None


def _seconds(value: Any) -> float | None:
    right = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
    return float(value) if right else None


def _rate(value: Any) -> float | None:
    return None if isinstance(value, bool) else rate(value)


def _mode(value: Any) -> Mode | None:
    return Mode(value) if value in list(Mode) else None


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file: how its value is read (None: it is wrong), and what would be right."""

    read: Callable[[Any], Any]
    right: str
    path: bool = False


OPTIONS: Mapping[str, Key] = {
    "target": Key(_text, 'an address: "https://billing.example.org"'),
    "app": Key(_text, 'an application in this process: "module:attribute"'),
    "apis": Key(_texts, 'names or folders: ["billing"]'),
    "mode": Key(_mode, "one of " + ", ".join(Mode)),
    "rate": Key(_rate, 'calls a second: 5, "5/s" or "300/m"'),
    "budget": Key(_count, "how many calls may be sent: a whole number above 0"),
    "timeout": Key(_seconds, "seconds that a call may take: a number above 0"),
    "patience": Key(_seconds, "seconds that background work may take: a number above 0"),
    "seed": Key(_whole, "a whole number, 0 or more"),
    "only": Key(_texts, 'selectors: ["check:access.*"]'),
    "skip": Key(_texts, 'selectors: ["operation:createJournal"]'),
    "strict": Key(_flag, "true or false"),
    "shuffle": Key(_flag, "true or false"),
    "allow_hosts": Key(_texts, 'names of hosts: ["billing.example.org"]'),
    "overlays": Key(_texts, 'files: ["overlay.yaml"]', path=True),
    "callers_file": Key(_text, 'a file: "callers.json"', path=True),
    "journal": Key(_text, 'a folder: ".contracts"', path=True),
    "wire": Key(_text, 'a file: "wire.jsonl"', path=True),
    "ca": Key(_text, 'a file of certificates: "ca.pem"', path=True),
}
TABLES = ("callers", "known", "lend", "accepted", "base", "values", "reports")


def read(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """What a file says. Raises Mistake: file, key and mend."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Mistake(f"{path}: {error.strerror or error}; name a file that can be read.") from None
    except ValueError as error:
        raise Mistake(f"{path}: not valid TOML: {error}.") from None
    for key in raw:
        if key not in OPTIONS and key not in TABLES:
            raise Mistake(f"{path}: {key}: no such key; {near(key, [*OPTIONS, *TABLES])}")
    options = {key: _option(path, key, value) for key, value in raw.items() if key in OPTIONS}
    if "reports" in raw:
        options["reports"] = dict(_reports(path, raw["reports"]))
    rows = raw.get("callers", [])
    return Config(
        path=path,
        options=options,
        callers=callers.rows_of(rows, f"{path}: callers", path.parent, os.environ if environ is None else environ),
        known={api: _known(f"{path}: known.{api}", of) for api, of in _tables(path, raw, "known")},
        lend={api: _ids(f"{path}: lend.{api}", of) for api, of in _tables(path, raw, "lend")},
        values=dict(_tables(path, raw, "values")),
        bases=dict(_bases(path, raw.get("base", {}))),
        accepted=tuple(_accepted(path, raw.get("accepted", []))),
        literals=tuple(
            f"{path}: callers[{number}].token"
            for number, row in enumerate(rows)
            if row.get("token") and callers.is_literal(row["token"])
        ),
    )


def option(place: str, key: str, value: Any) -> Any:
    """The value of an option as settings have it. Raises Mistake, which names the place."""
    found = OPTIONS[key].read(value)
    if found is None:
        raise Mistake(f"{place}: {value!r}; say {OPTIONS[key].right}.")
    return found


def _option(path: Path, key: str, value: Any) -> Any:
    """The value of an option; paths begin where the file lies."""
    found = option(f"{path}: {key}", key, value)
    if not OPTIONS[key].path:
        return found
    if isinstance(found, str):
        return path.parent / Path(found).expanduser()
    return tuple(path.parent / Path(each).expanduser() for each in found)


def _reports(path: Path, raw: Any) -> Iterator[tuple[str, Path]]:
    for kind, file in _table(f"{path}: reports", raw).items():
        if not isinstance(file, str) or not file:
            raise Mistake(f'{path}: reports.{kind}: {file!r}; say a file: {kind} = "report.{kind}".')
        yield kind, path.parent / Path(file).expanduser()


def _tables(path: Path, raw: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tables below one, by the name of their API."""
    for api, of in _table(f"{path}: {name}", raw.get(name, {})).items():
        yield api, _table(f"{path}: {name}.{api}", of)


def _table(place: str, raw: Any) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise Mistake(f"{place}: {raw!r} is no table; begin it with [{place.rpartition(': ')[2]}].")
    return raw


def _known(place: str, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Caller -> `own` and `foreign` -> entity -> ids."""
    found: dict[str, dict[str, Mapping[str, tuple[str, ...]]]] = {}
    for caller, relations in raw.items():
        for relation, of in _table(f"{place}.{caller}", relations).items():
            if relation not in RELATIONS:
                raise Mistake(f"{place}.{caller}.{relation}: no such key; {near(relation, RELATIONS)}")
            ids = _ids(f"{place}.{caller}.{relation}", _table(f"{place}.{caller}.{relation}", of))
            found.setdefault(caller, {})[relation] = ids
    return found


def _ids(place: str, raw: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """Entity -> ids."""
    found = {}
    for entity, value in raw.items():
        ids = _texts(value)
        if ids is None:
            raise Mistake(f'{place}.{entity}: {value!r}; say a list of ids: {entity} = ["..."].')
        found[entity] = ids
    return found


def _bases(path: Path, raw: Any) -> Iterator[tuple[str, str]]:
    for api, base in _table(f"{path}: base", raw).items():
        if not isinstance(base, str) or not base.startswith("/") or set(base) & set("?# "):
            raise Mistake(f'{path}: base.{api}: {base!r}; say the path that its own begin with: "/public/v1/{api}".')
        yield api, base.rstrip("/")


def _accepted(path: Path, raw: Any) -> Iterator[Accepted]:
    if not isinstance(raw, list):
        raise Mistake(f"{path}: accepted: no list; begin each entry with [[accepted]].")
    keys = ("code", "reason", "until", "api", "operation", "subject")
    for number, row in enumerate(raw):
        place = f"{path}: accepted[{number}]"
        for key, value in _table(place, row).items():
            if key not in keys:
                raise Mistake(f"{place}.{key}: no such key; {near(key, keys)}")
            # A datetime is a date, too, and would compare with none.
            if key == "until" and type(value) is not date:
                raise Mistake(f"{place}.until: {value!r}; say a day, without quotes: until = 2026-12-31.")
            if key != "until" and not isinstance(value, str):
                raise Mistake(f"{place}.{key}: {value!r} is no text; put it in quotes.")
        for key in keys[:3]:
            if not row.get(key):
                raise Mistake(f"{place}: no {key!r}; whoever accepts a finding says what, why and until when.")
        if row["code"] not in CODES:
            raise Mistake(f"{place}.code: no code {row['code']!r}; {near(row['code'], CODES)}")
        yield Accepted(**row, place=place)
