"""Generates supervisord.conf: which programs run, how they start, stop and log."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template

from brokerbus.limits import CLOSE_SECONDS, DRAIN_SECONDS
from brokerbus_deploy.config import Config, module_of
from brokerbus_deploy.layout import FRONT, SIMULATOR_PREFIX, WATCHDOG, Layout

STOP_MARGIN_SECONDS = 1
"""A worker takes DRAIN_SECONDS and CLOSE_SECONDS to end; after this much more supervisord kills it."""


@dataclass(frozen=True)
class Program:
    """One supervised process. Lower ``priority`` starts earlier and stops later."""

    name: str
    command: Sequence[str]
    directory: Path
    priority: int
    environment: Mapping[str, str] = field(default_factory=dict)


def front_installed() -> bool:
    """Whether the front can be run from this virtualenv."""
    return importlib.util.find_spec("brokerbus_front") is not None


def programs(
    config: Config, layout: Layout, pythons: Mapping[str, Path], simulators: Mapping[str, Sequence[str]]
) -> list[Program]:
    """Every process of a deployment; ``pythons`` names the interpreter of each instance's virtualenv."""
    found = [
        Program(f"{SIMULATOR_PREFIX}{instance}", command, layout.home(instance), 50, _home(layout, instance))
        for instance, command in simulators.items()
    ]
    for instance in config.instances:
        file = str(layout.instance_file(instance.id))
        command = [str(pythons[instance.id]), "-I", "-m", module_of(instance), file]
        found.append(Program(instance.id, command, layout.home(instance.id), 100, _home(layout, instance.id)))
    if front_installed():
        found.append(Program(FRONT, _own("brokerbus_front", layout.front_file), layout.run_dir, 200))
    found.append(Program(WATCHDOG, _own("brokerbus_deploy.watchdog", layout.run_dir), layout.run_dir, 300))
    return found


def render(layout: Layout, wanted: Sequence[Program]) -> str:
    """The text of supervisord.conf."""
    head = _template("supervisord.conf").substitute(
        socket=_escaped(layout.supervisor_socket),
        run_dir=_escaped(layout.run_dir),
        pid_file=_escaped(layout.supervisor_pid),
        log_file=_escaped(layout.log("supervisord")),
        logs=_escaped(layout.logs),
    )
    return head + "".join(_section(layout, program) for program in wanted)


def _section(layout: Layout, program: Program) -> str:
    return _template("program.conf").substitute(
        name=program.name,
        command=_escaped(shlex.join(program.command)),
        directory=_escaped(program.directory),
        environment=",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(program.environment.items())),
        priority=program.priority,
        stop_seconds=int(DRAIN_SECONDS + CLOSE_SECONDS) + STOP_MARGIN_SECONDS,
        log=_escaped(layout.log(program.name)),
    )


def _template(name: str) -> Template:
    return Template(resources.files("brokerbus_deploy").joinpath("templates", name).read_text("utf-8"))


def _escaped(value: object) -> str:
    """A value that supervisord must not expand: % starts an expansion there."""
    return str(value).replace("%", "%%")


def _own(module: str, argument: Path) -> list[str]:
    return [sys.executable, "-I", "-m", module, str(argument)]


def _home(layout: Layout, instance: str) -> dict[str, str]:
    return {"HOME": str(layout.home(instance))}
