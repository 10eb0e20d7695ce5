"""Pinned invoices and credits: each comes to be at its time, and goes through the workflows to its state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from mockserver import wire
from mockserver.apis.credits import containers, distributions, invoices, rules
from mockserver.apis.credits.agenda import Agenda
from mockserver.apis.credits.catalog import Catalog
from mockserver.apis.credits.pinning import Said, money
from mockserver.domain.errors import Refusal
from mockserver.making import check_id
from mockserver.scenario import nearest
from mockserver.store import Record

# When what says no time came to be: one after the other from the first to the second.
FIRST, LAST = timedelta(days=60), timedelta(days=4)

RUN, HALF, LEAVE = "run", "run half", "leave"
"""Not events: let the background jobs run, let one of them run, take them away."""

# entity -> state -> what leads there from the first one. Where there are several ways, the one that needs least.
WAYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Payment": {
        "draft": (),
        "validated": ("validate",),
        "posted": ("validate", "post"),
        "requested": ("validate", "request", LEAVE),
        "executing": ("validate", "request", HALF, LEAVE),
        "failed": ("validate", "request", LEAVE, "fail"),
        "cancelled": ("validate", "request", LEAVE, "cancel"),
        "discarded": ("discard",),
        "reversed": ("validate", "post", "reverse"),
    },
    "CreditDistribution": {
        "draft": (),
        "validated": ("validate",),
        "executed": ("validate", "execute"),
        "discarded": ("discard",),
        "reversed": ("validate", "execute", "reverse"),
    },
    "Disbursement": {
        "draft": (),
        "validated": ("validate",),
        "approved": ("validate", "approve"),
        "executed": ("validate", "approve", "execute"),
        "rejected": ("validate", "reject"),
        "discarded": ("discard",),
        "reversed": ("validate", "approve", "execute", "reverse"),
    },
    "WriteOff": {"distributed": (), "reversed": ("reverse",)},
    "Invoice": {"open": (), "settled": (), "discarded": ("discard",)},
}
CHARGED = ("validate", "request", RUN)
REASONS = {"Payment": rules.PAYMENT, "CreditDistribution": rules.DISTRIBUTION}
METHODS = ("ach", "cash", "eft", "standard", "wire")  # (credits 10, O)
SIDES = {"invoice": "Invoice", "invoiceItem": "InvoiceItem", "account": "Account"}


class Pinned:
    """Plans what the pins of a scenario ask for."""

    def __init__(self, agenda: Agenda, catalog: Catalog, pins: list[Said]) -> None:
        self._agenda = agenda
        self._catalog = catalog
        self._pins = [said for said in pins if said.entity in WAYS]
        self._made: list[tuple[Said, str]] = []

    def plan(self) -> None:
        """Put everything on the agenda."""
        start, count = self._agenda.making.start, len(self._pins)
        for number, said in enumerate(self._pins):
            drawn = start - FIRST + (FIRST - LAST) * number / max(count, 1)
            self._agenda.add(said.moment(start) or drawn, self._maker(said))

    def check(self) -> None:
        """See that each came out as it was wished. Raises ScenarioError."""
        for said, id in self._made:
            if "status" not in said:
                continue
            state = self._agenda.get(said.entity, id)[self._agenda.making.api.machines[said.entity].field]
            if state != said.text("status"):
                wanted = said.text("status")
                raise said.pin.fault(f"came out as {state}, not {wanted}, by what else is pinned; mend one.", "status")

    def _maker(self, said: Said) -> Callable[[], None]:
        first = next(iter(WAYS[said.entity]))
        status = said.word("status", WAYS[said.entity], first)

        def make() -> None:
            try:
                record = self._invoice(said) if said.entity == "Invoice" else self._credit(said)
            except Refusal as refusal:
                raise said.pin.fault(str(refusal)) from None
            self._made.append((said, record["id"]))
            if said.entity == "Invoice" and status == "settled":
                self._agenda.after(lambda: self._settle(record), days=10)
            # With a financial instrument it is the execution service that makes it so.
            is_charged = "instrument" in said and status in ("posted", "failed")
            self._go(said, record, list(CHARGED if is_charged else WAYS[said.entity][status]))

        return make

    # What comes to be

    def _invoice(self, said: Said) -> Record:
        account = self._catalog.account(said, said.text("account"))
        tenant = self._catalog.tenant(said, account["tenantLocator"])
        agenda = self._agenda
        agenda.making.next_id("Invoice", said.id)
        work = agenda.work(tenant["id"])
        members = {
            "accountLocator": account["id"],
            "currency": said.currency(default=account["currency"]),
            "products": [self._product(said, tenant, name) for name in said.texts("products")],
            **period(wire.moment(work.now), said.text("timezone", "Europe/London")),
        }
        if "dueTime" in said:
            members["dueTime"] = self._instant(said, "dueTime")
        made = invoices.issue(work, tenant, members, self._items(said))
        work.commit()
        return made

    def _instant(self, said: Said, member: str) -> str:
        try:
            return wire.parse_instant(said.text(member))
        except ValueError as error:
            raise said.pin.fault(f"{error}; write it like 2026-03-16T09:00:00Z.", member) from None

    def _product(self, said: Said, tenant: Record, name: str) -> str:
        if name not in tenant["products"]:
            raise said.pin.fault(f"no product {name!r}; {nearest(name, tenant['products'])}", "products")
        return name

    def _items(self, said: Said) -> list[dict[str, Any]]:
        rows = said.rows("items") or [("amount", {"amount": said.amount()})]
        made = []
        for place, row in rows:
            for member in row:
                if member not in ("id", "amount", "chargeCategory", "chargeType"):
                    raise said.pin.fault("unknown; say id, amount, chargeCategory or chargeType.", f"{place}.{member}")
            kind = "fee" if "fee" in str(row.get("chargeType", "")).lower() else "premium"
            item: dict[str, Any] = {
                "amount": money(said.pin, row.get("amount"), f"{place}.amount"),
                "chargeCategory": str(row.get("chargeCategory", kind)),
                "chargeType": str(row.get("chargeType", "basePremium")),
            }
            if "id" in row:
                api = self._agenda.making.api
                item["locator"] = check_id(api, said.pin, "InvoiceItem", str(row["id"]), f"{place}.id")
            made.append(item)
        return made

    def _credit(self, said: Said) -> Record:
        for locator in said.texts("shortfalls"):
            check_id(self._agenda.making.api, said.pin, "ShortfallCredit", locator, "shortfalls")
        account = self._catalog.account(said, said.text("account")) if "account" in said else None
        tenant = self._home(said, account)
        body: dict[str, Any] = {"data": dict(said.mapping("data"))}
        if said.entity != "WriteOff":
            body["amount"] = said.amount()
        if said.entity == "Payment":
            body["type"] = said.word("type", tenant["paymentTypes"], tenant["paymentTypes"][0])
        if said.entity == "Disbursement":
            body["type"] = said.word("type", tenant["disbursementTypes"], tenant["disbursementTypes"][0])
        if account is not None:
            body["accountLocator"] = account["id"]
        if "currency" in said:
            body["currency"] = said.currency()
        if "retryPlanName" in said:
            body["retryPlanName"] = said.word("retryPlanName", tenant["retryPlans"])
        if "transactionMethod" in said:
            body["transactionMethod"] = said.word("transactionMethod", METHODS)
        if "instrument" in said:
            body["financialInstrumentLocator"] = self._catalog.instrument(said, said.text("instrument"))
        for side in ("sources", "targets"):
            body[side] = [self._item(said, place, row) for place, row in said.rows(side)]
        if said.entity == "WriteOff" and account is None:
            named = (containers.find(self._agenda.making.work(), tenant["id"], item) for item in body["targets"])
            body["accountLocator"] = next((each.account for each in named if each is not None), "")
        return self._agenda.make(said.entity, tenant["id"], body, said.id)

    def _home(self, said: Said, account: Record | None) -> Record:
        """The tenant that it is in: its account's, the one that it says, that of what it names, or the first."""
        if account is not None:
            return self._catalog.tenant(said, account["tenantLocator"])
        if "tenant" in said:
            return self._catalog.tenant(said, said.text("tenant"))
        layer = self._agenda.making.world.layer
        for side in ("sources", "targets"):
            for _, row in said.rows(side):
                for kind, entity in SIDES.items():
                    found = layer.get(entity, str(row.get(kind, "")))
                    if found is not None:
                        return self._catalog.tenant(said, found["tenantLocator"])
        return self._catalog.tenants[0]

    def _item(self, said: Said, place: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """A source or target: {invoice: <id>}, {invoiceItem: <id>} or {account: <id or name>}, and an amount."""
        kinds = [kind for kind in SIDES if kind in row]
        if len(kinds) != 1 or set(row) - {*SIDES, "amount"}:
            raise said.pin.fault(
                "write {invoice: <id>}, {invoiceItem: <id>} or {account: <name>}, with an amount.", place
            )
        word = str(row[kinds[0]])
        if kinds[0] == "account":
            word = self._catalog.account(said, word, place)["id"]
        made: dict[str, Any] = {"containerLocator": word, "containerType": kinds[0]}
        return {**made, "amount": money(said.pin, row["amount"], f"{place}.amount")} if "amount" in row else made

    # What happens to it

    def _go(self, said: Said, record: Record, way: list[str]) -> None:
        """Take the next step soon, and the others after it."""
        if not way:
            return
        step, rest = way[0], way[1:]

        def go() -> None:
            self._step(said, record, step)
            self._go(said, record, rest)

        if step == "reverse":
            self._agenda.after(go, days=2)
        elif step in (RUN, HALF, LEAVE):
            go()
        else:
            self._agenda.after(go, minutes=20)

    def _step(self, said: Said, record: Record, step: str) -> None:
        making = self._agenda.making
        if step in ("post", "execute", RUN):
            for locator in said.texts("shortfalls"):
                making.next_id("ShortfallCredit", locator)
            self._take(said, record, step)
            if making.world.wanted.get("ShortfallCredit"):
                raise said.pin.fault("more than come of it; leave out what is too much.", "shortfalls")
        else:
            self._take(said, record, step)

    def _take(self, said: Said, record: Record, step: str) -> None:
        making = self._agenda.making
        if step == RUN:
            making.run()
        elif step == HALF:
            making.world.run(limit=1)
        elif step == LEAVE:
            making.abandon()
        else:
            try:
                moved = self._agenda.fire(said.entity, record, step, self._reason(said, record, step))
            except Refusal as refusal:
                raise said.pin.fault(str(refusal)) from None
            result = moved.get("validationResult", {"success": True})
            if step == "validate" and not result["success"]:
                first = result["validationItems"][0]
                raise said.pin.fault(f"is not valid: {first['elementType']} {first['locator']} {first['errors'][0]}")

    def _reason(self, said: Said, record: Record, step: str) -> dict[str, Any]:
        """Why it is reversed: as the pin says, else the first reason that its tenant has for it."""
        if step != "reverse" or said.entity not in REASONS:
            return {}
        kind = REASONS[said.entity]
        types = self._agenda.get("Tenant", record["tenantLocator"])["reversalTypes"]
        fitting = [name for name in types if rules.may_reverse(types, name, kind)]
        if not fitting:
            raise said.pin.fault(f"its tenant has no reversalTypes for a {kind}; add one, like {{odd: any}}.", "status")
        return {"reversalType": said.word("reversalType", fitting, fitting[0])}

    def _settle(self, record: Record) -> None:
        """Settle a pinned invoice that nothing else has settled."""
        invoice = self._agenda.get("Invoice", record["id"])
        if invoice["invoiceState"] == "open":
            settle(self._agenda, invoice)


def settle(agenda: Agenda, invoice: Record) -> None:
    """Settle an open invoice: a payment of all that it owes, or what it is owed goes to the credit balance."""
    tenant = agenda.get("Tenant", invoice["tenantLocator"])
    if invoice["totalRemainingAmount"] <= rules.ZERO:
        work = agenda.work(tenant["id"])
        distributions.settle(work, invoice)
        work.commit()
        return
    body = {
        "amount": invoice["totalRemainingAmount"],
        "type": tenant["paymentTypes"][0],
        "data": {},
        "targets": [{"containerLocator": invoice["id"], "containerType": "invoice"}],
    }
    payment = agenda.make("Payment", tenant["id"], body)
    agenda.fire("Payment", agenda.fire("Payment", payment, "validate"), "post")


def period(now: datetime, timezone: str) -> dict[str, str]:
    """The month that an invoice made now is for, and when it is due."""
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (begin + timedelta(days=32)).replace(day=1)
    return {
        "startTime": wire.instant(begin),
        "endTime": wire.instant(end),
        "dueTime": wire.instant(now + timedelta(days=14)),
        "timezone": timezone,
    }
