"""What supervisord alone would get wrong, with real processes: orphans, silence, absent gateways."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from processes import Deployment, deployment, free_port, instance_table, interpreter, until

PAPER, FUTU = "PaperPaperPaper1", "FutuFutuFutuFut1"


@pytest.fixture
def running():
    """One paper instance."""
    with deployment(instance_table(PAPER, "paper", interpreter("3.11", "3.12", "3.13"))) as made:
        yield made.up()


def test_kill_9_of_supervisord_leaves_no_orphan(running: Deployment):
    """All processes are gone within 1 s of supervisord's death, and `up` starts anew (R8)."""
    for _ in range(3):
        supervisor = int((running.run_dir / "supervisord.pid").read_text())
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: not running.processes(), 1.0, "no process left")
        running.up()
        assert "latest" in running.quote(PAPER)


def test_a_stopped_worker_is_killed_and_serves_again(running: Deployment):
    """SIGSTOP: after 10 s without status the worker is killed, and serves again within 15 s (R9)."""
    pid = running.row(PAPER)["pid"]
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    until(lambda: not Path(f"/proc/{pid}").exists(), 14, "the silent worker killed")
    until(lambda: "latest" in running.quote(PAPER), 15 - (time.monotonic() - start), "a new worker serving")
    assert running.row(PAPER)["pid"] != pid


def test_the_front_may_be_killed_alone(running: Deployment):
    """kill -9 of the front: back within 2.5 s plus its import, while the worker keeps its process (R12)."""
    pid = running.row(PAPER)["pid"]
    os.kill(running.status()["front"]["pid"], signal.SIGKILL)

    def answers() -> bool:
        try:
            return "latest" in running.quote(PAPER)
        except OSError:
            return False

    until(answers, 2.5 + 2.0, "the front")
    assert running.row(PAPER)["pid"] == pid


def test_an_absent_gateway_stops_nothing():
    """A Futu worker without OpenD: up, not FATAL, `unavailable` at once, and `up --detach` says which serves (R11)."""
    port = free_port()
    table = instance_table(FUTU, "futu", interpreter("3.13", "3.12", "3.11"), {"host": "127.0.0.1", "port": port})
    with deployment(table) as made:
        done = made.command("up", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr
        row = until(lambda: (row := made.row(FUTU))["session"] == "down" and row, 20, "session down")
        start = time.monotonic()
        assert made.quote(FUTU).startswith("unavailable")
        assert time.monotonic() - start < 0.5
        assert made.ask(FUTU, "ping/state").json["pong"] is False
        assert made.http("GET", "/livez").status == 200
        assert made.http("GET", "/readyz").status == 503
        assert made.row(FUTU)["pid"] == row["pid"]
