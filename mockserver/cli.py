"""The command `mockserver`."""

from __future__ import annotations

import errno
import json
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from mockserver.app import MockServer

HELP = """A stateful mock of billing APIs: roles, workflows, files and money, offline and deterministic.

\b
Try it:
  mockserver                                    every API on http://127.0.0.1:8000, a world full of data
  mockserver accounts credits                   these two alone
  mockserver ./parking --scenario parking.yaml  an API of your own: a folder like those of specs/
  mockserver --scenario my-world.yaml --seed 7  your own world on top of a named one; format: fixtures/README.md
  mockserver --processing after:2               background work takes two seconds of the world's clock
  mockserver --overlay staging.yaml             a deployment whose rights differ in single cells
  mockserver callers                            who is who, and their tokens
  mockserver matrix --overlay staging.yaml      who may call what
  mockserver serve --help                       every option

Every option can be set by an environment variable: MOCKSERVER_PORT=9000 mockserver
"""


class Commands(click.Group):
    """Serves when no command is named, so that `mockserver --port 9000` needs no more words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = next((each for each in args if not each.startswith("-")), None)
        if named not in self.commands and not {"--help", "-h", "--version"} & set(args[:1]):
            args = ["serve", *args]
        return super().parse_args(ctx, args)


def _option(name: str, help: str, **more: Any) -> Callable[[Any], Any]:  # Any: whatever click decorates
    variable = "MOCKSERVER_" + name.lstrip("-").replace("-", "_").upper()
    return click.option(name, help=help, envvar=variable, **more)


APIS = click.argument("apis", nargs=-1)
SEED = _option("--seed", "Seed of the data: the same seed gives the same bytes. Default: the scenario's.", type=int)
SCENARIO = _option("--scenario", "A named world, or a file of yours.", default="default", show_default=True)
OVERLAY = _option(
    "--overlay", "A file that grants or denies single cells of the matrix. May be repeated.", type=Path, multiple=True
)


@click.group(
    cls=Commands, help=HELP, context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120}
)
@click.version_option(package_name="doubleentry", prog_name="doubleentry", message="%(prog)s %(version)s")
def command() -> None:
    pass


@command.command()
@APIS
@_option(
    "--host",
    "Address to listen on. Anything but the loopback is reachable by others.",
    default="127.0.0.1",
    show_default=True,
)
@_option("--port", "Port to listen on; 0 takes a free one.", type=int, default=8000, show_default=True)
@SEED
@SCENARIO
@OVERLAY
@_option(
    "--processing",
    "When background work is done: immediate, after:SECONDS, reads:N or manual.",
    default="immediate",
    show_default=True,
)
@_option(
    "--now",
    "The instant at which the world's clock starts (2026-03-16T09:00:00Z), or real. Default: the scenario's.",
)
@_option(
    "--sandboxes", "How many sandboxes there may be beside the default one.", type=int, default=1_000, show_default=True
)
@_option("--rest", "Seconds after which a sandbox that nobody uses is dropped; 0 keeps them.", type=float, default=0.0)
@_option("--state", "A file that keeps the default sandbox across restarts, whatever ends the server.", type=Path)
@_option("--journal", "Requests that the journal keeps; 0: none.", type=int, default=1_000, show_default=True)
@_option(
    "--admin",
    "A token that every call below /__mock__ must bear. Beyond the loopback one is needed, and made if none is given.",
)
@click.option(
    "--log", is_flag=True, envvar="MOCKSERVER_LOG", help="Print a line for every request: who, what, why not."
)
def serve(host: str, port: int, log: bool, admin: str | None, **options: Any) -> None:
    """Serve the APIs until interrupted (what `mockserver` does alone).

    APIS: which to serve, by name or by folder (./mine); all of them when none is named.
    """
    import gc

    from mockserver.deferral import deferral
    from mockserver.hosts import is_loopback

    # Nothing that a start makes is garbage soon.
    gc.disable()
    listener = _listen(host, port)
    if admin is None and not is_loopback(host):
        import secrets

        admin = secrets.token_urlsafe(18)
    server = _make(**options, admin=admin, log=_log if log else None)
    with deferral("uvicorn.supervisors"):
        import uvicorn

    from mockserver.banner import banner
    from mockserver.connections import UVICORN

    # What a page that is not there is answered, the caller reads; the terminal is for faults of ours.
    logging.getLogger("connexion").setLevel(logging.ERROR)

    # The seeded world lives as long as the process; walking it at every collection would only cost.
    gc.freeze()
    gc.enable()
    # Records refer to each other by ids, never in circles: what piles up is data, and looking for garbage in it seldom
    # is enough. With Python's own thresholds one create in a hundred waits ten times as long.
    gc.set_threshold(5_000, 200, 1_000)
    config = uvicorn.Config(server, **UVICORN)

    class Announced(uvicorn.Server):
        """Shows the banner once it hears signals, so that none is lost of those who wait for it."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(banner(server, *listener.getsockname()[:2]), flush=True)

    Announced(config).run(sockets=[listener])


@command.command()
@APIS
@SEED
@SCENARIO
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def callers(as_json: bool, **options: Any) -> None:
    """Print who is who: APIs, roles, accounts, grants and tokens of a scenario's cast."""
    from mockserver.banner import cast, cast_table

    server = _make(**options)
    print(json.dumps(cast(server), indent=2, ensure_ascii=False) if as_json else cast_table(server))


@command.command()
@APIS
@OVERLAY
def matrix(apis: tuple[str, ...], overlay: tuple[Path, ...]) -> None:
    """Print who may call what, and what an overlay changes of it, as Markdown."""
    from specs.expand import page
    from specs.tables import TableError, load, names

    try:
        pages = [page(load(name, overlays=overlay)) for name in apis or names()]
    except TableError as error:
        _fail(str(error))
    print("".join(pages), end="")


def _log(caller: str, method: str, path: str, status: int, detail: str) -> None:
    # One line a request, whatever it holds: what cannot be printed is written out.
    line = f"{status} {caller} {method} {path}{'  ' + detail if detail else ''}"
    print("".join(each if each.isprintable() else ascii(each)[1:-1] for each in line), flush=True)


def main() -> None:
    """Entry point of the command; a wrong call ends in one line, with 2."""
    try:
        status = command(prog_name="mockserver", standalone_mode=False)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "mockserver"
        print(f"mockserver: {error.format_message().rstrip('.')}; see {where} --help.", file=sys.stderr)
        status = 2
    except click.Abort:
        status = 130
    sys.exit(status)


def _make(apis: tuple[str, ...], **options: Any) -> MockServer:
    """The application; a wrong option, table or scenario ends the command in one line."""
    from mockserver.app import Options, create_app
    from mockserver.scenario import ScenarioError
    from specs.tables import TableError

    try:
        with _told():
            return create_app(*apis, **options)
    except (Options, ScenarioError, TableError) as error:
        _fail(str(error))


@contextmanager
def _told() -> Iterator[None]:
    """What takes long at the start is told on stderr."""
    log, handler = logging.getLogger("mockserver.seed"), logging.StreamHandler()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


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
            _fail(
                f"port {port} on {host} is taken; "
                f"end what listens there, or say --port {port + 1} (0 takes a free one)."
            )
        _fail(f"cannot listen on {host}:{port}: {error.strerror}.")
    return listener


def _fail(message: str) -> NoReturn:
    print(f"mockserver: {message}", file=sys.stderr)
    sys.exit(2)
