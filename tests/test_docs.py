"""/docs where the server's own API asks for an admin token, and in a sandbox."""

from __future__ import annotations

import json
import re
import subprocess
from shutil import which

import pytest

from mockserver import MockServer, create_app
from tests.driver import Client

ADMIN = "only-for-the-owner"
CLOCK = "http://mocks:8000/__mock__/clock"


@pytest.fixture(scope="module")
def guarded() -> MockServer:
    return create_app("billing", admin=ADMIN)


def page(app: MockServer, sandbox: str = "") -> str:
    return Client(app, None).get(f"/{sandbox}/docs").text


def test_an_admin_token_can_be_told_where_one_is_asked_for(guarded: MockServer) -> None:
    assert '<label>Admin token, for the server itself<input id="admin" type="password"' in page(guarded)
    assert ADMIN not in page(guarded)


def test_an_admin_token_is_not_asked_for_where_none_is_needed(app: MockServer) -> None:
    assert '<label hidden>Admin token, for the server itself<input id="admin"' in page(app)


@pytest.mark.skipif(which("node") is None, reason="runs what the page runs on each request in node")
@pytest.mark.parametrize(
    ("sandbox", "said", "request_", "borne"),
    [
        ("", f" {ADMIN}\n", {"url": CLOCK}, {"Authorization": f"Bearer {ADMIN}"}),
        ("/@box", ADMIN, {"url": CLOCK}, {"Authorization": f"Bearer {ADMIN}", "Mock-Sandbox": "box"}),
        ("/@box", "", {"url": CLOCK}, {"Mock-Sandbox": "box"}),
        ("/@box", ADMIN, {"url": "/__mock__/openapi.json", "loadSpec": True}, {"Authorization": f"Bearer {ADMIN}"}),
        ("/@box", ADMIN, {"url": "/public/v1/billing/journals"}, {}),
        ("/@box", ADMIN, {"url": "http://elsewhere/__mock__/clock"}, {}),
        ("", "", {"url": CLOCK}, {}),
    ],
)
def test_the_page_tells_the_token_and_its_sandbox_to_the_server_itself_alone(
    guarded: MockServer, sandbox: str, said: str, request_: dict[str, object], borne: dict[str, str]
) -> None:
    found = re.search(r"requestInterceptor: (\(request\) => \{.*?\n  \}),\n\}\);", page(guarded, sandbox), re.DOTALL)
    assert found is not None
    script = (
        f"const location = new URL('http://mocks:8000/docs'), admin = {{value: {json.dumps(said)}}};"
        f"console.log(JSON.stringify(({found[1]})({json.dumps({**request_, 'headers': {}})}).headers))"
    )
    out = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(out) == borne
