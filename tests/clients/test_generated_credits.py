"""The generated client of the credits API: the four reads over all that there is, and the worked example."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from .conftest import Server
from .generated import CREDITS, Caller, Generated, Served, paged

# The accounts that the default world pins for the worked example; no operation lists accounts.
CONSUMER, BUSINESS = "01JT2YS8M010000000000A0001", "01JT2YS8M010000000000A0003"
NOBODYS = "01JT2YS8M01ZZZZZZZZZZZZZZZ"


@pytest.fixture(scope="module")
def generated_credits(generated: Callable[[Served], Generated]) -> Generated:
    return generated(CREDITS)


@pytest.fixture(scope="module")
def models(generated_credits: Generated) -> Any:
    return generated_credits.models


@pytest.fixture(scope="module")
def tenant(server: Server) -> UUID:
    (assigned,) = server.callers["clerk"]["grants"]
    return UUID(assigned)


@pytest.fixture(scope="module")
def clerk(generated_credits: Generated, server: Server) -> Caller:
    """Who may write payments and distributions."""
    return generated_credits.caller(server, "clerk")


@pytest.fixture(scope="module")
def auditor(generated_credits: Generated, server: Server) -> Caller:
    """Who may read what comes of them."""
    return generated_credits.caller(server, "auditor")


@pytest.fixture(scope="module")
def treasurer(generated_credits: Generated, server: Server) -> Caller:
    """Who may read balances."""
    return generated_credits.caller(server, "treasurer")


def every(caller: Caller, operation: str, *path: Any, size: int = 100, **said: Any) -> list[Any]:
    """All items of a list, page by page, until it says that it is complete."""

    def page(offset: int, count: int) -> tuple[list[Any], bool]:
        listed = caller(operation, *path, offset=offset, count=count, **said)
        assert isinstance(listed.list_completed, bool)
        return listed.items, not listed.list_completed

    return paged(size, page)


# The seed's four


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pages_of_any_size_hold_every_credit_once_and_oldest_first(
    auditor: Caller, tenant: UUID, models: Any, size: int
) -> None:
    found = every(auditor, "fetch_credits", tenant, size=size)
    assert len(found) > 100
    assert {type(credit) for credit in found} == {models.CreditResponse}
    ages = [(credit.created_at, credit.locator) for credit in found]
    assert ages == sorted(set(ages))
    assert found == every(auditor, "fetch_credits", tenant)


def test_credits_come_of_every_kind_and_in_every_state(auditor: Caller, tenant: UUID, models: Any) -> None:
    found = every(auditor, "fetch_credits", tenant)
    # Subpayments belong to aggregate payments, of which nothing is known.
    assert {credit.credit_type for credit in found} == set(models.CreditType) - {models.CreditType.SUBPAYMENT}
    assert {credit.credit_state for credit in found} == set(models.CreditResponseCreditState)
    assert min(credit.amount for credit in found) > 0
    assert {credit.created_at.tzinfo for credit in found} == {UTC}
    for credit in found:
        is_reversed = credit.credit_state == models.CreditResponseCreditState.REVERSED
        assert isinstance(credit.reversed_at, datetime) is is_reversed
        assert bool(credit.reversal_reason) is is_reversed


def test_credits_are_narrowed_to_an_account(auditor: Caller, tenant: UUID) -> None:
    found = every(auditor, "fetch_credits", tenant)
    for account in {credit.account_locator for credit in found if credit.account_locator}:
        own = [credit for credit in found if credit.account_locator == account]
        assert every(auditor, "fetch_credits", tenant, account_locator=account) == own
    assert every(auditor, "fetch_credits", tenant, account_locator=NOBODYS) == []


def test_shortfall_credits_are_those_of_the_credits_and_read_one_by_one(
    auditor: Caller, tenant: UUID, models: Any
) -> None:
    kind = models.CreditType.SHORTFALLWRITEOFF
    credits = {
        credit.locator: credit for credit in every(auditor, "fetch_credits", tenant) if credit.credit_type == kind
    }
    found = every(auditor, "fetch_multiple_shortfall_credits", tenant, size=2)
    assert [each.locator for each in found] == list(credits)
    for each in found:
        assert isinstance(each, models.ShortfallCreditResponse)
        assert isinstance(each.created_by, UUID)
        assert each.amount == credits[each.locator].amount == sum(target.amount for target in each.targets)
        assert str(each.shortfall_credit_state) == str(credits[each.locator].credit_state)
        assert auditor("fetch_shortfall_credit", tenant, each.locator) == each


def test_credits_of_an_invoice_are_among_all_and_reversed_ones_only_on_demand(
    auditor: Caller, tenant: UUID, models: Any
) -> None:
    whole = every(auditor, "fetch_credits", tenant)
    invoices = {
        target.container_locator
        for each in every(auditor, "fetch_multiple_shortfall_credits", tenant)
        for target in each.targets
        if target.container_type == models.ContainerType.INVOICE
    }
    for invoice in invoices:
        applied = every(auditor, "fetch_credits_for_an_invoice", tenant, invoice)
        with_reversed = every(auditor, "fetch_credits_for_an_invoice", tenant, invoice, include_reversed=True, size=1)
        is_reversed = models.CreditResponseCreditState.REVERSED
        assert [credit for credit in with_reversed if credit.credit_state != is_reversed] == applied
        assert [credit for credit in whole if credit in with_reversed] == with_reversed


# The worked example


def test_the_worked_example_of_payments_shortfalls_and_a_distribution(
    clerk: Caller, auditor: Caller, treasurer: Caller, tenant: UUID, models: Any
) -> None:
    def invoices_of(account: str) -> list[Any]:
        found = every(clerk, "fetch_invoices_for_account", tenant, account)
        assert {invoice.account_locator for invoice in found} == {account}
        return [invoice for invoice in found if invoice.invoice_state == models.InvoiceResponseInvoiceState.OPEN]

    def target(invoice: Any) -> Any:
        return models.CreditItemRequest(invoice.locator, models.ContainerType.INVOICE)

    def payment(invoice: Any, amount: float) -> Any:
        body = models.PaymentCreateRequest(
            amount=amount,
            type_="StandardPayment",
            data=models.FreeData(),
            targets=[target(invoice)],
            account_locator=invoice.account_locator,
            currency=invoice.currency,
        )
        made = clerk("create_payment", tenant, body=body)
        assert isinstance(made, models.PaymentResponse)
        assert (made.payment_state, shown(made)) == (models.PaymentResponsePaymentState.DRAFT, "draft")
        checked = clerk("validate_payment", tenant, made.locator)
        assert checked.validation_result.success is True
        assert (checked.payment_state, shown(made)) == (models.PaymentResponsePaymentState.VALIDATED, "validated")
        return made

    def shown(entity: Any) -> str:
        """The state in which the list of all credits shows an entity."""
        found = every(auditor, "fetch_credits", tenant, account_locator=entity.account_locator)
        (state,) = (str(credit.credit_state) for credit in found if credit.locator == entity.locator)
        return state

    def on(invoice: Any, **said: bool) -> list[tuple[str, float, str]]:
        found = every(auditor, "fetch_credits_for_an_invoice", tenant, invoice.locator, **said)
        return [(str(credit.credit_type), credit.amount, str(credit.credit_state)) for credit in found]

    def stands(invoice: Any) -> tuple[str, float]:
        found = clerk("get_invoice_with_items", tenant, invoice.locator)
        assert bool(found.settled_time) is (str(found.invoice_state) == "settled")
        return str(found.invoice_state), found.total_remaining_amount

    def balance() -> float:
        of_account = models.FetchLedgerAccountRefType.ACCOUNTCREDITBALANCE
        told: float = treasurer("fetch_ledger_account", tenant, of_account, CONSUMER, currency="USD").balance
        return told

    (b,) = (invoice for invoice in invoices_of(CONSUMER) if invoice.total_amount == 20.90)
    a, c = (invoice for invoice in invoices_of(CONSUMER) if invoice.total_amount == 100.00)
    d = next(invoice for invoice in invoices_of(BUSINESS) if invoice.total_amount == 100.00)
    assert (a.currency, b.currency, c.currency, d.currency) == ("USD", "USD", "USD", "CAD")
    assert (on(a), on(a, include_reversed=True), stands(a)) == ([], [], ("open", 100.00))
    assert balance() == 0

    # Almost paid: the rest is written off, and the invoice settles.
    almost = payment(a, 99.40)
    assert (on(a), stands(a)) == ([], ("open", 100.00))
    posted = clerk("post_payment", tenant, almost.locator)
    assert posted.payment_state == models.PaymentResponsePaymentState.POSTED
    applied = [("payment", 99.40, "posted"), ("shortfallWriteOff", 0.60, "distributed")]
    assert (on(a), on(a, include_reversed=True), stands(a)) == (applied, applied, ("settled", 0))
    (shortfall,) = posted.shortfall_credit_locators
    written_off = auditor("fetch_shortfall_credit", tenant, shortfall)
    assert (written_off.parent_credit_locator, written_off.amount) == (posted.locator, 0.60)
    assert [(each.container_locator, each.amount) for each in written_off.targets] == [(a.locator, 0.60)]

    # Taken back: both are kept as reversed, and the invoice opens again.
    because = models.CreditDistributionReverseRequest("nsf")
    taken_back = clerk("reverse_payment", tenant, almost.locator, body=because)
    assert (str(taken_back.payment_state), taken_back.reversal_reason) == ("reversed", "nsf")
    gone = [(kind, amount, "reversed") for kind, amount, _ in applied]
    assert (on(a), on(a, include_reversed=True), stands(a)) == ([], gone, ("open", 100.00))
    assert clerk("get_invoice_with_items", tenant, a.locator).unsettled_time
    assert auditor("fetch_shortfall_credit", tenant, shortfall).reversal_reason == "nsf"

    # Paid too much: the rest is the account's, and nothing is short.
    clerk("post_payment", tenant, payment(a, 120.00).locator)
    paid = ("payment", 120.00, "posted")
    assert (on(a), sorted(on(a, include_reversed=True)), stands(a)) == ([paid], sorted([*gone, paid]), ("settled", 0))
    assert balance() == 20.00

    # What is the account's pays most of another invoice; the distribution is the parent of what is short.
    body = models.CreditDistributionCreateRequest(
        amount=20.00,
        sources=[models.CreditItemRequest(b.account_locator, models.ContainerType.ACCOUNT, 20.00)],
        targets=[target(b)],
        account_locator=b.account_locator,
        currency="USD",
    )
    distribution = clerk("create_credit_distribution", tenant, body=body)
    assert clerk("validate_credit_distribution", tenant, distribution.locator).validation_result.success is True
    executed = clerk("execute_credit_distribution", tenant, distribution.locator)
    assert str(executed.credit_distribution_state) == shown(executed) == "executed"
    assert sum(each.amount for each in executed.sources) == sum(each.amount for each in executed.targets) == 20.00
    short = [("creditDistribution", 20.00, "executed"), ("shortfallWriteOff", 0.90, "distributed")]
    assert (on(b), stands(b), on(a), balance()) == (short, ("settled", 0), [paid], 0)
    (shortfall,) = executed.shortfall_credit_locators
    assert auditor("fetch_shortfall_credit", tenant, shortfall).parent_credit_locator == executed.locator

    # Short by more than is tolerated, and in a currency in which nothing is.
    clerk("post_payment", tenant, payment(c, 98.00).locator)
    assert (on(c), stands(c)) == ([("payment", 98.00, "posted")], ("open", 2.00))
    clerk("post_payment", tenant, payment(d, 99.90).locator)
    assert (on(d), stands(d)) == ([("payment", 99.90, "posted")], ("open", 0.10))


# Refusals, tokens, and values that nobody knows


def test_a_refusal_is_the_documented_error(
    generated_credits: Generated, server: Server, clerk: Caller, auditor: Caller, tenant: UUID, models: Any
) -> None:
    cancelled = next(
        each
        for each in every(clerk, "fetch_multiple_payments", tenant)
        if each.payment_state == models.PaymentResponsePaymentState.CANCELLED
    )
    elsewhere = UUID("00000000-0000-4000-8000-000000000000")
    refusals = [
        (clerk, "post_payment", (tenant, cancelled.locator), {}, 400, "BADREQUEST"),
        (auditor, "fetch_credits", (tenant,), {"count": 0}, 400, "BADREQUEST"),
        (auditor, "fetch_credits", (elsewhere,), {}, 403, "FORBIDDEN"),
        (clerk, "fetch_credits", (tenant,), {}, 403, "FORBIDDEN"),
        (auditor, "fetch_shortfall_credit", (tenant, NOBODYS), {}, 404, "NOTFOUND"),
        (auditor, "fetch_credits_for_an_invoice", (tenant, NOBODYS), {}, 404, "NOTFOUND"),
    ]
    callers = ("credits-expired", "finance", "operations", "nobody", None)
    refusals += [
        (generated_credits.caller(server, caller), "fetch_credits", (tenant,), {}, 401, "UNAUTHORIZED")
        for caller in callers
    ]
    for caller, operation, path, said, status, name in refusals:
        refused = caller.refused(operation, *path, status=status, **said)
        assert isinstance(refused, models.Error)
        assert (refused.status, refused.error) == (status, models.ErrorError[name])
        assert isinstance(refused.request_id, UUID)


def test_what_cannot_be_carried_out_is_an_answer_that_says_why(clerk: Caller, tenant: UUID, models: Any) -> None:
    # The account has no such balance.
    body = models.CreditDistributionCreateRequest(
        amount=5_000_000.00,
        sources=[models.CreditItemRequest(CONSUMER, models.ContainerType.ACCOUNT, 5_000_000.00)],
        targets=[models.CreditItemRequest(CONSUMER, models.ContainerType.ACCOUNT, 5_000_000.00)],
        account_locator=CONSUMER,
        currency="USD",
    )
    made = clerk("create_credit_distribution", tenant, body=body)
    checked = clerk("validate_credit_distribution", tenant, made.locator)
    assert str(checked.credit_distribution_state) == "draft"
    assert checked.validation_result.success is False
    assert [error for item in checked.validation_result.validation_items for error in item.errors]


def test_an_access_token_of_few_rights_is_a_string_that_opens_as_much(
    generated_credits: Generated, server: Server, tenant: UUID, models: Any
) -> None:
    admin = generated_credits.caller(server, "admin")
    body = models.CreateAuthTokenRequest(
        name="clients", tenants=[str(tenant)], permissions=["shortfall-credits.read"], expires_at=None
    )
    token = admin("create_auth_token", body=body)
    assert isinstance(token, str)
    own = generated_credits.caller(server, token)
    who = own("whoami")
    assert (who.permissions, who.tenants) == (["shortfall-credits.read"], [str(tenant)])
    assert every(own, "fetch_multiple_shortfall_credits", tenant)
    assert own.refused("fetch_credits", tenant, status=403).message


@pytest.mark.parametrize(
    ("operation", "model", "member"),
    [
        ("fetch_credits", "CreditResponse", "creditState"),
        ("fetch_credits", "CreditResponse", "creditType"),
        ("fetch_multiple_shortfall_credits", "ShortfallCreditResponse", "shortfallCreditState"),
    ],
)
def test_a_value_that_the_document_does_not_count_out_fails_to_parse(
    auditor: Caller, tenant: UUID, models: Any, operation: str, model: str, member: str
) -> None:
    told = auditor(operation, tenant, count=1).items[0].to_dict()
    assert getattr(models, model).from_dict(told)
    with pytest.raises(ValueError, match="unheardOf"):
        getattr(models, model).from_dict({**told, member: "unheardOf"})
