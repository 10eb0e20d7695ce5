"""Everything that is kept only to be fast, in one place: how much of it, and what would make it stale.

Whatever is marked `lru_cache` is the result of a function that follows from its arguments alone, so that nothing makes
an entry stale; the mark says how many there are at most, and the one that was used longest ago goes first. Beside those
there are:

- what is made of a bucket by the members that queries named (`buckets.py`: groups, orders, columns): up to `MOST` of it
  for as long as the bucket lives; it grows with it, and is forgotten when a row goes or changes in that member.
- what a row has been made into (`Row.kept`): for as long as that version of the record lives, since it never changes.
  Of the bytes that were sent, `ENCODED` bounds how many are kept in all.
- what was made of an uploaded file ahead of the job that keeps it (`World.prepared`): of one file a world, until that
  job; stale once any record of an entity changes of which one was looked at, or what charges show of their journal.
  The rows of a custom ledger's file follow from that alone.
- views, shapes, validators and readers of a service, and how it words refusals: one an entity, role and operation,
  made of tables that nothing changes while a server runs.
- the worlds of `BASES` scenarios beside the server's own (`app.py`), which nothing changes either.
- files below the user's cache directory (`kept.py`, `specs/documents.py`): named by a digest of all that they follow
  from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from mockserver.store import Row

BASES = 8
"""Scenarios that are kept ready"""


class Encodings:
    """The bytes of records as they were sent, kept with their rows, of which those kept longest go when it is too much.

    most: bytes
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._kept: deque[tuple[Row, Hashable, int]] = deque()

    def keep(self, row: Row, key: Hashable, encoded: bytes) -> None:
        """Keep what a row looks like in a way that `key` tells from all others."""
        # A copy: what orjson wrote holds ten times the memory that it shows, for as long as it lives.
        row.keep(key, bytes(memoryview(encoded)))
        self._kept.append((row, key, len(encoded)))
        self._bytes += len(encoded)
        while self._bytes > self._most:
            oldest, was, size = self._kept.popleft()
            oldest.forget(was)
            self._bytes -= size


ENCODED = Encodings(32_000_000)
