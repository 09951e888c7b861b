"""Makes up candles that are the same at every question and end at the current price."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Iterator, NamedTuple

from . import clock
from .securities import Security

MINUTES = {1: 1, 6: 5, 7: 15, 8: 30, 9: 60, 10: 3, 12: 10, 13: 120, 14: 180, 15: 240}
"""``Qot_Common.KLType`` to minutes, the intraday ones."""

DAYS = {2: 1, 3: 7, 4: 30, 11: 91, 5: 365}
"""``Qot_Common.KLType`` to the days that one candle stands for."""

MOST = 1000
"""Candles of one answer (Qot_GetKL.proto, Qot_RequestHistoryKL.proto)."""


class Candle(NamedTuple):
    """Prices in the security's currency; ``time`` is the exchange-local label."""

    time: datetime
    open: float
    high: float
    low: float
    close: float
    last_close: float
    volume: int


def backwards(security: Security, kl_type: int, start: datetime) -> Iterator[datetime]:
    """Labels from ``start`` into the past: trading days, or ends of intraday candles within the session."""
    if kl_type in MINUTES:
        yield from _minutes_back(security.prefix, MINUTES[kl_type], start)
        return
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day.year > 1990:
        if day.weekday() < 5:
            yield day
        day -= timedelta(days=DAYS.get(kl_type, 1))
        if kl_type != 2:
            day -= timedelta(days=max(0, day.weekday() - 4))


def _minutes_back(prefix: str, step: int, start: datetime) -> Iterator[datetime]:
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    while day.year > 1990:
        if day.weekday() < 5:
            for first, last in reversed(clock.SESSIONS[prefix]):
                for minute in range(last, first, -step):
                    if day + timedelta(minutes=minute) <= start:
                        yield day + timedelta(minutes=minute)
        day -= timedelta(days=1)


def series(security: Security, kl_type: int, labels: list[datetime]) -> list[Candle]:
    """Candles for labels in rising order; the last one closes at the current price when it is the newest."""
    candles: list[Candle] = []
    for label in labels:
        close = _level(security, kl_type, label)
        last = candles[-1].close if candles else _level(security, kl_type, label - timedelta(days=1))
        high, low = max(close, last) + security.tick, max(min(close, last) - security.tick, security.tick)
        candles.append(Candle(label, last, high, low, close, last, security.lot * (100 + label.minute)))
    return candles


def _level(security: Security, kl_type: int, label: datetime) -> float:
    drawn = random.Random(f"{security.code}/{kl_type}/{label.isoformat()}").uniform(-0.02, 0.02)  # noqa: S311  prices
    return max(security.round(security.last_close * (1 + drawn)), security.tick)


def newest(security: Security, kl_type: int, count: int, now: float) -> list[Candle]:
    """The last ``count`` candles, in rising order."""
    labels: list[datetime] = []
    for label in backwards(security, kl_type, clock.local(security.prefix, now).replace(tzinfo=None)):
        if len(labels) >= min(count, MOST):
            break
        labels.append(label)
    candles = series(security, kl_type, labels[::-1])
    if candles:
        final = candles[-1]
        candles[-1] = final._replace(
            close=security.price, high=max(final.high, security.price), low=min(final.low, security.price)
        )
    return candles


def between(security: Security, kl_type: int, begin: datetime, end: datetime) -> list[datetime]:
    """Labels from ``begin`` to ``end``, both included, rising."""
    labels: list[datetime] = []
    for label in backwards(security, kl_type, end):
        if label < begin:
            break
        labels.append(label)
    return labels[::-1]
