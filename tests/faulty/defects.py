"""What a planted defect is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faulty.planting import Asgi, Server, Spoil


@dataclass(frozen=True)
class Defect:
    """One thing that is wrong with a server.

    kind: the class it belongs to; says: what is wrong, in one sentence
    codes: those under which it is rightly found
    at: what a finding must name: an operationId or an entity; "" where any will do
    """

    name: str
    kind: str
    api: str
    says: str
    codes: tuple[str, ...]
    at: str
    spoil: Spoil = field(repr=False, compare=False)

    def plant(self) -> Asgi:
        """A server of its own that has this defect, and no other."""
        server = Server(self.api)
        self.spoil(server)
        return server.asgi


Row = tuple[str, str, str, str, str, Spoil]
"""API, name, codes with spaces between, what a finding must name, what is wrong, how it is planted"""


def catalog(kind: str, rows: Sequence[Row]) -> tuple[Defect, ...]:
    """The defects of one class."""
    return tuple(
        Defect(name, kind, api, says, tuple(codes.split()), at, spoil) for api, name, codes, at, says, spoil in rows
    )
