"""The eight routes of httptrading's API: what they answer, and what of it reaches the worker."""

import json
import re
import time
from datetime import datetime

import pytest
from front_support import ONE, Front

from brokerbus_front.routes import ROUTES

ENVELOPE = {"type": "apiResponse", "instanceId": ONE, "broker": "stubName", "brokerDisplay": "桩 Stub"}
CONTRACT = {"type": "contract", "tradeType": "Securities", "region": "US", "symbol": "AAPL"}
AAPL = "market/quote?tradeType=Securities&region=US&symbol=AAPL"
UUID = "8e03978e-40d5-43dd-bc93-6894a57f9324"
ORDER = {
    "tradeType": "Securities",
    "region": "US",
    "symbol": "AAPL",
    "direction": "BUY",
    "orderType": "Limit",
    "timeInForce": "DAY",
    "lifecycle": "RTH",
    "qty": 1,
    "price": 10.5,
}


def members(answer: dict) -> dict:
    """What a successful answer carries beside its envelope."""
    moment = datetime.fromisoformat(answer.pop("time"))
    assert moment.utcoffset() is not None
    assert answer.pop("ex") is None
    for name, value in ENVELOPE.items():
        assert answer.pop(name) == value
    return answer


def refused(answer: dict, code: str) -> str:
    """The text of a failed answer, which has no other members than the envelope's."""
    assert set(answer) == {*ENVELOPE, "time", "ex"}
    assert answer["ex"].startswith(f"{code}: "), answer["ex"]
    return answer["ex"]


def place(front: Front, fields: dict, **more) -> dict:
    return front.post("order/place", json.dumps(fields).encode(), **more)


def last(front: Front) -> dict:
    return front.seen()[-1]


def test_ping(front: Front) -> None:
    """pong stands in the envelope itself."""
    assert members(front.get("ping/state")) == {"pong": True}


def test_quote(front: Front) -> None:
    """A quote has 1.0.8's keys, whole numbers stay whole and unknown ones are null."""
    quote = members(front.get(AAPL))["quote"]
    assert quote == {
        "type": "quote",
        "contract": CONTRACT,
        "currency": "USD",
        "isTradable": True,
        "latest": 1.0,
        "preClose": 2,
        "highPrice": 3.0,
        "lowPrice": None,
        "openPrice": 1.5,
        "timestamp": 1700000000000,
    }
    assert last(front)["params"] == {"contract": CONTRACT}


def test_market_state(front: Front) -> None:
    """The map of markets is passed on."""
    status = {"type": "marketStatus", "region": "US", "originStatus": "x", "unifiedStatus": "RTH"}
    found = members(front.get("market/state"))
    assert found == {"marketStatus": {"securities": {"US": status}, "type": "marketStatusMap"}}


def test_cash(front: Front) -> None:
    """Cash has 1.0.8's keys."""
    assert members(front.get("cash/state")) == {"cash": {"type": "cash", "currency": "USD", "amount": 1.5}}


def test_positions(front: Front) -> None:
    """Positions have 1.0.8's keys."""
    (position,) = members(front.get("position/state"))["positions"]
    assert set(position) == {"type", "broker", "brokerDisplay", "contract", "unit", "currency", "qty"}


def test_order_state_has_exactly_the_old_keys(front: Front) -> None:
    """What the bus tells of an order beyond 1.0.8 stays off this route."""
    order = members(front.get("order/state?orderId=o1"))["order"]
    old = "type orderId currency qty filledQty avgPrice errorReason isCanceled isFilled isCompleted isCancelable"
    assert set(order) == set(old.split())
    assert last(front)["params"] == {"orderId": "o1"}


def test_cancel(front: Front) -> None:
    """A cancel is answered with canceled; a number is taken for an order id, as at 1.0.8."""
    assert members(front.post("order/cancel", b'{"orderId":"o1"}')) == {"canceled": True}
    assert members(front.post("order/cancel", b'{"orderId":5}')) == {"canceled": True}
    assert last(front)["params"] == {"orderId": "5"}


@pytest.mark.parametrize("body", [b"{}", b'{"orderId":""}', b'{"orderId":null}', b'{"orderId":true}', b"[]", b""])
def test_cancel_without_an_order(front: Front, body: bytes) -> None:
    """A cancel that names no order is refused and reaches no worker."""
    before = len(front.seen())
    refused(front.post("order/cancel", body), "bad_request")
    assert len(front.seen()) == before


def test_place(front: Front) -> None:
    """An order is answered with its id, a made-up tag and the body as sent; the bus gets the contract's params."""
    sent = {**ORDER, "price": "10.50", "note": [1, None, "桩"]}
    answer = members(place(front, sent))
    tag = answer.pop("clientOrderId")
    assert re.fullmatch("[0-9a-f]{32}", tag)
    assert answer == {"orderId": "o1", "args": sent}
    params = last(front)["params"]
    assert params.pop("clientOrderId") == tag
    wanted = {key: ORDER[key] for key in ("direction", "orderType", "timeInForce", "lifecycle", "qty")}
    assert params == {**wanted, "contract": CONTRACT, "price": 10.5}


@pytest.mark.parametrize("price", [None, 0, 0.0, "", "0", 12.5])
def test_a_market_order_needs_no_price(front: Front, price: object) -> None:
    """A market order goes out without a price, whichever way its absence is told."""
    members(place(front, {**ORDER, "orderType": "Market", "price": price}))
    assert last(front)["params"]["price"] is None


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"clientOrderId": "my-order_1"}, {}),
        ({}, {"Idempotency-Key": "my-order_1"}),
        ({"clientOrderId": "my-order_1"}, {"idempotency-key": "my-order_1"}),
    ],
)
def test_the_callers_own_tag(front: Front, fields: dict, headers: dict) -> None:
    """A clientOrderId by body or header reaches the worker and is repeated in the answer."""
    answer = members(place(front, {**ORDER, **fields}, headers=headers))
    assert answer == {"orderId": "o1", "clientOrderId": "my-order_1", "args": {**ORDER, **fields}}
    assert last(front)["params"]["clientOrderId"] == "my-order_1"


@pytest.mark.parametrize("key", [UUID, UUID.upper(), f'"{UUID}"', UUID.replace("-", "")])
def test_a_uuid_as_key(front: Front, key: str) -> None:
    """A UUID of 36 characters is the clientOrderId without its dashes, and agrees with that in the body."""
    tag = key.strip('"').replace("-", "")
    for fields in ({}, {"clientOrderId": tag}):
        assert members(place(front, {**ORDER, **fields}, headers={"Idempotency-Key": key}))["clientOrderId"] == tag
        assert last(front)["params"]["clientOrderId"] == tag


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"clientOrderId": "a"}, {"Idempotency-Key": "b"}),
        ({"clientOrderId": UUID}, {}),
        ({}, {"Idempotency-Key": UUID + "0"}),
        ({}, {"Idempotency-Key": UUID[:-1]}),
        ({"clientOrderId": "x" * 33}, {}),
        ({"clientOrderId": ""}, {}),
        ({"clientOrderId": 5}, {}),
        ({"clientOrderId": "a b"}, {}),
        ({}, {"Idempotency-Key": "x" * 33}),
        ({}, {"Idempotency-Key": ""}),
        ({"tradeType": None}, {}),
        ({"tradeType": "Nonsense"}, {}),
        ({"region": "us"}, {}),
        ({"symbol": ""}, {}),
        ({"symbol": 5}, {}),
        ({"orderType": None}, {}),
        ({"orderType": "Stop"}, {}),
        ({"timeInForce": None}, {}),
        ({"lifecycle": ""}, {}),
        ({"direction": ""}, {}),
        ({"qty": 0}, {}),
        ({"qty": -1}, {}),
        ({"qty": "1"}, {}),
        ({"qty": True}, {}),
        ({"qty": 1e18}, {}),
        ({"qty": None}, {}),
        ({"price": None}, {}),
        ({"price": 0}, {}),
        ({"price": -0.0}, {}),
        ({"price": True}, {}),
        ({"price": []}, {}),
        ({"price": " 1_0 "}, {}),
        ({"price": "nan"}, {}),
        ({"price": "inf"}, {}),
        ({"price": "1e400"}, {}),
        ({"price": "١٢"}, {}),
        ({"orderType": "Market", "price": -1}, {}),
    ],
)
def test_an_order_that_does_not_fit(front: Front, fields: dict, headers: dict) -> None:
    """Wrong, missing or contradictory members are answered 200 with ex, and nothing reaches the worker."""
    before = len(front.seen())
    refused(place(front, {**ORDER, **fields}, headers=headers), "bad_request")
    assert len(front.seen()) == before


@pytest.mark.parametrize(
    ("query", "symbol"),
    [
        ("tradeType=Securities&region=US&symbol=aapl", ("US", "AAPL")),
        ("tradeType=Securities&region=HK&symbol=700", ("HK", "00700")),
        ("tradeType=Securities&region=US&region=HK&symbol=BRK%2EB&symbol=X", ("US", "BRK.B")),
        ("tradeType=Securities&symbol=700.HK", ("HK", "00700")),
        ("contract=SH.600519", ("CN", "600519")),
    ],
)
def test_spellings_of_a_contract(front: Front, query: str, symbol: tuple[str, str]) -> None:
    """httptrading's three names and every spelling of the bus mean the one contract; the first of a name counts."""
    members(front.get(f"market/quote?{query}"))
    contract = last(front)["params"]["contract"]
    assert (contract["region"], contract["symbol"]) == symbol


@pytest.mark.parametrize(
    "query",
    [
        "",
        "region=US&symbol=AAPL",
        "tradeType=Securities",
        "tradeType=securities&region=US&symbol=AAPL",
        "tradeType=Securities;region=US&symbol=AAPL",
        "tradeType=Securities&region=US&symbol=",
        "tradeType=Securities&region=US&symbol=%ff",
        "tradeType=Securities&region=US&symbol=" + "A" * 300,
        "contract=",
        "contract=AAPL",
    ],
)
def test_a_quote_of_nothing(front: Front, query: str) -> None:
    """A query that names no contract is answered 200 with ex, and nothing reaches the worker."""
    before = len(front.seen())
    refused(front.get(f"market/quote?{query}"), "bad_request")
    assert len(front.seen()) == before


@pytest.mark.parametrize("verb", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_a_wrong_method_is_ex(front: Front, verb: str) -> None:
    """1.0.8 answers a method that a route does not have with 200 and ex: its middleware catches aiohttp's 405."""
    answer = front.ask(verb, front.path("ping/state"))
    assert answer.status == 200
    if verb == "HEAD":
        assert (answer.body, int(answer.headers["content-length"]) > 100) == (b"", True)
    else:
        refused(answer.json, "bad_request")
    refused(front.get("order/place"), "bad_request")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_route_is_json_as_aiohttp_sends_it(front: Front, route) -> None:
    """Each route of the table answers an authorised caller 200 with aiohttp's content type."""
    answer = front.ask(route.verb, front.path(route.path), b"{}" if route.verb == "POST" else None)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert answer.json["type"] == "apiResponse"


def test_deadlines_go_along(front: Front) -> None:
    """A read carries 15 s and an order 30 s on CLOCK_MONOTONIC."""
    front.get("cash/state")
    assert 13 < last(front)["deadline"] - time.monotonic() <= 15
    place(front, ORDER)
    assert 28 < last(front)["deadline"] - time.monotonic() <= 30
