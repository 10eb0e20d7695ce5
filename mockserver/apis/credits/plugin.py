"""What is special to credits, gathered for the engine."""

from __future__ import annotations

from mockserver.apis.credits import INDEXES, WORKFLOWS, handlers, lists
from mockserver.apis.credits.credits import credits
from mockserver.service import Plugin

PLUGIN = Plugin(
    workflows=WORKFLOWS,
    indexes=INDEXES,
    derived={
        "Credit": credits,
        "AccountInvoice": lists.invoices_of_account,
        "InvoicePayment": lists.payments_of_invoice,
        "InvoiceCreditDistribution": lists.distributions_of_invoice,
        "PaymentInvoice": lists.invoices_of_payment,
        "PaymentShortfallCredit": lists.shortfalls_of_payment,
    },
    handlers=handlers,
)
