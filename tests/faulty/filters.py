"""What filters let through: each operator, what is unset, what cannot be read, and declared parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mockserver.domain.errors import Invalid
from mockserver.exchange import Exchange
from mockserver.gate import Step
from mockserver.reply import Reply
from mockserver.rql.filtering import predicate
from mockserver.rql.syntax import Among, And, Compare, Constant, Elements, Expr, Not, Or, Word
from tests.faulty.defects import Row, catalog
from tests.faulty.planting import Handler, Spoil, checked, during, handled

Swap = Callable[[Expr], Expr]


def _swapped(expr: Expr, swap: Swap) -> Expr:
    """The filter with every part of it put through `swap`, the innermost first."""
    match expr:
        case And(terms):
            expr = And(tuple(_swapped(each, swap) for each in terms))
        case Or(terms):
            expr = Or(tuple(_swapped(each, swap) for each in terms))
        case Not(term):
            expr = Not(_swapped(term, swap))
        case Elements() if expr.inner is not None:
            expr = replace(expr, inner=_swapped(expr.inner, swap))
        case _:
            pass
    return swap(expr)


def _means(swap: Swap) -> Spoil:
    """Filters that mean something else than they say."""

    def make(right: Any) -> Any:
        # Another filter in place of the one that came: what is compiled of it is right, and right for everybody.
        return lambda expr, shape, **more: right(_swapped(expr, swap), shape, **more)

    return during("mockserver.rql.filtering:sieve", make)


def _operator(name: str, other: str) -> Swap:
    """One comparison taken for another."""

    def swap(expr: Expr) -> Expr:
        return replace(expr, operator=other) if isinstance(expr, Compare) and expr.operator == name else expr

    return swap


def _ne_needs_value(expr: Expr) -> Expr:
    if isinstance(expr, Compare) and expr.operator == "ne" and isinstance(expr.value, Word) and expr.path.text != "id":
        return And((expr, Compare("ne", expr.path, Constant("null"))))
    return expr


def _eq_is_prefix(expr: Expr) -> Expr:
    if (
        isinstance(expr, Compare)
        and expr.operator == "eq"
        and expr.path.text in ("name", "id")
        and isinstance(expr.value, Word)
    ):
        return replace(expr, operator="like", value=Word(f"{expr.value.text[:6]}*", True))
    return expr


def _first_of_list(operator: str) -> Swap:
    def swap(expr: Expr) -> Expr:
        return replace(expr, values=expr.values[:1]) if isinstance(expr, Among) and expr.operator == operator else expr

    return swap


def _not_is_nothing(expr: Expr) -> Expr:
    return expr.term if isinstance(expr, Not) else expr


def _or_is_and(expr: Expr) -> Expr:
    return And(expr.terms) if isinstance(expr, Or) else expr


def _and_is_first(expr: Expr) -> Expr:
    return expr.terms[0] if isinstance(expr, And) else expr


def _null_is_nothing(expr: Expr) -> Expr:
    if (
        isinstance(expr, Compare)
        and expr.operator == "eq"
        and isinstance(expr.value, Constant)
        and expr.value.name == "null"
    ):
        return Not(Or((expr, Not(expr))))
    return expr


def _ilike_is_like(expr: Expr) -> Expr:
    return replace(expr, operator="like") if isinstance(expr, Compare) and expr.operator == "ilike" else expr


def _like_is_start(expr: Expr) -> Expr:
    if isinstance(expr, Compare) and expr.operator == "like" and isinstance(expr.value, Word):
        return replace(expr, value=Word(expr.value.text.lstrip("*"), True))
    return expr


def _by_day(expr: Expr) -> Expr:
    """Up to a moment means up to the start of its day."""
    if isinstance(expr, Compare) and expr.operator == "le" and isinstance(expr.value, Word) and "T" in expr.value.text:
        return replace(expr, value=Word(expr.value.text[:10], True))
    return expr


def _through_reference(expr: Expr) -> Expr:
    """What lies in another object is compared with nothing: all rows pass."""
    if isinstance(expr, Compare) and expr.path.text.count(".") >= 1 and expr.path.text.endswith(".name"):
        return Or((expr, Not(expr)))
    return expr


def _ignored(x: Exchange, go: Handler) -> Reply:
    x.query = replace(x.query, filter=None)
    return go(x)


def _unreadable_ignored(x: Exchange, step: Step) -> None:
    """A question that cannot be read is none."""
    try:
        step(x)
    except Invalid:
        if x.operation.does != "list":
            raise


def _unknown_ignored(right: Any) -> Any:
    """A filter by what is not there lets everything through."""

    def sieve(expr: Expr, shape: Any, **more: Any) -> Any:
        try:
            return right(expr, shape, **more)
        except Invalid as refusal:
            if "Invalid property path." not in str(refusal):
                raise
            return list

    return sieve


def _texts(right: Any) -> Any:
    """Numbers are compared as texts."""

    def sieve(expr: Expr, shape: Any, **more: Any) -> Any:
        if not (
            isinstance(expr, Compare) and expr.operator in ("gt", "lt", "ge", "le") and isinstance(expr.value, Word)
        ):
            return right(expr, shape, **more)
        keeps = predicate(expr, shape, **more)
        names, operator, text = expr.path.text.split("."), expr.operator, expr.value.text

        def compared(record: Any) -> bool:
            value = record
            for name in names:
                value = value.get(name) if isinstance(value, dict) else None
            if value is None or isinstance(value, str | bool):
                return bool(keeps(record))
            shown = str(value)
            return {"gt": shown > text, "lt": shown < text, "ge": shown >= text, "le": shown <= text}[operator]

        return lambda rows: [row for row in rows if compared(row.record)]

    return sieve


def _without(*names: str) -> Any:
    """A list that does not look at some of its parameters."""

    def around(x: Exchange, go: Handler) -> Reply:
        sent, held = x.said.sent, x.work.query
        said = type(x.said)({name: value for name, value in x.said.items() if name not in names})
        said.sent = sent - frozenset(names)
        x.said, x.work.query = said, {name: value for name, value in held.items() if name not in names}
        return go(x)

    return around


def _drafts_lost(right: Any) -> Any:
    def declared(x: Exchange, rows: Any) -> Any:
        found = right(x, rows)
        if not x.operation.filters.keys() & x.said.sent:
            return found
        kept = [row for row in found if row.record.get("disbursementState") != "draft"]
        return type(found)(kept, len(kept))

    return declared


def _first_month(x: Exchange, go: Handler) -> Reply:
    x.work.query = {**x.work.query, "months": x.work.query["months"][:1]}
    return go(x)


def _no_months(x: Exchange, go: Handler) -> Reply:
    x.work.query = {**x.work.query, "months": []}
    return go(x)


B, C, A = "billing", "credits", "accounts"

ROWS: tuple[Row, ...] = (
    (B, "eq-is-prefix", "Q505 Q507", "", "`eq` lets texts through that only begin alike.", _means(_eq_is_prefix)),
    (B, "ne-needs-a-value", "Q506 Q507", "", "`ne` leaves out rows without the member.", _means(_ne_needs_value)),
    (B, "gt-is-ge", "Q505 Q507", "", "`gt` lets equal values through.", _means(_operator("gt", "ge"))),
    (B, "ge-is-gt", "Q506 Q507", "", "`ge` leaves equal values out.", _means(_operator("ge", "gt"))),
    (B, "lt-is-le", "Q505 Q507", "", "`lt` lets equal values through.", _means(_operator("lt", "le"))),
    (B, "le-is-lt", "Q506 Q507", "", "`le` leaves equal values out.", _means(_operator("le", "lt"))),
    (B, "like-ignores-case", "Q505", "", "`like` does not look at capitals.", _means(_operator("like", "ilike"))),
    (B, "ilike-minds-case", "Q506", "", "`ilike` looks at capitals.", _means(_ilike_is_like)),
    (B, "like-is-start", "Q506", "", "`like` does not take a star in front.", _means(_like_is_start)),
    (B, "in-takes-first", "Q506 Q507", "", "`in` looks at the first value alone.", _means(_first_of_list("in"))),
    (B, "out-takes-first", "Q505 Q507", "", "`out` looks at the first value alone.", _means(_first_of_list("out"))),
    (B, "not-is-nothing", "Q505 Q507", "", "`not` changes nothing.", _means(_not_is_nothing)),
    (B, "or-is-and", "Q506", "", "`or` asks for all of its terms.", _means(_or_is_and)),
    (B, "and-is-first", "Q505", "", "`and` asks for its first term alone.", _means(_and_is_first)),
    (B, "null-matches-nothing", "Q506 Q507", "", "`eq(..., null())` finds nothing.", _means(_null_is_nothing)),
    (B, "dates-by-day", "Q506", "", "A moment is compared by its day alone.", _means(_by_day)),
    (
        B,
        "reference-not-followed",
        "Q505",
        "",
        "A filter by a name within a reference lets every row through.",
        _means(_through_reference),
    ),
    (
        B,
        "numbers-as-text",
        "Q505 Q506",
        "",
        "Numbers are compared as texts.",
        during("mockserver.rql.filtering:sieve", _texts),
    ),
    (B, "filter-ignored", "Q505", "listStatements", "A list ignores its filter.", handled("listStatements", _ignored)),
    (
        B,
        "unknown-member-ignored",
        "Q513",
        "",
        "A filter by a member that is not there gives every row.",
        during("mockserver.rql.filtering:sieve", _unknown_ignored),
    ),
    (
        B,
        "unreadable-filter-ignored",
        "Q513",
        "",
        "A filter that cannot be read gives every row.",
        checked("query", _unreadable_ignored),
    ),
    (
        C,
        "account-filter-ignored",
        "Q505",
        "fetchMultiplePayments",
        "Payments are not filtered by account.",
        handled("fetchMultiplePayments", _without("accountLocator")),
    ),
    (
        C,
        "target-filter-ignored",
        "Q505",
        "fetchMultiplePayments",
        "Payments are not filtered by what they target.",
        handled("fetchMultiplePayments", _without("targetContainerLocator")),
    ),
    (
        C,
        "drafts-lost-by-account",
        "Q506",
        "fetchMultipleDisbursements",
        "A filter by account leaves out drafts.",
        during("mockserver.lists:_declared", _drafts_lost),
    ),
    (
        C,
        "reversed-never-included",
        "Q506",
        "fetchCreditsForAnInvoice",
        "Reversed credits are not listed though they are asked for.",
        handled("fetchCreditsForAnInvoice", _without("includeReversed")),
    ),
    (
        A,
        "months-ignored",
        "Q505 M607",
        "getFinanceAccount",
        "Invoices are not filtered by month.",
        handled("getFinanceAccount", _no_months),
    ),
    (
        A,
        "first-month-only",
        "Q506 M607",
        "getFinanceAccount",
        "Of several months only the first counts.",
        handled("getFinanceAccount", _first_month),
    ),
)

DEFECTS = catalog("filter", ROWS)
