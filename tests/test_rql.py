"""The query language: what is read, what it means for records, and how it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mockserver.domain.errors import Invalid
from mockserver.rql import reading
from mockserver.rql.filtering import predicate
from mockserver.rql.ordering import ordering
from mockserver.rql.parser import expression
from mockserver.rql.query import Pick, Query, Sort
from mockserver.rql.reading import parse
from mockserver.rql.syntax import Among, And, Compare, Constant, Elements, Expr, Not, Or, Path, Word, text
from specs.shapes import shape

# The first example loads the grammar, and machines that build others have slow moments.
PATIENT = settings(deadline=None)

TEXT = {"type": "string"}
DOCUMENT = {
    "components": {
        "schemas": {
            "Journal": {
                "type": "object",
                "properties": {
                    "id": TEXT,
                    "$meta": {"type": "object", "properties": {"omitted": {"type": "array", "items": TEXT}}},
                    "name": TEXT,
                    "notes": TEXT,
                    "status": {"type": "string", "enum": ["Draft", "Error", "Review", "Seller"]},
                    "error": {"type": "object", "properties": {"id": TEXT, "message": TEXT}},
                    "seller": {"$ref": "#/components/schemas/SellerRef"},
                    "dueDate": {"type": "string", "format": "date-time"},
                    "revision": {"type": "integer"},
                    "isFinal": {"type": "boolean"},
                    "price": {"$ref": "#/components/schemas/Price"},
                    "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                    "currencies": {"type": "array", "items": TEXT},
                    "audit": {
                        "type": "object",
                        "properties": {
                            "created": {"type": "object", "properties": {"at": {"$ref": "#/components/schemas/At"}}}
                        },
                    },
                },
            },
            "At": {"type": "string", "format": "date-time"},
            "SellerRef": {
                "type": "object",
                "properties": {
                    "id": TEXT,
                    "name": TEXT,
                    "externalId": TEXT,
                    "address": {"type": "object", "properties": {"country": TEXT}},
                },
            },
            "Price": {
                "type": "object",
                "properties": {
                    "currency": TEXT,
                    "totalPP": {"type": "number"},
                    "totalSP": {"type": "number"},
                    "markup": {"type": "number"},
                },
            },
            "Line": {
                "type": "object",
                "properties": {"id": TEXT, "itemNo": TEXT, "amount": {"type": "number"}, "margin": {"type": "number"}},
            },
        }
    }
}
JOURNAL = shape(DOCUMENT, "Journal", {"seller": "Seller"})
HIDDEN = frozenset({"price.markup", "lines.margin", "error"})

RECORDS: list[dict[str, Any]] = [
    {
        "id": "BJO-1",
        "name": "June",
        "notes": "",
        "status": "Draft",
        "seller": {"id": "SEL-1", "name": "Nordland"},
        "dueDate": "2025-07-01T00:00:00.000Z",
        "revision": 1,
        "isFinal": False,
        "price": {"currency": "EUR", "totalPP": Decimal("1200.5"), "totalSP": Decimal("1500")},
        "lines": [
            {"id": "L-1", "itemNo": "X1", "amount": Decimal(10)},
            {"id": "L-2", "itemNo": "X2", "amount": Decimal(30)},
        ],
        "currencies": ["EUR", "USD"],
        "audit": {"created": {"at": "2025-06-03T08:15:00.120Z"}},
    },
    {
        "id": "BJO-2",
        "name": "june & july",
        "notes": "june & july",
        "status": "Error",
        "error": {"id": "E-1", "message": "no"},
        "revision": 3,
        "isFinal": True,
        "price": {"currency": "USD", "totalPP": Decimal("7"), "totalSP": Decimal("7")},
        "lines": [],
    },
    {"id": "BJO-3", "name": "*star*", "status": "Error", "revision": 2, "dueDate": "2025-06-30T22:00:00.000Z"},
]


def seller(entity: str, id: str) -> Mapping[str, Any] | None:
    assert entity == "Seller"
    return {"id": id, "name": "Nordland", "address": {"country": "NL"}} if id == "SEL-1" else None


def matches(query: str) -> str:
    """The last digits of the ids of the records that pass."""
    expr = parse(query).filter
    assert expr is not None
    passes = predicate(expr, JOURNAL, hidden=HIDDEN, expand=seller)
    return "".join(record["id"][-1] for record in RECORDS if passes(record))


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("eq(name,June)", "1"),
        ("EQ(NAME,'June')", "1"),
        ("name=June", "1"),
        ("ne(name,June)", "23"),
        ("eq(notes,null())", "3"),
        ("ne(notes,null())", "12"),
        ("eq(notes,empty())", "1"),
        ("ne(notes,'x')", "123"),
        ("gt(revision,1)", "23"),
        ("ge(revision,2.0)", "23"),
        ("lt(revision,'2')", "1"),
        ("le(price.totalPP,7)", "2"),
        ("gt(price.totalPP,1e3)", "1"),
        ("eq(price.totalPP,1200.50)", "1"),
        ("not(gt(price.totalPP,8))", "23"),
        ("isFinal=true", "2"),
        ("ne(isFinal,true)", "13"),
        ("in(status,('Draft','Review'))", "1"),
        ("out(status,(Draft))", "23"),
        ("out(notes,('june & july'))", "13"),
        ("in(notes,(null(),empty()))", "13"),
        ("in(revision,(1,3.0))", "12"),
        ("dueDate=2025-07-01", "1"),
        ("dueDate=2025-07-01T02:00:00+02:00", "1"),
        ("dueDate=2025-07-01T02:00:00%2B02:00", "1"),
        ("lt(dueDate,'2025-07-01')", "3"),
        ("gt(audit.created.at,2025-06-03T08:15:00.119Z)", "1"),
        ("like(name,*u*)", "12"),
        ("like(name,J*)", "1"),
        ("like(name,*y)", "2"),
        ("like(name,June)", "1"),
        ("like(name,*)", "123"),
        ("like(name,**)", "123"),
        ("like(name,june*july)", ""),
        ("like(name,\\**)", "3"),
        ("like(name,*\\*)", "3"),
        ("like(name,\\*star\\*)", "3"),
        ("ilike(name,JUNE*)", "12"),
        ("ilike(notes,*)", "12"),
        ("eq(name,notes)", "2"),
        ("ne(name,notes)", "13"),
        ("eq(name,'notes')", ""),
        ("gt(price.totalSP,price.totalPP)", "1"),
        ("eq(price.totalSP,price.totalPP)", "23"),
        ("status=Error", "23"),
        ("status=Seller", ""),
        ("any(lines)", "1"),
        ("not(any(lines))", "23"),
        ("any(lines,eq(itemNo,'X1'))", "1"),
        ("any(lines,itemNo=X1&amount=30)", ""),
        ("any(lines,and(itemNo=X2,gt(amount,20)))", "1"),
        ("all(lines,gt(amount,5))", "123"),
        ("all(lines,gt(amount,20))", "23"),
        ("any(currencies,eq(self(),EUR))", "1"),
        ("any(currencies,like(self(),*D))", "1"),
        ("seller.name=Nordland", "1"),
        ("seller.address.country=NL", "1"),
        ("ne(seller.id,null())", "1"),
        ("eq(seller.address.country,null())", "23"),
        ("status=Error&revision=2", "3"),
        ("status=Error,revision=2;name=June", "13"),
        ("name=June|(status=Error,(revision=2))", "13"),
        ("name=june%20%26%20july", "2"),
        ("name=june+%26+july", "2"),
        ('eq(name,"june & july")', "2"),
        ("and(eq(status,Error),or(eq(revision,2),eq(revision,3)))", "23"),
        (" and( status=Error , revision = 2 ) ", "3"),
        ("render()&status=Draft&filter(group.buyers)", "1"),
        ("%6eame=June", "1"),
        ("eq%28name%2C%22June%22%29", "1"),
    ],
)
def test_a_filter_lets_through_what_it_says(query: str, ids: str) -> None:
    assert matches(query) == ids


@pytest.mark.parametrize(
    ("query", "key", "category", "column"),
    [
        ("foo(a,b)", "foo", "Unknown expression group.", 1),
        ("and(name=a,Foo(b))", "Foo", "Unknown expression group.", 12),
        ("and()", "and", "Empty expression group.", 1),
        ("name=June&()", "()", "Empty expression group.", 11),
        ("eq(name)", "eq", "Wrong number of arguments.", 1),
        ("eq(name,a,b)", "eq", "Wrong number of arguments.", 1),
        ("not(name=a,name=b)", "not", "Wrong number of arguments.", 1),
        ("any()", "any", "Wrong number of arguments.", 1),
        ("all(lines)", "all", "Wrong number of arguments.", 1),
        ("eq(name,null(x))", "null", "Wrong number of arguments.", 9),
        ("in(name,())", "in", "Empty value list.", 9),
        ("in(name,June)", "in", "Invalid argument.", 9),
        ("in(name,(a;b))", "a", "Invalid argument.", 10),
        ("eq(name,(June))", "June", "Invalid argument.", 9),
        ("gt(name,null())", "gt", "Invalid argument.", 9),
        ("rql=eq(status,Draft)", "rql", "Invalid equals shortcut expression.", 1),
        ("RQL=x", "RQL", "Invalid equals shortcut expression.", 1),
        ("name=", "name=", "Invalid equals shortcut expression.", 6),
        ("=June", "=June", "Invalid equals shortcut expression.", 1),
        ("name", "name", "Invalid equals shortcut expression.", 1),
        ("nosuch=1", "nosuch", "Invalid property path.", 1),
        ("limit=5&eq(seller.nosuch,1)", "seller.nosuch", "Invalid property path.", 12),
        ("lines.itemNo=1", "lines.itemNo", "Invalid property path.", 1),
        ("name.first=1", "name.first", "Invalid property path.", 1),
        ("eq('name',1)", "name", "Invalid property path.", 4),
        ("eq(self(),1)", "self()", "Invalid property path.", 4),
        ("price=1", "eq", "The operator is not permitted on this property.", 1),
        ("eq(lines,1)", "eq", "The operator is not permitted on this property.", 1),
        ("any(name)", "any", "The operator is not permitted on this property.", 1),
        ("like(revision,1)", "like", "The operator is not permitted on this property.", 1),
        ("eq(revision,empty())", "empty", "The operator is not permitted on this property.", 13),
        ("id=null()", "id", "The property does not support null.", 4),
        ("in(id,(a,null()))", "id", "The property does not support null.", 10),
        ("price.markup=1", "price.markup", "Filtering by this property is not permitted.", 1),
        ("gt(price.totalPP,price.markup)", "price.markup", "Filtering by this property is not permitted.", 18),
        ("any(lines,margin=1)", "margin", "Filtering by this property is not permitted.", 11),
        ("error.message=no", "error.message", "Filtering by this property is not permitted.", 1),
        ("revision=many", "revision", "The value cannot be converted to the type of the property.", 10),
        ("revision=NaN", "revision", "The value cannot be converted to the type of the property.", 10),
        ("revision=1_0", "revision", "The value cannot be converted to the type of the property.", 10),
        ("status=draft", "status", "The value cannot be converted to the type of the property.", 8),
        ("isFinal=1", "isFinal", "The value cannot be converted to the type of the property.", 9),
        ("dueDate=2025-13-01", "dueDate", "The value cannot be converted to the type of the property.", 9),
        ("eq(name,'June", "'", "The expression cannot be read.", 9),
        ("name=O'Brien", "'", "The expression cannot be read.", 7),
        ("and(name=a", "(", "The expression cannot be read.", 4),
        ("name=a)", ")", "The expression cannot be read.", 7),
        ("eq(name,,a)", "eq(name,,a)", "The expression cannot be read.", 9),
        ("name=a,", "name=a,", "The expression cannot be read.", 8),
        ("null()", "null", "The expression cannot be read.", 1),
        ("name=%00", "query", "The query string cannot be read.", 6),
        ("name=%0A", "query", "The query string cannot be read.", 6),
        ("name=%06", "query", "The query string cannot be read.", 6),
        ("order=", "order", "There are no valid ordering properties.", 7),
        ("order=%2B,-", "order", "There are no valid ordering properties.", 7),
    ],
)
def test_a_wrong_query_is_refused_by_name_with_its_column(query: str, key: str, category: str, column: int) -> None:
    with pytest.raises(Invalid) as refused:
        matches(query)
    assert list(refused.value.errors) == [key]
    assert refused.value.errors[key][0] == category
    assert f"Column {column}: " in refused.value.errors[key][1]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("query", [b"name=%ff", b"name=\xff", "name=\ud800", b"a" * 9000, "not(" * 51 + ")" * 51])
def test_nonsense_is_refused_before_it_is_understood(query: str | bytes) -> None:
    with pytest.raises(Invalid):
        parse(query)


def test_an_unconvertible_value_is_named_and_a_hidden_property_is_not() -> None:
    with pytest.raises(Invalid, match="'many' is no value of revision"):
        matches("revision=many")
    with pytest.raises(Invalid) as refused:
        matches("price.nosuch=1")
    assert "totalSP" in str(refused.value)
    assert "markup" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", Query()),
        ("&&", Query()),
        ("limit=20&offset=40", Query(limit=20, offset=40)),
        ("LIMIT=20", Query(limit=20)),
        ("limit=5&limit=7", Query(limit=7)),
        ("limit=5&limit=x", Query()),
        ("order=+name,-audit.created.at", Query(order=(Sort("name"), Sort("audit.created.at", descending=True)))),
        ("order=%2Bname,%20id", Query(order=(Sort("name"), Sort("id")))),
        ("select=audit", Query(select=(Pick("audit"),))),
        (
            "select=-*,id, +price.totalGT,,%2Blines",
            Query(select=(Pick("*", remove=True), Pick("id"), Pick("price.totalGT"), Pick("lines"))),
        ),
        ("select=a&select=-b", Query(select=(Pick("a"), Pick("b", remove=True)))),
        ("select=", Query()),
    ],
)
def test_parameters_are_taken_out_of_the_query(query: str, wanted: Query) -> None:
    assert parse(query) == parse(query.encode()) == wanted


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("name", "312"),
        ("-name", "213"),
        ("+revision", "132"),
        ("notes", "312"),
        ("-notes", "213"),
        ("status,-revision", "123"),
        ("-status,revision", "321"),
        ("dueDate", "231"),
        ("SELLER.ADDRESS.COUNTRY,-id", "321"),
    ],
)
def test_an_order_puts_absent_values_first_and_keeps_the_order_of_equals(order: str, ids: str) -> None:
    ordered = ordering(parse(f"order={order}").order, JOURNAL, hidden=HIDDEN, expand=seller)
    assert "".join(record["id"][-1] for record in ordered(RECORDS)) == ids


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("nosuch", "Invalid property path."),
        ("lines", "Ordering by this property is not permitted."),
        ("price", "Ordering by this property is not permitted."),
        ("price.markup", "Ordering by this property is not permitted."),
        ("error.id", "Ordering by this property is not permitted."),
    ],
)
def test_an_order_by_what_cannot_be_ordered_is_refused(path: str, category: str) -> None:
    with pytest.raises(Invalid) as refused:
        ordering(parse(f"limit=1&order=name,-{path}").order, JOURNAL, hidden=HIDDEN)
    assert refused.value.errors[path] == [category, refused.value.errors[path][1]]
    assert "Column 21: " in refused.value.errors[path][1]


def test_the_deepest_and_the_longest_filters_that_are_read_also_run() -> None:
    deep = parse("not(" * 50 + "name=June" + ")" * 50).filter
    long = parse(f"or({','.join(['gt(name,z)'] * 740)})").filter
    assert deep is not None
    assert long is not None
    assert predicate(deep, JOURNAL)(RECORDS[0])
    assert not predicate(long, JOURNAL)(RECORDS[0])


def test_the_same_filter_follows_the_world_it_is_given() -> None:
    expr = parse("seller.address.country=NL").filter
    assert expr is not None
    assert predicate(expr, JOURNAL, expand=seller)(RECORDS[0])
    assert not predicate(expr, JOURNAL)(RECORDS[0])


# Filters of any form over the journal, as syntax trees.

TEXTS = st.text(st.sampled_from("abJ u&*\\é%+;,()=") | st.sampled_from("'"), max_size=6)
WORDS = TEXTS.map(lambda word: Word(word, quoted=True)) | st.sampled_from(["June", "name", "u b", "a&b", "*u*"]).map(
    lambda word: Word(word, quoted=False)
)
STRINGS = st.sampled_from(["name", "notes", "seller.name", "id"]).map(Path)
NUMBERS = st.sampled_from(["revision", "price.totalPP"]).map(Path)
COUNTS = st.integers(-2, 2000).map(lambda count: Word(str(count), quoted=False))


def leaves() -> st.SearchStrategy[Expr]:
    signs = st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"])
    lists = st.sampled_from(["in", "out"])
    return st.one_of(
        st.builds(Compare, signs | st.sampled_from(["like", "ilike"]), STRINGS, WORDS),
        st.builds(Compare, signs, NUMBERS, COUNTS),
        st.builds(Compare, st.sampled_from(["eq", "ne"]), NUMBERS, st.just(Constant("null"))),
        st.builds(Among, lists, STRINGS, st.lists(WORDS, min_size=1, max_size=3).map(tuple)),
        st.builds(Among, lists, NUMBERS, st.lists(COUNTS, min_size=1, max_size=3).map(tuple)),
        st.builds(Elements, st.just("any"), st.just(Path("lines")), st.none()),
        st.builds(
            Elements,
            st.sampled_from(["any", "all"]),
            st.just(Path("lines")),
            st.builds(Compare, signs, st.just(Path("amount")), COUNTS),
        ),
    )


def several(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    terms = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(st.builds(And, terms), st.builds(Or, terms), st.builds(Not, inner))


EXPRESSIONS = st.recursive(leaves(), several, max_leaves=8)


@PATIENT
@given(EXPRESSIONS)
@example(Compare("eq", Path("name"), Word("it's 100% & more", quoted=True)))
@example(Compare("eq", Path("name"), Word("a&b", quoted=False)))
def test_reading_what_was_written_gives_the_same_filter(expr: Expr) -> None:
    assert parse(quote(text(expr), safe="(),'\"")).filter == expr
    assert parse(quote(text(expr), safe="")).filter == expr


@PATIENT
@given(EXPRESSIONS)
def test_a_filter_and_its_negation_part_the_records(expr: Expr) -> None:
    passes = predicate(expr, JOURNAL, expand=seller)
    fails = predicate(Not(expr), JOURNAL, expand=seller)
    assert [passes(record) for record in RECORDS] == [not fails(record) for record in RECORDS]


@PATIENT
@given(EXPRESSIONS)
def test_a_compiled_filter_says_what_a_plain_reading_of_it_says(expr: Expr) -> None:
    passes = predicate(expr, JOURNAL, expand=seller)
    assert [passes(record) for record in RECORDS] == [read_plainly(expr, record) for record in RECORDS]


def read_plainly(expr: Expr, record: Mapping[str, Any]) -> bool:
    """The meaning of the generated filters, written as simply as can be."""
    match expr:
        case And(terms):
            return all(read_plainly(term, record) for term in terms)
        case Or(terms):
            return any(read_plainly(term, record) for term in terms)
        case Not(term):
            return not read_plainly(term, record)
        case Elements("any", Path(path), None):
            return len(record.get(path, [])) > 0
        case Elements(operator, Path(path), inner) if inner is not None:
            verdicts = [read_plainly(inner, element) for element in record.get(path, [])]
            return any(verdicts) if operator == "any" else all(verdicts)
        case Among(operator, Path(path), values):
            found = [read_plainly(Compare("eq", Path(path), quoted(value)), record) for value in values]
            return any(found) == (operator == "in")
        case Compare(operator, Path(path), value):
            return compared(operator, behind(record, path), wanted(operator, path, value, record))
    raise AssertionError(expr)


def behind(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for name in path.split("."):
        value = (value or {}).get(name)
    return value


def quoted(value: Word | Constant) -> Word | Constant:
    return Word(value.text, quoted=True) if isinstance(value, Word) else value


def wanted(operator: str, path: str, value: Word | Constant, record: Mapping[str, Any]) -> Any:
    if isinstance(value, Constant):
        return None
    if path in ("revision", "price.totalPP", "amount"):
        return Decimal(value.text)
    if value.text == "name" and not value.quoted and "like" not in operator:
        return record.get("name")
    return value.text


def compared(operator: str, left: Any, right: Any) -> bool:
    if operator in ("eq", "ne"):
        return bool((left == right) == (operator == "eq"))
    if left is None or right is None:
        return False
    if operator in ("like", "ilike"):
        return alike(left.casefold(), right.casefold()) if operator == "ilike" else alike(left, right)
    return bool({"gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}[operator])


def alike(value: str, pattern: str) -> bool:
    starts = pattern.startswith("*")
    ends = len(pattern) > 1 and pattern.endswith("*") and not pattern.endswith("\\*")
    body = pattern[starts : len(pattern) - ends].replace("\\*", "*")
    return {
        (False, False): value == body,
        (False, True): value[: len(body)] == body,
        (True, False): len(value) >= len(body) and value[len(value) - len(body) :] == body,
        (True, True): value.find(body) >= 0,
    }[starts, ends]


@PATIENT
@given(st.text(max_size=60) | st.text(st.sampled_from("eqandinoryl(),'\"=;|&*+% .-"), max_size=60))
@example("%")
@example("%%%26")
@example("select=" + ".".join("a" * 500))
def test_no_query_string_does_worse_than_a_refusal(query: str) -> None:
    with suppress(Invalid):
        read = parse(query)
        if read.filter is not None:
            predicate(read.filter, JOURNAL)(RECORDS[0])
        ordering(read.order, JOURNAL)(RECORDS)


def test_a_shape_tells_kinds_and_may_contain_itself() -> None:
    document = {
        "components": {
            "schemas": {
                "Charge": {
                    "type": "object",
                    "properties": {
                        "parent": {"allOf": [{"$ref": "#/components/schemas/Charge"}], "description": "the whole"},
                        "children": {"type": "array", "items": {"$ref": "#/components/schemas/Charge"}},
                        "nested": {"$ref": "#/components/schemas/Nested"},
                        "free": {"type": "object"},
                        "day": {"type": "string", "format": "date"},
                    },
                },
                "Nested": {"type": "array", "items": {"$ref": "#/components/schemas/Nested"}},
            }
        }
    }
    charge = shape(document, "Charge", {"Charge.parent": "Charge", "parent": "Statement"})
    parent = charge.members["parent"]
    assert (parent.kind, parent.refers, charge.members["day"].kind) == ("object", "Charge", "date")
    assert parent.members is parent.members["parent"].members
    assert charge.members["children"].item is not None
    assert charge.members["children"].item.kind == "object"
    assert charge.members["nested"].kind == "collection"
    assert not charge.members["free"].members
    assert "$meta" not in JOURNAL.members
    assert JOURNAL.members["status"].enum[0] == "Draft"


def test_a_missing_schema_is_named() -> None:
    with pytest.raises(KeyError, match="Nosuch"):
        shape(DOCUMENT, "Nosuch")


@PATIENT
@given(
    st.one_of(
        st.text("eqlik.a1 (),=*-\\\x06rlQ;&|'", max_size=20),
        st.builds(
            "{}{}({}{},{}{}){}".format,
            st.sampled_from(["", " "]),
            st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le", "like", "ilike", "EQ", "in"]),
            st.sampled_from(["", "  "]),
            st.text("ab.c ()'", min_size=1, max_size=6),
            st.sampled_from(["", " "]),
            st.text("ab*\\-:1 \x06=", min_size=1, max_size=8)
            | st.builds("{0}{1}{0}".format, st.sampled_from("'\""), st.text("ab*1 \x06=,;|()&'\"", max_size=8)),
            st.sampled_from(["", " "]),
        ),
        st.builds(
            "{}and{}({}){}".format,
            st.sampled_from(["", " "]),
            st.sampled_from(["", " "]),
            st.lists(
                st.sampled_from(
                    ["eq(a,b)", " lt( a.b ,c d) ", "like(a,*x*)", "eq(a,'b,)')", "a=b", 'a="b"', "in(a,(b))", ""]
                ),
                max_size=4,
            ).map(",".join),
            st.sampled_from(["", " "]),
        ),
        st.builds("{}={}".format, st.text("ab.rql ", max_size=6), st.text("ab* 1:-\x06'", max_size=8)),
    )
)
@example("eq(a,b)")
@example(" like( a.b , *c d* ) ")
@example("rql=a")
@example("a b=c")
@example("eq(a,'')")
@example("and(eq(a,'b),lt(c,'),eq(d,\"e'f\"))")
def test_what_is_read_without_the_grammar_is_what_the_grammar_reads(item: str) -> None:
    simple = reading._simple(item, 7)
    if simple is not None:
        # With where each part stands, which comparing leaves out.
        assert repr(simple) == repr(expression(item, offset=7))


def test_most_filters_are_read_without_the_grammar() -> None:
    for item in (
        "eq(status,Error)",
        "status=Error",
        "like(externalIds.vendor,*4*)",
        "ge(audit.created.at,2026-01-01)",
        "and(ge(a,1),lt(a,2))",
        "eq(id,'BJO-0000-0001')",
        'status="Error"',
    ):
        assert reading._simple(item, 0) is not None, item
