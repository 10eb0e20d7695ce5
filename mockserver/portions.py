"""Long work in portions, so that other requests are answered between them.

Such work is a generator: it yields wherever it could pause, and returns what comes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")
Portions = Generator[None, None, T]
LONGEST = 0.005
"""Seconds of work before others have their turn"""


def at_once(work: Portions[T]) -> T:
    """What comes of the work, done without a pause."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: T = end.value
            return made


async def by_turns(work: Portions[T]) -> T:
    """What comes of the work, done while others have their turns, too."""
    while True:
        until = perf_counter() + LONGEST
        try:
            while perf_counter() < until:
                next(work)
        except StopIteration as end:
            made: T = end.value
            return made
        await asyncio.sleep(0)


def by_and_by(work: Portions[None]) -> None:
    """Have work done while others have their turns; at once where there is no loop, and so nobody else."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        at_once(work)
    else:
        loop.call_soon(_go_on, loop, work)


def _go_on(loop: asyncio.AbstractEventLoop, work: Portions[None]) -> None:
    until = perf_counter() + LONGEST
    for _ in work:
        if perf_counter() >= until:
            loop.call_soon(_go_on, loop, work)
            return
