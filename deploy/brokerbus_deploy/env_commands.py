"""``brokerbus env``: the virtualenvs of instances."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from brokerbus_deploy.config import Config, ConfigError, load
from brokerbus_deploy.environments import build, environment, recipe
from brokerbus_deploy.installers import BuildFailed
from brokerbus_deploy.interpreters import InterpreterMissing
from brokerbus_deploy.output import say, wide

env_app = typer.Typer(help="The virtualenvs of instances.", no_args_is_help=True, rich_markup_mode=None)


def _load(context: typer.Context) -> Config:
    try:
        return load(Path(context.find_root().obj))
    except ConfigError as error:
        print("\n".join(error.lines), file=sys.stderr)
        raise typer.Exit(2) from None


@env_app.command("build")
def build_command(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Instances; all when none is named.")
    ] = None,
) -> None:
    """Builds virtualenvs that are missing.

    Example: brokerbus env build
    """
    config = _load(context)
    known = [instance.id for instance in config.instances]
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        print(f"{unknown[0]}: no such instance; those here: {', '.join(known)}", file=sys.stderr)
        raise typer.Exit(2)
    for instance in config.instances:
        if names and instance.id not in names:
            continue
        try:
            env = build(recipe(config, instance), say)
        except (BuildFailed, InterpreterMissing) as error:
            print(f"instances.{instance.id}: {error}", file=sys.stderr)
            raise typer.Exit(2 if isinstance(error, InterpreterMissing) else 1) from None
        print(f"{instance.id} {env.folder}")


@env_app.command("list")
def list_command(context: typer.Context, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Lists the virtualenv of every instance.

    Example: brokerbus env list --json
    """
    config = _load(context)
    rows = [_row(config, index) for index in range(len(config.instances))]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("INSTANCE", "BROKER", "PYTHON", "SDK", "STATE", "FOLDER"):
        shown.add_column(column, no_wrap=True)
    for row in rows:
        shown.add_row(*("-" if value is None else str(value) for value in row.values()))
    wide().print(shown)


def _row(config: Config, index: int) -> dict[str, Any]:
    instance = config.instances[index]
    row: dict[str, Any] = {"id": instance.id, "broker": instance.broker, "python": instance.python or None, "sdk": None}
    try:
        env = environment(recipe(config, instance))
    except (BuildFailed, InterpreterMissing) as error:
        return {**row, "state": str(error).splitlines()[0], "folder": None}
    said = env.description
    row.update(python=said.get("python", row["python"]), sdk=said.get("sdk"))
    return {**row, "state": "built" if env.complete else "missing", "folder": str(env.folder)}
