"""Walking through a scenario: its "Try" lines done through the API, as the callers that they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from mockserver import MockServer, create_app, scenario
from tests.driver import Answer, Client

WALKS: dict[str, Callable[[Walk], None]] = {}
"""Scenario -> what does as it tells to try."""

_WORD = re.compile(r"\bas (?P<caller>[a-z][a-z-]*)|\b(?P<method>GET|POST|PUT|PATCH|DELETE) (?P<path>/\S*[^\s.,;:])")

Asked = tuple[str, str, str]  # caller, method, path


class Walk:
    """A fresh world of a scenario; remembers what was asked of it, and by whom."""

    def __init__(self, name: str) -> None:
        self.app = server()
        self.asked: set[Asked] = set()
        self.app.sandboxes.clear()
        self.sandbox = self.app.sandboxes.create("walk", self.app.base(name))
        self._part = {part.name: part for part in scenario.load(name).callers}

    def as_(self, caller: str) -> Walker:
        """A client that calls as one of the scenario's cast."""
        return Walker(self, caller, f"{self._part[caller].token}@{self.sandbox.name}")


class Walker(Client):
    """One of the cast: what it asks for is remembered, and what is refused without being expected is an error."""

    def __init__(self, walk: Walk, name: str, token: str) -> None:
        super().__init__(walk.app, token)
        self._walk, self._name = walk, name

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self._walk.asked.add((self._name, method, path.replace("//", "/", 1)))
        return super().request(method, path, body=body, content=content, headers=headers)

    def read(self, path: str) -> Any:
        """What is there. AssertionError if nothing is."""
        answer = self.get(path)
        assert answer.status == 200, answer
        return answer.json

    def rows(self, path: str) -> list[Any]:
        """The rows of a page."""
        return list(self.read(path)["data"])

    def do(self, path: str, body: Any = None) -> Any:
        """What an action comes to. AssertionError if it is refused."""
        answer = self.post(path, body)
        assert answer.status in (200, 201), answer
        return answer.json


def walks(name: str) -> Callable[[Callable[[Walk], None]], Callable[[Walk], None]]:
    """Registers the walk through a scenario."""

    def registered(walk: Callable[[Walk], None]) -> Callable[[Walk], None]:
        WALKS[name] = walk
        return walk

    return registered


def promised(name: str) -> Iterator[Asked]:
    """The requests that the "Try" lines of a scenario spell out, each with the caller named last before it."""
    for line in scenario.load(name).tries:
        caller = ""
        for found in _WORD.finditer(line):
            if found["caller"]:
                caller = found["caller"]
            else:
                yield caller, found["method"], found["path"]


@cache
def server() -> MockServer:
    """One server for all walks: each scenario is loaded into a sandbox of its own, as a partner would."""
    return create_app()
