"""How calls leave: budget, rate, Retry-After, the wire log, and an end to runs whose tokens nobody knows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TextIO

from contracts.target import Target, nothing
from contracts.wire import Answer, Caller, Exchange, Request

REFUSED = 4
"""So many calls in a row, by callers who should be known, that were answered with 401 end the run."""
PATIENCE = 3
"""How often a call is repeated that was told to come later."""
LONGEST = 60.0
"""Seconds; a Retry-After beyond it ends the run."""


class Stopped(Exception):
    """The run ends here; `str()` is one line that says why and what to do."""


class Sender:
    """Sends for a whole run and keeps count.

    rate: calls a second at most; budget: calls at most; redact: takes secrets out of a text
    wire: a file that gets a line a call
    """

    def __init__(
        self,
        target: Target,
        *,
        rate: float | None = None,
        budget: int | None = None,
        wire: Path | None = None,
        redact: Callable[[str], str] = str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.target, self.count = target, 0
        self._rate, self._budget, self._redact, self._sleep = rate, budget, redact, sleep
        self._next = 0.0
        self._refused: dict[str, int] = {}
        self._wire: TextIO | None = wire.open("w", encoding="utf-8") if wire is not None else None
        self.spare = 0
        """Calls that are kept back from the budget, for cleaning up."""

    def send(
        self,
        request: Request,
        caller: Caller,
        *,
        api: str,
        operation: str,
        check: str,
        safety: str,
        meanwhile: Callable[[], None] = nothing,
    ) -> Exchange:
        """One call and its answer. meanwhile: called once it is sent. Raises Stopped, or target.Unreachable."""
        signed = self._signed(request, caller)
        for left in range(PATIENCE, -1, -1):
            self._wait()
            answer = self.target.send(signed, meanwhile)
            later = _later(answer)
            if later is None or not left:
                break
            if later > LONGEST:
                raise Stopped(f"the target asks to come back in {later:.0f} s (Retry-After); run again later.")
            self._sleep(later)
        return self._note(request, caller, answer, api, operation, check, safety)

    def at_once(
        self, calls: Sequence[tuple[Request, Caller]], *, api: str, operation: str, check: str, safety: str
    ) -> list[Exchange]:
        """Calls that are all under way at the same time."""
        for _ in calls:
            self._wait()
        answers = self.target.at_once([self._signed(request, caller) for request, caller in calls])
        return [
            self._note(request, caller, answer, api, operation, check, safety)
            for (request, caller), answer in zip(calls, answers, strict=True)
        ]

    @property
    def strangers(self) -> list[str]:
        """Callers who should be known, and whose every call was answered 401."""
        return [name for name, count in self._refused.items() if count > 0]

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self.target.close()

    def _signed(self, request: Request, caller: Caller) -> Request:
        return request if caller.token is None else request.with_headers(authorization=f"Bearer {caller.token}")

    def _wait(self) -> None:
        if self._budget is not None and self.count >= self._budget - self.spare:
            raise Stopped(f"the budget of {self._budget} requests is used up; raise --budget, or choose with --only.")
        self.count += 1
        if self._rate is not None:
            now = time.monotonic()
            if self._next > now:
                self._sleep(self._next - now)
            self._next = max(now, self._next) + 1 / self._rate

    def _note(
        self, request: Request, caller: Caller, answer: Answer, api: str, operation: str, check: str, safety: str
    ) -> Exchange:
        exchange = Exchange(self.count, api, operation, caller, request, answer, check, safety)
        if self._wire is not None:
            self._wire.write(self._redact(_line(exchange)) + "\n")
            self._wire.flush()
        self._count_refusals(exchange)
        return exchange

    def _count_refusals(self, exchange: Exchange) -> None:
        caller = exchange.caller
        if caller.kind != "known" or caller.token is None:
            return
        found = self._refused.get(caller.name, 0)
        if exchange.status != 401:
            self._refused[caller.name] = -1
        elif found >= 0:
            self._refused[caller.name] = found + 1
            if found + 1 >= REFUSED:
                raise Stopped(
                    f"{caller.name}: {found + 1} calls, all answered 401; the token is wrong or has expired, renew it "
                    f"({caller.placeholder})."
                )


def _later(answer: Answer) -> float | None:
    """Seconds until the target wants to be asked again, if it says so."""
    said = answer.headers.get("retry-after", "") if answer.status in (429, 503) else ""
    if not said:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _line(exchange: Exchange) -> str:
    """One call as JSON, without its token."""
    request = exchange.request
    body = request.content.decode("utf-8", "backslashreplace") if request.content is not None else None
    return json.dumps(
        {
            "number": exchange.number,
            "api": exchange.api,
            "operation": exchange.operation,
            "check": exchange.check,
            "caller": exchange.caller.name,
            "safety": exchange.safety,
            "method": request.method,
            "target": request.target,
            "headers": {name: value for name, value in request.headers.items() if name.lower() != "authorization"},
            "body": body if body is None or len(body) <= 2000 else body[:2000] + "...",
            "status": exchange.status,
            "milliseconds": round(exchange.answer.seconds * 1000, 1),
        }
    )
