"""The conformance cards: what every worker must do for the capabilities that it declares.

A worker's own tests run them against a real process::

    @pytest.mark.parametrize("card", CARDS, ids=str)
    def test_card(card, worker, backend):
        if not card.applies(worker):
            pytest.skip(card.reason(worker))
        card.run(worker, backend)

:class:`Backend` tells the cards which symbols and prices the broker's backend understands.
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Tuple

from brokerbus import contract as contracts
from brokerbus.broker import METHODS
from brokerbus.client import BlockingClient
from brokerbus.errors import BusError
from brokerbus.model import SESSIONS, UNIFIED_STATUSES
from brokerbus.testing.processes import WorkerProcess, until


@dataclass(frozen=True)
class Backend:
    """What the broker's backend knows. Prices are in the currency of ``symbol``."""

    symbol: str
    """A code that is quoted and can be traded: ``US.AAPL``."""

    resting_price: float
    """A limit at which a buy of ``qty`` is accepted and does not fill."""

    filling_price: float
    """A limit at which a buy of ``qty`` fills at once."""

    unknown_symbol: str = "US.NOSUCHTHING"
    qty: float = 1
    too_many: float = 1e9
    """A quantity that the account cannot pay for."""

    spellings: Tuple[str, ...] = field(default=())


Run = Callable[[WorkerProcess, Backend], None]


@dataclass(frozen=True)
class Card:
    """One numbered demand; ``needs`` are the methods without which it does not apply."""

    number: int
    title: str
    needs: Tuple[str, ...]
    run: Run

    def __str__(self) -> str:
        return f"{self.number:02d}-{self.run.__name__.replace('_', '-')}"

    def applies(self, worker: WorkerProcess) -> bool:
        return not self._missing(worker)

    def reason(self, worker: WorkerProcess) -> str:
        return f"card {self.number} needs {', '.join(self._missing(worker))}"

    def _missing(self, worker: WorkerProcess) -> List[str]:
        methods = worker.call("capabilities")["methods"]
        return [name for name in self.needs if name not in methods]


CARDS: List[Card] = []


def card(title: str, *needs: str) -> Callable[[Run], Run]:
    """Adds a function to the cards, with the next number."""

    def add(run: Run) -> Run:
        CARDS.append(Card(len(CARDS) + 1, title, needs, run))
        return run

    return add


def place(worker: WorkerProcess, backend: Backend, **changes: Any) -> Dict[str, Any]:
    """Places a resting limit order, with ``changes``."""
    params = {
        "contract": backend.symbol,
        "direction": "BUY",
        "orderType": "Limit",
        "qty": backend.qty,
        "price": backend.resting_price,
        "timeInForce": "DAY",
        "lifecycle": "RTH",
    }
    answer: Dict[str, Any] = worker.call("place_order", {**params, **changes}, timeout=20)
    return answer


def refusal(worker: WorkerProcess, backend: Backend, **changes: Any) -> BusError:
    """The error that a placement ends with; raises AssertionError when it is accepted."""
    try:
        placed = place(worker, backend, **changes)
    except BusError as error:
        return error
    raise AssertionError(f"{changes} was accepted: {placed}")


def order(worker: WorkerProcess, order_id: str) -> Dict[str, Any]:
    """The state of one order."""
    state: Dict[str, Any] = worker.call("order", {"orderId": order_id}, timeout=20)
    return state


def _fields(value: Mapping[str, Any], **kinds: Any) -> None:
    for name, kind in kinds.items():
        assert name in value, f"{name} is missing in {sorted(value)}"
        assert isinstance(value[name], kind), f"{name}: {value[name]!r}"
        assert not (isinstance(value[name], bool) and kind in ((int, float), int)), f"{name} is a boolean"


NUMBER = (int, float)
NUMBER_OR_NULL = (int, float, type(None))


# -- being a worker ----------------------------------------------------------------------------------
@card("capabilities name the protocol, the broker, its SDK, Python, methods, kinds and regions")
def capabilities(worker: WorkerProcess, backend: Backend) -> None:
    told = worker.call("capabilities")
    _fields(told, protocol=int, broker=str, brokerDisplay=str, python=str, methods=list, kinds=list, regions=list)
    assert told["protocol"] == 1
    assert {"status", "capabilities"} <= set(told["methods"])
    assert "status" in told["kinds"]


@card("status tells state, session, inflight, subscriptions and lastPushAge")
def status(worker: WorkerProcess, backend: Backend) -> None:
    told = worker.call("status")
    _fields(told, state=str, session=str, inflight=int, subscriptions=int, lastPushAge=NUMBER_OR_NULL)
    assert told["state"] == "ready"
    assert told["session"] in SESSIONS


@card("a method that it does not declare answers unsupported, an unheard-of one unknown_method")
def undeclared(worker: WorkerProcess, backend: Backend) -> None:
    declared = worker.call("capabilities")["methods"]
    for method in METHODS:
        if method not in declared:
            assert worker.code(method) == "unsupported", method
    assert worker.code("no_such_method") == "unknown_method"


@card("ping is true while the broker answers", "ping")
def ping(worker: WorkerProcess, backend: Backend) -> None:
    assert worker.call("ping") == {"pong": True}


@card("what does not fit is bad_request that names the field, and no order goes out", "place_order")
def bad_params(worker: WorkerProcess, backend: Backend) -> None:
    for name, value in (
        ("contract", "nonsense"),
        ("direction", "LONG"),
        ("orderType", "Stop"),
        ("qty", 0),
        ("qty", True),
        ("qty", "1"),
        ("qty", 1e18),
        ("price", -1),
        ("price", None),
        ("timeInForce", "SOON"),
        ("lifecycle", "NIGHT"),
        ("clientOrderId", "a b"),
    ):
        refused = refusal(worker, backend, **{name: value})
        assert refused.code == "bad_request", f"{name}={value!r}: {refused.code} {refused.message}"
        assert refused.message.startswith(name), refused.message


# -- reading -------------------------------------------------------------------------------------------
@card("a quote has httptrading's fields, and numbers or null", "quote")
def quote(worker: WorkerProcess, backend: Backend) -> None:
    got = worker.call("quote", {"contract": backend.symbol}, timeout=20)
    _fields(got, type=str, contract=dict, currency=str, isTradable=bool, timestamp=int)
    for name in ("latest", "preClose", "highPrice", "lowPrice", "openPrice"):
        _fields(got, **{name: NUMBER_OR_NULL})
    assert got["type"] == "quote"
    assert got["latest"] > 0
    assert got["contract"] == contracts.parse(backend.symbol).to_map()
    json.dumps(got, allow_nan=False)


@card("every spelling of a symbol is the same contract", "quote")
def spellings(worker: WorkerProcess, backend: Backend) -> None:
    contract = contracts.parse(backend.symbol)
    reversed_code = f"{contract.symbol}.{contract.market}"
    for value in (backend.symbol, reversed_code, contract.to_map(), *backend.spellings):
        got = worker.call("quote", {"contract": value}, timeout=20)
        assert got["contract"] == contract.to_map(), value


@card("a symbol that the broker does not know is not_found", "quote")
def unknown_symbol(worker: WorkerProcess, backend: Backend) -> None:
    assert worker.code("quote", {"contract": backend.unknown_symbol}, timeout=20) == "not_found"


@card("cash is an amount in a currency", "cash")
def cash(worker: WorkerProcess, backend: Backend) -> None:
    got = worker.call("cash", timeout=20)
    _fields(got, type=str, currency=str, amount=NUMBER)
    assert set(got) == {"type", "currency", "amount"}


@card("positions have httptrading's fields", "positions")
def positions(worker: WorkerProcess, backend: Backend) -> None:
    for got in worker.call("positions", timeout=20):
        _fields(got, type=str, broker=str, brokerDisplay=str, contract=dict, unit=str, currency=str, qty=NUMBER)
        assert contracts.parse(got["contract"]).to_map() == got["contract"]
    json.dumps(worker.call("positions", timeout=20), allow_nan=False)


@card("market states are unified for each region that it trades", "market_status")
def market_status(worker: WorkerProcess, backend: Backend) -> None:
    got = worker.call("market_status", timeout=20)
    assert got["type"] == "marketStatusMap"
    for region, state in got["securities"].items():
        _fields(state, type=str, region=str, originStatus=str, unifiedStatus=str)
        assert state["region"] == region
        assert state["unifiedStatus"] in UNIFIED_STATUSES
    assert set(worker.call("capabilities")["regions"]) >= set(got["securities"])


@card("accounts are listed with their environment, a closed one too", "accounts")
def accounts(worker: WorkerProcess, backend: Backend) -> None:
    listed = worker.call("accounts", timeout=20)
    for got in listed:
        _fields(got, accountId=str, env=str, type=str, status=str, markets=list)
        assert got["env"] in ("SIMULATE", "REAL")
    assert any(got["status"] == "ACTIVE" for got in listed)


# -- trading -------------------------------------------------------------------------------------------
@card("an order is accepted, seen with its clientOrderId, and cancelled", "place_order", "order", "cancel_order")
def life_of_an_order(worker: WorkerProcess, backend: Backend) -> None:
    tag = secrets.token_hex(8)
    placed = place(worker, backend, clientOrderId=tag)
    assert placed["clientOrderId"] == tag
    assert isinstance(placed["orderId"], str)
    seen = order(worker, placed["orderId"])
    _fields(seen, orderId=str, currency=str, qty=NUMBER, filledQty=NUMBER, avgPrice=NUMBER, errorReason=str)
    _fields(seen, isCanceled=bool, isFilled=bool, isCompleted=bool, isCancelable=bool)
    assert (seen["clientOrderId"], seen["qty"], seen["filledQty"]) == (tag, backend.qty, 0)
    assert (seen["direction"], seen["orderType"], seen["price"]) == ("BUY", "Limit", backend.resting_price)
    assert seen["contract"] == contracts.parse(backend.symbol).to_map()
    assert worker.call("cancel_order", {"orderId": placed["orderId"]}, timeout=20) == {"canceled": True}
    until(lambda: order(worker, placed["orderId"])["isCanceled"], 10, "the cancellation")
    done = order(worker, placed["orderId"])
    assert (done["isCompleted"], done["isCancelable"], done["isFilled"]) == (True, False, False)


@card("a clientOrderId is made up when absent, and differs each time", "place_order", "cancel_order")
def made_up_id(worker: WorkerProcess, backend: Backend) -> None:
    placed = [place(worker, backend) for _ in range(2)]
    assert placed[0]["clientOrderId"] != placed[1]["clientOrderId"]
    assert placed[0]["orderId"] != placed[1]["orderId"]
    for one in placed:
        worker.call("cancel_order", {"orderId": one["orderId"]}, timeout=20)


@card("a limit order at the market fills, with its average price", "place_order", "order")
def fill(worker: WorkerProcess, backend: Backend) -> None:
    placed = place(worker, backend, price=backend.filling_price)
    until(lambda: order(worker, placed["orderId"])["isFilled"], 10, "the fill")
    done = order(worker, placed["orderId"])
    assert done["filledQty"] == backend.qty
    assert 0 < done["avgPrice"] <= backend.filling_price
    assert done["isCompleted"]


@card("a market order needs no price", "place_order", "order")
def market_order(worker: WorkerProcess, backend: Backend) -> None:
    placed = place(worker, backend, orderType="Market", price=None)
    until(lambda: order(worker, placed["orderId"])["isFilled"], 10, "the fill")
    assert order(worker, placed["orderId"])["orderType"] == "Market"


@card("what the account cannot pay for is rejected in the broker's words", "place_order")
def rejection(worker: WorkerProcess, backend: Backend) -> None:
    refused = refusal(worker, backend, qty=backend.too_many)
    assert refused.code == "rejected", f"{refused.code}: {refused.message}"
    assert refused.message


@card("an order that does not exist is not_found, to see and to cancel", "order", "cancel_order")
def no_such_order(worker: WorkerProcess, backend: Backend) -> None:
    for method in ("order", "cancel_order"):
        assert worker.code(method, {"orderId": "999999999999"}, timeout=20) == "not_found", method


@card("an order whose deadline has passed is expired and never executed", "place_order", "orders")
def expired(worker: WorkerProcess, backend: Backend) -> None:
    tag = secrets.token_hex(8)
    params = {"contract": backend.symbol, "direction": "BUY", "orderType": "Limit", "qty": backend.qty}
    params.update(price=backend.resting_price, clientOrderId=tag)
    assert worker.code("place_order", params, timeout=-1) == "expired"
    assert tag not in [got["clientOrderId"] for got in worker.call("orders", timeout=20)]


@card("quantity and price of an open order can be changed", "place_order", "modify_order", "order", "cancel_order")
def modify(worker: WorkerProcess, backend: Backend) -> None:
    placed = place(worker, backend)
    changed = {"orderId": placed["orderId"], "qty": backend.qty * 2, "price": backend.resting_price}
    assert worker.call("modify_order", changed, timeout=20) == {"orderId": placed["orderId"]}
    until(lambda: order(worker, placed["orderId"])["qty"] == backend.qty * 2, 10, "the new quantity")
    worker.call("cancel_order", {"orderId": placed["orderId"]}, timeout=20)


@card("orders and fills list what was traded", "place_order", "orders", "fills", "order")
def lists(worker: WorkerProcess, backend: Backend) -> None:
    placed = place(worker, backend, price=backend.filling_price)
    until(lambda: order(worker, placed["orderId"])["isFilled"], 10, "the fill")
    assert placed["orderId"] in [got["orderId"] for got in worker.call("orders", timeout=20)]
    assert placed["orderId"] not in [got["orderId"] for got in worker.call("orders", {"open": True}, timeout=20)]
    fills = [got for got in worker.call("fills", timeout=20) if got["orderId"] == placed["orderId"]]
    assert sum(got["qty"] for got in fills) == backend.qty
    assert len({got["fillId"] for got in fills}) == len(fills)


# -- orders, once --------------------------------------------------------------------------------------
def restart(worker: WorkerProcess) -> None:
    """kill -9, and a new process that is ready."""
    worker.kill()
    worker.start()
    worker.ready()


def with_tag(worker: WorkerProcess, tag: str) -> List[Dict[str, Any]]:
    """The orders that carry a clientOrderId."""
    return [got for got in worker.call("orders", timeout=20) if got["clientOrderId"] == tag]


@card("the same clientOrderId gets the same answer, over kill -9 too, and is one order", "place_order", "orders")
def same_answer(worker: WorkerProcess, backend: Backend) -> None:
    tag = secrets.token_hex(8)
    first = place(worker, backend, clientOrderId=tag)
    assert place(worker, backend, clientOrderId=tag) == first
    restart(worker)
    assert place(worker, backend, clientOrderId=tag) == first
    (listed,) = with_tag(worker, tag)
    assert (listed["orderId"], listed["origin"]) == (first["orderId"], "bus")
    worker.call("cancel_order", {"orderId": first["orderId"]}, timeout=20)


@card("the same clientOrderId with another content is a conflict, and no order goes out", "place_order", "orders")
def other_content(worker: WorkerProcess, backend: Backend) -> None:
    tag = secrets.token_hex(8)
    placed = place(worker, backend, clientOrderId=tag)
    refused = refusal(worker, backend, clientOrderId=tag, qty=backend.qty * 2)
    assert refused.code == "conflict", refused
    assert refused.detail == {"reason": "content", "orderId": placed["orderId"]}
    assert len(with_tag(worker, tag)) == 1
    worker.call("cancel_order", {"orderId": placed["orderId"]}, timeout=20)


@card("many requests with one clientOrderId at once are one order", "place_order", "orders")
def duplicates(worker: WorkerProcess, backend: Backend) -> None:
    tag = secrets.token_hex(8)
    codes: List[str] = []

    def ask() -> None:
        with BlockingClient(worker.run_dir, worker.instance) as client:
            params = {"contract": backend.symbol, "direction": "BUY", "orderType": "Limit", "qty": backend.qty}
            params.update(price=backend.resting_price, clientOrderId=tag)
            try:
                client.call("place_order", params, timeout=20)
                codes.append("ok")
            except BusError as error:
                codes.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 20
    assert set(codes) <= {"ok", "conflict"}
    (listed,) = with_tag(worker, tag)
    worker.call("cancel_order", {"orderId": listed["orderId"]}, timeout=20)


@card("an order is found by its clientOrderId; a rejected one answers its rejection", "place_order", "order")
def by_client_id(worker: WorkerProcess, backend: Backend) -> None:
    tag, refused_tag = secrets.token_hex(8), secrets.token_hex(8)
    placed = place(worker, backend, clientOrderId=tag)
    assert worker.call("order", {"clientOrderId": tag}, timeout=20)["orderId"] == placed["orderId"]
    refusal(worker, backend, qty=backend.too_many, clientOrderId=refused_tag)
    assert worker.code("order", {"clientOrderId": refused_tag}, timeout=20) == "rejected"
    assert worker.code("order", {"clientOrderId": secrets.token_hex(8)}, timeout=20) == "not_found"
    worker.call("cancel_order", {"orderId": placed["orderId"]}, timeout=20)


@card("halt refuses placements over restarts, lets cancel through, and resume ends it", "place_order", "cancel_order")
def halt(worker: WorkerProcess, backend: Backend) -> None:
    placed = place(worker, backend)
    worker.call("halt", {"reason": "a card"})
    try:
        assert refusal(worker, backend).code == "halted"
        restart(worker)
        assert refusal(worker, backend).code == "halted"
        assert worker.status()["halted"] == "a card"
        assert worker.call("cancel_order", {"orderId": placed["orderId"]}, timeout=20) == {"canceled": True}
    finally:
        worker.call("resume")
    again = place(worker, backend)
    worker.call("cancel_order", {"orderId": again["orderId"]}, timeout=20)


@card("each change of an order and each fill is one event with a growing cursor", "place_order", "order", "fills")
def events(worker: WorkerProcess, backend: Backend) -> None:
    before = worker.call("replay", {"cursor": 0})["cursor"]
    placed = place(worker, backend, price=backend.filling_price)

    def told() -> List[Dict[str, Any]]:
        pushes: List[Dict[str, Any]] = worker.call("replay", {"cursor": before})["pushes"]
        return [push for push in pushes if push["subject"] == placed["orderId"]]

    def filled() -> bool:
        return any(push["kind"] == "order" and bool(push["data"]["isFilled"]) for push in told())

    def executed() -> bool:
        return float(sum(push["data"]["qty"] for push in told() if push["kind"] == "fill")) >= backend.qty

    until(filled, 20, "the event of the fill")
    until(executed, 20, "the executions")
    restart(worker)
    got = told()
    cursors = [push["cursor"] for push in got]
    assert cursors == sorted(set(cursors))
    fills = [push["data"] for push in got if push["kind"] == "fill"]
    assert len({fill["fillId"] for fill in fills}) == len(fills)
    assert sum(fill["qty"] for fill in fills) == backend.qty
    states = [push["data"]["filledQty"] for push in got if push["kind"] == "order"]
    assert states == sorted(states)
    assert {push["data"]["clientOrderId"] for push in got} == {placed["clientOrderId"]}
