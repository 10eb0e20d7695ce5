"""Queries: what stands in the query string of a request, and what it means for records.

reading.parse(raw query string)                      -> query.Query
filtering.predicate(query.filter, shape, hidden=...) -> record -> bool
filtering.sieve(query.filter, shape, hidden=...)     -> rows -> list of those whose record passes
filtering.compiled(query.filter, shape, hidden=...)  -> any of these, and what answers it over columns
ordering.ordering(query.order, shape, hidden=...)    -> records -> list of records
filtering.terms, ordering.keys: the same as an index can answer it, as far as one can

A server starts with `query` alone; the others are imported when something is asked for.
"""
