"""Ledgers and statements, row by row of their state machines, and the cascade between them (billing d.3, d.5, d.10)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mockserver.domain.errors import Conflict, Invalid, NoSuchTransition, NotFound
from tests.billing_world import BLOCKED, DOLLAR, PLAIN, SPLIT, Small, line


@pytest.fixture
def small() -> Small:
    return Small()


def overridden(small: Small) -> str:
    """Client C and vendor one are billed by hand."""
    body = {"client": {"id": "ACC-1000-0005"}, "vendor": {"id": "ACC-1000-0001"}}
    return str(small.make("ManualOverride", body)["id"])


def shell(small: Small, buyer: str = "BUY-1000-0001", sale: str = "EUR") -> str:
    """An empty consolidated statement."""
    body = {
        "buyer": {"id": buyer},
        "seller": {"id": "SEL-1000-0001"},
        "vendor": {"id": "ACC-1000-0001"},
        "price": {"currency": {"purchase": "EUR", "sale": sale}},
    }
    return str(small.make("Statement", body)["id"])


def add(small: Small, parent: str, child: str) -> None:
    small.do("Statement", parent, "addChild", {"id": child})


# Ledgers


def test_accepting_a_journal_makes_a_ledger_for_each_seller(small: Small) -> None:
    id = small.reviewed(line(), line("sub-german", 200), line(SPLIT, 10), line("nobody"))
    assert small.do("Journal", id, "accept", settle=False)["status"] == "Generating"
    small.world.run()
    journal = small.get("Journal", id)
    assert journal["status"] == "Generated"
    ledgers = small.ledgers(id)
    assert [ledger["id"] for ledger in ledgers] == [f"BLE-{id[4:]}-1000-0001", f"BLE-{id[4:]}-1000-0002"]
    assert [ledger["status"] for ledger in ledgers] == ["Review", "Review"]
    assert [ledger["price"]["totalPP"] for ledger in ledgers] == [110, 200]
    # The shares of the split one, without the split one itself; what is in error is never billed.
    assert [ledger["processing"]["total"] for ledger in ledgers] == [3, 1]
    for total in ("totalPP", "totalSP", "totalBSP"):
        assert journal["price"][total] == sum(ledger["price"][total] for ledger in ledgers)
    assert [("ledger" in charge) for charge in small.charges(id)] == [True, True, False, True, True, False]


def test_a_seller_that_cannot_bill_makes_its_ledger_an_error_until_it_can(small: Small) -> None:
    small.put("Seller", "SEL-1000-0002", status="Disabled")
    id = small.generated(line("sub-german"))
    (ledger,) = small.ledgers(id)
    assert (ledger["status"], ledger["error"]["code"]) == ("Error", "BLE:0001")
    with pytest.raises(NoSuchTransition):
        small.do("Ledger", ledger["id"], "accept")
    assert small.do("Ledger", ledger["id"], "recalculate")["status"] == "Error"
    small.put("Seller", "SEL-1000-0002", status="Active")
    rating = small.do("Ledger", ledger["id"], "recalculate", settle=False)
    assert (rating["status"], "error" in rating) == ("Rating", False)
    small.world.run()
    rated = small.get("Ledger", ledger["id"])
    assert (rated["status"], "error" in rated) == ("Review", False)
    assert rated["price"] == ledger["price"]


def test_recalculating_a_ledger_changes_no_charge(small: Small) -> None:
    id = small.generated(line(), line(SPLIT))
    before = small.charges(id)
    small.put("Agreement", "AGR-1000-0000-0001", markup=Decimal(99))
    small.do("Ledger", small.ledgers(id)[0]["id"], "recalculate")
    assert small.charges(id) == before


def test_a_failed_generation_of_statements_brings_the_ledger_back(small: Small) -> None:
    id = small.generated()
    ledger = small.ledgers(id)[0]["id"]
    for charge in small.charges(id):
        work = small.work()
        work.remove("Charge", charge["id"])
        work.commit()
    failed = small.do("Ledger", ledger, "accept")
    assert (failed["status"], "no charges" in failed["error"]["message"]) == ("Review", True)


# Statements


def test_accepting_a_ledger_makes_a_statement_for_each_agreement_and_buyer(small: Small) -> None:
    id = small.generated(line(), line(amount=50), line(SPLIT))
    (ledger,) = small.ledgers(id)
    assert small.do("Ledger", ledger["id"], "accept", settle=False)["status"] == "Generating"
    small.world.run()
    mine, other = small.statements(id)
    assert [statement["buyer"]["id"] for statement in (mine, other)] == ["BUY-1000-0001", "BUY-1000-0004"]
    assert [statement["price"]["totalPP"] for statement in (mine, other)] == [220, 30]
    assert (mine["status"], mine["billingType"], mine["type"]) == ("Generated", "Automated", "Debit")
    assert mine["price"]["currency"] == {"purchase": "EUR", "sale": "EUR", "rate": 1}
    assert {mine[name]["id"] for name in ("agreement", "licensee", "product", "client", "vendor", "seller")} == {
        *("AGR-1000-0000-0001", "LCE-1000-0000-0001", "PRD-1000-0001"),
        *("ACC-1000-0003", "ACC-1000-0001", "SEL-1000-0001"),
    }
    assert len(small.charges(mine["id"])) == mine["processing"]["total"] == 3
    assert small.get("Journal", id)["status"] == "Accepted"


@pytest.mark.parametrize(
    ("amounts", "type", "total"),
    [((200, -150), "Debit", Decimal("62.5")), ((100, -150), "Credit", Decimal("-62.5")), ((50, -50), "Debit", 0)],
)
def test_a_statement_nets_its_charges_and_takes_its_type_from_the_sum(
    small: Small, amounts: tuple[int, ...], type: str, total: Decimal
) -> None:
    (statement,) = small.statements(small.accepted(*(line(amount=amount) for amount in amounts)))
    assert (statement["type"], statement["price"]["totalSP"]) == (type, total)


def test_a_journal_is_accepted_with_the_last_of_its_ledgers(small: Small) -> None:
    id = small.generated(line(), line("sub-german"))
    one, two = (ledger["id"] for ledger in small.ledgers(id))
    small.do("Ledger", one, "accept")
    assert small.get("Journal", id)["status"] == "Generated"
    small.do("Ledger", two, "accept")
    assert small.get("Journal", id)["status"] == "Accepted"


def test_an_override_that_comes_late_cancels_the_statement(small: Small) -> None:
    id = small.generated(line(BLOCKED), line())
    overridden(small)
    for ledger in small.ledgers(id):
        small.do("Ledger", ledger["id"], "accept")
    blocked, open_ = small.statements(id)
    assert (blocked["status"], open_["status"]) == ("Cancelled", "Generated")
    assert "error" not in blocked


def test_an_override_leaves_existing_statements_alone(small: Small) -> None:
    id = small.accepted(line(BLOCKED))
    overridden(small)
    small.do("Ledger", small.ledgers(id)[0]["id"], "queue")
    assert [statement["status"] for statement in small.statements(id)] == ["Queued"]


# The cascade


def test_queueing_ledgers_pushes_statements_and_journal(small: Small) -> None:
    id = small.generated(line(), line("sub-german"))
    one, two = (ledger["id"] for ledger in small.ledgers(id))
    small.do("Ledger", one, "accept")
    small.do("Ledger", one, "queue")
    # The other ledger is not even accepted: the journal skips Accepted.
    assert small.get("Journal", id)["status"] == "Queued"
    small.do("Ledger", two, "accept")
    small.do("Ledger", two, "queue")
    assert {statement["status"] for statement in small.statements(id)} == {"Queued"}


def test_the_last_final_statement_completes_ledger_and_journal(small: Small) -> None:
    id = small.queued(line(), line(SPLIT), line("sub-german"))
    one, two, three = (statement["id"] for statement in small.statements(id))
    small.issued(one)
    small.do("Statement", two, "cancel")
    assert [ledger["status"] for ledger in small.ledgers(id)] == ["Completed", "Queued"]
    assert small.get("Journal", id)["status"] == "Queued"
    small.issued(three)
    journal = small.get("Journal", id)
    assert (journal["status"], journal["audit"]["completed"]["by"]["name"]) == ("Completed", "System")


def test_a_ledger_of_cancelled_statements_is_complete_as_soon_as_it_is_queued(small: Small) -> None:
    id = small.accepted()
    small.do("Statement", small.statements(id)[0]["id"], "cancel")
    assert small.ledgers(id)[0]["status"] == "Generated"
    small.do("Ledger", small.ledgers(id)[0]["id"], "queue")
    assert (small.ledgers(id)[0]["status"], small.get("Journal", id)["status"]) == ("Completed", "Completed")


def test_a_pending_statement_has_a_sales_order_and_keeps_it(small: Small) -> None:
    id = small.statements(small.queued())[0]["id"]
    order = small.do("Statement", id, "pending")["externalIds"]["erpId"]
    assert order.startswith("NL-CO-")
    small.put("Statement", id, statusNotes={"message": "rejected"})
    small.do("Statement", id, "error")
    small.do("Statement", id, "retry")
    assert small.do("Statement", id, "pending")["externalIds"]["erpId"] == order


def test_an_error_must_say_why(small: Small) -> None:
    id = small.statements(small.queued())[0]["id"]
    with pytest.raises(Invalid) as refused:
        small.do("Statement", id, "error")
    assert "statusNotes.message" in refused.value.errors
    assert small.get("Statement", id)["status"] == "Queued"


def failed(small: Small, id: str) -> str:
    """A queued statement, brought into Error."""
    small.put("Statement", id, statusNotes={"message": "rejected"})
    small.do("Statement", id, "error")
    return id


@pytest.mark.parametrize("event", ["retry", "queue"])
def test_a_failed_statement_can_be_sent_again(small: Small, event: str) -> None:
    id = failed(small, small.statements(small.queued())[0]["id"])
    assert small.do("Statement", id, event)["status"] == "Queued"


def test_a_failed_statement_is_recalculated_into_the_queue(small: Small) -> None:
    id = failed(small, small.statements(small.queued())[0]["id"])
    price = small.get("Statement", id)["price"]
    assert small.do("Statement", id, "recalculate", settle=False)["status"] == "Generating"
    small.world.run()
    done = small.get("Statement", id)
    assert (done["status"], done["price"]) == ("Queued", price)


def test_a_recalculated_statement_whose_buyer_is_gone_is_in_error(small: Small) -> None:
    id = failed(small, small.statements(small.queued())[0]["id"])
    work = small.work()
    work.remove("Buyer", "BUY-1000-0001")
    work.commit()
    done = small.do("Statement", id, "recalculate")
    assert (done["status"], done["error"]["code"]) == ("Error", "SOM:0004")


def test_a_debit_that_comes_to_less_than_nothing_is_an_error(small: Small) -> None:
    statement = small.statements(small.queued(line(amount=-5)))[0]
    id = failed(small, statement["id"])
    small.put("Statement", id, type="Debit")
    done = small.do("Statement", id, "recalculate")
    assert (done["status"], done["error"]["code"]) == ("Error", "SOM:0001")
    small.put("Statement", id, type="Credit")
    done = small.do("Statement", id, "recalculate")
    assert (done["status"], "error" in done) == ("Queued", False)


# Consolidated ones


def test_a_shell_takes_its_client_from_its_buyer_and_starts_empty(small: Small) -> None:
    statement = small.get("Statement", shell(small))
    assert (statement["billingType"], statement["status"], statement["type"]) == ("Consolidated", "Generated", "Debit")
    assert statement["client"]["id"] == "ACC-1000-0003"
    assert statement["statistics"] == {"statements": 0, "products": 0, "agreements": 0, "licensees": 0}
    with pytest.raises(Conflict, match="no child"):
        small.do("Statement", statement["id"], "queue")


def test_children_join_leave_and_count(small: Small) -> None:
    one = small.statements(small.queued(line(amount=100)))[0]["id"]
    two = small.statements(small.queued(line(amount=-400)))[0]["id"]
    parent = shell(small)
    add(small, parent, one)
    add(small, parent, two)
    children = [small.get("Statement", id) for id in (one, two)]
    assert [(child["status"], child["parent"]["id"]) for child in children] == [("Consolidating", parent)] * 2
    whole = small.get("Statement", parent)
    assert (whole["price"]["totalSP"], whole["type"], whole["processing"]["total"]) == (-375, "Credit", 2)
    assert whole["statistics"] == {"statements": 2, "products": 1, "agreements": 1, "licensees": 1}
    small.do("Statement", parent, "removeChild", childId=two)
    left, whole = small.get("Statement", two), small.get("Statement", parent)
    assert (left["status"], "parent" in left) == ("Generated", False)
    assert (whole["price"]["totalSP"], whole["type"], whole["statistics"]["statements"]) == (125, "Debit", 1)


def test_only_a_queued_free_and_like_statement_can_join(small: Small) -> None:
    parent, other = shell(small), shell(small)
    joined, generated = small.queued(), small.accepted()
    foreign, dollar = small.queued(line("sub-german")), small.queued(line(DOLLAR))
    child = small.statements(joined)[0]["id"]
    add(small, other, child)
    for id, said in (
        (child, "belongs to"),
        (other, "consolidated itself"),
        (small.statements(generated)[0]["id"], "only a Queued"),
        (small.statements(foreign)[0]["id"], "buyer, seller"),
        (small.statements(dollar)[0]["id"], "sale currency"),
    ):
        with pytest.raises(Conflict, match=said):
            add(small, parent, id)
    with pytest.raises(Invalid):
        add(small, parent, "SOM-0000-0000-0000-0000")
    with pytest.raises(NotFound):
        small.do("Statement", parent, "removeChild", childId=child)


def test_children_are_consolidated_with_their_parent_and_final_with_it(small: Small) -> None:
    journal = small.queued()
    child, parent = small.statements(journal)[0]["id"], shell(small)
    add(small, parent, child)
    small.do("Statement", parent, "queue")
    assert small.get("Statement", child)["status"] == "Consolidated"
    assert small.ledgers(journal)[0]["status"] == "Queued"
    small.issued(parent)
    assert small.get("Statement", child)["status"] == "Consolidated"
    assert (small.ledgers(journal)[0]["status"], small.get("Journal", journal)["status"]) == ("Completed", "Completed")


@pytest.mark.parametrize("is_queued", [False, True])
def test_a_cancelled_parent_sets_its_children_free(small: Small, is_queued: bool) -> None:
    child, parent = small.statements(small.queued())[0]["id"], shell(small)
    add(small, parent, child)
    if is_queued:
        small.do("Statement", parent, "queue")
    small.do("Statement", parent, "cancel")
    free = small.get("Statement", child)
    assert (free["status"], "parent" in free) == ("Queued", False)


def test_a_failed_parent_stays_failed_when_recalculated(small: Small) -> None:
    child, parent = small.statements(small.queued())[0]["id"], shell(small)
    add(small, parent, child)
    small.do("Statement", parent, "queue")
    failed(small, parent)
    before = small.get("Statement", parent)
    assert small.do("Statement", parent, "recalculate") is before


def test_a_reset_journal_leaves_no_trace_in_consolidated_statements(small: Small) -> None:
    journal = small.accepted()
    child, parent = small.statements(journal)[0]["id"], shell(small)
    small.do("Statement", child, "queue")
    add(small, parent, child)
    small.do("Journal", journal, "reset")
    assert small.get("Statement", parent)["price"]["totalSP"] == 0
    assert small.get("Statement", parent)["statistics"]["statements"] == 0


def test_a_statement_comes_to_the_sum_of_its_charges(small: Small) -> None:
    id = small.accepted(*(line(PLAIN, f"{n}.1234567") for n in range(1, 20)), line(SPLIT, "0.0000033"))
    for statement in small.statements(id):
        for total, one in (("totalPP", "PPx1"), ("totalSP", "SPx1"), ("totalBSP", "BSPx1")):
            exact = sum(charge["price"][one] for charge in small.charges(statement["id"]))
            assert abs(statement["price"][total] - exact) <= Decimal("0.000005")
