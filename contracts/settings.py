"""What a run is asked to do, read and found right before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contracts.acceptance import Accepted
from contracts.waiting import REAL, Clock
from contracts.wire import Caller

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Mode(StrEnum):
    """What a run may do to the deployment."""

    READ_ONLY = "read-only"
    OWN = "own"
    FULL = "full"

    @property
    def writes(self) -> bool:
        return self is not Mode.READ_ONLY

    def allows(self, least: Mode) -> bool:
        """Whether a run in this mode may do what needs at least that one."""
        order = list(Mode)
        return order.index(least) <= order.index(self)


@dataclass(frozen=True, slots=True)
class Settings:
    """A run, before it begins.

    target: address of the deployment; app: an ASGI application in this process, instead of it
    apis: names or folders; overlays: files that change cells, as the server's
    rate: calls a second at most; budget: calls at most; timeout: seconds a call; patience: seconds that background
    work may take until its result is looked at as missing; clock: how that time passes
    known: API -> caller -> `own` and `foreign` -> entity -> ids
    lend: API -> entity -> ids that a full run may change; values: API -> what bodies have to name, for its Stage
    bases: API -> what its paths begin with there, instead of the spec's
    accepted: findings that do not fail the run for a while
    tidy: whether what was made is taken away at the end; an application that goes away with it all needs none of it
    """

    target: str = ""
    app: Any = field(default=None, repr=False)
    apis: tuple[str, ...] = ()
    callers: tuple[Caller, ...] = ()
    mode: Mode = Mode.READ_ONLY
    seed: int = 1
    rate: float | None = None
    budget: int | None = None
    timeout: float = 30.0
    patience: float = 30.0
    clock: Clock = REAL
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    overlays: tuple[Path, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)
    lend: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    shuffle: bool = False
    wire: Path | None = None
    journal: Path | None = None
    """the folder of the journals of what was made; None keeps none, which only an application in this process may do"""
    ca: Path | None = None
    accepted: tuple[Accepted, ...] = ()
    tidy: bool = True
