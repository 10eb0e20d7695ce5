"""What a sandbox holds, as the server sees it; and the whole of it as a document, out and in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockserver import portable, rehearsal
from mockserver.control import Asked, operation
from mockserver.domain.errors import NotFound
from mockserver.portions import by_turns
from mockserver.reply import JSON, Reply
from mockserver.scenario import nearest
from mockserver.store import Layer, Record
from mockserver.values import tagged

HIDDEN = "(not shown)"
SECRET = frozenset({"token", "secret", "password", "clientSecret", "refreshToken", "content"})
"""Members that are never shown, wherever they lie: what opens a door, and whole files."""
OPAQUE = frozenset({"IssuedToken", "RefreshToken"})
"""Entities whose ids are themselves what opens a door"""


@operation
async def export_sandbox(asked: Asked) -> Any:
    name = asked.sandbox.name
    headers = {"Content-Disposition": f'attachment; filename="{name}.json"', "Cache-Control": "no-store"}
    return Reply(200, await by_turns(portable.exporting(asked.sandbox)), JSON, headers)


@operation
async def import_sandbox(asked: Asked) -> Any:
    read = await by_turns(portable.reading(asked.body, asked.sandbox.services))
    await by_turns(rehearsal.rehearsing(read, asked.sandbox))
    read = await by_turns(portable.laying(read, asked.sandbox.base))
    # Whatever others did meanwhile was done before this, even if they dropped the sandbox: who names one has one.
    portable.adopt(asked.server.sandboxes.use(asked.sandbox.name), read)
    return {"records": sum(len(rows) for said in asked.body["apis"].values() for rows in said["rows"].values())}


@operation
def get_state(asked: Asked) -> Any:
    return {"apis": {api: _counts(world.layer) for api, world in asked.sandbox.worlds.items()}}


@operation
def list_state(asked: Asked) -> Any:
    layer, entity = _found(asked)
    offset, limit = asked.query["offset"], asked.query["limit"]
    shown = [row.record for number, row in enumerate(layer.all(entity)) if offset <= number < offset + limit]
    return {
        "total": layer.count(entity),
        "offset": offset,
        "records": [_told(entity, record) for record in shown],
    }


@operation
def get_record(asked: Asked) -> Any:
    layer, entity = _found(asked)
    id = asked.path["id"]
    row = None if entity in OPAQUE else layer.row(entity, id)
    if row is None:
        raise NotFound(f"no {entity} {id[:80]!r}; GET /__mock__/state/{asked.path['api']}/{entity} lists them.")
    return _told(entity, row.record)


def _found(asked: Asked) -> tuple[Layer, str]:
    """The records of the API that is asked for, and the entity."""
    api, entity = asked.path["api"], asked.path["entity"]
    worlds = asked.sandbox.worlds
    if api not in worlds:
        raise NotFound(f"no API {api[:80]!r}; {nearest(api[:80], worlds)}")
    there = {*_counts(worlds[api].layer), *worlds[api].api.visibility}
    if entity not in there:
        raise NotFound(f"{api} has no {entity[:80]!r}; {nearest(entity[:80], there)}")
    return worlds[api].layer, entity


def _counts(layer: Layer) -> dict[str, int]:
    return {entity: layer.count(entity) for entity in layer.entities()}


def _told(entity: str, record: Record) -> Any:
    shown = tagged(_veiled(record))
    return {**shown, "id": HIDDEN} if entity in OPAQUE else shown


def _veiled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: HIDDEN if name in SECRET else _veiled(each) for name, each in value.items()}
    return [_veiled(each) for each in value] if type(value) is list else value
