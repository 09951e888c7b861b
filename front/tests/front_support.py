"""Starts and ends the processes that the front's tests talk to, and talks to them."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brokerbus.client import BlockingClient

ONE, TWO = "WyLqtMhDvAnBb6a3", "AbLqtMhDvAnBb6b4"
TOKEN, OTHER_TOKEN = "Vt5UCW2sLBvgPXjR", "Qw5UCW2sLBvgPXjS"
START_SECONDS = 20.0
RAW_WORKER = Path(__file__).resolve().with_name("raw_worker.py")


@dataclass
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Front:
    """A running front and its workers."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    tls: bool = False

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def log(self) -> str:
        return (self.home / "front.log").read_text()

    def path(self, route: str, instance: str = ONE) -> str:
        return f"/httptrading/api/{instance}/{route}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        token: str | None = TOKEN,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        sent = {**({"HT-TOKEN": token} if token is not None else {}), **(headers or {})}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, route: str, **more: Any) -> Any:
        """A route of httptrading's API of instance ONE: the JSON of a 200."""
        answer = self.ask("GET", self.path(route), **more)
        assert answer.status == 200, answer
        return answer.json

    def post(self, route: str, body: bytes, **more: Any) -> Any:
        answer = self.ask("POST", self.path(route), body, **more)
        assert answer.status == 200, answer
        return answer.json

    def v1(
        self, method: str, path: str, fields: Any = None, *, headers: Any = None, token: str | None = TOKEN
    ) -> Answer:
        """A path below instance ONE under /v1; ``fields`` go out as JSON, bytes as they are."""
        body = fields if fields is None or isinstance(fields, bytes) else json.dumps(fields).encode()
        sent = {"Authorization": f"Bearer {token}", **(headers or {})} if token else headers
        return self.ask(method, f"/v1/instances/{ONE}{path}", body, sent, None)

    def connect(self) -> socket.socket:
        """A bare connection."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=40)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return context.wrap_socket(made)
        return made

    def raw(self, data: bytes) -> bytes:
        """Everything that comes back for raw bytes until the front closes."""
        with self.connect() as connection:
            try:
                connection.sendall(data)
            except OSError:
                pass
            return read_all(connection)

    def seen(self, instance: str = ONE) -> list[dict[str, Any]]:
        """Every request that has reached the worker of an instance."""
        with BlockingClient(self.run_dir, instance) as client:
            found = client.call("seen", timeout=5)
        assert isinstance(found, list)
        return found

    def start_worker(self, instance: str, session: str = "up") -> None:
        log = (self.home / f"{instance}.log").open("ab")
        command = [sys.executable, "-I", str(RAW_WORKER), str(self.run_dir), instance, "--session", session]
        with log:
            self.workers[instance] = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(lambda: self.connected(instance), f"worker {instance} to be connected")

    def stop_worker(self, instance: str) -> None:
        process = self.workers.pop(instance)
        process.kill()
        process.wait(10)

    def connected(self, instance: str) -> bool:
        wanted = f'brokerbus_worker_connected{{broker="stub",instance="{instance}"}} 1.0'
        return wanted in self.ask("GET", "/metrics").body.decode()

    def connections(self) -> int:
        """Open connections, the asking one included."""
        found = re.search(r"^brokerbus_connections (\S+)$", self.ask("GET", "/metrics").body.decode(), re.MULTILINE)
        assert found is not None
        return int(float(found[1]))

    def rss(self) -> int:
        """Resident memory in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def read_all(connection: socket.socket) -> bytes:
    """What comes until the peer closes; fails after the socket's own time-out."""
    found = b""
    while True:
        try:
            data = connection.recv(65536)
        except ConnectionError:
            return found
        if not data:
            return found
        found += data


def wait_for(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Returns once ``condition`` holds; fails after ``seconds``."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def front_file(home: Path, instances: tuple[str, ...] = (ONE, TWO), **more: Any) -> Path:
    """A front file for stub instances; ONE is opened by TOKEN, the others by OTHER_TOKEN."""
    for name in ("run", "state"):
        (home / name).mkdir(mode=0o700, exist_ok=True)
    entries = [
        {
            "id": instance,
            "broker": "stub",
            "name": "stubName",
            "display": "桩 Stub",
            "tokens": [hashlib.sha256((TOKEN if instance == ONE else OTHER_TOKEN).encode()).hexdigest()],
        }
        for instance in instances
    ]
    content = {
        "version": 1,
        "host": "127.0.0.1",
        "port": 0,
        "tls_cert": None,
        "tls_key": None,
        "insecure": False,
        "keys_file": None,
        "run_dir": str(home / "run"),
        "state_dir": str(home / "state"),
        "futu_instance": None,
        "publish": [],
        "instances": entries,
        **more,
    }
    path = home / "front.json"
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path


@contextmanager
def running(home: Path, workers: tuple[str, ...] = (), tls: bool = False, **more: Any) -> Iterator[Front]:
    """A front with raw workers; nothing of it is left afterwards."""
    path = front_file(home, **more)
    with (home / "front.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-I", "-m", "brokerbus_front", str(path)], stdout=log, stderr=log)
    front = Front(home, 0, process, tls=tls)
    try:
        wait_for(lambda: '"serving"' in front.log or process.poll() is not None, "the front to serve")
        assert process.poll() is None, front.log
        front.port = json.loads(front.log.splitlines()[-1])["port"]
        for instance in workers:
            front.start_worker(instance)
        yield front
    finally:
        for instance in list(front.workers):
            front.stop_worker(instance)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
