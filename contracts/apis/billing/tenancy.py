"""What bodies name of others: nobody bills under what is another's, or learns by trying that it is there."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.apis.billing.effects import BILLING, staged
from contracts.findings import Finding
from contracts.likeness import difference
from contracts.probe import Nothing, Probe, member
from contracts.registry import check
from contracts.settings import Mode
from contracts.stage import replaced

CREATE = "createJournal"


@check(
    "billing.authorizations",
    proves="a vendor makes no journal under another's authorization, and it looks like one that is not there",
    codes=("A109", "A110"),
    mode=Mode.OWN,
    cases=lambda api: (CREATE,),
    apis=BILLING,
)
def authorizations(p: Probe, case: str) -> Iterator[Finding]:
    stage, operation = staged(p), p.operation(case)
    vendor = next((each for each in p.may(operation) if each.account), None)
    if vendor is None:
        raise Nothing("no vendor's account is known; name one beside its token in contracts.toml")
    journals = p.facts.rows(p.operation("listJournals"), stage.operations)
    foreign = [row for row in journals if member(row, "vendor.id") not in (None, vendor.account)]
    another = next((str(member(row, "authorization.id")) for row in foreign if member(row, "authorization.id")), None)
    if another is None:
        raise Nothing("no journal of another vendor tells an authorization")
    asked = stage.case(operation, vendor)
    absent = p.facts.shape("Authorization")
    missing, exchange = (
        stage.play(replaced(asked, body={**asked.body, "authorization": {"id": id}})) for id in (absent, another)
    )
    if exchange.status < 300:
        expected = f"{missing.status}, as for one that is not there"
        yield p.finding("A109", exchange, expected=expected, source="INF", place="conventions", subject="authorization")
    elif said := difference(exchange.answer, missing.answer, another, absent):
        yield p.finding(
            "A110",
            exchange,
            expected="the answer that an authorization gets that is not there",
            came=said,
            source="INF",
            place="conventions",
            subject="authorization",
            steps=(missing,),
        )
