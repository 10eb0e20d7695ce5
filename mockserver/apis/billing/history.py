"""What has happened in a world before it starts: every object is driven to its state through the workflows themselves.

So sums, links, roll-ups and audits are right because nothing else made them. Transient states (Validating, Generating,
Rating, Resetting) are reached by firing their event and taking away the job that would end them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from mockserver import ids
from mockserver.apis.billing import erp_documents
from mockserver.apis.billing.catalog import Catalog
from mockserver.apis.billing.usage import Line, Usage, month
from mockserver.attachments import described
from mockserver.portions import at_once
from mockserver.store import Record
from mockserver.work import Actor, Upload, Work

JSONL = "application/jsonl"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

# entity -> state -> the state that it is reached from; None: it starts there.
WAYS: Mapping[str, Mapping[str, str | None]] = {
    "Journal": {
        "Draft": None,
        "Validating": "Draft",
        "Validated": "Validating",
        "Error": "Validating",
        "Review": "Validated",
        "Enquiring": "Review",
        "Reconciling": "Review",
        "Generating": "Review",
        "Generated": "Generating",
        "Accepted": "Generated",
        "Queued": "Accepted",
        "Completed": "Queued",
        "Resetting": "Generated",
    },
    "Ledger": {
        "Review": None,
        "Rating": "Review",
        "Error": "Rating",
        "Generating": "Review",
        "Generated": "Generating",
        "Queued": "Generated",
        "Completed": "Queued",
    },
    "CustomLedger": {
        "Draft": None,
        "Validating": "Draft",
        "Validated": "Validating",
        "Error": "Validating",
        "Generating": "Validated",
        "Generated": "Generating",
        "Queued": "Generated",
        "Completed": "Queued",
    },
    "Statement": {
        "Generated": None,
        "Queued": "Generated",
        "Pending": "Queued",
        "Issued": "Pending",
        "Error": "Queued",
        "Cancelled": "Generated",
        "Generating": "Error",
        "Consolidating": "Queued",
        "Consolidated": "Consolidating",
    },
    "Invoice": {"Issued": None, "Paid": "Issued", "Overdue": "Issued"},
    "CreditMemo": {"Issued": None},
    "ManualOverride": {"Active": None, "Disabled": "Active"},
}
# Further states that a state is reached from, in one step, by a record that is there already.
SHORT = {
    ("Journal", "Resetting"): frozenset({"Accepted"}),
    ("Statement", "Cancelled"): frozenset({"Queued", "Pending", "Error"}),
}
TRANSIENT = frozenset({"Validating", "Generating", "Rating", "Resetting"})


def way(entity: str, now: str, wanted: str) -> list[str] | None:
    """The states to go through from one to another, the last included; None if no way leads there."""
    if now in SHORT.get((entity, wanted), ()):
        return [wanted]
    steps: list[str] = []
    state: str | None = wanted
    while state is not None and state != now:
        steps.insert(0, state)
        state = WAYS[entity][state]
    return None if state is None else steps


@dataclass(slots=True)
class Plan:
    """A journal or custom ledger to be made.

    status: the state to bring it to
    said: members to write
    lines: charges that must be there; count: how many there are at least
    signs: agreement id -> 1 where its every charge costs, -1 where it gives money back; others are mixed
    """

    at: datetime
    status: str
    id: str | None = None
    said: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    count: int = 0
    signs: Mapping[str, int] = field(default_factory=dict)


class History:
    """Lets things happen, as the ones who would do them."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.making = catalog.making
        self.usage = Usage(catalog)
        self._actors: dict[tuple[str, str], Actor] = {}
        self._documents = 0
        self._steps: dict[tuple[str, str], Callable[[str], object]] = {
            ("Journal", "Validated"): self._run,
            ("Journal", "Error"): self._run,
            ("Journal", "Review"): lambda id: self._act("Journal", id, "submit", hours=3),
            ("Journal", "Enquiring"): lambda id: self._act("Journal", id, "enquire", hours=5),
            ("Journal", "Reconciling"): self._reconcile_one,
            ("Journal", "Generating"): lambda id: self._act("Journal", id, "accept", days=1),
            ("Journal", "Generated"): self._run,
            ("Journal", "Accepted"): lambda id: self._each_ledger(id, "Generated"),
            ("Journal", "Queued"): lambda id: self.reach("Ledger", self._ledgers(id)[0]["id"], "Queued"),
            ("Journal", "Completed"): lambda id: self._each_ledger(id, "Completed"),
            ("Journal", "Resetting"): lambda id: self._act("Journal", id, "reset", hours=2),
            ("Ledger", "Rating"): lambda id: self._act("Ledger", id, "recalculate", hours=2),
            ("Ledger", "Error"): self._fail_rating,
            ("Ledger", "Generating"): lambda id: self._act("Ledger", id, "accept", hours=6),
            ("Ledger", "Generated"): self._run,
            ("Ledger", "Queued"): lambda id: self._act("Ledger", id, "queue", days=1),
            ("Ledger", "Completed"): lambda id: self._finish_statements("ledger.id", id),
            ("CustomLedger", "Validated"): self._run,
            ("CustomLedger", "Error"): self._run,
            ("CustomLedger", "Generating"): lambda id: self._act("CustomLedger", id, "accept", days=1),
            ("CustomLedger", "Generated"): self._run,
            ("CustomLedger", "Queued"): lambda id: self._act("CustomLedger", id, "queue", days=1),
            ("CustomLedger", "Completed"): lambda id: self._finish_statements("customLedger.id", id),
            ("Statement", "Queued"): lambda id: self._act("Statement", id, "queue", hours=2),
            ("Statement", "Pending"): lambda id: self._act("Statement", id, "pending", erp=True, minutes=20),
            ("Statement", "Issued"): lambda id: self._act("Statement", id, "issue", erp=True, hours=2),
            ("Statement", "Error"): self._refuse_statement,
            ("Statement", "Cancelled"): lambda id: self._act("Statement", id, "cancel", hours=2),
            ("Statement", "Generating"): lambda id: self._act("Statement", id, "recalculate", hours=2),
            ("Statement", "Consolidating"): self._consolidate,
            ("Statement", "Consolidated"): self._queue_parent,
            ("Invoice", "Paid"): lambda id: self._sync_again(id, "Paid"),
            ("Invoice", "Overdue"): lambda id: self._sync_again(id, "Overdue"),
            ("ManualOverride", "Disabled"): lambda id: self._act("ManualOverride", id, "disable", days=2),
        }

    # Who acts

    @property
    def operations(self) -> Actor:
        """Somebody of Operations."""
        return self.actor(self.catalog.account("Operations"), "operations")

    def actor(self, account: Record, role: str) -> Actor:
        """The cast's own who speaks for an account, else a token of that account."""
        key = (account["id"], role)
        if key not in self._actors:
            own = next((each for each in self.making.cast if (each.account, each.role) == key), None)
            if own is None:
                token = self.catalog.make("Token", {"account": account})
                self._actors[key] = Actor(self.catalog.ref("Token", token), role, account["id"])
            else:
                self._actors[key] = Actor(own.user, role, account["id"])
        return self._actors[key]

    def _erp(self) -> Actor:
        """The ERP integration: a token of Operations (billing d.3)."""
        account = self.catalog.account("Operations")
        key = (account["id"], "erp")
        if key not in self._actors:
            token = self.catalog.make("Token", {"account": account, "name": "ERP connector"})
            self._actors[key] = Actor(self.catalog.ref("Token", token), "operations", account["id"])
        return self._actors[key]

    # What is asked for

    def get(self, entity: str, id: str) -> Record:
        """A record that is there."""
        record = self.making.world.layer.get(entity, id)
        assert record is not None, f"{entity} {id} was made before"
        return record

    def where(self, entity: str, path: str, value: str) -> list[Record]:
        """Records by an indexed member."""
        return [row.record for row in self.making.world.layer.where(entity, path, value)]

    def reach(self, entity: str, id: str, wanted: str) -> bool:
        """Bring a record to a state, step by step; False if no way leads there from where it is."""
        now = str(self.get(entity, id)["status"])
        steps = way(entity, now, wanted)
        if steps is None:
            return False
        for state in steps:
            if self.get(entity, id)["status"] != state:  # what went before may have led here already
                self._steps[entity, state](id)
        if wanted in TRANSIENT:
            self.making.abandon()
        return bool(self.get(entity, id)["status"] == wanted)

    # Journals

    def journal(self, plan: Plan) -> str:
        """Make a journal and bring it to its state; its id."""
        authorization = plan.said["authorization"]
        vendor = self.actor(self.get("Account", authorization["vendor"]["id"]), "vendor")
        self.making.at(plan.at)
        self.making.next_id("Journal", plan.id)
        start, end = month(plan.at)
        due = plan.said.get("dueDate") or end[:8] + "28T00:00:00.000Z"
        body = {
            "name": f"{authorization['product']['name']} {start[:7]}",
            "dueDate": due,
            "externalIds": {"vendor": f"USAGE-{start[:7]}"},
        }
        body |= {
            name: value for name, value in plan.said.items() if name in ("name", "description", "notes", "externalIds")
        }
        work = self.making.work(vendor)
        work.body = {**body, "authorization": {"id": authorization["id"]}}
        id = str(work.workflows.makers["Journal"](work)["id"])
        work.commit()
        if plan.status != "Draft":
            self.upload(id, plan, authorization, vendor)
        self.reach("Journal", id, plan.status)
        return id

    def upload(self, id: str, plan: Plan, authorization: Record, vendor: Actor) -> None:
        """Upload a file with the plan's lines, as the vendor does."""
        from mockserver.apis.billing.charge_files import write_jsonl

        lines = self.usage.lines(
            authorization, plan.count, month(plan.at), wanted=plan.lines, name=ids.digits(id), signs=plan.signs
        )
        self._load("Journal", id, Upload(f"usage-{plan.at:%Y-%m}.jsonl", JSONL, write_jsonl(lines)), vendor)

    def _load(self, entity: str, id: str, upload: Upload, actor: Actor) -> None:
        self.making.later(minutes=40)
        work = self.making.work(actor)
        record = work.need(entity, id)
        if (prepare := work.workflows.preparers.get(entity)) is not None:
            upload = replace(upload, ahead=at_once(prepare(work, record, upload)))
        work.fire(entity, work.workflows.loaders[entity](work, record, upload), "upload")
        work.commit()

    def rebuild(self, id: str) -> None:
        """Regenerate a journal under review, so that its charges meet the catalog as it is now."""
        self._act("Journal", id, "regenerate", hours=2)
        self._run(id)

    def charge_event(self, id: str, event: str, body: Mapping[str, Any]) -> None:
        """Match, ignore or reset a charge."""
        charge = self.get("Charge", id)
        self._act("Charge", id, event, body=body, params={"journalId": charge["journal"]["id"], "id": id}, minutes=30)

    def recalculate(self, id: str) -> None:
        """Take a reconciled journal back to review."""
        self._act("Journal", id, "recalculate", hours=1)
        self._run(id)

    def _reconcile_one(self, id: str) -> None:
        """Ignore one charge and take another back, so that the journal is being reconciled."""
        ready = [
            each["id"]
            for each in self.where("Charge", "journal.id", id)
            if each["processing"]["status"] == "Ready" and "parent" not in each
        ]
        if ready:
            self.charge_event(ready[0], "ignore", {"reason": "Billed twice by the vendor."})
        if len(ready) > 1:
            self.charge_event(ready[1], "ignore", {"reason": "Under discussion with the vendor."})
            self.charge_event(ready[1], "reset", {})

    # Ledgers

    def _ledgers(self, journal: str) -> list[Record]:
        return self.where("Ledger", "journal.id", journal)

    def _each_ledger(self, journal: str, state: str) -> None:
        for ledger in self._ledgers(journal):
            self.reach("Ledger", ledger["id"], state)

    def _fail_rating(self, id: str) -> None:
        """Let the rating fail, because the seller is offline just then."""
        seller = self.get("Seller", self.get("Ledger", id)["seller"]["id"])
        with self.without("Seller", seller["id"], {**seller, "status": "Offline"}):
            self._run(id)

    @contextmanager
    def without(self, entity: str, id: str, meanwhile: Record | None = None) -> Iterator[None]:
        """A catalog in which a record is gone, or another, for a while."""
        layer, record = self.making.world.layer, self.get(entity, id)
        layer.put(entity, meanwhile) if meanwhile is not None else layer.remove(entity, id)
        yield
        layer.put(entity, record)

    # Custom ledgers

    def custom_ledger(self, plan: Plan, agreements: Sequence[Record]) -> str:
        """Make a custom ledger for agreements of one seller and vendor; its id."""
        from mockserver.apis.billing.custom_ledger_files import custom_ledger_template

        self.making.at(plan.at)
        self.making.next_id("CustomLedger", plan.id)
        start, end = month(plan.at)
        first = agreements[0]
        authorization = self.get("Authorization", first["authorization"]["id"])
        seller = self.get("Seller", first["seller"]["id"])
        purchase = authorization["currency"]
        sale = purchase if purchase in seller["currencies"] else seller["currencies"][0]
        body: dict[str, Any] = {
            "name": f"Manual {start[:7]} {first['client']['name']}",
            "seller": {"id": seller["id"]},
            "vendor": {"id": first["vendor"]["id"]},
            "price": {"currency": {"purchase": purchase, "sale": sale}},
            "billingStartDate": start,
            "billingEndDate": end,
        }
        body |= {
            name: value
            for name, value in plan.said.items()
            if name in ("name", "notes", "externalIds", "billingStartDate", "billingEndDate")
        }
        work = self.making.work(self.operations)
        work.body = body
        id = str(work.workflows.makers["CustomLedger"](work)["id"])
        work.commit()
        if plan.status != "Draft":
            rate = self.making.world.layer.get("ExchangeRate", f"{purchase}-{sale}")
            rows = self.usage.rows(
                agreements, plan.count, month(plan.at), Decimal(rate["rate"] if rate else 1), plan.lines, plan.signs
            )
            file = Upload(f"{id}.xlsx", XLSX, custom_ledger_template(rows))
            self._load("CustomLedger", id, file, self.operations)
        self.reach("CustomLedger", id, plan.status)
        return id

    # Statements

    def _finish_statements(self, path: str, id: str) -> None:
        """Bring every statement to its end, most of them issued; what is left of the cascade follows by itself."""
        for number, statement in enumerate(self.where("Statement", path, id)):
            if statement["status"] in ("Issued", "Cancelled", "Consolidated"):
                continue
            if statement["status"] == "Queued" and number % 6 == 5:
                self._act("Statement", statement["id"], "cancel", hours=2)
                continue
            if statement["status"] == "Error":
                self._act("Statement", statement["id"], "retry", hours=2)
            self.reach("Statement", statement["id"], "Issued")

    def _refuse_statement(self, id: str) -> None:
        text = {"message": "The ERP knows no customer of this number."}
        work = self._start("Statement", id, self._erp(), minutes=30)
        work.body = {"statusNotes": text}
        work.fire("Statement", {**work.need("Statement", id), "statusNotes": text}, "error")
        work.commit()

    def _consolidate(self, id: str) -> None:
        """Put a queued statement into a consolidated one, made for it or waiting for another child."""
        child = self.get("Statement", id)
        alike = ("buyer", "seller", "vendor")
        rows = list(self.making.world.layer.all("Statement"))
        shells = [row.record for row in reversed(rows) if row.record["billingType"] == "Consolidated"]
        parent = next(
            (
                each
                for each in shells
                if each["status"] == "Generated"
                and all(each[name]["id"] == child[name]["id"] for name in alike)
                and all(
                    each["price"]["currency"].get(side) == child["price"]["currency"].get(side)
                    for side in ("purchase", "sale")
                )
            ),
            None,
        )
        if parent is None:
            parent = self.shell(child)
        self._act("Statement", parent["id"], "addChild", body={"id": id}, params={"id": parent["id"]}, minutes=15)

    def shell(self, like: Record, id: str | None = None) -> Record:
        """An empty consolidated statement that a statement could go into."""
        self.making.later(minutes=10)
        self.making.next_id("Statement", id)
        work = self.making.work(self.operations)
        currency = {side: like["price"]["currency"][side] for side in ("purchase", "sale")}
        refs = {name: {"id": like[name]["id"]} for name in ("buyer", "seller", "vendor")}
        work.body = {**refs, "price": {"currency": currency}}
        made = work.workflows.makers["Statement"](work)
        work.commit()
        return made

    def _queue_parent(self, id: str) -> None:
        self.reach("Statement", self.get("Statement", id)["parent"]["id"], "Queued")

    # Documents of the ERP

    def bill(
        self,
        statement: Record,
        *,
        number: str | None = None,
        country: str | None = None,
        said: Mapping[str, Any] | None = None,
    ) -> str:
        """Have the ERP send the invoice, or the credit memo, of an issued statement; its id."""
        self.making.later(days=1)
        self._documents += 1
        entity = "CreditMemo" if statement["type"] == "Credit" else "Invoice"
        seller = self.get("Seller", statement["seller"]["id"])
        country = country or str(seller["externalId"])
        number = number or f"{country}-{'PSI' if entity == 'Invoice' else 'CM'}-{330_000 + self._documents}"
        document = erp_documents.document(
            statement,
            self._billed(statement),
            seller=seller,
            buyer=self.get("Buyer", statement["buyer"]["id"]),
            number=number,
            country=country,
            now=self.making.world.clock.now(),
            revision=self._documents * 10,
        )
        work = self.making.work(self._erp())
        work.body = {**document, **(said or {})}
        made = work.workflows.makers[entity](work)
        work.commit()
        return str(made["id"])

    def _billed(self, statement: Record) -> list[Record]:
        """The charges of a statement, or of its children."""
        children = self.where("Statement", "parent.id", statement["id"])
        return [
            charge for each in (statement, *children) for charge in self.where("Charge", "statement.id", each["id"])
        ]

    def _sync_again(self, id: str, status: str) -> None:
        """A newer revision of an invoice: paid, or not paid in time."""
        self.making.later(days=20 if status == "Paid" else 35)
        invoice = self.get("Invoice", id)
        work = self.making.work(self._erp())
        work.body = erp_documents.again(invoice, status)
        work.workflows.makers["Invoice"](work)
        work.commit()

    # Overrides and attachments

    def override(
        self,
        client: Record,
        vendor: Record,
        *,
        at: datetime,
        id: str | None = None,
        said: Mapping[str, Any] | None = None,
    ) -> str:
        """Take a pair of client and vendor out of the automated pipeline; the override's id."""
        self.making.at(at)
        self.making.next_id("ManualOverride", id)
        work = self.making.work(self.operations)
        work.body = {
            "client": {"id": client["id"]},
            "vendor": {"id": vendor["id"]},
            **(said or {"notes": "Billed by hand."}),
        }
        made = work.workflows.makers["ManualOverride"](work)
        work.commit()
        return str(made["id"])

    def attach(self, parent_entity: str, parent: Record, said: Mapping[str, Any], *, id: str | None = None) -> str:
        """Attach a file to a record; the attachment's id."""
        self.making.later(minutes=25)
        entity = f"{parent_entity}Attachment"
        self.making.next_id(entity, id)
        vendors = parent_entity == "Journal"
        account = self.get("Account", parent["vendor"]["id"]) if vendors else None
        work = self.making.work(self.operations if account is None else self.actor(account, "vendor"))
        content = str(said.get("content", "Date,Note\r\n2026-01-01,Checked\r\n")).encode()
        filename = str(said.get("filename", "notes.csv"))
        media = str(said.get("contentType", "text/csv"))
        record = {
            **described(work, entity, parent_entity, parent, type="Attachment", filename=filename, media=media),
            **{name: said[name] for name in ("name", "description") if name in said},
        }
        work.create(entity, {**record, "size": len(content)})
        work.put("File", {"id": record["id"], "content": content})
        work.commit()
        if said.get("isDeleted"):
            work = self.making.work(work.actor)
            work.change(entity, {**work.need(entity, str(record["id"])), "isDeleted": True})
            work.remove("File", str(record["id"]))
            work.commit()
        return str(record["id"])

    # How things are done

    def _run(self, id: str) -> None:
        self.making.later(minutes=2)
        self.making.run()

    def _start(self, entity: str, id: str, actor: Actor, **span: float) -> Work:
        self.making.later(**span)
        return self.making.work(actor)

    def _act(
        self,
        entity: str,
        id: str,
        event: str,
        *,
        erp: bool = False,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        **span: float,
    ) -> None:
        """Fire an event as whoever may cause it."""
        actor = self._erp() if erp else self.operations
        record = self.get(entity, id)
        if entity == "Journal" and event in ("submit", "delete"):
            actor = self.actor(self.get("Account", record["vendor"]["id"]), "vendor")
        work = self._start(entity, id, actor, **span)
        work.body = body or {}
        work.params = params or {"id": id}
        work.fire(entity, record, event)
        work.commit()
        # What completes a journal passes unseen: no scenario wants it to wait.
        self.making.world.run(lambda job: job["job"] == "completeJournal")

    def delete(self, entity: str, id: str) -> None:
        """Delete a journal or custom ledger: only the id counter remembers it."""
        self._act(entity, id, "delete", hours=1)
