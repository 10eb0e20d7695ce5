"""Which calls of a sandbox a fault rule can strike: it must not be there for nothing with nobody knowing why."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

from mockserver import wire
from mockserver.auth import Caller
from mockserver.fault_kinds import KINDS, Said
from mockserver.faults import Rule, pattern
from mockserver.sandboxes import Sandbox
from mockserver.scenario import nearest
from specs.tables import Operation

ADVANCE = "POST /__mock__/clock/advance moves it on"


def unreachable(sandbox: Sandbox, said: Said) -> Iterator[tuple[str, str]]:
    """Why a rule could not strike any call, ever: (place, message)."""
    api = said.get("api")
    if api is not None and api not in sandbox.services:
        yield "api", f"{api!r} is not served; {nearest(api, sandbox.services)}"
        return
    apis = list(sandbox.services) if api is None else [api]
    left = _named(sandbox, apis, said.get("operation"))
    if not left:
        yield _unmatched("operation", said["operation"], apis, [each.id for _, each in _named(sandbox, apis, None)])
    for place, methods in _methods(said):
        chosen = [(name, each) for name, each in left if each.method in methods]
        if left and not chosen:
            yield place, _unfit(place, said[place], [each for _, each in left], methods)
            return
        left = chosen
    apis = [name for name in apis if any(name == of for of, _ in left)] or apis
    if "caller" in said and not _callers(sandbox, apis, said["caller"]):
        yield _unmatched("caller", said["caller"], apis, [each.name for each in _callers(sandbox, apis, None)])


def doubts(sandbox: Sandbox, rule: Rule, earlier: Iterable[Rule]) -> Iterator[str]:
    """What keeps a rule from striking, or a window of its calls from ending, unless something is done about it."""
    clock, said = sandbox.clock, rule.said
    now = clock.now()
    shown = wire.instant(now)
    if rule.since is not None and now < rule.since and not clock.runs:
        yield f"The clock stands at {shown}, before `from`; {ADVANCE}."
    if rule.until is not None and rule.until <= now:
        yield f"The clock shows {shown}, not before `until`; POST /__mock__/reset returns it to its start."
    if rule.limit is not None and not clock.runs:
        yield f"The clock stands at {shown}, so that no window of calls ends by itself; {ADVANCE}."
    callers = _callers(sandbox, sandbox.services, said["caller"]) if "caller" in said else []
    if callers and all(each.expires is not None and each.expires <= shown for each in callers):
        yield f"The token of {callers[0].name} has expired, so that nobody knows who calls with it."
    first = next((each for each in earlier if _is_sure(each) and _covers(sandbox, each.said, said)), None)
    if first is not None:
        yield f"{first.id} strikes each of its calls first; DELETE /__mock__/faults/{first.id} switches that off."


def _methods(said: Said) -> Iterator[tuple[str, frozenset[str]]]:
    """What a rule says of the methods of its calls: (place, methods)."""
    if "method" in said:
        yield "method", frozenset([said["method"]])
    if (methods := KINDS[said["kind"]].methods) is not None:
        yield "kind", methods


def _reached(sandbox: Sandbox, said: Said) -> set[tuple[str, str]]:
    """The operations that a rule is about: (api, id)."""
    apis = [said["api"]] if "api" in said else list(sandbox.services)
    found = _named(sandbox, apis, said.get("operation"))
    wanted = [methods for _, methods in _methods(said)]
    return {(name, each.id) for name, each in found if all(each.method in methods for methods in wanted)}


def _is_sure(rule: Rule) -> bool:
    """Whether it strikes all the calls that it matches, and leaves none to the rules after it."""
    picky = ("share", "after", "count", "from", "until", "calls")
    return not rule.kind.goes_on and all(name not in rule.said for name in picky)


def _covers(sandbox: Sandbox, first: Said, then: Said) -> bool:
    """Whether a rule matches whatever another does."""
    if not _reached(sandbox, then) <= _reached(sandbox, first):
        return False
    if "caller" not in first or "caller" not in then:
        # One for all covers those whom nobody knows, too.
        return "caller" not in first
    some, all_ = ({each.name for each in _callers(sandbox, sandbox.services, of["caller"])} for of in (then, first))
    return some <= all_


def _named(sandbox: Sandbox, apis: Iterable[str], glob: str | None) -> list[tuple[str, Operation]]:
    """(api, operation) of those whose id is such; None: of all."""
    like = pattern(glob or "*")
    services = sandbox.services
    return [(name, each.operation) for name in apis for id, each in services[name].endpoints.items() if like.match(id)]


def _callers(sandbox: Sandbox, apis: Iterable[str], glob: str | None) -> list[Caller]:
    """The callers of some APIs whose name is such; None: all."""
    like = pattern(glob or "*")
    cast = sandbox.base.callers
    return [each for name in apis for each in cast[name].values() if like.match(each.name)]


def _unmatched(place: str, glob: str, apis: Sequence[str], known: Sequence[str]) -> tuple[str, str]:
    near = difflib.get_close_matches(glob.strip("*"), known, 1, 0.6)
    mend = f"did you mean {near[0]}?" if near else f"there are, e.g., {', '.join(sorted(known)[:5])}."
    return place, f"no {place} of {', '.join(apis)} is {glob!r}; {mend}"


def _unfit(place: str, word: str, operations: Sequence[Operation], methods: frozenset[str]) -> str:
    there, wanted = ", ".join(sorted({each.method for each in operations})), ", ".join(sorted(methods))
    if place == "method":
        return f"the operations of the rule are {there}, not {wanted}; say one of these, or leave it out."
    return f"{word} strikes {wanted} alone, and the operations of the rule are {there}; name others."
