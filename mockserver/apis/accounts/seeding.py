"""The API's part in making a world: accounts and their parents, callers and their grants, invoices and payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mockserver.apis.accounts import pins as reading
from mockserver.apis.accounts import tokens
from mockserver.apis.accounts.catalog import IDS
from mockserver.apis.accounts.countries import COUNTRIES
from mockserver.apis.accounts.drawing import Drawing
from mockserver.auth import Caller
from mockserver.making import Making
from mockserver.scenario import Part, Pin, nearest, resolve_expiry
from mockserver.store import Record

EVERYTHING = "all"
CHILDREN = 3
"""The most accounts that are drawn below one that was drawn"""


class Seeding:
    """Makes the records of the accounts API in a world."""

    SIZES: ClassVar[Sequence[str]] = ("accounts", "months")
    LONG: ClassVar[Mapping[str, int]] = {"accounts": 1_000}
    KEYS: ClassVar[Mapping[str, str]] = {
        "accounts": "texts",
        "clientId": "text",
        "clientSecret": "text",
        "refreshToken": "text",
        "password": "text",
    }

    def __init__(self, making: Making, pins: Sequence[Pin]) -> None:
        self._making = making
        self._drawing = Drawing(making)
        self._pins = pins
        self._said = [reading.said(making.api, pin, making.start.date()) for pin in pins]
        taken: set[tuple[str, str]] = set()
        for pin in pins:
            if pin.id is not None:
                if (pin.entity, pin.id) in taken:
                    raise pin.fault(f"{pin.id} is pinned twice; keep one.", "id")
                taken.add((pin.entity, pin.id))
                making.reserve(pin.entity, pin.id)

    def _of(self, entity: str) -> list[tuple[Pin, dict[str, Any]]]:
        return [(pin, said) for pin, said in zip(self._pins, self._said, strict=True) if pin.entity == entity]

    # Accounts

    def catalog(self) -> None:
        """The accounts that are pinned, and as many more as the scenario wants."""
        made = []
        for pin, said in self._of("Account"):
            if "country" in said and said["country"] not in COUNTRIES:
                raise pin.fault(f"no country {said['country']!r}; {nearest(said['country'], COUNTRIES)}", "country")
            plain = {name: value for name, value in said.items() if name != "parentAccountNumber"}
            made.append((pin, said, self._make(pin.id, plain)))
        # Only now is every account there that a parent could be.
        for pin, said, account in made:
            if "parentAccountNumber" in said:
                parent = self._named(said["parentAccountNumber"], pin, "parentAccountNumber")
                self._keep({**account, "parentAccountNumber": parent["id"]})
        for pin, _, account in made:
            self._see_no_circle(pin, account["id"])
        self._fill()

    def _fill(self) -> None:
        wanted, there = self._making.size("accounts"), len(self._numbers())
        while there < wanted:
            parent = self._make(None, {})
            there += 1
            for _ in range(min(self._making.random.randint(0, CHILDREN), wanted - there)):
                self._make(None, self._drawing.child(parent))
                there += 1

    def _make(self, number: str | None, said: Mapping[str, Any]) -> Record:
        return self._keep(self._drawing.account(number or self._making.draw("Account"), said))

    def _keep(self, account: Record) -> Record:
        self._making.world.layer.put("Account", account)
        return account

    def _see_no_circle(self, pin: Pin, number: str) -> None:
        passed, at = [number], self._get(number).get("parentAccountNumber")
        while at is not None:
            if at in passed:
                way = " -> ".join([*passed, at])
                raise pin.fault(f"its parents go round in a circle ({way}); take one out.", "parentAccountNumber")
            passed.append(at)
            at = self._get(at).get("parentAccountNumber")

    def _named(self, word: str, pin: Pin, member: str) -> Record:
        """The account of that number or name. Raises ScenarioError."""
        found = self._find(word)
        if found is None:
            raise pin.fault(self._unknown(word), member)
        return found

    def _find(self, word: str) -> Record | None:
        layer = self._making.world.layer
        found = layer.get("Account", word)
        return found or next((row.record for row in layer.all("Account") if row.record["accountName"] == word), None)

    def _unknown(self, word: str) -> str:
        names = [str(self._get(number)["accountName"]) for number in self._numbers()]
        return f"no account {word!r}; {nearest(word, [*self._numbers(), *names])}"

    def _get(self, number: str) -> Record:
        return self._making.work().need("Account", number)

    def _numbers(self) -> list[str]:
        return [row.record["id"] for row in self._making.world.layer.all("Account")]

    # The cast

    def cast(self, part: Part) -> Caller:
        """A caller with its grants, its client credentials and its refresh token. Raises ScenarioError."""
        if part.account is not None:
            raise part.fault("nobody calls for a single account here; list some under accounts.", "account")
        grants = self._granted(part)
        closed = self._making.api.scope.empty if self._making.api.scope is not None else None
        if part.role == closed and grants:
            raise part.fault(f"{part.role} with accounts; drop the accounts, or name the role holder.", "accounts")
        more = {
            "clientId": part.more.get("clientId", f"{part.name}-client"),
            "clientSecret": part.more.get("clientSecret", f"{part.name}-secret"),
            "refreshToken": part.more.get("refreshToken", f"{part.name}-refresh"),
        }
        user = part.user or f"{part.name}@example.org"
        self._client(part, user, more)
        self._making.world.layer.put("Grant", {"id": part.name, "values": grants})
        return Caller(
            name=part.name,
            token=part.token,
            role=part.role,
            account=grants[0] if grants else "",
            token_id=more["clientId"],
            user={"id": user, "name": user},
            expires=resolve_expiry(part.expires, self._making.start) if part.expires else None,
            more=more,
        )

    def _granted(self, part: Part) -> list[str]:
        """The numbers of the accounts that a caller lists; `all` is every account, `-700199` takes one away again."""
        found: dict[str, None] = {}
        for word in part.more.get("accounts", ()):
            if word == EVERYTHING:
                found |= dict.fromkeys(self._numbers())
                continue
            account = self._find(word) or self._find(word.removeprefix("-"))
            if account is None:
                raise part.fault(self._unknown(word.removeprefix("-")), "accounts")
            if word.startswith("-") and account["accountName"] != word:
                found.pop(account["id"], None)
            else:
                found[account["id"]] = None
        return list(found)

    def _client(self, part: Part, user: str, more: Mapping[str, str]) -> None:
        self._making.at(self._making.start)  # from which on refresh tokens are valid
        work = self._making.work()
        for entity, key in ((tokens.CLIENT, "clientId"), (tokens.REFRESH, "refreshToken")):
            if work.get(entity, more[key]) is not None:
                raise part.fault(f"{key} {more[key]!r} is another caller's too; give each its own.", key)
        password = part.more.get("password", f"{part.name}-password")
        client = {"secret": more["clientSecret"], "user": user, "password": password, "caller": part.name}
        work.put(tokens.CLIENT, {"id": more["clientId"], **client})
        tokens.keep_refresh(work, more["refreshToken"], client=more["clientId"], holder=more["clientId"])
        work.commit()

    # Invoices and payments

    def history(self) -> None:
        """What is pinned, then what each account was billed and has paid in the months that the scenario wants."""
        work, drawing = self._making.work(), self._drawing
        for pin, said in self._of("Invoice"):
            account = self._home(pin, said)
            _check_invoice(pin, said)
            drawing.invoice(work, account, said, pin.id)
        for pin, said in self._of("Payment"):
            account = self._home(pin, said)
            if said.get("amount", 1) < 0:
                raise pin.fault("a payment is above 0; drop the sign.", "amount")
            drawing.payment(work, account, said, pin.id)
        for number in self._numbers():
            account = self._get(number)
            months = account.get("months", self._making.size("months"))
            if months:
                drawing.history(work, account, months)
        work.commit()

    def _home(self, pin: Pin, said: Mapping[str, Any]) -> Record:
        if "account" not in said:
            raise pin.fault("no account; say the number or the name of the one that it belongs to.", "account")
        return self._named(said["account"], pin, "account")


def _check_invoice(pin: Pin, said: Mapping[str, Any]) -> None:
    """The sign of the amount, and the documents, are those of the type. Raises ScenarioError."""
    amount = said.get("amount")
    type = said.get("type") or ("CREDIT_MEMO" if amount is not None and amount < 0 else "INVOICE")
    if amount is not None and (amount < 0) != (type == "CREDIT_MEMO"):
        raise pin.fault(f"{amount} cannot be of a {type}; a CREDIT_MEMO is below 0, all else above.", "amount")
    for id in said.get("documents", ()):
        if type not in IDS[id].types:
            there = [each for each, kind in IDS.items() if type in kind.types]
            raise pin.fault(f"a {type} has no {id}; {nearest(id, there)}", "documents")
