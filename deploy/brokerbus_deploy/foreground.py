"""``up`` as a person sees it: progress, what to try next, and an orderly end at Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from brokerbus_deploy import lifecycle
from brokerbus_deploy.config import Config, load
from brokerbus_deploy.installers import Say
from brokerbus_deploy.lifecycle import Started, layout_of
from brokerbus_deploy.prepare import free_port, port_taken
from brokerbus_deploy.scaffold import CONFIG_NAME, write_config

DEMO_PORT = 8080
"""The demo's port, unless something has it."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end ``up`` in the foreground."""


def up(config: Config, say: Say, detach: bool, hint: Callable[[Config], str] | None = None) -> int:
    """Starts or updates; in the foreground stays until a signal or supervisord's end. The exit code."""
    for name in config.variables:
        os.environ.pop(name, None)  # nothing that we start inherits a secret
    if detach:
        return _detached(config, lifecycle.up(config, say, with_parent=False), say)
    end = threading.Event()
    before = {number: signal.signal(number, _setter(end)) for number in ENDING}
    try:
        return _attached(config, say, end, hint)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _setter(end: threading.Event) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: end.set()


def _detached(config: Config, started: Started, say: Say) -> int:
    _tell_updates(started, say)
    process = started.process
    late = lifecycle.wait_ready(config, say, lambda: process is None or process.poll() is None)
    return _tell_late(late, say)


def _attached(config: Config, say: Say, end: threading.Event, hint: Callable[[Config], str] | None) -> int:
    started = lifecycle.up(config, say, with_parent=True)
    _tell_updates(started, say)
    process = started.process
    if process is None:
        return _tell_late(lifecycle.wait_ready(config, say, lambda: not end.is_set()), say)
    try:
        late = lifecycle.wait_ready(config, say, lambda: process.poll() is None and not end.is_set())
        if not end.is_set():
            _tell_late(late, say)
            say(hint(config) if hint else f"serving at {config.front.url}; Ctrl-C stops everything")
        while process.poll() is None and not end.wait(0.2):
            pass
        if process.poll() is not None:
            say(f"supervisord ended with {process.returncode}; see {layout_of(config).log('supervisord')}")
            return int(process.returncode != 0)
        say("stopping")
    finally:
        lifecycle.down(layout_of(config))
    return 0


def _tell_updates(started: Started, say: Say) -> None:
    if started.process is None:
        say("already running; " + ("; ".join(started.updated) or "nothing changed"))


def _tell_late(late: list[str], say: Say) -> int:
    for name in late:
        say(f"{name} does not serve requests; see: brokerbus logs {name}")
    return 1 if late else 0


def demo(folder: Path, say: Say) -> int:
    """The demo: its configuration is written once, and run until Ctrl-C."""
    path = folder / CONFIG_NAME
    if not path.exists():
        write_config(folder, demo=True, port=free_port() if port_taken("127.0.0.1", DEMO_PORT) else DEMO_PORT)
    return up(load(path), say, detach=False, hint=_demo_hint)


def _demo_hint(config: Config) -> str:
    """What to try now: URLs, tokens and requests that work as printed."""
    lines = ["", f"brokerbus serves at {config.front.url} (API description: {config.front.url}/docs)", ""]
    for instance in config.instances:
        lines += [f"{instance.broker:8} instance {instance.id}   token {instance.tokens[0]}"]
    for instance in config.instances:
        url = (
            f"{config.front.url}/httptrading/api/{instance.id}/market/quote?tradeType=Securities&region=US&symbol=AAPL"
        )
        lines += ["", f"a quote of {instance.broker}:", f"  curl -s -H 'HT-TOKEN: {instance.tokens[0]}' '{url}'"]
    shown = os.path.relpath(config.path)
    lines += ["", f"what runs:  .venv/bin/brokerbus -c {shown} status", "Ctrl-C stops everything"]
    return "\n".join(lines)
