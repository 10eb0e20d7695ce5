"""Files on journals, ledgers, custom ledgers, statements, invoices and credit memos (billing b.9, b.10, c.0, d.9)."""

from __future__ import annotations

import encodings
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import pytest

from mockserver import MockServer
from specs.tables import load
from tests.driver import XLSX, Answer, Client
from tests.fingerprint import fingerprint
from tests.valid import FORM, Part, Valid, form, status

As = Callable[[str], Client]
TEXT = b"All totals compared.\r\n\x00\xff"


@dataclass(frozen=True, slots=True)
class Home:
    """Where attachments of a kind live.

    member: how they name their parent; writer, reader: a caller who may change, and one who may only read
    """

    path: str
    prefix: str
    member: str
    writer: str
    reader: str

    @property
    def parent(self) -> str:
        return self.path.split("/")[2]


HOMES = {
    "Journal": Home("/journals/BJO-1000-0005/attachments", "JOA", "journal", "vendor", "operations"),
    "Ledger": Home("/ledgers/BLE-1000-0012-1000-0001/attachments", "LEA", "ledger", "operations", "operations"),
    "CustomLedger": Home(
        "/custom-ledgers/CLE-1000-0003/attachments", "CLA", "customLedger", "operations", "operations"
    ),
    "Statement": Home("/statements/SOM-1000-0001-0000-0006/attachments", "STA", "statement", "operations", "client"),
    "Invoice": Home("/invoices/INV-1000-0001-0000-0001/attachments", "INA", "invoice", "operations", "client"),
    "CreditMemo": Home(
        "/credit-memos/CRD-1000-0001-0000-0001/attachments", "CMA", "creditMemo", "operations", "client"
    ),
}
KINDS = pytest.mark.parametrize("kind", HOMES)


def send(client: Client, path: str, *parts: Part) -> Answer:
    """A form."""
    return client.request("POST", path, content=form(*parts), headers={"content-type": FORM})


def made(as_: As, kind: str, *, media: str = "text/plain", filename: str = "checks.txt", content: bytes = TEXT) -> str:
    """A new attachment; its path."""
    home = HOMES[kind]
    answer = send(as_(home.writer), home.path, Part("file", content, filename, media))
    assert answer.status == 201, answer
    return f"{home.path}/{answer.json['id']}"


def follow(app: MockServer, answer: Answer) -> Answer:
    """What is behind the link of an answer, asked for without a token."""
    assert answer.status == 301
    return Client(app, None).get("/" + answer.headers["location"].removeprefix("http://127.0.0.1:8000"))


def filename_of(answer: Answer) -> str:
    """The file name, as RFC 6266 has it read: `filename*` goes before `filename`."""
    header = answer.headers["content-disposition"]
    extended = re.search(r"filename\*=UTF-8''([A-Za-z0-9.%_~-]+)$", header)
    if extended is not None:
        return unquote(extended[1])
    plain = re.fullmatch(r'attachment; filename="([^"\\]*)"', header)
    assert plain is not None, header
    return plain[1]


# Create


@KINDS
def test_a_new_attachment_has_all_that_is_known_of_it(app: MockServer, as_: As, kind: str) -> None:
    home = HOMES[kind]
    described = Part("attachment", b'{"name": "Check list", "description": "By hand."}', None, "application/json")
    answer = send(as_(home.writer), home.path, described, Part("file", TEXT, "checks.txt", "text/plain"))
    assert answer.status == 201
    shown = answer.json
    assert re.fullmatch(home.prefix + (r"(-\d{4}){4}" if kind == "CreditMemo" else r"(-\d{4}){2}"), shown["id"])
    wanted: dict[str, Any] = {
        "name": "Check list",
        "description": "By hand.",
        "type": "Attachment",
        "filename": "checks.txt",
    }
    wanted |= {"size": len(TEXT), "contentType": "text/plain", "isDeleted": False, "revision": 1}
    assert {name: shown.get(name) for name in wanted} == wanted
    assert shown[home.member]["id"] == home.parent
    assert shown.get("vendor", {}).get("id") == ("ACC-1000-0002" if kind == "Journal" else None)
    assert shown.get("isExternal") == (False if kind in ("Invoice", "CreditMemo") else None)
    # The audit is shown by default on these three kinds only (b.7).
    assert ("audit" in shown) == (kind in ("Statement", "Invoice", "CreditMemo"))
    read = as_(home.reader).get(f"{home.path}/{shown['id']}?select=+audit").json
    assert set(read["audit"]) == {"created"}
    assert read["audit"]["created"]["by"] == app.callers[home.writer].user
    listed = as_(home.reader).get(f"{home.path}?id={shown['id']}").json
    assert (listed["$meta"]["pagination"]["total"], listed["data"][0]["name"]) == (1, "Check list")


FORMS: Mapping[str, tuple[tuple[Part, ...], str, str | None]] = {
    "a JSON part": ((Part("attachment", b'{"name": "A", "description": "B"}', None, "application/json"),), "A", "B"),
    "a JSON part as a file": ((Part("attachment", b'{"name": "A"}', "blob", "application/json"),), "A", None),
    "a text field": ((Part("attachment", b'{"name": "A", "description": "B"}'),), "A", "B"),
    "a text field with its type": ((Part("attachment", b'{"name": "A"}', None, "text/plain"),), "A", None),
    "a name of another case": ((Part("Attachment", b'{"Name": "A", "DESCRIPTION": "B"}'),), "A", "B"),
    "no description of it": ((), "notes.txt", None),
    "an empty one": ((Part("attachment", b""),), "notes.txt", None),
    "null": ((Part("attachment", b"null"),), "notes.txt", None),
    "an empty object": ((Part("attachment", b"{}"),), "notes.txt", None),
    "unknown and read-only members": (
        (Part("attachment", b'{"name": "A", "id": "JOA-1", "type": "Input", "isDeleted": true, "x": 1}'),),
        "A",
        None,
    ),
    "parts of their own": ((Part("Name", b"A"), Part("Description", b"B")), "A", "B"),
    "parts that nobody knows": (
        (Part("id", b"JOA-1"), Part("_attachment_data", b"null", "x", "application/json"), Part("x", b"\xff\xfe", "x")),
        "notes.txt",
        None,
    ),
}


@pytest.mark.parametrize("told", FORMS)
def test_an_attachment_is_described_in_any_of_these_forms(vendor: Client, told: str) -> None:
    parts, name, description = FORMS[told]
    file = Part("file", b"x", "notes.txt", "text/plain")
    for order in ((*parts, file), (file, *parts)):
        answer = send(vendor, HOMES["Journal"].path, *order)
        assert answer.status == 201, answer
        assert (answer.json["name"], answer.json.get("description")) == (name, description)
        assert (answer.json["type"], answer.json["isDeleted"]) == ("Attachment", False)


def test_the_part_of_the_file_is_known_in_any_case(vendor: Client) -> None:
    assert send(vendor, HOMES["Journal"].path, Part("File", b"x", "x.txt", "text/plain")).status == 201


BROKEN = {
    "no file": (Part("attachment", b"{}"),),
    "a file that is text": (Part("file", b"x"),),
    "another part with a file": (Part("files", b"x", "x.txt", "text/plain"),),
    "a description that is no JSON": (Part("attachment", b"{'name'"), Part("file", b"x", "x.txt", "text/plain")),
    "a description that is a list": (Part("attachment", b"[]"), Part("file", b"x", "x.txt", "text/plain")),
    "a name that is a number": (Part("attachment", b'{"name": 7}'), Part("file", b"x", "x.txt", "text/plain")),
}


@pytest.mark.parametrize("wrong", BROKEN)
def test_a_form_that_is_wrong_is_refused_and_nothing_is_kept(app: MockServer, vendor: Client, wrong: str) -> None:
    before = fingerprint(app.world)
    answer = send(vendor, HOMES["Journal"].path, *BROKEN[wrong])
    assert (answer.status, answer.json["status"]) == (400, 400)
    assert answer.json["title"] in ("One or more validation errors occurred.", "Bad Request")
    assert fingerprint(app.world) == before


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b"", FORM),
        (b"nonsense", FORM),
        (form(Part("file", b"x", "x.txt", "text/plain"))[:-20], FORM),
        (form(Part("file", b"x", "x.txt", "text/plain")), "multipart/form-data"),
        (form(Part("file", b"x", "x.txt", "text/plain")), "multipart/form-data; boundary=other"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(app: MockServer, vendor: Client, content: bytes, media: str) -> None:
    before = fingerprint(app.world)
    answer = vendor.request("POST", HOMES["Journal"].path, content=content, headers={"content-type": media})
    assert answer.status == 400, answer
    assert fingerprint(app.world) == before


@pytest.mark.parametrize(
    "charset",
    [
        "utf-8",
        "latin-1",
        "utf-16",
        "unicode_escape",
        "raw_unicode_escape",
        "utf-7",
        "punycode",
        "rot13",
        "no-such",
        '"',
    ],
)
def test_no_charset_of_a_form_makes_text_of_what_is_none(vendor: Client, charset: str) -> None:
    told = Part("description", b"+2AA- \\ud800")
    content = form(Part("name", b"Notes"), told, Part("file", b"x", "+2AA-.txt", "text/plain"))
    headers = {"content-type": f"{FORM}; charset={charset}"}
    answer = vendor.request("POST", HOMES["Journal"].path, content=content, headers=headers)
    assert answer.status == 201, answer
    shown = [answer.json[name] for name in ("name", "description", "filename")]
    assert shown == ["Notes", told.content.decode(), "+2AA-.txt"]


def test_a_form_whose_charset_takes_long_to_read_is_read_at_once(vendor: Client) -> None:
    content = form(Part("description", b"b-" + b"99" * 100_000), Part("file", b"x", "x.txt", "text/plain"))
    begun = perf_counter()
    vendor.request(
        "POST", HOMES["Journal"].path, content=content, headers={"content-type": f"{FORM}; charset=punycode"}
    )
    # In seconds; by its charset it would take ten.
    assert perf_counter() - begun < 2


def test_charsets_that_nobody_knows_are_not_remembered(vendor: Client) -> None:
    content, known = form(Part("file", b"x", "x.txt", "text/plain")), len(encodings._cache)
    for n in range(3):
        vendor.request(
            "POST", HOMES["Journal"].path, content=content, headers={"content-type": f"{FORM}; charset=x{n}"}
        )
    assert len(encodings._cache) == known


ACCEPTED = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    XLSX: "xlsx",
    "text/csv": "csv",
    "application/rtf": "rtf",
    "text/rtf": None,
    "text/plain": "txt",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tiff",
    "application/json": "json",
    "application/jsonl": "jsonl",
    "text/html": "html",
    "application/xml": None,
    "text/xml": "xml",
    "application/zip": "zip",
    "application/x-7z-compressed": "7z",
    "application/gzip": None,
}


def test_the_accepted_types_are_these() -> None:
    assert set(load("billing").conventions.attachments["accepts"]) == set(ACCEPTED)


@pytest.mark.parametrize("media", ACCEPTED)
def test_a_file_of_an_accepted_type_is_taken(vendor: Client, media: str) -> None:
    for said in (media, media.upper(), f"{media}; charset=utf-8"):
        answer = send(vendor, HOMES["Journal"].path, Part("file", b"x", "x", said))
        assert (answer.status, answer.json["contentType"]) == (201, media)


@pytest.mark.parametrize(("media", "ending"), [each for each in ACCEPTED.items() if each[1] is not None])
def test_a_file_of_no_known_type_is_told_by_its_ending(vendor: Client, media: str, ending: str) -> None:
    for said in ("application/octet-stream", None):
        for filename in (f"usage.{ending}", f"USAGE.{ending.upper()}"):
            answer = send(vendor, HOMES["Journal"].path, Part("file", b"x", filename, said))
            known = {media, "application/xml", "text/xml"} if ending == "xml" else {media}
            assert answer.status == 201, (said, filename, answer)
            assert answer.json["contentType"] in known


@pytest.mark.parametrize(
    ("filename", "media"),
    [
        ("x.exe", "application/x-msdownload"),
        ("x.exe", "application/octet-stream"),
        ("x", "application/octet-stream"),
        ("x", None),
        ("x.txt", "text/x-python"),
        ("x.txt", "nonsense"),
        ("x.mp4", "video/mp4"),
        ("x.svg", "image/svg+xml"),
    ],
)
def test_a_file_of_another_type_is_refused(app: MockServer, vendor: Client, filename: str, media: str | None) -> None:
    before = fingerprint(app.world)
    answer = send(vendor, HOMES["Journal"].path, Part("file", b"x", filename, media))
    assert (answer.status, answer.json["title"]) == (415, "Unsupported Media Type")
    assert fingerprint(app.world) == before


def test_a_file_that_is_too_large_is_refused_before_it_is_read(app: MockServer, vendor: Client) -> None:
    before = fingerprint(app.world)
    answer = vendor.request(
        "POST", HOMES["Journal"].path, content=b"x", headers={"content-type": FORM, "content-length": "600000000"}
    )
    assert answer.status == 413
    assert fingerprint(app.world) == before


def test_an_empty_file_is_a_file(app: MockServer, as_: As) -> None:
    path = made(as_, "Journal", content=b"")
    assert as_("vendor").get(path).json["size"] == 0
    assert follow(app, as_("vendor").get(path, headers={"accept": "text/plain"})).content == b""


# Metadata or file: b.9, row by row


@KINDS
def test_accept_chooses_between_what_is_known_and_the_file(app: MockServer, as_: As, kind: str) -> None:
    path = made(as_, kind)
    reader = as_(HOMES[kind].reader)
    for accept in (
        "application/json",
        "application/json, text/plain;q=0.5",
        "text/html;q=0.1, application/json",
        None,
        "",
    ):
        answer = reader.get(path, headers={} if accept is None else {"accept": accept})
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), accept
        assert answer.json["filename"] == "checks.txt"
    for accept in (
        "*/*",
        "text/plain",
        "TEXT/PLAIN",
        "text/*",
        "text/plain;q=0.2, application/json;q=0.1",
        "text/csv, */*",
    ):
        answer = reader.get(path, headers={"accept": accept})
        assert (answer.status, answer.content) == (301, b""), accept
        file = follow(app, answer)
        assert (file.status, file.content) == (200, TEXT)
        assert file.headers["content-type"].partition(";")[0] == "text/plain"
        assert file.headers["content-length"] == str(len(TEXT))
        assert filename_of(file) == "checks.txt"
    for accept in ("text/csv", "application/pdf", "image/*", "text/plain;q=0", "nonsense"):
        answer = reader.get(path, headers={"accept": accept})
        assert (answer.status, answer.json["title"]) == (406, "Not Acceptable"), accept


def test_of_a_file_that_is_json_the_metadata_wins(as_: As) -> None:
    path = made(as_, "Journal", media="application/json", filename="x.json", content=b"{}")
    answer = as_("vendor").get(path, headers={"accept": "application/json"})
    assert (answer.status, answer.json["contentType"]) == (200, "application/json")
    assert as_("vendor").get(path, headers={"accept": "*/*"}).status in (200, 301)


@pytest.mark.parametrize("kind", ["Invoice", "CreditMemo"])
def test_a_document_of_the_erp_comes_directly_whatever_is_accepted(app: MockServer, client: Client, kind: str) -> None:
    home = HOMES[kind]
    listed = client.get(f"{home.path}?isExternal=true").json["data"]
    assert [(each["type"], each["name"], each["filename"]) for each in listed] == [
        ("Output", f"{home.parent}.pdf", f"{home.parent}.pdf")
    ]
    path = f"{home.path}/{listed[0]['id']}"
    for accept in ("*/*", "application/pdf", "image/png", "text/csv"):
        answer = client.get(path, headers={"accept": accept})
        assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf"), accept
        assert answer.content.startswith(b"%PDF-")
        assert filename_of(answer) == f"{home.parent}.pdf"
    assert client.get(path, headers={"accept": "application/json"}).json["isExternal"] is True
    assert client.get(path).json["type"] == "Output"


@pytest.mark.parametrize("kind", ["Invoice", "CreditMemo"])
def test_a_document_without_a_number_has_no_file(app: MockServer, client: Client, kind: str) -> None:
    home = HOMES[kind]
    work = app.world.work()
    parent = work.need(kind, home.parent)
    work.put(kind, {name: value for name, value in parent.items() if name != "documentNo"})
    work.commit()
    path = f"{home.path}/{client.get(f'{home.path}?isExternal=true').json['data'][0]['id']}"
    assert client.get(path, headers={"accept": "application/pdf"}).status == 404
    assert client.get(path).status == 200


# Links


def test_a_link_works_without_a_token_until_it_expires(app: MockServer, as_: As) -> None:
    path = made(as_, "Statement")
    answer = as_("client").get(path, headers={"accept": "*/*"})
    assert follow(app, answer).content == TEXT
    lasts = int(load("billing").conventions.attachments["link"])
    app.world.clock.advance(timedelta(seconds=lasts - 1))
    assert follow(app, answer).status == 200
    app.world.clock.advance(timedelta(seconds=1))
    gone = follow(app, answer)
    assert (gone.status, gone.json["status"]) == (403, 403)
    assert TEXT not in gone.content
    assert follow(app, as_("client").get(path, headers={"accept": "*/*"})).status == 200


def test_a_link_that_was_tampered_with_does_not_work(app: MockServer, as_: As) -> None:
    answer = as_("client").get(made(as_, "Statement"), headers={"accept": "*/*"})
    other = as_("operations").get(made(as_, "Ledger"), headers={"accept": "*/*"})
    link = "/" + answer.headers["location"].removeprefix("http://127.0.0.1:8000")
    id = re.search(r"STA-[\d-]+", link)
    other_id = re.search(r"LEA-[\d-]+", other.headers["location"])
    assert id is not None
    assert other_id is not None
    bare, _, query = link.partition("?")
    expires, _, signature = query.partition("&signature=")
    last = "0" if signature[-1] != "0" else "1"
    anybody = Client(app, None)
    assert anybody.get(link).status == 200
    for wrong in (
        bare,
        f"{bare}?{expires}",
        f"{bare}?signature={signature}",
        f"{bare}?{expires}9&signature={signature}",
        f"{bare}?{expires}&signature={signature[:-1]}{last}",
        f"{bare}?{expires}&signature=",
        f"{bare}?{expires}&signature=%C3%A9",
        f"{bare}?expires=-1&signature={signature}",
        f"{bare}?expires=%D9%A1%D9%A2&signature={signature}",
        f"{bare}?expires={'9' * 400}&signature={signature}",
        link.replace(id[0], other_id[0]),
    ):
        refused = anybody.get(wrong)
        assert (refused.status, TEXT in refused.content) == (403, False), wrong


def test_a_link_of_what_was_deleted_since_leads_nowhere(app: MockServer, as_: As) -> None:
    path = made(as_, "Statement")
    answer = as_("client").get(path, headers={"accept": "*/*"})
    assert as_("operations").delete(path).status == 204
    assert follow(app, answer).status == 404


@pytest.mark.parametrize("host", ["billing.example:8443", "[::1]:8000", "localhost"])
def test_a_link_leads_to_where_the_caller_reached_us(as_: As, host: str) -> None:
    answer = as_("client").get(made(as_, "Statement"), headers={"accept": "*/*", "host": host})
    assert answer.headers["location"].startswith(f"http://{host}/files/billing/STA-")


@pytest.mark.parametrize("host", ["evil.example/x?", "a b", "x\x7f", "user@evil.example"])
def test_a_link_never_leads_to_a_host_that_cannot_be(as_: As, host: str) -> None:
    answer = as_("client").get(made(as_, "Statement"), headers={"accept": "*/*", "host": host})
    assert answer.headers["location"].startswith("http://127.0.0.1:8000/files/")


NAMES = [
    "plain.txt",
    "with space.txt",
    "a;b.txt",
    "a'b.txt",
    "100%.txt",
    "größe-数量-💶.txt",
    "..\\x.txt",
    "x" * 300 + ".txt",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_keeps_its_name(app: MockServer, as_: As, name: str) -> None:
    path = made(as_, "Journal", filename=name)
    answer = follow(app, as_("vendor").get(path, headers={"accept": "*/*"}))
    assert filename_of(answer) == as_("vendor").get(path).json["filename"]
    assert as_("vendor").get(path).json["filename"] in (name, name.rpartition("\\")[2])


@pytest.mark.parametrize("written", ["a%22b.txt", 'a\\"b.txt', "a%0D%0AX-Evil: 1.txt"])
def test_a_strange_name_breaks_no_header(app: MockServer, as_: As, written: str) -> None:
    path = made(as_, "Journal", filename=written)
    answer = follow(app, as_("vendor").get(path, headers={"accept": "*/*"}))
    assert (answer.status, answer.content) == (200, TEXT)
    assert "\r" not in answer.headers["content-disposition"]
    assert "\n" not in answer.headers["content-disposition"]
    assert "x-evil" not in answer.headers
    assert filename_of(answer) == as_("vendor").get(path).json["filename"]


def test_a_page_that_was_uploaded_is_never_shown_as_one_of_ours(app: MockServer, as_: As) -> None:
    path = made(as_, "Journal", media="text/html", filename="x.html", content=b"<script>1</script>")
    answer = follow(app, as_("vendor").get(path, headers={"accept": "text/html"}))
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


# Update


@KINDS
def test_only_name_and_description_are_changed(as_: As, kind: str) -> None:
    path = made(as_, kind)
    writer = as_(HOMES[kind].writer)
    before = writer.get(path).json
    body = {"name": "Other", "description": "New.", "type": "Output", "filename": "x.exe", "size": 1, "isDeleted": True}
    changed = writer.put(path, {**body, "contentType": "text/csv", "isExternal": True, "id": "x", "nonsense": [1]})
    assert changed.status == 200
    unlike = {name for name in changed.json if changed.json[name] != before.get(name)} - {"audit"}
    assert unlike == {"name", "description", "revision"}
    assert changed.json["revision"] == before["revision"] + 1
    cleared = writer.put(path, {"Description": None})
    assert (cleared.status, "description" in cleared.json, cleared.json["name"]) == (200, False, "Other")
    assert set(writer.get(f"{path}?select=+audit").json["audit"]) == {"created", "updated"}


def test_a_journals_attachment_is_updated_by_vendor_and_operations(as_: As) -> None:
    path = made(as_, "Journal")
    for caller in ("vendor", "operations"):
        assert as_(caller).put(path, {"name": caller}).json["name"] == caller


def test_a_name_that_cannot_be_is_refused(app: MockServer, as_: As) -> None:
    path = made(as_, "Journal")
    before = fingerprint(app.world)
    bodies: tuple[Any, ...] = ({"name": 7}, {"name": ""}, {"description": []}, [], "x", None)
    for body in bodies:
        answer = as_("vendor").put(path, body)
        assert answer.status == 400, body
    assert fingerprint(app.world) == before


# Delete


@KINDS
def test_a_deleted_attachment_stays_readable_and_its_file_is_gone(app: MockServer, as_: As, kind: str) -> None:
    home = HOMES[kind]
    path = made(as_, kind)
    id = path.rpartition("/")[2]
    answer = as_(home.writer).delete(path)
    assert (answer.status, answer.content) == (204, b"")
    reader = as_(home.reader)
    shown = reader.get(path).json
    assert (shown["isDeleted"], shown["name"], shown["revision"]) == (True, "checks.txt", 2)
    assert [each["isDeleted"] for each in reader.get(f"{home.path}?id={id}").json["data"]] == [True]
    for accept in ("*/*", "text/plain"):
        assert reader.get(path, headers={"accept": accept}).status == 404
    assert reader.get(path, headers={"accept": "application/json"}).status == 200
    before = fingerprint(app.world)
    assert as_(home.writer).delete(path).status == 404
    assert fingerprint(app.world) == before
    assert app.world.layer.get("File", id) is None


@pytest.mark.parametrize("kind", ["Journal", "CustomLedger", "Invoice", "CreditMemo"])
def test_a_file_that_the_system_registered_is_not_deleted(app: MockServer, as_: As, kind: str) -> None:
    home = HOMES[kind]
    writer = as_(home.writer)
    [given] = writer.get(f"{home.path}?in(type,(Input,Output))").json["data"]
    before = fingerprint(app.world)
    answer = writer.delete(f"{home.path}/{given['id']}")
    assert (answer.status, answer.json["title"]) == (409, "Conflict")
    assert given["type"] in answer.json["detail"]
    assert fingerprint(app.world) == before


# Parents


@KINDS
def test_below_another_parent_an_attachment_is_not_found(app: MockServer, as_: As, kind: str) -> None:
    home = HOMES[kind]
    path = made(as_, kind)
    writer = as_(home.writer)
    collection, other = "/" + home.path.split("/")[1], ""
    valid = Valid(app, home.writer)
    other = valid.one(kind, lambda each: each["id"] != home.parent)["id"]
    wrong = f"{collection}/{other}/attachments/{path.rpartition('/')[2]}"
    before = fingerprint(app.world)
    for answer in (
        writer.get(wrong),
        writer.get(wrong, headers={"accept": "*/*"}),
        writer.put(wrong, {}),
        writer.delete(wrong),
    ):
        assert answer.status == 404
    assert fingerprint(app.world) == before
    assert writer.get(path).status == 200


@pytest.mark.parametrize(("kind", "caller"), [("Journal", "vendor"), ("CustomLedger", "operations")])
def test_with_its_parent_an_attachment_is_gone(app: MockServer, as_: As, kind: str, caller: str) -> None:
    parent = Valid(app, caller).one(kind, status("Draft"))["id"]
    collection = {"Journal": "/journals", "CustomLedger": "/custom-ledgers"}[kind]
    made_ = send(as_(caller), f"{collection}/{parent}/attachments", Part("file", TEXT, "x.txt", "text/plain"))
    path = f"{collection}/{parent}/attachments/{made_.json['id']}"
    link = as_(caller).get(path, headers={"accept": "*/*"})
    assert follow(app, link).status == 200
    assert as_(caller).delete(f"{collection}/{parent}").status == 204
    for answer in (as_(caller).get(path), as_(caller).put(path, {}), follow(app, link)):
        assert answer.status == 404
    assert as_(caller).get(f"{collection}/{parent}/attachments").status == 404


def test_an_upload_is_registered_as_an_input_under_its_files_name(app: MockServer, as_: As) -> None:
    valid = Valid(app, "vendor")
    journal = valid.one("Journal", status("Draft"))["id"]
    part = valid.file("Journal", journal)
    assert send(as_("vendor"), f"/journals/{journal}/upload", part).status == 200
    [shown] = as_("vendor").get(f"/journals/{journal}/attachments").json["data"]
    wanted: dict[str, Any] = {
        "type": "Input",
        "name": "charges.jsonl",
        "filename": "charges.jsonl",
        "size": len(part.content),
    }
    assert {name: shown[name] for name in wanted} == wanted
    answer = as_("vendor").get(f"/journals/{journal}/attachments/{shown['id']}", headers={"accept": "*/*"})
    assert follow(app, answer).content == part.content
