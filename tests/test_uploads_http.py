"""Charge files through HTTP: what settles, how clients wrap them, what is refused (billing b.10, d.1, d.4, e)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from mockserver import MockServer
from mockserver.apis.billing.charge_files import write_csv, write_jsonl, write_xlsx
from mockserver.apis.billing.custom_ledger_files import custom_ledger_template
from tests.driver import XLSX, Answer, Client
from tests.fingerprint import fingerprint
from tests.make_files import FOLDER, bomb
from tests.valid import FORM, Part, Valid, form, status

As = Callable[[str], Client]
JOURNAL = "BJO-1000-0001"  # a draft
FORMATS = {
    "jsonl": (write_jsonl, "application/jsonl"),
    "csv": (write_csv, "text/csv"),
    "xlsx": (write_xlsx, XLSX),
}


def send(client: Client, path: str, *parts: Part) -> Answer:
    return client.request("POST", path, content=form(*parts), headers={"content-type": FORM})


def upload(client: Client, *parts: Part, journal: str = JOURNAL) -> Answer:
    """A form to the upload of a journal."""
    return send(client, f"/journals/{journal}/upload", *parts)


def lines(app: MockServer, count: int = 3) -> list[dict[str, Any]]:
    """Lines that the journal takes."""
    valid = Valid(app, "vendor")
    return valid.lines(valid.work.need("Journal", JOURNAL), count)


def charges(client: Client, path: str = f"/journals/{JOURNAL}/charges") -> list[Any]:
    found: list[Any] = client.get(f"{path}?limit=100").json["data"]
    return found


# What settles


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_becomes_charges_counts_and_sums(app: MockServer, vendor: Client, operations: Client, kind: str) -> None:
    write, media = FORMATS[kind]
    given = lines(app)
    given[1]["price"] = {"unitPP": Decimal("12.345"), "PPx1": Decimal("-8.33")}  # not checked against the quantity
    answer = upload(vendor, Part("file", write(given), f"june.{kind}", media))
    assert (answer.status, answer.json["status"]) == (200, "Validating")

    journal = vendor.get(f"/journals/{JOURNAL}").json
    assert journal["status"] == "Validated"
    assert journal["upload"] == {"total": 3, "split": 0, "ready": 3, "error": 0}
    assert journal["price"] == {"currency": "EUR", "totalPP": 191.67}
    assert "error" not in journal
    whole = operations.get(f"/journals/{JOURNAL}").json
    assert whole["processing"] == {"total": 3, "ready": 3, "error": 0, "split": 0, "skipped": 0, "ignored": 0}
    [markup] = {each["price"]["markup"] for each in charges(operations)}
    assert whole["price"]["markup"] == markup > 0
    assert whole["price"]["totalSP"] == pytest.approx(191.67 * (1 + markup / 100), abs=0.00001)

    found = charges(vendor)
    assert [each["id"] for each in found] == [f"CHG-1000-0001-0000-0000-0{count}00" for count in (1, 2, 3)]
    assert [each["externalIds"]["vendor"] for each in found] == ["row-1", "row-2", "row-3"]
    assert [each["price"]["PPx1"] for each in found] == [100, -8.33, 100]
    assert [each["statementType"] for each in found] == ["Debit", "Credit", "Debit"]
    assert {(each["upload"]["status"], each["billingType"], each["segment"]) for each in found} == {
        ("Ready", "Automated", "COM")
    }
    assert all(
        {"agreement", "subscription", "item", "buyer", "seller", "client", "licensee"} <= set(each) for each in found
    )
    assert found[0]["period"] == {"start": "2026-02-01T00:00:00.000Z", "end": "2026-02-28T00:00:00.000Z"}
    sellers = {each["id"] for each in vendor.get(f"/journals/{JOURNAL}/sellers").json["data"]}
    assert sellers == {each["seller"]["id"] for each in found}


def test_the_three_formats_mean_the_same(app: MockServer, vendor: Client, operations: Client) -> None:
    found = []
    for kind, (write, media) in FORMATS.items():
        assert upload(vendor, Part("file", write(lines(app)), f"x.{kind}", media)).status == 200
        found.append(charges(operations))
    assert found[0] == found[1] == found[2]


def test_a_line_that_is_wrong_makes_the_journal_so_and_a_better_file_mends_it(app: MockServer, vendor: Client) -> None:
    given = lines(app, 4)
    del given[1]["quantity"]
    given[2]["search"]["item"]["value"] = "Item Not Found"
    assert (
        upload(vendor, Part("file", write_jsonl(given), "x.jsonl", "application/jsonl")).json["status"] == "Validating"
    )
    journal = vendor.get(f"/journals/{JOURNAL}").json
    assert (journal["status"], journal["error"]["id"]) == ("Error", "BJO:0001")
    assert journal["upload"] == {"total": 4, "split": 0, "ready": 2, "error": 2}
    wrong = vendor.get(f"/journals/{JOURNAL}/charges?upload.status=Error&order=id").json["data"]
    assert [each["externalIds"]["vendor"] for each in wrong] == ["row-2", "row-3"]
    assert "quantity" in " ".join(wrong[0]["upload"]["errors"])
    assert "Item Not Found" in " ".join(wrong[1]["upload"]["errors"])
    assert vendor.post(f"/journals/{JOURNAL}/submit").status == 409
    upload(vendor, Valid(app, "vendor").file("Journal", JOURNAL, count=1))
    journal = vendor.get(f"/journals/{JOURNAL}").json
    assert (journal["status"], journal["upload"]["total"], "error" in journal) == ("Validated", 1, False)
    assert len(charges(vendor)) == 1


def test_a_second_upload_replaces_the_charges_and_keeps_both_files(app: MockServer, vendor: Client) -> None:
    for count, name in ((3, "first.jsonl"), (2, "second.jsonl")):
        part = replace(Valid(app, "vendor").file("Journal", JOURNAL, count=count), filename=name)
        assert upload(vendor, part).status == 200
        assert len(charges(vendor)) == count
    files = vendor.get(f"/journals/{JOURNAL}/attachments").json["data"]
    assert [(each["type"], each["name"]) for each in files] == [("Input", "first.jsonl"), ("Input", "second.jsonl")]


@pytest.mark.parametrize("state", ["Draft", "Validated", "Error", "Enquiring"])
def test_every_state_in_the_vendors_hands_takes_a_file(app: MockServer, vendor: Client, state: str) -> None:
    valid = Valid(app, "vendor")
    id = valid.one("Journal", status(state))["id"]
    assert upload(vendor, valid.file("Journal", id), journal=id).json["status"] == "Validating"
    assert vendor.get(f"/journals/{id}").json["status"] == "Validated"


def test_a_journal_is_rebuilt_from_its_last_file(app: MockServer, vendor: Client, operations: Client) -> None:
    upload(vendor, Valid(app, "vendor").file("Journal", JOURNAL))
    before = charges(operations)
    vendor.post(f"/journals/{JOURNAL}/submit")
    assert operations.post(f"/journals/{JOURNAL}/regenerate").json["status"] == "Validating"
    assert operations.get(f"/journals/{JOURNAL}").json["status"] == "Review"
    assert charges(operations) == before


# How clients wrap it


def test_the_extension_clients_form(app: MockServer, vendor: Client) -> None:
    older = lines(app)
    for line in older:
        source = line["search"].pop("source")
        line["search"]["subscription"] = {"criteria": f"subscription.{source['criteria']}", "value": source["value"]}
        line["price"] = {"UnitPP": line["price"]["unitPP"], "ppx1": line["price"]["PPx1"]}
        line["error"] = "Not for you."
    content = "\n".join(json.dumps(line) for line in older).encode()
    answer = upload(vendor, Part("file", content, "charges.jsonl", "application/jsonl"))
    assert (answer.status, answer.json["status"]) == (200, "Validating")
    assert vendor.get(f"/journals/{JOURNAL}").json["status"] == "Validated"
    assert {each["search"]["source"]["type"] for each in charges(vendor)} == {"Subscription"}


@pytest.mark.parametrize("media", ["application/octet-stream", None, "application/jsonl; charset=utf-8"])
def test_the_official_clients_form(app: MockServer, vendor: Client, media: str | None) -> None:
    parts = (
        Part("id", JOURNAL.encode(), JOURNAL),
        Part("file", write_jsonl(lines(app)), "charges.jsonl", media),
        Part("_attachment_data", b"null", None, "application/json"),
    )
    for order in (parts, parts[::-1]):
        assert upload(vendor, *order).json["status"] == "Validating"
        assert vendor.get(f"/journals/{JOURNAL}").json["upload"]["ready"] == 3


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_no_known_type_is_told_by_its_ending(app: MockServer, vendor: Client, kind: str) -> None:
    write, _ = FORMATS[kind]
    for filename in (f"june.{kind}", f"JUNE.{kind.upper()}"):
        answer = upload(vendor, Part("file", write(lines(app)), filename, "application/octet-stream"))
        assert answer.status == 200, answer
        assert vendor.get(f"/journals/{JOURNAL}").json["status"] == "Validated"


# What is refused


def refused(
    app: MockServer, client: Client, status: int, *parts: Part, path: str = f"/journals/{JOURNAL}/upload"
) -> Any:
    """The problem; nothing was changed."""
    before = fingerprint(app.world)
    answer = send(client, path, *parts)
    assert answer.status == status, answer
    assert answer.json["status"] == status
    assert fingerprint(app.world) == before
    return answer.json


@pytest.mark.parametrize(
    ("content", "kind", "place"),
    [
        (b'{"quantity": 1}\n{"quantity": \n{}', "jsonl", "2"),
        (b"[1, 2]", "jsonl", "1"),
        (b'{"quantity": 1}\n"text"', "jsonl", "2"),
        (b'{"x": "\xff"}', "jsonl", ""),
        (b"\xff\xfe\x00", "jsonl", ""),
        (b"", "jsonl", ""),
        (b"\n \n", "jsonl", ""),
        (b"", "csv", ""),
        (b"a,b,c\n1,2,3\n", "csv", ""),
        (b'Entry ID,Quantity\n"never closed', "csv", ""),
        (b"", "xlsx", ""),
        (b"PK\x03\x04 is not enough", "xlsx", ""),
        (b"Entry ID,Quantity\n", "xlsx", ""),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_place(
    app: MockServer, vendor: Client, content: bytes, kind: str, place: str
) -> None:
    before = fingerprint(app.world)
    answer = upload(vendor, Part("file", content, f"x.{kind}", FORMATS[kind][1]))
    assert answer.status == 400, answer
    assert fingerprint(app.world) == before
    assert "file" in answer.json["errors"]
    assert place in json.dumps(answer.json["errors"])
    assert charges(vendor) == []
    assert vendor.get(f"/journals/{JOURNAL}").json["status"] == "Draft"


@pytest.mark.parametrize("declared", [None, 1000])
def test_a_zip_bomb_is_refused(app: MockServer, vendor: Client, declared: int | None) -> None:
    before = fingerprint(app.world)
    content = bomb(unpacked=300 * 2**20, declared=declared)
    assert len(content) < 2**19
    answer = upload(vendor, Part("file", content, "x.xlsx", XLSX))
    assert answer.status in (400, 413), answer
    assert fingerprint(app.world) == before


@pytest.mark.parametrize(
    ("filename", "media"),
    [
        ("x.pdf", "application/pdf"),
        ("x.txt", "text/plain"),
        ("x.jsonl", "application/json"),
        ("x.xls", "application/vnd.ms-excel"),
        ("x.zip", "application/octet-stream"),
        ("x", "application/octet-stream"),
        ("x", None),
    ],
)
def test_a_file_of_another_type_is_refused(app: MockServer, vendor: Client, filename: str, media: str | None) -> None:
    problem = refused(app, vendor, 415, Part("file", write_jsonl(lines(app)), filename, media))
    assert problem["title"] == "Unsupported Media Type"


def test_without_a_file_nothing_is_taken(app: MockServer, vendor: Client) -> None:
    for parts in ((), (Part("id", b"x", "x"),), (Part("file", b"not a file"),)):
        assert refused(app, vendor, 400, *parts)["errors"].keys() == {"file"}


@pytest.mark.parametrize(
    "media", ["application/json", "application/jsonl", "text/csv", "", "multipart/mixed; boundary=x"]
)
def test_a_file_without_a_form_is_refused(app: MockServer, vendor: Client, media: str) -> None:
    before = fingerprint(app.world)
    answer = vendor.request(
        "POST", f"/journals/{JOURNAL}/upload", content=write_jsonl(lines(app)), headers={"content-type": media}
    )
    assert answer.status == 415
    assert fingerprint(app.world) == before


def test_the_vendor_alone_uploads_and_only_to_its_own(app: MockServer, as_: As) -> None:
    part = Valid(app, "vendor").file("Journal", JOURNAL)
    for caller, answered in (("operations", 403), ("client", 403), ("vendor-other", 404)):
        refused(app, as_(caller), answered, part)
    refused(app, as_("vendor"), 404, part, path="/journals/BJO-9999-9999/upload")
    refused(app, as_("vendor"), 404, part, path="/journals/BJO-1000-0014/upload")


def test_a_form_too_large_is_refused_before_it_is_read(app: MockServer, vendor: Client) -> None:
    before = fingerprint(app.world)
    headers = {"content-type": FORM, "content-length": "700000000"}
    answer = vendor.request("POST", f"/journals/{JOURNAL}/upload", content=b"", headers=headers)
    assert answer.status == 413
    assert fingerprint(app.world) == before


def test_lines_of_another_authorization_are_not_matched(app: MockServer, vendor: Client) -> None:
    given = lines(app, 1)
    valid = Valid(app, "vendor")
    journal = valid.work.need("Journal", JOURNAL)
    other = next(
        each for each in valid.work.all("Subscription") if each["authorization"]["id"] != journal["authorization"]["id"]
    )
    given[0]["search"]["source"]["value"] = other["id"]
    upload(vendor, Part("file", write_jsonl(given), "x.jsonl", "application/jsonl"))
    assert vendor.get(f"/journals/{JOURNAL}").json["status"] == "Error"
    [charge] = charges(vendor)
    assert (charge["upload"]["status"], "subscription" in charge, "buyer" in charge) == ("Error", False, False)


# Custom ledgers

LEDGER = "CLE-1000-0001"  # a draft


def test_a_custom_ledger_takes_a_spreadsheet(app: MockServer, operations: Client) -> None:
    valid = Valid(app, "operations")
    part = valid.file("CustomLedger", LEDGER)
    answer = send(operations, f"/custom-ledgers/{LEDGER}/upload", part)
    assert (answer.status, answer.json["status"]) == (200, "Validating")
    ledger = operations.get(f"/custom-ledgers/{LEDGER}").json
    assert (ledger["status"], ledger["processing"]["total"], ledger["processing"]["ready"]) == ("Validated", 2, 2)
    # 2 x 100 bought and 2 x 110 sold, less 2 x 20 and 2 x 30 given back.
    assert [ledger["price"][name] for name in ("totalPP", "totalSP")] == [160, 160]
    found = charges(operations, f"/custom-ledgers/{LEDGER}/charges")
    assert [each["id"][:8] for each in found] == ["CHG-1000"] * 2
    assert [each["statementType"] for each in found] == ["Debit", "Credit"]
    assert {(each["billingType"], each["customLedger"]["id"]) for each in found} == {("Manual", LEDGER)}
    assert [each["price"]["PPx1"] for each in found] == [200, -40]
    files = operations.get(f"/custom-ledgers/{LEDGER}/attachments?name=charges.xlsx").json["data"]
    assert [each["type"] for each in files] == ["Input"]


def test_a_row_in_error_makes_the_custom_ledger_so(app: MockServer, operations: Client) -> None:
    valid = Valid(app, "operations")
    rows = valid.rows(valid.work.need("CustomLedger", LEDGER))
    rows[1]["item"] = "nothing"
    send(operations, f"/custom-ledgers/{LEDGER}/upload", Part("file", custom_ledger_template(rows), "x.xlsx", XLSX))
    ledger = operations.get(f"/custom-ledgers/{LEDGER}").json
    assert (ledger["status"], ledger["processing"]["error"], ledger["error"]["id"]) == ("Error", 1, "CLE:0001")
    assert operations.post(f"/custom-ledgers/{LEDGER}/accept").status == 409


@pytest.mark.parametrize(
    ("filename", "media", "status"),
    [
        ("x.xlsx", XLSX, 400),
        ("x.jsonl", "application/jsonl", 415),
        ("x.csv", "text/csv", 415),
        ("x.xls", "application/vnd.ms-excel", 415),
        ("x.jsonl", "application/octet-stream", 415),
    ],
)
def test_a_custom_ledger_takes_nothing_else(
    app: MockServer, operations: Client, filename: str, media: str, status: int
) -> None:
    part = Part("file", write_jsonl(lines(app)), filename, media)
    refused(app, operations, status, part, path=f"/custom-ledgers/{LEDGER}/upload")
    journal_sheet = Part("file", write_xlsx(lines(app)), "x.xlsx", XLSX)
    refused(app, operations, 400, journal_sheet, path=f"/custom-ledgers/{LEDGER}/upload")


def test_a_custom_ledger_goes_all_the_way(app: MockServer, operations: Client) -> None:
    made = Valid(app, "operations").capability("createCustomLedger").send(operations).json
    id = made["id"]
    assert made["status"] == "Draft"
    send(operations, f"/custom-ledgers/{id}/upload", Valid(app, "operations").file("CustomLedger", id))
    assert operations.get(f"/custom-ledgers/{id}").json["status"] == "Validated"
    assert operations.post(f"/custom-ledgers/{id}/accept").json["status"] == "Generating"
    assert operations.get(f"/custom-ledgers/{id}").json["status"] == "Generated"
    statements = operations.get(f"/statements?customLedger.id={id}").json["data"]
    assert {each["billingType"] for each in statements} == {"Manual"}
    assert operations.post(f"/custom-ledgers/{id}/queue").status == 200
    for each in statements:
        if each["status"] == "Generated":
            assert operations.post(f"/statements/{each['id']}/pending").status == 200
            assert operations.post(f"/statements/{each['id']}/issue").status == 200
    assert operations.get(f"/custom-ledgers/{id}").json["status"] == "Completed"


# The samples in fixtures/charges


@pytest.mark.parametrize("kind", FORMATS)
def test_the_samples_are_read(vendor: Client, kind: str) -> None:
    content = (FOLDER / f"journal.{kind}").read_bytes()
    assert upload(vendor, Part("file", content, f"journal.{kind}", FORMATS[kind][1])).status == 200
    assert vendor.get(f"/journals/{JOURNAL}").json["upload"]["total"] > 0
