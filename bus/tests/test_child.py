"""A broker in a child process: what keeps the GIL there holds up nothing here."""

from __future__ import annotations

import threading
import time

import pytest

from brokerbus.client import BlockingClient
from brokerbus.testing.processes import until


def contract(symbol):
    return {"contract": f"US.{symbol}"}


ORDER = {"contract": "US.GIL-3", "direction": "BUY", "orderType": "Limit", "qty": 1, "price": 1.0}


@pytest.fixture
def worker(start_worker):
    """A ready worker whose broker runs in a child process."""
    made = start_worker(in_child=True)
    made.ready()
    return made


def test_the_same_answers_as_without_a_child(worker):
    """Results, errors, pushes and capabilities are those of a broker in the worker itself."""
    assert worker.call("quote", contract("AAPL"))["latest"] == 1.5
    assert worker.call("ping") == {"pong": True}
    assert worker.code("quote", contract("RAISE")) == "internal"
    assert worker.code("place_order", {**ORDER, "contract": "US.REJECT"}) == "rejected"
    assert worker.code("nonsense") == "unknown_method"
    assert worker.call("capabilities")["broker"] == "problem"
    worker.call("raw", {"name": "push"})
    until(lambda: worker.status()["lastPushAge"] is not None, what="a push")


def test_a_held_gil_holds_up_no_status(worker):
    """While the child keeps the GIL for 2 s, status answers within 20 ms."""
    done = threading.Thread(target=_call_elsewhere, args=(worker, contract("GIL-2"), 5.0))
    done.start()
    until(lambda: worker.status()["inflight"] == 1, what="the call in flight")
    times = []
    for _ in range(30):
        start = time.monotonic()
        worker.status()
        times.append(time.monotonic() - start)
    done.join()
    assert sorted(times)[-2] < 0.02


def _call_elsewhere(worker, params, timeout):
    with BlockingClient(worker.run_dir, worker.instance) as client:
        client.call("quote", params, timeout=timeout)


def test_a_child_is_killed_at_the_deadline_and_started_anew(worker):
    """A call that holds the GIL beyond its deadline is answered in time, and the next child serves."""
    start = time.monotonic()
    assert worker.code("quote", contract("GIL-30"), timeout=0.5) == "unavailable"
    assert time.monotonic() - start < 0.6
    until(lambda: worker.code("quote", contract("AAPL"), timeout=1.0) == "ok", 5.0, "a new child")


def test_an_order_in_a_killed_child_is_unknown(worker):
    """An order that the child took with it may have been executed: unknown_outcome, not unavailable."""
    assert worker.code("place_order", ORDER, timeout=0.5) == "unknown_outcome"
    assert len(worker.executed()) == 1


def test_a_child_that_dies_answers_at_once(worker):
    """When the child dies in a call, its caller is answered without waiting for the deadline."""
    start = time.monotonic()
    assert worker.code("quote", contract("DIE"), timeout=10) == "unavailable"
    assert worker.code("place_order", {**ORDER, "contract": "US.AAPL"}, timeout=10) in ("unavailable", "ok")
    assert time.monotonic() - start < 3


def test_the_child_dies_with_its_worker(worker):
    """kill -9 of the worker leaves no child behind."""
    children = _children(worker.process.pid)
    assert len(children) == 1
    worker.kill()
    until(lambda: not any(_alive(pid) for pid in children), 1.0, "the child's end")


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        main = children.read().split()
    import os

    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as children:
            main += children.read().split()
    return sorted({int(child) for child in main})


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_cannot_be_sent_to_the_parent_ends_nothing(worker):
    """A huge answer is an internal error, a push that cannot be packed is dropped, and the child serves on."""
    assert worker.code("raw", {"name": "huge"}) == "internal"
    worker.code("raw", {"name": "push-garbage"})
    assert worker.call("quote", contract("AAPL"))["latest"] == 1.5
