"""The charge files that vendors and Operations would have uploaded: lines drawn from a catalog, or as pins say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from mockserver import wire
from mockserver.apis.billing.catalog import Catalog
from mockserver.store import Record

SEGMENTS = ("COM", "EDU", "GOV")
NO_SIGNS: Mapping[str, int] = MappingProxyType({})
MISSING = "Item Not Found"
"""What vendors write on purpose where no item fits, so that the line shows as an error (billing e.1)."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a line bills: an agreement, or a subscription or an asset below one, and an item."""

    kind: str
    record: Record
    agreement: Record
    item: Record


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line that must be in a file.

    number: its place among the charges, from 1; None: anywhere
    is_wrong: whether it names an item that does not exist
    said: members to lay over the drawn ones
    gone: what of it the catalog has lost by the time that the journal is under review
    """

    source: Source
    number: int | None = None
    is_wrong: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)
    gone: str = ""


def month(before: datetime) -> tuple[str, str]:
    """First and last day of the month before an instant, as instants."""
    last = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    return wire.instant(last.replace(day=1)), wire.instant(last)


class Usage:
    """Draws charge lines."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._random = catalog.making.random
        self._sources: dict[tuple[str, int], list[Source]] = {}

    def sources(self, authorization: Record) -> list[Source]:
        """Everything that can be billed under an authorization, agreement by agreement in turn."""
        layer = self._catalog.making.world.layer
        agreements = [row.record for row in layer.where("Agreement", "authorization.id", authorization["id"])]
        key = (authorization["id"], len(agreements))
        if key not in self._sources:
            if not agreements:
                agreements = [self._catalog.make("Agreement", {"authorization": authorization})]
            self._sources[key] = list(_in_turn([list(self._below(agreement)) for agreement in agreements]))
        return self._sources[key]

    def source(self, agreement: Record, *, whole: bool = False) -> Source:
        """Something to bill under an agreement; the agreement as a whole if wanted so."""
        found = list(self._below(agreement))
        return found[-1] if whole else found[0]

    def _below(self, agreement: Record) -> Iterator[Source]:
        layer = self._catalog.making.world.layer
        for kind in ("Subscription", "Asset"):
            for row in layer.where(kind, "agreement.id", agreement["id"]):
                yield Source(kind, row.record, agreement, self._catalog.item(agreement))
        yield Source("Agreement", agreement, agreement, self._catalog.item(agreement))

    def lines(
        self,
        authorization: Record,
        count: int,
        period: tuple[str, str],
        *,
        wanted: Sequence[Line] = (),
        name: str,
        signs: Mapping[str, int] = NO_SIGNS,
    ) -> list[dict[str, Any]]:
        """The lines of a journal's file: those wanted in their places, drawn ones around them, `count` or more in all.

        name: what the entry ids start with; signs: agreement id -> 1, or -1 where its every line gives money back
        """
        places = {line.number: line for line in wanted if line.number is not None}
        loose = [line for line in wanted if line.number is None]
        sources = self.sources(authorization) if count > len(wanted) else []
        total = max(count, len(wanted))
        made = []
        for number in range(1, total + 1):
            line = places.get(number) or (loose.pop(0) if loose else Line(sources[number % len(sources)]))
            made.append(self._line(line, number, period, name, signs))
        return made

    def _line(
        self, line: Line, number: int, period: tuple[str, str], name: str, signs: Mapping[str, int]
    ) -> dict[str, Any]:
        draw, source = self._random, line.source
        quantity = draw.randint(1, 40)
        unit = Decimal(draw.randint(150, 24_000)).scaleb(-2)
        sign = signs.get(source.agreement["id"]) or (-1 if draw.random() < 0.07 else 1)
        unit *= sign
        by_id = number % 3 == 0 or "vendor" not in source.record.get("externalIds", {})
        criteria = "id" if by_id else "externalIds.vendor"
        value = source.record["id"] if by_id else source.record["externalIds"]["vendor"]
        item = MISSING if line.is_wrong else source.item["externalIds"].get("vendor")
        drawn: dict[str, Any] = {
            "externalIds": {
                "vendor": f"{name}-{number:05d}",
                "invoice": f"{name}-INV",
                "reference": source.agreement["id"],
            },
            "search": {
                "source": {"type": source.kind, "criteria": criteria, "value": value},
                "item": {"criteria": "item.externalIds.vendor", "value": item}
                if item
                else {"criteria": "item.id", "value": source.item["id"]},
            },
            "period": {"start": period[0], "end": period[1]},
            "price": {"unitPP": unit, "PPx1": unit * quantity},
            "quantity": Decimal(quantity),
            "segment": SEGMENTS[number % 3 if number % 5 == 0 else 0],
            "description": {"value1": source.item["name"], "value2": f"{source.agreement['client']['name']}"},
        }
        made = _laid(drawn, line.said)
        said = line.said.get("price", {})
        if "PPx1" not in said and ("unitPP" in said or "quantity" in line.said):
            made["price"]["PPx1"] = made["price"]["unitPP"] * made["quantity"]
        return made

    def rows(
        self,
        agreements: Sequence[Record],
        count: int,
        period: tuple[str, str],
        rate: Decimal,
        wanted: Sequence[Line] = (),
        signs: Mapping[str, int] = NO_SIGNS,
    ) -> Iterator[dict[str, Any]]:
        """The rows of a custom ledger's sheet: a document an agreement, every sixth one a credit; signs as of lines."""
        layer = self._catalog.making.world.layer
        places = {line.number: line for line in wanted if line.number is not None}
        loose = [line for line in wanted if line.number is None]
        for number in range(1, max(count, len(wanted)) + 1):
            line = places.get(number) or (
                loose.pop(0) if loose else Line(self.source(agreements[number % len(agreements)], whole=True))
            )
            agreement = line.source.agreement
            buyer = layer.get("Buyer", agreement["buyer"]["id"]) or {}
            authorization = layer.get("Authorization", agreement["authorization"]["id"]) or {}
            seller = layer.get("Seller", agreement["seller"]["id"]) or {}
            unit = Decimal(self._random.randint(500, 90_000)).scaleb(-2)
            sale = (
                authorization["currency"]
                if authorization["currency"] in seller["currencies"]
                else seller["currencies"][0]
            )
            said = line.said
            price = said.get("price", {})
            unit = price.get("unitPP", unit)
            customer = buyer["externalIds"]["erpCustomer"]
            is_credit = signs.get(agreement["id"], -1 if number % 6 == 0 else 1) < 0
            row = {
                "documentNumber": agreement["id"],
                "statementType": "Credit" if is_credit else "Debit",
                "orderType": "VAR_Direct",
                "sellTo": customer,
                "billTo": customer,
                "item": MISSING if line.is_wrong else line.source.item["externalIds"]["vendor"],
                "description": {"value1": line.source.item["name"][:60], "value2": agreement["client"]["name"][:60]},
                "quantity": said.get("quantity", Decimal(self._random.randint(1, 20))),
                "saleCurrency": sale,
                "purchaseCurrency": authorization["currency"],
                "unitPP": unit,
                "unitSP": price.get("unitSP", (unit * rate * Decimal("1.1")).quantize(Decimal("0.01"))),
                "contractNo": agreement["contractNo"],
                "externalDocumentNo": f"PO-{number:05d}",
                "externalDocumentNo2": agreement["id"],
                "yourReference": agreement["name"][:50],
                "start": period[0],
                "end": period[1],
                "country": buyer["address"]["country"],
                "vendorInvoice": said.get("externalIds", {}).get("invoice", f"MAN-{number:05d}"),
            }
            yield {**row, "description": {**row["description"], **said.get("description", {})}}


def _in_turn(groups: Sequence[Sequence[Source]]) -> Iterator[Source]:
    """The first of each group, then the second of each, and so on."""
    for place in range(max(map(len, groups))):
        for group in groups:
            if place < len(group):
                yield group[place]


def _laid(drawn: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(drawn)
    for name, value in said.items():
        inner = made.get(name)
        made[name] = _laid(inner, value) if isinstance(value, Mapping) and isinstance(inner, Mapping) else value
    return made
