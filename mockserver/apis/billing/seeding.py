"""Billing's part in making a world: its catalog, its cast, and the history that brings every object to its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

from mockserver.apis.billing.arrangements import Arrangements
from mockserver.apis.billing.catalog import Catalog, over
from mockserver.apis.billing.history import History
from mockserver.apis.billing.past import Past
from mockserver.apis.billing.pinned_documents import Documents
from mockserver.apis.billing.pinned_journals import PinnedJournals
from mockserver.apis.billing.stage import Stage
from mockserver.apis.billing.wishes import PARENTS, Wish, Wishes, looked_up
from mockserver.auth import Caller
from mockserver.making import Making, check_id
from mockserver.scenario import Part, Pin, nearest, resolve_expiry
from mockserver.store import Record

KINDS = {"client": "Client", "vendor": "Vendor", "operations": "Operations"}

# How far back the generated past begins; when the first and the last pinned object was made; when documents came.
OLDEST = timedelta(days=320)
RECENT = timedelta(days=56)
NEWEST = timedelta(days=8)
LAST = timedelta(days=4)
# More than the changes of one document or attachment take, each of which is a tick of the clock.
ROOM = timedelta(milliseconds=20)

# What a pin may write that the workflows do not take from it, laid over the finished record.
LAID = ("assignee", "notes", "description", "externalIds", "statusNotes", "name")


class Seeding:
    """Makes billing's records in a world."""

    SIZES: ClassVar[Sequence[str]] = (
        *(
            "clients",
            "vendors",
            "sellers",
            "buyers",
            "products",
            "authorizations",
            "agreements",
            "subscriptions",
            "assets",
        ),
        *("overrides", "journals", "lines", "customLedgers"),
    )
    LONG: ClassVar[Mapping[str, int]] = {"journals": 300, "lines": 300, "customLedgers": 300}
    KEYS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, making: Making, pins: Sequence[Pin]) -> None:
        for pin in pins:
            if pin.id is not None:
                making.reserve(pin.entity, pin.id)
        self._making = making
        self._catalog = Catalog(making, pins)
        self._wishes = Wishes(self._catalog.tables, pins, making.draw)

    def catalog(self) -> None:
        """Everything that billing refers to and has no operations for."""
        self._catalog.fill()

    # The cast

    def cast(self, part: Part) -> Caller:
        """A caller with a token of an account that fits the role. Raises ScenarioError."""
        kind = KINDS[part.role]
        account = self._account(part, kind)
        making, catalog = self._making, self._catalog
        user = None
        if part.user is not None:
            user = making.find("User", part.user) or catalog.make("User", {"name": part.user, "account": account})
            if user.get("account", {}).get("id") != account["id"]:
                raise part.fault(f"user {user['name']} does not belong to {account['name']}; name one who does.")
        token = catalog.make("Token", {"name": f"{account['name']} {part.name}", "account": account})
        return Caller(
            name=part.name,
            token=part.token,
            role=part.role,
            account=account["id"],
            token_id=token["id"],
            user=catalog.ref("Token", token) if user is None else catalog.ref("User", user),
            expires=resolve_expiry(part.expires, making.start) if part.expires else None,
        )

    def _account(self, part: Part, kind: str) -> Record:
        catalog, word = self._catalog, part.account
        if word is None:
            return next(iter(catalog.accounts(kind)), None) or catalog.make("Account", {"type": kind})
        account = self._making.find("Account", word)
        if account is None and word.startswith("ACC-"):
            holder = Pin("Account", word, {}, part.file, f"callers.{part.name}", {"": part.line})
            account = catalog.make(
                "Account", {"type": kind}, check_id(self._catalog.tables, holder, "Account", word, "account")
            )
        if account is None:
            names = [str(each["name"]) for each in catalog.accounts(kind)]
            raise part.fault(
                f"no account {word!r}; {nearest(word, names)} Or pin it: {{entity: Account, type: {kind}, name: ...}}."
            )
        if account["type"] != kind:
            raise part.fault(
                f"{account['name']} is a {account['type']}, the role is {part.role}; name a {kind} account."
            )
        return account

    # The history

    def history(self) -> None:
        """Overrides, the past, then what is pinned from the oldest to the newest, then documents and attachments."""
        making, start = self._making, self._making.start
        history = History(self._catalog)
        stage = Stage(
            making=making,
            catalog=self._catalog,
            history=history,
            arrangements=Arrangements(self._catalog, history, start - OLDEST),
            wishes=self._wishes,
            said={wish: looked_up(wish, self._catalog.need) for wish in self._everything()},
        )
        documents = Documents(stage)
        past = Past(stage, documents, start - OLDEST, start - RECENT)
        past.overrides()
        past.happen()
        journals, bundles = PinnedJournals(stage), list(self._wishes.bundles.values())
        for number, bundle in enumerate(bundles):
            journals.make(bundle, start - RECENT + (RECENT - NEWEST) * number / len(bundles))
        making.at(start - LAST)
        for wish in self._wishes.of("Invoice", "CreditMemo"):
            self._make_room()
            documents.make(wish)
        for bundle in bundles:
            if bundle.entity == "Journal":
                documents.bill_journal(bundle.id)
            else:
                documents.bill(history.where("Statement", "customLedger.id", bundle.id))
        for wish in self._wishes.of(*PARENTS):
            self._make_room()
            documents.attach(wish)
        for wish in self._everything():
            self._finish(wish, stage)
        making.at(start)

    def _make_room(self) -> None:
        """Begin the last days again where there were so many documents that the world's start is upon them."""
        if self._making.start - self._making.world.clock.now() < ROOM:
            self._making.at(self._making.start - LAST)

    def _everything(self) -> list[Wish]:
        """Every wish, those inside others too, each once."""
        inner = (wish for bundle in self._wishes.bundles.values() for wish in bundle.wishes)
        return list(dict.fromkeys([*self._wishes.all, *inner]))

    def _finish(self, wish: Wish, stage: Stage) -> None:
        """Lay the remaining members over the record, and see that it is as it was wished."""
        if wish.entity in PARENTS or wish.id is None:
            return
        layer = self._making.world.layer
        record = layer.get(wish.entity, wish.id)
        if record is None:
            raise wish.fault("did not come into being; let its journal go further, or name another id.", "id")
        state = record["processing"]["status"] if wish.entity == "Charge" else record.get("status")
        if wish.status is not None and state != wish.status:
            raise wish.fault(
                f"came out as {state}, not {wish.status}, by what else is pinned; mend one of them.", "status"
            )
        said = {name: value for name, value in stage.said[wish].items() if name in LAID and wish.entity != "Charge"}
        if "assignee" in said:
            said["assignee"] = self._catalog.ref("User", said["assignee"])
        if said:
            layer.put(wish.entity, over(dict(record), said))
