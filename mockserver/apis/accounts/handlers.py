"""What an account's summary, a document and a token are: the operations that the generic verbs cannot do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mockserver.apis.accounts import tokens
from mockserver.apis.accounts.summaries import shown, summary
from mockserver.domain.errors import NotFound
from mockserver.handlers import NO_STORE, answer, disposition, refused
from mockserver.negotiation import ranges
from mockserver.reply import Reply

if TYPE_CHECKING:
    from mockserver.exchange import Exchange
    from mockserver.work import Work

OCTETS = "application/octet-stream"


def getFinanceAccount(x: Exchange) -> Reply:
    """The account, with what the window and `months` leave of its invoices and payments (accounts 7)."""
    assert x.row is not None
    return Reply(200, summary(x, x.row))


def downloadInvoiceDocument(x: Exchange) -> Reply:
    """A document of an invoice, drawn now; whatever the account's summary does not list is not found (accounts 9)."""
    # Drawing is loaded on first use: it takes longer to load than the rest of the server.
    from mockserver.apis.accounts.documents import draw

    assert x.row is not None and x.parent is not None
    invoice, id = x.row.record, x.work.query["documentId"]
    if invoice["date"] not in shown(x):
        raise NotFound(f"no invoice {invoice['id']} below {x.parent['id']}.", "Invoice")
    document = next((each for each in invoice["documents"] if each["documentId"] == id), None)
    if document is None:
        raise NotFound(f"no document {id[:80]} of {invoice['id']}.", "Document")
    file = draw(document, invoice, x.parent)
    headers = {} if file.suffix is None else disposition(f"{invoice['id']}_{id}.{file.suffix}")
    return Reply(200, file.content, OCTETS if _wants_octets(x, file.media) else file.media, headers)


def GetOAuth2AccessToken(x: Exchange) -> Reply:
    """A token for credentials."""
    return _told(x, tokens.issue)


def RefreshOAuth2AccessToken(x: Exchange) -> Reply:
    """A token for a refresh token."""
    return _told(x, tokens.renew)


def _told(x: Exchange, make: Callable[[Work, Mapping[str, Any]], dict[str, str]]) -> Reply:
    try:
        return answer(x, make(x.work, x.work.body), headers=NO_STORE)
    except tokens.Failed as failed:
        # Refused, and yet kept: the count of invalid attempts must not be forgotten with the rest.
        return refused(x, failed)


def _wants_octets(x: Exchange, media: str) -> bool:
    """Whether Accept names application/octet-stream before the type that the document has."""
    named = [name for name, _ in ranges((x.headers.get(b"accept") or b"").decode("latin-1"))]
    own = media.partition(";")[0]
    return OCTETS in named and own not in named[: named.index(OCTETS)]
