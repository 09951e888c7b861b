"""Shows that the unmodified SDK gets quotes, ticks and market states from the simulator."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from simulator_support import Proto, futu, ok, opened, quote_context, refused, wait_until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # the SDK's own


@pytest.fixture
def quotes():
    yield from opened(quote_context)


def test_global_state(quotes):
    """get_global_state tells both logins and market states, and follows what the control sets."""
    state = ok(quotes.get_global_state())
    assert (state["qot_logined"], state["trd_logined"], state["market_us"]) == (True, True, "AFTERNOON")
    quotes.sim.do("market_state", market="US", state="CLOSED")
    quotes.sim.do("set", trd_logined=False)
    state = ok(quotes.get_global_state())
    assert (state["trd_logined"], state["market_us"], state["market_hk"]) == (False, "CLOSED", "AFTERNOON")


def test_snapshot(quotes):
    """get_market_snapshot parses every kind of code, with lots, spreads and exchange-local times."""
    codes = ["US.AAPL", "US.BRK.B", "HK.00700", "SH.600519", "SH.510300", "SZ.300750"]
    frame = ok(quotes.get_market_snapshot(codes)).set_index("code")
    assert list(frame.index) == codes
    assert frame.loc["HK.00700", "lot_size"] == 100
    assert frame.loc["US.BRK.B", "last_price"] == 462.3
    assert set(frame["sec_status"]) == {"NORMAL"}
    quotes.sim.do("security", code="HK.00700", status=9)
    assert ok(quotes.get_market_snapshot(["HK.00700"])).iloc[0]["suspension"]
    assert "Unknown stock" in refused(quotes.get_market_snapshot(["US.NOPE"]))


def test_snapshot_times_are_exchange_local(quotes):
    """US times are US Eastern and Hong Kong times Beijing: 12 or 13 hours apart at the same moment."""
    frame = ok(quotes.get_market_snapshot(["US.AAPL", "HK.00700"]))
    texts = [value[:19] for value in frame["update_time"]]
    moments = [time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S")) for text in texts]
    assert round((moments[1] - moments[0]) / 3600) in (12, 13)


def test_subscription_comes_first(quotes):
    """Quotes, ticks, book, candles are refused before 3001, and answered after it."""
    asks = [
        lambda: quotes.get_stock_quote(["US.AAPL"]),
        lambda: quotes.get_rt_ticker("US.AAPL", 5),
        lambda: quotes.get_order_book("US.AAPL"),
        lambda: quotes.get_cur_kline("US.AAPL", 3, futu.SubType.K_DAY),
        lambda: quotes.get_rt_data("US.AAPL"),
        lambda: quotes.get_broker_queue("US.AAPL"),
    ]
    assert all("subscribe" in refused(ask()) for ask in asks[:5])
    kinds = ["QUOTE", "TICKER", "ORDER_BOOK", "K_DAY", "RT_DATA", "BROKER"]
    assert ok(quotes.subscribe(["US.AAPL"], kinds, subscribe_push=False)) is None
    assert all(ask()[0] == futu.RET_OK for ask in asks)
    assert ok(quotes.query_subscription())["total_used"] == 6
    ok(quotes.unsubscribe_all())
    assert ok(quotes.query_subscription())["total_used"] == 0


def test_quota():
    """A subscription beyond the quota is refused as a whole."""
    for quotes in opened(quote_context, quota=2):
        ok(quotes.subscribe(["US.AAPL", "US.TSLA"], ["TICKER"]))
        assert "quota" in refused(quotes.subscribe(["HK.00700"], ["TICKER"]))
        assert ok(quotes.query_subscription())["remain"] == 0


class Ticks(futu.TickerHandlerBase):
    def __init__(self):
        super().__init__()
        self.frames, self.sequences = [], []

    def on_recv_rsp(self, rsp_pb):
        self.sequences += [tick.sequence for tick in rsp_pb.s2c.tickerList]
        if len(self.frames) < 50:
            self.frames.append(super().on_recv_rsp(rsp_pb)[1])
        return futu.RET_OK, None


def test_ticks_reach_handlers(quotes):
    """A first push, then every tick, in order and with sequences above 2^53; none without push registration."""
    ticks = Ticks()
    quotes.set_handler(ticks)
    ok(quotes.subscribe(["US.AAPL"], ["TICKER"], is_first_push=True))
    ok(quotes.subscribe(["US.TSLA"], ["TICKER"], subscribe_push=False))
    wait_until(lambda: ticks.frames, "a first push")
    quotes.sim.do("set_price", code="US.TSLA", price=250.0)
    quotes.sim.do("set_price", code="US.AAPL", price=230.5, volume=77)
    wait_until(lambda: len(ticks.frames) > 1, "the tick")
    row = ticks.frames[-1].iloc[0]
    assert (row["code"], row["price"], row["volume"]) == ("US.AAPL", 230.5, 77)
    assert all(frame.iloc[0]["code"] == "US.AAPL" for frame in ticks.frames)
    assert ticks.sequences == sorted(set(ticks.sequences))
    assert ticks.sequences[0] > 2**53


def test_first_push_off(quotes):
    """With is_first_push off nothing comes before the first real tick."""
    ticks = Ticks()
    quotes.set_handler(ticks)
    ok(quotes.subscribe(["US.AAPL"], ["TICKER"], is_first_push=False))
    quotes.sim.do("set_price", code="US.AAPL", price=231.0)
    wait_until(lambda: ticks.frames, "the tick")
    assert [frame.iloc[0]["price"] for frame in ticks.frames] == [231.0]


class Kept:
    """Mixed into any handler of the SDK: keeps what its own parser returns."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_recv_rsp(self, rsp_pb):
        answer = super().on_recv_rsp(rsp_pb)
        self.seen.append(answer)
        return answer


@pytest.mark.parametrize(
    ("subtype", "base"),
    [
        ("QUOTE", futu.StockQuoteHandlerBase),
        ("ORDER_BOOK", futu.OrderBookHandlerBase),
        ("K_1M", futu.CurKlineHandlerBase),
        ("RT_DATA", futu.RTDataHandlerBase),
        ("BROKER", futu.BrokerHandlerBase),
    ],
)
def test_other_pushes(quotes, subtype, base):
    """Every other quote push is parsed by the SDK's own handler: at subscription, and when a trade happens."""
    handler = type("Handler", (Kept, base), {})()
    quotes.set_handler(handler)
    ok(quotes.subscribe(["HK.00700"], [subtype], is_first_push=True))
    wait_until(lambda: handler.seen, "a first push")
    quotes.sim.do("set_price", code="HK.00700", price=413.0)
    wait_until(lambda: len(handler.seen) > 1, "a push after a trade")
    assert all(answer[0] == futu.RET_OK for answer in handler.seen)


def test_burst(quotes):
    """Ten thousand ticks at once: the SDK loses none and gets them in order."""
    ticks = Ticks()
    quotes.set_handler(ticks)
    ok(quotes.subscribe(["US.AAPL"], ["TICKER"], is_first_push=False))
    result = quotes.sim.do("burst", code="US.AAPL", count=10_000, rate=0)
    assert result["links"] == 1
    wait_until(lambda: len(ticks.sequences) == 10_000, "all ticks", timeout=15)
    assert ticks.sequences == sorted(ticks.sequences)


def test_price_walk():
    """With a tick interval prices move by themselves."""
    ticks = Ticks()
    for quotes in opened(quote_context, tick_interval=0.02):
        quotes.set_handler(ticks)
        ok(quotes.subscribe(["HK.00700"], ["TICKER"], is_first_push=False))
        wait_until(lambda: len(ticks.sequences) >= 10, "ten steps of the walk")


def test_candles_and_dates(quotes):
    """History comes in pages without gaps or repeats; trading days are weekdays; static facts carry lots."""
    first = quotes.request_history_kline("US.AAPL", start="2026-01-01", end="2026-03-31", max_count=40)
    second = quotes.request_history_kline(
        "US.AAPL", start="2026-01-01", end="2026-03-31", max_count=40, page_req_key=first[2]
    )
    days = list(ok(first[:2])["time_key"]) + list(ok(second[:2])["time_key"])
    assert second[2] is None
    assert len(days) == 64
    assert days == sorted(set(days))
    dates = ok(quotes.request_trading_days(futu.TradeDateMarket.HK, start="2026-11-16", end="2026-11-22"))
    assert [row["time"][-2:] for row in dates] == ["16", "17", "18", "19", "20"]
    static = ok(quotes.get_stock_basicinfo(futu.Market.HK, futu.SecurityType.STOCK)).set_index("code")
    assert static.loc["HK.00005", "lot_size"] == 400
    assert ok(quotes.get_market_state(["SZ.000001"])).iloc[0]["market_state"] == "AFTERNOON"


def test_rarely_used_requests(quotes):
    """Requests without an answer of their own are answered with an empty, valid one."""
    assert quotes.get_capital_flow("US.AAPL")[0] == futu.RET_OK
    assert quotes.get_plate_list(futu.Market.HK, futu.Plate.ALL)[0] == futu.RET_OK
    assert quotes.get_user_security_group()[0] == futu.RET_OK
    assert ok(quotes.get_user_info())["sub_quota"] == 1000


def test_evidence(quotes):
    """Requests are kept as received, with serial and connection, and subscriptions per connection."""
    ok(quotes.subscribe(["US.AAPL"], ["TICKER"]))
    evidence = quotes.sim.evidence()
    request = next(item for item in evidence["requests"] if item["proto"] == Proto.SUB)
    assert request["name"] == "Qot_Sub"
    assert request["c2s"]["securityList"] == [{"market": 11, "code": "AAPL"}]
    assert evidence["links"][0]["pushes"] == [["US.AAPL", 4]]
    assert evidence["counts"]["1001"] == 1
