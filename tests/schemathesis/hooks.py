"""What random requests cannot know: ids that exist, files that can be read, a world that starts anew each time."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.generation.meta import TestPhase

from mockserver import MockServer
from mockserver.auth import Caller
from mockserver.service import Endpoint, Service
from mockserver.store import at
from tests.driver import Client
from tests.objects import objects, variables

FILES = Path(__file__).parents[2] / "fixtures" / "charges"
MOST = 24
"""Objects that an operation is tried on, at most."""
AUTHORIZATION = "AUT-1000-0001"
"""The authorization of the pinned journals, of which charges are matched; pinned in fixtures/default.yaml."""


class Guide:
    """Fills what was generated rightly with things of one caller's world; leaves alone what was generated wrongly."""

    def __init__(self, app: MockServer, caller: Caller) -> None:
        self.app = app
        self.service: Service = app.services["billing"]
        self.caller = caller
        self._targets: dict[tuple[str, bool], Iterator[dict[str, str]]] = {}
        self._turns = itertools.count()
        self._sound = self._settle()

    def _settle(self) -> dict[str, dict[str, Any]]:
        """Members of bodies that go together by business rules; what they need beyond the default world is added."""
        operations = Client(self.app, self.app.token("operations"))
        generated = operations.get("/statements?eq(status,Generated)&eq(billingType,Automated)&limit=2&order=id").json[
            "data"
        ]
        shells = []
        for each in generated:
            operations.post(f"/statements/{each['id']}/queue")
            alike = {name: {"id": each[name]["id"]} for name in ("buyer", "seller", "vendor")}
            alike["price"] = {"currency": {name: each["price"]["currency"][name] for name in ("purchase", "sale")}}
            shells.append(operations.post("/statements", alike).json["id"])
        operations.post(f"/statements/{shells[1]}/children", {"id": generated[1]["id"]})
        # A journal whose ledgers are complete completes by itself; one that did not is what `complete` is for.
        done = self.app.world.layer.get("Journal", "BJO-1000-0012")
        assert done is not None
        self.app.world.layer.put("Journal", {**done, "status": "Queued"})
        self._fits = {
            "completeJournal": [{"id": done["id"]}],
            "addStatementChild": [{"id": shells[0]}],
            "removeStatementChild": [{"id": shells[1], "childId": generated[1]["id"]}],
        }
        self.app.world.settle_seed()
        work = self.app.world.work("billing")
        sold = next(
            row.record
            for row in work.layer.all("Subscription")
            if row.record["authorization"]["id"] == AUTHORIZATION
            and not row.record.get("split", {}).get("active")
            and "markup" in work.need("Agreement", row.record["agreement"]["id"])
        )
        return {
            "createJournal": {"authorization": {"id": AUTHORIZATION}},
            "createManualOverride": {"client": {"id": "ACC-1000-0007"}, "vendor": {"id": "ACC-1000-0004"}},
            "createCustomLedger": {"vendor": {"id": "ACC-1000-0002"}},
            "createConsolidatedStatement": {"vendor": {"id": "ACC-1000-0002"}},
            "addStatementChild": {"id": generated[0]["id"]},
            "matchJournalCharge": {"subscription": {"id": sold["id"]}},
        }

    def prepare(self, case: Case[Any]) -> None:
        """Make the world new and the case refer to it; a chain of calls keeps its world and its ids."""
        # Not `case.meta`: that judges anew what was put in, and takes the bytes of a file for a mistake.
        meta = case._meta
        endpoint = self.service.endpoints[case.operation.definition.raw["operationId"]]
        if meta is not None and meta.phase.name is TestPhase.STATEFUL:
            return
        self.app.reset()
        if case.path_parameters and _is_right(case, ParameterLocation.PATH):
            right = meta is None or meta.generation.mode is GenerationMode.POSITIVE
            # What is wrong with a request must not hide behind a refusal for the object's state.
            key = (endpoint.id, right)
            target = next(self._targets.setdefault(key, self._cycle(endpoint, fit_only=not right)))
            case.path_parameters = {**case.path_parameters, **target}
        if isinstance(case.body, dict) and _is_right(case, ParameterLocation.BODY):
            case.body = self._filled(case.body, endpoint)
        if meta is not None and meta.generation.mode is GenerationMode.POSITIVE:
            self._ask(case, endpoint)
        # The case is as right or wrong as it was.
        case._record_starting_state()

    def _filled(self, body: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
        if endpoint.multipart:
            name = "custom-ledger.xlsx" if endpoint.id == "uploadCustomLedgerCharges" else "journal.jsonl"
            return {**body, "file": (FILES / name).read_bytes()} if "file" in body else body
        sound = {name: value for name, value in self._sound.get(endpoint.id, {}).items() if name in body}
        return {**self._existing(body), **sound}

    def _existing(self, value: Any) -> Any:
        """The body with every reference to something that exists, so that an update or creation can succeed."""
        if isinstance(value, list):
            return [self._existing(each) for each in value]
        if not isinstance(value, dict):
            return value
        made = {}
        for name, member in value.items():
            entity = self.service.api.conventions.references.get(name)
            row = next(self.app.world.layer.all(entity), None) if entity is not None else None
            if row is not None and isinstance(member, dict) and "id" in member:
                made[name] = {**member, "id": row.record["id"]}
            else:
                made[name] = self._existing(member)
        return made

    def _ask(self, case: Case[Any], endpoint: Endpoint) -> None:
        """Ask for every media type in turn where there are several."""
        if len(endpoint.offers) > 1 or "301" in case.operation.definition.raw["responses"]:
            offers = [*endpoint.offers, "*/*"]
            case.headers["Accept"] = offers[next(self._turns) % len(offers)]

    def _cycle(self, endpoint: Endpoint, *, fit_only: bool) -> Iterator[dict[str, str]]:
        """Path parameters of objects of the caller: every other one in a fit state, between them all other states."""
        fit, other = self._objects(endpoint)
        fit = self._fits.get(endpoint.id, fit)
        for n in itertools.count():
            if fit:
                yield fit[n % len(fit)]
            if other and not (fit and fit_only):
                yield other[n % len(other)]
            if not fit and not other:
                yield {}

    def _objects(self, endpoint: Endpoint) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        """Path parameters of what fits the operation, and of a few that do not for each state."""
        operation = endpoint.operation
        if not variables(operation.path):
            return [], []
        found = list(objects(self.app, self.caller.name, operation))
        machine = self.service.api.machines.get(operation.entity) if operation.event is not None else None
        starts = (
            {start for row in machine.rows if row.event == operation.event for start in row.starts}
            if machine
            else set()
        )
        fits, others, seen = [], [], Counter[Any]()
        for params, record, parent in sorted(found, key=lambda each: "-1000-" not in each[1]["id"]):
            state = at(record, machine.field) if machine is not None else record.get("type")
            fit = state in starts if machine is not None else not record.get("isDeleted")
            if operation.does == "delete" and machine is None:
                fit = fit and record["type"] == "Attachment"
            if operation.event is not None and operation.entity == "Charge":
                fit = (
                    fit
                    and parent["status"] in ("Review", "Reconciling")
                    and parent["authorization"]["id"] == AUTHORIZATION
                    and (operation.event != "reset" or at(record, "reconciliation.type") in ("Match", "Ignore"))
                )
            if fit:
                fits.append(params)
            elif seen[state] < 2:
                others.append(params)
            seen[state] += 1
        return fits[:MOST], others


def _is_right(case: Case[Any], location: ParameterLocation) -> bool:
    """Whether this part of the case was generated as the specification says."""
    if case._meta is None:
        return True
    part = case._meta.components.get(location)
    return part is None or part.mode is GenerationMode.POSITIVE
