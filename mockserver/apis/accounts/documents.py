"""Documents of invoices as files: which kind becomes what (accounts 9, M)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mockserver.apis.accounts.catalog import NO_LANGUAGE
from mockserver.apis.accounts.pdfs import pdf, slip_pdf
from mockserver.apis.accounts.sheet import Sheet, detailed, summary
from mockserver.apis.accounts.words import LANGUAGES
from mockserver.apis.accounts.workbooks import workbook
from mockserver.negotiation import PDF, XLSX

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """The bytes of a document; suffix: of the name to keep it under, None where it is no file to keep."""

    content: bytes
    media: str
    suffix: str | None


def draw(document: Record, invoice: Record, account: Record) -> File:
    """The file of one document of an invoice."""
    language = str(document["documentId"]).rpartition("_")[2]
    if language == NO_LANGUAGE:
        # What governments ask for is in the language of the country, which is the account's own.
        language = LANGUAGES[account["invoiceLanguage"]]
    return DRAWERS[document["fileType"]](invoice, account, language)


def _as_pdf(show: Callable[..., Sheet]) -> Callable[..., File]:
    return lambda *parts: File(pdf(show(*parts)), PDF, "pdf")


def _as_workbook(show: Callable[..., Sheet]) -> Callable[..., File]:
    # The ids say XLS; the bytes are XLSX, and so is the type (M).
    return lambda *parts: File(workbook(show(*parts)), XLSX, "xlsx")


def _official(invoice: Record, account: Record, language: str) -> File:
    sheet = detailed(invoice, account, language)
    return File(pdf(replace(sheet, title=sheet.words.official, subtitle=sheet.title)), PDF, "pdf")


def _slip(invoice: Record, account: Record, language: str) -> File:
    sheet = summary(invoice, account, language)
    return File(slip_pdf(replace(sheet, title=sheet.words.slip, subtitle=sheet.title)), PDF, "pdf")


def _address(invoice: Record, account: Record, language: str) -> File:
    return File(f"https://nfe.example.org/{invoice['id']}".encode(), "text/plain; charset=utf-8", None)


DRAWERS: Mapping[str, Callable[..., File]] = {
    "PDF_DETAILS": _as_pdf(detailed),
    "PDF_SUMMARY": _as_pdf(summary),
    "EXCEL_DETAILS": _as_workbook(detailed),
    "EXCEL_SUMMARY": _as_workbook(summary),
    "INVOICE_PDF": _official,
    "BOLETO_PDF": _slip,
    "NF_URL": _address,
}
