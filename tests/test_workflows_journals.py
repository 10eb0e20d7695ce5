"""Journals and their charges, row by row of the state machine (billing d.1, d.2, e)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockserver.apis.billing import WORKFLOWS
from mockserver.apis.billing.journals import journal_sellers
from mockserver.domain.errors import Conflict, Invalid, NoSuchTransition, UnsupportedMedia
from mockserver.work import Upload
from tests.billing_world import (
    BARE,
    BLOCKED,
    DOLLAR,
    EMPTY_SPLIT,
    FOREIGN,
    LINED,
    MARKED,
    OPERATIONS,
    OTHER_VENDOR,
    PLAIN,
    SPLIT,
    TWIN,
    VENDOR,
    Small,
    line,
    source,
)


@pytest.fixture
def small() -> Small:
    return Small()


def errors(charge: Any, stage: str = "upload") -> str:
    return " ".join(charge[stage].get("errors", ()))


# Creating


def test_a_journal_takes_vendor_product_owner_and_currency_from_its_authorization(small: Small) -> None:
    journal = small.get("Journal", small.journal(dueDate="2026-04-01T00:00:00.000Z"))
    assert (journal["status"], journal["dueDate"]) == ("Draft", "2026-04-01T00:00:00.000Z")
    assert [journal[name]["id"] for name in ("vendor", "product", "owner")] == [
        "ACC-1000-0001",
        "PRD-1000-0001",
        "SEL-1000-0001",
    ]
    assert journal["price"] == {"currency": "EUR", "totalPP": 0, "totalSP": 0, "totalBSP": 0}
    assert {"created", "draft"} == set(journal["audit"])


def test_another_vendors_authorization_reads_like_a_missing_one(small: Small) -> None:
    found = []
    for id in ("AUT-1000-0001", "AUT-9999-9999"):
        with pytest.raises(Invalid) as refused:
            small.make("Journal", {"name": "x", "authorization": {"id": id}}, OTHER_VENDOR)
        found.append(refused.value.errors["authorization.id"][0].replace(id, "ID"))
    assert found[0] == found[1]


def test_a_creator_writes_only_its_own_external_id(small: Small) -> None:
    journal = small.get("Journal", small.journal(externalIds={"vendor": "v", "operations": "o"}))
    assert journal["externalIds"] == {"vendor": "v"}


# Uploading


def test_a_good_file_makes_a_validated_journal_with_its_sums(small: Small) -> None:
    id = small.journal()
    journal = small.upload(id, [line(), line(LINED, 200)], settle=False)
    assert journal["status"] == "Validating"
    small.world.run()
    journal = small.get("Journal", id)
    assert journal["status"] == "Validated"
    assert journal["upload"] == {"total": 2, "split": 0, "ready": 2, "error": 0}
    # 100 + 25 %, and 200 + 50 %, the markup of its line
    assert [journal["price"][name] for name in ("totalPP", "totalSP", "totalBSP")] == [300, 425, 425]
    assert journal["price"]["markup"] == pytest.approx(Decimal("41.6666666667"))


def test_an_upload_registers_the_file_and_replaces_the_charges(small: Small) -> None:
    id = small.journal()
    small.upload(id, [line(), line()])
    small.upload(id, [line(amount=7)])
    assert [charge["price"]["PPx1"] for charge in small.charges(id)] == [7]
    files = small.all("JournalAttachment")
    assert [(each["type"], each["name"], each["journal"]["id"]) for each in files] == [("Input", "march.jsonl", id)] * 2
    assert small.get("File", files[0]["id"])["content"].count(b"\n") == 1


def test_a_line_in_error_makes_the_journal_so_until_a_better_file_comes(small: Small) -> None:
    id = small.journal()
    broken = line()
    del broken["quantity"]
    journal = small.upload(id, [line(), broken])
    assert (journal["status"], journal["error"]["code"], journal["upload"]["error"]) == ("Error", "BJO:0001", 1)
    journal = small.upload(id, [line()])
    assert journal["status"] == "Validated"
    assert "error" not in journal


def test_a_file_that_cannot_be_read_changes_nothing(small: Small) -> None:
    id = small.journal()
    small.upload(id, [line()])
    before = (small.get("Journal", id), small.charges(id), small.all("JournalAttachment"))
    for upload, refusal in (
        (Upload("x.jsonl", "application/jsonl", b'{"a": 1}\n{broken'), Invalid),
        (Upload("x.pdf", "application/pdf", b"%PDF"), UnsupportedMedia),
        (Upload("x.jsonl", "application/jsonl", b""), Invalid),
    ):
        with pytest.raises(refusal):
            small.load("Journal", id, upload, VENDOR)
    assert (small.get("Journal", id), small.charges(id), small.all("JournalAttachment")) == before


# Charges


def test_a_charge_is_matched_priced_and_shown_whole(small: Small) -> None:
    id = small.journal()
    small.upload(
        id, [line(search={**line()["search"], "order": {"criteria": "order.id", "value": "ORD-1000-0000-0001"}})]
    )
    (charge,) = small.charges(id)
    assert charge["id"] == f"CHG-{id[4:]}-0000-0000-0100"
    named = {
        name: charge[name]["id"] for name in ("agreement", "subscription", "line", "order", "item", "buyer", "client")
    }
    assert named == {
        "agreement": "AGR-1000-0000-0001",
        "subscription": "SUB-1000-0000-0001",
        "line": "ALI-1000-0000-0000-0002",
        "order": "ORD-1000-0000-0001",
        "item": "ITM-1000-0000-0001",
        "buyer": "BUY-1000-0001",
        "client": "ACC-1000-0003",
    }
    price = charge["price"]
    assert [price[name] for name in ("unitPP", "PPx1", "unitSP", "SPx1", "unitBSP", "BSPx1")] == [
        10,
        100,
        *[12.5, 125] * 2,
    ]
    assert (price["markup"], price["margin"], price["markupSource"]) == (25, 20, "Agreement")
    assert price["currency"] == {"purchase": "EUR", "sale": "EUR", "rate": 1}
    assert (charge["segment"], charge["attributes"]["segment"]) == ("COM", "COM")
    assert charge["erpData"]["scu"] == "NL-SCU-100001"
    assert charge["erpData"]["erpItemId"] == "X1"
    assert (charge["billingType"], charge["statementType"], charge["upload"]) == (
        "Automated",
        "Debit",
        {"status": "Ready"},
    )


@pytest.mark.parametrize(
    ("search", "source_of_markup", "markup"),
    [
        (source("Subscription", "externalIds.vendor", LINED), "Line", 50),
        (source("Subscription", "subscription.externalIds.vendor", MARKED), "Subscription", 40),
        (source("Asset", "externalIds.vendor", "asset-1"), "Asset", 15),
        (source("Agreement", "agreement.id", "AGR-1000-0000-0002"), "Agreement", 10),
        (source("Agreement", "name", "Agreement 2"), "Agreement", 10),
        (source("Subscription", "id", "SUB-1000-0000-0001", "sku-2"), "Agreement", 25),
    ],
)
def test_the_markup_comes_from_the_nearest_place(
    small: Small, search: dict[str, Any], source_of_markup: str, markup: int
) -> None:
    id = small.journal()
    small.upload(id, [line(search=search)])
    price = small.charges(id)[0]["price"]
    assert (price["markupSource"], price["markup"]) == (source_of_markup, markup)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"search": source("Subscription", "externalIds.vendor", "nobody")}, "no subscription"),
        ({"search": source("Subscription", "externalIds.vendor", FOREIGN)}, "no subscription"),
        ({"search": source("Agreement", "id", "AGR-1000-0000-0008")}, "no agreement"),
        ({"search": source("Subscription", "externalIds.vendor", TWIN)}, "2 subscriptions with"),
        ({"search": source("Subscription", "nonsense", "x")}, "criteria are id, externalIds.vendor, "),
        ({"search": source("Subscription", "agreement.id", "x")}, "no subscription with agreement.id 'x'"),
        ({"segment": "GOVERNMENT"}, "segment: unknown market segment 'GOVERNMENT'; one of COM, GOV, EDU"),
        ({"search": source("Subscription", "externalIds.vendor", PLAIN, "Item Not Found")}, "no item"),
        ({"search": {**line()["search"], "order": {"criteria": "id", "value": "ORD-1000-0000-0002"}}}, "no order"),
        ({"period": {"start": "2026-02-28", "end": "2026-02-01"}}, "before the start"),
        ({"externalIds": {"vendor": "x"}}, "externalIds.invoice"),
    ],
)
def test_a_line_that_means_nothing_becomes_a_charge_in_error(small: Small, wrong: dict[str, Any], said: str) -> None:
    id = small.journal()
    small.upload(id, [line(**wrong)])
    (charge,) = small.charges(id)
    assert (charge["upload"]["status"], charge["processing"]["status"]) == ("Error", "Error")
    assert said in errors(charge)
    assert "SPx1" not in charge["price"]


def test_all_that_is_wrong_with_a_line_is_said_at_once(small: Small) -> None:
    id = small.journal()
    search = source("Subscription", "externalIds.vendor", "nobody", "Item Not Found")
    search["order"] = {"criteria": "id", "value": "nothing"}
    small.upload(id, [{**line(search=search, externalIds={"vendor": "x"}, segment="x"), "quantity": "many"}])
    said = errors(small.charges(id)[0])
    for fault in ("externalIds.invoice", "quantity", "segment", "no subscription", "no item", "no order"):
        assert fault in said


def test_half_a_search_does_not_hide_what_is_wrong_with_the_other(small: Small) -> None:
    id = small.journal()
    search = source("Subscription", "externalIds.vendor", "nobody", "SKU-1")
    small.upload(id, [line(search={"source": search["source"]})])
    said = errors(small.charges(id)[0])
    assert "search.item.value: is missing" in said
    assert "no subscription" in said


@pytest.mark.parametrize(
    "odd", [{"quantity": 0}, {"price": {"unitPP": 10, "PPx1": Decimal("8.33")}}, {"segment": "edu"}]
)
def test_what_is_odd_but_not_wrong_is_taken(small: Small, odd: dict[str, Any]) -> None:
    id = small.journal()
    small.upload(id, [{**line(), **odd}] * 2)
    assert {charge["upload"]["status"] for charge in small.charges(id)} == {"Ready"}


@pytest.mark.parametrize(
    ("subscription", "said"),
    [(EMPTY_SPLIT, "no split allocations were found"), (BARE, "no markup")],
)
def test_what_only_operations_can_mend_is_an_error_of_the_processing(
    small: Small, subscription: str, said: str
) -> None:
    id = small.journal()
    assert small.upload(id, [line(subscription)])["status"] == "Error"
    (charge,) = small.charges(id)
    assert charge["upload"] == {"status": "Ready"}
    assert said in errors(charge, "processing")


def test_a_split_charge_has_a_child_for_each_allocation_and_bills_nothing_itself(small: Small) -> None:
    id = small.journal()
    journal = small.upload(id, [line(SPLIT)])
    parent, *children = small.charges(id)
    assert [parent["upload"]["status"], parent["processing"]["status"]] == ["Split", "Split"]
    assert [child["id"][-4:] for child in children] == ["0101", "0102"]
    assert [child["buyer"]["id"] for child in children] == ["BUY-1000-0001", "BUY-1000-0004"]
    assert [child["split"]["percentage"] for child in children] == [70, 30]
    assert [child["price"]["SPx1"] for child in children] == [Decimal("87.5"), Decimal("37.5")]
    assert [child["price"]["BSPx1"] for child in children] == [Decimal("87.5"), Decimal("41.25")]
    assert {child["parent"]["id"] for child in children} == {parent["id"]}
    assert {child["quantity"] for child in children} == {parent["quantity"]}
    assert journal["price"]["totalPP"] == 100
    assert journal["upload"] == {"total": 3, "split": 1, "ready": 2, "error": 0}


@pytest.mark.parametrize(
    ("allocations", "said"),
    [
        ([("BUY-1000-0001", 50)], "add up to 50"),
        ([("BUY-1000-0004", 100)], "default buyer"),
        ([("BUY-1000-0001", 1)] * 100, "99 is the most"),
    ],
)
def test_a_split_that_does_not_work_is_an_error(small: Small, allocations: list[tuple[str, int]], said: str) -> None:
    parts = [{"buyer": {"id": buyer}, "percentage": Decimal(part)} for buyer, part in allocations]
    small.put("Subscription", "SUB-1000-0000-0004", split={"active": True, "allocations": parts})
    id = small.journal()
    small.upload(id, [line(SPLIT)])
    assert said in errors(small.charges(id)[0], "processing")


def test_a_pair_under_an_active_override_is_skipped_and_that_is_no_error(small: Small) -> None:
    small.make("ManualOverride", {"client": {"id": "ACC-1000-0005"}, "vendor": {"id": "ACC-1000-0001"}})
    id = small.journal()
    journal = small.upload(id, [line(BLOCKED), line()])
    assert journal["status"] == "Validated"
    assert small.statuses(id) == ["Skipped", "Ready"]
    assert (journal["processing"]["skipped"], journal["price"]["totalPP"]) == (1, 100)


def test_a_seller_abroad_bills_in_its_own_currency(small: Small) -> None:
    id = small.journal()
    small.upload(id, [line(DOLLAR)])
    price = small.charges(id)[0]["price"]
    assert price["currency"] == {"purchase": "EUR", "sale": "USD", "rate": Decimal("1.1")}
    assert (price["SPx1"], price["markup"]) == (Decimal(121), 10)
    # The buyer pays in EUR: back through the purchase currency.
    assert price["BSPx1"] == pytest.approx(Decimal(110))


def test_an_unknown_rate_is_an_error_of_the_processing(small: Small) -> None:
    small.put("Seller", "SEL-1000-0003", currencies=["CHF"])
    id = small.journal()
    small.upload(id, [line(DOLLAR)])
    assert "no exchange rate from EUR to CHF" in errors(small.charges(id)[0], "processing")


def test_money_back_is_a_credit(small: Small) -> None:
    id = small.journal()
    small.upload(id, [line(amount=-100), line(amount=0)])
    assert [charge["statementType"] for charge in small.charges(id)] == ["Credit", "Debit"]
    assert small.charges(id)[0]["price"]["SPx1"] == -125


def test_charges_share_their_snapshots(small: Small) -> None:
    id = small.journal()
    small.upload(id, [line(), line()])
    one, two = small.charges(id)
    assert all(one[name] is two[name] for name in ("agreement", "subscription", "item", "buyer", "journal", "vendor"))


def test_the_sellers_of_a_journal_are_those_of_its_charges(small: Small) -> None:
    id = small.journal()
    small.upload(id, [line("sub-german"), line(), line()])
    sellers = journal_sellers(small.work(), small.get("Journal", id))
    assert [seller["id"] for seller in sellers] == ["SEL-1000-0002", "SEL-1000-0001"]
    assert (sellers[0]["status"], sellers[0]["currencies"], sellers[0]["journal"]["id"]) == ("Active", ["EUR"], id)


# Reviewing


def test_an_enquired_journal_can_be_submitted_again_as_it_is(small: Small) -> None:
    id = small.reviewed(line())
    assert small.do("Journal", id, "enquire")["status"] == "Enquiring"
    assert small.do("Journal", id, "submit")["status"] == "Review"


def test_regenerating_builds_the_charges_from_the_stored_file_with_todays_catalog(small: Small) -> None:
    id = small.reviewed(line())
    small.do("Charge", small.charges(id)[0]["id"], "ignore", {"reason": "no"})
    small.do("Journal", id, "recalculate")
    small.put("Agreement", "AGR-1000-0000-0001", markup=Decimal(30))
    journal = small.do("Journal", id, "regenerate", settle=False)
    assert (journal["status"], journal["processing"]["total"], small.charges(id)) == ("Validating", 0, [])
    small.world.run()
    (charge,) = small.charges(id)
    assert (small.get("Journal", id)["status"], charge["price"]["SPx1"]) == ("Review", 130)
    assert "reconciliation" not in charge


def test_regenerating_from_generated_removes_ledgers_and_statements(small: Small) -> None:
    id = small.generated()
    small.do("Journal", id, "regenerate")
    assert small.get("Journal", id)["status"] == "Review"
    assert (small.all("Ledger"), small.all("Statement")) == ([], [])


def test_a_rebuilt_journal_is_under_review_whatever_its_charges_are(small: Small) -> None:
    id = small.reviewed(line())
    small.put("Subscription", "SUB-1000-0000-0001", externalIds={"vendor": "renamed"})
    journal = small.do("Journal", id, "regenerate")
    assert (journal["status"], small.statuses(id)) == ("Review", ["Error"])


def test_a_journal_without_a_billable_charge_cannot_be_accepted(small: Small) -> None:
    id = small.reviewed(line())
    small.do("Charge", small.charges(id)[0]["id"], "ignore")
    small.do("Journal", id, "recalculate")
    with pytest.raises(Conflict, match="billable"):
        small.do("Journal", id, "accept")


def test_a_deleted_journal_takes_its_charges_and_files_along(small: Small) -> None:
    id = small.journal()
    small.upload(id, [line()])
    small.do("Journal", id, "delete")
    assert [small.all(entity) for entity in ("Journal", "Charge", "JournalAttachment", "File", "Uploaded")] == [[]] * 5


def test_a_journal_is_completed_by_hand_only_when_its_ledgers_are(small: Small) -> None:
    id = small.accepted()
    with pytest.raises(Conflict, match="is Generated"):
        small.do("Journal", id, "complete")
    ledger = small.ledgers(id)[0]
    small.put("Ledger", ledger["id"], status="Completed")
    assert small.do("Journal", id, "complete")["status"] == "Completed"


def test_a_reset_frees_the_charges_and_removes_ledgers_and_statements(small: Small) -> None:
    id = small.accepted(line(), line("sub-german"))
    journal = small.do("Journal", id, "reset", settle=False)
    assert (journal["status"], len(small.ledgers(id))) == ("Resetting", 2)
    small.world.run()
    assert small.get("Journal", id)["status"] == "Review"
    assert (small.all("Ledger"), small.all("Statement")) == ([], [])
    assert not any("ledger" in charge or "statement" in charge for charge in small.charges(id))
    assert small.do("Journal", id, "accept")["status"] == "Generated"


def test_a_failed_generation_keeps_nothing_and_says_why(small: Small) -> None:
    id = small.reviewed(line(), line("sub-german"))
    work = small.work()
    work.remove("Seller", "SEL-1000-0002")
    work.commit()
    journal = small.do("Journal", id, "accept")
    assert (journal["status"], small.all("Ledger")) == ("Review", [])
    assert "SEL-1000-0002" in journal["error"]["message"]
    assert not any("ledger" in charge for charge in small.charges(id))


# Charges put right by hand


def test_a_match_moves_a_charge_to_its_target_and_a_recalculation_prices_it(small: Small) -> None:
    id = small.reviewed(line("nobody"), line())
    charge = small.charges(id)[0]["id"]
    small.do("Charge", charge, "match", {"subscription": {"id": "SUB-1000-0000-0012"}, "reason": "renamed"})
    matched = small.get("Charge", charge)
    assert (matched["processing"]["status"], matched["agreement"]["id"]) == ("Reconciling", "AGR-1000-0000-0002")
    assert (matched["reconciliation"]["type"], matched["reconciliation"]["reason"]) == ("Match", "renamed")
    assert (set(matched["audit"]), matched["revision"]) == ({"reconciled"}, 2)
    assert small.get("Journal", id)["status"] == "Reconciling"
    journal = small.do("Journal", id, "recalculate")
    done = small.get("Charge", charge)
    assert (journal["status"], done["upload"], done["processing"]) == (
        "Review",
        {"status": "Ready"},
        {"status": "Ready"},
    )
    assert (done["price"]["SPx1"], done["seller"]["id"]) == (110, "SEL-1000-0002")
    assert done["reconciliation"]["type"] == "Match"
    assert journal["price"]["totalSP"] == 235


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "subscription"),
        ({"subscription": {"id": "SUB-1000-0000-0001"}, "asset": {"id": "AST-1000-0000-0001"}}, "asset"),
        ({"subscription": {"id": "SUB-0000-0000-0000"}}, "subscription.id"),
        ({"subscription": {"id": "SUB-1000-0000-0007"}}, "subscription.id"),
        ({"subscription": {"id": "SUB-1000-0000-0004"}}, "subscription.id"),
        ({"subscription": {"id": "SUB-1000-0000-0006"}}, "subscription.id"),
        ({"agreement": {"id": "AGR-1000-0000-0008"}}, "agreement.id"),
        ({"asset": {"id": "AST-1000-0000-0001"}, "line": {"id": "ALI-1000-0000-0000-0001"}}, "line.id"),
    ],
)
def test_a_match_must_be_one_that_the_journal_could_have_meant(small: Small, body: dict[str, Any], place: str) -> None:
    id = small.reviewed(line())
    before = dict(small.get("Charge", small.charges(id)[0]["id"]))
    with pytest.raises(Invalid) as refused:
        small.do("Charge", before["id"], "match", body)
    assert place in refused.value.errors
    assert small.get("Charge", before["id"]) == before
    assert small.get("Journal", id)["status"] == "Review"


def test_a_match_may_name_the_line(small: Small) -> None:
    id = small.reviewed(line("nobody"))
    charge = small.charges(id)[0]["id"]
    body = {"subscription": {"id": "SUB-1000-0000-0002"}, "line": {"id": "ALI-1000-0000-0000-0001"}}
    small.do("Charge", charge, "match", body)
    small.do("Journal", id, "recalculate")
    done = small.get("Charge", charge)
    assert (done["line"]["id"], done["price"]["markup"]) == ("ALI-1000-0000-0000-0001", 50)


def test_an_ignored_charge_stays_out_through_a_recalculation(small: Small) -> None:
    id = small.reviewed(line(), line(amount=50))
    journal = small.do("Charge", small.charges(id)[0]["id"], "ignore", {"reason": "wrong"})
    assert journal["reconciliation"]["reason"] == "wrong"
    assert small.get("Journal", id)["price"]["totalPP"] == 50
    small.do("Journal", id, "recalculate")
    assert small.statuses(id) == ["Ignored", "Ready"]
    with pytest.raises(NoSuchTransition):
        small.do("Charge", small.charges(id)[0]["id"], "ignore")


def test_a_reset_brings_back_what_was_before_the_first_reconciliation(small: Small) -> None:
    id = small.reviewed(line())
    before = small.charges(id)[0]
    small.do("Charge", before["id"], "match", {"subscription": {"id": "SUB-1000-0000-0012"}})
    small.do("Charge", before["id"], "ignore")
    after = small.do("Charge", before["id"], "reset")
    assert (after["processing"]["status"], after["reconciliation"]) == ("Reconciling", {"type": "Reset"})
    assert {name: after[name] for name in ("agreement", "subscription", "price", "seller", "erpData")} == {
        name: before[name] for name in ("agreement", "subscription", "price", "seller", "erpData")
    }
    small.do("Journal", id, "recalculate")
    assert small.charges(id)[0]["processing"] == {"status": "Ready"}
    assert {"reconciled", "reset"} == set(after["audit"])


def test_only_what_was_reconciled_can_be_reset_and_only_once(small: Small) -> None:
    id = small.reviewed(line())
    charge = small.charges(id)[0]["id"]
    with pytest.raises(Conflict):
        small.do("Charge", charge, "reset")
    small.do("Charge", charge, "ignore")
    small.do("Charge", charge, "reset")
    with pytest.raises(Conflict, match="neither matched nor ignored"):
        small.do("Charge", charge, "reset")


@pytest.mark.parametrize(("event", "body"), [("match", {"agreement": {"id": "AGR-1000-0000-0001"}}), ("ignore", {})])
def test_charges_are_put_right_only_while_the_journal_is_under_review(
    small: Small, event: str, body: dict[str, Any]
) -> None:
    id = small.generated()
    with pytest.raises(Conflict, match="Generated"):
        small.do("Charge", small.charges(id)[0]["id"], event, body)


@pytest.mark.parametrize("event", ["match", "ignore"])
def test_a_split_charge_is_never_reconciled(small: Small, event: str) -> None:
    id = small.reviewed(line(SPLIT))
    with pytest.raises(NoSuchTransition):
        small.do("Charge", small.charges(id)[0]["id"], event, {"agreement": {"id": "AGR-1000-0000-0001"}})


def test_a_match_with_a_split_agreement_splits_the_charge(small: Small) -> None:
    id = small.reviewed(line("nobody"))
    small.do("Charge", small.charges(id)[0]["id"], "match", {"agreement": {"id": "AGR-1000-0000-0007"}})
    journal = small.do("Journal", id, "recalculate")
    assert small.statuses(id) == ["Split", "Ready", "Ready"]
    assert (journal["price"]["totalPP"], journal["processing"]["split"]) == (100, 1)


def test_a_matched_share_keeps_its_share_of_the_price(small: Small) -> None:
    id = small.reviewed(line(SPLIT))
    child = small.charges(id)[2]["id"]
    small.do("Charge", child, "match", {"subscription": {"id": "SUB-1000-0000-0012"}})
    journal = small.do("Journal", id, "recalculate")
    done = small.get("Charge", child)
    assert (done["price"]["PPx1"], done["price"]["SPx1"], done["split"]["percentage"]) == (30, 33, 30)
    assert journal["price"]["totalPP"] == 100


def test_a_recalculation_leaves_shares_as_they_are(small: Small) -> None:
    id = small.reviewed(line(SPLIT), line())
    before = small.charges(id)
    small.put("Subscription", "SUB-1000-0000-0004", split={"active": False, "allocations": []})
    small.do("Charge", before[-1]["id"], "ignore")
    small.do("Journal", id, "recalculate")
    assert small.charges(id)[:3] == before[:3]


def test_a_line_that_was_wrong_stays_wrong_through_a_recalculation(small: Small) -> None:
    broken = line()
    broken["description"] = "not an object"
    broken["externalIds"] = {"vendor": "row"}
    id = small.reviewed(line(), broken)
    before = small.charges(id)[1]
    assert before["processing"]["status"] == "Error"
    small.do("Charge", small.charges(id)[0]["id"], "ignore")
    small.do("Journal", id, "recalculate")
    assert small.charges(id)[1] == before


def test_a_recalculation_takes_up_what_changed_in_the_catalog(small: Small) -> None:
    id = small.reviewed(line(), line(BARE))
    small.put("Agreement", "AGR-1000-0000-0003", markup=Decimal(1))
    small.make("ManualOverride", {"client": {"id": "ACC-1000-0004"}, "vendor": {"id": "ACC-1000-0001"}})
    small.do("Charge", small.charges(id)[0]["id"], "ignore")
    small.do("Journal", id, "recalculate")
    assert small.statuses(id) == ["Ignored", "Ready"]
    assert small.charges(id)[1]["price"]["SPx1"] == 101


# Laws

kinds = st.sampled_from([PLAIN, LINED, MARKED, SPLIT, EMPTY_SPLIT, BARE, BLOCKED, "sub-german", DOLLAR, "nobody"])
totals = st.decimals(min_value=-(10**6), max_value=10**6, places=7, allow_nan=False)
lines = st.lists(st.builds(line, kinds, totals.map(str)), min_size=1, max_size=12)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(lines)
def test_a_journal_comes_to_the_sum_of_its_billable_charges(given: list[dict[str, Any]]) -> None:
    small = Small()
    journal = small.upload(small.journal(), given)
    charges = small.charges(journal["id"])
    ready = [charge for charge in charges if charge["processing"]["status"] == "Ready"]
    for total, one in (("totalPP", "PPx1"), ("totalSP", "SPx1"), ("totalBSP", "BSPx1")):
        exact = sum((charge["price"][one] for charge in ready), Decimal(0))
        assert abs(journal["price"][total] - exact) <= Decimal("0.00001")
    counts = journal["processing"]
    assert counts["total"] == len(charges) == sum(count for name, count in counts.items() if name != "total")
    assert journal["upload"]["total"] == sum(count for name, count in journal["upload"].items() if name != "total")


@few
@given(lines)
def test_shares_come_to_their_parent(given: list[dict[str, Any]]) -> None:
    small = Small()
    id = small.journal()
    small.upload(id, given)
    charges = small.charges(id)
    for parent in (charge for charge in charges if charge["processing"]["status"] == "Split"):
        shares = [charge for charge in charges if charge.get("parent", {}).get("id") == parent["id"]]
        for name in ("unitPP", "PPx1", "unitSP", "SPx1"):
            assert sum(share["price"][name] for share in shares) == parent["price"][name]


@few
@given(lines)
def test_recalculating_twice_is_recalculating_once(given: list[dict[str, Any]]) -> None:
    small = Small()
    id = small.reviewed(line(), *given)
    for charge in small.charges(id)[:1]:
        small.do("Charge", charge["id"], "match", {"subscription": {"id": "SUB-1000-0000-0012"}})
    small.do("Journal", id, "recalculate")
    once, charges = small.get("Journal", id), small.charges(id)
    work = small.work()
    WORKFLOWS.jobs["recalculateJournal"](work, {**once, "status": "Validating"})
    work.commit()
    assert small.charges(id) == charges
    assert small.get("Journal", id)["price"] == once["price"]


@few
@given(
    st.sampled_from(
        ["submit", "enquire", "regenerate", "accept", "complete", "recalculate", "reset", "delete", "upload"]
    )
)
def test_a_refused_event_changes_nothing(event: str) -> None:
    small = Small()
    id = small.generated(line(), line(SPLIT))
    if event in ("regenerate", "reset"):
        return
    before = {entity: small.all(entity) for entity in ("Journal", "Charge", "Ledger", "Statement", "Job", "Counter")}
    work = small.work(OPERATIONS)
    with pytest.raises(Conflict):
        work.fire("Journal", work.need("Journal", id), event)
    assert {entity: small.all(entity) for entity in before} == before
