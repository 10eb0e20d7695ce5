"""The charges of an uploaded file: made in portions, before the reply where that can be, and kept by a job.

The upload works them out while others are answered; the job takes what was worked out as long as nothing but that
upload has happened since, and else works them out again, at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from mockserver.apis.billing import summaries
from mockserver.apis.billing.charges import Processor
from mockserver.apis.billing.files import Uploads
from mockserver.store import Batch, Record
from mockserver.work import Work

if TYPE_CHECKING:
    from mockserver.apis.billing.charge_files import Kind

T = TypeVar("T")
AHEAD = ("Journal", "built")
"""Where a world keeps what was built ahead: never of more than one file."""


@dataclass(slots=True)
class Built:
    """What a file comes to.

    faults: charge id -> what is wrong with its line
    """

    charges: Batch
    faults: dict[str, Sequence[str]] = field(default_factory=dict)
    summary: summaries.Summary = summaries.NOTHING


@dataclass(slots=True)
class _Ahead:
    """What was built of a file before it was taken.

    content: the very bytes
    since: what the change replaced that was the last one before it was begun
    note: what the upload notes of the file when it takes it; None: not taken, or something has changed meanwhile
    """

    content: bytes
    built: Built
    since: Any  # only ever compared
    note: Record | None = None


def build(work: Work, journal: Record, content: bytes, kind: Kind) -> Generator[None, None, Built]:
    """The charges of a journal that the lines of a file become, a portion at a time.

    Raises Invalid, with the place, for a file that cannot be read, and TooLarge.
    """
    from mockserver.apis.billing.charge_files import portions

    built, processor, numbers = Built(work.batch("Charge")), Processor(work, journal), itertools.count(1)
    for lines in portions(content, kind):
        made: list[Record] = []
        for line in lines:
            charge, *shares = processor.of_line(next(numbers), line.data, line.errors)
            if line.errors:
                built.faults[charge["id"]] = line.errors
            made += (charge, *shares)
        for charge in made:
            built.charges.add(charge)
        built.summary += summaries.summed(made)
        yield
    return built


def build_ahead(work: Work, journal: Record, content: bytes, kind: Kind) -> Generator[None, None, None]:
    """Build a journal's charges a portion at a time, for `taken` and `built` to find. Raises as `build` does."""
    world = work.world
    world.prepared.pop(AHEAD, None)
    since = world.replaced
    built = yield from build(work, journal, content, kind)
    world.prepared[AHEAD] = _Ahead(content, built, since)


def is_read(work: Work, content: bytes) -> bool:
    """Whether it is known of a file that it can be read."""
    ahead = work.world.prepared.get(AHEAD)
    return ahead is not None and ahead.content is content


def taken(work: Work, content: bytes, note: Record) -> None:
    """Note that a file was taken: what was built of it ahead holds if nothing has changed until now."""
    ahead = work.world.prepared.pop(AHEAD, None)
    if ahead is not None and ahead.content is content and ahead.since is work.world.replaced:
        work.world.prepared[AHEAD] = _Ahead(content, ahead.built, None, note)


def built(work: Work, journal: Record, note: Record) -> Built:
    """The charges of the file that was noted for a journal: those built ahead, if the upload is the last change."""
    ahead = work.world.prepared.pop(AHEAD, None)
    if ahead is not None and ahead.note is note and journal["id"] in work.world.replaced.get(Uploads.ENTITY, ()):
        found: Built = ahead.built
        return found
    return _finished(build(work, journal, Uploads.content(work, note), note["kind"]))


def _finished(portions: Generator[None, None, T]) -> T:
    while True:
        try:
            next(portions)
        except StopIteration as end:
            made: T = end.value
            return made
