"""Values that Hypothesis draws: the same for the same seed, and nothing kept or written beside the user's own."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

UTF_8 = Path("unicode_data", unicodedata.unidata_version, "codec-v2-utf-8.json.gz")
"""Where Hypothesis keeps which characters UTF-8 has; without that file it tries each of a million, for over a second"""
ENCODABLE = [[(0x0, 0xD7FF), (0xE000, 0x10FFFF)], []]
"""All but surrogates, and each of them is read back as itself"""


def drawn(strategy: Any, number: int, rng: random.Random) -> list[Any]:
    """So many values of a strategy at most; [] where it has none.

    All are drawn before any is used: what a target answers must not change what is drawn.
    """
    from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
    from hypothesis.errors import Unsatisfiable

    found: list[Any] = []

    @seed(rng.getrandbits(32))
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

    with elsewhere(), suppress(Unsatisfiable):
        draw()
    return found


@contextmanager
def elsewhere() -> Iterator[None]:
    """Keep Hypothesis from making a folder in the working directory, where it writes constants of the code it finds."""
    from hypothesis import configuration

    before = vars(configuration).get("__hypothesis_home_directory")
    with tempfile.TemporaryDirectory(prefix="contracts-", ignore_cleanup_errors=True) as home:
        there = Path(home, UTF_8)
        there.parent.mkdir(parents=True)
        there.write_bytes(gzip.compress(json.dumps(ENCODABLE).encode()))
        configuration.set_hypothesis_home_dir(home)
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(before)
