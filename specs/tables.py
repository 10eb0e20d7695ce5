"""What the tables beside a spec say, as frozen values, and the one reader of them.

`load(name)` reads `specs/<name>/` and refuses a wrong table in one line that names file, entry and mend.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from specs.permissions import suffices

HERE = Path(__file__).parent
ALL = "all"
PARENT = "parent"
DERIVED = "derived"
ANY = "*"
# What answers a failed check that access.yaml has no row for: what HTTP says of it.
STATUSES: Mapping[str, int] = {
    "token": 401,
    "scope": 403,
    "role": 403,
    "query": 400,
    "find": 404,
    "accept": 406,
    "media": 415,
    "body": 400,
    "state": 409,
}
_CROCKFORD = "0-9A-HJKMNP-TV-Z"
_PATTERNS: Mapping[str, str] = {
    "ulid": f"[0-7][{_CROCKFORD}]{{25}}",
    "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
}


def one_line(told: str) -> str:
    """A message without line breaks and the like, which the names in a file may hold; they are shown escaped."""
    return told if told.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in told)


class TableError(Exception):
    """A table, or an overlay, that cannot be right; `str()` is one line: file, entry, mend."""

    def __init__(self, told: str) -> None:
        super().__init__(one_line(told))


@dataclass(frozen=True, slots=True)
class Capability:
    """One row of the role matrix: what a person would call it, and the operation and media that carry it.

    `operation` is the operation whose method and path serve it; `id` differs from it only where the Accept header
    chooses between two capabilities of one operation.
    needs: the permissions it asks for, where roles are sets of them; `roles` are those that have them
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
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the spec, and what it does to which entity.

    parent, key: the path parameters that name the object above and the object itself
    open: nobody is asked for a token
    filters: query parameter -> the dotted member that it must equal
    """

    id: str
    method: str
    path: str
    does: str
    entity: str
    below: str | None
    event: str | None
    capabilities: tuple[Capability, ...]
    parent: str | None = None
    key: str | None = None
    open: bool = False
    filters: Mapping[str, str] = field(default_factory=dict)

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
    """Whose rows and which members a role sees of an entity, what a view leaves out, and who writes what.

    schema: the name of what describes it, in the document's components
    """

    entity: str
    schema: str
    rows: Mapping[str, str] | str
    only: Mapping[str, frozenset[str]]
    omits: Mapping[str, tuple[str, ...]]
    writes: Mapping[str, frozenset[str]]
    source: str

    def hidden(self, role: str) -> frozenset[str]:
        """Dotted members that `role` may not see."""
        return frozenset(path for path, roles in self.only.items() if role not in roles)

    def told_by(self, role: str) -> str | None:
        """The member that tells which rows `role` sees; `all`: every row; None: none, or told by the object above."""
        return None if isinstance(self.rows, str) else self.rows.get(role, self.rows.get(ANY))

    def written_by(self, role: str) -> tuple[str, ...]:
        """Dotted members that a PUT by `role` changes."""
        return tuple(path for path, roles in self.writes.items() if role in roles)


@dataclass(frozen=True, slots=True)
class Identifier:
    """How an entity's ids look.

    form: `groups` (a prefix and groups of digits behind it), `digits` (so many of them), `ulid` or `uuid`
    """

    entity: str
    prefix: str
    groups: tuple[int, ...]
    derived: bool
    source: str
    form: str = "groups"
    length: int = 0

    @property
    def pattern(self) -> str:
        """The regular expression of a whole id."""
        if self.form == "groups":
            return "-".join([re.escape(self.prefix), *(f"[0-9]{{{length}}}" for length in self.groups)])
        return _PATTERNS.get(self.form) or f"[0-9]{{{self.length}}}"

    def shape(self, digits: str) -> str:
        """The id made of these digits, cut into groups."""
        parts, at = [self.prefix], 0
        for length in self.groups:
            parts.append(digits[at : at + length])
            at += length
        return "-".join(parts)


@dataclass(frozen=True, slots=True)
class Conventions:
    """How the API words what every API has.

    bases: what its paths begin with; the document is served below the first
    query: `rql`, or `parameters`: those that the spec declares
    lists, errors: templates, in which texts that begin with `$` stand for values (specs/forms.py); of lists, too,
    `made`: the member that tells when a row was made, where lists come oldest first
    spelling: whether names in bodies must be spelled `exact`, or may differ in case
    stamps: whether records keep a revision and who changed them when
    rules: values that the API's own code reads
    """

    title: str
    bases: tuple[str, ...]
    query: str
    lists: Mapping[str, Any]
    errors: Mapping[str, Any]
    ids: Mapping[str, Identifier]
    paging: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Any] = field(default_factory=dict)
    sorts: Mapping[str, Any] = field(default_factory=dict)
    spelling: str = "loose"
    stamps: bool = True
    rules: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    core: Mapping[str, Sequence[str]] = field(default_factory=dict)
    public: Mapping[str, Sequence[str]] = field(default_factory=dict)
    money: Mapping[str, int] = field(default_factory=dict)
    uploads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    attachments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """What the paths begin with, the first of `bases` if there are several."""
        return self.bases[0]


@dataclass(frozen=True, slots=True)
class Scope:
    """What the rights of a caller hold in.

    grants: the key under which a scenario's callers list the values
    entity: what the values are ids of
    parameter: the path parameter that names one, and the member by which rows are told; None: rows say by which
    kinds: the member of the entity by which a grant may speak of all of one kind (`type:test`), or of `any`
    empty: the role of a caller without a grant
    unbound: the role whose rights hold everywhere, if no grant says otherwise
    """

    grants: str
    entity: str
    parameter: str | None = None
    kinds: str | None = None
    empty: str | None = None
    unbound: str | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """One API: its tables, read and found right.

    permissions: role -> the permissions that it is a set of; empty where roles are names alone
    rule: whether `any` of the permissions that a capability needs suffices, or `all` are needed
    home: its folder, as messages name it
    """

    name: str
    roles: tuple[str, ...]
    refusals: tuple[Mapping[str, Any], ...]
    operations: Mapping[str, Operation]
    machines: Mapping[str, Machine]
    visibility: Mapping[str, Visibility]
    conventions: Conventions
    document: Mapping[str, Any] = field(repr=False)
    """The OpenAPI document, assembled, references to its components kept"""
    permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rule: str = "any"
    scope: Scope | None = None
    ruled: str = ""
    """why an overlay turned `rule`, where one did"""
    home: str = field(default="", compare=False)

    @property
    def capabilities(self) -> Iterator[Capability]:
        """Every capability, those of the given matrix and those beyond it, in table order."""
        for operation in self.operations.values():
            yield from operation.capabilities

    def status(self, check: str, entity: str | None = None) -> int:
        """The status that answers a failed check, for all entities or for this one (access.yaml, `refusals`)."""
        for row in self.refusals:
            if row["check"] == check:
                return int(row.get("of", {}).get(entity, row["status"]))
        return STATUSES[check]


def names() -> tuple[str, ...]:
    """The APIs there are: every folder here that has an openapi.yaml."""
    return tuple(sorted(path.parent.name for path in HERE.glob("*/openapi.yaml")))


def folder(name: str, *, root: Path = HERE) -> Path:
    """The folder of an API: one of `specs`, or the one that a text with a slash leads to.

    Raises TableError where there is none.
    """
    found = Path(name).expanduser() if "/" in name else root / name
    if not (found / "openapi.yaml").is_file():
        where = " in that folder (it has no openapi.yaml)" if "/" in name else ""
        raise TableError(f"no API {name!r}{where}; there are: {', '.join(names())}.")
    found = found.resolve()
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_-]*", found.name):
        raise TableError(f"no API {name!r}: its folder gives it its name; take letters, digits, - and _ alone.")
    return found


def load(name: str, *, overlays: Sequence[Path | str] = (), root: Path = HERE) -> Api:
    """The API `name`, or the one in the folder that `name` leads to, with the cells that `overlays` change.

    Raises TableError for an unknown name and for whatever `specs.checks` finds wrong.
    """
    from specs.documents import bundle, keep, outline, sound

    place = folder(name, root=root)
    home = name.rstrip("/") if "/" in name else f"specs/{name}"
    raw = bundle(place, home=home)
    # What was found right once is not looked at again: that takes as long as all the rest here.
    mark = sound(place, raw)
    is_new = not os.path.exists(mark)
    if is_new:
        from specs import checks

        checks.shapes(home, raw)
    access = raw["access"]
    matrix = _matrix(place / access["matrix"]) if "matrix" in access else {}
    paths = outline(raw["document"])
    if is_new:
        checks.operations(home, access, matrix, paths)
    permissions = _permissions(access["roles"])
    rule, scope = access.get("rule", "any"), Scope(**access["scope"]) if "scope" in access else None
    api = Api(
        name=place.name,
        roles=tuple(access["roles"]),
        refusals=tuple(MappingProxyType(row) for row in access["refusals"]),
        operations=MappingProxyType(_operations(access, matrix, paths, permissions)),
        machines=MappingProxyType({entity: _machine(entity, row) for entity, row in raw["machines"].items()}),
        visibility=MappingProxyType({entity: _visibility(entity, row) for entity, row in raw["visibility"].items()}),
        conventions=_conventions(raw["conventions"]),
        document=raw["document"],
        permissions=permissions,
        rule=rule,
        scope=scope,
        home=home,
    )
    if is_new:
        checks.whole(api)
        keep(mark, b"", most=8)
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
    except RecursionError:
        raise TableError(f"{_place(path)}: holds itself through its aliases, or is nested too deep.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        at = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        what = getattr(error, "problem", None) or "not readable as UTF-8 text"
        raise TableError(f"{_place(path)}:{at} not valid YAML: {what}.") from None


@cache
def _loader() -> Any:
    """The loader of PyYAML that takes nothing but plain values; a name that stands twice in one mapping is refused."""
    import yaml

    text, sequence, mapping = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # either, as the machine has it
        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
            # Most of what there is, and what PyYAML makes the most fuss of.
            if node.tag == text and isinstance(node, yaml.ScalarNode):
                return node.value
            if node.tag == mapping and isinstance(node, yaml.MappingNode):
                names = {key.value for key, _ in node.value if key.tag == text and isinstance(key, yaml.ScalarNode)}
                if len(names) == len(node.value):
                    return {key.value: self.construct_object(each) for key, each in node.value}
                return self.construct_mapping(node, deep=True)
            if node.tag == sequence and isinstance(node, yaml.SequenceNode):
                return [self.construct_object(each) for each in node.value]
            return super().construct_object(node, deep)

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


def _permissions(roles: Any) -> Mapping[str, frozenset[str]]:
    if not isinstance(roles, Mapping):
        return MappingProxyType({})
    return MappingProxyType({role: frozenset(permissions) for role, permissions in roles.items()})


def _operations(
    access: Mapping[str, Any],
    matrix: Mapping[str, Mapping[str, str]],
    paths: Mapping[str, Mapping[str, Any]],
    permissions: Mapping[str, frozenset[str]],
) -> dict[str, Operation]:
    carried: dict[str, list[Capability]] = {}
    for id, row in access["operations"].items():
        home = row.get("at", id)
        given = matrix.get(id)
        needs = tuple(row.get("needs", ()))
        roles = frozenset(_roles(row, given, needs, access, permissions))
        capability = Capability(
            id=id,
            operation=home,
            collection=given["collection"] if given else paths[home]["tag"],
            title=given["capability"] if given else paths[home]["summary"],
            roles=roles,
            source="RM" if given else str(row["source"]),
            media=row.get("media"),
            given=given is not None,
            needs=needs,
        )
        carried.setdefault(home, []).append(capability)
    scope = access.get("scope", {}).get("parameter")
    return {
        id: _operation(id, row, paths[id], [key for key in paths[id]["keys"] if key != scope], carried[id])
        for id, row in access["operations"].items()
        if "at" not in row
    }


def _roles(
    row: Mapping[str, Any],
    given: Mapping[str, str] | None,
    needs: Sequence[str],
    access: Mapping[str, Any],
    permissions: Mapping[str, frozenset[str]],
) -> Sequence[str]:
    """The roles that may: as the given matrix says, or the row, by name or by what the roles are sets of."""
    if given is not None:
        return [role for role in access["roles"] if given[role] == "allow"]
    if "needs" in row:
        return holders(permissions, needs, access["rule"])
    return list(access["roles"]) if "open" in row else list(row["who"])


def holders(permissions: Mapping[str, frozenset[str]], needs: Sequence[str], rule: str) -> list[str]:
    """The roles whose permissions suffice."""
    return [role for role, held in permissions.items() if suffices(held, needs, rule)]


def _operation(
    id: str, row: Mapping[str, Any], path: Mapping[str, Any], keys: Sequence[str], capabilities: Sequence[Capability]
) -> Operation:
    parent, *rest = keys if "below" in row else (None, *keys)
    return Operation(
        id=id,
        method=path["method"],
        path=path["path"],
        does=row["does"],
        entity=row["entity"],
        below=row.get("below"),
        event=row.get("event"),
        capabilities=tuple(capabilities),
        parent=parent,
        key=rest[0] if rest else None,
        open=row.get("open", False),
        filters=MappingProxyType(dict(row.get("filters", {}))),
    )


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
        schema=row.get("schema", entity),
        rows=rows if isinstance(rows, str) else MappingProxyType(dict(rows)),
        only=MappingProxyType({path: frozenset(roles) for path, roles in row.get("only", {}).items()}),
        omits=MappingProxyType({kind: tuple(members) for kind, members in row["omits"].items()}),
        writes=MappingProxyType({path: frozenset(roles) for path, roles in row.get("writes", {}).items()}),
        source=row["source"],
    )


def _conventions(raw: Mapping[str, Any]) -> Conventions:
    ids = {
        entity: Identifier(
            entity=entity,
            prefix=row.get("prefix", ""),
            groups=tuple(row.get("groups", ())),
            derived="from" in row,
            source=row["source"],
            form=row.get("form", "groups"),
            length=row.get("length", 0),
        )
        for entity, row in raw["ids"].items()
    }
    return Conventions(**{**raw, "bases": tuple(raw["bases"]), "ids": MappingProxyType(ids)})
