"""Requests of the accounts API that are right in every respect: on granted accounts, for listed documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts import stage
from contracts.journal import Thing
from contracts.probe import Nothing, Probe
from contracts.stage import NO_BODY, Body, Case
from contracts.wire import Caller
from specs.tables import Operation

ISSUE = "GetOAuth2AccessToken"
ATTEMPTS = 2
"""Wrong attempts in a row that are made with a client's credentials, at most; five lock its user"""
LOOK = 40
"""Accounts that are looked into at most, to learn what there is"""


class Stage(stage.Stage):
    """Finds things: this API makes none but tokens, which end by themselves."""

    def __init__(self, p: Probe) -> None:
        super().__init__(p)
        self._summaries: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._wrong: dict[str, int] = {}
        """caller -> attempts with its credentials since the last right one"""

    def case(self, operation: Operation | str, caller: Caller | None = None, thing: Thing | None = None) -> Case:
        found = self.p.operation(operation)
        if found.id != "downloadInvoiceDocument" or thing is not None:
            return super().case(found, caller, thing)
        who = caller or self.actor(found)
        for account, invoice in self.invoices(who):
            for document in rows(invoice, "documents"):
                params = {"accountNumber": account, "invoiceId": str(invoice.get("invoiceId"))}
                return Case(found, who, params, f"documentId={document.get('documentId')}")
        raise Nothing(f"no account of {who.name} has an invoice with a document")

    def subject(self, operation: Operation, caller: Caller) -> Thing:
        for number in self.numbers(caller):
            return Thing("Account", number, caller, {"accountNumber": number})
        raise Nothing(f"{caller.name} has no account")

    def body(self, operation: Operation, caller: Caller, params: Mapping[str, str], thing: Thing | None) -> Body:
        if operation.entity != "AccessToken":
            return NO_BODY
        said = caller.credentials
        if not {"clientId", "clientSecret"} <= said.keys():
            raise Nothing(f"no credentials of {caller.name} are known; name them beside its token in contracts.toml")
        client = {"client_id": said["clientId"], "client_secret": said["clientSecret"]}
        if operation.id == ISSUE:
            return Body({"grant_type": "client_credentials", **client})
        if "refreshToken" not in said:
            raise Nothing(f"no refresh token of {caller.name} is known; name one among its credentials")
        return Body({**client, "refresh_token": said["refreshToken"]})

    def touches(self, operation: Operation, body: Any, params: Mapping[str, str]) -> Mapping[str, set[str]]:
        if operation.entity == "AccessToken" and isinstance(body, dict):
            self._attempt(body)
        return {}

    def _attempt(self, body: Mapping[str, Any]) -> None:
        """Some wrong attempts in a row lock a user: a right one is sent in between, which sets their count back."""
        client = body.get("client_id")
        caller = next((each for each in self.p.callers if each.credentials.get("clientId") == client), None)
        if caller is None or client is None:
            return
        right = self.body(self.p.operation(ISSUE), caller, {}, None).json
        if body == right:
            self._wrong[caller.name] = 0
            return
        if self._wrong.get(caller.name, 0) >= ATTEMPTS:
            self.p.call(ISSUE, self.p.nobody, body=right)
        self._wrong[caller.name] = self._wrong.get(caller.name, 0) + 1

    def actor(self, operation: Operation) -> Caller:
        """Somebody with credentials, where these are asked for."""
        if operation.entity == "AccessToken":
            for each in self.p.callers:
                if each.credentials:
                    return each
        return super().actor(operation)

    # What there is

    def numbers(self, caller: Caller) -> list[str]:
        """Numbers of the accounts that a caller's list shows."""
        listing = self.p.operation("listFinanceAccounts")
        if caller.role not in listing.roles:
            return []
        found = (each.get("accountNumber") for each in self.p.facts.rows(listing, caller))
        # One that is no text is told of its shape: as a number it has lost its leading zeros.
        return [each for each in found if isinstance(each, str)]

    def summary(self, number: str, caller: Caller) -> Mapping[str, Any]:
        """An account with its invoices and payments, read once: nothing here changes them. Raises Blocked."""
        key = caller.name, number
        if key not in self._summaries:
            exchange = self.p.call("getFinanceAccount", caller, {"accountNumber": number})
            found = self.p.expect(exchange, 200).json
            self._summaries[key] = found if isinstance(found, dict) else {}
        return self._summaries[key]

    def invoices(self, caller: Caller) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(account, invoice) of what a caller may see."""
        for number in self.numbers(caller)[:LOOK]:
            for each in rows(self.summary(number, caller), "invoices"):
                yield number, each


def rows(record: Mapping[str, Any], member: str) -> list[Mapping[str, Any]]:
    """The objects of a member; none where it is no list."""
    found = record.get(member)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
