"""The command: what it prints, what it refuses in one line, and that it serves."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from specs import tables

PARKING = f"{Path(__file__).parent}/apis/parking"
COMMAND = [sys.executable, "-m", "mockserver"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "120", **environment},
        check=False,
    )


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    """(root URL, banner, process) of a server on a free port."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while not lines or not lines[-1].startswith("  try: "):
            line = process.stdout.readline()
            assert line, process.communicate()
            lines.append(line)
        banner = "".join(lines)
        found = re.search(r"docs\s+(\S+)/docs", banner)
        assert found is not None, banner
        yield found[1], banner, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def get(url: str, token: str | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status, answer.read()


def test_it_serves_where_the_banner_says_with_the_tokens_that_the_banner_shows() -> None:
    with serving() as (root, banner, _):
        url = re.search(r"'(http[^']+)'", banner)
        token = re.search(r"Bearer ([^']+)'", banner)
        assert url is not None
        assert token is not None
        status, body = get(url[1], token[1])
        assert status == 200
        assert len(json.loads(body)["data"]) == 1
        assert get(root + "/docs")[0] == 200
        assert get(root + "/docs/swagger-ui-bundle.js")[0] == 200
        assert json.loads(get(root + "/public/v1/billing/openapi.json")[1])["openapi"] == "3.0.3"


def test_the_docs_need_nothing_from_elsewhere() -> None:
    with serving() as (root, _, _):
        page = get(root + "/docs")[1].decode()
    assert not re.search(r"(src|href)=\"(https?:)?//", page)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_when_told(end: signal.Signals) -> None:
    with serving() as (_, _, process):
        process.send_signal(end)
        _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors


def test_no_signal_is_lost_on_a_server_that_was_started_in_the_background() -> None:
    # Shells have background processes ignore the signal until these ask for it.
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "doubleentry" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert errors == ""


def test_options_come_from_the_environment_too() -> None:
    with serving(MOCKSERVER_SEED="7", MOCKSERVER_PROCESSING="manual") as (root, _, _):
        assert json.loads(get(root + "/__mock__/jobs")[1])["processing"] == "manual"


def test_the_command_line_wins_over_the_environment() -> None:
    with serving("--processing", "reads:2", MOCKSERVER_PROCESSING="manual") as (root, _, _):
        assert json.loads(get(root + "/__mock__/jobs")[1])["processing"] == "reads"


def test_a_taken_port_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("--port", str(port))
    assert result.returncode == 2
    assert result.stderr == (
        f"mockserver: port {port} on 127.0.0.1 is taken; "
        f"end what listens there, or say --port {port + 1} (0 takes a free one).\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--processing", "soon"), "processing 'soon': say immediate, after:SECONDS"),
        (("--processing", "after:-1"), "processing 'after:-1': say"),
        (("--processing", "reads:x"), "processing 'reads:x': say"),
        (("--processing", "reads:0"), "processing 'reads:0': a state that no reading shows; say reads:1"),
        (
            ("--now", "yesterday"),
            "now: 'yesterday' is no date or date-time; say 2026-03-16T09:00:00Z, a date, or real.",
        ),
        (("--scenario", "nowhere"), "no scenario 'nowhere'"),
        (("--scenario", "nowhere.yaml"), "nowhere.yaml"),
        (("--overlay", "nowhere.yaml"), "nowhere.yaml: no such file"),
        (("--port", "70000"), "port 70000: a port is 0 to 65535."),
        (("--host", "no such host"), "host 'no such host': no such address"),
        (("bilking",), "no API 'bilking'; there are: accounts, billing"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(arguments: tuple[str, ...], says: str) -> None:
    given = arguments if "--port" in arguments else ("--port", "0", *arguments)
    result = run("serve", *given)
    assert result.returncode == 2
    assert says in result.stderr
    assert result.stderr.startswith("mockserver: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [("--seed", "x"), ("--porridge", "1"), ("--port",)])
def test_a_wrong_option_says_which_and_where_help_is(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert arguments[0] in result.stderr
    assert "--help" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_help_teaches() -> None:
    top, serve = run("--help"), run("serve", "--help")
    assert top.returncode == serve.returncode == 0
    for word in ("callers", "matrix", "--scenario", "fixtures/README.md", "MOCKSERVER_PORT"):
        assert word in top.stdout
    for option in ("--host", "--port", "--seed", "--scenario", "--overlay", "--processing", "--now"):
        assert option in serve.stdout


def test_callers_prints_who_is_who() -> None:
    text, data = run("callers"), run("callers", "--json")
    cast = json.loads(data.stdout)
    assert {each["name"] for each in cast} >= {
        "operations",
        "vendor",
        "vendor-other",
        "client",
        "client-other",
        "expired",
    }
    for each in cast:
        assert {"name", "role", "account", "accountName", "token"} <= each.keys()
        assert re.search(rf"^{each['name']} .*{each['token']}", text.stdout, re.MULTILINE)


def test_the_banner_groups_callers_by_api_and_says_what_to_try_with_each() -> None:
    with serving(PARKING, "billing", "--scenario", f"{PARKING}/beside.yaml") as (root, banner, process):
        assert process.stdout is not None
        banner += process.stdout.readline()
        parts = re.split(r"\n\n", banner.strip())
        parking = next(part for part in parts if part.startswith("  parking "))
        billing = next(part for part in parts if part.startswith("  billing "))
        assert "warden-token" in parking and "vendor-token" not in parking
        assert "vendor-token" in billing and "warden-token" not in billing
        tries = re.findall(r"try: curl -H 'Authorization: Bearer (\S+)' '(\S+)'", banner)
        assert [url.removeprefix(root).partition("?")[0] for _, url in tries] == [
            "/parking/v2/lots",
            "/public/v1/billing/journals",
        ]
        assert [get(url, token)[0] for token, url in tries] == [200, 200]


def test_a_choice_of_apis_shows_their_callers_alone() -> None:
    cast = json.loads(run("callers", "billing", "--json").stdout)
    assert {each["api"] for each in cast} == {"billing"}


@pytest.mark.parametrize("name", tables.names())
def test_of_every_api_something_can_be_tried(name: str) -> None:
    with serving(name) as (_, banner, _):
        token, url = re.findall(r"Bearer (\S+)' '(\S+)'", banner)[0]
        assert get(url, token)[0] == 200


def test_callers_shows_what_rights_hold_in_and_credentials_beside_the_token() -> None:
    text, cast = run("callers").stdout, json.loads(run("callers", "--json").stdout)
    assert {each["api"] for each in cast} == set(tables.names())
    for each in cast:
        assert (len(each["grants"]) > 0) is (tables.load(each["api"]).scope is not None and each["role"] != "outsider")
        for name, value in each["credentials"].items():
            assert re.sub(r"(?<!^)([A-Z])", r" \1", name).upper() in text
            assert value in text


def test_the_matrix_shows_what_an_overlay_changed(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("billing: {grant: [{operation: createJournal, role: operations, reason: we may}]}")
    plain, changed = run("matrix"), run("matrix", "--overlay", str(overlay))
    assert plain.returncode == changed.returncode == 0
    differing = set(changed.stdout.splitlines()) ^ set(plain.stdout.splitlines())
    assert any("`createJournal`" in line and "201 ±" in line for line in differing)
    assert any("we may" in line for line in differing)


def test_off_the_loopback_it_warns() -> None:
    with serving("--host", "127.0.0.1") as (_, banner, _):
        assert "warning" not in banner
    from mockserver import create_app
    from mockserver.banner import banner as words

    assert "warning: 0.0.0.0 is reachable by others" in words(create_app("billing"), "0.0.0.0", 8000)


def test_the_log_is_a_line_for_every_request_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    from mockserver import create_app
    from mockserver.cli import _log
    from tests.driver import Client

    app = create_app("accounts", log=_log)
    Client(app, app.token("finance")).get("//v1/finance/accounts?limit=101")
    Client(app, app.token("finance")).get("//v1/finance/account")
    Client(app, None).get("//nowhere\n200 finance GET /forged")
    Client(app, None).post("//oauth2/v1/token", {"grant_type": 3})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["400", "finance", "GET"],
        ["404", "finance", "GET"],
        ["404", "-", "GET"],
        ["400", "-", "POST"],
    ]
    assert "limit: 101 is greater than the maximum of 100" in lines[0]
    assert "\\n200 finance" in lines[2] or "%0A200" in lines[2]
    assert "client_id is required." in lines[3]


def test_an_administrator_without_a_list_is_shown_with_everything(tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text("extends: default\ncallers:\n  root: {api: credits, token: root-token, role: admin}\n")
    people = json.loads(run("callers", "credits", "--scenario", str(world), "--json").stdout)
    assert next(each["grants"] for each in people if each["name"] == "root") == ["any"]


def test_a_start_leaves_out_what_no_server_needs_and_looks_for_garbage_again_once_it_serves() -> None:
    program = """
import gc, sys
from mockserver.cli import command
freeze = gc.freeze
def frozen():
    import uvicorn  # which the command has imported in its own way
    uvicorn.Server.run = run
    freeze()
def run(self, sockets):
    self.config.load()
    later = ("uvicorn.supervisors", "uvicorn.protocols.websockets.auto", "httpx", "faker")
    print(gc.isenabled(), gc.get_freeze_count() > 10_000, [each for each in later if each in sys.modules])
gc.freeze = frozen
command(["--port", "0", "credits"], standalone_mode=False)
"""
    run("callers", "credits")  # keeps the world, if nobody did before
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True True []\n", done.stderr


def test_a_web_socket_is_refused_as_ever() -> None:
    with (
        serving("credits") as (root, _, _),
        socket.create_connection(("127.0.0.1", int(root.rpartition(":")[2]))) as caller,
    ):
        caller.settimeout(20)
        caller.sendall(
            b"GET /docs HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert caller.recv(100).startswith(b"HTTP/1.1 403 Forbidden\r\n")
