"""Why a request is refused, as plain exceptions; `mockserver.problems` alone gives them a status.

Refusal
├── Unauthenticated      no token, or one that is unknown or expired
├── Forbidden            the caller's rights do not reach this operation
│   └── OutOfScope       they do not reach where the operation would be done
├── NotFound             no such object for this caller: missing, foreign, below another parent
├── NotAcceptable        nothing the caller accepts can be sent
├── UnsupportedMedia     the body has a type that the operation does not read
├── TooLarge             the body, or what it unpacks to, is over a limit
├── Invalid              the request says something that cannot be; `errors` says what, by place
│   └── Faulty           its text says no more than that
├── Gone                 a link that has expired
└── Conflict             the object's state does not allow it
    └── NoSuchTransition the machine has no row for (event, state)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Unkept(Exception):
    """A change could not be written where it is to be kept, so that it was not made; `str()` tells the mend."""


class Refusal(Exception):
    """A request that is refused; nothing of it is kept. `str()` is one line that tells the mend.

    title, code: instead of those that the API has for the status
    """

    title: str | None = None
    code: str | None = None


class Unauthenticated(Refusal):
    """No token, or one that is not, or no longer, known."""


class Forbidden(Refusal):
    """The caller may not call the operation."""


class OutOfScope(Forbidden):
    """The caller has no rights where the operation would be done, e.g. in this tenant."""


class NotFound(Refusal):
    """The caller can see no such object; missing and foreign ones read alike.

    entity: of what there is none; some APIs answer some entities with another status
    """

    def __init__(self, message: str, entity: str | None = None) -> None:
        super().__init__(message)
        self.entity = entity


class NotAcceptable(Refusal):
    """Nothing the caller accepts can be sent."""


class UnsupportedMedia(Refusal):
    """The body, or a file in it, has a type that the operation does not read."""


class TooLarge(Refusal):
    """The body, or what it unpacks to, is over a limit."""


class Gone(Refusal):
    """A link that has expired or was never signed."""


class Invalid(Refusal):
    """The request says something that cannot be.

    errors: place (property path, RQL name, parameter, `file`) -> messages, in the order found
    """

    def __init__(
        self,
        message: str,
        errors: Mapping[str, Sequence[str]] | None = None,
        *,
        title: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.errors = {place: list(messages) for place, messages in (errors or {}).items()}
        self.title, self.code = title, code


class Faulty(Invalid):
    """The body is not valid; what is wrong with it, `errors` alone says."""


class Conflict(Refusal):
    """The object's state, or that of another it depends on, does not allow the operation."""


class NoSuchTransition(Conflict):
    """The machine has no row for this event in this state."""

    def __init__(self, event: str, state: str, *, allowed: Sequence[str], final: bool = True) -> None:
        self.event, self.state, self.allowed = event, state, tuple(allowed)
        ways = ", ".join(allowed) or (
            "nothing, it is final" if final else "nothing until the system is done, ask again"
        )
        super().__init__(f"cannot {event} when {state}; from {state}: {ways}.")
