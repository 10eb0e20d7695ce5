"""The composition root: tables, worlds, services and Connexion put together into one ASGI application."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from itertools import islice
from os import PathLike
from typing import TYPE_CHECKING, Any

from mockserver.deferral import deferral

with (
    warnings.catch_warnings(),
    deferral("httpx", "jinja2", "requests", "starlette.templating", "starlette.testclient"),
    deferral("werkzeug.serving", "werkzeug.test", "werkzeug.wrappers", "werkzeug.wsgi", "python_multipart.multipart"),
    deferral("asgiref.sync", "html", "http.client", "urllib.request"),
    # Flask would derive classes of its own from what is put off; without it Connexion says so itself.
    deferral("connexion.frameworks.flask", *(["connexion.apps.flask"] if find_spec("flask") else [])),
):
    # Connexion imports a name of jsonschema's that is deprecated; nobody here uses it.
    warnings.simplefilter("ignore")
    from connexion import AsyncApp
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver

from mockserver import docs, files, handlers, plugins, wire
from mockserver import scenario as scenarios
from mockserver import seed as seeds
from mockserver.auth import Caller
from mockserver.caches import BASES
from mockserver.control import Control
from mockserver.domain.errors import Invalid
from mockserver.pipeline import Log, Pipeline
from mockserver.recording import MOST as CALLS
from mockserver.recording import UTMOST
from mockserver.sandboxes import DEFAULT, MOST, Base, Limits, Sandbox, Sandboxes
from mockserver.service import Service
from mockserver.world import Processing, World
from specs import tables
from specs.documents import METHODS
from specs.tables import Api

if TYPE_CHECKING:
    from mockserver.persistence import State

_ANY: Mapping[str, Any] = {"x-told": {}}
"""Responses that Connexion takes for some with the least validation: they must not be none."""
_ADMIN = re.compile(r"[A-Za-z0-9._~+/-]{8,200}=*", re.ASCII)


class Options(ValueError):
    """An option that cannot be; `str()` is one line that tells the mend."""


class MockServer(AsyncApp):  # type: ignore[misc]  # connexion ships no types
    """The ASGI application, with what tests want to reach: its sandboxes, and the default one's worlds and cast.

    base: what the default sandbox begins with; build: makes that of another scenario, by name
    limits: of sandboxes; admin: the token that /__mock__ asks for, if any
    told: the options that it was made with, as a banner shows them
    log: called with (caller's name, method, path, status, detail of a refusal) of every request to an API
    """

    def __init__(
        self,
        *,
        services: Mapping[str, Service],
        base: Base,
        build: Callable[[str], Base],
        limits: Limits | None = None,
        admin: str | None = None,
        told: Mapping[str, str] | None = None,
        log: Log | None = None,
    ) -> None:
        self.services = services
        self.told = told or {}
        self.sandboxes = Sandboxes(base, services, limits)
        self.control = Control(admin)
        self.control.server = self
        self.state: State | None = None
        self._bases = {base.scenario: base}
        self._build = build
        secret = hashlib.blake2b(f"links/{self.world.seed}".encode()).digest()
        pipeline = partial(
            Pipeline, services=services, sandboxes=self.sandboxes, control=self.control, secret=secret, log=log
        )
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
        files.add(self, secret)

    def sandbox(self, name: str = DEFAULT) -> Sandbox:
        """A sandbox by name, made if there is none yet. Raises mockserver.domain.errors.Invalid."""
        return self.sandboxes.use(name)

    def base(self, scenario: str) -> Base:
        """What a scenario that comes with the project, or several (`a+b`), begin with, made when first asked for.

        Raises Invalid: a name is all that may come from a caller, never a path.
        """
        if scenario not in self._bases:
            try:
                scenario = scenarios.named(scenario)
                made = self._bases.get(scenario) or self._build(scenario)
            except scenarios.ScenarioError as error:
                raise Invalid(str(error), {"scenario": [str(error)]}) from None
            # The server's own comes first and stays; of the others, whoever has one keeps it.
            if scenario not in self._bases and len(self._bases) > BASES:
                del self._bases[next(islice(self._bases, 1, None))]
            self._bases[scenario] = made
        return self._bases[scenario]

    @property
    def worlds(self) -> Mapping[str, World]:
        """The worlds of the default sandbox."""
        return self.sandboxes.default.worlds

    @property
    def callers(self) -> dict[str, Caller]:
        """Who may call, by name."""
        casts = self.sandboxes.default.base.callers.values()
        return {each.name: each for cast in casts for each in cast.values()}

    @property
    def world(self) -> World:
        """The world of the first API: of the only one, where one is served."""
        return next(iter(self.worlds.values()))

    def reset(self) -> None:
        """Return the default sandbox to its seed."""
        self.sandboxes.default.reset()

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
            method: {"operationId": operation["operationId"], "responses": _ANY}
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
    sandboxes: int = MOST,
    rest: float = 0.0,
    journal: int = CALLS,
    admin: str | None = None,
    state: str | PathLike[str] | None = None,
) -> MockServer:
    """The mock server as an ASGI application, with a world of its own.

    apis: which to serve, by name or by folder (with a slash in it); all there are when none is named
    seed, now: instead of the scenario's own; `now` is an instant, or "real" for a clock that runs with real time
    scenario: a name or a file; overlay: files that change cells of the matrix
    processing: immediate, after:SECONDS, reads:N or manual
    log: called with (caller's name, method, path, status, detail of a refusal) of every request to an API
    sandboxes: how many there may be beside the default one; rest: seconds after which one that is not used is dropped,
    0 for never; journal: requests that each one's journal keeps
    admin: a token that every call below /__mock__ must bear
    state: a file that keeps the default sandbox across restarts
    Raises specs.tables.TableError, mockserver.scenario.ScenarioError or Options, each in one line.
    """
    start, running = _start(now)
    if seed is not None and (type(seed) is not int or seed < 0):
        raise Options(f"seed: {seed!r} is no whole number from 0 on.")
    try:
        mode = Processing.parse(processing)
    except ValueError as error:
        raise Options(str(error)) from None
    if mode.mode == "reads" and not mode.reads:
        # Left out of `parse`, which also reads what older files kept.
        raise Options(f"processing {processing!r}: a state that no reading shows; say reads:1, or immediate.")
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

    def build(scenario: str) -> Base:
        worlds = seeds.build(
            scenarios.load(scenario), apis=served, seed=seed, now=start, processing=mode, running=running
        )
        for world in worlds.values():
            world.settle_seed()
        return Base.of(scenario, worlds, {name: seeds.callers(world) for name, world in worlds.items()})

    base = build(str(scenario))
    world = next(iter(base.worlds.values()))
    services = {name: Service(api, plugin) for name, (api, plugin) in served.items()}
    told = {"scenario": str(scenario), "seed": str(world.seed), "processing": processing}
    told |= {"now": wire.instant(world.clock.now()) + (", running" if running or mode.mode == "after" else "")}
    told |= {"overlay": ", ".join(overlays)} if overlays else {}
    if type(sandboxes) is not int or sandboxes < 0:
        raise Options(f"sandboxes: {sandboxes!r} is no whole number from 0 on.")
    if not 0 <= rest < float("inf"):
        raise Options(f"rest: {rest!r} will not do; say seconds, 0 for no limit.")
    if type(journal) is not int or not 0 <= journal <= UTMOST:
        raise Options(f"journal: {journal!r} will not do; say how many requests it keeps, from 0 to {UTMOST}.")
    if admin is not None and not _ADMIN.fullmatch(admin):
        raise Options("admin: a token of 8 to 200 letters, digits and - . _ ~ + /, please.")
    server = MockServer(
        services=services,
        base=base,
        build=build,
        limits=Limits(sandboxes, rest, journal),
        admin=admin,
        told=told,
        log=log,
    )
    if state is not None:
        try:
            from mockserver.persistence import State, StateError
        except ImportError:  # what locks files there is nowhere else
            raise Options("state: needs Linux, macOS or another Unix; leave it out here.") from None

        try:
            server.state = State(state, server.sandboxes.default, scenario=str(scenario), base=server.base)
        except StateError as error:
            raise Options(str(error)) from None
        # What the file kept goes before what was asked for.
        kept = server.sandboxes.default
        now = wire.instant(kept.clock.now()) + (", running" if kept.clock.runs else "")
        server.told = {
            **server.told,
            "scenario": kept.base.scenario,
            "processing": str(server.world.processing),
            "now": now,
            "state": str(state),
        }
    return server


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
