"""Keeps the securities of the simulated world, their prices and their last ticks."""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Deque, NamedTuple

from .codes import PREFIXES, QOT_MARKETS, SEC_PREFIXES, Refused

KEPT_TICKS = 1000
"""OpenD answers at most this many ticks (Qot_GetTicker.proto)."""

EQUITY, FUND = 3, 4
"""``Qot_Common.SecurityType``."""

LISTING = (
    ("US.AAPL", "Apple", 1, 0.01, EQUITY, 227.50, 5),
    ("US.BRK.B", "Berkshire Hathaway-B", 1, 0.01, EQUITY, 462.30, 4),
    ("US.MSFT", "Microsoft", 1, 0.01, EQUITY, 418.70, 5),
    ("US.TSLA", "Tesla", 1, 0.01, EQUITY, 251.40, 5),
    ("US.NVDA", "NVIDIA", 1, 0.01, EQUITY, 134.20, 5),
    ("US.SPY", "SPDR S&P 500 ETF", 1, 0.01, FUND, 571.30, 7),
    ("HK.00700", "TENCENT", 100, 0.2, EQUITY, 412.80, 1),
    ("HK.09988", "BABA-W", 100, 0.1, EQUITY, 98.70, 1),
    ("HK.00005", "HSBC HOLDINGS", 400, 0.05, EQUITY, 71.35, 1),
    ("HK.02800", "TRACKER FUND", 500, 0.02, FUND, 20.88, 1),
    ("SH.600519", "Kweichow Moutai", 100, 0.01, EQUITY, 1525.00, 14),
    ("SH.510300", "CSI 300 ETF", 100, 0.001, FUND, 4.012, 14),
    ("SZ.000001", "Ping An Bank", 100, 0.01, EQUITY, 11.62, 15),
    ("SZ.300750", "CATL", 100, 0.01, EQUITY, 248.90, 15),
)
"""Code, name, lot, price spread, type, price, ``Qot_Common.ExchType``."""


class Tick(NamedTuple):
    """One trade of the exchange; ``direction`` is ``Qot_Common.TickerDirection``: 1 bid, 2 ask, 3 neutral."""

    timestamp: float
    sequence: int
    direction: int
    price: float
    volume: int


@dataclass
class Security:
    """One instrument; prices in its currency, ``lot`` in shares, ``status`` is ``Qot_Common.SecurityStatus``."""

    code: str
    name: str
    lot: int
    tick: float
    sec_type: int
    price: float
    exchange: int = 0
    status: int = 1
    last_close: float = 0.0
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    volume: int = 0
    turnover: float = 0.0
    listed: str = "2010-01-04"
    updated: float = field(default_factory=lambda: float(int(time.time())))
    ticks: Deque[Tick] = field(default_factory=lambda: deque(maxlen=KEPT_TICKS))

    @property
    def prefix(self) -> str:
        """Market prefix, ``US`` of ``US.BRK.B``."""
        return self.code.partition(".")[0]

    @property
    def symbol(self) -> str:
        """Code without its market, ``BRK.B`` of ``US.BRK.B``."""
        return self.code.partition(".")[2]

    @property
    def suspended(self) -> bool:
        """``SecurityStatus`` 9."""
        return self.status == 9

    def round(self, price: float) -> float:
        """The nearest price that the spread allows."""
        return round(round(price / self.tick) * self.tick, 6)

    def on_grid(self, price: float) -> bool:
        """Whether the price is a multiple of the spread."""
        return abs(self.round(price) - price) < 1e-6


class Securities:
    """All instruments, and the seeded walk that moves them."""

    def __init__(self, seed: int | None, extra: list[dict[str, Any]]) -> None:
        self.random = random.Random(seed)  # noqa: S311  prices, no secrets
        self._sequence = 7_000_000_000_000_000_000 + self.random.randrange(10**15)
        self.all: dict[str, Security] = {}
        for code, name, lot, tick, sec_type, price, exchange in LISTING:
            self._add(Security(code, name, lot, tick, sec_type, price, exchange))
        for row in extra:
            self._add(Security(**{"name": row["code"], "lot": 1, "tick": 0.01, "sec_type": EQUITY, **row}))

    def _add(self, security: Security) -> None:
        close = security.last_close or security.round(security.price * 0.99)
        security.last_close = close
        security.open = security.open or close
        security.high = max(security.price, security.open)
        security.low = min(security.price, security.open)
        security.volume = security.volume or security.lot * 12_345
        security.turnover = security.turnover or round(security.volume * security.price, 2)
        self.all[security.code] = security
        for step in range(-19, 1):
            self._record(security, security.round(security.price + step % 3 * security.tick), security.lot)
        self._record(security, security.price, security.lot)

    def get(self, code: str) -> Security:
        """The security of a full code, ``US.AAPL``; raises Refused for one that is not listed."""
        if code not in self.all:
            raise Refused(f"Unknown stock {code}")
        return self.all[code]

    def of_message(self, message: Any) -> Security:
        """The security of a ``Qot_Common.Security``; raises Refused for one that is not listed."""
        return self.get(f"{PREFIXES.get(message.market, '??')}.{message.code}")

    def of_order(self, sec_market: int, symbol: str, trd_market: int) -> Security:
        """The security of an order; without secMarket the trade market decides, as the vendor allows."""
        prefix = SEC_PREFIXES.get(sec_market)
        if prefix is None:
            prefix = {1: "HK", 2: "US"}.get(trd_market, "SH" if symbol[:1] in "569" else "SZ")
        return self.get(f"{prefix}.{symbol}")

    def trade(self, code: str, price: float, volume: int = 0) -> Tick:
        """Let a trade happen at this price: last price, day range, volume and ticks follow."""
        security = self.get(code)
        volume = volume or security.lot * self.random.randrange(1, 20)
        tick = self._record(security, price, volume)
        security.price, security.updated = price, tick.timestamp
        security.high, security.low = max(security.high, price), min(security.low, price)
        security.volume += volume
        security.turnover = round(security.turnover + price * volume, 4)
        return tick

    def _record(self, security: Security, price: float, volume: int) -> Tick:
        direction = 1 if price > security.price else 2 if price < security.price else 3
        tick = Tick(time.time(), self.next_sequence(), direction, price, volume)
        security.ticks.append(tick)
        return tick

    def next_sequence(self) -> int:
        """Tick sequences grow over all securities and exceed 2^53, as the vendor's do."""
        self._sequence += 1
        return self._sequence

    def step(self, code: str) -> Tick:
        """One step of the walk: up to three spreads either way, never to zero or below."""
        security = self.get(code)
        price = security.round(security.price + self.random.randint(-3, 3) * security.tick)
        return self.trade(code, max(price, security.tick))


def message_of(code: str, message: Any) -> None:
    """Fill a ``Qot_Common.Security``."""
    prefix, _, symbol = code.partition(".")
    message.market, message.code = QOT_MARKETS[prefix], symbol
