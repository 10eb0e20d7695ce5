"""A client that a public generator makes from the served document: typed answers, typed refusals."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from .conftest import Server
from .world import BILLING, World

PACKAGE = "generated_billing"


class Generated:
    """The generated package; operations are found by name, since the folder they lie in is named by their tag."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = importlib.import_module(PACKAGE)
        self.models = importlib.import_module(f"{PACKAGE}.models")

    def operation(self, name: str) -> ModuleType:
        (file,) = self.folder.glob(f"api/*/{name}.py")
        return importlib.import_module(f"{PACKAGE}.api.{file.parent.name}.{name}")

    def client(self, server: Server, caller: str) -> Any:
        return self.package.AuthenticatedClient(base_url=server.url + BILLING, token=server.tokens[caller])


@pytest.fixture(scope="module")
def generated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    folder = tmp_path_factory.mktemp("generated")
    document = folder / "openapi.json"
    document.write_bytes(httpx.get(f"{server.url}{BILLING}/openapi.json").raise_for_status().content)
    tools = Path(sys.executable).parent
    generator = [str(tools / "openapi-python-client"), "generate", "--meta", "none", "--fail-on-warning"]
    where = ["--path", str(document), "--output-path", str(folder / PACKAGE)]
    # The generator formats with ruff, which it looks for on the path only.
    path = f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [*generator, *where], capture_output=True, text=True, timeout=300, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield Generated(folder / PACKAGE)
    sys.path.remove(str(folder))


def test_every_operation_of_the_document_is_generated_and_can_be_imported(generated: Generated, server: Server) -> None:
    document = httpx.get(f"{server.url}{BILLING}/openapi.json").json()
    documented = sum(1 for path in document["paths"].values() for call in path.values() if "operationId" in call)
    files = [file for file in generated.folder.glob("api/*/*.py") if file.stem != "__init__"]
    assert len(files) == documented
    for file in files:
        assert generated.operation(file.stem).sync_detailed


def test_journals_are_listed_made_and_read_as_objects(generated: Generated, server: Server, world: World) -> None:
    models = generated.models
    with generated.client(server, "vendor") as client:
        listed = generated.operation("list_journals").sync(client=client, limit=5)
        assert isinstance(listed, models.JournalList)
        assert 0 < len(listed.data) <= 5
        assert isinstance(listed.data[0], models.Journal)

        authorization = {"id": world.sample().authorization}
        body = models.JournalCreate.from_dict({"name": "Generated", "authorization": authorization})
        made = generated.operation("create_journal").sync_detailed(client=client, body=body)
        assert made.status_code == 201
        assert isinstance(made.parsed, models.Journal)

        read = generated.operation("get_journal").sync(made.parsed.id, client=client)
        assert isinstance(read, models.Journal)
        assert (read.id, read.name, str(read.status)) == (made.parsed.id, "Generated", "Draft")


def test_a_refusal_is_a_problem_with_its_status(generated: Generated, server: Server, world: World) -> None:
    problem = generated.models.Problem
    with generated.client(server, "vendor") as client:
        missing = generated.operation("get_journal").sync_detailed("BJO-0000-0000", client=client)
        assert missing.status_code == 404
        assert isinstance(missing.parsed, problem)
        assert (missing.parsed.status, missing.parsed.title) == (404, "Not Found")

        authorization = {"id": world.sample().authorization}
        body = generated.models.JournalCreate.from_dict({"name": "Too early", "authorization": authorization})
        draft = generated.operation("create_journal").sync(client=client, body=body)
        early = generated.operation("submit_journal").sync_detailed(draft.id, client=client)
        assert early.status_code == 409
        assert isinstance(early.parsed, problem)

    with generated.client(server, "client") as client:
        refused = generated.operation("list_journals").sync_detailed(client=client)
        assert refused.status_code == 403
        assert isinstance(refused.parsed, problem)
