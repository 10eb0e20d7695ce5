"""Pins of what happens in billing, read and put together by the journal or custom ledger that they stand in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mockserver import ids
from mockserver.apis.billing import pinning
from mockserver.apis.billing.catalog import ORDER
from mockserver.apis.billing.history import WAYS
from mockserver.making import check_id
from mockserver.scenario import Pin, ScenarioError, nearest
from specs.tables import Api

CHARGES = ("Ready", "Error", "Split", "Skipped", "Ignored", "Reconciling")

# Attached to what; the member that names it is the parent's name in camelCase.
PARENTS = {
    "JournalAttachment": "Journal",
    "LedgerAttachment": "Ledger",
    "CustomLedgerAttachment": "CustomLedger",
    "StatementAttachment": "Statement",
    "InvoiceAttachment": "Invoice",
    "CreditMemoAttachment": "CreditMemo",
}
# Their ids follow from other things, or are counted, so none is drawn for them.
UNDRAWN = ("Charge", "Ledger", "Invoice", "CreditMemo")


@dataclass(slots=True, eq=False)
class Wish:
    """An object that there must be.

    said: its members, canonical; references are ids or names until they are looked up
    pin: the pin that says so, or from which it follows
    """

    entity: str
    id: str | None
    said: dict[str, Any]
    pin: Pin

    @property
    def status(self) -> str | None:
        """The state that it must be in."""
        return self.said.get("status")

    def fault(self, problem: str, member: str = "") -> ScenarioError:
        """The error that names the pin."""
        return self.pin.fault(problem, member)


@dataclass(slots=True, eq=False)
class Bundle:
    """A journal or custom ledger, what is wished of it, and of everything below it."""

    entity: str
    id: str
    wish: Wish | None = None
    charges: list[Wish] = field(default_factory=list)
    ledgers: list[Wish] = field(default_factory=list)
    statements: list[Wish] = field(default_factory=list)

    @property
    def wishes(self) -> list[Wish]:
        """All of them, the top one first."""
        return [*([self.wish] if self.wish else []), *self.charges, *self.ledgers, *self.statements]

    @property
    def speaker(self) -> Wish:
        """The one to name when something is wrong with the whole: its pin, or what asked for it."""
        return self.wishes[0]


class Wishes:
    """Everything that the pins of a scenario ask for, the catalog aside.

    draw: gives a new id for an entity
    """

    def __init__(self, tables: Api, pins: Sequence[Pin], draw: Callable[[str], str]) -> None:
        self._tables = tables
        self._draw = draw
        self.all = [self._read(pin) for pin in pins if pin.entity not in ORDER]
        self.bundles: dict[str, Bundle] = {}
        self._put_together()

    def of(self, *entities: str) -> list[Wish]:
        """The wishes for some entities, as the file orders them."""
        return [wish for wish in self.all if wish.entity in entities]

    def word(self, wish: Wish, member: str, entity: str) -> str | None:
        """The id that a reference to another object of the API means: an id, or the name of a pinned one."""
        word = wish.said.get(member)
        if word is None:
            return None
        for other in self.of(entity):
            if other.said.get("name") == word and other.id is not None:
                return other.id
        if not str(word).startswith(f"{self._tables.conventions.ids[entity].prefix}-"):
            raise wish.fault(f"no {entity} is pinned under the name {word!r}; name its id.", member)
        return check_id(self._tables, wish.pin, entity, str(word), member)

    def _read(self, pin: Pin) -> Wish:
        said = pinning.members(pin)
        states = CHARGES if pin.entity == "Charge" else tuple(WAYS.get(pin.entity, ()))
        if pin.status is not None and pin.status not in states:
            raise pin.fault(f"no state {pin.status!r}; {nearest(pin.status, states)}", "status")
        id = pin.id
        if id is not None:
            check_id(self._tables, pin, pin.entity, id)
        elif pin.entity not in UNDRAWN:
            id = self._draw(pin.entity)
        return Wish(pin.entity, id, said, pin)

    # Putting together

    def _put_together(self) -> None:
        for wish in self.of("Journal", "CustomLedger"):
            if str(wish.id) in self.bundles:
                raise wish.fault(f"{wish.id} is pinned twice; keep one.", "id")
            bundle = self._bundle(wish.entity, str(wish.id))
            bundle.wish = wish
            for pin in wish.pin.below("charges", "Charge"):
                self._join(bundle, self._read(pin))
        for wish in self.of("Charge"):
            self._join(self._bundle(*self._home_of_charge(wish)), wish)
        for wish in [*self.of("Ledger"), *self._implied("Ledger", "LedgerAttachment")]:
            self._bundle("Journal", self._journal_of_ledger(wish)).ledgers.append(wish)
        for wish in [*self.of("Statement"), *self._implied("Statement", "StatementAttachment"), *self._billed()]:
            self._bundle(*self._home_of_statement(wish)).statements.append(wish)
        for entity in ("JournalAttachment", "CustomLedgerAttachment"):
            for wish in self._implied(PARENTS[entity], entity):
                bundle = self._bundle(wish.entity, str(wish.id))
                bundle.wish = bundle.wish or wish

    def _bundle(self, entity: str, id: str) -> Bundle:
        return self.bundles.setdefault(id, Bundle(entity, id))

    def _join(self, bundle: Bundle, wish: Wish) -> None:
        """Put a charge among those of its parent; a later file's word on one that is there already goes first."""
        if wish.id is None:
            bundle.charges.append(wish)
            return
        digits = ids.digits(bundle.id)
        if not ids.digits(wish.id).startswith(digits):
            like = self._shaped("Charge", f"{digits}{'100':0>12}")
            raise wish.fault(
                f"{wish.id} is no charge of {bundle.id}: its digits come first; write it like {like}.", "id"
            )
        other = next((each for each in bundle.charges if each.id == wish.id), None)
        if other is None:
            bundle.charges.append(wish)
        elif other.pin.file == wish.pin.file:
            raise wish.fault(f"{wish.id} is pinned twice; keep one.", "id")
        else:
            wish.said = {**other.said, **wish.said}
            bundle.charges[bundle.charges.index(other)] = wish

    def _implied(self, entity: str, attachment: str) -> Iterator[Wish]:
        """Parents of attachments that have no pin of their own; an attachment that names none hangs on a new one."""
        known = {wish.id for wish in self.of(entity)}
        member = entity[:1].lower() + entity[1:]
        for wish in self.of(attachment):
            id = self.word(wish, member, entity)
            if id is None:
                continue
            if id not in known:
                known.add(id)
                yield self._add(Wish(entity, id, {}, wish.pin))

    def _billed(self) -> Iterator[Wish]:
        """Issued statements behind invoices and credit memos, where no pin speaks of them."""
        for entity in ("Invoice", "CreditMemo"):
            list(self._implied(entity, f"{entity}Attachment"))
        for wish in self.of("Invoice", "CreditMemo"):
            id = self.word(wish, "statement", "Statement") or self._draw("Statement")
            wish.said["statement"] = id
            if all(other.id != id for other in self.of("Statement")):
                said: dict[str, Any] = {
                    "status": "Issued",
                    "type": "Credit" if wish.entity == "CreditMemo" else "Debit",
                }
                said |= {name: wish.said[name] for name in ("client", "vendor") if name in wish.said}
                yield self._add(Wish("Statement", id, said, wish.pin))
            else:
                other = next(other for other in self.of("Statement") if other.id == id)
                other.said.setdefault("status", "Issued")
                other.said["type"] = "Credit" if wish.entity == "CreditMemo" else "Debit"

    def _add(self, wish: Wish) -> Wish:
        self.all.append(wish)
        return wish

    def _shaped(self, entity: str, digits: str) -> str:
        return self._tables.conventions.ids[entity].shape(digits)

    def _home_of_charge(self, wish: Wish) -> tuple[str, str]:
        if (ledger := self.word(wish, "customLedger", "CustomLedger")) is not None:
            return "CustomLedger", ledger
        if (journal := self.word(wish, "journal", "Journal")) is not None:
            return "Journal", journal
        if wish.id is None:
            return "Journal", self._draw("Journal")
        # A charge's id begins with its parent's digits (b.12).
        digits = ids.digits(wish.id)[:8]
        custom, journal = self._shaped("CustomLedger", digits), self._shaped("Journal", digits)
        is_custom = custom in self.bundles and journal not in self.bundles
        return ("CustomLedger", custom) if is_custom else ("Journal", journal)

    def _journal_of_ledger(self, wish: Wish) -> str:
        journal = self.word(wish, "journal", "Journal")
        if wish.id is None:
            return journal or self._draw("Journal")
        own = self._shaped("Journal", ids.digits(wish.id)[:8])
        if journal not in (None, own):
            raise wish.fault(f"the id {wish.id} is one of {own}: its digits come first; mend one of them.", "journal")
        return own

    def _home_of_statement(self, wish: Wish) -> tuple[str, str]:
        if (custom := self.word(wish, "customLedger", "CustomLedger")) is not None:
            return "CustomLedger", custom
        if (ledger := self.word(wish, "ledger", "Ledger")) is not None:
            return "Journal", self._shaped("Journal", ids.digits(ledger)[:8])
        kind = "CustomLedger" if wish.said.get("billingType") == "Manual" else "Journal"
        return kind, self._draw(kind)


def looked_up(wish: Wish, need: Callable[[str, str, Pin, str], Mapping[str, Any]]) -> dict[str, Any]:
    """What a wish says, its references to the catalog replaced by the records."""
    kinds = pinning.MEMBERS[wish.entity]
    return {
        name: need(kinds[name], value, wish.pin, name)
        if isinstance(kinds.get(name), str) and kinds[name] in ORDER
        else value
        for name, value in wish.said.items()
    }
