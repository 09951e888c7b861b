"""Configurations in temporary folders, and the real command run on them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TINY = Path(__file__).parent / "tiny"
"""A broker of a user's own."""

CANARY = "canary-of-the-settings"
"""A secret of the configuration; nothing but the worker's own file may hold it."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Deployment:
    """One configuration with the real command."""

    canary = CANARY

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.path = folder, folder / "brokerbus.toml"
        self.run_dir, self.state_dir = folder / "run", folder / "state"
        self.port = free_port()
        self.environment = {**os.environ, "BROKERBUS_CACHE": str(cache), "TINY_SECRET": CANARY}

    def instance(self, instance_id: str, python: str = "", settings: str = "") -> str:
        chosen = f'python = "{python}"\n' if python else ""
        return (
            f'[instances.{instance_id}]\nbroker = "tiny"\ninstall = ["{TINY}"]\nmodule = "tiny_broker"\n{chosen}'
            f'[instances.{instance_id}.settings]\nsecret = "env:TINY_SECRET"\n{settings}'
        )

    def write(self, *instances: str) -> None:
        self.path.write_text(f"[front]\nport = {self.port}\n" + "\n".join(instances), "utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-I", "-m", "brokerbus_deploy", "-c", str(self.path), *arguments]

    def run(self, *arguments: str, seconds: float = 180.0, umask: int = 0o000) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=seconds,
            env=self.environment,
            umask=umask,
            check=False,
        )

    def call(self, instance: str, *arguments: str) -> Any:
        done = self.run("call", instance, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def status(self) -> dict[str, Any]:
        done = self.run("status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def row(self, instance: str) -> dict[str, Any]:
        found: dict[str, Any] = next(row for row in self.status()["instances"] if row["id"] == instance)
        return found

    @staticmethod
    def until(reached: Callable[[], bool], seconds: float, what: str) -> float:
        """Waits until a condition holds, and tells how long that took; fails when it does not in time."""
        start = time.monotonic()
        while not reached():
            assert time.monotonic() - start < seconds, f"not within {seconds} s: {what}"
            time.sleep(0.05)
        return time.monotonic() - start

    def processes(self) -> list[int]:
        """Everything whose command line names this run directory."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if os.fsencode(f"{self.run_dir}") in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of virtualenvs for the whole session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def deployment(cache: Path) -> Iterator[Deployment]:
    """A folder with a short path (Unix sockets) whose processes are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bb-"))
    made = Deployment(folder, cache)
    try:
        yield made
        made.run("down")
        assert not made.processes(), "down left processes behind"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
