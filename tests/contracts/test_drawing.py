"""What Hypothesis draws for a run: nothing around changes it, and nothing around is changed by it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import configuration
from hypothesis import strategies as st
from hypothesis.internal import charmap
from hypothesis.internal.conjecture import providers
from hypothesis.strategies._internal.utils import clear_strategy_cache

from contracts import drawing
from contracts.drawing import alone, drawn

HOME = "__hypothesis_home_directory"
NUMBERS = st.lists(st.integers(0, 10**9), min_size=40)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module of the user's, not yet loaded, that is full of numbers."""
    (tmp_path / "full_of_numbers.py").write_text(f"NUMBERS = {[7 * each for each in range(1000, 2000)]}")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "full_of_numbers"
    sys.modules.pop("full_of_numbers", None)


def test_one_seed_draws_the_same_whatever_modules_are_loaded(module: str) -> None:
    before = drawn(NUMBERS, 20, 1)
    importlib.import_module(module)
    assert drawn(NUMBERS, 20, 1) == before


def test_another_seed_draws_something_else() -> None:
    assert drawn(NUMBERS, 20, 1) != drawn(NUMBERS, 20, 2)


def test_what_is_drawn_leaves_no_trace_in_hypothesis_or_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(vars(configuration), HOME, tmp_path)
    before = providers._get_local_constants, providers.CONSTANTS_CACHE
    # Which characters a codec has is what Hypothesis would write down, the first time that it is asked.
    clear_strategy_cache()
    charmap.intervals_from_codec.cache_clear()
    assert drawn(st.text(st.characters(codec="latin-1"), min_size=9), 3, 1)
    assert (providers._get_local_constants, providers.CONSTANTS_CACHE) == before
    assert vars(configuration)[HOME] == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_constants_of_the_user_are_found_again_outside(module: str) -> None:
    drawn(NUMBERS, 20, 1)
    importlib.import_module(module)
    assert {7000, 13993} <= set(providers._get_local_constants().integers)
    with alone():
        assert not len(providers._get_local_constants())


def test_what_hypothesis_is_told_of_utf_8_is_what_it_reads_and_what_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    def known() -> list[Any]:
        for forget in (clear_strategy_cache, charmap.intervals_from_codec.cache_clear, drawing._know_utf_8.cache_clear):
            forget()
        with alone():
            return [list(each.intervals) for each in charmap.intervals_from_codec("utf-8")]

    with monkeypatch.context() as other:
        other.setattr(drawing, "ENCODABLE", [[(0x0, 0x7F)], []])
        assert known() == [[(0x0, 0x7F)], []]
    assert known() == drawing.ENCODABLE
    assert [code for code in range(0xD000, 0xE100) if not _is_encodable(code)] == list(range(0xD800, 0xE000))


def _is_encodable(code: int) -> bool:
    try:
        return chr(code).encode().decode() == chr(code)
    except UnicodeEncodeError:
        return False
