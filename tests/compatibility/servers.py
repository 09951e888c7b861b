"""Starts the simulated OpenD, httptrading 1.0.8 and brokerbus, and stops them again."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .exchange import BASE, INSTANCE, TOKEN, TWINS, Call, ask

ROOT = Path(__file__).resolve().parents[2]
FUTU_WORKER = ROOT / "workers" / "futu"
ACCOUNT = "281756455988247102"
"""The simulator's active US account for simulated trading: the only one that 1.0.8 can see."""

START_TIMEOUT, BUILD_TIMEOUT, STOP_TIMEOUT = 60.0, 900.0, 30.0
SETTINGS = {"host": "127.0.0.1", "trade_env": "SIMULATE"}

CONFIGURATION = """\
[front]
port = {port}

[instances.{instance}]
broker = "futu"
tokens = ["{token}"]

[instances.{instance}.settings]
host = "127.0.0.1"
port = {gateway}
trade_env = "SIMULATE"
acc_id = {account}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def process(command: list[str], log: Path, **kwargs: Any) -> Iterator[subprocess.Popen[str]]:
    """A child with its stderr in a file; terminated, then killed."""
    with log.open("w") as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, **kwargs)
        try:
            yield child
        finally:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=STOP_TIMEOUT)
            child.kill()
            child.communicate()


class OpenD:
    """The simulator's control port: one JSON line out, one back."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), START_TIMEOUT)
        self._lines = self._socket.makefile("rb")

    def do(self, verb: str, **fields: Any) -> Any:
        """One command of the simulator; fails when it is refused."""
        self._socket.sendall(json.dumps({"do": verb, **fields}).encode() + b"\n")
        answer = json.loads(self._lines.readline())
        assert answer["ok"], answer
        return answer["result"]

    def placements(self) -> list[dict[str, Any]]:
        """The PlaceOrder requests that arrived, as the SDK sent them."""
        requests: list[dict[str, Any]] = self.do("evidence", proto=2202)["requests"]
        return [request["c2s"] for request in requests]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


@contextlib.contextmanager
def simulator(python: Path, home: Path) -> Iterator[dict[str, Any]]:
    """The OpenD simulator, in httptrading's virtualenv, where the vendor's message definitions are."""
    command = [str(python), "-m", "brokerbus_futu.simulator", "--port", "0", "--control", "0", "--seed", "1", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(FUTU_WORKER), "HOME": str(home)}
    with process([*command, "--set", "auto_fill=false"], home / "simulator.log", env=environment) as child:
        assert child.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            line = child.stdout.readline() if selector.select(START_TIMEOUT) else ""
        assert line, f"the simulator did not start: {(home / 'simulator.log').read_text()}"
        told: dict[str, Any] = json.loads(line)
        yield told


@contextlib.contextmanager
def httptrading(python: Path, gateway: int, home: Path) -> Iterator[int]:
    """httptrading 1.0.8 with its own Futu broker; the port it answers on."""
    port = free_port()
    told = {"port": port, "instances": TWINS, "token": TOKEN, "settings": {**SETTINGS, "port": gateway}}
    script = Path(__file__).resolve().with_name("serve_httptrading.py")
    command = [str(python), "-I", str(script), json.dumps(told)]
    with process(command, home / "httptrading.log", env={**os.environ, "HOME": str(home)}) as child:
        wait_until_it_answers(port, child, home / "httptrading.log")
        yield port


def wait_until_it_answers(port: int, child: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        assert child.poll() is None, f"httptrading ended: {log.read_text()[-2000:]}"
        with contextlib.suppress(ConnectionError):
            if ask(port, Call("GET", "/")).status == 404:
                return
        time.sleep(0.05)
    raise AssertionError(f"httptrading did not answer within {START_TIMEOUT:.0f} s: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def brokerbus(gateway: int, home: Path) -> Iterator[int]:
    """brokerbus with one futu instance, as a user starts it; the port it answers on."""
    port, configuration = free_port(), home / "brokerbus.toml"
    configuration.write_text(
        CONFIGURATION.format(port=port, instance=INSTANCE, token=TOKEN, gateway=gateway, account=ACCOUNT)
    )
    try:
        _command(configuration, "up", "--detach")
        wait_for_the_session(port)
        yield port
    finally:
        _command(configuration, "down")


def wait_for_the_session(port: int) -> None:
    """`up` returns when requests are served; the session at the broker may come a moment later."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if ask(port, Call("GET", f"{BASE}/ping/state")).values().get("pong"):
            return
        time.sleep(0.05)
    raise AssertionError(f"brokerbus had no session at the broker within {START_TIMEOUT:.0f} s")


def _command(configuration: Path, *arguments: str) -> None:
    beside = Path(sys.executable).with_name("brokerbus")
    found = str(beside) if beside.exists() else shutil.which("brokerbus")
    assert found, "the brokerbus command is not installed beside this Python"
    command = [found, "-c", str(configuration), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    assert done.returncode == 0, f"brokerbus {' '.join(arguments)}: {done.stdout}{done.stderr}"
