"""The whole way with real processes: the command, supervisord, virtualenvs and a broker of a user's own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from brokerbus_deploy import foreground, lifecycle
from brokerbus_deploy.config import load

ONE, TWO = "TinyTinyTinyTiny", "OtherOtherOther1"

Deployment = Any  # of conftest.py, which has no module name to import


def pids(deployment: Deployment) -> dict[str, int]:
    return {row["id"]: row["pid"] for row in deployment.status()["instances"]}


@pytest.fixture
def running(deployment: Deployment) -> Deployment:
    deployment.write(deployment.instance(ONE), deployment.instance(TWO))
    done = deployment.run("up", "--detach")
    assert done.returncode == 0, done.stderr
    return deployment


def test_up_call_status_down(running: Deployment) -> None:
    """`up --detach` returns when every worker serves; `status` tells what runs; `down` leaves nothing."""
    row = running.row(ONE)
    assert (row["broker"], row["state"], row["session"], row["restarts"]) == ("tiny", "ready", "up", 0)
    assert row["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert running.call(ONE, "ping") == {"pong": True}
    unknown = running.run("call", ONE, "raw", "name=nope")
    assert (unknown.returncode, '"code": "not_found"' in unknown.stdout) == (1, True)
    assert running.run("down").returncode == 0
    assert running.processes() == []
    assert running.row(ONE)["state"] == "stopped"


def test_nothing_is_open_to_others(running: Deployment) -> None:
    """With umask 000: directories and sockets 0700, files 0600, no secret in argv or environment (S1, S8)."""
    for folder in (running.run_dir, running.state_dir):
        for path in [folder, *folder.rglob("*")]:
            mode = path.stat().st_mode & 0o777
            assert mode == (0o600 if path.is_file() else 0o700), (path, oct(mode))
    for pid in running.processes():
        for name in ("cmdline", "environ"):
            assert running.canary.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    holders = [
        p.name for p in running.run_dir.rglob("*") if p.is_file() and running.canary in p.read_text(errors="replace")
    ]
    assert sorted(holders) == sorted([f"{ONE}.json", f"{TWO}.json"])
    said = running.call(ONE, "raw", "name=process")
    assert said["umask"] == 0o077
    assert said["cwd"] == str(running.state_dir / "home" / ONE)
    assert said["cwd"] not in said["path"]
    environment = running.call(ONE, "raw", "name=environment")
    assert environment["HOME"] == said["cwd"]
    assert "BROKERBUS_CACHE" not in environment


def test_killed_worker_comes_back_and_the_other_never_noticed(running: Deployment) -> None:
    """kill -9 of one worker: serving again within seconds; the other keeps its process and answers."""
    before = pids(running)
    os.kill(before[ONE], signal.SIGKILL)
    running.until(
        lambda: running.row(ONE)["state"] == "ready" and pids(running)[ONE] != before[ONE], 8.0, "back in service"
    )
    assert pids(running)[TWO] == before[TWO]
    running.until(lambda: running.row(ONE)["restarts"] == 1, 5.0, "the restart is counted")
    assert running.row(TWO)["restarts"] == 0


def test_silent_worker_is_killed_and_started_again(running: Deployment) -> None:
    """A worker that is stopped (SIGSTOP) is killed after 10 s of silence and serves again within 15 s (R9)."""
    before = pids(running)
    running.until(lambda: f"{ONE} is heard" in running.run("logs", "watchdog").stdout, 5.0, "the watchdog hears it")
    os.kill(before[ONE], signal.SIGSTOP)
    took = running.until(lambda: pids(running)[ONE] not in (None, before[ONE]), 20.0, "the watchdog starts it again")
    running.until(lambda: running.row(ONE)["state"] == "ready", 5.0, "serving again")
    assert took >= 7.0
    assert pids(running)[TWO] == before[TWO]
    assert f"{ONE} (pid {before[ONE]}) gave no status" in running.run("logs", "watchdog").stdout


def test_second_up_changes_only_what_changed(running: Deployment) -> None:
    """A second `up` restarts the changed instance, removes and adds others, and leaves the rest alone."""
    before = pids(running)
    same = running.run("up", "--detach")
    assert (same.returncode, "nothing changed" in same.stderr) == (0, True), same.stderr
    running.write(
        running.instance(ONE, settings="depth = 7\n"), running.instance(TWO), running.instance("ThirdThirdThird1")
    )
    done = running.run("up", "--detach")
    assert done.returncode == 0, done.stderr
    assert f"{ONE} changed" in done.stderr
    assert "ThirdThirdThird1 added" in done.stderr
    after = pids(running)
    assert (after[TWO] == before[TWO], after[ONE] == before[ONE]) == (True, False)
    assert running.call(ONE, "raw", "name=settings")["depth"] == 7
    running.write(running.instance(TWO))
    assert f"{ONE} removed" in running.run("up", "--detach").stderr
    assert pids(running) == {TWO: before[TWO]}


def test_restart_and_logs(running: Deployment) -> None:
    """`restart ID` gives one instance a new process and returns when it serves; `logs ID` shows what it said."""
    before = pids(running)
    done = running.run("restart", ONE)
    assert done.returncode == 0, done.stderr
    assert running.call(ONE, "ping") == {"pong": True}
    assert (pids(running)[ONE] == before[ONE], pids(running)[TWO] == before[TWO]) == (False, True)
    assert "serving" in running.run("logs", ONE).stdout


def test_status_without_front(running: Deployment) -> None:
    """A stopped front does not break `status`, and never stops a worker."""
    front = running.status()["front"]
    if front["pid"]:
        os.kill(front["pid"], signal.SIGSTOP)
    try:
        assert {row["state"] for row in running.status()["instances"]} == {"ready"}
    finally:
        if front["pid"]:
            os.kill(front["pid"], signal.SIGCONT)


def test_dead_supervisord_takes_everything_along(running: Deployment) -> None:
    """kill -9 of supervisord ends all its processes within a second, and the next `up` starts anew (R8)."""
    supervisord = int((running.run_dir / "supervisord.pid").read_text())
    os.kill(supervisord, signal.SIGKILL)
    running.until(lambda: not running.processes(), 2.0, "nothing runs")
    done = running.run("up", "--detach")
    assert done.returncode == 0, done.stderr


def test_hung_supervisord_can_be_stopped(running: Deployment) -> None:
    """`down` ends even a supervisord that no longer answers."""
    os.kill(int((running.run_dir / "supervisord.pid").read_text()), signal.SIGSTOP)
    assert running.run("down").returncode == 0
    assert running.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_foreground_ends_in_order(deployment: Deployment, number: signal.Signals) -> None:
    """`up` stays in the foreground until Ctrl-C or TERM, then stops everything and exits 0."""
    deployment.write(deployment.instance(ONE))
    with subprocess.Popen(
        deployment.command("up"), env=deployment.environment, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stderr
        for line in command.stderr:
            if "Ctrl-C" in line:
                break
        assert deployment.call(ONE, "ping") == {"pong": True}
        command.send_signal(number)
        assert command.wait(20) == 0
    assert deployment.processes() == []


def test_foreground_killed_takes_everything_along(deployment: Deployment) -> None:
    """kill -9 of a foreground `up` leaves no process behind."""
    deployment.write(deployment.instance(ONE))
    with subprocess.Popen(
        deployment.command("up"), env=deployment.environment, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stderr
        for line in command.stderr:
            if "Ctrl-C" in line:
                break
        command.kill()
    deployment.until(lambda: not deployment.processes(), 15.0, "nothing runs")


def test_own_broker_names_its_settings(deployment: Deployment) -> None:
    """Settings that a foreign broker does not know, or misses, are refused with their keys before a start."""
    wrong = deployment.instance(ONE, settings='depth = "deep"\nwidth = 1\n').replace('secret = "env:TINY_SECRET"\n', "")
    deployment.write(wrong)
    done = deployment.run("up", "--detach")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    for name in ("secret: missing", "depth: expected int", "width: unknown setting"):
        assert any(line.startswith(f"instances.{ONE}.settings.{name}") for line in lines), done.stderr
    assert deployment.processes() == []


def test_worker_that_does_not_serve_is_named(running: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """`up --detach` gives 1 and names the worker that does not serve in time; the other one serves."""
    monkeypatch.setattr(lifecycle, "READY_SECONDS", 2.0)
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    pid = pids(running)[ONE]
    os.kill(pid, signal.SIGSTOP)
    said: list[str] = []
    try:
        assert foreground.up(load(running.path), said.append, detach=True) == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    assert f"{TWO} serves requests" in said
    assert f"{ONE} does not serve requests; see: brokerbus logs {ONE}" in said


def test_stopping_answers_what_is_in_flight_quickly(running: Deployment) -> None:
    """`down` of idle workers takes seconds, and no worker had to be killed (R19)."""
    start = time.monotonic()
    assert running.run("down").returncode == 0
    assert time.monotonic() - start < 8.0
    with contextlib.suppress(FileNotFoundError):
        assert "SIGKILL" not in (running.run_dir / "logs" / "supervisord.log").read_text()


def test_taken_port_is_no_matter_for_the_running_front(running: Deployment) -> None:
    """A second `up` does not take its own front for a foreign program on its port."""
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", running.port)):
        pytest.skip("the front is not installed here, so that its port is free")
    assert running.run("up", "--detach").returncode == 0
