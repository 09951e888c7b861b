"""Executions while pushes go astray and workers die: each is one event, under one cursor for ever."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from brokerbus.errors import BusError
from brokerbus.testing.processes import WorkerProcess, until
from chaos.scale import chance, report, trials
from chaos.vendor import OpenD
from chaos.workers import PaperWorker, futu_worker, insist

ORDERS, QTY = 5, 1000
CHANGES = trials(40, 400)
"""Partial executions, or moves of the market that bring some."""

PUSH_FAULTS = ("duplicate", "reorder", "lose", "delay")
COMPLETE_SECONDS = 75.0
"""Lists are read every 5 s while orders are open, and every 60 s when none is: an execution may be told that late."""

Executions = dict[str, tuple[str, float]]
"""Order id and quantity by execution id."""


class Feed:
    """The order and fill events of a worker, followed by cursor over its restarts."""

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker
        self.events: list[dict[str, Any]] = []

    @property
    def cursor(self) -> int:
        return self.events[-1]["cursor"] if self.events else 0

    def read(self) -> None:
        """Takes what is new, if the worker is there."""
        try:
            while new := self._worker.call("replay", {"cursor": self.cursor}, timeout=3)["pushes"]:
                for event in new:
                    assert event["cursor"] > self.cursor, "a cursor does not grow"
                    self.events.append(event)
        except BusError:
            return

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["kind"] == kind]

    def executions(self) -> Executions:
        """Fails on an execution that was told twice."""
        told = self.of("fill")
        twice = [name for name, count in Counter(fill["fillId"] for fill in told).items() if count > 1]
        assert not twice, f"told twice: {twice}"
        return {fill["fillId"]: (fill["orderId"], float(fill["qty"])) for fill in told}

    def check(self) -> None:
        """What was told once is told the same again, and no order goes backwards."""
        again = Feed(self._worker)
        again.read()
        assert again.events[: len(self.events)] == self.events
        filled: dict[str, float] = {}
        done: set[str] = set()
        for order in self.of("order"):
            assert order["filledQty"] >= filled.get(order["orderId"], 0), order
            assert order["isCompleted"] or order["orderId"] not in done, order
            filled[order["orderId"]] = order["filledQty"]
            done |= {order["orderId"]} if order["isCompleted"] else set()


def followed(
    worker: WorkerProcess,
    draw: random.Random,
    change: Callable[[], None],
    complete: Callable[[Feed], bool],
    kill: Callable[[], None],
) -> tuple[Feed, int]:
    """Makes CHANGES with kills in between, and follows the events until they are complete."""
    feed, kills = Feed(worker), 0
    for _ in range(CHANGES):
        change()
        if draw.random() < 0.08:
            kill()
            kills += 1
        if draw.random() < 0.3:
            feed.read()
        time.sleep(draw.uniform(0, 0.05))

    def all_told() -> bool:
        feed.read()
        return complete(feed)

    until(all_told, COMPLETE_SECONDS, "every execution")
    feed.check()
    return feed, kills


def sums(executions: Executions) -> dict[str, float]:
    total: dict[str, float] = {}
    for order_id, qty in executions.values():
        total[order_id] = round(total.get(order_id, 0.0) + qty, 6)
    return total


def test_every_paper_execution_is_told_once():
    """Pushes lost, doubled, late and disordered, workers killed: the events are the vendor's executions (R14)."""
    draw = chance("paper fills")
    faults = [{"kind": f"{kind}_push", "times": None, "probability": 0.15} for kind in PUSH_FAULTS]
    with PaperWorker(faults=faults, cash=1e9) as worker:
        for number in range(ORDERS):
            insist(worker.client, f"f{number}", 10, qty=QTY * 50, price=100.0 + number)

        def at_the_vendor() -> Executions:
            with closing(sqlite3.connect(worker.home / "paper.sqlite3", timeout=10)) as file:
                rows = file.execute("SELECT order_number, number, qty FROM fills").fetchall()
            return {f"{order}-{number}": (str(order), float(qty)) for order, number, qty in rows}

        def move() -> None:
            params = {"contract": "US.AAPL", "price": round(draw.uniform(98, 106), 2)}
            worker.code("raw", {"name": "vendor_move", "params": params}, 1.0)

        def kill() -> None:
            worker.kill()
            worker.again()

        feed, kills = followed(worker, draw, move, lambda feed: feed.executions() == at_the_vendor(), kill)
        assert len(feed.executions()) >= CHANGES / 4
        report(f"paper: {len(feed.executions())} executions told once each over {kills} kills, cursor {feed.cursor}")


@pytest.mark.parametrize("env", ["REAL", "SIMULATE"])
def test_every_execution_at_opend_is_told_once(env):
    """The same on OpenD: deals by their ids (REAL), or the steps in which an order filled (SIMULATE) (R14)."""
    draw = chance(f"futu fills {env}")
    with OpenD("--set", "auto_fill=false") as opend, futu_worker(opend.port, env) as worker:
        for number in range(ORDERS):
            insist(worker.client, f"f{number}", 20, qty=QTY, price=1.0)
        left = {order["order_id_ex"]: float(QTY) for order in opend.do("orders")}
        assert len(left) == ORDERS

        def fill() -> None:
            kind = {"lose": "suppress"}.get(chosen := draw.choice(PUSH_FAULTS), chosen)
            opend.do("fault", kind=f"{kind}_push", proto=draw.choice((2208, 2218)), seconds=draw.uniform(0, 0.3))
            order_id = draw.choice(list(left))
            qty = min(left[order_id], float(draw.randint(1, max(1, QTY * ORDERS * 2 // CHANGES))))
            if qty > 0:
                opend.do("fill", order_id=order_id, qty=qty)
                left[order_id] -= qty

        def at_the_vendor() -> Executions:
            return {fill["fill_id"]: (fill["order_id_ex"], fill["qty"]) for fill in opend.do("fills")}

        def complete(feed: Feed) -> bool:
            executions = feed.executions()
            if env == "REAL":
                return executions == at_the_vendor()
            return sums(executions) == sums(at_the_vendor())

        def kill() -> None:
            worker.kill()
            worker.start()

        feed, kills = followed(worker, draw, fill, complete, kill)
        count = len(at_the_vendor())
        report(f"futu {env}: {count} executions, {len(feed.executions())} events over {kills} kills, sums equal")
