"""How much of an uploaded file is read, and how it is refused when that is not enough or makes no sense."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mockserver.apis.billing import exports
from mockserver.domain.errors import Invalid, TooLarge


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of a file is read before it is refused; each is refused as soon as it is passed."""

    file_bytes: int = 100 * 2**20  # 100,000 lines take some 50 MB as JSON Lines; twice that must do
    unpacked_bytes: int = 256 * 2**20  # 100,000 rows take some 110 MB of XML
    ratio: int = 200  # sheets of very uniform rows pack 1:60; bombs 1:1000
    parts: int = 4_096  # parts in the package; Excel writes some tens
    strings: int = 4_000_000  # different texts of a workbook; 100,000 rows have up to 1.2 million
    columns: int = 256  # the widest template has fewer than 100; a sheet can have 16,384
    rows: int = exports.SHEET_ROWS  # what a sheet can hold; the other kinds get no more
    text: int = exports.CELL_TEXT  # what a cell can hold
    line_bytes: int = 2**20  # a line of a file as text; a charge takes well under 1 KB
    nesting: int = 32  # a charge nests 4 deep; more depth is room for members that are ignored


LIMITS = Limits()
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def check_size(content: bytes, limits: Limits = LIMITS) -> None:
    """Refuse a file that is empty or too large; raises Invalid and TooLarge."""
    if not content:
        raise unreadable("The file is empty; send one with charges.")
    if len(content) > limits.file_bytes:
        raise TooLarge(f"the file has {len(content):,} bytes; {limits.file_bytes:,} is the most. Split it.")


def unreadable(*messages: str) -> Invalid:
    """The refusal of a file that cannot be read as a whole; each message is a sentence, or starts with a place."""
    about_all = messages[0].startswith("The file ")
    return Invalid(messages[0] if about_all else f"The file cannot be read: {messages[0]}", {"file": messages})


def short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
