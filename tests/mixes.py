"""Seeded mixes of calls to accounts and credits: the same seed, the same calls."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from mockserver import MockServer
from tests import credits_stage, rights
from tests.accounts import ACCOUNTS, REFRESH, TOKEN
from tests.driver import Answer, Client
from tests.valid import Request

Call = tuple[str | None, Request]
"""Token and request."""


class Mix:
    """Calls to one API, each drawn from the table and from what the answers before it named."""

    def __init__(self, app: MockServer, api: str, seed: int) -> None:
        self.app, self.api = app, api
        self.random = random.Random(seed)
        self.tokens = [caller.token for caller in app.callers.values() if caller.api == api]
        self.known: dict[str, dict[str, None]] = {}
        self.statuses: Counter[int] = Counter()
        self.tried: set[str] = set()
        self.answers: list[bytes] = []
        self.draw = {"accounts": self._accounts, "credits": self._credits}[api]
        self._start = list(self._first())

    def calls(self, count: int) -> Iterator[Answer]:
        """So many calls, one after the other."""
        for number in range(count):
            if number < len(self._start):
                token, sent = self._start[number]
            else:
                token, sent = self.draw(self.random.choice(sorted(rights.operations(self.api))))
            answer = sent.send(Client(self.app, token))
            self.note(answer)
            yield answer

    def run(self, count: int) -> str:
        """The digest of so many answers."""
        for _ in self.calls(count):
            pass
        return hashlib.blake2b(b"".join(self.answers), digest_size=16).hexdigest()

    def note(self, answer: Answer) -> None:
        """Keep an answer's bytes, and the ids that it names."""
        self.statuses[answer.status] += 1
        self.answers.append(orjson.dumps([answer.status, sorted(answer.headers.items())]) + answer.content)
        if answer.status == 200 and answer.headers["content-type"].startswith("application/json"):
            self._learn(answer.json)

    def _learn(self, value: Any) -> None:
        """ids by what they are: kinds of credits by their state's name, everything else by the member that holds it"""
        if isinstance(value, list):
            for each in value:
                self._learn(each)
        elif isinstance(value, Mapping):
            kind = next((entity for entity, name in credits_stage.FIELDS.items() if name in value), None)
            if kind is not None:
                self.known.setdefault(kind, {})[value["locator"]] = None
            for name in ("accountNumber", "invoiceId", "documentId"):
                if name in value:
                    self.known.setdefault(name, {})[value[name]] = None
            for each in value.values():
                self._learn(each)
        elif isinstance(value, str) and value.startswith("pat_"):
            self.tokens.append(value)

    def pick(self, kind: str, otherwise: str) -> str:
        """An id that was seen, now and then one that is not there."""
        there = list(self.known.get(kind, ()))
        return self.random.choice(there) if there and self.random.random() < 0.9 else otherwise

    def caller(self) -> str | None:
        """A token, now and then none or one that is nobody's."""
        return self.random.choice([*self.tokens, *self.tokens, None, "nobody"])

    def _first(self) -> Iterator[Call]:
        if self.api == "accounts":
            for number in ("700100", "700102", "700111"):
                yield "finance-token", Request("GET", f"{ACCOUNTS}/{number}")
            return
        for token in self.tokens:
            yield token, Request("GET", "//auth/users/whoami")
        for name in ("payments", "creditDistributions", "disbursements", "writeOffs", "shortfallCredits"):
            yield "admin-token", Request("GET", f"//billing/{credits_stage.STAGING}/{name}/list?count=1000")

    def _accounts(self, id: str) -> Call:
        operation = rights.operations("accounts")[id]
        self.tried.add(id)
        if operation.is_open:
            client = self.random.choice(["finance", "finance-two", "finance-none"])
            secret = self.random.choice([f"{client}-secret"] * 5 + ["guess"])
            sent = {"client_id": f"{client}-client", "client_secret": secret}
            more = {TOKEN: {"grant_type": "client_credentials"}, REFRESH: {"refresh_token": f"{client}-refresh"}}
            path = operation.at()
            return None, Request("POST", path, body=sent | more[path])
        params = {
            "accountNumber": self.pick("accountNumber", "999999"),
            "invoiceId": self.pick("invoiceId", "999999999"),
        }
        queries = {
            "listFinanceAccounts": ["", "?limit=3&offset=2", "?limit=0", "?sorts=-ACCOUNT_NAME", "?limit=101"],
            "getFinanceAccount": ["", "?months=2026-01-01,2026-02-01", "?months=soon"],
            "downloadInvoiceDocument": [f"?documentId={self.pick('documentId', 'nothing')}"],
        }
        return self.caller(), Request("GET", operation.at(**params) + self.random.choice(queries[id]))

    def _credits(self, id: str) -> Call:
        operation, row = rights.operations("credits")[id], rights.table("credits")["operations"][id]
        self.tried.add(id)
        kind = row.get("below") or row["entity"]
        locator = self.pick(kind, credits_stage.invoice(credits_stage.STAGING, 1))
        if "accountLocator" in operation.params or "refLocator" in operation.params:
            locator = credits_stage.ACCOUNTS[credits_stage.STAGING]
        tenant = self.random.choice([credits_stage.STAGING] * 8 + [credits_stage.TRAINING, credits_stage.UNKNOWN])
        home = tenant if tenant in credits_stage.ACCOUNTS else credits_stage.STAGING
        sent = credits_stage.request(id, tenant, locator, home)
        if row["does"] == "list" and self.random.random() < 0.5:
            sent = replace(sent, path=f"{sent.path}?count={self.random.randrange(5)}&offset=1")
        # Mostly by who may everything; else little would ever happen.
        return ("admin-token" if self.random.random() < 0.7 else self.caller()), sent
