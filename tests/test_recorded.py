"""No answer differs: every call of the recorded sessions is answered byte for byte as it was.

python -m tests.test_recorded --write [SESSION ...]     what is answered now becomes what is right
python -m tests.test_recorded --show SESSION LINE       one answer whole, to hold beside another version's
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import tests.recorded.billing
import tests.recorded.control
import tests.recorded.credits
import tests.recorded.queries
import tests.recorded.rough
import tests.recorded.uploads
import tests.recorded.walked  # noqa: F401  each registers its sessions
from mockserver import control
from specs import tables
from specs.documents import METHODS
from tests.driver import Answer
from tests.recorded.recorder import DIGITS, HERE, SESSIONS, Call

SHOWN = 5
"""Calls that a failure tells of"""
REWRITE = "python -m tests.test_recorded --write"
SAMPLE = "walk-default"


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


def pattern(path: str) -> re.Pattern[str]:
    """Of the paths that a template stands for."""
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path.replace("//", "/"))))


@cache
def sample() -> list[Call]:
    """The calls of a short session."""
    return made(SAMPLE)


def planted(number: int, change: Callable[[Answer], Answer]) -> str:
    """What is told of the sample when one of its answers, counted from 1, is another."""
    calls = list(sample())
    call = calls[number - 1]
    calls[number - 1] = replace(call, answer=change(call.answer))
    return differences(SAMPLE, calls, [each.line for each in sample()])


def another_spelling(answer: Answer) -> Answer:
    return replace(answer, headers={name.title(): value for name, value in answer.headers.items()})


def one_byte(answer: Answer) -> Answer:
    return replace(answer, content=answer.content[:-1] + b" ")


def another_order(answer: Answer) -> Answer:
    rows = answer.json["data"]
    rows[0], rows[1] = rows[1], rows[0]
    return replace(answer, content=json.dumps(answer.json | {"data": rows}, separators=(",", ":")).encode())


def another_status(answer: Answer) -> Answer:
    return replace(answer, status=answer.status + 1)


def one_header_less(answer: Answer) -> Answer:
    return replace(answer, headers={"content-type": "application/json"})


@pytest.mark.parametrize("change", [another_spelling, one_byte, another_order, another_status, one_header_less])
def test_an_answer_that_differs_is_told_by_its_call(change: Callable[[Answer], Answer]) -> None:
    number = next(n for n, each in enumerate(sample(), 1) if each.answer.status == 200 and "limit=100" in each.words)
    told = planted(number, change)
    call = sample()[number - 1]
    assert told.startswith(f"{SAMPLE}: 1 of {len(sample())} answers differ\n{SAMPLE}.txt:{number}: {call.words}\n")
    assert f"was 200 {call.line[:DIGITS]}" in told
    assert f"{REWRITE} {SAMPLE}" in told
    assert not planted(number, lambda answer: answer)


def test_calls_that_are_missing_or_others_are_told() -> None:
    lines = [each.line for each in sample()]
    assert f"{len(lines) - 1} calls, {len(lines)} recorded" in differences(SAMPLE, sample()[:-1], lines)
    assert "was another call: " in differences(SAMPLE, sample()[1:], lines)


def test_thousands_of_calls_are_recorded_among_them_every_operation_that_succeeds() -> None:
    lines = [line.split(" ") for name in SESSIONS for line in golden(name).read_text("utf-8").splitlines()]
    assert len(lines) > 2000
    succeeded = {(method, path.partition("?")[0]) for _, status, _, method, path, *_ in lines if status < "400"}
    missing = {
        f"{method.upper()} {path}"
        for document in (control.document(), *(tables.load(name).document for name in tables.names()))
        for path, item in document["paths"].items()
        for method in item.keys() & METHODS
        if not any(
            verb == method.upper() and pattern(document["servers"][0]["url"] + path).fullmatch(at)
            for verb, at in succeeded
        )
    }
    assert not missing


def test_every_recorded_session_has_its_file_and_every_file_its_session() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == set(SESSIONS)


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
