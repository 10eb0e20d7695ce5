"""JSON Schema validators of an OpenAPI 3.0 document, each compiled once, and readers of request bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

import jsonschema_rs

from mockserver import wire
from mockserver.domain.errors import Faulty

Schema = Mapping[str, Any]
Namer = Callable[[Any], Any]
Converter = Callable[[Any, str], Any]
_BOUNDS = {"int32": 2**31, "int64": 2**63}
_HOME = "#/components/schemas/"
_LONGEST = 200
_SHOWN = 60
_NO_EXAMPLES: Mapping[str, str] = {}
FORMS = ("pattern", "format")
"""What a schema says of the form of a text."""


class Validators:
    """Compiles schemas of one document on first use.

    exact: names in bodies are read as the schema spells them only, not whatever their case
    """

    def __init__(self, document: Mapping[str, Any], *, exact: bool = False) -> None:
        self._exact = exact
        self._declared: Mapping[str, Schema] = document["components"]["schemas"]
        self._schemas: dict[str, Schema] = {}

    @cached_property
    def examples(self) -> Mapping[str, str]:
        """A value of each form: by the pattern or the format that a schema with an example has."""
        return dict(_examples(self._declared))

    def compiled(self, schema: Schema) -> jsonschema_rs.Draft202012Validator:
        """The validator of a schema that may refer to the document's components."""
        whole = plain(schema)
        needed: dict[str, Schema] = {}
        # All of them would do, too; but each validator copies what it is given.
        left = [*_referred(whole)]
        while left:
            name = left.pop()
            if name in self._declared and name not in needed:
                needed[name] = self._schema(name)
                left += _referred(needed[name])
        return jsonschema_rs.Draft202012Validator({**whole, "components": {"schemas": needed}}, validate_formats=True)

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, behind any references."""
        while "$ref" in schema:
            schema = self._schema(schema["$ref"].rpartition("/")[2])
        return schema

    def _schema(self, name: str) -> Schema:
        """One of the document's, as JSON Schema."""
        if name not in self._schemas:
            self._schemas[name] = plain(self._declared[name])
        return self._schemas[name]

    def reader(self, schema: Schema) -> Callable[[Any], Any]:
        """A function from a parsed JSON body to canonical, valid values.

        Names match whatever their case, unless `exact`; unknown members are dropped, dates become canonical instants
        and fractional numbers Decimal. Raises Invalid, keyed by property path.
        """
        whole = self.resolve(schema)
        if "oneOf" in whole and "properties" not in whole:
            # Against the one alternative that is meant: of all of them together, no mistake could be given its place.
            of_list, of_one = (self.reader(each) for each in self._alternatives(whole))
            return lambda value: (of_list if type(value) is list else of_one)(value)
        validator = self.compiled(schema)
        name, convert = self._namer(schema), self._converter(schema)

        def read(value: Any) -> Any:
            named = name(value) if name is not None else value
            if not validator.is_valid(named):
                raise Faulty("The body is not valid; see errors.", dict(problems(validator, named, self.examples)))
            return convert(named, "") if convert is not None else named

        return read

    def _namer(self, schema: Schema) -> Namer | None:
        """What names members as the schema spells them and drops unknown ones; None where there is nothing to do."""
        schema = self.resolve(schema)
        if "oneOf" in schema and "properties" not in schema:
            listed, single = self._alternatives(schema)
            of_list, of_one = self._namer(listed), self._namer(single)
            return lambda value: _apply(of_list if type(value) is list else of_one, value)
        if "items" in schema:
            item = self._namer(schema["items"])
            return lambda value: [_apply(item, each) for each in value] if type(value) is list else value
        if "properties" not in schema:
            return None
        members = {member: self._namer(below) for member, below in schema["properties"].items()}
        folded = {} if self._exact else {member.casefold(): member for member in members}

        def name(value: Any) -> Any:
            if type(value) is not dict:
                return value
            named = {}
            for given, inner in value.items():
                # An exact spelling wins over one that differs in case.
                right = given if given in members else folded.get(given.casefold())
                if right is not None and (right == given or right not in value):
                    below = members[right]
                    named[right] = inner if below is None else below(inner)
            return named

        return name

    def _converter(self, schema: Schema) -> Converter | None:
        """What makes dates canonical and fractional numbers Decimal; None where there is nothing to do."""
        schema = self.resolve(schema)
        if "oneOf" in schema and "properties" not in schema:
            listed, single = self._alternatives(schema)
            of_list, of_one = self._converter(listed), self._converter(single)
            return lambda value, path: _convert(of_list if type(value) is list else of_one, value, path)
        if "items" in schema:
            item = self._converter(schema["items"])
            if item is None:
                return None
            return lambda value, path: (
                [_convert(item, each, f"{path}[{n}]") for n, each in enumerate(value)] if type(value) is list else value
            )
        if _is_date(schema):
            return _date
        if schema.get("type") == "number":
            return lambda value, path: Decimal(repr(value)) if type(value) is float else value
        members = {member: self._converter(below) for member, below in schema.get("properties", {}).items()}
        known = {member: convert for member, convert in members.items() if convert is not None}
        if not known:
            return None

        def convert(value: Any, path: str) -> Any:
            if type(value) is not dict:
                return value
            made = dict(value)
            for member, below in known.items():
                if member in made:
                    made[member] = below(made[member], f"{path}.{member}")
            return made

        return convert

    def _alternatives(self, schema: Schema) -> tuple[Schema, Schema]:
        """The list and the single object of a oneOf."""
        listed: Schema = {}
        single: Schema = {}
        for each in schema["oneOf"]:
            branch = self.resolve(each)
            if branch.get("type") == "array":
                listed = branch
            else:
                single = branch
        return listed, single


def _referred(schema: Any) -> Iterator[str]:
    """The names of the schemas that one refers to, or to parts of."""
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith(_HOME):
            yield reference.removeprefix(_HOME).partition("/")[0]
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        if isinstance(each, Mapping | list):
            yield from _referred(each)


def _apply(name: Namer | None, value: Any) -> Any:
    return value if name is None else name(value)


def _convert(convert: Converter | None, value: Any, path: str) -> Any:
    return value if convert is None else convert(value, path)


def _date(value: Any, path: str) -> Any:
    if type(value) is not str:
        return value
    try:
        return wire.parse_instant(value)
    except ValueError as error:
        raise Faulty("The body is not valid; see errors.", {path.lstrip("."): [f"{error}."]}) from None


def plain(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema: nullable types, integer formats and excluded bounds said in its words."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: plain(value) for key, value in schema.items() if key not in ("nullable", "example")}
    # A member of an object may itself be called `nullable` or `example`; those maps are not schemas.
    if isinstance(schema.get("properties"), Mapping):
        made["properties"] = {name: plain(member) for name, member in schema["properties"].items()}
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    for bound, excludes in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        # A boolean beside the bound there, the bound itself here.
        if isinstance(schema.get(excludes), bool) and made.pop(excludes) and bound in made:
            made[excludes] = made.pop(bound)
    if schema.get("type") == "integer" and (size := _BOUNDS.get(str(schema.get("format")))) is not None:
        made.setdefault("minimum", -size)
        made.setdefault("maximum", size - 1)
    return made


def _is_date(schema: Schema) -> bool:
    formats = [schema.get("format"), *(each.get("format") for each in schema.get("anyOf", ()))]
    return "date-time" in formats


def _examples(schemas: Any) -> Iterator[tuple[str, str]]:
    """Pattern or format, and a text of that form, of all the schemas below."""
    if isinstance(schemas, Mapping):
        if isinstance(schemas.get("example"), str):
            yield from ((schemas[word], schemas["example"]) for word in FORMS if isinstance(schemas.get(word), str))
        schemas = list(schemas.values())
    for each in schemas if isinstance(schemas, list) else ():
        yield from _examples(each)


def problems(
    validator: jsonschema_rs.Draft202012Validator, value: Any, examples: Mapping[str, str] = _NO_EXAMPLES
) -> Iterator[tuple[str, list[str]]]:
    """What is wrong with a value: place and messages.

    examples: pattern or format -> a text of that form, which the messages tell
    """
    found: dict[str, list[str]] = {}
    for error in validator.iter_errors(value):
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path).lstrip(".")
        message = _said(error, examples)
        if error.kind.name == "required":
            missing = getattr(error.kind, "property", "")
            path = f"{path}.{missing}".lstrip(".")
        if len(message) > _LONGEST:
            message = message[: _LONGEST - 3] + "..."
        said = found.setdefault(path or "body", [])
        # What breaks a pattern and a format is of a wrong form but once.
        if message not in said:
            said.append(message)
    yield from found.items()


_TYPES = {
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def _said(error: jsonschema_rs.ValidationError, examples: Mapping[str, str]) -> str:
    """What is wrong with a value, in words that need no knowledge of JSON Schema."""
    kind = error.kind
    value: Any = error.instance  # Any: the JSON value that the kind of error is about
    match kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=missing):
            return f"{missing[:1].upper()}{missing[1:]} is required."
        case jsonschema_rs.ValidationErrorKind.Type(types=types):
            return f"must be {' or '.join([_TYPES[each] for each in _TYPES if each in types])}, not {_kind(value)}"
        case jsonschema_rs.ValidationErrorKind.MinLength(limit=1) | jsonschema_rs.ValidationErrorKind.MinItems(limit=1):
            return "must not be empty"
        case jsonschema_rs.ValidationErrorKind.MaxItems(limit=most):
            return f"must hold at most {most}, not {len(value)}"
        case jsonschema_rs.ValidationErrorKind.MaxProperties(limit=most):
            return f"must hold at most {most} members, not {len(value)}"
        case jsonschema_rs.ValidationErrorKind.MaxLength(limit=most):
            return f"must have at most {most} characters, not {len(value)}"
        case jsonschema_rs.ValidationErrorKind.Enum(options=options):
            return f"must be one of {', '.join('null' if each is None else str(each) for each in options)}"
        case jsonschema_rs.ValidationErrorKind.AnyOf():
            # The only alternatives in a body are the two spellings of a date.
            return "is no date or date-time, such as 2026-03-31 or 2026-03-31T09:00:00.000Z"
        case jsonschema_rs.ValidationErrorKind.Format(format="date"):
            return f"{_shown(value)} is no date, such as 2026-03-31."
        case jsonschema_rs.ValidationErrorKind.Format(format="date-time"):
            return f"{_shown(value)} is no date-time, such as 2026-03-31T09:00:00.000Z."
        case (
            jsonschema_rs.ValidationErrorKind.Format(format=form)
            | jsonschema_rs.ValidationErrorKind.Pattern(pattern=form)
        ):
            # Never the form itself: a regular expression tells the mend to few.
            example = f", such as {examples[form]}" if form in examples else ""
            return f"{_shown(value)} is not of the right form{example}."
        case _:
            return error.message


def _shown(value: str) -> str:
    """A text in quotes, short enough to leave room for what is said of it."""
    return json.dumps(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...", ensure_ascii=False)


def _kind(value: Any) -> str:
    if type(value) is int:  # mostly it is one, and the encoder takes ten times as long
        return str(value)
    names: dict[type, str] = {str: "a string", dict: "an object", list: "a list"}
    return names.get(type(value)) or json.dumps(value)
