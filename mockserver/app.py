"""The composition root: tables, worlds, services and Connexion put together into one ASGI application."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from os import PathLike
from typing import Any

with warnings.catch_warnings():
    # Connexion imports Starlette's test client, which warns of the HTTP client that it uses; nobody here uses either.
    warnings.simplefilter("ignore")
    from connexion import AsyncApp
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver

from mockserver import control, docs, handlers, plugins, wire
from mockserver import scenario as scenarios
from mockserver import seed as seeds
from mockserver.auth import Caller
from mockserver.pipeline import Log, Pipeline
from mockserver.service import Service
from mockserver.world import Processing, World
from specs import tables
from specs.documents import METHODS
from specs.tables import Api


class Options(ValueError):
    """An option that cannot be; `str()` is one line that tells the mend."""


class MockServer(AsyncApp):  # type: ignore[misc]  # connexion ships no types
    """The ASGI application, with what tests want to reach: its worlds and its cast.

    callers: API -> token -> who calls it with that
    told: the options that it was made with, as a banner shows them
    log: called with (caller's name, method, path, status, detail of a refusal) of every request to an API
    """

    def __init__(
        self,
        *,
        services: Mapping[str, Service],
        worlds: Mapping[str, World],
        callers: Mapping[str, Mapping[str, Caller]],
        told: Mapping[str, str] | None = None,
        log: Log | None = None,
    ) -> None:
        self.services = services
        self.told = told or {}
        self.worlds = worlds
        self.callers: dict[str, Caller] = {each.name: each for cast in callers.values() for each in cast.values()}
        secret = hashlib.blake2b(f"links/{self.world.seed}".encode()).digest()
        pipeline = partial(Pipeline, services=services, worlds=worlds, callers=callers, secret=secret, log=log)
        super().__init__(
            __name__,
            # The pipeline comes first and answers whatever an API's document describes; what it hands on are our own
            # pages, for which Connexion's application behind it is there.
            middlewares=[pipeline, ExceptionMiddleware, LifespanMiddleware],
            swagger_ui_options=SwaggerUIOptions(swagger_ui=False, serve_spec=False),
        )
        for name, service in services.items():
            find = partial(handlers.find, service)
            self.add_api(_outline(service.api.document), name=name, resolver=Resolver(find))
        docs.add(self)
        control.add(self, secret)

    @property
    def world(self) -> World:
        """The world of the first API: of the only one, where one is served."""
        return next(iter(self.worlds.values()))

    def reset(self) -> None:
        """Return every world to its seed."""
        for world in self.worlds.values():
            world.reset()

    def token(self, name: str) -> str:
        """The token of a caller by name. KeyError lists who there is."""
        if name not in self.callers:
            raise KeyError(f"no caller {name!r}; there are: {', '.join(self.callers)}")
        return self.callers[name].token


def _outline(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what the pipeline compiles by itself: paths, methods and operationIds.

    Connexion validates and copies what it is given at every start, which costs more than all the rest of it; the whole
    document is validated when it changes, by the tests.
    """
    paths = {
        path: {
            method: {"operationId": operation["operationId"], "responses": {"default": {"description": ""}}}
            for method, operation in item.items()
            if method in METHODS
        }
        for path, item in document["paths"].items()
    }
    return {"openapi": document["openapi"], "info": document["info"], "servers": document["servers"], "paths": paths}


def create_app(
    *apis: str,
    seed: int | None = None,
    scenario: str | PathLike[str] = "default",
    overlay: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    processing: str = "immediate",
    now: datetime | str | None = None,
    log: Log | None = None,
) -> MockServer:
    """The mock server as an ASGI application, with a world of its own.

    apis: which to serve, by name or by folder (with a slash in it); all there are when none is named
    seed, now: instead of the scenario's own; `now` is an instant, or "real" for a clock that runs with real time
    scenario: a name or a file; overlay: files that change cells of the matrix
    processing: immediate, after:SECONDS, reads:N or manual
    log: called with (caller's name, method, path, status, detail of a refusal) of every request to an API
    Raises specs.tables.TableError, mockserver.scenario.ScenarioError or Options, each in one line.
    """
    start, running = _start(now)
    if seed is not None and (type(seed) is not int or seed < 0):
        raise Options(f"seed: {seed!r} is no whole number from 0 on.")
    try:
        mode = Processing.parse(processing)
    except ValueError as error:
        raise Options(str(error)) from None
    overlays = [str(each) for each in ([overlay] if isinstance(overlay, str | PathLike) else overlay)]
    loaded: dict[str, Api] = {}
    for name in apis or tables.names():
        if not isinstance(name, str):
            raise Options(f"{name!r} is no API's name; say create_app({', '.join(map(repr, tables.names()))}).")
        api = tables.load(name, overlays=overlays)
        if api.name in loaded:
            raise Options(f"{name}: {api.name} is served already; name each API once.")
        _check_bases(api, loaded.values())
        loaded[api.name] = api
    served = {name: (api, plugins.plugin(api)) for name, api in loaded.items()}
    worlds = seeds.build(
        scenarios.load(str(scenario)),
        apis=served,
        seed=seed,
        now=start,
        processing=mode,
        running=running,
    )
    for world in worlds.values():
        world.settle_seed()
    services = {name: Service(api, plugin) for name, (api, plugin) in served.items()}
    told = {"scenario": str(scenario), "seed": str(world.seed), "processing": processing}
    told |= {"now": wire.instant(world.clock.now()) + (", running" if running or mode.mode == "after" else "")}
    told |= {"overlay": ", ".join(overlays)} if overlays else {}
    callers = {name: seeds.callers(world) for name, world in worlds.items()}
    return MockServer(services=services, worlds=worlds, callers=callers, told=told, log=log)


def _check_bases(api: Api, others: Iterable[Api]) -> None:
    """See that no path could be one of two APIs."""
    for other in others:
        for base in api.conventions.bases:
            for taken in other.conventions.bases:
                if f"{base}/".startswith(f"{taken}/") or f"{taken}/".startswith(f"{base}/"):
                    raise Options(
                        f"{api.name} and {other.name} both begin with {base}; serve one of them, or mend `bases`."
                    )


def _start(now: datetime | str | None) -> tuple[datetime | None, bool | None]:
    """(first instant, whether the clock runs) that `now` means."""
    if now == "real":
        return datetime.now(UTC), True
    if isinstance(now, str):
        try:
            return wire.moment(wire.parse_instant(now)), None
        except ValueError as error:
            raise Options(f"now: {error}; say 2026-03-16T09:00:00Z, a date, or real.") from None
    if isinstance(now, datetime) and now.tzinfo is None:
        raise Options("now: the datetime has no zone; give it one, e.g. tzinfo=UTC.")
    return now, None
