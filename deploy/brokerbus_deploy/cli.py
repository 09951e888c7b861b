"""The ``brokerbus`` command: reads arguments, calls the parts, prints, and sets the exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from brokerbus.errors import BusError
from brokerbus_deploy import foreground, lifecycle, logs, scaffold
from brokerbus_deploy import status as statuses
from brokerbus_deploy.arguments import BadArgument, params
from brokerbus_deploy.config import Config, ConfigError, load
from brokerbus_deploy.env_commands import env_app
from brokerbus_deploy.installers import BuildFailed
from brokerbus_deploy.interpreters import InterpreterMissing
from brokerbus_deploy.layout import FRONT, WATCHDOG
from brokerbus_deploy.order_commands import order_app
from brokerbus_deploy.output import say, wide
from brokerbus_deploy.supervisor import SupervisorError

app = typer.Typer(
    name="brokerbus",
    help="Runs broker SDKs, each in a process and virtualenv of its own, behind one bus and one HTTP front.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(env_app, name="env")
app.add_typer(order_app, name="order")

FAILED, MISUSED = 1, 2

ConfigOption = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For scripts: JSON on stdout.")]


@app.callback()
def _options(context: typer.Context, config: ConfigOption = Path(scaffold.CONFIG_NAME)) -> None:
    os.umask(0o077)  # whatever the caller's: nothing that is written here is for others
    context.obj = config


@contextmanager
def _told() -> Iterator[None]:
    """Turns what can go wrong into lines on stderr and an exit code: 2 for what the user wrote, 1 for the rest."""
    try:
        yield
    except ConfigError as error:
        _stop(MISUSED, *error.lines)
    except (BadArgument, InterpreterMissing) as error:
        _stop(MISUSED, str(error))
    except (BuildFailed, SupervisorError, lifecycle.AlreadyChanging) as error:
        _stop(FAILED, str(error))
    except OSError as error:
        _stop(FAILED, f"{error.filename or ''}: {error.strerror or error}".lstrip(": "))


def _stop(code: int, *lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)
    raise typer.Exit(code)


def _config(context: typer.Context) -> Config:
    return load(context.find_root().obj)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    demo: Annotated[
        bool, typer.Option("--demo", help="Paper, and each vendor SDK against its bundled simulator.")
    ] = False,
) -> None:
    """Writes a commented configuration into DIR.

    Example: brokerbus init --demo demo && brokerbus -c demo/brokerbus.toml up
    """
    with _told():
        try:
            path = scaffold.write_config(directory, demo)
        except scaffold.AlreadyThere as error:
            raise BadArgument(str(error)) from None
        print(f"wrote {path}\nnext: brokerbus -c {path} up")


@app.command()
def up(
    context: typer.Context,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when every worker serves requests.")] = False,
) -> None:
    """Builds missing virtualenvs and starts everything; run again, it brings what runs up to date.

    Exit codes: 0; 1 when a worker does not serve within 120 s (named) or a virtualenv cannot be built;
    2 when the configuration is wrong, before anything starts.

    Example: brokerbus up --detach && brokerbus status
    """
    with _told():
        raise typer.Exit(foreground.up(_config(context), say, detach))


@app.command(hidden=True)
def demo(directory: Annotated[Path, typer.Argument(metavar="[DIR]")] = Path("demo")) -> None:
    """Runs the demo in DIR until Ctrl-C: a paper instance and one per vendor SDK on its simulator."""
    with _told():
        raise typer.Exit(foreground.demo(directory, say))


@app.command()
def down(context: typer.Context) -> None:
    """Stops all processes, the front first; requests in flight are answered.

    Example: brokerbus down
    """
    with _told():
        stopped = lifecycle.down(lifecycle.layout_of(_config(context)))
        say("stopped" if stopped else "nothing was running")


@app.command()
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Shows a row per process.

    Example: brokerbus status --json | python3 -m json.tool
    """
    with _told():
        config = _config(context)
        found = statuses.gather(config)
        if as_json:
            print(json.dumps(found, ensure_ascii=False))
        else:
            wide().print(statuses.table(found, config))


@app.command()
def restart(context: typer.Context, name: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Restarts one instance (or: front, watchdog) and waits until it serves again; all others go on.

    Example: brokerbus restart WyLqtMhDvAnBb6a3
    """
    with _told():
        config = _config(context)
        _known(config, name, FRONT, WATCHDOG)
        lifecycle.restart(lifecycle.layout_of(config), name)
        late = lifecycle.wait_ready(config, lambda _: None, lambda: True, only=name)
        if late:
            _stop(FAILED, f"{name} does not serve requests; see: brokerbus logs {name}")
        say(f"{name} restarted")


@app.command("logs")
def show_logs(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing as lines come.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
) -> None:
    """Prints the log of one instance (or: front, watchdog, supervisord).

    Example: brokerbus logs front -f
    """
    with _told():
        config = _config(context)
        if not name.startswith("sim-"):
            _known(config, name, FRONT, WATCHDOG, "supervisord")
        logs.show(lifecycle.layout_of(config).log(name), lines, follow)


@app.command()
def call(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID")],
    method: Annotated[str, typer.Argument(metavar="METHOD")],
    values: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0.001, help="Seconds to wait for the answer.")
    ] = None,
) -> None:
    """Asks one instance over the bus and prints the result as JSON.

    A value is JSON if it parses, else text; ids are text; dotted keys make maps. When the answer is an error, its
    map is printed and the exit code is 1.

    Examples: brokerbus call ID quote contract=US.AAPL;
    brokerbus call ID place_order contract=US.AAPL direction=BUY qty=100 price=180.5
    """
    with _told():
        config = _config(context)
        _known(config, name)
        asked = params(values or [])
        try:
            result = lifecycle.ask(lifecycle.layout_of(config), name, method, asked, timeout)
        except BusError as error:
            print(json.dumps({"error": error.to_map()}, ensure_ascii=False))
            _stop(FAILED, f"{error.code}: {error.message}")
        print(json.dumps(result, ensure_ascii=False))


def _known(config: Config, name: str, *others: str) -> None:
    known = [*(instance.id for instance in config.instances), *others]
    if name not in known:
        raise BadArgument(f"{name}: no such instance; those here: {', '.join(known)}")


def main() -> None:
    """The console script."""
    app(prog_name="brokerbus")
