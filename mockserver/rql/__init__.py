"""Queries: what stands in the query string of a request, and what it means for records.

parse(raw query string)                    -> Query
predicate(query.filter, shape, hidden=...) -> record -> bool
ordering(query.order, shape, hidden=...)   -> records -> list of records
"""

from mockserver.rql.code import Expand, Record, alone
from mockserver.rql.filtering import predicate
from mockserver.rql.ordering import ordering
from mockserver.rql.reading import parse
from mockserver.rql.syntax import Expr, Pick, Query, Sort, text

__all__ = ["Expand", "Expr", "Pick", "Query", "Record", "Sort", "alone", "ordering", "parse", "predicate", "text"]
