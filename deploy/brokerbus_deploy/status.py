"""Gathers what runs: supervisord's word, each worker's own, and the front's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.table import Table

from brokerbus.errors import BusError
from brokerbus.model import SESSIONS
from brokerbus_deploy.config import Config, InstanceConfig
from brokerbus_deploy.environments import Environment
from brokerbus_deploy.files import read_json
from brokerbus_deploy.layout import FRONT, WATCHDOG, Layout
from brokerbus_deploy.lifecycle import ANSWER_SECONDS, ask, layout_of, listens
from brokerbus_deploy.restarts import count_restarts
from brokerbus_deploy.supervisor import ProcessInfo, Supervisor, SupervisorError

STATES = ("starting", "ready", "degraded", "stopped", "failed")

STARTING_SECONDS = 30.0
"""A process this young that does not answer yet is starting; an older one is degraded."""

_COLUMNS = ("INSTANCE", "BROKER", "SDK", "PYTHON", "PID", "STATE", "SESSION", "LAST PUSH", "RESTARTS", "TRADING")

_GONE = {"STOPPED": "stopped", "STOPPING": "stopped", "EXITED": "failed", "BACKOFF": "failed", "FATAL": "failed"}


def gather(config: Config) -> dict[str, Any]:
    """``status --json``."""
    layout = layout_of(config)
    processes, restarts = _processes(layout), count_restarts(layout)
    with ThreadPoolExecutor(max_workers=16) as pool:
        rows = pool.map(
            lambda one: _instance(config, one, processes.get(one.id), restarts.get(one.id, 0)), config.instances
        )
        return {
            "front": _front(config, processes.get(FRONT), restarts),
            "hub": {"state": "absent"},
            "instances": list(rows),
        }


def _processes(layout: Layout) -> dict[str, ProcessInfo]:
    try:
        return Supervisor(layout.supervisor_socket).processes() if layout.supervisor_socket.exists() else {}
    except SupervisorError:
        return {}


def process_state(info: ProcessInfo | None, answers: bool) -> str:
    """The state of a process that does not tell its own."""
    if info is None:
        return "stopped"
    if info.state in _GONE:
        return _GONE[info.state]
    if answers:
        return "ready"
    return "starting" if info.running_for < STARTING_SECONDS else "degraded"


def _front(config: Config, info: ProcessInfo | None, restarts: dict[str, int]) -> dict[str, Any]:
    answers = bool(info and info.pid and listens(config.front.host, config.front.port))
    return {
        "state": process_state(info, answers),
        "pid": (info.pid or None) if info else None,
        "restarts": restarts.get(FRONT, 0),
        "url": config.front.url,
    }


def _instance(config: Config, instance: InstanceConfig, info: ProcessInfo | None, restarts: int) -> dict[str, Any]:
    said = _said(config, instance.id) if info and info.pid else {}
    built = _description(config, instance)
    state, session = said.get("state"), said.get("session")
    return {
        "id": instance.id,
        "broker": instance.broker,
        "state": state if state in STATES else process_state(info, answers=False),
        "session": session if session in SESSIONS else "unknown",
        "pid": (info.pid or None) if info else None,
        "python": built.get("python"),
        "sdk": built.get("sdk"),
        "restarts": restarts,
        "lastPushAge": said.get("lastPushAge"),
        "halted": said.get("halted"),
        "unknownOrders": said.get("unknown"),
    }


def _said(config: Config, instance: str) -> dict[str, Any]:
    try:
        answer = ask(layout_of(config), instance, "status", {}, ANSWER_SECONDS)
    except BusError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _description(config: Config, instance: InstanceConfig) -> dict[str, Any]:
    """What is installed in the virtualenv that was started, whether or not it still runs."""
    folder = read_json(layout_of(config).environments_file).get(instance.id)
    return Environment(Path(folder), "").description if isinstance(folder, str) else {}


def table(status: dict[str, Any], config: Config) -> Table:
    """A row per process."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        shown.add_column(column, no_wrap=True)
    for row in status["instances"]:
        age = row["lastPushAge"]
        cells = [row["id"], row["broker"], row["sdk"], row["python"], row["pid"], row["state"], row["session"]]
        shown.add_row(*map(_cell, [*cells, None if age is None else f"{age:.1f} s", row["restarts"], _trading(row)]))
    front = status["front"]
    cells = [FRONT, front["url"], "-", "-", _cell(front["pid"]), front["state"], "-", "-", str(front["restarts"]), "-"]
    shown.add_row(*cells)
    guard = _processes(layout_of(config)).get(WATCHDOG)
    state = process_state(guard, answers=bool(guard and guard.pid))
    shown.add_row(WATCHDOG, "-", "-", "-", _cell(guard.pid if guard else None), state, "-", "-", "-", "-")
    return shown


def _trading(row: dict[str, Any]) -> str | None:
    """What an operator has to know of the orders: a halt, and outcomes that nobody knows."""
    said = [] if row["halted"] is None else [f"halted: {row['halted']}"]
    said += [f"{row['unknownOrders']} unknown"] if row["unknownOrders"] else []
    return ", ".join(said) or None


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)
