"""The default sandbox in a file: what was answered is there after any end of the server, and nothing is half there."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from mockserver import MockServer, create_app, persistence, wire
from mockserver.app import Options
from tests.driver import BASE, Client
from tests.living import live

JOURNAL = {"name": "One", "authorization": {"id": "AUT-1000-0001"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test opens is closed after it."""
    opened: list[persistence.State] = []
    make = persistence.State.__init__

    def noted(self: persistence.State, *args: Any, **options: Any) -> None:
        opened.append(self)
        make(self, *args, **options)

    monkeypatch.setattr(persistence.State, "__init__", noted)
    yield
    for each in opened:
        each.close()


def start(path: Path, *apis: str, **options: Any) -> MockServer:
    return create_app(*(apis or ("billing",)), state=path, **options)


def end(app: MockServer) -> None:
    """As a kill does: the process lets go of the file, and writes nothing more."""
    assert app.state is not None
    app.state.close()


def export(app: MockServer) -> Any:
    document = Client(app, None).get("//__mock__/export").json
    # A refusal changes nothing; its count comes with the next change that is kept.
    for each in document["apis"].values():
        del each["refusals"]
    return document


def again(app: MockServer, path: Path, *apis: str, **options: Any) -> MockServer:
    """The server after a restart, which must be as it was before."""
    before = export(app)
    end(app)
    made = start(path, *apis, **options)
    assert export(made) == before
    return made


def test_what_was_done_is_there_after_a_restart_and_goes_on_as_if_there_were_none(path: Path) -> None:
    apis = ("accounts", "billing", "credits")
    app = start(path, *apis)
    twin = create_app(*apis)
    for seed in (1, 2):
        assert live(app, seed, 80) == live(twin, seed, 80)
        app = again(app, path, *apis)
        # Trace ids go on with the count of refusals, which is kept with the next change.
        for name, world in app.worlds.items():
            twin.worlds[name].refusals = world.refusals
    assert export(app) == export(twin)


def test_reset_restore_import_clock_and_processing_are_kept(path: Path) -> None:
    app = start(path)
    steps: Sequence[tuple[str, str, Any]] = [
        ("POST", "//__mock__/snapshots", {"name": "here"}),
        ("POST", "/journals", JOURNAL),
        ("POST", "//__mock__/clock/advance", {"seconds": 86_400}),
        ("PUT", "//__mock__/processing", {"processing": "reads:2"}),
        ("POST", "/journals", JOURNAL),
        ("POST", "//__mock__/snapshots/here/restore", None),
        ("POST", "/journals", JOURNAL),
        ("POST", "//__mock__/reset", None),
        ("POST", "/journals", JOURNAL),
        ("POST", "//__mock__/reset", {"scenario": "empty"}),
        ("POST", "//__mock__/clock/advance", {"seconds": 5}),
        ("POST", "//__mock__/reset", None),
    ]
    for method, place, body in steps:
        answer = Client(app, "vendor-token").request(method, place, body=body)
        assert answer.status < 300, (place, answer)
        # Taking a copy of the file at any time is as good as a kill at that time.
        shutil.copy(path, f"{path}.copy")
        other = start(Path(f"{path}.copy"))
        assert export(other) == export(app), place
        end(other)
    assert export(app)["scenario"] == "empty"
    reset_again = again(app, path)
    Client(reset_again, None).post("//__mock__/clock/advance", {"seconds": 9})
    Client(reset_again, None).post("//__mock__/reset")
    assert export(reset_again) == export(create_app("billing", scenario="empty"))


def test_an_import_is_kept(path: Path) -> None:
    app, other = start(path), create_app("billing", seed=9)
    document = Client(other, None).get("//__mock__/export")
    sent = Client(app, None).post(
        "//__mock__/import", content=document.content, headers={"content-type": "application/json"}
    )
    assert sent.status == 200
    Client(app, "vendor-token").post("/journals", JOURNAL)
    again(app, path)


def test_jobs_that_wait_and_reads_that_were_counted_are_kept(path: Path) -> None:
    app = start(path, processing="reads:3")
    vendor = Client(app, "vendor-token")
    id = vendor.post("/journals", JOURNAL).json["id"]
    vendor.upload(f"/journals/{id}/upload", b'{"search": 1}\n')
    vendor.get(f"/journals/{id}")
    (job,) = app.world.jobs()
    assert job["reads"] == 2
    app = again(app, path, processing="reads:3")
    vendor = Client(app, "vendor-token")
    for status in ("Validating", "Validating", "Error"):
        assert vendor.get(f"/journals/{id}").json["status"] == status


def test_other_sandboxes_are_not_kept(path: Path) -> None:
    app = start(path)
    size = path.stat().st_size
    assert Client(app, "vendor-token@box").post("/journals", JOURNAL).status == 201
    Client(app, None).post("//@box/__mock__/snapshots", {"name": "here"})
    end(app)
    assert export(start(path)) == export(create_app("billing"))
    assert path.stat().st_size <= size + 200


def test_a_change_is_written_before_it_can_be_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = start(path)
    seen = []
    write = os.write

    def watched(fd: int, content: bytes) -> int:
        seen.append((app.world.layer.count("Journal"), bytes(content).count(b"\n"), bytes(content)[-1:]))
        return write(fd, content)

    before = app.world.layer.count("Journal")
    monkeypatch.setattr(persistence.os, "write", watched)
    Client(app, "vendor-token").post("/journals", JOURNAL)
    # One call, a whole line, and the journal is not there yet.
    assert seen == [(before, 1, b"\n")]


@pytest.mark.parametrize("written", [0, 1, 40])
def test_a_full_disk_fails_the_request_and_changes_nothing(
    path: Path, written: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    app = start(path)
    vendor = Client(app, "vendor-token")
    assert vendor.post("/journals", JOURNAL).status == 201
    before, size = export(app), path.stat().st_size
    write = os.write

    def full(fd: int, content: bytes) -> int:
        if written:
            write(fd, bytes(content)[:written])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(persistence.os, "write", full)
        refused = vendor.post("/journals", JOURNAL)
        assert refused.status == 507
        why = "(No space left on device); make room there; until then nothing is changed."
        told = f"he file {path.name} cannot be written {why}"
        assert told in refused.text
        assert vendor.get("/journals").status == 200
    assert export(app) == before
    assert path.stat().st_size == size
    assert capfd.readouterr().err == f"mockserver: t{told}\n"
    assert vendor.post("/journals", JOURNAL).status == 201
    again(app, path)


def test_a_reset_that_could_not_be_written_lets_nothing_through_until_it_could(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    app = start(path)
    vendor = Client(app, "vendor-token")
    vendor.post("/journals", JOURNAL)

    def full(fd: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(persistence.os, "write", full)
        assert vendor.post("//__mock__/reset").status == 507
        assert vendor.post("/journals", JOURNAL).status == 507
    assert not Path(f"{path}.new").exists()
    assert vendor.post("/journals", JOURNAL).status == 201
    capfd.readouterr()
    again(app, path)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with a whole and three changes."""
    path = tmp_path_factory.mktemp("written") / "state"
    app = start(path)
    for _ in range(3):
        assert Client(app, "vendor-token").post("/journals", JOURNAL).status == 201
    assert app.state is not None
    app.state.close()
    return path.read_bytes()


def journals(path: Path) -> int:
    app = start(path)
    end(app)
    return app.world.layer.count("Journal")


def test_a_last_line_that_was_not_written_to_its_end_does_not_count(path: Path, written: bytes) -> None:
    last = written.rstrip(b"\n").rfind(b"\n") + 1
    path.write_bytes(written)
    full = journals(path)
    for cut in (last, last + 1, last + 9, len(written) - 1):
        path.write_bytes(written[:cut])
        assert journals(path) == full - 1
        # It was cleared away: what comes next does not stand behind it.
        assert path.read_bytes().endswith(b"\n")
        assert journals(path) == full - 1


@pytest.mark.parametrize("line", [1, 2, 3, 4])
def test_a_damaged_line_ends_the_start_with_its_number_and_the_mend(path: Path, written: bytes, line: int) -> None:
    lines = written.splitlines(keepends=True)
    random = Random(line)
    for _ in range(5):
        spoiled = bytearray(lines[line - 1])
        spoiled[random.randrange(len(spoiled) - 1)] ^= 1 << random.randrange(7)
        whole = b"".join([*lines[: line - 1], bytes(spoiled), *lines[line:]])
        path.write_bytes(whole)
        with pytest.raises(Options) as refused:
            start(path)
        assert "\n" not in str(refused.value)
        if line > 1 and b"\n" not in spoiled[:-1]:
            mend = "bring back the whole file" if line == 2 else f"keep what is before it (head -n {line - 1})"
            assert f"line {line} is damaged; {mend}, or name another file." in str(refused.value)
            assert str(refused.value).count(path.name) == 1
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "spoil", [lambda each: each[:2] + each[3:], lambda each: [*each[:2], each[3], each[2], each[4]]]
)
def test_a_line_that_is_missing_or_out_of_its_place_is_noticed(path: Path, written: bytes, spoil: Any) -> None:
    path.write_bytes(b"".join(spoil(written.splitlines(keepends=True))))
    with pytest.raises(Options, match="line 3 is damaged"):
        start(path)


@pytest.mark.parametrize("kept", [0, 1, 500])
def test_a_file_that_is_cut_off_in_its_world_is_refused_and_left_as_it_is(
    path: Path, written: bytes, kept: int
) -> None:
    head = written.index(b"\n") + 1
    path.write_bytes(written[: head + kept])
    with pytest.raises(Options, match="is cut off in line 2; bring back the whole file, or name another file"):
        start(path)
    assert path.read_bytes() == written[: head + kept]


def test_half_a_line_at_the_end_is_told(path: Path, written: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(written[:-10])
    start(path)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: ends in half a line, of a change that was never answered, or the file was cut since; the rest holds."
    ]


@pytest.mark.parametrize("content", [b"hello\n", b"\x00" * 100 + b"\n", b"{}\n", b"\n\n", b"\xff\xfe\n"])
def test_a_file_of_something_else_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Options, match="name another file"):
        start(path)
    assert path.read_bytes() == content


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch()
    assert export(start(path)) == export(create_app("billing"))


@pytest.mark.parametrize(
    "options", [{"seed": 5}, {"scenario": "empty"}, {"apis": ("accounts", "billing")}, {"apis": ("accounts",)}]
)
def test_the_file_of_another_server_is_refused_with_what_both_are(
    path: Path, written: bytes, options: dict[str, Any]
) -> None:
    path.write_bytes(written)
    with pytest.raises(Options, match=r"is of a server with scenario default, seed 1, APIs billing, this one has "):
        start(path, *options.pop("apis", ()), **options)
    assert path.read_bytes() == written


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
    """What a start says of itself."""

    def started(path: Path, *apis: str, **options: Any) -> list[str]:
        caplog.clear()
        end(start(path, *apis, **options))
        return [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]

    return started


def test_another_overlay_is_told_and_the_rights_of_the_start_hold(
    path: Path, told: Callable[..., list[str]], tmp_path: Path
) -> None:
    overlay = tmp_path / "staging.yaml"
    row = "{operation: createJournal, role: vendor, reason: Frozen.}"
    overlay.write_text(f"billing: {{deny: [{row}]}}\n")
    assert told(path) == []
    (line,) = told(path, overlay=overlay)
    assert line == (
        f"{path}: comes from another --overlay (billing createJournal denied to vendor); the rights of this start hold."
    )
    assert told(path, overlay=overlay) == []
    app = start(path, overlay=overlay)
    assert Client(app, "vendor-token").post("/journals", JOURNAL).status == 403
    end(app)
    # It is what the file says that counts, not how it is called.
    overlay.write_text("billing: {deny: []}\n")
    (line,) = told(path, overlay=overlay)
    assert "createJournal denied to vendor" in line
    assert told(path) == []


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (
            {"processing": "manual"},
            "keeps processing immediate, not manual as this start says; PUT /__mock__/processing",
        ),
        ({"now": "2026-03-17"}, "keeps its clock, 2026-03-16T09:00:00.000Z, standing, not where this start says; PUT"),
    ],
)
def test_an_option_that_is_not_heard_is_told_at_every_start(
    path: Path, options: dict[str, Any], kept: str, told: Callable[..., list[str]]
) -> None:
    assert told(path) == []
    for _ in range(2):
        assert any(kept in line for line in told(path, **options))
    assert told(path) == []


def test_what_was_changed_while_it_ran_is_not_told(path: Path, told: Callable[..., list[str]]) -> None:
    app = start(path)
    for place, body in (("processing", {"processing": "manual"}), ("clock", {"running": False, "now": "2026-05-01"})):
        assert Client(app, None).put(f"//__mock__/{place}", body).status == 200
    end(app)
    assert told(path) == []


def test_a_scenario_file_that_has_changed_is_told(path: Path, told: Callable[..., list[str]], tmp_path: Path) -> None:
    scenario = tmp_path / "mine.yaml"
    pin = "{entity: Journal, id: BJO-4000-0001, authorization: AUT-1000-0001, name: %s}"
    scenario.write_text(f"extends: default\npins:\n  - {pin % 'One'}\n")
    assert told(path, scenario=scenario) == []
    scenario.write_text(f"# A comment moves the lines.\nextends: default\nabout: Mine.\npins:\n  - {pin % 'One'}\n")
    assert told(path, scenario=scenario) == []
    scenario.write_text(f"extends: default\npins:\n  - {pin % 'Two'}\n")
    (line,) = told(path, scenario=scenario)
    assert line == (
        f"{path}: the scenario {scenario} has changed since; "
        "what the file holds stays, a reset leads to the scenario as it is now."
    )
    app = start(path, scenario=scenario)
    vendor = Client(app, "vendor-token")
    assert vendor.get("/journals/BJO-4000-0001").json["name"] == "One"
    app.reset()
    assert vendor.get("/journals/BJO-4000-0001").json["name"] == "Two"


def test_where_reset_leads_is_told_if_the_scenario_begins_otherwise(path: Path, told: Callable[..., list[str]]) -> None:
    # The expiry of tokens follows from the start, so these are other callers.
    assert told(path, now="2026-03-16T09:00:00Z") == []
    lines = told(path, now="2026-03-17T09:00:00Z")
    assert any("did not begin as default does at this start" in line for line in lines)


@pytest.mark.parametrize("spoiled", [["x"], {"rights": 7, "scenario": [], "processing": {}, "now": 1}, "text", 3])
def test_a_head_that_tells_nonsense_ends_in_one_line(path: Path, written: bytes, spoiled: Any) -> None:
    head, *lines = written.rstrip(b"\n").split(b"\n")
    values = [json.loads(head[9:]) | {"told": spoiled}, *(json.loads(line[9:]) for line in lines)]
    content, sum_ = b"", 0
    for value in values:
        line, sum_ = persistence._line(value, sum_)
        content += line
    path.write_bytes(content)
    with pytest.raises(Options, match="cannot be read by this version") as refused:
        start(path)
    assert "\n" not in str(refused.value)


def test_what_is_as_the_seed_has_it_is_no_change_after_a_restart(path: Path) -> None:
    app = start(path)
    for count in range(3):
        changes = app.sandboxes.default.changes
        assert changes == (0 if not count else changes)
        Client(app, "vendor-token").post("/journals", JOURNAL)
        assert 0 < app.sandboxes.default.changes - changes < 10
        changes = app.sandboxes.default.changes
        app = again(app, path)
        assert app.sandboxes.default.changes == changes
    app.reset()
    assert app.sandboxes.default.changes == 0


HOUR = 3_600.0


@pytest.mark.parametrize(
    ("wall", "monotonic"),
    [(HOUR, HOUR), (-HOUR, HOUR), (HOUR, -1e9)],
    ids=["an hour went by", "the machine's time was set back", "the machine was started anew"],
)
@pytest.mark.parametrize("last", ["a change", "the start", "the clock"])
def test_a_running_clock_never_goes_back(
    path: Path, last: str, wall: float, monotonic: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = start(path, processing="after:2")
    if last == "a change":
        assert Client(app, "vendor-token").post("/journals", JOURNAL).status == 201
    elif last == "the clock":
        Client(app, None).post("//__mock__/clock/advance", {"seconds": 5})
    # Nothing is written from here on, but an hour of reading goes by.
    clock = app.world.clock
    clock._elapsed = lambda: time.monotonic() + HOUR
    shown = wire.moment(Client(app, None).get("//__mock__/clock").json["now"])
    end(app)
    moved = SimpleNamespace(time=lambda: time.time() + wall, monotonic=lambda: time.monotonic() + monotonic)
    monkeypatch.setattr(persistence, "time", moved)
    for _ in range(2):
        app = start(path, processing="after:2")
        now = wire.moment(Client(app, None).get("//__mock__/clock").json["now"])
        assert shown <= now < shown + timedelta(minutes=10)
        shown = now
        end(app)


def test_a_standing_clock_stands_while_nobody_looks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = start(path)
    Client(app, "vendor-token").post("/journals", JOURNAL)
    now = app.world.clock.now()
    end(app)
    monkeypatch.setattr(persistence, "time", SimpleNamespace(time=lambda: 2e9, monotonic=lambda: 2e9))
    assert start(path).world.clock.now() == now


def test_a_file_in_use_and_one_that_cannot_be_are_refused(path: Path) -> None:
    app = start(path)
    with pytest.raises(Options, match="another server keeps its state there"):
        start(path)
    assert Client(app, "vendor-token").post("/journals", JOURNAL).status == 201
    for bad in (path.parent / "none" / "state", path.parent):
        with pytest.raises(Options, match="cannot be written"):
            start(bad)


def test_the_file_is_written_anew_when_it_grows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = start(path)
    whole = path.stat().st_size
    monkeypatch.setattr(persistence, "ROOM", 0)
    vendor = Client(app, "vendor-token")
    id = vendor.post("/journals", JOURNAL).json["id"]
    sizes = []
    for number in range(40):
        vendor.put(f"/journals/{id}", {"notes": str(number), "name": "x" * 100_000})
        sizes.append(path.stat().st_size)
    assert max(sizes) < 3 * (whole + 200_000)
    assert any(later < sooner for sooner, later in pairwise(sizes))
    again(app, path)


def test_nobody_else_may_read_the_file(path: Path) -> None:
    start(path)
    assert path.stat().st_mode & 0o777 == 0o600


# A real server, killed


class Killed:
    """A server with a state, and a client that notes what it was answered."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "mockserver", "billing", "--port", "0", "--state", str(path)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = ""
        while (found := re.search(r"docs\s+http://127\.0\.0\.1:(\d+)/docs", said)) is None:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            said += line
        self.port = int(found[1])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Authorization": "Bearer vendor-token", "Content-Type": "application/json"}
        try:
            connection.request(method, BASE + path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status < 300, content
            return json.loads(content)
        finally:
            connection.close()

    def work(self, known: dict[str, str], name: str) -> None:
        """Make and change journals until the server is gone; `known` holds what was answered: id -> name."""
        number = 0
        try:
            while True:
                number += 1
                made = self.call("POST", "/journals", JOURNAL | {"name": f"{name}.{number}"})
                known[made["id"]] = made["name"]
                changed = self.call("PUT", f"/journals/{made['id']}", {"name": f"{name}.{number}.changed"})
                known[made["id"]] = changed["name"]
        except (OSError, http.client.HTTPException):
            return

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_loses_nothing_that_was_answered_and_shows_nothing_half_done(
    path: Path, kills: int
) -> None:
    random, known = Random(kills), dict[str, str]()
    seeded: set[str] | None = None
    for turn in range(kills):
        server = Killed(path)
        try:
            there = {}
            for offset in range(0, 100_000, 100):
                page = server.call("GET", f"/journals?limit=100&offset={offset}&select=audit")
                there |= {each["id"]: each for each in page["data"]}
                if len(page["data"]) < 100:
                    break
            seeded = set(there) if seeded is None else seeded
            for id, name in known.items():
                assert id in there, f"{id} was answered and is gone"
                assert there[id]["name"].startswith(name), f"{id} was {name} and is {there[id]['name']}"
            for id in there.keys() - seeded:
                # Whole: made, or made and changed; never a name without its revision.
                record = there[id]
                assert record["revision"] == (2 if record["name"].endswith(".changed") else 1)
                assert ("updated" in record["audit"]) is record["name"].endswith(".changed")
            # At most one more than was answered: the one that the kill kept from its caller.
            assert len(there.keys() - seeded - known.keys()) <= 1
            known |= {id: there[id]["name"] for id in there.keys() - seeded}
            client = threading.Thread(target=server.work, args=(known, f"turn{turn}"))
            client.start()
            # The moment is what the test is about: anywhere between two calls or within one.
            client.join(timeout=random.uniform(0.0, 0.4))
        finally:
            server.kill()
        client.join(timeout=20)
    assert known
