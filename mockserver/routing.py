"""Paths to operations, by a tree of segments: as fast for the last route as for the first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")


@dataclass(slots=True)
class Node(Generic[T]):
    """One place in the tree: what may follow, and what answers here by method."""

    literal: dict[str, Node[T]] = field(default_factory=dict)
    variable: Node[T] | None = None
    methods: dict[str, tuple[T, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def allow(self) -> str:
        """The value of an Allow header for this path: HEAD goes with GET, OPTIONS always."""
        methods = set(self.methods) | {"OPTIONS"} | ({"HEAD"} if "GET" in self.methods else set())
        return ", ".join(sorted(methods))


class Routes(Generic[T]):
    """A set of (method, path template) -> target."""

    def __init__(self) -> None:
        self._root: Node[T] = Node()

    def add(self, method: str, path: str, target: T) -> None:
        """Register a target for a path such as `/journals/{id}`."""
        node, names = self._root, []
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                if node.variable is None:
                    node.variable = Node()
                node = node.variable
            else:
                node = node.literal.setdefault(segment, Node())
        node.methods[method] = (target, tuple(names))

    def find(self, raw_path: str) -> tuple[Node[T], list[str]] | None:
        """The node of a path as it came, still percent-encoded, and its variables, decoded; None if there is none.

        An encoded slash is part of a segment, not a separator. One slash at the end is tolerated, as the vendor's
        framework does. A literal segment wins over a variable one.
        """
        segments = raw_path.removeprefix("/").split("/")
        if segments and segments[-1] == "":
            segments.pop()
        if "%" in raw_path:
            try:
                segments = [unquote(segment, errors="strict") for segment in segments]
            except UnicodeDecodeError:
                return None
        return _walk(self._root, segments, 0, [])


def _walk(node: Node[T], segments: list[str], at: int, found: list[str]) -> tuple[Node[T], list[str]] | None:
    for place in range(at, len(segments)):
        segment = segments[place]
        literal = node.literal.get(segment)
        if literal is not None:
            if node.variable is None:
                node = literal
                continue
            # Both may lead on: the literal one goes first, and only where it leads nowhere the variable one.
            if (deeper := _walk(literal, segments, place + 1, list(found))) is not None:
                return deeper
        if node.variable is None or not segment:
            return None
        found.append(segment)
        node = node.variable
    return (node, found) if node.methods else None
