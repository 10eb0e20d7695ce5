"""An account's billing summary: the account, and what the window and `months` leave of its invoices and payments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mockserver import wire
from mockserver.apis.accounts.rules import Window, window
from mockserver.caches import ENCODED
from mockserver.service import BrokenPromise

if TYPE_CHECKING:
    import jsonschema_rs

    from mockserver.exchange import Exchange
    from mockserver.service import Service
    from mockserver.store import Row

PARTS = {"invoices": "Invoice", "payments": "Payment"}


def shown(x: Exchange) -> Window:
    """The days of which invoices and payments are shown, by the world's clock, in UTC (accounts 7, S, M)."""
    return window(x.world.clock.now().date(), x.service.api.conventions.rules["months"])


def summary(x: Exchange, account: Row) -> bytes:
    """The JSON of an account with its invoices and payments, found valid."""
    days, months = shown(x), x.work.query["months"]
    parts = [_encoded(x.service, account, "AccountDetail", PARTS)[:-1]]
    for name, entity in PARTS.items():
        rows = x.service.below(x.work, entity, "Account", account.record)
        wanted = newest_first(within(rows, days, months))
        each = [row.kept(entity) or _encoded(x.service, row, entity) for row in wanted]
        parts.append(b'"' + name.encode() + b'":[' + b",".join(each) + b"]")
    return b",".join(parts) + b"}"


def within(rows: Iterable[Row], days: Window, wanted: Collection[str] = ()) -> list[Row]:
    """The rows of these days, and of the months that the wanted days lie in, if there are any (accounts 7, S)."""
    first, last, months = days.first, days.last, frozenset(day[:7] for day in wanted)
    return [row for row in rows if first <= (day := row.record["date"]) <= last and (not months or day[:7] in months)]


def newest_first(rows: Iterable[Row]) -> list[Row]:
    """The rows by the date of their records, the newest first, then by id (accounts 7, M)."""
    by_id = sorted(rows, key=lambda row: row.record["id"])
    return sorted(by_id, key=lambda row: row.record["date"], reverse=True)


def _encoded(service: Service, row: Row, schema: str, without: Mapping[str, str] | Sequence[str] = ()) -> bytes:
    """A record as its schema shows it, without what stands in other records; kept with the version it was made of."""
    kept: bytes | None = row.kept(schema)
    if kept is not None:
        return kept
    members, validator = _schema(service, schema)
    value = wire.plain({name: row.record[name] for name in members if name in row.record and name not in without})
    if not validator.is_valid(value):
        error = next(validator.iter_errors(value))
        raise BrokenPromise(f"{schema} {row.record['id']}: {error.message}")
    encoded = wire.dump(value)
    ENCODED.keep(row, schema, encoded)
    return encoded


@lru_cache(maxsize=16)
def _schema(service: Service, name: str) -> tuple[tuple[str, ...], jsonschema_rs.Draft202012Validator]:
    """The members of a schema, and its validator."""
    schema: dict[str, Any] = service.api.document["components"]["schemas"][name]
    return tuple(schema["properties"]), service.validators.compiled({"$ref": f"#/components/schemas/{name}"})
