"""Counts and totals of charges, as journals, ledgers, custom ledgers and statements show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any

from mockserver.apis.billing import rules
from mockserver.store import Record
from mockserver.work import Work

STATUSES = ("ready", "error", "split", "skipped", "ignored")


@dataclass(frozen=True, slots=True)
class Summary:
    """What some charges come to: how many by status, how much, and how they are converted."""

    processing: dict[str, int]
    upload: dict[str, int]
    totals: rules.Totals
    rates: frozenset[Decimal]

    def __add__(self, other: Summary) -> Summary:
        """What the charges of both come to."""
        return Summary(
            {name: count + other.processing[name] for name, count in self.processing.items()},
            {name: count + other.upload[name] for name, count in self.upload.items()},
            self.totals + other.totals,
            self.rates | other.rates,
        )

    @property
    def wrong(self) -> int:
        """How many charges are in error, by their upload or by their processing."""
        return max(self.processing["error"], self.upload["error"])


def summed(charges: Iterable[Record]) -> Summary:
    """Count and add up charges; every charge, parent or child, counts once by its status (Q35), and money counts only
    where the status is Ready: what is in error, split, skipped, ignored or being reconciled bills nothing (d.2)."""
    processing = dict.fromkeys(("total", *STATUSES), 0)
    upload = dict.fromkeys(("total", "split", "ready", "error"), 0)
    pp = sp = bsp = cost = rules.ZERO
    rates: set[Decimal] = set()
    with localcontext(rules.EXACT):
        for charge in charges:
            status = charge["processing"]["status"].lower()
            processing["total"] += 1
            if status in processing:
                processing[status] += 1
            upload["total"] += 1
            upload[charge["upload"]["status"].lower()] += 1
            if status != "ready":
                continue
            price = charge["price"]
            rate = price["currency"]["rate"]
            rates.add(rate)
            pp += price["PPx1"]
            sp += price["SPx1"]
            bsp += price["BSPx1"]
            cost += price["PPx1"] * rate
    return Summary(processing, upload, rules.Totals(pp, sp, bsp, cost), frozenset(rates))


NOTHING = summed(())
"""What no charges come to."""


def scale(work: Work) -> rules.Scale:
    """The places of what is put out."""
    return _scale(tuple(work.api.conventions.money.items()))


@lru_cache(maxsize=8)
def _scale(money: tuple[tuple[str, int], ...]) -> rules.Scale:
    return rules.scale(dict(money))


def is_billable(charge: Record) -> bool:
    """Whether a charge goes into a ledger: ready, as a whole or as a share of a split one (d.2)."""
    return bool(charge["processing"]["status"] == "Ready")


@lru_cache(maxsize=64)  # above all for what has no charges yet
def _members(totals: rules.Totals, scale: rules.Scale) -> dict[str, Any]:
    return totals.members(scale)


def journal(work: Work, record: Record, summary: Summary) -> dict[str, Any]:
    """The members of a journal that follow from its charges."""
    price = {"currency": record["price"]["currency"], **_members(summary.totals, scale(work))}
    return {"price": price, "upload": summary.upload, "processing": summary.processing}


def unpriced(work: Work, currency: str) -> dict[str, Any]:
    """Those members of a journal that has no charges; all such journals share them."""
    return _unpriced(currency, tuple(work.api.conventions.money.items()))


@lru_cache(maxsize=64)
def _unpriced(currency: str, money: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    price = {"currency": currency, **NOTHING.totals.members(_scale(money))}
    return {"price": price, "upload": NOTHING.upload, "processing": NOTHING.processing}


def priced(work: Work, currency: Any, summary: Summary) -> dict[str, Any]:
    """The members of a ledger, custom ledger or statement that follow from its charges."""
    return {"price": {"currency": currency, **_members(summary.totals, scale(work))}, "processing": summary.processing}


def added(work: Work, currency: Any, parts: Iterable[Summary]) -> dict[str, Any]:
    """The price of what is made of priced parts: their totals as put out, so that the sum on paper is right."""
    totals = rules.Totals()
    for part in parts:
        totals += part.totals.shown(scale(work))
    return {"currency": currency, **totals.members(scale(work))}
