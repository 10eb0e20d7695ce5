"""What a run says, for people and for machines: one module a format, each with `write(result) -> str`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from contracts.findings import Result
from contracts.redaction import Redaction

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "html": "page",
        "json": "record",
        "junit": "junit",
        "markdown": "markdown",
        "sarif": "sarif",
    }
)
"""Format -> its module, which is read when it is asked for."""


class ReportError(Exception):
    """A report that cannot be written; `str()` is one line: which, why, what would be right."""


def render(kind: str, result: Result) -> bytes:
    """The report of a run in one of FORMATS, without any secret of its callers. Raises ReportError."""
    if kind not in FORMATS:
        raise ReportError(f"no report format {kind!r}; there are: {', '.join(FORMATS)}.")
    module = import_module(f"contracts.reports.{FORMATS[kind]}")
    text: str = module.write(clean(result))
    return text.encode("utf-8", "backslashreplace")


def write(kind: str, path: Path, result: Result) -> None:
    """Write a report to a file, whole or not at all. Raises ReportError."""
    content = render(kind, result)
    try:
        _replace(path, content)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ReportError(
            f"--report {kind}={path}: cannot be written ({why}); name a file in a folder that can be written to."
        ) from None


def clean(result: Result) -> Result:
    """The result without any secret: of the callers it knows, and of those in its steps."""
    callers = [*result.callers, *(step.caller for finding in result.findings for step in finding.steps)]
    return Redaction.of(callers).result(result)


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and not path.is_file():
        # A device or a pipe (/dev/stdout) is written to; beside it there is nothing to rename.
        path.write_bytes(content)
        return
    place = path.resolve()
    handle, beside = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(beside, place.stat().st_mode & 0o777 if place.exists() else 0o666 & ~_umask())
        os.replace(beside, place)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _umask() -> int:
    """The mask of new files, which only setting it tells."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
