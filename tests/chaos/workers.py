"""Worker processes without a front, and what their simulated vendors executed."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brokerbus.client import BlockingClient
from brokerbus.errors import MAYBE, BusError
from brokerbus.testing.processes import WorkerProcess, until
from processes import interpreter, worker_python

POINTED = Path(__file__).with_name("pointed_worker.py")
REAL_ACCOUNT, REAL_PASSWORD = 281756455988248201, "e10adc3949ba59abbe56e057f20f883e"
"""Of the simulated house, where no money is real."""

STILL = {"tick_interval": 0.0, "test_controls": True}


def order(tag: str, **changes: Any) -> dict[str, Any]:
    """A limit order that rests."""
    terms = {"contract": "US.AAPL", "direction": "BUY", "orderType": "Limit", "qty": 1, "price": 1.5}
    return {**terms, "timeInForce": "GTC", "clientOrderId": tag, **changes}


class PaperWorker(WorkerProcess):
    """A worker of the paper broker, or of one derived from it."""

    def __init__(self, pointed: bool = False, **settings: Any) -> None:
        python = str(worker_python("paper", interpreter("3.13", "3.12", "3.11")))
        module = [str(POINTED)] if pointed else ["-m", "brokerbus_paper"]
        super().__init__([python, "-I", *module], {**STILL, **settings})
        self.ready()

    def executed(self) -> dict[str, list[str]]:
        """The ids of the orders that the vendor took, by tag."""
        return paper_orders(self.home)

    def again(self) -> None:
        """Starts anew after an end; not throttled as a worker that crashes by itself is."""
        self.process.wait(20)
        (self.run_dir / f"{self.instance}.starts").unlink(missing_ok=True)
        self.start()


def futu_worker(port: int, env: str = "SIMULATE") -> WorkerProcess:
    """A worker of the Futu broker on a simulated OpenD; without the vendor's limits unless the account is REAL."""
    python = str(worker_python("futu", interpreter("3.13", "3.12", "3.11")))
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": port, "trade_env": env}
    settings |= {"pace": 100_000} if env == "SIMULATE" else {"acc_id": REAL_ACCOUNT, "unlock_pin": REAL_PASSWORD}
    return WorkerProcess([python, "-I", "-m", "brokerbus_futu"], settings, broker="futu").ready(30)


def paper_orders(home: Path) -> dict[str, list[str]]:
    """The ids of the orders in a paper account's file, by tag."""
    with closing(sqlite3.connect(f"file:{home / 'paper.sqlite3'}?mode=rw", timeout=10, uri=True)) as file:
        rows = file.execute("SELECT number, tag FROM orders ORDER BY number").fetchall()
    return by_tag({str(number): tag for number, tag in rows})


def by_tag(tags: Mapping[str, str]) -> dict[str, list[str]]:
    """Order ids by tag, of tags by order id."""
    found: dict[str, list[str]] = {}
    for order_id, tag in tags.items():
        found.setdefault(tag, []).append(order_id)
    return found


@dataclass(frozen=True)
class Told:
    """What a caller was told of one request: ``code`` is ok or an error's, ``outcome`` what that says of an order."""

    tag: str
    code: str
    outcome: str
    order_id: str | None = None
    text: str = ""


def ask(client: BlockingClient, tag: str, timeout: float, **changes: Any) -> Told:
    """Places an order over the bus."""
    try:
        result = client.call("place_order", order(tag, **changes), timeout=timeout)
    except BusError as error:
        return Told(tag, error.code, error.outcome, text=error.message)
    return Told(tag, "ok", "ok", result["orderId"])


def insist(client: BlockingClient, tag: str, seconds: float, **changes: Any) -> Told:
    """Asks under the same id until it is answered; the last answer when the time is over."""
    until_then = time.monotonic() + seconds
    while True:
        told = ask(client, tag, max(0.05, until_then - time.monotonic()), **changes)
        if told.code in ("ok", "rejected") or time.monotonic() >= until_then:
            return told
        time.sleep(0.02)


def in_threads(count: int, work: Callable[[int], None], seconds: float) -> None:
    """Runs ``work(0)`` to ``work(count - 1)`` at once; fails with the first error, or when one does not end."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), f"not done within {seconds:.0f} s"


def lies(told: list[Told], executed: Mapping[str, list[str]]) -> list[str]:
    """Every answer that the vendor's books disprove; ``told`` has the last answer of each tag."""
    found = [f"{tag}: {len(ids)} orders at the vendor" for tag, ids in executed.items() if len(ids) > 1]
    for one in told:
        ids = executed.get(one.tag, [])
        if one.code == "ok" and one.order_id not in ids:
            found.append(f"{one.tag}: told {one.order_id}, the vendor has {ids}")
        if one.code != "ok" and one.outcome != MAYBE and ids:
            found.append(f"{one.tag}: told {one.code} ({one.text}), the vendor has {ids}")
    return found


def settled(status: Callable[[], Mapping[str, Any]], seconds: float) -> float:
    """Waits until no outcome is unknown; the seconds that it took."""
    start = time.monotonic()
    until(lambda: status().get("unknown") == 0 and status().get("state") == "ready", seconds, "every outcome known")
    return time.monotonic() - start
