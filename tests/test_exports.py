"""Files with charges."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import openpyxl  # type: ignore[import-untyped, unused-ignore]  # openpyxl carries no annotations
import pytest

from mockserver import MockServer, handlers, lists
from mockserver.apis.billing import exports
from mockserver.apis.billing.exports import Column, charges_csv, charges_jsonl, charges_xlsx, columns
from mockserver.domain.errors import TooLarge
from tests import driver
from tests.driver import Client

NOW = datetime(2025, 7, 1, 12, 0, tzinfo=UTC)
CHARGE: dict[str, Any] = {
    "id": "CHG-1001-2002-0000-0000-0100",
    "agreement": {"id": "AGR-1000-2000-3000", "name": "Borealis, for Fenrir"},
    "subscription": {"id": "SUB-1000-2000-3001", "name": "=1+1"},
    "item": {"id": "ITM-1", "name": "Seat", "externalIds": {"vendor": "SKU-9"}},
    "period": {"start": "2025-06-01T00:00:00.000Z", "end": "2025-06-30T23:59:59.000Z"},
    "description": {"value1": "Größe", "value2": "-5 off"},
    "quantity": Decimal("10"),
    "price": {
        "unitPP": Decimal("-40.5"),
        "PPx1": Decimal("-405"),
        "unitSP": Decimal("50"),
        "SPx1": Decimal("500"),
        "currency": {"purchase": "EUR", "sale": "USD"},
    },
    "upload": {"status": "Ready"},
    "processing": {"status": "Split"},
}
NOTHING: frozenset[str] = frozenset()
SALE = frozenset({"price.unitSP", "price.SPx1", "price.currency.sale", "processing"})


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_who_sees_everything_gets_the_sale_side() -> None:
    [row] = table(charges_csv([CHARGE], columns(NOTHING)))
    assert list(row) == [header for header, _ in exports.COLUMNS]
    assert (row["Unit Price"], row["Total"], row["Currency"], row["Status"]) == ("50", "500", "USD", "Split")


def test_who_may_not_see_the_sale_side_gets_the_purchase_side() -> None:
    [row] = table(charges_csv([CHARGE], columns(SALE)))
    assert (row["Unit Price"], row["Total"], row["Currency"], row["Status"]) == ("-40.5", "-405", "EUR", "Ready")


def test_a_column_of_which_nothing_may_be_seen_is_dropped() -> None:
    shown = {column.header for column in columns(frozenset({"processing", "upload", "price.currency", "item.name"}))}
    assert {header for header, _ in exports.COLUMNS} - shown == {"Status", "Currency", "Item Name"}


@pytest.mark.parametrize("path", [path for _, paths in exports.COLUMNS for path in paths])
def test_nothing_hidden_is_ever_shown(path: str) -> None:
    for depth in range(1, len(path.split(".")) + 1):
        hidden = ".".join(path.split(".")[:depth])
        assert path not in {column.path for column in columns(frozenset({hidden}))}


def test_csv_is_utf8_with_crlf_and_quotes_where_needed() -> None:
    lines = charges_csv([CHARGE, {"id": "x"}], (Column("ID", "id"), Column("A", "agreement.name"))).split(b"\r\n")
    assert lines == [b"ID,A", b'CHG-1001-2002-0000-0000-0100,"Borealis, for Fenrir"', b"x,", b""]


@pytest.mark.parametrize("text", ["=1+1", "+x", "-5 off", "@SUM(A1)", "\t=1", " =1"])
def test_csv_text_that_would_run_as_a_formula_is_defused(text: str) -> None:
    [row] = table(charges_csv([{"id": text}], (Column("ID", "id"),)))
    assert row["ID"] == f"'{text}"


def test_csv_shows_numbers_as_the_json_does() -> None:
    amounts = [Decimal("-1E+3"), Decimal("1.10"), -5, -0.5, Decimal("13.750")]
    rows = table(charges_csv([{"id": amount} for amount in amounts], (Column("ID", "id"),)))
    assert [row["ID"] for row in rows] == ["-1000", "1.1", "-5", "-0.5", "13.75"]


def test_xlsx_holds_numbers_dates_and_text_that_never_runs() -> None:
    charges = [CHARGE, {"id": "x", "period": {"start": "1753-01-01T00:00:00.000Z"}}]
    sheet = openpyxl.load_workbook(io.BytesIO(charges_xlsx(charges, columns(NOTHING), created=NOW))).worksheets[0]
    header, first, second = ({name.value: cell for name, cell in zip(sheet[1], row, strict=True)} for row in sheet)
    assert [cell.value for cell in header.values()] == [header for header, _ in exports.COLUMNS]
    assert first["Start Date"].value == datetime(2025, 6, 1)
    assert first["Total"].value == 500
    assert (first["Subscription Name"].value, first["Subscription Name"].data_type) == ("=1+1", "s")
    assert second["Start Date"].value == "1753-01-01T00:00:00.000Z"
    assert second["Quantity"].value is None


def test_more_rows_than_a_sheet_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "SHEET_ROWS", 3)
    assert charges_xlsx([CHARGE] * 2, columns(NOTHING), created=NOW)
    with pytest.raises(TooLarge, match="text/csv"):
        charges_xlsx([CHARGE] * 3, columns(NOTHING), created=NOW)


def test_the_same_charges_give_the_same_bytes_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    first = charges_xlsx([CHARGE], columns(NOTHING), created=NOW)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 0, 0, 0, 0, 0, 0))
    assert charges_xlsx([CHARGE], columns(NOTHING), created=NOW) == first
    properties = openpyxl.load_workbook(io.BytesIO(first)).properties
    assert properties.created == datetime(2025, 7, 1, 12, 0)


def test_jsonl_is_one_view_per_line() -> None:
    lines = charges_jsonl([CHARGE, {"id": "x"}]).splitlines()
    assert [json.loads(line)["id"] for line in lines] == [CHARGE["id"], "x"]
    assert json.loads(lines[0])["price"]["unitPP"] == -40.5
    assert charges_jsonl([]) == b""


FILES = ("text/csv", "application/jsonl", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")


@pytest.mark.parametrize("media", FILES)
def test_a_file_that_is_written_ahead_is_the_one_that_is_written_at_once(
    media: str, vendor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query, more in (("", {}), ("?eq(quantity,1)&order=-id", {}), ("?limit=2&offset=1", {"mpt-streaming": "true"})):
        path, headers = f"/journals/BJO-1000-0003/charges{query}", {"accept": media, **more}
        monkeypatch.setattr(lists, "LONG", 1_000_000)
        at_once = vendor.get(path, headers=headers)
        monkeypatch.setattr(lists, "LONG", 1)
        monkeypatch.setattr(handlers, "LINES", 2)
        ahead = vendor.get(path, headers=headers)
        assert at_once.status == 200
        assert (ahead.content, ahead.headers) == (at_once.content, at_once.headers), query


@pytest.mark.parametrize("turns", range(1, 8))
def test_a_file_shows_charges_as_they_are_at_one_time(
    turns: int, app: MockServer, vendor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "LONG", 1)
    home = ("Charge", "journal.id", "BJO-1000-0003")

    def write(quantity: int) -> None:
        work = app.world.work()
        for charge in list(work.where(*home)):
            work.put("Charge", {**charge, "quantity": quantity})
        work.commit()

    def by_turns(request: Any) -> None:
        with suppress(StopIteration):
            for _ in range(turns):
                request.send(None)
            write(77)
            while True:
                request.send(None)

    write(76)
    monkeypatch.setattr(driver, "_run", by_turns)
    file = vendor.get("/journals/BJO-1000-0003/charges", headers={"accept": "application/jsonl"})
    shown = [json.loads(line)["quantity"] for line in file.content.splitlines()]
    assert len(shown) == app.world.layer.count(*home) > 3
    assert set(shown) in ({76}, {77})


def test_others_are_answered_while_a_large_file_is_written(app: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "LONG", 1)
    answered = threading.Event()
    service = app.services["billing"]
    write = service.plugin.exports["text/csv"]

    def patient(*given: Any) -> bytes:
        assert answered.wait(30), "nobody else was answered meanwhile"
        return write(*given)

    monkeypatch.setattr(
        service, "plugin", replace(service.plugin, exports={**service.plugin.exports, "text/csv": patient})
    )
    token = (b"authorization", b"Bearer vendor-token")

    async def get(path: str, *headers: tuple[bytes, bytes]) -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        whole = f"/public/v1/billing{path}"
        scope = {"type": "http", "method": "GET", "path": whole, "query_string": b"", "headers": [token, *headers]}
        await app({**scope, "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80)}, receive, send)
        return int(sent[0]["status"])

    async def both() -> tuple[int, int]:
        file = asyncio.ensure_future(get("/journals/BJO-1000-0003/charges", (b"accept", b"text/csv")))
        await asyncio.sleep(0)
        other = await get("/journals/BJO-1000-0003")
        answered.set()
        return await file, other

    assert asyncio.run(both()) == (200, 200)
