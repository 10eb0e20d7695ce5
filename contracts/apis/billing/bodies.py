"""The bodies of billing's operations, each right in every respect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from contracts.forms import FORM, Part, form
from contracts.journal import Thing
from contracts.probe import Nothing, member
from contracts.stage import NO_BODY, Body
from contracts.wire import Caller
from specs.tables import Operation

if TYPE_CHECKING:
    from contracts.apis.billing.stage import Stage

SIMPLE = ("notes", "description", "externalId", "name")
"""Members that take any text; an update changes the first that its caller may."""


class Bodies:
    """Makes them for one stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._user: str | None = None
        self._pairs: list[tuple[str, str]] = []
        """clients and vendors that lists show: what is asked for again and again, and is true as long as they are"""
        self._made: Mapping[str, Callable[[], Any]] = {
            "createJournal": self._journal,
            "createCustomLedger": self._custom_ledger,
            "createConsolidatedStatement": self._consolidated,
            "createInvoices": lambda: self._document("Invoice"),
            "createCreditMemos": lambda: self._document("CreditMemo"),
            "createManualOverride": self._override,
            "setStatementError": lambda: {"statusNotes": {"message": "The ERP does not know the buyer."}},
            "updateStatement": lambda: {"statusNotes": {"message": f"Looked at, {stage.name()}."}},
            "matchJournalCharge": self._match,
        }

    def of(self, operation: Operation, caller: Caller, params: Mapping[str, str], thing: Thing | None) -> Body:
        """What a right request carries. Raises Nothing where nothing tells what it may name."""
        stage = self._stage
        if operation.does == "attach":
            return attachment(b"Nothing new.\r\n\x00\xff", "notes.txt", "text/plain", {"name": stage.name()})
        if operation.does == "upload":
            custom = operation.entity == "CustomLedger"
            return stage.file(operation.entity, [stage.row()] if custom else [stage.line(stage.plain()[0])])
        if operation.id == "addStatementChild":
            return Body({"id": self._child(thing)})
        if operation.id in self._made:
            return Body(self._made[operation.id]())
        return Body(self._update(operation, caller)) if operation.does == "update" else NO_BODY

    def _update(self, operation: Operation, caller: Caller) -> Any:
        names = self._stage.p.api.visibility[operation.entity].written_by(caller.role)
        simple = next((name for name in SIMPLE if name in names), None)
        if simple is not None:
            return {simple: self._stage.name()}
        return {"assignee": {"id": self.user()}}

    def user(self) -> str:
        """The id of somebody who can be given work: named in contracts.toml, or seen in an audit. Raises Nothing."""
        p = self._stage.p
        said = p.settings.values.get(p.api.name, {}).get("user")
        if said is not None:
            return str(said)
        if self._user is None:
            self._user = self._seen_user()
        return self._user

    def _seen_user(self) -> str:
        p = self._stage.p
        for entity in ("Journal", "Ledger", "CustomLedger"):
            operation = p.lists(entity)
            assert operation is not None
            for row in p.facts.rows(operation, self._stage.operations, query="select=audit"):
                told = [
                    member(row, "assignee.id"),
                    member(row, "audit.updated.by.id"),
                    member(row, "audit.created.by.id"),
                ]
                found = next((each for each in told if str(each).startswith("USR-") and each != "USR-0000-0000"), None)
                if found is not None:
                    return str(found)
        raise Nothing("nobody is seen who could be an assignee; name one: user = ... under [values.billing]")

    def _journal(self) -> Any:
        stage = self._stage
        return {
            "name": stage.name(),
            "authorization": {"id": stage.sources[0].authorization},
            "description": "Usage of a month",
            "notes": stage.p.tag,
            "dueDate": "2031-01-31T00:00:00.000Z",
            "externalIds": {"vendor": stage.name()},
        }

    def _custom_ledger(self) -> Any:
        stage, manual = self._stage, self._stage.manual
        return {
            "name": stage.name(),
            "seller": {"id": manual.seller},
            "vendor": {"id": manual.vendor},
            "price": {"currency": {"purchase": manual.purchase, "sale": manual.sale}},
            "notes": stage.p.tag,
            "billingStartDate": "2026-01-01T00:00:00.000Z",
            "billingEndDate": "2026-01-31T00:00:00.000Z",
            "externalIds": {},
        }

    def _consolidated(self) -> Any:
        stage = self._stage
        for row in stage.p.facts.rows(stage.p.operation("listStatements"), stage.operations):
            parties = {name: member(row, f"{name}.id") for name in ("buyer", "seller", "vendor")}
            currency = {name: member(row, f"price.currency.{name}") for name in ("purchase", "sale")}
            if None not in (*parties.values(), *currency.values()):
                return {**{name: {"id": id} for name, id in parties.items()}, "price": {"currency": currency}}
        raise Nothing("no statement tells who could have a consolidated one")

    def _child(self, parent: Thing | None) -> str:
        """A queued statement of the run's own that the parent may take in; one that cannot be, for a ghost."""
        stage = self._stage
        if parent is None or parent.id in stage.p.guard.ghosts:
            return stage.p.facts.shape("Statement")
        return stage.spare_child()

    def _document(self, entity: str) -> Any:
        """A new document of the ERP, for a buyer who has some already."""
        stage = self._stage
        operation = stage.p.lists(entity)
        assert operation is not None
        own = {each.account for each in stage.p.callers if each.role == "client"}
        rows = stage.p.facts.rows(operation, stage.operations)
        # One whose client is somebody who calls can be looked at by them, too.
        for row in sorted(rows, key=lambda each: member(each, "client.id") not in own):
            buyer, seller = member(row, "buyer.id"), member(row, "seller.id")
            if buyer is not None and seller is not None:
                country = str(row.get("countryCode", "NL"))
                parties = {"buyer": {"id": buyer}, "seller": {"id": seller}}
                # What it was bought for is to be seen by some, and not by others.
                line: dict[str, Any] = {"quantity": 1, "unitPrice": 15.0, "vatPercent": 9, "purchasePriceTotalLcy": 10}
                lines = [{"description": "Seats", **(line if entity == "Invoice" else {"price": line})}]
                number = stage.document_number()
                return {"documentNo": number, "countryCode": country, **parties, "lines": lines}
        raise Nothing(f"no {entity} tells whom one could be for")

    def _override(self) -> Any:
        """A pair of client and vendor that is free, and that no journal of the run's own bills."""
        pair = self._free()
        if pair is None:
            self._stage.without_overrides()
            pair = self._free()
        if pair is None:
            raise Nothing("every pair of client and vendor that is known has an override, or is billed by this run")
        tag = self._stage.p.tag
        return {"client": {"id": pair[0]}, "vendor": {"id": pair[1]}, "externalId": tag, "notes": tag}

    def _free(self) -> tuple[str, str] | None:
        stage = self._stage
        p, operations = stage.p, stage.operations
        rows = p.facts.rows(p.operation("listManualOverrides"), operations)
        taken = {(member(row, "client.id"), member(row, "vendor.id")) for row in rows if row.get("status") == "Active"}
        own = {(each.client, each.vendor) for each in stage.sources}
        if not self._pairs:
            statements = p.facts.rows(p.operation("listStatements"), operations)
            clients = dict.fromkeys([str(member(row, "client.id")) for row in statements if member(row, "client.id")])
            journals = p.facts.rows(p.operation("listJournals"), operations)
            vendors = dict.fromkeys(str(member(row, "vendor.id")) for row in (*journals, *rows))
            self._pairs = list(product(clients, vendors))
        return next((pair for pair in self._pairs if pair not in taken and pair not in own), None)

    def _match(self) -> Any:
        source = next((each for each in self._stage.of("Ready") if each.kind == "subscription"), None)
        if source is None:
            raise Nothing("no subscription is known that a charge could be matched with")
        return {"subscription": {"id": source.id}}


def attachment(content: bytes, filename: str, media: str, details: Mapping[str, Any] | None = None) -> Body:
    """The form of a new attachment."""
    import json

    described = [Part("attachment", json.dumps(details).encode(), None, "application/json")] if details else []
    whole = form(*described, Part("file", content, filename, media))
    return Body(content=whole, headers={"content-type": FORM})
