"""Starts whole deployments as a user does, asks them over HTTP, and stops them."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest

from brokerbus_deploy import environments, interpreters
from brokerbus_deploy.config import load

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
BROKERBUS = [sys.executable, "-I", "-m", "brokerbus_deploy"]


def until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """What ``condition`` returns once it is true; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)
    return value


def token_of(instance: str) -> str:
    """The HT-TOKEN of an instance of the tests."""
    return f"token-of-{instance}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def interpreter(*versions: str) -> str:
    """The first of these Pythons that this machine has; skips the test when it has none."""
    for version in versions:
        with contextlib.suppress(interpreters.InterpreterMissing):
            interpreters.find(version)
            return version
    pytest.skip(f"this machine has no Python {' or '.join(versions)}")


@functools.cache
def worker_python(broker: str, version: str) -> Path:
    """The interpreter of a built-in worker's virtualenv, built when absent."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "brokerbus.toml"
        path.write_text(f'[instances.ForAVirtualenv00]\nbroker = "{broker}"\npython = "{version}"\n')
        config = load(path)
        return environments.build(environments.recipe(config, config.instances[0]), print).python


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Deployment:
    """One configuration file, run by the real command."""

    def __init__(self, folder: Path, instances: str, front: str = "") -> None:
        self.folder, self.port = folder, free_port()
        self.run_dir, self.state_dir = folder / "run", folder / "state"
        self.path = folder / "brokerbus.toml"
        self.path.write_text(f"[front]\nport = {self.port}\n{front}\n{instances}", "utf-8")

    def command(self, *arguments: str, seconds: float = 600.0) -> subprocess.CompletedProcess[str]:
        """Runs ``brokerbus -c FILE`` with arguments, under a umask that hides nothing."""
        return subprocess.run(
            [*BROKERBUS, "-c", str(self.path), *arguments],
            capture_output=True,
            text=True,
            timeout=seconds,
            umask=0,
            check=False,
        )

    def up(self) -> Deployment:
        done = self.command("up", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    def status(self) -> dict[str, Any]:
        done = self.command("status", "--json")
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def row(self, instance: str) -> dict[str, Any]:
        """What ``status`` says of one instance."""
        found: dict[str, Any] = next(row for row in self.status()["instances"] if row["id"] == instance)
        return found

    def ask(self, instance: str, path: str, body: Any = None, token: str | None = None, **query: str) -> Answer:
        """One request to httptrading's API; POST with a body."""
        target = f"/httptrading/api/{instance}/{path}" + (f"?{urlencode(query)}" if query else "")
        return self.http(
            "GET" if body is None else "POST",
            target,
            body,
            {"HT-TOKEN": token_of(instance) if token is None else token},
        )

    def http(self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, target, content, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def quote(self, instance: str, symbol: str = "AAPL", region: str = "US") -> Any:
        """The quote of a symbol, or the text of ``ex``."""
        query = {"tradeType": "Securities", "region": region, "symbol": symbol}
        answer = self.ask(instance, "market/quote", **query).json
        return answer["quote"] if answer["ex"] is None else answer["ex"]

    def processes(self) -> list[int]:
        """Every process whose command line names this deployment."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if os.fsencode(str(self.run_dir)) in path.read_bytes():
                    found.append(int(path.parent.name))
        return found


def instance_table(instance: str, broker: str, python: str, settings: dict[str, Any] | None = None) -> str:
    """The TOML of one instance."""
    lines = [
        f"[instances.{instance}]",
        f'broker = "{broker}"',
        f'python = "{python}"',
        f'tokens = ["{token_of(instance)}"]',
    ]
    lines += [f"[instances.{instance}.settings]"] if settings else []
    lines += [f"{name} = {json.dumps(value)}" for name, value in (settings or {}).items()]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def deployment(instances: str, front: str = "") -> Iterator[Deployment]:
    """A deployment in a folder of its own; afterwards nothing of it is left running."""
    folder = Path(tempfile.mkdtemp(prefix="bb-"))  # short: the path of a unix socket may have 107 bytes
    made = Deployment(folder, instances, front)
    try:
        yield made
    finally:
        made.command("down")
        left = made.processes()
        shutil.rmtree(folder, ignore_errors=True)
        assert not left, f"down left {left} behind"
