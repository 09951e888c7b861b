"""The worker host against a broker that misbehaves, each in a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from brokerbus import errors
from brokerbus.client import BlockingClient
from brokerbus.testing.processes import until


def contract(symbol):
    return {"contract": f"US.{symbol}"}


def order(symbol="AAPL", **changes):
    base = {"contract": f"US.{symbol}", "direction": "BUY", "orderType": "Limit", "qty": 1, "price": 1.0}
    return {**base, **changes}


def test_a_quote_comes_back_as_httptradings_map(worker):
    """The result of a bus call is the very map that httptrading's JSON has."""
    assert worker.call("quote", contract("AAPL")) == {
        "type": "quote",
        "contract": {"type": "contract", "tradeType": "Securities", "region": "US", "symbol": "AAPL"},
        "currency": "USD",
        "isTradable": True,
        "latest": 1.5,
        "preClose": 1.0,
        "highPrice": 2.0,
        "lowPrice": 1.0,
        "openPrice": 1.0,
        "timestamp": 1_700_000_000_000,
    }


def test_nan_becomes_null(worker):
    """A vendor's NaN never travels."""
    assert worker.call("quote", contract("NAN"))["latest"] is None


def test_codes_of_what_a_broker_raises(worker):
    """Its words where they are meant for the caller; of an exception no text but that it is a defect."""
    assert worker.code("quote", contract("RAISE")) == "internal"
    assert worker.code("place_order", order("REJECT")) == "rejected"
    assert worker.code("cancel_order", {"orderId": "7"}) == "not_found"
    assert worker.code("positions") == "unsupported"
    assert worker.code("nonsense") == "unknown_method"
    assert worker.code("raw", {"name": "huge"}) == "internal"
    with pytest.raises(errors.BusError) as raised:
        worker.call("quote", contract("RAISE"))
    assert "secret" not in raised.value.message


def test_system_exit_in_a_broker_ends_no_thread(worker):
    """SystemExit inside a broker's method is answered like any defect, and the next call works."""
    for _ in range(6):
        assert worker.code("quote", contract("EXIT")) == "internal"
    assert worker.code("quote", contract("AAPL")) == "ok"


def test_slow_calls_hold_up_no_other_method(worker):
    """With every quote thread asleep, status answers in 20 ms and other methods in their own time (R10)."""
    sleepers = [threading.Thread(target=_sleep_elsewhere, args=(worker, 2.0)) for _ in range(8)]
    for sleeper in sleepers:
        sleeper.start()
    until(lambda: worker.status().get("inflight") == 8, what="eight calls in flight")
    for method, bound in (("status", 0.02), ("capabilities", 0.02), ("market_status", 0.1), ("ping", 0.1)):
        times = []
        for _ in range(20):
            start = time.monotonic()
            worker.call(method)
            times.append(time.monotonic() - start)
        assert sorted(times)[-2] < bound, f"{method}: {max(times):.3f} s"
    for sleeper in sleepers:
        sleeper.join()


def _sleep_elsewhere(worker, seconds):
    with BlockingClient(worker.run_dir, worker.instance) as client:
        client.call("quote", contract(f"SLEEP-{seconds}"), timeout=10)


def test_a_call_is_answered_at_its_deadline(worker):
    """A call that hangs is answered within 100 ms of its deadline: unavailable, or unknown_outcome after an order."""
    for method, params, code in (
        ("quote", contract("SLEEP-3"), "unavailable"),
        ("place_order", order("SLEEP-3"), "unknown_outcome"),
    ):
        start = time.monotonic()
        assert worker.code(method, params, timeout=0.5) == code
        assert 0.45 < time.monotonic() - start < 0.6


def test_an_expired_order_is_never_executed(worker):
    """Orders that lay in a stopped worker beyond their deadline are answered expired and not executed (R4)."""
    for number in range(20):
        os.kill(worker.process.pid, signal.SIGSTOP)
        try:
            assert worker.code("place_order", order(clientOrderId=f"late-{number}"), timeout=0.05) == "unknown_outcome"
        finally:
            os.kill(worker.process.pid, signal.SIGCONT)
        assert worker.code("place_order", order(clientOrderId=f"live-{number}")) == "ok"
    assert worker.executed() == [f"live-{number}" for number in range(20)]


def test_nothing_reaches_a_worker_that_was_dead(worker):
    """An order for a dead worker is unavailable, and the worker that starts later knows nothing of it (R4)."""
    worker.kill()
    until(lambda: worker.code("quote", contract("AAPL"), timeout=0.1) == "unavailable", what="its end noticed")
    for number in range(10):
        assert worker.code("place_order", order(clientOrderId=f"dead-{number}"), timeout=0.1) == "unavailable"
    worker.start()
    worker.ready()
    assert worker.executed() == []


def test_a_second_worker_exits_75(worker):
    """The instance is locked before a socket is bound: a second worker exits 75 within 1 s and the first serves on."""
    first = worker.process
    start = time.monotonic()
    second = worker.start()
    assert second.wait(5) == 75
    assert time.monotonic() - start < 1.5
    worker.process = first
    assert worker.code("quote", contract("AAPL")) == "ok"


def test_a_fork_of_the_broker_keeps_no_lock(worker):
    """A process that the SDK forked lives on after its worker; the next worker serves all the same."""
    worker.call("raw", {"name": "fork"})
    worker.kill()
    worker.start()
    worker.ready()
    assert worker.code("quote", contract("AAPL")) == "ok"


def test_a_secret_of_the_settings_is_told_nowhere(start_worker):
    """What an SDK says with a secret in it reaches status, callers and log without it (S8)."""
    worker = start_worker({"connect": "leak", "app_secret": "canary-canary"})
    until(lambda: worker.status().get("session") == "down", what="session down")
    assert worker.status()["reason"] == "GET /?secret=*** failed"
    with pytest.raises(errors.Unavailable) as raised:
        worker.call("quote", contract("AAPL"))
    assert "canary" not in raised.value.message
    assert "***" in raised.value.message
    assert "canary" not in worker.log.read_text()


def test_a_worker_dies_with_its_parent(start_worker):
    """When the supervisor is killed -9 its worker is gone within 1 s (R8)."""
    worker = start_worker()
    worker.process.kill()
    worker.process.wait()
    script = "import subprocess,sys,time; p=subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script, *worker.command, str(worker.file)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    pid = int(parent.stdout.readline())
    worker.ready()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not _alive(pid), 1.0, "the orphan's end")


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_refusing_gateway_neither_stops_nor_delays_the_worker(start_worker):
    """With the gateway refused the worker stays up and says unavailable within 50 ms; it serves once it came (R11)."""
    worker = start_worker({"connect": "refused"})
    until(lambda: worker.status().get("session") == "down", what="session down")
    start = time.monotonic()
    assert worker.code("quote", contract("AAPL")) == "unavailable"
    assert time.monotonic() - start < 0.05
    assert worker.call("ping") == {"pong": False}
    (worker.home / "gateway").touch()
    until(lambda: worker.status().get("session") == "up", 5.0, "session up")
    assert worker.code("quote", contract("AAPL")) == "ok"


def test_a_constructor_that_never_returns_stops_nothing(start_worker):
    """A connect that hangs leaves the worker answering: status starting, calls unavailable."""
    worker = start_worker({"connect": "hang"})
    until(lambda: worker.status().get("state") == "starting", what="a starting worker")
    assert worker.code("quote", contract("AAPL")) == "unavailable"


def test_sigterm_answers_what_is_in_flight(worker):
    """At SIGTERM a running order is awaited, its answer sent, and the worker exits 0 within 5 s (R19)."""
    answers = []
    caller = threading.Thread(target=lambda: answers.append(worker.code("place_order", order("SLEEP-0.3"))))
    caller.start()
    until(worker.executed, what="the order inside the broker")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(5) == 0
    caller.join()
    assert answers == ["ok"]


def test_beyond_repair_ends_the_process(worker):
    """A broker that declares its SDK beyond repair ends its worker with 70, for supervisord to start anew."""
    worker.code("raw", {"name": "fail"}, timeout=1.0)
    assert worker.process.wait(5) == 70
