"""Invoices and credit memos, as the ERP sends them: kept by document number and country, linked to their statements
(billing c.7 to c.10, d.6, d.7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mockserver import ids, wire
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
EVENTS = {"Issued": "issued", "Paid": "paid", "Overdue": "overdue"}
INVOICE_ATTRIBUTES = (
    "yourReference",
    "externalDocumentNo",
    "externalDocumentNo2",
    "dueDate",
    "postingDate",
    "documentDate",
)
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
    buyer, seller = _buyer(work, document), _seller(work, document)
    if len(document.get("lines", ())) > MOST_LINES:
        raise Invalid("too many lines.", {"lines": [f"{len(document['lines'])} lines; {MOST_LINES} is the most."]})
    given = document.get("erpData", {})
    if old is not None and not _is_newer(kind, given, old.get("erpData", {})):
        return old
    statement = _statement(work, kind, document, buyer)
    record = _record(work, kind, id, document, old or {}, statement, buyer, seller)
    kept = _keep(work, kind, record, old)
    if statement is not None:
        _link(work, kind, statement, kept)
    _draw(work, kind, kept)
    return work.need(entity, id)


def _buyer(work: Work, document: Mapping[str, Any]) -> Record:
    """By id, else by the customer number of the ERP. Raises Unresolved."""
    if "buyer" in document:
        buyer = work.get("Buyer", document["buyer"]["id"])
        if buyer is None:
            raise Unresolved("buyer: unknown.", {"buyer.id": [f"No Buyer {document['buyer']['id']!r} exists."]})
        return buyer
    places = ("externalIds.customer", "erpData.addresses.sellTo.customerNo", "erpData.addresses.billTo.customerNo")
    for number in filter(None, (at(document, place) for place in places)):
        found = next(work.where("Buyer", "externalIds.erpCustomer", number), None)
        if found is not None:
            return found
    raise Unresolved(
        "buyer: unknown.", {"buyer": ["Name it by id, or by its customer number in externalIds.customer."]}
    )


def _seller(work: Work, document: Mapping[str, Any]) -> Record:
    """By id, else by country. Raises Invalid."""
    if "seller" in document:
        seller = work.get("Seller", document["seller"]["id"])
        if seller is None:
            raise Invalid("seller: unknown.", {"seller.id": [f"No Seller {document['seller']['id']!r} exists."]})
        return seller
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


def _statement(work: Work, kind: Kind, document: Mapping[str, Any], buyer: Record) -> Record | None:
    """The statement whose sales order the document names, if it is this buyer's and of the right type (d.6)."""
    for place in ("erpData.referenceNumber.orderNo", "externalIds.statement", "erpData.erpId"):
        number = at(document, place)
        for statement in work.where("Statement", "externalIds.erpId", number) if number else ():
            if statement["type"] == kind.sign and statement["buyer"]["id"] == buyer["id"]:
                return statement
    return None


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
    lines = _lines(work, kind, id, document) if "lines" in document or not old else list(old["lines"])
    price = _price(work, kind, document, lines, old, statement, buyer)
    data = _erp_data(work, kind, document, old, buyer, price, str(document.get("status", old.get("status", "Issued"))))
    client = buyer.get("client")
    record: dict[str, Any] = {
        **without(old, "statement", "agreement", "vendor", "product", "licensee"),
        "id": id,
        "documentNo": number,
        "countryCode": country,
        "buyer": work.ref("Buyer", buyer),
        "seller": work.ref("Seller", seller),
        **({} if client is None else {"client": client}),
        **_linked(work, document, statement),
        "externalIds": {**old.get("externalIds", {}), **document.get("externalIds", {})},
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


def _linked(work: Work, document: Mapping[str, Any], statement: Record | None) -> dict[str, Any]:
    """What a document has from its statement, or of the agreement that it names itself (d.6, d.7)."""
    if statement is not None:
        names = ("agreement", "vendor", "product", "licensee")
        return {
            "statement": work.ref("Statement", statement),
            **{name: statement[name] for name in names if name in statement},
        }
    agreement = work.get("Agreement", at(document, "externalIds.agreement") or "")
    return {} if agreement is None else {"agreement": work.ref("Agreement", agreement)}


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
    data: dict[str, Any] = {"documentDate": work.now, "addresses": _addresses(buyer), **old.get("erpData", {}), **given}
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
        if "balanceDue" not in given:
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
    gross = _sum(amounts, "amountIncludingVat", "amount") if gross is None else Decimal(gross)
    tax = one("totalST", lambda: rules.total((gross, -net)))
    currency = given.get("currency") or old.get("price", {}).get("currency") or at(document, "erpData.currencyCode")
    if currency is None:
        currency = statement["price"]["currency"]["sale"] if statement is not None else buyer.get("currency")
    price: dict[str, Any] = {"currency": currency} if currency is not None else {}
    price |= {name: Decimal(given[name]) for name in ("currencyFactor", "currencyFactor2") if name in given}
    price |= {"totalSP": net, "totalST": tax, "totalGT": rules.total((net, tax))}
    costs = [line[name] for line in amounts for name in ("purchasePriceTotalLcy",) if name in line]
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


def _draw(work: Work, kind: Kind, record: Record) -> None:
    """The document as a PDF, an Output attachment, made at the first sync and drawn again after each (c.7, c.9)."""
    created = wire.moment(work.now)

    def draw() -> bytes:
        from mockserver.apis.billing.documents import credit_memo_pdf, invoice_pdf

        return (invoice_pdf if kind.entity == "Invoice" else credit_memo_pdf)(record, created=created)

    attachments = work.where(f"{kind.entity}Attachment", f"{key_of(kind.entity)}.id", record["id"])
    drawn = next((attachment for attachment in attachments if attachment["type"] == "Output"), None)
    if drawn is None:
        attach_document(work, kind.entity, record, draw)
    else:
        redraw_document(work, kind.entity, drawn, draw)


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
