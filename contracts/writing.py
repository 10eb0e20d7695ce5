"""What an update may carry: another value for each member, by the schema of its body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from contracts import samples, values
from contracts.probe import Probe
from contracts.wire import Caller
from specs.tables import Operation

INSTANTS = ("2031-05-06T00:00:00.000Z", "2031-07-08T00:00:00.000Z")


class Writing:
    """The part of a Stage that speaks of updates."""

    def __init__(self, p: Probe) -> None:
        self.p = p
        self._texts = count(1)

    def written(self, operation: Operation, path: str) -> Mapping[str, Any] | None:
        """The schema of a member of a body; None where the body has no such member."""
        p = self.p
        content = p.resolved(p.spec(operation).get("requestBody", {})).get("content", {}).get("application/json", {})
        schema = p.resolved(content.get("schema", {}))
        for name in path.split("."):
            parts = [p.resolved(each) for each in schema.get("allOf", ())]
            members = {name: each for part in (schema, *parts) for name, each in part.get("properties", {}).items()}
            if name not in members:
                return None
            schema = members[name]
            nullable = schema.get("nullable", False)
            schema = p.resolved(schema)
            # Ways to write the same, such as a day or an instant: the first will do.
            schema = p.resolved(schema["anyOf"][0]) if "anyOf" in schema else schema
            schema = {**schema, "nullable": nullable or schema.get("nullable", False)}
        return schema

    def value(self, operation: Operation, path: str, now: Any) -> Any:
        """A value that a member may be set to, other than it is now; None where the tables do not tell one."""
        schema = self.written(operation, path)
        if schema is None or path.split(".")[-1] in self.p.api.conventions.references:
            return None
        if "enum" in schema:
            return next((each for each in schema["enum"] if each not in (None, now)), None)
        kind = schema.get("type")
        if kind == "string" and "date" in str(schema.get("format")):
            return next(each for each in INSTANTS if not values.same(each, now))
        if kind == "string":
            text = f"{self.p.tag} {next(self._texts)}"
            return text[-int(schema.get("maxLength", len(text))) :] if "pattern" not in schema else None
        if kind in ("integer", "number"):
            return (now if isinstance(now, int | float) else 0) + 1
        if kind == "boolean":
            return now is not True
        if kind == "object":
            found = samples.made(self.p, schema) or self._first(operation, path, schema, now)
            return found if found and found != now else None
        return None

    def _first(self, operation: Operation, path: str, schema: Mapping[str, Any], now: Any) -> Mapping[str, Any]:
        """Of an object without anything that it must have, the first member that can be set."""
        for name in schema.get("properties", {}):
            found = self.value(operation, f"{path}.{name}", now.get(name) if isinstance(now, Mapping) else None)
            if found is not None:
                return {name: found}
        return {}

    def clears(self, operation: Operation, path: str) -> bool:
        """Whether null takes a member away."""
        schema = self.written(operation, path)
        return schema is not None and bool(schema.get("nullable"))

    def follows(self, operation: Operation, path: str, other: str) -> bool:
        """Whether another member rightly moves when one is written."""
        return False

    def half_wrong(self, operation: Operation, caller: Caller) -> Iterator[Mapping[str, Any]]:
        """Bodies of which a part is right, and another must be refused; none where there are no two parts."""
        names = [path for path in self.p.api.visibility[operation.entity].written_by(caller.role) if "." not in path]
        texts = [name for name in names if self._is_text(operation, name)]
        bad = next((name for name in reversed(names) if name not in texts[:1] and self.written(operation, name)), None)
        if texts and bad is not None:
            yield {**self.right(operation, texts, bad), bad: [[]]}

    def right(self, operation: Operation, texts: Sequence[str], *without: str) -> Mapping[str, Any]:
        """New values for members of any text."""
        return {name: self.value(operation, name, None) for name in texts if name not in without}

    def _is_text(self, operation: Operation, name: str) -> bool:
        schema = self.written(operation, name)
        return (
            schema is not None and schema.get("type") == "string" and not {"format", "enum", "pattern"} & schema.keys()
        )
