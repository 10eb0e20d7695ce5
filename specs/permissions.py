"""Permissions `resource.action`, for APIs whose roles are sets of them: what holds one, and what is one at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

Rule = Literal["any", "all"]

RULES: tuple[Rule, ...] = ("any", "all")
EVERYTHING = "*.*"
_WORD = "[A-Za-z][A-Za-z0-9_-]*"
_PERMISSION = re.compile(rf"{_WORD}\.{_WORD}")
_WILDCARD = re.compile(rf"{_WORD}\.\*|\*\.\*")


def holds(rights: Iterable[str], permission: str) -> bool:
    """Whether these rights contain a permission, by its name, as `resource.*` or as `*.*`."""
    resource = permission.partition(".")[0]
    return not {permission, f"{resource}.*", EVERYTHING}.isdisjoint(rights)


def suffices(rights: Iterable[str], needs: Sequence[str], rule: str) -> bool:
    """Whether a caller with these rights may do what needs these permissions: any of them, or all.

    Where nothing is needed, any rights suffice, and none too.
    """
    held = frozenset(rights)
    if not needs:
        return True
    return (all if rule == "all" else any)(holds(held, need) for need in needs)


def is_permission(text: str) -> bool:
    """Whether the text names one permission, no wildcard."""
    return _PERMISSION.fullmatch(text) is not None


def is_right(text: str) -> bool:
    """Whether the text is what a role or a token can hold.

    That is a permission or one of the two wildcards that there are; an action across all resources (`*.write`) is none
    (credits 5, D).
    """
    return is_permission(text) or _WILDCARD.fullmatch(text) is not None
