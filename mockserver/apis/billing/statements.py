"""Statements: what one buyer owes under one agreement, or several of these consolidated (billing c.6, d.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mockserver import ids
from mockserver.apis.billing import rules, summaries
from mockserver.apis.billing.files import remove_attachments
from mockserver.apis.billing.matching import Catalog, override
from mockserver.apis.billing.registry import WORKFLOWS
from mockserver.apis.billing.shared import account, clear_error, error, own_keys, without
from mockserver.domain.errors import Conflict, Invalid, NotFound
from mockserver.store import Record
from mockserver.work import Work

PARTIES = ("client", "vendor", "buyer", "seller", "product", "agreement", "licensee")
JOINED = ("Consolidating", "Consolidated")
# What children of one consolidated statement must have in common (S13).
COMMON = ("buyer", "seller", "vendor")


def generate(work: Work, charges: Sequence[Record], source: Mapping[str, Any], *, billing_type: str) -> Record:
    """Make the statement of some charges and link them to it (S1); it is Cancelled where the pair is blocked (S2).

    source: {"ledger": ref} or {"customLedger": ref}
    """
    first = charges[0]
    summary = summaries.summed(charges)
    currency = {name: first["price"]["currency"][name] for name in ("purchase", "sale")}
    # A statement of charges that were converted differently has no one rate.
    currency |= {"rate": next(iter(summary.rates))} if len(summary.rates) == 1 else {}
    statement: dict[str, Any] = {
        "id": work.new_id("Statement"),
        "externalIds": {},
        **source,
        "type": rules.sign(summary.totals.shown(summaries.scale(work)).sp),
        "billingType": billing_type,
        "status": "Generated",
        **{name: first[name] for name in PARTIES if name in first},
        **summaries.priced(work, currency, summary),
    }
    made = work.create("Statement", statement)
    ref = work.ref("Statement", made)
    for charge in charges:
        work.put("Charge", {**charge, "statement": ref})
    return work.fire("Statement", made, "blocked") if _is_blocked(work, made) else made


def _is_blocked(work: Work, statement: Record) -> bool:
    """Whether the pair of client and vendor is billed the other way: an Active override decides (S2)."""
    if "client" not in statement:
        return True
    is_overridden = override(work, statement["client"]["id"], statement["vendor"]["id"]) is not None
    return is_overridden if statement["billingType"] == "Automated" else not is_overridden


def discard(work: Work, statement: Record) -> None:
    """Remove a statement with all that points at it; its charges are the caller's to free (J20)."""
    remove_attachments(work, "Statement", statement["id"])
    work.remove("Statement", statement["id"])
    for entity in ("Invoice", "CreditMemo"):
        for document in list(work.where(entity, "statement.id", statement["id"])):
            work.change(entity, {**without(document, "statement"), **_unlinked(entity)})
    if "parent" in statement and (parent := work.get("Statement", statement["parent"]["id"])) is not None:
        _consolidate(work, parent)


def _unlinked(entity: str) -> dict[str, str]:
    return {"billingType": "Manual"} if entity == "Invoice" else {}


# On their way to the ERP


@WORKFLOWS.guard("Statement", "queue", "retry")
def may_queue(work: Work, statement: Record) -> None:
    """A consolidated one needs a child (S3)."""
    if statement["billingType"] == "Consolidated" and not _children(work, statement):
        raise Conflict(f"cannot queue {statement['id']}: it is consolidated and has no child; add one first.")


@WORKFLOWS.effect("Statement", "queue", "retry")
def queued(work: Work, statement: Record) -> None:
    """The error is cleared, and children are consolidated (S3, S7, S15)."""
    clear_error(work, "Statement", statement)
    for child in _children(work, statement):
        if child["status"] == "Consolidating":
            work.fire("Statement", child, "consolidate")


@WORKFLOWS.effect("Statement", "pending")
def pending(work: Work, statement: Record) -> None:
    """The ERP has taken it in: it has a sales order, by whose number the invoice finds it (S4, d.6, M)."""
    keys = statement.get("externalIds", {})
    if "erpId" not in keys:
        seller = work.get("Seller", statement["seller"]["id"]) or statement["seller"]
        number = ids.spread(work.world.seed, "SalesOrder", work.count("SalesOrder"), 7)
        order = f"{seller.get('externalId', 'XX')}-CO-{number}"
        work.put("Statement", {**statement, "externalIds": {**keys, "erpId": order}})


@WORKFLOWS.effect("Statement", "issue")
def issued(work: Work, statement: Record) -> None:
    """Ledgers that waited for it may be complete; for a consolidated one those of its children, too (S5, Q31)."""
    for each in (statement, *_children(work, statement)):
        settle_of(work, each)


@WORKFLOWS.guard("Statement", "error")
def may_fail(work: Work, statement: Record) -> None:
    """It must be said why (S6)."""
    del work
    if not str(statement.get("statusNotes", {}).get("message", "")).strip():
        raise Invalid(
            "statusNotes: no message.", {"statusNotes.message": ["Say what went wrong; a message is required."]}
        )


@WORKFLOWS.effect("Statement", "cancel", "blocked")
def cancelled(work: Work, statement: Record) -> None:
    """Children are free again, and ledgers that waited may be complete (S12, S16)."""
    clear_error(work, "Statement", statement)
    for child in _children(work, statement):
        work.fire("Statement", without(child, "parent"), "release")
    settle_of(work, statement)


def settle_of(work: Work, statement: Record) -> None:
    """Complete the ledger or custom ledger of a statement if nothing is left to wait for (L9, K8)."""
    if "ledger" in statement:
        settle(work, "Ledger", statement["ledger"]["id"])
    elif "customLedger" in statement:
        settle(work, "CustomLedger", statement["customLedger"]["id"])


def settle(work: Work, entity: str, id: str) -> None:
    """Complete a queued ledger or custom ledger once every statement of it is final (L9, K8)."""
    ledger = work.get(entity, id)
    member = "ledger" if entity == "Ledger" else "customLedger"
    if ledger is None or ledger["status"] != "Queued":
        return
    if all(_is_final(work, statement) for statement in work.where("Statement", f"{member}.id", id)):
        work.fire(entity, ledger, "completed")


def _is_final(work: Work, statement: Record) -> bool:
    """Issued, Cancelled, or part of a consolidated one that is Issued (Q31)."""
    if statement["status"] == "Consolidated" and "parent" in statement:
        parent = work.get("Statement", statement["parent"]["id"])
        return parent is not None and parent["status"] == "Issued"
    return statement["status"] in ("Issued", "Cancelled")


# Recalculated


@WORKFLOWS.effect("Statement", "recalculate")
def recalculating(work: Work, statement: Record) -> None:
    """A new start clears the error (S8, S10)."""
    clear_error(work, "Statement", statement)


@WORKFLOWS.job("recalculateStatement")
def recalculate(work: Work, statement: Record) -> None:
    """Whether it can still be billed, and what it comes to (S9). The charges stay: they are the journal's (d.2)."""
    summary = summaries.summed(work.where("Charge", "statement.id", statement["id"]))
    priced = summaries.priced(work, statement["price"]["currency"], summary)
    taxed = {name: statement["price"][name] for name in ("totalST", "totalGT") if name in statement["price"]}
    now = {**statement, **priced, "price": {**priced["price"], **taxed}}
    wrong = _wrong(work, now, summary)
    if wrong is None:
        work.fire("Statement", without(now, "error"), "recalculated")
    else:
        work.fire("Statement", {**now, "error": wrong}, "recalculationFailed")


def _wrong(work: Work, statement: Record, summary: summaries.Summary) -> dict[str, str] | None:
    if statement["type"] == "Debit" and statement["price"]["totalSP"] < 0:
        return error("SOM:0001", f"{statement['id']} is of type Debit, but comes to {statement['price']['totalSP']:f}.")
    if summary.wrong:
        return error("SOM:0003", f"{summary.wrong} of {summary.processing['total']} charges are in error.")
    for entity, member in (("Agreement", "agreement"), ("Buyer", "buyer"), ("Seller", "seller")):
        if member in statement and work.get(entity, statement[member]["id"]) is None:
            return error("SOM:0004", f"{member} {statement[member]['id']} does not exist any more.")
    return None


# Consolidated ones


@WORKFLOWS.maker("Statement")
def make(work: Work) -> Record:
    """An empty consolidated statement in Generated; its client is its buyer's (a.2, INF)."""
    body = work.body
    refs = {
        "vendor": account(work, body.get("vendor"), "vendor", "Vendor"),
        "buyer": work.refer("Buyer", body.get("buyer"), "buyer"),
        "seller": work.refer("Seller", body.get("seller"), "seller"),
    }
    given = body["price"]["currency"]
    currency = {name: given[name] for name in ("purchase", "sale")}
    rate = Catalog(work).rate(currency["purchase"], currency["sale"])
    currency |= {} if rate is None else {"rate": rate}
    client = work.need("Buyer", refs["buyer"]["id"]).get("client")
    statement: dict[str, Any] = {
        "id": work.new_id("Statement"),
        "externalIds": own_keys(work, body.get("externalIds")),
        "type": "Debit",
        "billingType": "Consolidated",
        "status": "Generated",
        **({} if client is None else {"client": client}),
        **refs,
        **({"statusNotes": body["statusNotes"]} if "statusNotes" in body else {}),
        **summaries.priced(work, currency, summaries.NOTHING),
        "statistics": dict.fromkeys(("statements", "products", "agreements", "licensees"), 0),
    }
    return work.create("Statement", statement)


@WORKFLOWS.guard("Statement", "addChild")
def may_add(work: Work, parent: Record) -> None:
    """The child must be queued, free, and alike (S13)."""
    child = _named(work, work.body.get("id"))
    if child["billingType"] == "Consolidated":
        raise Conflict(f"cannot add {child['id']}: it is consolidated itself; add the statements it is made of.")
    if "parent" in child:
        raise Conflict(f"cannot add {child['id']}: it belongs to {child['parent']['id']}; remove it there first.")
    if child["status"] != "Queued":
        raise Conflict(f"cannot add {child['id']}: it is {child['status']}; only a Queued statement can be added.")
    wrong = [name for name in COMMON if child[name]["id"] != parent[name]["id"]]
    mine, other = parent["price"]["currency"], child["price"]["currency"]
    wrong += [f"{name} currency" for name in ("purchase", "sale") if mine[name] != other[name]]
    if wrong:
        raise Conflict(f"cannot add {child['id']}: its {', '.join(wrong)} differ from those of {parent['id']}.")


@WORKFLOWS.effect("Statement", "addChild")
def added(work: Work, parent: Record) -> None:
    """The child joins, and the totals follow (S13)."""
    child = _named(work, work.body.get("id"))
    work.fire("Statement", {**child, "parent": work.ref("Statement", parent)}, "join")
    _consolidate(work, parent)


@WORKFLOWS.guard("Statement", "removeChild")
def may_remove(work: Work, parent: Record) -> None:
    """Only a child of this statement. Raises NotFound."""
    _child(work, parent)


@WORKFLOWS.effect("Statement", "removeChild")
def removed(work: Work, parent: Record) -> None:
    """The child is on its own again, and the totals follow (S14)."""
    work.fire("Statement", without(_child(work, parent), "parent"), "leave")
    _consolidate(work, parent)


def _child(work: Work, parent: Record) -> Record:
    id = work.params.get("childId", "")
    child = work.need("Statement", id)
    if child.get("parent", {}).get("id") != parent["id"]:
        raise NotFound(f"{parent['id']} has no child {id}.")
    return child


def _named(work: Work, id: Any) -> Record:
    child = work.get("Statement", id) if isinstance(id, str) else None
    if child is None:
        raise Invalid("id: no such statement.", {"id": [f"No Statement {id!r} exists; name one that does."]})
    return child


def _children(work: Work, statement: Record) -> list[Record]:
    """The statements that a consolidated one is made of."""
    if statement["billingType"] != "Consolidated":
        return []
    return list(work.where("Statement", "parent.id", statement["id"]))


def _consolidate(work: Work, parent: Record) -> None:
    """Totals, counts and statistics of a consolidated statement out of its children's (S13, S14)."""
    parent = work.need("Statement", parent["id"])
    children = _children(work, parent)
    parts = [summaries.summed(work.where("Charge", "statement.id", child["id"])) for child in children]
    counts = [part.processing for part in parts]
    processing = {name: sum(count[name] for count in counts) for name in summaries.NOTHING.processing}
    price = summaries.added(work, parent["price"]["currency"], parts)
    distinct = {f"{name}s": len({child[name]["id"] for child in children if name in child}) for name in PARTIES[4:]}
    work.put(
        "Statement",
        {
            **parent,
            "type": rules.sign(Decimal(price["totalSP"])),
            "price": price,
            "processing": processing,
            "statistics": {"statements": len(children), **distinct},
        },
    )
