"""Who may do what, read anew from the files of an API's tables: what the code says is no reason to expect it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import specs.tables
from mockserver import MockServer
from tests.driver import Answer, Client
from tests.fingerprint import fingerprint
from tests.raw import ask
from tests.valid import Request

SPECS = Path(specs.tables.HERE)
NAMES = re.compile(r"{(\w+)}")


@cache
def plain(path: Path) -> Mapping[str, Any]:
    """A YAML file as it stands; by the faster reader where there is one."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: Mapping[str, Any] = yaml.load(path.read_text(encoding="utf-8"), loader)
    return found


def table(api: str, name: str = "access") -> Mapping[str, Any]:
    """One of an API's tables as its file says it."""
    return plain(SPECS / api / f"{name}.yaml")


@dataclass(frozen=True)
class Operation:
    """An operation by its row in access.yaml and its place in the spec."""

    id: str
    row: Mapping[str, Any]
    method: str
    path: str
    spec: Mapping[str, Any]

    @property
    def is_open(self) -> bool:
        return self.row.get("open", False) is True

    @property
    def has_body(self) -> bool:
        return "requestBody" in self.spec

    @property
    def params(self) -> list[str]:
        """Names in the path, in their order."""
        return NAMES.findall(self.path)

    def at(self, **params: str) -> str:
        """The path with these values in it, as clients of the tests take it."""
        return "/" + NAMES.sub(lambda name: params[name[1]], self.path)


@cache
def operations(api: str) -> dict[str, Operation]:
    """Every operation of an API."""
    found = {}
    for path, item in table(api, "openapi")["paths"].items():
        if "$ref" in item:
            file, _, name = item["$ref"].partition("#/")
            item = plain(SPECS / api / file)[name]
        for method, spec in item.items():
            if isinstance(spec, dict) and "operationId" in spec:
                id = spec["operationId"]
                found[id] = Operation(id, table(api)["operations"][id], method.upper(), path, spec)
    return found


def order(api: str) -> list[str]:
    """The checks, first to last."""
    return [row["check"] for row in table(api)["refusals"]]


def status(api: str, check: str, entity: str | None = None) -> int:
    """What a check answers when it refuses."""
    (row,) = (row for row in table(api)["refusals"] if row["check"] == check)
    return int(row.get("of", {}).get(entity, row["status"]))


def first(api: str, faults: Iterable[str]) -> str:
    """Which of these checks refuses before the others."""
    return min(faults, key=order(api).index)


def suffices(held: Iterable[str], needs: Sequence[str], rule: str) -> bool:
    """Whether rights are enough: written down here once more (credits 5)."""
    held = set(held)
    found = [need in held or need.split(".")[0] + ".*" in held or "*.*" in held for need in needs]
    return not needs or (all(found) if rule == "all" else any(found))


def fingerprints(app: MockServer) -> dict[str, str]:
    """The whole content of every world."""
    return {name: fingerprint(world) for name, world in app.worlds.items()}


@contextmanager
def reset(app: MockServer) -> Iterator[MockServer]:
    """The application as seeded; afterwards a reset must find the very seed again, whatever was done in between."""
    app.reset()
    seed = fingerprints(app)
    yield app
    app.reset()
    assert fingerprints(app) == seed, "something was changed in the seed itself"


def changes(app: MockServer) -> list[tuple[str, str, str]]:
    """(API, entity, id) of everything that was put above the seeds: cheap enough to look after each request."""
    return [(name, entity, id) for name, world in app.worlds.items() for entity, id, _ in world.layer.changed()]


# Strangers

STRANGERS: Mapping[str, str | None] = {
    "no header": None,
    "garbage": "Bearer garbage",
    "an empty token": "Bearer ",
    "no scheme": "{known}",
    "another scheme": "Basic {known}",
    "another case": "Bearer {KNOWN}",
    "two tokens": "Bearer {known} {known}",
    "a token of another API": "Bearer {other}",
    "expired": "Bearer {expired}",
    "two headers": "",
}
"""What nobody sends; `two headers` are two tokens that are each known."""


def sent_by_stranger(app: MockServer, request: Request, kind: str, tokens: Mapping[str, str]) -> Answer:
    """The answer to a request by somebody who is nobody. tokens: known, second, other, expired"""
    if kind == "two headers":
        pair = [(b"authorization", f"Bearer {tokens[each]}".encode()) for each in ("known", "second")]
        path, _, query = request.path.partition("?")
        headers = [*pair, *((name.encode(), value.encode()) for name, value in request.headers.items())]
        content = request.content if request.content is not None else b""
        return ask(app, request.method, path, caller=None, query=query.encode(), headers=headers, body=content)
    header = STRANGERS[kind]
    if header is None:
        return request.send(Client(app, None))
    header = header.format(**tokens, KNOWN=tokens["known"].upper())
    return request.with_headers(authorization=header).send(Client(app, None))


# Answers


def assert_documented(app: MockServer, api: str, operation: Operation, answer: Answer) -> None:
    """The answer is one that the spec has for the operation: status, media type, headers, body."""
    document = app.services[api].api.document
    responses = operation_of(document, operation)["responses"]
    assert str(answer.status) in responses, (operation.id, answer)
    said = resolved(document, responses[str(answer.status)])
    for name, header in said.get("headers", {}).items():
        assert name.lower() in answer.headers or not resolved(document, header).get("required"), (name, answer)
    media = answer.headers["content-type"].partition(";")[0]
    assert media in said["content"], (operation.id, answer)
    schema = said["content"][media]["schema"]
    if schema.get("format") != "binary":
        faults = list(app.services[api].validators.compiled(schema).iter_errors(answer.json))
        assert not faults, (operation.id, answer, faults)


def operation_of(document: Mapping[str, Any], operation: Operation) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document["paths"][operation.path][operation.method.lower()]
    return found


def resolved(document: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference refers to."""
    if "$ref" not in value:
        return value
    found: Any = document
    for name in value["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return resolved(document, found)


NUMBERED = re.compile(r'"(ticketId|requestId)": ?"[^"]*"')


def blank(answer: Answer, *ids: str) -> tuple[int, dict[str, str], str]:
    """An answer without the ids that were asked for and without the number that every refusal has of its own."""
    text = NUMBERED.sub(r'"\1":""', answer.text)
    for id in sorted(filter(None, ids), key=len, reverse=True):
        text = re.sub(re.escape(id), "<id>", text, flags=re.IGNORECASE)  # a sentence starts with a capital
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return answer.status, headers, text
