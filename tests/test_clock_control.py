"""The clock of a sandbox: told, moved on, frozen and let run over HTTP, with the jobs that fall due on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from mockserver import MockServer, create_app, moving, wire
from mockserver.clock import Clock
from mockserver.domain.errors import Conflict, Invalid
from mockserver.sandboxes import Sandbox
from tests.accounts import ACCOUNTS, TOKEN
from tests.driver import Answer, Client
from tests.fingerprint import fingerprint

BOX = "clock"
CLOCK, ADVANCE = "//__mock__/clock", "//__mock__/clock/advance"
START = "2026-03-16T09:00:00.000Z"
APIS = ("accounts", "billing", "credits")


@cache
def served(processing: str = "immediate") -> MockServer:
    """All APIs in one server; one a process for each way of processing."""
    return create_app(*APIS, processing=processing)


class Bench:
    """A fresh sandbox on a clock that stands, and what is asked of it."""

    def __init__(self, processing: str) -> None:
        self.app = served(processing)
        self.app.sandboxes.clear()
        self.box: Sandbox = self.app.sandboxes.create(BOX)
        self.anybody = Client(self.app, None)
        self.stand()

    def as_(self, name: str) -> Client:
        return Client(self.app, self.box.token(name))

    def asked(self, method: str, path: str, body: Any = None) -> Answer:
        return self.anybody.request(method, f"//@{BOX}{path[1:]}", body=body)

    def stand(self) -> None:
        """Return to the seed and stand still at its first instant."""
        self.box.reset()
        self.box.clock.freeze()
        self.box.clock.set(wire.moment(START))

    def freeze(self, **more: str) -> Answer:
        return self.asked("PUT", CLOCK, {"running": False, **more})

    def advance(self, **by: Any) -> Answer:
        return self.asked("POST", ADVANCE, by)

    @property
    def now(self) -> str:
        return wire.instant(self.box.clock.now())

    def later(self, api: str, job: str, subject: str) -> None:
        """Have a job done, as a request that is answered now would."""
        world = self.box.worlds[api]
        world.workflows.jobs.setdefault(job, lambda work, subject: None)
        work = world.work()
        work.later(job, SUBJECTS[api], subject)
        work.commit()


SUBJECTS = {"billing": "Journal", "accounts": "Account"}


@pytest.fixture
def bench() -> Bench:
    return Bench("immediate")


@pytest.fixture
def slow() -> Bench:
    """One whose jobs take a minute."""
    return Bench("after:60")


@pytest.fixture
def ran(slow: Bench) -> Iterator[list[tuple[str, str, str]]]:
    """(api, subject, instant) of every job `note` that ran; one on BJO-1000-0003 starts one on BJO-1000-0004."""
    told: list[tuple[str, str, str]] = []
    workflows = {api: slow.app.worlds[api].workflows for api in SUBJECTS}

    def note(api: str) -> Any:
        def job(work: Any, subject: Any) -> None:
            told.append((api, subject["id"], work.now))
            if subject["id"] == "BJO-1000-0003":
                work.later("note", "Journal", "BJO-1000-0004")

        return job

    for api, each in workflows.items():
        each.jobs["note"] = note(api)
    yield told
    for each in workflows.values():
        del each.jobs["note"]


# Telling and moving


def test_the_clock_tells_the_time_of_the_sandbox_and_whether_it_runs(bench: Bench) -> None:
    assert bench.asked("GET", CLOCK).json == {"now": START, "running": False}


@pytest.mark.parametrize(
    ("by", "end"),
    [
        ({"seconds": 90}, "2026-03-16T09:01:30.000Z"),
        ({"seconds": 0}, START),
        ({"seconds": 0.25}, "2026-03-16T09:00:00.250Z"),
        ({"to": "2026-04-01T00:00:00Z"}, "2026-04-01T00:00:00.000Z"),
        ({"to": "2026-04-01"}, "2026-04-01T00:00:00.000Z"),
        ({"to": "2026-04-01T00:00:00+02:00"}, "2026-03-31T22:00:00.000Z"),
        ({"to": START}, START),
        ({"by": "P1DT2H"}, "2026-03-17T11:00:00.000Z"),
        ({"by": "PT1.5S"}, "2026-03-16T09:00:01.500Z"),
        ({"by": "P2W"}, "2026-03-30T09:00:00.000Z"),
        ({"by": "P1M"}, "2026-04-16T09:00:00.000Z"),
        ({"by": "P1Y10M"}, "2028-01-16T09:00:00.000Z"),
        ({"by": "P100Y"}, "2126-03-16T09:00:00.000Z"),
    ],
)
def test_it_moves_on_by_seconds_or_a_span_or_to_an_instant(bench: Bench, by: dict[str, Any], end: str) -> None:
    assert bench.advance(**by).json == {"now": end, "running": False, "ran": 0}
    assert bench.asked("GET", CLOCK).json["now"] == end


def test_a_month_after_the_31st_is_the_last_of_the_next_month() -> None:
    for day, span, end in ((31, "P1M", (2026, 2, 28)), (31, "P2Y1M", (2028, 2, 29)), (30, "P12M", (2027, 1, 30))):
        assert moving.after(datetime(2026, 1, day, tzinfo=UTC), span, "by") == datetime(*end, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "Say one of seconds, by, to, not 0 of them."),
        ({"seconds": 1, "by": "P1D"}, "Say one of seconds, by, to, not 2 of them."),
        ({"seconds": -1}, "Seconds: -1 is less than the minimum of 0"),
        ({"seconds": True}, "Seconds: must be a number, not true"),
        ({"seconds": 1e300}, "Seconds: 1e+300 is greater than the maximum of 10000000000"),
        ({"seconds": 9e9}, "A clock stands between 1970-01-01 and 2199-12-31; name an instant between them."),
        ({"to": "2200-01-01"}, "A clock stands between 1970-01-01 and 2199-12-31; name an instant between them."),
        ({"to": "0001-01-01"}, "A clock stands between 1970-01-01 and 2199-12-31; name an instant between them."),
        ({"by": "P999999Y"}, "A clock stands between 1970-01-01 and 2199-12-31; name an instant between them."),
        ({"by": "P999999W"}, "A clock stands between 1970-01-01 and 2199-12-31; name an instant between them."),
        ({"by": "P9999Y999999M"}, "A clock stands between 1970-01-01 and 2199-12-31; name an instant between them."),
        ({"by": "PT9999999999S"}, "A clock stands between 1970-01-01 and 2199-12-31; name an instant between them."),
        ({"by": "P"}, "By: 'P' is no span; say P1DT2H, P1M or PT90S."),
        ({"by": "P1DT"}, "By: 'P1DT' is no span; say P1DT2H, P1M or PT90S."),
        ({"by": "PT1M1H"}, "By: 'PT1M1H' is no span; say P1DT2H, P1M or PT90S."),
        ({"by": "-P1D"}, "By: '-P1D' is no span; say P1DT2H, P1M or PT90S."),
        ({"by": "P\u0661D"}, "By: 'P\u0661D' is no span; say P1DT2H, P1M or PT90S."),
        ({"to": "soon"}, "To: 'soon' is no instant; say 2026-04-01T00:00:00Z."),
        ({"to": "2026-02-30"}, "To: '2026-02-30' is no instant; say 2026-04-01T00:00:00Z."),
        ({"days": 1}, "Body: has no 'days'; there are: by, seconds, to."),
    ],
)
def test_what_is_no_way_forward_is_refused_with_the_mend_and_changes_nothing(
    bench: Bench, body: dict[str, Any], told: str
) -> None:
    answer = bench.advance(**body)
    assert (answer.status, answer.json["detail"]) == (400, told)
    assert bench.now == START


def test_a_clock_is_not_set_back_but_by_a_reset(bench: Bench) -> None:
    bench.advance(by="P1D")
    for answer in (bench.advance(to=START), bench.freeze(now=START)):
        assert answer.status == 409
        assert answer.json["detail"] == (
            "2026-03-16T09:00:00.000Z is before 2026-03-17T09:00:00.000Z, which the clock shows; it only moves "
            "forward, and POST /__mock__/reset returns it to its start."
        )
    assert bench.now == "2026-03-17T09:00:00.000Z"
    assert bench.asked("POST", "//__mock__/reset").status == 200
    assert bench.now == START


def test_the_last_instant_that_a_clock_may_show_is_reached_and_changes_go_on(bench: Bench) -> None:
    assert bench.advance(to="2199-12-31T23:59:59.999Z").status == 200
    body = {"name": "Late", "authorization": {"id": "AUT-1000-0001"}}
    made = [bench.as_("vendor").post("/journals", body) for _ in range(3)]
    assert [each.status for each in made] == [201] * 3
    assert bench.advance(seconds=0).status == 400


# Standing and running


class Real:
    """Real time that passes as a test says."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def shown(clock: Clock) -> str:
    return wire.instant(clock.now())[14:23]


def test_a_clock_that_runs_is_frozen_and_runs_on_from_where_it_stood() -> None:
    real = Real()
    clock = Clock(datetime(2026, 3, 16, 9, tzinfo=UTC), running=True, elapsed=real)
    real.seconds += 5
    clock.freeze()
    real.seconds += 100
    assert (shown(clock), clock.runs) == ("00:05.000", False)
    clock.tick()
    clock.run()
    clock.run()
    real.seconds += 2
    assert (shown(clock), clock.runs) == ("00:07.001", True)
    clock.tick()
    assert shown(clock) == "00:07.001"


@pytest.mark.parametrize("running", [True, False])
def test_a_restart_returns_to_the_start_and_to_how_the_clock_went_at_first(running: bool) -> None:
    real = Real()
    start = datetime(2026, 3, 16, 9, tzinfo=UTC)
    clock = Clock(start, running=running, elapsed=real)
    real.seconds += 5
    (clock.freeze if running else clock.run)()
    real.seconds += 5
    assert clock.another(start).runs is running
    clock.restart(start)
    assert (clock.now(), clock.runs) == (start, running)
    real.seconds += 1
    assert shown(clock) == ("00:01.000" if running else "00:00.000")


def test_a_reset_lets_a_frozen_clock_run_again_where_it_ran_at_first(slow: Bench) -> None:
    assert slow.asked("GET", CLOCK).json["running"] is False
    slow.asked("POST", "//__mock__/reset")
    assert slow.asked("GET", CLOCK).json["running"] is True


def test_a_clock_that_stood_at_first_stands_again_after_a_reset(bench: Bench) -> None:
    assert bench.asked("PUT", CLOCK, {"running": True}).json["running"] is True
    bench.asked("POST", "//__mock__/reset")
    assert bench.asked("GET", CLOCK).json == {"now": START, "running": False}


def test_a_running_clock_is_advanced_and_runs_on_and_is_set_forward_and_frozen_in_one_call(bench: Bench) -> None:
    assert bench.asked("PUT", CLOCK, {"running": True, "now": "2026-04-01"}).json["running"] is True
    told = bench.advance(by="P1D").json
    assert told["running"] is True
    assert "2026-04-02T00:00:00" <= told["now"] < "2026-04-02T00:10"
    assert bench.freeze(now="2026-05-01").json == {"now": "2026-05-01T00:00:00.000Z", "running": False, "ran": 0}


def test_a_clock_is_the_sandboxes_own(bench: Bench) -> None:
    app, anybody = bench.app, bench.anybody
    before = anybody.get(CLOCK).json
    bench.advance(by="P10Y")
    bench.asked("PUT", CLOCK, {"running": True})
    assert anybody.get(CLOCK).json == before
    assert anybody.get("//@another/__mock__/clock").json == {"now": START, "running": False}
    # Nor does what was done to the default one's show in those that are made after it.
    app.sandboxes.default.clock.run()
    try:
        assert anybody.get("//@third/__mock__/clock").json == {"now": START, "running": False}
    finally:
        app.reset()


# Jobs on the way


def test_jobs_run_in_the_order_of_their_time_each_at_its_own_whichever_api_they_are_of(
    slow: Bench, ran: list[tuple[str, str, str]]
) -> None:
    slow.later("billing", "note", "BJO-1000-0001")
    slow.advance(seconds=10)
    slow.later("accounts", "note", "700100")
    slow.advance(seconds=10)
    slow.later("billing", "note", "BJO-1000-0002")
    end = wire.instant(slow.box.clock.now() + timedelta(hours=1))
    assert ran == []
    assert slow.advance(by="PT1H").json == {"now": end, "running": False, "ran": 3}
    assert [(each[1], each[2][14:23]) for each in ran] == [
        ("BJO-1000-0001", "01:00.000"),
        ("700100", "01:10.001"),
        ("BJO-1000-0002", "01:20.002"),
    ]


def test_a_job_that_a_job_starts_runs_too_if_it_falls_due_before_the_end(
    slow: Bench, ran: list[tuple[str, str, str]]
) -> None:
    slow.later("billing", "note", "BJO-1000-0003")
    assert slow.advance(to="2026-03-16T09:01:59.999Z").json["ran"] == 1
    assert slow.advance(to="2026-03-16T09:02:00Z").json["ran"] == 1
    assert ran == [
        ("billing", "BJO-1000-0003", "2026-03-16T09:01:00.000Z"),
        ("billing", "BJO-1000-0004", "2026-03-16T09:02:00.000Z"),
    ]
    ran.clear()
    slow.stand()
    slow.later("billing", "note", "BJO-1000-0003")
    assert slow.advance(by="P1D").json["ran"] == 2
    assert [each[2][11:16] for each in ran] == ["09:01", "09:02"]


def test_of_jobs_that_are_due_at_once_the_younger_runs_after_the_older_and_time_does_not_go_back(
    slow: Bench, ran: list[tuple[str, str, str]]
) -> None:
    world = slow.box.worlds["billing"]
    work = world.work()
    for id in ("BJO-1000-0002", "BJO-1000-0001"):
        work.later("note", "Journal", id)
    work.commit()
    assert slow.advance(seconds=60).json["ran"] == 2
    assert [each[1:] for each in ran] == [
        ("BJO-1000-0002", "2026-03-16T09:01:00.000Z"),
        ("BJO-1000-0001", "2026-03-16T09:01:00.001Z"),
    ]
    assert slow.now == "2026-03-16T09:01:00.002Z"


def test_what_is_done_for_a_moment_or_all_at_once_leaves_the_same_world(slow: Bench) -> None:
    prints = []
    for spans in (["PT3M"], ["PT1S"] * 180):
        slow.stand()
        vendor = slow.as_("vendor")
        for number in (1, 2):
            id = vendor.post("/journals", {"name": f"{number}", "authorization": {"id": "AUT-1000-0001"}}).json["id"]
            assert vendor.upload(f"/journals/{id}/upload", b'{"no": "charge"}\n').status == 200
        until = wire.instant(slow.box.clock.now() + timedelta(minutes=3))
        for span in spans[:-1]:
            slow.advance(by=span)
        slow.advance(to=until)
        prints.append(fingerprint(slow.box.worlds["billing"]))
    assert prints[0] == prints[1]


def test_jobs_that_start_each_other_for_ever_end_a_move_where_it_came_to(
    slow: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(work: Any, subject: Any) -> None:
        work.later("again", "Journal", subject["id"])

    monkeypatch.setitem(slow.app.worlds["billing"].workflows.jobs, "again", again)
    slow.later("billing", "again", "BJO-1000-0001")
    clock = slow.box.clock
    assert moving.advance(list(slow.box.worlds.values()), clock.now() + timedelta(days=3650), most=5) == 5
    assert slow.now == "2026-03-16T09:05:00.001Z"


def test_a_century_with_a_job_in_it_is_one_step(slow: Bench, ran: list[tuple[str, str, str]]) -> None:
    slow.later("billing", "note", "BJO-1000-0001")
    assert slow.advance(by="P100Y").json == {"now": "2126-03-16T09:00:00.001Z", "running": False, "ran": 1}
    assert [each[2] for each in ran] == ["2026-03-16T09:01:00.000Z"]


def test_a_running_clock_does_its_jobs_at_their_own_instants_too(slow: Bench, ran: list[tuple[str, str, str]]) -> None:
    slow.later("billing", "note", "BJO-1000-0003")
    slow.asked("PUT", CLOCK, {"running": True})
    told = slow.advance(by="P1D").json
    assert (told["running"], told["ran"]) == (True, 2)
    assert [each[2] for each in ran] == ["2026-03-16T09:01:00.000Z", "2026-03-16T09:02:00.000Z"]


def test_a_frozen_clock_lets_no_job_fall_due(slow: Bench) -> None:
    vendor = slow.as_("vendor")
    id = vendor.post("/journals", {"name": "One", "authorization": {"id": "AUT-1000-0001"}}).json["id"]
    vendor.upload(f"/journals/{id}/upload", b'{"no": "charge"}\n')
    assert {vendor.get(f"/journals/{id}").json["status"] for _ in range(3)} == {"Validating"}
    slow.advance(seconds=59)
    assert vendor.get(f"/journals/{id}").json["status"] == "Validating"
    slow.freeze(now="2026-03-17")
    journal = vendor.get(f"/journals/{id}?select=audit").json
    assert journal["status"] == "Error"
    assert journal["audit"]["error"]["at"] == "2026-03-16T09:01:00.001Z"


@pytest.mark.parametrize(
    ("processing", "status"), [("immediate", "Error"), ("reads:1", "Error"), ("manual", "Validating")]
)
def test_jobs_that_do_not_wait_for_time_go_on_as_ever(processing: str, status: str) -> None:
    bench = Bench(processing)
    vendor = bench.as_("vendor")
    id = vendor.post("/journals", {"name": "One", "authorization": {"id": "AUT-1000-0001"}}).json["id"]
    vendor.upload(f"/journals/{id}/upload", b'{"no": "charge"}\n')
    if processing.startswith("reads"):
        assert vendor.get(f"/journals/{id}").json["status"] == "Validating"
    before = bench.now
    assert bench.advance(by="P1D").json["ran"] == (0 if processing == "manual" else 1)
    journal = vendor.get(f"/journals/{id}?select=audit").json
    assert journal["status"] == status
    # What the next request would have found done was done before time passed.
    assert processing == "manual" or journal["audit"]["error"]["at"] == before


# What else goes by the clock


def test_a_token_that_was_issued_expires_by_it(bench: Bench) -> None:
    sent = {"client_id": "finance-client", "client_secret": "finance-secret", "grant_type": "client_credentials"}
    issued = bench.anybody.post(f"//@{BOX}{TOKEN[1:]}", sent).json
    client = Client(bench.app, f"{issued['access_token']}@{BOX}")
    # What it was issued in took a millisecond.
    bench.advance(to=wire.instant(datetime(2026, 3, 16, 9, tzinfo=UTC) + timedelta(seconds=3598.999)))
    assert client.get(ACCOUNTS).status == 200
    bench.advance(seconds=0.001)
    assert client.get(ACCOUNTS).status == 401


def test_a_link_to_a_file_expires_by_it(bench: Bench) -> None:
    vendor = bench.as_("vendor")
    path = f"/journals/{vendor.get('/journals?limit=1').json['data'][0]['id']}/attachments"
    made = vendor.upload(path, b"a,b\n", "note.csv", "text/csv", attachment='{"name": "note"}').json
    answer = vendor.get(f"{path}/{made['id']}", headers={"accept": "text/csv"})
    assert answer.status == 301
    link = "/" + answer.headers["location"].removeprefix("http://127.0.0.1:8000")
    assert link.startswith(f"//@{BOX}/files/billing/")
    bench.advance(seconds=299)
    assert bench.anybody.get(link).content == b"a,b\n"
    bench.advance(seconds=1)
    assert (bench.anybody.get(link).status, bench.anybody.get(link).json["detail"][:20]) == (
        403,
        "the link has expired",
    )


def test_what_is_refused_leaves_clock_and_jobs_as_they_are(slow: Bench) -> None:
    slow.later("billing", "nothing", "BJO-1000-0001")
    worlds = list(slow.box.worlds.values())
    before = [fingerprint(world) for world in worlds]
    now = slow.box.clock.now()
    with pytest.raises(Conflict):
        moving.advance(worlds, now - timedelta(milliseconds=1))
    with pytest.raises(Invalid):
        moving.advance(worlds, datetime(2200, 1, 1, tzinfo=UTC))
    assert [fingerprint(world) for world in worlds] == before
