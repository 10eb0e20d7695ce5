"""Cases that Schemathesis generates for an operation, right and wrong: those of them that try something different."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, zip_longest
from typing import Any

from contracts.drawing import alone, drawn
from contracts.oracle import Oracle

UNTOLD = frozenset({"object_unexpected_properties", "malformed_content_type", "unsupported_content_type"})
"""What the coverage phase tries of requests without a body, and no check of it judges: nobody need look at it."""
RULED = frozenset({"pattern", "format", "enum", "minLength", "maxLength", "allOf", "anyOf", "oneOf", "not", "$ref"})
"""Words of a schema by which not every text will do"""
WRONG_TYPE, MISSING = "incorrect_type", "object_missing_required_property"
RULES = {
    "incorrect_type": "type",
    "object_missing_required_property": "required",
    "missing_parameter": "required",
    "string_below_min_length": "minLength",
    "string_above_max_length": "maxLength",
    "minimum_length_string": "minLength",
    "maximum_length_string": "maxLength",
    "value_below_minimum": "minimum",
    "value_above_maximum": "maximum",
    "minimum_value": "minimum",
    "maximum_value": "maximum",
    "invalid_enum_value": "enum",
    "enum_value": "enum",
    "invalid_format": "format",
    "invalid_pattern": "pattern",
    "not_multiple_of": "multipleOf",
    "array_above_max_items": "maxItems",
    "array_below_min_items": "minItems",
    "non_unique_items": "uniqueItems",
    "object_unexpected_properties": "additionalProperties",
    "null_value": "null",
    "value_null_value": "null",
    "example_value": "example",
    "default_value": "default",
}
"""a scenario of the coverage phase -> the word of the schema that it is about"""


@dataclass(frozen=True)
class Cases:
    """Cases of one kind: those that are enumerated, and behind them those that chance draws."""

    enumerated: Sequence[Any]
    draw: Callable[[], Sequence[Any]]

    def first(self, number: int) -> list[Any]:
        """So many of them at most. What chance would add is drawn where it is taken: that is by far the dearer kind."""
        found = list(self.enumerated[:number])
        return found + list(self._drawn[: number - len(found)]) if len(found) < number else found

    @cached_property
    def _drawn(self) -> Sequence[Any]:
        return self.draw()


def generated(oracle: Oracle, id: str, rng: random.Random, *, examples: int) -> tuple[Cases, Cases]:
    """The right and the wrong cases of an operation, those first that differ most from each other.

    examples: how many of each kind Hypothesis draws beside what the coverage phase enumerates
    """
    from schemathesis import GenerationMode

    operation = oracle.operations[id]
    enumerated = oracle.schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=oracle.schema.config.generation
    )
    covered: dict[Any, list[Any]] = {GenerationMode.POSITIVE: [], GenerationMode.NEGATIVE: []}
    with alone():
        for case in enumerated:
            # Every look at it has the case checked for changes.
            meta = case.meta
            if operation.body or meta.phase.data.scenario.value not in UNTOLD:
                covered[meta.generation.mode].append(case)
    found = []
    for mode, cases in covered.items():
        draw: Callable[[], Sequence[Any]] = tuple
        if mode is GenerationMode.POSITIVE or can_be_wrong(operation):
            draw = partial(drawn, operation.as_strategy(generation_mode=mode), examples, rng.getrandbits(32))
        found.append(Cases([*cases[:1], *thinned(cases[1:], rng)], draw))
    return found[0], found[1]


def can_be_wrong(operation: Any) -> bool:
    """Whether a request can break the spec: one that carries nothing, on a path of any texts, cannot.

    Hypothesis would look for one all the same, as long as for all that it finds.
    """
    carries = any((operation.body, operation.query, operation.headers, operation.cookies))
    schemas = [each.definition.get("schema", {}) for each in operation.path_parameters]
    return carries or any(schema.get("type") != "string" or RULED & schema.keys() for schema in schemas)


def is_enumerated(case: Any) -> bool:
    """Whether the coverage phase made a case, and not chance."""
    return hasattr(case.meta.phase.data, "scenario")


def thinned(cases: Iterable[Any], rng: random.Random) -> list[Any]:
    """One case of each kind of change to each place, in rounds: all places once, then all again.

    Of wrong types there are two: the one that is likeliest to be read as the right one, and another.
    """
    places: dict[tuple[str, str], dict[str, list[Any]]] = {}
    for case in cases:
        data = case.meta.phase.data
        kinds = places.setdefault((str(data.parameter_location), place(data)), {})
        kind = f"{data.scenario} {data.location}"
        if data.scenario.value == WRONG_TYPE and kind in kinds:
            kind += " again"
        kinds.setdefault(kind, []).append(case)
    # Types last: of all rules they are the best kept.
    ordered = [sorted(kinds.items(), key=lambda kind: (WRONG_TYPE in kind[0], kind[0])) for kinds in places.values()]
    rounds = [[rng.choice(alike) for _, alike in kinds] for kinds in ordered]
    return [each for each in chain.from_iterable(zip_longest(*rounds)) if each is not None]


def place(data: Any) -> str:
    """The parameter that an enumerated case is about, or the member of its body, as far as its data say."""
    if data.parameter_location is None:
        return ""
    if data.parameter_location.name != "BODY":
        return str(data.parameter or "")
    said = str(data.description or "")
    # "Missing required property: name" names it last, all others name it first.
    return said if data.scenario.value == MISSING else said.rpartition(":")[0] or str(data.location or said)


def about(case: Any, model: Any) -> str:
    """What a case tries: the dotted place of a member, or a parameter, and the rule that it breaks or just keeps.

    model: the generated body that the case's body is a change of
    """
    data = case.meta.phase.data
    location = data.parameter_location
    if location is not None and location.name != "BODY":
        return f"{data.parameter or location.name.lower()} {_rule(case)}"
    if not case.operation.body:
        return f"query {_rule(case)}"
    way = changed(model, case.body)
    if _is_without(case.body, way) and not _is_without(model, way):
        return f"{'.'.join(way) or 'body'} {'required' if case.meta.generation.mode.is_negative else 'left out'}"
    return f"{'.'.join(way) or 'body'} {_rule(case)}"


def _rule(case: Any) -> str:
    """The word of the schema for what a case tries."""
    data = case.meta.phase.data
    if not is_enumerated(case):
        return next((each.keywords[0] for each in data.mutations if each.keywords), "drawn")
    last = str(data.location or "").rpartition("/")[2]
    if last in RULES.values():
        return last
    # "Object with valid 'name' value: Minimum length string"
    tail = str(data.description or "").rpartition(": ")[2].lower().replace(" ", "_")
    return RULES.get(data.scenario.value) or RULES.get(tail) or data.scenario.value.replace("_", " ")


def _is_without(body: Any, way: Sequence[str]) -> bool:
    for name in way:
        if isinstance(body, list):
            body = body[0] if body else None
        elif isinstance(body, dict) and name in body:
            body = body[name]
        else:
            return True
    return False


def changed(before: Any, after: Any) -> Sequence[str]:
    """The way to the first place at which two bodies differ, as deep as both have it."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            if name not in before or name not in after:
                return (str(name),)
            if before[name] != after[name] or type(before[name]) is not type(after[name]):
                return (str(name), *changed(before[name], after[name]))
    if isinstance(before, list) and isinstance(after, list) and before and after and before[0] != after[0]:
        return ("0", *changed(before[0], after[0]))
    return ()


def grafted(sound: Any, before: Any, after: Any) -> Any:
    """A sound body with what was changed from one generated body to another, and nothing else, changed in it, too."""
    if isinstance(sound, dict) and isinstance(before, dict) and isinstance(after, dict):
        made = {name: value for name, value in sound.items() if name not in before or name in after}
        for name, value in after.items():
            if name not in before:
                made[name] = value
            elif before[name] != value or type(before[name]) is not type(value):
                made[name] = grafted(sound.get(name), before[name], value)
        return made
    lists = sound and all(isinstance(each, list) and each for each in (sound, before, after))
    if lists and before[1:] == after[1:]:
        return [grafted(sound[0], before[0], after[0]), *sound[1:]]
    return after
