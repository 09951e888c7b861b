"""Shows that the unmodified SDK trades at the simulator: accounts, funds, orders, fills and their pushes."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from simulator_support import (
    CN,
    DISABLED,
    HK,
    PASSWORD,
    REAL,
    US,
    Deals,
    Orders,
    Simulator,
    futu,
    ok,
    opened,
    ready_for_pushes,
    refused,
    trade_context,
    wait_until,
)

SIMULATED = {"trd_env": "SIMULATE", "acc_id": US}
BUY, SELL = "BUY", "SELL"


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # the SDK's own


@pytest.fixture
def desk():
    yield from opened(ready_for_pushes)


def place(desk, price, qty, code="US.AAPL", side=BUY, **more):
    return desk.place_order(price, qty, code, side, **{**SIMULATED, **more})


def status_of(desk, order_id):
    return ok(desk.order_list_query(order_id=order_id, **SIMULATED)).iloc[0]["order_status"]


def test_accounts(desk):
    """Both environments, the disabled account first, universal ones because this context asks for them."""
    frame = ok(desk.get_acc_list())
    assert list(frame["acc_id"]) == [DISABLED, US, HK, CN, REAL]
    assert frame.iloc[0]["acc_status"] == "DISABLED"
    assert min(frame["acc_id"]) > 2**53
    assert frame.iloc[4]["trdmarket_auth"][:3] == ["HK", "US", "HKCC"]


def test_universal_account_only_on_request():
    """A client that does not set needGeneralSecAccount does not see the universal account."""
    from brokerbus_futu.simulator.gateway import Gateway
    from brokerbus_futu.simulator.options import Options

    gateway = Gateway(Options(seed=1))
    link = gateway.open_link("test")
    link.ready = True
    c2s = gateway.world.catalogue.parse(2001, b"\x0a\x02\x08\x00")
    listed = [row.accID for row in gateway.apply(link, 2001, c2s).s2c.accList]
    assert REAL not in listed
    assert US in listed


def test_disabled_account_is_refused(desk):
    """The first REAL account, which acc_index 0 would take, is disabled and says so."""
    assert "disabled" in refused(desk.accinfo_query(trd_env="REAL"))


def test_funds(desk):
    """Funds of a simulated account in its own currency, of the universal one in the currency asked for."""
    row = ok(desk.accinfo_query(**SIMULATED)).iloc[0]
    assert (row["currency"], row["cash"], row["us_cash"]) == ("USD", 1_000_000.0, 1_000_000.0)
    real = [
        ok(desk.accinfo_query(trd_env="REAL", acc_id=REAL, currency=name)).iloc[0] for name in ("HKD", "USD", "CNH")
    ]
    assert [row["currency"] for row in real] == ["HKD", "USD", "CNH"]
    assert abs(real[0]["cash"] / real[1]["cash"] - 7.8) < 1e-6
    assert (real[0]["us_cash"], real[0]["hk_cash"], real[0]["cn_cash"]) == (250_000.0, 500_000.0, 100_000.0)


def test_positions(desk):
    """Positions keep fractions and are filtered by code."""
    frame = ok(desk.position_list_query(**SIMULATED)).set_index("code")
    assert (frame.loc["US.AAPL", "qty"], frame.loc["US.BRK.B", "qty"]) == (120.0, 3.5)
    assert frame.loc["US.AAPL", "position_id"] > 2**53
    only = ok(desk.position_list_query(code="US.BRK.B", **SIMULATED))
    assert list(only["code"]) == ["US.BRK.B"]


def test_place_fill_and_money(desk):
    """A marketable order fills at the last price; cash, position, order, deal and both pushes agree."""
    orders, deals = Orders(), Deals()
    desk.set_handler(orders)
    desk.set_handler(deals)
    row = ok(place(desk, 300.0, 10, remark="tag-é")).iloc[0]
    assert (row["order_status"], row["dealt_qty"], row["dealt_avg_price"]) == ("FILLED_ALL", 10.0, 227.5)
    assert row["remark"] == "tag-é"
    wait_until(lambda: orders.statuses("tag-é") == [2, 5, 11], "pushes of all statuses")
    wait_until(lambda: deals.seen == [(row["order_id"], 10.0, 227.5)], "the fill push")
    assert {acc for acc, _, _, _ in orders.seen} == {US}
    assert ok(desk.accinfo_query(**SIMULATED)).iloc[0]["cash"] == 1_000_000 - 2275.0
    assert ok(desk.position_list_query(code="US.AAPL", **SIMULATED)).iloc[0]["qty"] == 130.0
    deal = ok(desk.deal_list_query(**SIMULATED)).iloc[0]
    assert (deal["order_id"], deal["qty"], deal["price"]) == (row["order_id"], 10.0, 227.5)
    assert deal["deal_id"] > 2**53


def test_rest_modify_and_cancel(desk):
    """A limit away from the market rests, is modified, and is cancelled; a second cancel is refused."""
    orders = Orders()
    desk.set_handler(orders)
    order_id = ok(place(desk, 100.0, 5, remark="rest")).iloc[0]["order_id"]
    ok(desk.modify_order("NORMAL", order_id, 6, 101.0, **SIMULATED))
    row = ok(desk.order_list_query(order_id=order_id, **SIMULATED)).iloc[0]
    assert (row["order_status"], row["qty"], row["price"]) == ("SUBMITTED", 6.0, 101.0)
    ok(desk.modify_order("CANCEL", order_id, 0, 0, **SIMULATED))
    assert status_of(desk, order_id) == "CANCELLED_ALL"
    assert "cannot be cancelled" in refused(desk.modify_order("CANCEL", order_id, 0, 0, **SIMULATED))
    wait_until(lambda: orders.statuses("rest") == [2, 5, 5, 13, 15], "pushes of all statuses")


def test_resting_order_fills_when_the_price_comes(desk):
    """A resting order fills at the price that reaches it."""
    order_id = ok(place(desk, 220.0, 5)).iloc[0]["order_id"]
    desk.sim.do("set_price", code="US.AAPL", price=219.5)
    row = ok(desk.order_list_query(order_id=order_id, **SIMULATED)).iloc[0]
    assert (row["order_status"], row["dealt_avg_price"]) == ("FILLED_ALL", 219.5)


def test_partial_fills(desk):
    """Fills on command: partly filled, then cancelled with what it got; and one order split by fill_parts."""
    desk.sim.do("set", auto_fill=False)
    order_id = ok(place(desk, 300.0, 10)).iloc[0]["order_id"]
    desk.sim.do("fill", order_id=order_id, qty=4, price=228.0)
    assert status_of(desk, order_id) == "FILLED_PART"
    ok(desk.modify_order("CANCEL", order_id, 0, 0, **SIMULATED))
    assert status_of(desk, order_id) == "CANCELLED_PART"
    deals = Deals()
    desk.set_handler(deals)
    desk.sim.do("set", auto_fill=True, fill_parts=3)
    ok(place(desk, 300.0, 9))
    wait_until(lambda: [qty for _, qty, _ in deals.seen] == [3.0, 3.0, 3.0], "three fills")


def test_rejections(desk):
    """Refused in the answer, and accepted but failed by push: the vendor's words arrive both times."""
    desk.sim.do("reject", next=1, message="no such luck", how="answer")
    assert refused(place(desk, 300.0, 1)) == "no such luck"
    assert desk.sim.orders() == []
    desk.sim.do("reject", next=1, message="exchange said no", how="push")
    row = ok(place(desk, 300.0, 1)).iloc[0]
    assert (row["order_status"], row["last_err_msg"]) == ("FAILED", "exchange said no")


def test_orders_that_cannot_be(desk):
    """Lots, price spread, cash, shares, market authority and quantity are checked, each with its own words."""
    hong_kong = {"acc_id": HK, "code": "HK.00700"}
    assert "lot size 100" in refused(place(desk, 412.8, 150, **hong_kong))
    assert "price spread" in refused(place(desk, 412.85, 100, **hong_kong))
    assert "lot size 100" in refused(place(desk, 1500.0, 50, acc_id=CN, code="SH.600519"))
    assert "buying power" in refused(place(desk, 227.5, 1_000_000))
    assert "Insufficient position" in refused(place(desk, 200.0, 121, side=SELL))
    assert "authority" in refused(place(desk, 412.8, 100, code="HK.00700"))
    assert "greater than 0" in refused(place(desk, 227.5, 0))
    assert desk.sim.orders() == []


def test_every_market(desk):
    """Hong Kong and A shares trade in their accounts, market orders need no price."""
    assert ok(place(desk, 420.0, 100, code="HK.00700", acc_id=HK)).iloc[0]["order_status"] == "FILLED_ALL"
    assert ok(place(desk, 5.0, 200, code="SH.510300", acc_id=CN)).iloc[0]["order_status"] == "FILLED_ALL"
    assert ok(place(desk, 12.0, 100, code="SZ.000001", acc_id=CN)).iloc[0]["order_status"] == "FILLED_ALL"
    assert ok(place(desk, 0, 1.5, code="US.BRK.B", side=SELL, order_type="MARKET")).iloc[0]["dealt_qty"] == 1.5


def test_stop_order(desk):
    """A stop rests until its trigger is touched, then fills."""
    row = ok(place(desk, 0, 10, side=SELL, order_type="STOP", aux_price=220.0)).iloc[0]
    assert row["order_status"] == "SUBMITTED"
    desk.sim.do("set_price", code="US.AAPL", price=219.0)
    assert status_of(desk, row["order_id"]) == "FILLED_ALL"


def test_real_orders_need_the_unlock(desk):
    """REAL is locked, opens with the password alone, trades A shares through Stock Connect, and locks again."""
    real = {"trd_env": "REAL", "acc_id": REAL}
    assert "locked" in refused(place(desk, 300.0, 1, **real))
    assert "password" in refused(desk.unlock_trade(password_md5="0" * 32))
    ok(desk.unlock_trade(password_md5=PASSWORD))
    assert ok(place(desk, 300.0, 1, **real)).iloc[0]["order_status"] == "FILLED_ALL"
    assert ok(place(desk, 12.0, 100, code="SZ.000001", **real)).iloc[0]["order_status"] == "FILLED_ALL"
    desk.sim.do("lock")
    assert "locked" in refused(place(desk, 300.0, 1, **real))


def test_history(desk):
    """Aged orders leave today's list and are found, with their remark and deals, in the history."""
    order_id = ok(place(desk, 300.0, 2, remark="old")).iloc[0]["order_id"]
    desk.sim.do("age", days=3)
    assert len(ok(desk.order_list_query(**SIMULATED))) == 0
    assert len(ok(desk.deal_list_query(**SIMULATED))) == 0
    row = ok(desk.history_order_list_query(**SIMULATED)).iloc[0]
    assert (row["order_id"], row["remark"], row["order_status"]) == (order_id, "old", "FILLED_ALL")
    assert list(ok(desk.history_deal_list_query(**SIMULATED))["order_id"]) == [order_id]


def test_cancel_all(desk):
    """cancel_all_order cancels every open order of the account and of no other."""
    ok(place(desk, 100.0, 1))
    ok(place(desk, 101.0, 1))
    ok(place(desk, 300.0, 100, code="HK.00700", acc_id=HK))
    assert desk.cancel_all_order(**SIMULATED)[0] == futu.RET_OK
    assert [order["status"] for order in desk.sim.orders()] == ["CANCELLED_ALL", "CANCELLED_ALL", "SUBMITTED"]


def test_orders_from_elsewhere_are_pushed(desk):
    """An order placed in the broker's own app reaches the subscribed connection."""
    orders = Orders()
    desk.set_handler(orders)
    desk.sim.do("place", acc_id=str(US), code="US.TSLA", side="BUY", qty=1, price=300, remark="app")
    wait_until(lambda: orders.statuses("app")[-1:] == [11], "its pushes")


def test_pushes_before_the_answer(desk):
    """With push_before_answer the order push overtakes the answer: it is there when the raw answer is."""
    desk.sim.do("set", push_before_answer=True)
    desk.sim.fault("delay", 2202, seconds=0.5)
    orders = Orders()
    desk.set_handler(orders)
    answered = []
    worker = threading.Thread(target=lambda: answered.append(place(desk, 300.0, 1, remark="early")))
    worker.start()
    wait_until(lambda: orders.statuses("early")[-1:] == [11], "the pushes")
    assert not answered
    worker.join(10)
    ok(answered[0])


def test_numbers_of_orders(desk):
    """Order ids are above 2^53, distinct as number and text, and each packet is counted once."""
    for _ in range(3):
        ok(place(desk, 300.0, 1))
    facts = desk.sim.evidence(proto=2202)
    assert all(int(order["order_id"]) > 2**53 for order in facts["orders"])
    assert len({order["order_id_ex"] for order in facts["orders"]}) == 3
    assert facts["packets"] == 3
    assert facts["duplicate_packets"] == []


def test_fees_and_maximum(desk):
    """acctradinginfo_query tells what can be bought and sold, order_fee_query a fee per order."""
    row = ok(desk.acctradinginfo_query("NORMAL", "US.AAPL", 227.5, **SIMULATED)).iloc[0]
    assert row["max_position_sell"] == 120.0
    assert row["max_cash_buy"] == 4395.0
    order_id = ok(place(desk, 300.0, 10)).iloc[0]["order_id"]
    assert ok(desk.order_fee_query([order_id], **SIMULATED)).iloc[0]["fee_amount"] == 0.68


def test_deals_can_be_unsupported_for_simulated_accounts():
    """With simulate_deals off the deal list of a simulated account is refused, as the vendor documents."""
    with Simulator(seed=1, simulate_deals=False) as sim:
        desk = trade_context(sim)
        assert "does not support" in refused(desk.deal_list_query(**SIMULATED))
        desk.close()
