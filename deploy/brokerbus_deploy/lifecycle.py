"""Starts, changes and stops what a configuration describes."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from brokerbus.client import BlockingClient
from brokerbus.errors import BusError, Unavailable
from brokerbus.instance import request_address
from brokerbus_deploy import launch
from brokerbus_deploy.checks import reachable
from brokerbus_deploy.config import Config
from brokerbus_deploy.files import private_directory, read_json
from brokerbus_deploy.installers import Say
from brokerbus_deploy.layout import FRONT, SIMULATOR_PREFIX, WATCHDOG, Layout
from brokerbus_deploy.prepare import build_environments, check_host, write_files
from brokerbus_deploy.supervision import front_installed
from brokerbus_deploy.supervisor import POLL_SECONDS, Supervisor, SupervisorError, process_exists

READY_SECONDS = 120.0
"""Every worker serves requests by then, or ``up --detach`` says which does not."""

ANSWER_SECONDS = 1.0
"""A worker that serves requests answers ``status`` well within this."""

END_SECONDS = 15.0
"""supervisord has ended this long after it was told to, or is killed."""


class AlreadyChanging(Exception):
    """Another command changes the same deployment at this moment."""


@dataclass
class Started:
    """What ``up`` did: ``process`` is the supervisord it started (None: one ran), ``updated`` what it changed."""

    process: Popen[bytes] | None
    updated: Sequence[str]


def layout_of(config: Config) -> Layout:
    """The files of a configuration's deployment."""
    return Layout(config.bus.run_dir, config.bus.state_dir)


def up(config: Config, say: Say, with_parent: bool) -> Started:
    """Builds what is missing, writes the files, and starts supervisord or brings the running one up to date."""
    layout = layout_of(config)
    supervisor = Supervisor(layout.supervisor_socket)
    running = layout.supervisor_socket.exists() and supervisor.pid() is not None
    check_host(config, _front_address(layout) if running else None)
    for folder in (layout.run_dir, layout.logs, layout.state_dir):
        private_directory(folder)
    with _alone(layout):
        environments = build_environments(config, say)
        prepared = write_files(config, layout, environments)
        if running:
            return Started(None, _update(supervisor, prepared.renewed))
        return Started(launch.start(layout, config.variables, with_parent), [])


def _front_address(layout: Layout) -> tuple[str, int]:
    file = read_json(layout.front_file)
    return str(file.get("host")), int(file.get("port") or 0)


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    with open(layout.lock_file, "a", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyChanging(
                f"another brokerbus command is at work on {layout.run_dir}; wait for its end"
            ) from None
        yield


def _update(supervisor: Supervisor, renewed: set[str]) -> list[str]:
    """Restarts what changed and leaves everything else alone."""
    added, changed, removed = supervisor.reload()
    again = sorted((renewed & supervisor.processes().keys()) - set(added) - set(changed) - set(removed))
    for name in (*removed, *changed):
        supervisor.remove(name)
    for name in (*changed, *added):
        supervisor.add(name)
    supervisor.stop(again)
    for name in again:
        supervisor.start(name)
    marks = (("added", added), ("changed", [*changed, *again]), ("removed", removed))
    return [f"{name} {mark}" for mark, found in marks for name in found]


def ask(layout: Layout, instance: str, method: str, params: Mapping[str, Any], timeout: float | None) -> Any:
    """One request to a worker; raises BusError, ``unavailable`` at once where no worker has its socket open."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(request_address(layout.run_dir, instance).removeprefix("ipc://"))
    except OSError:
        raise Unavailable("no worker serves this instance now; see: brokerbus status", retry_after=1.0) from None
    with BlockingClient(layout.run_dir, instance) as client:
        return client.call(method, params, timeout=timeout)


def serves(layout: Layout, instance: str) -> bool:
    """Whether the worker of an instance answers requests now: its broker is made, its session may yet be down."""
    try:
        ask(layout, instance, "capabilities", {}, ANSWER_SECONDS)
    except BusError:
        return False
    return True


def listens(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((reachable(host), port), timeout=ANSWER_SECONDS):
            return True
    except OSError:
        return False


def wait_ready(config: Config, say: Say, alive: Callable[[], bool], only: str = "") -> list[str]:
    """Waits until every worker and the front (or ``only`` one) serve; the names of those that do not in time."""
    layout, until = layout_of(config), time.monotonic() + READY_SECONDS
    served = [instance.id for instance in config.instances] + ([FRONT] if front_installed() else [])
    waiting = [name for name in served if only in ("", name)]

    def ready(name: str) -> bool:
        return listens(config.front.host, config.front.port) if name == FRONT else serves(layout, name)

    with ThreadPoolExecutor(max_workers=8) as pool:
        while waiting and alive() and time.monotonic() < until:
            answers = list(pool.map(ready, waiting))
            for name in (name for name, answer in zip(waiting, answers, strict=True) if answer):
                say(f"{name} serves requests")
            waiting = [name for name, answer in zip(waiting, answers, strict=True) if not answer]
            time.sleep(POLL_SECONDS)
    return waiting


def restart(layout: Layout, name: str) -> None:
    """Stops one program, letting it finish what is in flight, and starts it again."""
    supervisor = Supervisor(layout.supervisor_socket)
    supervisor.stop([name])
    supervisor.start(name)


def down(layout: Layout) -> bool:
    """Stops everything, the front first; leaves no process behind. False when nothing ran."""
    supervisor = Supervisor(layout.supervisor_socket)
    pid = supervisor.pid() if layout.supervisor_socket.exists() else None
    children: list[int] = []
    if pid is None:
        pid = _hung_supervisor(layout)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)  # its children have the kernel kill them
    else:
        children = _stop(supervisor)
    _end(pid, children)
    layout.supervisor_socket.unlink(missing_ok=True)
    return True


def _stop(supervisor: Supervisor) -> list[int]:
    """The front takes no more requests, then all workers end side by side, then supervisord itself."""
    processes = supervisor.processes()
    children = [info.pid for info in processes.values() if info.pid]
    simulators = {name for name in processes if name.startswith(SIMULATOR_PREFIX)}
    try:
        for names in ({FRONT}, processes.keys() - {FRONT, WATCHDOG} - simulators, simulators):
            supervisor.stop(names)
        supervisor.shut_down()
    except SupervisorError:
        pass  # it is ending already, or is killed below
    return children


def _end(pid: int, children: Sequence[int]) -> None:
    until = time.monotonic() + END_SECONDS
    while process_exists(pid) or any(map(process_exists, children)):
        _reap(pid)
        if time.monotonic() > until:
            for one in (pid, *children):
                _kill(one)
            until += END_SECONDS
        time.sleep(POLL_SECONDS)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _reap(pid: int) -> None:
    """Takes note of the end of a supervisord that this very process started."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _hung_supervisor(layout: Layout) -> int | None:
    """The process id of a supervisord of this run directory that no longer answers."""
    try:
        pid = int(layout.supervisor_pid.read_text("ascii"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(layout.supervisor_config) in command else None
