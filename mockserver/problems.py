"""Refusals as problem bodies (billing b.8): the only place where exceptions get statuses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from mockserver.domain import errors

STATUSES: tuple[tuple[type[errors.Refusal], int], ...] = (
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.Gone, 403),
    (errors.NotFound, 404),
    (errors.NotAcceptable, 406),
    (errors.Conflict, 409),
    (errors.TooLarge, 413),
    (errors.UnsupportedMedia, 415),
    (errors.Invalid, 400),
)
# Sections of RFC 9110 that define the statuses, as `type` of a problem.
SECTIONS = {
    400: "15.5.1",
    401: "15.5.2",
    403: "15.5.4",
    404: "15.5.5",
    405: "15.5.6",
    406: "15.5.7",
    409: "15.5.10",
    413: "15.5.14",
    415: "15.5.16",
    500: "15.6.1",
}


def status(refusal: errors.Refusal) -> int:
    """The status that answers a refusal."""
    return next(status for kind, status in STATUSES if isinstance(refusal, kind))


def body(
    status: int,
    detail: str,
    *,
    wording: Mapping[str, Any],
    trace: str,
    errors: Mapping[str, list[str]] | None = None,
    title: str | None = None,
) -> bytes:
    """The problem object of a refusal, as bytes.

    wording: the API's `errors` conventions; trace: see `trace_id`
    """
    problem: dict[str, Any] = {
        "type": f"https://tools.ietf.org/html/rfc9110#section-{SECTIONS[status]}",
        "title": title or wording["titles"].get(str(status)) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "traceId": trace,
    }
    if errors:
        problem["errors"] = errors
    return orjson.dumps(problem)


def trace_id(seed: int, number: int, parent: str | None) -> str:
    """A W3C trace context: the caller's trace if one came along, else one that follows from seed and number."""
    own = hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=24).hexdigest()
    parts = (parent or "").split("-")
    known = len(parts) == 4 and len(parts[1]) == 32 and all(c in "0123456789abcdef" for c in parts[1])
    return f"00-{parts[1] if known else own[:32]}-{own[32:48]}-00"
