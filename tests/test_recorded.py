"""No answer differs: every call of the recorded sessions is answered byte for byte as it was.

python -m tests.test_recorded --write [SESSION ...]     what is answered now becomes what is right
python -m tests.test_recorded --show SESSION LINE       one answer whole, to hold beside another version's
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import tests.recorded.billing
import tests.recorded.control
import tests.recorded.credits
import tests.recorded.queries
import tests.recorded.rough
import tests.recorded.uploads
import tests.recorded.walked  # noqa: F401  each registers its sessions
from tests.recorded.recorder import DIGITS, HERE, SESSIONS, Call

SHOWN = 5
"""Calls that a failure tells of"""
REWRITE = "python -m tests.test_recorded --write"


def golden(name: str) -> Path:
    return HERE / f"{name}.txt"


def made(name: str) -> list[Call]:
    """The calls of a session, made anew."""
    calls: list[Call] = []
    SESSIONS[name](calls)
    return calls


def differences(name: str, calls: Sequence[Call], recorded: Sequence[str]) -> str:
    """What differs from the recorded lines, the first few calls of it; empty if nothing does."""
    lines = [call.line for call in calls]
    if lines == list(recorded):
        return ""
    told = []
    for number, (call, was) in enumerate(zip(calls, recorded, strict=False), start=1):
        if call.line == was:
            continue
        digest, status, words = was.split(" ", 2)
        what = f"{status} {digest}" if words == call.words else f"another call: {was[DIGITS + 1 :]}"
        now = f"{call.answer.status} {call.line[:DIGITS]}  {dict(call.answer.headers)} {call.answer.content[:200]!r}"
        told.append(f"{name}.txt:{number}: {call.words}\n    was {what}\n    now {now}")
    head = f"{name}: {len(told)} of {len(recorded)} answers differ"
    if len(lines) != len(recorded):
        head += f"; {len(lines)} calls, {len(recorded)} recorded"
    first = next((number for number, pair in enumerate(zip(lines, recorded, strict=False), 1) if pair[0] != pair[1]), 1)
    mend = (
        f"if that is meant, read the changes of `{REWRITE} {name}`, then commit them;"
        f" `python -m tests.test_recorded --show {name} {first}` shows an answer whole"
    )
    return "\n".join([head, *told[:SHOWN], mend])


@pytest.mark.parametrize("name", SESSIONS)
def test_every_answer_is_as_it_was_recorded(name: str) -> None:
    calls: list[Call] = []
    try:
        SESSIONS[name](calls)
    finally:
        # Also where a session cannot go on, for an answer was not what it lives on: this tells which.
        told = differences(name, calls, golden(name).read_text("utf-8").splitlines())
        assert not told, told


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["--show", name, line]:
            call = made(name)[int(line) - 1]
            print(call.line, *sorted(call.answer.headers.items()), sep="\n")
            sys.stdout.buffer.write(call.answer.content + b"\n")
        case ["--write", *names]:
            for name in names or SESSIONS:
                lines = [call.line for call in made(name)]
                golden(name).write_text("\n".join(lines) + "\n", "utf-8")
                print(f"{golden(name)}: {len(lines)} calls")
        case _:
            print(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
