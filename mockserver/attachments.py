"""Attachments: what is known of a file that belongs to a record, whoever registers it."""

from __future__ import annotations

from typing import Any

from mockserver.store import Record
from mockserver.work import Work, key_of


def described(
    work: Work, entity: str, parent_entity: str, parent: Record, *, type: str, filename: str, media: str
) -> dict[str, Any]:
    """A new attachment as it is before it is stored: the members that all have, and what conventions.yaml adds."""
    adds = work.api.conventions.attachments
    return {
        "id": work.new_id(entity),
        "name": filename,
        "type": type,
        "filename": filename,
        "contentType": media,
        "isDeleted": False,
        **adds.get("members", {}).get(entity, {}),
        key_of(parent_entity): work.ref(parent_entity, parent),
        **{name: parent[name] for name in adds.get("copies", {}).get(entity, ()) if name in parent},
    }
