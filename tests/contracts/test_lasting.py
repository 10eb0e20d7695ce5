"""What nothing can take away: told once, and in no journal afterwards; what could be taken away stays in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts import stage
from contracts.journal import clean
from contracts.probe import Blocked
from contracts.run import running
from mockserver import MockServer
from tests.contracts.driver import settings

SoundOf = Callable[..., MockServer]


def test_a_run_that_ended_keeps_no_journal_of_what_lasts(sound_of: SoundOf, tmp_path: Path) -> None:
    with running(settings(sound_of("billing"), "billing", mode="full", journal=tmp_path)) as made:
        made.probes["billing"].stage.make("ManualOverride", "Active")
        made.probes["billing"].stage.make("Journal", "Completed")
        assert list(tmp_path.glob("*.jsonl"))
    assert any("ManualOverride" in line for line in made.result.left)
    assert any("Journal" in line for line in made.result.left)
    assert list(tmp_path.glob("*.jsonl")) == []


def test_what_could_be_taken_away_stays_in_the_journal_until_it_is(sound_of: SoundOf, tmp_path: Path) -> None:
    app, broken = sound_of("billing"), True

    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        if broken and scope["type"] == "http" and scope["method"] == "DELETE":
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await app(scope, receive, send)

    asked = settings(refusing, "billing", mode="full", journal=tmp_path)
    with running(asked) as made:
        made.probes["billing"].stage.make("Journal", "Draft")
        made.probes["billing"].stage.make("ManualOverride", "Active")
    (path,) = tmp_path.glob("*.jsonl")
    assert '"why": "lasting"' in path.read_text()

    lines: list[str] = []
    assert clean(asked, tmp_path, lines.append) == 2
    assert lines[-1].startswith("1 left;")
    broken = False
    assert clean(asked, tmp_path, lines.append) == 0
    assert lines[-1] == "nothing is left."
    assert list(tmp_path.glob("*.jsonl")) == []


def test_cleaning_tells_once_what_stays_and_what_is_already_gone(sound_of: SoundOf, tmp_path: Path) -> None:
    asked = settings(sound_of("billing"), "billing", mode="full", journal=tmp_path)
    with running(asked) as made:
        stage = made.probes["billing"].stage
        stage.make("Journal", "Draft")
        stage.make("ManualOverride", "Active")
        (path,) = tmp_path.glob("*.jsonl")
        text = path.read_text()
    path.write_text("".join(line + "\n" for line in text.splitlines() if "gone" not in json.loads(line)))

    lines: list[str] = []
    assert clean(asked, tmp_path, lines.append) == 0
    assert any("ManualOverride" in line and "stays: " in line for line in lines)
    assert any("Journal" in line and line.endswith("already gone.") for line in lines)
    assert lines[-1] == "nothing is left that could be taken away."
    assert clean(asked, tmp_path, lines.append) == 0
    assert lines[-1].endswith("no journal, so nothing was left.")


def test_journals_of_another_target_are_skipped_and_the_others_cleaned(sound_of: SoundOf, tmp_path: Path) -> None:
    asked = settings(sound_of("billing"), "billing", mode="full", journal=tmp_path)
    with running(asked) as made:
        made.probes["billing"].stage.make("Journal", "Draft")
        (path,) = tmp_path.glob("*.jsonl")
        text = path.read_text()
    path.write_text("".join(line + "\n" for line in text.splitlines() if "gone" not in json.loads(line)))
    # The newest, so that it is looked at first; its API is none of those that this run knows.
    foreign = tmp_path / "99990101T000000-000000.jsonl"
    there = text.replace(made.result.target, "https://gone.example").replace('"billing"', '"elsewhere"')
    foreign.write_text("".join(line + "\n" for line in there.splitlines() if "gone" not in json.loads(line)))

    lines: list[str] = []
    assert clean(asked, tmp_path, lines.append) == 2
    skipped = f"{foreign}: skipped, as it was made at https://gone.example, not at {made.result.target};"
    assert lines[0] == f"{skipped} say --target https://gone.example, or delete it."
    assert any("billing: Journal" in line for line in lines[1:])
    assert lines[-1] == f"nothing is left at {made.result.target}."
    assert list(tmp_path.glob("*.jsonl")) == [foreign]
    foreign.unlink()
    assert clean(asked, tmp_path, lines.append) == 0


def test_of_a_list_that_is_too_long_nobody_says_that_nothing_of_the_run_is_there(
    sound_of: SoundOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(settings(sound_of("billing"), "billing", mode="own")) as made:
        probe = made.probes["billing"]
        journal = probe.stage.make("Journal", "Draft")
        assert probe.stage.tagged("Journal", journal.caller, {}, probe.tag) == [journal.id]

        paging = {**probe.api.conventions.paging, "cap": 2}
        probe.api = replace(probe.api, conventions=replace(probe.api.conventions, paging=paging))
        probe.facts.forget()
        monkeypatch.setattr(stage, "FAR", 1)
        with pytest.raises(Blocked, match=rf"listJournals shows more than 2 rows; look for {probe.tag} beyond"):
            probe.stage.tagged("Journal", journal.caller, {}, probe.tag)
