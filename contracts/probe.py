"""What a check works with: one API of the target, its tables, its callers, and calls that are guarded and judged."""

from __future__ import annotations

import json
import random
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from contracts import envelope
from contracts.facts import Facts
from contracts.findings import CellResult, Finding, Verdict
from contracts.guard import CREATES, Guard
from contracts.journal import Journal, Thing
from contracts.oracle import Oracle
from contracts.selecting import Selection
from contracts.sending import Sender
from contracts.settings import Settings
from contracts.wire import Caller, Exchange, Request
from specs.tables import Api, Operation

if TYPE_CHECKING:
    from contracts.stage import Stage

UNSET: Any = object()
SPARE = 6
"""calls that are kept back from the budget for each thing made, to take it away again"""
WRITES = ("create", "own", "lent")
"""what the guard calls those that change something"""
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NAMES = re.compile(r"{(\w+)}")


class Blocked(Exception):
    """A case cannot be checked; `str()` says why. No finding: what stands in its way is another check's matter."""


class Nothing(Blocked):
    """The deployment holds nothing that the case could be tried on; no reason to take the run for incomplete."""


class Probe:
    """One API of a run.

    report: takes a finding; note: takes a verdict about a cell; walk: takes what became of a (state, event)
    """

    def __init__(
        self,
        api: Api,
        settings: Settings,
        sender: Sender,
        *,
        journal: Journal,
        report: Callable[[Finding], None],
        note: Callable[[CellResult], None],
        walk: Callable[[tuple[str, str, str, str], str], None],
        seen: Callable[[Exchange], None],
    ) -> None:
        self.api, self.settings, self.sender, self.journal = api, settings, sender, journal
        self.mode = settings.mode
        self.check = ""
        """the check that is running"""
        self.callers = tuple(each for each in settings.callers if each.api == api.name and each.kind == "known")
        self.random = random.Random(f"{settings.seed}/{api.name}")
        # A run that leaves traces must not meet those of another run with the same seed.
        self.lots = self.random if settings.journal is None else random.SystemRandom()
        self.tag = f"contract-{self.lots.getrandbits(40):010x}"
        """what marks the names of objects that this run makes"""
        self.selection = Selection.of(settings.only, settings.skip)
        self.oracle, self.facts = Oracle(api), Facts(self)
        lent = {entity: tuple(ids) for entity, ids in settings.lend.get(api.name, {}).items()}
        self.guard = Guard(api, settings.mode, lent=lent)
        self._keys: dict[str, str] = {}
        self._schemas: dict[str, Mapping[str, Any]] = {}
        self._scopes: dict[str, dict[str, str]] = {}
        self.misworded = False
        """whether a refusal has broken the spec, so that its words need not be told again"""
        self.things: list[tuple[int, Thing]] = []
        """what was made, with its number in the journal, oldest first"""
        self._report, self._note, self._walk, self._seen = report, note, walk, seen
        self._late, self._due = False, deque[Exchange]()

    # Who

    def who(self, role: str) -> Caller:
        """The first caller with a role. Raises Blocked if there is none."""
        for each in self.callers:
            if each.role == role:
                return each
        raise Blocked(f"no caller with the role {role}; give one a token (--caller {role}=env:...)")

    def may(self, operation: Operation | str) -> list[Caller]:
        """The callers whose role has the right to an operation."""
        found = self.operation(operation)
        return [each for each in self.callers if found.open or each.role in found.roles]

    def other(self, caller: Caller) -> Caller:
        """Another caller of the same role, whose rows are others. Raises Blocked if there is none."""
        for each in self.callers:
            if each.role == caller.role and (each.account, each.grants) != (caller.account, caller.grants):
                return each
        raise Blocked(f"only one caller is a {caller.role}; give a second one of another account a token")

    @cached_property
    def nobody(self) -> Caller:
        """Who sends no token."""
        return Caller("nobody", self.api.name, "", None, kind="nobody")

    @cached_property
    def garbage(self) -> Caller:
        """Who sends a token that nobody issued."""
        return Caller("garbage", self.api.name, "", f"not-a-token-{self.random.getrandbits(64):x}", kind="garbage")

    @cached_property
    def expired(self) -> Caller | None:
        """A caller whose token has expired, if the settings have one."""
        found = (each for each in self.settings.callers if each.api == self.api.name and each.kind == "expired")
        return next(found, None)

    # What

    def operation(self, operation: Operation | str) -> Operation:
        return operation if isinstance(operation, Operation) else self.api.operations[operation]

    def spec(self, operation: Operation | str) -> Mapping[str, Any]:
        """What the document says of an operation, the parameters of its path among it."""
        found = self.operation(operation)
        item = self.api.document["paths"][self._below_server(found.path)]
        own = item[found.method.lower()]
        return {
            **own,
            "parameters": [self.resolved(each) for each in (*item.get("parameters", ()), *own.get("parameters", ()))],
        }

    def resolved(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a reference of the document leads to."""
        while "$ref" in value:
            found: Any = self.api.document
            for name in str(value["$ref"]).removeprefix("#/").split("/"):
                found = found[name]
            value = found
        return value

    def _below_server(self, path: str) -> str:
        return path.removeprefix(str(self.api.document["servers"][0]["url"]).rstrip("/"))

    def lists(self, entity: str, below: str | None = None) -> Operation | None:
        """The operation that lists an entity."""
        return self._does("list", entity, below)

    def reads(self, entity: str, below: str | None = None) -> Operation | None:
        """The operation that reads one by its id."""
        return self._does("read", entity, below)

    def _does(self, does: str, entity: str, below: str | None) -> Operation | None:
        return self._deeds.get((does, entity, below))

    @cached_property
    def _deeds(self) -> Mapping[tuple[str, str, str | None], Operation]:
        """What is done to which entity, below which -> the first operation that does it."""
        operations = reversed(list(self.api.operations.values()))
        return {(each.does, each.entity, each.below): each for each in operations}

    def key(self, entity: str) -> str:
        """The member that holds an entity's id."""
        if entity not in self._keys:
            self._keys[entity] = self._key(entity)
        return self._keys[entity]

    def _key(self, entity: str) -> str:
        members = self.schema_of(entity).get("properties", {})
        mine = [each for each in self.api.operations.values() if each.entity == entity]
        # What no path names is told by the member that tells others: `locator`, or `id`.
        keys = [each.key for each in (*mine, *self.api.operations.values()) if each.key is not None]
        return next((key for key in keys if key in members), "id")

    def schema_of(self, entity: str) -> Mapping[str, Any]:
        """The schema of an entity in the document, one level of `allOf` put together; empty where there is none."""
        if entity not in self._schemas:
            self._schemas[entity] = self._schema_of(entity)
        return self._schemas[entity]

    def _schema_of(self, entity: str) -> Mapping[str, Any]:
        seen = self.api.visibility.get(entity)
        schemas = self.api.document["components"]["schemas"]
        if seen is None or seen.schema not in schemas:
            return {}
        found = self.resolved(schemas[seen.schema])
        members = dict(found.get("properties", {}))
        for part in found.get("allOf", ()):
            members |= self.resolved(part).get("properties", {})
        return {**found, "properties": members}

    def scope(self, caller: Caller) -> dict[str, str]:
        """The path parameter of the API's scope, and the value that the caller asks with."""
        scope = self.api.scope
        if scope is None or scope.parameter is None:
            return {}
        if caller.name not in self._scopes:
            self._scopes[caller.name] = {scope.parameter: self._scope(scope.parameter, caller)}
        return dict(self._scopes[caller.name])

    def _scope(self, name: str, caller: Caller) -> str:
        given = self.settings.values.get(self.api.name, {}).get(name)
        plain = [each for each in caller.grants if _is_plain(each)]
        others = [each for other in self.callers for each in other.grants if _is_plain(each)]
        found = (str(given) if given and (not plain or given in plain) else None) or next(iter([*plain, *others]), None)
        if found is None:
            raise Blocked(f"no {name} is known; name one under [values.{self.api.name}] in contracts.toml")
        return found

    # Calls

    def request(
        self,
        operation: Operation | str,
        caller: Caller,
        params: Mapping[str, str] | None = None,
        *,
        query: str = "",
        body: Any = UNSET,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        """A request for an operation. body: sent as JSON; content: sent as it is."""
        found = self.operation(operation)
        filled = self._filled(found, caller, params)
        path = _NAMES.sub(lambda name: quote(filled[name[1]], safe=""), found.path)
        base = self.settings.bases.get(self.api.name)
        if base is not None:
            path = base.rstrip("/") + path.removeprefix(self.api.conventions.base)
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if body is not UNSET:
            content = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        return Request(found.method, path, query, sent, content)

    def _filled(self, operation: Operation, caller: Caller, params: Mapping[str, str] | None) -> dict[str, str]:
        """Values of everything that the path has; what is not given is filled from the scope and the spec."""
        names = _NAMES.findall(operation.path)
        filled = {**self._scope_of(operation, caller), **(params or {})}
        missing = [name for name in names if name not in filled]
        if missing:
            said = {each["name"]: each for each in self.spec(operation)["parameters"] if each["in"] == "path"}
            for name in missing:
                schema = self.resolved(said[name].get("schema", {}))
                if "enum" not in schema:
                    raise ValueError(f"{operation.id}: no value for {name}")
                filled[name] = str(schema["enum"][0])
        return filled

    def _scope_of(self, operation: Operation, caller: Caller) -> dict[str, str]:
        scope = self.api.scope
        in_path = scope is not None and scope.parameter is not None and f"{{{scope.parameter}}}" in operation.path
        return self.scope(caller) if in_path else {}

    def call(
        self,
        operation: Operation | str,
        caller: Caller,
        params: Mapping[str, str] | None = None,
        *,
        query: str = "",
        body: Any = UNSET,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Call an operation. The answer is judged against the spec on its way back.

        Raises Blocked where the server fails (5xx), guard.Unsafe for what the mode does not allow.
        """
        request = self.request(operation, caller, params, query=query, body=body, content=content, headers=headers)
        return self.send(operation, caller, request, params)

    def send(
        self,
        operation: Operation | str,
        caller: Caller,
        request: Request,
        params: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Send a request that was made before, as `call` does; params: the values that its path was made with."""
        found = self.operation(operation)
        filled = self._filled(found, caller, params)
        safety = self.guard.reason(found, filled, request)
        if safety in WRITES:
            self.guard.allow(found, self.stage.touches(found, _body(request), filled))
            # Should judging fail, no write may be under way whose answer nobody would read.
            self.judge_due()
        creates = found.does in CREATES and safety in WRITES
        number = self._intend(found, caller, filled) if creates else 0
        exchange = self.sender.send(
            request,
            caller,
            api=self.api.name,
            operation=found.id,
            check=self.check,
            safety=safety,
            meanwhile=self.judge_due,
        )
        if safety in WRITES:
            self.facts.forget()
        if creates:
            self._keep(number, found, exchange, filled)
        self._came(exchange)
        return exchange

    def at_once(
        self, operation: Operation | str, calls: Sequence[tuple[Caller, Request]], params: Mapping[str, str]
    ) -> list[Exchange]:
        """Calls of one operation on one object of the run's own, all under way at the same time."""
        found = self.operation(operation)
        for caller, request in calls:
            filled = self._filled(found, caller, params)
            safety = self.guard.reason(found, filled, request)
            self.guard.allow(found, self.stage.touches(found, _body(request), filled) if safety in WRITES else {})
        creates = found.does in CREATES and safety in WRITES
        numbers = [self._intend(found, caller, filled) for caller, _ in calls] if creates else []
        self.judge_due()
        exchanges = self.sender.at_once(
            [(request, caller) for caller, request in calls],
            api=self.api.name,
            operation=found.id,
            check=self.check,
            safety=safety,
        )
        self.facts.forget()
        for number, exchange in zip(numbers, exchanges, strict=False):
            self._keep(number, found, exchange, filled)
        for exchange in exchanges:
            self._came(exchange)
        return exchanges

    def raw(self, caller: Caller, request: Request, params: Mapping[str, str]) -> Exchange:
        """Send what is no operation (another method, another path); only on a ghost, or as a reading."""
        safety = self.guard.reason(None, params, request)
        exchange = self.sender.send(
            request,
            caller,
            api=self.api.name,
            operation="",
            check=self.check,
            safety=safety,
            meanwhile=self.judge_due,
        )
        self._seen(exchange)
        return exchange

    @contextmanager
    def judging_late(self) -> Iterator[None]:
        """Within it, an answer is judged while the next one is under way; what is due at its end, then."""
        self._late = True
        try:
            yield
        finally:
            self._late = False
            self.judge_due()

    def judge_due(self) -> None:
        """Judge what came and was not judged yet."""
        while self._due:
            self._judge(self._due.popleft())

    def _came(self, exchange: Exchange) -> None:
        self._seen(exchange)
        self._due.append(exchange)
        if exchange.status >= 500 or not self._late:
            self.judge_due()
        if exchange.status >= 500:
            raise Blocked(f"{exchange.operation} failed with {exchange.status}")

    def _judge(self, exchange: Exchange) -> None:
        breaches = list(self.oracle.judge(exchange))
        self.misworded = self.misworded or (bool(breaches) and exchange.status >= 400)
        for finding in () if breaches else envelope.findings(self, exchange):
            self._report(finding)
        for finding in self._unveiled(exchange):
            self._report(finding)
        for breach in breaches:
            self._report(
                self.finding(
                    breach.code,
                    exchange,
                    operation=breach.operation,
                    subject=breach.subject,
                    expected="an answer as the spec has it" if breach.code != "S305" else "no failure of the server",
                    came=breach.came,
                    source="spec",
                    place=f"{self.api.home}/openapi.yaml",
                    check="conformance.answers",
                )
            )

    def _unveiled(self, exchange: Exchange) -> Iterator[Finding]:
        """What the answer to a write shows a caller whose role may not see it; readings have checks of their own."""
        operation = self.api.operations.get(exchange.operation)
        seen = self.api.visibility.get(operation.entity) if operation is not None else None
        if seen is None or exchange.request.method == "GET" or exchange.status >= 300:
            return
        for path in sorted(seen.hidden(exchange.caller.role)) if exchange.caller.role else ():
            value = member(exchange.json, path)
            if value is not None:
                yield self.finding(
                    "R204",
                    exchange,
                    subject=f"{exchange.caller.role} {path}",
                    expected=f"no {path} for a {exchange.caller.role}",
                    came=f"{path}: {value!r}"[:200],
                    source=seen.source,
                    place="visibility",
                    check="visibility.hidden",
                )

    def expect(self, exchange: Exchange, *statuses: int) -> Exchange:
        """The exchange, if it has one of these statuses (any below 300 if none is named). Raises Blocked else."""
        if exchange.status in statuses or (not statuses and exchange.status < 300):
            return exchange
        wanted = " or ".join(map(str, statuses)) or "success"
        raise self.stage.refused(
            exchange,
            f"{exchange.operation} as {exchange.caller.name}: expected {wanted}, got {exchange.status} "
            f"({exchange.answer.said[:120]})",
        )

    # Objects

    def _intend(self, operation: Operation, caller: Caller, params: Mapping[str, str]) -> int:
        return self.journal.intent(
            api=self.api.name,
            operation=operation.id,
            entity=operation.entity,
            caller=caller.name,
            params=dict(params),
            tag=self.tag,
        )

    def _keep(self, number: int, operation: Operation, exchange: Exchange, params: Mapping[str, str]) -> None:
        if exchange.status >= 300:
            self.journal.gone(number, why=f"refused with {exchange.status}")
            return
        made = self.stage.created(operation, exchange)
        # Of what a list shows, an answer without the id is a fault: the intent stays, and `clean` looks for its mark.
        if not made and not any(self._does("list", operation.entity, each) for each in (None, operation.below)):
            self.journal.gone(number, why="no list shows such things, so nothing takes it away")
        for id in made:
            entity = self.stage.makes(operation)
            key = operation.key or self.key(entity)
            thing = Thing(entity, id, exchange.caller, {**params, key: id})
            self.things.append((number, thing))
            self.sender.spare += SPARE
            self.adopt(entity, id)
            self.journal.made(number, api=self.api.name, entity=entity, id=id, params=dict(thing.params))

    def adopt(self, entity: str, *ids: str) -> None:
        """Take objects as the run's own: made by it, or by the server out of what it made."""
        self.guard.made.setdefault(entity, set()).update(ids)

    def ghosts(self, operation: Operation | str) -> dict[str, str]:
        """Values for a path that lead to nothing: an id of the right form that cannot be, for each id in it.

        The first is asked for once, and seen to be answered as unknown. Raises Blocked if it is not.
        """
        found = self.operation(operation)
        scope = None if self.api.scope is None else self.api.scope.parameter
        said = {each["name"]: each for each in self.spec(found)["parameters"] if each["in"] == "path"}
        names = [each for each in _NAMES.findall(found.path) if each != scope]
        names = [each for each in names if "enum" not in self.resolved(said[each].get("schema", {}))]
        entities = ([found.below] if found.below is not None else []) + [found.entity]
        made: dict[str, str] = {}
        for name, entity in zip_longest(names, entities[: len(names)], fillvalue=found.entity):
            made[name] = self.facts.shape(entity) if made else self.facts.ghost(entity)
        return made

    def mint(self, entity: str) -> str:
        """A new id, for an object that a caller names itself; asked for once and not found. Raises Blocked if it is."""
        known = self.api.conventions.ids[entity]
        if known.form == "ulid":
            id = self.lots.choice("01234567") + "".join(self.lots.choices(_CROCKFORD, k=25))
        elif known.form == "groups":
            id = known.shape("".join(self.lots.choices("0123456789", k=sum(known.groups))))
        else:
            raise Blocked(f"{entity}: ids of the form {known.form} are given by the server alone")
        operation = self.reads(entity)
        if operation is not None and operation.key is not None:
            caller = next(iter(self.may(operation)), None)
            if caller is None:
                raise Blocked(f"no caller may {operation.id}, so no id can be seen to be free")
            self.expect(self.call(operation, caller, {operation.key: id}), self.status("find", entity))
        self.guard.minted.add(id)
        return id

    @cached_property
    def stage(self) -> Stage:
        """What makes valid requests and objects in given states."""
        from contracts.stage import stage

        return stage(self)

    def settled(self, thing: Thing, *states: str) -> str:
        """The state of an object once background work is done: one of `states`, or whatever it stays in.

        Raises Blocked where it cannot be read.
        """
        machine = self.api.machines[thing.entity]
        clock = self.settings.clock
        deadline, pause = clock.now() + self.settings.patience, 0.05
        while True:
            record = self.stage.look(thing)
            state = member(record, machine.field)
            if not isinstance(state, str):
                raise Blocked(f"{thing.entity} {thing.id} has no {machine.field}")
            moving = any(row.system and state in row.starts for row in machine.rows) and not machine.events_from(state)
            if state in states or (not states and not moving) or clock.now() > deadline:
                return state
            if states and not moving:
                return state
            clock.sleep(pause)
            pause = min(pause * 2, 2.0)

    # What is said

    def status(self, check: str, entity: str | None = None) -> int:
        """The status that answers a failed check (access.yaml, `refusals`)."""
        return self.api.status(check, entity)

    def source(self, check: str) -> str:
        """The source mark of that status."""
        return next((str(row["source"]) for row in self.api.refusals if row["check"] == check), "M")

    def finding(
        self,
        code: str,
        exchange: Exchange | None = None,
        *,
        expected: str,
        came: str = "",
        source: str,
        place: str = "",
        operation: str = "",
        subject: str = "",
        cell: str = "",
        steps: Iterable[Exchange] = (),
        check: str = "",
    ) -> Finding:
        """A finding about an exchange; `came` is its status and first words unless said otherwise.

        steps: the calls before it that are needed to see it, oldest first
        place: file of the table or spec, `access`, `machines`, `visibility` and `conventions` for those of the API
        """
        before = [each for each in steps if each is not exchange]
        shown = (*before, exchange) if exchange is not None else tuple(before)
        return Finding(
            code=code,
            api=self.api.name,
            operation=operation or (exchange.operation if exchange is not None else ""),
            subject=subject,
            expected=expected,
            came=came or (f"{exchange.status} {exchange.answer.said}".strip() if exchange is not None else ""),
            source=source,
            place=f"{self.api.home}/{place or 'access'}.yaml" if "/" not in place else place,
            check=check or self.check,
            caller=exchange.caller.name if exchange is not None else "",
            role=exchange.caller.role if exchange is not None else "",
            cell=cell,
            steps=shown,
        )

    def verdict(self, capability: str, caller: str, role: str, verdict: Verdict, **said: str) -> None:
        """Say what was found out about a cell. said: expected, came, source, reason"""
        self._note(CellResult(self.api.name, capability, caller, role, verdict, **{"expected": "", **said}))

    def walked(self, entity: str, state: str, event: str, outcome: str) -> None:
        """Say what became of an event in a state: `arrived`, `refused`, or why it was not tried."""
        self._walk((self.api.name, entity, state, event), outcome)


def member(record: Any, path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    for name in path.split("."):
        # A dict is asked for first: of Mapping at large every question takes several times as long.
        if not isinstance(record, dict) and not isinstance(record, Mapping):
            return None
        record = record.get(name)
    return record


def _body(request: Request) -> Any:
    """The JSON that a request carries, None where it is none."""
    if not request.content or "json" not in request.headers.get("content-type", ""):
        return None
    try:
        return json.loads(request.content)
    except ValueError:
        return None


def _is_plain(grant: str) -> bool:
    """Whether a grant names one value, not a kind or any."""
    return ":" not in grant and grant not in ("any", "all", "*") and not grant.startswith("-")
