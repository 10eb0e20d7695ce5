"""Invoices and credit memos, as the ERP sends them: kept by document number and country, linked to their statements
(billing c.7 to c.10, d.6, d.7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mockserver import ids
from mockserver.apis.billing import rules, summaries
from mockserver.apis.billing.files import attach_document, redraw_document
from mockserver.apis.billing.registry import WORKFLOWS
from mockserver.apis.billing.shared import without
from mockserver.domain.errors import Invalid
from mockserver.store import Record, at
from mockserver.work import Work, key_of

# The last group of a line's id is its place in the document (b.12).
MOST_LINES = 9_999
LINE_STEP = 10_000
# Where a document names its statement, in the order in which they count: the number of its sales order, or its id.
NAMES_STATEMENT = ("erpData.referenceNumber.orderNo", "externalIds.statement")
# These may name it, or be something else altogether: the key of the document itself, a word of the customer's.
HINTS_STATEMENT = ("erpData.erpId", "erpData.yourReference")
BY_ID = ("externalIds.statement", "erpData.yourReference")
BY_ID_ALONE = ("erpData.yourReference",)
EVENTS = {"Issued": "issued", "Paid": "paid", "Overdue": "overdue"}
INVOICE_ATTRIBUTES = (
    "yourReference",
    "externalDocumentNo",
    "externalDocumentNo2",
    "dueDate",
    "postingDate",
    "documentDate",
)
LENT = ("agreement", "vendor", "product", "licensee")
"""What a document has from its statement."""
MEMO_ATTRIBUTES = ("yourReference", "externalDocumentNo", "externalDocumentNo2", "postingDate", "documentDate")


@dataclass(frozen=True, slots=True)
class Kind:
    """How the two documents differ.

    sign: the type of the statements they belong to; link: the statement's member that points back
    versions: members of erpData that say how new it is, the first that is there counts
    """

    entity: str
    sign: str
    link: str
    line: str
    versions: tuple[str, ...]
    dropped: tuple[str, ...]
    attributes: tuple[str, ...]


KINDS = {
    "Invoice": Kind("Invoice", "Debit", "invoice", "InvoiceLine", ("revision", "rowVersion"), (), INVOICE_ATTRIBUTES),
    "CreditMemo": Kind(
        "CreditMemo",
        "Credit",
        "creditMemo",
        "CreditMemoLine",
        ("rowVersion", "revision"),
        ("referenceNumber", "revision"),
        MEMO_ATTRIBUTES,
    ),
}


class Unresolved(Invalid):
    """A document whose buyer nobody knows: refused when it comes alone, passed over in bulk (d.6)."""


@WORKFLOWS.maker("Invoice")
def make_invoice(work: Work) -> Record:
    """The invoice that one document comes to, new or brought up to date. Raises Invalid."""
    return upsert(work, "Invoice", work.body)


@WORKFLOWS.maker("CreditMemo")
def make_credit_memo(work: Work) -> Record:
    """The credit memo that one document comes to, new or brought up to date. Raises Invalid."""
    return upsert(work, "CreditMemo", work.body)


def sync(work: Work, documents: Sequence[Mapping[str, Any]], entity: str) -> dict[str, Any]:
    """Take many documents; one that fails, or is passed over, does not keep the others out. The task (a.2)."""
    for document in documents:
        try:
            upsert(work, entity, document)
        except Invalid:
            continue
    return {"id": work.new_id("Task"), "total": len(documents)}


def upsert(work: Work, entity: str, document: Mapping[str, Any]) -> Record:
    """The record of a document; as it is, if what comes is not newer. Raises Invalid, and has changed nothing then."""
    kind = KINDS[entity]
    number, country = document["documentNo"], document["countryCode"]
    id = ids.derived(work.api.conventions.ids[entity], number, country)
    # A scenario may have pinned another id to the document of this number.
    id = (work.get("Renamed", id) or {"to": id})["to"]
    old = work.get(entity, id)
    buyer, seller = _buyer(work, document, old), _seller(work, document, old)
    if len(document.get("lines", ())) > MOST_LINES:
        raise Invalid("too many lines.", {"lines": [f"{len(document['lines'])} lines; {MOST_LINES} is the most."]})
    given = document.get("erpData", {})
    if old is not None and not _is_newer(kind, given, old.get("erpData", {})):
        return old
    statement = _statement(work, kind, id, document, old or {}, buyer)
    record = _record(work, kind, id, document, old or {}, statement, buyer, seller)
    kept = _keep(work, kind, record, old)
    left = at(old or {}, "statement.id")
    if left is not None and (statement is None or statement["id"] != left):
        _unlink(work, kind, left, id)
    if statement is not None:
        _link(work, kind, statement, kept)
    _draw(work, kind, kept)
    return work.need(entity, id)


def _buyer(work: Work, document: Mapping[str, Any], old: Record | None) -> Record:
    """By id, else by the customer number of the ERP, else as it was. Raises Unresolved."""
    if "buyer" in document:
        buyer = work.get("Buyer", document["buyer"]["id"])
        if buyer is None:
            raise Unresolved("buyer: unknown.", {"buyer.id": [f"No Buyer {document['buyer']['id']!r} exists."]})
        return buyer
    places = ("externalIds.customer", "erpData.addresses.sellTo.customerNo", "erpData.addresses.billTo.customerNo")
    numbers = [number for number in (at(document, place) for place in places) if number]
    for number in numbers:
        found = next(work.where("Buyer", "externalIds.erpCustomer", number), None)
        if found is not None:
            return found
    if old is not None and not numbers:
        return work.get("Buyer", old["buyer"]["id"]) or old["buyer"]
    raise Unresolved(
        "buyer: unknown.", {"buyer": ["Name it by id, or by its customer number in externalIds.customer."]}
    )


def _seller(work: Work, document: Mapping[str, Any], old: Record | None) -> Record:
    """By id, else as it was, else by country. Raises Invalid."""
    if "seller" in document:
        seller = work.get("Seller", document["seller"]["id"])
        if seller is None:
            raise Invalid("seller: unknown.", {"seller.id": [f"No Seller {document['seller']['id']!r} exists."]})
        return seller
    if old is not None:
        return work.get("Seller", old["seller"]["id"]) or old["seller"]
    found = next(work.where("Seller", "externalId", document["countryCode"]), None)
    if found is None:
        country = document["countryCode"]
        raise Invalid(
            "seller: unknown.", {"countryCode": [f"No seller has the ERP code {country!r}; name one by seller.id."]}
        )
    return found


def _is_newer(kind: Kind, given: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether a document says it is newer than the one kept; one that says nothing counts as newer (M)."""
    version, kept = _version(kind, given), _version(kind, old)
    return version is None or kept is None or version > kept


def _version(kind: Kind, data: Mapping[str, Any]) -> int | None:
    return next((int(data[name]) for name in kind.versions if name in data), None)


def _statement(
    work: Work, kind: Kind, id: str, document: Mapping[str, Any], old: Record, buyer: Record
) -> Record | None:
    """The statement that the document names, else the one it had (d.6).

    It must be this buyer's, of the right type, and have no other document.
    """

    def fits(statement: Record) -> bool:
        other = at(statement, f"{kind.link}.id")
        return statement["type"] == kind.sign and statement["buyer"]["id"] == buyer["id"] and other in (None, id)

    for place in (*NAMES_STATEMENT, *HINTS_STATEMENT):
        name = at(document, place)
        if not isinstance(name, str) or not name:
            continue
        found = list(work.where("Statement", "externalIds.erpId", name)) if place not in BY_ID_ALONE else []
        if place in BY_ID and (own := work.get("Statement", name)) is not None:
            found.append(own)
        for statement in found:
            if fits(statement):
                return statement
    if any(at(document, place) is not None for place in NAMES_STATEMENT):
        return None
    had = work.get("Statement", at(old, "statement.id") or "")
    return had if had is not None and fits(had) else None


def _record(
    work: Work,
    kind: Kind,
    id: str,
    document: Mapping[str, Any],
    old: Record,
    statement: Record | None,
    buyer: Record,
    seller: Record,
) -> dict[str, Any]:
    """The document as it is kept, without its audit."""
    number, country = document["documentNo"], document["countryCode"]
    lines = _lines(work, kind, id, document) if "lines" in document or not old else list(old.get("lines", ()))
    price = _price(work, kind, document, lines, old, statement, buyer)
    data = _erp_data(work, kind, document, old, buyer, price, str(document.get("status", old.get("status", "Issued"))))
    client = buyer.get("client")
    keys = {**old.get("externalIds", {}), **document.get("externalIds", {})}
    record: dict[str, Any] = {
        **without(old, "statement", *LENT, "client", "clientId"),
        "id": id,
        "documentNo": number,
        "countryCode": country,
        "buyer": work.ref("Buyer", buyer),
        "seller": work.ref("Seller", seller),
        **({} if client is None else {"client": client}),
        **_linked(work, keys, old, statement),
        "externalIds": keys,
        "attributes": _attributes(kind, data),
        "erpData": data,
        "price": price,
        "lines": lines,
    }
    if kind.entity == "CreditMemo":
        return {**record, "status": "Issued"}
    return {
        **record,
        "name": document.get("name", old.get("name", number)),
        "status": document.get("status", old.get("status", "Issued")),
        "type": document.get("type", old.get("type", kind.sign)),
        "billingType": "Manual" if statement is None else statement["billingType"],
        **({} if client is None else {"clientId": client["id"]}),
    }


def _linked(work: Work, keys: Mapping[str, Any], old: Record, statement: Record | None) -> dict[str, Any]:
    """What a document has from its statement, or of the agreement that it names itself (d.6, d.7)."""
    if statement is not None:
        return {
            "statement": work.ref("Statement", statement),
            **{name: statement[name] for name in LENT if name in statement},
        }
    agreement = work.get("Agreement", keys.get("agreement") or "")
    if agreement is not None:
        return {"agreement": work.ref("Agreement", agreement)}
    # A statement that was linked takes its agreement along; one that was there without stays.
    return {"agreement": old["agreement"]} if "agreement" in old and "statement" not in old else {}


def _erp_data(
    work: Work,
    kind: Kind,
    document: Mapping[str, Any],
    old: Record,
    buyer: Record,
    price: Mapping[str, Any],
    status: str,
) -> dict[str, Any]:
    """erpData as it came, over what was there, with the members that are always there (c.7, c.9)."""
    given = document.get("erpData", {})
    kept = old.get("erpData", {})
    data: dict[str, Any] = {"documentDate": work.now, "addresses": _addresses(buyer), **kept}
    for name, value in given.items():
        # Of an object, such as the reference numbers, too, what is left out stays.
        whole = isinstance(value, Mapping) and isinstance(kept.get(name), Mapping)
        data[name] = {**kept[name], **value} if whole else value
    data["documentNo"] = document["documentNo"]
    data.setdefault("postingDate", data["documentDate"])
    if kind.entity == "CreditMemo":
        data["navisionCountryCode"] = document["countryCode"]
        data["rowVersion"] = _version(kind, data) or 0
        data.setdefault("currencyCode", price["currency"])
    else:
        data["countryCode"] = document["countryCode"]
        if "invoiceTotal" not in given:
            data["invoiceTotal"] = price["totalGT"]
        is_same = status == old.get("status") and price["totalGT"] == at(old, "price.totalGT") and "balanceDue" in kept
        if "balanceDue" not in given and not is_same:
            data["balanceDue"] = rules.ZERO if status == "Paid" else price["totalGT"]
    return without(data, *kind.dropped)


def _addresses(buyer: Record) -> dict[str, Any]:
    """The buyer's own address, where the ERP names none."""
    own = buyer.get("address", {})
    names = ("addressLine1", "addressLine2", "city", "postCode", "country")
    address = {"name": buyer["name"], **{name: own[name] for name in names if name in own}}
    return {"billTo": address, "sellTo": address}


def _attributes(kind: Kind, data: Mapping[str, Any]) -> dict[str, Any]:
    """The members of erpData that are shown once more above it (c.7, c.9)."""
    attributes = {name: data[name] for name in kind.attributes if name in data}
    if kind.entity == "Invoice":
        numbers = data.get("referenceNumber", {})
        attributes |= {name: numbers[name] for name in ("quoteNo", "orderNo") if name in numbers}
    return attributes


def _lines(work: Work, kind: Kind, id: str, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines, each with an id that follows from the document's, and the amounts that the ERP left out (b.12, f)."""
    shape = work.api.conventions.ids[kind.line].shape
    head = ids.digits(id)[:12]
    lines = []
    for place, line in enumerate(document.get("lines", ()), 1):
        known = {"id": shape(f"{head}{place:04d}"), "documentNo": document["documentNo"], "lineNo": place * LINE_STEP}
        own = without(line, "id", "invoice", "creditMemo")
        if kind.entity == "CreditMemo":
            lines.append({**known, **own, "price": _amounts(own.get("price", {}), summaries.scale(work))})
        else:
            lines.append(_amounts({**known, **own}, summaries.scale(work)))
    return lines


def _amounts(line: Mapping[str, Any], scale: rules.Scale) -> dict[str, Any]:
    """A line with its amounts worked out where they were not given: lineAmount, amount, tax base, gross (f)."""
    done = dict(line)
    if "quantity" in line and "unitPrice" in line and "lineAmount" not in line:
        discount = Decimal(line.get("discountAmount", 0))
        worth = rules.line_amount(Decimal(line["quantity"]), Decimal(line["unitPrice"]), discount)
        done["lineAmount"] = rules.rounded(worth, scale.totals)
    amount = done.get("amount", done.get("lineAmount"))
    if amount is None:
        return done
    done.setdefault("lineAmount", amount)
    done["amount"] = amount
    if not done.get("discountAmount"):
        done.setdefault("vatBaseAmount", amount)
    if "vatPercent" in done:
        done["vatPercent"] = rules.rounded(Decimal(done["vatPercent"]), scale.vat)
        gross = rules.with_tax(Decimal(amount), done["vatPercent"])
        done.setdefault("amountIncludingVat", rules.rounded(gross, scale.totals))
    return done


def _price(
    work: Work,
    kind: Kind,
    document: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    old: Record,
    statement: Record | None,
    buyer: Record,
) -> dict[str, Any]:
    """The totals: as given, else as the lines come to; the grand total always is net and tax together (f)."""
    scale = summaries.scale(work)
    given = {name: value for name, value in document.get("price", {}).items() if value is not None}
    amounts = [line.get("price", {}) if kind.entity == "CreditMemo" else line for line in lines]
    kept = old.get("price", {}) if "lines" not in document else {}

    def one(name: str, otherwise: Callable[[], Decimal]) -> Decimal:
        value = given.get(name, kept.get(name))
        return rules.rounded(otherwise() if value is None else Decimal(value), scale.totals)

    net = one("totalSP", lambda: _sum(amounts, "amount"))
    gross = given.get("totalGT", at(document, "erpData.invoiceTotal"))
    # Of net, tax and total two tell the third: a new total does not leave the tax as it was.
    kept = kept if gross is None else without(kept, "totalST")
    gross = _sum(amounts, "amountIncludingVat", "amount") if gross is None else Decimal(gross)
    tax = one("totalST", lambda: rules.total((gross, -net)))
    currency = given.get("currency") or old.get("price", {}).get("currency") or at(document, "erpData.currencyCode")
    if currency is None:
        currency = statement["price"]["currency"]["sale"] if statement is not None else buyer.get("currency")
    price: dict[str, Any] = {"currency": currency} if currency is not None else {}
    factors = {**old.get("price", {}), **given}
    price |= {name: Decimal(factors[name]) for name in ("currencyFactor", "currencyFactor2") if name in factors}
    price |= {"totalSP": net, "totalST": tax, "totalGT": rules.total((net, tax))}
    # What lines cost is in the ERP's local currency. Where a factor says that the document is in another one, nobody
    # knows which way it converts (f): without a cost in the document's currency there is nothing to measure by. A
    # factor of nothing converts nothing.
    is_local = price.get("currencyFactor", 0) in (0, 1)
    costs = [line["purchasePriceTotalLcy"] for line in amounts if is_local and "purchasePriceTotalLcy" in line]
    if "totalPP" in given or costs or "totalPP" in kept:
        cost = one("totalPP", lambda: rules.total(Decimal(cost) for cost in costs))
        price |= {"totalPP": cost, **rules.percentages(cost, net, scale=scale)}
    return price


def _sum(lines: Sequence[Mapping[str, Any]], *names: str) -> Decimal:
    """The sum of a member over the lines, or of the next one where a line has not the first."""
    return rules.total(Decimal(next((line[name] for name in names if name in line), 0)) for line in lines)


def _keep(work: Work, kind: Kind, record: dict[str, Any], old: Record | None) -> Record:
    """Store it; a new status stamps the audit (d.6)."""
    if old is None:
        return work.create(kind.entity, record)
    if record["status"] != old["status"]:
        return work.fire(kind.entity, {**record, "status": old["status"]}, EVENTS[record["status"]])
    return work.change(kind.entity, record)


def _link(work: Work, kind: Kind, statement: Record, record: Record) -> None:
    """The statement points back, and has its tax and grand total now (d.10 step 9, f)."""
    price = statement["price"]
    tax = record["price"]["totalST"]
    # A credit memo states what is given back as positive, its statement as negative.
    tax = -abs(tax) if kind.sign == "Credit" else tax
    taxed = {**price, "totalST": tax, "totalGT": rules.total((price["totalSP"], tax))}
    work.change("Statement", {**statement, kind.link: work.ref(kind.entity, record), "price": taxed})


def _unlink(work: Work, kind: Kind, id: str, document: str) -> None:
    """The statement that a document had no longer points back, and its tax is unknown again."""
    statement = work.get("Statement", id)
    if statement is not None and at(statement, f"{kind.link}.id") == document:
        price = without(statement["price"], "totalST", "totalGT")
        work.change("Statement", {**without(statement, kind.link), "price": price})


def _draw(work: Work, kind: Kind, record: Record) -> None:
    """The document as a PDF, an Output attachment, made at the first sync and drawn again after each (c.7, c.9)."""
    attachments = work.where(f"{kind.entity}Attachment", f"{key_of(kind.entity)}.id", record["id"])
    drawn = next((attachment for attachment in attachments if attachment["type"] == "Output"), None)
    if drawn is None:
        attach_document(work, kind.entity, record)
    else:
        redraw_document(work, kind.entity, drawn, record)


@WORKFLOWS.effect("Invoice", "update")
def updated(work: Work, invoice: Record) -> None:
    """What follows from the members that were written: attributes, the audit of a new status, the document."""
    before = work.world.layer.get("Invoice", invoice["id"]) or invoice
    audit = invoice.get("audit", {})
    if before["status"] != invoice["status"]:
        audit = {**audit, key_of(invoice["status"]): {"at": work.now, "by": work.actor.ref}}
    attributes = _attributes(KINDS["Invoice"], invoice.get("erpData", {}))
    now = work.put("Invoice", {**invoice, "audit": audit, "attributes": attributes})
    _draw(work, KINDS["Invoice"], now)
