"""The time of a world: the only place where time comes from."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

MILLISECOND = timedelta(milliseconds=1)


class Clock:
    """A clock that starts where it is told and moves only as it is told.

    start: the first instant
    running: let it run along with real time from there; otherwise it stands still but for `tick` and `advance`, so
        that the same calls see the same times
    """

    def __init__(
        self, start: datetime, *, running: bool = False, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._set = _whole(start.astimezone(UTC))
        self._elapsed = elapsed
        self._since: float | None = None
        self._ran_first = running
        if running:
            self.run()

    @property
    def runs(self) -> bool:
        """Whether it goes along with real time."""
        return self._since is not None

    def another(self, start: datetime) -> Clock:
        """One like it as it was at first, whatever became of it, that starts at an instant."""
        return Clock(start, running=self._ran_first, elapsed=self._elapsed)

    def now(self) -> datetime:
        """The present instant, aware, UTC, in whole milliseconds."""
        if self._since is None:
            return self._set
        return _whole(self._set + timedelta(seconds=self._elapsed() - self._since))

    def freeze(self) -> None:
        """Stand still from now on."""
        self._set, self._since = self.now(), None

    def run(self) -> None:
        """Go along with real time from now on."""
        if self._since is None:
            self._since = self._elapsed()

    def restart(self, start: datetime) -> None:
        """Go back to an instant, standing or running as at first."""
        self._set, self._since = _whole(start.astimezone(UTC)), None
        if self._ran_first:
            self.run()

    def tick(self) -> None:
        """Let one millisecond pass: what a change takes on a standing clock, so that changes have an order."""
        if self._since is None:
            self._set += MILLISECOND

    def advance(self, by: timedelta) -> None:
        """Move on by a span, which must not be negative."""
        if by < timedelta():
            raise ValueError("a clock only moves forward")
        self._set = _whole(self._set + by)

    def set(self, to: datetime) -> None:
        """Move to an instant, forward or back; for making a world whose past has its own times."""
        self._set = _whole(self._set + (to - self.now()))


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
