"""Private URLs of files that expire: signed, so that they need no token and cannot be made up."""

from __future__ import annotations

import hashlib
import hmac

from mockserver.domain.errors import Gone

PREFIX = "/files"


def path(secret: bytes, api: str, id: str, expires: int) -> str:
    """The path and query under which the file `id` is served until `expires` (seconds since the epoch)."""
    return f"{PREFIX}/{api}/{id}?expires={expires}&signature={_sign(secret, api, id, expires)}"


def check(secret: bytes, api: str, id: str, expires: str, signature: str, now: float) -> None:
    """Raises Gone for a link that has expired or was never signed."""
    if not (expires.isdecimal() and len(expires) < 16):
        raise Gone("the link is not signed.")
    if not hmac.compare_digest(_sign(secret, api, id, int(expires)).encode(), signature.encode("utf-8", "replace")):
        raise Gone("the link is not signed.")
    if now >= int(expires):
        raise Gone("the link has expired; ask for the attachment again.")


def _sign(secret: bytes, api: str, id: str, expires: int) -> str:
    return hmac.new(secret, f"{api}/{id}/{expires}".encode(), hashlib.sha256).hexdigest()
