"""The command `contracts`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

HELP = """Contract tests for any deployment of the APIs in specs/: rights, rows, workflows, queries, files, sums.

\b
Try it:
  contracts run --target http://127.0.0.1:8000 --callers callers.json     read only, which is harmless anywhere
  contracts run --app mockserver:create_app --mode full                   an application in this process, all of it
  contracts run --target URL --caller vendor=env:VENDOR_TOKEN             a token by name, never by value
  contracts run --only operation:createJournal --only check:access.*      a part of it
  contracts list                                                          every check, and what it proves
  contracts explain A102                                                  what a finding means, and where to look
  contracts matrix billing                                                who may call what
  contracts run --help                                                    every option

What a deployment needs said stands in contracts.toml (contracts/README.md). Exit: 0 kept, 1 broken, 2 could not check.
"""
WIDE = {"help_option_names": ["--help", "-h"], "max_content_width": 120}


def _rate(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """`5`, `5/s` or `300/m` as calls a second."""
    from contracts.config import rate

    found = rate(value) if value is not None else None
    if value is not None and found is None:
        raise click.BadParameter(f"{value!r}: say a number above 0, or 5/s, 300/m")
    return found


def _reports(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[tuple[str, Path], ...]:
    """`FORMAT=FILE` as both."""
    found = []
    for text in value:
        kind, equals, file = text.partition("=")
        if not kind or not equals or not file:
            raise click.BadParameter(f"{text!r}: say FORMAT=FILE, such as junit=report.xml")
        found.append((kind, Path(file)))
    return tuple(found)


def _option(name: str, help: str, **more: Any) -> Callable[[Any], Any]:  # Any: whatever click decorates
    variable = "CONTRACTS_" + name.lstrip("-").split("/")[0].replace("-", "_").upper()
    return click.option(name, help=help, envvar=variable, **more)


def _line() -> str:
    """The command line, with the variables that options were read from; those of tokens are none of them."""
    ctx = click.get_current_context()
    names = [each.name for each in ctx.command.params if each.name is not None]
    read = {name for name in names if ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT}
    variables = [
        f"{each.envvar}={shlex.quote(os.environ[each.envvar])}"
        for each in ctx.command.params
        if each.name in read and isinstance(each.envvar, str)
    ]
    return " ".join([*variables, shlex.join(["contracts", *sys.argv[1:]])])


def _many(name: str, help: str, into: str, **more: Any) -> Callable[[Any], Any]:
    return click.option(name, into, help=help + " May be repeated.", multiple=True, **more)


FILE = click.Path(path_type=Path)
POSITIVE = click.FloatRange(min=0, min_open=True)
APIS = click.argument("apis", nargs=-1)
API = _many("--api", "An API, by name or by folder (./mine), or all.", "apis", metavar="NAME")
OVERLAY = _many(
    "--overlay",
    "A file that changes single cells, for a deployment that is meant to differ.",
    "overlays",
    type=FILE,
    metavar="FILE",
)
# What says which deployment there is, and who calls it.
_WHERE = (
    _option("--target", "Address of the deployment.", metavar="URL"),
    API,
    _option("--config", "What the deployment needs said. Default: ./contracts.toml, if there is one.", type=FILE),
    _option("--callers", "Who calls: JSON, as `mockserver callers --json` prints it, or TOML.", type=FILE,
            metavar="FILE"),
    _many("--caller", "The token of a caller or role: env:VARIABLE or file:PATH. The environment's "
          "CONTRACTS_TOKEN_<NAME> do the same.", "tokens", metavar="NAME=SOURCE"),
    _many("--allow-host", "A host that may be called, where it is not this machine.", "allow_hosts", metavar="HOST"),
    _option("--rate", "Calls a second, at most.", callback=_rate, metavar="N/s"),
    _option("--timeout", "Seconds that a call may take. Default: 30.", type=POSITIVE, metavar="SECONDS"),
    _option("--patience", "Seconds that background work may take. Default: 30.", type=POSITIVE, metavar="SECONDS"),
    OVERLAY,
    _option("--journal", "Folder that tells what the run made, for `contracts clean`. Default: .contracts", type=FILE,
            metavar="DIR"),
    _option("--ca", "Certificates to trust instead of the system's. TLS is always verified.", type=FILE,
            metavar="FILE"),
)  # fmt: skip
_WHAT = (
    _option("--app", "An ASGI application in this process, instead of an address.", metavar="MODULE:ATTRIBUTE"),
    _option("--mode", "What the run may do there. Default: read-only.",
            type=click.Choice(["read-only", "own", "full"])),
    _option("--budget", "Calls, at most.", type=click.IntRange(min=1), metavar="N"),
    _option("--seed", "Seed of what is drawn. Default: 1.", type=click.IntRange(min=0), metavar="N"),
    _many("--only", "What to look at: check:ID, operation:ID, cell:CAPABILITY/ROLE, entity:NAME, source:MARK, "
          "code:CODE; * stands for anything.", "only", metavar="SELECTOR"),
    _many("--skip", "What not to look at.", "skip", metavar="SELECTOR"),
    _many("--report", "A report: junit, html, json, sarif or markdown.", "reports", callback=_reports,
          metavar="FORMAT=FILE"),
    click.option("--strict", is_flag=True, default=None, help="Let broken conventions of ours fail the run, too."),
    click.option("--shuffle", is_flag=True, default=None, help="Run the checks in another order, told by the seed."),
    _option("--wire", "A file that gets a line for each call, without tokens.", type=FILE, metavar="FILE"),
    click.option("-q", "--quiet", is_flag=True, help="Show no progress."),
)  # fmt: skip


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """All of these options on one command, in this order."""

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


@click.group(help=HELP, context_settings=WIDE, invoke_without_command=True, subcommand_metavar="COMMAND [ARGS]...")
@click.version_option(package_name="doubleentry", prog_name="doubleentry", message="%(prog)s %(version)s")
@click.pass_context
def command(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help(), file=sys.stderr)
        ctx.exit(2)


@command.command()
@_with(*_WHERE, *_WHAT)
def run(quiet: bool, **options: Any) -> None:
    """Verify a deployment. Exit: 0 kept, 1 broken, 2 could not check."""
    from contracts.commands import verify

    sys.exit(verify(*_given(options), quiet=quiet, line=_line()))


@command.command()
@_with(*_WHERE)
def clean(**options: Any) -> None:
    """Take away what a killed run left, as its journal says."""
    from contracts.commands import clean as take_away

    sys.exit(take_away(*_given(options)))


@command.command("list")
@_with(API, OVERLAY)
def list_(apis: tuple[str, ...], overlays: tuple[Path, ...]) -> None:
    """Name every check: its mode, cases by API, codes, and what it proves."""
    from contracts.teaching import listing

    print(listing(apis, overlays))


@command.command()
@click.argument("code")
def explain(code: str) -> None:
    """Teach one finding: what it means, why it matters, where to look, which checks find it."""
    from contracts.teaching import explained

    print(explained(code))


@command.command()
@_with(APIS, OVERLAY)
def matrix(apis: tuple[str, ...], overlays: tuple[Path, ...]) -> None:
    """Print who may call what, and what an overlay changes of it, as Markdown."""
    from specs.expand import page
    from specs.tables import load, names

    print("".join([page(load(name, overlays=overlays)) for name in apis or names()]), end="")


@command.command()
@click.option("--catalog", default="tests.faulty:DEFECTS", show_default=True, help="Planted defects, module:attribute.")
@_many("--only", "Defects by name or kind.", "only", metavar="NAME")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes. Default: as many as there are cores.")
def selftest(catalog: str, only: tuple[str, ...], jobs: int | None) -> None:
    """Run the toolkit against planted defects, and tell which it finds."""
    from contracts.selftest import selftest as run_selftest

    sys.exit(run_selftest(catalog, only=only, jobs=jobs, out=sys.stdout))


def _given(options: dict[str, Any]) -> tuple[dict[str, Any], Path | None, tuple[str, ...], bool]:
    """What was said: options by the names of contracts.toml, the file, tokens, whether the mode was said right here."""
    from contracts.settings import Mode

    said_here = click.core.ParameterSource.COMMANDLINE
    named = click.get_current_context().get_parameter_source("mode") is said_here
    path, tokens = options.pop("config"), options.pop("tokens")
    said = {name: value for name, value in options.items() if value not in (None, ())}
    if "callers" in said:
        said["callers_file"] = said.pop("callers")
    if "mode" in said:
        said["mode"] = Mode(said["mode"])
    if "reports" in said:
        said["reports"] = dict(said["reports"])
    return said, path, tokens, named


def main() -> None:
    """Entry point of the command; a wrong call ends in one line, with 2."""
    from contracts.mistakes import Mistake
    from specs.tables import TableError

    try:
        status = command(prog_name="contracts", standalone_mode=False)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "contracts"
        _fail(f"{error.format_message().rstrip('.')}; see {where} --help.")
    except (Mistake, TableError) as error:
        _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted.")
    except BrokenPipeError:
        # Whoever read the output has read enough; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(status)


def _fail(message: str) -> NoReturn:
    print(f"contracts: {message}", file=sys.stderr)
    sys.exit(2)
