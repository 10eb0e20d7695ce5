"""Which documents an invoice has, and what a documentId says: KIND_FORMAT_LANGUAGE (accounts 4.8, S)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mockserver.apis.accounts.words import LANGUAGES

NO_LANGUAGE = "NA"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of document.

    stem: what its ids begin with
    has_language: whether there is one in each language of the account
    types: the types of invoices that have it
    format: the `invoiceFormat` of accounts that have it; None: all of them
    countries: the only ones that ask for it; none named: it is had everywhere
    """

    stem: str
    file_type: str
    types: tuple[str, ...]
    format: str | None = None
    has_language: bool = True
    countries: tuple[str, ...] = ()

    def id(self, language: str) -> str:
        """The documentId of the one in this language."""
        return f"{self.stem}_{language if self.has_language else NO_LANGUAGE}"


# Every invoice has a detailed version, the monthly ones a summary too; governments ask for more in some countries (D).
# Which of them are had as workbooks is ours (M).
KINDS: tuple[Kind, ...] = (
    Kind("DETAILED_PDF", "PDF_DETAILS", ("INVOICE", "MANUAL_INVOICE", "CREDIT_MEMO")),
    Kind("SUMMARY_PDF", "PDF_SUMMARY", ("INVOICE", "STATEMENT"), format="PDF"),
    Kind("DETAILED_XLS", "EXCEL_DETAILS", ("INVOICE", "MANUAL_INVOICE")),
    Kind("SUMMARY_XLS", "EXCEL_SUMMARY", ("INVOICE", "STATEMENT"), format="EXCEL"),
    Kind("OFFICIAL_INVOICE_PDF", "INVOICE_PDF", ("INVOICE", "MANUAL_INVOICE"), has_language=False, countries=("BR",)),
    Kind("BOLETO_PDF", "BOLETO_PDF", ("INVOICE", "MANUAL_INVOICE"), has_language=False, countries=("BR",)),
    Kind("NF_URL", "NF_URL", ("INVOICE", "MANUAL_INVOICE"), has_language=False, countries=("BR",)),
)
IDS: Mapping[str, Kind] = {
    kind.id(language): kind for kind in KINDS for language in (LANGUAGES.values() if kind.has_language else ("",))
}
"""Every documentId that there can be"""


def document(id: str, type: str) -> dict[str, str]:
    """A document as the account's summary lists it; its type is that of the invoice (accounts 4.8, S)."""
    return {"documentId": id, "fileType": IDS[id].file_type, "type": type}


def documents(type: str, *, format: str, language: str, country: str) -> Iterator[dict[str, str]]:
    """The documents of an invoice: each in English, and in the account's language beside it (accounts 4.8, D)."""
    suffixes = dict.fromkeys(("EN", LANGUAGES[language]))
    for kind in KINDS:
        is_had = kind.format in (None, format) and (not kind.countries or country in kind.countries)
        if type in kind.types and is_had:
            for suffix in suffixes if kind.has_language else ("",):
                yield document(kind.id(suffix), type)
