"""Starts the simulator as a process of its own and stops it, with the standard library alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from .control import ControlClient

STOP_TIMEOUT = 5.0
"""Seconds between SIGTERM and SIGKILL."""


class SimulatorProcess:
    """``with SimulatorProcess(python=..., words=["--seed", "1"]) as sim: sim.port, sim.control.orders()``.

    ``python`` is the interpreter of a virtualenv that has the vendor's SDK. The process ends with this one.
    """

    def __init__(self, python: str = sys.executable, words: list[str] | None = None, port: int = 0) -> None:
        folder = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(item for item in (folder, os.environ.get("PYTHONPATH", "")) if item)
        command = [python, "-m", "brokerbus_futu.simulator", "--port", str(port), "--control", "0", "--quiet"]
        self._process = subprocess.Popen(
            [*command, "--die-with-parent", *(words or [])],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.ready: dict[str, Any] = self._first_line()
        self.host: str = self.ready["host"]
        self.port: int = self.ready["port"]
        self.pid = self._process.pid
        self.control = ControlClient(self.ready["control"])

    def _first_line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.stdout.close()
            raise RuntimeError(
                f"the simulator ended with {self._process.wait()} before it was ready; its stderr says why"
            )
        ready: dict[str, Any] = json.loads(line)
        return ready

    def stop(self) -> int:
        """End it and return its exit status."""
        self.control.close()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            status = self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        return status

    def __enter__(self) -> SimulatorProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
