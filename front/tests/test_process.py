"""The front as a process: its file, its log, its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from front_support import ONE, OTHER_TOKEN, TOKEN, TWO, Front, front_file, running, wait_for
from test_httptrading import ORDER

START = [sys.executable, "-I", "-m", "brokerbus_front"]
QUOTE = "market/quote?tradeType=Securities&region=US&symbol="


def refused(path: Path) -> str:
    """What a start with this file says; it must exit 2."""
    done = subprocess.run([*START, str(path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_file_that_others_can_read(home: Path) -> None:
    """The front file says who may trade: it is refused unless its mode is 0600."""
    path = front_file(home)
    path.chmod(0o644)
    assert "expected mode 0600, found 0644" in refused(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 2}, "version"),
        ({"port": "8080"}, "$.port"),
        ({"instances": [{"id": ONE}]}, "$.instances[0]"),
        ({"tls_cert": "/c.pem"}, "tls_key"),
    ],
)
def test_a_file_that_does_not_fit(home: Path, change: dict, told: str) -> None:
    """A front file of another version or shape is refused by name."""
    assert told in refused(front_file(home, **change))


def test_tokens_must_be_digests(home: Path) -> None:
    """A plain token in the front file is refused, and not repeated."""
    path = front_file(home)
    path.write_text(path.read_text().replace(json.loads(path.read_text())["instances"][0]["tokens"][0], TOKEN))
    told = refused(path)
    assert "no SHA-256" in told
    assert TOKEN not in told


def test_a_port_that_is_taken(home: Path) -> None:
    """Exit 1 and one line when another process has the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = front_file(home, port=taken.getsockname()[1])
        done = subprocess.run([*START, str(path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert json.loads(done.stderr)["event"] == "cannot listen"


def end(front: Front) -> float:
    """Sends SIGTERM; how long the front took to exit 0."""
    started = time.monotonic()
    front.process.send_signal(signal.SIGTERM)
    assert front.process.wait(10) == 0, front.log
    return time.monotonic() - started


def test_sigterm_while_idle(home: Path) -> None:
    """With idle and half-open connections the front still ends at once, with exit code 0."""
    with running(home) as front:
        with front.connect() as idle, front.connect() as half:
            idle.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(65536)
            half.sendall(b"GET /livez HT")
            assert end(front) < 2
        assert "Traceback" not in front.log


def test_sigterm_lets_calls_end(home: Path) -> None:
    """A call in flight at SIGTERM is answered before the front ends."""
    with running(home, (ONE,)) as front:
        answers: list[dict] = []
        asking = threading.Thread(target=lambda: answers.append(front.get(QUOTE + "LATE")))
        asking.start()
        while not any(request["method"] == "quote" for request in front.seen()):
            time.sleep(0.01)
        assert end(front) < 3
        asking.join(10)
        assert answers[0]["quote"]["latest"] == 1.0


def test_sigterm_answers_what_does_not_end(home: Path) -> None:
    """Calls that do not end are answered with what is known of them, within 5 s.

    An order that a worker has, or that was lost with its worker, is unknown; a read, and an order that never left,
    are unavailable.
    """
    with running(home, (ONE, TWO)) as front:
        answers: dict[str, str] = {}

        def place(name: str, instance: str, token: str, **fields: str) -> None:
            body = json.dumps({**ORDER, **fields}).encode()
            answers[name] = front.ask("POST", front.path("order/place", instance), body, token=token).json["ex"]

        def read() -> None:
            answers["read"] = front.ask("GET", front.path(QUOTE + "SILENT", TWO), token=OTHER_TOKEN).json["ex"]

        lost = threading.Thread(target=place, args=("lost", ONE, TOKEN), kwargs={"clientOrderId": "DIE"})
        lost.start()
        front.workers[ONE].wait(10)
        wait_for(lambda: not front.connected(ONE), "the worker to be missed")
        asking = [
            threading.Thread(target=read),
            threading.Thread(target=place, args=("unsent", ONE, TOKEN)),
            threading.Thread(target=place, args=("silent", TWO, OTHER_TOKEN), kwargs={"symbol": "SILENT"}),
        ]
        for thread in asking:
            thread.start()
        wait_for(lambda: len(front.seen(TWO)) == 2, "the calls to be in flight")
        wait_for(lambda: front.connections() >= 5, "all of them to wait")
        assert end(front) < 5
        for thread in (lost, *asking):
            thread.join(10)
        for name in ("read", "unsent"):
            assert answers[name].startswith("unavailable: ")
        for name in ("lost", "silent"):
            assert answers[name].startswith("unknown_outcome: ")
            assert "(clientOrderId " in answers[name], "the tag is told, also when the front made it up"
        assert "Traceback" not in front.log


def test_it_dies_with_its_supervisor(home: Path) -> None:
    """When the process that started it is killed, the front is gone within a second."""
    path = front_file(home)
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({[*START, str(path)]!r})\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with (home / "front.log").open("wb") as log:
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=log, text=True)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until = time.monotonic() + 20
        while b"serving" not in (home / "front.log").read_bytes():
            assert time.monotonic() < until
            time.sleep(0.05)
        parent.kill()
    until = time.monotonic() + 1
    while alive(child):
        assert time.monotonic() < until, "the front outlived its supervisor"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_tls(home: Path, certificate: tuple[str, str]) -> None:
    """With a certificate the front speaks TLS, and refuses with problems there too."""
    with running(home, tls=True, tls_cert=certificate[0], tls_key=certificate[1]) as front:
        answer = front.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert front.raw(b"garbage\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_private_files(home: Path) -> None:
    """The front opens no listener but its port, and its command line and environment hold no token."""
    with running(home) as front:
        shown = Path(f"/proc/{front.process.pid}/cmdline").read_bytes()
        assert TOKEN.encode() not in shown
        listening = subprocess.run(["ss", "-ltnp"], capture_output=True, text=True, check=False).stdout
        ports = {line.split()[3] for line in listening.splitlines() if f"pid={front.process.pid}," in line}
        assert ports <= {f"127.0.0.1:{front.port}"}
        assert os.stat(home / "run").st_mode & 0o077 == 0
