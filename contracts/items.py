"""Contract checks as items of pytest: one for each check and case."""

from __future__ import annotations

import os
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from contracts.acceptance import apply
from contracts.findings import Severity
from contracts.registry import Check
from contracts.reports import clean, text
from contracts.run import Running
from contracts.sending import Stopped
from contracts.settings import Mode
from contracts.target import Unreachable
from specs.tables import Api

if TYPE_CHECKING:
    from contracts.plugin import Contract


class Broken(Exception):
    """A check found something; `str()` is what."""


class Place(pytest.Collector):
    """Where items of contract checks hang: `contracts`, and an API below it."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        return []


class Item(pytest.Item):
    """One case of one check."""

    contract: Contract
    check: Check
    api: Api
    case: str

    @classmethod
    def of(cls, place: Place, contract: Contract, check: Check, api: Api, case: str) -> Item:
        item: Item = cls.from_parent(place, name=f"{check.id}[{case}]" if case else check.id)
        item.contract, item.check, item.api, item.case = contract, check, api, case
        item.add_marker("contract")
        return item

    def runtest(self) -> None:
        """Run the case. Raises Broken for what it finds, and for what could not be checked."""

        needs, mode = self.check.mode, self.contract.settings.mode
        if (needs.writes and not mode.writes) or (needs is Mode.FULL and mode is not Mode.FULL):
            pytest.skip(f"needs --contract-mode {needs}")
        if self.contract.stopped:
            raise Broken(f"could not check: {self.contract.stopped}")
        try:
            made = self.contract.running
            found, unchecked = len(made.result.findings), len(made.result.unchecked)
            made.run(self.check, self.api, self.case)
        except (Stopped, Unreachable) as reason:
            # Nothing after this can be checked, either: better to end the session than to say so for each.
            self.contract.stopped = self.session.shouldfail = str(reason)
            raise Broken(f"could not check: {reason}") from None
        self._judge(made, found, unchecked)

    def _judge(self, made: Running, found: int, unchecked: int) -> None:
        """Tell what the case added to the result."""

        result = made.result
        result.findings[found:] = apply(result.findings[found:], made.settings.accepted, date.today())
        shown = clean(result)
        told = [
            text.finding(each, shown)
            for each in shown.findings[found:]
            if not each.accepted and (result.strict or each.severity is Severity.DEFECT)
        ]
        told += [f"could not check: {each.reason}" for each in result.unchecked[unchecked:] if each.fatal]
        if told:
            raise Broken("\n\n".join(told))
        skipped = [each.reason for each in result.unchecked[unchecked:]]
        if skipped:
            pytest.skip("; ".join(skipped))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Broken):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[os.PathLike[str], None, str]:
        # Not the name alone: pytest would take the dot in it for that of a class and its method.
        return self.config.rootpath / "contracts", None, f"{self.api.name} {self.name}"
