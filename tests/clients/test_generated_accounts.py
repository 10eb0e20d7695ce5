"""The generated client of the accounts API: tokens, pages in every order, the months of an account, files, refusals."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from .conftest import Server
from .generated import ACCOUNTS, Caller, Generated, Served, paged, told

PDF = "application/pdf"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {
    "PDF_DETAILS": PDF,
    "PDF_SUMMARY": PDF,
    "INVOICE_PDF": PDF,
    "BOLETO_PDF": PDF,
    "EXCEL_DETAILS": XLSX,
    "EXCEL_SUMMARY": XLSX,
    "NF_URL": "text/plain; charset=utf-8",
}
ORDERS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "ACCOUNT_NUMBER": lambda account: (account.account_number,),
    "PARENT_ACCOUNT_NUMBER": lambda account: parent(account),
    "ACCOUNT_NAME": lambda account: (account.account_name,),
}


def parent(account: Any) -> tuple[bool, str]:
    """What accounts are sorted by: those without a parent come last."""
    number = account.to_dict().get("parentAccountNumber")
    return (number is None, number or "")


@pytest.fixture(scope="module")
def generated_accounts(generated: Callable[[Served], Generated]) -> Generated:
    return generated(ACCOUNTS)


@pytest.fixture(scope="module")
def models(generated_accounts: Generated) -> Any:
    return generated_accounts.models


@pytest.fixture(scope="module")
def finance(generated_accounts: Generated, server: Server) -> Caller:
    return generated_accounts.caller(server, "finance")


@pytest.fixture(scope="module")
def numbers(finance: Caller) -> list[str]:
    return [account.account_number for account in every(finance)]


@pytest.fixture(scope="module")
def details(finance: Caller, numbers: list[str]) -> list[Any]:
    """All that the caller's accounts show, invoices, payments and documents with them."""
    return [finance("get_finance_account", number) for number in numbers]


def every(caller: Caller, *, size: int = 10, **said: Any) -> list[Any]:
    """All accounts, page by page, as the numbers of each page say."""

    def page(offset: int, limit: int) -> tuple[list[Any], bool]:
        listed = caller("list_finance_accounts", offset=offset, limit=limit, **said)
        assert (listed.page.offset, listed.page.limit) == (offset, limit)
        more = offset + limit < listed.page.total
        assert bool(listed.field_links.next_) is more
        assert bool(listed.field_links.prev) is (offset > 0)
        return listed.data, more

    return paged(size, page)


def credentials(server: Server, caller: str) -> dict[str, str]:
    told = server.callers[caller]["credentials"]
    return {"client_id": told["clientId"], "client_secret": told["clientSecret"]}


def test_a_token_is_issued_for_client_credentials_and_opens_the_accounts_of_its_user(
    generated_accounts: Generated, server: Server, models: Any, numbers: list[str]
) -> None:
    body = models.TokenRequest(
        **credentials(server, "finance"), grant_type=models.TokenRequestGrantType.CLIENT_CREDENTIALS
    )
    issued = generated_accounts.caller(server, None)("get_o_auth_2_access_token", body=body)
    assert isinstance(issued, models.AccessToken)
    assert (issued.token_timeout, issued.user_name) == ("3599", server.callers["finance"]["user"])
    assert not issued.refresh_token

    caller = generated_accounts.caller(server, issued.access_token)
    assert [account.account_number for account in every(caller)] == numbers


def test_a_refresh_token_is_renewed_and_so_is_what_it_gave(
    generated_accounts: Generated, server: Server, models: Any
) -> None:
    stranger, own = generated_accounts.caller(server, None), credentials(server, "finance-two")
    refresh = server.callers["finance-two"]["credentials"]["refreshToken"]
    for _ in range(2):
        body = models.RefreshRequest(**own, refresh_token=refresh)
        issued = stranger("refresh_o_auth_2_access_token", body=body)
        assert len(every(generated_accounts.caller(server, issued.access_token))) == 2
        assert issued.refresh_token_timeout
        refresh = issued.refresh_token


def test_wrong_credentials_are_a_token_error(generated_accounts: Generated, server: Server, models: Any) -> None:
    stranger, own = generated_accounts.caller(server, None), credentials(server, "finance-two")
    grant = models.TokenRequestGrantType.CLIENT_CREDENTIALS
    wrong = models.TokenRequest(own["client_id"], "no such secret", grant_type=grant)
    refused = stranger.refused("get_o_auth_2_access_token", body=wrong, status=400)
    assert isinstance(refused, models.TokenError)
    assert refused.error_title == "Login Failure"
    # A right attempt in between, so that wrong ones never lock the user.
    assert stranger("get_o_auth_2_access_token", body=models.TokenRequest(**own, grant_type=grant)).access_token

    past = models.TokenRequest(**own, grant_type=models.TokenRequestGrantType.PASSWORD)
    assert isinstance(stranger.refused("get_o_auth_2_access_token", body=past, status=400), models.TokenError)


@pytest.mark.parametrize("size", [1, 7, 10, 100])
def test_pages_of_any_size_hold_every_account_once(finance: Caller, server: Server, size: int) -> None:
    found = [account.account_number for account in every(finance, size=size)]
    assert found == sorted(set(found))
    assert found == sorted(server.callers["finance"]["grants"])


def test_a_page_of_none_only_counts(finance: Caller, numbers: list[str]) -> None:
    counted = finance("list_finance_accounts", limit=0)
    assert (counted.data, counted.page.total) == ([], len(numbers))


@pytest.mark.parametrize("order", ORDERS)
def test_accounts_are_listed_in_each_order_and_its_reverse(finance: Caller, models: Any, order: str) -> None:
    sorts, key = models.ListFinanceAccountsSorts, ORDERS[order]
    ascending = every(finance, sorts=sorts[order])
    assert ascending == sorted(ascending, key=lambda account: (*key(account), account.account_number))
    descending = every(finance, sorts=sorts[f"{order}_DESCENDING"])
    assert [key(account) for account in descending] == [key(account) for account in reversed(ascending)]
    listed = finance("list_finance_accounts", sorts=sorts[order])
    assert f"sorts={order}" in listed.field_links.self_.href


def test_an_account_is_told_with_what_it_was_billed_and_has_paid(
    finance: Caller, details: list[Any], models: Any
) -> None:
    listed = {account.account_number: account for account in every(finance)}
    for detail in details:
        assert isinstance(detail, models.AccountDetail)
        assert listed[detail.account_number].to_dict().items() <= detail.to_dict().items()
        assert isinstance(detail.billing_frequency, models.AccountDetailBillingFrequency)
    invoices = [invoice for detail in details for invoice in detail.invoices]
    payments = [payment for detail in details for payment in detail.payments]
    assert {type(invoice.date) for invoice in invoices} == {type(payment.date) for payment in payments} == {date}
    assert {invoice.type_ for invoice in invoices} == set(models.InvoiceType)
    assert {payment.type_ for payment in payments} == set(models.PaymentType)
    for invoice in invoices:
        assert (invoice.amount < 0) is (invoice.type_ == models.InvoiceType.CREDIT_MEMO)
        assert {document.type_ for document in invoice.documents} <= {invoice.type_}


def test_months_choose_and_together_are_the_whole(finance: Caller, details: list[Any]) -> None:
    whole = max(details, key=lambda detail: len(detail.invoices))
    months = sorted({each.date.replace(day=1) for each in [*whole.invoices, *whole.payments]}, reverse=True)
    assert len(months) >= 12
    parts = [finance("get_finance_account", whole.account_number, months=[month]) for month in months]
    for month, part in zip(months, parts, strict=True):
        assert {each.date.replace(day=1) for each in [*part.invoices, *part.payments]} == {month}
        assert part.billing_contact == whole.billing_contact
    assert [invoice for part in parts for invoice in part.invoices] == whole.invoices
    assert [payment for part in parts for payment in part.payments] == whole.payments


def test_several_months_are_joined_by_commas(finance: Caller, details: list[Any], models: Any) -> None:
    whole = max(details, key=lambda detail: len(detail.invoices))
    months = sorted({invoice.date.replace(day=1) for invoice in whole.invoices})[-3:]
    # The generator repeats a parameter whatever its `explode` says, so this is sent through the client's transport.
    answer = finance.client.get_httpx_client().get(
        f"/v1/finance/accounts/{whole.account_number}", params={"months": ",".join(map(str, months))}
    )
    chosen = models.AccountDetail.from_dict(answer.json())
    assert told(chosen.to_dict()) == told(answer.json())
    assert chosen.invoices == [each for each in whole.invoices if each.date.replace(day=1) in months]


def test_every_kind_of_document_is_downloaded(finance: Caller, details: list[Any], models: Any) -> None:
    kinds = {
        (document.file_type, document.type_): (detail.account_number, invoice.invoice_id, document.document_id)
        for detail in details
        for invoice in detail.invoices
        for document in invoice.documents
    }
    assert {str(file_type) for file_type, _ in kinds} == set(TYPES) == set(models.DocumentFileType)
    for (file_type, _), (account, invoice, document) in kinds.items():
        answer = finance.detailed("download_invoice_document", account, invoice, document_id=document)
        assert (answer.status_code, answer.headers["content-type"]) == (200, TYPES[file_type])
        content = answer.parsed.payload.read()
        assert content == answer.content
        assert int(answer.headers["content-length"]) == len(content)
        suffix = file_of(content, answer.headers["content-type"])
        said = answer.headers.get("content-disposition")
        assert said == (f'attachment; filename="{invoice}_{document}.{suffix}"' if suffix else None)


def file_of(content: bytes, media: str) -> str | None:
    """The suffix of the file that the bytes are; None for an address, which is no file."""
    if media == PDF:
        assert content.startswith(b"%PDF-")
        return "pdf"
    if media == XLSX:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            assert "xl/workbook.xml" in package.namelist()
        return "xlsx"
    assert content.startswith(b"https://")
    return None


@pytest.mark.parametrize(
    ("operation", "said", "field"),
    [
        ("list_finance_accounts", {"limit": 101}, "limit"),
        ("list_finance_accounts", {"offset": -1}, "offset"),
        ("download_invoice_document", {"document_id": ""}, "documentId"),
    ],
)
def test_a_parameter_out_of_bounds_is_refused_and_named(
    finance: Caller, numbers: list[str], models: Any, operation: str, said: dict[str, Any], field: str
) -> None:
    path = (numbers[0], "810000000") if operation.startswith("download") else ()
    refused = finance.refused(operation, *path, status=400, **said)
    assert isinstance(refused, models.Errors)
    assert [error.fields for error in refused.errors] == [[field]]
    assert refused.ticket_id.isdigit()


def test_who_may_not_is_refused_in_the_same_words_everywhere(
    generated_accounts: Generated, server: Server, finance: Caller, models: Any, details: list[Any]
) -> None:
    unknown, foreign = "000000", server.callers["finance"]["grants"][0]
    two = generated_accounts.caller(server, "finance-two")
    assert foreign not in server.callers["finance-two"]["grants"]
    messages = [
        two.refused("get_finance_account", number, status=403).errors[0].message.replace(number, "-")
        for number in (unknown, foreign)
    ]
    assert messages[0] == messages[1]

    invoice = next(invoice for detail in details for invoice in detail.invoices)
    account = next(detail.account_number for detail in details if invoice in detail.invoices)
    for said in [(account, "000000000", "DETAILED_PDF_EN"), (account, invoice.invoice_id, "NO_SUCH_XX")]:
        missing = finance.refused("download_invoice_document", *said[:2], document_id=said[2], status=404)
        assert isinstance(missing, models.Errors)

    for caller, status in [
        ("finance-none", 403),
        ("finance-expired", 401),
        ("operations", 401),
        ("nobody", 401),
        (None, 401),
    ]:
        refused = generated_accounts.caller(server, caller).refused("list_finance_accounts", status=status)
        assert isinstance(refused, models.Errors)


@pytest.mark.parametrize("member", ["billingFrequency", "invoiceFormat", "invoices.type", "payments.type"])
def test_a_value_that_the_document_does_not_count_out_fails_to_parse(
    details: list[Any], models: Any, member: str
) -> None:
    told = max(details, key=lambda detail: len(detail.payments)).to_dict()
    name, _, below = member.partition(".")
    if below:
        told[name][0][below] = "UNHEARD_OF"
    else:
        told[name] = "UNHEARD_OF"
    with pytest.raises(ValueError, match="UNHEARD_OF"):
        models.AccountDetail.from_dict(told)
