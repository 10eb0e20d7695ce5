"""Request bodies as they come: read with a limit, taken apart, refused in one line where they cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from mockserver.domain.errors import Invalid, Refusal, TooLarge, UnsupportedMedia
from mockserver.work import Upload

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

JSON_LIMIT = 10_000_000
"""Bytes of a JSON body: far above any real one, far below what hurts."""
FRAMING = 1_000_000
"""Bytes a multipart body may hold beside its file."""
DEEPEST = 100
"""Lists and objects in each other: what is read by recursion, here and in what checks them, stays bounded."""
# The parser of forms warns of each broken one; the caller is told, and nobody shall fill the terminal.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())
UNREADABLE = "Bad Request"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body: its files and its texts by part name, names as they came; of parts of one name the last.

    fields: of each text its media type, "" where none was said, and its bytes; size: bytes of the whole body
    """

    files: dict[str, Upload] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    fields: dict[str, tuple[str, int]] = field(default_factory=dict)
    size: int = 0

    def told(self, most: int) -> bytes | None:
        """What was sent, as a JSON object of at most so many bytes; None where not even the names fit.

        By part name: filename and type, null where there is none; size in bytes; and, where it fits, what the part
        says: `value` if that is a JSON object or list, else `text` if it is text.
        """
        parts: dict[str, dict[str, Any]] = {}
        contents: dict[str, tuple[str, bytes]] = {}
        for name, text in self.texts.items():
            media, size = self.fields[name]
            parts[name] = {"filename": None, "type": media or None, "size": size}
            contents[name] = media, text.encode()
        for name, file in self.files.items():
            media = file.content_type
            parts[name] = {"filename": file.filename, "type": media or None, "size": len(file.content)}
            contents[name] = media, file.content
        room = most - len(orjson.dumps(parts))
        if room < 0:
            return None
        for name, (media, content) in contents.items():
            said = _said(media, content) if len(content) <= room else {}
            cost = len(orjson.dumps(said)) if said else 0
            if cost <= room:
                parts[name] |= said
                room -= cost
        return orjson.dumps(parts)


def _said(media: str, content: bytes) -> dict[str, Any]:
    """What a part says: a file is JSON where its type says so, a text may be anyway."""
    if not media or is_json(media_type(media)):
        with suppress(Invalid):
            value = json(content)
            if isinstance(value, dict | list):
                return {"value": value}
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {}


def media_type(content_type: str) -> str:
    """The bare media type of a Content-Type header, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_json(media: str) -> bool:
    """Whether a media type is one of those that OA4 declares for JSON bodies."""
    return media in ("application/json", "text/json") or (media.startswith("application/") and media.endswith("+json"))


def too_large(declared: str | None, limit: int) -> None:
    """Raises TooLarge for a Content-Length over the limit, before a byte of the body is read."""
    if declared is not None and declared.isdecimal() and (len(declared) > 15 or int(declared) > limit):
        raise TooLarge(f"the body has {declared[:30]} bytes; at most {limit} are read.")


async def read(receive: Receive, declared: str | None, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be over the limit, whatever its header says."""
    too_large(declared, limit)
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client went away")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the body has more than {limit} bytes, which is all that is read.")
        if chunk:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def json(content: bytes) -> Any:
    """The value of a JSON body. Raises Invalid with the place where it cannot be read."""
    try:
        # The byte order mark that some clients put in front is not JSON, but its meaning is plain.
        value = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the body is not valid JSON: {error}.", {"body": [f"{error}"]}, title=UNREADABLE) from None
    # Nothing can be deeper than there are brackets; the rest is for the few bodies that have as many.
    if content.count(b"[") + content.count(b"{") > DEEPEST and _is_deeper(value, DEEPEST):
        what = f"nested more than {DEEPEST} deep"
        raise Invalid(f"the body is {what}; write it flatter.", {"body": [f"{what.capitalize()}."]}, title=UNREADABLE)
    return value


def _is_deeper(value: Any, most: int) -> bool:
    """Whether lists and objects lie more than so many deep in each other."""
    layer = [value]
    for _ in range(most):
        inner: list[Any] = []
        for each in layer:
            if type(each) is dict:
                inner += each.values()
            elif type(each) is list:
                inner += each
        if not inner:
            return False
        layer = inner
    return any(type(each) in (dict, list) for each in layer)


async def form(content_type: str, receive: Receive, limit: int) -> Form:
    """The parts of a multipart body. Raises Invalid, TooLarge or UnsupportedMedia."""
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException

    from mockserver.forms import Parser

    if media_type(content_type) != MULTIPART:
        raise UnsupportedMedia(f"send multipart/form-data, not {media_type(content_type) or 'a body without a type'}.")
    size = 0

    async def stream() -> Any:
        nonlocal size
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client went away")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit + FRAMING:
                raise TooLarge(f"the body has more than {limit + FRAMING} bytes, which is all that is read.")
            yield chunk
            if not message.get("more_body", False):
                return

    parser = Parser(content_type, stream())
    files: dict[str, Upload] = {}
    texts: dict[str, str] = {}
    try:
        parts = await parser.parse()
        for name, part in parts.multi_items():
            if isinstance(part, UploadFile):
                content = await part.read()
                if len(content) > limit:
                    raise TooLarge(f"{name}: {len(content)} bytes; a file may have {limit}.")
                files[name] = Upload(part.filename or "", part.content_type or "", content)
            else:
                texts[name] = part
    except MultiPartException as error:
        raise Invalid(f"the multipart body cannot be read: {error.message}", title=UNREADABLE) from None
    except (KeyError, UnicodeDecodeError, LookupError, ValueError) as error:
        # No boundary, a charset that does not exist, a part that is not text in its own charset.
        raise Invalid(f"the multipart body cannot be read: {error}.", title=UNREADABLE) from None
    finally:
        parser.close()
    return Form(files, texts, parser.fields, size)


async def arrived(content: bytes | None, content_type: str | None) -> bytes | Form | None:
    """A body that nobody may ever work on: its parts, if it is a form that can be read."""
    if content is None or media_type(content_type or "") != MULTIPART:
        return content

    async def receive() -> Message:
        return {"type": "http.request", "body": content}

    try:
        return await form(content_type or "", receive, len(content))
    except Refusal:
        return content
