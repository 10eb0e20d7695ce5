"""What holds of each credit of a tenant at any time: it is summed up once, and its parts make up its amount."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.apis.credits.books import KINDS, Books, Entry, Kind
from contracts.apis.credits.ground import APIS, Ground, Row
from contracts.apis.credits.tells import faults
from contracts.findings import Finding
from contracts.probe import Probe
from contracts.registry import check


@check(
    "credits.summary",
    proves="every payment, distribution, disbursement, write-off and shortfall is one credit, of its state and amount",
    codes=("R202", "R212", "M606", "W406"),
    apis=APIS,
)
def summary(p: Probe, case: str) -> Iterator[Finding]:
    ground = Ground(p)
    books = Books(ground)
    shown = {str(each.get("locator")): each for each in books.credits}
    for locator, entry in books.entries.items():
        if locator not in shown:
            came, beside = f"{entry.name} is in none", [entry.kind.listing]
            yield ground.wrong("R202", "fetchCredits", entry.kind.type, "a credit of each", came, "S, I", beside=beside)
            continue
        wrong = list(_same(ground, entry, shown[locator]))
        yield from wrong or _times(ground, entry, shown[locator])
    unknown = [credit for locator, credit in shown.items() if locator not in books.entries]
    if not any(_is_foreign(ground, each) for each in unknown):
        for each in unknown:
            yield from _unknown(ground, each)


def _same(ground: Ground, entry: Entry, credit: Row) -> Iterator[Finding]:
    """A summary says what its entity says."""
    row, kind = entry.row, entry.kind
    wanted = {name: row.get(name) for name in ("accountLocator", "currency", "amount", "createdAt")}
    wanted |= {"creditType": kind.type, "creditState": entry.state}
    # What it tells wrongly of itself is told of it; there is nothing to hold the summary against.
    odd = {subject.rpartition(" ")[2] for subject, _, _ in faults(entry)}
    for name in ("reversalReason", "reversedAt"):
        if name in row and name not in odd:
            wanted[name] = row[name]
    if kind.realized is not None and kind.realized in row and kind.realized not in odd:
        wanted["realizedAt"] = row[kind.realized]
    for name, value in wanted.items():
        if credit.get(name) != value:
            expected, came = f"{name} {value!r}, as {entry.name} has it", f"{credit.get(name)!r}"
            yield ground.wrong(
                "R212", "fetchCredits", f"{kind.type} {name}", expected, came, "S, I", beside=[kind.listing]
            )
            return


def _unknown(ground: Ground, credit: Row) -> Iterator[Finding]:
    """A summary of nothing that its list shows: the list leaves it out, or there is no such thing."""
    kind, locator = _kind(credit), str(credit.get("locator"))
    if kind is None:
        return
    if ground.finds(kind.reading, locator):
        came = "it is there, and not in the list"
        yield ground.wrong("R202", kind.listing, kind.type, f"{kind.entity} {locator}", came, "O, I")
    else:
        yield ground.wrong(
            "M606", "fetchCredits", kind.type, f"a {kind.entity} of every locator", f"{locator} is none", "S, I"
        )


def _kind(credit: Row) -> Kind | None:
    return next((each for each in KINDS.values() if each.type == credit.get("creditType")), None)


def _is_foreign(ground: Ground, credit: Row) -> bool:
    """Whether it is known to be of another tenant; a summary that shows such things is another check's matter."""
    kind = _kind(credit)
    return kind is not None and ground.is_elsewhere(kind.reading, str(credit.get("locator")))


def _times(ground: Ground, entry: Entry, credit: Row) -> Iterator[Finding]:
    """When it took effect, and when and why it was taken back, is told just of what did and was."""
    is_reversed = entry.state == "reversed"
    is_real = is_reversed or entry.is_live
    for name, right in (("reversedAt", is_reversed), ("reversalReason", is_reversed), ("realizedAt", is_real)):
        if (name in credit) is not right:
            expected = f"{'a' if right else 'no'} {name} of what is {entry.state}"
            yield ground.wrong(
                "W406",
                "fetchCredits",
                f"{entry.kind.type} {name}",
                expected,
                f"{credit.get(name)!r} of {entry.name}",
                "S, I",
            )


@check(
    "credits.amounts",
    proves="sources and targets make up the amount of every credit, and what is left of a payment is told",
    codes=("M601",),
    apis=APIS,
)
def amounts(p: Probe, case: str) -> Iterator[Finding]:
    ground = Ground(p)
    for entry in Books(ground).entries.values():
        for member, wanted, found in entry.parts():
            if wanted != found:
                came = f"{found} of {entry.name}, which is {entry.state}"
                yield ground.wrong("M601", entry.kind.listing, member, f"{wanted}", came, "O, D")
