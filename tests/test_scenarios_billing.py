"""The scenarios of billing: each whole and adding up as the default one is, and what each tells to try comes true."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from mockserver import scenario
from mockserver.apis.billing.charge_files import write_jsonl
from mockserver.apis.billing.plugin import PLUGIN
from mockserver.scenario import ScenarioError
from mockserver.service import Service
from mockserver.world import World
from tests import test_seed as proofs
from tests.billing_world import line
from tests.test_seed import API, build
from tests.walks import WALKS, Walk, promised, walks

NAMES = (
    *("month-end", "line-errors", "split-billing", "multi-currency", "overdue", "credit-notes", "override"),
    *("large", "empty"),
)
RICH = [name for name in NAMES if name != "empty"]

# What holds in every world, and what holds where something has happened.
ALWAYS = (
    proofs.test_every_reference_leads_to_a_record,
    proofs.test_a_reference_shows_its_record_as_it_is,
    proofs.test_no_record_holds_none_and_every_amount_is_exact,
    proofs.test_the_world_is_at_rest,
    proofs.test_nothing_happened_after_the_world_starts,
    proofs.test_audit_follows_the_states_that_a_record_went_through,
    proofs.test_statements_and_ledgers_come_to_their_charges,
    proofs.test_a_journal_comes_to_its_ledgers_and_its_ledgers_to_its_billable_charges,
    proofs.test_custom_ledgers_come_to_their_charges,
    proofs.test_counters_count_each_charge_once_by_its_status,
)
WHERE_BILLED = (
    proofs.test_consolidated_statements_come_to_their_children,
    proofs.test_shares_of_a_split_charge_come_to_the_whole,
)
DOCUMENTS = [("Invoice", "amount"), ("CreditMemo", "price.amount")]

Proof = Callable[[World], None]


@cache
def world_of(name: str) -> World:
    return build(name)


@cache
def service() -> Service:
    return Service(API, PLUGIN)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("proof", ALWAYS, ids=lambda proof: proof.__name__)
def test_a_scenario_is_as_sound_as_the_default_one(name: str, proof: Proof) -> None:
    proof(world_of(name))


@pytest.mark.parametrize("name", RICH)
@pytest.mark.parametrize("proof", WHERE_BILLED, ids=lambda proof: proof.__name__)
def test_what_was_billed_adds_up_in_a_scenario(name: str, proof: Proof) -> None:
    proof(world_of(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("role", API.roles)
def test_every_record_of_a_scenario_is_valid_as_every_role_sees_it(name: str, role: str) -> None:
    proofs.test_every_record_is_valid_as_every_role_sees_it(world_of(name), service(), role)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("entity", "amount"), DOCUMENTS)
def test_documents_of_a_scenario_come_to_their_lines_and_to_their_statement(
    name: str, entity: str, amount: str
) -> None:
    proofs.test_documents_come_to_their_lines_and_to_their_statement(world_of(name), entity, amount)


ANYWHEN = [proof for proof in (*ALWAYS, *WHERE_BILLED) if proof is not proofs.test_the_world_is_at_rest]
SMALL = [name for name in RICH if name != "large"]


@pytest.mark.parametrize("name", SMALL)
def test_another_seed_and_another_day_leave_a_scenario_sound(name: str) -> None:
    world = build(name, seed=2, now=datetime(2029, 7, 31, 12, tzinfo=UTC))
    for proof in ANYWHEN:
        proof(world)


def test_all_of_them_together_are_sound() -> None:
    world = build("+".join(SMALL))
    for proof in ANYWHEN:
        proof(world)


# What the format has for them


@pytest.mark.parametrize(
    ("charge", "told"),
    [
        ("{gone: item}", "pins[0].charges[0].gone: what misses something is in error; say status: Error, too."),
        (
            "{status: Error, gone: orders}",
            "pins[0].charges[0].gone: 'orders' cannot go; did you mean order? there are:",
        ),
        ("{status: Error, gone: order}", "pins[0].charges[0].gone: it names no order; name the one that is gone, as"),
        (
            "{status: Error, gone: allocations, subscription: SUB-1000-2000-3000}",
            "pins[0].charges[0].gone: SUB-1000-2000-3000 is not split; name a source that is.",
        ),
    ],
)
def test_what_cannot_be_gone_is_refused_with_its_place(tmp_path: Path, charge: str, told: str) -> None:
    pin = f"{{entity: Journal, id: BJO-1234-5678, status: Review, authorization: AUT-1000-0001, charges: [{charge}]}}"
    assert f"gone.yaml:3: {told}" in refused(tmp_path / "gone.yaml", pin)


@pytest.mark.parametrize(
    "parent", ["entity: Journal, status: Error, authorization: AUT-1000-0001", "entity: CustomLedger, status: Error"]
)
def test_nothing_is_gone_before_a_review(tmp_path: Path, parent: str) -> None:
    told = refused(tmp_path / "early.yaml", f"{{{parent}, charges: [{{status: Error, gone: item}}]}}")
    where = "early.yaml:3: pins[0].charges[0].gone: is missed under review only; let its journal be in Review,"
    assert where in told


def test_what_is_gone_cannot_be_billed_later(tmp_path: Path) -> None:
    journal = "{entity: Journal, id: BJO-1234-000%s, status: Review, authorization: AUT-1000-0001, charges: [{%s}]}"
    told = refused(
        tmp_path / "late.yaml",
        journal % (1, "status: Error, gone: agreement, subscription: SUB-1000-2000-3000"),
        journal % (2, "subscription: SUB-1000-2000-3000"),
    )
    assert "late.yaml:4: pins[1].charges[0].subscription: AGR-1000-2000-3000 is gone by then; name another" in told


def refused(path: Path, *pins: str) -> str:
    """What pins over the default world are refused with."""
    path.write_text("extends: default\npins:\n" + "".join(f"  - {pin}\n" for pin in pins), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        build(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("agreement", "charges"), [("agreement: AGR-1000-2000-3000", 1), ("client: Harbour & Finch Group", 2)]
)
def test_a_pinned_statement_is_what_the_charges_of_its_agreement_come_to(
    tmp_path: Path, agreement: str, charges: int
) -> None:
    path = tmp_path / "billed.yaml"
    journal = "id: BJO-1234-5678, authorization: AUT-1000-0001, charges: [{subscription: SUB-1000-2000-3000}]"
    statement = f"id: SOM-1234-5678-0000-0001, ledger: BLE-1234-5678-1000-0001, {agreement}"
    pins = f"  - {{entity: Journal, {journal}}}\n  - {{entity: Statement, {statement}}}\n"
    path.write_text(f"extends: default\npins:\n{pins}", encoding="utf-8")
    world = build(path)
    assert len(list(world.layer.where("Charge", "journal.id", "BJO-1234-5678"))) == charges
    assert world.layer.get("Statement", "SOM-1234-5678-0000-0001") is not None


def test_however_many_documents_are_pinned_none_comes_after_the_start(tmp_path: Path) -> None:
    path = tmp_path / "many.yaml"
    pins = "".join(f"  - {{entity: Invoice, id: INV-1234-0000-0000-{at:04d}, status: Paid}}\n" for at in range(40))
    path.write_text(f"extends: default\npins:\n{pins}", encoding="utf-8")
    proofs.test_nothing_happened_after_the_world_starts(build(path))


# What each tells to try


@pytest.mark.parametrize("name", scenario.names())
def test_every_scenario_says_what_it_is_and_three_things_to_try(name: str) -> None:
    loaded = scenario.load(name)
    cast = {part.name for part in loaded.callers}
    assert len(loaded.tries) == 3
    assert loaded.about.splitlines()[-3:] == [f"Try: {line}" for line in loaded.tries], "the last three lines"
    assert len(loaded.about.splitlines()) > 3, "what it is stands before that"
    assert {caller for caller, _, _ in promised(name)} <= cast


def test_every_scenario_has_a_walk_through() -> None:
    there = sorted(Path(__file__).parent.glob("test_scenarios_*.py"))
    modules = [importlib.import_module(f"tests.{path.stem}") for path in there]
    elsewhere = {name for module in modules for name, _ in getattr(module, "WALKED", ())}
    assert {*WALKS, *elsewhere} == set(scenario.names())


@walks("default")
def default(walk: Walk) -> None:
    vendor, other, client = walk.as_("vendor"), walk.as_("vendor-other"), walk.as_("client")

    assert "BJO-1000-0001" in [each["id"] for each in vendor.rows("/journals?limit=20")]
    assert other.get("/journals/BJO-1000-0001").status == 404

    vendor.do("/journals/BJO-1000-0003/submit")
    assert vendor.read("/journals/BJO-1000-0003")["status"] == "Review"

    statement = client.read("/statements/SOM-1000-0001-0000-0006")
    invoice = client.read("/invoices/INV-1000-0001-0000-0001")
    assert (statement["invoice"]["id"], invoice["statement"]["id"]) == (invoice["id"], statement["id"])


@walks("month-end")
def month_end(walk: Walk) -> None:
    operations, client = walk.as_("operations"), walk.as_("client")

    assert operations.do("/journals/BJO-2100-0001/accept")["status"] == "Generating"
    ledgers = operations.rows("/ledgers?eq(journal.id,BJO-2100-0001)")
    assert {each["id"]: each["price"]["totalSP"] for each in ledgers} == {
        "BLE-2100-0001-1000-0001": 1108.80,
        "BLE-2100-0001-1000-0002": 756.00,
    }

    assert client.read("/statements/SOM-2100-0002-0000-0001")["status"] == "Generated"
    operations.do("/ledgers/BLE-2100-0002-1000-0001/queue")
    assert operations.read("/statements/SOM-2100-0002-0000-0001")["status"] == "Queued"
    assert operations.read("/journals/BJO-2100-0002")["status"] == "Queued"

    assert operations.read("/journals/BJO-2100-0003")["status"] == "Queued"
    operations.do("/statements/SOM-2100-0003-0000-0001/issue")
    assert operations.read("/journals/BJO-2100-0003")["status"] == "Completed"
    assert client.read("/statements/SOM-2100-0003-0000-0001")["status"] == "Issued"


@walks("line-errors")
def line_errors(walk: Walk) -> None:
    vendor, operations = walk.as_("vendor"), walk.as_("operations")

    first, *wrong = vendor.rows("/journals/BJO-2200-0001/charges?limit=20")
    assert first["upload"]["status"] == "Ready"
    told = [error for charge in wrong for error in charge["upload"]["errors"]]
    assert len(set(told)) == len(told) == len(wrong) == 12
    assert {error.partition(":")[0] for error in told} == {
        *("externalIds.invoice", "segment", "quantity", "period.end", "search.source.type", "search.source"),
        *("search.source.criteria", "search.item", "search.order", "search.order.value"),
    }

    before = vendor.read("/journals/BJO-2200-0001")
    assert (before["status"], before["error"]["id"]) == ("Error", "BJO:0001")
    file = write_jsonl([line("sub-sound", item="SKU-TRIAL")])
    assert vendor.upload("/journals/BJO-2200-0001/upload", file).status == 200
    after = vendor.read("/journals/BJO-2200-0001")
    assert (after["status"], "error" in after) == ("Validated", False)

    assert operations.read("/journals/BJO-2200-0002")["processing"]["error"] == 5
    operations.do(
        "/journals/BJO-2200-0002/charges/CHG-2200-0002-0000-0000-0300/ignore", {"reason": "Not sold any more."}
    )
    operations.do("/journals/BJO-2200-0002/recalculate")
    journal = operations.read("/journals/BJO-2200-0002")
    assert (journal["status"], journal["processing"]["error"], journal["processing"]["ignored"]) == ("Review", 4, 1)


@walks("split-billing")
def split_billing(walk: Walk) -> None:
    vendor, operations, client = walk.as_("vendor"), walk.as_("operations"), walk.as_("client")

    charges = vendor.rows("/journals/BJO-2300-0001/charges?limit=20")
    split = [each for each in charges if each["upload"]["status"] == "Split"]
    shares = {
        each["id"]: [one["price"]["PPx1"] for one in charges if one.get("parent", {}).get("id") == each["id"]]
        for each in split
    }
    assert list(shares.values()) == [[480, 320], [500, 300, 200]]
    assert [each["price"]["PPx1"] for each in split] == [800, 1000]

    operations.do("/journals/BJO-2300-0001/accept")
    operations.do("/ledgers/BLE-2300-0001-1000-0001/accept")
    statements = operations.rows("/statements?eq(ledger.id,BLE-2300-0001-1000-0001)")
    assert {each["buyer"]["name"] for each in statements} == {
        "Harbour & Finch Retail",
        "Harbour & Finch Wholesale",
        "Harbour & Finch Logistics",
    }
    assert sum(Decimal(str(each["price"]["totalSP"])) for each in statements) == Decimal("2068")

    billed = [client.read(f"/statements/SOM-2300-0002-0000-000{number}") for number in (1, 2, 3)]
    assert [each["price"]["totalSP"] for each in billed] == [550, 330, 220]
    assert [each["status"] for each in billed] == ["Issued"] * 3


@walks("multi-currency")
def multi_currency(walk: Walk) -> None:
    operations, client = walk.as_("operations"), walk.as_("client")

    charges = [operations.rows(f"/journals/BJO-2400-000{number}/charges")[0]["price"] for number in (1, 2, 3)]
    assert [each["currency"] for each in charges] == [
        {"purchase": "EUR", "sale": "EUR", "rate": 1},
        {"purchase": "USD", "sale": "CHF", "rate": 0.8636363636},
        {"purchase": "GBP", "sale": "CHF", "rate": 1.1176470588},
    ]
    assert [each["PPx1"] for each in charges] == [1000] * 3
    assert [round(each["SPx1"], 2) for each in charges] == [1100.00, 950.00, 1229.41]

    operations.do("/ledgers/BLE-2400-0002-2400-0001/accept")
    (statement,) = operations.rows("/statements?eq(ledger.id,BLE-2400-0002-2400-0001)")
    assert statement["price"]["currency"]["sale"] == "CHF"
    assert (statement["price"]["totalSP"], statement["price"]["totalBSP"]) == (950, 850)

    billed = client.read("/statements/SOM-2400-0004-0000-0001")
    invoice = client.read("/invoices/INV-2400-0004-0000-0001")
    assert billed["price"]["currency"]["sale"] == invoice["price"]["currency"] == "CHF"
    assert billed["price"]["totalSP"] == invoice["price"]["totalSP"] == 190


@walks("overdue")
def overdue(walk: Walk) -> None:
    client, other, operations = walk.as_("client"), walk.as_("client-other"), walk.as_("operations")

    three = "INV-2500-0001-0000-0001,INV-2500-0001-0000-0002,INV-2500-0001-0000-0003"
    late = client.rows(f"/invoices?and(in(id,({three})),eq(status,Overdue))")
    assert {each["name"] for each in late} == {"At home", "Abroad"}
    assert client.read("/invoices/INV-2500-0001-0000-0003")["status"] == "Paid"

    assert other.get("/invoices/INV-2500-0001-0000-0001").status == 404
    assert other.read("/invoices/INV-2500-0002-0000-0001")["status"] == "Overdue"

    invoice = operations.read("/invoices/INV-2500-0001-0000-0001")
    assert invoice["erpData"]["balanceDue"] == invoice["price"]["totalGT"] == 1197.90
    document = {
        "documentNo": "NL-PSI-250001",
        "countryCode": "NL",
        "status": "Paid",
        "erpData": {"revision": invoice["erpData"]["revision"] + 1},
    }
    assert operations.post("/invoices", document).status < 300
    now = operations.read("/invoices/INV-2500-0001-0000-0001")
    assert (now["status"], now["erpData"]["balanceDue"]) == ("Paid", 0)


@walks("credit-notes")
def credit_notes(walk: Walk) -> None:
    client, operations = walk.as_("client"), walk.as_("operations")

    memo = client.read("/credit-memos/CRD-2600-0001-0000-0001")
    statement = client.read("/statements/SOM-2600-0001-0000-0001")
    assert (statement["type"], statement["creditMemo"]["id"]) == ("Credit", memo["id"])
    assert memo["statement"]["id"] == statement["id"]
    assert (memo["price"]["totalSP"], statement["price"]["totalSP"]) == (150, -150)

    netted = operations.read("/statements/SOM-2600-0002-0000-0001")
    assert (netted["type"], netted["price"]["totalSP"], netted["invoice"]["id"]) == (
        *("Debit", 50),
        "INV-2600-0002-0000-0001",
    )

    operations.do("/statements/SOM-2600-0003-0000-0001/issue")
    issued = operations.read("/statements/SOM-2600-0003-0000-0001")
    document = {
        "documentNo": "NL-CM-260003",
        "countryCode": "NL",
        "externalIds": {"statement": issued["externalIds"]["erpId"]},
        "buyer": {"id": issued["buyer"]["id"]},
        "lines": [{"itemNo": "SKU-200", "price": {"quantity": 8, "unitPrice": 5, "vatPercent": 21}}],
    }
    assert operations.post("/credit-memos", document).status < 300
    (made,) = operations.rows("/credit-memos?eq(documentNo,NL-CM-260003)")
    assert (made["statement"]["id"], made["price"]["totalSP"]) == (issued["id"], 40)
    assert operations.read("/statements/SOM-2600-0003-0000-0001")["creditMemo"]["id"] == made["id"]


@walks("override")
def override(walk: Walk) -> None:
    operations, clinic = walk.as_("operations"), walk.as_("clinic")

    charge = operations.read("/journals/BJO-2700-0001/charges/CHG-2700-0001-0000-0000-0200")
    assert (charge["processing"]["status"], charge["upload"]["status"]) == ("Skipped", "Ready")
    counts = operations.read("/journals/BJO-2700-0001")["processing"]
    assert (counts["total"], counts["ready"], counts["skipped"]) == (2, 1, 1)

    assert operations.rows("/statements?eq(customLedger.id,CLE-2700-0001)") == []
    operations.do("/custom-ledgers/CLE-2700-0001/accept")
    (bill,) = [
        each
        for each in clinic.rows("/statements?eq(billingType,Manual)")
        if each["customLedger"]["id"] == "CLE-2700-0001"
    ]
    assert (bill["status"], bill["price"]["totalSP"]) == ("Generated", 220)

    operations.do("/manual-overrides/BOV-2700-0001/disable")
    operations.do("/journals/BJO-2700-0001/regenerate")
    counts = operations.read("/journals/BJO-2700-0001")["processing"]
    assert (counts["ready"], counts["skipped"]) == (2, 0)


@walks("large")
def large(walk: Walk) -> None:
    operations = walk.as_("operations")

    page = operations.read("/journals?limit=100&offset=200&order=-audit.created.at")
    total = page["$meta"]["pagination"]["total"]
    assert total >= 250
    assert len(page["data"]) == total - 200

    file = operations.get("/journals/BJO-2800-0001/charges", headers={"accept": "text/csv"})
    counts = operations.read("/journals/BJO-2800-0001")["processing"]
    assert (file.status, len(file.text.splitlines())) == (200, counts["total"] + 1)
    assert counts["total"] > 1000
    assert counts["split"] > 0

    operations.do("/journals/BJO-2800-0001/accept")
    ledgers = operations.rows("/ledgers?eq(journal.id,BJO-2800-0001)")
    assert len(ledgers) > 1
    assert (
        sum(each["processing"]["total"] for each in ledgers)
        == (operations.read("/journals/BJO-2800-0001")["processing"]["ready"])
    )


@walks("empty")
def empty(walk: Walk) -> None:
    vendor, operations, client = walk.as_("vendor"), walk.as_("operations"), walk.as_("client")
    for who, path in LISTS:
        assert walk.as_(who).rows(path) == [], path

    journal = vendor.do("/journals", {"name": "The first", "authorization": {"id": "AUT-2900-0001"}})
    assert [(each["id"], each["status"]) for each in vendor.rows("/journals")] == [(journal["id"], "Draft")]

    ledger = operations.do("/custom-ledgers", CUSTOM_LEDGER)
    assert [(each["id"], each["status"]) for each in operations.rows("/custom-ledgers")] == [(ledger["id"], "Draft")]

    pair = {"client": {"id": "ACC-1000-0005"}, "vendor": {"id": "ACC-1000-0002"}}
    made = operations.do("/manual-overrides", pair)
    assert [(each["id"], each["status"]) for each in operations.rows("/manual-overrides")] == [(made["id"], "Active")]
    assert client.rows("/statements") == []


LISTS = (
    *(("operations", f"/{name}") for name in ("journals", "ledgers", "custom-ledgers", "statements", "invoices")),
    *(("operations", f"/{name}") for name in ("credit-memos", "manual-overrides")),
    *(("vendor", "/journals"), ("client", "/statements"), ("client", "/invoices"), ("client", "/credit-memos")),
)
CUSTOM_LEDGER = {
    "name": "By hand",
    "seller": {"id": "SEL-2900-0001"},
    "vendor": {"id": "ACC-1000-0002"},
    "price": {"currency": {"purchase": "EUR", "sale": "EUR"}},
    "billingStartDate": "2026-02-01T00:00:00.000Z",
    "billingEndDate": "2026-02-28T00:00:00.000Z",
}


def test_the_empty_world_can_be_billed_from_the_first_file_to_the_invoice() -> None:
    walk = Walk("empty")
    vendor, operations, client = walk.as_("vendor"), walk.as_("operations"), walk.as_("client")
    journal = vendor.do("/journals", {"name": "The first", "authorization": {"id": "AUT-2900-0001"}})["id"]
    assert vendor.upload(f"/journals/{journal}/upload", write_jsonl([line("sub-1001", item="SKU-100")])).status == 200
    vendor.do(f"/journals/{journal}/submit")
    operations.do(f"/journals/{journal}/accept")
    (ledger,) = operations.rows("/ledgers")
    operations.do(f"/ledgers/{ledger['id']}/accept")
    operations.do(f"/ledgers/{ledger['id']}/queue")
    (statement,) = client.rows("/statements")
    operations.do(f"/statements/{statement['id']}/pending")
    operations.do(f"/statements/{statement['id']}/issue")
    assert operations.read(f"/journals/{journal}")["status"] == "Completed"

    order = client.read(f"/statements/{statement['id']}")["externalIds"]["erpId"]
    document = {
        "documentNo": "NL-PSI-290001",
        "countryCode": "NL",
        "buyer": {"id": "BUY-2900-0001"},
        "erpData": {"referenceNumber": {"orderNo": order}},
        "lines": [{"itemNo": "SKU-100", "quantity": 10, "unitPrice": 11, "vatPercent": 21}],
    }
    assert operations.post("/invoices", document).status < 300
    (invoice,) = client.rows("/invoices")
    assert (invoice["statement"]["id"], invoice["price"]["totalSP"]) == (statement["id"], 110)


# WALKS is whole from here on.
@pytest.mark.parametrize("name", WALKS)
def test_what_a_scenario_tells_to_try_comes_true(name: str) -> None:
    walk = Walk(name)
    WALKS[name](walk)
    requests = set(promised(name))
    assert len(requests) >= 3, "its lines spell requests out"
    assert requests - walk.asked == set(), "every request that a line spells out was sent, by the caller that it names"


@pytest.mark.parametrize("name", SMALL)
def test_what_a_scenario_tells_to_try_comes_true_among_all_of_them(name: str) -> None:
    WALKS[name](Walk("+".join(SMALL)))
