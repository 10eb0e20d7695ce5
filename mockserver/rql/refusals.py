"""How a query is refused: one text per category, keyed by what offends, with its column."""

from __future__ import annotations

from mockserver.domain.errors import Invalid

UNKNOWN_GROUP = "Unknown expression group."
UNKNOWN_PATH = "Invalid property path."
NO_FILTERING = "Filtering by this property is not permitted."
NO_ORDERING = "Ordering by this property is not permitted."
NO_VALID_ORDERING = "There are no valid ordering properties."
WRONG_OPERATOR = "The operator is not permitted on this property."
WRONG_COUNT = "Wrong number of arguments."
WRONG_ARGUMENT = "Invalid argument."
EMPTY_GROUP = "Empty expression group."
EMPTY_LIST = "Empty value list."
NO_NULL = "The property does not support null."
NO_CONVERSION = "The value cannot be converted to the type of the property."
BAD_SHORTCUT = "Invalid equals shortcut expression."
BAD_SYNTAX = "The expression cannot be read."
BAD_TEXT = "The query string cannot be read."


def refusal(category: str, key: str, mend: str, *, at: int | None = None) -> Invalid:
    """The error to raise: the category as the API words it, then where it is and what would be right.

    key: the offending group, operator, path or text; long ones are cut
    at: 1-based column in the decoded query string
    """
    place = mend if at is None else f"Column {at}: {mend}"
    return Invalid(f"{category} {place}", {shown(key): [category, place]})


def shown(text: str, *, most: int = 80) -> str:
    """Text of the caller's, short enough to be repeated in an error."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
