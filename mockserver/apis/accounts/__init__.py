"""The accounts API: what its tables cannot say.

INDEXES are the members by which its records are looked up.
"""

from __future__ import annotations

INDEXES: dict[str, tuple[str, ...]] = {
    "Invoice": ("account.id",),
    "Payment": ("account.id",),
    "Client": ("user",),
}
