"""The walks through the scenarios, and afterwards every list of what they left behind."""

from __future__ import annotations

from functools import partial
from typing import cast

import tests.test_scenarios_billing  # noqa: F401  registers the walks
from mockserver import MockServer, scenario
from tests.recorded.billing import COLLECTIONS
from tests.recorded.recorder import Recorder, session
from tests.walks import WALKS, Walk

SCENARIOS = ("default", "line-errors", "split-billing", "credit-notes", "month-end", "overdue", "override", "empty")


class Recorded(Walk):
    """A walk in a recorder's sandbox."""

    def __init__(self, recorder: Recorder, name: str) -> None:
        self.app = cast(MockServer, recorder)
        self.asked = set()
        self.sandbox = recorder.sandbox
        self._part = {part.name: part for part in scenario.load(name).callers}


def walked(name: str, r: Recorder) -> None:
    WALKS[name](Recorded(r, name))
    for caller in r.callers.values():
        if caller.api == "billing" and caller.expires is None:
            for collection in COLLECTIONS:
                r.as_(caller.name).get(f"/{collection}?limit=100&order=-audit.updated.at,status&select=audit")


for each in SCENARIOS:
    session(f"walk-{each}", each)(partial(walked, each))
