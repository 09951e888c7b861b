"""kill -9 and SIGSTOP at each named point of a placement: one order, one answer."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from brokerbus.client import BlockingClient
from brokerbus.orders import POINTS
from brokerbus.testing.processes import until
from chaos.scale import report, trials
from chaos.workers import PaperWorker, Told, ask, in_threads, insist, settled

EVERY = (*POINTS, "inside the SDK call, before acting")
EARLY = EVERY[:2]
CALLERS = 20


def killed_at(worker: PaperWorker, point: str, tag: str) -> float:
    """One placement whose worker dies at a point; the seconds from the restart to the right answer."""
    (worker.home / "at").write_text(f"SIGKILL {point}")
    first: list[Told] = []
    asking = threading.Thread(target=_ask_apart, args=(worker, tag, first))
    asking.start()
    worker.again()
    start = time.monotonic()
    answer = insist(worker.client, tag, 15)
    seconds = time.monotonic() - start
    assert answer.code == "ok", (point, answer)
    assert insist(worker.client, tag, 5) == answer, point
    asking.join(10)
    assert [told.code for told in first] == ["unknown_outcome"], (point, first)
    return seconds


def _ask_apart(worker: PaperWorker, tag: str, told: list[Told]) -> None:
    with BlockingClient(worker.run_dir, worker.instance) as client:
        told.append(ask(client, tag, 2.0))


def test_kill_9_at_every_point_is_one_order_and_one_answer():
    """A worker dies at each point of a placement; after its restart the same id gets the one order's id (R3, R7)."""
    slowest = dict.fromkeys(EVERY, 0.0)

    def at(point: str) -> None:
        with PaperWorker(pointed=True) as worker:
            for number in range(trials(3, 50)):
                slowest[point] = max(slowest[point], killed_at(worker, point, f"p{number}"))
            settled(worker.status, 10)
            executed = worker.executed()
            assert sorted(map(len, executed.values())) == [1] * trials(3, 50), (point, executed)

    left = list(EVERY)

    def work(number: int) -> None:
        while left:
            at(left.pop())

    in_threads(4, work, trials(120, 1800))
    report(f"killed {trials(3, 50)} × at {len(EVERY)} points: 1 order each, answer ≤ {max(slowest.values()):.1f} s")


@pytest.mark.parametrize("point", EARLY)
def test_sigstop_at_a_point_beyond_the_deadline_sends_nothing(point):
    """A worker that sleeps through the deadline before its SDK call does not make the call (R4)."""
    with PaperWorker(pointed=True) as worker:
        tags = [f"s{number}" for number in range(trials(2, 20))]
        for tag in tags:
            (worker.home / "at").write_text(f"SIGSTOP {point}")
            told = ask(worker.client, tag, 0.3)
            assert told.code == "unknown_outcome", told
            time.sleep(0.2)
            worker.process.send_signal(signal.SIGCONT)
            until(worker.status, 5, "the worker awake")
        time.sleep(0.3)
        assert worker.executed() == {}, point


def test_what_a_sleeping_worker_finds_late_is_not_executed():
    """Orders that reach a SIGSTOPped worker and are read after their deadline: none is executed (R4)."""
    count = trials(20, 200)
    with PaperWorker() as worker, Callers(worker) as callers:
        for first in range(0, count, CALLERS):
            callers.connect()
            worker.process.send_signal(signal.SIGSTOP)
            told = callers.ask([f"z{number}" for number in range(first, first + CALLERS)], 0.3)
            assert {one.code for one in told} == {"unknown_outcome"}
            worker.process.send_signal(signal.SIGCONT)
            until(worker.status, 5, "the worker awake")
        settled(worker.status, 10)
        assert worker.executed() == {}
    report(f"late execution after SIGSTOP: 0 of {count}")


def test_what_is_asked_of_a_dead_worker_is_not_executed_by_the_next():
    """Orders while no worker is there are `unavailable`, and none of them waits for the next worker (R4)."""
    count = trials(20, 500)
    with PaperWorker() as worker, Callers(worker) as callers:
        for first in range(0, count, CALLERS):
            callers.connect()
            worker.kill()
            told = callers.ask([f"d{number}" for number in range(first, first + CALLERS)], 0.3)
            assert {one.code for one in told} <= {"unavailable", "unknown_outcome"}
            worker.again()
            worker.ready()
        time.sleep(0.3)
        assert worker.executed() == {}


class Callers:
    """Clients that are connected before something happens to the worker, each for one order at a time."""

    def __init__(self, worker: PaperWorker) -> None:
        self._clients = [BlockingClient(worker.run_dir, worker.instance) for _ in range(CALLERS)]

    def __enter__(self) -> Callers:
        return self

    def __exit__(self, *exception: object) -> None:
        for client in self._clients:
            client.close()

    def connect(self) -> None:
        for client in self._clients:
            client.call("status", timeout=5)

    def ask(self, tags: list[str], seconds: float) -> list[Told]:
        """Places all of them at once."""
        told: list[Told] = []
        in_threads(len(tags), lambda number: told.append(ask(self._clients[number], tags[number], seconds)), 30)
        return told
