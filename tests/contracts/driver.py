"""Runs of the toolkit against an application of this process, called by the cast that fixtures/contracts.toml names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from contracts import config
from contracts.config import Config
from contracts.findings import Finding, Result
from contracts.run import run
from contracts.settings import Mode, Settings

CONFIG = Path(__file__).parents[2] / "fixtures" / "contracts.toml"


@cache
def said() -> Config:
    """What fixtures/contracts.toml says of the default world."""
    return config.read(CONFIG, {})


def settings(app: Any, *apis: str, mode: str = "read-only", **options: Any) -> Settings:
    """A run of these APIs against an application, with everybody whom the fixture names.

    options: any of Settings; what the fixture says holds where they say nothing
    """
    file = said()
    given: dict[str, Any] = {
        "callers": tuple(each for each in file.callers if each.api in apis),
        "known": file.known,
        "lend": file.lend,
        "values": file.values,
        "patience": 10.0,
        **options,
    }
    return Settings(target="http://127.0.0.1:8000", app=app, apis=apis, mode=Mode(mode), **given)


def verify(app: Any, *apis: str, mode: str = "read-only", only: Iterable[str] = (), **options: Any) -> Result:
    """The result of a run. only: names of checks, or texts `kind:pattern`."""
    chosen = tuple(each if ":" in each else f"check:{each}" for each in only)
    return run(settings(app, *apis, mode=mode, only=chosen, **options))


def told(findings: Iterable[Finding]) -> list[str]:
    """Findings as lines that a failing test shows: code, operation, subject, what was expected, what came."""
    return [
        f"{each.code} {each.operation or '-'} [{each.subject}] expected {each.expected}, came {each.came[:200]}"
        for each in findings
    ]


def silent(result: Result, *, expecting: Collection[str] = ()) -> list[str]:
    """What a run of the sound server should not have said: findings, and what it could not check. [] is right.

    expecting: beginnings of reasons for which something may be left unchecked
    """
    unchecked = [
        f"unchecked {each.check} {each.case}: {each.reason}"
        for each in result.unchecked
        if not each.reason.startswith(("needs --mode", *expecting))
    ]
    return told(result.findings) + unchecked + ([f"stopped: {result.stopped}"] if result.stopped else [])
