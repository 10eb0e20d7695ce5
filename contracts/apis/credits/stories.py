"""Money on lent accounts and invoices, moved in every way and taken back: it goes where it should, and returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from contracts.apis.credits import moving, paying
from contracts.apis.credits.ground import APIS, Ground, remains
from contracts.apis.credits.stage import Stage
from contracts.findings import Finding
from contracts.probe import Probe
from contracts.registry import check
from contracts.settings import Mode
from specs.tables import Api

Story = Callable[[Probe], Iterator[Finding]]


def cases(api: Api) -> Sequence[str]:
    return list(STORIES)


@check(
    "credits.money",
    proves="payments, distributions, disbursements, write-offs and settlements move what they say, and give it back",
    codes=("M601", "M605", "M606", "S306", "W402", "W403", "W405", "W406", "W407", "W409"),
    mode=Mode.FULL,
    cases=cases,
    apis=APIS,
)
def money_moves(p: Probe, case: str) -> Iterator[Finding]:
    assert isinstance(p.stage, Stage)
    ground = p.stage.ground
    if not p.stage.resting:
        p.stage.reopen()
        p.stage.resting = _resting(ground)
    found = list(STORIES[case](p))
    p.stage.wrongs |= {(each.operation, each.subject) for each in found}
    for each in found:
        # Most of what moves money does it in one way: the same fault elsewhere is told of where it was seen first.
        yield replace(each, operation=p.facts.first(each.code, each.subject, p.operation(each.operation)))
    if found:
        now = _resting(ground)
        ground.spoiled |= {each for each in now if now[each] != p.stage.resting[each]}


def _resting(ground: Ground) -> dict[str, Decimal]:
    """What each lent invoice owes while no story is told."""
    return {each: remains(ground.invoice(each)) for each in ground.owners}


STORIES: dict[str, Story] = {
    "postPayment short by the tolerance": paying.short,
    "postPayment short by more": paying.beyond,
    "postPayment short without a tolerance": paying.untolerated,
    "postPayment of too much": paying.too_much,
    "postPayment for several invoices": paying.several,
    "postPayment for the first of two": paying.in_order,
    "postPayment in another currency": paying.elsewhere,
    "reversePayment once it is spent": paying.spent,
    "reversePayment without a reason": paying.unreasoned,
    "executePayment": paying.charged,
    "executePayment that is declined": paying.declined,
    "executeCreditDistribution": moving.distributed,
    "executeCreditDistribution short by the tolerance": moving.distributed_short,
    "executeDisbursement": moving.disbursed,
    "writeOff of a part": moving.written_off,
    "writeOff of the whole": moving.written_off_whole,
    "writeOff of more than is owed": moving.overwritten,
    "writeOffInvoice": moving.written_off_by_name,
    "settleNegativeOrZeroInvoice below 0": moving.settled,
    "settleNegativeOrZeroInvoice of 0": moving.settled_zero,
}
