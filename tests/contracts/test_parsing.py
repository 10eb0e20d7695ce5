"""Bodies read quickly: as Python's own `json` reads them, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.parsing import plain
from contracts.wire import Answer

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal down to the types of their numbers."""
    return repr(one) == repr(other)


@given(VALUES, st.booleans())
def test_what_is_read_is_what_json_reads(value: Any, ascii: bool) -> None:
    content = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    assert plain(content) is None or same(plain(content), json.loads(content))
    assert same(Answer(200, {}, content).json, json.loads(content))


@pytest.mark.parametrize(
    "content",
    [
        b"123456789012345678901234567890",
        b'{"id": -18446744073709551616}',
        b"[1,\n  18446744073709551616]",
        b"[NaN]",
        b"1e999",
        b'"\\ud800"',
        '{"a": 1}'.encode("utf-16"),
        b'\xef\xbb\xbf{"a": 1}',
    ],
)
def test_what_only_python_reads_is_left_to_it(content: bytes) -> None:
    assert plain(content) is None
    assert same(Answer(200, {}, content).json, json.loads(content))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"<html>", b'{"a": 1} 2'])
def test_what_is_no_json_is_none(content: bytes) -> None:
    assert plain(content) is None
    assert Answer(200, {}, content).json is None


def test_digits_in_a_text_are_no_number() -> None:
    assert plain(b'{"message": "No invoice 00000000000000000000000000."}') is not None
