"""Reading everything once, as each role, in a world that came from elsewhere: what fails here would fail its users.

The schemas hold each record to a form; that records fit each other, only reading them tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from mockserver import gate, handlers
from mockserver.auth import Caller
from mockserver.domain.errors import Invalid, Refusal
from mockserver.exchange import Exchange
from mockserver.portable import Portable, based
from mockserver.portions import Portions, at_once
from mockserver.reply import Reply
from mockserver.sandboxes import Sandbox, Side
from mockserver.service import Endpoint
from mockserver.store import Record, Row, at
from mockserver.work import key_of

_PARAMETER = re.compile(r"\{(\w+)\}")
_HEADER = re.compile(r"[\x20-\x7e\x80-\xff]*")
_NOTHING = Row({})
Params = Mapping[str, str]


JOBS = 10_000
"""Of the background work that is due, how many jobs are done before reading."""


def rehearse(portable: Portable, sandbox: Sandbox) -> None:
    """See that whatever a caller may read there can be read. Raises Invalid."""
    at_once(rehearsing(portable, sandbox))


def rehearsing(portable: Portable, sandbox: Sandbox) -> Portions[None]:
    """`rehearse`, in portions."""
    # A copy: background work that is due runs before anything is read, and must not have run in the world that comes.
    stage = Sandbox("rehearsal", based(sandbox, portable), sandbox.services)
    for api, side in stage.sides.items():
        for _ in range(JOBS):
            try:
                ran = side.world.run(side.world._is_due, limit=1)
            except Exception as failure:
                raise _unfit(f"apis.{api}.rows.Job", "background work that is due", failure) from None
            if not ran:
                break
            yield
        callers = _callers(stage, side)
        for endpoint in side.service.endpoints.values():
            if endpoint.operation.method == "GET":
                yield from _Reading(stage, side, endpoint).run(callers)


def _callers(stage: Sandbox, side: Side) -> list[Caller]:
    """One of each kind: who has the role, the account and the grants of another sees what that one sees."""
    cast = stage.base.callers[side.service.api.name].values()
    return list({(each.role, each.account, each.rights, side.cast.grants(each)): each for each in cast}.values())


class _Reading:
    """The reading of all that one operation shows."""

    def __init__(self, stage: Sandbox, side: Side, endpoint: Endpoint) -> None:
        self._stage, self._side, self._endpoint = stage, side, endpoint
        self._operation = endpoint.operation
        self._steps = [step for part in gate.steps(side.service, endpoint) for step in part]
        self._handler = handlers.find(side.service, endpoint.id)
        self._declared = {each["name"]: each.get("schema", {}) for each in endpoint._declared}
        self._place = f"apis.{side.service.api.name}.rows.{self._operation.entity}"

    def run(self, callers: Sequence[Caller]) -> Portions[None]:
        files = ["*/*"] if self._operation.does == "download" else self._endpoint.offers[1:]
        for params in self._params():
            for caller in callers:
                self._try(params, caller, None)
                yield
            # A file is drawn once, by the first who may have it: that takes far longer than anything else.
            for accept in files:
                for caller in callers:
                    has_it = self._try(params, caller, accept)
                    yield
                    if has_it:
                        break

    def _try(self, params: Params, caller: Caller, accept: str | None) -> bool:
        """Whether the caller may read it. Raises Invalid if it cannot be read."""
        try:
            reply = self._answer(params, caller, accept)
            for said in (reply.media or "", *reply.headers.values()):
                if _HEADER.fullmatch(said) is None:
                    raise ValueError(f"{said[:80]!r} is no header")
            if reply.status == 301 and "content" not in self._file(params):
                raise ValueError("its File has no content")
        except Refusal:
            return False
        except Exception as failure:
            raise _unfit(self._place, " ".join([self._operation.id, *params.values()]), failure) from None
        return True

    def _answer(self, params: Params, caller: Caller, accept: str | None) -> Reply:
        headers = {b"authorization": f"Bearer {caller.token}".encode()}
        headers |= {b"accept": accept.encode()} if accept is not None else {}
        scope = {
            "method": "GET",
            "scheme": "http",
            "path": self._side.service.api.conventions.base + self._operation.path,
            "query_string": b"",
            "headers": list(headers.items()),
            "server": None,
        }
        x = Exchange(scope, headers, self._side.service, self._endpoint, params, self._stage, self._side, b"")
        for step in self._steps:
            step(x)
        x.work.query = x.said
        return self._handler(x)

    def _file(self, params: Params) -> Record:
        return self._side.world.layer.get("File", params[str(self._operation.key)]) or {}

    def _params(self) -> Iterator[Params]:
        """What to ask for: whatever there is of what the path names."""
        operation, layer = self._operation, self._side.world.layer
        names = _PARAMETER.findall(operation.path)
        stored = operation.key in names and not self._side.service.is_derived(operation)
        entity, key = (operation.entity, operation.key) if stored else (operation.below, operation.parent)
        if key not in names:
            key = next((name for name in names if not self._possible(name, {})), None)
            rows = [row for entity in layer.entities() for row in layer.all(entity)] if key is not None else [_NOTHING]
        else:
            rows = list(layer.all(str(entity)))
        for row in rows:
            values = {key: str(row.record["id"])} if key is not None else {}
            if stored and operation.below is not None:
                above = at(row.record, f"{key_of(operation.below)}.id")
                if above is None:
                    continue
                values[str(operation.parent)] = str(above)
            left = {name: self._possible(name, row.record) for name in names if name not in values}
            for chosen in product(*left.values()):
                yield values | dict(zip(left, chosen, strict=True))

    def _possible(self, name: str, record: Record) -> Sequence[str]:
        """What else a path may name: the scope of the record, or any; one of the words that the spec lists."""
        scope = self._side.service.api.scope
        if isinstance(record.get(name), str):
            return [record[name]]
        if scope is not None and scope.parameter == name:
            return [row.record["id"] for row in self._side.world.layer.all(scope.entity)] if not record else []
        words: Sequence[str] = self._declared.get(name, {}).get("enum", ())
        return words


def _unfit(place: str, what: str, failure: Exception) -> Invalid:
    said = f"{type(failure).__name__}: {failure}".splitlines()[0][:200]
    return Invalid(f"nothing was loaded; {place}: {what[:200]} could not be read ({said}).", {place: [said]})
