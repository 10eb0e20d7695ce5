"""Calls to a deployment from tests of one's own: guarded, and each answer held to the spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.guard import Unsafe
from contracts.mistakes import near
from contracts.probe import UNSET, Blocked, Probe
from contracts.sending import Stopped
from contracts.target import Unreachable
from contracts.wire import Caller, Exchange

if TYPE_CHECKING:
    from contracts.journal import Thing
    from contracts.run import Running

REFUSED = (Blocked, Unsafe, Stopped, Unreachable)
"""Why there may be no answer to look at."""


@dataclass(frozen=True)
class Calls:
    """One API, as a test calls it.

    probe: what the checks themselves work with, for whatever is not here
    check: whose calls these are, in the wire log
    """

    probe: Probe
    check: str

    @classmethod
    def of(cls, made: Running, api: str, *, check: str) -> Calls:
        """Calls to one of the APIs of a run."""
        if api not in made.probes:
            raise AssertionError(f"no API {api!r} in this run; {near(api, made.probes)}")
        return cls(made.probes[api], check)

    def call(
        self,
        operation: str,
        caller: str,
        params: Mapping[str, str] | None = None,
        *,
        query: str = "",
        body: Any = UNSET,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Call an operation as somebody, by name: a caller, a role, `nobody` (no token) or `garbage` (a wrong one).

        params: values of the path; query: as it stands behind the question mark; body: sent as JSON
        Raises AssertionError where the answer breaks the spec, where the server fails, and for a call that the mode
        does not allow, which is not sent.
        """
        __tracebackhide__ = True
        p = self.probe
        if operation not in p.api.operations:
            raise AssertionError(f"no operation {operation!r} in {p.api.name}; {near(operation, p.api.operations)}")
        p.check = self.check
        try:
            exchange = p.call(
                operation, self.who(caller), params, query=query, body=body, content=content, headers=headers
            )
        except REFUSED as reason:
            raise AssertionError(str(reason)) from None
        broken = [f"{each.code} {each.subject}: {each.came}" for each in p.oracle.judge(exchange)]
        if broken:
            raise AssertionError(f"{operation} as {caller} breaks the spec: {'; '.join(broken)}")
        return exchange

    def who(self, name: str) -> Caller:
        """A caller by name or role."""
        __tracebackhide__ = True
        strangers = (self.probe.nobody, self.probe.garbage)
        people = [each for each in self.probe.settings.callers if each.api == self.probe.api.name]
        for each in (*people, *strangers):
            if each.name == name:
                return each
        for each in people:
            if each.role == name and each.kind == "known":
                return each
        raise AssertionError(f"no caller {name!r}; {near(name, [each.name for each in (*people, *strangers)])}")

    def ghosts(self, operation: str) -> dict[str, str]:
        """Values for a path that lead to nothing, seen to be unknown: a write on them is allowed in every mode."""
        __tracebackhide__ = True
        try:
            return self.probe.ghosts(operation)
        except REFUSED as reason:
            raise AssertionError(str(reason)) from None

    def make(self, entity: str, state: str | None = None) -> Thing:
        """An object of the test's own, in a state; taken away when the session ends. Needs a mode that writes."""
        __tracebackhide__ = True
        self.probe.check = self.check
        try:
            return self.probe.stage.make(entity, state)
        except REFUSED as reason:
            raise AssertionError(str(reason)) from None
