"""Letting time pass: a clock moves on, and what falls due on the way is done in its order, each at its own instant."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from mockserver import wire
from mockserver.domain.errors import Conflict, Invalid
from mockserver.scenario import EARLIEST, LATEST, is_in_range
from mockserver.store import Record
from mockserver.world import World

MOST = 10_000
"""Jobs that one move does: those that start each other over and over must not keep everybody else waiting."""
# Six digits reach beyond the range of clocks in years to days, nine in what is shorter.
_SPAN = re.compile(
    r"P(?=[\dT])(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?"
    r"(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,10}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


class Agenda:
    """The jobs of some worlds that fall due until an instant, looked through anew only where one has started others."""

    def __init__(self, worlds: Sequence[World], until: str) -> None:
        self._worlds = worlds
        self._until = until
        self._listed: list[tuple[str, int, str]] = []
        self._started: list[Record | None] | None = None

    def pop(self) -> tuple[str, World, str] | None:
        """(due, world, id) of the job that falls due first, which is run before the next is asked for; None if none."""
        started = [world.layer.get("Counter", "Job") for world in self._worlds]
        if started != self._started:
            self._started, self._listed = started, sorted(self._waiting(), reverse=True)
        if not self._listed:
            return None
        due, place, id = self._listed.pop()
        return due, self._worlds[place], id

    def _waiting(self) -> Iterator[tuple[str, int, str]]:
        for place, world in enumerate(self._worlds):
            for job in world.jobs():
                if "due" in job and job["due"] <= self._until:
                    yield job["due"], place, job["id"]


def advance(worlds: Sequence[World], to: datetime, *, running: bool | None = None, most: int = MOST) -> int:
    """Move the one clock of some worlds forward to an instant; how many jobs ran on the way.

    A job that falls due runs at its own instant, and so do those that it starts, where they fall due before the end.
    On a standing clock a change takes a millisecond, so of two that are due at once the younger runs a millisecond
    later. After `most` jobs the clock stays where it came to.

    running: whether the clock goes along with real time afterwards; None: as before
    Raises Invalid where no clock may go, Conflict for what lies in the past; then nothing has changed.
    """
    clock = worlds[0].clock
    if not is_in_range(to):
        raise _outside()
    if to < (now := clock.now()):
        said = f"{wire.instant(to)} is before {wire.instant(now)}, which the clock shows"
        raise Conflict(f"{said}; it only moves forward, and POST /__mock__/reset returns it to its start.")
    running = clock.runs if running is None else running
    # What the next request would find done is done first, at the present instant.
    ran = sum(world.settle() for world in worlds)
    clock.freeze()
    agenda = Agenda(worlds, wire.instant(to))
    try:
        while ran < most and (found := agenda.pop()) is not None:
            due, world, id = found
            clock.set(max(clock.now(), wire.moment(due)))
            ran += world.run(_is(id), limit=1)
        if ran < most:
            clock.set(max(clock.now(), to))
    finally:
        if running:
            clock.run()
    return ran


def instant(text: str, place: str) -> datetime:
    """The instant that a caller wrote. Raises Invalid, keyed by the place."""
    try:
        return wire.moment(wire.parse_instant(text))
    except ValueError:
        mend = "Say an instant or a date: 2026-04-01T00:00:00Z."
        raise Invalid(f"{place}: {text[:60]!r} is no instant; say 2026-04-01T00:00:00Z.", {place: [mend]}) from None


def after(now: datetime, span: str, place: str) -> datetime:
    """The instant an ISO 8601 span after another, which is UTC.

    Years and months go by the calendar: a month after 31 January is the last of February. Raises Invalid, keyed by the
    place, for what is no span, or leads where no clock may go.
    """
    match = _SPAN.fullmatch(span)
    if match is None:
        raise Invalid(f"{place}: {span[:60]!r} is no span; say P1DT2H, P1M or PT90S.", {place: ["Say P1DT2H."]})
    years, months, weeks, days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    year, month = divmod(now.year * 12 + now.month - 1 + int(years) * 12 + int(months), 12)
    if year > LATEST.year:
        raise _outside()
    moved = now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))
    return later(moved, timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds))


def later(now: datetime, span: timedelta) -> datetime:
    """The instant a span after another. Raises Invalid where no clock may go."""
    try:
        return now + span
    except OverflowError:
        raise _outside() from None


def _is(id: str) -> Callable[[Record], bool]:
    return lambda job: job["id"] == id


def _outside() -> Invalid:
    last = LATEST.astimezone(UTC) - timedelta(days=1)
    return Invalid(f"a clock stands between {EARLIEST:%Y-%m-%d} and {last:%Y-%m-%d}; name an instant between them.")
