"""Queries: what stands in the query string of a request, and what it means for records.

parse(raw query string)                    -> Query
predicate(query.filter, shape, hidden=...) -> record -> bool
sieve(query.filter, shape, hidden=...)     -> rows -> list of those whose record passes
compiled(query.filter, shape, hidden=...)  -> any of these, and what answers it over columns
ordering(query.order, shape, hidden=...)   -> records -> list of records
terms, keys: the same as an index can answer it, as far as one can
"""

from mockserver.rql.code import Compiled, Expand, Record, alone
from mockserver.rql.filtering import Term, compiled, predicate, sieve, terms
from mockserver.rql.ordering import Key, keys, ordering
from mockserver.rql.reading import parse
from mockserver.rql.syntax import Expr, Pick, Query, Sort, text

__all__ = [
    "Compiled",
    "Expand",
    "Expr",
    "Key",
    "Pick",
    "Query",
    "Record",
    "Sort",
    "Term",
    "alone",
    "compiled",
    "keys",
    "ordering",
    "parse",
    "predicate",
    "sieve",
    "terms",
    "text",
]
