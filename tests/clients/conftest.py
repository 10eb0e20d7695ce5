"""A server of the default world for the clients, started once, and the callers that it knows.

The clients live in an environment of their own (see run.py); elsewhere there is nothing here to collect.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .generated import Generated, Served
    from .world import World

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("SERVER_PYTHON", sys.executable)
PATIENCE = 600  # looks for the server's first answer, a twentieth of a second apart

collect_ignore_glob = [] if importlib.util.find_spec("mpt_api_client") else ["*.py"]


@dataclass(frozen=True)
class Server:
    """Where the server listens, the token of each caller by name, and all that is told of the callers."""

    url: str
    tokens: dict[str, str]
    callers: dict[str, dict[str, Any]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/docs", timeout=5):
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return True  # what it says is for the tests to judge
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def await_first_answer(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(PATIENCE):
        try:
            # Waiting for the server's end is the pause between two looks, and notices a server that cannot start.
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            if answers(url):
                return
        else:
            break
    pytest.fail(f"the server did not answer at {url}:\n{log.read_text(errors='replace')[-2000:]}", pytrace=False)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    mockserver = [PYTHON, "-m", "mockserver"]
    callers = subprocess.run([*mockserver, "callers", "--json"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    cast = {caller["name"]: caller for caller in json.loads(callers.stdout)}
    tokens = {name: caller["token"] for name, caller in cast.items()}
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen([*mockserver, "--port", str(port)], cwd=ROOT, stdout=output, stderr=output)
        try:
            await_first_answer(process, url, log)
            yield Server(url, tokens, cast)
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def world(server: Server) -> Iterator[World]:
    from .world import World  # the environment that skips this folder need not have httpx

    with World(server.url, server.tokens) as found:
        yield found


@pytest.fixture(scope="session")
def generated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Served], Generated]]:
    """The client of an API, generated when it is first asked for."""
    from .generated import generate  # as above

    folder = tmp_path_factory.mktemp("generated")
    made: dict[str, Generated] = {}

    def get(served: Served) -> Generated:
        if served.name not in made:
            made[served.name] = generate(served, server, folder)
        return made[served.name]

    sys.path.insert(0, str(folder))
    yield get
    for each in made.values():
        each.close()
    sys.path.remove(str(folder))
