"""What tells two refusals apart, and what does not."""

from __future__ import annotations

import pytest

from contracts.likeness import difference
from contracts.wire import Answer


def answer(text: str, status: int = 404, **headers: str) -> Answer:
    return Answer(status, {"content-type": "application/json", **headers}, text.encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("No journal BJO-1000-0001.", "No journal BJO-0000-0000."),
        ("No account 046005, ticket 260316090000010.", "No account 000000, ticket 260316090000009."),
        ('{"trace": "00-33a203ff-01"}', '{"trace": "00-9bd1e18c-01"}'),
        ("getJournal: none such.", "getLedger: none such."),
    ],
)
def test_ids_numbers_traces_and_what_was_asked_for_tell_nothing(one: str, other: str) -> None:
    assert difference(answer(one), answer(other), "000000", "046005", "getJournal", "getLedger") == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (answer("No journal."), answer("No journal.", 403)),
        (answer("No journal BJO-1000-0001."), answer("Another vendor's journal BJO-1000-0001.")),
        (answer("No journal."), answer("No journal.", etag='"7"')),
    ],
)
def test_statuses_words_and_headers_tell(one: Answer, other: Answer) -> None:
    assert difference(one, other)
