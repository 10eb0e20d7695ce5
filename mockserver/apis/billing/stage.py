"""What making pinned objects needs at hand: the world, its history, and what is wished of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mockserver import ids
from mockserver.apis.billing.arrangements import Arrangements
from mockserver.apis.billing.catalog import Catalog
from mockserver.apis.billing.history import History
from mockserver.apis.billing.wishes import Bundle, Wish, Wishes
from mockserver.domain.errors import Refusal
from mockserver.making import Making
from mockserver.store import Layer, Record
from specs.tables import Api


@dataclass(slots=True)
class Stage:
    """A world in the making, as billing sees it.

    said: what each wish says, its references to the catalog looked up
    own: the agreement that each wished ledger or statement is about
    """

    making: Making
    catalog: Catalog
    history: History
    arrangements: Arrangements
    wishes: Wishes
    said: dict[Wish, dict[str, Any]]
    own: dict[Wish, Record] = field(default_factory=dict)

    @property
    def tables(self) -> Api:
        """Billing's tables."""
        return self.catalog.tables

    @property
    def layer(self) -> Layer:
        """The records so far."""
        return self.making.world.layer

    def count(self, most: int | None = None) -> int:
        """How many charges the next file has: from a third of `lines` to all of them."""
        lines = self.making.size("lines")
        most = lines if most is None else min(most, lines)
        return self.making.random.randint(max(most // 3, min(most, 5)), most) if most else 1

    def shaped(self, entity: str, digits: str) -> str:
        """The id of an entity that is made of these digits."""
        return self.tables.conventions.ids[entity].shape(digits)

    def ledger_id(self, journal: str, seller: Record) -> str:
        """The id of a journal's ledger for a seller (billing b.12)."""
        return self.shaped("Ledger", ids.digits(journal) + ids.digits(seller["id"]))

    def attempt(self, bundle: Bundle, step: Callable[[], object]) -> None:
        """Do a step; what the workflows refuse is the fault of what is pinned."""
        try:
            step()
        except Refusal as refusal:
            raise bundle.speaker.fault(f"cannot be brought there: {refusal}") from None

    def reach(self, wish: Wish, entity: str, id: str, status: str) -> None:
        """Bring a record to the state that a wish wants. Raises ScenarioError."""
        try:
            came = self.history.reach(entity, id, status)
        except Refusal as refusal:
            raise wish.fault(f"cannot be brought to {status}: {refusal}", "status") from None
        if not came:
            now = self.history.get(entity, id)["status"]
            why = f"is {now} by what else is pinned, and no way leads from there to {status}; mend one of them."
            raise wish.fault(why, "status")

    def arrived(self, bundle: Bundle, status: str) -> None:
        """See that a journal or custom ledger is where its pin wants it. Raises ScenarioError."""
        now = self.history.get(bundle.entity, bundle.id)
        if now["status"] != status and bundle.wish is not None and bundle.wish.status is not None:
            why = f" ({now['error']['message']})" if "error" in now else ""
            raise bundle.wish.fault(f"is {now['status']}, not {status}{why}; mend what is pinned below it.", "status")

    def seller(self, wish: Wish) -> Record:
        """The seller that a wished ledger is for; its id ends in their digits (billing b.12)."""
        seller: Record | None = self.said[wish].get("seller")
        if wish.id is None:
            return seller or self.catalog.any("Seller")
        own = self.shaped("Seller", ids.digits(wish.id)[8:])
        if seller is not None and seller["id"] != own:
            raise wish.fault(f"the id {wish.id} is one of {own}: its last digits; mend one of them.", "seller")
        return self.catalog.need("Seller", own, wish.pin, "seller")

    def agreement(self, wish: Wish, authorization: Record) -> Record:
        """An agreement of its own for a wished ledger or statement of a journal."""
        said = self.said[wish]
        if "agreement" in said:
            return dict(said["agreement"])
        wanted: dict[str, Any] = {name: said[name] for name in ("client", "buyer", "seller") if name in said}
        if wish.entity == "Ledger":
            wanted["seller"] = self.seller(wish)
        elif "ledger" in said:
            ledger = str(self.wishes.word(wish, "ledger", "Ledger"))
            wanted["seller"] = self.catalog.need(
                "Seller", self.shaped("Seller", ids.digits(ledger)[8:]), wish.pin, "ledger"
            )
        used = {each["id"] for each in self.own.values()}
        for each in self.arrangements.plain(authorization):
            if each["id"] not in used and all(each[name]["id"] == record["id"] for name, record in wanted.items()):
                return each
        if "buyer" not in wanted and "client" not in wanted:
            wanted["client"] = self.arrangements.client(authorization, is_manual=False)
        return self.catalog.make("Agreement", {"authorization": authorization, **wanted})
