"""What a filter says, as frozen values; `text` writes it down again.

`at` is the 1-based column in the decoded query string. It is no part of what is said, so comparisons leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SELF = "self()"

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
PATTERNS = frozenset({"like", "ilike"})
MEMBERSHIPS = frozenset({"in", "out"})
COLLECTIONS = frozenset({"any", "all"})
CONSTANTS = frozenset({"null", "empty"})


@dataclass(frozen=True, slots=True)
class Path:
    """A dotted path as the caller wrote it, or `self()`."""

    text: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Word:
    """A value as the caller wrote it; only a bare one may turn out to be a property."""

    text: str
    quoted: bool
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Constant:
    """`null()` or `empty()`."""

    name: str
    at: int = field(default=0, compare=False)


Value = Word | Constant


@dataclass(frozen=True, slots=True)
class Compare:
    """A property against one value: COMPARISONS and PATTERNS."""

    operator: str
    path: Path
    value: Value
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Among:
    """A property against a list: MEMBERSHIPS."""

    operator: str
    path: Path
    values: tuple[Value, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Elements:
    """A collection, by what its elements are: COLLECTIONS. Without `inner`, that there is an element."""

    operator: str
    path: Path
    inner: Expr | None
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    terms: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not:
    term: Expr


Expr = Compare | Among | Elements | And | Or | Not


def text(expr: Expr) -> str:
    """The filter in decoded form; percent-encode what is not structure before sending it.

    Raises ValueError for a quoted word that holds both quotes: no text reads as that.
    """
    match expr:
        case Compare(operator, path, value):
            return f"{operator}({path.text},{_value(value)})"
        case Among(operator, path, values):
            return f"{operator}({path.text},({','.join(map(_value, values))}))"
        case Elements(operator, path, None):
            return f"{operator}({path.text})"
        case Elements(operator, path, Compare() | Among() | Elements() | And() | Or() | Not() as inner):
            return f"{operator}({path.text},{text(inner)})"
        case And(terms):
            return f"and({','.join(map(text, terms))})"
        case Or(terms):
            return f"or({','.join(map(text, terms))})"
        case Not(term):
            return f"not({text(term)})"
        case _:
            raise TypeError(f"{expr!r} is no filter expression")


def _value(value: Value) -> str:
    if isinstance(value, Constant):
        return f"{value.name}()"
    if not value.quoted:
        return value.text
    quote = '"' if "'" in value.text else "'"
    if quote in value.text:
        raise ValueError(f"{value.text!r} holds both quotes, which no quoted word can")
    return f"{quote}{value.text}{quote}"
