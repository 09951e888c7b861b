"""Runs this worker as the host does: a process of its own against a simulated OpenD, asked over the bus."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import msgpack
import pytest
import zmq

from brokerbus import instance as instances
from brokerbus.client import BlockingClient

INSTANCE = "FutuTestInstance1"
US, HK, CN = 281756455988247102, 281756455988247101, 281756455988247103
DISABLED, UNIVERSAL = 281756455988247011, 281756455988248201
PASSWORD_MD5 = "e10adc3949ba59abbe56e057f20f883e"

needs_sdk = pytest.mark.skipif(importlib.util.find_spec("futu") is None, reason="the SDK is not installed here")


def eventually(check: Callable[[], Any], timeout: float = 10.0, pause: float = 0.02) -> Any:
    """The first true value of ``check``; fails with the last one when none comes in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < deadline, f"not so within {timeout} s; last value {value!r}"
        time.sleep(pause)


class Pushes:
    """Collects what the worker publishes, in a thread."""

    def __init__(self, address: str) -> None:
        self.all: List[Dict[str, Any]] = []
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVTIMEO, 100)
        self._socket.subscribe(b"")
        self._socket.connect(address)
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._ended:
            try:
                _, body = self._socket.recv_multipart()
            except zmq.Again:
                continue
            self.all.append(msgpack.unpackb(body))
        self._socket.close()

    def of(self, kind: str) -> List[Dict[str, Any]]:
        return [push["data"] for push in list(self.all) if push["kind"] == kind]

    def sessions(self) -> List[str]:
        """The sessions told, one entry per change."""
        told: List[str] = []
        for status in self.of("status"):
            if not told or told[-1] != status["session"]:
                told.append(status["session"])
        return told

    def close(self) -> None:
        self._ended = True
        self._thread.join(2)
        self._context.term()


class WorkerProcess:
    """A worker process; ``call`` asks it, ``pushes`` holds what it published."""

    def __init__(self, port: int, **settings: Any) -> None:
        # Not below the test framework's folder: the path of a unix socket may have 107 bytes.
        self._place = tempfile.TemporaryDirectory(prefix="bb-")
        folder = Path(self._place.name)
        self.run_dir, self.state_dir = folder / "run", folder / "state"
        for directory in (self.run_dir, self.state_dir):
            directory.mkdir(mode=0o700, exist_ok=True)
        self.log = folder / "worker.log"
        self._file = folder / "instance.json"
        self._file.write_text(
            json.dumps(
                {
                    "version": 1,
                    "instance": INSTANCE,
                    "broker": settings.pop("broker", "futu"),
                    "run_dir": str(self.run_dir),
                    "state_dir": str(self.state_dir),
                    "settings": {"host": "127.0.0.1", "port": port, "trade_env": "SIMULATE", **settings},
                }
            )
        )
        self.pushes = Pushes(instances.push_address(self.run_dir, INSTANCE))
        self._client: Optional[BlockingClient] = None
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-m", "brokerbus_futu", str(self._file)],
                stdout=log,
                stderr=log,
                env={name: value for name, value in os.environ.items() if name not in ("HOME", "PYTHONPATH")},
            )

    def call(self, method: str, timeout: float = 16.0, **params: Any) -> Any:
        if self._client is None:
            self._client = BlockingClient(self.run_dir, INSTANCE)
        return self._client.call(method, params, timeout=timeout)

    def client(self) -> BlockingClient:
        """Another client, for another thread."""
        return BlockingClient(self.run_dir, INSTANCE)

    @property
    def status(self) -> Dict[str, Any]:
        found: Dict[str, Any] = self.call("status")
        return found

    def wait_session(self, session: str, timeout: float = 10.0) -> Dict[str, Any]:
        """The status once the session is as named."""

        def as_named() -> Any:
            status = self.status
            return status["session"] == session and status

        return eventually(as_named, timeout)

    def place(self, contract: str = "US.AAPL", tag: Optional[str] = None, timeout: float = 16.0, **changes: Any) -> Any:
        params: Dict[str, Any] = {
            "contract": contract,
            "direction": "BUY",
            "orderType": "Limit",
            "qty": 1,
            "price": 1.0,
            "timeInForce": "DAY",
            "lifecycle": "RTH",
            "clientOrderId": tag,
            **changes,
        }
        return self.call("place_order", timeout, **{name: value for name, value in params.items() if value is not None})

    def stop(self) -> int:
        """Ends it as supervisord does and returns its exit code."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self.pushes.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self._place.cleanup()

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))
