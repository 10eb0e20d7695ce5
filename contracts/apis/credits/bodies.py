"""What requests of the credits API carry, right in every respect."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from contracts.apis.credits.ground import plain
from contracts.probe import Nothing
from contracts.stage import NO_BODY, Body
from contracts.wire import Caller
from specs.permissions import EVERYTHING
from specs.tables import Operation

if TYPE_CHECKING:
    from contracts.apis.credits.stage import Stage

CENT = Decimal("0.01")


class Bodies:
    """Makes them out of what the deployment has. Amounts are small: a lent invoice lasts for many."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def of(self, operation: Operation, caller: Caller) -> Body:
        """The body of an operation; none where it takes none."""
        made = {
            "createPayment": self.payment,
            "updatePayment": self._payment_edit,
            "createCreditDistribution": self.distribution,
            "createOrReplaceCreditDistribution": self.distribution,
            "updateCreditDistribution": self._distribution_edit,
            "createDisbursement": self.disbursement,
            "writeOff": self._write_off,
            "reversePayment": self._reversal,
            "reverseCreditDistribution": self._reversal,
        }.get(operation.id)
        if made is not None:
            return Body(made())
        if operation.id != "createAuthToken":
            return NO_BODY
        most = int(self._stage.p.api.conventions.rules["tokens"]["most"])
        if self._stage.tokens >= most - 2:
            # Nothing takes a token back: the others are for the check of what tokens may do.
            raise Nothing(f"{self._stage.tokens} of the {most} access tokens of a user were issued by this run")
        return Body(self.token(caller))

    def payment(self, **members: Any) -> dict[str, Any]:
        """Little for an invoice, and the rest for the credit balance of its account."""
        target = {**item("invoice", self._stage.ground.target["locator"]), "amount": plain(CENT)}
        return {
            "amount": 11.37,
            "type": self._stage.ground.payment_type,
            "data": {"mark": self._stage.p.tag},
            "currency": self._stage.ground.currency,
            "accountLocator": self._stage.ground.target["accountLocator"],
            "targets": [target],
            **members,
        }

    def _payment_edit(self) -> dict[str, Any]:
        data = {"mark": self._stage.p.tag, "note": "edited"}
        return {
            "addTargets": [],
            "removeTargets": [],
            "setData": data,
            "removeData": {},
            "transactionNumber": self._stage.p.tag,
        }

    def distribution(self) -> dict[str, Any]:
        account, currency, invoice = self._stage.purse
        return {
            "amount": plain(2 * CENT),
            "currency": currency,
            "accountLocator": account,
            "sources": [item("account", account)],
            "targets": [item("invoice", invoice)],
        }

    def _distribution_edit(self) -> dict[str, Any]:
        return {"addSources": [], "removeSources": [], "addTargets": [], "removeTargets": [], "amount": plain(3 * CENT)}

    def disbursement(self) -> dict[str, Any]:
        account, currency, _ = self._stage.purse
        return {
            "amount": plain(2 * CENT),
            "type": self._stage.ground.disbursement_type,
            "useDefaultFinancialInstrument": False,
            "data": {"mark": self._stage.p.tag},
            "currency": currency,
            "accountLocator": account,
            "sources": [item("account", account)],
        }

    def _write_off(self) -> dict[str, Any]:
        for each in self._stage.ground.owing(least=2 * CENT):
            target = {**item("invoice", each["locator"]), "amount": plain(CENT)}
            return {"accountLocator": each["accountLocator"], "targets": [target]}
        raise Nothing("no invoice is lent that owes anything; name one under [lend.credits] in contracts.toml")

    def _reversal(self) -> dict[str, Any]:
        return {"reversalType": self._stage.ground.reason}

    def token(self, caller: Caller) -> dict[str, Any]:
        """A token with one right of its user's, for the shortest time that will do."""
        held = sorted(self._stage.p.api.permissions.get(caller.role, ()))
        right = next((each for each in held if not each.endswith("*")), "credits.read" if EVERYTHING in held else None)
        return {
            "name": self._stage.p.tag,
            "tenants": list(self._stage.ground.home.values()),
            "permissions": [right or held[0]],
            "expiresAt": self._stage.later(),
        }


def item(kind: str, locator: Any) -> dict[str, Any]:
    """A source or a target."""
    return {"containerLocator": locator, "containerType": kind}
