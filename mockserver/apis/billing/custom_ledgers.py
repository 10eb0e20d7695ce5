"""Custom ledgers: charges that Operations bill by hand, priced on both sides in the file (billing c.5, d.4, e.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from mockserver.apis.billing import rules, statements, summaries
from mockserver.apis.billing.charges import charge_id
from mockserver.apis.billing.files import Uploads, attach_upload, remove_attachments
from mockserver.apis.billing.matching import Catalog
from mockserver.apis.billing.registry import WORKFLOWS
from mockserver.apis.billing.shared import account, clear_error, error, own_keys, without
from mockserver.domain.errors import Conflict, Invalid, UnsupportedMedia
from mockserver.store import Record, at
from mockserver.work import Upload, Work

if TYPE_CHECKING:
    from mockserver.apis.billing.custom_ledger_files import Row

STEP = 10
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CHARGES = ("Charge", "customLedger.id")
WORKFLOWS.removes("CustomLedger", "upload", "delete", rows=CHARGES)
GENERIC = ("", "application/octet-stream", "binary/octet-stream", "*/*")
# column of the file -> where the charge keeps it
ATTRIBUTES = ("documentNumber", "orderType", "externalDocumentNo", "externalDocumentNo2", "yourReference")


@WORKFLOWS.maker("CustomLedger")
def make(work: Work) -> Record:
    """A custom ledger in Draft (K1)."""
    body = work.body
    given = body["price"]["currency"]
    currency = {name: given[name] for name in ("purchase", "sale")}
    rate = Catalog(work).rate(currency["purchase"], currency["sale"])
    currency |= {} if rate is None else {"rate": rate}
    ledger: dict[str, Any] = {
        "id": work.new_id("CustomLedger"),
        "name": body["name"],
        "status": "Draft",
        "seller": work.refer("Seller", body.get("seller"), "seller"),
        "vendor": account(work, body.get("vendor"), "vendor", "Vendor"),
        **{name: body[name] for name in ("billingStartDate", "billingEndDate", "notes") if name in body},
        "externalIds": own_keys(work, body.get("externalIds")),
        **summaries.priced(work, currency, summaries.NOTHING),
    }
    has_order(work, ledger)
    return work.create("CustomLedger", ledger)


@WORKFLOWS.guard("CustomLedger", "update")
def has_order(work: Work, ledger: Record) -> None:
    """The billing period must not end before it starts (c.5)."""
    del work
    start, end = ledger.get("billingStartDate"), ledger.get("billingEndDate")
    if start is not None and end is not None and end < start:
        raise Invalid(
            "billingEndDate: before the start.", {"billingEndDate": [f"{end} is before billingStartDate, {start}."]}
        )


@WORKFLOWS.loader("CustomLedger")
def load(work: Work, ledger: Record, upload: Upload) -> Record:
    """Keep the file and drop the old charges; it is read now, to refuse it at once (K2)."""
    from mockserver.apis.billing.custom_ledger_files import read_rows

    media = upload.content_type.partition(";")[0].strip().lower()
    is_sheet = media == XLSX or (media in GENERIC and upload.filename.lower().endswith(".xlsx"))
    if not is_sheet:
        raise UnsupportedMedia(f"cannot read charges from {media or 'a file without content type'}; send {XLSX}.")
    rows = read_rows(upload.content)
    discard_charges(work, ledger["id"])
    file = attach_upload(
        work,
        "CustomLedger",
        ledger,
        filename=upload.filename,
        media=XLSX,
        content=upload.content,
    )
    work.prepared = _Read(Uploads.keep(work, ledger["id"], file["id"], "xlsx"), rows)
    empty = summaries.priced(work, ledger["price"]["currency"], summaries.NOTHING)
    return without(ledger, "error") | empty


def discard_charges(work: Work, id: str) -> None:
    """Remove every charge of a custom ledger."""
    work.clear(*CHARGES, id)


@WORKFLOWS.job("validateCustomLedger")
def validate(work: Work, ledger: Record) -> None:
    """The uploaded rows become charges; any of them in error makes the custom ledger so (K3)."""
    note = Uploads.find(work, ledger["id"])
    rows = _rows(work, note) if note is not None else []
    processor = Processor(work, ledger)
    with localcontext(rules.EXACT):
        charges = [
            work.put("Charge", processor.charge(charge_id(work, ledger["id"], count * STEP), row.data, row.errors))
            for count, row in enumerate(rows, 1)
        ]
    summary = summaries.summed(charges)
    now = {**ledger, **summaries.priced(work, ledger["price"]["currency"], summary)}
    if summary.wrong:
        message = (
            f"{summary.wrong} of {summary.processing['total']} charges are in error; mend the file and upload it again."
        )
        work.fire("CustomLedger", {**now, "error": error("CLE:0001", message)}, "rejected")
    else:
        work.fire("CustomLedger", now, "validated")


@dataclass(frozen=True, slots=True)
class _Read:
    """The rows of a file that was taken, for the job to make charges of.

    note: what was noted of the file
    """

    note: Record
    rows: Sequence[Row]


def _rows(work: Work, note: Record) -> Sequence[Row]:
    """The rows of the file that was noted: those that were read when it was taken, if it was the last."""
    from mockserver.apis.billing.custom_ledger_files import read_rows

    read = work.world.prepared
    if isinstance(read, _Read) and read.note is note:
        work.world.prepared = None
        return read.rows
    return read_rows(Uploads.content(work, note))


def _label(key: str) -> str:
    """How messages name the column of a row's member."""
    from mockserver.apis.billing.custom_ledger_files import LABELS

    return LABELS[key]


class Processor:
    """Makes the charges of one custom ledger, in one run."""

    def __init__(self, work: Work, ledger: Record) -> None:
        self._work = work
        self._ledger = ledger
        self._ref = work.ref("CustomLedger", ledger)
        self._currency = ledger["price"]["currency"]
        self._catalog = Catalog(work)
        self._agreements: dict[str, Record | None] = {}

    def charge(self, id: str, data: Mapping[str, Any], faults: Sequence[str]) -> Record:
        """The charge that a row makes.

        data: the row by member, absent where empty; faults: what is wrong with the row itself
        """
        wrong = list(faults)
        refs, erp, buyer_currency = self._parties(data, wrong)
        price = self._price(data, buyer_currency, wrong)
        status = {"status": "Error", "errors": wrong} if wrong else {"status": "Ready"}
        charge: dict[str, Any] = {"id": id}
        if "vendorInvoice" in data:
            charge["externalIds"] = {"invoice": data["vendorInvoice"]}
        if period := {name: data[name] for name in ("start", "end") if name in data}:
            charge["period"] = period
        charge |= {name: data[name] for name in ("quantity", "description") if name in data}
        charge |= {
            "price": price,
            "billingType": "Manual",
            "statementType": data.get("statementType", "Debit"),
            "upload": status,
            "processing": status,
            "customLedger": self._ref,
            "vendor": self._ledger["vendor"],
            **refs,
        }
        if attributes := {name: data[name] for name in ATTRIBUTES if name in data}:
            charge["attributes"] = attributes
        if erp:
            charge["erpData"] = erp
        charge["revision"] = 1
        return charge

    def _parties(self, data: Mapping[str, Any], wrong: list[str]) -> tuple[dict[str, Any], dict[str, str], str | None]:
        """References, ERP keys and the buyer's currency; what cannot be found is added to `wrong`."""
        refs: dict[str, Any] = {"seller": self._ledger["seller"]}
        erp = {name: data[key] for name, key in (("cco", "contractNo"), ("erpCountryCode", "country")) if key in data}
        agreement = self._agreement(data, wrong)
        if agreement is not None:
            refs["agreement"] = self._catalog.ref("Agreement", agreement)
            refs |= {
                name: agreement[name]
                for name in ("authorization", "product", "licensee", "client")
                if name in agreement
            }
            if (licensee := self._licensee(agreement, data.get("licenseContact"))) is not None:
                refs["licensee"] = licensee
            if "contractNo" in agreement:
                erp.setdefault("cco", agreement["contractNo"])
        buyer = self._buyer(data, agreement, wrong)
        if buyer is not None:
            refs["buyer"] = self._catalog.ref("Buyer", buyer)
            if "client" in buyer:
                refs.setdefault("client", buyer["client"])
            if (number := at(buyer, "externalIds.erpCustomer")) is not None:
                erp["scu"] = number
        if agreement is not None and "item" in data:
            scope = agreement["product"]["id"]
            items = self._catalog.find("Item", "externalIds.vendor", data["item"], "product.id", scope)
            if len(items) == 1:
                refs["item"] = self._catalog.ref("Item", items[0])
                if (number := at(items[0], "externalIds.operations")) is not None:
                    erp["erpItemId"] = number
            else:
                wrong.append(f"{_label('item')}: {len(items) or 'no'} items {data['item']!r} under {scope}; name one.")
        return refs, erp, None if buyer is None else buyer.get("currency")

    def _agreement(self, data: Mapping[str, Any], wrong: list[str]) -> Record | None:
        """The agreement that External Document No. 2 names, else Document No. (Q32)."""
        named = [data[name] for name in ("externalDocumentNo2", "documentNumber") if name in data]
        agreement = next((found for id in named if (found := self._find_agreement(id)) is not None), None)
        if agreement is None:
            said = " or ".join(repr(id) for id in named) or "nothing"
            wrong.append(f"{_label('externalDocumentNo2')}, {_label('documentNumber')}: {said} names no agreement.")
            return None
        wrong += [
            f"agreement {agreement['id']} is with {member} {agreement[member]['id']}, not the custom ledger's."
            for member in ("vendor", "seller")
            if agreement[member]["id"] != self._ledger[member]["id"]
        ]
        return agreement

    def _find_agreement(self, name: str) -> Record | None:
        if name not in self._agreements:
            found = self._work.get("Agreement", name)
            if found is None:
                named = list(self._work.where("Agreement", "externalIds.vendor", name))
                found = named[0] if len(named) == 1 else None
            self._agreements[name] = found
        return self._agreements[name]

    def _licensee(self, agreement: Record, contact: str | None) -> dict[str, Any] | None:
        """The licensee of that contact number, if it is the same client's; else the agreement's stays (M)."""
        for record in self._work.where("Licensee", "externalId", contact) if contact is not None else ():
            if at(record, "client.id") == at(agreement, "client.id"):
                return self._catalog.ref("Licensee", record)
        return None

    def _buyer(self, data: Mapping[str, Any], agreement: Record | None, wrong: list[str]) -> Record | None:
        """The buyer of the bill-to number, else of the sell-to number, else the agreement's (e.5 columns D, E)."""
        number = data.get("billTo", data.get("sellTo"))
        if number is not None:
            client = at(agreement or {}, "client.id")
            found = [
                buyer
                for buyer in self._work.where("Buyer", "externalIds.erpCustomer", number)
                if client is None or at(buyer, "client.id") == client
            ]
            if len(found) == 1:
                return found[0]
            wrong.append(f"{_label('billTo')}: {len(found) or 'no'} buyers {number!r} of that client; name one.")
            return None
        buyer = None if agreement is None else self._work.get("Buyer", at(agreement, "buyer.id") or "")
        if buyer is None:
            wrong.append(f"{_label('billTo')}: is missing, and no agreement tells the buyer.")
        return buyer

    def _price(self, data: Mapping[str, Any], buyer_currency: str | None, wrong: list[str]) -> dict[str, Any]:
        """Both sides as the file has them; markup and margin follow (e.5). A credit memo's amounts are turned round."""
        purchase, sale = self._currency["purchase"], self._currency["sale"]
        for key, wanted in (("saleCurrency", sale), ("purchaseCurrency", purchase)):
            if data.get(key, wanted) != wanted:
                wrong.append(f"{_label(key)}: {data[key]} is not the custom ledger's currency, {wanted}.")
        rate = self._rate(data)
        currency: dict[str, Any] = {"purchase": purchase, "sale": sale, "rate": rate}
        turn = Decimal(-1 if data.get("statementType") == "Credit" else 1)
        price: dict[str, Any] = {"currency": currency}
        # What is missing here is among the faults of the row already.
        for name in ("unitPP", "unitSP"):
            if name in data:
                price[name] = rules.times(data[name], turn)
                if "quantity" in data:
                    price[f"{name[4:]}x1"] = rules.times(price[name], data["quantity"])
        if "PPx1" in price and "SPx1" in price:
            scale = summaries.scale(self._work)
            price |= rules.percentages(rules.times(price["PPx1"], rate), price["SPx1"], scale=scale)
            self._buyer_side(price, sale, buyer_currency or sale, wrong)
        return price

    def _buyer_side(self, price: dict[str, Any], sale: str, buyer: str, wrong: list[str]) -> None:
        rate = self._catalog.rate(sale, buyer, through=self._currency["purchase"])
        if rate is None:
            wrong.append(f"no exchange rate from {sale} to {buyer}, the buyer's currency.")
            return
        price["unitBSP"] = rules.times(price["unitSP"], rate)
        price["BSPx1"] = rules.times(price["SPx1"], rate)

    def _rate(self, data: Mapping[str, Any]) -> Decimal:
        """1 within one currency; else as the row's two exchange rates say, else the custom ledger's (Q34; M)."""
        if self._currency["purchase"] == self._currency["sale"]:
            return Decimal(1)
        if "saleRate" in data or "purchaseRate" in data:
            scale = summaries.scale(self._work)
            return rules.conversion(data.get("purchaseRate"), data.get("saleRate"), scale=scale)
        return Decimal(self._currency.get("rate", 1))


@WORKFLOWS.guard("CustomLedger", "accept")
def may_accept(work: Work, ledger: Record) -> None:
    """There must be something to bill (K4; INF, as J9)."""
    del work
    if not ledger["processing"]["ready"]:
        raise Conflict(f"cannot accept {ledger['id']}: it has no billable charge; upload some first.")


@WORKFLOWS.effect("CustomLedger", "accept")
def accepted(work: Work, ledger: Record) -> None:
    """The error of an earlier try is cleared (K6)."""
    clear_error(work, "CustomLedger", ledger)


@WORKFLOWS.job("generateManualStatements")
def generate_statements(work: Work, ledger: Record) -> None:
    """One statement for each document, agreement and buyer (K5). Raises Conflict, which undoes all of it (K6)."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for charge in work.where("Charge", "customLedger.id", ledger["id"]):
        if summaries.is_billable(charge):
            document = charge.get("attributes", {}).get("documentNumber", "")
            groups.setdefault((document, charge["agreement"]["id"], charge["buyer"]["id"]), []).append(charge)
    for charges in groups.values():
        for member in ("agreement", "buyer"):
            if work.get(member.capitalize(), charges[0][member]["id"]) is None:
                raise Conflict(
                    f"{member} {charges[0][member]['id']} does not exist any more; upload the charges again."
                )
        statements.generate(work, charges, {"customLedger": work.ref("CustomLedger", ledger)}, billing_type="Manual")
    work.fire("CustomLedger", ledger, "generated")


@WORKFLOWS.effect("CustomLedger", "queue")
def queued(work: Work, ledger: Record) -> None:
    """Its statements go to the ERP (K7)."""
    for statement in list(work.where("Statement", "customLedger.id", ledger["id"])):
        if statement["status"] == "Generated":
            work.fire("Statement", statement, "queue")
    statements.settle(work, "CustomLedger", ledger["id"])


@WORKFLOWS.effect("CustomLedger", "delete")
def deleted(work: Work, ledger: Record) -> None:
    """The custom ledger goes, with its charges and attachments (K9)."""
    discard_charges(work, ledger["id"])
    remove_attachments(work, "CustomLedger", ledger["id"])
    Uploads.forget(work, ledger["id"])
    work.remove("CustomLedger", ledger["id"])
