"""What reads multipart bodies; a module of its own because it is imported only when the first of them comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser

PARTS = 50
CHARSETS = frozenset(
    (b"ascii", b"us-ascii", b"cp1252", b"windows-1252", b"iso-8859-1", b"latin1", b"latin-1", b"utf-8", b"utf8")
)
"""What a form may say that its texts are in. Python knows many more: some give what is no Unicode at all, some take
minutes over a megabyte, and of a name that it does not know it remembers that for ever."""


class Parser(MultiPartParser):
    """Starlette's parser, which also notes what it forgets of parts that are no files.

    A charset that is not to be believed counts as none: UTF-8, or else Latin-1.
    fields: name -> (media type, "" where none was said; bytes as they came)
    """

    def __init__(self, content_type: str, stream: AsyncGenerator[bytes, None]) -> None:
        headers = Headers({"content-type": _plain(content_type)})
        super().__init__(headers, stream, max_files=PARTS, max_fields=PARTS)
        self.fields: dict[str, tuple[str, int]] = {}

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None:
            said = dict(part.item_headers).get(b"content-type", b"")
            self.fields[part.field_name] = said.decode("latin-1"), len(part.data)
        super().on_part_end()

    def close(self) -> None:
        """Forget the files: the parser itself forgets that of a part that never ends, and any if the stream breaks."""
        for file in self._files_to_close_on_error:
            file.close()


def _plain(content_type: str) -> str:
    """A Content-Type header without a charset that is not to be believed."""
    if "charset" not in content_type.lower():
        return content_type
    kind, options = parse_options_header(content_type)
    if options.get(b"charset", b"utf-8").lower() in CHARSETS:
        return content_type
    boundary = options.get(b"boundary", b"").decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
    return kind.decode("latin-1") + (f'; boundary="{boundary}"' if boundary else "")
