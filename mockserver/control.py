"""Pages of the server itself: files behind expiring links, background jobs that wait, and the way back to the seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mockserver import links
from mockserver.domain.errors import Gone
from mockserver.handlers import disposition
from mockserver.store import Record

if TYPE_CHECKING:
    from mockserver.app import MockServer


def add(app: MockServer, secret: bytes) -> None:
    """Register the pages on the application."""

    async def file(request: Request) -> Response:
        api, id = request.path_params["api"], request.path_params["id"]
        query = request.query_params
        world = app.worlds.get(api)
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

    async def jobs(request: Request) -> Response:
        if (refused := _only(request)) is not None:
            return refused
        waiting = [
            {"id": job["id"], "api": api, "job": job["job"], "entity": job["entity"], "subject": job["subject"]}
            for api, world in app.worlds.items()
            for job in world.jobs()
        ]
        return JSONResponse({"processing": app.world.processing.mode, "jobs": waiting})

    async def release(request: Request) -> Response:
        if (refused := _only(request, "subject")) is not None:
            return refused
        wanted = request.query_params.get("subject")
        # Only the jobs that wait now: what they start in turn waits for another word.
        there = {
            api: [job["id"] for job in world.jobs() if wanted in (None, job["subject"])]
            for api, world in app.worlds.items()
        }
        if wanted is not None and not any(there.values()):
            return JSONResponse({"title": "Not Found", "status": 404, "detail": f"No job waits on {wanted}."}, 404)
        return JSONResponse({"ran": sum(app.worlds[api].run(_is_in(ids)) for api, ids in there.items())})

    async def reset(request: Request) -> Response:
        if (refused := _only(request)) is not None:
            return refused
        app.reset()
        return JSONResponse({"reset": True})

    app.add_url_rule("/__mock__/reset", "reset", reset, methods=["POST"])
    app.add_url_rule(links.PREFIX + "/{api}/{id}", "file", file, methods=["GET"])
    app.add_url_rule("/__mock__/jobs", "jobs", jobs, methods=["GET"])
    app.add_url_rule("/__mock__/jobs/release", "release", release, methods=["POST"])


def _only(request: Request, *names: str) -> Response | None:
    """The refusal of a parameter that a page has not; a slip must not do more than was meant."""
    for name in request.query_params:
        if name not in names:
            mend = f"there is: {', '.join(names)}" if names else "there is none"
            said = f"No parameter {name[:80]!r} here; {mend}."
            return JSONResponse({"title": "Bad Request", "status": 400, "detail": said}, 400)
    return None


def _is_in(ids: list[str]) -> Callable[[Record], bool]:
    return lambda job: job["id"] in ids
