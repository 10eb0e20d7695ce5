"""Values that Hypothesis draws: the same for the same seed, and nothing kept or written beside the user's own."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

UTF_8 = Path("unicode_data", unicodedata.unidata_version, "codec-v2-utf-8.json.gz")
"""Where Hypothesis keeps which characters UTF-8 has; without that file it tries each of a million, for over a second"""
ENCODABLE = [[(0x0, 0xD7FF), (0xE000, 0x10FFFF)], []]
"""All but surrogates, and each of them is read back as itself"""
NOWHERE = Path(os.devnull, "hypothesis")
"""A folder that cannot be made: what Hypothesis would keep there, it does without"""


def drawn(strategy: Any, number: int, seed: int) -> list[Any]:
    """So many values of a strategy at most; [] where it has none.

    All are drawn before any is used: what a target answers must not change what is drawn.
    """
    import hypothesis
    from hypothesis import HealthCheck, Phase, Verbosity, given, settings
    from hypothesis.errors import Unsatisfiable

    found: list[Any] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=number,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    # Hypothesis would make one of this function's source, read anew each time; without a database it needs none.
    vars(draw)["_hypothesis_internal_database_key"] = b""
    with alone(), suppress(Unsatisfiable):
        draw()
    return found


@contextmanager
def alone() -> Iterator[None]:
    """Keep Hypothesis to itself: nothing written, and no constants taken from the code of the modules that are loaded.

    Those would change what is drawn, and Hypothesis would parse every one of them for it, for half a second.
    """
    from hypothesis import configuration
    from hypothesis.internal.conjecture import providers

    _know_utf_8()
    home, known = vars(configuration).get("__hypothesis_home_directory"), vars(providers)
    own = _without_constants()
    others = {name: known.get(name) for name in own}
    configuration.set_hypothesis_home_dir(NOWHERE)
    known.update(own)
    try:
        yield
    finally:
        known.update(others)
        configuration.set_hypothesis_home_dir(home)


@cache
def _without_constants() -> Mapping[str, Any]:
    """Where Hypothesis looks constants up, as it is where no code has any."""
    from hypothesis.internal.cache import LRUCache
    from hypothesis.internal.constants_ast import Constants

    return {"_get_local_constants": Constants, "CONSTANTS_CACHE": LRUCache(1024)}


@cache
def _know_utf_8() -> None:
    """Have Hypothesis read, once in a process, which characters UTF-8 has."""
    from hypothesis import configuration
    from hypothesis import strategies as st

    before = vars(configuration).get("__hypothesis_home_directory")
    with tempfile.TemporaryDirectory(prefix="contracts-", ignore_cleanup_errors=True) as home:
        there = Path(home, UTF_8)
        there.parent.mkdir(parents=True)
        there.write_bytes(gzip.compress(json.dumps(ENCODABLE).encode()))
        configuration.set_hypothesis_home_dir(home)
        try:
            st.characters(codec="utf-8").validate()
        finally:
            configuration.set_hypothesis_home_dir(before)
