"""Invoices as PDF: the same invoice gives the same bytes, and every figure is the one of the JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mockserver.apis.accounts.boleto import barcode, due, typed
from mockserver.apis.accounts.sheet import Sheet
from mockserver.latin import latin

if TYPE_CHECKING:
    from fpdf import FPDF

FONT = "Helvetica"
MARGIN = 18
WIDTH = 210 - 2 * MARGIN
LABEL = 50


def pdf(sheet: Sheet) -> bytes:
    """The whole document: heading, what it is about, its table, its total."""
    paper = _paper(sheet)
    _heading(paper, sheet)
    _facts(paper, sheet.facts)
    _table(paper, sheet)
    _total(paper, sheet)
    return bytes(paper.output())


def slip_pdf(sheet: Sheet) -> bytes:
    """A payment slip: what is to be paid, the line to type, and its bar code."""
    day = due(sheet.day)
    code = barcode(sheet.number, sheet.total, day)
    paper = _paper(sheet)
    _heading(paper, sheet)
    _facts(paper, [*sheet.facts, (sheet.words.due, day.isoformat())])
    _total(paper, sheet)
    paper.set_font(FONT, "B", 11)
    _row(paper, typed(code), 10)
    paper.interleaved2of5(code, x=MARGIN, y=paper.get_y() + 2, w=0.8, h=16)
    return bytes(paper.output())


def _paper(sheet: Sheet) -> FPDF:
    from fpdf import FPDF

    title, page = latin(f"{sheet.title} {sheet.number}"), latin(sheet.words.page)

    class Paper(FPDF):
        def footer(self) -> None:
            self.set_y(-15)
            self.set_font(FONT, size=8)
            self.cell(WIDTH, 5, f"{title} - {page} {self.page_no()} / {{nb}}", align="C")

    paper = Paper(format="A4")
    # No other time gets into the file, so that the same request is answered with the same bytes.
    paper.set_creation_date(datetime(sheet.day.year, sheet.day.month, sheet.day.day, tzinfo=UTC))
    paper.set_title(title)
    paper.set_margin(MARGIN)
    paper.add_page()
    return paper


def _heading(paper: FPDF, sheet: Sheet) -> None:
    paper.set_font(FONT, "B", 18)
    _row(paper, latin(sheet.title), 10)
    paper.set_font(FONT, size=11)
    _row(paper, latin(sheet.subtitle), 6)
    paper.ln(4)


def _facts(paper: FPDF, facts: Sequence[tuple[str, str]]) -> None:
    for label, value in facts:
        paper.set_font(FONT, "B", 9)
        paper.cell(LABEL, 5, latin(label))
        paper.set_font(FONT, size=9)
        _row(paper, _fitted(paper, latin(value), WIDTH - LABEL))
    paper.ln(4)


def _table(paper: FPDF, sheet: Sheet) -> None:
    # The first columns share what the figures, all of one width, leave.
    texts = sum(not column.is_figure for column in sheet.columns)
    widths = [
        26 if column.is_figure else (WIDTH - 26 * (len(sheet.columns) - texts)) / texts for column in sheet.columns
    ]
    paper.set_font(FONT, "B", 9)
    for column, width in zip(sheet.columns, widths, strict=True):
        paper.cell(width, 6, latin(column.heading), align="R" if column.is_figure else "L", border="B")
    paper.ln(7)
    paper.set_font(FONT, size=9)
    for row in sheet.rows:
        for column, width, value in zip(sheet.columns, widths, row, strict=True):
            shown = latin(column.text(value))
            paper.cell(
                width,
                5,
                shown if column.is_figure else _fitted(paper, shown, width - 2),
                align="R" if column.is_figure else "L",
            )
        paper.ln(5)
    paper.ln(3)


def _total(paper: FPDF, sheet: Sheet) -> None:
    paper.set_font(FONT, "B", 11)
    paper.cell(WIDTH - 60, 7, latin(sheet.total_label))
    paper.cell(60, 7, f"{sheet.total:.2f} {latin(sheet.currency)}", align="R")
    paper.ln(10)


def _row(paper: FPDF, text: str, height: float = 5) -> None:
    paper.cell(0, height, text)
    paper.ln(height)


def _fitted(paper: FPDF, text: str, width: float) -> str:
    """The text, cut so that it fits."""
    if paper.get_string_width(text) <= width:
        return text
    while text and paper.get_string_width(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."
