"""Selectors that name nothing are refused before anything is sent: a misspelt one would check all, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from contracts.codes import CODES
from contracts.mistakes import Mistake, near
from contracts.selecting import KINDS
from specs.tables import Api

STRANGERS = ("nobody", "garbage", "expired")
"""Who calls beside the roles, as the matrix of a run names them."""


def refuse_unknown(selectors: Iterable[str], apis: Iterable[Api]) -> None:
    """Raise Mistake for the first selector that is none, or that nothing in these APIs fits."""
    apis = tuple(apis)
    for text in selectors:
        kind, colon, pattern = text.partition(":")
        if not colon or not pattern:
            raise Mistake(f"selector {text!r}: say KIND:NAME, such as check:access.* ; kinds: {', '.join(KINDS)}.")
        if kind not in _NAMES:
            raise Mistake(f"selector {text!r}: no kind {kind!r}; {near(kind, KINDS)}")
        names = tuple(dict.fromkeys(_NAMES[kind](apis)))
        if not any(fnmatchcase(name, pattern) for name in names):
            form = " (CAPABILITY/ROLE)" if kind == "cell" and "/" not in pattern else ""
            raise Mistake(f"selector {text!r}: no {kind} of that name{form}; {near(pattern, names)}")


def _checks(apis: Iterable[Api]) -> list[str]:
    from contracts.registry import checks

    return [each.id for each in checks()]


def _operations(apis: Iterable[Api]) -> list[str]:
    return [id for api in apis for each in api.capabilities for id in (each.operation, each.id)]


def _cells(apis: Iterable[Api]) -> list[str]:
    return [f"{each.id}/{who}" for api in apis for each in api.capabilities for who in (*api.roles, *STRANGERS)]


def _entities(apis: Iterable[Api]) -> list[str]:
    return [each.entity for api in apis for each in api.operations.values()]


def _sources(apis: Iterable[Api]) -> list[str]:
    return [each.source for api in apis for each in api.capabilities]


_NAMES: Mapping[str, Callable[[Iterable[Api]], Iterable[str]]] = {
    "check": _checks,
    "operation": _operations,
    "cell": _cells,
    "entity": _entities,
    "source": _sources,
    "code": lambda apis: CODES,
}
