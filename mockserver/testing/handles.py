"""What a test holds: a server and a sandbox of it, and in that its clock, faults, journal and waiting jobs.

All of it is asked for over HTTP, so that a server elsewhere does as well as one in this process. What comes back is
the JSON of the server's own API as it is; `/__mock__/openapi.json` describes it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mockserver.testing.calls import Calls, MockError, segment

if TYPE_CHECKING:
    import httpx

Json = Any  # what JSON holds
# What fails is shown where the test asked for it.
__tracebackhide__ = True
SPANS = frozenset({"weeks", "days", "hours", "minutes", "seconds", "milliseconds"})
LAST = 10
"""Entries of the journal that a failure shows."""


class Server:
    """A server that serves by itself.

    url: without a slash at its end; admin: the token that its own API asks for, if any
    """

    def __init__(self, url: str, *, admin: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.calls = Calls(self.url, admin=admin)

    def create(self, label: str, *, scenario: str | None = None, processing: str | None = None) -> Sandbox:
        """A new sandbox; its name is the label, as far as a name can hold it, and digits that make it the only one.

        scenario: another one than the server's; processing: immediate, after:SECONDS, reads:N or manual
        """
        name = _name(label)
        self.calls.post("/sandboxes", {"name": name} | ({} if scenario is None else {"scenario": scenario}))
        made = Sandbox(self, name, processing=processing)
        made.prepare()
        return made

    @contextmanager
    def sandbox(self, label: str, *, scenario: str | None = None, processing: str | None = None) -> Iterator[Sandbox]:
        """A new sandbox, as `create` makes it, dropped at the end: for a module or a session."""
        made = self.create(label, scenario=scenario, processing=processing)
        try:
            yield made
        finally:
            made.drop()


class Sandbox:
    """A world of a test's own.

    name: its name; url: what goes before the paths of the APIs, so that a call ends here
    """

    def __init__(self, server: Server, name: str, *, processing: str | None = None) -> None:
        self.server, self.name = server, name
        self.url = f"{server.url}/@{name}"
        self.calls = Calls(server.url, f"/@{name}", server.calls.admin)
        self.clock = Clock(self.calls)
        self.faults = Faults(self.calls)
        self.journal = Journal(self.calls)
        self.jobs = Jobs(self.calls)
        self._processing = processing
        self._tokens: dict[str, str] = {}
        self._clients: list[httpx.Client] = []

    def __repr__(self) -> str:
        return f"<Sandbox {self.url}>"

    def prepare(self) -> None:
        """Have the journal keep bodies, so that they can be verified, and work done as this sandbox was asked to."""
        self.journal.keep_bodies()
        if self._processing is not None:
            self.calls.put("/processing", {"processing": self._processing})

    def token(self, caller: str) -> str:
        """The token of a caller by name; it leads here even where no URL names the sandbox. LookupError names all."""
        if caller not in self._tokens:
            self._tokens = {each["name"]: each["token"] for each in self.callers()}
        if caller not in self._tokens:
            raise LookupError(f"no caller {caller!r} in {self.name}; there are: {', '.join(self._tokens)}")
        return self._tokens[caller]

    def callers(self) -> list[Json]:
        """Who may call: names, APIs, roles, accounts, tokens."""
        return list(self.calls.get("/callers")["callers"])

    def client(self, caller: str, path: str = "") -> httpx.Client:
        """A client that calls as one of the callers, closed at the end of the test.

        path: what its paths are relative to: `client("vendor", "/public/v1/billing").get("/journals")`
        """
        try:
            import httpx
        except ImportError:
            raise RuntimeError(
                "client() needs httpx: pip install httpx; or give another client `.url` and `.token(...)`."
            ) from None
        # A proxy out of the environment has no business between a test and its server.
        made = httpx.Client(
            base_url=self.url + path,
            headers={"Authorization": f"Bearer {self.token(caller)}"},
            timeout=30,
            trust_env=False,
        )
        self._clients.append(made)
        return made

    def reset(self) -> None:
        """Return to the seed; nothing that was done here is left."""
        self.calls.post("/reset")
        self.prepare()

    def scenario(self, name: str) -> None:
        """Go on with the seed of another scenario, which has callers of its own."""
        self.calls.post("/reset", {"scenario": name})
        self._tokens = {}
        self.prepare()

    def snapshot(self, name: str) -> None:
        """Keep how everything is now under a name."""
        self.calls.post("/snapshots", {"name": name})

    def restore(self, name: str) -> None:
        """Return to how everything was at that snapshot; it can be done again."""
        self.calls.post(f"/snapshots/{segment(name)}/restore")

    def state(self, *place: str, **page: int) -> Json:
        """What is there: `state()` counts, `state("billing", "Journal")` lists, and a third word is an id."""
        return self.calls.get("/state" + "".join(f"/{segment(each)}" for each in place), **page)

    def export(self) -> Json:
        """All of it as one document, which another machine can load."""
        return self.calls.get("/export")

    def load(self, document: Json) -> None:
        """Become what a document of `export` holds."""
        self.calls.post("/import", document)
        self._tokens = {}

    def drop(self) -> None:
        """Forget it, and close the clients that it gave."""
        self.close()
        with suppress(MockError):
            self.server.calls.delete(f"/sandboxes/{segment(self.name)}")

    def close(self) -> None:
        """Close the clients that it gave."""
        while self._clients:
            self._clients.pop().close()


class Clock:
    """The clock of a sandbox."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @property
    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        return datetime.fromisoformat(self._calls.get("/clock")["now"])

    @property
    def runs(self) -> bool:
        """Whether it goes along with real time."""
        return bool(self._calls.get("/clock")["running"])

    def advance(self, *, to: datetime | str | None = None, **span: float) -> datetime:
        """Move on, to an instant or by a span (`days=40, hours=2`); jobs that fall due run, each at its time."""
        if (to is None) == (not span):
            raise TypeError("advance() takes either to=... or a span, e.g. days=40")
        if not span.keys() <= SPANS:
            wrong = ", ".join(sorted(span.keys() - SPANS))
            raise TypeError(f"advance() knows no {wrong}; a span has {', '.join(sorted(SPANS))}.")
        body = {"to": _instant(to)} if to is not None else {"seconds": timedelta(**span).total_seconds()}
        return datetime.fromisoformat(self._calls.post("/clock/advance", body)["now"])

    def freeze(self, at: datetime | str | None = None) -> None:
        """Stand still, here or at a later instant."""
        self._calls.put("/clock", {"running": False} | ({} if at is None else {"now": _instant(at)}))

    def run(self) -> None:
        """Go along with real time."""
        self._calls.put("/clock", {"running": True})


class Faults:
    """The faults of a sandbox: what goes wrong on purpose."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def add(self, kind: str, **rule: Json) -> str:
        """A rule, as POST /faults takes it (`from_` stands for its `from`); its id.

        add("status", status=503, operation="createJournal", count=2)
        """
        made = self._calls.post("/faults", {"kind": kind} | {name.rstrip("_"): rule[name] for name in rule})
        return str(made["id"])

    def list(self) -> list[Json]:
        """The rules, each with how often it struck."""
        return [*self._calls.get("/faults")["faults"]]

    def remove(self, id: str) -> None:
        """Take one rule away."""
        self._calls.delete(f"/faults/{segment(id)}")

    def clear(self) -> None:
        """Take them all away."""
        self._calls.delete("/faults")


class Journal:
    """The requests that a sandbox was sent."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def keep_bodies(self, kept: bool = True) -> None:
        """Keep bodies from now on, or keep none."""
        self._calls.put("/journal", {"bodies": kept})

    def entries(self, **filters: Json) -> Sequence[Json]:
        """What was sent, in its order, as GET /journal filters it: entries(status="4xx", caller="vendor", limit=5)."""
        return list(self._calls.get("/journal", **filters)["requests"])

    def entry(self, number: int) -> Json:
        """One request, with the decision that was taken on it."""
        return self._calls.get(f"/journal/{number}")

    def why(self, number: int) -> str:
        """Why a request was answered as it was, in a few sentences."""
        return str(self.entry(number)["decision"]["words"])

    def clear(self) -> None:
        """Forget what was sent so far."""
        self._calls.delete("/journal")

    def verify(self, **wanted: Json) -> Json:
        """What POST /journal/verify says: whether it was sent so often, and what nearly was.

        times, atLeast, atMost: how often; anything else is what it must match: operation, caller, body, status, ...
        """
        often = {name: wanted.pop(name) for name in ("times", "atLeast", "atMost") if name in wanted}
        return self._calls.post("/journal/verify", {"match": wanted, **often})

    def assert_called(self, **wanted: Json) -> None:
        """See that such a request was sent, at least once unless `times`, `atLeast` or `atMost` say otherwise.

        assert_called(operation="createJournal", body={"name": "June"}, times=1)
        AssertionError names the requests that come nearest, and what differs.
        """
        found = self.verify(**wanted)
        if not found["verified"]:
            raise AssertionError(_missing(wanted, found))

    def assert_not_called(self, **wanted: Json) -> None:
        """See that no such request was sent."""
        self.assert_called(**wanted, times=0)


class Jobs:
    """The background work of a sandbox."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def waiting(self) -> Sequence[Json]:
        """The jobs that wait, the oldest first."""
        return list(self._calls.get("/jobs")["jobs"])

    def release(self, subject: str | None = None) -> int:
        """Do the work that waits, on one object alone if it is named; how many jobs ran."""
        return int(self._calls.post("/jobs/release", subject=subject)["ran"])


def told(sandbox: Sandbox) -> str:
    """What was sent last, a line each, for the report of a failure."""
    found = sandbox.calls.get("/journal", limit=LAST)
    before = found["total"] - len(found["requests"])
    more = [f"({before} before these)"] if before else []
    return "\n".join([*more, *map(_line, found["requests"])]) or "no request came."


def _line(entry: Mapping[str, Json]) -> str:
    path = entry["path"] + (f"?{entry['query']}" if entry["query"] else "")
    said = [f"fault: {entry['fault']}"] if entry["fault"] else []
    said += [entry["said"]] if entry["said"] else []
    return "  ".join(
        [f"{entry['number']:>4}", str(entry["status"]), entry["caller"] or "-", entry["method"], path, *said]
    )


def _missing(wanted: Mapping[str, Json], found: Mapping[str, Json]) -> str:
    such = ", ".join(f"{name}={value!r}" for name, value in wanted.items()) or "any request"
    lines = [f"{such}: expected {found['expected']}, got {found['count']}"]
    lines += [f"  near: {_near(each)}" for each in found["nearest"]]
    lines += [f"  there: number {', '.join(map(str, found['numbers']))}"] if found["numbers"] else []
    return "\n".join(lines)


def _near(near: Mapping[str, Json]) -> str:
    differs = [
        f"{each['what']} is {'missing' if each['missing'] else repr(each['found'])}, not {each['expected']!r}"
        for each in near["differs"]
    ]
    differs += [f"and {near['more']} more"] if near["more"] else []
    return f"{near['number']} {near['method']} {near['path']} {near['status']}: {'; '.join(differs)}"


def _name(label: str) -> str:
    """A name for a sandbox that nobody has: a test that runs twice at once must not meet itself."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-._")[:50].rstrip("-._")
    return f"{kept or 'test'}-{secrets.token_hex(5)}"


def _instant(value: datetime | str) -> str:
    if isinstance(value, str):
        return value
    if value.tzinfo is None:
        raise TypeError(f"{value} has no zone; give it one, e.g. tzinfo=UTC")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
