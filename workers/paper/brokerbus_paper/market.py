"""The paper market: a seeded price walk, the book around it, and what it prints on the tape."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Deque, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from brokerbus.contract import Contract
from brokerbus.errors import BadRequest
from brokerbus.model import Quote, Tick
from brokerbus_paper.instruments import UNIT, Instrument
from brokerbus_paper.limits import BARS, BOOK_LEVELS, TAPE

_PACE = 2_000
"""One step is at most 1/2,000 of the price, but at least one tick."""

_RANGE = 5
"""The walk stays within 1/5 of the start price on either side."""

_MOST_LOTS = 9
_SHARES_PER_SIZE = 100
_MINUTE = 60_000

INTERVALS: Dict[str, int] = {
    "1m": 1, "3m": 3, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "60m": 60, "1h": 60, "2h": 120, "3h": 180, "4h": 240,
    "1d": 1440,
}  # fmt: skip
"""Candle intervals and their minutes."""


@dataclass(frozen=True)
class Level:
    """One price of a book; ``units`` are 1/10,000 of the currency, ``qty`` shares, ``orders`` a count."""

    units: int
    qty: int
    orders: int

    @property
    def price(self) -> Decimal:
        return Decimal(self.units) / UNIT

    def plain(self) -> List[float]:
        """``[price, qty, orders]`` as on the wire."""
        return [self.units / UNIT, self.qty, self.orders]


@dataclass(frozen=True)
class Book:
    """What is on offer, best price first."""

    bids: Tuple[Level, ...]
    asks: Tuple[Level, ...]

    def against(self, direction: str) -> Tuple[Level, ...]:
        """The side that an order of this direction trades with."""
        return self.asks if direction == "BUY" else self.bids


@dataclass
class Bar:
    """What traded in one stretch of time; ``timestamp`` is its begin in Unix ms, prices are in units."""

    timestamp: int
    open: int
    high: int
    low: int
    close: int
    qty: int
    turnover: int

    def add(self, other: Bar) -> None:
        """Takes in a later bar."""
        self.high, self.low = max(self.high, other.high), min(self.low, other.low)
        self.close = other.close
        self.qty += other.qty
        self.turnover += other.turnover


class Security:
    """One listed security: its walk, and its newest quote and book as objects that never change.

    Readers take ``quote`` and ``book`` without a lock; one thread alone calls ``step``.
    """

    def __init__(self, instrument: Instrument, seed: int, now: int) -> None:
        self.instrument = instrument
        self.contract = instrument.contract
        self.tape: Deque[Tick] = deque(maxlen=TAPE)
        self.bars: Deque[Bar] = deque(maxlen=BARS)
        self._random = random.Random(f"{seed}:{self.contract.code}")  # noqa: S311 - prices, not secrets
        self._high = self._low = self._price = instrument.start
        self._sequence = 0
        self.book = self._make_book()
        self.quote = self._make_quote(now)

    def step(self, now: int) -> None:
        """One tick of the market at ``now`` (Unix ms): a trade, a new quote, a new book."""
        self.trade_at(self._next_price(), now)

    def trade_at(self, units: int, now: int) -> None:
        """Prints one trade at a price in units and moves the market there."""
        side = "NEUTRAL" if units == self._price else "BUY" if units > self._price else "SELL"
        self._price = units
        self._high, self._low = max(self._high, units), min(self._low, units)
        self.book = self._make_book()
        self.quote = self._make_quote(now)
        self._print(side, self._size(), now)

    @property
    def price(self) -> Decimal:
        """The latest price in the security's currency, exactly."""
        return Decimal(self._price) / UNIT

    def depth(self, levels: int = BOOK_LEVELS) -> Mapping[str, List[List[float]]]:
        """The best ``levels`` of both sides as on the wire."""
        shown, most = self.book, max(0, levels)
        return {
            "bids": [level.plain() for level in shown.bids[:most]],
            "asks": [level.plain() for level in shown.asks[:most]],
        }

    def candles(self, interval: str, limit: int) -> List[Mapping[str, object]]:
        """The newest ``limit`` candles, oldest first, of what traded since the start."""
        if interval not in INTERVALS:
            raise BadRequest(f"interval: expected one of {', '.join(INTERVALS)}, found {interval!r:.40}")
        merged = merge_bars(list(self.bars), INTERVALS[interval] * _MINUTE)
        return [self._candle(interval, bar) for bar in merged[-limit:]] if limit > 0 else []

    def _next_price(self) -> int:
        tick, start = self.instrument.tick(self._price), self.instrument.start
        span = max(1, self._price // _PACE // tick)
        units = self._price + self._random.randint(-span, span) * tick
        lowest, highest = max(tick, start - start // _RANGE), start + start // _RANGE
        inside = min(max(units, lowest), highest)
        return max(tick, inside // tick * tick)

    def _size(self) -> int:
        lot = self.instrument.lot if self.instrument.lot > 1 else _SHARES_PER_SIZE
        return lot * self._random.randint(1, _MOST_LOTS)

    def _make_book(self) -> Book:
        tick = self.instrument.tick(self._price)
        bids = [self._price - tick * depth for depth in range(BOOK_LEVELS)]
        asks = [self._price + tick * (depth + 1) for depth in range(BOOK_LEVELS)]
        return Book(tuple(self._level(each) for each in bids if each > 0), tuple(self._level(each) for each in asks))

    def _level(self, units: int) -> Level:
        return Level(units, self._size(), self._random.randint(1, _MOST_LOTS))

    def _make_quote(self, now: int) -> Quote:
        start = self.instrument.start / UNIT
        return Quote(
            contract=self.contract,
            currency=self.instrument.currency,
            is_tradable=True,
            latest=self._price / UNIT,
            pre_close=start,
            open_price=start,
            high_price=self._high / UNIT,
            low_price=self._low / UNIT,
            timestamp=now,
        )

    def _print(self, side: str, qty: int, now: int) -> None:
        # By the clock, so that sequences also grow over restarts.
        self._sequence = max(self._sequence + 1, now * 1000)
        turnover = self._price * qty
        self.tape.append(Tick(self.contract, self._price / UNIT, qty, turnover / UNIT, side, str(self._sequence), now))
        price = self._price
        bar = Bar(now - now % _MINUTE, price, price, price, price, qty, turnover)
        if self.bars and self.bars[-1].timestamp == bar.timestamp:
            self.bars[-1].add(bar)
        else:
            self.bars.append(bar)

    def _candle(self, interval: str, bar: Bar) -> Mapping[str, object]:
        return {
            "type": "candle",
            "contract": self.contract.to_map(),
            "interval": interval,
            "openPrice": bar.open / UNIT,
            "highPrice": bar.high / UNIT,
            "lowPrice": bar.low / UNIT,
            "closePrice": bar.close / UNIT,
            "qty": bar.qty,
            "turnover": bar.turnover / UNIT,
            "timestamp": bar.timestamp,
        }


def merge_bars(bars: Sequence[Bar], milliseconds: int) -> List[Bar]:
    """One-minute bars joined into longer ones, whose begin is a multiple of their length."""
    merged: List[Bar] = []
    for bar in bars:
        begin = bar.timestamp - bar.timestamp % milliseconds
        if merged and merged[-1].timestamp == begin:
            merged[-1].add(bar)
        else:
            merged.append(Bar(begin, bar.open, bar.high, bar.low, bar.close, bar.qty, bar.turnover))
    return merged


class Market:
    """Every listed security by its contract; the same seed gives the same prices tick by tick."""

    def __init__(self, instruments: Iterable[Instrument], seed: int, now: int) -> None:
        self.securities = {each.contract: Security(each, seed, now) for each in instruments}

    def find(self, contract: Contract) -> Optional[Security]:
        """The security of a contract, also when it names the exchange needlessly; None when not listed."""
        found = self.securities.get(contract)
        if found is None and contract.exchange and contract.region != "CN":
            found = self.securities.get(Contract(contract.region, contract.symbol, contract.trade_type))
        return found

    def step(self, now: int) -> None:
        """One tick of every security at ``now`` (Unix ms)."""
        for security in self.securities.values():
            security.step(now)
