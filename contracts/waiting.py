"""How a run waits for what others do meanwhile: in real time, or in none where nobody does anything meanwhile."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that pass."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class Real:
    """The time of this machine."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Leaping:
    """A time that passes only when it is waited for, and then at once.

    For a target that does nothing by itself: it is asked as often as in real time, and nobody waits in between.
    """

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


REAL = Real()
