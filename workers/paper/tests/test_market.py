"""The price walk, the book, the tape and the candles."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokerbus.contract import parse
from brokerbus.errors import BadRequest, NotFound
from brokerbus_paper.instruments import UNIT, default_instruments, default_lot, make_instrument
from brokerbus_paper.market import Market

NOON = 1_795_435_200_000


def walk(seed: int, ticks: int) -> list:
    market = Market(default_instruments(), seed, NOON)
    for number in range(ticks):
        market.step(NOON + number * 1000)
    return [security.quote for security in market.securities.values()]


def test_the_same_seed_walks_the_same_way() -> None:
    """Prices depend on the seed and the number of ticks alone."""
    assert walk(7, 50) == walk(7, 50)
    assert walk(7, 50) != walk(8, 50)


@pytest.mark.parametrize(
    ("code", "price", "tick"),
    [
        ("US.AAPL", "230", 0.01),
        ("US.AAPL", "0.5", 0.0001),
        ("HK.00700", "600", 0.5),
        ("HK.00005", "110", 0.1),
        ("HK.00005", "9.5", 0.01),
        ("SH.600519", "1450", 0.01),
        ("SH.510300", "4.6", 0.001),
    ],
)
def test_tick_sizes(code: str, price: str, tick: float) -> None:
    """Books and prices keep to the market's tick size at that price."""
    contract = parse(code)
    instrument = make_instrument(contract, Decimal(price), default_lot(contract))
    security = Market([instrument], 1, NOON).securities[contract]
    asks = [level[0] for level in security.depth(3)["asks"]]
    assert asks == pytest.approx([float(price) + tick * (depth + 1) for depth in range(3)])


def test_the_walk_stays_in_its_range() -> None:
    """After thousands of ticks each price is within 20 % of its start and above zero."""
    instruments = (*default_instruments(), make_instrument(parse("US.PENNY"), Decimal("0.0101"), 1))
    market = Market(instruments, 3, NOON)
    for number in range(3_000):
        market.step(NOON + number)
    for security in market.securities.values():
        start, latest = security.quote.pre_close, security.quote.latest
        assert 0 < 0.8 * start - 0.001 <= latest <= 1.2 * start + 0.001
        assert security.quote.low_price <= latest <= security.quote.high_price
        assert all(level[0] > 0 for level in security.depth()["bids"])


def test_books_are_sorted_and_in_lots() -> None:
    """Bids fall, asks rise, they never cross, and sizes are whole lots."""
    market = Market(default_instruments(), 1, NOON)
    market.step(NOON)
    for security in market.securities.values():
        bids, asks = ([level[0] for level in security.depth()[side]] for side in ("bids", "asks"))
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]
        assert all(level[1] % security.instrument.lot == 0 for level in security.depth()["asks"])


def test_tape_and_quote_agree() -> None:
    """Each tick is a trade at the quote's price, with a growing sequence and its own turnover."""
    security = next(iter(Market(default_instruments(), 1, NOON).securities.values()))
    for number in range(5):
        security.step(NOON + number)
        tick = security.tape[-1]
        assert tick.price == security.quote.latest
        assert tick.turnover == pytest.approx(tick.price * tick.qty)
    sequences = [int(tick.sequence) for tick in security.tape]
    assert sequences == sorted(set(sequences))


def test_candles_join_minutes() -> None:
    """A five-minute candle has the first open, the last close and the extremes of its minutes."""
    security = next(iter(Market(default_instruments(), 1, NOON).securities.values()))
    for minute, price in enumerate((230, 235, 229, 231, 232, 240)):
        security.trade_at(price * UNIT, NOON + minute * 60_000)
    first, second = security.candles("5m", 10)
    shown = [first[name] for name in ("openPrice", "highPrice", "lowPrice", "closePrice", "timestamp")]
    assert shown == [230, 235, 229, 232, NOON]
    assert second["openPrice"] == 240
    assert len(security.candles("1m", 4)) == 4
    assert security.candles("1m", 4)[-1]["closePrice"] == 240


def test_candles_of_an_unknown_interval() -> None:
    """An interval that does not exist is refused with the list of those that do."""
    security = next(iter(Market(default_instruments(), 1, NOON).securities.values()))
    with pytest.raises(BadRequest, match=r"interval: .*1m"):
        security.candles("7m", 1)


def test_quotes_of_the_broker(desk) -> None:
    """Every spelling finds its quote; the unknown and other trade types are not found."""
    assert desk.broker.quote(parse("700.HK")).contract.code == "HK.00700"
    needless = parse({"region": "US", "symbol": "AAPL", "exchange": "NASDAQ"})
    assert desk.broker.quote(needless).latest == 230
    assert [quote.contract.code for quote in desk.broker.quotes([parse("US.SPY"), parse("US.AAPL")])] == [
        "US.SPY",
        "US.AAPL",
    ]
    for missing in (parse("US.NOPE"), parse({"region": "US", "symbol": "AAPL", "tradeType": "Indexes"})):
        with pytest.raises(NotFound, match="unknown symbol"):
            desk.broker.quote(missing)


def test_a_tick_publishes_the_listed(open_desk) -> None:
    """Each beat of a moving market pushes a quote, a tick and a book for each listed symbol, by code."""
    desk = open_desk(tick_interval=1, symbols=["US.AAPL", "SH.600519"])
    desk.broker.tick()
    assert [(kind, subject) for kind, subject, _ in desk.host.pushes] == [
        (kind, code) for code in ("US.AAPL", "SH.600519") for kind in ("quote", "tick", "depth")
    ]
    assert desk.pushed("quote")[0][1] == desk.broker.quote(parse("US.AAPL")).to_map()


def test_a_still_market_says_nothing(desk) -> None:
    """With tick_interval 0 a beat moves and publishes nothing."""
    before = desk.broker.quote(parse("US.AAPL"))
    desk.broker.tick()
    assert desk.broker.quote(parse("US.AAPL")) is before
    assert desk.host.pushes == []
