"""Starts a worker as supervisord would, in a process and directories of its own, and asks it things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Type, TypeVar

from brokerbus import instance as instances
from brokerbus.client import BlockingClient
from brokerbus.errors import BusError

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 10.0, what: str = "the condition") -> T:
    """What ``condition`` returns once it is true; raises AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {seconds} s")
        time.sleep(0.01)


class WorkerProcess:
    """One worker in a process of its own. Use it as a context manager; ``start`` may be called again.

    ``command`` is what supervisord would run, without the instance file: ``[python, "-I", "-m", module]``.
    """

    def __init__(
        self,
        command: Sequence[str],
        settings: Optional[Mapping[str, Any]] = None,
        *,
        broker: str = "paper",
        instance: str = "Test_Instance_01",
        environment: Optional[Mapping[str, str]] = None,
        subscribe: Sequence[str] = (),
    ) -> None:
        self.command, self.instance = list(command), instance
        # Not below a test framework's own folder: the path of a unix socket may have 107 bytes.
        self._place = tempfile.TemporaryDirectory(prefix="bb-")
        self.directory = Path(self._place.name)
        self.run_dir, self.state_dir = self.directory / "run", self.directory / "state"
        self.home = self.state_dir / "home" / instance
        self.file = self.run_dir / "instances" / f"{instance}.json"
        self.log = self.directory / "worker.log"
        self._environment = {**os.environ, **(environment or {})}
        self._write(broker, dict(settings or {}), list(subscribe))
        self.client = BlockingClient(self.run_dir, instance)
        self.process = self.start()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def start(self) -> subprocess.Popen[bytes]:
        """Starts a process, beside one that may still run."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, str(self.file)], env=self._environment, stdout=log, stderr=log
            )
        return self.process

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        """Ends the worker and removes its directories."""
        self.kill()
        self.client.close()
        self._place.cleanup()

    def call(self, method: str, params: Optional[Mapping[str, Any]] = None, timeout: float = 5.0) -> Any:
        """One request's result; raises its BusError."""
        return self.client.call(method, params, timeout=timeout)

    def code(self, method: str, params: Optional[Mapping[str, Any]] = None, timeout: float = 5.0) -> str:
        """The error code that a call ends with; ``ok`` without one."""
        try:
            self.call(method, params, timeout)
        except BusError as error:
            return error.code
        return "ok"

    def status(self) -> Dict[str, Any]:
        """The worker's status; empty when it does not answer within 2 s."""
        try:
            status: Dict[str, Any] = self.call("status", timeout=2.0)
        except BusError:
            return {}
        return status

    def ready(self, seconds: float = 20.0) -> WorkerProcess:
        """Waits until the broker's session is up."""
        try:
            until(lambda: self.status().get("state") == "ready", seconds, "a ready worker")
        except AssertionError as error:
            raise AssertionError(f"{error}; its log:\n{self.log.read_text('utf-8', 'replace')[-4000:]}") from None
        return self

    def _write(self, broker: str, settings: Dict[str, Any], subscribe: List[str]) -> None:
        self.file.parent.mkdir(parents=True, mode=0o700)
        self.state_dir.mkdir(mode=0o700)
        fields = {
            "version": 1,
            "instance": self.instance,
            "broker": broker,
            "run_dir": str(self.run_dir),
            "state_dir": str(self.state_dir),
            "settings": settings,
            "subscribe": subscribe,
        }
        self.file.write_text(json.dumps(fields), "utf-8")
        self.file.chmod(0o600)
        instances.load(self.file)


def this_python(module: str) -> List[str]:
    """The command that runs ``module`` with the interpreter of the tests."""
    return [sys.executable, "-I", "-m", module]
