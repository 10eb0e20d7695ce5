"""Makes charge files: the samples in fixtures/charges, and the hostile ones that tests refuse.

`python -m tests.make_files` from the top of the repository writes the samples anew.
"""

from __future__ import annotations

import argparse
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from mockserver.apis.billing import charge_files, custom_ledger_files

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "charges"
SUBSCRIPTIONS = ("sub-1001", "sub-1002")
ITEMS = ("SKU-100", "SKU-200")
AGREEMENTS = ("AGR-1000-2000-3000", "AGR-1000-2000-3001")
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def journal_lines(
    subscriptions: Sequence[str], items: Sequence[str], *, count: int | None = None
) -> list[dict[str, Any]]:
    """The data of journal lines: one per subscription, or `count`, going round the subscriptions and items.

    subscriptions, items: the vendor's external ids
    """
    return [
        {
            "externalIds": {"vendor": f"row-{number}", "reference": f"usage-{number}", "invoice": "VI-2026-02"},
            "search": {
                "source": {
                    "type": "Subscription",
                    "criteria": "externalIds.vendor",
                    "value": subscriptions[(number - 1) % len(subscriptions)],
                },
                "item": {"criteria": "item.externalIds.vendor", "value": items[(number - 1) % len(items)]},
            },
            "period": {"start": "2026-02-01T00:00:00.000Z", "end": "2026-02-28T00:00:00.000Z"},
            "quantity": Decimal(number % 20 + 1),
            "price": {"unitPP": Decimal("12.5"), "PPx1": Decimal("12.5") * (number % 20 + 1)},
            "description": {"value1": f"Seats, February, line {number}"},
            "segment": "COM",
        }
        for number in range(1, (count or len(subscriptions)) + 1)
    ]


def custom_ledger_rows(items: Sequence[str], agreements: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a custom ledger file: per agreement a title, an order and a credit memo."""
    rows: list[dict[str, Any]] = []
    for number, agreement in enumerate(agreements, 1):
        rows.append({"title": f"Services for {agreement}"})
        for side, price in (("Debit", "100"), ("Credit", "25.5")):
            rows.append(
                {
                    "documentNumber": agreement,
                    "statementType": side,
                    "orderType": "VAR_Direct",
                    "item": items[(number - 1) % len(items)],
                    "description": {"value1": f"{side} for February", "value2": "by hand"},
                    "quantity": Decimal(2),
                    "saleCurrency": "USD",
                    "unitSP": Decimal(price) * Decimal("1.2"),
                    "purchaseCurrency": "USD",
                    "unitPP": Decimal(price),
                    "externalDocumentNo": f"EXT-{number}",
                    "externalDocumentNo2": agreement,
                    "yourReference": f"PO {number}",
                    "saleRate": Decimal(1),
                    "purchaseRate": Decimal(1),
                    "start": "2026-02-01T00:00:00.000Z",
                    "end": "2026-02-28T00:00:00.000Z",
                    "vendorInvoice": "VI-2026-02",
                }
            )
    return rows


def write_samples(
    folder: Path, *, subscriptions: Sequence[str], items: Sequence[str], agreements: Sequence[str]
) -> None:
    """Write the four samples."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in samples(subscriptions=subscriptions, items=items, agreements=agreements).items():
        (folder / name).write_bytes(content)


def samples(*, subscriptions: Sequence[str], items: Sequence[str], agreements: Sequence[str]) -> dict[str, bytes]:
    """The four samples by file name."""
    lines = journal_lines(subscriptions, items)
    return {
        "journal.jsonl": charge_files.write_jsonl(lines),
        "journal.xlsx": charge_files.write_xlsx(lines),
        "journal.csv": charge_files.write_csv(lines),
        "custom-ledger.xlsx": custom_ledger_files.custom_ledger_template(custom_ledger_rows(items, agreements)),
    }


# -- by hand, for what spreadsheet programs would never write ---------------------------------------------------------


def workbook(sheet: str, *, strings: str | None = None, more: Mapping[str, bytes] | None = None) -> bytes:
    """A workbook whose sheet holds this XML within `sheetData`; numbers and inline texts need no `strings`."""
    sheet_xml = f'<worksheet xmlns="{SHEET}"><sheetData>{sheet}</sheetData></worksheet>'
    return package({"xl/worksheets/sheet1.xml": sheet_xml.encode()} | dict(more or {}), strings=strings)


def package(parts: Mapping[str, bytes], *, strings: str | None = None) -> bytes:
    """A zip archive with the parts that every workbook has, and these."""
    relations = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    related = f'<Relationship Id="r1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
    if strings is not None:
        related += f'<Relationship Id="r2" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>'
        parts = {"xl/sharedStrings.xml": f'<sst xmlns="{SHEET}">{strings}</sst>'.encode()} | dict(parts)
    office = f'<Relationship Id="r1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
    book = f'<workbook xmlns="{SHEET}" xmlns:r="{RELATIONS}"><sheets><sheet name="One" r:id="r1"/></sheets></workbook>'
    whole = {
        "_rels/.rels": relations.format(office).encode(),
        "xl/workbook.xml": book.encode(),
        "xl/_rels/workbook.xml.rels": relations.format(related).encode(),
    } | dict(parts)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in whole.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def inline(cells: Iterable[str], *, row: int) -> str:
    """A row of inline texts, as XML."""
    inner = "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells)
    return f'<row r="{row}">{inner}</row>'


def bomb(*, unpacked: int = 10 * 2**30, declared: int | None = None) -> bytes:
    """A workbook, about a thousandth of `unpacked` in size, whose sheet unpacks to that many spaces.

    The packed bytes of one MiB are repeated rather than made anew, so that it takes no time.
    declared: the size that its directory states instead
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    stream = block * (unpacked // 2**20) + packer.flush()
    name = b"xl/worksheets/sheet1.xml"
    size = unpacked if declared is None else declared
    # Sizes from 4 GB on stand in an extra field.
    extra = struct.pack("<HHQ", 1, 8, size) if size >= 2**32 - 1 else b""
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(stream), min(size, 2**32 - 1), len(name), len(extra))
    base = package({})
    end = base.rfind(b"PK\x05\x06")
    count, length, start = struct.unpack_from("<HII", base, end + 10)
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, start) + name + extra
    local = b"PK\x03\x04" + common + name + extra + stream
    directory = base[start : start + length] + entry
    closing = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, count + 1, count + 1, len(directory), start + len(local), 0
    )
    return base[:start] + local + directory + closing


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the sample charge files.")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--subscriptions", nargs="+", default=SUBSCRIPTIONS, help="external ids at the vendor")
    parser.add_argument("--items", nargs="+", default=ITEMS, help="external ids at the vendor")
    parser.add_argument("--agreements", nargs="+", default=AGREEMENTS, help="ids")
    given = parser.parse_args()
    write_samples(given.folder, subscriptions=given.subscriptions, items=given.items, agreements=given.agreements)


if __name__ == "__main__":
    main()
