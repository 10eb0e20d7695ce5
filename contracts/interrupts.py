"""Ctrl-C, and the end that a CI job tells: asked once, a run cleans up and reports; asked twice, it leaves at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """How often the run was asked to end."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            print("\ncontracts: interrupted; taking away what was made (again: leave at once) ...", file=sys.stderr)
        raise KeyboardInterrupt


@contextmanager
def heard() -> Iterator[Interrupts]:
    """Both signals as KeyboardInterrupt, even where a shell had them ignored; as they were, afterwards."""
    interrupts = Interrupts()
    before = {number: signal.signal(number, interrupts) for number in SIGNALS}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
