"""What a run made, written to a file before each call that creates: so what a killed run left can be taken away."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from contracts.mistakes import Mistake
from contracts.wire import Caller

if TYPE_CHECKING:
    from contracts.probe import Probe
    from contracts.settings import Settings

LASTING = "lasting"
"""why a journal speaks no more of what nothing can take away"""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that the run made, or that followed from one.

    params: what its path needs, its own id among them; caller: who made it, and can see it
    """

    entity: str
    id: str
    caller: Caller
    params: Mapping[str, str] = field(default_factory=dict)


class Journal:
    """One file of JSON lines: `target` first, then `intent` before a call, `made` after it, `gone` when it is away.

    A line is on disk before the call that it speaks of is sent. Without a path nothing is written.
    """

    def __init__(self, path: Path | None, *, target: str) -> None:
        self.path, self._target = path, target
        self._file: TextIO | None = None
        self._number = 0
        self._unanswered: set[int] = set()

    def intent(self, **said: Any) -> int:
        """Write what is about to be made; the number that the other two lines of it repeat."""
        self._number += 1
        self._write({"intent": self._number, **said}, surely=True)
        self._unanswered.add(self._number)
        return self._number

    def made(self, number: int, **said: Any) -> None:
        self._unanswered.discard(number)
        self._write({"made": number, **said})

    def gone(self, number: int, **said: Any) -> None:
        self._unanswered.discard(number)
        self._write({"gone": number, **said})

    def close(self, *, keep: bool) -> None:
        """End it; a journal of which nothing is left is removed.

        One with a call that was never answered stays: the object may be there all the same.
        """
        if self._file is None:
            return
        self._file.close()
        self._file = None
        if not keep and not self._unanswered and self.path is not None:
            self.path.unlink(missing_ok=True)

    def _write(self, line: Mapping[str, Any], *, surely: bool = False) -> None:
        if self.path is None:
            return
        if self._file is None:
            self._file = _opened(self.path)
            _alone(self._file)
            self._file.write(json.dumps({"target": self._target}) + "\n")
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if surely:
            os.fsync(self._file.fileno())


def _alone(file: TextIO) -> bool:
    """Take a journal for this process alone until it ends; whether that could be."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system; nobody is told then
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _opened(path: Path) -> TextIO:
    """The file, which nobody else may read: bodies of requests are in it. Raises Mistake."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8")
    except OSError as error:
        raise Mistake(f"--journal {path.parent}: cannot be written ({error.strerror}); name another folder.") from None


@dataclass(frozen=True, slots=True)
class Entry:
    """An intent that is not known to be gone. id: "" where the run was killed before the answer came"""

    number: int
    api: str
    operation: str
    entity: str
    caller: str
    params: Mapping[str, str]
    tag: str
    id: str = ""


def left(path: Path) -> tuple[str, list[Entry]]:
    """The target of a journal, and what it does not say is gone, oldest first. Raises Mistake."""
    target = ""
    entries: dict[int, dict[str, Entry]] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            said = json.loads(line)
            if "target" in said:
                target = str(said["target"])
            elif "intent" in said:
                entries[said["intent"]] = {"": _entry(said)}
            elif "made" in said:
                # One call may make several; the first of them answers the intent.
                known = entries[said["made"]]
                intent = known.pop("", None) or next(iter(known.values()))
                made = replace(intent, entity=said["entity"], params=said["params"], id=said["id"])
                entries[said["made"]] = {**known, made.id: made}
            else:
                of = entries.get(said["gone"], {})
                of.pop(said.get("id", ""), None)
        except (ValueError, KeyError, TypeError):
            if line.endswith("\n"):
                raise Mistake(f"{path}:{number}: no line of a journal; is it one?") from None
            # The last line may have been cut off together with the run.
    return target, [entry for of in entries.values() for entry in of.values()]


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'}).") from None


def _entry(said: Mapping[str, Any]) -> Entry:
    return Entry(
        said["intent"], said["api"], said["operation"], said["entity"], said["caller"], said["params"], said["tag"]
    )


class Fate(Enum):
    """What became of an object that a run made."""

    GONE = "gone"
    STAYS = "stays"
    """nothing can take it away"""
    LEFT = "left"
    """it could be taken away, and was not"""


def clean(settings: Settings, folder: Path, say: Callable[[str], None]) -> int:
    """Take away what killed runs left, as the journals of a folder tell, newest first; a line each to `say`.

    Returns 0 when nothing is left that could be taken away, 2 when something is, here or at another target: its
    journal stays.
    Raises Mistake, target.Unreachable.
    """
    paths = sorted(folder.glob("**/*.jsonl"), reverse=True)
    if not paths:
        say(f"{folder}: no journal, so nothing was left.")
        return 0
    from contracts.run import address, running

    fates: list[Fate] = []
    here, elsewhere = address(settings), 0
    for path in paths:
        with path.open(encoding="utf-8") as held:
            is_over = _alone(held)
        target, entries = left(path)
        if entries and target != here:
            elsewhere += 1
            say(f"{path}: skipped, as it was made at {target}, not at {here}; say --target {target}, or delete it.")
            continue
        if not is_over:
            raise Mistake(f"{path}: its run is still going; wait until it has ended, or end it.")
        if not entries:
            path.unlink()
            continue
        apis = tuple(dict.fromkeys(entry.api for entry in entries))
        with running(_as_it_was(settings, apis)) as made:
            journal = Journal(path, target=target)
            for entry in reversed(entries):
                probe = made.probes[entry.api]
                fates.append(_take_away(probe, entry, journal, say))
            journal.close(keep=True)
        if not left(path)[1]:
            path.unlink()
    remains = fates.count(Fate.LEFT)
    nothing = f"nothing is left{f' at {here}' if elsewhere else ''}"
    nothing += " that could be taken away." if Fate.STAYS in fates else "."
    say(nothing if not remains else f"{remains} left; their journals stay in {folder}.")
    return 2 if remains or elsewhere else 0


def _as_it_was(settings: Settings, apis: tuple[str, ...]) -> Settings:
    from dataclasses import replace

    from contracts.settings import Mode

    # Whatever the run did, ending it needs no more than what it made; nothing new is made, so no journal is kept.
    return replace(settings, apis=apis, mode=Mode.FULL, journal=None, lend={}, budget=None)


def _take_away(p: Probe, entry: Entry, journal: Journal, say: Callable[[str], None]) -> Fate:
    """End what an entry speaks of; the worst that became of it."""
    from contracts.guard import Unsafe
    from contracts.probe import Blocked

    p.check = "clean"
    name = f"{entry.api}: {entry.entity} {entry.id or '(' + entry.operation + ', not answered)'}"
    caller = next((each for each in p.callers if each.name == entry.caller), None)
    if caller is None:
        say(f"{name}: left; {entry.caller} made it, and has no token now.")
        return Fate.LEFT
    stays = False
    try:
        ids = [entry.id] if entry.id else p.stage.tagged(entry.entity, caller, entry.params, entry.tag)
        for id in ids:
            key = p.operation(entry.operation).key or p.key(entry.entity)
            said, lasting = _ended(p, Thing(entry.entity, id, caller, {**entry.params, key: id}))
            say(f"{entry.api}: {entry.entity} {id}: {said}")
            stays = stays or lasting
    except (Blocked, Unsafe) as reason:
        say(f"{name}: left; {reason}")
        return Fate.LEFT
    if not ids:
        say(f"{name}: was never made.")
    journal.gone(entry.number, entity=entry.entity, id=entry.id, **({"why": LASTING} if stays else {}))
    return Fate.STAYS if stays else Fate.GONE


def _ended(p: Probe, thing: Thing) -> tuple[str, bool]:
    """End one object: what is said of it, and whether it stays for ever. Raises Blocked, guard.Unsafe."""
    from contracts.probe import Blocked

    p.adopt(thing.entity, thing.id)
    for above, value in p.stage.above(thing).items():
        p.adopt(above, value)
    with suppress(Blocked):  # what cannot be read may be taken away all the same
        if p.stage.is_missing(thing):
            return "already gone.", False
    if p.stage.end(thing):
        return "taken away.", False
    return "stays: no operation takes it away.", True
