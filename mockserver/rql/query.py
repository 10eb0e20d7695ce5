"""What the query string of a request asks for, as frozen values.

`at` is as in `mockserver.rql.syntax`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockserver.rql.syntax import Expr


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of an order."""

    path: str
    descending: bool = False
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Pick:
    """One name of a select; `*` as path is every property."""

    path: str
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What the query string of one request asks for; limit and offset are None where the default holds."""

    filter: Expr | None = None
    order: tuple[Sort, ...] = ()
    select: tuple[Pick, ...] = ()
    limit: int | None = None
    offset: int | None = None
