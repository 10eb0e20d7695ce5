"""What a pin may say about each entity, and the reading of it; every fault is one line that tells the mend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from mockserver.apis.accounts.catalog import IDS
from mockserver.apis.accounts.rules import months_before
from mockserver.apis.accounts.words import LANGUAGES
from mockserver.making import check_id
from mockserver.scenario import Pin, nearest
from specs.tables import Api

# A kind is `text`, `texts`, `count`, `amount` (not 0, two places), `day`, `documents` (their ids), `account` (a number
# or a name), a tuple of the texts that there are, or a mapping of members to kinds.
Kind = Any  # recursive: a word, a tuple, or a mapping of them

TYPES = ("INVOICE", "CREDIT_MEMO", "MANUAL_INVOICE", "STATEMENT")
MEMBERS: Mapping[str, Mapping[str, Kind]] = {
    "Account": {
        "accountName": "text",
        "parentAccountNumber": "account",
        "accountIbxs": "texts",
        "billingFrequency": ("MONTHLY", "QUARTERLY", "ANNUALLY"),
        "currencyCode": "text",
        "invoiceLanguage": tuple(LANGUAGES),
        "invoiceFormat": ("PDF", "EXCEL"),
        "billingContact": {"firstName": "text", "lastName": "text", "email": "text"},
        "country": "text",
        "months": "count",
    },
    "Invoice": {"account": "account", "amount": "amount", "date": "day", "type": TYPES, "documents": "documents"},
    "Payment": {"account": "account", "amount": "amount", "date": "day", "type": ("APPLIED", "UNAPPLIED")},
}
PAYMENT = re.compile(r"[A-Z]{3}\d{13}", re.ASCII)
_BACK = re.compile(r"(?:-(\d{1,3})mo)?(?:-(\d{1,4})d)?", re.ASCII)
_CURRENCY = re.compile("[A-Z]{3}", re.ASCII)
MAX_AMOUNT = Decimal(10) ** 12


def said(tables: Api, pin: Pin, today: date) -> dict[str, Any]:
    """What a pin says, each member as its kind has it. Raises ScenarioError.

    today: what dates like `-12mo`, `-30d` and `-12mo-1d` count back from
    """
    if pin.id is not None and pin.entity != "Payment":
        check_id(tables, pin, pin.entity, pin.id)
    elif pin.id is not None and not PAYMENT.fullmatch(pin.id):
        raise pin.fault(f"{pin.id!r} is no Payment id; write it like PMT2200000000417.", "id")
    return _members(pin, MEMBERS[pin.entity], pin.members, "", today)


def _members(
    pin: Pin, kinds: Mapping[str, Kind], values: Mapping[str, Any], within: str, today: date
) -> dict[str, Any]:
    for name in values:
        if name not in kinds:
            raise pin.fault(f"unknown; {nearest(name, kinds)}", within + name)
    return {name: _value(pin, kinds[name], value, within + name, today) for name, value in values.items()}


def _value(pin: Pin, kind: Kind, value: Any, place: str, today: date) -> Any:
    if isinstance(kind, Mapping):
        if not isinstance(value, Mapping):
            raise pin.fault(f"holds members; write {{{next(iter(kind))}: ...}}.", place)
        return _members(pin, kind, value, f"{place}.", today)
    if isinstance(kind, tuple):
        if value not in kind:
            raise pin.fault(f"no {value!r}; {nearest(str(value), kind)}", place)
        return value
    return READERS[kind](pin, value, place, today)


def _text(pin: Pin, value: Any, place: str, today: date) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 200:
        raise pin.fault(
            f"{value!r} is no text of 1 to 200 characters; put it in quotes if it looks like a number.", place
        )
    if place == "currencyCode" and not _CURRENCY.fullmatch(value.strip()):
        raise pin.fault(f"{value!r} is no currency; write three letters, like EUR.", place)
    return value.strip()


def _texts(pin: Pin, value: Any, place: str, today: date) -> list[str]:
    if not isinstance(value, list):
        raise pin.fault("is a list; write [LD8, AM3].", place)
    return [_text(pin, each, place, today) for each in value]


def _count(pin: Pin, value: Any, place: str, today: date) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 120:
        raise pin.fault(f"{value!r} will not do; say a whole number from 0 to 120.", place)
    return value


def _amount(pin: Pin, value: Any, place: str, today: date) -> Decimal:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not is_number or value == 0 or abs(value) >= MAX_AMOUNT or Decimal(value) != round(Decimal(value), 2):
        raise pin.fault(f"{value} will not do; say an amount of two decimals that is not 0, like 1204.50.", place)
    return round(Decimal(value), 2)


def _day(pin: Pin, value: Any, place: str, today: date) -> str:
    """A date as it stands, or one counted back from the world's day: so a pin keeps its age whatever `now` is.

    None after that day, where what is shown ends (accounts 7, M).
    """
    text = str(value)
    back = _BACK.fullmatch(text)
    if text and back is not None:
        return (months_before(today, int(back[1] or 0)) - timedelta(days=int(back[2] or 0))).isoformat()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise pin.fault(
            f"{value!r} is no date; write 2026-02-01, or back from the world's day: -12mo, -30d, -12mo-1d.", place
        ) from None
    if day > today:
        mend = "it would never be shown; say an earlier one, or back from it like -3d, or set `now`"
        raise pin.fault(f"{day} is after the world's day, {today}: {mend}.", place)
    return day.isoformat()


def _documents(pin: Pin, value: Any, place: str, today: date) -> list[str]:
    ids = _texts(pin, value, place, today)
    for at, id in enumerate(ids):
        if id not in IDS:
            raise pin.fault(f"no document {id!r}; {nearest(id, IDS)}", place)
        if id in ids[:at]:
            raise pin.fault(f"{id} stands there twice; keep one.", place)
    return ids


READERS = {
    "text": _text,
    "texts": _texts,
    "count": _count,
    "amount": _amount,
    "day": _day,
    "documents": _documents,
    "account": _text,
}
