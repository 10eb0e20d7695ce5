"""The whole world beside a small model of it: random calls by every role, and after each of them no difference."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from mockserver import MockServer
from mockserver.apis.billing.custom_ledger_files import custom_ledger_template
from tests.billing_world import XLSX, line, row
from tests.driver import Answer, Client
from tests.fingerprint import fingerprint
from tests.model import (
    ALLOWED,
    EVENTS,
    CustomLedger,
    Invoice,
    Journal,
    Line,
    Model,
    Money,
    Override,
    Row,
    Source,
    Statement,
    Step,
    counts,
    uploads,
)
from tests.small_server import CAST, small_server

WAYS = ("immediate", "manual", "reads:2", "after:60")
CALLERS = ("vendor", "vendor-other", "operations", "client")
CLIENTS = ("ACC-1000-0003", "ACC-1000-0005")
VENDOR = "ACC-1000-0001"
AUTHORIZATIONS = {"vendor": "AUT-1000-0001", "vendor-other": "AUT-1000-0002"}
# What the small world holds, as its makers meant it: 1.1 dollars a euro, buyer 4 pays in dollars, the others in euros.
DOLLARS, EUROS = Fraction(11, 10), Fraction("0.9090909091")
ONE = Fraction(1)


def _source(word: str, number: int, agreement: int, markup: int = 25, **members: Any) -> Source:
    made = Source(
        "subscription",
        f"SUB-1000-0000-{number:04d}",
        "AUT-1000-0001",
        f"AGR-1000-0000-{agreement:04d}",
        "SEL-1000-0001",
        CLIENTS[0],
        "BUY-1000-0001",
        Fraction(markup),
        sides=(("BUY-1000-0001", 100, ONE),),
    )
    return replace(made, **members)


def _split(first: int) -> tuple[tuple[str, int, Fraction], ...]:
    return (("BUY-1000-0001", first, ONE), ("BUY-1000-0004", 100 - first, DOLLARS))


GERMAN = {"seller": "SEL-1000-0002", "client": "ACC-1000-0004", "buyer": "BUY-1000-0002"}
SOURCES = {
    "sub-plain": _source("sub-plain", 1, 1),
    "sub-lined": _source("sub-lined", 2, 1, 50),
    "sub-marked": _source("sub-marked", 3, 1, 40),
    "sub-split": _source("sub-split", 4, 1, sides=_split(70)),
    "sub-empty-split": _source("sub-empty-split", 5, 1, fault="catalog"),
    "sub-bare": _source("sub-bare", 6, 3, fault="catalog"),
    "sub-foreign": _source("sub-foreign", 7, 6, 5, authorization="AUT-1000-0002"),
    "sub-dollar": _source(
        "sub-dollar",
        8,
        4,
        10,
        seller="SEL-1000-0003",
        rate=DOLLARS,
        currency=("EUR", "USD"),
        sides=(("BUY-1000-0001", 100, EUROS),),
    ),
    "sub-blocked": _source(
        "sub-blocked", 9, 5, 20, client=CLIENTS[1], buyer="BUY-1000-0003", sides=(("BUY-1000-0003", 100, ONE),)
    ),
    "sub-twin": _source("sub-twin", 10, 2, fault="line"),
    "sub-german": _source("sub-german", 12, 2, 10, **GERMAN, sides=(("BUY-1000-0002", 100, ONE),)),
    "sub-agreement-split": _source("sub-agreement-split", 13, 7, sides=_split(60)),
    "asset-1": replace(_source("asset-1", 1, 1, 15), member="asset", id="AST-1000-0000-0001"),
    "agr-1": replace(_source("agr-1", 1, 1), member="agreement", id="AGR-1000-0000-0001"),
    "agr-7": replace(_source("agr-7", 7, 7, sides=_split(60)), member="agreement", id="AGR-1000-0000-0007"),
    "nobody": _source("nobody", 99, 1, fault="line"),
}
# What a charge may be matched with, and what not: no markup, split, under another authorization.
TARGETS = ("sub-plain", "sub-lined", "sub-dollar", "sub-german", "sub-blocked", "asset-1", "agr-1", "agr-7")
NO_TARGETS = ("sub-bare", "sub-split", "sub-foreign", "nobody")
GOOD = [name for name, source in SOURCES.items() if not source.fault and name != "sub-foreign"]
AMOUNTS = ("100", "33.33333", "-50", "0.00001", "-0.00005", "7.5", "1234.56789", "0", "-33.33333", "250")


def _written(name: str, amount: str, wrong: str) -> dict[str, Any]:
    """A line of a file as the vendor writes it."""
    source = SOURCES[name]
    kind = source.member.capitalize()
    made: dict[str, Any] = line(name, amount, item="no such item" if wrong == "item" else "sku-1")
    made["search"]["source"]["type"] = kind
    made["price"] = {"unitPP": float(Decimal(amount) / 10), "PPx1": float(amount)}
    if wrong == "order":
        made["search"]["order"] = {"criteria": "externalIds.vendor", "value": "order-9"}
    if wrong == "line":
        del made["externalIds"]["invoice"]
    return made


# Mostly good lines, so that journals get on; one file in three holds something that does not.
_good = st.tuples(st.sampled_from(GOOD), st.sampled_from(AMOUNTS), st.just(""))
_wrong = st.sampled_from(("", "", "item", "order", "line"))
_any = st.tuples(st.sampled_from(sorted(SOURCES)), st.sampled_from(AMOUNTS), _wrong)
_goods = st.lists(_good, min_size=1, max_size=5)
FILES = st.one_of(_goods, _goods, st.lists(_any, min_size=1, max_size=5))
# agreement, client, buyer, the buyer's number
HANDS = {
    "main": ("AGR-1000-0000-0001", CLIENTS[0], "BUY-1000-0001", "NL-SCU-100001"),
    "blocked": ("AGR-1000-0000-0005", CLIENTS[1], "BUY-1000-0003", "NL-SCU-100003"),
}
_hand = st.tuples(
    st.sampled_from(("main", "main", "blocked")),
    st.sampled_from(("DOC-1", "DOC-2")),
    st.sampled_from((("100", "125"), ("738.60", "802.92"), ("0.00001", "0.00002"))),
    st.booleans(),
)
# What moves the world on must not drown among what is always possible, or every walk ends where it began.
WEIGHTS = {"submit": 4, "accept": 8, "queue": 6, "pending": 5, "issue": 3, "addChild": 6, "removeChild": 3, "error": 4}
WEIGHTS |= {"retry": 3, "recalculate": 3, "reset": 2, "match": 2}
# What of the catalog changes: a subscription that is found no more, a seller that is closed; and back again.
CHANGES = ("SUB-1000-0000-0001", "SUB-1000-0000-0003", "SEL-1000-0001", "SEL-1000-0003")
SHEETS = st.lists(_hand, min_size=1, max_size=3)


@cache
def app(processing: str) -> MockServer:
    """One application for each way of processing, a process."""
    return small_server(processing)


class Billing(RuleBasedStateMachine):
    """The server and the model, step by step."""

    processing: ClassVar[str] = "immediate"
    covered: ClassVar[Counter[tuple[str, str, str, int]]]
    """(kind, event, state, status) -> how often it was tried"""

    def __init__(self) -> None:
        super().__init__()
        self.app = app(self.processing)
        self.app.reset()
        self.clients = {name: Client(self.app, self.app.token(name)) for name in CAST}
        reads = int(self.processing.partition(":")[2]) if self.processing.startswith("reads") else 0
        self.model = Model(reads=reads)
        self.bodies: dict[str, bytes] = {}

    # Asking

    def ask(self, caller: str, method: str, path: str, **options: Any) -> Answer:
        """A call; whatever is due happens before it, on both sides."""
        mode = self.processing.partition(":")[0]
        if mode != "manual":
            self.model.run([job for job in self.model.jobs if mode == "immediate" or self._is_due(mode, job)])
        return self.clients[caller].request(method, path, **options)

    @staticmethod
    def _is_due(mode: str, job: Any) -> bool:
        return bool(job.reads <= 0 if mode == "reads" else job.is_due)

    def listed(self, path: str) -> dict[str, Any]:
        """A list as Operations see it, by id."""
        answer = self.ask("operations", "GET", f"{path}?limit=100")
        assert answer.status == 200, answer
        found = {each["id"]: each for each in answer.json["data"]}
        self.model.seen(*found)
        return found

    # What is done

    @initialize(data=st.data())
    def two_journals(self, data: st.DataObject) -> None:
        """Two journals with a file each, and the second with its ledgers if the file is good."""
        for caller in (data.draw(st.sampled_from(("vendor", "vendor", "vendor-other"))), "vendor"):
            self.perform(data, Step(caller, "Journal", "create", "", args=(("is_good", True),)))
            id = list(self.model.journals)[-1]
            self.perform(data, Step(caller, "Journal", "upload", id))
        for caller, event in (("vendor", "submit"), ("operations", "accept")):
            self.let_all_happen()
            wanted = Step(caller, "Journal", event, id)
            if self.expected(wanted) == 200:
                self.perform(data, wanted)

    @rule(data=st.data(), number=st.integers(0, 7))
    def step(self, data: st.DataObject, number: int) -> None:
        """Something that the model takes, three times of four; else something that it refuses."""
        self.bind()
        if self.processing != "immediate" and self.model.jobs and data.draw(st.booleans()):
            self.let_time_pass(data)
        elif number == 7 and data.draw(st.integers(0, 3)) == 0:
            self.change_the_catalog(data.draw(st.sampled_from(CHANGES)))
        else:
            self.perform(data, self.chosen(data, is_legal=number >= 2))
        self.agree()

    def change_the_catalog(self, id: str) -> None:
        """What no call does: the catalog is kept elsewhere."""
        # What is due was due before that.
        self.ask("operations", "GET", "/manual-overrides?limit=0")
        is_seller = id.startswith("SEL")
        entity, member = ("Seller", "status") if is_seller else ("Subscription", "externalIds")
        changed = self.model.closed if is_seller else self.model.hidden
        changed ^= {id}
        seeded = self.app.world.layer.below
        work = self.app.world.work()
        assert seeded is not None
        record = dict(seeded.get(entity, id) or {})
        if id in changed:
            record[member] = "Disabled" if member == "status" else {"vendor": "renamed"}
        work.put(entity, record)
        work.commit()

    def let_all_happen(self) -> None:
        """Let everything that waits happen, however it is waited for."""
        self.app.world.run()
        self.model.run(list(self.model.jobs))

    def let_time_pass(self, data: st.DataObject) -> None:
        """Let what waits happen: by hand, by the clock, or by looking."""
        mode = self.processing.partition(":")[0]
        if mode == "manual":
            job = data.draw(st.sampled_from(self.model.jobs))
            only = data.draw(st.booleans())
            path = "//__mock__/jobs/release" + (f"?subject={job.subject}" if only else "")
            assert self.clients["operations"].post(path).status == 200
            self.model.run([each for each in self.model.jobs if not only or each.subject == job.subject])
        elif mode == "after":
            from datetime import timedelta

            self.app.world.clock.advance(timedelta(seconds=61))
            for each in self.model.jobs:
                each.is_due = True

    def chosen(self, data: st.DataObject, *, is_legal: bool) -> Step:
        """A step that is taken, or one that is not: first by what comes of it, then by what it is."""
        found: dict[tuple[int, str, str], list[Step]] = {}
        for each in self.offers():
            status = self.expected(each)
            if (status < 300) == is_legal:
                found.setdefault((0 if is_legal else status, each.kind, each.event), []).append(each)
        statuses = sorted({status for status, _, _ in found})
        # Most refusals should be those of the machines.
        weighted = [status for status in statuses for _ in range({409: 6, 400: 3}.get(status, 1))]
        status = data.draw(st.sampled_from(weighted))
        names = [key for key in sorted(found) if key[0] == status]
        chosen = data.draw(st.sampled_from([key for key in names for _ in range(WEIGHTS.get(key[2], 1))]))
        return data.draw(st.sampled_from(found[chosen]))

    def offers(self) -> Iterable[Step]:
        """Every call that could be made now, sensible or not."""
        model = self.model
        room = {"Journal": len(model.journals) < 3, "CustomLedger": len(model.custom) < 2}
        room |= {"ManualOverride": len(model.overrides) < 4, "Statement": len(model.statements) < 16}
        for kind, is_room in room.items():
            goods = (True, False) if is_room else (False,)
            for caller in CALLERS:
                for good in goods:
                    args: tuple[tuple[str, Any], ...] = (("is_good", good),)
                    if kind != "ManualOverride":
                        yield Step(caller, kind, "create", "", args=args)
                        continue
                    for client in CLIENTS:
                        if model.is_overridden(client, VENDOR) != good:
                            yield Step(caller, kind, "create", "", args=(*args, ("client", client)))
        for kind, id, below in model.subjects():
            for kind_, event in EVENTS:
                if kind_ == kind:
                    yield from self.calls(kind, event, id, below)
        erp = [each.id for each in model.statements if each.erp]
        for statement in (*erp, ""):
            yield Step("operations", "Invoice", "sync", statement)
        yield from (Step(caller, "Invoice", "sync", "") for caller in CALLERS)

    def calls(self, kind: str, event: str, id: str, below: str) -> Iterable[Step]:
        """One event of one object, by everybody, with good and bad bodies."""
        variants: list[tuple[tuple[str, Any], ...]] = [()]
        if event == "upload" or (kind, event) in (("Statement", "error"), ("Charge", "match")):
            variants = [(("is_good", True),), (("is_good", False),)]
        elif event in ("addChild", "removeChild"):
            children = [each.id for each in self.model.statements if each.kind != "Consolidated" or each.id == id]
            variants = [(("child", child),) for child in children]
            variants += [(("child", ""), ("is_good", False))] if event == "addChild" else [(("child", "SOM-0"),)]
        for caller in CALLERS:
            yield from (Step(caller, kind, event, id, below, each) for each in variants)

    def expected(self, made: Step) -> int:
        """What the model answers."""
        role, account = CAST[made.caller]
        if made.event == "sync":
            return 201 if role == "operations" else 403
        return self.model.expect(made, role, account)

    def perform(self, data: st.DataObject, wanted: Step) -> None:
        """Do it on both sides; what is refused changes nothing."""
        # What is due happens before any call, a refused one too.
        self.ask("operations", "GET", "/manual-overrides?limit=0")
        wanted = replace(wanted, args=(*wanted.args, *self.filled(data, wanted)))
        expected = self.expected(wanted)
        before = fingerprint(self.app.world)
        state = "" if wanted.event in ("create", "sync") else self.model.state(wanted.kind, wanted.id, wanted.below)
        answer = self.send(wanted)
        assert answer.status == expected, (wanted, state, answer)
        self.covered[wanted.kind, wanted.event, state, expected] += 1
        if expected >= 300:
            assert fingerprint(self.app.world) == before, wanted
        elif wanted.event in ("create", "sync"):
            self.made(wanted, answer.json)
        else:
            self.model.apply(wanted)
            if wanted.event != "delete" and wanted.kind != "Invoice":
                assert _state(answer.json) == self.model.state(wanted.kind, wanted.id, wanted.below), (wanted, answer)

    def filled(self, data: st.DataObject, wanted: Step) -> Iterable[tuple[str, Any]]:
        """The rest of what the call says."""
        is_good = wanted.arg.get("is_good", True)
        if wanted.event == "put" or (wanted.kind, wanted.event) == ("Statement", "error"):
            word = data.draw(st.sampled_from(("one", "two", "three")))
            yield from (("name", word), ("notes", word if is_good else None))
            yield "status", data.draw(st.sampled_from(("Issued", "Paid", "Overdue")))
            yield "assignee", f"USR-1000-000{1 + len(word) % 3}"
        elif wanted.event == "match":
            name = data.draw(st.sampled_from(TARGETS if is_good else NO_TARGETS))
            journal = self.model.journals.get(wanted.below)
            if journal is not None and journal.caller == "vendor-other":
                # What is foreign to one journal is the other one's own.
                name = "sub-foreign" if is_good else "sub-plain"
            yield "source", SOURCES[name]
        elif wanted.event == "upload" and wanted.kind == "Journal":
            given = data.draw(FILES)
            if wanted.caller == "vendor-other":
                given = [("sub-foreign", amount, wrong) for _, amount, wrong in given]
            yield "lines", tuple(Line(SOURCES[name], Fraction(amount), wrong) for name, amount, wrong in given)
            yield "written", b"\n".join(orjson.dumps(_written(*each)) for each in given)
        elif wanted.event == "upload":
            hands, is_known = data.draw(SHEETS), data.draw(st.integers(0, 4)) > 0
            yield "rows", tuple(_row(*each, is_known=is_known) for each in hands)
            yield "written", custom_ledger_template([_cells(*each, is_known=is_known) for each in hands])
        elif wanted.event == "sync":
            yield "revision", data.draw(st.integers(1, 3))
            yield from (("net", data.draw(st.integers(0, 500))), ("tax", data.draw(st.integers(0, 100))))

    def send(self, wanted: Step) -> Answer:
        """The call as it goes over the wire."""
        arg, kind, event = wanted.arg, wanted.kind, wanted.event
        is_good = arg.get("is_good", True)
        base = {
            "Journal": "/journals",
            "Charge": f"/journals/{wanted.below}/charges",
            "Ledger": "/ledgers",
            "CustomLedger": "/custom-ledgers",
            "Statement": "/statements",
            "ManualOverride": "/manual-overrides",
            "Invoice": "/invoices",
        }[kind]
        one = f"{base}/{wanted.id}"
        if event == "create":
            return self.ask(wanted.caller, "POST", base, body=self.new(wanted))
        if event == "sync":
            return self.ask(wanted.caller, "POST", base, body=self.document(wanted))
        if event == "put":
            return self.ask(wanted.caller, "PUT", one, body=PUTS[kind](arg))
        if event == "delete":
            return self.ask(wanted.caller, "DELETE", one)
        if event == "upload":
            written = arg["written"] if is_good else b'{"not a charge":' if kind == "Journal" else b"PK\x03\x04 torn"
            media, name = ("application/jsonl", "march.jsonl") if kind == "Journal" else (XLSX, "hand.xlsx")
            self.ask(wanted.caller, "GET", "/manual-overrides?limit=0")
            return self.clients[wanted.caller].upload(f"{one}/upload", written, name, media)
        if event == "removeChild":
            return self.ask(wanted.caller, "DELETE", f"{one}/children/{arg['child']}")
        if event == "addChild":
            return self.ask(wanted.caller, "POST", f"{one}/children", body={"id": arg["child"] or "SOM-0000-0000"})
        body: dict[str, Any] | None = None
        if event == "match":
            body = {arg["source"].member: {"id": arg["source"].id}}
        elif event == "error":
            body = {"statusNotes": {"message": arg["notes"] or " "}}
        return self.ask(wanted.caller, "POST", f"{one}/{event}", body=body)

    def new(self, wanted: Step) -> dict[str, Any]:
        """The body of a new object; a bad one misses what it must have, or names what is not to be had."""
        is_good, currency = wanted.arg.get("is_good", True), {"purchase": "EUR", "sale": "EUR"}
        vendor, seller = {"id": VENDOR}, {"id": "SEL-1000-0001"}
        if wanted.kind == "Journal":
            other = "vendor-other" if (wanted.caller == "vendor") == is_good else "vendor"
            own = AUTHORIZATIONS["vendor" if other == "vendor-other" else "vendor-other"]
            return {"name": "March", "authorization": {"id": own}}
        if wanted.kind == "CustomLedger":
            dates = {"billingStartDate": "2026-02-01", "billingEndDate": "2026-02-28" if is_good else "2026-01-28"}
            return {"name": "By hand", "seller": seller, "vendor": vendor, "price": {"currency": currency}, **dates}
        if wanted.kind == "Statement":
            buyer = {"id": "BUY-1000-0001" if is_good else "BUY-0000-0000"}
            return {"buyer": buyer, "seller": seller, "vendor": vendor, "price": {"currency": currency}}
        return {"client": {"id": wanted.arg["client"]}, "vendor": vendor}

    def document(self, wanted: Step) -> dict[str, Any]:
        """An invoice as the ERP sends it; one for each statement, and one for none."""
        arg = wanted.arg
        statement = self.model.statement(wanted.id) if wanted.id else None
        data: dict[str, Any] = {"revision": arg["revision"]}
        if statement is not None:
            data["referenceNumber"] = {"orderNo": statement.erp}
        return {
            "documentNo": f"D-{wanted.id}",
            "countryCode": "NL",
            "buyer": {"id": statement.buyer if statement else "BUY-1000-0001"},
            "price": {"currency": "EUR", "totalSP": arg["net"], "totalST": arg["tax"]},
            "erpData": data,
        }

    def made(self, wanted: Step, answer: Mapping[str, Any]) -> None:
        """Tell the model of a new object, whose id the server drew."""
        model, id = self.model, answer["id"]
        if wanted.kind == "Journal":
            authorization = AUTHORIZATIONS[wanted.caller]
            model.journals[id] = Journal(id, wanted.caller, authorization, CAST[wanted.caller][1], name="March")
        elif wanted.kind == "CustomLedger":
            model.custom[id] = CustomLedger(id, VENDOR, "SEL-1000-0001", name="By hand")
        elif wanted.kind == "ManualOverride":
            model.overrides[id] = Override(id, wanted.arg["client"], VENDOR)
        elif wanted.kind == "Statement":
            parties = (VENDOR, CLIENTS[0], "BUY-1000-0001", "SEL-1000-0001")
            model.statements.append(Statement("Consolidated", "", *parties, ("EUR", "EUR"), id=id))
        else:
            arg, statement = wanted.arg, model.statement(wanted.id) if wanted.id else None
            client = statement.client if statement else CLIENTS[0]
            net, tax = Fraction(arg["net"]), Fraction(arg["tax"])
            name = model.invoices[id].name if id in model.invoices else f"D-{wanted.id}"
            status = model.invoices[id].status if id in model.invoices else "Issued"
            model.synced(Invoice(id, client, arg["revision"], net, tax, wanted.id, "Manual", status, name))

    # What is compared

    def agree(self) -> None:
        """The server shows what the model says, of everything."""
        model = self.model
        shown = {id: (each["status"], each.get("notes")) for id, each in self.listed("/manual-overrides").items()}
        assert shown == {id: (each.status, each.notes or None) for id, each in model.overrides.items()}
        journals = self.listed("/journals")
        assert journals.keys() == model.journals.keys()
        for id, journal in model.journals.items():
            assert _seen(journals[id], "name") == {
                "status": journal.status,
                "name": journal.name,
                "price": _wire(journal.money.members),
                "upload": uploads(journal.charges.values()),
                "processing": counts(journal.charges.values()),
            }
            assert ("error" in journals[id]) == (journal.status == "Error")
        ledgers = self.listed("/ledgers")
        assert ledgers.keys() == model.ledgers.keys()
        for id, ledger in model.ledgers.items():
            assert _seen(ledgers[id], "journal", "seller", "assignee") == {
                "status": ledger.status,
                "journal": ledger.journal,
                "seller": ledger.seller,
                "assignee": ledger.assignee,
                "price": _wire(_total(ledger.charges).members),
                "processing": counts(ledger.charges),
            }
        custom = self.listed("/custom-ledgers")
        assert custom.keys() == model.custom.keys()
        for id, manual in model.custom.items():
            assert _seen(custom[id], "name") == {
                "status": manual.status,
                "name": manual.name,
                "price": _wire(_total(manual.charges.values()).members),
                "processing": counts(manual.charges.values()),
            }
        for id, journal in model.journals.items():
            self.charges(f"/journals/{id}/charges", journal)
        for id, manual in model.custom.items():
            self.charges(f"/custom-ledgers/{id}/charges", manual)
        self.statements()
        self.invoices()
        self.others()

    def bind(self) -> None:
        """Learn the ids of new statements: by their charges, which link to them. First, what is due happens."""
        self.ask("operations", "GET", "/manual-overrides?limit=0")
        for statement in self.model.statements:
            if not statement.id:
                path = "ledgers" if statement.home.startswith("BLE") else "custom-ledgers"
                answer = self.ask("operations", "GET", f"/{path}/{statement.home}/charges/{statement.charges[0].id}")
                statement.id = answer.json["statement"]["id"]

    def charges(self, path: str, parent: Journal | CustomLedger) -> None:
        """The charges below something; bytes that did not change were compared before."""
        self.bind()
        answer = self.ask("operations", "GET", f"{path}?limit=100")
        wanted = {
            each.id: (each.upload, each.status, each.parent, each.ledger, each.statement.id if each.statement else "")
            for each in parent.charges.values()
        }
        key = hashlib.blake2b(answer.content + repr(sorted(wanted.items())).encode()).digest()
        if self.bodies.get(path) == key:
            return
        found = json.loads(answer.content)["data"]
        assert {
            each["id"]: (
                each["upload"]["status"],
                each["processing"]["status"],
                *(each.get(name, {}).get("id", "") for name in ("parent", "ledger", "statement")),
            )
            for each in found
        } == wanted
        self.bodies[path] = key

    def statements(self) -> None:
        """States, links and totals of every statement."""
        self.bind()
        shown = self.listed("/statements")
        assert shown.keys() == {each.id for each in self.model.statements}
        for each in self.model.statements:
            found = shown[each.id]
            price = each.money.members
            if each.tax is not None:
                price |= {"totalST": each.tax, "totalGT": price["totalSP"] + each.tax}
            assert _seen(found, "client", "buyer", "parent", "invoice") == {
                "status": each.status,
                "client": each.client,
                "buyer": each.buyer,
                "parent": each.parent,
                "invoice": each.invoice,
                "price": _wire(price),
                "processing": counts(each.charges),
            }, each
            assert (found["type"], found["billingType"]) == (each.type, each.kind)
            home = found.get("ledger", found.get("customLedger", {"id": ""}))
            assert home["id"] == each.home
            assert found.get("statusNotes", {"message": ""})["message"] == each.notes
            each.erp = found.get("externalIds", {}).get("erpId", "")
            if each.kind == "Consolidated":
                assert found["statistics"]["statements"] == each.joined

    def invoices(self) -> None:
        """States, links and totals of every invoice."""
        shown = self.listed("/invoices")
        assert shown.keys() == self.model.invoices.keys()
        for id, each in self.model.invoices.items():
            assert _seen(shown[id], "name", "client", "statement", "billingType") == {
                "status": each.status,
                "name": each.name,
                "client": each.client,
                "statement": each.statement,
                "billingType": each.billing,
                "price": _wire({"totalSP": each.net, "totalST": each.tax, "totalGT": each.net + each.tax}),
            }

    def others(self) -> None:
        """The vendors and clients see what is theirs, and nothing else."""
        for caller in ("vendor", "vendor-other", "client", "client-other"):
            role, account = CAST[caller]
            path = "/journals" if role == "vendor" else "/statements"
            total = self.ask(caller, "GET", f"{path}?limit=0").json["$meta"]["pagination"]["total"]
            if role == "vendor":
                assert total == sum(each.vendor == account for each in self.model.journals.values())
            else:
                assert total == sum(each.client == account for each in self.model.statements)


PUTS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "Journal": lambda arg: {"name": arg["name"], "notes": arg["notes"], "status": "Completed"},
    "Ledger": lambda arg: {"assignee": {"id": arg["assignee"]}},
    "CustomLedger": lambda arg: {"name": arg["name"]},
    "Statement": lambda arg: {"statusNotes": {"message": arg["notes"]}},
    "ManualOverride": lambda arg: {"notes": arg["notes"], "status": "Disabled"},
    "Invoice": lambda arg: {"name": arg["name"], "status": arg["status"]},
}


def _state(record: Mapping[str, Any]) -> str:
    return str(record["processing"]["status"] if record["id"].startswith("CHG") else record["status"])


def _total(charges: Iterable[Any]) -> Money:
    return sum((each.money for each in charges if each.status == "Ready"), Money())


def _wire(price: Mapping[str, Fraction]) -> dict[str, float]:
    """Amounts as JSON carries them: the nearest double."""
    return {name: float(value) for name, value in price.items()}


def _seen(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The members that are compared, references by their ids."""
    found: dict[str, Any] = {"status": record["status"]}
    for name in names:
        value = record.get(name, "")
        found[name] = value["id"] if isinstance(value, Mapping) else value
    found["price"] = {name: float(value) for name, value in record["price"].items() if name != "currency"}
    return found | {name: dict(record[name]) for name in ("upload", "processing") if name in record}


def _row(who: str, document: str, prices: tuple[str, str], is_credit: bool, *, is_known: bool) -> Row:
    agreement, client, buyer, _ = HANDS[who]
    pp, sp = (Fraction(price) * (-1 if is_credit else 1) for price in prices)
    return Row(document, agreement if is_known else "", client, buyer, pp, sp)


def _cells(who: str, document: str, prices: tuple[str, str], is_credit: bool, *, is_known: bool) -> dict[str, Any]:
    agreement, _, _, number = HANDS[who]
    named = agreement if is_known else "AGR-9999-9999-9999"
    return row(
        *prices,
        documentNumber=document,
        statementType="Credit" if is_credit else "Debit",
        externalDocumentNo2=named,
        billTo=number,
        sellTo=number,
    )


def walk(processing: str, number: int, *, examples: int, steps: int) -> Counter[tuple[str, str, str, int]]:
    """Walks of one way of processing from one seed; what they tried."""
    machine: Any = type("Billing", (Billing,), {"processing": processing, "covered": Counter()})
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    found: Counter[tuple[str, str, str, int]] = machine.covered
    return found


def pairs(tried: Sequence[Counter[tuple[str, str, str, int]]]) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """(kind, event, state) that were taken, and those that were refused by the state."""
    found = sum(tried, Counter())
    taken: set[tuple[str, ...]] = {key[:3] for key in found if key[3] < 300 and key[2]}
    return taken, {key[:3] for key in found if key[3] == 409}


@pytest.mark.parametrize("processing", WAYS)
def test_the_world_does_what_the_model_says(processing: str) -> None:
    taken, refused = pairs([walk(processing, 1, examples=20, steps=50)])
    assert len(taken) > 45
    assert len(refused) > 25


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2, 10))
def test_the_world_does_what_the_model_says_in_20_000_steps(number: int) -> None:
    tried = [walk(way, number, examples=16, steps=50) for way in WAYS]
    assert sum(map(Counter.total, tried)) > 20_000 / 8
    taken, refused = pairs(tried)
    possible = {(kind, event, state) for (kind, event), states in ALLOWED.items() for state in states}
    assert len(taken & possible) > 40
    assert len(refused) > 60


def test_what_waits_for_a_ledger_does_not_happen_to_the_next_one_of_its_seller() -> None:
    # Found by a walk: ids of ledgers come again (b.12), and the old job met the new ledger in a state it did not know.
    server = small_server("manual")
    vendor, operations = Client(server, "vendor-token"), Client(server, "operations-token")
    id = vendor.post("/journals", {"name": "March", "authorization": {"id": AUTHORIZATIONS["vendor"]}}).json["id"]
    vendor.upload(f"/journals/{id}/upload", orjson.dumps(_written("sub-plain", "100", "")))
    server.world.run()
    vendor.post(f"/journals/{id}/submit")
    for event in ("accept", "reset", "accept"):
        assert operations.post(f"/journals/{id}/{event}").status == 200
        assert operations.post(f"//__mock__/jobs/release?subject={id}").status == 200
        if event == "accept":
            (ledger,) = operations.get("/ledgers").json["data"]
            assert ledger["status"] == "Review"
            waiting = operations.get("//__mock__/jobs").json["jobs"]
            assert waiting == []
            assert operations.post(f"/ledgers/{ledger['id']}/accept").json["status"] == "Generating"
    assert len(operations.get("//__mock__/jobs").json["jobs"]) == 1
    server.world.run()
    assert operations.get(f"/journals/{id}").json["status"] == "Accepted"
