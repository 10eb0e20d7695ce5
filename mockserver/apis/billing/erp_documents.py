"""What the ERP would send for a statement: an invoice, or a credit memo where money goes back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from mockserver import wire
from mockserver.apis.billing import rules
from mockserver.store import Record

VAT = {"NL": 21, "DE": 19, "GB": 20, "FR": 20, "ES": 21, "CH": 8, "NO": 25, "SE": 25, "DK": 25, "PL": 23, "US": 0}
DAYS_TO_PAY = 30


def document(
    statement: Record,
    charges: Sequence[Record],
    *,
    seller: Record,
    buyer: Record,
    number: str,
    country: str,
    now: datetime,
    revision: int,
) -> dict[str, Any]:
    """The document of a statement, as the bodies of createInvoices and createCreditMemos hold it.

    All amounts are money, of two decimals: its lines add up to the statement's total, rounded to them. A credit memo
    states what is given back as positive.
    """
    is_credit = statement["type"] == "Credit"
    vat = Decimal(VAT.get(country, 20))
    net = _cents(abs(statement["price"]["totalSP"]))
    lines = _amounts(charges, net, is_credit)
    tax = rules.total(_cents(rules.share(amount, vat)) for amount in lines)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    today, due = wire.instant(midnight), wire.instant(midnight + timedelta(days=DAYS_TO_PAY))
    order = statement["externalIds"]["erpId"]
    data: dict[str, Any] = {
        "documentDate": today,
        "postingDate": today,
        "yourReference": statement["id"],
        "addresses": {"billTo": _address(buyer), "sellTo": _address(buyer)},
        "externalDocumentNo": f"PO-{revision:05d}",
    }
    if is_credit:
        data |= {
            "documentNo": number,
            "navisionCountryCode": country,
            "rowVersion": revision,
            "currencyCode": statement["price"]["currency"]["sale"],
        }
    else:
        data |= {
            "erpId": order,
            "documentNo": number,
            "dueDate": due,
            "balanceDue": net + tax,
            "invoiceTotal": net + tax,
            "referenceNumber": {"orderNo": order},
            "payment": {"methodCode": "BANK", "termsCode": "30DAYS"},
            "countryCode": country,
            "revision": revision,
        }
    line = _memo_line if is_credit else _invoice_line
    made: dict[str, Any] = {
        "documentNo": number,
        "countryCode": country,
        "status": "Issued",
        "externalIds": {"statement": order, "customer": buyer["externalIds"]["erpCustomer"]},
        "buyer": {"id": buyer["id"]},
        "seller": {"id": seller["id"]},
        "erpData": data,
        "price": {
            "currency": statement["price"]["currency"]["sale"],
            "totalSP": net,
            "totalST": tax,
            "totalGT": net + tax,
        },
        "lines": [
            line(place, charge, amount, vat, number, country)
            for place, (charge, amount) in enumerate(zip(charges, lines, strict=True), 1)
        ],
    }
    if not is_credit:
        made["name"] = f"{wire.moment(charges[0]['period']['start']):%B %Y}" if charges else number
    return made


def again(invoice: Record, status: str) -> dict[str, Any]:
    """The same invoice, sent again under a newer revision with another status."""
    data = {**invoice["erpData"], "revision": invoice["erpData"]["revision"] + 1}
    data["balanceDue"] = Decimal(0) if status == "Paid" else data["balanceDue"]
    kept = {name: invoice[name] for name in ("documentNo", "countryCode", "name", "externalIds") if name in invoice}
    refs = {name: {"id": invoice[name]["id"]} for name in ("buyer", "seller")}
    price = {name: invoice["price"][name] for name in ("currency", "totalSP", "totalST", "totalGT")}
    lines = [
        {name: value for name, value in line.items() if name not in ("id", "invoice")} for line in invoice["lines"]
    ]
    return {**kept, **refs, "status": status, "erpData": data, "price": price, "lines": lines}


def _amounts(charges: Sequence[Record], net: Decimal, is_credit: bool) -> list[Decimal]:
    """What each line comes to: its pieces at a price in cents; the largest one takes what rounding left over."""
    sign = -1 if is_credit else 1
    amounts = []
    for charge in charges:
        pieces = _pieces(charge)
        amounts.append(_cents(charge["price"]["SPx1"] * sign / pieces) * pieces)
    if amounts:
        amounts[amounts.index(max(amounts))] += net - rules.total(amounts)
    return amounts


def _cents(amount: Decimal) -> Decimal:
    return rules.rounded(amount, 2)


def _pieces(charge: Record) -> int:
    """What a line counts: whole pieces; what is measured otherwise is one piece of everything."""
    quantity = charge["quantity"]
    return int(quantity) if 0 < quantity < 2**31 and quantity == int(quantity) else 1


def _shared(charge: Record, amount: Decimal, vat: Decimal) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what a line says, what it costs); lineAmount = quantity x unitPrice - discountAmount exactly (billing f)."""
    quantity = _pieces(charge)
    # Rounded up, so that where the pieces do not divide the amount, a discount of some cents is left, not a surcharge.
    unit = (amount / quantity).quantize(Decimal("0.01"), ROUND_CEILING, rules.EXACT)
    said = {
        "itemNo": charge.get("erpData", {}).get("erpItemId", charge["item"]["id"]),
        "description": charge["item"]["name"],
    }
    said |= {"period": dict(charge["period"])}
    tax = _cents(rules.share(amount, vat))
    price = {"quantity": quantity, "unitPrice": unit, "amount": amount, "lineAmount": amount, "vatPercent": vat}
    return said, price | {
        "discountAmount": unit * quantity - amount,
        "vatBaseAmount": amount,
        "amountIncludingVat": amount + tax,
    }


def _invoice_line(
    place: int, charge: Record, amount: Decimal, vat: Decimal, number: str, country: str
) -> dict[str, Any]:
    said, price = _shared(charge, amount, vat)
    # The ERP's local currency is taken to be the document's, the one that charges are sold in (M).
    cost = _cents(rules.times(charge["price"]["PPx1"], charge["price"]["currency"]["rate"]))
    known = {
        "documentNo": number,
        "lineNo": place * 10_000,
        "type": "2",
        "unitOfMeasure": "Pieces",
        "countryOfUsage": country,
    }
    if "cco" in charge.get("erpData", {}):
        known["contractNo"] = charge["erpData"]["cco"]
    sides = {"purchasePriceTotalLcy": cost, **rules_of(charge)}
    return {**known, **said, **price, **sides}


def _memo_line(place: int, charge: Record, amount: Decimal, vat: Decimal, number: str, country: str) -> dict[str, Any]:
    said, price = _shared(charge, amount, vat)
    data = {"dataOrigin": 0, "navisionCountryCode": country, "rowVersion": place, "type": 2, "unitOfMeasure": "Pieces"}
    price |= {
        "invoiceDiscountAmount": rules.ZERO,
        "vatCalculationType": 0,
        "purchaseCurrencyCode": charge["price"]["currency"]["purchase"],
    }
    price |= {"purchasePriceTotal": _cents(abs(charge["price"]["PPx1"]))}
    return {"documentNo": number, "lineNo": place * 10_000, **said, "erpData": data, "price": price}


def rules_of(charge: Record) -> dict[str, Decimal]:
    """The percentages of a charge, under the names of an invoice line."""
    names = {"markup": "salesMarkup", "margin": "salesMargin"}
    return {names[name]: charge["price"][name] for name in names if name in charge["price"]}


def _address(buyer: Record) -> dict[str, str]:
    address: Mapping[str, str] = buyer["address"]
    lines = {name: address[name] for name in ("addressLine1", "city", "postCode", "country") if name in address}
    return {"name": buyer["name"], **lines, "customerNo": buyer["externalIds"]["erpCustomer"]}
