"""Scenario files: what a world starts with, read and checked. The format is told in fixtures/README.md.

What a file says about APIs and records (roles, entities, ids, members, accounts) is checked by `mockserver.sharing` and
`mockserver.seed`, which know them; every error says file, line, place and mend in one line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mockserver import kept, wire
from specs.tables import one_line

# Beside the package in a checkout, below it where it was installed: a top-level `fixtures` is another project's name.
_HERE = Path(__file__).parent
HOME = _HERE / "fixtures" if (_HERE / "fixtures").is_dir() else _HERE.parent / "fixtures"
"""Where the named scenarios lie."""
AND = "+"
"""What stands between the names of several that are laid over one another: `month-end+shortfalls`."""
TRY = "Try: "
"""What a line of `about` begins with that says what to try."""

NOW = datetime(2026, 3, 16, 9, tzinfo=UTC)
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
RANGE = f"a world starts between {EARLIEST.year} and {LATEST.year}."
FURTHEST = timedelta(days=36_500)  # of `expires` from the start
LOCALES = ("en_GB", "nl_NL", "de_DE")

# What a file may cost to read: far above any sensible scenario, far below what hurts.
MAX_BYTES = 1_000_000
MAX_SIZE = 1_000_000
MAX_LOCALES = 3  # each costs about 25 ms at every start
MAX_BASES = 8

KEYS = ("extends", "about", "now", "seed", "locale", "sizes", "callers", "pins")
CALLER = ("api", "token", "role", "account", "user", "expires")
"""What every API knows of a caller; what else may be said of one, its API says (`Seeding.KEYS`)."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,200}=*", re.ASCII)
_SPAN = re.compile(r"([+-])(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class ScenarioError(Exception):
    """A scenario that cannot be; `str()` is one line: file, line, place, mend."""

    def __init__(self, told: str) -> None:
        super().__init__(one_line(told))


@dataclass(frozen=True, slots=True)
class Part:
    """One of the cast, as the file casts it.

    account: name or id; None: the first account of the kind that the role speaks for
    user: name or id of the person behind the token; None: the token acts in its own name
    expires: canonical instant, or a span from the world's start like `-30d`; None: never
    role: empty where the caller lists permissions of its own
    api: the API it calls; None: the first that knows the role
    more: what else the file says, for the API: key -> a text or a list of texts
    lines: key -> line, for messages
    """

    name: str
    token: str
    role: str
    file: str
    line: int
    account: str | None = None
    user: str | None = None
    expires: str | None = None
    api: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)

    def fault(self, problem: str, key: str = "") -> ScenarioError:
        """The error that names this caller, or one key of it."""
        line = self.lines.get(key, self.line)
        return ScenarioError(f"{self.file}:{line}: callers.{self.name}{'.' if key else ''}{key}: {problem}")


@dataclass(frozen=True, slots=True)
class Pin:
    """An object that the world must hold: its entity, its id if it is given, and members as the file says them.

    within: where it stands in the file, e.g. `pins[3].charges[0]`
    lines: dotted member -> line, for messages
    base: the pin that this one lies over, for messages about what comes from there
    """

    entity: str
    id: str | None
    members: Mapping[str, Any]
    file: str
    within: str
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)
    api: str | None = None
    base: Pin | None = None

    @property
    def status(self) -> str | None:
        """The state that it must be in."""
        return self.members.get("status")

    def fault(self, problem: str, member: str = "") -> ScenarioError:
        """The error that names this pin, or one member of it."""
        if self.base is not None and self._is_inherited(member):
            return self.base.fault(problem, member)
        line = self.lines.get(member) or self.lines.get("", 1)
        return ScenarioError(f"{self.file}:{line}: {self.within}{'.' if member else ''}{member}: {problem}")

    def below(self, member: str, entity: str) -> Iterator[Pin]:
        """The pins that stand in a list member of this one."""
        if self.base is not None and self._is_inherited(member):
            yield from self.base.below(member, entity)
            return
        for at, each in enumerate(self.members.get(member, ())):
            path = f"{member}[{at}]"
            inner = _Lines(self.lines, path)
            if not isinstance(each, Mapping):
                raise self.fault(f"each of {member} is an object; write `- {{id: ...}}`.", path)
            id = each.get("id")
            rest = {name: value for name, value in each.items() if name != "id"}
            yield Pin(entity, id, rest, self.file, f"{self.within}.{path}", inner, self.api)

    def over(self, base: Pin) -> Pin:
        """This pin laid over the one of a base: what it says itself goes first, member by member."""
        return replace(self, members={**base.members, **self.members}, base=base)

    def _is_inherited(self, member: str) -> bool:
        """Whether a member stands in the base's file alone."""
        name = re.split(r"[.\[]", member)[0]
        return name in self.members and name not in self.lines


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a world starts with.

    seed: what everything drawn follows from, unless whoever builds the world gives another
    sizes: API -> what -> how many
    places: dotted path -> `file:line`, for messages about sizes and locale
    """

    name: str
    about: str = ""
    now: datetime = NOW
    seed: int = 1
    locales: tuple[str, ...] = LOCALES
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    callers: tuple[Part, ...] = ()
    pins: tuple[Pin, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def tries(self) -> tuple[str, ...]:
        """What `about` says to try, a line each."""
        return tuple(line.removeprefix(TRY) for line in self.about.splitlines() if line.startswith(TRY))

    def fault(self, path: str, problem: str) -> ScenarioError:
        """The error that names one place of the file."""
        return ScenarioError(f"{self.places.get(path, self.name)}: {path}: {problem}")


def is_in_range(now: datetime) -> bool:
    """Whether a world can start then, with a past before it."""
    return EARLIEST <= now < LATEST


def names() -> tuple[str, ...]:
    """The scenarios that come with the project."""
    return tuple(sorted(path.stem for path in HOME.glob("*.yaml")))


def named(text: str) -> str:
    """The one name of what `text` names, a scenario that comes with the project or several: `b+a` is `a+b`.

    Raises ScenarioError.
    """
    return AND.join(path.stem for path in _located(text, Path(), files=False))


def load(name: str | Path) -> Scenario:
    """A named scenario, several with a plus between them, or the one in a file (with a slash or a suffix it is one).

    Raises ScenarioError.
    """
    files = _gathered(name)
    scenario = Scenario(name="")
    for file in files:
        scenario = _over(scenario, file)
    words = _standing(files)
    _check_agreement(words)
    scenario = replace(scenario, about=_about(words), sizes=_sizes(scenario.sizes, words))
    _check_tokens(scenario.callers, [file.name for file in files])
    if not scenario.callers:
        raise ScenarioError(
            f"{scenario.name}: callers: nobody could call; name one, or start from the default cast: extends: default."
        )
    return scenario


def resolve_expiry(text: str, now: datetime) -> str:
    """The canonical instant of `expires`, which may be a span from the world's start."""
    span = _SPAN.fullmatch(text)
    if span is None:
        return text
    distance = timedelta(**{_UNITS[span[3]]: int(span[2])})
    return wire.instant(now - distance if span[1] == "-" else now + distance)


def nearest(word: str, known: Iterable[str]) -> str:
    """The mend for an unknown word: the known one most like it, then all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, 1, 0.6)
    return (f"did you mean {near[0]}? " if near else "") + f"there are: {', '.join(known)}."


class _Lines(Mapping[str, int]):
    """The lines of what stands below a path, keyed from there, looked up when asked for; the path itself is ""."""

    def __init__(self, lines: Mapping[str, int], path: str) -> None:
        self._lines, self._path = lines, path

    def __getitem__(self, place: str) -> int:
        return self._lines[f"{self._path}.{place}"] if place else self._lines.get(self._path, 1)

    def __iter__(self) -> Iterator[str]:
        yield ""
        yield from (name.removeprefix(f"{self._path}.") for name in self._lines if name.startswith(f"{self._path}."))

    def __len__(self) -> int:
        return sum(1 for _ in self)


# Files and what they lie over


@dataclass(frozen=True, slots=True, eq=False)
class _File:
    """A file as it was read; below: everything that it lies over."""

    name: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    below: frozenset[_File] = frozenset()

    def over(self, bases: Sequence[_File]) -> _File:
        return replace(self, below=frozenset(bases).union(*(each.below for each in bases)))

    def fault(self, path: str, problem: str) -> ScenarioError:
        line = self.lines.get(path)
        return ScenarioError(f"{self.name}{f':{line}' if line else ''}: {path + ': ' if path else ''}{problem}")


def _located(name: str | Path, base: Path, *, files: bool = True) -> list[Path]:
    """Where a scenario lies, or several, whose order is that of their names, so that it makes no difference."""
    text = str(name)
    if files and ("/" in text or "\\" in text or Path(text).suffix or text in (".", "..")):
        return [base / text]
    parts = sorted(set(text.split(AND)))
    if len(parts) > MAX_BASES:
        raise ScenarioError(f"{len(parts)} scenarios at once; {MAX_BASES} is the most that are laid over one another.")
    there = names()
    for each in parts:
        if each not in there:
            mend = f" A file of your own is named with its suffix: ./{each}.yaml" if files and each.strip() else ""
            raise ScenarioError(f"no scenario {each[:80]!r}; {nearest(each[:80], there)}{mend}")
    return [HOME / f"{each}.yaml" for each in parts]


def _gathered(name: str | Path) -> list[_File]:
    """The files that make a scenario, each once, and after all that it lies over; the scenario itself is last."""
    known: dict[Path, _File] = {}
    tops = [_gather(path, (), known) for path in _located(name, Path())]
    if len(tops) > 1:
        first = HOME / "default.yaml"
        alone = [each.name for each in tops if first.name not in {each.name, *(below.name for below in each.below)}]
        if alone:
            mend = "it does not begin with the default world, as the others do; leave it out, or leave out them."
            raise ScenarioError(f"{alone[0].removesuffix('.yaml')} stays alone: {mend}")
        whole = _File(AND.join(each.name.removesuffix(".yaml") for each in tops), {}, {}).over(tops)
        return [*known.values(), whole]
    return [*known.values()]


def _gather(path: Path, chain: tuple[Path, ...], known: dict[Path, _File]) -> _File:
    place = path.resolve()
    if place in chain:
        loop = " -> ".join(each.name for each in (*chain, path))
        raise ScenarioError(f"{path.name}: extends: goes round in a circle ({loop}); take one of them out.")
    if place not in known:
        file = _read(path)
        for key in file.values:
            if key not in KEYS:
                raise file.fault(key, f"unknown; {nearest(key, KEYS)}")
        known[place] = file.over([_gather(each, (*chain, place), known) for each in _bases(file, path)])
    return known[place]


def _bases(file: _File, path: Path) -> Iterator[Path]:
    if "extends" not in file.values:
        return
    said = _texts(file, "extends", file.values["extends"])
    several = (said,) if isinstance(said, str) else said
    if not 1 <= len(several) <= MAX_BASES:
        raise file.fault("extends", f"names {len(several)}; name 1 to {MAX_BASES}.")
    for each in several:
        try:
            yield from _located(each, path.parent)
        except ScenarioError as error:
            raise file.fault("extends", str(error)) from None


@dataclass(frozen=True, slots=True)
class _Word:
    """What a file says of one thing, and where."""

    file: _File
    path: str
    value: Any

    @property
    def place(self) -> str:
        return f"{self.file.name}:{self.file.lines.get(self.path, 1)}"


_Words = Mapping[tuple[str, ...], Sequence[_Word]]
_TOGETHER = ("about", "sizes")
"""Of what each file may say its own: the words are joined, the largest size is taken."""


def _standing(files: Sequence[_File]) -> _Words:
    """Thing -> what is said of it, but for what a file that lies over it says otherwise."""
    found: dict[tuple[str, ...], list[_Word]] = {}
    for file in files:
        for thing, path, value in _said(file):
            # What one file says twice is its API's to refuse, which knows whether it may.
            left = [word for word in found.get(thing, ()) if word.file is not file and word.file not in file.below]
            found[thing] = [*left, _Word(file, path, value)]
    return found


def _said(file: _File) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """(thing, path, value) of everything that another file could say otherwise."""
    values = file.values
    for key in ("about", "now", "seed", "locale"):
        if key in values:
            yield (key,), key, values[key]
    for api, each in (values.get("sizes") or {}).items():
        for what, count in (each or {}).items():
            yield ("sizes", api, what), f"sizes.{api}.{what}", count
    for name, row in (values.get("callers") or {}).items():
        yield ("callers", name), f"callers.{name}", row
    for at, pin in enumerate(values.get("pins") or ()):
        for member in pin if "id" in pin else ():
            yield ("pins", pin["entity"], pin["id"], member), f"pins[{at}].{member}", pin[member]


def _about(words: _Words) -> str:
    """What the files say of themselves, but for those that another lies over that says so, too."""
    return "\n".join(dict.fromkeys(word.value.strip() for word in words.get(("about",), ())))


def _sizes(sizes: Mapping[str, Mapping[str, int]], words: _Words) -> Mapping[str, Mapping[str, int]]:
    """Each size; of several that do not lie over one another the largest, since a size says how many at least."""
    made = {
        api: {what: max(word.value for word in words["sizes", api, what]) for what in each}
        for api, each in sizes.items()
    }
    return MappingProxyType({api: MappingProxyType(each) for api, each in made.items()})


def _check_agreement(words: _Words) -> None:
    """See that no two files say one thing otherwise where neither lies over the other."""
    for thing, (first, *others) in words.items():
        for word in others:
            if thing[0] not in _TOGETHER and word.value != first.value:
                which = f"{thing[1]} {thing[2]}: " if thing[0] == "pins" else ""
                raise word.file.fault(
                    word.path, f"{which}{first.place} says otherwise; mend one of them, or say it in a file over both."
                )


def _over(base: Scenario, file: _File) -> Scenario:
    """The base with everything that the file says laid over it."""
    values = file.values
    changes: dict[str, Any] = {"name": file.name}
    if "about" in values:
        changes["about"] = _text(file, "about", values["about"])
    if "now" in values:
        now = wire.moment(_instant(file, "now", values["now"]))
        if not is_in_range(now):
            raise file.fault("now", f"{now.date()} will not do; {RANGE}")
        changes["now"] = now
    if "seed" in values:
        changes["seed"] = _whole(file, "seed", values["seed"], 2**63 - 1)
    if "locale" in values:
        changes["locales"] = _locales(file, values["locale"])
    sizes = {api: dict(each) for api, each in base.sizes.items()}
    for api, each in _mapping(file, "sizes", values.get("sizes")).items():
        if each is not None and not isinstance(each, dict):
            problem = f"{_shown(each)} will not do; sizes are told by API, as in sizes: {{billing: {{journals: 40}}}}."
            raise file.fault(f"sizes.{api}", problem)
        sizes.setdefault(api, {})
        for what, count in _mapping(file, f"sizes.{api}", each).items():
            sizes[api][what] = _whole(file, f"sizes.{api}.{what}", count, MAX_SIZE)
    cast = {part.name: part for part in base.callers}
    cast |= {part.name: part for part in _cast(file, values.get("callers"))}
    places = {
        **base.places,
        **{path: f"{file.name}:{line}" for path, line in file.lines.items() if not path.startswith("pins")},
    }
    return replace(
        base,
        **changes,
        sizes=sizes,
        callers=tuple(cast.values()),
        pins=tuple(_laid(base.pins, list(_pins(file, values.get("pins"))))),
        places=MappingProxyType(places),
    )


def _cast(file: _File, raw: Any) -> Iterator[Part]:
    for name, row in _mapping(file, "callers", raw).items():
        path = f"callers.{name}"
        row = _mapping(file, path, row)
        more = {key: _texts(file, f"{path}.{key}", row[key]) for key in row if key not in CALLER}
        for key in ("token", "role"):
            if key not in row and not (key == "role" and "permissions" in more):
                for slip in difflib.get_close_matches(key, more, 1, 0.6):
                    raise file.fault(f"{path}.{slip}", f"unknown; {nearest(slip, CALLER)}")
                raise file.fault(path, f"no {key}; add one.")
        texts = {"role": ""} | {key: _text(file, f"{path}.{key}", row[key]) for key in CALLER if key in row}
        if not _TOKEN.fullmatch(texts["token"]):
            raise file.fault(
                f"{path}.token", "cannot be sent as a bearer token; use letters, digits and - . _ ~ + / only."
            )
        if "expires" in texts:
            texts["expires"] = _expiry(file, f"{path}.expires", texts["expires"])
        lines = _Lines(file.lines, path)
        yield Part(name=name, file=file.name, line=lines[""], more=more, lines=lines, **texts)


def _expiry(file: _File, path: str, text: str) -> str:
    span = _SPAN.fullmatch(text)
    if span is None:
        return _instant(file, path, text)
    if timedelta(**{_UNITS[span[3]]: int(span[2])}) > FURTHEST:
        raise file.fault(path, f"{text} is further than {FURTHEST.days} days; say a shorter span.")
    return text


def _check_tokens(cast: Iterable[Part], files: Sequence[str]) -> None:
    """No two callers have one token; at fault is the one that the latest file says, or that comes further down."""
    holders: dict[str, Part] = {}
    for part in sorted(cast, key=lambda part: (files.index(part.file), part.line)):
        if part.token in holders:
            raise part.fault(f"has the token of {holders[part.token].name}; give each a token of its own.")
        holders[part.token] = part


def _laid(base: Iterable[Pin], own: Sequence[Pin]) -> Iterator[Pin]:
    """The pins of a base in their order, those that a file pins, too, with its own laid over; then the others."""
    left = list(own)
    for pin in base:
        same = (each for each in left if pin.id is not None and (each.entity, each.id) == (pin.entity, pin.id))
        over = next(same, None)
        if over is not None:
            left.remove(over)
        yield pin if over is None else over.over(pin)
    yield from left


def _pins(file: _File, raw: Any) -> Iterator[Pin]:
    if raw is None:
        return
    if not isinstance(raw, list):
        raise file.fault("pins", "is a list; write each as `- {entity: Journal, ...}`.")
    for at, row in enumerate(raw):
        path = f"pins[{at}]"
        if not isinstance(row, dict) or not isinstance(row.get("entity"), str):
            raise file.fault(path, "names no entity; write `- {entity: Journal, ...}`.")
        members = {name: value for name, value in row.items() if name not in ("entity", "id", "api")}
        for key in ("id", "api", "status"):
            if key in row:
                _text(file, f"{path}.{key}", row[key])
        yield Pin(row["entity"], row.get("id"), members, file.name, path, _Lines(file.lines, path), row.get("api"))


# Reading one file


def _text(file: _File, path: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise file.fault(path, f"{_shown(value)} is no text; write some, in quotes if it looks like a number.")
    return value.strip()


def _texts(file: _File, path: str, value: Any) -> str | tuple[str, ...]:
    """A text, or a list of some."""
    if isinstance(value, list):
        return tuple(_text(file, f"{path}[{at}]", each) for at, each in enumerate(value))
    return _text(file, path, value)


def _whole(file: _File, path: str, value: Any, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise file.fault(path, f"{_shown(value)} will not do; say a whole number from 0 to {most}.")
    return value


def _instant(file: _File, path: str, value: Any) -> str:
    try:
        return wire.parse_instant(_text(file, path, value))
    except ValueError as error:
        raise file.fault(path, f"{error}; write it like 2026-03-16T09:00:00Z.") from None


def _mapping(file: _File, path: str, value: Any) -> Mapping[str, Any]:
    if value is None:  # a key with nothing below it, its lines commented out perhaps
        return {}
    if not isinstance(value, dict):
        raise file.fault(path, "holds `name: value` pairs; indent them below it.")
    return value


def _locales(file: _File, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not 1 <= len(values) <= MAX_LOCALES:
        raise file.fault("locale", f"names {len(values)}; name 1 to {MAX_LOCALES}.")
    for each in values:
        if not isinstance(each, str) or not re.fullmatch(r"[a-z]{2,3}_[A-Z]{2}", each):
            raise file.fault("locale", f"{_shown(each)} is none; write it like en_GB.")
    return tuple(values)


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, Decimal) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _read(path: Path) -> _File:
    """A file's values and the line of each, by dotted path. Numbers with a fraction are Decimal, instants stay text."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScenarioError(
            f"{path}: cannot be read ({error.strerror}); name a scenario file, or one of: {', '.join(names())}."
        ) from None
    file = _File(path.name, {}, {})
    if len(content) > MAX_BYTES:
        raise file.fault("", f"larger than {MAX_BYTES} bytes; say with `sizes` what need not be pinned.")
    # Parsing YAML takes longer than all that comes of it.
    place = kept.place("scenario", content)
    found = kept.read(place)
    if isinstance(found, tuple) and len(found) == 2:
        return _File(file.name, *found)
    from mockserver.parsing import parsed  # imports PyYAML

    read = parsed(file.name, content)
    kept.write(place, read)
    return _File(file.name, *read)
