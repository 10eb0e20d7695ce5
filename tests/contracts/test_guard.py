"""What may be sent in which mode: the reason of each call that may, and a refusal of every other."""

from __future__ import annotations

import pytest

from contracts.guard import Guard, Unsafe
from contracts.settings import Mode
from contracts.wire import Request
from specs.tables import load

BILLING, CREDITS = load("billing"), load("credits")
GHOST, OWN, LENT, FOREIGN = "BJO-0000-0000", "BJO-1111-1111", "BJO-2222-2222", "BJO-3333-3333"
JSON = {"content-type": "application/json"}


def guard(mode: Mode) -> Guard:
    return Guard(
        BILLING,
        mode,
        ghosts={GHOST},
        made={"Journal": {OWN}},
        lent={"Journal": (LENT,)},
        lasting=frozenset({"completeJournal"}),
    )


def reason(mode: Mode, operation: str, id: str | None = None, content: bytes | None = None) -> str:
    found = BILLING.operations[operation]
    first = found.parent or found.key
    params = {first: id} if first is not None and id is not None else {}
    return guard(mode).reason(found, params, Request(found.method, "/x", headers=JSON, content=content))


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("id", [GHOST, OWN, FOREIGN])
def test_whoever_reads_may(mode: Mode, id: str) -> None:
    assert reason(mode, "getJournal", id) == "read"


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    "operation",
    [id for id, each in BILLING.operations.items() if each.method != "GET" and (each.parent or each.key) is not None],
)
def test_every_write_may_be_tried_on_what_is_not_there(mode: Mode, operation: str) -> None:
    assert reason(mode, operation, GHOST) == "ghost"


@pytest.mark.parametrize("operation", [id for id, each in BILLING.operations.items() if each.method != "GET"])
def test_without_leave_to_write_nothing_that_could_be_done_is_sent(operation: str) -> None:
    with pytest.raises(Unsafe, match="read-only sends none"):
        reason(Mode.READ_ONLY, operation, OWN, b"{}")


def test_a_body_that_nobody_can_read_creates_nothing() -> None:
    assert reason(Mode.READ_ONLY, "createJournal", content=b'{"') == "unreadable"


@pytest.mark.parametrize("content", [b"{}", b"[]", b"null", b"", None, b'{"name": 1}'])
def test_a_body_that_could_be_read_is_no_excuse(content: bytes | None) -> None:
    with pytest.raises(Unsafe):
        reason(Mode.READ_ONLY, "createJournal", content=content)


def test_an_unreadable_body_is_no_excuse_where_the_path_names_an_object() -> None:
    with pytest.raises(Unsafe):
        reason(Mode.READ_ONLY, "updateJournal", FOREIGN, b'{"')


def test_an_unreadable_body_is_no_excuse_unless_it_is_sent_as_json() -> None:
    found = BILLING.operations["createJournal"]
    with pytest.raises(Unsafe):
        guard(Mode.READ_ONLY).reason(found, {}, Request("POST", "/x", headers={}, content=b'{"'))


def test_a_run_of_its_own_writes_on_what_it_made_and_on_nothing_else() -> None:
    assert reason(Mode.OWN, "createJournal", content=b"{}") == "create"
    assert reason(Mode.OWN, "updateJournal", OWN, b"{}") == "own"
    for id in (FOREIGN, LENT):
        with pytest.raises(Unsafe, match=f"Journal {id} was not made by this run, nor lent to it"):
            reason(Mode.OWN, "updateJournal", id, b"{}")


def test_what_lies_below_an_object_is_as_safe_as_that_object() -> None:
    assert reason(Mode.OWN, "createJournalAttachment", OWN) == "own"
    with pytest.raises(Unsafe):
        reason(Mode.FULL, "createJournalAttachment", FOREIGN)


def test_a_full_run_may_use_what_it_was_lent() -> None:
    assert reason(Mode.FULL, "updateJournal", LENT, b"{}") == "lent"
    with pytest.raises(Unsafe):
        reason(Mode.FULL, "updateJournal", FOREIGN, b"{}")


def test_what_nothing_takes_back_is_for_full_runs() -> None:
    with pytest.raises(Unsafe, match="nothing takes it back; only --mode full"):
        reason(Mode.OWN, "completeJournal", OWN)
    assert reason(Mode.FULL, "completeJournal", OWN) == "own"


def test_an_object_of_another_kind_with_the_same_id_is_another_object() -> None:
    with pytest.raises(Unsafe):
        reason(Mode.FULL, "updateLedger", OWN, b"{}")


def test_putting_an_object_under_an_id_needs_one_of_the_runs_own_or_one_that_it_drew() -> None:
    found = CREDITS.operations["createOrReplaceCreditDistribution"]
    own = Guard(CREDITS, Mode.OWN, ghosts={"GHOST"}, made={"CreditDistribution": {"OWN"}}, minted={"NEW"})

    def put(id: str, content: bytes | None = b"{}") -> str:
        return own.reason(found, {"locator": id}, Request("PUT", "/x", headers=JSON, content=content))

    assert put("OWN") == "own"
    assert put("NEW") == "create"
    # Under a ghost's id it would come into being.
    assert put("GHOST", None) == put("GHOST", b'{"') == "ghost"
    for id in ("GHOST", "FOREIGN"):
        with pytest.raises(Unsafe):
            put(id)


def test_another_method_is_tried_on_ghosts_alone() -> None:
    assert guard(Mode.READ_ONLY).reason(None, {"id": GHOST}, Request("PATCH", "/x")) == "ghost"
    with pytest.raises(Unsafe, match="only on a ghost"):
        guard(Mode.FULL).reason(None, {"id": OWN}, Request("PATCH", "/x"))


def test_a_body_that_would_change_what_is_not_lent_is_not_sent() -> None:
    post = CREDITS.operations["createPayment"]
    own = Guard(CREDITS, Mode.FULL, made={}, lent={"Invoice": ("LENT",)})
    own.allow(post, {"Invoice": {"LENT"}})
    with pytest.raises(Unsafe, match=r"would change Invoice OTHER, .*lend one under \[lend.credits\]"):
        own.allow(post, {"Invoice": {"OTHER"}})
    with pytest.raises(Unsafe):
        Guard(CREDITS, Mode.OWN, lent={"Invoice": ("LENT",)}).allow(post, {"Invoice": {"LENT"}})
