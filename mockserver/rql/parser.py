"""From the decoded text of one filter to its syntax tree. Importing this loads lark: wait for the first filter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as File
from typing import cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from mockserver.domain.errors import Invalid
from mockserver.rql.refusals import (
    BAD_SHORTCUT,
    BAD_SYNTAX,
    EMPTY_GROUP,
    EMPTY_LIST,
    UNKNOWN_GROUP,
    UNKNOWN_PATH,
    WRONG_ARGUMENT,
    WRONG_COUNT,
    refusal,
    shown,
)
from mockserver.rql.syntax import (
    COLLECTIONS,
    COMPARISONS,
    CONSTANTS,
    MEMBERSHIPS,
    PATTERNS,
    SELF,
    Among,
    And,
    Compare,
    Constant,
    Elements,
    Expr,
    Not,
    Or,
    Path,
    Value,
    Word,
)

Node = Tree[Token]

AMPERSAND = "\x06"
"""Stands for an "&" that is data. Decoded queries hold no control characters, so it cannot come from a caller."""

KNOWN = "and, or, not, eq, ne, gt, ge, lt, le, like, ilike, in, out, any, all"

_GRAMMAR = Lark(
    File(__file__).with_name("grammar.lark").read_text("utf-8"),
    parser="lalr",
    start="query",
    propagate_positions=True,
)


def expression(source: str, *, offset: int = 0) -> Expr:
    """The filter that `source` says.

    offset: how many characters of the query string come before it
    """
    try:
        tree = _GRAMMAR.parse(source)
    except UnexpectedInput as error:
        raise _unreadable(source, error, offset) from None
    return _Reading(offset).expr(_inside(tree)[0])


def _unreadable(source: str, error: UnexpectedInput, offset: int) -> Invalid:
    ended = isinstance(getattr(error, "token", None), Token) and error.token.type == "$END"  # type: ignore[attr-defined]  # UnexpectedToken has one
    position = len(source) if ended else error.pos_in_stream or 0
    before, rest = source[:position].rstrip(), source[position:]
    at = offset + position + 1
    whole = _data(source.strip())
    if rest.startswith("=") or before.endswith("="):
        return refusal(BAD_SHORTCUT, whole, "write path=value.", at=at)
    if ended:
        return refusal(BAD_SYNTAX, whole, "something is missing at the end.", at=at)
    mend = f"{shown(_data(rest), most=10)!r} cannot stand here; quote a value that holds any of , & ; | ( ) = ' or \"."
    return refusal(BAD_SYNTAX, whole, mend, at=at)


def _inside(tree: Node) -> list[Node]:
    """The nodes below one that has only nodes below it."""
    return cast("list[Node]", tree.children)


def _data(text: str) -> str:
    return text.replace(AMPERSAND, "&")


def _name(tree: Node) -> str:
    """What a node begins with: the name of a call, the text of a word, the path of a shortcut."""
    head: Node | Token = tree
    while not isinstance(head, Token):
        if not head.children:
            return "()"
        head = head.children[0]
    return _data(head[1:-1] if head.type == "QUOTED" else head)


class _Reading:
    """Gives each call its meaning, or refuses it by name."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def expr(self, node: Node) -> Expr:
        match node.data:
            case "or_":
                return Or(tuple(self.expr(child) for child in _inside(node)))
            case "and_":
                return And(tuple(self.expr(child) for child in _inside(node)))
            case "group":
                if not node.children:
                    mend = "put an expression between the parentheses."
                    raise refusal(EMPTY_GROUP, "()", mend, at=self._at(node))
                return self.expr(_inside(node)[0])
            case "shortcut":
                return self._shortcut(node)
            case "call":
                return self._call(node)
            case "quoted":
                mend = "a quoted text is no expression; write eq(path,value)."
                raise refusal(BAD_SYNTAX, _name(node), mend, at=self._at(node))
            case _:
                mend = "write path=value, or a call such as eq(path,value)."
                raise refusal(BAD_SHORTCUT, _name(node), mend, at=self._at(node))

    def _at(self, node: Node) -> int:
        return self._offset + node.meta.start_pos + 1

    def _shortcut(self, node: Node) -> Expr:
        path, value = _name(node), self._value(_inside(node)[1])
        # No parameter carries a whole filter: filters stand in the query string themselves.
        if value is None or path.casefold() == "rql":
            mend = "write path=value with one value; a call stands alone, as in ?eq(path,value)."
            raise refusal(BAD_SHORTCUT, path, mend, at=self._at(node))
        return Compare("eq", Path(path, self._at(node)), value, self._at(node))

    def _call(self, node: Node) -> Expr:
        written, arguments, at = _name(node), _inside(node)[1:], self._at(node)
        name = written.casefold()
        if name in ("and", "or"):
            if not arguments:
                raise refusal(EMPTY_GROUP, name, f"{name}(...) takes one expression or more.", at=at)
            terms = tuple(self.expr(argument) for argument in arguments)
            return And(terms) if name == "and" else Or(terms)
        if name == "not":
            self._count(node, (1,), "not(expression)")
            return Not(self.expr(arguments[0]))
        if name in COMPARISONS or name in PATTERNS:
            self._count(node, (2,), f"{name}(path,value)")
            return Compare(name, self._path(arguments[0]), self._needed(arguments[1]), at)
        if name in MEMBERSHIPS:
            self._count(node, (2,), f"{name}(path,(value,value))")
            return Among(name, self._path(arguments[0]), self._list(name, arguments[1]), at)
        if name in COLLECTIONS:
            self._count(node, (2,) if name == "all" else (1, 2), f"{name}(path,expression)")
            inner = self.expr(arguments[1]) if len(arguments) == 2 else None
            return Elements(name, self._path(arguments[0]), inner, at)
        if name in CONSTANTS or name == "self":
            mend = f"{name}() stands inside an expression, as in eq(path,null()) or any(path,eq(self(),value))."
            raise refusal(BAD_SYNTAX, name, mend, at=at)
        mend = f"there is no {shown(written, most=40)}(...); there are: {KNOWN}."
        raise refusal(UNKNOWN_GROUP, written, mend, at=at)

    def _count(self, call: Node, wanted: Sequence[int], usage: str) -> None:
        given = len(call.children) - 1
        if given not in wanted:
            numbers = " or ".join(map(str, wanted))
            mend = f"{given} given, {numbers} wanted; write {usage}."
            raise refusal(WRONG_COUNT, _name(call).casefold(), mend, at=self._at(call))

    def _path(self, node: Node) -> Path:
        if node.data == "bare":
            return Path(_name(node), self._at(node))
        if node.data == "call" and _name(node).casefold() == "self":
            self._count(node, (0,), SELF)
            return Path(SELF, self._at(node))
        mend = "the first argument is a property path, without quotes."
        raise refusal(UNKNOWN_PATH, _name(node), mend, at=self._at(node))

    def _list(self, operator: str, node: Node) -> tuple[Value, ...]:
        usage = f"{operator}(path,(value,value))."
        if node.data != "group":
            mend = f"write the values in parentheses: {usage}"
            raise refusal(WRONG_ARGUMENT, operator, mend, at=self._at(node))
        if not node.children:
            raise refusal(EMPTY_LIST, operator, f"write one value or more: {usage}", at=self._at(node))
        inside = _inside(node)[0]
        return tuple(self._needed(value) for value in (_inside(inside) if inside.data == "and_" else [inside]))

    def _needed(self, node: Node) -> Value:
        value = self._value(node)
        if value is None:
            mend = "a value is wanted: a word, a quoted text, null() or empty()."
            raise refusal(WRONG_ARGUMENT, _name(node), mend, at=self._at(node))
        return value

    def _value(self, node: Node) -> Value | None:
        """None if the node is no value."""
        if node.data in ("bare", "quoted"):
            return Word(_name(node), node.data == "quoted", self._at(node))
        if node.data == "call" and _name(node).casefold() in CONSTANTS:
            self._count(node, (0,), f"{_name(node).casefold()}()")
            return Constant(_name(node).casefold(), self._at(node))
        return None
