"""One TOML file to frozen dataclasses; whatever is wrong in it is found before anything starts."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brokerbus_deploy import checks
from brokerbus_deploy.brokers import BUILT_IN, FUTU_FAMILY, BuiltIn, names
from brokerbus_deploy.instances import InstanceConfig, read_instances
from brokerbus_deploy.values import ConfigError, Reading, Table

__all__ = ["BusConfig", "Config", "ConfigError", "FrontConfig", "InstanceConfig", "load"]

MAX_CONFIG_BYTES = 1024 * 1024
"""A configuration above this is none."""


@dataclass(frozen=True)
class FrontConfig:
    """The HTTP front; ``futu_instance`` is the instance behind ``/api/*``, empty when there is none."""

    host: str
    port: int
    tls_cert: str
    tls_key: str
    insecure: bool
    keys_file: Path
    futu_instance: str

    @property
    def url(self) -> str:
        """Where a client on this host reaches it."""
        host = checks.reachable(self.host)
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls_cert else 'http'}://{shown}:{self.port}"


@dataclass(frozen=True)
class BusConfig:
    """Where the bus keeps its sockets and files, and where services subscribe."""

    run_dir: Path
    state_dir: Path
    publish: tuple[str, ...]


@dataclass(frozen=True)
class Config:
    """The whole configuration; ``variables`` are those that ``env:`` values came from."""

    path: Path
    front: FrontConfig
    bus: BusConfig
    instances: tuple[InstanceConfig, ...]
    variables: frozenset[str]
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    def instance(self, instance_id: str) -> InstanceConfig | None:
        """The instance of that id."""
        return next((instance for instance in self.instances if instance.id == instance_id), None)


def load(path: Path) -> Config:
    """Reads and checks a configuration; raises ConfigError with a line for every key that is wrong."""
    path = path.absolute()
    content = _parse(path)
    reading = Reading(path.parent)
    root = Table(reading, "", content)
    bus = _bus(root.table("bus"), path)
    instances = read_instances(root.table("instances"))
    front = _front(root.table("front"), instances)
    root.finish()
    for instance in instances:
        checks.socket_path(reading, bus.run_dir, f"{instance.id}.req")
    if reading.problems:
        raise ConfigError(dict.fromkeys(reading.problems))
    return Config(path, front, bus, tuple(instances), frozenset(reading.variables), frozenset(reading.secrets))


def _parse(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError([f"{path}: longer than {MAX_CONFIG_BYTES} bytes: this is no configuration"])
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            [f"{path}: no such file: name one with -c FILE or write one with: brokerbus init DIR"]
        ) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: expected UTF-8 text"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {_toml_error(str(error))}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: not valid TOML: nested too deep"]) from None


def _toml_error(text: str) -> str:
    if "overwrite" in text or "twice" in text or "Duplicate" in text:
        return f"the same key or table is named twice: {text}; keep one of the two"
    return f"not valid TOML: {text}"


def _bus(table: Table, config: Path) -> BusConfig:
    run_dir = table.reading.path(table.text("run_dir", "run"))
    state_dir = table.reading.path(table.text("state_dir", "state"))
    checks.directories(table, config, run_dir, state_dir)
    endpoints = [checks.endpoint(table.reading, key, text) for key, text in table.texts("publish")]
    publish = (
        tuple(endpoint for endpoint in endpoints if endpoint) if table.has("publish") else (f"ipc://{run_dir}/pushes",)
    )
    for endpoint in sorted({one for one in publish if publish.count(one) > 1}):
        table.refuse("publish", f"{endpoint} is named twice; keep one")
    table.finish()
    return BusConfig(run_dir, state_dir, publish)


def _front(table: Table, instances: list[InstanceConfig]) -> FrontConfig:
    host = table.text("host", "127.0.0.1")
    port = table.integer("port", 8080, 1, 65535)
    tls_cert, tls_key = _existing(table, "tls_cert"), _existing(table, "tls_key")
    insecure = table.flag("insecure")
    checks.front_address(table, host, tls_cert, tls_key, insecure)
    keys_file = table.reading.path(table.text("keys_file", "state/keys.json"))
    futu_instance = _futu_instance(table, instances)
    table.finish()
    return FrontConfig(host, port, tls_cert, tls_key, insecure, keys_file, futu_instance)


def _existing(table: Table, key: str) -> str:
    text = table.text(key)
    if not text:
        return ""
    path = table.reading.path(text)
    if not path.is_file():
        table.refuse(key, f"expected a file, found none at {path}")
    return str(path)


def _futu_instance(table: Table, instances: list[InstanceConfig]) -> str:
    family = [instance.id for instance in instances if instance.broker in FUTU_FAMILY]
    chosen = table.text("futu_instance")
    if not chosen:
        return family[0] if len(family) == 1 else ""
    if chosen not in family:
        known = f"those here: {', '.join(family)}" if family else "there is none here"
        table.refuse("futu_instance", f"expected the id of a futu or moomoo instance, found {chosen!r}; {known}")
    return chosen


def built_in(instance: InstanceConfig) -> BuiltIn | None:
    """The bundled broker that runs this instance; None when it brings its own worker."""
    return None if instance.module else BUILT_IN.get(instance.broker)


def module_of(instance: InstanceConfig) -> str:
    """The module that is run for an instance."""
    broker = built_in(instance)
    return broker.module if broker else instance.module


def names_of(instance: InstanceConfig) -> tuple[str, str]:
    """httptrading's name of the instance's broker, and its name for people."""
    return names(instance.broker)
