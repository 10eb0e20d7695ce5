"""Every event in every state by every role, over HTTP, and the way of a journal from draft to completed (billing d)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mockserver import MockServer
from mockserver.apis.billing.charge_files import write_jsonl
from mockserver.domain.errors import NoSuchTransition
from mockserver.domain.machine import state_of, transition
from mockserver.store import Record
from mockserver.work import key_of
from mockserver.world import Processing
from specs.tables import Api, Operation, load
from tests.driver import BASE, Answer, Client
from tests.fingerprint import fingerprint
from tests.valid import FORM, Part, Request, Valid, form, status

As = Callable[[str], Client]
API: Api = load("billing")

# The ways between states as billing d.1 to d.8 state them, written down here once more: `from > event > to`. Events
# that no operation causes are in brackets; they come of background work, or of what happens to other objects.
WAYS = {
    "Journal": """
        Draft Validated Error Enquiring > upload > Validating
        Validating > (validated) > Validated
        Validating > (rejected) > Error
        Validated Enquiring > submit > Review
        Review > enquire > Enquiring
        Review Generated > regenerate > Validating
        Validating > (reviewed) > Review
        Review > accept > Generating
        Generating > (generated) > Generated
        Generating > (generationFailed) > Review
        Generated > (accepted) > Accepted
        Generated Accepted > (queued) > Queued
        Queued > (completed) > Completed
        Accepted Queued > complete > Completed
        Draft Validated Error Enquiring > delete > Deleted
        Review Reconciling > (reconcile) > Reconciling
        Reconciling > recalculate > Validating
        Generated Accepted > reset > Resetting
        Resetting > (wasReset) > Review
    """,
    "Charge": """
        Ready > (failed) > Error
        Ready > (split) > Split
        Ready > (skipped) > Skipped
        Ready Error Reconciling > match > Reconciling
        Ready Error Reconciling > ignore > Ignored
        Ignored Reconciling Ready Error > reset > Reconciling
        Reconciling > (recalculated) > Ready
    """,
    "Ledger": """
        Review > (failed) > Error
        Review Error > recalculate > Rating
        Rating > (rated) > Review
        Rating > (ratingFailed) > Error
        Review > accept > Generating
        Generating > (generated) > Generated
        Generating > (generationFailed) > Review
        Generated > queue > Queued
        Queued > (completed) > Completed
    """,
    "CustomLedger": """
        Draft Validated Error > upload > Validating
        Validating > (validated) > Validated
        Validating > (rejected) > Error
        Validated > accept > Generating
        Generating > (generated) > Generated
        Generating > (generationFailed) > Validated
        Generated > queue > Queued
        Queued > (completed) > Completed
        Draft Validated Error > delete > Deleted
    """,
    "Statement": """
        Generated > (blocked) > Cancelled
        Generated Error > queue > Queued
        Queued > pending > Pending
        Pending > issue > Issued
        Queued Pending > error > Error
        Error > retry > Queued
        Error > recalculate > Generating
        Error > recalculate > Queued
        Error > recalculate > Error
        Generating > (recalculated) > Queued
        Generating > (recalculationFailed) > Error
        Generated Queued Pending Error > cancel > Cancelled
        Generated > addChild > Generated
        Generated > removeChild > Generated
        Queued > (join) > Consolidating
        Consolidating > (leave) > Generated
        Consolidating > (consolidate) > Consolidated
        Consolidating Consolidated > (release) > Queued
    """,
    "Invoice": """
        Issued Paid Overdue > (issued) > Issued
        Issued Paid Overdue > (paid) > Paid
        Issued Paid Overdue > (overdue) > Overdue
    """,
    "CreditMemo": "",
    "ManualOverride": """
        Active > disable > Disabled
        Disabled > enable > Active
    """,
}
# Where the billing type decides (S8, S10, S11, S13).
TYPED = {
    ("Error", "recalculate", "Generating"): "Automated",
    ("Error", "recalculate", "Queued"): "Manual",
    ("Error", "recalculate", "Error"): "Consolidated",
    ("Generated", "addChild", "Generated"): "Consolidated",
    ("Generated", "removeChild", "Generated"): "Consolidated",
}
FINAL = {
    "Journal": {"Completed", "Deleted"},
    "Charge": {"Split", "Skipped"},
    "Ledger": {"Completed"},
    "CustomLedger": {"Completed", "Deleted"},
    "Statement": {"Issued", "Cancelled"},
    "Invoice": set(),
    "CreditMemo": {"Issued"},
    "ManualOverride": set(),
}


def ways(entity: str) -> Iterator[tuple[str, str, str]]:
    """(from, event, to) as written above; brackets stay."""
    for line in WAYS[entity].strip().splitlines():
        starts, event, end = (part.strip() for part in line.split(">"))
        for start in starts.split():
            yield start, event, end


@pytest.mark.parametrize("entity", WAYS)
def test_the_table_of_a_machine_has_these_ways_and_no_others(entity: str) -> None:
    machine = API.machines[entity]
    found = [
        (start, f"({row.event})" if row.system else row.event, row.end) for row in machine.rows for start in row.starts
    ]
    assert sorted(found) == sorted(ways(entity))
    assert set(machine.final) == FINAL[entity]
    typed = {(row.starts[0], row.event, row.end): row.when["billingType"] for row in machine.rows if row.when}
    assert typed == (TYPED if entity == "Statement" else {})


@pytest.mark.parametrize("entity", WAYS)
def test_an_event_without_a_way_from_a_state_is_refused_there(entity: str) -> None:
    machine = API.machines[entity]
    there = {(start, event.strip("()")) for start, event, _ in ways(entity)}
    for state in machine.states:
        record: dict[str, Any] = {"billingType": "Consolidated"}
        where = record
        *above, last = machine.field.split(".")
        for name in above:
            where = where.setdefault(name, {})
        where[last] = state
        for event in {row.event for row in machine.rows}:
            if (state, event) in there:
                transition(machine, record, event)
            else:
                with pytest.raises(NoSuchTransition, match=f"cannot {event} when {state}"):
                    transition(machine, record, event)


# Every event in every state by every role

EVENTS = {(operation.entity, operation.event): operation for operation in API.operations.values() if operation.event}
TRIPLES = [
    (entity, state, event)
    for entity, machine in API.machines.items()
    for state in machine.states
    for named, event in EVENTS
    if named == entity and event is not None
]
KINDS = ("Automated", "Manual", "Consolidated")


def caller_for(app: MockServer, entity: str, record: Record, role: str) -> str:
    """Who of the cast has a role; for a vendor, the one whose object it is."""
    if role != "vendor" or entity != "Journal":
        return role
    account = record["vendor"]["id"]
    return next(caller.name for caller in app.callers.values() if (caller.account, caller.role) == (account, "vendor"))


def found_in(app: MockServer, entity: str, state: str, event: str) -> list[str]:
    """Ids of objects in a state: as the default world has them, and of statements every billing type."""
    machine = API.machines[entity]
    valid = Valid(app, "operations")
    if state == "Deleted":
        return [deleted(app, entity)]
    accounts = {caller.account for caller in app.callers.values() if caller.role == "vendor"}
    there = [
        record
        for record in valid.own(entity)
        if state_of(machine, record) == state and (entity != "Journal" or record["vendor"]["id"] in accounts)
    ]
    assert there, f"the default world has no {entity} in {state}"
    if entity == "Charge":
        # Charges are put right by hand while their journal is under review, and no later.
        journals = {"BJO-1000-0005", "BJO-1000-0007"}
        there = [each for each in there if each.get("journal", {}).get("id") in journals and "parent" not in each]
        if event == "reset" and state in ("Reconciling", "Ready", "Error"):
            return [matched(app, there[0], then=state)]
        return [there[0]["id"]]
    if entity != "Statement":
        return [there[0]["id"]]
    return [of_kind(valid, kind, state) for kind in KINDS]


def deleted(app: MockServer, entity: str) -> str:
    """An object that was deleted."""
    collection, caller = {"Journal": ("journals", "vendor"), "CustomLedger": ("custom-ledgers", "operations")}[entity]
    id = str(Valid(app, caller).one(entity, status("Draft"))["id"])
    assert Client(app, app.token(caller)).delete(f"/{collection}/{id}").status == 204
    return id


def matched(app: MockServer, charge: Record, *, then: str) -> str:
    """A charge that was matched, and is in a state since: Reconciling, or what a recalculation made of it."""
    operations, journal = Client(app, app.token("operations")), charge["journal"]["id"]
    params = {"journalId": journal, "id": charge["id"]}
    request = Valid(app, "operations").operation(API.operations["matchJournalCharge"], params)
    assert request.send(operations).status == 200
    if then != "Reconciling":
        item = app.world.layer.get("Item", charge["item"]["id"]) if then == "Error" and "item" in charge else None
        if then == "Error":
            assert item is not None
            app.world.layer.remove("Item", item["id"])
        assert operations.post(f"/journals/{journal}/recalculate").status == 200
        found = operations.get(f"/journals/{journal}/charges/{charge['id']}").json
        assert found["processing"]["status"] == then
        if item is not None:
            app.world.layer.put("Item", item)
    return str(charge["id"])


def of_kind(valid: Valid, kind: str, state: str) -> str:
    """A statement of a billing type in a state, put into it where there is none; a consolidated one has a child."""
    parents = {each["parent"]["id"] for each in valid.work.all("Statement") if "parent" in each}
    there = [each for each in valid.own("Statement") if each["billingType"] == kind]
    if kind == "Consolidated":
        there = [each for each in there if each["id"] in parents]
    for each in there:
        if each["status"] == state:
            return str(each["id"])
    first = {name: value for name, value in there[0].items() if name != "parent"}
    valid.work.put("Statement", {**first, "status": state})
    valid.work.commit()
    valid.work = valid.app.world.work()
    return str(first["id"])


def end_of(entity: str, state: str, event: str, record: Record) -> str | None:
    """Where an event leads, as written above; None if nowhere."""
    for way in ways(entity):
        start, named, end = way
        if (start, named) == (state, event) and TYPED.get(way, record.get("billingType")) == record.get("billingType"):
            return end
    return None


def request_for(app: MockServer, operation: Operation, id: str) -> Request:
    """A valid request on that object."""
    valid = Valid(app, "operations")
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    if operation.entity == "Charge":
        params = {"journalId": valid.work.need("Charge", id)["journal"]["id"], "id": id}
    elif len(names) > 1:
        child = next(valid.work.where("Statement", "parent.id", id), {"id": "SOM-0000-0000-0000-0000"})
        params = {"id": id, names[1]: child["id"]}
    else:
        params = {"id": id}
    if valid.work.get(operation.entity, id) is None:
        path = operation.path.removeprefix(BASE).replace("{id}", id)
        return Request(operation.method, path, headers={"content-type": FORM})
    return valid.operation(operation, params)


@pytest.mark.parametrize(("entity", "state", "event"), TRIPLES)
def test_an_event_leads_where_it_is_declared_to_and_is_refused_elsewhere(
    app: MockServer, as_: As, entity: str, state: str, event: str
) -> None:
    operation = EVENTS[entity, event]
    for place in range(len(KINDS) if entity == "Statement" else 1):
        app.reset()
        id = found_in(app, entity, state, event)[place]
        request = request_for(app, operation, id)
        record = app.world.layer.get(entity, id) or {}
        # Statements that were put into their state, and charges, are in it in the layer only.
        before = fingerprint(app.world)
        for role in API.roles:
            if role not in operation.roles:
                assert request.send(as_(role)).status == 403
        assert fingerprint(app.world) == before
        (role,) = operation.roles
        caller = caller_for(app, entity, record, role) if record else role
        answer = request.send(as_(caller))
        end = end_of(entity, state, event, record)
        if end is None:
            assert answer.status == (404 if state == "Deleted" else 409), answer
            assert state == "Deleted" or f"when {state}" in answer.json["detail"]
            assert fingerprint(app.world) == before
        else:
            arrived(app, entity, record, end, answer, app.callers[caller].user)


def arrived(app: MockServer, entity: str, old: Record, end: str, answer: Answer, author: Mapping[str, str]) -> None:
    """The object is in its new state, one revision on, and `audit` tells who brought it there."""
    now = app.world.layer.get(entity, old["id"])
    if end == "Deleted":
        assert (answer.status, answer.content, now) == (204, b"", None)
        return
    assert answer.status == 200, answer
    assert now is not None
    machine = API.machines[entity]
    assert state_of(machine, now) == end
    if (entity, state_of(machine, old), end) == ("Statement", "Error", "Error"):
        assert now == old  # S11: 200, no change
        return
    assert now["revision"] == old.get("revision", 0) + 1
    by_hand = "reset" if now.get("reconciliation", {}).get("type") == "Reset" else "reconciled"
    for key in {"updated", key_of(end)} if machine.audit else {by_hand}:
        assert now["audit"][key]["by"] == author
        assert now["audit"][key]["at"] > old.get("audit", {}).get(key, {"at": ""})["at"]
    shown = answer.json
    if machine.field == "status":
        assert (shown["status"], shown["revision"]) == (end, now["revision"])
    else:
        assert shown["processing"]["status"] == end


# The tables of allowed operations by state (d.1, d.3, d.4, d.5)

JOURNAL = {
    "Draft": "upload delete",
    "Validating": "",
    "Validated": "upload submit delete",
    "Error": "upload delete",
    "Review": "enquire regenerate accept",
    "Enquiring": "upload submit delete",
    "Generating": "",
    "Resetting": "",
    "Reconciling": "",
    "Generated": "regenerate",
    "Accepted": "complete",
    "Queued": "complete",
    "Completed": "",
}
LEDGER = {
    "Review": "accept recalculate",
    "Error": "recalculate",
    **dict.fromkeys(("Rating", "Generating", "Generated", "Queued", "Completed"), ""),
}
CUSTOM_LEDGER = {
    "Draft": "upload delete",
    "Validated": "upload accept delete",
    "Error": "upload delete",
    **dict.fromkeys(("Validating", "Generating", "Generated", "Queued", "Completed"), ""),
}
STATEMENT = {
    "Generated": "cancel",
    "Queued": "cancel",
    "Pending": "cancel",
    "Error": "retry recalculate cancel",
    **dict.fromkeys(("Generating", "Issued", "Cancelled", "Consolidating", "Consolidated"), ""),
}
BY_STATE = {
    "Journal": (JOURNAL, "upload submit delete enquire regenerate accept complete"),
    "Ledger": (LEDGER, "accept recalculate"),
    "CustomLedger": (CUSTOM_LEDGER, "upload accept delete"),
    "Statement": (STATEMENT, "retry recalculate cancel"),
}
TABLE = [(entity, state) for entity, (rows, _) in BY_STATE.items() for state in rows]


@pytest.mark.parametrize(("entity", "state"), TABLE)
def test_a_state_allows_the_operations_of_its_row(app: MockServer, as_: As, entity: str, state: str) -> None:
    rows, events = BY_STATE[entity]
    for event in events.split():
        app.reset()
        operation = EVENTS[entity, event]
        id = found_in(app, entity, state, event)[0]
        record = app.world.layer.get(entity, id)
        assert record is not None
        (role,) = operation.roles
        answer = request_for(app, operation, id).send(as_(caller_for(app, entity, record, role)))
        allowed = event in rows[state].split()
        assert (answer.status < 300) == allowed, (event, answer)
        assert allowed or answer.status == 409


@pytest.mark.parametrize("state", JOURNAL)
def test_a_journal_is_updated_and_has_files_in_every_state(app: MockServer, as_: As, state: str) -> None:
    id = found_in(app, "Journal", state, "")[0]
    record = app.world.layer.get("Journal", id)
    assert record is not None
    vendor = as_(caller_for(app, "Journal", record, "vendor"))
    for client in (vendor, as_("operations")):
        answer = client.put(f"/journals/{id}", {"notes": f"by {client.token}", "status": "Completed"})
        assert (answer.status, answer.json["notes"], answer.json["status"]) == (200, f"by {client.token}", state)
    made = vendor.upload(f"/journals/{id}/attachments", b"x", "x.txt", "text/plain")
    assert made.status == 201
    assert vendor.delete(f"/journals/{id}/attachments/{made.json['id']}").status == 204


@pytest.mark.parametrize(("entity", "state"), [each for each in TABLE if each[0] in ("Ledger", "CustomLedger")])
def test_ledgers_are_updated_in_every_state(app: MockServer, operations: Client, entity: str, state: str) -> None:
    path = {"Ledger": "/ledgers", "CustomLedger": "/custom-ledgers"}[entity]
    id = found_in(app, entity, state, "")[0]
    answer = operations.put(f"{path}/{id}", {"assignee": {"id": "USR-1000-0001"}, "status": "Completed"})
    assert (answer.status, answer.json["assignee"]["id"], answer.json["status"]) == (200, "USR-1000-0001", state)


@pytest.mark.parametrize("entity", ["Journal", "CustomLedger"])
def test_what_was_deleted_is_nowhere(app: MockServer, as_: As, entity: str) -> None:
    id = deleted(app, entity)
    path = {"Journal": "/journals", "CustomLedger": "/custom-ledgers"}[entity]
    for caller in ("operations", "vendor") if entity == "Journal" else ("operations",):
        client = as_(caller)
        for tail in ("", "/charges", "/attachments"):
            assert client.get(f"{path}/{id}{tail}").status == 404
        assert client.put(f"{path}/{id}", {}).status == 404
        assert client.get(f"{path}?id={id}").json["$meta"]["pagination"]["total"] == 0
        assert client.get(f"{path}?eq(status,Deleted)").json["data"] == []


# Guards


def refused(app: MockServer, answer: Answer, status: int, before: str) -> Any:
    """The problem of a refusal that changed nothing."""
    assert answer.status == status, answer
    assert fingerprint(app.world) == before
    return answer.json


@pytest.mark.parametrize("state", ["Accepted", "Queued"])
def test_a_journal_is_not_complete_before_its_ledgers_are(app: MockServer, operations: Client, state: str) -> None:
    ledgers = app.world.work().all("Ledger")
    waiting = {each["journal"]["id"] for each in ledgers if each["status"] != "Completed"}
    id = Valid(app, "operations").one("Journal", lambda one: one["status"] == state and one["id"] in waiting)["id"]
    before = fingerprint(app.world)
    problem = refused(app, operations.post(f"/journals/{id}/complete"), 409, before)
    assert "not Completed" in problem["detail"]


def test_a_journal_without_a_billable_charge_is_not_accepted(app: MockServer, operations: Client) -> None:
    charges = operations.get("/journals/BJO-1000-0005/charges?in(processing.status,(Ready,Error))&limit=100").json[
        "data"
    ]
    for charge in charges:
        assert operations.post(f"/journals/BJO-1000-0005/charges/{charge['id']}/ignore").status == 200
    assert operations.post("/journals/BJO-1000-0005/recalculate").json["status"] == "Validating"
    assert operations.get("/journals/BJO-1000-0005").json["status"] == "Review"
    before = fingerprint(app.world)
    refused(app, operations.post("/journals/BJO-1000-0005/accept"), 409, before)


def test_a_statement_goes_wrong_only_with_a_word_why(app: MockServer, operations: Client) -> None:
    id = Valid(app, "operations").one("Statement", status("Queued"))["id"]
    before = fingerprint(app.world)
    bodies: tuple[Any, ...] = (None, {}, {"statusNotes": {"message": " "}}, {"statusNotes": {}})
    for body in bodies:
        answer = operations.post(f"/statements/{id}/error", body)
        refused(app, answer, 400, before)
    assert operations.post(f"/statements/{id}/error", {"statusNotes": {"message": "No."}}).json["status"] == "Error"


def test_a_consolidated_statement_without_a_child_is_not_queued(app: MockServer, operations: Client) -> None:
    made = Valid(app, "operations").capability("createConsolidatedStatement").send(operations).json
    assert (made["status"], made["billingType"]) == ("Generated", "Consolidated")
    before = fingerprint(app.world)
    refused(app, operations.post(f"/statements/{made['id']}/queue"), 409, before)


def test_children_are_consolidated_and_freed_with_their_parent(app: MockServer, operations: Client) -> None:
    child = Valid(app, "operations").one("Statement", status("Queued"))["id"]
    parent = Valid(app, "operations").capability("createConsolidatedStatement").send(operations).json["id"]
    joined = operations.post(f"/statements/{parent}/children", {"id": child})
    assert (joined.json["status"], joined.json["statistics"]["statements"]) == ("Generated", 1)

    def child_is() -> tuple[str, str | None]:
        found = operations.get(f"/statements/{child}").json
        return found["status"], found.get("parent", {}).get("id")

    assert child_is() == ("Consolidating", parent)
    removed = operations.delete(f"/statements/{parent}/children/{child}")
    assert removed.status in (200, 204)
    assert child_is() == ("Generated", None)
    assert operations.post(f"/statements/{child}/queue").status == 200
    assert operations.post(f"/statements/{parent}/children", {"id": child}).status == 200
    assert operations.post(f"/statements/{parent}/queue").json["status"] == "Queued"
    assert child_is() == ("Consolidated", parent)
    assert operations.post(f"/statements/{parent}/cancel").json["status"] == "Cancelled"
    assert child_is() == ("Queued", None)


def test_a_child_that_is_not_free_or_not_alike_does_not_join(app: MockServer, operations: Client) -> None:
    valid = Valid(app, "operations")
    child = valid.one("Statement", status("Queued"))
    parent = valid.capability("createConsolidatedStatement").send(operations).json["id"]
    unlike = valid.one(
        "Statement", lambda one: one["status"] == "Queued" and one["buyer"]["id"] != child["buyer"]["id"]
    )
    generated = valid.one("Statement", status("Generated"))
    taken = valid.one("Statement", status("Consolidating"))
    before = fingerprint(app.world)
    for id in (unlike["id"], generated["id"], taken["id"], parent):
        refused(app, operations.post(f"/statements/{parent}/children", {"id": id}), 409, before)
    refused(app, operations.post(f"/statements/{parent}/children", {"id": "SOM-0000-0000-0000-0000"}), 400, before)
    refused(app, operations.post(f"/statements/{parent}/children", {}), 400, before)
    refused(app, operations.delete(f"/statements/{parent}/children/{child['id']}"), 404, before)


def test_a_pair_has_one_active_override(app: MockServer, operations: Client) -> None:
    body = {"client": {"id": "ACC-1000-0005"}, "vendor": {"id": "ACC-1000-0002"}}
    assert operations.post("/manual-overrides", body).status == 201  # BOV-1000-0003 is disabled
    before = fingerprint(app.world)
    refused(app, operations.post("/manual-overrides", body), 400, before)
    refused(app, operations.post("/manual-overrides/BOV-1000-0003/enable"), 409, before)
    swapped = {"client": body["vendor"], "vendor": body["client"]}
    refused(app, operations.post("/manual-overrides", swapped), 400, before)


def test_a_charge_is_matched_with_one_fit_target(app: MockServer, operations: Client) -> None:
    path = "/journals/BJO-1000-0005/charges/CHG-1000-0005-0000-0000-0200/match"
    valid = Valid(app, "operations")
    subscriptions = list(valid.work.all("Subscription"))
    agreements = {each["id"]: each for each in valid.work.all("Agreement")}
    journal = valid.work.need("Journal", "BJO-1000-0005")
    own = valid.subscription(journal)
    elsewhere = next(each for each in subscriptions if each["authorization"]["id"] != journal["authorization"]["id"])
    before = fingerprint(app.world)
    for body in (
        None,
        {},
        {"subscription": {"id": own["id"]}, "agreement": {"id": own["agreement"]["id"]}},
        {"subscription": {"id": "SUB-0000-0000-0000"}},
        {"subscription": {"id": elsewhere["id"]}},
        {"agreement": {"id": next(id for id, each in agreements.items() if each["vendor"]["id"] != "ACC-1000-0002")}},
        {"subscription": {"id": own["id"]}, "line": {"id": "ALI-0000-0000-0000-0000"}},
    ):
        refused(app, operations.post(path, body), 400, before)
    answer = operations.post(path, {"subscription": {"id": own["id"]}})
    assert (answer.status, answer.json["reconciliation"]["type"]) == (200, "Match")
    assert operations.get("/journals/BJO-1000-0005").json["status"] == "Reconciling"


def test_a_charge_is_put_right_only_while_its_journal_is_under_review(app: MockServer, operations: Client) -> None:
    for journal in one_in_each_state(app):
        charge = next(
            (
                each["id"]
                for each in app.world.work().where("Charge", "journal.id", journal["id"])
                if each["processing"]["status"] == "Ready"
            ),
            None,
        )
        if charge is None:
            continue
        before = fingerprint(app.world)
        answer = operations.post(f"/journals/{journal['id']}/charges/{charge}/ignore")
        if journal["status"] in ("Review", "Reconciling"):
            assert answer.status == 200
        else:
            refused(app, answer, 409, before)


def one_in_each_state(app: MockServer) -> list[Record]:
    return list({each["status"]: each for each in app.world.work().all("Journal")}.values())


def test_an_action_takes_an_update_first_and_a_refused_one_takes_nothing(app: MockServer, vendor: Client) -> None:
    answer = vendor.post("/journals/BJO-1000-0003/submit", {"notes": "Please.", "name": "Other"})
    assert (answer.json["status"], answer.json["notes"], answer.json["name"]) == ("Review", "Please.", "Other")
    before = fingerprint(app.world)
    refused(app, vendor.post("/journals/BJO-1000-0003/submit", {"notes": "Again."}), 409, before)


# The whole way (d.10)


class Walk:
    """One journal on its way, and what is read of it at each step."""

    def __init__(self, app: MockServer, as_: As) -> None:
        self.app, self.vendor, self.operations = app, as_("vendor"), as_("operations")
        made = self.vendor.post("/journals", {"name": "1 March 2026", "authorization": {"id": "AUT-1000-0001"}})
        assert made.status == 201
        self.id = made.json["id"]

    def journal(self) -> str:
        return str(self.operations.get(f"/journals/{self.id}").json["status"])

    def ledgers(self) -> list[Any]:
        found: list[Any] = self.operations.get(f"/ledgers?journal.id={self.id}").json["data"]
        return found

    def statements(self, ledger: str | None = None) -> list[Any]:
        ids = [ledger] if ledger else [each["id"] for each in self.ledgers()]
        found = [self.operations.get(f"/statements?ledger.id={id}").json["data"] for id in ids]
        return [each for some in found for each in some]

    def states(self) -> tuple[str, list[str], list[str]]:
        ledgers, statements = (sorted(each["status"] for each in some) for some in (self.ledgers(), self.statements()))
        return self.journal(), ledgers, statements

    def upload(self) -> Answer:
        """Four charges that two sellers bill."""
        valid = Valid(self.app, "vendor")
        journal = valid.work.need("Journal", self.id)
        agreements = {each["id"]: each for each in valid.work.all("Agreement")}
        by_seller: dict[str, str] = {}
        for each in valid.subscriptions(journal):
            by_seller.setdefault(agreements[each["agreement"]["id"]]["seller"]["id"], each["id"])
        first, second, *_ = by_seller.values()
        lines = valid.lines(journal, 4)
        for line, subscription in zip(lines, (first, second, first, second), strict=True):
            line["search"]["source"]["value"] = subscription
        return self.vendor.upload(f"/journals/{self.id}/upload", write_jsonl(lines))


@pytest.fixture
def processing(app: MockServer) -> Iterator[Callable[[str], None]]:
    """Has the world's background work done in another way."""

    def choose(mode: str) -> None:
        app.world.processing = Processing.parse(mode)

    yield choose
    app.world.processing = Processing()


def test_a_journal_goes_from_draft_to_completed(app: MockServer, as_: As) -> None:
    walk = Walk(app, as_)
    vendor, operations = walk.vendor, walk.operations
    assert walk.states() == ("Draft", [], [])

    assert walk.upload().json["status"] == "Validating"
    assert walk.states() == ("Validated", [], [])
    assert vendor.get(f"/journals/{walk.id}").json["upload"] == {"total": 4, "split": 0, "ready": 4, "error": 0}

    assert vendor.post(f"/journals/{walk.id}/submit").json["status"] == "Review"
    assert walk.states() == ("Review", [], [])

    assert operations.post(f"/journals/{walk.id}/accept").json["status"] == "Generating"
    assert walk.states() == ("Generated", ["Review", "Review"], [])

    first, last = (ledger["id"] for ledger in walk.ledgers())
    assert operations.post(f"/ledgers/{first}/accept").json["status"] == "Generating"
    assert walk.states() == ("Generated", ["Generated", "Review"], ["Generated"])
    assert operations.post(f"/ledgers/{last}/accept").json["status"] == "Generating"
    assert walk.states() == ("Accepted", ["Generated", "Generated"], ["Generated", "Generated"])

    assert operations.post(f"/ledgers/{first}/queue").json["status"] == "Queued"
    assert walk.states() == ("Queued", ["Generated", "Queued"], ["Generated", "Queued"])
    assert operations.post(f"/ledgers/{last}/queue").json["status"] == "Queued"
    assert walk.states() == ("Queued", ["Queued", "Queued"], ["Queued", "Queued"])

    one, other = (statement["id"] for statement in walk.statements())
    for id in (one, other):
        assert operations.post(f"/statements/{id}/pending").json["status"] == "Pending"
    assert walk.states() == ("Queued", ["Queued", "Queued"], ["Pending", "Pending"])
    assert operations.post(f"/statements/{one}/issue").json["status"] == "Issued"
    assert walk.states() == ("Queued", ["Completed", "Queued"], ["Issued", "Pending"])
    assert operations.post(f"/statements/{other}/cancel").json["status"] == "Cancelled"
    assert walk.states() == ("Completed", ["Completed", "Completed"], ["Cancelled", "Issued"])

    audit = operations.get(f"/journals/{walk.id}?select=audit").json["audit"]
    states = (
        "draft",
        "validating",
        "validated",
        "review",
        "generating",
        "generated",
        "accepted",
        "queued",
        "completed",
    )
    assert set(audit) == {"created", "updated", *states}
    times = [audit[state]["at"] for state in states]
    assert times == sorted(times)
    assert audit["validated"]["by"] == {"id": "USR-0000-0000", "name": "System"}
    assert operations.post(f"/journals/{walk.id}/complete").status == 409

    issued = operations.get(f"/statements/{one}").json
    document = {
        "documentNo": "NL-PSI-777001",
        "countryCode": "NL",
        "seller": {"id": issued["seller"]["id"]},
        "buyer": {"id": issued["buyer"]["id"]},
        "erpData": {"referenceNumber": {"orderNo": issued["externalIds"]["erpId"]}},
        "price": {"totalSP": issued["price"]["totalSP"], "totalGT": issued["price"]["totalSP"] + 1},
    }
    invoice = operations.post("/invoices", document)
    assert (invoice.status, invoice.json["statement"]["id"], invoice.json["billingType"]) == (201, one, "Automated")
    linked = operations.get(f"/statements/{one}").json
    assert linked["invoice"]["id"] == invoice.json["id"]
    assert linked["price"]["totalST"] == 1
    for caller in ("client", "client-other"):
        seen = as_(caller).get(f"/statements/{one}")
        assert (seen.status == 200) == (app.callers[caller].account == issued["client"]["id"])


def test_by_hand_every_passing_state_stays_until_it_is_released(
    app: MockServer, as_: As, processing: Callable[[str], None]
) -> None:
    processing("manual")
    walk = Walk(app, as_)
    release = "//__mock__/jobs/release"

    walk.upload()
    assert [walk.journal() for _ in range(3)] == ["Validating"] * 3
    assert walk.vendor.post(f"/journals/{walk.id}/submit").status == 409
    assert walk.upload().status == 409
    assert [job["subject"] for job in walk.operations.get("//__mock__/jobs").json["jobs"]] == [walk.id]
    assert walk.operations.post(f"{release}?subject={walk.id}").json == {"ran": 1}
    assert walk.states() == ("Validated", [], [])

    walk.vendor.post(f"/journals/{walk.id}/submit")
    walk.operations.post(f"/journals/{walk.id}/accept")
    assert walk.states() == ("Generating", [], [])
    walk.operations.post(release)
    assert walk.states() == ("Generated", ["Review", "Review"], [])

    first, last = (ledger["id"] for ledger in walk.ledgers())
    for id in (first, last):
        walk.operations.post(f"/ledgers/{id}/accept")
    assert walk.states() == ("Generated", ["Generating", "Generating"], [])
    walk.operations.post(f"{release}?subject={last}")
    assert walk.states() == ("Generated", ["Generated", "Generating"], ["Generated"])
    walk.operations.post(f"{release}?subject={first}")
    assert walk.states() == ("Accepted", ["Generated", "Generated"], ["Generated", "Generated"])
    assert walk.operations.post(f"{release}?subject={first}").status == 404

    walk.operations.post(f"/journals/{walk.id}/reset")
    assert walk.states() == ("Resetting", ["Generated", "Generated"], ["Generated", "Generated"])
    walk.operations.post(release)
    assert walk.states() == ("Review", [], [])


def test_after_so_many_seconds_a_passing_state_passes(
    app: MockServer, as_: As, processing: Callable[[str], None]
) -> None:
    processing("after:30")
    walk = Walk(app, as_)
    walk.upload()
    app.world.clock.advance(timedelta(seconds=29.9))
    assert walk.journal() == "Validating"
    app.world.clock.advance(timedelta(seconds=0.1))
    assert walk.journal() == "Validated"
    walk.vendor.post(f"/journals/{walk.id}/submit")
    walk.operations.post(f"/journals/{walk.id}/accept")
    app.world.clock.advance(timedelta(seconds=10))
    assert walk.states() == ("Generating", [], [])
    app.world.clock.advance(timedelta(seconds=20))
    assert walk.states() == ("Generated", ["Review", "Review"], [])


def test_after_so_many_reads_a_passing_state_passes(
    app: MockServer, as_: As, processing: Callable[[str], None]
) -> None:
    processing("reads:2")
    walk = Walk(app, as_)
    walk.upload()
    walk.operations.get(f"/journals/{walk.id}/charges")  # other reads do not count
    assert [walk.journal() for _ in range(3)] == ["Validating", "Validating", "Validated"]
    walk.vendor.post(f"/journals/{walk.id}/submit")
    walk.operations.post(f"/journals/{walk.id}/accept")
    listed = f"/journals?id={walk.id}"
    seen = [walk.vendor.get(listed).json["data"][0]["status"] for _ in range(3)]
    assert seen == ["Generating", "Generating", "Generated"]


def test_a_refused_file_and_a_refused_event_leave_the_jobs_alone(
    app: MockServer, as_: As, processing: Callable[[str], None]
) -> None:
    processing("manual")
    walk = Walk(app, as_)
    walk.upload()
    before = fingerprint(app.world)
    good = Valid(app, "vendor").file("Journal", walk.id)
    for part in (good, replace(good, content=b"{"), Part("file", b"", "x.jsonl")):
        assert walk.vendor.request(
            "POST", f"/journals/{walk.id}/upload", content=form(part), headers={"content-type": FORM}
        ).status in (400, 409)
    assert fingerprint(app.world) == before


def test_what_a_job_does_is_the_systems_and_what_an_action_does_the_callers(app: MockServer, as_: As) -> None:
    walk = Walk(app, as_)
    walk.upload()
    audit = walk.vendor.get(f"/journals/{walk.id}?select=audit").json["audit"]
    assert audit["validating"]["by"]["id"] == app.callers["vendor"].user["id"]
    assert audit["validated"]["by"]["id"] == "USR-0000-0000"
