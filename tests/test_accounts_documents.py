"""Documents of invoices, downloaded and opened with readers that are not ours; figures compared with the JSON."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import openpyxl  # type: ignore[import-untyped, unused-ignore]  # openpyxl carries no annotations
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.apis.accounts.catalog import IDS, document
from mockserver.apis.accounts.documents import draw
from mockserver.apis.accounts.words import LANGUAGES, WORDS
from tests.accounts import ACCOUNTS, anybody, app, as_, built, detail, download, finance, listed
from tests.driver import XLSX, Answer, Client

__all__ = ["anybody", "app", "as_", "finance"]
PDF = "application/pdf"
ACCOUNT: dict[str, Any] = {
    "id": "700199",
    "accountName": "Łódź & Söhne",
    "parentAccountNumber": "700100",
    "billingFrequency": "QUARTERLY",
    "currencyCode": "EUR",
    "invoiceLanguage": "German",
    "accountIbxs": ["FR5", "MU1"],
    "billingContact": {"firstName": "Mina", "lastName": "Okafor", "email": "mina.okafor@example.org"},
}
INVOICE: dict[str, Any] = {"id": "810000999", "amount": Decimal("1204.50"), "date": "2026-02-01", "type": "INVOICE"}


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def rows_of(content: bytes) -> list[tuple[Any, ...]]:
    [sheet] = openpyxl.load_workbook(io.BytesIO(content)).worksheets
    return list(sheet.iter_rows(values_only=True))


def printed(text: str) -> list[Decimal]:
    """Every amount that a text shows, in its order."""
    return [Decimal(each) for each in re.findall(r"-?\d+\.\d\d\b", text)]


def drawn(id: str, **said: Any) -> bytes:
    invoice = {**INVOICE, **said}
    return draw(document(id, invoice["type"]), invoice, ACCOUNT).content


Found = tuple[dict[str, Any], dict[str, Any], dict[str, Any], Answer]


@cache
def everything() -> list[Found]:
    """Every document that the default cast can see, downloaded: (account, invoice, document, answer)."""
    server = built()
    server.reset()
    client = Client(server, server.token("finance"))
    found = []
    for account in listed(client):
        summary = detail(client, account["accountNumber"])
        for invoice in summary["invoices"]:
            for each in invoice["documents"]:
                answer = download(client, summary["accountNumber"], invoice["invoiceId"], each["documentId"])
                found.append((summary, invoice, each, answer))
    return found


def of(*file_types: str) -> Iterator[Found]:
    for found in everything():
        if found[2]["fileType"] in file_types:
            yield found


def test_every_document_that_is_listed_downloads_with_the_name_and_type_of_its_kind() -> None:
    media = {"PDF": (PDF, "pdf"), "EXCEL": (XLSX, "xlsx")}
    for _, invoice, each, answer in everything():
        assert answer.status == 200, (invoice["invoiceId"], each["documentId"], answer)
        assert int(answer.headers["content-length"]) == len(answer.content)
        if each["fileType"] == "NF_URL":
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert "content-disposition" not in answer.headers
            continue
        kind, suffix = media["EXCEL" if each["fileType"].startswith("EXCEL") else "PDF"]
        assert answer.headers["content-type"] == kind
        name = f"{invoice['invoiceId']}_{each['documentId']}.{suffix}"
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'


def test_the_default_world_has_every_kind_of_document() -> None:
    assert {found[2]["fileType"] for found in everything()} == {kind.file_type for kind in IDS.values()}


def test_a_pdf_says_what_the_json_says() -> None:
    for account, invoice, _, answer in of("PDF_DETAILS", "PDF_SUMMARY", "INVOICE_PDF", "BOLETO_PDF"):
        assert answer.content.startswith(b"%PDF-")
        text = text_of(answer.content)
        for shown in (invoice["invoiceId"], invoice["date"], account["accountNumber"]):
            assert shown in text
        assert f"{Decimal(str(invoice['amount'])):.2f} {account['currencyCode']}" in text


def test_the_lines_of_a_pdf_add_up_to_its_total_exactly() -> None:
    for _, invoice, _, answer in of("PDF_DETAILS", "INVOICE_PDF"):
        # Amounts stand last in their rows, behind a price.
        rows = re.findall(r"(\d+) (-?\d+\.\d\d) (-?\d+\.\d\d)$", text_of(answer.content), re.MULTILINE)
        assert rows
        assert all(int(quantity) * Decimal(price) == Decimal(amount) for quantity, price, amount in rows)
        assert sum(Decimal(amount) for _, _, amount in rows) == Decimal(str(invoice["amount"]))


def test_the_sites_of_a_summary_add_up_to_its_total_exactly() -> None:
    for account, invoice, _, answer in of("PDF_SUMMARY"):
        *amounts, total = printed(text_of(answer.content))
        assert sum(amounts) == total == Decimal(str(invoice["amount"]))
        assert len(amounts) <= len(account["accountIbxs"])


def test_a_workbook_says_what_the_json_says_and_adds_up_exactly() -> None:
    for account, invoice, each, answer in of("EXCEL_DETAILS", "EXCEL_SUMMARY"):
        words = WORDS[each["documentId"].rpartition("_")[2]]
        rows = rows_of(answer.content)
        facts = {row[0]: row[1] for row in rows}
        assert facts[words.number] == invoice["invoiceId"]
        assert facts[words.date] == datetime.fromisoformat(invoice["date"])
        assert facts[words.customer] == account["accountName"]
        head = next(place for place, row in enumerate(rows) if row[0] == words.site)
        column = rows[head].index(words.amount)
        total = Decimal(str(rows[-1][column]))
        assert total == Decimal(str(invoice["amount"]))
        assert sum(Decimal(str(row[column])) for row in rows[head + 1 : -1]) == total
        assert rows[-1][column + 1] == account["currencyCode"]


def test_a_summary_and_the_details_of_one_invoice_agree_site_by_site() -> None:
    details: dict[str, int] = {}
    for row in rows_of(drawn("DETAILED_XLS_EN")):
        if row[0] in ACCOUNT["accountIbxs"]:
            details[row[0]] = details.get(row[0], 0) + round(row[4] * 100)
    summary = {row[0]: round(row[2] * 100) for row in rows_of(drawn("SUMMARY_XLS_EN")) if row[0] in details}
    assert summary == details


def test_a_slip_carries_a_line_of_47_digits_with_its_amount_and_day() -> None:
    slips = list(of("BOLETO_PDF"))
    assert slips
    for _, invoice, _, answer in slips:
        line = re.search(r"\d{5}\.\d{5} \d{5}\.\d{6} \d{5}\.\d{6} \d \d{14}", text_of(answer.content))
        assert line is not None
        assert Decimal(line[0][-10:]) / 100 == Decimal(str(invoice["amount"]))
        due = date.fromisoformat(invoice["date"]) + timedelta(days=30)
        assert due.isoformat() in text_of(answer.content)


def test_a_nota_fiscal_is_one_absolute_url() -> None:
    for _, invoice, _, answer in of("NF_URL"):
        parts = urlsplit(answer.text)
        assert (parts.scheme, parts.hostname) == ("https", "nfe.example.org")
        assert invoice["invoiceId"] in parts.path
        assert answer.text == answer.text.strip()


def test_credit_memos_say_so() -> None:
    memos = [found for found in everything() if found[1]["type"] == "CREDIT_MEMO"]
    assert memos
    for _, _, each, answer in memos:
        words = WORDS[each["documentId"].rpartition("_")[2]]
        text = text_of(answer.content)
        assert text.startswith(words.credit_memo)
        assert words.credit in text
        assert min(printed(text)) < 0 and max(printed(text)) < 0


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_a_copy_speaks_its_language_in_pdf_and_workbook(language: str) -> None:
    words = WORDS[language]
    text = text_of(drawn(f"DETAILED_PDF_{language}"))
    for shown in (
        words.invoice,
        words.details,
        words.customer,
        words.quantity,
        words.total,
        words.quarterly,
        words.page,
    ):
        assert shown in text
    cells = {cell for row in rows_of(drawn(f"DETAILED_XLS_{language}")) for cell in row}
    assert {words.invoice, words.customer, words.quantity, words.total, words.quarterly} <= cells
    assert cells & set(words.products)


def test_the_german_copy_differs_from_the_english_in_words_and_not_in_figures(finance: Client) -> None:
    [invoice, *_] = [each for each in detail(finance, "700104")["invoices"] if each["type"] == "INVOICE"]
    english, german = (
        text_of(download(finance, "700104", invoice["invoiceId"], f"DETAILED_PDF_{suffix}").content)
        for suffix in ("EN", "DE")
    )
    assert english.startswith("Invoice") and german.startswith("Rechnung")
    assert "Gesamtbetrag" in german and "Gesamtbetrag" not in english
    assert printed(english) == printed(german)


def test_what_a_government_asks_for_is_in_the_account_s_language() -> None:
    assert text_of(drawn("OFFICIAL_INVOICE_PDF_NA")).startswith("Amtliche Rechnung")


def test_every_language_has_every_word_and_each_can_be_shown() -> None:
    for words in WORDS.values():
        for name in words.__slots__:
            said = getattr(words, name)
            for each in said if isinstance(said, tuple) else (said,):
                assert each and each.encode("latin-1")
        assert len(words.products) == len(WORDS["EN"].products)


# Same request, same bytes; Accept; what is not there


def test_the_same_request_gets_the_same_bytes_whenever_it_comes(app: Any, finance: Client) -> None:
    ids = ["DETAILED_PDF_EN", "SUMMARY_PDF_EN", "DETAILED_XLS_EN"]
    first = [download(finance, "700100", "810000001", id) for id in ids]
    app.world.clock.advance(timedelta(days=2))
    again = [download(finance, "700100", "810000001", id) for id in ids]
    assert [each.content for each in first] == [each.content for each in again]
    assert len({each.content for each in first}) == len(ids)


@pytest.mark.parametrize(
    ("accept", "is_octets"),
    [
        ("application/octet-stream", True),
        ("application/octet-stream, */*", True),
        ("application/octet-stream, application/pdf;q=0.5", True),
        ("application/pdf, application/octet-stream", False),
        ("application/octet-stream;q=0.5, application/pdf", False),
        ("application/pdf", False),
        ("*/*", False),
        ("text/html", False),
        ("application/json", False),
        ("nonsense", False),
    ],
)
def test_octets_are_had_for_the_asking_and_nothing_else_is_refused(
    finance: Client, accept: str, is_octets: bool
) -> None:
    plain = download(finance, "700100", "810000001", "DETAILED_PDF_EN")
    asked = download(finance, "700100", "810000001", "DETAILED_PDF_EN", accept=accept)
    assert asked.status == 200
    assert asked.headers["content-type"] == ("application/octet-stream" if is_octets else PDF)
    assert asked.content == plain.content
    assert asked.headers["content-disposition"] == plain.headers["content-disposition"]


def test_every_kind_of_document_can_be_had_as_octets(finance: Client) -> None:
    kinds = {each["fileType"]: (account, invoice, each, answer) for account, invoice, each, answer in everything()}
    for account, invoice, each, answer in kinds.values():
        number, octets = account["accountNumber"], "application/octet-stream"
        asked = download(finance, number, invoice["invoiceId"], each["documentId"], accept=octets)
        assert (asked.headers["content-type"], asked.content) == (octets, answer.content)


def test_the_content_type_of_a_request_without_a_body_is_ignored(finance: Client) -> None:
    headers = {"content-type": "application/octet-stream"}
    assert download(finance, "700100", "810000001", "DETAILED_PDF_EN", **headers).status == 200


def test_a_document_that_is_not_listed_is_not_found(finance: Client) -> None:
    for id in ("DETAILED_PDF_FR", "NF_URL_NA", "detailed_pdf_en", "x", "DETAILED_PDF_EN "):
        answer = download(finance, "700100", "810000001", id.replace(" ", "%20"))
        assert answer.status == 404, answer
        assert answer.json["errors"][0]["code"] == "EQX-700-404"


def test_a_document_without_an_id_is_a_bad_request(finance: Client) -> None:
    for query in ("", "?documentId=", "?documentID=DETAILED_PDF_EN"):
        answer = finance.get(f"{ACCOUNTS}/700100/810000001{query}")
        assert answer.status == 400, answer
        assert answer.json["errors"][0]["fields"] == ["documentId"]


def test_an_invoice_outside_the_window_has_no_documents_and_comes_back_with_the_clock(
    app: Any, finance: Client
) -> None:
    assert download(finance, "700100", "810000002", "DETAILED_PDF_EN").status == 200
    assert download(finance, "700100", "810000003", "DETAILED_PDF_EN").status == 404
    assert download(finance, "700100", "810000004", "DETAILED_PDF_EN").status == 404
    app.world.clock.advance(timedelta(days=1))
    assert download(finance, "700100", "810000002", "DETAILED_PDF_EN").status == 404


@settings(max_examples=20, deadline=None)
@given(
    st.text(max_size=300),
    st.decimals(Decimal("0.01"), Decimal(10) ** 11, places=2),
    st.sampled_from(["INVOICE", "CREDIT_MEMO"]),
)
def test_no_name_and_no_amount_breaks_a_document(name: str, amount: Decimal, type: str) -> None:
    invoice = {**INVOICE, "amount": -amount if type == "CREDIT_MEMO" else amount, "type": type}
    account = {**ACCOUNT, "accountName": name}
    for id, kind in IDS.items():
        if id.endswith(("_DE", "_NA")) and not (kind.file_type == "BOLETO_PDF" and type == "CREDIT_MEMO"):
            file = draw(document(id, type), invoice, account)
            if file.suffix == "pdf":
                assert f"{invoice['amount']:.2f} EUR" in text_of(file.content)
            elif file.suffix == "xlsx":
                assert rows_of(file.content)
