"""Attachments: bytes, names, types and lengths as they were sent, and nothing taken that is not allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from contracts import forms
from contracts.findings import Finding
from contracts.forms import Part
from contracts.journal import Thing
from contracts.probe import Blocked, Nothing, Probe, member
from contracts.registry import check
from contracts.settings import Mode
from contracts.stage import replaced
from contracts.wire import Answer, Exchange, Request
from specs.tables import Api, Operation

EVERY_BYTE = bytes(range(256)) * 9 + b"\r\n\n\r--\x00\xff"
PROGRAM = "application/x-msdownload"


@dataclass(frozen=True, slots=True)
class File:
    """A file that is sent. media: its content type"""

    content: bytes
    filename: str
    media: str


FILES: Mapping[str, File] = {
    "bytes": File(EVERY_BYTE, "Usage Report.PDF", "application/pdf"),
    "text": File("één\r\ntwee\nдва\n".encode(), "größe № 5 – отчёт.txt", "text/plain"),
    "empty": File(b"", "nothing.csv", "text/csv"),
    "json": File(b'{"a": 1}', "data.json", "application/json"),
}


def attaching(api: Api) -> Sequence[str]:
    """Each kind of attachment with each kind of file; and one kind with every type that is accepted."""
    ids = [id for id, operation in api.operations.items() if operation.does == "attach"]
    return [f"{id} {name}" for id in ids for name in FILES] if ids else []


@check(
    "files.attachments",
    proves="a file comes back byte for byte, under its own name, type and length, and its metadata tell the same",
    codes=("F701", "F702", "F707", "W413"),
    mode=Mode.OWN,
    cases=attaching,
)
def attachments(p: Probe, case: str) -> Iterator[Finding]:
    id, _, name = case.partition(" ")
    yield from round_trip(p, p.operation(id), FILES[name])


@check(
    "files.types",
    proves="every accepted type of file is taken and given back, and any other refused",
    codes=("F701", "F702", "F706", "F707"),
    mode=Mode.OWN,
    cases=lambda api: attaching(api)[:1] and [attaching(api)[0].split(" ")[0]],
)
def types(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    parent = p.stage.subject(operation, p.stage.actor(operation))
    for media in p.api.conventions.attachments.get("accepts", ()):
        yield from round_trip(p, operation, File(b"content of " + media.encode(), "a.file", media), parent)
    for others in (id for id, each in p.api.operations.items() if each.does == "attach"):
        yield from _refused(p, p.operation(others), parent if others == case else None)


def round_trip(p: Probe, operation: Operation, file: File, parent: Thing | None = None) -> Iterator[Finding]:
    """Attach a file and fetch it again."""
    above = parent or p.stage.subject(operation, p.stage.actor(operation))
    exchange = _attach(p, operation, above, file, name="Notes")
    if exchange.status >= 300:
        # An empty file may be refused: nobody says that it may not (b.10).
        if file.content:
            yield _wrong(p, "F707", exchange, operation, file.media, "201", str(exchange.status))
        return
    thing = p.things[-1][1]
    reader = p.stage.reader(thing)
    told = list(_metadata(p, operation, exchange, file))
    fetched = list(_fetched(p, operation, reader, thing, file, known=not told))
    # Of damaged bytes the length is wrong, too; that is no other defect.
    yield from fetched if any(each.code == "F701" for each in fetched) else [*told, *fetched]


def _attach(p: Probe, operation: Operation, parent: Thing, file: File, **details: Any) -> Exchange:
    case = p.stage.case(operation, p.stage.acting(operation, parent), parent)
    parts = [Part("attachment", forms.exact(details).encode(), None, "application/json")] if details else []
    content = forms.form(*parts, Part("file", file.content, file.filename, file.media))
    return p.stage.play(replaced(case, content=content, headers={"content-type": forms.FORM}))


def _wrong(
    p: Probe, code: str, exchange: Exchange, operation: Operation, what: str, expected: str, came: str
) -> Finding:
    # What keeps files is one part of a server for all kinds of attachments; where it fails, it is found once.
    return p.finding(
        code,
        exchange,
        expected=expected,
        came=came,
        source="CAN, OA4",
        place="conventions",
        operation=operation.id,
        subject=f"Attachment {what}",
    )


def _metadata(p: Probe, operation: Operation, exchange: Exchange, file: File) -> Iterator[Finding]:
    wanted = {"filename": file.filename, "size": len(file.content), "contentType": file.media}
    for name, value in wanted.items():
        shown = member(exchange.json, name)
        if shown != value:
            yield _wrong(p, "F702", exchange, operation, name, f"{name} {value}", str(shown))
    for name, said in (("name", "Notes"), ("type", "Attachment"), ("isDeleted", False)):
        shown = member(exchange.json, name)
        if shown != said:
            yield _wrong(p, "W413", exchange, operation, name, f"{name} {said}", str(shown))


def _fetched(
    p: Probe, operation: Operation, reader: Operation, thing: Thing, file: File, *, known: bool
) -> Iterator[Finding]:
    """What is wrong with the file as it comes. known: whether the metadata say what was sent"""
    if file.media == "application/json":
        return  # asked for by that type, the metadata answer (b.9)
    caller = p.stage.acting(reader, thing)
    answer = p.call(reader, caller, p.stage.params(reader, thing), headers={"accept": file.media})
    if answer.status in (301, 302, 303, 307, 308):
        answer = followed(p, answer)
    elif answer.status != 200:
        if not known:
            return  # it is asked for by a type that was not kept
        raise Blocked(f"{reader.id}: expected the file, got {answer.status}")
    if answer.status != 200:
        yield _wrong(p, "F701", answer, operation, "link", "200 and the file", str(answer.status))
        return
    if answer.answer.content != file.content:
        came = f"{len(answer.answer.content)} bytes, {_first(file.content, answer.answer.content)}"
        yield _wrong(p, "F701", answer, operation, "bytes", f"the {len(file.content)} bytes that were sent", came)
        return
    if known:
        yield from _headers(p, operation, answer, file)


def _headers(p: Probe, operation: Operation, answer: Exchange, file: File) -> Iterator[Finding]:
    if answer.answer.media != file.media:
        yield _wrong(p, "F702", answer, operation, "Content-Type", file.media, answer.answer.media or "none")
    shown = filename(answer.answer)
    if shown != file.filename:
        yield _wrong(p, "F702", answer, operation, "Content-Disposition", file.filename, str(shown))
    length = answer.answer.headers.get("content-length")
    if length is not None and length != str(len(file.content)):
        yield _wrong(p, "F702", answer, operation, "Content-Length", str(len(file.content)), length)


def followed(p: Probe, exchange: Exchange) -> Exchange:
    """What is behind the link of an answer, asked for without a token. Raises Nothing where it leads elsewhere."""
    link = urlsplit(exchange.answer.headers.get("location", ""))
    here = urlsplit(p.sender.target.address)
    if link.netloc and link.netloc != here.netloc:
        raise Nothing(f"files lie at {link.netloc}, which this run may not call")
    return p.raw(p.nobody, Request("GET", link.path, link.query), {})


def filename(answer: Answer) -> str | None:
    """The name that Content-Disposition gives; `filename*` goes before `filename` (RFC 6266)."""
    header = answer.headers.get("content-disposition", "")
    extended = re.search(r"filename\*=UTF-8''([^;]+)", header, re.IGNORECASE)
    if extended is not None:
        return unquote(extended[1].strip())
    plain = re.search(r'filename="((?:[^"\\]|\\.)*)"', header) or re.search(r"filename=([^;]+)", header)
    return re.sub(r"\\(.)", r"\1", plain[1]) if plain is not None else None


def _first(one: bytes, other: bytes) -> str:
    place = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    return f"other from byte {place}" if place is not None else "cut off or longer"


def _refused(p: Probe, operation: Operation, parent: Thing | None) -> Iterator[Finding]:
    """A program is refused, and a form without a file."""
    try:
        above = parent or p.stage.subject(operation, p.stage.actor(operation))
        p.stage.allowed(operation)
    except Nothing:
        return
    exchange = _attach(p, operation, above, File(b"MZ\x90", "setup.exe", PROGRAM))
    wanted = p.status("media")
    if exchange.status != wanted:
        yield _wrong(p, "F706", exchange, operation, PROGRAM, str(wanted), str(exchange.status))
    case = p.stage.case(operation, p.stage.acting(operation, above), above)
    content = forms.form(Part("attachment", b'{"name": "Notes"}', None, "application/json"))
    exchange = p.stage.play(replaced(case, content=content, headers={"content-type": forms.FORM}))
    if exchange.status != p.status("body"):
        yield _wrong(p, "F706", exchange, operation, "no file", str(p.status("body")), str(exchange.status))
