"""What credits refer to: tenants with their configuration, accounts, financial instruments; pinned or drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from mockserver.apis.credits.agenda import Agenda
from mockserver.apis.credits.configuration import configured
from mockserver.apis.credits.pinning import Said
from mockserver.scenario import nearest
from mockserver.store import Record

STATES = ("draft", "validated", "discarded")
CURRENCIES = ("USD", "USD", "EUR", "CAD")
OLDEST = timedelta(days=320)


class Catalog:
    """The tenants and their accounts, by id or by name."""

    def __init__(self, agenda: Agenda, pins: Sequence[Said]) -> None:
        self._agenda = agenda
        self._making = agenda.making
        self._pins = pins
        self.tenants: list[Record] = []
        self.accounts: list[Record] = []
        self._pinned = 0

    def fill(self) -> None:
        """What is pinned, and as many accounts more as the scenario wants: the first tenant has most of them."""
        for said in self._of("Tenant"):
            self.tenants.append(self._tenant(said))
        if not self.tenants:
            self.tenants.append(self._keep("Tenant", None, {"name": "Test", **configured(None)}))
        self._making.at(self._making.start - OLDEST)
        for said in self._of("Account"):
            self._account(said)
        self._pinned = len(self.accounts)
        wanted = self._making.size("accounts")
        for tenant in self.tenants:
            there = sum(account["tenantLocator"] == tenant["id"] for account in self.accounts)
            for _ in range(wanted - there):
                self._draw(tenant)
            wanted = max(1, wanted // 4) if wanted else 0
        for said in self._of("FinancialInstrument"):
            self._instrument(said)

    # Finding

    def tenant(self, said: Said, word: str, member: str = "tenant") -> Record:
        """The tenant of that id or name. Raises ScenarioError."""
        found = self.named_tenant(word)
        if found is None:
            raise said.pin.fault(
                f"no tenant {word!r}; {nearest(word, [each['name'] for each in self.tenants])}", member
            )
        return found

    def named_tenant(self, word: str) -> Record | None:
        """The tenant of that id or name, or None."""
        return next((each for each in self.tenants if word in (each["id"], each["name"])), None)

    def drawn(self, tenant: Record) -> list[Record]:
        """The accounts of a tenant that nobody pinned: what happens to the others is the scenario's alone."""
        return [each for each in self.accounts[self._pinned :] if each["tenantLocator"] == tenant["id"]]

    def instrument(self, said: Said, word: str) -> str:
        """The financial instrument of that id or name. Raises ScenarioError."""
        found = self._making.find("FinancialInstrument", word)
        if found is None:
            names = [row.record["name"] for row in self._making.world.layer.all("FinancialInstrument")]
            raise said.pin.fault(f"no financial instrument {word!r}; {nearest(word, names)}", "instrument")
        return str(found["id"])

    def account(self, said: Said, word: str, member: str = "account") -> Record:
        """The account of that id or name, in the pin's tenant if it says one. Raises ScenarioError."""
        home = self.tenant(said, said.text("tenant"))["id"] if "tenant" in said else None
        fitting = [each for each in self.accounts if home in (None, each["tenantLocator"])]
        found = next((each for each in fitting if word in (each["id"], each["name"])), None)
        if found is None:
            raise said.pin.fault(f"no account {word!r}; {nearest(word, [each['name'] for each in fitting])}", member)
        return self._agenda.get("Account", found["id"])

    # Making

    def _of(self, entity: str) -> list[Said]:
        return [said for said in self._pins if said.entity == entity]

    def _tenant(self, said: Said) -> Record:
        name = said.text("name")
        if self.named_tenant(name) is not None:
            raise said.pin.fault(f"a second tenant {name!r}; give it a name of its own.", "name")
        return self._keep("Tenant", said.id, {"name": name, **configured(said)})

    def _account(self, said: Said) -> None:
        tenant = self.tenant(said, said.text("tenant", self.tenants[0]["name"]))
        state = said.word("accountState", STATES, "validated")
        plans = ("shortfallTolerancePlanName", "excessCreditPlanName")
        members = {
            "name": said.text("name"),
            "tenantLocator": tenant["id"],
            "type": said.text("type", "ConsumerAccount"),
            "accountState": state,
            "billingLevel": said.text("billingLevel", "account"),
            "currency": said.currency(default=tenant["defaultCurrency"]),
            **{name: said.text(name) for name in plans if name in said},
        }
        if plans[0] in said:
            said.word(plans[0], tenant["shortfallTolerancePlans"])
        self.accounts.append(self._keep("Account", said.id, members))

    def _draw(self, tenant: Record) -> None:
        making = self._making
        business = making.random.random() < 0.3
        fake = making.fake()
        members = {
            "name": fake.company() if business else fake.name(),
            "tenantLocator": tenant["id"],
            "type": "BusinessAccount" if business else "ConsumerAccount",
            "accountState": "validated",
            "billingLevel": "account",
            "currency": making.random.choice(CURRENCIES),
        }
        if making.random.random() < 0.1 and tenant["shortfallTolerancePlans"]:
            members["shortfallTolerancePlanName"] = next(iter(tenant["shortfallTolerancePlans"]))
        self.accounts.append(self._keep("Account", None, members))

    def _instrument(self, said: Said) -> None:
        account = self.account(said, said.text("account"))
        members = {
            "name": said.text("name", "Card"),
            "tenantLocator": account["tenantLocator"],
            "accountLocator": account["id"],
            "declines": said.flag("declines"),
        }
        made = self._keep("FinancialInstrument", said.id, members)
        if said.flag("default"):
            self._making.world.layer.put("Account", {**account, "defaultInstrument": made["id"]})

    def _keep(self, entity: str, id: str | None, members: Mapping[str, Any]) -> Record:
        locator = id or self._making.draw(entity)
        record = {"id": locator, "locator": locator, **members}
        self._making.world.layer.put(entity, record)
        return record
