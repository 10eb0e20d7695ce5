"""Billing's part in making a world: its catalog, its cast, and the history that brings every object to its state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from mockserver import ids, wire
from mockserver.apis.billing.catalog import Catalog, over
from mockserver.apis.billing.history import History, Plan
from mockserver.apis.billing.usage import Line, Source
from mockserver.apis.billing.wishes import PARENTS, Bundle, Wish, Wishes, looked_up
from mockserver.auth import Caller
from mockserver.domain.errors import Refusal
from mockserver.scenario import Part, Pin, nearest
from mockserver.seed import Making, check_id, expiry
from mockserver.store import Record

KINDS = {"client": "Client", "vendor": "Vendor", "operations": "Operations"}

# How far back the generated past begins, and when the pinned objects were made.
OLDEST = timedelta(days=320)
RECENT = timedelta(days=56)
NEWEST = timedelta(days=8)

# The states of the newest generated journals; all older ones are Completed.
LIVE = ("Queued", "Accepted", "Generated", "Review", "Validated")

# Charges count in hundreds; a pinned id beyond this line is given to a charge by renaming it, not by so many lines.
STEP = 100
FURTHEST = 500

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

    def __init__(self, making: Making, pins: Sequence[Pin]) -> None:
        for pin in pins:
            if pin.id is not None:
                making.reserve(pin.entity, pin.id)
        self._making = making
        self._tables = making.world.apis[making.api][0]
        self._catalog = Catalog(making, pins)
        self._wishes = Wishes(self._tables, pins, self._draw)
        self._said: dict[Wish, dict[str, Any]] = {}
        self._own: dict[Wish, Record] = {}
        """The agreement that each wished ledger or statement is about"""

    def _draw(self, entity: str) -> str:
        work = self._making.work()
        id = work.new_id(entity)
        work.commit()
        self._making.reserve(entity, id)
        return id

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
            expires=expiry(making, part),
        )

    def _account(self, part: Part, kind: str) -> Record:
        catalog, word = self._catalog, part.account
        if word is None:
            return next(iter(catalog.accounts(kind)), None) or catalog.make("Account", {"type": kind})
        account = self._making.find("Account", word)
        if account is None and word.startswith("ACC-"):
            holder = Pin("Account", word, {}, part.file, f"callers.{part.name}", {"": part.line})
            account = catalog.make(
                "Account", {"type": kind}, check_id(self._tables, holder, "Account", word, "account")
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
        """Overrides, then journals and custom ledgers from the oldest to the newest, then documents and attachments."""
        start = self._making.start
        self._said = {wish: looked_up(wish, self._catalog.need) for wish in self._everything()}
        self._history = History(self._catalog)
        self._overrides(start - OLDEST)
        self._past()
        bundles = list(self._wishes.bundles.values())
        for number, bundle in enumerate(bundles):
            at = start - RECENT + (RECENT - NEWEST) * number / len(bundles)
            if bundle.entity == "Journal":
                self._journal(bundle, at)
            else:
                self._custom_ledger(bundle, at)
        self._making.at(start - NEWEST / 2)
        for wish in self._wishes.of("Invoice", "CreditMemo"):
            self._document(wish)
        for wish in self._wishes.of(*PARENTS):
            self._attach(wish)
        for wish in self._everything():
            self._finish(wish)
        self._making.at(start)

    def _everything(self) -> list[Wish]:
        """Every wish, those inside others too, each once."""
        inner = (wish for bundle in self._wishes.bundles.values() for wish in bundle.wishes)
        return list(dict.fromkeys([*self._wishes.all, *inner]))

    def _past(self) -> None:
        """The generated journals and custom ledgers, evenly spread over the past year."""
        making, start, history = self._making, self._making.start, self._history
        count = making.size("journals")
        if count:
            self._deleted(start - OLDEST)
        for number in range(count):
            at = start - OLDEST + (OLDEST - RECENT) * number / count
            left = count - number - 1
            status = LIVE[left] if left < min(len(LIVE), count // 3) else "Completed"
            authorization = self._catalog.any("Authorization")
            credits = self._credits(authorization, number) if number % 3 else frozenset()
            plan = Plan(
                at=at, status=status, said={"authorization": authorization}, count=self._count(), credits=credits
            )
            self._bill_journal(history.journal(plan))
        wanted = making.size("customLedgers")
        for number in range(wanted):
            at = start - OLDEST + (OLDEST - RECENT) * (2 * number + 1) / (2 * wanted)
            id = history.custom_ledger(Plan(at=at, status="Completed", count=self._count(8)), self._manual({}))
            self._bill(history.where("Statement", "customLedger.id", id))

    def _credits(self, authorization: Record, number: int) -> frozenset[str]:
        """The agreements that get money back in a journal."""
        plain = [each["id"] for each in self._plain(authorization)]
        return frozenset(plain[(number + step) % len(plain)] for step in (0, 2)) if len(plain) > 2 else frozenset()

    def _deleted(self, at: datetime) -> None:
        """A journal and a custom ledger that were deleted: gone, but for their numbers (billing Q25)."""
        history = self._history
        plan = Plan(at=at, status="Draft", said={"authorization": self._catalog.any("Authorization")})
        history.delete("Journal", history.journal(plan))
        history.delete("CustomLedger", history.custom_ledger(Plan(at=at, status="Draft"), self._manual({})))

    def _count(self, most: int = FURTHEST) -> int:
        """How many charges the next file has: from a third of `lines` to all of them."""
        lines = self._making.size("lines")
        most = min(most, lines) if most != FURTHEST else lines
        return self._making.random.randint(max(most // 3, min(most, 5)), most) if most else 1

    def _overrides(self, at: datetime) -> None:
        history, catalog = self._history, self._catalog
        for wish in self._wishes.of("ManualOverride"):
            said = self._said[wish]
            pair = said.get("client") or catalog.account("Client"), said.get("vendor") or catalog.account("Vendor")
            body = {name: said[name] for name in ("externalId", "notes") if name in said}
            try:
                history.override(*pair, at=at, id=wish.id, said=body or None)
            except Refusal as refusal:
                raise wish.fault(f"cannot be: {refusal}") from None
            if wish.status is not None:
                history.reach("ManualOverride", str(wish.id), wish.status)
        taken = {
            (row.record["client"]["id"], row.record["vendor"]["id"])
            for row in self._making.world.layer.all("ManualOverride")
        }
        # From the last pair on, so that the accounts of the cast, which come first, keep their automated billing.
        pairs = [
            (client, vendor) for client in reversed(catalog.accounts("Client")) for vendor in catalog.accounts("Vendor")
        ]
        free = [pair for pair in pairs if (pair[0]["id"], pair[1]["id"]) not in taken]
        for client, vendor in free[: max(0, self._making.size("overrides") - len(taken))]:
            history.override(client, vendor, at=at)

    # Journals

    def _journal(self, bundle: Bundle, at: datetime) -> None:
        """Make a journal with everything that is wished below it, then bring it, and that, to the wanted states."""
        history = self._history
        said = dict(self._said[bundle.wish]) if bundle.wish else {}
        authorization = self._authorization(bundle, said)
        said["authorization"] = authorization
        lines = self._lines(bundle, authorization)
        status = said.get("status") or self._least(bundle)
        # Charges in error keep a file from being validated; they get into a journal under review because the catalog
        # changes while it is regenerated.
        hidden = (
            [line.source for line in lines if line.is_wrong] if status not in ("Draft", "Validating", "Error") else []
        )
        if hidden:
            lines = [Line(line.source, line.number, False, line.said) for line in lines]
        count = self._count() if bundle.wish or not lines else len(lines)
        first = "Error" if status == "Error" else "Validated" if status not in ("Draft", "Validating") else status
        plan = Plan(at=at, status=first, id=bundle.id, said=said, lines=lines, count=count)
        if status == "Error" and not any(line.is_wrong for line in lines):
            plan.lines.append(Line(history.usage.sources(authorization)[0], is_wrong=True))
        self._try(bundle, lambda: history.journal(plan))
        self._rename_charges(bundle)
        if status in ("Draft", "Validating", "Validated", "Error"):
            self._arrived(bundle, status)
            return
        self._try(bundle, lambda: history.reach("Journal", bundle.id, "Review"))
        if hidden:
            self._regenerate_without(bundle, hidden)
        self._reconcile(bundle, status)
        # What is below a journal is driven before the journal is, where that would take it along.
        stage = "Accepted" if status in ("Queued", "Completed") else status
        if history.get("Journal", bundle.id)["status"] != stage:
            self._try(bundle, lambda: history.reach("Journal", bundle.id, stage))
        self._ledgers(bundle)
        self._statements(bundle)
        if stage != status:
            self._try(bundle, lambda: history.reach("Journal", bundle.id, status))
        self._arrived(bundle, status)
        if status == "Completed" or bundle.wish is None:
            self._bill_journal(bundle.id)

    def _try(self, bundle: Bundle, step: Any) -> None:
        """Do a step; what the workflows refuse is the pin's fault."""
        try:
            step()
        except Refusal as refusal:
            raise self._speaker(bundle).fault(f"cannot be brought there: {refusal}") from None

    def _speaker(self, bundle: Bundle) -> Wish:
        return bundle.wishes[0] if bundle.wishes else self._wishes.all[0]

    def _arrived(self, bundle: Bundle, status: str) -> None:
        now = self._history.get(bundle.entity, bundle.id)
        if now["status"] != status and bundle.wish is not None and bundle.wish.status is not None:
            why = f" ({now['error']['message']})" if "error" in now else ""
            raise bundle.wish.fault(f"is {now['status']}, not {status}{why}; mend what is pinned below it.", "status")

    def _authorization(self, bundle: Bundle, said: Mapping[str, Any]) -> Record:
        """The authorization that everything in a journal is under."""
        if "authorization" in said:
            return dict(said["authorization"])
        for wish in bundle.wishes:
            mine = self._said[wish]
            source = mine.get("agreement") or mine.get("subscription") or mine.get("asset")
            if source is not None:
                return self._history.get("Authorization", source["authorization"]["id"])
        for wish in bundle.wishes:
            if "vendor" in self._said[wish]:
                return self._catalog.authorization(self._said[wish]["vendor"])
        return self._catalog.any("Authorization")

    def _least(self, bundle: Bundle) -> str:
        """The earliest state of a journal in which everything wished below it can be."""
        if bundle.ledgers or bundle.statements:
            return "Generated"
        states = {wish.status for wish in bundle.charges}
        if states & {"Ignored", "Reconciling"}:
            return "Reconciling"
        return "Error" if "Error" in states else "Validated" if bundle.charges else "Draft"

    def _lines(self, bundle: Bundle, authorization: Record) -> list[Line]:
        """The lines that must be in a journal's file."""
        lines = []
        for wish in bundle.charges:
            said = self._said[wish]
            number, share = self._place(wish, bundle)
            source = self._source(wish, authorization, is_split=share > 0 or wish.status == "Split")
            members = {
                name: said[name]
                for name in ("externalIds", "search", "period", "quantity", "price", "description", "segment")
                if name in said
            }
            if "order" in said:
                members["search"] = {
                    **members.get("search", {}),
                    "order": {"criteria": "order.id", "value": said["order"]["id"]},
                }
            lines.append(Line(source, number, wish.status == "Error", members))
        sellers = {self._seller(wish)["id"]: wish for wish in bundle.ledgers}
        for wish in bundle.statements:
            agreement = self._own[wish] = self._agreement(wish, authorization, bundle)
            lines.append(Line(self._history.usage.source(agreement), said=self._turned(wish)))
            sellers.pop(agreement["seller"]["id"], None)
        for wish in sellers.values():
            agreement = self._own[wish] = self._agreement(wish, authorization, bundle)
            lines.append(Line(self._history.usage.source(agreement)))
        return lines

    def _turned(self, wish: Wish) -> dict[str, Any]:
        """What a line says so that its statement comes out as the type that is wished."""
        if wish.said.get("type") is None:
            return {}
        amount = Decimal("-90000") if wish.said["type"] == "Credit" else Decimal("90000")
        return {"quantity": Decimal(4), "price": {"unitPP": amount / 4, "PPx1": amount}}

    def _place(self, wish: Wish, bundle: Bundle) -> tuple[int | None, int]:
        """(the line that a charge's id stands for, which share of it); (None, 0) where a charge must be renamed."""
        digits = ids.digits(wish.id or "")
        if not digits.startswith(ids.digits(bundle.id)):
            return None, 0
        line, share = divmod(int(digits[-12:]), STEP)
        return (line, share) if 1 <= line <= FURTHEST and share <= 2 else (None, 0)

    def _source(self, wish: Wish, authorization: Record, *, is_split: bool) -> Source:
        """What a pinned charge bills, which must be under the journal's authorization."""
        said, usage, catalog = self._said[wish], self._history.usage, self._catalog
        named = next((name for name in ("subscription", "asset", "agreement") if name in said), None)
        if named is not None:
            record = said[named]
            agreement = record if named == "agreement" else self._history.get("Agreement", record["agreement"]["id"])
            source = Source(named.capitalize(), record, agreement, catalog.item(agreement))
        elif is_split:
            agreement = next(self._split(authorization), None) or self._new_split(authorization)
            source = usage.source(agreement, whole=True)
        elif wish.status == "Skipped":
            source = usage.source(self._overridden(authorization))
        elif wish.status == "Error":
            # One of its own, because it is gone from the catalog for a while.
            agreement = next(self._plain(authorization), None) or catalog.make(
                "Agreement", {"authorization": authorization}
            )
            record = catalog.make("Subscription", {"agreement": agreement})
            source = Source("Subscription", record, agreement, catalog.item(agreement))
        else:
            agreement = next(self._plain(authorization), None) or catalog.make(
                "Agreement", {"authorization": authorization}
            )
            source = usage.source(agreement)
        if source.agreement["authorization"]["id"] != authorization["id"]:
            under = source.agreement["authorization"]["id"]
            raise wish.fault(
                f"bills {source.record['id']}, which is under {under}; its journal is under {authorization['id']}."
            )
        item = said.get("item", source.item)
        return Source(source.kind, source.record, source.agreement, item)

    def _agreements(self, authorization: Record) -> list[Record]:
        return self._history.where("Agreement", "authorization.id", authorization["id"])

    def _is_overridden(self, agreement: Record) -> bool:
        return any(
            each["status"] == "Active" and each["vendor"]["id"] == agreement["vendor"]["id"]
            for each in self._history.where("ManualOverride", "client.id", agreement["client"]["id"])
        )

    def _plain(self, authorization: Record) -> Iterable[Record]:
        """Agreements whose charges are billed as a whole, and automatically."""
        return (
            each for each in self._agreements(authorization) if "split" not in each and not self._is_overridden(each)
        )

    def _split(self, authorization: Record) -> Any:
        return (
            each
            for each in self._agreements(authorization)
            if each.get("split", {}).get("active") and not self._is_overridden(each)
        )

    def _new_split(self, authorization: Record) -> Record:
        """An agreement that two buyers of a client without override share."""
        catalog = self._catalog
        vendor = authorization["vendor"]["id"]
        taken = {
            row.record["client"]["id"]
            for row in self._making.world.layer.all("ManualOverride")
            if row.record["vendor"]["id"] == vendor
        }
        client = next((each for each in catalog.accounts("Client") if each["id"] not in taken), None) or catalog.make(
            "Account", {"type": "Client"}
        )
        buyers = self._history.where("Buyer", "client.id", client["id"])[:2]
        while len(buyers) < 2:
            buyers.append(catalog.make("Buyer", {"client": client}))
        shares = [{"buyer": buyers[0], "percentage": Decimal(60)}, {"buyer": buyers[1], "percentage": Decimal(40)}]
        split = {"active": True, "allocations": shares}
        return catalog.make("Agreement", {"authorization": authorization, "buyer": buyers[0], "split": split})

    def _overridden(self, authorization: Record) -> Record:
        """An agreement whose client and vendor are billed by hand."""
        found = next((each for each in self._agreements(authorization) if self._is_overridden(each)), None)
        if found is not None:
            return found
        catalog = self._catalog
        client = catalog.make("Account", {"type": "Client"})
        vendor = self._history.get("Account", authorization["vendor"]["id"])
        self._history.override(client, vendor, at=self._making.start - OLDEST)
        return catalog.make(
            "Agreement", {"authorization": authorization, "buyer": catalog.make("Buyer", {"client": client})}
        )

    def _rename_charges(self, bundle: Bundle) -> None:
        """Give the ids that no line number leads to, to charges that no pin speaks of."""
        layer = self._making.world.layer
        wanted = [wish for wish in bundle.charges if wish.id is not None and layer.get("Charge", wish.id) is None]
        path = "journal.id" if bundle.entity == "Journal" else "customLedger.id"
        for wish in wanted:
            named = {other.id for other in bundle.charges}
            said = self._said[wish]
            for charge in self._history.where("Charge", path, bundle.id):
                if (
                    charge["id"] in named
                    or "parent" in charge
                    or (wish.status or "Ready") not in ("Ignored", "Reconciling", charge["processing"]["status"])
                ):
                    continue
                if any(
                    charge.get(name, {}).get("id") != said[name]["id"]
                    for name in ("subscription", "asset", "agreement")
                    if name in said
                ):
                    continue
                self._rename(charge, str(wish.id))
                break

    def _rename(self, charge: Record, id: str) -> None:
        """The same charge under another id, in its old place among the others."""
        layer = self._making.world.layer
        layer.remove("Charge", charge["id"])
        layer.put("Charge", {**charge, "id": id})
        for child in self._history.where("Charge", "parent.id", charge["id"]):
            layer.put("Charge", {**child, "parent": {**child["parent"], "id": id}})

    def _regenerate_without(self, bundle: Bundle, hidden: Sequence[Source]) -> None:
        """Regenerate while what some lines name is not in the catalog."""
        from contextlib import ExitStack

        with ExitStack() as gone:
            for source in {source.record["id"]: source for source in hidden}.values():
                gone.enter_context(self._history.without(source.kind, source.record["id"]))
            self._try(bundle, lambda: self._history.rebuild(bundle.id))

    def _reconcile(self, bundle: Bundle, status: str) -> None:
        """Ignore the charges that must be ignored, and take back those that must be under reconciliation."""
        history = self._history
        for wish in bundle.charges:
            if wish.status in ("Ignored", "Reconciling") and wish.id is not None:
                id = wish.id
                self._try(
                    bundle, lambda id=id: history.charge_event(id, "ignore", {"reason": "Billed twice by the vendor."})
                )
                if wish.status == "Reconciling":
                    self._try(bundle, lambda id=id: history.charge_event(id, "reset", {}))
        if history.get("Journal", bundle.id)["status"] == "Reconciling" and status != "Reconciling":
            self._try(bundle, lambda: history.recalculate(bundle.id))

    # Ledgers and statements

    def _seller(self, wish: Wish) -> Record:
        """The seller that a wished ledger is for; its id ends in their digits (billing b.12)."""
        seller = self._said[wish].get("seller")
        if wish.id is None:
            return seller or self._catalog.any("Seller")
        own = self._tables.conventions.ids["Seller"].shape(ids.digits(wish.id)[8:])
        if seller is not None and seller["id"] != own:
            raise wish.fault(f"the id {wish.id} is one of {own}: its last digits; mend one of them.", "seller")
        return self._catalog.need("Seller", own, wish.pin, "seller")

    def _agreement(self, wish: Wish, authorization: Record, bundle: Bundle) -> Record:
        """An agreement of its own for a wished ledger or statement."""
        said, catalog = self._said[wish], self._catalog
        if "agreement" in said:
            return dict(said["agreement"])
        wanted = {name: said[name] for name in ("client", "buyer", "seller") if name in said}
        if wish.entity == "Ledger":
            wanted["seller"] = self._seller(wish)
        elif "ledger" in said:
            ledger = str(self._wishes.word(wish, "ledger", "Ledger"))
            wanted["seller"] = catalog.need(
                "Seller", self._tables.conventions.ids["Seller"].shape(ids.digits(ledger)[8:]), wish.pin, "ledger"
            )
        is_manual = bundle.entity == "CustomLedger"
        used = {each["id"] for each in self._own.values()}
        for each in self._agreements(authorization):
            fits = all(each[name]["id"] == record["id"] for name, record in wanted.items())
            if fits and each["id"] not in used and "split" not in each and self._is_overridden(each) == is_manual:
                return each
        said = {"authorization": authorization, **wanted}
        if "buyer" not in wanted and "client" not in wanted:
            said["client"] = self._client(authorization, is_manual)
        return catalog.make("Agreement", said)

    def _client(self, authorization: Record, is_manual: bool) -> Record:
        """A client that is billed by hand for this vendor, or one that is not."""
        taken = {
            row.record["client"]["id"]
            for row in self._making.world.layer.all("ManualOverride")
            if row.record["status"] == "Active" and row.record["vendor"]["id"] == authorization["vendor"]["id"]
        }
        found = [each for each in self._catalog.accounts("Client") if (each["id"] in taken) == is_manual]
        if found:
            return found[len(self._own) % len(found)]
        client = self._catalog.make("Account", {"type": "Client"})
        if is_manual:
            vendor = self._history.get("Account", authorization["vendor"]["id"])
            self._history.override(client, vendor, at=self._making.start - OLDEST)
        return client

    def _ledgers(self, bundle: Bundle) -> None:
        for wish in bundle.ledgers:
            seller = self._seller(wish)
            id = self._tables.conventions.ids["Ledger"].shape(ids.digits(bundle.id) + ids.digits(seller["id"]))
            wish.id = id
            if self._making.world.layer.get("Ledger", id) is None:
                raise wish.fault(
                    f"its journal is {self._history.get('Journal', bundle.id)['status']} and has no ledgers; let it be Generated."
                )
            if wish.status is not None:
                self._reach(wish, "Ledger", id, wish.status)

    def _statements(self, bundle: Bundle) -> None:
        for wish in bundle.statements:
            agreement = self._own[wish]
            if bundle.entity == "Journal":
                ledger = self._tables.conventions.ids["Ledger"].shape(
                    ids.digits(bundle.id) + ids.digits(agreement["seller"]["id"])
                )
                if self._making.world.layer.get("Ledger", ledger) is None:
                    raise wish.fault(
                        f"its journal is {self._history.get('Journal', bundle.id)['status']} and has no ledgers; let it be Generated."
                    )
                if self._history.get("Ledger", ledger)["status"] == "Review":
                    self._reach(wish, "Ledger", ledger, "Generated")
                found = self._history.where("Statement", "ledger.id", ledger)
            else:
                found = self._history.where("Statement", "customLedger.id", bundle.id)
            named = {other.id for other in bundle.statements}
            mine = [each for each in found if each["agreement"]["id"] == agreement["id"] and each["id"] not in named]
            if not mine:
                raise wish.fault(
                    f"no statement of {agreement['id']} came of {bundle.id}; let that be Generated or further on."
                )
            self._rename_statement(mine[0], str(wish.id))
        for wish in bundle.statements:
            if wish.said.get("billingType") == "Consolidated":
                self._consolidated(wish)
            elif wish.status is not None:
                self._reach(wish, "Statement", str(wish.id), wish.status)

    def _rename_statement(self, statement: Record, id: str) -> None:
        layer = self._making.world.layer
        layer.remove("Statement", statement["id"])
        layer.put("Statement", {**statement, "id": id})
        for charge in self._history.where("Charge", "statement.id", statement["id"]):
            layer.put("Charge", {**charge, "statement": {"id": id}})

    def _consolidated(self, wish: Wish) -> None:
        """A consolidated statement under the wished id; the statement made for the wish becomes its child."""
        id = str(wish.id)
        child = self._draw("Statement")
        self._rename_statement(self._history.get("Statement", id), child)
        self._history.shell(self._history.get("Statement", child), id)
        self._reach(wish, "Statement", child, "Consolidating")
        if wish.status is not None:
            self._reach(wish, "Statement", id, wish.status)

    def _reach(self, wish: Wish, entity: str, id: str, status: str) -> None:
        try:
            came = self._history.reach(entity, id, status)
        except Refusal as refusal:
            raise wish.fault(f"cannot be brought to {status}: {refusal}", "status") from None
        if not came:
            now = self._history.get(entity, id)["status"]
            raise wish.fault(
                f"is {now} by what else is pinned, and no way leads from there to {status}; mend one of them.", "status"
            )

    # Custom ledgers

    def _custom_ledger(self, bundle: Bundle, at: datetime) -> None:
        history = self._history
        said = dict(self._said[bundle.wish]) if bundle.wish else {}
        for wish in bundle.statements:
            said = {
                **{name: self._said[wish][name] for name in ("client", "seller", "vendor") if name in self._said[wish]},
                **said,
            }
        agreements = self._manual(said)
        authorization = history.get("Authorization", agreements[0]["authorization"]["id"])
        lines = []
        for wish in bundle.charges:
            source = history.usage.source(self._said[wish].get("agreement", agreements[0]), whole=True)
            item = self._said[wish].get("item", source.item)
            lines.append(
                Line(
                    Source(source.kind, source.record, source.agreement, item),
                    None,
                    wish.status == "Error",
                    self._said[wish],
                )
            )
        for wish in bundle.statements:
            own = [each for each in agreements if each not in self._own.values()]
            seller = history.get("Seller", agreements[0]["seller"]["id"])
            agreement = own[0] if own else self._agreement_like(agreements[0], authorization, seller)
            self._own[wish] = agreement
            lines.append(Line(history.usage.source(agreement, whole=True), said=self._turned(wish)))
        least = "Generated" if bundle.statements else "Validated" if bundle.charges else "Draft"
        status = said.get("status") or (
            "Error" if any(line.is_wrong for line in lines) and least == "Validated" else least
        )
        if status == "Error" and not any(line.is_wrong for line in lines):
            lines.append(Line(history.usage.source(agreements[0], whole=True), is_wrong=True))
        stage = "Generated" if status in ("Queued", "Completed") and bundle.statements else status
        plan = Plan(
            at=at,
            status="Validated",
            id=bundle.id,
            said=said,
            lines=lines,
            count=self._count(8) if bundle.wish else len(lines),
        )
        plan.status = stage if stage in ("Draft", "Validating", "Validated", "Error") else "Validated"
        self._try(bundle, lambda: history.custom_ledger(plan, agreements))
        self._rename_charges(bundle)
        self._try(bundle, lambda: history.reach("CustomLedger", bundle.id, stage))
        self._statements(bundle)
        self._try(bundle, lambda: history.reach("CustomLedger", bundle.id, status))
        self._arrived(bundle, status)
        self._bill(history.where("Statement", "customLedger.id", bundle.id))

    def _manual(self, said: Mapping[str, Any]) -> list[Record]:
        """Agreements of one authorization and seller that are billed by hand; one is made where there is none."""
        layer = self._making.world.layer
        found = [
            row.record
            for row in layer.all("Agreement")
            if self._is_overridden(row.record)
            and all(
                row.record[name]["id"] == said[name]["id"] for name in ("client", "seller", "vendor") if name in said
            )
        ]
        if found:
            first = found[self._making.random.randrange(len(found))]
            return [
                each
                for each in found
                if all(each[name]["id"] == first[name]["id"] for name in ("authorization", "seller"))
            ]
        authorization = self._catalog.authorization(said.get("vendor"))
        client = said.get("client") or self._client(authorization, True)
        vendor = self._history.get("Account", authorization["vendor"]["id"])
        agreement = self._catalog.make(
            "Agreement",
            {
                "authorization": authorization,
                "client": client,
                **({"seller": said["seller"]} if "seller" in said else {}),
            },
        )
        if not self._is_overridden(agreement):
            self._history.override(client, vendor, at=self._making.start - OLDEST)
        return [agreement]

    def _agreement_like(self, agreement: Record, authorization: Record, seller: Record) -> Record:
        client = self._history.get("Account", agreement["client"]["id"])
        return self._catalog.make("Agreement", {"authorization": authorization, "seller": seller, "client": client})

    # Documents of the ERP, attachments

    def _bill_journal(self, journal: str) -> None:
        for ledger in self._history.where("Ledger", "journal.id", journal):
            self._bill(self._history.where("Statement", "ledger.id", ledger["id"]))

    def _bill(self, statements: Sequence[Record]) -> None:
        """Have the ERP send documents for what is issued; older invoices are paid by now, or overdue."""
        wished = {wish.said.get("statement") for wish in self._wishes.of("Invoice", "CreditMemo")}
        for statement in statements:
            if (
                statement["status"] != "Issued"
                or statement["id"] in wished
                or "invoice" in statement
                or "creditMemo" in statement
            ):
                continue
            id = self._history.bill(statement)
            if statement["type"] == "Credit":
                continue
            invoice = self._history.get("Invoice", id)
            age = self._making.start - wire.moment(invoice["audit"]["created"]["at"])
            draw = self._making.random.random()
            if age > timedelta(days=40) and draw < 0.9:
                self._history.reach("Invoice", id, "Paid" if draw < 0.65 else "Overdue")

    def _document(self, wish: Wish) -> None:
        """The pinned invoice or credit memo of its statement."""
        said = self._said[wish]
        statement = self._history.get("Statement", str(said["statement"]))
        wanted = "Credit" if wish.entity == "CreditMemo" else "Debit"
        if statement["type"] != wanted or statement["status"] not in ("Pending", "Issued"):
            what = f"a {statement['type']} and {statement['status']}"
            raise wish.fault(
                f"its statement {statement['id']} is {what}; it must be a {wanted}, Pending or Issued.", "statement"
            )
        body = {"name": said["name"]} if "name" in said else {}
        id = self._history.bill(statement, number=said.get("documentNo"), country=said.get("countryCode"), said=body)
        if wish.status is not None:
            self._reach(wish, wish.entity, id, wish.status)
        if wish.id is not None and wish.id != id:
            self._rename_document(wish.entity, id, wish.id)
        wish.id = wish.id or id

    def _rename_document(self, entity: str, old: str, new: str) -> None:
        """An invoice or credit memo under a pinned id, with its lines and what refers to it."""
        layer = self._making.world.layer
        member = "invoice" if entity == "Invoice" else "creditMemo"
        record = self._history.get(entity, old)
        digits = ids.digits(new)[:12]
        lines = [
            {**line, "id": self._tables.conventions.ids[f"{entity}Line"].shape(digits + ids.digits(line["id"])[-4:])}
            for line in record.get("lines", ())
        ]
        layer.remove(entity, old)
        layer.put(entity, {**record, "id": new, "lines": lines})
        statement = self._history.get("Statement", record["statement"]["id"])
        layer.put("Statement", {**statement, member: {**statement[member], "id": new}})
        for attachment in self._history.where(f"{entity}Attachment", f"{member}.id", old):
            named = {name: attachment[name].replace(old, new) for name in ("name", "filename")}
            layer.put(f"{entity}Attachment", {**attachment, **named, member: {**attachment[member], "id": new}})

    def _attach(self, wish: Wish) -> None:
        """A pinned attachment, on its parent or on the newest that could be."""
        parent_entity = PARENTS[wish.entity]
        member = parent_entity[:1].lower() + parent_entity[1:]
        layer = self._making.world.layer
        id = self._wishes.word(wish, member, parent_entity)
        parent = layer.get(parent_entity, id) if id is not None else None
        if parent is None:
            records = [row.record for row in layer.all(parent_entity)]
            if id is not None or not records:
                raise wish.fault(f"there is no {parent_entity} {id or ''} to attach it to; pin one.", member)
            parent = records[-1]
        self._history.attach(parent_entity, parent, wish.said, id=wish.id)

    def _finish(self, wish: Wish) -> None:
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
        said = {name: value for name, value in self._said[wish].items() if name in LAID and wish.entity != "Charge"}
        if "assignee" in said:
            said["assignee"] = self._catalog.ref("User", said["assignee"])
        if said:
            layer.put(wish.entity, over(record, said))
