"""Orders through the real SDK: what is sent, and what the caller is told when OpenD fails at each point."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
from worker_support import CN, HK, PASSWORD_MD5, UNIVERSAL, US, WorkerProcess, eventually, needs_sdk

from brokerbus.errors import BadRequest, NotFound, RateLimited, Rejected, Unavailable, UnknownOutcome

pytestmark = needs_sdk

Start = Callable[..., Any]


def sent(opend: Any, proto: int = 2202) -> List[Dict[str, Any]]:
    return [request["c2s"] for request in opend.control.requests(proto)]


@pytest.fixture(scope="module")
def running() -> Iterator[Tuple[Any, Any]]:
    """An OpenD and a worker for the tests that only place orders."""
    from brokerbus_futu.simulator import SimulatorProcess

    with SimulatorProcess(words=["--seed", "1"]) as opend:
        worker = WorkerProcess(opend.port, pace=100)
        try:
            worker.wait_session("up", 20)
            yield opend, worker
        finally:
            worker.stop()


@pytest.fixture
def shared(running: Tuple[Any, Any]) -> Tuple[Any, Any]:
    """The same with nothing received yet."""
    running[0].control.do("reset_evidence")
    return running


# -- what is sent ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("contract", "account", "market", "sec_market", "qty"),
    [
        ("US.BRK.B", US, 2, 2, 1.5),
        ("HK.00700", HK, 1, 1, 100),
        ("SH.600519", CN, 3, 31, 100),
        ("SZ.300750", CN, 3, 32, 100),
    ],
)
def test_an_order_goes_to_the_account_of_its_market(
    shared: Tuple[Any, Any], contract: str, account: int, market: int, sec_market: int, qty: float
) -> None:
    """US, Hong Kong and A shares each go out once, to the active account of that market, with the tag as remark."""
    opend, worker = shared
    tag = f"my-tag_{account}-{sec_market}"
    answer = worker.place(contract, tag=tag, qty=qty, price=1.0)
    [request] = sent(opend)
    header = request["header"]
    assert (int(header["accID"]), header.get("trdEnv", 0), header["trdMarket"]) == (account, 0, market)
    assert (request["secMarket"], request["qty"], request["price"], request["remark"]) == (
        sec_market,
        qty,
        1.0,
        tag,
    )
    [order] = opend.control.do("orders", remark=tag)
    assert answer == {"orderId": order["order_id_ex"], "clientOrderId": tag}


def test_terms(shared: Tuple[Any, Any]) -> None:
    """A market order needs no price, the lifecycle is the US session, time in force and side are the vendor's."""
    opend, worker = shared
    worker.place(orderType="Market", price=None)
    worker.place(lifecycle="ETH", timeInForce="GTC")
    worker.place(lifecycle="OVERNIGHT", direction="SELL", price=900.0)
    worker.place("HK.00700", qty=100)
    market, extended, overnight, hong_kong = sent(opend)
    assert (market["orderType"], market["price"], market["session"], market.get("timeInForce", 0)) == (2, 10.0, 1, 0)
    assert (extended["orderType"], extended["session"], extended["timeInForce"]) == (1, 2, 1)
    assert (overnight["session"], overnight["trdSide"]) == (4, 2)
    assert hong_kong.get("session", 0) == 0


def test_orders_that_cannot_be_meant_are_not_sent(shared: Tuple[Any, Any]) -> None:
    """Sessions that a market has not, and market orders outside regular hours, are refused before anything goes out."""
    opend, worker = shared
    for changes in (
        {"lifecycle": "ETH", "orderType": "Market", "price": None},
        {"contract": "HK.00700", "lifecycle": "ETH"},
    ):
        with pytest.raises(BadRequest, match="lifecycle"):
            worker.place(**changes)
    assert sent(opend) == []


def test_the_exchange_decides_lots_and_money(shared: Tuple[Any, Any]) -> None:
    """Lot size, price spread and buying power are refused by OpenD, in its own words."""
    _, worker = shared
    for changes, words in (
        ({"contract": "HK.00700", "qty": 50}, "lot size"),
        ({"contract": "HK.00700", "qty": 100, "price": 1.01}, "price spread"),
        ({"qty": 1_000_000, "price": 200.0}, "buying power"),
    ):
        with pytest.raises(Rejected, match=words) as refusal:
            worker.place(**changes)
        assert refusal.value.detail["retType"] == -1


# -- what is told ----------------------------------------------------------------------------------
def test_refusals(shared: Tuple[Any, Any]) -> None:
    """OpenD's definite no is rejected, its limit rate_limited; words that leave it open are not taken for a no."""
    opend, worker = shared
    for words, expected, told in (
        ("Insufficient funds", Rejected, "Insufficient funds"),
        ("Too frequent: 15 in 30 s", RateLimited, "Too frequent"),
        ("request time out", UnknownOutcome, "nothing proves yet"),
    ):
        opend.control.fault("error", 2202, message=words)
        with pytest.raises(expected, match=told):
            worker.place(tag=told.replace(" ", "-"), timeout=1.0)
        assert opend.control.do("orders", remark=told.replace(" ", "-")) == []


def test_an_absent_opend_is_told_at_once(opend: Any, worker: Any) -> None:
    """While OpenD is away every method answers unavailable within 50 ms, and orders never reach it later."""
    opend.control.do("stop_listening")
    worker.wait_session("down", 2)
    for method, params in (("cash", {}), ("quote", {"contract": "US.AAPL"}), ("order", {"orderId": "1"})):
        start = time.monotonic()
        with pytest.raises(Unavailable):
            worker.call(method, **params)
        assert time.monotonic() - start < 0.05
    start = time.monotonic()
    with pytest.raises(Unavailable):
        worker.place()
    assert time.monotonic() - start < 0.05
    opend.control.do("listen")
    worker.wait_session("up", 5)
    assert sent(opend) == []


# -- cancelling ------------------------------------------------------------------------------------
def test_cancelling(opend: Any, start: Start, worker: Any) -> None:
    """An order is cancelled at its own account, also by another worker; what is gone is refused or not found."""
    order_id = worker.place("HK.00700", qty=100)["orderId"]
    other = start(opend.port)
    assert other.call("cancel_order", orderId=order_id) == {"canceled": True}
    assert worker.call("order", orderId=order_id)["isCanceled"]
    with pytest.raises(Rejected):
        worker.call("cancel_order", orderId=order_id)
    with pytest.raises(NotFound):
        worker.call("cancel_order", orderId="no-such-order")
    assert {int(request["header"]["accID"]) for request in sent(opend, 2205)} == {HK}


# -- REAL ------------------------------------------------------------------------------------------
def test_real_orders_unlock_once_per_link(opend: Any, start: Start) -> None:
    """REAL orders go out after one unlock per link, and again after a reconnect; A shares through Stock Connect."""
    worker = start(opend.port, trade_env="REAL", unlock_pin=PASSWORD_MD5)
    for contract, qty in (("US.AAPL", 1), ("HK.00005", 400), ("SH.600519", 100)):
        worker.place(contract, qty=qty)
    assert [request["header"]["trdMarket"] for request in sent(opend)] == [2, 1, 4]
    assert {int(request["header"]["accID"]) for request in sent(opend)} == {UNIVERSAL}
    assert len(sent(opend, 2005)) == 1
    opend.control.do("drop")
    eventually(lambda: len(sent(opend, 2005)) == 2)
    worker.wait_session("up")
    worker.place()
    assert len(sent(opend, 2005)) == 2


def test_a_wrong_password_stops_orders_alone(opend: Any, start: Start) -> None:
    """With a refused unlock the account is read, orders are rejected in the vendor's words, and nobody tries again."""
    worker = start(opend.port, trade_env="REAL", unlock_pin="0" * 32)
    assert worker.call("cash")["currency"] == "USD"
    for _ in range(2):
        with pytest.raises(Rejected, match="Wrong trade password"):
            worker.place()
    assert (len(sent(opend, 2005)), sent(opend)) == (1, [])
    assert "0" * 32 not in worker.log.read_text()


def test_simulate_never_reaches_real(opend: Any, start: Start) -> None:
    """A SIMULATE worker, even with an unlock password, sends no unlock and no request for a REAL account."""
    worker = start(opend.port, unlock_pin=PASSWORD_MD5)
    worker.place()
    for method in ("cash", "balances", "positions", "orders", "fills"):
        worker.call(method)
    assert sent(opend, 2005) == []
    headers = [request["c2s"].get("header") for request in opend.control.evidence()["requests"]]
    assert {header.get("trdEnv", 0) for header in headers if header} == {0}


# -- pushes ----------------------------------------------------------------------------------------
def test_pushes(opend: Any, worker: Any) -> None:
    """Every change of an order and every fill is pushed with ids, tag and the broker's own numbers."""
    opend.control.do("set", auto_fill=False)
    order_id = worker.place(tag="pushed", qty=3, price=230.0)["orderId"]
    opend.control.do("fill", order_id=order_id, qty=1, price=229.5)
    opend.control.do("fill", order_id=order_id, qty=2, price=229.0)
    eventually(lambda: any(push["isFilled"] for push in worker.pushes.of("order")))
    last = worker.pushes.of("order")[-1]
    assert (last["orderId"], last["clientOrderId"], last["filledQty"], last["status"]) == (
        order_id,
        "pushed",
        3,
        "FILLED_ALL",
    )
    eventually(lambda: len(worker.pushes.of("fill")) == 2)
    assert [(push["qty"], push["price"], push["clientOrderId"]) for push in worker.pushes.of("fill")] == [
        (1, 229.5, "pushed"),
        (2, 229.0, "pushed"),
    ]


def test_pushes_of_other_accounts_are_not_ours(opend: Any, start: Start) -> None:
    """Orders made elsewhere in the account are pushed as external; those of accounts not in use are not pushed."""
    worker = start(opend.port, acc_id=str(US))
    opend.control.do("place", acc_id=HK, code="HK.00700", side="BUY", qty=100, price=300.0)
    opend.control.do("place", acc_id=US, code="US.MSFT", side="BUY", qty=1, price=1.0, remark="by hand!")
    eventually(lambda: worker.pushes.of("order"))
    assert {push["contract"]["symbol"] for push in worker.pushes.of("order")} == {"MSFT"}
    assert {(push["origin"], push["clientOrderId"]) for push in worker.pushes.of("order")} == {("external", None)}
