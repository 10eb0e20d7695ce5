"""Servers with one defect each, for the toolkit to find: DEFECTS, class by class."""

from __future__ import annotations

from tests.faulty import (
    arithmetic,
    audits,
    concurrency,
    files,
    filters,
    orders,
    paging,
    refusals,
    rights,
    robustness,
    rows,
    schema,
    selects,
    validation,
    visibility,
    workflow,
)
from tests.faulty.defects import Defect
from tests.faulty.planting import Asgi, Server

DEFECTS: tuple[Defect, ...] = (
    *rights.DEFECTS,
    *rows.DEFECTS,
    *visibility.DEFECTS,
    *schema.DEFECTS,
    *workflow.DEFECTS,
    *paging.DEFECTS,
    *filters.DEFECTS,
    *orders.DEFECTS,
    *selects.DEFECTS,
    *arithmetic.DEFECTS,
    *validation.DEFECTS,
    *files.DEFECTS,
    *refusals.DEFECTS,
    *audits.DEFECTS,
    *concurrency.DEFECTS,
    *robustness.DEFECTS,
)


def sound(api: str) -> Asgi:
    """A server without any of them."""
    return Server(api).asgi
