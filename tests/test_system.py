"""The whole way with real parts: HTTP, front, bus, workers of two Pythons, the vendor's SDK, a simulated gateway."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from processes import Deployment, deployment, instance_table, interpreter, token_of, until

PAPER, FUTU = "PaperPaperPaper1", "FutuFutuFutuFut1"


@pytest.fixture(scope="module")
def running():
    """A paper instance on the oldest Python and a Futu instance on the newest, on one host."""
    old, new = interpreter("3.8", "3.9"), interpreter("3.13", "3.12")
    simulated = {"host": "simulator", "trade_env": "SIMULATE"}
    with deployment(instance_table(PAPER, "paper", old) + instance_table(FUTU, "futu", new, simulated)) as made:
        yield made.up()


def test_a_quote_comes_through_the_real_sdk(running: Deployment):
    """curl → front → bus → worker → futu-api → simulated OpenD, and back as httptrading's JSON."""
    quote = until(lambda: _map(running.quote(FUTU)), 20, "a quote through futu-api")
    assert quote["contract"] == {"type": "contract", "tradeType": "Securities", "region": "US", "symbol": "AAPL"}
    assert quote["latest"] > 0
    assert "latest" in running.quote(PAPER)


def _map(value):
    return value if isinstance(value, dict) else None


def test_status_lists_sdk_and_python_versions(running: Deployment):
    """`brokerbus status` tells two Pythons at once, and the SDK's version."""
    rows = {row["id"]: row for row in running.status()["instances"]}
    assert rows[PAPER]["python"].startswith(("3.8.", "3.9."))
    assert rows[FUTU]["python"].startswith(("3.13.", "3.12."))
    assert rows[FUTU]["sdk"] == "futu-api 10.11.7108"
    for row in rows.values():
        assert {"id", "broker", "state", "session", "pid", "python", "sdk", "restarts", "lastPushAge"} <= set(row)


@pytest.mark.parametrize("instance", [PAPER, FUTU])
def test_every_httptrading_route_answers(running: Deployment, instance):
    """The eight routes of httptrading, an order's whole life among them, on both brokers."""
    until(lambda: running.ask(instance, "ping/state").json["pong"], 20, "the session")
    for path, key in (("cash/state", "cash"), ("position/state", "positions"), ("market/state", "marketStatus")):
        answer = running.ask(instance, path).json
        assert answer["ex"] is None, answer
        assert key in answer
    order = {"tradeType": "Securities", "region": "US", "symbol": "AAPL", "direction": "BUY", "orderType": "Limit"}
    order.update(timeInForce="DAY", lifecycle="RTH", qty=1, price=1.5)
    placed = running.ask(instance, "order/place", order).json
    assert placed["ex"] is None, placed
    assert placed["args"] == order
    state = running.ask(instance, "order/state", orderId=placed["orderId"]).json["order"]
    assert (state["isCancelable"], state["filledQty"], state["qty"]) == (True, 0, 1)
    assert running.ask(instance, "order/cancel", {"orderId": placed["orderId"]}).json["canceled"] is True
    state = until(lambda: _canceled(running, instance, placed["orderId"]), 10, "the cancellation")
    assert state["isCompleted"]


def _canceled(running, instance, order_id):
    state = running.ask(instance, "order/state", orderId=order_id).json.get("order")
    return state if state and state["isCanceled"] else None


@pytest.mark.parametrize(("victim", "other"), [(PAPER, FUTU), (FUTU, PAPER)])
def test_kill_9_of_one_worker_leaves_the_other_alone(running: Deployment, victim, other):
    """Under load the other instance has no error; the killed one serves within 2.5 s plus its import (R1, R2)."""
    for instance in (victim, other):
        until(lambda instance=instance: _answers(running, instance), 20, "both serving")
    failures, asked, stop = [], [], threading.Event()

    def load() -> None:
        while not stop.is_set():
            asked.append(1)
            if not _answers(running, other):
                failures.append(len(asked))

    loader = threading.Thread(target=load)
    loader.start()
    until(lambda: len(asked) > 20, 10, "load")
    os.kill(running.row(victim)["pid"], signal.SIGKILL)
    start = time.monotonic()
    seconds = until(lambda: _answers(running, victim) and time.monotonic() - start, 20, "the killed one serving")
    count = len(asked)
    until(lambda: len(asked) > count + 20, 10, "load afterwards")
    stop.set()
    loader.join()
    assert failures == []
    assert seconds < 2.5 + 1.5, f"served again after {seconds:.2f} s"


def _answers(running, instance) -> bool:
    """Whether the broker behind the instance answers; not a quote, of which the vendor allows 60 in 30 s."""
    return running.ask(instance, "ping/state").json.get("pong") is True


def test_a_wrong_token_learns_nothing(running: Deployment):
    """Unknown instance and wrong token are answered with the same bytes."""
    wrong = ((PAPER, "x" * 16), ("NoSuchInstance00", token_of(PAPER)), (PAPER, token_of(FUTU)), (PAPER, ""))
    answers = {running.ask(instance, "ping/state", token=token).body for instance, token in wrong}
    assert answers == {b"404: Not Found"}


def test_files_and_sockets_are_private(running: Deployment):
    """Under umask 0: directories and sockets 0700, files with secrets 0600, no listener but the front (S1)."""
    for folder in (running.run_dir, running.state_dir):
        for path in [folder, *folder.rglob("*")]:
            assert path.lstat().st_mode & 0o077 == 0, f"{path}: {oct(path.lstat().st_mode)}"
    assert _listeners(running) == {running.port}


def _listeners(running: Deployment) -> set[int]:
    """TCP ports on which the workers, the front and supervisord listen; the simulator is no part of the product."""
    inodes = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                inodes[fields[9]] = int(fields[1].rsplit(":", 1)[1], 16)
    ports = set()
    for pid in running.processes():
        with open(f"/proc/{pid}/cmdline") as cmdline:
            if "simulator" in cmdline.read():
                continue
        for name in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                ports.add(inodes.get(target[8:-1]))
    return ports - {None}


def test_no_token_in_any_file_or_process(running: Deployment):
    """The token stands in the configuration alone: not in argv, environments, logs or generated files (S8, in part)."""
    needle = b"token-of-"
    for pid in running.processes():
        for part in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{part}", "rb") as content:
                assert needle not in content.read()
    for folder in (running.run_dir, running.state_dir):
        for path in folder.rglob("*"):
            if path.is_file():
                assert needle not in path.read_bytes(), path
