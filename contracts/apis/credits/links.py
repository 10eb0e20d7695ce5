"""Links between credits: shortfall credits and what fell short, invoices and what was applied to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from contracts.apis.credits.books import KINDS, REST, Books, Entry, need
from contracts.apis.credits.ground import APIS, Ground
from contracts.findings import Finding
from contracts.probe import Probe
from contracts.registry import check


@check(
    "credits.shortfalls",
    proves="a shortfall credit goes with what fell short: state, reason and locators, one live one an invoice",
    codes=("M606", "W406", "W407"),
    apis=APIS,
)
def shortfalls(p: Probe, case: str) -> Iterator[Finding]:
    ground = Ground(p)
    books = Books(ground)
    entries = books.entries
    summed_up = {str(each.get("locator")) for each in books.credits}
    forgiven = [each for each in entries.values() if each.kind.entity == "ShortfallCredit"]
    parents = [each for each in entries.values() if each.kind.entity in ("Payment", "CreditDistribution")]
    need([*forgiven, *parents])
    operation = "fetchMultipleShortfallCredits"
    live = Counter[str]()
    for each in forgiven:
        live.update(str(item.get("containerLocator")) for item in each.items("targets") if each.is_live)
        if each.row.get("creditType") != "shortfallWriteOff":
            yield ground.wrong(
                "R212", operation, "creditType", "shortfallWriteOff", f"{each.row.get('creditType')!r}", "I"
            )
        parent = entries.get(str(each.row.get("parentCreditLocator")))
        if parent is None and str(each.row.get("parentCreditLocator")) in summed_up:
            continue  # a list leaves it out, which is told of that list
        if parent is None or parent not in parents:
            came = f"{each.row.get('parentCreditLocator')} is neither"
            yield ground.wrong("M606", operation, "parentCreditLocator", "a payment or a distribution", came, "S, I")
        elif each.locator not in parent.row.get("shortfallCreditLocators", ()):
            came = f"{parent.name} does not name {each.locator}"
            yield ground.wrong(
                "M606", parent.kind.listing, "shortfallCreditLocators", "what fell short with it", came, "O, I"
            )
        elif each.is_live is not parent.is_live:
            came = f"{each.state}, and {parent.name} is {parent.state}"
            yield ground.wrong(
                "W406", operation, "shortfallCreditState", "live or reversed with its parent", came, "D, I"
            )
        elif each.row.get("reversalReason") != (parent.row.get("reversalReason") if not each.is_live else None):
            came = f"{each.row.get('reversalReason')!r}, and {parent.row.get('reversalReason')!r} of its parent"
            yield ground.wrong("W406", operation, "reversalReason", "the reason of its parent", came, "I, M")
    for parent in parents:
        for locator in parent.row.get("shortfallCreditLocators", ()):
            if locator not in entries and locator not in summed_up:
                came = f"{locator} of {parent.name} is none"
                yield ground.wrong(
                    "M606", parent.kind.listing, "shortfallCreditLocators", "shortfall credits", came, "O, I"
                )
    for invoice, count in live.items():
        if count > 1:
            yield ground.wrong(
                "W407", operation, "targets", "one live shortfall credit an invoice", f"{count} on {invoice}", "S, M"
            )


@check(
    "credits.links",
    proves="what was applied to an invoice, and what a payment targets and caused, is listed below them",
    codes=("M606",),
    apis=APIS,
)
def links(p: Probe, case: str) -> Iterator[Finding]:
    ground = Ground(p)
    books = Books(ground)
    chosen = _telling(books)
    need(chosen)
    for locator in chosen:
        applied = [each for each in books.entries.values() if each.is_live and _is_on(each, locator)]
        for operation, kinds in BELOW.items():
            wanted = {each.locator for each in applied if each.kind.entity in kinds}
            yield from _below(books, operation, locator, wanted)
    for entry in _payments(books):
        named = {
            str(each.get("containerLocator"))
            for each in entry.items("targets")
            if each.get("containerType") == "invoice"
        }
        if len(named) == len(entry.items("targets")):
            yield from _below(books, "fetchInvoicesTargetedByAPayment", entry.locator, named)
        caused = set(map(str, entry.row.get("shortfallCreditLocators", ())))
        yield from _below(books, "listShortfallCredits", entry.locator, caused)


BELOW = {
    "fetchCreditsForAnInvoice": frozenset(KINDS),
    "fetchPaymentsForAnInvoice": frozenset({"Payment"}),
    "fetchCreditDistributionsForAnInvoice": frozenset({"CreditDistribution"}),
}


def _telling(books: Books) -> list[str]:
    """Invoices that credits of several kinds, or reversed ones, name whole; not those that items of are named."""
    named: dict[str, set[tuple[str, bool]]] = {}
    for entry in books.entries.values():
        if entry.row.get("accountLocator") in books.accounts and entry.state not in REST:
            for item in entry.items("targets"):
                if item.get("containerType") == "invoice":
                    named.setdefault(str(item["containerLocator"]), set()).add((entry.kind.entity, entry.is_live))
    partly = {
        str(each.get("invoiceLocator"))
        for entry in books.entries.values()
        for each in entry.items("targets")
        if each.get("containerType") == "invoiceItem"
    }
    ranked = sorted(named.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    covered: set[tuple[str, bool]] = set()
    chosen = []
    for locator, seen in ranked:
        if locator not in partly and not seen <= covered:
            covered |= seen
            chosen.append(locator)
    return chosen


def _payments(books: Books) -> Iterator[Entry]:
    """A posted payment that fell short, and one that did not."""
    posted = [each for each in books.entries.values() if each.kind.entity == "Payment" and each.is_live]
    for short in (True, False):
        yield from [each for each in posted if bool(each.row.get("shortfallCreditLocators")) is short][:1]


def _is_on(entry: Entry, invoice: str) -> bool:
    return any(
        each.get("containerLocator") == invoice
        and (not isinstance(each.get("amount"), (int, float)) or each["amount"] > 0)
        for each in entry.items("targets")
    )


def _below(books: Books, operation: str, locator: str, wanted: set[str]) -> Iterator[Finding]:
    """What is listed below something is what names it; of what was reversed another check tells."""
    reversed_ = {each.locator for each in books.entries.values() if each.state == "reversed"}
    found = {str(each.get("locator")) for each in books.ground.rows(operation, locator)} - reversed_
    if found != wanted:
        more, less = ", ".join(sorted(found - wanted)[:2]), ", ".join(sorted(wanted - found)[:2])
        came = "; ".join(filter(None, (f"{more} beside them" if more else "", f"{less} missing" if less else "")))
        yield books.ground.wrong("M606", operation, "rows", f"{len(wanted)} below {locator}", came, "S, M", at=locator)
