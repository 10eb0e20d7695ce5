"""What the README promises is run."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_cli import serving

HERE = Path(__file__).resolve().parent.parent
README = (HERE / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_walk_from_draft_to_issued_statements_prints_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    walk = next(block for block in blocks("python") if "/upload" in block)
    out = io.StringIO()
    with serving() as (root, _, _), contextlib.redirect_stdout(out):
        exec(compile(walk.replace("http://127.0.0.1:8000", root), "README.md", "exec"), clients := {})
        for name in ("vendor", "operations", "client"):
            clients[name].close()
    first, second, third, fourth = out.getvalue().splitlines()
    assert (first, second) == ("Validated", "Completed")
    assert "'status': 'Issued'" in third
    assert "'totalSP'" in third
    assert "'totalPP'" not in third
    assert "not for client" in fourth


def test_the_walk_of_a_payment_that_falls_short_prints_what_it_says() -> None:
    walk = next(block for block in blocks("python") if "nsf" in block)
    out = io.StringIO()
    with serving() as (root, _, _), contextlib.redirect_stdout(out):
        exec(compile(walk.replace("http://127.0.0.1:8000", root), "README.md", "exec"), clients := {})
        for name in ("clerk", "auditor"):
            clients[name].close()
    assert out.getvalue().splitlines() == ["[('payment', 99.4), ('shortfallWriteOff', 0.6)]", "settled", "100"]


def test_the_test_to_paste_passes(tmp_path: Path) -> None:
    example = next(block for block in blocks("python") if "create_app" in block)
    (tmp_path / "conftest.py").write_text(
        "import pytest\n\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    )
    (tmp_path / "test_pasted.py").write_text(example)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_the_first_call_is_answered() -> None:
    from mockserver import create_app
    from tests.driver import Client

    (call,) = re.findall(
        r"^\$ curl -H 'Authorization: Bearer (\S+)' 'http://127.0.0.1:8000(\S+)'$", README, re.MULTILINE
    )
    answer = Client(create_app(), call[0]).get("/" + call[1])
    assert answer.status == 200
    assert answer.json["data"]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:specs|fixtures|mockserver|tests)/[\w/.-]*)`", README))))
def test_every_place_that_is_named_is_there(path: str) -> None:
    assert (HERE / path).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`?make ([a-z-]+)", README))))
def test_every_make_target_that_is_named_is_there(target: str) -> None:
    assert re.search(rf"^{target}:", (HERE / "Makefile").read_text(), re.MULTILINE)
