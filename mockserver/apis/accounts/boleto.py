"""The codes of a Brazilian payment slip, with check digits as the banks have them; the bank is an invented one (M)."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from decimal import Decimal

BANK = "999"
REAL = "9"
FIRST_DAY = date(1997, 10, 7)
TERM = timedelta(days=30)


def due(day: date) -> date:
    """When the slip of an invoice of that day is to be paid."""
    return day + TERM


def barcode(invoice: str, amount: Decimal, day: date) -> str:
    """The 44 digits of the bar code: bank, currency, check digit, day, cents, and the bank's own field.

    day: when it is due
    """
    cents = f"{int(amount * 100):010d}"
    # An amount too long for its ten digits is left out, as zeros; the slip shows it in figures all the same.
    cents = cents if len(cents) == 10 else "0" * 10
    digest = int(hashlib.blake2b(invoice.encode(), digest_size=12).hexdigest(), 16)
    body = f"{_factor(day):04d}{cents}{digest % 10**25:025d}"
    return f"{BANK}{REAL}{_mod11(BANK + REAL + body)}{body}"


def typed(barcode: str) -> str:
    """The line of 47 digits that is typed where no reader is: three fields with a check digit each, then the rest."""
    head, free = barcode[:4], barcode[19:]
    fields = [head + free[:5], free[5:15], free[15:]]
    one, two, three = (each + str(_mod10(each)) for each in fields)
    return f"{one[:5]}.{one[5:]} {two[:5]}.{two[5:]} {three[:5]}.{three[5:]} {barcode[4]} {barcode[5:19]}"


def _factor(day: date) -> int:
    """Days since the first day; after 9999 the count goes on at 1000."""
    days = (day - FIRST_DAY).days
    return days if 0 <= days <= 9999 else (days - 1000) % 9000 + 1000


def _mod10(digits: str) -> int:
    """The digit that makes the sum round, every other one doubled from the right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += sum(map(int, str(int(digit) * (2 - place % 2))))
    return -total % 10


def _mod11(digits: str) -> int:
    """The digit by weights of 2 to 9 from the right; 1 where there would be none of 1 to 9."""
    total = sum(int(digit) * (place % 8 + 2) for place, digit in enumerate(reversed(digits)))
    check = 11 - total % 11
    return check if 1 <= check <= 9 else 1
