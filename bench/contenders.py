"""Starts the two servers that are compared and stops them again."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Iterator

from bench.load import Failed

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "benchBenchBench0"
PAPER, ASYNC, SYNC = "benchPaperPaper0", "benchAsyncAsync0", "benchSyncSync000"
ORDERS = "brokerbus, journaled orders"
BUILD_TIMEOUT, START_TIMEOUT, STOP_TIMEOUT = 900.0, 30.0, 30.0

CONFIGURATION = """\
[front]
port = {port}

[instances.{instance}]
broker = "paper"
tokens = ["{token}"]

[instances.{instance}.settings]
seed = 7
cash = 1e12
"""


@dataclass(frozen=True)
class Contender:
    """One thing to measure: where it answers and which processes work for it; ``places``: orders instead of quotes."""

    name: str
    port: int
    instance: str
    pids: dict[str, int]
    versions: dict[str, str] = field(default_factory=dict)
    places: bool = False

    @property
    def url(self) -> str:
        if self.places:
            return f"http://127.0.0.1:{self.port}/httptrading/api/{self.instance}/order/place"
        query = "tradeType=Securities&region=US&symbol=AAPL"
        return f"http://127.0.0.1:{self.port}/httptrading/api/{self.instance}/market/quote?{query}"

    def placing(self) -> Contender:
        """The same processes, placing orders."""
        return replace(self, name=ORDERS, places=True, versions={})


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _command() -> str:
    beside = Path(sys.executable).with_name("brokerbus")
    found = str(beside) if beside.exists() else shutil.which("brokerbus")
    if not found:
        raise Failed("the brokerbus command is missing beside this Python; run `make` first")
    return found


def _brokerbus(configuration: Path, *arguments: str) -> str:
    command = [_command(), "-c", str(configuration), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout)[-2000:].strip()
        raise Failed(f"brokerbus {' '.join(arguments)} exited {done.returncode}: {said}")
    return done.stdout


def _package(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@contextlib.contextmanager
def brokerbus() -> Iterator[Contender]:
    """A paper instance under `brokerbus up --detach`, on a configuration of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        configuration, port = Path(directory) / "brokerbus.toml", _free_port()
        configuration.write_text(CONFIGURATION.format(port=port, instance=PAPER, token=TOKEN), encoding="utf-8")
        try:
            _brokerbus(configuration, "up", "--detach")
            yield _described(json.loads(_brokerbus(configuration, "status", "--json")), port)
        finally:
            _brokerbus(configuration, "down")


def _described(status: dict[str, Any], port: int) -> Contender:
    worker = next(row for row in status["instances"] if row["id"] == PAPER)
    versions = {
        "front": f"Python {platform.python_version()}, uvicorn {_package('uvicorn')}, uvloop {_package('uvloop')}",
        "worker": f"Python {worker['python']}, pyzmq {_package('pyzmq')}",
    }
    return Contender("brokerbus", port, PAPER, {"front": status["front"]["pid"], "worker": worker["pid"]}, versions)


def oracle_python() -> str:
    """The interpreter of httptrading's virtualenv, shared with the compatibility tests."""
    builder = ROOT / "tests" / "compatibility" / "oracle.py"
    done = subprocess.run(
        [sys.executable, str(builder)], capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False
    )
    if done.returncode:
        raise Failed(done.stderr.strip())
    return done.stdout.strip()


@contextlib.contextmanager
def httptrading(quote: dict[str, Any]) -> Iterator[list[Contender]]:
    """httptrading 1.0.8 with its stub brokers: (a) asynchronous, (b) through call_sync."""
    command = [oracle_python(), "-I", str(Path(__file__).resolve().with_name("reference.py"))]
    command += ["--async-instance", ASYNC, "--sync-instance", SYNC, "--token", TOKEN, "--quote", json.dumps(quote)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        told = _announcement(process)
        pids, versions = {"httptrading": process.pid}, {"httptrading": told["versions"]}
        yield [
            Contender("httptrading (a) async", told["port"], ASYNC, pids, versions),
            Contender("httptrading (b) call_sync", told["port"], SYNC, pids, versions),
        ]
    finally:
        process.terminate()
        process.wait(timeout=STOP_TIMEOUT)


def _announcement(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(START_TIMEOUT) else ""
    if not line:
        raise Failed("httptrading 1.0.8 did not start")
    told: dict[str, Any] = json.loads(line)
    return told
