"""Manual overrides: pairs of client and vendor that are billed by custom ledgers instead (billing c.11, d.8)."""

from __future__ import annotations

from mockserver.apis.billing.matching import override
from mockserver.apis.billing.registry import WORKFLOWS
from mockserver.apis.billing.shared import account
from mockserver.domain.errors import Conflict, Invalid
from mockserver.store import Record
from mockserver.work import Work


@WORKFLOWS.maker("ManualOverride")
def make(work: Work) -> Record:
    """An Active override, the only one of its pair (O1)."""
    client = account(work, work.body.get("client"), "client", "Client")
    vendor = account(work, work.body.get("vendor"), "vendor", "Vendor")
    taken = override(work, client["id"], vendor["id"])
    if taken is not None:
        message = f"{taken['id']} is Active for this client and vendor; use it, or disable it first."
        raise Invalid(f"the pair is taken by {taken['id']}.", {"client.id": [message], "vendor.id": [message]})
    return work.create(
        "ManualOverride",
        {
            "id": work.new_id("ManualOverride"),
            "client": client,
            "vendor": vendor,
            "status": "Active",
            **{name: work.body[name] for name in ("externalId", "notes") if name in work.body},
        },
    )


@WORKFLOWS.guard("ManualOverride", "enable")
def may_enable(work: Work, record: Record) -> None:
    """The pair must still be free (O3)."""
    taken = override(work, record["client"]["id"], record["vendor"]["id"])
    if taken is not None:
        raise Conflict(
            f"cannot enable {record['id']}: {taken['id']} is Active for this client and vendor; disable it first."
        )
