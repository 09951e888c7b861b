"""What the worker reads through the real SDK from a simulated OpenD, over the bus."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from worker_support import CN, DISABLED, HK, UNIVERSAL, US, eventually, needs_sdk

from brokerbus.errors import NotFound, RateLimited, Rejected, Unavailable

pytestmark = needs_sdk

Start = Callable[..., Any]


def test_reading_simulated(opend: Any, worker: Any) -> None:
    """Ping, cash, balances, positions, market states and accounts are those of the simulated accounts."""
    assert worker.call("ping") == {"pong": True}
    assert worker.call("cash") == {"type": "cash", "currency": "USD", "amount": 1_000_000.0}
    assert {row["currency"]: row["cash"] for row in worker.call("balances")} == dict.fromkeys(
        ("USD", "HKD", "CNH"), 1e6
    )
    held = {row["contract"]["symbol"]: (row["qty"], row["currency"]) for row in worker.call("positions")}
    assert held == {
        "AAPL": (120, "USD"), "BRK.B": (3.5, "USD"), "00700": (300, "HKD"),
        "600519": (100, "CNH"), "300750": (200, "CNH"),
    }  # fmt: skip
    assert {row["accountId"]: (row["env"], row["status"]) for row in worker.call("accounts")} == {
        str(DISABLED): ("REAL", "DISABLED"),
        str(US): ("SIMULATE", "ACTIVE"),
        str(HK): ("SIMULATE", "ACTIVE"),
        str(CN): ("SIMULATE", "ACTIVE"),
        str(UNIVERSAL): ("REAL", "ACTIVE"),
    }
    opend.control.do("market_state", market="US", state="PRE_MARKET_BEGIN")
    state = worker.call("market_status")["securities"]
    assert state["US"] == {
        "type": "marketStatus", "region": "US", "originStatus": "PRE_MARKET_BEGIN", "unifiedStatus": "PRE_HOURS",
    }  # fmt: skip
    assert set(state) == {"US", "HK", "CN"}


def test_quotes(opend: Any, worker: Any) -> None:
    """A quote has the last price and its epoch time; a suspended share is not tradable, an unknown one not found."""
    tick = opend.control.do("set_price", code="HK.00700", price=400.2)
    opend.control.do("security", code="SH.600519", status=9)
    hong_kong, shanghai, us = worker.call("quotes", contracts=["700.HK", "SH.600519", "US.BRK.B"])
    assert (hong_kong["latest"], hong_kong["currency"], hong_kong["isTradable"]) == (400.2, "HKD", True)
    assert hong_kong["timestamp"] == round(tick["timestamp"] * 1000)
    assert (shanghai["isTradable"], shanghai["currency"], us["contract"]["symbol"]) == (False, "CNY", "BRK.B")
    assert worker.call("quote", contract="HK.00700") == hong_kong
    with pytest.raises(NotFound, match=r"US\.NOSUCH"):
        worker.call("quote", contract="US.NOSUCH")


def test_real_account(opend: Any, start: Start) -> None:
    """Without trade_env the REAL account is read, not the disabled one listed first; fractions stay."""
    worker = start(opend.port, trade_env="", unlock_pin="")
    held = {row["contract"]["symbol"]: row["qty"] for row in worker.call("positions")}
    assert held == {"AAPL": 10.25, "00005": 800, "600519": 100}
    cash = worker.call("cash")
    assert cash["currency"] == "USD"
    assert cash["amount"] == pytest.approx(250_000 + 500_000 / 7.8 + 100_000 * 1.08 / 7.8)
    assert {row["currency"]: row["cash"] for row in worker.call("balances")} == {
        "USD": 250_000.0,
        "HKD": 5e5,
        "CNH": 1e5,
    }
    assert {request["c2s"]["header"]["accID"] for request in opend.control.requests(2102)} == {UNIVERSAL}


@pytest.mark.parametrize(
    ("acc_id", "env", "words"),
    [
        (1234, "SIMULATE", "no account 1234"),
        (DISABLED, "REAL", "DISABLED"),
        (UNIVERSAL, "SIMULATE", "is a REAL account"),
    ],
)
def test_an_unusable_account_is_refused(opend: Any, start: Start, acc_id: int, env: str, words: str) -> None:
    """A configured account that cannot be used keeps the session down and says why; no other one is traded."""
    worker = start(opend.port, up=False, acc_id=str(acc_id), trade_env=env)
    eventually(lambda: words in str(worker.status["reason"]))
    with pytest.raises(Unavailable, match=words):
        worker.place()
    assert opend.control.requests(2202) == []


def test_a_configured_account_is_used_alone(opend: Any, start: Start) -> None:
    """acc_id names the account whose cash, positions and orders these are; other markets are refused."""
    worker = start(opend.port, acc_id=HK)
    assert worker.call("cash") == {"type": "cash", "currency": "HKD", "amount": 1_000_000.0}
    assert [row["contract"]["symbol"] for row in worker.call("positions")] == ["00700"]
    worker.place("HK.00700", qty=100, price=300)
    with pytest.raises(Rejected, match="may trade US"):
        worker.place("US.AAPL")
    assert [order["acc_id"] for order in opend.control.orders()] == [str(HK)]


def test_ping_asks_opend(opend: Any, worker: Any) -> None:
    """Ping is false when OpenD lost its own login, or does not answer; and it says so within its own deadline."""
    opend.control.do("set", trd_logined=False)
    assert worker.call("ping") == {"pong": False}
    opend.control.do("set", trd_logined=True)
    assert worker.call("ping") == {"pong": True}
    opend.control.fault("swallow", 1002)
    assert worker.call("ping", timeout=0.3) == {"pong": False}


def test_pacing(worker: Any) -> None:
    """Beyond the vendor's limit a call is refused at once with the time to wait, instead of sleeping."""
    for _ in range(10):
        worker.call("cash")
    with pytest.raises(RateLimited) as refusal:
        worker.call("cash")
    assert 20 < refusal.value.retry_after <= 30
    assert worker.call("ping") == {"pong": True}


def test_the_vendors_words_for_readers(opend: Any, worker: Any) -> None:
    """The vendor's no, its limit and its unknown share reach the reader as rejected, rate_limited and not_found."""
    for words, expected in (
        ("No quote right of the market", Rejected),
        ("high frequency of requests", RateLimited),
        ("Unknown stock", NotFound),
        ("time out", Unavailable),
    ):
        opend.control.fault("error", 3203, message=words)
        with pytest.raises(expected, match=words):
            worker.call("quote", contract="US.AAPL")


def test_orders_and_fills(opend: Any, worker: Any) -> None:
    """Orders of every account, today's and older, are found by id and listed; fills carry the tag."""
    open_id = worker.place("US.AAPL", tag="rests")["orderId"]
    done_id = worker.place("HK.00700", tag="fills", qty=100, price=500.0)["orderId"]
    old_id = worker.place("SH.600519", tag="is-old", qty=100, price=1600.0)["orderId"]
    opend.control.do("age", order_id=old_id, days=3)
    outside = opend.control.do("place", acc_id=US, code="US.MSFT", side="BUY", qty=1, price=1.0)["order_id_ex"]

    assert {order["orderId"] for order in worker.call("orders", open=True)} == {open_id, outside}
    assert {order["orderId"] for order in worker.call("orders")} >= {open_id, done_id, outside}
    assert {order["orderId"] for order in worker.call("orders", since=0)} == {open_id, done_id, outside, old_id}
    old = worker.call("order", orderId=old_id)
    assert (old["clientOrderId"], old["isFilled"], old["contract"]["symbol"]) == ("is-old", True, "600519")
    assert worker.call("order", orderId=outside)["origin"] == "external"
    [fill] = [each for each in worker.call("fills") if each["orderId"] == done_id]
    assert (fill["orderId"], fill["clientOrderId"], fill["qty"], fill["direction"]) == (done_id, "fills", 100, "BUY")
    assert {row["orderId"] for row in worker.call("fills", since=0)} == {done_id, old_id}
    with pytest.raises(NotFound):
        worker.call("order", orderId="no-such-order")
