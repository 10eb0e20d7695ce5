"""What the properties of an entity are, read from the assembled OpenAPI document.

A shape is what filters, orders and projections need to know: the kind of every property, what lies below it, and which
entity a reference points at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["string", "number", "integer", "date", "boolean", "enum", "object", "collection"]

# Parsed YAML, which may hold anything.
Document = Mapping[str, Any]

_SCALARS: Mapping[str, Kind] = {"number": "number", "integer": "integer", "boolean": "boolean", "string": "string"}
_NONE: Mapping[str, Property] = {}


@dataclass(frozen=True, eq=False)
class Property:
    """A property of an entity, or an entity as a whole.

    Compared by identity: one shape is made once, and serves as a key of caches.

    name: as the spec spells it
    members: casefolded name -> property, for objects; made on first use, so a schema may contain itself
    item: what the elements are, for collections
    enum: the allowed texts, for enums
    refers: the entity that a reference points at
    """

    name: str
    kind: Kind
    members: Mapping[str, Property]
    item: Property | None = None
    enum: tuple[str, ...] = ()
    refers: str | None = None


def shape(document: Document, schema_name: str, references: Mapping[str, str] | None = None) -> Property:
    """The shape of components/schemas/`schema_name`; members that start with "$" are no properties and are left out.

    references: property name -> entity; a key "Charge.parent" speaks of that schema alone and goes first
    Raises KeyError, naming the schema, when the document has no such schema.
    """
    whole = {"$ref": f"#/components/schemas/{schema_name}"}
    return _Reader(document, references or {}).read(schema_name, whole, None)


def referred(references: Mapping[str, str], owner: str | None, name: str) -> str | None:
    """The entity that property `name` of `owner` points at."""
    return references.get(f"{owner}.{name}") or references.get(name)


class _Members(Mapping[str, Property]):
    """The members of one object schema, read when first asked for."""

    def __init__(self, reader: _Reader, schemas: list[Document], owner: str | None) -> None:
        self._reader, self._schemas, self._owner = reader, schemas, owner
        self._known: dict[str, Property] | None = None

    def _read(self) -> dict[str, Property]:
        if self._known is None:
            self._known = {
                name.casefold(): self._reader.read(name, schema, self._owner)
                for part in self._schemas
                for name, schema in part.get("properties", {}).items()
                if not name.startswith("$")
            }
        return self._known

    def __getitem__(self, name: str) -> Property:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


class _Reader:
    """Walks one document; members of a named schema are made once, however often it is referred to."""

    def __init__(self, document: Document, references: Mapping[str, str]) -> None:
        self._document, self._references = document, references
        self._members: dict[str, _Members] = {}

    def read(self, name: str, schema: Document, owner: str | None, within: frozenset[str] = frozenset()) -> Property:
        """within: the named schemas whose items are being read, so that an array of itself comes to an end"""
        named, parts = self._parts(schema)
        declared = next((str(part["type"]) for part in parts if "type" in part), "object")
        refers = referred(self._references, owner, name) if owner is not None else None
        if declared == "array":
            items: Document = next((part["items"] for part in parts if "items" in part), {})
            if named is not None and named in within:
                return Property(name, "collection", _NONE)
            inside = within if named is None else within | {named}
            return Property(name, "collection", _NONE, item=self.read(name, items, owner, inside))
        if declared in _SCALARS:
            enum = next((part["enum"] for part in parts if "enum" in part), None)
            if enum is not None and declared == "string":
                return Property(name, "enum", _NONE, enum=tuple(str(text) for text in enum if text is not None))
            if any(part.get("format") in ("date-time", "date") for part in parts):
                return Property(name, "date", _NONE)
            return Property(name, _SCALARS[declared], _NONE)
        return Property(name, "object", self._object(named, parts), refers=refers)

    def _object(self, named: str | None, parts: list[Document]) -> _Members:
        if named is None:
            return _Members(self, parts, None)
        return self._members.setdefault(named, _Members(self, parts, named))

    def _parts(self, schema: Document) -> tuple[str | None, list[Document]]:
        """The schema's name, if it has one, and what it consists of, with $ref and allOf followed."""
        named: str | None = None
        passed: set[str] = set()
        while "$ref" in schema or (len(schema.get("allOf", ())) == 1 and "properties" not in schema):
            if "$ref" not in schema:
                # OpenAPI 3.0 ignores what stands beside $ref, so writers wrap it: {allOf: [$ref], description: ...}.
                schema = schema["allOf"][0]
                continue
            reference = str(schema["$ref"])
            named = reference.removeprefix("#/components/schemas/")
            if reference in passed:
                raise ValueError(f"{reference}: refers to itself and says nothing else; give it a type.")
            passed.add(reference)
            schemas = self._document["components"]["schemas"]
            if named not in schemas:
                raise KeyError(f"{reference}: the document has no such schema.")
            schema = schemas[named]
        parts = [schema]
        for part in schema.get("allOf", ()):
            parts += self._parts(part)[1]
        return named, parts
