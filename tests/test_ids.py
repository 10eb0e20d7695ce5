"""Ids: as each API shapes them, never twice, the same for the same calls, and ULIDs that sort by time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from mockserver import ids
from specs.tables import Identifier

SEEDS = st.integers(0, 2**63 - 1)
ENTITIES = st.sampled_from(["Payment", "CreditDistribution", "Account"])
COUNTS = st.integers(1, 2**34 - 2)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))
ULID = re.compile(Identifier("Payment", "", (), False, "S", form="ulid").pattern)
UUID4 = re.compile(Identifier("Tenant", "", (), False, "S", form="uuid").pattern)


@given(SEEDS, ENTITIES, MOMENTS, COUNTS)
def test_a_ulid_is_shaped_like_one_and_always_the_same(seed: int, entity: str, moment: datetime, count: int) -> None:
    id = ids.ulid(seed, entity, moment, count)
    assert ULID.fullmatch(id)
    assert ids.ulid(seed, entity, moment, count) == id


@given(SEEDS, ENTITIES, MOMENTS, COUNTS, COUNTS)
def test_ulids_of_one_instant_sort_by_count(seed: int, entity: str, moment: datetime, one: int, other: int) -> None:
    first, second = (ids.ulid(seed, entity, moment, count) for count in (one, other))
    assert (first < second) is (one < other)
    assert (first == second) is (one == other)


@given(SEEDS, ENTITIES, MOMENTS, st.timedeltas(timedelta(milliseconds=1), timedelta(days=36_500)), COUNTS, COUNTS)
@example(1, "Payment", datetime(2026, 3, 16, 9, tzinfo=UTC), timedelta(milliseconds=1), 2**34 - 2, 1)
def test_ulids_sort_by_time_before_all(
    seed: int, entity: str, moment: datetime, later: timedelta, one: int, other: int
) -> None:
    assert ids.ulid(seed, entity, moment, one) < ids.ulid(seed, entity, moment + later, other)


@given(MOMENTS, COUNTS)
def test_the_first_ten_characters_of_a_ulid_are_its_milliseconds(moment: datetime, count: int) -> None:
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    value = 0
    for character in ids.ulid(1, "Payment", moment, count)[:10]:
        value = value * 32 + digits.index(character)
    assert value == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_what_happened_before_1970_sorts_first() -> None:
    before = ids.ulid(1, "Payment", datetime(1969, 6, 1, tzinfo=UTC), 1)
    assert before < ids.ulid(1, "Payment", datetime(1970, 1, 2, tzinfo=UTC), 1)


@given(SEEDS, ENTITIES, COUNTS)
def test_a_uuid_is_shaped_like_version_4_and_always_the_same(seed: int, entity: str, count: int) -> None:
    id = ids.uuid(seed, entity, count)
    assert UUID4.fullmatch(id)
    assert UUID(id).version == 4
    assert ids.uuid(seed, entity, count) == id


def test_ids_of_other_seeds_entities_and_counts_are_others() -> None:
    moment = datetime(2026, 3, 16, 9, tzinfo=UTC)
    wanted = [(seed, entity, count) for seed in (1, 2) for entity in ("Payment", "Invoice") for count in range(1, 200)]
    assert len({ids.uuid(*each) for each in wanted}) == len(wanted)
    assert len({ids.ulid(seed, entity, moment, count) for seed, entity, count in wanted}) == len(wanted)


@given(SEEDS, st.integers(1, 3))
def test_a_walk_over_all_digits_meets_none_twice(seed: int, digits: int) -> None:
    met = [ids.spread(seed, "Account", count, digits) for count in range(10**digits)]
    assert len(set(met)) == 10**digits
    assert all(re.fullmatch(rf"\d{{{digits}}}", each) for each in met)
