"""What is kept to be fast is bounded."""

from __future__ import annotations

import gc
import tracemalloc

import orjson
import pytest

from mockserver import MockServer
from mockserver.caches import Encodings
from mockserver.exchange import Exchange
from mockserver.store import Row
from tests.driver import Client


def test_the_bytes_kept_longest_go_when_it_is_too_much() -> None:
    encodings = Encodings(100)
    rows = [Row({"id": str(number)}) for number in range(5)]
    for row in rows:
        encodings.keep(row, "vendor", b"x" * 30)
    assert [row.kept("vendor") is not None for row in rows] == [False, False, True, True, True]


def test_one_view_of_a_row_goes_without_the_others() -> None:
    encodings = Encodings(100)
    row = Row({"id": "1"})
    row.keep("summary", {"kept": "by its maker"})
    encodings.keep(row, "vendor", b"x" * 60)
    encodings.keep(row, "client", b"y" * 60)
    assert row.kept("vendor") is None
    assert row.kept("client") == b"y" * 60
    assert row.kept("summary") == {"kept": "by its maker"}


def test_what_is_kept_takes_the_memory_that_it_shows() -> None:
    encodings = Encodings(1_000_000)
    rows = [Row({"id": str(number), "notes": "x" * 700}) for number in range(200)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for row in rows:
            encodings.keep(row, "vendor", orjson.dumps(row.record))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2 * sum(len(row.kept("vendor")) for row in rows)


def exchanges() -> int:
    return sum(type(each) is Exchange for each in gc.get_objects())


@pytest.mark.parametrize("token", [None, "client-token", "vendor-token"])
def test_a_refused_request_is_not_kept_until_the_collector_comes(app: MockServer, token: str | None) -> None:
    client = Client(app, token)
    gc.collect()
    gc.disable()
    before = exchanges()
    try:
        statuses = {client.post("/journals", {"name": 17}).status for _ in range(3)}
        left = exchanges() - before
    finally:
        gc.enable()
    assert statuses <= {400, 401, 403}
    assert left == 0
