"""What was wrong with a request itself: its path, its method, its headers, its query or its body."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from itertools import zip_longest

from mockserver import bodies
from mockserver.decisions.cases import MOST, Case, Why, names, segments
from mockserver.recording import Call
from specs.tables import Api


def accept(case: Case) -> Why:
    """What can be answered."""
    offers = list(case.x.endpoint.offers) if case.x is not None else []
    return Why(case.refused.said, f"accept one of: {', '.join(offers)}." if offers else None, {"offers": offers})


def media(case: Case) -> Why:
    """What is read."""
    reads = [bodies.MULTIPART] if case.x is not None and case.x.endpoint.multipart else ["application/json"]
    return Why(case.refused.said, f"have Content-Type say {reads[0]}.", {"reads": reads})


def invalid(case: Case) -> Why:
    """What is wrong, place by place."""
    faults = [{"place": place, "said": said} for place, said in case.refused.faults]
    said = case.refused.said
    parts = (part.rstrip(".") for each in faults for part in each["said"].split("; "))
    told = " ".join(f"{each['place']}: {each['said'].rstrip('.')}." for each in faults)
    because = said if all(part.casefold() in said.casefold() for part in parts) else f"{said} {told}"
    places = names(dict.fromkeys(f"`{each['place']}`" for each in faults))
    mend = f"mend {places}." if faults else None
    return Why(because, mend, {"faults": faults})


def unrouted(call: Call, api: Api) -> Why:
    """Why what no check refused was refused all the same."""
    if call.status == 405:
        allow = _methods(api, call.path)
        mend = f"there are: {', '.join(allow)}."
        return Why(f"{call.method} is not defined for this path.", mend, {"allow": allow})
    if call.operation is not None:
        if call.sent is None:
            return Why("the client went away before its request was read.", "send the whole body.")
        return Why(f"{call.operation} refused what it was sent, by a rule of its own.", "the answer says which.")
    if call.status == 404:
        paths = _near(api, call.path)
        mend = f"did you mean {' or '.join(paths)}?" if paths else f"{api.home}/openapi.yaml lists the paths."
        return Why(f"no operation of {api.name} has this path.", mend, {"near": paths})
    return Why("the request does not say plainly which sandbox it means.", "name one.")


def _near(api: Api, path: str) -> list[str]:
    """The paths of operations that are spelled nearly like this one, whatever the ids in it."""
    given = segments(path)
    filled: dict[str, str] = {}
    for operation in api.operations.values():
        named = segments(operation.path)
        shown = [value if name.startswith("{") else name for name, value in zip_longest(named, given, fillvalue="")]
        filled.setdefault("/".join(shown[: len(named)]), operation.path)
    return [filled[each] for each in get_close_matches("/".join(given), filled, MOST, 0.7)]


def _methods(api: Api, path: str) -> list[str]:
    given = segments(path)
    fits = (each.method for each in api.operations.values() if _is_at(segments(each.path), given))
    return list(dict.fromkeys(fits))


def _is_at(named: Sequence[str], given: Sequence[str]) -> bool:
    return len(named) == len(given) and all(
        name == value or name.startswith("{") for name, value in zip(named, given, strict=True)
    )


def nowhere(call: Call) -> Why:
    """Why what belongs to no API was answered as it was."""
    if call.status >= 400:
        return Why("the path is none of an API that is served here.", "/docs shows those that are.")
    return Why("answered by the server itself, for no API.")
