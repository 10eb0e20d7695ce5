"""What requests to accounts must know: documents that invoices have, and credentials."""

from __future__ import annotations

from typing import Any

from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.case import Case

from mockserver.service import Endpoint
from tests.schemathesis.guides import plain
from tests.schemathesis.guides.plain import Target, is_right

CREDENTIALS = {"client_id": "finance-client", "client_secret": "finance-secret"}
"""Of the caller `finance` in fixtures/default.yaml, as its refresh token is."""
REFRESH = "finance-refresh"


class Guide(plain.Guide):
    """Knows what no schema ties together."""

    def is_fit(self, endpoint: Endpoint, target: Target) -> bool:
        """An invoice must lie in the window of twelve months; those that do not are tried, too."""
        return "documents" not in target.record or target.record["date"] >= self._start

    def settle(self) -> None:
        """Know where the window starts."""
        today = self.world.clock.now().date()
        self._start = today.replace(year=today.year - 1).isoformat()

    def query(self, query: dict[str, Any], endpoint: Endpoint, target: Target | None) -> dict[str, Any]:
        """The query with a document of the invoice, another one each time."""
        documents = target.record.get("documents") if target is not None else None
        if "documentId" not in query or not documents:
            return query
        return {**query, "documentId": documents[next(self.turns) % len(documents)]["documentId"]}

    def body(self, body: Any, endpoint: Endpoint, target: Target | None) -> Any:
        """The body with credentials of a client."""
        if "refresh_token" in body:
            return {**body, **CREDENTIALS, "refresh_token": REFRESH}
        return {**body, **CREDENTIALS}

    def chain(self, case: Case[Any], endpoint: Endpoint) -> None:
        """Credentials cannot be learned from answers."""
        if isinstance(case.body, dict) and is_right(case, ParameterLocation.BODY):
            case.body = self.body(case.body, endpoint, None)
