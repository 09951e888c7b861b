"""From a configuration to everything that supervisord needs: checks of this host, virtualenvs, private files."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brokerbus_deploy.brokers import SIMULATOR_HOST
from brokerbus_deploy.config import Config, ConfigError, InstanceConfig, built_in, module_of, names_of
from brokerbus_deploy.environments import Environment, Recipe, build, environment, recipe
from brokerbus_deploy.files import private_directory, read_json, write_json, write_private
from brokerbus_deploy.installers import BuildFailed, Say
from brokerbus_deploy.interpreters import InterpreterMissing, find
from brokerbus_deploy.layout import FRONT, Layout
from brokerbus_deploy.supervision import programs, render
from brokerbus_deploy.values import fits, near

CHECK_SECONDS = 60.0
"""A check of settings that takes longer has failed: it imports the broker and starts nothing."""

_KINDS = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


@dataclass
class Prepared:
    """What was written: the programs whose private file is new, and whether supervisord.conf is."""

    environments: Mapping[str, Environment]
    renewed: set[str] = field(default_factory=set)


def check_host(config: Config, running_front: tuple[str, int] | None) -> None:
    """Refuses what this host lacks: an interpreter, a free port; raises ConfigError, and nothing was written."""
    problems = []
    for instance in config.instances:
        try:
            find(instance.python)
        except InterpreterMissing as error:
            problems.append(f"instances.{instance.id}.python: {error}")
    front = config.front
    if running_front != (front.host, front.port):
        reason = port_taken(front.host, front.port)
        if reason:
            problems.append(
                f"front.port: cannot serve {front.host}:{front.port}: {reason}; choose another or end what has it"
            )
    if problems:
        raise ConfigError(problems)


def port_taken(host: str, port: int) -> str:
    """Why an address cannot be served; empty when it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def build_environments(config: Config, say: Say) -> dict[str, Environment]:
    """The virtualenv of every instance, built where missing; ConfigError for settings that its module refuses."""
    recipes = {instance.id: _recipe(config, instance) for instance in config.instances}
    built = {made_of.key: build(made_of, say) for made_of in recipes.values() if not environment(made_of).complete}
    found = {name: built.get(made_of.key) or environment(made_of) for name, made_of in recipes.items()}
    problems = [line for one in config.instances if one.module for line in _misfits(one, found[one.id].description)]
    problems = problems or [line for one in config.instances for line in _refusals(one, found[one.id])]
    if problems:
        raise ConfigError(problems)
    return found


def _recipe(config: Config, instance: InstanceConfig) -> Recipe:
    try:
        return recipe(config, instance)
    except BuildFailed as error:
        raise BuildFailed(f"instances.{instance.id}{'.sdk' if instance.sdk else ''}: {error}") from None


def _misfits(instance: InstanceConfig, description: Mapping[str, Any]) -> list[str]:
    """What the settings of a broker of the user's own lack, by what its module says it understands."""
    known = description.get("settings")
    if not isinstance(known, dict):
        return []
    key = f"instances.{instance.id}.settings"
    unknown = [name for name in instance.settings if name not in known]
    lines = [f"{key}.{name}: unknown setting of {instance.broker}; {near(name, known)}" for name in unknown]
    for name, setting in known.items():
        kind = _KINDS.get(str(setting.get("type")), object)
        if setting.get("required") and name not in instance.settings:
            lines.append(f"{key}.{name}: missing; {instance.module} needs it ({setting.get('type')})")
        elif name in instance.settings and not fits(instance.settings[name], kind):
            lines.append(
                f"{key}.{name}: expected {setting.get('type')}, found {type(instance.settings[name]).__name__}"
            )
    return lines


def _refusals(instance: InstanceConfig, env: Environment) -> list[str]:
    """What the broker itself says of its settings; nothing is started for it."""
    command = [str(env.python), "-I", "-m", env.module, "--check", "--broker", instance.broker]
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            command,
            input=json.dumps(dict(instance.settings)),
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS,
            env={**os.environ, "HOME": home},
            check=False,
        )
    if done.returncode == 0:
        return []
    words = done.stderr.strip().splitlines()
    return [f"instances.{instance.id}.{words[-1] if words else 'settings: refused'}"]


def write_files(config: Config, layout: Layout, environments: Mapping[str, Environment]) -> Prepared:
    """Writes instance files, the front's file and supervisord.conf; removes the files of instances that are gone."""
    for folder in (layout.run_dir, layout.logs, layout.instances, layout.state_dir, layout.state_dir / "home"):
        private_directory(folder)
    ports = _simulator_ports(config, layout)
    prepared = Prepared(environments)
    for instance in config.instances:
        private_directory(layout.home(instance.id))
        if write_json(
            layout.instance_file(instance.id), _instance_file(config, instance, layout, ports.get(instance.id))
        ):
            prepared.renewed.add(instance.id)
    for path in layout.instances.glob("*.json"):
        if config.instance(path.stem) is None:
            path.unlink()
    if write_json(layout.front_file, _front_file(config, layout)):
        prepared.renewed.add(FRONT)
    write_json(layout.environments_file, {name: str(env.folder) for name, env in environments.items()})
    pythons = {name: env.python for name, env in environments.items()}
    simulators = {name: _simulator(config, name, pythons[name], port) for name, port in ports.items()}
    write_private(layout.supervisor_config, render(layout, programs(config, layout, pythons, simulators)))
    return prepared


def _texts(value: Any) -> set[str]:
    """Every text in a setting, at any depth."""
    if isinstance(value, str):
        return {value}
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return {text for item in items for text in _texts(item)}


def _instance_file(
    config: Config, instance: InstanceConfig, layout: Layout, simulator_port: int | None
) -> dict[str, Any]:
    name, display = names_of(instance)
    settings = dict(instance.settings)
    if simulator_port is not None:
        settings.update(host="127.0.0.1", port=simulator_port)
    return {
        "version": 1,
        "instance": instance.id,
        "broker": instance.broker,
        "module": module_of(instance),
        "display": display,
        "httptrading_name": name,
        "run_dir": str(layout.run_dir),
        "state_dir": str(layout.state_dir),
        "home": str(layout.home(instance.id)),
        "settings": settings,
        "secrets": sorted(_texts(settings) & config.secrets),
        "subscribe": list(instance.subscribe),
    }


def _front_file(config: Config, layout: Layout) -> dict[str, Any]:
    front = config.front
    return {
        "version": 1,
        "host": front.host,
        "port": front.port,
        "tls_cert": front.tls_cert or None,
        "tls_key": front.tls_key or None,
        "insecure": front.insecure,
        "keys_file": str(front.keys_file),
        "run_dir": str(layout.run_dir),
        "state_dir": str(layout.state_dir),
        "futu_instance": front.futu_instance or None,
        "publish": list(config.bus.publish),
        "instances": [_front_instance(instance) for instance in config.instances],
    }


def _front_instance(instance: InstanceConfig) -> dict[str, Any]:
    name, display = names_of(instance)
    tokens = [hashlib.sha256(token.encode()).hexdigest() for token in instance.tokens]
    return {"id": instance.id, "broker": instance.broker, "name": name, "display": display, "tokens": tokens}


def _simulator_ports(config: Config, layout: Layout) -> dict[str, int]:
    """The port of each bundled simulator: the one it had, else a free one."""
    kept = read_json(layout.simulators_file)
    wanted = [one.id for one in config.instances if _wants_simulator(one)]
    ports = {name: int(kept.get(name) or free_port()) for name in wanted}
    if ports or kept:
        write_json(layout.simulators_file, ports)
    return ports


def _wants_simulator(instance: InstanceConfig) -> bool:
    broker = built_in(instance)
    return bool(broker and broker.simulator and instance.settings.get("host") == SIMULATOR_HOST)


def _simulator(config: Config, name: str, python: Path, port: int) -> Sequence[str]:
    instance = config.instance(name)
    broker = built_in(instance) if instance else None
    assert broker
    return [str(python), "-I", "-m", broker.simulator, "--port", str(port), "--die-with-parent"]


def free_port() -> int:
    """A port of loopback that nothing has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
