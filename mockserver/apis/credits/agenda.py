"""What is to happen in the past of a world: everything in the order of its time, whoever planned it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from mockserver.making import Making
from mockserver.store import Record
from mockserver.work import Actor, Work

LAST = timedelta(minutes=5)
"""How long before the world's start nothing happens any more."""


class Agenda:
    """Things to come, and the means to do them through the API's own workflows."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.end = making.start - LAST
        self._entries: list[tuple[datetime, int, Callable[[], None]]] = []
        self._count = 0
        self._actors: dict[str, Actor] = {}

    def add(self, moment: datetime, action: Callable[[], None]) -> None:
        """Have something happen then, after what was planned for the same time before."""
        self._count += 1
        heapq.heappush(self._entries, (moment, self._count, action))

    def after(self, action: Callable[[], None], **span: float) -> None:
        """Have something happen a while from now, but not later than anything may."""
        now = self.making.world.clock.now()
        self.add(max(now, min(now + timedelta(**span), self.end)), action)

    def run(self) -> None:
        """Let everything happen."""
        while self._entries:
            moment, _, action = heapq.heappop(self._entries)
            self.making.at(moment)
            action()

    def work(self, tenant: str, body: Mapping[str, Any] | None = None) -> Work:
        """A unit of work by somebody who works in the tenant."""
        work = self.making.work(self._actor(tenant))
        work.params, work.body = {"tenantLocator": tenant}, body or {}
        return work

    def make(self, entity: str, tenant: str, body: Mapping[str, Any], id: str | None = None) -> Record:
        """Make a record as a request with this body would."""
        self.making.next_id(entity, id)
        work = self.work(tenant, body)
        made = work.workflows.makers[entity](work)
        work.commit()
        return made

    def fire(self, entity: str, record: Record, event: str, body: Mapping[str, Any] | None = None) -> Record:
        """Let an event happen to a record as it is by now."""
        work = self.work(record["tenantLocator"], body)
        moved = work.fire(entity, work.need(entity, record["id"]), event)
        work.commit()
        return moved

    def get(self, entity: str, id: str) -> Record:
        """A record as it is by now."""
        return self.making.work().need(entity, id)

    def _actor(self, tenant: str) -> Actor:
        if tenant not in self._actors:
            name = self.making.fake().name()
            ref = {"id": self.making.draw("User"), "name": name}
            self._actors[tenant] = Actor(ref=ref, role="", account="")
        return self._actors[tenant]
