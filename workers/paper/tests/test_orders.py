"""Orders: matching, reservations, lots, cancel, modify, expiry, pushes."""

from __future__ import annotations

import threading

import pytest

from brokerbus.contract import parse
from brokerbus.errors import BadRequest, NotFound, Rejected, Unavailable

HOUR = 3_600_000


def refused(code: str):
    """Expects the vendor's no with this code."""

    class Refusal:
        def __enter__(self):
            self.raised = pytest.raises(Rejected)
            self.error = self.raised.__enter__()

        def __exit__(self, *about):
            swallowed = self.raised.__exit__(*about)
            assert self.error.value.detail == {"code": code}
            return swallowed

    return Refusal()


# -- matching --------------------------------------------------------------------------------------
def test_a_market_order_fills(desk) -> None:
    """A market order within the best level fills at once at that price, and cash and position follow."""
    best = desk.broker.depth(parse("US.AAPL"), 1)["asks"][0]
    order = desk.order(desk.place("US.AAPL", "BUY", best[1]))
    assert (order.status, order.filled_qty, order.avg_price) == ("FILLED", best[1], best[0])
    assert order.is_completed
    assert desk.held("US.AAPL") == best[1]
    assert desk.broker.cash().amount == pytest.approx(1_000_000 - best[0] * best[1])


def test_a_market_order_sweeps_levels(desk) -> None:
    """A larger order pays each level its price: the average is that of the levels it took."""
    first, second = desk.broker.depth(parse("US.AAPL"), 2)["asks"]
    order = desk.order(desk.place("US.AAPL", "BUY", first[1] + 50))
    paid = first[0] * first[1] + second[0] * 50
    assert order.avg_price == pytest.approx(paid / (first[1] + 50))
    assert [fill.price for fill in desk.broker.fills(None)] == [first[0], second[0]]


def test_part_fill_then_rest(open_desk) -> None:
    """What the book does not offer stays open, visibly, and fills with the next book."""
    desk = open_desk(cash=1e9)
    offered = desk.offered("US.AAPL", "asks")
    order_id = desk.place("US.AAPL", "BUY", offered + 1)
    order = desk.order(order_id)
    assert (order.status, order.filled_qty, order.is_cancelable) == ("PARTIALLY_FILLED", offered, True)
    desk.move("US.AAPL", 230)
    assert desk.order(order_id).status == "FILLED"


def test_a_limit_order_rests_until_the_market_comes(desk) -> None:
    """A limit below the market waits, and trades at its price or better when the walk crosses it."""
    order_id = desk.place("US.AAPL", "BUY", 10, 228)
    assert desk.order(order_id).status == "SUBMITTED"
    desk.move("US.AAPL", 229)
    assert desk.order(order_id).filled_qty == 0
    desk.move("US.AAPL", 227)
    order = desk.order(order_id)
    assert (order.status, order.filled_qty) == ("FILLED", 10)
    assert order.avg_price <= 228


def test_a_limit_order_takes_only_levels_within_its_limit(desk) -> None:
    """A marketable limit trades up to its price and rests there with the remainder."""
    best = desk.broker.depth(parse("US.AAPL"), 1)["asks"][0]
    order = desk.order(desk.place("US.AAPL", "BUY", best[1] + 5, best[0]))
    assert (order.status, order.filled_qty, order.avg_price) == ("PARTIALLY_FILLED", best[1], best[0])


def test_a_market_order_keeps_to_its_collar(open_desk) -> None:
    """The rest of a market order does not follow a market that ran more than 5 % away."""
    desk = open_desk(cash=1e9)
    offered = desk.offered("US.AAPL", "asks")
    order_id = desk.place("US.AAPL", "BUY", offered + 1)
    desk.move("US.AAPL", 250)
    assert desk.order(order_id).filled_qty == offered


def test_selling(desk) -> None:
    """A sell trades with the bids and gives the cash back."""
    desk.place("US.AAPL", "BUY", 100)
    order = desk.order(desk.place("US.AAPL", "SELL", 100))
    assert order.status == "FILLED"
    assert desk.held("US.AAPL") == 0
    assert desk.broker.positions() == []
    assert desk.broker.cash().amount < 1_000_000


def test_fractions_of_us_shares(desk) -> None:
    """US quantities may be fractional, in market and in limit orders, and are counted exactly."""
    for price in (None, 240):
        assert desk.order(desk.place("US.AAPL", "BUY", 0.1, price)).filled_qty == 0.1
    assert desk.held("US.AAPL") == 0.2
    desk.place("US.AAPL", "SELL", 0.2)
    assert desk.held("US.AAPL") == 0


# -- what is refused ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "direction", "qty", "price", "refusal"),
    [
        ("US.NOPE", "BUY", 1, 10, "UNKNOWN_SYMBOL"),
        ("US.AAPL", "BUY", 1e6, 230, "INSUFFICIENT_CASH"),
        ("US.AAPL", "BUY", 1e12, 1e12, "INSUFFICIENT_CASH"),
        ("US.AAPL", "SELL", 1, 230, "INSUFFICIENT_POSITION"),
        ("US.AAPL", "BUY", 0.0000001, 230, "INVALID_QTY"),
        ("US.AAPL", "BUY", 1, 230.0000001, "INVALID_PRICE"),
        ("HK.00700", "BUY", 150, 600, "LOT_SIZE"),
        ("HK.00700", "BUY", 0.5, 600, "FRACTIONAL_QTY"),
        ("HK.00005", "BUY", 100, 110, "LOT_SIZE"),
        ("SH.600519", "BUY", 50, 1450, "LOT_SIZE"),
        ("SH.600519", "BUY", 100.5, 1450, "FRACTIONAL_QTY"),
    ],
)
def test_refusals(desk, code: str, direction: str, qty: float, price: float, refusal: str) -> None:
    """What the market does not trade is rejected with its code, and leaves no order behind."""
    with refused(refusal):
        desk.place(code, direction, qty, price)
    assert desk.broker.orders(False, None) == []
    assert desk.broker.cash().amount == 1_000_000


def test_odd_lots_of_the_mainland_can_be_sold(desk) -> None:
    """Mainland shares are bought by the hundred and sold in any whole number."""
    desk.place("SZ.000001", "BUY", 100)
    assert desk.order(desk.place("SZ.000001", "SELL", 37)).filled_qty == 37
    with refused("FRACTIONAL_QTY"):
        desk.place("SZ.000001", "SELL", 0.5)


def test_open_buys_reserve_cash(desk) -> None:
    """Cash that an open buy may need cannot be spent twice, and comes back when it is cancelled."""
    order_id = desk.place("US.AAPL", "BUY", 4000, 200)
    assert desk.broker.cash().amount == 200_000
    balance = desk.broker.balances()[0]
    assert (balance.cash, balance.available, balance.net_assets) == (1_000_000, 200_000, 1_000_000)
    with refused("INSUFFICIENT_CASH"):
        desk.place("US.AAPL", "BUY", 1001, 200)
    desk.broker.cancel_order(order_id)
    assert desk.broker.cash().amount == 1_000_000


def test_open_sells_reserve_shares(desk) -> None:
    """Shares that an open sell offers cannot be sold twice: there is no short selling."""
    desk.place("US.AAPL", "BUY", 100)
    order_id = desk.place("US.AAPL", "SELL", 80, 300)
    with refused("INSUFFICIENT_POSITION"):
        desk.place("US.AAPL", "SELL", 21)
    desk.broker.cancel_order(order_id)
    assert desk.order(desk.place("US.AAPL", "SELL", 100)).status == "FILLED"


def test_other_currencies_convert_at_fixed_rates(desk) -> None:
    """A Hong Kong order reserves and costs dollars at the documented rate."""
    desk.place("HK.00700", "BUY", 100, 500)
    assert desk.broker.cash().amount == pytest.approx(1_000_000 - 100 * 500 * 0.128)


def test_concurrent_buys_never_overspend(desk) -> None:
    """Of sixteen buys at once that each need most of the cash, one alone is accepted."""
    answers = []

    def buy() -> None:
        try:
            answers.append(desk.place("US.AAPL", "BUY", 3000, 200))
        except Rejected:
            answers.append(None)

    threads = [threading.Thread(target=buy) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([answer for answer in answers if answer]) == 1
    assert len(answers) == 16


# -- cancel, modify, expiry --------------------------------------------------------------------------
def test_cancel_keeps_what_has_filled(open_desk) -> None:
    """A cancelled order shows its fills, and neither fills nor cancels again."""
    desk = open_desk(cash=1e9)
    offered = desk.offered("US.AAPL", "asks")
    order_id = desk.place("US.AAPL", "BUY", offered + 100)
    desk.broker.cancel_order(order_id)
    desk.move("US.AAPL", 225)
    order = desk.order(order_id)
    assert (order.status, order.filled_qty, order.is_canceled, order.is_filled) == ("CANCELED", offered, True, False)
    with refused("ORDER_CLOSED"):
        desk.broker.cancel_order(order_id)


@pytest.mark.parametrize("order_id", ["1", "nonsense", "", "²", "9" * 40])
def test_unknown_orders(desk, order_id: str) -> None:
    """An id that was never given is not found, whatever it looks like."""
    for ask in (desk.broker.order, desk.broker.cancel_order, lambda each: desk.broker.modify_order(each, 1, None)):
        with pytest.raises(NotFound):
            ask(order_id)


def test_modify_price_trades_at_once(desk) -> None:
    """A better price makes a resting order trade at once, under the same id."""
    order_id = desk.place("US.AAPL", "BUY", 10, 200)
    desk.broker.modify_order(order_id, None, 231)
    order = desk.order(order_id)
    assert (order.status, order.price, order.qty) == ("FILLED", 231, 10)
    with refused("ORDER_CLOSED"):
        desk.broker.modify_order(order_id, 20, None)


def test_modify_is_checked_like_a_new_order(desk) -> None:
    """More than the cash covers, broken lots and odd values are refused, and the order stays as it was."""
    us, hk = desk.place("US.AAPL", "BUY", 4000, 200), desk.place("HK.00700", "BUY", 100, 500)
    before = desk.order(us), desk.order(hk), desk.broker.cash()
    with refused("INSUFFICIENT_CASH"):
        desk.broker.modify_order(us, 5001, None)
    with refused("LOT_SIZE"):
        desk.broker.modify_order(hk, 150, None)
    with pytest.raises(BadRequest):
        desk.broker.modify_order(us, None, None)
    assert (desk.order(us), desk.order(hk), desk.broker.cash()) == before
    desk.broker.modify_order(us, 4900, None)
    assert desk.order(us).qty == 4900


def test_modify_of_what_has_filled(open_desk) -> None:
    """A quantity at or below what has filled is refused, and a market order has no price to change."""
    desk = open_desk(cash=1e9)
    offered = desk.offered("US.AAPL", "asks")
    order_id = desk.place("US.AAPL", "BUY", offered + 100)
    with refused("INVALID_QTY"):
        desk.broker.modify_order(order_id, offered, None)
    with refused("INVALID_PRICE"):
        desk.broker.modify_order(order_id, None, 1000)


def test_day_orders_expire_at_the_close(desk) -> None:
    """A DAY order is open until the close of its market and EXPIRED from then on; GTC stays."""
    day = desk.place("US.AAPL", "BUY", 10, 200)
    extended = desk.place("US.AAPL", "BUY", 10, 200, lifecycle="ETH")
    kept = desk.place("US.AAPL", "BUY", 10, 200, time_in_force="GTC")
    desk.now += 6 * HOUR - 1  # 15:59:59.999 in New York
    desk.broker.tick()
    assert desk.order(day).status == "SUBMITTED"
    desk.now += 1
    desk.broker.tick()
    assert (desk.order(day).status, desk.order(day).is_canceled) == ("EXPIRED", True)
    assert desk.order(extended).status == "SUBMITTED"
    desk.now += 4 * HOUR
    desk.broker.tick()
    assert (desk.order(extended).status, desk.order(kept).status) == ("EXPIRED", "SUBMITTED")
    assert desk.broker.cash().amount == 998_000


# -- listing and pushes ------------------------------------------------------------------------------
def test_orders_carry_their_tag(desk) -> None:
    """Orders list with their clientOrderId, and the vendor finds every one that carries a tag."""
    first = desk.place("US.AAPL", "BUY", 1, client_order_id="one")
    second = desk.place("US.AAPL", "BUY", 1, 200, client_order_id="two")
    twin = desk.place("US.AAPL", "BUY", 1, 200, client_order_id="two")
    assert [(order.order_id, order.client_order_id) for order in desk.broker.orders(False, None)] == [
        (first, "one"),
        (second, "two"),
        (twin, "two"),
    ]
    assert [order.order_id for order in desk.broker.orders(True, None)] == [second, twin]
    assert [ticket.order_id for ticket in desk.broker.vendor.tagged("two")] == [second, twin]
    assert [fill.client_order_id for fill in desk.broker.fills(None)] == ["one"]


def test_since(desk) -> None:
    """``since`` leaves out what did not change after it."""
    desk.place("US.AAPL", "BUY", 1)
    desk.now += 1000
    later = desk.place("US.AAPL", "BUY", 1)
    assert [order.order_id for order in desk.broker.orders(False, desk.now)] == [later]
    assert [fill.order_id for fill in desk.broker.fills(desk.now)] == [later]


def test_pushes_follow_an_order(desk) -> None:
    """A fill is told as order, fill, position and cash pushes that agree with what is asked for."""
    order_id = desk.place("US.AAPL", "BUY", 1)
    assert [kind for kind, _, _ in desk.host.pushes] == ["order", "fill", "position", "cash"]
    assert desk.pushed("order") == [(order_id, desk.order(order_id).to_map())]
    assert desk.pushed("fill") == [(order_id, desk.broker.fills(None)[0].to_map())]
    assert desk.pushed("position") == [("US.AAPL", desk.broker.positions()[0].to_map())]
    assert desk.pushed("cash") == [("", desk.broker.cash().to_map())]
    desk.place("US.AAPL", "SELL", 1)
    assert desk.pushed("position")[-1][1]["qty"] == 0


def test_before_the_account_is_open(desk) -> None:
    """A broker that is closed still quotes, answers ping with False, and everything else with unavailable."""
    desk.broker.close()
    assert desk.broker.ping() is False
    assert desk.broker.quote(parse("US.AAPL")).latest == 230
    with pytest.raises(Unavailable):
        desk.broker.cash()
    with pytest.raises(Unavailable):
        desk.place("US.AAPL", "BUY", 1)


def test_accounts(desk) -> None:
    """There is one simulated account, for the three markets."""
    assert [account.to_map() for account in desk.broker.accounts()] == [
        {"accountId": "paper", "env": "SIMULATE", "type": "CASH", "status": "ACTIVE", "markets": ["US", "HK", "CN"]}
    ]
