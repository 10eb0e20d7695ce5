"""What operations do, by what access.yaml says that they do; one function a verb, the same for every entity and API.

Each is handed an Exchange that has passed every refusal but `state`, and returns a Reply. They are plain functions: a
unit of work is never interrupted by another.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace as replaced
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mockserver import links, lists, negotiation, wire
from mockserver.attachments import described
from mockserver.caches import ENCODED
from mockserver.domain.errors import Conflict, Invalid, NotFound, Refusal
from mockserver.paging import page
from mockserver.reply import JSON, Reply
from mockserver.service import BrokenPromise, Rows
from mockserver.store import Place, Record, Row
from mockserver.views import View
from mockserver.work import Upload, key_of
from specs.tables import ALL, TableError

if TYPE_CHECKING:
    from mockserver.exchange import Exchange


NO_HEADERS: Mapping[str, str] = {}
NO_STORE = {"Cache-Control": "no-store"}
"""Of answers that hold a token"""


# Reading


def list_(x: Exchange) -> Reply:
    """A page of what the caller may see, or all of it as a file where Accept asks for one."""
    operation, service, work, query = x.operation, x.service, x.work, x.query
    found = x.found or lists.found(x)
    if x.media not in (None, JSON):
        return _file(x, list(found))
    conventions = service.api.conventions
    paging = conventions.paging
    shown, pagination = page(found, found.total, query, default=paging["default"], cap=paging["cap"])
    view = service.view(operation.entity, x.role, "list", query.select, work)
    items = _items(x, shown, view)
    offset, total = pagination.offset, pagination.total
    values = (
        ("offset", offset),
        ("limit", pagination.limit),
        ("total", total),
        ("omitted", view.omitted or None),
        ("completed", offset + len(items) >= total),
        *(lists.links_of(x, pagination) if conventions.links else ()),
    )
    if work.world.waiting:
        for row in shown:
            work.world.seen(operation.entity, row.record["id"])
    head = x.endpoint.opened(values)
    # Joined once: of a long page every further copy would cost as much as all the rest.
    items[:1] = [head + items[0]] if items else [head]
    items[-1] += b"]}"
    return Reply(200, b",".join(items))


def read(x: Exchange) -> Reply:
    """One object."""
    assert x.row is not None
    reply = Reply(200, _encoded(x, x.row, "read"))
    x.work.world.seen(x.operation.entity, x.row.record["id"])
    return reply


def download(x: Exchange) -> Reply:
    """An attachment's metadata, or its file: by what Accept asks for (billing b.9)."""
    assert x.row is not None and x.parent is not None
    if x.media is None or x.media == JSON:
        return read(x)
    record = x.row.record
    file = x.work.get("File", record["id"])
    if file is None:
        raise NotFound(f"the file of {record['id']} is gone.")
    if record.get("isExternal"):
        if not x.parent.get("documentNo"):
            raise NotFound(f"{x.parent['id']} has no document yet, so there is no file of it.")
        return Reply(200, x.service.plugin.content(file), record["contentType"], disposition(record["filename"]))
    expires = int(x.world.clock.now().timestamp()) + int(x.service.api.conventions.attachments["link"])
    location = x.origin + x.sandbox.prefix + links.path(x.secret, x.service.api.name, record["id"], expires)
    return Reply(301, b"", None, {"Location": location})


# Changing


def create(x: Exchange) -> Reply:
    """A new object out of the body."""
    return _answer(x, _made(x)["id"])


def replace(x: Exchange) -> Reply:
    """An object at an id of the caller's choice: made, or updated where it is there."""
    return create(x) if x.row is None else update(x)


def _made(x: Exchange) -> Record:
    """The new record: by the API's own maker, or of the body as it is, where there is none."""
    entity, workflows = x.operation.entity, x.service.plugin.workflows
    return workflows.makers[entity](x.work) if entity in workflows.makers else _plainly_made(x)


def _plainly_made(x: Exchange) -> Record:
    entity, work, api = x.operation.entity, x.work, x.service.api
    record = {**x.body, "id": x.params.get(x.operation.key or "") or work.new_id(entity)}
    if (machine := api.machines.get(entity)) is not None:
        record[machine.field] = machine.initial
    if x.parent is not None and x.operation.below is not None:
        record[key_of(x.operation.below)] = {"id": x.parent["id"]}
    owner = api.visibility[entity].told_by(x.role)
    if owner not in (None, ALL) and work.realm:
        _put(record, owner, work.realm[0])
    return work.create(entity, record)


def _put(record: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        record = record.setdefault(name, {})
    record[last] = value


def update(x: Exchange) -> Reply:
    """The members of the body that the caller's role may write."""
    assert x.row is not None
    entity, workflows = x.operation.entity, x.service.plugin.workflows
    changed = written(x, x.row.record)
    if (guard := workflows.guards.get((entity, "update"))) is not None:
        guard(x.work, changed)
    record = x.work.change(entity, changed)
    if (effect := workflows.effects.get((entity, "update"))) is not None:
        effect(x.work, record)
    return _answer(x, record["id"])


def act(x: Exchange) -> Reply:
    """An event of the entity's machine; the body, if there is one, is an update that comes first (billing b.11)."""
    assert x.row is not None and x.operation.event is not None
    record = x.work.fire(x.operation.entity, written(x, x.row.record), x.operation.event)
    return _answer(x, record["id"])


def upload(x: Exchange) -> Reply:
    """A file for an object, which starts its validation."""
    assert x.row is not None and x.operation.event is not None and x.file is not None
    entity, event = x.operation.entity, x.operation.event
    # The file before the state: what cannot be read is refused as such (415, 400) also where the state is wrong (409).
    record = x.service.plugin.workflows.loaders[entity](x.work, x.row.record, x.file)
    record = x.work.fire(entity, record, event)
    return _answer(x, record["id"])


def delete(x: Exchange) -> Reply:
    """The end of an object: an event of its machine, whose effect removes what belongs to it."""
    assert x.row is not None
    if x.operation.event is None:
        return _delete_attachment(x)
    x.work.fire(x.operation.entity, x.row.record, x.operation.event)
    return Reply(204, b"", None)


def _delete_attachment(x: Exchange) -> Reply:
    """The file goes, the record stays and says so (billing d.9)."""
    assert x.row is not None
    record, entity = x.row.record, x.operation.entity
    if record.get("isDeleted"):
        raise NotFound(f"{record['id']} is deleted already.")
    if record["type"] != "Attachment":
        raise Conflict(f"{record['id']} is of type {record['type']}; only an Attachment can be deleted.")
    x.work.change(entity, {**record, "isDeleted": True})
    x.work.remove("File", record["id"])
    return Reply(204, b"", None)


def attach(x: Exchange) -> Reply:
    """A new attachment: the file, and what the JSON part says of it."""
    assert x.file is not None and x.parent is not None and x.operation.below is not None
    entity, work = x.operation.entity, x.work
    made = described(
        work,
        entity,
        x.operation.below,
        x.parent,
        type="Attachment",
        filename=x.file.filename,
        media=x.file.content_type,
    )
    said = {name: x.body[name] for name in ("name", "description") if x.body.get(name)}
    record = work.create(entity, {**made, "size": len(x.file.content), **said})
    work.put("File", {"id": record["id"], "content": x.file.content})
    return _answer(x, record["id"])


def sync(x: Exchange) -> Reply:
    """Documents of the ERP: one by one, or in bulk where both headers say so (billing a.2)."""
    bulk = all(x.headers.get(name, b"").lower() == b"true" for name in (b"mpt-upsert", b"mpt-async"))
    documents = x.body if isinstance(x.body, list) else [x.body]
    if bulk:
        assert x.service.plugin.sync is not None
        task = wire.plain(x.service.plugin.sync(x.work, documents, x.operation.entity))
        return answer(x, task, 202)
    if isinstance(x.body, list):
        raise Invalid(
            "a list of documents is taken in bulk only.",
            {"body": ["Send the headers `MPT-Upsert: true` and `MPT-Async: true`, or a single document."]},
        )
    return create(x)


def written(x: Exchange, record: Record) -> dict[str, Any]:
    """A copy of the record with those members of the body that the caller's role may write; null clears (b.11)."""
    made = dict(record)
    body = x.body if isinstance(x.body, Mapping) else {}
    if not body:
        return made
    for path in x.service.api.visibility[x.operation.entity].written_by(x.role):
        head, _, rest = path.partition(".")
        if head not in body:
            continue
        if not rest:
            entity = x.service.api.conventions.references.get(head)
            _lay(
                made, head, x.work.refer(entity, body[head], head) if entity and body[head] is not None else body[head]
            )
        elif body[head] is None or rest in body[head]:
            inner = dict(made.get(head, {}))
            # Never a reference, whatever its name: `externalIds.vendor` is the vendor's id of the object.
            _lay(inner, rest, None if body[head] is None else body[head][rest])
            made[head] = inner
    return made


def _lay(target: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        target.pop(name, None)
    else:
        target[name] = dense(value)


def dense(value: Any) -> Any:
    """A value without the members that are null: a record never holds one."""
    kind = type(value)
    if kind is dict:
        return {name: each if type(each) is str else dense(each) for name, each in value.items() if each is not None}
    return [dense(each) for each in value] if kind is list else value


# Answering


def answer(x: Exchange, value: Any, status: int | None = None, *, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    """A JSON answer that an API's own handler makes, found valid; by default with the operation's success."""
    status = x.endpoint.success if status is None else status
    value = wire.plain(value)
    _promise(x, x.endpoint.validator(status), value)
    return Reply(status, wire.dump(value), headers=headers)


def refused(x: Exchange, refusal: Refusal) -> Reply:
    """The answer to a refusal, where what was done until then is to be kept all the same."""
    # Without its frames, which hold the exchange: the two would keep each other until the collector comes.
    x.refusal = refusal.with_traceback(None)
    parent = x.headers.get(b"traceparent")
    return x.service.problems.refusal(
        refusal, operation=x.operation.id, world=x.world, parent=None if parent is None else parent.decode("latin-1")
    )


def _answer(x: Exchange, id: str) -> Reply:
    """The object as it is now."""
    row = x.work.row(x.operation.entity, id)
    assert row is not None
    view = x.service.view(x.operation.entity, x.role, "read", (), x.work)
    return Reply(x.endpoint.success, _written(x, row, "read", view))


def _items(x: Exchange, rows: Iterable[Row], view: View) -> list[bytes]:
    """The records of a page, each as `_encoded` gives it."""
    if x.query.select:
        return [_written(x, row, "list", view) for row in rows]
    key = (x.role, "list", x.operation.entity)
    return [row.kept(key) or _encoded(x, row, "list", view) for row in rows]


def _encoded(x: Exchange, row: Row, kind: str, view: View | None = None) -> bytes:
    """A record as the caller reads it; kept with the version it was made of, unless something was selected.

    view: where there is one already
    """
    select = x.query.select
    if select:
        return _written(x, row, kind, view or x.service.view(x.operation.entity, x.role, kind, select, x.work))
    key = (x.role, kind, x.operation.entity)
    kept: bytes | None = row.kept(key)
    if kept is None:
        kept = _written(x, row, kind, view or x.service.view(x.operation.entity, x.role, kind, (), x.work))
        ENCODED.keep(row, key, kept)
    return kept


def _written(x: Exchange, row: Row, kind: str, view: View) -> bytes:
    """A record as the caller sees it: projected, found valid, and written."""
    value = view.project(row.record, meta=kind == "read")
    _promise(x, x.endpoint.item, value)
    return wire.dump(value)


def _promise(x: Exchange, validator: Any, value: Any) -> None:
    if not validator.is_valid(value):
        error = next(validator.iter_errors(value))
        raise BrokenPromise(f"{x.operation.id}: {'.'.join(map(str, error.instance_path))}: {error.message}")


def _file(x: Exchange, rows: Sequence[Row]) -> Reply:
    """The whole list as a file: filters, order and selection apply, pages do not (billing b.9)."""
    assert x.media is not None and x.parent is not None
    headers = disposition(f"{x.parent['id']}-charges.{SUFFIXES[x.media]}")
    if _is_streamed(x):
        rows = _filed(x, rows)
        headers |= {"MPT-Streaming": "true", "MPT-Item-Count": str(len(rows))}
    if x.content is None:
        x.content = _lines(x, rows) if x.media == negotiation.JSONL else _export(x, rows)()
    return Reply(200, x.content, f"{x.media}; charset=utf-8" if x.media == negotiation.CSV else x.media, headers)


def _is_streamed(x: Exchange) -> bool:
    return x.headers.get(b"mpt-streaming", b"").lower() == b"true"


def _filed(x: Exchange, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows of a file; the vendor's client bounds a stream by `limit`, and refuses one without its length (CLI)."""
    first = x.query.offset or 0
    return rows[first : None if x.query.limit is None else first + x.query.limit] if _is_streamed(x) else rows


def _lines(x: Exchange, rows: Sequence[Row]) -> bytes:
    view = x.service.view(x.operation.entity, x.role, "list", x.query.select, x.work)
    return b"".join(_encoded(x, row, "list", view) + b"\n" for row in rows)


def _export(x: Exchange, rows: Sequence[Row]) -> Callable[[], bytes]:
    """What writes the file: of rows that never change, so that it may be done in a thread."""
    assert x.media is not None
    write, hidden = x.service.plugin.exports[x.media], x.service.hidden(x.operation.entity, x.role)
    now = wire.moment(x.work.now)
    return lambda: write([row.record for row in rows], hidden, now)


LINES = 500
"""Lines of a file that are written before others have their turn"""
SUFFIXES = {negotiation.CSV: "csv", negotiation.XLSX: "xlsx", negotiation.JSONL: "jsonl"}


def disposition(filename: str) -> dict[str, str]:
    """A Content-Disposition that every client can read: plain ASCII, and the true name beside it where they differ."""

    ascii_name = filename.encode("ascii", "replace").decode()
    safe = "".join("_" if character in '"\\?' or not character.isprintable() else character for character in ascii_name)
    value = f'attachment; filename="{safe}"'
    if safe != filename:
        value += f"; filename*=UTF-8''{quote(filename, safe='')}"
    return {"Content-Disposition": value}


Portions = Generator[Callable[[], Any] | None, Any, None]
"""Something that takes long, a portion at a time; what it yields is done in a thread, and sent back to it"""
Preparer = Callable[["Exchange"], Portions | None]
"""Works out what takes long before the handler; None where there is nothing that does."""


def _prepare_list(x: Exchange) -> Portions | None:
    portions = lists.prepare(x)
    return portions if x.media in (None, JSON) else _prepare_file(x, portions)


def _prepare_file(x: Exchange, portions: Portions | None) -> Portions:
    if portions is not None:
        yield from portions
    assert x.found is not None, "it was looked for first"
    if x.found.total < lists.LONG:
        return
    gathered = yield from _gathered(x, x.found)
    x.found = Rows(gathered, len(gathered))
    rows = _filed(x, gathered)
    if x.media == negotiation.JSONL:
        file = io.BytesIO()
        for first in range(0, len(rows), LINES):
            file.write(_lines(x, rows[first : first + LINES]))
            yield None
        x.content = file.getvalue()
    else:
        x.content = yield _export(x, rows)


def _gathered(x: Exchange, found: Rows) -> Generator[None, Any, list[Row]]:
    """The rows as they are at one time: in portions, or all at once where anything has changed meanwhile."""
    rows, commits = list[Row](), x.world.commits
    for first in range(0, found.total, lists.LONG):
        rows += found.cut(first, first + lists.LONG)
        yield None
    return rows if x.world.is_as(commits, (x.operation.entity,)) else list(found)


def _prepare_upload(x: Exchange) -> Portions | None:
    assert x.row is not None and x.file is not None
    prepare = x.service.plugin.workflows.preparers.get(x.operation.entity)
    return None if prepare is None else _prepared(x, x.file, prepare(x.work, x.row.record, x.file))


def _prepared(x: Exchange, file: Upload, portions: Generator[None, None, Any]) -> Portions:
    ahead = yield from portions
    x.file = replaced(file, ahead=ahead)


def _prepare_removal(x: Exchange) -> Portions | None:
    """Find what the operation's event will remove, where that is much."""
    assert x.row is not None
    entity, member = x.service.plugin.workflows.removals[x.operation.entity, x.operation.event or ""]
    place = (entity, member, x.row.record["id"])
    return _found_ahead(x, place) if x.world.layer.count(*place) >= lists.LONG else None


def _found_ahead(x: Exchange, place: Place) -> Portions:
    x.leaving = x.work.leaving = yield from x.work.leave(place)


def _one_by_one(first: Preparer, then: Preparer) -> Preparer:
    def prepare(x: Exchange) -> Portions:
        for each in (first, then):
            if (portions := each(x)) is not None:
                yield from portions

    return prepare


PREPARERS: Mapping[str, Preparer] = {"list": _prepare_list, "upload": _prepare_upload}


VERBS: dict[str, Callable[[Exchange], Reply]] = {
    "list": list_,
    "read": read,
    "create": create,
    "update": update,
    "act": act,
    "upload": upload,
    "delete": delete,
    "attach": attach,
    "download": download,
    "sync": sync,
    "replace": replace,
}


def find(service: Any, operation_id: str) -> Callable[[Exchange], Reply]:
    """The handler of an operation: the API's own one of that name, else the generic one for what it does."""
    operation = service.api.operations[operation_id]
    own = getattr(service.plugin.handlers, operation_id, None)
    if own is not None:
        found: Callable[[Exchange], Reply] = own
        return found
    if operation.does not in VERBS:
        place = f"specs/{service.api.name}/access.yaml: {operation_id}"
        raise TableError(f"{place}: does {operation.does}, and its API has no handler of that name; write one.")
    return VERBS[operation.does]


def preparer(service: Any, operation_id: str) -> Preparer | None:
    """What works ahead of the handler of an operation, if anything does."""
    operation = service.api.operations[operation_id]
    if hasattr(service.plugin.handlers, operation_id):
        return None
    prepare = PREPARERS.get(operation.does)
    if (operation.entity, operation.event) not in service.plugin.workflows.removals:
        return prepare
    return _prepare_removal if prepare is None else _one_by_one(prepare, _prepare_removal)
