"""Large files of charges with errors among them, and what can be asked of the charges that they become."""

from __future__ import annotations

from random import Random
from typing import Any, cast

from mockserver import MockServer
from mockserver.apis.billing.charge_files import write_csv, write_jsonl
from tests.recorded.recorder import Recorder, session
from tests.valid import Valid

JOURNAL = "/journals/BJO-1000-0001"
LINES = 2_000
FILTERS = (
    *(
        "eq(upload.status,Error)",
        "ne(upload.status,Ready)",
        "gt(price.PPx1,500)",
        "le(quantity,3)",
        "eq(quantity,null())",
    ),
    *("like(externalIds.vendor,row-1*)", "in(externalIds.reference,(usage-7,usage-700,nothing))", "segment=GOV"),
    *("any(upload.errors)", "any(upload.errors,like(self(),*segment*))", "eq(externalIds.vendor,row-1999)"),
    *("gt(period.start,2026-02-10)", "eq(item.externalIds.vendor,SKU-100)", "ne(subscription.id,null())", "id=CHG-0"),
    *("not(like(description.value1,Seats))", "statementType=Credit;segment=EDU", "eq(seller.address.country,NL)"),
)
ORDERS = (
    "-price.PPx1",
    "quantity,-id",
    "segment,price.PPx1",
    "-upload.status",
    "externalIds.vendor",
    "-period.start,segment",
)


@session("uploads")
def uploads(r: Recorder) -> None:
    """A large file, another over it, and another yet; lists of what there is after each."""
    random = Random("uploads")
    vendor, operations = r.as_("vendor"), r.as_("operations")
    valid = Valid(cast(MockServer, r), "vendor")
    lines = valid.lines(valid.work.need("Journal", JOURNAL.rpartition("/")[2]), LINES)
    spoiled = [_varied(line, random) for line in lines]
    for content, name, media in (
        (write_jsonl(spoiled), "a.jsonl", "application/jsonl"),
        (write_csv(spoiled[:400]), "b.csv", "text/csv"),
        (write_jsonl(lines[:1500]), "c.jsonl", "application/jsonl"),
    ):
        vendor.upload(f"{JOURNAL}/upload", content, name, media)
        vendor.get(JOURNAL)
        operations.get(f"{JOURNAL}?select=audit,price")
        _lists(r, random)
        vendor.get("/journals?limit=5&order=-audit.updated.at")
    vendor.get(f"{JOURNAL}/attachments?order=-id")
    vendor.post(f"{JOURNAL}/submit")
    _lists(r, random)
    for action in ("ignore", "match", "reset"):
        for number in (1, 7, 700, 1499):
            operations.post(f"{JOURNAL}/charges/CHG-1000-0001-0000-{number // 100:04}-{number % 100:02}00/{action}")
    operations.get(f"{JOURNAL}/charges?ne(processing.status,Ready)&limit=50")
    operations.post(f"{JOURNAL}/accept")
    for reader in ("operations", "vendor", "client"):
        r.as_(reader).get("/ledgers?order=-audit.created.at&limit=5")
        r.as_(reader).get(JOURNAL)
    operations.get(f"{JOURNAL}/charges?limit=40&offset=700&order=-id")
    vendor.delete(JOURNAL)


def _lists(r: Recorder, random: Random) -> None:
    for said in random.sample(FILTERS, 8):
        reader = r.as_(random.choice(("vendor", "operations")))
        reader.get(
            f"{JOURNAL}/charges?{said}&limit={random.choice((3, 20, 100))}&offset={random.choice((0, 0, 2, 50))}"
        )
    for order in ORDERS:
        page = f"limit={random.choice((5, 100))}&offset={random.choice((0, 60, 990, 1495))}"
        r.as_("operations").get(f"{JOURNAL}/charges?order={order}&{page}&select=-*,id,price")
    for offset in (0, 900, LINES - 5, LINES):
        r.as_("vendor").get(f"{JOURNAL}/charges?limit=10&offset={offset}")
    r.as_("vendor").get(f"{JOURNAL}/charges?eq(upload.status,Error)&limit=100", headers={"accept": "text/csv"})


def _varied(line: dict[str, Any], random: Random) -> dict[str, Any]:
    """Another line; one of six is wrong somewhere."""
    price = random.choice((100, 12.5, -8.33, 1000, 0.001))
    made = {**line, "price": {"unitPP": price, "PPx1": price}, "segment": random.choice(("COM", "GOV", "EDU"))}
    made["quantity"] = random.choice((1, 2, 3, 10, 2.5))
    made["description"] = {"value1": random.choice(("Seats", 'Größe; "x"', "=1+1", "a,b"))}
    if random.random() < 1 / 6:
        name = random.choice(sorted(made))
        wrong: Any = random.choice((None, "", "x", -1, {}, {"value": "nothing"}))
        made = {key: value for key, value in made.items() if key != name} | ({name: wrong} if wrong is not None else {})
    return made
