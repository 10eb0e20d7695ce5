"""Making HTML: elements out of texts, every text escaped on its way in."""

from __future__ import annotations

import html
from collections.abc import Iterable


class Markup(str):
    """HTML that is right already; every other text is escaped."""

    __slots__ = ()


Inside = Markup | str | int | Iterable["Inside"]
_VOID = frozenset({"meta", "br"})


def element(name: str, /, *inside: Inside, **attributes: str | int | bool) -> Markup:
    """An element. attributes: underscores at the end are dropped, others stand for hyphens; False leaves one out."""
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escaped(str(value))}"')
        for key, value in attributes.items()
        if value is not False
    )
    return Markup(f"<{name}{told}>" + ("" if name in _VOID else f"{joined(inside)}</{name}>"))


def joined(inside: Inside) -> Markup:
    """Texts and elements one after the other."""
    if isinstance(inside, Markup):
        return inside
    if isinstance(inside, (str, int)):
        return Markup(escaped(str(inside)))
    return Markup("".join(joined(each) for each in inside))


def escaped(text: str) -> str:
    """A text in which nothing is HTML, and nothing that a page cannot hold."""
    shown = "".join(each if each.isprintable() or each in "\n\t " else "\N{REPLACEMENT CHARACTER}" for each in text)
    return html.escape(shown)
