"""The YAML of a scenario file, as values with the line of each; what would be dear to read is refused."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from mockserver.scenario import KEYS, ScenarioError

MAX_DEPTH = 32
MAX_ALIASES = 100
MAX_VALUES = 200_000
# No leading zeros: what is written 0123 is a code, not a number.
_NUMBER = re.compile(r"[-+]?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d{1,3})?", re.ASCII)


def parsed(name: str, content: bytes) -> tuple[dict[str, Any], dict[str, int]]:
    """A file's values and the line of each, by dotted path. Raises ScenarioError, with the name of the file."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = content.decode("utf-8-sig")
        _measure(name, text, loader)
        node = yaml.compose(text, Loader=loader)
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8.") from None
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)  # Any: the two loaders have a class each
        what = getattr(error, "problem", None) or "it holds a character that YAML does not allow"
        raise ScenarioError(f"{name}{f':{mark.line + 1}' if mark else ''}: not valid YAML: {what}.") from None
    if node is None:
        raise ScenarioError(f"{name}: empty; at least write `extends: default`.")
    if not isinstance(node, yaml.MappingNode):
        raise ScenarioError(f"{name}: holds no `key: value` pairs at its top; keys are: {', '.join(KEYS)}.")
    reading = _Reading(name)
    return reading.value(node, ""), reading.lines


def _measure(name: str, text: str, loader: Any) -> None:
    """Refuse what would be dear to compose: nesting costs stack, aliases multiply."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > MAX_DEPTH or aliases > MAX_ALIASES:
            what = f"nested deeper than {MAX_DEPTH}" if depth > MAX_DEPTH else f"more than {MAX_ALIASES} aliases"
            raise ScenarioError(f"{name}:{_line(event)}: {what}; write it flatter.")


def _line(event: Any) -> int:
    """The line that an event starts in; the two loaders have mark classes of their own."""
    return int(event.start_mark.line) + 1


class _Reading:
    """Turns YAML nodes into values, with the line of each by its path."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[str, int] = {}
        self._left = MAX_VALUES

    def value(self, node: yaml.Node, path: str) -> Any:
        line = node.start_mark.line + 1
        self.lines[path] = line
        self._left -= 1
        # Aliases make a small file large, and one that holds itself endless.
        if self._left < 0 or path.count(".") + path.count("[") > MAX_DEPTH:
            raise ScenarioError(
                f"{self.name}:{line}: says more than {MAX_VALUES} values through its aliases; write fewer."
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, f"{path}[{at}]") for at, each in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, each in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ScenarioError(f"{self.name}:{line}: {path}: a key that is no text; write a plain word.")
            inner = f"{path}.{key.value}" if path else str(key.value)
            if key.value in values:
                raise ScenarioError(f"{self.name}:{line}: {inner}: said twice; keep one.")
            values[key.value] = self.value(each, inner)
            self.lines[inner] = line
        return values

    def _scalar(self, node: yaml.Node, path: str) -> Any:
        kind, text = str(node.tag).rpartition(":")[2], str(node.value)
        if kind == "null":
            return None
        # YAML 1.1 reads the country NO as false; only the plain words are meant as booleans here.
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind in ("int", "float") and _NUMBER.fullmatch(text):
            if kind == "int" and len(text) <= 20:
                return int(text)
            try:
                number = Decimal(text)
            except InvalidOperation:  # pragma: no cover - the pattern above admits numbers only
                return text
            if len(text) > 30 or abs(number) > Decimal(10) ** 15:
                raise ScenarioError(
                    f"{self.name}:{self.lines[path]}: {path}: a number out of range; use at most 15 digits."
                )
            return number
        return text
