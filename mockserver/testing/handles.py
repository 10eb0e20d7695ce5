"""What a test holds: a server and a sandbox of it, and in that its clock, faults, journal and waiting jobs.

All of it is asked for over HTTP, so that a server elsewhere does as well as one in this process. What comes back is
the JSON of the server's own API as it is; `/__mock__/openapi.json` describes it.
"""

from __future__ import annotations

import re
import secrets
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mockserver.testing.calls import Calls, MockError, address, bearable, instant, nearest, segment

if TYPE_CHECKING:
    import httpx

Json = Any  # what JSON holds
# What fails is shown where the test asked for it.
__tracebackhide__ = True
# The keywords of the calls that take them as the server does, in the order in which it describes them.
SPANS = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds")
RULE = (
    *("seconds", "least", "most", "status", "body", "headers", "lost", "retryAfter"),
    *("calls", "window", "shared", "part", "bytesPerSecond"),
    *("api", "operation", "method", "caller", "share", "after", "count", "from_", "until", "stays"),
)
MATCH = ("operation", "api", "caller", "role", "method", "path", "query", "status", "body")
OFTEN = ("times", "atLeast", "atMost")
FILTERS = ("operation", "api", "caller", "role", "status", "method", "path", "since", "limit")
PAGE = ("offset", "limit")
LAST = 10
"""Entries of the journal that a failure shows."""


class Server:
    """A server that serves by itself.

    url: its address, http://HOST:PORT; admin: the token that its own API asks for, if any
    scenario, processing: of each sandbox that is not told another; None: as the server has them. Raises ValueError.
    """

    def __init__(
        self, url: str, *, admin: str | None = None, scenario: str | None = None, processing: str | None = None
    ) -> None:
        self.url = address(url)
        self._scenario, self._processing = scenario, processing
        self.calls = Calls(self.url, admin=None if admin is None else bearable(admin))

    def __repr__(self) -> str:
        return f"<Server {self.url}>"

    def create(self, label: str, *, scenario: str | None = None, processing: str | None = None) -> Sandbox:
        """A new sandbox; its name is the label, as far as a name can hold it, and digits that make it the only one.

        scenario: another one than the server's; processing: immediate, after:SECONDS, reads:N or manual
        """
        name = _name(label)
        scenario, processing = scenario or self._scenario, processing or self._processing
        self.calls.post("/sandboxes", {"name": name} | ({} if scenario is None else {"scenario": scenario}))
        made = Sandbox(self, name, processing=processing)
        try:
            made.prepare()
        except BaseException:
            made.drop()
            raise
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

    name: its name. Once it is dropped every call of it raises MockError: the server would make another by that name.
    """

    def __init__(self, server: Server, name: str, *, processing: str | None = None) -> None:
        self.server, self.name = server, name
        self.calls = Calls(server.url, f"/@{name}", server.calls.admin)
        self.clock = Clock(self.calls)
        self.faults = Faults(self.calls)
        self.journal = Journal(self.calls)
        self.jobs = Jobs(self.calls)
        self._processing = processing
        self._tokens: dict[str, str] = {}
        self._clients: list[httpx.Client] = []

    def __repr__(self) -> str:
        return f"<Sandbox {self._url}{' (gone)' if self.calls.ended else ''}>"

    @property
    def url(self) -> str:
        """What goes before the paths of the APIs, so that a call ends here."""
        self._see()
        return self._url

    @property
    def _url(self) -> str:
        return self.calls.root + self.calls.prefix

    def _see(self) -> None:
        """See that it is there still. Raises MockError."""
        if self.calls.ended is not None:
            raise MockError(self.calls.ended)

    def prepare(self) -> None:
        """Have the journal keep bodies, so that they can be verified, and work done as this sandbox was asked to."""
        self.journal.keep_bodies()
        if self._processing is not None:
            self.calls.put("/processing", {"processing": self._processing})

    def token(self, caller: str) -> str:
        """The token of a caller by name; it leads here even where no URL names the sandbox. LookupError names all."""
        self._see()
        if caller not in self._tokens:
            self._tokens = {each["name"]: each["token"] for each in self.callers()}
        if caller not in self._tokens:
            raise LookupError(f"no caller {caller!r} in {self.name}; {nearest(str(caller), self._tokens)}")
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
        # Certificates take longer to read than a sandbox to make; who does not speak TLS needs none.
        speaks_tls = self.server.url.startswith("https:")
        # A proxy out of the environment has no business between a test and its server.
        made = httpx.Client(
            verify=True if speaks_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            base_url=f"{self.url}/{path.lstrip('/')}",
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
        """What is there: `state()` counts, `state("billing", "Journal")` lists, and a third word is an id.

        A list is `records` of a `total`, from `offset` on and `limit` at the most.
        """
        _known("state", page, PAGE)
        if len(place) not in (0, 2, 3):
            raise TypeError(f"state() takes an API and an entity, and perhaps an id, not {len(place)} words.")
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
        """Have done with it, and close the clients that it gave; on the server it stays."""
        self.calls.ended = f"sandbox {self.name} is gone: the test, or the `with` block, that it was for has ended."
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

    def advance(
        self,
        span: timedelta | None = None,
        /,
        *,
        to: datetime | date | str | None = None,
        by: str | None = None,
        **spans: float,
    ) -> datetime:
        """Move on, and return where to; jobs that fall due run, each at its time.

        advance(days=40, hours=2), or a timedelta; to: an instant; by: a span as ISO 8601 has it, "P1M"
        """
        _known("clock.advance", spans, ("to", "by", *SPANS), SPANS)
        said = [each for each in (span, to, by, spans or None) if each is not None]
        if len(said) != 1:
            raise TypeError("clock.advance() takes either a span (days=40, hours=2), or to=, or by=, and one of them.")
        body: dict[str, Json] = {"by": by}
        if to is not None:
            body = {"to": instant(to)}
        elif by is None:
            body = {"seconds": _seconds(span, spans)}
        return datetime.fromisoformat(self._calls.post("/clock/advance", body)["now"])

    def freeze(self, at: datetime | date | str | None = None) -> None:
        """Stand still, here or at a later instant."""
        self._calls.put("/clock", {"running": False} | ({} if at is None else {"now": instant(at)}))

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
        said = {name.rstrip("_"): value for name, value in rule.items()}
        _known("faults.add", ["from_" if name == "from" else name for name in said], RULE)
        made = self._calls.post("/faults", {"kind": kind, **said})
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
        _known("journal.entries", filters, FILTERS)
        return list(self._calls.get("/journal", **filters)["requests"])

    def entry(self, number: int) -> Json:
        """One request, with the decision that was taken on it."""
        return self._calls.get(f"/journal/{number}")

    def why(self, number: int | None = None) -> str:
        """Why a request, the last one if none is named, was answered as it was, in a few sentences."""
        if number is None:
            number = int(self._calls.get("/journal", limit=1)["last"])
        return str(self.entry(number)["decision"]["words"])

    def clear(self) -> None:
        """Forget what was sent so far."""
        self._calls.delete("/journal")

    def verify(self, **wanted: Json) -> Json:
        """What POST /journal/verify says: whether it was sent so often, and what nearly was.

        times, atLeast, atMost: how often; anything else is what it must match: operation, caller, body, status, ...
        """
        return self._verified("verify", wanted)

    def assert_called(self, **wanted: Json) -> None:
        """See that such a request was sent, at least once unless `times`, `atLeast` or `atMost` say otherwise.

        assert_called(operation="createJournal", body={"name": "June"}, times=1)
        AssertionError names the requests that come nearest, and what differs.
        """
        found = self._verified("assert_called", wanted)
        if not found["verified"]:
            raise AssertionError(_missing(wanted, found))
        if found["forgotten"] and {"times", "atMost"} & wanted.keys():
            raise AssertionError(
                f"{_such(wanted)}: expected {found['expected']}, and got {found['count']} among those that are kept; "
                f"{found['forgotten']} before them are forgotten: clear() the journal nearer to what is looked for."
            )

    def assert_not_called(self, **wanted: Json) -> None:
        """See that no such request was sent."""
        _known("journal.assert_not_called", wanted, MATCH)
        self.assert_called(**wanted, times=0)

    def _verified(self, call: str, wanted: Mapping[str, Json]) -> Json:
        _known(f"journal.{call}", wanted, (*MATCH, *OFTEN))
        often = {name: wanted[name] for name in OFTEN if name in wanted}
        match = {name: wanted[name] for name in MATCH if name in wanted}
        return self._calls.post("/journal/verify", {"match": match, **often})


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
    lines = [f"{_such(wanted)}: expected {found['expected']}, got {found['count']}"]
    lines += [f"  near: {_near(each)}" for each in found["nearest"]]
    lines += [f"  there: number {', '.join(map(str, found['numbers']))}"] if found["numbers"] else []
    lines += [f"  forgotten: the {found['forgotten']} before those that are kept"] if found["forgotten"] else []
    return "\n".join(lines)


def _such(wanted: Mapping[str, Json]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in wanted.items()) or "any request"


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


def _known(call: str, said: Iterable[str], there: Sequence[str], taken: Sequence[str] | None = None) -> None:
    """Refuse a keyword that a call has not, before anything is sent. Raises TypeError.

    taken: those that may be among what was said, where the others are read already
    """
    for name in said:
        if name not in (taken or there):
            raise TypeError(f"{call}() has no {name}; {nearest(name, there)}")


def _seconds(span: timedelta | None, spans: Mapping[str, float]) -> float:
    try:
        return (timedelta(**spans) if span is None else span).total_seconds()
    except (TypeError, AttributeError, OverflowError):
        said = ", ".join(f"{name}={value!r}" for name, value in spans.items()) or repr(span)
        raise TypeError(f"clock.advance(): {said} is no span; say days=40, hours=2, or a timedelta.") from None
