"""One defect, one finding: what follows from another is told below it, and nothing is lost or made lighter by that."""

from __future__ import annotations

from dataclasses import replace

from contracts.findings import Finding, Result
from contracts.following import fold
from contracts.reports import telling
from contracts.wire import Answer, Caller, Exchange, Request

VENDOR = Caller("vendor", "billing", "vendor", "t")
CLIENT = Caller("client", "billing", "client", "t")


def call(operation: str, caller: Caller = VENDOR, status: int = 200) -> Exchange:
    return Exchange(1, "billing", operation, caller, Request("GET", "/"), Answer(status, {}, b""), "", "read")


def finding(
    code: str, operation: str, subject: str = "", *steps: Exchange, source: str = "CAN", **more: str
) -> Finding:
    return Finding(code, "billing", operation, subject, "this", "that", source, "access", "c", steps=steps, **more)


def follows(*findings: Finding) -> list[str]:
    return [each.follows for each in fold(findings)]


def test_a_transition_that_is_refused_for_the_role_follows_from_the_right_that_is_missing() -> None:
    right = finding("A101", "submitJournal", "submitJournal/vendor", cell="submitJournal/vendor", role="vendor")
    refused = finding("W401", "submitJournal", "Validated submit", call("submitJournal"), role="vendor")
    assert follows(right, refused) == ["", "A101 submitJournal submitJournal/vendor"]
    assert follows(right, replace(refused, role="client", steps=(call("submitJournal", CLIENT),))) == ["", ""]


def test_what_comes_after_a_step_that_goes_wrong_follows_from_it_whatever_it_is_about() -> None:
    step = finding("W402", "acceptJournal", "Review accept")
    missing = finding("W406", "listLedgers", "one per seller", call("acceptJournal"), call("listLedgers"))
    assert follows(missing, step) == ["W402 acceptJournal Review accept", ""]


def test_nobody_is_told_a_leak_below_something_else() -> None:
    shape = finding("S304", "listJournals", "200 /data")
    for code in ("A102", "A109", "A110", "R201", "R204", "R205", "R206", "R207", "W403"):
        assert follows(shape, finding(code, "listJournals", "x", call("listJournals"))) == ["", ""]


def test_an_undocumented_status_follows_from_the_leak_that_it_makes() -> None:
    shape = finding("S301", "listJournals", "404", call("listJournals", status=404))
    leak = finding("A110", "listJournals", "tenant", call("listJournals", status=403), call("listJournals", status=404))
    assert follows(leak, shape) == ["", "A110 listJournals tenant"]
    assert follows(leak, replace(shape, subject="409")) == ["", ""]
    assert follows(leak, replace(shape, operation="getJournal")) == ["", ""]
    assert follows(replace(leak, source="M"), shape) == ["", ""]


def test_what_is_wrong_after_a_refusal_that_changed_something_follows_from_that() -> None:
    kept = finding("W405", "acceptJournal", "Draft accept", call("acceptJournal"))
    sums = finding("M605", "getLedger", "lines", call("acceptJournal"), call("getLedger"))
    assert follows(kept, sums) == ["", "W405 acceptJournal Draft accept"]
    assert follows(kept, replace(sums, steps=(call("getLedger"),))) == ["", ""]


def test_a_defect_is_never_told_below_a_question_or_below_what_is_accepted() -> None:
    refused = finding("W404", "submitJournal", "Draft submit", call("submitJournal"))
    shape = finding("S301", "submitJournal", "403", source="M")
    assert follows(shape, refused) == ["", ""]
    assert follows(replace(shape, source="spec", accepted="known"), refused) == ["", ""]
    assert follows(replace(shape, source="spec"), refused) == ["", "S301 submitJournal 403"]


def test_one_code_at_one_operation_is_told_once_unless_it_is_about_cells() -> None:
    first, second = (finding("W404", "submitJournal", f"{state} submit") for state in ("Draft", "Error"))
    assert follows(first, second) == ["", "W404 submitJournal Draft submit"]
    cells = [finding("A102", "listJournals", role, cell=f"listJournals/{role}") for role in ("client", "nobody")]
    assert follows(*cells) == ["", ""]


def test_the_same_about_the_same_at_many_operations_is_one_defect_of_what_they_share() -> None:
    operations = ("listJournals", "listLedgers", "listStatements", "listInvoices")
    found = [finding("A104", each, f"{each}/nobody", cell=f"{each}/nobody") for each in operations]
    assert follows(*found) == ["", *["A104 listJournals listJournals/nobody"] * 3]
    assert follows(*found[:3]) == ["", "", ""]


def test_a_chain_ends_at_what_follows_from_nothing() -> None:
    failing = finding("S305", "getJournal", "500")
    wrong = finding("W402", "acceptJournal", "Review accept", call("getJournal"))
    missing = finding("W406", "listLedgers", "one per seller", call("acceptJournal"))
    assert follows(missing, wrong, failing) == ["S305 getJournal 500", "S305 getJournal 500", ""]


def test_every_finding_is_still_there_and_fails_the_run_as_before() -> None:
    result = Result("http://x", "full", 1, ("billing",), requests=1)
    result.findings = [
        finding("S304", "getJournal"),
        finding("R212", "getJournal", "name"),
        finding("Q503", "listJournals"),
    ]
    before = len(result.failing)
    result.findings = fold(result.findings)
    assert len(result.failing) == before == 3
    sort = telling.findings(result)
    assert [each.code for each in sort.defects] == ["Q503", "S304"] or [each.code for each in sort.defects] == [
        "S304",
        "Q503",
    ]
    assert sorted(each.code for each in sort.all) == ["Q503", "R212", "S304"]
