"""The OpenAPI document of an API: its parts assembled by prance, and kept, parsed, until a part changes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_INSIDE, _STAYS = b'"$ref":"#', b'"$ref-inside":"#'
"""How a reference inside the document begins in JSON, and what stands for it while those to files are resolved"""
TABLES = ("access", "machines", "visibility", "conventions")


def bundle(folder: Path, *, home: str | None = None) -> dict[str, Any]:
    """`document` (assembled, references to its own components kept) and the raw tables of one API folder.

    home: how messages name the folder

    Parsing YAML costs more than everything else at start, so the result is kept as JSON under the user's cache folder,
    by the hash of every file it was made of; without a writable cache it is made anew.
    """
    sources = sorted(path for path in folder.rglob("*.yaml") if path.is_file())
    # Names and contents both count: a part that is renamed is another contract.
    state = hashlib.blake2b(b"3", digest_size=16)
    for path in sources:
        state.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    kept = cache() / f"{folder.name}-{state.hexdigest()}.json"
    try:
        found: dict[str, Any] = orjson.loads(kept.read_bytes())
        return found
    except (OSError, ValueError):
        pass
    from specs.tables import read

    tables = {folder / f"{table}.yaml": table for table in TABLES}
    parsed = {path: read(path) for path in dict.fromkeys([*tables, *sources])}
    made = {table: parsed[path] for path, table in tables.items()}
    made["document"] = _assemble(folder, parsed, home or f"specs/{folder.name}")
    keep(kept, orjson.dumps(made))
    return made


def sound(folder: Path, read: Mapping[str, Any]) -> Path:
    """The mark of tables that were found right: of what was read, the given matrix, and the code that checks both."""
    given = read["access"].get("matrix") if isinstance(read["access"], dict) else None
    state = hashlib.blake2b(orjson.dumps(read), digest_size=16)
    for path in (*sorted(Path(__file__).parent.glob("*.py")), *([folder / given] if isinstance(given, str) else ())):
        with contextlib.suppress(OSError, ValueError):
            state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return cache() / f"{folder.name}-sound-{state.hexdigest()}.mark"


def document(name: str) -> dict[str, Any]:
    """The assembled OpenAPI document of the API `name`."""
    from specs.tables import folder

    found: dict[str, Any] = bundle(folder(name))["document"]
    return found


def outline(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """operationId -> what its row is read with.

    That is method, path (with the server's prefix), tag, summary, `keys` (the parameters in its path, in order), `open`
    (no token is asked) and `body` (it reads one).
    """
    prefix = document["servers"][0]["url"].rstrip("/")
    asked = document.get("security", [])
    return {
        operation["operationId"]: {
            "method": method.upper(),
            "path": prefix + path,
            "tag": operation["tags"][0],
            "summary": operation["summary"],
            "keys": re.findall(r"\{([^{}]*)\}", path),
            "open": not operation.get("security", asked),
            "body": "requestBody" in operation,
        }
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def _assemble(folder: Path, parsed: Mapping[Path, Any], home: str) -> dict[str, Any]:
    """One document out of the parts: references to files are replaced by what they name, those inside it stay."""
    from prance.util.resolver import RESOLVE_FILES, RefResolver
    from prance.util.url import ResolutionError, absurl, urlresource

    from specs.tables import TableError

    root = folder / "openapi.yaml"
    parts = {path: _part(f"{home}/{path.relative_to(folder).as_posix()}", parsed[path]) for path in parsed}
    # prance would parse each part with a pure-Python loader; handing it the parsed parts is ten times faster.
    known = {(urlresource(absurl(path.resolve().as_uri())), True): part for path, part in parts.items()}
    resolver = RefResolver(parts[root], root.resolve().as_uri(), resolve_types=RESOLVE_FILES, reference_cache=known)
    try:
        resolver.resolve_references()
    except ResolutionError as error:
        # prance tells of a file by its place on this machine, and of a missing one as an error of the system's.
        what = str(error.args[-1]).replace(f"file://{folder.resolve()}/", "").replace(f"{folder.resolve()}/", "")
        raise TableError(f"{home}/openapi.yaml: {what}; mend the reference.") from None
    # Through JSON: what prance shares between places becomes separate, and what is not JSON shows now.
    made: dict[str, Any] = orjson.loads(orjson.dumps(resolver.specs).replace(_STAYS, _INSIDE))
    return made


def _part(place: str, content: Any) -> Any:  # Any: whatever YAML can say
    """A part as prance is handed it: what refers to the document itself stays, so it is kept from looking at that."""
    try:
        text = orjson.dumps(content)
    except TypeError:
        _named(place, content)
        raise
    if re.search(rb'"\$ref":(?!")', text):
        _named(place, content)
    return orjson.loads(text.replace(_INSIDE, _STAYS))


def _named(place: str, content: Any) -> None:
    """Every name in a part is a text: YAML reads a bare 200 as a number and a bare 2024-01-01 as a date."""
    from specs.tables import TableError

    if isinstance(content, list):
        for each in content:
            _named(place, each)
    elif isinstance(content, dict):
        for name, each in content.items():
            if not isinstance(name, str):
                raise TableError(f"{place}: {name} is no name; put quotes round it.")
            if name == "$ref" and not isinstance(each, str):
                raise TableError(f"{place}: a $ref that is no text; name what it leads to.")
            _named(place, each)


def cache() -> Path:
    """The folder in which things are kept that are costly to make and can be made again."""
    home = os.environ.get("DOUBLEENTRY_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "doubleentry"
    )
    return Path(home)


def keep(path: Path, content: bytes, *, most: int = 1) -> None:
    """Write a cache file named `<what>-<32 hex digits>` whole or not at all; of one kind the newest `most` stay."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.part")
        beside.write_bytes(content)
        beside.replace(path)
        kind = f"{path.stem.rpartition('-')[0]}-{'?' * 32}{path.suffix}"
        there = sorted(path.parent.glob(kind), key=lambda file: (file == path, file.stat().st_mtime))
        for old in there[:-most]:
            old.unlink(missing_ok=True)
    except OSError:
        pass
