"""What the engine takes of this API beside its tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mockserver import negotiation
from mockserver.apis.billing import INDEXES, WORKFLOWS
from mockserver.apis.billing.erp import sync
from mockserver.apis.billing.files import content
from mockserver.apis.billing.journals import journal_sellers
from mockserver.service import Plugin
from mockserver.store import Record
from mockserver.work import Work


def invoice_lines(work: Work, invoice: Record) -> Sequence[Record]:
    """The lines of an invoice, each knowing its invoice."""
    return [{**line, "invoice": work.ref("Invoice", invoice)} for line in invoice.get("lines", ())]


def credit_memo_lines(work: Work, memo: Record) -> Sequence[Record]:
    """The lines of a credit memo, each knowing its credit memo."""
    return [{**line, "creditMemo": work.ref("CreditMemo", memo)} for line in memo.get("lines", ())]


def as_csv(charges: Sequence[Record], hidden: frozenset[str], created: datetime) -> bytes:
    """A CSV file of charges, without what is hidden."""
    from mockserver.apis.billing.exports import charges_csv, columns

    return charges_csv(charges, columns(hidden))


def as_xlsx(charges: Sequence[Record], hidden: frozenset[str], created: datetime) -> bytes:
    """An XLSX file of charges, without what is hidden."""
    from mockserver.apis.billing.exports import charges_xlsx, columns

    return charges_xlsx(charges, columns(hidden), created=created)


PLUGIN = Plugin(
    workflows=WORKFLOWS,
    indexes=INDEXES,
    derived={"JournalSeller": journal_sellers, "InvoiceLine": invoice_lines, "CreditMemoLine": credit_memo_lines},
    exports={negotiation.CSV: as_csv, negotiation.XLSX: as_xlsx},
    sync=sync,
    content=content,
)
