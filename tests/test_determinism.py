"""The same seed gives the same bytes: in another process, with another hash seed, a second time, and after a reset.

`python -m tests.test_determinism SEED CALLS` prints a digest of every answer to a seeded mix of calls.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import orjson

from mockserver import MockServer, create_app
from specs.tables import Operation
from tests.driver import XLSX, Answer, Client

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / "fixtures" / "charges"
ID = re.compile(rb"[A-Z]{3}(?:-\d{4}){2,5}\b")
QUERIES = ("", "limit=3", "limit=2&offset=1", "select=audit", "order=-id&limit=4", "select=-*,id", "limit=-1")
FILTERS = ("like(id,*1*)&order=id", "eq(nonsense,1)", "ne(id,null())&limit=5")
ACCEPTS = (None, None, None, "application/json", "*/*", "text/csv", "application/jsonl", XLSX, "application/pdf")
UPLOADS = (
    ("journal.jsonl", "application/jsonl"),
    ("journal.csv", "text/csv"),
    ("journal.xlsx", XLSX),
    ("custom-ledger.xlsx", XLSX),
)
NOBODY = "nobody"


class Mix:
    """A seeded mix of calls over every operation and caller; what the answers name is what is called upon next."""

    def __init__(self, app: MockServer, seed: int) -> None:
        self.app = app
        self.random = Random(f"mix/{seed}")
        self.service = app.services["billing"]
        self.api = self.service.api
        self.clients = {name: Client(app, app.token(name)) for name in app.callers}
        self.clients[NOBODY] = Client(app, None)
        self.paths = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, item in self.api.document["paths"].items()
            for method, operation in item.items()
            if isinstance(operation, dict) and "operationId" in operation
        }
        self.known: dict[str, dict[str, None]] = {}
        self.below: dict[tuple[str, str], dict[str, None]] = {}
        self.statuses: Counter[int] = Counter()
        self.tried: set[str] = set()
        self.digest = hashlib.blake2b(digest_size=16)

    def run(self, calls: int) -> str:
        """The digest of so many answers."""
        for name in sorted(self.paths, key=lambda each: (self.paths[each][1].count("{"), each)):
            operation, path = self.api.operations[name], self.paths[name][1]
            if operation.does != "list":
                continue
            parents = [""] if operation.below is None else list(self.known.get(self.prefix(operation.below), ()))
            for parent in parents[:8]:
                found = self.clients["operations"].get(re.sub(r"\{\w+\}", parent, path) + "?limit=100")
                self.note(found, operation.entity, parent)
        names = sorted(self.paths)
        # What ends things is as rare as what makes them is frequent, else little would be left to call upon.
        weights = [0.2 if self.api.operations[name].does == "delete" else 1.0 for name in names]
        for name in self.random.choices(names, weights, k=calls):
            self.call(self.api.operations[name], name)
        return self.digest.hexdigest()

    def call(self, operation: Operation, name: str) -> None:
        """One call, and whatever link it is answered with."""
        method, path, spec = self.paths[name]
        # Mostly by somebody who may; the others are refused before anything happens.
        roles = operation.capabilities[0].roles
        may = [each for each, caller in self.app.callers.items() if caller.role in roles and caller.expires is None]
        caller = self.random.choice(may if may and self.random.random() < 0.85 else sorted(self.clients))
        parent = ""
        for place, param in enumerate(re.findall(r"\{(\w+)\}", path)):
            id = self.chosen(operation, place, parent, is_part="{id}" in path)
            parent = parent or id
            path = path.replace(f"{{{param}}}", id, 1)
        answer = self.send(caller, method, path, operation, spec)
        self.tried.add(name)
        self.note(answer, operation.entity, parent if operation.does == "list" and operation.below else "")
        if answer.status == 301:
            link = "/" + answer.headers["location"].partition("127.0.0.1:8000")[2]
            self.note(self.clients[NOBODY].get(link))

    def chosen(self, operation: Operation, place: int, parent: str, *, is_part: bool) -> str:
        """An id for a place in the path: an object; or what lies below one, and then mostly a part that is there."""
        if operation.below is None:
            return self.pick(self.prefix(operation.entity))
        if place == 0:
            homes = [home for entity, home in self.below if entity == operation.entity] if is_part else []
            return self.random.choice(homes) if homes else self.pick(self.prefix(operation.below))
        parts = list(self.below.get((operation.entity, parent), ()))
        return self.random.choice(parts) if parts else self.pick(self.prefix(operation.entity))

    def send(self, caller: str, method: str, path: str, operation: Operation, spec: Mapping[str, Any]) -> Answer:
        client, random = self.clients[caller], self.random
        accept = random.choice(ACCEPTS)
        headers = {} if accept is None else {"accept": accept}
        content = spec.get("requestBody", {}).get("content", {})
        if "multipart/form-data" in content:
            if operation.does == "attach":
                described = orjson.dumps({"name": f"note {random.randrange(100)}"}).decode()
                return client.upload(path, b"a,b\n1,2\n", "note.csv", "text/csv", attachment=described)
            fit = UPLOADS[:3] if operation.entity == "Journal" else UPLOADS[3:]
            name, media = random.choice(fit if random.random() < 0.9 else UPLOADS)
            return client.upload(path, (FILES / name).read_bytes(), name, media)
        if content and random.random() < 0.9:
            body = self.body(content["application/json"]["schema"])
            if body is not None:
                return client.request(method, path, body=body, headers=headers)
        query = random.choice((*QUERIES, *FILTERS)) if method == "GET" else ""
        return client.request(method, f"{path}?{query}" if query else path, headers=headers)

    def body(self, schema: Mapping[str, Any]) -> Any:
        """The schema's example, speaking of what there is."""
        while "$ref" in schema or "oneOf" in schema:
            schema = schema["oneOf"][0] if "oneOf" in schema else self.service.validators.resolve(schema)
        example = schema.get("example")
        return None if example is None else orjson.loads(ID.sub(self.replaced, orjson.dumps(example)))

    def replaced(self, match: re.Match[bytes]) -> bytes:
        return self.pick(match[0][:3].decode(), match[0].decode()).encode()

    def prefix(self, entity: str) -> str:
        shapes = self.api.conventions.ids
        return str((shapes.get(entity) or shapes[entity.removeprefix("Journal")]).prefix)

    def pick(self, prefix: str, otherwise: str = "") -> str:
        """An id that was seen, or now and then one that does not exist."""
        found = list(self.known.get(prefix, ()))
        if not found or self.random.random() < 0.05:
            return otherwise or f"{prefix}-0000-0000"
        return self.random.choice(found)

    def note(self, answer: Answer, entity: str = "", parent: str = "") -> None:
        """Take an answer into the digest, and keep the ids that it names, or lists as parts of an object."""
        self.statuses[answer.status] += 1
        self.digest.update(orjson.dumps([answer.status, sorted(answer.headers.items())]) + answer.content)
        if answer.headers.get("content-type") != "application/json" or answer.status >= 300:
            return
        for id in ID.findall(answer.content):
            self.known.setdefault(id[:3].decode(), {})[id.decode()] = None
        if parent:
            found = (each["id"] for each in answer.json["data"] if "id" in each)
            self.below.setdefault((entity, parent), {}).update(dict.fromkeys(found))
            if not self.below[entity, parent]:
                del self.below[entity, parent]


def digest(app: MockServer, seed: int, calls: int) -> str:
    """The digest of a mix on an application as it is."""
    return Mix(app, seed).run(calls)


@cache
def printed(seed: int, calls: int, hash_seed: int) -> str:
    """What a process of its own prints."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-m", "tests.test_determinism", str(seed), str(calls)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300)
    return done.stdout


def test_two_processes_with_other_hash_seeds_give_the_same_bytes_for_the_same_2000_calls() -> None:
    first, second = printed(5, 2000, 1), printed(5, 2000, 4242)
    assert first
    assert first == second


def test_another_seed_gives_other_bytes() -> None:
    one, again, other = (digest(create_app("billing", seed=seed), 5, 40) for seed in (5, 5, 6))
    assert one == again
    assert one != other


def test_a_reset_returns_to_the_very_same_bytes(app: MockServer) -> None:
    first = digest(app, 9, 300)
    app.reset()
    assert digest(app, 9, 300) == first


def test_the_mix_reaches_every_operation_and_every_kind_of_answer(app: MockServer) -> None:
    mix = Mix(app, 9)
    mix.run(1000)
    assert mix.tried == set(mix.paths)
    assert {200, 201, 204, 301, 400, 401, 403, 404, 406, 409} <= mix.statuses.keys()
    assert 500 not in mix.statuses
    assert sum(mix.statuses[status] for status in (200, 201, 204)) > 300


if __name__ == "__main__":
    print(digest(create_app("billing", seed=int(sys.argv[1])), int(sys.argv[1]), int(sys.argv[2])))
