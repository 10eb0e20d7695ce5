"""The parameters that an operation declares in its path and query, read as what they are.

Names that the operation does not declare are ignored; a name that it declares stands once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema_rs

from mockserver.domain.errors import Invalid
from mockserver.validators import FORMS, Validators, problems

LONGEST = 8_192
"""Characters of a query string."""
NOT_THERE: Any = object()
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", re.ASCII)
_READERS: Mapping[str, Callable[[str], Any]] = {
    "integer": lambda text: int(text) if _WHOLE.fullmatch(text) else NOT_THERE,
    "number": lambda text: float(text) if _NUMBER.fullmatch(text) else NOT_THERE,
    "boolean": lambda text: {"true": True, "false": False}.get(text, NOT_THERE),
    "string": lambda text: text,
}
_MENDS = {
    "integer": "must be a whole number",
    "number": "must be a number",
    "boolean": "must be true or false",
}


class Said(dict[str, Any]):
    """Query parameters by name, those with a default always; `sent` are those that the request names."""

    sent: frozenset[str] = frozenset()


NOTHING = Said()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter, with its compiled schema.

    kind: of the value, or of each value of a list
    is_list: whether it holds values between commas, or, `exploded`, stands once for each
    examples: pattern or format -> a text of that form, which refusals tell
    """

    name: str
    kind: str
    is_list: bool
    exploded: bool
    required: bool
    default: Any
    validator: jsonschema_rs.Draft202012Validator
    examples: Mapping[str, str]

    def read(self, said: Sequence[str]) -> Any:
        """The value. Raises Invalid, keyed by the name."""
        if len(said) > 1 and not self.is_list:
            raise self.fault(f"stands {len(said)} times; say it once.")
        if self.is_list:
            # One that holds its values between commas may stand again, too: many clients send lists in no other way.
            texts = said if self.exploded else [each for part in said if part for each in part.split(",")]
            value: Any = [_READERS[self.kind](text) for text in texts]
            wrong = NOT_THERE in value
        else:
            value = _READERS[self.kind](said[0])
            wrong = value is NOT_THERE
        if wrong:
            raise self.fault(f"{_MENDS[self.kind]}, not {','.join(said)[:60]!r}.")
        if not self.validator.is_valid(value):
            raise self.fault("; ".join(each for _, each in _faults(self, value)) + ".")
        return value

    def fault(self, what: str) -> Invalid:
        """The refusal of this parameter."""
        return Invalid(f"{self.name}: {what}", {self.name: [f"{what[:1].upper()}{what[1:]}"]})


class Parameters:
    """The readers of one operation's path and query."""

    def __init__(self, declared: Sequence[Mapping[str, Any]], validators: Validators) -> None:
        made = {"path": dict[str, Parameter](), "query": dict[str, Parameter]()}
        for each in declared:
            if each["in"] in made:
                made[each["in"]][each["name"]] = _parameter(each, validators)
        self.path, self._query = made["path"], made["query"]
        self._defaults = Said({name: each.default for name, each in self._query.items() if each.default is not None})
        self._needs = any(each.required for each in self._query.values())
        self.query = lru_cache(maxsize=256)(self._read)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters of the query that are declared."""
        return tuple(self._query)

    def read_path(self, values: Mapping[str, str]) -> None:
        """See that what the path names can be. Raises Invalid."""
        for name, each in self.path.items():
            each.read([values[name]])

    def is_well_formed(self, name: str, value: str) -> bool:
        """Whether a value of a path parameter is one that could be."""
        return name not in self.path or self.path[name].validator.is_valid(value)

    def _read(self, raw: bytes) -> Said:
        """What a query string says; raw as it stands in the request."""
        if not raw and not self._needs:
            return self._defaults
        said: dict[str, list[str]] = {}
        for name, value in _pairs(raw):
            if name in self._query:
                said.setdefault(name, []).append(value)
        found = Said(self._defaults)
        found.sent = frozenset(said)
        for name, each in self._query.items():
            if name in said:
                found[name] = each.read(said[name])
            elif each.required:
                raise each.fault("is required; add it to the query.")
        return found


def _parameter(declared: Mapping[str, Any], validators: Validators) -> Parameter:
    schema = validators.resolve(declared["schema"])
    is_list = schema.get("type") == "array"
    inner = validators.resolve(schema.get("items", {})) if is_list else schema
    forms = [inner[word] for word in FORMS if word in inner]
    return Parameter(
        name=declared["name"],
        kind=inner.get("type", "string"),
        is_list=is_list,
        exploded=bool(declared.get("explode", True)),
        required=bool(declared.get("required", False)),
        default=schema.get("default"),
        validator=validators.compiled(schema),
        # Its own come first: the locator of a payment where one is asked for.
        examples={**validators.examples, **{form: each for each in _examples(declared) for form in forms}},
    )


def _examples(declared: Mapping[str, Any]) -> Iterator[str]:
    """The example of a parameter, or the first of several, where it is a text or a list of texts."""
    given = [declared.get("example"), *(each.get("value") for each in declared.get("examples", {}).values())]
    texts = [text for each in given for text in (each if isinstance(each, list) else [each]) if isinstance(text, str)]
    yield from texts[:1]


def _pairs(raw: bytes) -> Iterator[tuple[str, str]]:
    if len(raw) > LONGEST:
        raise Invalid(f"the query string has {len(raw)} characters; {LONGEST} are read.")
    try:
        for item in raw.replace(b"+", b" ").split(b"&"):
            name, _, value = item.partition(b"=")
            if name:
                yield unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise Invalid("the query string is not UTF-8; percent-encode UTF-8 bytes.") from None


def _faults(parameter: Parameter, value: Any) -> Iterator[tuple[str, str]]:
    for place, messages in problems(parameter.validator, value, parameter.examples):
        for message in messages:
            yield place, message.rstrip(".")
