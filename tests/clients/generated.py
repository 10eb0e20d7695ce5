"""Clients that a public generator makes from the served documents, and calls through them that see answers whole."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

from .conftest import Server

Json = dict[str, Any]  # a body as JSON gives it


@dataclass(frozen=True)
class Served:
    """An API as it is served: where its document is, and what its operations' paths are below."""

    name: str
    document: str
    base: str = ""

    def __str__(self) -> str:
        return self.name


BILLING = Served("billing", "/public/v1/billing/openapi.json", base="/public/v1/billing")
ACCOUNTS = Served("accounts", "/v1/finance/openapi.json")
CREDITS = Served("credits", "/billing/openapi.json")
SERVED = (BILLING, ACCOUNTS, CREDITS)


class Generated:
    """A generated package; operations are found by name, since the folder they lie in is named by their tag."""

    def __init__(self, served: Served, folder: Path, document: Json) -> None:
        self.served = served
        self.folder = folder
        self.document = document
        self.package = importlib.import_module(folder.name)
        self.models = importlib.import_module(f"{folder.name}.models")
        self._callers: dict[str | None, Caller] = {}

    def operation(self, name: str) -> ModuleType:
        (file,) = self.folder.glob(f"api/*/{name}.py")
        return importlib.import_module(f"{self.folder.name}.api.{file.parent.name}.{name}")

    def operations(self) -> Iterator[str]:
        """The names of all that was generated."""
        return (file.stem for file in self.folder.glob("api/*/*.py") if file.stem != "__init__")

    def enums(self) -> Iterator[type[Any]]:
        """The types whose values are counted out."""
        found = (value for value in vars(self.models).values() if isinstance(value, type))
        return (each for each in found if hasattr(each, "__members__"))

    def client(self, server: Server, caller: str) -> Any:
        """The package's own client, which calls as `caller`: a name of the cast, else a token."""
        token = server.tokens.get(caller, caller)
        return self.package.AuthenticatedClient(base_url=server.url + self.served.base, token=token)

    def caller(self, server: Server, caller: str | None) -> Caller:
        """Calls as `caller`, or without a token, that hold every answer to be documented and whole."""
        if caller not in self._callers:
            stranger = self.package.Client(base_url=server.url + self.served.base)
            self._callers[caller] = Caller(self, stranger if caller is None else self.client(server, caller))
        return self._callers[caller]

    def close(self) -> None:
        for caller in self._callers.values():
            caller.client.get_httpx_client().close()


class Caller:
    """Calls the operations of a generated client by name: `caller("fetch_credits", tenant, count=10)`.

    An answer whose status the document does not know raises; so does one of which the typed object has dropped or
    changed anything.
    """

    def __init__(self, generated: Generated, client: Any) -> None:
        self.generated = generated
        self.client = client
        client.raise_on_unexpected_status = True

    def __call__(self, operation: str, *path: object, **said: Any) -> Any:
        """The typed object of a success."""
        answer = self.detailed(operation, *path, **said)
        assert answer.status_code == 200, answer.content
        return answer.parsed

    def refused(self, operation: str, *path: object, status: int, **said: Any) -> Any:
        """The typed object of a refusal."""
        answer = self.detailed(operation, *path, **said)
        assert answer.status_code == status, answer.content
        return answer.parsed

    def detailed(self, operation: str, *path: object, **said: Any) -> Any:
        """The generated answer: its status, headers, bytes, and the typed object."""
        answer = self.generated.operation(operation).sync_detailed(*path, client=self.client, **said)
        assert answer.parsed is not None, f"{operation}: nothing was parsed of {answer.content!r}"
        if hasattr(answer.parsed, "to_dict"):
            assert told(answer.parsed.to_dict()) == told(json.loads(answer.content))
        return answer


def told(value: Any) -> Any:
    """A value in which instants are instants, however they are written."""
    if isinstance(value, dict):
        return {name: told(each) for name, each in value.items()}
    if isinstance(value, list):
        return [told(each) for each in value]
    if isinstance(value, str) and "T" in value:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    return value


def paged(size: int, page: Callable[[int, int], tuple[list[Any], bool]]) -> list[Any]:
    """All items of a list, `size` at a time; page(offset, size) gives those of one and whether more follow."""
    found: list[Any] = []
    more = True
    while more:
        items, more = page(len(found), size)
        assert len(items) == size or not more, "a page before the last one is full"
        found += items
    return found


def generate(served: Served, server: Server, folder: Path) -> Generated:
    """Have the generator make a client from the document that the server serves; its warnings are failures."""
    content = httpx.get(server.url + served.document).raise_for_status().content
    document, package = folder / f"{served.name}.json", folder / f"generated_{served.name}"
    document.write_bytes(content)
    tools = Path(sys.executable).parent
    generator = [str(tools / "openapi-python-client"), "generate", "--meta", "none", "--fail-on-warning"]
    where = ["--path", str(document), "--output-path", str(package)]
    # The generator formats with ruff, which it looks for on the path only.
    path = f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [*generator, *where], capture_output=True, text=True, timeout=300, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Generated(served, package, json.loads(content))
