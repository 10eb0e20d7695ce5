"""The billing API: what its tables cannot say.

WORKFLOWS holds what its events and jobs do, INDEXES the members by which they look records up.
"""

from __future__ import annotations

from mockserver.apis.billing import charges, custom_ledgers, erp, journals, ledgers, overrides, statements
from mockserver.apis.billing.registry import WORKFLOWS

INDEXES: dict[str, tuple[str, ...]] = {
    "Journal": ("vendor.id", "authorization.id"),
    "Charge": ("journal.id", "ledger.id", "customLedger.id", "statement.id", "parent.id"),
    "Ledger": ("journal.id",),
    "Statement": ("client.id", "ledger.id", "customLedger.id", "parent.id", "externalIds.erpId"),
    "Invoice": ("client.id", "statement.id"),
    "CreditMemo": ("client.id", "statement.id"),
    "ManualOverride": ("client.id",),
    "JournalAttachment": ("journal.id",),
    "LedgerAttachment": ("ledger.id",),
    "CustomLedgerAttachment": ("customLedger.id",),
    "StatementAttachment": ("statement.id",),
    "InvoiceAttachment": ("invoice.id",),
    "CreditMemoAttachment": ("creditMemo.id",),
    "Agreement": ("authorization.id", "externalIds.vendor", "licensee.id"),
    "AgreementLine": ("agreement.id", "subscription.id", "asset.id"),
    "Subscription": ("authorization.id", "externalIds.vendor", "agreement.id"),
    "Asset": ("authorization.id", "externalIds.vendor", "agreement.id"),
    "Order": ("authorization.id", "externalIds.vendor"),
    "Item": ("product.id", "externalIds.vendor"),
    "Buyer": ("client.id", "externalIds.erpCustomer"),
    "Seller": ("externalId",),
    "Licensee": ("externalId",),
}

__all__ = ["INDEXES", "WORKFLOWS", "charges", "custom_ledgers", "erp", "journals", "ledgers", "overrides", "statements"]
