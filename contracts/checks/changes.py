"""Creating, updating and deleting: what was asked for is there, nothing else changed, and every reading tells it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from contracts import values
from contracts.comparing import difference, differences
from contracts.findings import Finding
from contracts.journal import Thing
from contracts.probe import Nothing, Probe, member
from contracts.registry import check
from contracts.routes import born
from contracts.settings import Mode
from contracts.stage import Case, replaced
from contracts.values import is_kept, masked, same
from contracts.wire import Caller, Exchange
from specs.tables import Api, Operation


def doing(*verbs: str) -> Any:
    """The operations that do one of these, as cases."""

    def cases(api: Api) -> Sequence[str]:
        return [id for id, operation in api.operations.items() if operation.does in verbs]

    return cases


@check(
    "changes.created",
    proves="what was created is as it was asked for, in its first state, and the next reading and list show it",
    codes=("W408", "W413"),
    mode=Mode.OWN,
    cases=doing("create", "sync"),
)
def created(p: Probe, case: str) -> Iterator[Finding]:
    stage, operation = p.stage, p.operation(case)
    asked = stage.case(operation)
    before = _listed(p, operation, asked.caller)
    exchange = p.expect(stage.play(asked))
    if not stage.created(operation, exchange):
        raise Nothing(f"{operation.id} does not say what it made")
    thing = p.things[-1][1]
    found = False
    for name, wanted in _asked(p, operation, asked):
        shown = member(exchange.json, name)
        if not is_kept(wanted, shown):
            found = True
            yield _wrong(p, "W413", exchange, operation, name, f"{name} {wanted}", str(shown))
    machine = p.api.machines.get(operation.entity)
    state = member(exchange.json, machine.field) if machine is not None else None
    if machine is not None and isinstance(state, str) and state not in born(machine):
        found = True
        yield _wrong(p, "W413", exchange, operation, machine.field, machine.initial, state)
    if not found:
        yield from _shown(p, operation, exchange, thing)
        yield from _in_list(p, operation, exchange, thing, asked.caller, before)


def _asked(p: Probe, operation: Operation, case: Case) -> Iterator[tuple[str, Any]]:
    """(dotted member, value) of a body, as far as its sender may read them and the schema of the object has them."""
    if not isinstance(case.body, Mapping):
        return
    seen = p.api.visibility[operation.entity]
    hidden = seen.hidden(case.caller.role)
    known = p.schema_of(operation.entity).get("properties", {})
    for path, value in values.leaves(case.body):
        parts = path.split(".")
        ways = {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        if parts[0] in known and not ways & {*hidden, *seen.omits.get("read", ())} and value not in (None, {}, []):
            yield path, value


def _wrong(
    p: Probe, code: str, exchange: Exchange, operation: Operation, what: str, expected: str, came: str
) -> Finding:
    return p.finding(
        code,
        exchange,
        expected=expected,
        came=came,
        source="CLI, CAN",
        place="conventions",
        operation=operation.id,
        subject=f"{operation.entity} {what}",
    )


def _shown(p: Probe, operation: Operation, exchange: Exchange, thing: Thing) -> Iterator[Finding]:
    """A reading tells what the answer of the call told. A call whose answer shows less is compared in what it shows."""
    told = masked(exchange.json)
    now = masked(p.stage.look(thing))
    wrong = [each for each in differences(told, now) if each[1] is not None and not same(each[1], each[2])]
    machine = p.api.machines.get(thing.entity)
    wrong = [each for each in wrong if machine is None or each[0] != machine.field]
    if wrong:
        yield _late(p, exchange, thing, difference(told, now))


def _late(p: Probe, exchange: Exchange, thing: Thing, came: str) -> Finding:
    reader = p.stage.reader(thing)
    p.stage.stale.add(thing.entity)
    return p.finding(
        "W408",
        exchange,
        expected="the next reading tells what the answer told",
        came=came,
        source="CLI",
        place="conventions",
        operation=reader.id,
        subject=thing.entity,
    )


def _listed(p: Probe, operation: Operation, caller: Caller) -> list[str] | None:
    """Ids of a list; None where there is none, or it is too long to be read."""
    listing = p.lists(operation.entity, operation.below)
    if listing is None or caller not in p.may(listing) or operation.below is not None:
        return None
    p.facts.forget()
    rows = p.facts.rows(listing, caller)
    paging = p.api.conventions.paging
    whole = not paging or len(rows) % int(paging.get("cap", 100)) or not rows
    return [str(row.get(p.key(operation.entity))) for row in rows] if whole else None


def _in_list(
    p: Probe, operation: Operation, exchange: Exchange, thing: Thing, caller: Caller, before: list[str] | None
) -> Iterator[Finding]:
    after = _listed(p, operation, caller)
    listing = p.lists(operation.entity)
    if before is not None and after is not None and listing is not None and thing.id not in after:
        yield p.finding(
            "W408",
            exchange,
            expected="the list shows it",
            came=f"{len(after)} rows, not this one",
            source="CLI",
            place="conventions",
            operation=listing.id,
            subject=thing.entity,
        )


@check(
    "changes.updated",
    proves="an update changes what it names and its caller may write, clears what is null, and keeps all else",
    codes=("R210", "R211", "W405", "W408", "W409", "W415"),
    mode=Mode.OWN,
    cases=doing("update"),
)
def updated(p: Probe, case: str) -> Iterator[Finding]:
    operation = p.operation(case)
    done = False
    for caller in {each.role: each for each in reversed(p.may(operation))}.values():
        thing = p.stage.subject(operation, caller)
        thing = Thing(thing.entity, thing.id, _sees(p, thing, caller), thing.params)
        done = True
        broken = yield from _member_by_member(p, operation, thing, caller)
        if not broken:
            yield from _not_mine(p, operation, thing, caller)
            yield from _refused(p, operation, thing, caller)
    if not done:
        raise Nothing(f"no caller may {operation.id}")


def _sees(p: Probe, thing: Thing, caller: Caller) -> Caller:
    """Who writes and reads in the place of a caller: whoever made the object, if they are of the same role."""
    if thing.caller.role == caller.role:
        return thing.caller
    return caller


def _put(p: Probe, operation: Operation, thing: Thing, body: Any) -> Exchange:
    case = p.stage.case(operation, thing.caller, thing)
    return p.stage.play(replaced(case, body=body, content=None))


def _member_by_member(p: Probe, operation: Operation, thing: Thing, caller: Caller) -> Generator[Finding, None, bool]:
    """Write each member that the caller may. Returns whether anything was wrong."""
    found = False
    for path in p.api.visibility[operation.entity].written_by(caller.role):
        before = p.stage.look(thing, whole=True)
        value = p.stage.value(operation, path, member(before, path))
        if value is None:
            continue
        exchange = _put(p, operation, thing, values.nested(path, value))
        p.expect(exchange)
        for finding in _kept(p, operation, thing, path, value, before, exchange):
            found = True
            yield finding
        if found:
            return True
        if p.stage.clears(operation, path):
            exchange = p.expect(_put(p, operation, thing, values.nested(path, None)))
            after = p.stage.look(thing, whole=True)
            if member(after, path) not in (None, ""):
                found = True
                yield _wrong(p, "W415", exchange, operation, path, f"{path} cleared by null", str(member(after, path)))
    return found


def _kept(
    p: Probe,
    operation: Operation,
    thing: Thing,
    path: str,
    value: Any,
    before: Mapping[str, Any],
    exchange: Exchange,
) -> Iterator[Finding]:
    """The value is there, in the answer and in the next reading, and nothing else moved but what every change moves."""
    told = member(exchange.json, path)
    if not is_kept(value, told):
        yield _wrong(p, "R211", exchange, operation, path, f"{path} {value}", str(told))
        return
    after = p.stage.look(thing, whole=True)
    if not is_kept(value, member(after, path)):
        again = p.stage.look(thing, whole=True)
        if is_kept(value, member(again, path)):
            yield _late(p, exchange, thing, f"{path} was {member(after, path)} still")
        else:
            yield _wrong(p, "W415", exchange, operation, path, f"{path} {value}", str(member(after, path)))
        return
    head = path.split(".")[0]
    moved = [
        each
        for each in differences(masked(before), masked(after))
        if each[0].split(".")[0].split("[")[0] != head and not p.stage.follows(operation, path, each[0])
    ]
    siblings = [
        each
        for each in differences(before.get(head), after.get(head), head)
        if "." in path and not (each[0] + ".").startswith(path + ".") and each[1] is not None
    ]
    for other in (moved + siblings)[:1]:
        yield _wrong(
            p, "W415", exchange, operation, "others", f"{other[0]} {other[1]} as before {path} changed", str(other[2])
        )
    yield from _stamped(p, operation, thing, before, after, exchange)


def _stamped(
    p: Probe,
    operation: Operation,
    thing: Thing,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    exchange: Exchange,
) -> Iterator[Finding]:
    """One revision on, and the audit tells of the update; who created it and when stays."""
    if not p.api.conventions.stamps:
        return
    one, other = before.get("revision"), after.get("revision")
    if isinstance(one, int) and other != one + 1:
        yield _wrong(p, "W409", exchange, operation, "revision", f"revision {one + 1}", str(other))
    then, now = before.get("audit"), after.get("audit")
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        return
    if then.get("created") != now.get("created"):
        yield _wrong(p, "W409", exchange, operation, "audit.created", "as it was", str(now.get("created")))
    at = member(now, "updated.at")
    if not isinstance(at, str) or at < str(member(then, "updated.at") or member(then, "created.at") or ""):
        yield _wrong(p, "W409", exchange, operation, "audit.updated", "an instant no earlier", str(at))
    elif member(now, "updated.by.id") is None:
        yield _wrong(p, "W409", exchange, operation, "audit.updated", "who did it", "nobody")


def _not_mine(p: Probe, operation: Operation, thing: Thing, caller: Caller) -> Iterator[Finding]:
    """Members that others write, and the state, are left as they are."""
    seen = p.api.visibility[operation.entity]
    machine = p.api.machines.get(operation.entity)
    others = [path for path in seen.writes if path not in seen.written_by(caller.role)]
    if machine is not None and machine.field not in seen.writes and "." not in machine.field:
        others.append(machine.field)
    for path in others:
        before = p.stage.look_as(thing, seen.writes.get(path))
        value = p.stage.value(operation, path, member(before, path))
        if machine is not None and path == machine.field:
            value = next(each for each in (*machine.final, *machine.states) if each != member(before, path))
        if value is None:
            continue
        exchange = _put(p, operation, thing, values.nested(path, value))
        after = p.stage.look_as(thing, seen.writes.get(path))
        if member(after, path) != member(before, path):
            yield p.finding(
                "R210",
                exchange,
                expected=f"{path} {member(before, path)}: {caller.role} does not write it",
                came=str(member(after, path)),
                source=seen.source,
                place="visibility",
                subject=f"{path} {caller.role}",
            )


def _refused(p: Probe, operation: Operation, thing: Thing, caller: Caller) -> Iterator[Finding]:
    """An update that is refused for one member leaves the others, too."""
    for body in p.stage.half_wrong(operation, caller):
        before = p.stage.look(thing, whole=True)
        exchange = _put(p, operation, thing, body)
        if exchange.status < 400:
            return  # that it is accepted is another check's matter
        after = p.stage.look(thing, whole=True)
        if after != before:
            yield p.finding(
                "W405",
                exchange,
                expected="an object that is as it was",
                came=difference(before, after),
                source=p.source("body"),
                place="access",
                subject=f"{operation.entity} refused update",
            )
            return


@check(
    "changes.deleted",
    proves="what was deleted is gone from readings and lists, or says that it is deleted",
    codes=("W414",),
    mode=Mode.OWN,
    cases=doing("delete"),
)
def deleted(p: Probe, case: str) -> Iterator[Finding]:
    stage, operation = p.stage, p.operation(case)
    thing = stage.subject(operation, stage.actor(operation))
    caller = stage.acting(operation, thing)
    exchange = p.expect(p.call(operation, caller, stage.params(operation, thing)))
    reader = stage.reader(thing)
    headers = {"accept": "application/json"} if reader.does == "download" else None
    read = p.call(reader, stage.acting(reader, thing), stage.params(reader, thing), headers=headers)
    wanted = p.status("find", thing.entity)
    soft = "isDeleted" in p.schema_of(thing.entity).get("properties", {})
    if soft and read.status == 200 and member(read.json, "isDeleted") is True:
        return
    if soft or read.status != wanted:
        expected = "isDeleted true" if soft else str(wanted)
        yield _gone(p, exchange, read, operation, expected)
        return
    listing = p.lists(thing.entity, operation.below)
    if listing is not None:
        who = stage.acting(listing, thing)
        p.facts.forget()
        rows = p.facts.rows(listing, who, {name: thing.params[name] for name in (listing.parent,) if name})
        if any(str(row.get(p.key(thing.entity))) == thing.id for row in rows):
            yield _gone(p, exchange, read, operation, "no such row in its list")


def _gone(p: Probe, exchange: Exchange, read: Exchange, operation: Operation, expected: str) -> Finding:
    return p.finding(
        "W414",
        read,
        expected=expected,
        source="CAN",
        place="machines",
        operation=operation.id,
        subject=operation.entity,
        steps=(exchange,),
    )
