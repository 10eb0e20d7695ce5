"""What the tables beside a spec say, as frozen values, and the one reader of them.

`load(name)` reads `specs/<name>/` and refuses a wrong table in one line that names file, entry and mend.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

HERE = Path(__file__).parent
ALL = "all"
PARENT = "parent"


class TableError(Exception):
    """A table, or an overlay, that cannot be right; `str()` is one line: file, entry, mend."""


@dataclass(frozen=True, slots=True)
class Capability:
    """One row of the role matrix: what a person would call it, and the operation and media that carry it.

    `operation` is the operation whose method and path serve it; `id` differs from it only where the Accept header
    chooses between two capabilities of one operation.
    """

    id: str
    operation: str
    collection: str
    title: str
    roles: frozenset[str]
    source: str
    media: str | None = None
    given: bool = False
    overlays: tuple[tuple[str, bool, str], ...] = ()
    """(role, allowed, reason) of each cell that an overlay changed"""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the spec, and what it does to which entity."""

    id: str
    method: str
    path: str
    does: str
    entity: str
    below: str | None
    event: str | None
    capabilities: tuple[Capability, ...]

    @property
    def roles(self) -> frozenset[str]:
        """Roles that may call it without asking for another media type."""
        return self.capabilities[0].roles


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of a machine: `event` leads from any of `starts` to `end`."""

    id: str
    event: str
    starts: tuple[str, ...]
    end: str
    source: str
    system: bool = False
    then: str | None = None
    otherwise: str | None = None
    when: Mapping[str, Any] = field(default_factory=dict)
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """The states of an entity and every way between them."""

    entity: str
    field: str
    initial: str
    final: tuple[str, ...]
    audit: bool
    rows: tuple[Transition, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, in the order in which the table first names it."""
        names = [self.initial]
        for row in self.rows:
            names += [*row.starts, row.end]
        return tuple(dict.fromkeys([*names, *self.final]))

    def events_from(self, state: str) -> tuple[str, ...]:
        """Events that an operation can cause in `state`, in table order."""
        return tuple(dict.fromkeys(row.event for row in self.rows if state in row.starts and not row.system))


@dataclass(frozen=True, slots=True)
class Visibility:
    """Whose rows and which members a role sees of an entity, what a view leaves out, and who writes what."""

    entity: str
    rows: Mapping[str, str] | str
    only: Mapping[str, frozenset[str]]
    omits: Mapping[str, tuple[str, ...]]
    writes: Mapping[str, frozenset[str]]
    source: str

    def hidden(self, role: str) -> frozenset[str]:
        """Dotted members that `role` may not see."""
        return frozenset(path for path, roles in self.only.items() if role not in roles)

    def written_by(self, role: str) -> tuple[str, ...]:
        """Dotted members that a PUT by `role` changes."""
        return tuple(path for path, roles in self.writes.items() if role in roles)


@dataclass(frozen=True, slots=True)
class Identifier:
    """How an entity's ids look: `prefix` and the lengths of the groups of digits behind it."""

    entity: str
    prefix: str
    groups: tuple[int, ...]
    derived: bool
    source: str

    def shape(self, digits: str) -> str:
        """The id made of these digits, cut into groups."""
        parts, at = [self.prefix], 0
        for length in self.groups:
            parts.append(digits[at : at + length])
            at += length
        return "-".join(parts)


@dataclass(frozen=True, slots=True)
class Conventions:
    """How the API words what every API has."""

    title: str
    base: str
    paging: Mapping[str, int]
    errors: Mapping[str, Any]
    ids: Mapping[str, Identifier]
    references: Mapping[str, str]
    core: Mapping[str, Sequence[str]]
    public: Mapping[str, Sequence[str]]
    money: Mapping[str, int]
    uploads: Mapping[str, Mapping[str, Any]]
    attachments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """One API: its tables, read and found right."""

    name: str
    roles: tuple[str, ...]
    refusals: tuple[Mapping[str, Any], ...]
    operations: Mapping[str, Operation]
    machines: Mapping[str, Machine]
    visibility: Mapping[str, Visibility]
    conventions: Conventions
    document: Mapping[str, Any] = field(repr=False)
    """The OpenAPI document, assembled, references to its components kept"""

    @property
    def capabilities(self) -> Iterator[Capability]:
        """Every capability, those of the given matrix and those beyond it, in table order."""
        for operation in self.operations.values():
            yield from operation.capabilities

    def status(self, check: str) -> int:
        """The status that answers a failed check (access.yaml, `refusals`)."""
        return next(int(row["status"]) for row in self.refusals if row["check"] == check)


def names() -> tuple[str, ...]:
    """The APIs there are: every folder here that has an openapi.yaml."""
    return tuple(sorted(path.parent.name for path in HERE.glob("*/openapi.yaml")))


def load(name: str, *, overlays: Sequence[Path | str] = (), root: Path = HERE) -> Api:
    """The API `name`, with the cells that `overlays` change.

    Raises TableError for an unknown name and for whatever `specs.checks` finds wrong.
    """
    from specs import checks
    from specs.documents import bundle, outline

    folder = root / name
    if not (folder / "openapi.yaml").is_file():
        raise TableError(f"no API {name!r}; there are: {', '.join(names())}.")
    raw = bundle(folder)
    checks.shapes(name, raw)
    matrix = _matrix(folder / raw["access"]["matrix"]) if "matrix" in raw["access"] else {}
    paths = outline(raw["document"])
    checks.operations(name, raw["access"], matrix, paths)
    conventions = _conventions(raw["conventions"])
    api = Api(
        name=name,
        roles=tuple(raw["access"]["roles"]),
        refusals=tuple(MappingProxyType(row) for row in raw["access"]["refusals"]),
        operations=MappingProxyType(_operations(raw["access"], matrix, paths)),
        machines=MappingProxyType({entity: _machine(entity, row) for entity, row in raw["machines"].items()}),
        visibility=MappingProxyType({entity: _visibility(entity, row) for entity, row in raw["visibility"].items()}),
        conventions=conventions,
        document=raw["document"],
    )
    checks.machines(api)
    checks.entities(api)
    for overlay in overlays:
        from specs.overlays import apply

        api = apply(api, Path(overlay))
    return api


def read(path: Path) -> Any:
    """The YAML of one file; TableError with line and column where it does not parse."""
    import yaml

    try:
        with path.open("rb") as file:
            return yaml.load(file, Loader=_loader())
    except FileNotFoundError:
        raise TableError(f"{_place(path)}: no such file.") from None
    except IsADirectoryError:
        raise TableError(f"{_place(path)}: a folder, not a file.") from None
    except PermissionError:
        raise TableError(f"{_place(path)}: may not be read; mend its permissions.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        at = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        what = getattr(error, "problem", None) or "not readable as UTF-8 text"
        raise TableError(f"{_place(path)}:{at} not valid YAML: {what}.") from None


@cache
def _loader() -> Any:
    """The loader of PyYAML that takes nothing but plain values; a name that stands twice in one mapping is refused."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # either, as the machine has it
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                # Without this the last of the two would win, unseen.
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} stands here twice, keep one", key.start_mark
                    )
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
            return super().construct_mapping(node, deep)

    return Loader


def _place(path: Path) -> str:
    """How a message names a file: from the project's root where it lies below it."""
    try:
        return str(path.resolve().relative_to(HERE.parent))
    except ValueError:
        return str(path)


def _matrix(path: Path) -> dict[str, dict[str, str]]:
    """The given matrix: capability id -> its row."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError:
        raise TableError(f"{_place(path)}: no such file; access.yaml names it under `matrix`.") from None
    except (UnicodeDecodeError, csv.Error):
        raise TableError(f"{_place(path)}: not readable as CSV in UTF-8; save it as such.") from None
    matrix: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        id = row.get("operation_id")
        if not id or len(id.split()) != 1:
            raise TableError(f"{_place(path)}: line {number}: no operation_id; name the operation there.")
        if id in matrix:
            raise TableError(f"{_place(path)}: line {number}: {id} has a row already; keep one.")
        matrix[id] = row
    return matrix


def _operations(
    access: Mapping[str, Any], matrix: Mapping[str, Mapping[str, str]], paths: Mapping[str, Mapping[str, Any]]
) -> dict[str, Operation]:
    carried: dict[str, list[Capability]] = {}
    for id, row in access["operations"].items():
        home = row.get("at", id)
        given = matrix.get(id)
        if "who" in row or given is None:
            roles, source = frozenset(row["who"]), str(row["source"])
        else:
            roles = frozenset(role for role in access["roles"] if given[role] == "allow")
            source = "RM"
        capability = Capability(
            id=id,
            operation=home,
            collection=given["collection"] if given else paths[home]["tag"],
            title=given["capability"] if given else paths[home]["summary"],
            roles=roles,
            source=source,
            media=row.get("media"),
            given=given is not None,
        )
        carried.setdefault(home, []).append(capability)
    return {
        id: Operation(
            id=id,
            method=paths[id]["method"],
            path=paths[id]["path"],
            does=row["does"],
            entity=row["entity"],
            below=row.get("below"),
            event=row.get("event"),
            capabilities=tuple(carried[id]),
        )
        for id, row in access["operations"].items()
        if "at" not in row
    }


def _machine(entity: str, row: Mapping[str, Any]) -> Machine:
    return Machine(
        entity=entity,
        field=row.get("field", "status"),
        initial=row["initial"],
        final=tuple(row["final"]),
        audit=row.get("audit", True),
        rows=tuple(
            Transition(
                id=each["id"],
                event=each["event"],
                starts=tuple(each["from"]),
                end=each["to"],
                source=each["source"],
                system=each.get("by") == "system",
                then=each.get("then"),
                otherwise=each.get("else"),
                when=MappingProxyType(dict(each.get("when", {}))),
                silent=each.get("silent", False),
            )
            for each in row["rows"]
        ),
    )


def _visibility(entity: str, row: Mapping[str, Any]) -> Visibility:
    rows = row["rows"]
    return Visibility(
        entity=entity,
        rows=rows if isinstance(rows, str) else MappingProxyType(dict(rows)),
        only=MappingProxyType({path: frozenset(roles) for path, roles in row.get("only", {}).items()}),
        omits=MappingProxyType({kind: tuple(members) for kind, members in row["omits"].items()}),
        writes=MappingProxyType({path: frozenset(roles) for path, roles in row.get("writes", {}).items()}),
        source=row["source"],
    )


def _conventions(raw: Mapping[str, Any]) -> Conventions:
    ids = {
        entity: Identifier(entity, row["prefix"], tuple(row["groups"]), "from" in row, row["source"])
        for entity, row in raw["ids"].items()
    }
    rest = {name: raw[name] for name in ("title", "base", "paging", "errors", "references", "core", "public", "money")}
    return Conventions(**rest, ids=MappingProxyType(ids), uploads=raw["uploads"], attachments=raw["attachments"])
