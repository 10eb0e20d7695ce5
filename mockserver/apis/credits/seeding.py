"""The API's part in making a world: tenants and accounts, the cast and its grants, a past through its own workflows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from mockserver.apis.credits.agenda import Agenda
from mockserver.apis.credits.catalog import Catalog
from mockserver.apis.credits.configuration import TYPES
from mockserver.apis.credits.credits import KINDS
from mockserver.apis.credits.history import History
from mockserver.apis.credits.pinned import Pinned
from mockserver.apis.credits.pinning import Said
from mockserver.auth import Caller
from mockserver.making import Making
from mockserver.scenario import Part, Pin, nearest, resolve_expiry

ANY = "any"


class Seeding:
    """Makes the records of credits in a world."""

    SIZES: ClassVar[Sequence[str]] = ("accounts", "invoices", "payments")
    LONG: ClassVar[Mapping[str, int]] = {"payments": 1_000, "invoices": 1_000}
    KEYS: ClassVar[Mapping[str, str]] = {"tenants": "texts", "permissions": "texts"}

    def __init__(self, making: Making, pins: Sequence[Pin]) -> None:
        self._making = making
        said = [Said(making.api, pin) for pin in pins]
        taken: set[tuple[str, str | None]] = set()
        for each in said:
            if each.id is not None:
                if (each.entity, each.id) in taken:
                    raise each.pin.fault(f"{each.id} is pinned twice; keep one.", "id")
                taken.add((each.entity, each.id))
                making.reserve(each.entity, each.id)
        self._users = {each.text("name"): each.id for each in said if each.entity == "User"}
        self._agenda = Agenda(making)
        self._catalog = Catalog(self._agenda, said)
        self._pinned = Pinned(self._agenda, self._catalog, said)

    def catalog(self) -> None:
        """Everything that credits refer to and that has no operations of its own."""
        self._catalog.fill()

    def cast(self, part: Part) -> Caller:
        """A caller with its rights and the tenants that they hold in. Raises ScenarioError."""
        if part.account is not None:
            raise part.fault("nobody calls for an account here; list tenants.", "account")
        granted = [self._granted(part, word) for word in part.more.get("tenants", ())]
        self._making.world.layer.put("Grant", {"id": part.name, "values": granted})
        name = part.user or part.name
        if name not in self._users or self._users[name] is None:
            self._users[name] = self._making.draw("User")
        id = str(self._users[name])
        return Caller(
            name=part.name,
            token=part.token,
            role=part.role,
            account="",
            token_id=id,
            user={"id": id, "name": name},
            expires=resolve_expiry(part.expires, self._making.start) if part.expires else None,
            rights=self._rights(part),
        )

    def _rights(self, part: Part) -> tuple[str, ...] | None:
        """The rights that a caller lists, with those of its role if it has one, too: a user has the union (D)."""
        if "permissions" not in part.more:
            return None
        return tuple(sorted({*part.more["permissions"], *self._making.api.permissions.get(part.role, ())}))

    def _granted(self, part: Part, word: str) -> str:
        """A tenant that is assigned, by locator; or `any`, or all of a type."""
        if word == ANY or word in [f"type:{kind}" for kind in TYPES]:
            return word
        found = self._catalog.named_tenant(word)
        if found is None:
            known = [ANY, *(f"type:{kind}" for kind in TYPES), *(each["name"] for each in self._catalog.tenants)]
            raise part.fault(f"no tenant {word!r}; {nearest(word, known)}", "tenants")
        return str(found["id"])

    def history(self) -> None:
        """The pinned and the drawn past, all of it in the order of its time."""
        self._pinned.plan()
        History(self._agenda, self._catalog).plan()
        self._agenda.run()
        self._pinned.check()
        self._sort([*KINDS, "Invoice"])
        self._making.at(self._making.start)

    def _sort(self, entities: Iterable[str]) -> None:
        """Put rows in the order of their age: a list never looks at more of them than it shows."""
        layer = self._making.world.layer
        for entity in entities:
            records = sorted(
                (row.record for row in layer.all(entity)), key=lambda each: (each["createdAt"], each["id"])
            )
            for record in records:
                layer.remove(entity, record["id"])
            for record in records:
                layer.put(entity, record)
