"""Every answer of a run against the spec: Schemathesis says whether status, type, headers and body are documented."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from contracts.wire import Answer, Exchange, Request
from specs.tables import Api

CODES: Mapping[str, str] = {
    "ServerError": "S305",
    "ContentTypeServerError": "S305",
    "UndefinedStatusCode": "S301",
    "UndefinedContentType": "S302",
    "MissingContentType": "S302",
    "MalformedMediaType": "S302",
    "MissingHeaders": "S303",
}
"""the class of a failure -> code; all others are about bodies"""
BODY = "S304"
BUNDLE = "x-bundled"
"""Where Schemathesis keeps the schemas that others refer to."""
CONFIG: Mapping[str, Any] = {
    "generation": {"database": "none", "with-security-parameters": False, "deterministic": True},
    "phases": {"coverage": {"unexpected-methods": [], "generate-duplicate-query-parameters": False}},
}
"""Said in full, so that no stray schemathesis.toml is looked for; tokens and methods are other checks' matter."""
JSON = "application/json"
KNOWN = 4096
"""Kinds of answers (operation, status, content type) whose documentation is kept at hand"""
BODIES = 32_768
"""Bodies that were seen to keep a document, and need not be looked at again"""
DOCUMENTS = 4
"""Documents whose reading is kept, so that one run after the other need not make it"""
KIND, HEADERS = slice(0, 2), slice(2, 3)
"""Those of an oracle's checks that are about status and content type, and about headers"""
Kind = tuple[str, int, str | None]
"""Operation, status and content type of an answer"""
_APPLIES = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
_REST = frozenset({"items", "prefixItems", "additionalProperties", "patternProperties"})
_NAMED = re.compile(r'^"(.*)" is a required property|^Additional properties are not allowed \(\'(.*?)\'')


@dataclass(frozen=True, slots=True)
class Breach:
    """One way in which an answer breaks the spec.

    subject: what is broken: a status, a media type, a header, a member of a schema
    operation: where it was seen first; what several operations share is broken once
    """

    code: str
    subject: str
    came: str
    operation: str


@dataclass(frozen=True, slots=True)
class Documented:
    """What the answers of an operation with one status and content type must be.

    validator: of a JSON body, the one that Schemathesis has; None where any body will do
    headers: whether there are some to look at
    """

    validator: Any
    headers: bool

    def is_kept(self, answer: Answer) -> bool:
        if self.validator is None:
            return True
        return answer.plain is not None and bool(self.validator.is_valid(answer.plain))


class Reading:
    """A document as Schemathesis reads it, and which answers were seen to keep it: the same in every run."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._source = document
        self._cases: dict[str, Any] = {}
        self._documented: dict[Kind, Documented | None] = {}
        self._kept: set[tuple[Kind, bytes]] = set()

    @cached_property
    def schema(self) -> Any:
        """The document as Schemathesis reads it."""
        import schemathesis
        from schemathesis.config import SchemathesisConfig

        schema = schemathesis.openapi.from_dict(dict(self._source), config=SchemathesisConfig.from_dict(dict(CONFIG)))
        schema.config.update(base_url=ADDRESS + str(self._source["servers"][0]["url"]).rstrip("/"))
        return schema

    @cached_property
    def operations(self) -> Mapping[str, Any]:
        """operationId -> the operation as Schemathesis has it."""
        found = (each.ok() for each in self.schema.get_all_operations())
        return {each.definition.raw["operationId"]: each for each in found}

    @cached_property
    def context(self) -> Any:
        """What Schemathesis's checks are called with: no recorder, so that none of them sends anything."""
        from schemathesis.checks import CheckContext

        return CheckContext(
            override=None,
            auth=None,
            headers=None,
            config=self.schema.config.checks_config_for(),
            transport_kwargs=None,
            recorder=None,
            response_checks=None,
            phase=None,
        )

    @cached_property
    def _checks(self) -> Sequence[Any]:
        from schemathesis.specs.openapi import checks

        return (
            checks.status_code_conformance,
            checks.content_type_conformance,
            checks.response_headers_conformance,
            checks.response_schema_conformance,
        )

    @cached_property
    def _failing(self) -> Sequence[Any]:
        from schemathesis.checks import not_a_server_error

        return (not_a_server_error,)

    def failures(self, exchange: Exchange) -> Iterator[Any]:
        """What Schemathesis says is wrong with an answer."""
        operation = self.operations.get(exchange.operation)
        if operation is None or exchange.request.method == "HEAD":
            return
        if exchange.operation not in self._cases:
            self._cases[exchange.operation] = operation.Case(method=operation.method.upper())
        if self._is_as_documented(exchange):
            return
        # A server that fails breaks nothing else: what it says then is of no use to anybody.
        checks = self._failing if exchange.status >= 500 else self._checks
        response = answered(exchange.request, exchange.answer)
        yield from failures(checks, self.context, response, self._cases[exchange.operation])

    def _is_as_documented(self, exchange: Exchange) -> bool:
        """Whether an answer is seen to keep the spec; False where only Schemathesis's checks can say.

        They take ten times as long, for what most answers do not need: telling what is wrong.
        """
        answer = exchange.answer
        key = (exchange.operation, answer.status, answer.headers.get("content-type"))
        if key not in self._documented:
            # A server may make up a content type for every answer.
            if len(self._documented) >= KNOWN:
                self._documented.clear()
            self._documented[key] = self._document(exchange)
        found = self._documented[key]
        return (
            found is not None
            and self._is_kept(key, found, answer)
            and not (found.headers and self._fails(exchange, HEADERS))
        )

    def _is_kept(self, kind: Kind, documented: Documented, answer: Answer) -> bool:
        """Whether a body is as documented. Most bodies come again, in this run or in the next against such a server."""
        mark = kind, blake2b(answer.content, digest_size=16).digest()
        if mark in self._kept:
            return True
        if not documented.is_kept(answer):
            return False
        if len(self._kept) >= BODIES:
            self._kept.clear()
        self._kept.add(mark)
        return True

    def _document(self, exchange: Exchange) -> Documented | None:
        """What is documented for answers with this status and content type; None where it is wrong, or not of JSON."""
        operation, media = self.operations[exchange.operation], exchange.answer.headers.get("content-type")
        said = operation.responses.find_by_status_code(exchange.status)
        if exchange.status >= 500 or said is None or self._fails(exchange, KIND):
            return None
        resolved = said.get_schema(media)
        if resolved.schema is None and said.get_stream_schema(resolved.media_type).schema is None:
            return Documented(None, bool(said.headers))
        if resolved.schema is None or resolved.has_discriminator or media != JSON:
            return None
        formats = self.schema.config.checks_config_for(operation=operation).response_schema_conformance.validate_formats
        validator = said.get_validator(resolved.media_type, resolved.schema, validate_formats=formats)
        return Documented(validator, bool(said.headers))

    def _fails(self, exchange: Exchange, which: slice) -> bool:
        """Whether some of Schemathesis's checks find an answer wrong."""
        response = answered(exchange.request, exchange.answer)
        return any(True for _ in failures(self._checks[which], self.context, response, self._cases[exchange.operation]))


@lru_cache(maxsize=DOCUMENTS)
def reading(document: bytes) -> Reading:
    """What follows from a document alone, given as JSON; it takes longer to make than hundreds of answers to judge."""
    return Reading(orjson.loads(document))


class Oracle:
    """Judges answers of one API's operations."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._first: dict[tuple[str, str], str] = {}
        self._reading = reading(orjson.dumps(api.document))

    @property
    def schema(self) -> Any:
        """The document as Schemathesis reads it."""
        return self._reading.schema

    @property
    def operations(self) -> Mapping[str, Any]:
        """operationId -> the operation as Schemathesis has it."""
        return self._reading.operations

    @property
    def context(self) -> Any:
        """What Schemathesis's checks are called with."""
        return self._reading.context

    def judge(self, exchange: Exchange) -> Iterator[Breach]:
        """Each breach of the spec, once."""
        yield from {self._told(exchange, each): None for each in self._reading.failures(exchange)}

    def _told(self, exchange: Exchange, failure: Any) -> Breach:
        code = CODES.get(type(failure).__name__, BODY)
        subject, shared = self._subject(exchange, failure)
        operation = self._first.setdefault((code, subject), exchange.operation) if shared else exchange.operation
        said = getattr(failure, "validation_message", "") or failure.message or failure.title
        return Breach(code, subject, f"{exchange.status}: {' '.join(str(said).split())[:300]}", operation)

    def _subject(self, exchange: Exchange, failure: Any) -> tuple[str, bool]:
        """What is broken, and whether several operations may share it."""
        name, status = type(failure).__name__, exchange.status
        if CODES.get(name) == "S305":
            return str(status), False
        if CODES.get(name) == "S301":
            return str(status), status >= 400
        if CODES.get(name) == "S302":
            return exchange.answer.media or "no content type", True
        if CODES.get(name) == "S303":
            return ", ".join(failure.missing_headers), True
        if name != "JsonSchemaError":
            return f"{status} {failure.title}", False
        path = [str(step) for step in failure.schema_path]
        uris: Mapping[str, str] = failure._name_to_uri or {}
        if len(path) > 2 and path[0] == BUNDLE and path[1] in uris:
            component, path = uris[path[1]].rpartition("/")[2], path[2:]
        else:
            component = self._component(exchange)
        place = _place(path, str(failure.validation_message))
        return (f"{component} {place}".strip(), True) if component else (f"{status} {place}".strip(), False)

    def _component(self, exchange: Exchange) -> str:
        """The component that describes a whole body, "" where its schema stands beside the operation."""
        raw = self.operations[exchange.operation].definition.raw
        said = self._resolved(raw["responses"].get(str(exchange.status), {}))
        schema = said.get("content", {}).get(exchange.answer.media, {}).get("schema", {})
        return str(schema.get("$ref", "")).rpartition("/")[2]

    def _resolved(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in value:
            found: Any = self._api.document
            for name in str(value["$ref"]).removeprefix("#/").split("/"):
                found = found[name]
            value = found
        return value


ADDRESS = "http://127.0.0.1"
"""Stands for the deployment in what Schemathesis is shown; nothing is sent there."""


def failures(checks: Iterable[Any], context: Any, response: Any, case: Any) -> Iterator[Any]:
    """What these of Schemathesis's checks say is wrong with an answer.

    Called one by one: `Case.validate_response` would write a curl command, which a path without values cannot have.
    """
    from schemathesis.core.failures import Failure, FailureGroup

    for check in checks:
        try:
            check(context, response, case)
        except Failure as failure:
            yield failure
        except FailureGroup as group:
            yield from group.exceptions


def answered(request: Request, answer: Answer) -> Any:
    """An answer as Schemathesis reads it."""
    from requests import PreparedRequest
    from requests.structures import CaseInsensitiveDict
    from schemathesis import Response

    sent = PreparedRequest()
    sent.method, sent.url, sent.body = request.method, ADDRESS + request.target, request.content
    sent.headers = CaseInsensitiveDict(request.headers)
    headers = {name: [value] for name, value in answer.headers.items()}
    return Response(answer.status, headers, answer.content, sent, answer.seconds, verify=True)


def _place(path: Sequence[str], message: str) -> str:
    """The member that a path through a schema leads to, or that a message names as missing or unexpected there."""
    steps, at = [], 0
    while at < len(path) - 1:
        if path[at] == "properties":
            steps.append(path[at + 1])
        elif path[at] in _REST:
            steps.append("*")
        at += 2 if path[at] in _APPLIES or path[at] == "properties" else 1
    named = _NAMED.match(message)
    if named is not None:
        steps.append(named[1] or named[2])
    return "/".join(steps)
