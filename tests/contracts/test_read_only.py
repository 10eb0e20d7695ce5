"""A read-only run could not have changed anything: proved by its wire log, and by the worlds before and after."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from mockserver import MockServer
from specs.tables import names
from tests.contracts.driver import verify
from tests.fingerprint import fingerprint

SAFE = ("GET", "HEAD", "OPTIONS")
UNKNOWN = (403, 404)
"""Statuses that say of a reading by id that there is none such: 403 where the API tells no more than that"""


def lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def segments(line: dict[str, Any]) -> list[str]:
    return [unquote(each) for each in line["target"].partition("?")[0].split("/") if each]


def could_change(line: dict[str, Any], unknown: set[str]) -> bool:
    """Whether a call could have changed something, for all that the log says. unknown: ids that were not found"""
    if line["method"] in SAFE:
        return False
    if unknown & set(segments(line)):
        # What is put where nothing is, is made; so there, too, nobody may be able to read it.
        return line["method"] == "PUT" and line["body"] is not None and is_readable(line)
    return line["body"] is None or is_readable(line)


def is_readable(line: dict[str, Any]) -> bool:
    """Whether somebody could read the body of a call."""
    body = line["body"]
    if "json" not in line["headers"].get("content-type", "") or not body or body.endswith("..."):
        return True
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def is_id(text: str) -> bool:
    return re.search(r"\d", text) is not None and len(text) >= 6


def unproven(path: Path) -> list[str]:
    """Calls of a wire log that nothing shows to be harmless."""
    unknown: set[str] = set()
    found = []
    for line in lines(path):
        if could_change(line, unknown):
            found.append(f"{line['number']} {line['check']} {line['method']} {line['target']} {line['body']!r}")
        if line["method"] == "GET" and line["status"] in UNKNOWN and is_id(segments(line)[-1]):
            unknown.add(segments(line)[-1])
    return found


@pytest.mark.slow
def test_a_read_only_run_sends_nothing_that_could_change_anything(sound_app: MockServer, tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"
    before = {name: fingerprint(world) for name, world in sound_app.worlds.items()}

    result = verify(sound_app, *names(), wire=wire)

    assert not result.stopped
    assert len(list(lines(wire))) == result.requests > 1000
    assert any(line["method"] not in SAFE for line in lines(wire))
    assert unproven(wire) == []
    assert {name: fingerprint(world) for name, world in sound_app.worlds.items()} == before


def test_rights_are_read_only_checked_without_a_change(sound_app: MockServer, tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"
    before = {name: fingerprint(world) for name, world in sound_app.worlds.items()}

    verify(sound_app, *names(), only=["access.*", "objects.*", "shape.*", "validation.*"], wire=wire)

    assert unproven(wire) == []
    assert {name: fingerprint(world) for name, world in sound_app.worlds.items()} == before


@pytest.mark.parametrize(
    ("method", "target", "body", "harmful"),
    [
        ("GET", "/journals/BJO-1000-0001", None, False),
        ("DELETE", "/journals/BJO-0000-0000", None, False),
        ("DELETE", "/journals/BJO-1000-0001", None, True),
        ("PUT", "/journals/BJO-0000-0000", "{}", True),
        ("PUT", "/journals/BJO-0000-0000", '{"', False),
        ("POST", "/journals", '{"', False),
        ("POST", "/journals", '{"name": "x"}', True),
        ("POST", "/journals", "", True),
        ("POST", "/journals", None, True),
    ],
)
def test_the_reading_of_the_log_knows_harm(method: str, target: str, body: str | None, harmful: bool) -> None:
    line = {"method": method, "target": target, "body": body, "headers": {"content-type": "application/json"}}

    assert could_change(line, {"BJO-0000-0000"}) is harmful
