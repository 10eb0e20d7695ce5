"""What an invoice is made of: lines that add up to its amount exactly, and follow from the invoice alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

MOST = 6
QUANTITIES = (1, 1, 1, 2, 2, 3, 4, 5, 8, 10)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `quantity` times `price` is `amount`.

    product: which of the products that there are words for; site: code of a data centre, or empty
    """

    product: int
    site: str
    quantity: int
    price: Decimal
    amount: Decimal


def lines(id: str, amount: Decimal, sites: Sequence[str], products: int) -> list[Line]:
    """The lines of the invoice `id`: a product at a site each, all of the sign of the amount.

    amount: in the account's currency, two places
    products: how many products there are words for
    """
    random = Random(f"lines/{id}")
    cents, sign = int(abs(amount) * 100), -1 if amount < 0 else 1
    places = [(site, product) for site in sorted(sites) or [""] for product in range(products)]
    count = max(1, min(random.randint(2, MOST), len(places), cents))
    chosen = sorted(random.sample(places, count))
    quantities = [random.choice(QUANTITIES) for _ in chosen]
    parts = _parts(random, cents, quantities)
    return [
        Line(product, site, quantity, _money(part // quantity * sign), _money(part * sign))
        for (site, product), (quantity, part) in zip(chosen, parts, strict=True)
    ]


def by_site(lines: Sequence[Line]) -> dict[str, Decimal]:
    """What the lines of each site come to."""
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.site] = sums.get(line.site, Decimal(0)) + line.amount
    return sums


def _parts(random: Random, cents: int, quantities: Sequence[int]) -> list[tuple[int, int]]:
    """(quantity, cents) of each part: a cent or more, its pieces in whole cents; together they are all of it."""
    cuts = sorted(random.sample(range(1, cents), len(quantities) - 1)) if len(quantities) > 1 else []
    parts, over = [], 0
    for quantity, start, end in zip(quantities, [0, *cuts], [*cuts, cents], strict=True):
        part, over = end - start + over, 0
        if end == cents or part < quantity:
            parts.append((1, part))  # the last one takes what the pieces before it left over
        else:
            over = part % quantity
            parts.append((quantity, part - over))
    return parts


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
