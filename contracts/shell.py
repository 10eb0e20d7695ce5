"""A request as a line for a shell: curl, quoted so that bash sends the very bytes; secrets stand as variables."""

from __future__ import annotations

import base64
import gzip
import re
import shlex
from urllib.parse import quote

from contracts.redaction import PLACEHOLDER
from contracts.wire import Request

_LONGEST = 4000
"""Letters of a body that is shown as text; a longer one is packed."""
_PACKED = 60_000
"""Letters of a packed body that a line still holds."""
# What curl sends as it stands; the rest of a target is escaped, as clients do.
_KEPT = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"#<>')
# What curl makes itself, or what would be wrong for a repeated call.
_MADE = frozenset({"content-length", "host", "connection", "transfer-encoding", "user-agent", "accept-encoding"})
_BODIES = frozenset({"POST", "PUT", "PATCH"})


def line(request: Request, target: str) -> str:
    """The command that sends a request to `target`, the address of a deployment without a path."""
    url = target.rstrip("/") + quote(request.target, safe=_KEPT)
    words = ["curl", "-i", *_switches(request, url), word(url)]
    words += [f"-H {word(header)}" for header in _headers(request)]
    if not request.content:
        return " ".join(words)
    text = _text(request.content)
    if text is not None:
        return " ".join([*words, "--data-raw", word(text)])
    packed = _packed(request.content)
    if len(packed) > _PACKED:
        told = f"  # body.bin: the {len(request.content):,} bytes of the body, too long for a line"
        return " ".join([*words, "--data-binary @body.bin"]) + told
    return " ".join([packed, "|", *words, "--data-binary @-"])


def word(text: str) -> str:
    """A text as one word of a line in which the variables that stand for secrets are filled in."""
    if not PLACEHOLDER.search(text):
        return shlex.quote(text)
    if not re.search(r'["`\\!]', text) and "$" not in PLACEHOLDER.sub("", text):
        return f'"{text}"'
    parts, at = [], 0
    for found in PLACEHOLDER.finditer(text):
        parts += [shlex.quote(text[at : found.start()])] * (at < found.start()) + [f'"{found.group()}"']
        at = found.end()
    return "".join([*parts, *[shlex.quote(text[at:])] * (at < len(text))])


def _switches(request: Request, url: str) -> list[str]:
    switches = ["--head"] if request.method == "HEAD" else []
    if request.method not in ("HEAD", "GET") or (request.method == "GET" and request.content):
        switches = ["-X", word(request.method)]
    # Without these curl reads brackets as a list of addresses, and takes dots out of paths.
    switches += ["-g"] * bool(re.search(r"[\[\]{}]", url))
    return switches + ["--path-as-is"] * bool(re.search(r"/\.\.?(/|$|\?)", url))


def _headers(request: Request) -> list[str]:
    """The headers as curl takes them, and those that it must not add of its own."""
    names = {name.lower() for name in request.headers}
    # An empty value is told by a semicolon; with a colon curl would leave the header out.
    told = [
        f"{name}: {value}" if value else f"{name};"
        for name, value in request.headers.items()
        if name.lower() not in _MADE
    ]
    if request.content and "content-type" not in names:
        told.append("Content-Type:")
    if not request.content and request.method in _BODIES:
        told.append("Content-Length: 0")
    return told


def _text(content: bytes) -> str | None:
    """The body as a text that can be copied from a page into a shell; None if it cannot."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    clean = all(letter.isprintable() or letter == "\n" for letter in text)
    return text if clean and len(text) <= _LONGEST else None


def _packed(content: bytes) -> str:
    """Commands that write the body: bytes that no shell holds come through base64."""
    marks = list(re.finditer(PLACEHOLDER.pattern.encode(), content))
    if not marks:
        return _echo(content)
    parts, at = [], 0
    for found in marks:
        parts += [_echo(content[at : found.start()])] * (at < found.start())
        parts.append(f'printf %s "{found.group().decode()}"')
        at = found.end()
    parts += [_echo(content[at:])] * (at < len(content))
    return "{ " + "; ".join(parts) + "; }"


def _echo(content: bytes) -> str:
    zipped = gzip.compress(content, mtime=0) if len(content) > _LONGEST else content
    unzip = " | gunzip" if zipped is not content else ""
    return f"echo {base64.b64encode(zipped).decode()} | base64 -d{unzip}"
