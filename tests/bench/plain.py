"""The ceiling: a bare Starlette application with our routes, tokens, records and bytes, and no check of any schema.

    python plain.py PLAN PORT

It is as an experienced hand would write it without a contract: a dictionary by id, orjson, a look at token and role.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Endpoint = Callable[[Request], Awaitable[Response]]


def application(plan: dict[str, Any]) -> Starlette:
    """The application of a plan, which is made by `calls.find`."""
    tokens: dict[str, str] = plan["tokens"]
    items: dict[str, dict[str, dict[str, Any]]] = {
        path: {each["id"]: each for each in records} for path, records in plan["items"].items()
    }
    rows: dict[str, dict[str, dict[str, Any]]] = {
        path: {each["id"]: each for each in listed["data"]} for path, listed in plan["lists"].items()
    }
    metas: dict[str, dict[str, Any]] = {path: listed["$meta"] for path, listed in plan["lists"].items()}
    totals = {path: meta["pagination"]["total"] - len(rows[path]) for path, meta in metas.items()}
    refusals = {int(status): body.encode() for status, body in plan["refusals"].items()}
    numbers = count(90_000_000)

    def refuse(status: int) -> Response:
        return Response(refusals.get(status, b"{}"), status, media_type=plan["media"])

    def guarded(roles: frozenset[str], then: Endpoint) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            role = tokens.get(request.headers.get("authorization", "")[7:])
            if role is None:
                return refuse(401)
            if role not in roles:
                return refuse(403)
            return await then(request)

        return endpoint

    async def read(request: Request) -> Response:
        path, _, id = request.url.path.rpartition("/")
        record = items.get(path, {}).get(id)
        return refuse(404) if record is None else Response(orjson.dumps(record), media_type="application/json")

    async def listing(request: Request) -> Response:
        path = request.url.path
        there = rows.get(path, {})
        asked = request.query_params
        offset, limit = int(asked.get("offset", 0)), int(asked.get("limit", 10))
        pagination = {"offset": offset, "limit": limit, "total": len(there) + totals.get(path, 0)}
        meta = {**metas.get(path, {}), "pagination": pagination}
        page = list(islice(there.values(), offset, offset + limit))
        return Response(orjson.dumps({"$meta": meta, "data": page}), media_type="application/json")

    async def create(request: Request) -> Response:
        body = orjson.loads(await request.body())
        if not isinstance(body.get("name"), str) or not isinstance(body.get("authorization"), dict):
            return refuse(400)
        due = f"{body['dueDate']}T00:00:00.000Z"
        record = {**plan["created"], **body, "authorization": plan["created"]["authorization"], "dueDate": due}
        record["id"] = "BJO-{}-{:04}".format(*divmod(next(numbers), 10_000))
        path = request.url.path
        items[path][record["id"]] = rows[path][record["id"]] = record
        return Response(orjson.dumps(record), 201, media_type="application/json")

    async def act(request: Request) -> Response:
        target, _, event = request.url.path.rpartition("/")
        path, _, id = target.rpartition("/")
        record = items.get(path, {}).get(id)
        if record is None or event not in plan["events"]:
            return refuse(404)
        starts, end = plan["events"][event]
        if record["status"] not in starts:
            return refuse(409)
        body = await request.body()
        changes = orjson.loads(body) if body else {}
        stamp = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}", "by": plan["mover"]}
        audit = {**record["audit"], "updated": stamp, end.lower(): stamp}
        changes |= {"status": end, "revision": record["revision"] + 1, "audit": audit}
        items[path][id] = changed = {**record, **changes}
        return Response(orjson.dumps(changed), media_type="application/json")

    account, credits = plan["account"], plan["credits"]
    accounts = {account["path"]: account["record"]}

    async def read_account(request: Request) -> Response:
        record = accounts.get(request.url.path)
        return refuse(403) if record is None else Response(orjson.dumps(record), media_type="application/json")

    async def list_credits(request: Request) -> Response:
        offset, count = int(request.query_params.get("offset", 0)), int(request.query_params.get("count", 100))
        page = credits["rows"][offset : offset + count]
        body = {"listCompleted": offset + count >= len(credits["rows"]), "items": page}
        return Response(orjson.dumps(body), media_type="application/json")

    def does(method: str, path: str) -> Endpoint:
        if method == "GET":
            return read if path.endswith("}") else listing
        return act if "{" in path else create

    return Starlette(
        routes=[
            *(
                Route(path, guarded(frozenset(roles), does(method, path)), methods=[method])
                for method, path, roles in plan["routes"]
            ),
            Route("/v1/finance/accounts/{number}", guarded(frozenset({account["role"]}), read_account)),
            Route("/billing/{tenant}/credits/list", guarded(frozenset({credits["role"]}), list_credits)),
        ]
    )


def main(plan: str, port: str) -> None:
    config = uvicorn.Config(
        application(orjson.loads(Path(plan).read_bytes())),
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
