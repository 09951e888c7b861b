"""Reads the instances of a configuration: ids, brokers, tokens, subscriptions, settings."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brokerbus_deploy import checks
from brokerbus_deploy.brokers import BUILT_IN, BuiltIn, Setting
from brokerbus_deploy.values import Reading, Table, describe, near

_ID = re.compile(r"[0-9A-Za-z_]{16,32}")
_BROKER = re.compile(r"[A-Za-z][0-9A-Za-z_-]{0,31}")
_MODULE = re.compile(r"[A-Za-z_][0-9A-Za-z_]*(\.[A-Za-z_][0-9A-Za-z_]*)*")


@dataclass(frozen=True)
class InstanceConfig:
    """One broker connection. ``install`` and ``module`` are empty for a built-in broker; settings are resolved."""

    id: str
    broker: str
    python: str
    sdk: str
    install: tuple[str, ...]
    module: str
    tokens: tuple[str, ...] = field(repr=False)
    subscribe: tuple[str, ...]
    settings: Mapping[str, Any] = field(repr=False)


def read_instances(table: Table) -> list[InstanceConfig]:
    """Every instance that is readable; what is wrong with the others is noted."""
    tokens: dict[str, str] = {}
    found = [_instance(table.table(key), key, tokens) for key in table.named()]
    if not found:
        table.reading.refuse("instances", "expected at least one table [instances.ID], found none")
    return found


def _instance(table: Table, instance_id: str, seen: dict[str, str]) -> InstanceConfig:
    if not _ID.fullmatch(instance_id):
        table.reading.refuse(table.key, "expected an id of 16 to 32 characters of 0-9 A-Z a-z _ ")
    broker, install, module = _broker(table)
    instance = InstanceConfig(
        id=instance_id,
        broker=broker,
        python=_python(table),
        sdk=_sdk(table, broker, module),
        install=install,
        module=module,
        tokens=tuple(checks.token(table.reading, key, text, seen) for key, text in table.texts("tokens")),
        subscribe=tuple(checks.subscription(table.reading, key, text) for key, text in table.texts("subscribe")),
        settings=_settings(table.table("settings"), None if module else BUILT_IN.get(broker)),
    )
    table.finish()
    return instance


def _broker(table: Table) -> tuple[str, tuple[str, ...], str]:
    broker = table.text("broker")
    install = tuple(checks.requirement(table.reading, key, text) for key, text in table.texts("install"))
    module = table.text("module")
    if module and not _MODULE.fullmatch(module):
        table.refuse("module", f"expected the name of a Python module such as my_broker, found {module!r:.60}")
    if not broker:
        if not table.has("broker"):
            table.refuse("broker", f"missing; expected one of {', '.join(BUILT_IN)}, or a name of your own")
    elif not _BROKER.fullmatch(broker):
        table.refuse("broker", "expected up to 32 characters of 0-9 A-Z a-z _ - that begin with a letter")
    else:
        _refuse_half_a_door(table, broker)
    return broker, install, module


def _refuse_half_a_door(table: Table, broker: str) -> None:
    """A broker comes with brokerbus, or with both ``install`` and ``module``."""
    missing = [key for key in ("install", "module") if not table.has(key)]
    if not missing:
        return
    if len(missing) == 1:
        table.refuse(missing[0], "missing: install and module go together")
    elif broker not in BUILT_IN:
        hint = near(broker, BUILT_IN)
        table.refuse(
            "broker", f"{broker} is no broker that brokerbus brings ({hint}); one of your own needs install + module"
        )
    elif not BUILT_IN[broker].project:
        table.refuse(
            "broker", f"{broker} is not in this version; give install + module of a worker of your own, or wait"
        )


def _python(table: Table) -> str:
    text = table.text("python")
    if not text or re.fullmatch(r"3(\.\d+){1,2}", text):
        return text
    if "/" in text or text.startswith("~"):
        return str(table.reading.path(text))
    table.refuse("python", f'expected a version such as "3.10" or the path of an interpreter, found {text!r:.60}')
    return ""


def _sdk(table: Table, broker: str, module: str) -> str:
    text = table.text("sdk")
    if not text:
        return ""
    built_in = BUILT_IN.get(broker)
    if module or not built_in:
        table.refuse("sdk", "replaces the SDK of a built-in worker; a broker of your own names its SDK under install")
    elif not built_in.sdks:
        table.refuse("sdk", f"{broker} has no SDK; leave the key out")
    else:
        return checks.sdk_pin(table, text, built_in.sdks)
    return ""


def _settings(table: Table, broker: BuiltIn | None) -> dict[str, Any]:
    if broker is None:
        return {key: _plain(table.reading, table.name(key), table.get(key, (object,), "")) for key in table.named()}
    found = {key: _setting(table, key, setting) for key, setting in broker.settings.items() if table.has(key)}
    for key in table.named():
        if key not in broker.settings:
            table.refuse(key, f"unknown setting of {broker.name}; {near(key, broker.settings)}")
    return {key: value for key, value in found.items() if value is not None}


def _setting(table: Table, key: str, setting: Setting) -> Any:
    value = table.get(key, setting.kinds, setting.expected)
    if value is None:
        return None
    other = setting.choices and value not in setting.choices
    if other or (setting.pattern and not re.fullmatch(setting.pattern, value)):
        table.refuse(key, f"expected {setting.expected}, found another text")
    if key == "port" and not 1 <= value <= 65535:
        table.refuse(key, "expected a port from 1 to 65535")
    if isinstance(value, list):
        return _plain(table.reading, table.name(key), value)
    if setting.path and value:
        path = table.reading.path(value)
        if not path.is_file():
            table.refuse(key, f"no such file: {path}")
        return str(path)
    return value


def _plain(reading: Reading, key: str, value: Any) -> Any:
    """A setting of a broker of the user's own: any JSON value, with ``env:`` and ``file:`` resolved at any depth."""
    if isinstance(value, dict):
        return {name: _plain(reading, f"{key}.{name}", item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(reading, f"{key}[{index}]", item) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        reading.refuse(key, "expected a finite number")
    if isinstance(value, (dt.date, dt.time)):
        reading.refuse(key, f"expected text, a number, true or false, a list or a table, found {describe(value)}")
    return reading.resolve(key, value)[0]
