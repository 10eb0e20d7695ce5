"""Rows in the order in which they came, found by their place or by what a member holds without looking at each.

What is made of a bucket when somebody first asks for it takes one look at each of its rows, in portions: those are
generators that yield between two, so that others can be answered, and return what they made.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Any, Protocol, TypeVar

Record = Mapping[str, Any]
Key = Callable[[Record], Any]
T = TypeVar("T")

MOST = 64
"""What is made of a bucket: so many, of some eight to sixteen bytes a row each"""
PORTION = 5_000
"""Rows that are looked at before others have their turn: some milliseconds."""


class Holder(Protocol):
    """What has a record: a stored version of one."""

    record: Record


class Ordered:
    """Places in a bucket by what a member holds there, those where it holds nothing apart; equal ones as they came.

    descending: the greatest first, and what holds nothing last instead of first
    """

    __slots__ = ("_descending", "absent", "key", "keys", "places")

    def __init__(self, key: Key, descending: bool, keys: list[Any], places: array[int], absent: array[int]) -> None:
        """keys, places: the least first also where `descending`, where equal ones are the other way round"""
        self.key = key
        self._descending = descending
        self.keys = keys
        self.places = places
        self.absent = absent

    def __len__(self) -> int:
        return len(self.places) + len(self.absent)

    def cut(self, first: int, last: int) -> Sequence[int]:
        """The places from one of the order to before another."""
        last = min(last, len(self))
        head, tail = (self.places, self.absent) if self._descending else (self.absent, self.places)
        if not self._descending or first >= len(head):
            return head[first:last] + tail[max(first - len(head), 0) : max(last - len(head), 0)]
        end = len(head) - first
        return head[max(end - (last - first), 0) : end][::-1] + tail[: max(last - len(head), 0)]

    def between(self, operator: str, value: Any) -> tuple[int, int]:
        """Where in `places` those begin and end whose member is gt, ge, lt, le or eq to a value."""
        low, high = bisect_left(self.keys, value), bisect_right(self.keys, value)
        whole = len(self.keys)
        return {"gt": (high, whole), "ge": (low, whole), "lt": (0, low), "le": (0, high), "eq": (low, high)}[operator]

    def append(self, place: int, record: Record) -> None:
        """Take in the row that came last."""
        value = self.key(record)
        if value is None:
            self.absent.append(place)
            return
        at = (bisect_left if self._descending else bisect_right)(self.keys, value)
        self.keys.insert(at, value)
        self.places.insert(at, place)


class Grouped:
    """Places in a bucket by what a member holds there, in the order in which they came."""

    __slots__ = ("key", "places")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.places: dict[Any, array[int]] = {}

    def append(self, place: int, record: Record) -> None:
        """Take in the row that came last."""
        value = self.key(record)
        found = self.places.get(value)
        if found is None:
            found = self.places[value] = array("L")
        found.append(place)

    def of(self, values: Iterable[Any]) -> Sequence[int]:
        """The places where the member holds one of the values."""
        found = [places for value in values if (places := self.places.get(value))]
        return found[0] if len(found) == 1 else sorted(place for places in found for place in places)


class Column:
    """What a member holds, by place."""

    __slots__ = ("key", "values")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.values: list[Any] = []

    def append(self, place: int, record: Record) -> None:
        """Take in the row that came last."""
        self.values.append(self.key(record))


Made = Ordered | Grouped | Column
Which = tuple[type[Made], str, bool]
"""What is made: of which kind, of which member, and whether descending."""


class Bucket:
    """The ids of some rows of an entity in the order in which they came, and what was made of them.

    What was made grows with rows that are appended. Where one goes, or changes in a member that it was made of, it is
    forgotten, and made anew when somebody asks again; so is the oldest, where it is too much. `version` tells whether
    anything happened, `asked` by which members a span was looked for.
    """

    __slots__ = ("_ids", "_listed", "asked", "made", "version")

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self.version = 0
        # A list takes a fifth of the memory of a dict and of the time to make it, but nothing is found in it: one of
        # both is there, or both.
        self._listed: list[str] | None = list(ids)
        self._ids: dict[str, None] | None = None
        self.made: dict[Which, Made] = {}
        self.asked: set[str] = set()

    def __len__(self) -> int:
        return len(self._any)

    def __iter__(self) -> Iterator[str]:
        return iter(self._any)

    @property
    def _any(self) -> Collection[str]:
        return self._ids or () if self._listed is None else self._listed

    @property
    def listed(self) -> list[str]:
        """The ids by their places; it only ever grows: a bucket that loses one has another list."""
        if self._listed is None:
            self._listed = list(self._ids or ())
        return self._listed

    def append(self, id: str, record: Record) -> None:
        """Take in a row that comes after all others."""
        self.version += 1
        for made in self.made.values():
            made.append(len(self), record)
        if self._ids is not None:
            self._ids[id] = None
        if self._listed is not None:
            self._listed.append(id)

    def extend(self, ids: Iterable[str], rows: Mapping[str, Holder | None]) -> None:
        """Take in many rows that come after all others."""
        if self.made:
            for id in ids:
                row = rows[id]
                assert row is not None, "none is removed"
                self.append(id, row.record)
            return
        self.version += 1
        self.listed.extend(ids)
        self._ids = None

    def remove(self, id: str) -> None:
        """Forget a row, and with it what the places of the others were."""
        self.version += 1
        if self._ids is None:
            self._ids = dict.fromkeys(self.listed)
        self._ids.pop(id, None)
        self._listed = None
        self.made = {}

    def clear(self, ids: Sequence[str]) -> None:
        """Forget many rows, all of which are there."""
        self.version += 1
        self._listed = left(self.listed, ids)
        self._ids = None
        self.made = {}

    def change(self, before: Record, after: Record) -> None:
        """Note that a row has another version, at its place."""
        self.version += 1
        for which in [which for which, made in self.made.items() if made.key(before) != made.key(after)]:
            del self.made[which]

    def keep(self, which: Which, made: Made) -> None:
        """Keep what was made of all rows."""
        self.made[which] = made
        while len(self.made) > MOST:
            del self.made[next(iter(self.made))]


def left(ids: list[str], gone: Sequence[str]) -> list[str]:
    """The ids without many that are all among them; such as came one after another go so, in next to no time."""
    first = ids.index(gone[0])
    if ids[first : first + len(gone)] == gone:
        return ids[:first] + ids[first + len(gone) :]
    lost = set(gone)
    return [id for id in ids if id not in lost]


def grouping(records: Iterable[Record], key: Key) -> Generator[None, None, Grouped]:
    """The places of all the records of a bucket by what a member holds."""
    made = Grouped(key)
    yield from _filled(made, records)
    return made


def column(records: Iterable[Record], key: Key) -> Generator[None, None, Column]:
    """What a member holds in all the records of a bucket."""
    made = Column(key)
    yield from _filled(made, records)
    return made


def _filled(made: Grouped | Column, records: Iterable[Record]) -> Iterator[None]:
    for place, record in enumerate(records):
        made.append(place, record)
        if not place % PORTION:
            yield


def ordering(records: Iterable[Record], key: Key, *, descending: bool) -> Generator[None, None, Ordered]:
    """The places of all the records of a bucket in the order of a member."""
    absent, present, keys = array("L"), list[int](), list[Any]()
    for place, record in enumerate(records):
        value = key(record)
        keys.append(value)
        (absent if value is None else present).append(place)
        if not place % PORTION:
            yield
    # Read from its end, equal ones come as they came.
    places = yield from in_order(present[::-1] if descending else present, keys.__getitem__)
    made = Ordered(key, descending, [], array("L"), absent)
    for first in range(0, len(places), PORTION):
        portion = places[first : first + PORTION]
        made.keys.extend(map(keys.__getitem__, portion))
        made.places.extend(portion)
        yield
    return made


def in_order(items: list[T], key: Callable[[T], Any], *, descending: bool = False) -> Generator[None, None, list[T]]:
    """The items sorted as `sorted` does it, in portions."""
    if len(items) <= 2 * PORTION:
        return sorted(items, key=key, reverse=descending)
    runs: list[list[T]] = []
    for first in range(0, len(items), PORTION):
        runs.append(sorted(items[first : first + PORTION], key=key, reverse=descending))
        yield
    made: list[T] = []
    merged = merge(*runs, key=key, reverse=descending)
    while portion := list(islice(merged, PORTION)):
        made += portion
        yield
    return made
