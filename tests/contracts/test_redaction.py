"""No secret is seen, in whatever form it comes back."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.redaction import ISSUED, Redaction, redact
from contracts.wire import Caller
from tests.contracts.made_up import CALLERS, CLIENT, FINANCE, SECRETS, VENDOR, call


def forms(secret: str) -> Iterator[str]:
    """A secret as it may come back."""
    yield from (secret, secret.upper(), quote(secret, safe=""), quote_plus(secret), quote(secret, safe="").lower())
    yield from (json.dumps(secret), json.dumps(secret, ensure_ascii=False), html.escape(secret), repr(secret))
    for text in (secret, f"user:{secret}", f"{secret}:", f"a:{secret}:b", f"{{'token': '{secret}'}}"):
        encoded = base64.b64encode(text.encode())
        yield from (
            encoded.decode(),
            encoded.decode().rstrip("="),
            encoded.decode().replace("+", "-").replace("/", "_"),
        )


def seen(secret: str, text: str) -> bool:
    """Whether a secret can be read out of a text, by somebody who tries."""
    lower = text.lower()
    if any(
        form.lower() in lower
        for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], html.escape(secret))
    ):
        return True
    return any(base64.b64encode(f"{before}{secret}".encode()).decode()[:-4] in text for before in ("", "user:", "a:"))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "Bearer {}", 'say "{}" again', "a{}b", "x={}&y=1"])
def test_a_secret_is_found_in_every_form(secret: str, around: str) -> None:
    for form in forms(secret):
        clean = redact(around.format(form), CALLERS)
        assert not seen(secret, clean)
        assert "$" in clean, f"{form} was not replaced"


@pytest.mark.parametrize("secret", SECRETS)
def test_bytes_are_cleaned_as_texts_are(secret: str) -> None:
    for form in forms(secret):
        clean = redact(b"\x00\xff " + form.encode() + b" \xfe", CALLERS)
        assert not seen(secret, clean.decode("latin-1")) and b"$" in clean
        assert clean.startswith(b"\x00\xff ") and clean.endswith(b" \xfe")


@given(st.binary(max_size=60))
@example(b"\xff\x00\r\n$TOKEN_VENDOR")
def test_bytes_without_a_secret_come_back_as_they_were(content: bytes) -> None:
    assert Redaction.of([VENDOR])(content) == content


@pytest.mark.parametrize(
    ("cut", "clean"),
    [
        ("Bearer vendor-secret-7...", "Bearer $TOKEN_VENDOR..."),
        ("(vendor-secret-)", "($TOKEN_VENDOR)"),
        ("as vendor... no", "as vendor... no"),
        ("secret", "secret"),
    ],
)
def test_the_beginning_of_a_secret_is_one_and_a_word_that_it_begins_with_is_none(cut: str, clean: str) -> None:
    assert redact(cut, [VENDOR]) == clean


def test_a_short_secret_is_found_as_a_word_alone() -> None:
    short = Caller("short", "billing", "vendor", "t1")
    assert redact("t1, at10, (T1)", [short]) == "$TOKEN_SHORT, at10, ($TOKEN_SHORT)"


def test_of_two_secrets_the_longer_one_is_taken_first() -> None:
    one, two = Caller("one", "billing", "vendor", "token-abc"), Caller("two", "billing", "vendor", "token-abc-def")
    assert redact("token-abc-def token-abc", [one, two]) == "$TOKEN_TWO $TOKEN_ONE"


def test_a_token_that_the_run_made_up_is_shown() -> None:
    garbage = Caller("garbage", "billing", "", "not-a-token-1", kind="garbage")
    assert redact("Bearer not-a-token-1", [garbage]) == "Bearer not-a-token-1"


@pytest.mark.parametrize(
    "answer",
    [
        '{"access_token": "eyJ.new", "expires_in": 3600}',
        '{"refreshToken":"eyJ.new"}',
        '"{\\"access_token\\": \\"eyJ.new\\"}"',
        "{'password': 'eyJ.new'}",
        "grant_type=x&client_secret=eyJ.new",
        "Authorization: Bearer eyJ.new.0123456789",
    ],
)
def test_a_token_that_was_handed_out_is_not_shown(answer: str) -> None:
    clean = redact(answer, CALLERS)
    assert "eyJ" not in clean and ISSUED in clean


def test_what_the_run_made_up_for_a_request_stays_in_it() -> None:
    content = b'{"client_id": "finance-client", "client_secret": "wrong", "refresh_token": "handed-out"}'
    clean = Redaction.of([FINANCE]).exchange(call(FINANCE, "POST", "/token", 400, content, content=content))
    sent = b'{"client_id": "$SECRET_FINANCE_CLIENT_ID", "client_secret": "wrong", "refresh_token": "$TOKEN_ISSUED"}'
    assert clean.request.content == sent
    assert b"wrong" not in clean.answer.content


def test_a_cleaned_call_has_no_token_left_and_can_be_cleaned_again() -> None:
    once = Redaction.of(CALLERS).exchange(call(CLIENT, "GET", "/journals", 200, CLIENT.token.encode()))  # type: ignore[union-attr]  # has one
    assert once.caller.token == "$TOKEN_CLIENT" and not once.caller.credentials
    assert Redaction.of([once.caller]).exchange(once) == once


@given(st.text(max_size=40), st.text(min_size=1, max_size=20))
@example("", "TOKEN_SECRETIVE")
@example("İ", "İstanbul-token")
def test_cleaning_ends_and_leaves_no_plain_secret(before: str, secret: str) -> None:
    caller = Caller("x", "billing", "vendor", secret)
    clean = redact(f"{before} {secret} ", [caller])
    assert "$TOKEN_X" in clean or secret.strip() == ""
