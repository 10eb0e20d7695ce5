"""From the raw query string of a request to a Query."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from unicodedata import category
from urllib.parse import unquote_to_bytes

from mockserver.rql.query import Pick, Query, Sort
from mockserver.rql.refusals import BAD_SYNTAX, BAD_TEXT, NO_VALID_ORDERING, refusal
from mockserver.rql.syntax import And, Compare, Expr, Path, Word

LONGEST = 8_192
"""Characters of a decoded query string."""

DEEPEST = 50
"""Parentheses within parentheses: what is read by recursion, here and in Python's own parser, stays bounded."""

AMPERSAND = "\x06"
"""Stands for an "&" that is data; see `mockserver.rql.parser`."""

_PARAMETER = re.compile(r" *(limit|offset|order|select) *=(.*)", re.IGNORECASE | re.DOTALL)
_BARE = r"[^ ,&;|()='\"]+(?: +[^ ,&;|()='\"]+)*"
_QUOTED = r"\"[^\"]*\"|'[^']*'"
_OPERATOR = "eq|ne|gt|ge|lt|le|like|ilike"
_CALL = re.compile(rf" *(?P<operator>{_OPERATOR}) *\( *(?P<path>{_BARE}) *, *(?P<word>{_BARE}|{_QUOTED}) *\) *")
_CALLED = rf" *(?:{_OPERATOR}) *\( *{_BARE} *, *(?:{_BARE}|{_QUOTED}) *\) *"
_AND = re.compile(rf" *and *\((?P<inside>{_CALLED}(?:,{_CALLED})*)\) *")
_SHORTCUT = re.compile(rf" *(?P<path>{_BARE}) *= *(?P<word>{_BARE}|{_QUOTED}) *")
_NUMBER = re.compile(r"[0-9]{1,10}")
_NO_OPERATION = re.compile(r" *(render *\( *\)|filter *\([^()]*\)) *=? *", re.IGNORECASE)
_SIGNED = re.compile(r"[+ ]*(-?)[+ ]*(.*?) *", re.DOTALL)
_INT32 = 2**31 - 1


def parse(query_string: str | bytes) -> Query:
    """What a query string asks for; it is given raw, as it stands in the request, still percent-encoded.

    Raises Invalid, with the column in the decoded text. Names of properties are not looked at.
    """
    raw = query_string if isinstance(query_string, bytes) else query_string.encode("utf-8", "surrogatepass")
    return _parse(raw) if raw else Query()


@lru_cache(maxsize=256)
def _parse(raw: bytes) -> Query:
    text = _decoded(raw)
    filters: list[Expr] = []
    numbers: dict[str, int | None] = {}
    order: list[Sort] = []
    select: list[Pick] = []
    for start, item in _items(text):
        if not item.strip() or _NO_OPERATION.fullmatch(item):
            # Portals and clients add render() and filter(group.x): they ask for nothing that changes the answer.
            continue
        match = _PARAMETER.fullmatch(item)
        if match is None:
            filters.append(_simple(item, start) or _expression(item, start))
        elif (name := match[1].lower()) == "order":
            order += _order(match[2], start + match.start(2))
        elif name == "select":
            select += [Pick(path, remove) for remove, path, _ in _names(match[2])]
        else:
            numbers[name] = _count(match[2])
    return Query(
        filter=None if not filters else filters[0] if len(filters) == 1 else And(tuple(filters)),
        order=tuple(order),
        select=tuple(select),
        limit=numbers.get("limit"),
        offset=numbers.get("offset"),
    )


def _simple(item: str, start: int) -> Expr | None:
    """What comparisons of members with words or quoted texts say, one or several that must all hold; None for all else.

    That is most of what is ever asked, and what the grammar reads there, at a tenth of its cost.
    """
    if (found := _AND.fullmatch(item)) is not None:
        inside = start + found.start("inside")
        return And(tuple(_compared(each, inside) for each in _CALL.finditer(found["inside"])))
    match = _CALL.fullmatch(item) or _SHORTCUT.fullmatch(item)
    return None if match is None or match["path"].casefold() == "rql" else _compared(match, start)


def _compared(match: re.Match[str], start: int) -> Compare:
    at = {name: start + match.start(name) + 1 for name in match.groupdict()}
    path, word = (match[name].replace(AMPERSAND, "&") for name in ("path", "word"))
    operator = match.groupdict().get("operator", "eq")
    is_quoted = word[0] in "'\""
    value = Word(word[1:-1] if is_quoted else word, is_quoted, at["word"])
    return Compare(operator, Path(path, at["path"]), value, at.get("operator", at["path"]))


def _expression(item: str, start: int) -> Expr:
    # Loads the grammar.
    from mockserver.rql.parser import expression

    return expression(item, offset=start)


def _decoded(raw: bytes) -> str:
    """The text, with AMPERSAND for every "&" that was percent-encoded."""
    raw = raw.replace(b"+", b" ")
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        mend = f"byte {error.start + 1} of the decoded text is not UTF-8; percent-encode UTF-8 bytes."
        raise refusal(BAD_TEXT, "query", mend) from None
    if len(text) > LONGEST:
        raise refusal(BAD_TEXT, "query", f"it has {len(text)} characters; {LONGEST} are read.")
    for at, character in enumerate(text, 1):
        if category(character) == "Cc":
            raise refusal(BAD_TEXT, "query", f"the control character U+{ord(character):04X} has no place here.", at=at)
    return unquote_to_bytes(raw.replace(b"%26", AMPERSAND.encode())).decode("utf-8")


def _items(text: str) -> Iterator[tuple[int, str]]:
    """(start, item) between the "&" that stand outside quotes and parentheses."""
    start, opened, quoted = 0, list[int](), None
    for place, character in enumerate(text):
        if quoted is not None:
            if character == text[quoted]:
                quoted = None
        elif character in "'\"":
            quoted = place
        elif character == "(":
            opened.append(place)
            if len(opened) > DEEPEST:
                mend = f"parentheses are nested more than {DEEPEST} deep."
                raise refusal(BAD_SYNTAX, "(", mend, at=place + 1)
        elif character == ")":
            if not opened:
                raise refusal(BAD_SYNTAX, ")", "nothing is open here that it could close.", at=place + 1)
            opened.pop()
        elif character == "&" and not opened:
            yield start, text[start:place]
            start = place + 1
    if quoted is not None:
        raise refusal(BAD_SYNTAX, text[quoted], "this quote is never closed.", at=quoted + 1)
    if opened:
        raise refusal(BAD_SYNTAX, "(", "this parenthesis is never closed.", at=opened[-1] + 1)
    yield start, text[start:]


def _count(text: str) -> int | None:
    """A number of rows; None, which means the default, for anything that is not an int32 from 0 on."""
    value = text.strip(" ")
    number = int(value) if _NUMBER.fullmatch(value) else None
    return number if number is not None and number <= _INT32 else None


def _names(text: str) -> Iterator[tuple[bool, str, int]]:
    """(has a minus, name, start) of a list of names. A "+" arrives here as a space or as itself, and means itself."""
    start = 0
    for item in text.split(","):
        match = _SIGNED.fullmatch(item)
        assert match is not None, "the pattern matches any text"
        if match[2]:
            yield bool(match[1]), match[2].replace(AMPERSAND, "&"), start + match.start(2)
        start += len(item) + 1


def _order(text: str, offset: int) -> list[Sort]:
    sorts = [Sort(path, descending, offset + start + 1) for descending, path, start in _names(text)]
    if not sorts:
        raise refusal(NO_VALID_ORDERING, "order", "write order=name or order=-name,other.", at=offset + 1)
    return sorts
