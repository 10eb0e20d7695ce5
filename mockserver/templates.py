"""Templates of conventions.yaml: JSON whose texts `$name` stand for values.

What has no value (None) is left out, and so is what nothing is left of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Template = Any
"""JSON values, as YAML gives them"""
Filler = Callable[[Mapping[str, Any]], Any]
FAULTS = "faults"
"""The value that a list in a template is repeated for: once for each, with the names that each holds"""
_ALONE: tuple[Mapping[str, Any], ...] = ({},)


def names(template: Template) -> frozenset[str]:
    """The names that a template asks values for."""
    if isinstance(template, str):
        return frozenset({template[1:]}) if template.startswith("$") else frozenset()
    parts = template.values() if isinstance(template, Mapping) else template if isinstance(template, list) else ()
    return frozenset().union(*(names(part) for part in parts))


def compiled(template: Template) -> Filler:
    """What makes the JSON value of some values; None if nothing is left of it."""
    if isinstance(template, str) and template.startswith("$"):
        name = template[1:]
        return lambda values: values.get(name)
    if isinstance(template, Mapping):
        return _object(template)
    if isinstance(template, list):
        parts = [compiled(part) for part in template]

        def listed(values: Mapping[str, Any]) -> Any:
            each = [fill({**values, **fault}) for fault in values.get(FAULTS, _ALONE) for fill in parts]
            return [part for part in each if part is not None] or None

        return listed
    return lambda values: template


def _object(template: Mapping[str, Template]) -> Filler:
    if all(isinstance(part, str) and part.startswith("$") for part in template.values()):
        # The usual case: nothing but look-ups.
        leaves = [(key, part[1:]) for key, part in template.items()]
        return lambda values: {key: each for key, name in leaves if (each := values.get(name)) is not None} or None
    members = [(key, compiled(part)) for key, part in template.items()]
    return lambda values: {key: each for key, fill in members if (each := fill(values)) is not None} or None
