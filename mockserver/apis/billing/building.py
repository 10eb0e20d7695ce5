"""The charges of an uploaded file: made in portions, before the reply where that can be, and kept by a job.

The upload works them out while others are answered; the job takes what was worked out as long as nothing has changed
that it was made of, and else works them out again, at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mockserver.apis.billing import summaries
from mockserver.apis.billing.charges import Processor, shared
from mockserver.apis.billing.files import Uploads
from mockserver.portions import at_once
from mockserver.store import Batch, Noting, Record
from mockserver.work import Work

if TYPE_CHECKING:
    from mockserver.apis.billing.charge_files import Kind


@dataclass(slots=True)
class Built:
    """What a file comes to.

    faults: charge id -> what is wrong with its line
    """

    charges: Batch
    faults: dict[str, Sequence[str]] = field(default_factory=dict)
    summary: summaries.Summary = summaries.NOTHING


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was built of a file before it was taken.

    shared: what all its charges have of their journal; read: of which entities any records were looked at
    since: how many commits there were when it was begun
    note: what the upload notes of the file when it takes it
    """

    built: Built
    shared: Record
    read: frozenset[str]
    since: int
    note: Record | None = None

    def holds(self, work: Work, journal: Record) -> bool:
        """Whether it would still come out the same."""
        return self.shared == shared(work, journal) and work.world.is_as(self.since, self.read)


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


def build_ahead(work: Work, journal: Record, content: bytes, kind: Kind) -> Generator[None, None, Ahead]:
    """Build a journal's charges a portion at a time, for `taken` and `built`. Raises as `build` does."""
    since, looking = work.world.commits, work.world.work(work.actor)
    looking.layer = noting = Noting(work.world.layer)
    built = yield from build(looking, journal, content, kind)
    return Ahead(built, shared(work, journal), frozenset(noting.read), since)


def taken(work: Work, ahead: Ahead | None, note: Record) -> None:
    """Note that a file was taken, for the job to find what was built of it ahead."""
    if ahead is not None:
        work.prepared = replace(ahead, note=note)


def built(work: Work, journal: Record, note: Record) -> Built:
    """The charges of the file that was noted for a journal: those built ahead, if they would still be the same."""
    ahead: Ahead | None = work.world.prepared
    if ahead is not None and ahead.note is note:
        work.world.prepared = None
        if ahead.holds(work, journal):
            return ahead.built
    return at_once(build(work, journal, Uploads.content(work, note), note["kind"]))
