"""Rows of which any span, any value of a member and any order of one can be had without looking at each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

from mockserver.buckets import PORTION, Grouped, Key, Ordered, grouping, ordering
from mockserver.store import Changes, Layer, Place, Record, Row


class Slices:
    """Rows of which any span can be had without looking at those before it."""

    __slots__ = ()

    def cut(self, first: int, last: int) -> list[Row]:
        """The rows from one place to before another; fewer where there are no more."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Row]:
        return iter(self.cut(0, sys.maxsize))


class Listing(Slices):
    """The rows of an index's bucket, as a layer shows them."""

    __slots__ = ("_entity", "_layer", "_listed", "_place")

    def __init__(self, layer: Layer, place: Place) -> None:
        self._layer = layer
        self._place = place
        self._entity = place[0]
        self._listed = layer.bucket(place).listed

    @classmethod
    def of(cls, changes: Changes, place: Place) -> Listing | None:
        """The rows at a place; None where the unit of work itself changes some of their entity."""
        layer = changes.level(place[0])
        return None if layer is None else cls(layer, place)

    def __len__(self) -> int:
        return len(self._listed)

    def cut(self, first: int, last: int) -> list[Row]:
        return self._layer.at(self._entity, self._listed[first:last])

    def at(self, places: Iterable[int]) -> list[Row]:
        """The rows at some places, in their order."""
        listed = self._listed
        return self._layer.at(self._entity, [listed[place] for place in places])

    def portions(self, places: Sequence[int] | None = None) -> Iterator[list[Row]]:
        """The rows at some places, or all of them, in portions."""
        if places is None:
            for first in range(0, len(self._listed), PORTION):
                yield self.cut(first, first + PORTION)
        else:
            for first in range(0, len(places), PORTION):
                yield self.at(places[first : first + PORTION])

    def grouped(self, path: str, key: Key) -> Generator[None, None, Grouped]:
        """The places of the rows by what a member holds, which `key` reads; made when it is first asked for."""
        bucket = self._layer.watched(self._place)
        if path in bucket.grouped:
            return bucket.grouped[path]
        version = bucket.version
        made = yield from grouping(self._records(), key)
        if bucket.version == version:
            bucket.grouped[path] = made
        return made

    def ordered(self, path: str, key: Key, *, descending: bool = False) -> Generator[None, None, Ordered]:
        """The places of the rows in the order of a member, which `key` reads; made when it is first asked for."""
        bucket = self._layer.watched(self._place)
        if (path, descending) in bucket.ordered:
            return bucket.ordered[path, descending]
        version = bucket.version
        made = yield from ordering(self._records(), key, descending=descending)
        if bucket.version == version:
            bucket.ordered[path, descending] = made
        return made

    def is_worth(self, path: str) -> bool:
        """Whether the order of a member is there, or was wanted before: making it takes longer than one look at all."""
        bucket = self._layer.watched(self._place)
        if (path, False) in bucket.ordered or path in bucket.asked:
            return True
        bucket.asked.add(path)
        return False

    def _records(self) -> Iterator[Record]:
        return (row.record for rows in self.portions() for row in rows)


class Picked(Slices):
    """Rows of a listing at some places, in the order of these."""

    __slots__ = ("_cut", "_listing")

    def __init__(self, listing: Listing, cut: Callable[[int, int], Iterable[int]]) -> None:
        """cut: the places from one to before another"""
        self._listing = listing
        self._cut = cut

    def cut(self, first: int, last: int) -> list[Row]:
        return self._listing.at(self._cut(first, last))
