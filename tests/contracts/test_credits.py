"""The checks of the credits API: silent on a sound server, and each finds what is planted for it, under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from contracts.apis.credits import tokens
from contracts.apis.credits.bodies import item
from contracts.apis.credits.ground import money, plain
from contracts.apis.credits.scenes import Scene, paid
from contracts.apis.credits.stage import Stage
from contracts.guard import Unsafe
from contracts.probe import Blocked, Nothing, Probe
from contracts.registry import checks
from contracts.run import running
from contracts.settings import Mode
from mockserver import MockServer
from tests.contracts.driver import settings, silent, told, verify
from tests.faulty.planting import Server, Spoil, answered, dropped, during, effect, handled, rows
from tests.faulty.planting import told as told_as
from tests.fingerprint import fingerprint

CREDITS = "mockserver.apis.credits"
UNLENT = "01KDCY5RM010000000000N0011"


@pytest.fixture
def credits_app(sound_of: Callable[..., MockServer]) -> MockServer:
    """A sound server of the credits API alone."""
    return sound_of("credits")


@pytest.fixture
def probe(credits_app: MockServer, request: pytest.FixtureRequest) -> Iterator[Probe]:
    """The API as a full run sees it, or one in the mode that the test is parametrised with."""
    mode = getattr(request, "param", "full")
    with running(settings(credits_app, "credits", mode=mode)) as made:
        yield made.probes["credits"]


def stage(p: Probe) -> Stage:
    assert isinstance(p.stage, Stage)
    return p.stage


# Sound


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_found_on_a_sound_server(credits_app: MockServer, seed: int) -> None:
    result = verify(credits_app, "credits", mode="full", only=["credits.*"], seed=seed)
    assert silent(result) == []
    assert result.left == []


def test_where_a_run_issued_all_tokens_their_number_is_looked_at_and_the_rest_said(credits_app: MockServer) -> None:
    check = next(each for each in checks() if each.id == "credits.tokens")
    with running(settings(credits_app, "credits", mode="full")) as made:
        p = made.probes["credits"]
        for _ in range(2):
            assert tokens._issue(p, tokens._issuer(p), permissions=[tokens.READ]).status < 300
        made.run(check, p.api, "")

        assert told(made.result.findings) == []
        assert [each.fatal for each in made.result.unchecked] == [False]
        assert made.result.statuses["credits", "createAuthToken"][p.status("state")] == 1


def test_what_needs_a_token_is_skipped_where_earlier_runs_issued_all_that_there_may_be(
    credits_app: MockServer,
) -> None:
    with running(settings(credits_app, "credits", mode="full")) as made:
        p = made.probes["credits"]
        for _ in range(3):
            assert tokens._issue(p, tokens._issuer(p), permissions=[tokens.READ]).status < 300

    issuing = {"access.allowed", "validation.variants", "conformance.writes", "credits.tokens"}
    result = verify(credits_app, "credits", mode="full", only=issuing)
    assert told(result.findings) == []
    left = {each.check for each in result.unchecked if "a user has 3 at most" in each.reason}
    assert left == issuing
    assert [each.check for each in result.unchecked if each.fatal] == []
    assert result.exit_status == 0


@pytest.mark.parametrize("mode", ["read-only", "own"])
def test_what_a_mode_does_not_allow_is_left_out_and_said(credits_app: MockServer, mode: str) -> None:
    result = verify(credits_app, "credits", mode=mode, only=["credits.*"])
    assert silent(result) == []
    left = {each.check for each in result.unchecked}
    assert "credits.money" in left and "credits.tokens" in left
    assert ("credits.validity" in left) is (mode == "read-only")


def test_a_read_only_run_changes_nothing(credits_app: MockServer) -> None:
    before = fingerprint(credits_app.worlds["credits"])
    verify(credits_app, "credits", only=["credits.*"])
    assert fingerprint(credits_app.worlds["credits"]) == before


def test_what_is_lent_owes_and_holds_after_a_full_run_what_it_did_before(credits_app: MockServer) -> None:
    before = _sums(credits_app)
    result = verify(credits_app, "credits", mode="full", only=["credits.*", "machines.*"])
    assert result.left == []
    now = _sums(credits_app)
    # The one that owes nothing is settled for good; nothing else is another.
    assert {key for key in before if before[key] != now[key]} <= {"01KJA0DKM010000000000N0020"}
    assert now["01KJA0DKM010000000000N0020"] == ("settled", Decimal(0))


def _sums(app: MockServer) -> dict[str, Any]:
    layer = app.worlds["credits"].layer
    found: dict[str, Any] = {
        row.record["id"]: (row.record["invoiceState"], row.record["totalRemainingAmount"])
        for row in layer.all("Invoice")
    }
    return found | {row.record["id"]: row.record["amount"] for row in layer.all("Balance") if row.record["amount"]}


def test_every_operation_succeeds_once_with_the_requests_of_the_stage(probe: Probe) -> None:
    refused = []
    for operation in probe.api.operations.values():
        try:
            exchange = probe.stage.play(probe.stage.case(operation))
        except Nothing as reason:
            refused.append((operation.id, str(reason)))
            continue
        if exchange.status != 200:
            refused.append((operation.id, exchange.answer.said))
    # Charges are over at once here, so these two are done to what is lent, by the walk of the machine.
    assert [id for id, _ in refused] == ["failPayment", "cancelPayment"]


def test_every_pair_of_state_and_event_is_walked(credits_app: MockServer) -> None:
    result = verify(credits_app, "credits", mode="full", only=["machines.*"])
    missing = {key[1:]: said for key, said in result.transitions.items() if said not in ("arrived", "refused")}
    assert list(missing) == [("WriteOff", "draft", "reverse")]
    assert told(result.findings) == []


# Safety


def _draft(probe: Probe, **members: Any) -> Any:
    return stage(probe).draft("createPayment", stage(probe).bodies.payment(**members))


def test_a_payment_is_not_posted_on_an_invoice_that_was_not_lent(probe: Probe) -> None:
    thing = _draft(probe, accountLocator="01JT2YS8M010000000000A0002", targets=[item("invoice", UNLENT)])
    stage(probe).step(thing, "validate")
    with pytest.raises(Unsafe, match=f"postPayment: its body would change Invoice {UNLENT}"):
        stage(probe).step(thing, "post")


def test_what_an_edit_adds_counts_as_named(probe: Probe) -> None:
    thing = _draft(probe, accountLocator="01JT2YS8M010000000000A0002", targets=[])
    body = {"addTargets": [item("invoice", UNLENT)], "removeTargets": [], "setData": {}, "removeData": {}}
    probe.expect(probe.call("updatePayment", probe.who("admin"), thing.params, body=body))
    stage(probe).step(thing, "validate")
    with pytest.raises(Unsafe, match=UNLENT):
        stage(probe).step(thing, "post")


@pytest.mark.parametrize("id", ["writeOff", "writeOffInvoice", "settleNegativeOrZeroInvoice"])
def test_what_settles_at_once_is_not_sent_for_what_was_not_lent(probe: Probe, id: str) -> None:
    body = {"accountLocator": "01JT2YS8M010000000000A0002", "targets": [item("invoice", UNLENT)]}
    sent = {"body": body} if id == "writeOff" else {"params": {"locator": UNLENT}}
    count = probe.sender.count
    with pytest.raises(Unsafe):
        probe.call(id, probe.who("admin"), **sent)
    assert probe.sender.count == count


@pytest.mark.parametrize("probe", ["own"], indirect=True)
def test_a_run_without_anything_lent_moves_no_money(probe: Probe) -> None:
    assert {"postPayment", "executePayment", "writeOff"} <= stage(probe).LASTING
    thing = stage(probe).make("Payment", "validated")
    with pytest.raises((Unsafe, Blocked)):
        stage(probe).step(thing, "post")
    assert probe.mode is Mode.OWN


def test_what_was_made_is_ended_by_the_nearest_way(probe: Probe) -> None:
    for state, end in (
        ("draft", "discarded"),
        ("validated", "discarded"),
        ("posted", "reversed"),
        ("failed", "failed"),
    ):
        thing = stage(probe).make("Payment", state)
        assert stage(probe).end(thing)
        assert stage(probe).state(thing) == end


# The arithmetic of the stories


@pytest.mark.parametrize(
    ("amount", "stated", "taken", "balance", "left", "forgiven"),
    [
        ("99.40", None, "99.40", "0", "0", "0.60"),
        ("99.00", None, "99.00", "0", "0", "1.00"),
        ("98.99", None, "98.99", "0", "1.01", None),
        ("120", None, "100", "20", "0", None),
        ("120", "30", "30", "90", "70", None),
        ("20", "30", "20", "0", "80", None),
    ],
)
def test_a_payment_goes_where_the_rules_say(
    amount: str, stated: str | None, taken: str, balance: str, left: str, forgiven: str | None
) -> None:
    scene = Scene(Decimal(0), {"invoice": {"totalRemainingAmount": 100}})
    found = paid(scene, Decimal(amount), [("invoice", None if stated is None else Decimal(stated))], Decimal(1))
    assert found.taken == [Decimal(taken)]
    assert (found.balance, found.owes["invoice"]) == (Decimal(balance), Decimal(left))
    assert found.forgiven.get("invoice") == (None if forgiven is None else Decimal(forgiven))


def test_amounts_are_read_as_they_were_written() -> None:
    assert money(0.1) + money(0.2) == money(0.3)
    assert plain(Decimal("5.00")) == 5 and plain(Decimal("0.10")) == 0.1
    with pytest.raises(Blocked, match="'ten' is no amount"):
        money("ten")


# Planted


def _more(value: Any) -> Any:
    return value + 1


def _member(name: str, change: Callable[[Any], Any]) -> Callable[[Any, Any], None]:
    def changed(value: Any, x: Any) -> None:
        value[name] = change(value[name])

    return changed


def _unrealized(row: Any, x: Any) -> None:
    """Of a disbursement nothing else tells when it was paid out."""
    if row["creditType"] == "disbursement":
        row.pop("realizedAt", None)


def _without_rest(right: Any, work: Any, payment: Any) -> None:
    from mockserver.apis.credits import balances

    right(work, payment)
    now = work.need("Payment", payment["id"])
    balances.change(work, now["accountLocator"], now["currency"], -now["rest"])


def _unfed(entity: str, share: Decimal) -> Spoil:
    """What draws on a balance draws so much more."""

    def happen(right: Any, work: Any, record: Any) -> None:
        from mockserver.apis.credits import balances

        right(work, record)
        balances.change(work, record["accountLocator"], record["currency"], record["amount"] * share)

    return effect(entity, "execute", happen)


def _forced(x: Any, go: Any) -> Any:
    x.work.query = {**x.work.query, "forced": True}
    return go(x)


def _tolerance(change: Callable[[Any], Any]) -> Spoil:
    return during(f"{CREDITS}.rules:shortfall", lambda right: lambda left, most: right(left, change(most)))


PLANTED: tuple[tuple[str, str, str, Spoil], ...] = (
    ("credits.summary", "R202", "fetchCredits", answered("fetchCredits", _member("items", lambda each: each[1:]))),
    ("credits.summary", "R212", "fetchCredits", rows("fetchCredits", _member("amount", _more))),
    ("credits.summary", "W406", "fetchCredits", rows("fetchCredits", _unrealized)),
    (
        "credits.summary",
        "R202",
        "fetchMultipleWriteOffs",
        answered("fetchMultipleWriteOffs", _member("items", lambda each: each[1:])),
    ),
    (
        "credits.told",
        "W409",
        "fetchMultipleCreditDistributions",
        rows("fetchMultipleCreditDistributions", dropped("executedAt")),
    ),
    (
        "credits.told",
        "W409",
        "fetchMultipleWriteOffs",
        rows("fetchMultipleWriteOffs", lambda row, x: row.setdefault("reversedAt", row["createdAt"]) and None),
    ),
    (
        "credits.told",
        "W409",
        "fetchMultiplePayments",
        rows("fetchMultiplePayments", told_as("postedAt", lambda at: "2001" + at[4:])),
    ),
    (
        "credits.authors",
        "W409",
        "createDisbursement",
        answered("createDisbursement", _member("createdBy", lambda _: "20000000-0000-4000-8000-000000000009")),
    ),
    ("credits.money", "W409", "postPayment", answered("postPayment", dropped("postedAt"))),
    ("credits.money", "W409", "reverseWriteOff", answered("reverseWriteOff", dropped("reversedAt"))),
    (
        "credits.amounts",
        "M601",
        "fetchMultiplePayments",
        rows("fetchMultiplePayments", lambda row, x: row.update(remainingAmount=row["amount"])),
    ),
    (
        "credits.balances",
        "M605",
        "fetchLedgerAccount",
        answered("fetchLedgerAccount", _member("balance", _more)),
    ),
    (
        "credits.balances",
        "M605",
        "fetchLedgerAccount",
        answered("fetchLedgerAccount", _member("lines", lambda lines: lines[:-1])),
    ),
    (
        "credits.invoices",
        "M605",
        "fetchInvoicesForAccount",
        rows("fetchInvoicesForAccount", lambda row, x: row.update(totalRemainingAmount=row["totalAmount"])),
    ),
    (
        "credits.invoices",
        "M601",
        "getInvoiceWithItems",
        answered("getInvoiceWithItems", _member("totalRemainingAmount", _more)),
    ),
    (
        "credits.shortfalls",
        "M606",
        "fetchMultipleShortfallCredits",
        rows(
            "fetchMultipleShortfallCredits",
            lambda row, x: row.update(parentCreditLocator=row["targets"][0]["containerLocator"]),
        ),
    ),
    (
        "credits.links",
        "M606",
        "fetchPaymentsForAnInvoice",
        answered("fetchPaymentsForAnInvoice", _member("items", lambda each: each[1:])),
    ),
    ("credits.links", "M606", "listShortfallCredits", answered("listShortfallCredits", _member("items", lambda _: []))),
    ("credits.money", "M605", "postPayment", effect("Payment", "post executed", _without_rest)),
    (
        "credits.money",
        "M601",
        "postPayment",
        during(f"{CREDITS}.rules:taken", lambda right: lambda stated, owed, left: right(None, owed, left)),
    ),
    ("credits.money", "W406", "postPayment", during(f"{CREDITS}.shortfalls:forgive", lambda _: lambda *given: [])),
    ("credits.money", "W406", "postPayment", _tolerance(lambda most: None if most is None else most - Decimal("0.01"))),
    ("credits.money", "M605", "postPayment", _tolerance(lambda most: None if most is None else most + 1)),
    ("credits.money", "M605", "executeDisbursement", _unfed("Disbursement", Decimal(-1))),
    ("credits.money", "M605", "executeCreditDistribution", _unfed("CreditDistribution", Decimal(1))),
    ("credits.money", "W406", "reversePayment", during(f"{CREDITS}.shortfalls:reverse", lambda _: lambda *given: None)),
    (
        "credits.money",
        "W403",
        "settleNegativeOrZeroInvoice",
        handled("settleNegativeOrZeroInvoice", _forced),
    ),
    (
        "credits.money",
        "W406",
        "settleNegativeOrZeroInvoice",
        during(f"{CREDITS}.invoices:close", lambda _: lambda *given: None),
    ),
    (
        "credits.money",
        "W407",
        "executePayment",
        during(f"{CREDITS}.rules:attempts", lambda right: lambda plan: right(plan) + 1),
    ),
    (
        "credits.money",
        "W402",
        "executePayment",
        during(f"{CREDITS}.execution:_declines", lambda _: lambda *given: False),
    ),
    (
        "credits.money",
        "M605",
        "previewPaymentPost",
        answered("previewPaymentPost", _member("shortfallCredits", lambda _: [])),
    ),
    (
        "credits.validity",
        "W402",
        "validatePayment",
        during(f"{CREDITS}.validation:configured", lambda _: lambda *given: iter(())),
    ),
    (
        "credits.tokens",
        "S306",
        "createAuthToken",
        during(f"{CREDITS}.access:_check_number", lambda _: lambda *given: None),
    ),
    (
        "credits.tokens",
        "S306",
        "createAuthToken",
        during(f"{CREDITS}.access:_check_rights", lambda _: lambda *given: None),
    ),
    ("credits.whoami", "R212", "whoami", answered("whoami", _member("permissions", lambda held: held[1:]))),
)


@pytest.mark.parametrize(("check", "code", "operation", "spoil"), PLANTED)
def test_what_is_planted_is_found_under_its_name_and_nothing_else_is(
    check: str, code: str, operation: str, spoil: Spoil
) -> None:
    server = Server("credits")
    spoil(server)
    result = verify(server.asgi, "credits", mode="full", only=["credits.*"])
    found = {(each.code, each.operation) for each in result.findings}
    assert found == {(code, operation)}, told(result.findings)
    assert check in {each.check for each in result.findings}
    assert all(each.steps for each in result.findings)
