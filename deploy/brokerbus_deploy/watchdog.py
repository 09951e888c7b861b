"""Kills a worker that has been silent for too long: supervisord itself pings nobody."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq

from brokerbus.errors import BadRequest
from brokerbus.instance import push_address
from brokerbus.process import die_with_parent
from brokerbus.wire import decode_push, topic
from brokerbus_deploy.layout import Layout
from brokerbus_deploy.supervisor import ProcessInfo, Supervisor, SupervisorError

SILENT_SECONDS = 10.0
"""No ``status`` for this long: killed."""

FIRST_SECONDS = 11.0
"""A new process has this long until its first status: it precedes every import, and only a crash pause delays it."""

LOOK_SECONDS = 1.0
"""How often the processes are looked at."""

STALL_SECONDS = 3.0
"""When this process itself was held up for longer, what it did not hear in the meantime is no evidence."""

log = logging.getLogger("brokerbus.watchdog")


@dataclass
class Watched:
    """One instance: its process, the epoch that it speaks with, and until when its next ``status`` has to be heard."""

    pid: int = 0
    due: float = 0.0
    epoch: int = 0
    stale: int = 0
    """The epoch of a process that is gone: what still comes from it says nothing about the new one."""
    fresh: bool = False
    """A new epoch was heard since the last look, so that a new process id is its."""


@dataclass
class Watch:
    """Decides from what is heard and seen; knows neither sockets nor signals."""

    watched: dict[str, Watched] = field(default_factory=dict)

    def heard(self, instance: str, epoch: int, now: float) -> bool:
        """A ``status`` came; tells whether it is the first of its process."""
        one = self.watched.setdefault(instance, Watched())
        if epoch == one.stale:
            return False
        first = epoch != one.epoch
        one.fresh = one.fresh or first
        one.epoch, one.due = epoch, now + SILENT_SECONDS
        return first

    def excuse(self, now: float) -> None:
        """Everyone gets a new term: we were the ones that did not listen."""
        for one in self.watched.values():
            one.due = max(one.due, now + SILENT_SECONDS)

    def silent(self, instances: set[str], processes: dict[str, ProcessInfo], now: float) -> list[tuple[str, int]]:
        """The running instances whose term is over, with their process ids."""
        for gone in self.watched.keys() - instances:
            del self.watched[gone]
        over = []
        for name in sorted(instances):
            info, one = processes.get(name), self.watched.setdefault(name, Watched())
            pid = info.pid if info is not None and info.state == "RUNNING" else 0
            if pid != one.pid and not one.fresh:
                one.stale, one.due = one.epoch, now + FIRST_SECONDS
            one.pid, one.fresh = pid, False
            if pid and now > one.due:
                over.append((name, pid))
        return over


class Watchdog:
    """Listens to every worker of one run directory."""

    def __init__(self, run_dir: Path) -> None:
        self._layout = Layout(run_dir, run_dir)
        self._supervisor = Supervisor(self._layout.supervisor_socket)
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 50)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        self._connected: set[str] = set()
        self._watch = Watch()

    def run(self) -> None:
        """Watches until this process is ended."""
        last = time.monotonic()
        while True:
            self._listen(last + LOOK_SECONDS)
            now = time.monotonic()
            if now - last > STALL_SECONDS:
                self._watch.excuse(now)
            last = now
            try:
                self._look(now)
            except SupervisorError as error:
                log.warning("%s", error)

    def _listen(self, until: float) -> None:
        while True:
            wait = max(0, int((until - time.monotonic()) * 1000))
            if not self._socket.poll(wait):
                return
            self._hear(self._socket.recv_multipart())
            if time.monotonic() > until:
                return

    def _hear(self, frames: list[bytes]) -> None:
        try:
            push = decode_push(frames[-1])
        except BadRequest as error:
            log.warning("a status that cannot be read: %s", error)
            return
        if self._watch.heard(push.instance, push.epoch, time.monotonic()):
            log.info("%s is heard", push.instance)

    def _look(self, now: float) -> None:
        instances = set(self._instances())
        self._connect(instances)
        processes = self._supervisor.processes()
        for name, pid in self._watch.silent(instances, processes, now):
            self._kill(name, pid)

    def _instances(self) -> Iterator[str]:
        """Read anew each time, so that ``up`` may add and remove instances."""
        return (path.stem for path in self._layout.instances.glob("[!.]*.json"))

    def _connect(self, instances: set[str]) -> None:
        for name in instances - self._connected:
            self._socket.connect(push_address(self._layout.run_dir, name))
            self._socket.subscribe(topic(name, "status"))
        for name in self._connected - instances:
            self._socket.disconnect(push_address(self._layout.run_dir, name))
            self._socket.unsubscribe(topic(name, "status"))
        self._connected = instances

    def _kill(self, name: str, pid: int) -> None:
        # Asked again: between the look and now it may have ended, and its number may be another's.
        info = self._supervisor.processes().get(name)
        if info is None or info.pid != pid:
            return
        log.error(
            "%s (pid %d) gave no status for %.0f s: killed; supervisord starts it again", name, pid, SILENT_SECONDS
        )
        try:
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def main() -> None:
    """Watches the run directory named on the command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    die_with_parent(Path(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Watchdog(Path(sys.argv[1])).run()


if __name__ == "__main__":
    main()
