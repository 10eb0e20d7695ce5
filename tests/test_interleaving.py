"""Sandboxes of one server, called in whatever order: each answers as if it were alone in a server of its own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from hashlib import blake2b
from random import Random
from typing import Any, cast

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mockserver import MockServer, create_app
from tests.accounts import ACCOUNTS, TOKEN
from tests.credits_stage import STAGING, request
from tests.driver import Answer, Client
from tests.fingerprint import fingerprint
from tests.mixes import Mix
from tests.test_determinism import Mix as BillingMix

APIS = ("accounts", "billing", "credits")
FIRST = {"running": False, "now": "2026-03-16T12:00:00Z"}
"""Where clocks are made to stand: some run with real time at first."""
SEEDS = range(4)
FAULTS: Sequence[Mapping[str, Any]] = (
    {"kind": "status", "status": 503, "share": 0.5, "count": 6},
    {"kind": "rate-limit", "retryAfter": 30, "after": 3, "count": 4},
    {"kind": "stale", "share": 0.5, "count": 9},
)
SECONDS = re.compile(rb'"seconds":[^,]+,')
"""What the journal tells of real time"""


@cache
def served(processing: str) -> MockServer:
    """The server whose sandboxes are called by turns; what was done in it before must not matter."""
    app = create_app(*APIS, processing=processing)
    app.sandboxes.default.clock.freeze()
    return app


class Boxed:
    """A server as one sees it whose every request names a sandbox."""

    def __init__(self, app: MockServer, name: str) -> None:
        self._app, self._name = app, name.encode()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        headers = [*scope["headers"], (b"mock-sandbox", self._name)]
        await self._app({**scope, "headers": headers}, receive, send)


class Session:
    """Somebody who works in a sandbox: calls of every kind, each drawn from the seed and from what was answered before.

    seen: a digest of each step's answers
    """

    def __init__(self, app: MockServer, seed: int) -> None:
        self.name = f"box-{seed}"
        boxed = cast(MockServer, Boxed(app, self.name))
        self.random = Random(f"session/{seed}")
        self.anybody = Client(boxed, None)
        self.billing = BillingMix(boxed, seed)
        self.others = [Mix(boxed, api, seed) for api in ("accounts", "credits")]
        self.turns = [mix.calls(1_000_000) for mix in self.others]
        self.names = sorted(self.billing.paths)
        self.seen: list[str] = []
        self._start: list[Callable[[], bytes]] = [
            self._stand,
            *(partial(self._billing, name) for name in self._lists()),
        ]

    def step(self) -> None:
        """The next call, and whatever link it is answered with."""
        draws: Sequence[Callable[[], bytes]] = (self._billing, self._another, self._control)
        doing = self._start.pop(0) if self._start else self.random.choices(draws, (5, 3, 2))[0]
        self.seen.append(f"{len(self.seen)}: {blake2b(doing(), digest_size=12).hexdigest()}")

    def steps(self, count: int) -> list[str]:
        """What was seen in the first so many steps, which are taken where they were not yet."""
        while len(self.seen) < count:
            self.step()
        return self.seen[:count]

    def _lists(self) -> list[str]:
        operations = self.billing.api.operations
        return [name for name in self.names if operations[name].does == "list" and operations[name].below is None]

    def _billing(self, name: str | None = None) -> bytes:
        name = name or self.random.choice(self.names)
        self.billing.call(self.billing.api.operations[name], name)
        return self.billing.digest.digest()

    def _another(self) -> bytes:
        place = self.random.randrange(len(self.others))
        next(self.turns[place])
        return self.others[place].answers[-1]

    def _control(self) -> bytes:
        ask, random = self.anybody, self.random
        name = random.choice(("one", "two"))
        reads = ("jobs", "clock", "faults", "snapshots", f"sandboxes/{self.name}")
        draws: Mapping[Callable[[], bytes], int] = {
            lambda: told(ask.post("//__mock__/reset")) + self._stand(): 5,
            lambda: told(ask.post("//__mock__/clock/advance", {"seconds": random.choice((1, 30, 60, 9000))})): 25,
            lambda: told(ask.post("//__mock__/jobs/release")): 5,
            lambda: told(ask.post("//__mock__/faults", random.choice(FAULTS))): 4,
            lambda: told(ask.delete("//__mock__/faults")): 3,
            lambda: told(ask.post("//__mock__/snapshots", {"name": name})): 4,
            lambda: told(ask.post(f"//__mock__/snapshots/{name}/restore")) + self._stand(): 4,
            lambda: told(ask.delete(f"//__mock__/snapshots/{name}")): 2,
            lambda: told(ask.put("//__mock__/journal", {"most": 30, "bodies": random.random() < 0.5})): 3,
            lambda: SECONDS.sub(b"", ask.get("//__mock__/journal?limit=20").content): 5,
            lambda: told(ask.get(f"//__mock__/{random.choice(reads)}")): 10,
        }
        return random.choices(list(draws), list(draws.values()))[0]()

    def _stand(self) -> bytes:
        return told(self.anybody.put("//__mock__/clock", FIRST))


def told(answer: Answer) -> bytes:
    return orjson.dumps([answer.status, sorted(answer.headers.items())]) + answer.content


@cache
def alone(processing: str, seed: int) -> Session:
    """The session in a server of its own, in which nobody else ever does anything."""
    return Session(create_app(*APIS, processing=processing), seed)


def assert_kept_apart(processing: str, turns: Sequence[int]) -> None:
    """The sessions named by `turns`, each taking a step at each of its turns, see what each sees alone."""
    app = served(processing)
    app.sandboxes.clear()
    seeded = [fingerprint(world) for world in app.worlds.values()]
    sessions = {seed: Session(app, seed) for seed in dict.fromkeys(turns)}
    for seed in turns:
        sessions[seed].step()
    for seed, session in sessions.items():
        wanted = alone(processing, seed).steps(len(session.seen))
        differs = [(ours, other) for ours, other in zip(session.seen, wanted, strict=True) if ours != other]
        assert differs[:1] == [], f"{session.name} by turns, and alone"
    assert [fingerprint(world) for world in app.worlds.values()] == seeded


def orders(least: int, most: int) -> st.SearchStrategy[list[int]]:
    """Who takes a turn, one after the other: two to four sessions, each for a few steps on end, or for many."""
    runs = st.tuples(st.integers(0, 3), st.integers(1, 12))
    some = st.lists(st.sampled_from(SEEDS), min_size=2, max_size=4, unique=True)
    return st.tuples(some, st.lists(runs, min_size=least, max_size=most)).map(
        lambda drawn: [drawn[0][place % len(drawn[0])] for place, count in drawn[1] for _ in range(count)]
    )


QUICK = settings(max_examples=7, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))


@pytest.mark.parametrize("processing", ["immediate", "after:60"])
def test_sandboxes_called_by_turns_answer_as_each_does_alone(processing: str) -> None:
    @QUICK
    @given(orders(8, 24))
    def check(turns: list[int]) -> None:
        assert_kept_apart(processing, turns)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("processing", ["immediate", "after:60", "reads:1", "manual"])
def test_sandboxes_called_by_turns_for_long_answer_as_each_does_alone(processing: str) -> None:
    @settings(QUICK, max_examples=25, suppress_health_check=list(HealthCheck))
    @given(orders(50, 150))
    def check(turns: list[int]) -> None:
        assert_kept_apart(processing, turns)

    check()


# The same script in every session

CHARGE = b'{"no": "charge"}\n'
SECRET = {"client_id": "finance-client", "client_secret": "finance-secret", "grant_type": "client_credentials"}


class Script:
    """One fixed piece of work in a sandbox, call by call; what it was answered, byte for byte."""

    def __init__(self, app: MockServer, name: str) -> None:
        boxed = cast(MockServer, Boxed(app, name))
        self.vendor, self.operations = (Client(boxed, app.token(caller)) for caller in ("vendor", "operations"))
        self.admin, self.anybody = Client(boxed, app.token("admin")), Client(boxed, None)
        self.boxed = boxed
        self.answers: list[Answer] = []
        self.calls = self._calls()

    def step(self) -> bool:
        """Make the next call; whether there was one."""
        answer = next(self.calls, None)
        if answer is not None:
            self.answers.append(answer)
        return answer is not None

    @property
    def bytes(self) -> list[bytes]:
        return [told(each) for each in self.answers]

    def _calls(self) -> Iterator[Answer]:
        vendor, operations, admin = self.vendor, self.operations, self.admin
        yield vendor.get("/journals?limit=5&order=-id")
        made = vendor.post("/journals", {"name": "One", "authorization": {"id": "AUT-1000-0001"}})
        yield made
        journal = f"/journals/{made.json['id']}"
        yield vendor.upload(f"{journal}/upload", CHARGE)
        yield vendor.get(f"{journal}?select=audit")
        yield vendor.put(journal, {"name": "Two", "revision": made.json.get("revision", 1)})
        attached = vendor.upload(f"{journal}/attachments", b"a,b\n", "note.csv", "text/csv", attachment='{"name": "n"}')
        yield attached
        linked = vendor.get(f"{journal}/attachments/{attached.json['id']}", headers={"accept": "text/csv"})
        yield linked
        yield self.anybody.get("/" + linked.headers["location"].partition("127.0.0.1:8000")[2])
        yield vendor.post(f"{journal}/submit")
        yield operations.get("/journals/BJO-0000-0000")
        yield self.anybody.post("//__mock__/clock/advance", {"by": "P1D"})
        yield vendor.post("/journals", {"name": "Next day", "authorization": {"id": "AUT-1000-0001"}})
        yield operations.get("/statements?limit=3")
        issued = self.anybody.post(TOKEN, SECRET)
        yield issued
        yield Client(self.boxed, issued.json["access_token"]).get(ACCOUNTS)
        yield self.anybody.post(TOKEN, {**SECRET, "client_secret": "guess"})
        yield self.anybody.post("//__mock__/clock/advance", {"seconds": 3600})
        yield Client(self.boxed, issued.json["access_token"]).get(ACCOUNTS)
        yield admin.get(f"//billing/{STAGING}/credits/list?count=5")
        yield request("createAuthToken", STAGING, None).send(admin)
        yield request("createPayment", STAGING, None).send(admin)
        yield vendor.delete(journal)
        yield self.anybody.get("//__mock__/clock")


SESSIONS = [f"session-{number}" for number in range(50)]


def test_fifty_sessions_by_turns_give_the_same_bytes_as_one_after_another() -> None:
    together, apart = create_app(*APIS), create_app(*APIS)
    turns = [Script(together, name) for name in SESSIONS]
    row = [Script(apart, name) for name in SESSIONS]
    going = turns
    while going:
        going = [each for each in going if each.step()]
    for each in row:
        while each.step():
            pass
    assert [each.bytes for each in turns] == [each.bytes for each in row]
    # And all fifty alike, but for the name of the sandbox in a link.
    told_apart = {
        tuple(said.replace(name.encode(), b"") for said in each.bytes) for name, each in zip(SESSIONS, row, strict=True)
    }
    assert len(told_apart) == 1
    statuses = {answer.status for each in row for answer in each.answers}
    assert statuses == {200, 201, 204, 301, 400, 401, 404, 409}
