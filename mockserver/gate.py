"""The checks, by their names in access.yaml: each raises what refuses, or leaves on the exchange what it found."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from mockserver import bodies, negotiation
from mockserver.auth import EVERYWHERE
from mockserver.domain.errors import Forbidden, Invalid, NotAcceptable, OutOfScope, Unauthenticated, UnsupportedMedia
from mockserver.exchange import NO_QUERY, Exchange
from mockserver.handlers import dense
from mockserver.reply import JSON
from mockserver.rql.query import Query
from mockserver.service import Endpoint, Service
from mockserver.work import Upload
from specs.permissions import suffices
from specs.tables import Capability


def token(x: Exchange) -> None:
    # Which of two would count is for nobody to guess; a list of headers longer than the mapping holds one twice.
    sent = x.scope["headers"]
    if len(x.headers) != len(sent) and len({value for name, value in sent if name == b"authorization"}) > 1:
        raise Unauthenticated("two Authorization headers that differ; send one.")
    x.caller = x.cast.caller(x.headers.get(b"authorization"))
    x.role = x.caller.role


def scope(x: Exchange) -> None:
    found = x.service.api.scope
    assert found is not None and found.parameter is not None
    value = x.params[found.parameter]
    # What is no value at all is for `query` to refuse; of what could be one, nobody learns whether it is there.
    if x.endpoint.parameters.is_well_formed(found.parameter, value):
        grants, record = x.cast.grants(x.caller), x.work.get(found.entity, value)
        kind = record.get(found.kinds) if record is not None and found.kinds is not None else None
        reaching = {value, EVERYWHERE, f"{found.kinds}:{kind}"}
        if record is None or any(reaching.isdisjoint(each) for each in grants):
            raise OutOfScope(f"no rights in {found.parameter} {value[:80]} for {x.caller.name}, or there is none such.")


def role(x: Exchange) -> None:
    chosen = None
    if len(x.operation.capabilities) > 1 or len(x.endpoint.offers) > 1:
        chosen = negotiation.choose(text(x.headers.get(b"accept")), x.endpoint.offers)
    x.capability = capability = x.service.capability(x.operation, chosen)
    # Refused before anything is looked up or read: a caller without the right must not learn what there is.
    if x.caller.rights is not None:
        _own_rights(x, capability, x.caller.rights)
    elif x.role not in capability.roles:
        raise _refused(x, capability)


def _own_rights(x: Exchange, capability: Capability, rights: tuple[str, ...]) -> None:
    """A caller that carries rights of its own needs those, and what an overlay took from its role it has lost, too."""
    api = x.service.api
    if not suffices(rights, capability.needs, api.rule):
        raise Forbidden(f"{capability.id} needs {_needs(x, capability)}, which the token does not carry.")
    theirs = api.permissions.get(x.role)
    if theirs is not None and x.role not in capability.roles and suffices(theirs, capability.needs, api.rule):
        raise _refused(x, capability)


def _refused(x: Exchange, capability: Capability) -> Forbidden:
    said = x.endpoint.reasons.get((capability.id, x.role))
    if said is None:
        said = x.endpoint.reasons[capability.id, x.role] = _reason(x, capability)
    return Forbidden(said)


def _reason(x: Exchange, capability: Capability) -> str:
    reasons = [why for role, _, why in capability.overlays if role == x.role]
    if capability.needs and not reasons:
        return f"{capability.id} needs {_needs(x, capability)}, which {x.role} does not hold."
    allowed = ", ".join([each for each in x.service.api.roles if each in capability.roles]) or "nobody"
    overlaid = f" (by an overlay: {reasons[0]})" if reasons else ""
    return f"{capability.id} is for {allowed}, not for {x.role}{overlaid}."


def _needs(x: Exchange, capability: Capability) -> str:
    return {"any": " or ", "all": " and "}[x.service.api.rule].join(capability.needs)


def find(x: Exchange) -> None:
    x.parent, x.row = x.service.find(x.work, x.operation, x.params)


def accept(x: Exchange) -> None:
    header = text(x.headers.get(b"accept"))
    if x.operation.does == "download":
        x.media = _attachment_media(x, header)
    elif len(x.endpoint.offers) > 1:
        x.media = negotiation.choose(header, x.endpoint.offers)
        if x.media is None:
            raise NotAcceptable(f"nothing of {header} can be sent; there are: {', '.join(x.endpoint.offers)}.")


def media(x: Exchange) -> None:
    if not x.endpoint.has_body:
        return
    given = x.headers.get(b"content-type", b"")
    if given == b"application/json" and not x.endpoint.multipart:
        return
    header = given.decode("latin-1")
    kind = bodies.media_type(header)
    if x.endpoint.multipart:
        if kind != bodies.MULTIPART:
            raise UnsupportedMedia(f"send {bodies.MULTIPART}, not {kind or 'a body without a type'}.")
        return
    if not _carries_body(x):
        return
    if not bodies.is_json(kind):
        raise UnsupportedMedia(f"send {JSON}, not {kind or 'a body without a type'}.")
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", header, re.IGNORECASE)
    if charset is not None and charset[1].lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia(f"send JSON in UTF-8, not in {charset[1]}.")


def query(x: Exchange) -> None:
    raw: bytes = x.scope.get("query_string", b"")
    if x.service.api.conventions.query == "rql":
        x.query = _rql(x, raw)
        return
    parameters, paging = x.endpoint.parameters, x.service.api.conventions.paging
    if parameters.path:
        parameters.read_path(x.params)
    x.said = found = parameters.query(raw)
    if x.operation.does == "list":
        x.query = Query(offset=found.get(paging["offset"]), limit=found.get(paging["limit"]))


def _rql(x: Exchange, raw: bytes) -> Query:
    if not raw:
        return NO_QUERY
    if x.operation.method != "GET":
        try:
            unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            raise Invalid(
                "the query string is not UTF-8.", {"query": ["Not UTF-8."]}, title=bodies.UNREADABLE
            ) from None
        return NO_QUERY
    # Imported when the first query comes.
    from mockserver.rql.reading import parse

    return parse(raw)


def body(x: Exchange, content: bytes | bodies.Form | None) -> None:
    if isinstance(content, bodies.Form):
        _form(x, content)
    elif content:
        x.body = x.endpoint.read(bodies.json(content))
        if x.operation.does in ("create", "replace") and b"null" in content:
            x.body = dense(x.body)
    elif x.endpoint.needs_body:
        raise Invalid("the body is missing.", {"body": ["A JSON body is required."]})


def _form(x: Exchange, form: bodies.Form) -> None:
    """A file, and for an attachment the JSON beside it, which comes as a part of any kind (billing b.10)."""
    files = {name.casefold(): each for name, each in form.files.items()}
    texts = {name.casefold(): each for name, each in form.texts.items()}
    x.file = files.get("file")
    if x.file is None:
        raise Invalid("no file was sent.", {"file": ["A part named `file`, with a file name, is required."]})
    if x.operation.does != "attach":
        return
    kind = _file_media(x)
    accepts = x.service.api.conventions.attachments["accepts"]
    if kind not in accepts:
        raise UnsupportedMedia(f"{kind or 'a file without a type'} is not accepted; these are: {', '.join(accepts)}.")
    x.file = Upload(x.file.filename, kind, x.file.content)
    described = texts.get("attachment")
    if described is None and "attachment" in files:
        described_bytes = files["attachment"].content
    else:
        described_bytes = (described or "").encode()
    # Some clients put the two members into parts of their own.
    value = (
        bodies.json(described_bytes)
        if described_bytes.strip()
        else {n: texts[n] for n in ("name", "description") if n in texts}
    )
    read = x.endpoint.read_part(value if value is not None else {})
    x.body = {name: member for name, member in read.items() if member is not None}


def _file_media(x: Exchange) -> str:
    """The type of an attached file: what the client says, or what its name says where the client does not know."""
    assert x.file is not None
    kind = bodies.media_type(x.file.content_type)
    if kind in ("", "application/octet-stream"):
        from mimetypes import guess_type

        if x.file.filename.lower().endswith(".jsonl"):
            return negotiation.JSONL
        return guess_type(x.file.filename)[0] or kind
    return kind


def _attachment_media(x: Exchange, header: str | None) -> str | None:
    """None or JSON for the metadata, another type for the file (billing b.9, Q36). Raises NotAcceptable."""
    assert x.row is not None
    if header is None or not header.strip():
        return None
    stored = str(x.row.record["contentType"])
    if x.row.record.get("isExternal"):
        # The ERP's PDF comes whatever is asked for, but for those who ask for the metadata by name.
        return JSON if negotiation.choose(header, (stored, JSON)) == JSON else stored
    wanted = negotiation.choose(header, (stored, JSON))
    if wanted is None:
        raise NotAcceptable(f"the file is {stored}; accept that, or {JSON} for what is known of it.")
    return wanted


def _carries_body(x: Exchange) -> bool:
    return b"transfer-encoding" in x.headers or x.headers.get(b"content-length", b"0") not in (b"0", b"")


def text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


BODY = "body"
"""The check whose place in the order says when the body is read; `state` is what workflows check."""


def steps(service: Service, endpoint: Endpoint) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The checks of an operation that can refuse, in the order of access.yaml: before its body is read, and after.

    Among the first is where the unit of work begins.
    """
    scoped = service.api.scope is not None and f"{{{service.api.scope.parameter}}}" in endpoint.operation.path
    finds = endpoint.operation.parent is not None or endpoint.operation.key is not None
    chooses = endpoint.operation.does == "download" or len(endpoint.offers) > 1
    has = {
        "token": endpoint.is_closed,
        "scope": endpoint.is_closed and scoped,
        "role": endpoint.is_closed,
        "find": finds and not service.is_derived(endpoint.operation),
        "accept": chooses,
        "media": endpoint.has_body,
        "query": True,
    }
    order = [row["check"] for row in service.api.refusals]
    before = order[: order.index(BODY)] if BODY in order else order
    first, after = ([STEPS[check] for check in part if has.get(check)] for part in (before, order[len(before) :]))
    begun = first.index(token) + 1 if token in first else 0
    # Whoever may not call pays for no unit of work, unless it tells the role.
    if service.api.scope is None and first[begun : begun + 1] == [role]:
        begun += 1
    return (*first[:begun], Exchange.begin, *first[begun:]), tuple(after)


Step = Callable[[Exchange], None]
STEPS: dict[str, Step] = {
    "token": token,
    "scope": scope,
    "role": role,
    "query": query,
    "find": find,
    "accept": accept,
    "media": media,
}
