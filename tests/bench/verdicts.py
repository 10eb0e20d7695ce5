"""What was measured beside what is wanted: the rows of the table that ends every run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One wanted figure.

    against: what it is compared with; found, wanted: as they are printed, with their unit
    met: None where it could not be measured
    """

    what: str
    against: str
    found: str
    wanted: str
    met: bool | None


def at_least(what: str, against: str, ratio: float | None, wanted: float) -> Verdict:
    """A ratio that should not be lower; None if it was not measured."""
    met = None if ratio is None else ratio >= wanted
    return Verdict(what=what, against=against, found=times(ratio), wanted=f">= {wanted:g} x", met=met)


def at_most(what: str, against: str, ratio: float | None, wanted: float) -> Verdict:
    """A ratio that should not be higher; None if it was not measured."""
    met = None if ratio is None else ratio <= wanted
    return Verdict(what=what, against=against, found=times(ratio), wanted=f"<= {wanted:g} x", met=met)


def times(ratio: float | None) -> str:
    """A ratio as it is printed."""
    return "-" if ratio is None else f"{ratio:.2f} x"


def lines(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """The table, and how many were met."""
    found = list(verdicts)
    words = {True: "met", False: "MISSED", None: "not measured"}
    rows = [[each.what, each.against, each.found, each.wanted, words[each.met]] for each in found]
    yield from table([["what", "against", "measured", "wanted", ""], *rows], left=2)
    counts = [(word, sum(each.met is met for each in found)) for met, word in words.items()]
    yield ", ".join(f"{count} {word}" for word, count in counts if count) or "nothing was measured"


def table(rows: list[list[str]], *, left: int) -> Iterator[str]:
    """Aligned columns, the first `left` of them to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
