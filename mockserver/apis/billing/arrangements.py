"""Which agreements are billed how: as a whole, shared, by hand; and new ones where there are none such."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from mockserver.apis.billing.catalog import Catalog
from mockserver.apis.billing.history import History
from mockserver.store import Record


class Arrangements:
    """Finds and makes agreements by how they are billed.

    since: when an override that has to be made was made
    """

    def __init__(self, catalog: Catalog, history: History, since: datetime) -> None:
        self._catalog = catalog
        self._history = history
        self._since = since
        self._turn = 0

    def under(self, authorization: Record) -> list[Record]:
        """The agreements under an authorization."""
        return self._history.where("Agreement", "authorization.id", authorization["id"])

    def is_overridden(self, agreement: Record) -> bool:
        """Whether an Active override has the agreement billed by hand."""
        return agreement["client"]["id"] in self._overridden_clients(agreement["vendor"]["id"])

    def _overridden_clients(self, vendor: str) -> set[str]:
        overrides = (row.record for row in self._catalog.making.world.layer.all("ManualOverride"))
        mine = (each for each in overrides if each["status"] == "Active" and each["vendor"]["id"] == vendor)
        return {each["client"]["id"] for each in mine}

    def plain(self, authorization: Record) -> list[Record]:
        """Agreements whose charges are billed as a whole, and automatically."""
        return [each for each in self.under(authorization) if "split" not in each and not self.is_overridden(each)]

    def any_plain(self, authorization: Record) -> Record:
        """One of these, or a new one."""
        found = self.plain(authorization)
        if found:
            return found[0]
        client = self.client(authorization, is_manual=False)
        return self._catalog.make("Agreement", {"authorization": authorization, "client": client})

    def split(self, authorization: Record) -> Record:
        """An agreement that several buyers share, billed automatically; a new one of two buyers if there is none."""
        for each in self.under(authorization):
            if each.get("split", {}).get("active") and not self.is_overridden(each):
                return each
        client = self.client(authorization, is_manual=False)
        buyers = self._history.where("Buyer", "client.id", client["id"])[:2]
        while len(buyers) < 2:
            buyers.append(self._catalog.make("Buyer", {"client": client}))
        allocations = [
            {"buyer": buyer, "percentage": Decimal(part)} for buyer, part in zip(buyers, (60, 40), strict=True)
        ]
        said = {"authorization": authorization, "buyer": buyers[0]}
        return self._catalog.make("Agreement", {**said, "split": {"active": True, "allocations": allocations}})

    def overridden(self, authorization: Record) -> Record:
        """An agreement that is billed by hand, or a new one."""
        found = next((each for each in self.under(authorization) if self.is_overridden(each)), None)
        if found is not None:
            return found
        client = self._catalog.make("Account", {"type": "Client"})
        self._override(client, authorization)
        buyer = self._catalog.make("Buyer", {"client": client})
        return self._catalog.make("Agreement", {"authorization": authorization, "buyer": buyer})

    def client(self, authorization: Record, *, is_manual: bool) -> Record:
        """A client that is billed by hand for this vendor, or one that is not; each in turn, or a new one."""
        taken = self._overridden_clients(authorization["vendor"]["id"])
        found = [each for each in self._catalog.accounts("Client") if (each["id"] in taken) == is_manual]
        if found:
            self._turn += 1
            return found[self._turn % len(found)]
        client = self._catalog.make("Account", {"type": "Client"})
        if is_manual:
            self._override(client, authorization)
        return client

    def manual(self, said: Mapping[str, Any]) -> list[Record]:
        """Agreements of one authorization and seller that are billed by hand, as `said` wants; or a new one."""
        rows = self._catalog.making.world.layer.all("Agreement")
        wanted = {name: said[name]["id"] for name in ("client", "seller", "vendor") if name in said}
        found = [
            row.record
            for row in rows
            if self.is_overridden(row.record) and all(row.record[name]["id"] == id for name, id in wanted.items())
        ]
        if found:
            first = found[self._catalog.making.random.randrange(len(found))]
            alike = ("authorization", "seller")
            return [each for each in found if all(each[name]["id"] == first[name]["id"] for name in alike)]
        authorization = self._catalog.authorization(said.get("vendor"))
        client = said.get("client") or self.client(authorization, is_manual=True)
        seller = {"seller": said["seller"]} if "seller" in said else {}
        made = self._catalog.make("Agreement", {"authorization": authorization, "client": client, **seller})
        if not self.is_overridden(made):
            self._override(client, authorization)
        return [made]

    def another(self, agreement: Record) -> Record:
        """A new agreement of the same parties."""
        kinds = {"authorization": "Authorization", "seller": "Seller", "client": "Account"}
        said = {name: self._history.get(entity, agreement[name]["id"]) for name, entity in kinds.items()}
        return self._catalog.make("Agreement", said)

    def _override(self, client: Record, authorization: Record) -> None:
        vendor = self._history.get("Account", authorization["vendor"]["id"])
        self._history.override(client, vendor, at=self._since)
