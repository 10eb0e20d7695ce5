"""What clients sent, without their secrets: told by the names of members, and by values that are known to be secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, unquote_plus

import orjson

if TYPE_CHECKING:
    from mockserver.sandboxes import Sandbox

HIDDEN = "***"
ISSUED = ("IssuedToken", "RefreshToken")
"""Entities whose ids are tokens that an API has issued."""
CREDENTIALS: Mapping[str, tuple[str, ...]] = {"Client": ("secret", "password")}
"""Entities that hold what a token is asked for with, and the members that do"""
DEEPEST = 100
SHORT = 8
"""Characters below which a secret is hidden only where it stands as a word: it may be a part of many."""
_NAMES = re.compile(
    "(token|secret|password|passwd|pwd|passphrase|credential|apikey|privatekey|assertion|cookie|signature)s?$"
)
_HEADERS = ("authorization", "proxy-authorization")
"""Headers that hold a token; a member of that name may be anything, such as an object of the billing API"""
# What is called `<token>` stands in the place of one.
_SCHEME = re.compile(r"\b(bearer)\s+(?!<)[^\s\"',;&]{8,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"((?:token|secret|passw(?:or)?d|pwd|passphrase|credential|api[_-]?key|assertion)s?[\"']?\s*[:=]\s*)"
    r"(\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|[^\s&,;}\"']+)",
    re.IGNORECASE,
)
_FORM = re.compile(r"[^\s={}\"]+=[^\s{}\"]*")
_WORD = re.compile(r"[A-Za-z0-9_=-]{20,}")


def secrets(sandbox: Sandbox) -> set[str]:
    """What must not be shown of a sandbox, beside what it issued: tokens of its cast, and credentials for others."""
    known = set(sandbox.base.homes)
    for world in sandbox.worlds.values():
        for entity, members in CREDENTIALS.items():
            known |= {row.record[name] for row in world.layer.all(entity) for name in members if name in row.record}
    return known


def issued(sandbox: Sandbox) -> set[str]:
    """The tokens that the sandbox's APIs have issued."""
    return {
        row.record["id"] for world in sandbox.worlds.values() for entity in ISSUED for row in world.layer.all(entity)
    }


def is_secret(name: str) -> bool:
    """Whether a member, a parameter or a header of this name holds what must not be shown."""
    return _NAMES.search(re.sub("[^a-z]", "", name.lower())) is not None


class Redactor:
    """Hides secrets in whatever is shown.

    known: secrets, looked for everywhere; issued: those with 20 characters or more and nothing but letters, digits and
    `_ = -` in them, of which there may be very many
    """

    FEW = 100

    def __init__(self, known: Iterable[str], issued: Iterable[str] = ()) -> None:
        self._issued = frozenset(issued)
        if len(self._issued) <= self.FEW:
            # Few are looked for one by one, which is faster than looking up every part of every word.
            known, self._issued = {*known, *self._issued}, frozenset()
        # The longest first: one may be a part of another.
        self._known = sorted({each for each in known if each}, key=len, reverse=True)
        self._lengths = sorted({len(each) for each in self._issued}, reverse=True)

    @classmethod
    def of(cls, sandbox: Sandbox, admin: str | None = None) -> Redactor:
        """Of a sandbox as it is now; admin: the token of the server's own pages."""
        return cls(secrets(sandbox) | ({admin} if admin else set()), issued(sandbox))

    def text(self, text: str) -> str:
        """Any text."""
        for secret in self._known:
            if secret not in text:
                continue
            if len(secret) < SHORT:
                text = re.sub(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", HIDDEN, text)
            else:
                text = text.replace(secret, HIDDEN)
        if self._issued:
            text = _WORD.sub(lambda found: self._without_issued(found[0]), text)
        return _SCHEME.sub(rf"\1 {HIDDEN}", text)

    def path(self, path: str) -> str:
        """A percent-encoded path."""
        return "/".join(self._encoded(segment, unquote(segment)) for segment in path.split("/"))

    def query(self, query: str) -> str:
        """A percent-encoded query string."""
        shown = []
        for item in query.split("&"):
            name, equals, value = item.partition("=")
            value = HIDDEN if value and is_secret(unquote_plus(name)) else self._encoded(value, unquote_plus(value))
            shown.append(self._encoded(name, unquote_plus(name)) + equals + value)
        return "&".join(shown)

    def headers(self, headers: Mapping[bytes, bytes]) -> dict[str, str]:
        """Headers by name."""
        read = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        return {
            self.text(name): HIDDEN if is_secret(name) or name.lower() in _HEADERS else self.text(value)
            for name, value in read.items()
        }

    def body(self, content: bytes) -> Any:
        """A body, or what is told of a form: its value where it is JSON, its text where it is text, else None."""
        try:
            return self.value(orjson.loads(content))
        except orjson.JSONDecodeError:
            pass
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            return None
        return self.words(text)

    def words(self, text: str) -> str:
        """What somebody wrote, in which a secret may stand after its name: `password: ***`."""
        if _FORM.fullmatch(text):
            return self.text(self.query(text))
        return self.text(_ASSIGNED.sub(rf'\1"{HIDDEN}"', text))

    def value(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """A JSON value; name: of the member that holds it."""
        if name and is_secret(name) and value is not None:
            return HIDDEN
        if isinstance(value, str):
            return self.words(value)
        if depth > DEEPEST:
            # What encodes it, as what reads it here, goes no deeper.
            return "..." if isinstance(value, dict | list) else value
        if isinstance(value, dict):
            return {self.text(key): self.value(each, key, depth + 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self.value(each, "", depth + 1) for each in value]
        return value

    def _encoded(self, raw: str, decoded: str) -> str:
        """A part of a URL as it came, unless it hides something when decoded."""
        shown = self.text(decoded)
        return raw if shown == decoded and self.text(raw) == raw else quote(shown, safe="*")

    def _without_issued(self, word: str) -> str:
        for length in self._lengths:
            at = 0
            while at + length <= len(word):
                if word[at : at + length] in self._issued:
                    word = word[:at] + HIDDEN + word[at + length :]
                at += 1
        return word
