"""The checks of the accounts API: silent on a sound server, and each finds what is planted for it, under its name."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.apis.accounts.documents import fault as fault_of
from contracts.apis.accounts.summaries import months_before
from contracts.run import running
from mockserver import MockServer
from specs.tables import Conventions
from tests.contracts.driver import settings, silent, told, verify
from tests.faulty.planting import Server, Spoil, answered, during, handled, replied, tables
from tests.fingerprint import fingerprint

ACCOUNTS = "mockserver.apis.accounts"


@pytest.fixture
def accounts_app(sound_of: Callable[..., MockServer]) -> MockServer:
    """A sound server of the accounts API alone."""
    return sound_of("accounts")


# Sound


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_found_on_a_sound_server(accounts_app: MockServer, seed: int) -> None:
    result = verify(accounts_app, "accounts", mode="own", only=["accounts.*"], seed=seed)
    assert silent(result) == []


def test_a_read_only_run_changes_nothing(accounts_app: MockServer) -> None:
    before = fingerprint(accounts_app.worlds["accounts"])
    assert silent(verify(accounts_app, "accounts", only=["accounts.*"])) == []
    assert fingerprint(accounts_app.worlds["accounts"]) == before


def test_every_operation_succeeds_with_the_requests_of_the_stage(accounts_app: MockServer) -> None:
    with running(settings(accounts_app, "accounts", mode="own")) as made:
        p = made.probes["accounts"]
        for operation in p.api.operations.values():
            assert p.stage.play(p.stage.case(operation)).status == 200, operation.id


def test_a_token_is_asked_for_by_who_has_credentials(accounts_app: MockServer) -> None:
    bare = tuple(replace(each, credentials={}) for each in settings(accounts_app, "accounts").callers)
    result = verify(accounts_app, "accounts", mode="own", only=["accounts.tokens"], callers=bare)
    assert {each.reason for each in result.unchecked} == {
        "no caller's credentials are known; name them beside its token in contracts.toml"
    }


def test_without_a_known_day_the_window_is_that_of_the_newest(accounts_app: MockServer) -> None:
    result = verify(accounts_app, "accounts", only=["accounts.window"], values={})
    assert silent(result) == []


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [("2026-03-16", 12, "2025-03-16"), ("2024-02-29", 12, "2023-02-28"), ("2026-03-31", 1, "2026-02-28")],
)
def test_months_before_a_day_end_with_their_month(day: str, months: int, expected: str) -> None:
    assert months_before(date.fromisoformat(day), months) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("kind", "content", "fault"),
    [
        ("PDF_DETAILS", b"", "nothing"),
        ("PDF_DETAILS", b"<html>", "bytes that begin with b'<html>'"),
        ("BOLETO_PDF", b"%PDF-1.7 and no more", "a PDF that is cut off"),
        ("EXCEL_SUMMARY", b"PK and no more", "no workbook"),
        ("NF_URL", b"ask at the desk", "'ask at the desk', which is no address"),
        ("NF_URL", b"https://nfe.example.org/1", None),
    ],
)
def test_bytes_are_told_for_what_they_are(kind: str, content: bytes, fault: str | None) -> None:
    assert fault_of(kind, content) == fault


def test_an_archive_without_a_workbook_is_damaged() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("note.txt", "no workbook")
    assert fault_of("EXCEL_DETAILS", target.getvalue()) == "a workbook that is damaged"


# Planted


def _window(months: int) -> Spoil:
    def laid(api: Any) -> Any:
        known: Conventions = api.conventions
        return replace(api, conventions=replace(known, rules={**known.rules, "months": months}))

    return tables(laid)


def _no_months(x: Any, go: Any) -> Any:
    x.work.query = {**x.work.query, "months": []}
    return go(x)


def _each(member: str, change: Callable[[Any], None]) -> Callable[[Any, Any], None]:
    def changed(value: Any, x: Any) -> None:
        for each in value[member]:
            change(each)

    return changed


def _said(**headers: str) -> Callable[[Any, Any], Any]:
    return lambda reply, x: replace(reply, headers={**reply.headers, **headers})


PLANTED: tuple[tuple[str, str, Spoil], ...] = (
    ("M607", "getFinanceAccount", _window(13)),
    ("M607", "getFinanceAccount", _window(11)),
    ("Q505", "getFinanceAccount", handled("getFinanceAccount", _no_months)),
    (
        "Q503",
        "getFinanceAccount",
        answered("getFinanceAccount", lambda value, x: value["invoices"].reverse()),
    ),
    (
        "M606",
        "getFinanceAccount",
        answered("getFinanceAccount", _each("invoices", lambda each: each.update(transactionNumber="0"))),
    ),
    (
        "M601",
        "getFinanceAccount",
        answered("getFinanceAccount", _each("invoices", lambda each: each.update(amount=-each["amount"]))),
    ),
    (
        "F702",
        "downloadInvoiceDocument",
        replied("downloadInvoiceDocument", _said(**{"content-disposition": 'attachment; filename="document.pdf"'})),
    ),
    (
        "F704",
        "downloadInvoiceDocument",
        replied("downloadInvoiceDocument", lambda reply, x: replace(reply, body=reply.body[: len(reply.body) // 2])),
    ),
    (
        "F705",
        "downloadInvoiceDocument",
        during(
            f"{ACCOUNTS}.documents:draw",
            lambda right: (
                lambda document, invoice, account: right(
                    document, {**invoice, "amount": invoice["amount"] + 1}, account
                )
            ),
        ),
    ),
    ("S306", "GetOAuth2AccessToken", during(f"{ACCOUNTS}.tokens:_secret", lambda _: lambda client, body: None)),
    (
        "S304",
        "GetOAuth2AccessToken",
        answered("GetOAuth2AccessToken", lambda value, x: value.update(refresh_token="one")),
    ),
    (
        "A101",
        "listFinanceAccounts",
        answered("GetOAuth2AccessToken", lambda value, x: value.update(access_token="another")),
    ),
)


@pytest.mark.parametrize(("code", "operation", "spoil"), PLANTED)
def test_what_is_planted_is_found_under_its_name_and_nothing_else_is(code: str, operation: str, spoil: Spoil) -> None:
    server = Server("accounts")
    spoil(server)
    result = verify(server.asgi, "accounts", mode="own", only=["accounts.*"])
    found = {(each.code, each.operation) for each in result.findings}
    assert found == {(code, operation)}, told(result.findings)
    assert all(each.steps for each in result.findings)
