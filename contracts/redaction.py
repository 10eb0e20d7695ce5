"""Taking secrets out of whatever is shown or written: tokens and credentials, as they are and as they travel."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from contracts.findings import Result
    from contracts.wire import Caller, Exchange

T = TypeVar("T")
Text = TypeVar("Text", str, bytes)

PLACEHOLDER = re.compile(r"\$(?:TOKEN|SECRET)_[A-Z0-9_]+|\$\{(?:TOKEN|SECRET)_[A-Z0-9_]+\}")
"""What stands where a secret stood: a variable that the reader sets; in braces where its name would not end there."""
ISSUED = "$TOKEN_ISSUED"
"""What stands for a token that the implementation handed out during the run."""
_SHORT = 6
"""Secrets below this length are only found as words of their own: `t1` is no part of `at10`."""
_WIDE = 8192
"""How far around a secret the base64 text is followed that it is a part of."""
_SAID = frozenset({"subject", "expected", "came", "accepted", "reason", "case"})
"""Members of findings, verdicts and reasons that are put together from answers."""
_LETTER = re.compile(r"\w")
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")
# What an implementation hands out, known to nobody beforehand: members of bodies, fields of forms, words of headers.
_HANDED = "access_?token|refresh_?token|id_?token"
_SECRET = f"{_HANDED}|client_?secret|(?:user_?)?password"
_BEARER = re.compile(r"(\bBearer +)(?=[^\s]*[0-9])[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)


def _members(names: str) -> re.Pattern[str]:
    """A member of a JSON text or a field of a form, and its value."""
    here = r"(?!\$\{?(?:TOKEN|SECRET)_)"
    return re.compile(
        rf"""((?:\\?["'](?:{names})\\?["']\s*:\s*\\?["'])|(?:(?:^|[?&\s])(?:{names})=)){here}[^"'\\&\s]+""",
        re.IGNORECASE,
    )


_ANSWERED, _ASKED = _members(_SECRET), _members(_HANDED)


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that must not be seen, and what is shown in its place."""

    value: str = field(repr=False)
    placeholder: str


@dataclass(frozen=True)
class Redaction:
    """Takes some secrets out of texts, bytes and whole results."""

    secrets: tuple[Secret, ...]

    @classmethod
    def of(cls, callers: Iterable[Caller]) -> Redaction:
        """For the tokens and credentials of these callers."""
        return cls(tuple(dict.fromkeys(each for caller in callers for each in _secrets(caller))))

    def __call__(self, text: Text, *, sent: bool = False) -> Text:
        """The text without any secret, in whatever form it stands there.

        Bytes come back as they were wherever no secret is. sent: it is part of a request, so that what looks like a
        secret and is none that is known was made up by the run, and whoever repeats the call needs it.
        """
        if isinstance(text, bytes):
            # Latin-1 gives every byte a letter and back; a token beyond ASCII is looked for as its UTF-8 bytes.
            return self._clean(text.decode("latin-1"), sent).encode("latin-1")
        return self._clean(text, sent)

    def exchange(self, exchange: Exchange) -> Exchange:
        """The same call without secrets; its caller's token is the name of its variable."""
        caller, request, answer = exchange.caller, exchange.request, exchange.answer
        return replace(
            exchange,
            caller=replace(caller, token=_variable(caller), credentials={}),
            request=replace(
                request,
                path=self(request.path, sent=True),
                query=self(request.query, sent=True),
                headers={name: self(value, sent=True) for name, value in request.headers.items()},
                content=None if request.content is None else self(request.content, sent=True),
            ),
            answer=replace(
                answer,
                headers={name: self(value) for name, value in answer.headers.items()},
                content=self(answer.content),
            ),
        )

    def result(self, result: Result) -> Result:
        """The same run without secrets, in every text of it."""
        return replace(
            result,
            target=self(result.target),
            findings=[
                replace(self._texts(each), steps=tuple(self.exchange(step) for step in each.steps))
                for each in result.findings
            ],
            cells=[self._texts(each) for each in result.cells],
            unchecked=[self._texts(each) for each in result.unchecked],
            checks=[replace(each, names=[self(name) for name in each.names]) for each in result.checks],
            transitions={key: self(said) for key, said in result.transitions.items()},
            stopped=self(result.stopped),
            left=[self(line) for line in result.left],
            callers=(),
            again=self(result.again),
        )

    def _texts(self, each: T) -> T:
        """The same value, what an implementation may have said in it cleaned; names of tables and callers stay."""
        assert is_dataclass(each) and not isinstance(each, type)
        said = {one.name: getattr(each, one.name) for one in fields(each) if one.name in _SAID}
        return replace(each, **{name: self(text) for name, text in said.items()})

    def _clean(self, text: str, sent: bool) -> str:
        if self.secrets:
            text = self._cut(self._encoded(self._plain.sub(self._shown, text)))
        if sent:
            return _ASKED.sub(rf"\g<1>{ISSUED}", text)
        return _BEARER.sub(rf"\g<1>{ISSUED}", _ANSWERED.sub(rf"\g<1>{ISSUED}", text))

    def _encoded(self, text: str) -> str:
        """The text without base64 that a secret is a part of: `user:password`, among others."""
        for core, placeholder in self._cores:
            begin = 0
            while (at := text.find(core, begin)) >= 0:
                end = at + len(core)
                first, last = max(0, at - _WIDE), min(len(text), end + _WIDE)
                while at > first and text[at - 1] in _BASE64:
                    at -= 1
                while end < last and text[end] in _BASE64:
                    end += 1
                text = text[:at] + placeholder + text[end:]
                begin = at + len(placeholder)
        return text

    def _cut(self, text: str) -> str:
        """The text without the beginnings of secrets, which are left where a text was cut short."""
        for secret in self.secrets:
            least, begin = _telling(secret.value), 0
            while least and (at := text.find(secret.value[:least], begin)) >= 0:
                end = at + least
                for letter in secret.value[least:]:
                    if text[end : end + 1] != letter:
                        break
                    end += 1
                text = text[:at] + secret.placeholder + text[end:]
                begin = at + len(secret.placeholder)
        return text

    @cached_property
    def _named(self) -> dict[str, str]:
        """Each form in lower case -> its placeholder."""
        return {form.lower(): each.placeholder for each in reversed(self.secrets) for form in _forms(each.value)}

    @cached_property
    def _cores(self) -> list[tuple[str, str]]:
        """What base64 makes of the inside of a secret, and its placeholder."""
        return [(core, each.placeholder) for each in self.secrets for core in _cores(each.value)]

    @cached_property
    def _plain(self) -> re.Pattern[str]:
        # The longest first: one token may begin with another.
        forms = sorted(self._named, key=lambda form: (-len(form), form))
        ways = (re.escape(form) if len(form) >= _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)" for form in forms)
        return re.compile("|".join(ways), re.IGNORECASE)

    def _shown(self, found: re.Match[str]) -> str:
        placeholder = self._named.get(found.group().lower(), ISSUED)
        return f"${{{placeholder[1:]}}}" if _LETTER.match(found.string, found.end()) else placeholder


def redact(text: Text, callers: Iterable[Caller]) -> Text:
    """The text, or bytes, without the tokens and credentials of these callers."""
    return Redaction.of(callers)(text)


def _secrets(caller: Caller) -> Iterator[Secret]:
    if caller.token and caller.token != _variable(caller):
        yield Secret(caller.token, caller.placeholder)
    for name, value in caller.credentials.items():
        if value and not PLACEHOLDER.fullmatch(value):
            words = re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper())
            yield Secret(value, f"{caller.placeholder.replace('$TOKEN_', '$SECRET_', 1)}_{words}")


def _variable(caller: Caller) -> str | None:
    """What is shown in the place of a caller's token."""
    # One that the run made up to be refused is no secret, and whoever repeats the call needs it.
    return caller.token if caller.token is None or caller.kind == "garbage" else caller.placeholder


def _telling(value: str) -> int:
    """So many of its first letters give a secret away; 0 if it is too short to tell."""
    if len(value) < 8:
        return 0
    # What is made of words (`operations-token`) begins as ordinary texts do; with a digit it is more than words.
    most, digit = -(-len(value) * 3 // 4), re.search("[0-9]", value)
    return most if digit is None else min(most, max(12, digit.end()))


def _forms(value: str) -> Iterator[str]:
    """A secret as it may stand in a text: plain, in an address, in JSON, in HTML, and as bytes read as Latin-1."""
    read = [each.encode().decode("latin-1") for each in (value, value.upper(), value.lower())]
    for each in (value, *read):
        yield from (each, json.dumps(each)[1:-1], html.escape(each), html.escape(json.dumps(each)[1:-1]))
    yield from (quote(value, safe=""), quote(value), quote_plus(value), repr(value)[1:-1])


def _cores(value: str) -> Iterator[str]:
    """The letters of base64 that are the secret's own, for each of the three places it can begin at."""
    raw = value.encode()
    for before in range(3):
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        core = base64.b64encode(bytes(before) + raw).decode()[first:last]
        # Short ones would be found in any picture.
        if len(core) >= 8:
            yield core
            if (safe := core.replace("+", "-").replace("/", "_")) != core:
                yield safe
