"""What the vendor acknowledged is there after a restart, a kill -9, a full disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from brokerbus.errors import BadRequest, Unavailable, UnknownOutcome
from brokerbus_paper.broker import FILE, PaperBroker

HOUR = 3_600_000

BUYER = """
import sys
from brokerbus.broker import Context, OrderRequest
from brokerbus.contract import parse
from brokerbus_paper.broker import PaperBroker

class Host(Context):
    home = sys.argv[1]
    def push(self, kind, subject, data): pass

broker = PaperBroker({"tick_interval": 0, "cash": 100000000}, Host())
broker.open()
for number in range(100000):
    price = None if number % 2 else 100
    request = OrderRequest(
        parse("US.AAPL"), "BUY", "Limit" if price else "Market", 1, price, "GTC", "RTH", str(number), 0.0
    )
    print(broker.place_order(request), flush=True)
"""


def test_everything_survives_a_restart(desk) -> None:
    """Orders, fills, cash, positions and reservations are the same after the broker starts anew."""
    filled = desk.place("US.AAPL", "BUY", 10.5)
    resting = desk.place("HK.00700", "BUY", 100, 500, time_in_force="GTC")
    before = [desk.order(filled), desk.order(resting), desk.broker.cash(), desk.broker.positions()]
    fills = desk.broker.fills(None)
    desk.reopen()
    assert [desk.order(filled), desk.order(resting), desk.broker.cash(), desk.broker.positions()] == before
    assert desk.broker.fills(None) == fills
    assert desk.place("US.AAPL", "BUY", 1) not in (filled, resting)
    desk.broker.cancel_order(resting)
    assert desk.order(resting).status == "CANCELED"


def test_ids_are_unique_also_when_the_clock_goes_back(desk) -> None:
    """Order ids only grow, over restarts and with a clock that was set back."""
    first = int(desk.place("US.AAPL", "BUY", 1))
    desk.now -= HOUR
    second = int(desk.place("US.AAPL", "BUY", 1))
    desk.reopen()
    assert first < second < int(desk.place("US.AAPL", "BUY", 1))


def test_orders_expire_while_the_worker_is_down(desk) -> None:
    """A DAY order whose close passed while nobody ran is EXPIRED at the next start, and says so in a push."""
    order_id = desk.place("US.AAPL", "BUY", 10, 200)
    desk.broker.close()
    desk.now += 7 * HOUR
    desk.host.pushes.clear()
    desk.reopen()
    assert desk.order(order_id).status == "EXPIRED"
    assert [data["status"] for _, data in desk.pushed("order")] == ["EXPIRED"]


@pytest.mark.parametrize("acknowledged", [1, 40])
def test_kill_9_loses_nothing_acknowledged(open_desk, tmp_path: Path, acknowledged: int) -> None:
    """After kill -9 in mid-trading each acknowledged order exists, and cash, fills and positions agree exactly."""
    child = subprocess.Popen([sys.executable, "-c", BUYER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    told = [child.stdout.readline().strip() for _ in range(acknowledged)]
    os.kill(child.pid, signal.SIGKILL)
    told += [line.strip() for line in child.stdout if line.endswith("\n")]
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    desk = open_desk(cash=5)
    kept = [order.order_id for order in desk.broker.orders(False, None)]
    assert len(kept) - len(told) in (0, 1)  # one more may have been durable, not yet told
    assert set(told) <= set(kept)
    fills = desk.broker.fills(None)
    assert desk.held("US.AAPL") == sum(fill.qty for fill in fills) == len(kept) // 2
    assert desk.broker.balances()[0].cash == pytest.approx(1e8 - sum(fill.qty * fill.price for fill in fills))


def fill_the_disk(desk) -> int:
    """Places orders until the file cannot take another one; how many it took."""
    for placed in range(200):
        try:
            desk.place("US.AAPL", "BUY", 1, 200)
        except Unavailable as error:
            assert "full" in error.message  # noqa: PT017
            return placed
    return 200


def test_a_full_disk_refuses_and_heals(desk) -> None:
    """When the file cannot grow an order answers unavailable and nothing has changed; then it works again."""
    ledger = desk.broker.vendor.ledger
    pages = ledger._file.execute("PRAGMA page_count").fetchone()[0]
    ledger._file.execute(f"PRAGMA max_page_count={pages}")
    placed = fill_the_disk(desk)
    assert 0 < placed < 200
    assert len(desk.broker.orders(False, None)) == placed == len(desk.broker.orders(True, None))
    assert desk.broker.cash().amount == 1_000_000 - 200 * placed
    ledger._file.execute("PRAGMA max_page_count=1000000")
    assert desk.order(desk.place("US.AAPL", "BUY", 1, 200)).status == "SUBMITTED"


def test_the_account_keeps_its_currency_and_cash(desk) -> None:
    """Settings of an existing account do not add cash, and another currency is refused by its key."""
    desk.place("US.AAPL", "BUY", 1)
    left = desk.broker.cash()
    desk.settings["cash"] = 5
    desk.reopen()
    assert desk.broker.cash() == left
    desk.settings["currency"] = "HKD"
    with pytest.raises(BadRequest, match=r"settings\.currency"):
        desk.reopen()


def test_a_file_of_a_later_version_is_left_alone(desk) -> None:
    """A file written by a later version is refused in words, and not touched."""
    desk.broker.vendor.ledger._file.execute("PRAGMA user_version = 99")
    with pytest.raises(Unavailable, match="expected version 1"):
        desk.reopen()


def test_the_file_is_private(desk, tmp_path: Path) -> None:
    """The account's file and its side files can be read by their owner alone."""
    desk.place("US.AAPL", "BUY", 1)
    modes = {stat.S_IMODE(found.stat().st_mode) for found in tmp_path.glob(FILE + "*")}
    assert modes == {0o600}


def test_old_orders_are_read_from_the_file(desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished orders that no longer fit in memory are still answered."""
    monkeypatch.setattr("brokerbus_paper.vendor.RECENT_ORDERS", 2)
    placed = [desk.place("US.AAPL", "BUY", 1) for _ in range(5)]
    assert len(desk.broker.vendor._recent) == 2
    assert [desk.order(order_id).order_id for order_id in placed] == placed


def test_the_market_thread_beats_and_heals(desk, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    """The thread that connect starts goes on after errors: told once in the log, and once when healed."""
    healed = threading.Event()
    beats = iter([OSError("no space"), OSError("no space"), None])

    def tick(broker: PaperBroker) -> None:
        error = next(beats, healed)
        if isinstance(error, OSError):
            raise error
        if error is healed:
            healed.set()

    monkeypatch.setattr(PaperBroker, "tick", tick)
    monkeypatch.setattr("brokerbus_paper.broker.STILL_SECONDS", 0.001)
    desk.broker.connect()
    assert healed.wait(10)
    desk.broker.close()
    assert [record.getMessage() for record in caplog.records] == [
        "open orders cannot trade or expire: OSError: no space",
        "open orders trade and expire again",
    ]
    assert desk.host.sessions == []


class Failing:
    """A connection whose next COMMIT says that it failed; ``done`` tells whether it took place."""

    def __init__(self, file: sqlite3.Connection, words: str) -> None:
        self._file, self._words = file, words

    def execute(self, text: str, *values: Any) -> Any:
        if text == "COMMIT" and self._words:
            words, self._words = self._words, ""
            raise sqlite3.OperationalError(words)
        return self._file.execute(text, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_commit_that_may_have_failed(desk) -> None:
    """When the sync of an order fails its outcome is unknown until a look-up by tag has made it certain."""
    ledger = desk.broker.vendor.ledger
    real, ledger._file = ledger._file, Failing(ledger._file, "disk I/O error")
    with pytest.raises(UnknownOutcome, match="disk I/O error"):
        desk.place("US.AAPL", "BUY", 1, 200, client_order_id="doubt")
    ledger._file = Failing(real, "disk I/O error")
    with pytest.raises(Unavailable):
        desk.broker.order_by_tag("doubt", desk.now)
    written = real.total_changes
    assert desk.broker.order_by_tag("doubt", desk.now) is None
    assert real.total_changes == written + 1  # over what may still stand in the log
    assert desk.broker.cash().amount == 1_000_000
    desk.place("US.AAPL", "BUY", 1, 200, client_order_id="doubt")
    ledger._file = real
    desk.reopen()
    assert len(desk.broker.vendor.tagged("doubt")) == 1


def test_a_commit_on_a_full_disk(desk) -> None:
    """A disk that is full at the commit has taken nothing: that is certain, and said so."""
    ledger = desk.broker.vendor.ledger
    real, ledger._file = ledger._file, Failing(ledger._file, "database or disk is full")
    with pytest.raises(Unavailable, match="full"):
        desk.place("US.AAPL", "BUY", 1, 200, client_order_id="full")
    ledger._file = real
    assert desk.broker.order_by_tag("full", desk.now) is None


def test_fill_ids_are_unique_after_a_new_start(desk, tmp_path: Path) -> None:
    """No fill id comes twice, not over restarts and not after the account's file was deleted."""
    seen = set()
    for _ in range(2):
        for _ in range(2):
            desk.place("US.AAPL", "BUY", 1)
            desk.now += 1
        desk.reopen()
        desk.place("US.AAPL", "BUY", 1)
        ids = {fill.fill_id for fill in desk.broker.fills(0)}
        assert len(ids) == 3
        assert not ids & seen
        seen |= ids
        desk.broker.close()
        for found in tmp_path.glob(FILE + "*"):
            found.unlink()
        desk.now += 1
        desk.reopen()
