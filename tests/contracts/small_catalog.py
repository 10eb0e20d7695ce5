"""Three defects, one of which is none, for tests of what is told of a catalogue."""

from __future__ import annotations

from dataclasses import replace

from tests.faulty import DEFECTS as ALL
from tests.faulty import sound
from tests.faulty.defects import Defect

_BY_NAME = {each.name: each for each in ALL}

NONE = Defect("nothing", "paging", "accounts", "Nothing is wrong.", ("Q502",), "", lambda server: None)
MISNAMED = replace(_BY_NAME["accounts-total-of-page"], name="misnamed", codes=("F704",))
FOUND = _BY_NAME["accounts-total-of-page"]

DEFECTS = (FOUND, MISNAMED, NONE)

__all__ = ["DEFECTS", "sound"]
