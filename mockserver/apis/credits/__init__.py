"""What is special to credits: the arithmetic, what payments and other credits do, and the records they leave.

Everything else is read from `specs/credits`: who may call what, states and their transitions, errors, pages.
"""

from __future__ import annotations

# Imported for what they register in WORKFLOWS.
from mockserver.apis.credits import (
    disbursements,
    distributions,
    execution,
    invoices,
    payments,
    shortfalls,
    writeoffs,
)
from mockserver.apis.credits.credits import KINDS
from mockserver.apis.credits.registry import WORKFLOWS

INDEXES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(KINDS, ("tenantLocator", "accountLocator")),
    "Invoice": ("tenantLocator", "accountLocator"),
    "Account": ("tenantLocator",),
    "IssuedToken": ("caller",),
}
"""Members that rows are found by."""

__all__ = [
    "INDEXES",
    "WORKFLOWS",
    "disbursements",
    "distributions",
    "execution",
    "invoices",
    "payments",
    "shortfalls",
    "writeoffs",
]
