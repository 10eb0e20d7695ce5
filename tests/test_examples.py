"""What /docs offers to try works: each operation, asked with nothing but the examples of its document, succeeds.

The examples name objects of the default world, so an object that is renamed there shows here, and the failure names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mockserver import MockServer, create_app
from mockserver.auth import Caller
from specs.tables import Api
from tests.driver import XLSX, Answer, Client

CHARGES = Path(__file__).parent.parent / "fixtures" / "charges"
FORM, JSON = "multipart/form-data", "application/json"
# In the page a file is chosen by hand, so no example can hold it: operation -> file name, media type and content.
FILES = {
    "uploadJournalCharges": ("journal.jsonl", "application/jsonl", CHARGES / "journal.jsonl"),
    "uploadCustomLedgerCharges": ("custom-ledger.xlsx", XLSX, CHARGES / "custom-ledger.xlsx"),
}
# What must come before, where no object of the default world is ready: operation -> requests as its caller.
FIRST = {
    "addStatementChild": (
        ("DELETE", "/statements/SOM-1033-7715-0079-7877/children/SOM-1000-0001-0000-0008"),
        ("POST", "/statements/SOM-1000-0001-0000-0008/queue"),
    ),
}
# Refused as long as something else is not done, with many steps to it: operation -> the refusal, which tells what.
LATER = {"completeJournal": (409, "of its ledgers are not Completed")}
VERBS = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True)
class Request:
    """One request made of examples; `form` is the example of a multipart body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any = None
    form: Mapping[str, Any] | None = None


@cache
def built() -> MockServer:
    return create_app()


@pytest.fixture
def app() -> Iterator[MockServer]:
    """All the APIs over the default world, as seeded."""
    built().reset()
    yield built()
    built().reset()


def document(api: Api) -> dict[str, Any]:
    """The document as /docs fetches it."""
    return served(f"/{api.conventions.base}/openapi.json")


@cache
def served(path: str) -> dict[str, Any]:
    found: dict[str, Any] = Client(built(), None).get(path).json
    return found


def behind(api: Api, written: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference of the document leads to; what is none stays."""
    while "$ref" in written:
        whole: Any = document(api)
        for name in written["$ref"].removeprefix("#/").split("/"):
            whole = whole[name]
        written = whole
    return written


def examples(api: Api, place: Mapping[str, Any]) -> list[Any]:
    """The examples of a parameter or a body: its own, or that of its schema."""
    given = [place["example"]] if "example" in place else []
    given += [behind(api, each)["value"] for each in place.get("examples", {}).values()]
    schema = behind(api, place["schema"])
    return given or ([schema["example"]] if "example" in schema else [])


def operations(api: Api) -> Iterator[tuple[str, str, Mapping[str, Any], list[Mapping[str, Any]]]]:
    """Method, path, operation and all its parameters, of which one of the operation hides one of the path."""
    for path, item in document(api)["paths"].items():
        for verb in (verb for verb in VERBS if verb in item):
            declared = [behind(api, each) for each in [*item.get("parameters", ()), *item[verb].get("parameters", ())]]
            by_name = {(each["in"], each["name"]): each for each in declared}
            yield verb.upper(), path, item[verb], list(by_name.values())


def requests(api: Api, id: str) -> list[Request]:
    """What the page sends if one presses Execute: one request for each of the examples of what has the most."""
    method, path, operation, parameters = next(each for each in operations(api) if each[2]["operationId"] == id)
    bodies: list[Any] = []
    media = ""
    if "requestBody" in operation:
        [(media, content)] = operation["requestBody"]["content"].items()
        bodies = examples(api, content)
        assert bodies, f"{id}: the body has no example"
    given = [examples(api, each) for each in parameters]
    for each, values in zip(parameters, given, strict=True):
        assert values, f"{id}: {each['name']} has no example"
    made = []
    for body, *values in zip_longest(bodies or [None], *given):
        chosen = [own[0] if value is None else value for value, own in zip(values, given, strict=True)]
        body = bodies[0] if body is None and bodies else body
        full = document(api)["servers"][0]["url"].rstrip("/") + _filled(path, parameters, chosen)
        headers = {
            each["name"]: str(value) for each, value in zip(parameters, chosen, strict=True) if _is(each, "header")
        }
        form = body if media == FORM else None
        made.append(Request(method, full, headers, None if form else body, form))
    return made


def _is(parameter: Mapping[str, Any], place: str) -> bool:
    return bool(parameter["in"] == place)


def _filled(path: str, parameters: Sequence[Mapping[str, Any]], chosen: Sequence[Any]) -> str:
    query = []
    for each, value in zip(parameters, chosen, strict=True):
        text = ",".join(value) if isinstance(value, list) else value if isinstance(value, str) else json.dumps(value)
        if _is(each, "path"):
            path = path.replace(f"{{{each['name']}}}", quote(text, safe=""))
        elif _is(each, "query"):
            query.append(f"{each['name']}={quote(text, safe=',')}")
    return f"{path}?{'&'.join(query)}" if query else path


def sent(client: Client, id: str, request: Request) -> Answer:
    path = f"/{request.path}"
    if request.form is None:
        return client.request(request.method, path, body=request.body, headers=request.headers)
    name, media, file = FILES.get(id, ("usage.txt", "text/plain", None))
    content = request.form["file"].encode() if file is None else file.read_bytes()
    fields = {name: json.dumps(value) for name, value in request.form.items() if name != "file"}
    return client.upload(path, content, name, media, **fields)


def who_may(api: Api, id: str) -> list[Caller]:
    """The first caller of each role that may, as the page offers them; of an open operation the first of all."""
    operation = api.operations[id]
    of_role: dict[str, Caller] = {}
    for caller in built().callers.values():
        if caller.api == api.name and caller.expires is None and (operation.open or caller.role in operation.roles):
            of_role.setdefault(caller.role, caller)
    return list(of_role.values())[: 1 if operation.open else None]


def apis() -> list[Api]:
    return [service.api for service in built().services.values()]


CASES = [(api, id, caller.name) for api in apis() for id in api.operations for caller in who_may(api, id)]


@pytest.mark.parametrize(("api", "id", "name"), CASES, ids=[f"{api.name}-{id}-{name}" for api, id, name in CASES])
def test_the_examples_of_an_operation_succeed(app: MockServer, api: Api, id: str, name: str) -> None:
    for request in requests(api, id):
        app.reset()
        client = Client(app, app.token(name))
        for before in FIRST.get(id, ()):
            assert client.request(*before).status < 400
        answer = sent(client, id, request)
        if id in LATER:
            status, why = LATER[id]
            assert answer.status == status and why in answer.text
            continue
        assert answer.status < 400, (request, answer.text)
        if answer.status != 204:
            assert answer.content
        if answer.headers.get("content-type", "").startswith(JSON):
            assert is_telling(api, answer.json), (request, answer.text)


def is_telling(api: Api, found: Any) -> bool:
    """Whether an answer shows something: a list what is in it, a draft that it is valid."""
    if not isinstance(found, dict):
        return bool(found)
    valid = found.get("validationResult", {"success": True})["success"]
    return bool(found) and bool(found.get(api.conventions.lists["items"], True)) and valid


def test_every_operation_is_tried() -> None:
    assert {(api.name, id) for api, id, _ in CASES} == {(api.name, id) for api in apis() for id in api.operations}
