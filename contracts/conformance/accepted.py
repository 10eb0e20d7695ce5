"""What Schemathesis takes for a failure and is right behaviour: the rows of accepted.toml, and which of them one is."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROWS: Sequence[Mapping[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "accepted.toml").read_text(encoding="utf-8")
)["accepted"]


def accepted(api: str, failure: Any, case: Any, response: Any) -> Mapping[str, Any] | None:
    """The row that this failure is, if it is one.

    failure, case, response: as Schemathesis has them, whose types would have to be loaded to be named
    """
    return next((row for row in ROWS if row["api"] == api and _fits(row, failure, case, response)), None)


def _fits(row: Mapping[str, Any], failure: Any, case: Any, response: Any) -> bool:
    if row["code"] != failure.code or not fnmatchcase(case.operation.label, row.get("operations", "*")):
        return False
    if response.status_code != row.get("status", response.status_code):
        return False
    if "parameters" in row:
        broken = set(re.findall(r"`(\w+)`", failure.message.partition(" in query")[0]))
        if not broken or not broken <= set(row["parameters"]):
            return False
    invalid = failure.message.partition("Invalid component:")[2].strip()
    if "says" in row and re.fullmatch(row["says"], invalid) is None:
        return False
    if "answer" in row and re.search(row["answer"], _text(response)) is None:
        return False
    if "empty" in row and not (isinstance(case.body, dict) and case.body.get(row["empty"]) == ""):
        return False
    errors = _errors(response)
    value = str((case.query or {}).get(row.get("within", ""), ""))
    if "within" in row and not (errors and all(place.removesuffix("...") in value for place in errors)):
        return False
    if "places" in row and not (errors and all(re.fullmatch(row["places"], place) for place in errors)):
        return False
    # What is refused as unknown must be what was sent; else the refusal is about something that nobody said.
    return not row.get("sent") or all(
        _sent(case.body, place) in "".join(messages) for place, messages in errors.items()
    )


def _text(response: Any) -> str:
    """What a body says: JSON without blanks between its parts, however the server writes it; all else as it came."""
    try:
        return json.dumps(json.loads(response.content), ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return str(response.content.decode(errors="replace"))


def _errors(response: Any) -> Mapping[str, list[str]]:
    """What a refusal names as wrong, place to messages, where its body has such a member."""
    try:
        found = json.loads(response.content).get("errors", {})
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sent(body: Any, place: str) -> str:
    """How a message quotes the value that the body has at a dotted place."""
    for name in place.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return repr(body) if isinstance(body, str) else "\0"
