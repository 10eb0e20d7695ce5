"""The accounts API for tests: one application a process, and calls under its two bases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from mockserver import MockServer, create_app
from tests.driver import Answer, Client

ACCOUNTS = "//v1/finance/accounts"
TOKEN, REFRESH = "//oauth2/v1/token", "//oauth2/v1/refreshaccesstoken"
As = Callable[[str], Client]


@cache
def built() -> MockServer:
    """The application over the default world."""
    return create_app("accounts")


@pytest.fixture
def app() -> Iterator[MockServer]:
    """The application with its world as seeded."""
    built().reset()
    yield built()
    built().reset()


@pytest.fixture
def as_(app: MockServer) -> As:
    """A client that calls as one of the cast: `as_("finance")`."""
    return lambda name: Client(app, app.token(name))


@pytest.fixture
def finance(as_: As) -> Client:
    return as_("finance")


@pytest.fixture
def anybody(app: MockServer) -> Client:
    """A client without a token."""
    return Client(app, None)


def listed(client: Client) -> list[dict[str, Any]]:
    """Every account that a client sees, by number."""
    found: list[dict[str, Any]] = client.get(f"{ACCOUNTS}?limit=100").json["data"]
    return found


def numbers(answer: Answer) -> list[str]:
    """The numbers of the accounts on a page."""
    return [each["accountNumber"] for each in answer.json["data"]]


def detail(client: Client, number: str, months: str = "") -> dict[str, Any]:
    """The summary of an account."""
    answer = client.get(f"{ACCOUNTS}/{number}" + (f"?months={months}" if months else ""))
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json
    return found


def download(client: Client, number: str, invoice: str, document: str, **headers: str) -> Answer:
    """One document."""
    return client.get(f"{ACCOUNTS}/{number}/{invoice}?documentId={document}", headers=headers)
