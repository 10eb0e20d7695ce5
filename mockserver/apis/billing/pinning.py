"""What a pin may say about each entity, and the reading of it.

Members that the workflows compute (sums, counts, audit, revision) cannot be pinned: they follow from the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from mockserver import wire
from mockserver.scenario import Pin, ScenarioError, nearest

# A kind is `text`, `instant`, `number`, `count`, `flag`, `texts` (a list), `pins` (a list of objects, read by whoever
# asks), `split` (of an agreement or subscription), the name of an entity (a reference: an id or a name), or a mapping
# of members to kinds.
Kind = Any  # recursive: a word or a mapping of them

ADDRESS = dict.fromkeys(("addressLine1", "addressLine2", "postCode", "city", "state", "country"), "text")
BAG = {"vendor": "text", "operations": "text"}
SEARCH = {"type": "text", "criteria": "text", "value": "text"}
ATTACHED = dict.fromkeys(("name", "description", "filename", "contentType", "content"), "text") | {"isDeleted": "flag"}

MAX_LINES = 10_000
"""The most charges that one pin may ask for"""

MEMBERS: Mapping[str, Mapping[str, Kind]] = {
    "Account": {"name": "text", "type": "text", "status": "text", "icon": "text"},
    "User": {"name": "text", "icon": "text", "account": "Account"},
    "Token": {"name": "text", "account": "Account"},
    "Seller": {
        "name": "text",
        "icon": "text",
        "externalId": "text",
        "status": "text",
        "currencies": "texts",
        "address": ADDRESS,
        "erpLink": {"id": "text", "name": "text", "icon": "text", "status": "text"},
    },
    "Buyer": {
        "name": "text",
        "icon": "text",
        "externalIds": {"erpCustomer": "text"},
        "client": "Account",
        "currency": "text",
        "address": ADDRESS,
    },
    "Licensee": {"name": "text", "icon": "text", "externalId": "text", "buyer": "Buyer", "client": "Account"},
    "Product": {
        "name": "text",
        "icon": "text",
        "status": "text",
        "externalIds": {"operations": "text"},
        "vendor": "Account",
    },
    "Item": {"name": "text", "externalIds": BAG, "product": "Product"},
    "Authorization": {"name": "text", "currency": "text", "vendor": "Account", "product": "Product", "owner": "Seller"},
    "Agreement": {
        "name": "text",
        "icon": "text",
        "status": "text",
        "externalIds": {**BAG, "client": "text"},
        "authorization": "Authorization",
        "vendor": "Account",
        "product": "Product",
        "client": "Account",
        "buyer": "Buyer",
        "seller": "Seller",
        "licensee": "Licensee",
        "markup": "number",
        "contractNo": "text",
        "split": "split",
    },
    "AgreementLine": {
        "agreement": "Agreement",
        "item": "Item",
        "subscription": "Subscription",
        "asset": "Asset",
        "markup": "number",
    },
    "Subscription": {
        "name": "text",
        "status": "text",
        "externalIds": {"vendor": "text"},
        "agreement": "Agreement",
        "markup": "number",
        "split": "split",
    },
    "Asset": {
        "name": "text",
        "status": "text",
        "externalIds": {"vendor": "text"},
        "agreement": "Agreement",
        "markup": "number",
    },
    "Order": {"externalIds": {"vendor": "text"}, "agreement": "Agreement"},
    "Journal": {
        "status": "text",
        "name": "text",
        "description": "text",
        "notes": "text",
        "externalIds": BAG,
        "dueDate": "instant",
        "assignee": "User",
        "authorization": "Authorization",
        "vendor": "Account",
        "charges": "pins",
        "lines": "count",
    },
    "Charge": {
        "status": "text",
        "journal": "Journal",
        "customLedger": "CustomLedger",
        "agreement": "Agreement",
        "subscription": "Subscription",
        "asset": "Asset",
        "item": "Item",
        "order": "Order",
        "externalIds": {"vendor": "text", "invoice": "text", "reference": "text"},
        "search": {"source": SEARCH, "order": SEARCH, "item": SEARCH},
        "period": {"start": "instant", "end": "instant"},
        "quantity": "number",
        "price": {"unitPP": "number", "PPx1": "number", "unitSP": "number"},
        "description": {"value1": "text", "value2": "text"},
        "segment": "text",
        "gone": "text",
    },
    "Ledger": {"status": "text", "journal": "Journal", "seller": "Seller", "assignee": "User"},
    "CustomLedger": {
        "status": "text",
        "name": "text",
        "notes": "text",
        "externalIds": BAG,
        "seller": "Seller",
        "vendor": "Account",
        "client": "Account",
        "billingStartDate": "instant",
        "billingEndDate": "instant",
        "assignee": "User",
        "price": {"currency": {"purchase": "text", "sale": "text"}},
        "charges": "pins",
        "lines": "count",
    },
    "Statement": {
        "status": "text",
        "billingType": "text",
        "ledger": "Ledger",
        "customLedger": "CustomLedger",
        "agreement": "Agreement",
        "client": "Account",
        "vendor": "Account",
        "buyer": "Buyer",
        "seller": "Seller",
        "externalIds": {**BAG, "erpId": "text", "client": "text"},
        "statusNotes": {"message": "text"},
    },
    "Invoice": {
        "status": "text",
        "name": "text",
        "documentNo": "text",
        "countryCode": "text",
        "statement": "Statement",
        "client": "Account",
        "vendor": "Account",
    },
    "CreditMemo": {
        "status": "text",
        "documentNo": "text",
        "countryCode": "text",
        "statement": "Statement",
        "client": "Account",
        "vendor": "Account",
    },
    "ManualOverride": {
        "status": "text",
        "client": "Account",
        "vendor": "Account",
        "externalId": "text",
        "notes": "text",
    },
    "JournalAttachment": {**ATTACHED, "journal": "Journal"},
    "LedgerAttachment": {**ATTACHED, "ledger": "Ledger"},
    "CustomLedgerAttachment": {**ATTACHED, "customLedger": "CustomLedger"},
    "StatementAttachment": {**ATTACHED, "statement": "Statement"},
    "InvoiceAttachment": {**ATTACHED, "invoice": "Invoice"},
    "CreditMemoAttachment": {**ATTACHED, "creditMemo": "CreditMemo"},
}


def members(pin: Pin) -> dict[str, Any]:
    """A pin's members, checked and canonical: references are the words (id or name) that the file gives.

    Raises ScenarioError.
    """
    kinds = MEMBERS.get(pin.entity)
    if kinds is None:
        raise pin.fault(f"{pin.entity} cannot be pinned; {nearest(pin.entity, MEMBERS)}", "entity")
    return {name: _value(pin, name, kinds, name, value) for name, value in pin.members.items()}


def _value(pin: Pin, name: str, kinds: Mapping[str, Kind], path: str, value: Any) -> Any:
    if name not in kinds:
        raise pin.fault(f"cannot be pinned; {nearest(name, kinds)}", path)
    kind = kinds[name]
    if value is None:
        raise pin.fault("says nothing; leave the line out, or give a value.", path)
    if isinstance(kind, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(pin, path, value, f"`{{{', '.join(kind)}}}`")
        return {inner: _value(pin, inner, kind, f"{path}.{inner}", each) for inner, each in value.items()}
    return _READERS.get(kind, _reference)(pin, path, value)


def _wrong(pin: Pin, path: str, value: Any, wanted: str) -> ScenarioError:
    shown = str(value)
    return pin.fault(f"{shown if len(shown) <= 40 else shown[:37] + '...'} will not do; write {wanted}.", path)


def _text(pin: Pin, path: str, value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > 4000:
        raise _wrong(pin, path, value, "a text, in quotes if it looks like a number")
    return value


def _texts(pin: Pin, path: str, value: Any) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise _wrong(pin, path, value, "a list: [EUR, USD]")
    return [_text(pin, path, each) for each in value]


def _instant(pin: Pin, path: str, value: Any) -> str:
    try:
        return wire.parse_instant(_text(pin, path, value))
    except ValueError:
        raise _wrong(pin, path, value, "an instant like 2026-03-16T09:00:00Z or a date") from None


def _number(pin: Pin, path: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _wrong(pin, path, value, "a number")
    return Decimal(value)


def _count(pin: Pin, path: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_LINES:
        raise _wrong(pin, path, value, f"a whole number from 1 to {MAX_LINES}")
    return value


def _flag(pin: Pin, path: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(pin, path, value, "true or false")
    return value


def _pins(pin: Pin, path: str, value: Any) -> Any:
    if not isinstance(value, list):
        raise _wrong(pin, path, value, "a list: `- {id: ...}`")
    return value


def _split(pin: Pin, path: str, value: Any) -> Any:
    """`{active: true, allocations: [{buyer: ..., percentage: 60}, ...]}`, the percentages adding up to 100."""
    example = "`{active: true, allocations: [{buyer: BUY-1234-5678, percentage: 60}, ...]}`"
    if not isinstance(value, Mapping) or not set(value) <= {"active", "allocations"}:
        raise _wrong(pin, path, value, example)
    allocations = value.get("allocations", [])
    if not isinstance(allocations, list) or not all(_is_share(each) for each in allocations):
        raise _wrong(pin, path, value, example)
    read: list[dict[str, Any]] = [
        {"buyer": _reference(pin, path, each["buyer"]), "percentage": _number(pin, path, each["percentage"])}
        for each in allocations
    ]
    if read and sum((each["percentage"] for each in read), Decimal(0)) != 100:
        raise pin.fault("the percentages do not add up to 100; mend them.", path)
    return {"active": _flag(pin, path, value.get("active", True)), "allocations": read}


def _is_share(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"buyer", "percentage"}


def _reference(pin: Pin, path: str, value: Any) -> str:
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in ("id", "name"):
        value = next(iter(value.values()))
    if not isinstance(value, str) or not value:
        raise _wrong(pin, path, value, "an id or a name")
    return value


_READERS: Mapping[str, Any] = MappingProxyType(
    {
        "text": _text,
        "texts": _texts,
        "instant": _instant,
        "number": _number,
        "count": _count,
        "flag": _flag,
        "pins": _pins,
        "split": _split,
    }
)
