"""The command `mockserver`."""

from __future__ import annotations

import errno
import ipaddress
import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from mockserver.app import MockServer

EXAMPLES = """
**Try it**

    mockserver                                        every API on http://127.0.0.1:8000, a world full of data
    mockserver --scenario my-world.yaml --seed 7      your own world on top of a named one; format: fixtures/README.md
    mockserver --processing after:2                   background work takes two seconds of the world's clock
    mockserver --overlay staging.yaml                 a deployment whose rights differ in single cells
    mockserver callers                                who is who, and their tokens
    mockserver matrix --overlay staging.yaml          who may call what

Every option can be set by an environment variable: MOCKSERVER_PORT=9000 mockserver
"""


class Commands(TyperGroup):
    """Serves when no command is named, so that `mockserver --port 9000` needs no more words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = next((each for each in args if not each.startswith("-")), None)
        if named not in self.commands and not {"--help", "--version"} & set(args[:1]):
            args = ["serve", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=Commands,
    name="mockserver",
    help="A stateful mock of billing APIs: roles, workflows, files and money, offline and deterministic." + EXAMPLES,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _option(name: str, help: str, *more: str) -> Any:  # Any: typer's own marker type
    variable = "MOCKSERVER_" + name.lstrip("-").replace("-", "_").upper()
    return typer.Option(name, *more, help=help, envvar=variable, show_envvar=False)


Apis = Annotated[list[str] | None, typer.Argument(help="APIs to serve; all of them when none is named.", show_default=False)]
Host = Annotated[str, _option("--host", "Address to listen on. Anything but the loopback is reachable by others.")]
Port = Annotated[int, _option("--port", "Port to listen on; 0 takes a free one.")]
Seed = Annotated[int | None, _option("--seed", "Seed of the data: the same seed gives the same bytes.")]
ScenarioOption = Annotated[str, _option("--scenario", "A named world, or a file of yours.")]
Overlay = Annotated[
    list[Path] | None, _option("--overlay", "A file that grants or denies single cells of the matrix. May be repeated.")
]
ProcessingOption = Annotated[
    str, _option("--processing", "When background work is done: immediate, after:SECONDS, reads:N or manual.")
]
Now = Annotated[
    str | None,
    _option("--now", "The instant at which the world's clock starts (2026-03-16T09:00:00Z), or real."),
]


@app.command()
def serve(
    apis: Apis = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    seed: Seed = None,
    scenario: ScenarioOption = "default",
    overlay: Overlay = None,
    processing: ProcessingOption = "immediate",
    now: Now = None,
) -> None:
    """Serve the APIs until interrupted. This is what `mockserver` does when no command is named."""
    listener = _listen(host, port)
    server = _make(apis, seed=seed, scenario=scenario, overlay=overlay, processing=processing, now=now)
    import gc
    import logging

    import uvicorn

    # What a page that is not there is answered, the caller reads; the terminal is for faults of ours.
    logging.getLogger("connexion").setLevel(logging.ERROR)

    # The seeded world lives as long as the process; walking it at every collection would only cost.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        server,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=2,
    )
    print(banner(server, *listener.getsockname()[:2]), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


@app.command()
def callers(
    apis: Apis = None,
    seed: Seed = None,
    scenario: ScenarioOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Print who is who: the cast of a scenario with roles, accounts and tokens."""
    server = _make(apis, seed=seed, scenario=scenario, overlay=None, processing="immediate", now=None)
    cast = [
        {
            "name": each.name,
            "role": each.role,
            "account": each.account,
            "accountName": (server.world.layer.get("Account", each.account) or {}).get("name", ""),
            "user": each.user["id"],
            "token": each.token,
            "expires": each.expires,
        }
        for each in server.callers.values()
    ]
    if as_json:
        print(json.dumps(cast, indent=2, ensure_ascii=False))
        return
    rows = [["NAME", "ROLE", "ACCOUNT", "", "TOKEN", ""]]
    rows += [
        [each["name"], each["role"], each["account"], each["accountName"], each["token"],
         f"expired {each['expires']}" if each["expires"] else ""]
        for each in cast
    ]
    print("\n".join(_table(rows)))


@app.command()
def matrix(
    apis: Apis = None,
    overlay: Overlay = None,
) -> None:
    """Print who may call what, as Markdown, and what an overlay changes of it."""
    from specs.expand import page
    from specs.tables import TableError, load, names

    try:
        for name in apis or names():
            print(page(load(name, overlays=overlay or ())), end="")
    except TableError as error:
        _fail(str(error))


def banner(server: MockServer, host: str, port: int) -> str:
    """What a person sees when the server is up: where, with which tokens, and what to try first."""
    shown = f"[{host}]" if ":" in host else host
    root = f"http://{shown}:{port}"
    lines = ["doubleentry mockserver", ""]
    lines += [f"  {service.api.name:<9} {root}{service.api.conventions.base}" for service in server.services.values()]
    lines += [f"  {'docs':<9} {root}/docs", ""]
    lines += _table([[f"  {each.name}", each.role, each.token, "expired" if each.expires else ""] for each in server.callers.values()])
    first = next(iter(server.services.values()))
    known = next(iter(server.callers.values()))
    listing = next(each for each in first.api.operations.values() if each.does == "list" and known.role in each.roles)
    lines += ["", f"  try: curl -H 'Authorization: Bearer {known.token}' '{root}{listing.path}?limit=1'"]
    if not _is_loopback(host):
        lines += ["", f"  warning: {host} is reachable by others, and the tokens above are no secret."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Entry point of the command."""
    app(prog_name="mockserver")


def _make(apis: list[str] | None, *, overlay: list[Path] | None, **options: Any) -> MockServer:
    """The application; a wrong option, table or scenario ends the command in one line."""
    from mockserver.app import Options, create_app
    from mockserver.scenario import ScenarioError
    from specs.tables import TableError

    try:
        return create_app(*(apis or ()), overlay=overlay or (), **options)
    except (Options, ScenarioError, TableError) as error:
        _fail(str(error))


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        _fail(f"port {port}: a port is 0 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        _fail(f"host {host!r}: no such address; 127.0.0.1 is this machine alone, 0.0.0.0 is every interface.")
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            _fail(f"port {port} on {host} is taken; end what listens there, or say --port {port + 1} (0 takes a free one).")
        _fail(f"cannot listen on {host}:{port}: {error.strerror}.")
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _fail(message: str) -> NoReturn:
    print(f"mockserver: {message}", file=sys.stderr)
    raise typer.Exit(2)
