"""Files behind links that expire, which callers follow without a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mockserver import links
from mockserver.domain.errors import Gone
from mockserver.handlers import disposition
from mockserver.pipeline import SANDBOX

if TYPE_CHECKING:
    from mockserver.app import MockServer
    from mockserver.sandboxes import Sandbox


def add(app: MockServer, secret: bytes) -> None:
    """Register the page on the application."""

    async def file(request: Request) -> Response:
        api, id = request.path_params["api"], request.path_params["id"]
        query = request.query_params
        sandbox: Sandbox = request.scope["extensions"][SANDBOX]
        world = sandbox.worlds.get(api)
        if world is None:
            return JSONResponse({"title": "Not Found", "status": 404, "detail": f"There is no API {api}."}, 404)
        now = world.clock.now().timestamp()
        try:
            links.check(secret, api, id, query.get("expires", ""), query.get("signature", ""), now)
        except Gone as gone:
            return JSONResponse({"title": "Forbidden", "status": 403, "detail": str(gone)}, 403)
        kept = world.layer.get("File", id)
        downloads = (each.entity for each in app.services[api].api.operations.values() if each.does == "download")
        found = (world.layer.get(entity, id) for entity in downloads)
        described = next((record for record in found if record is not None), None)
        if kept is None or described is None:
            return JSONResponse({"title": "Not Found", "status": 404, "detail": "The file is gone."}, 404)
        # Sent as a download and never sniffed: an uploaded page must not run as one of ours.
        headers = disposition(described["filename"]) | {"X-Content-Type-Options": "nosniff"}
        return Response(kept["content"], media_type=described["contentType"], headers=headers)

    app.add_url_rule(links.PREFIX + "/{api}/{id}", "file", file, methods=["GET"])
