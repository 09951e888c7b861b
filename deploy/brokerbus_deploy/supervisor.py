"""Speaks to the supervisord of one run directory over its Unix socket."""

from __future__ import annotations

import http.client
import os
import socket
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport, UnixStreamHTTPConnection

RPC_SECONDS = 5.0
"""An answer of supervisord that takes longer does not come: no call waits for a process."""

CHANGE_SECONDS = 15.0
"""Programs that were told to stop have ended by then: supervisord kills those that linger."""

POLL_SECONDS = 0.05
"""Pause between two looks at processes that should end or start."""

GONE = ("STOPPED", "EXITED", "FATAL")
"""States of a program that has no process."""


class SupervisorError(Exception):
    """supervisord is not there, or said no; the message is its own."""


@dataclass(frozen=True)
class ProcessInfo:
    """What supervisord knows of one program; ``pid`` is 0 without a process."""

    name: str
    state: str
    pid: int
    running_for: float


class _Connection(UnixStreamHTTPConnection):  # type: ignore[misc]
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(RPC_SECONDS)
        self.sock.connect(self.socketfile)


class _Transport(SupervisorTransport):  # type: ignore[misc]
    """supervisor's own transport with a time-out: a stopped supervisord must not stop us."""

    def __init__(self, path: Path) -> None:
        super().__init__(None, None, f"unix://{path}")

        def connect() -> _Connection:
            made = _Connection("localhost")
            made.socketfile = str(path)
            return made

        self._get_connection = connect


class Supervisor:
    """One supervisord; every method raises SupervisorError when it does not answer."""

    def __init__(self, path: Path) -> None:
        self._transport = _Transport(path)
        self._proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=self._transport)

    def pid(self) -> int | None:
        """The process id of supervisord; None when nothing answers."""
        try:
            return int(self._call("getPID"))
        except SupervisorError:
            return None

    def processes(self) -> dict[str, ProcessInfo]:
        """Every program by its name."""
        infos = cast("list[dict[str, Any]]", self._call("getAllProcessInfo"))
        return {
            info["name"]: ProcessInfo(
                info["name"],
                info["statename"],
                info["pid"],
                max(0.0, float(info["now"] - info["start"])) if info["pid"] else 0.0,
            )
            for info in infos
        }

    def reload(self) -> tuple[list[str], list[str], list[str]]:
        """Reads supervisord.conf again; the programs added, changed and removed in it."""
        ((added, changed, removed),) = cast("list[list[list[str]]]", self._call("reloadConfig"))
        return added, changed, removed

    def add(self, name: str) -> None:
        """Adds a program of the configuration, which starts it."""
        self._call("addProcessGroup", name)

    def remove(self, name: str) -> None:
        """Stops a program and forgets it."""
        self.stop([name])
        self._call("removeProcessGroup", name)

    def start(self, name: str) -> None:
        """Starts a stopped program."""
        self._call("startProcess", name, False)

    def stop(self, names: Iterable[str]) -> None:
        """Stops programs side by side, and returns when none has a process any more."""
        running = [name for name, info in self.processes().items() if name in set(names) and info.state not in GONE]
        for name in running:
            self._stop_one(name)
        self.wait(lambda infos: all(infos[name].state in GONE for name in running if name in infos))

    def _stop_one(self, name: str) -> None:
        try:
            self._call("stopProcess", name, False)
        except SupervisorError as error:
            if "NOT_RUNNING" not in str(error):
                raise

    def wait(self, reached: Callable[[dict[str, ProcessInfo]], bool], seconds: float = CHANGE_SECONDS) -> bool:
        """Looks at all programs until a condition holds; False when it did not in time."""
        until = time.monotonic() + seconds
        while not reached(self.processes()):
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def shut_down(self) -> None:
        """Ends supervisord, after it has stopped whatever still runs."""
        self._call("shutdown")

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as error:
            raise SupervisorError(error.faultString) from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise SupervisorError(f"supervisord does not answer: {error or type(error).__name__}") from None
        finally:
            self._transport.close()


def process_exists(pid: int) -> bool:
    """Whether a process is there and has not ended (a zombie has)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return not Path("/proc/self/stat").exists() and _signal_reaches(pid)
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def _signal_reaches(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
