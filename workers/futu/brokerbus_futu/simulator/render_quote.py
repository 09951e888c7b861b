"""Writes quotes, books, ticks and candles into the vendor's messages."""

from __future__ import annotations

import time
from typing import Any

from . import clock
from .candles import Candle
from .messages import offer
from .securities import FUND, Security, Tick, message_of

REALTIME, CACHED = 1, 3
"""``Qot_Common.PushDataType``."""

SHARES = 10_000_000_000
"""Shares outstanding of every company here."""


def write_basic(security: Security, message: Any) -> None:
    """``Qot_Common.BasicQot``; time exchange-local, ``updateTimestamp`` epoch seconds."""
    message_of(security.code, message.security)
    offer(message, name=security.name)
    message.isSuspended, message.listTime = security.suspended, security.listed
    message.priceSpread = security.tick
    message.updateTime = clock.text(security.prefix, security.updated)
    message.updateTimestamp = security.updated
    message.highPrice, message.openPrice = security.high, security.open
    message.lowPrice, message.curPrice = security.low, security.price
    message.lastClosePrice, message.volume = security.last_close, security.volume
    message.turnover, message.turnoverRate = security.turnover, 0.5
    message.amplitude = round((security.high - security.low) / security.last_close * 100, 3)
    message.secStatus, message.darkStatus = security.status, 0


def write_snapshot(security: Security, message: Any) -> None:
    """``Qot_GetSecuritySnapshot.Snapshot``, with the extra part of its type."""
    basic = message.basic
    message_of(security.code, basic.security)
    basic.type = security.sec_type
    offer(basic, name=security.name)
    basic.isSuspend, basic.listTime = security.suspended, security.listed
    basic.lotSize, basic.priceSpread = security.lot, security.tick
    basic.updateTime = clock.text(security.prefix, security.updated, milliseconds=True)
    basic.updateTimestamp = security.updated
    basic.highPrice, basic.openPrice, basic.lowPrice = security.high, security.open, security.low
    basic.lastClosePrice, basic.curPrice = security.last_close, security.price
    basic.volume, basic.turnover, basic.turnoverRate = security.volume, security.turnover, 0.5
    basic.askPrice = security.round(security.price + security.tick)
    basic.bidPrice = security.round(security.price - security.tick)
    basic.askVol, basic.bidVol = security.lot * 12, security.lot * 9
    basic.secStatus = security.status
    basic.amplitude = round((security.high - security.low) / security.last_close * 100, 3)
    _write_extra(security, message)


def _write_extra(security: Security, message: Any) -> None:
    if security.sec_type == FUND:
        extra = message.trustExData
        extra.dividendYield, extra.aum, extra.outstandingUnits = 1.5, SHARES * security.price, SHARES
        extra.netAssetValue, extra.premium, extra.assetClass = security.price, 0.0, 1
        return
    extra = message.equityExData
    extra.issuedShares = extra.outstandingShares = SHARES
    extra.issuedMarketVal = extra.outstandingMarketVal = SHARES * security.price
    extra.netAsset, extra.netProfit = SHARES * security.price / 5, SHARES * security.price / 25
    extra.earningsPershare, extra.netAssetPershare = security.price / 25, security.price / 5
    extra.eyRate, extra.peRate, extra.pbRate, extra.peTTMRate = 4.0, 25.0, 5.0, 25.0


def write_static(security: Security, message: Any) -> None:
    """``Qot_Common.SecurityStaticInfo``."""
    basic = message.basic
    message_of(security.code, basic.security)
    basic.id = sum(ord(letter) << (at % 24) for at, letter in enumerate(security.code))
    basic.lotSize, basic.secType, basic.name = security.lot, security.sec_type, security.name
    basic.listTime, basic.delisting = security.listed, security.status == 13
    offer(basic, exchType=security.exchange)


def write_tick(security: Security, tick: Tick, message: Any, kind: int = REALTIME) -> None:
    """``Qot_Common.Ticker``; time with milliseconds."""
    message.time = clock.text(security.prefix, tick.timestamp, milliseconds=True)
    message.sequence, message.dir = tick.sequence, tick.direction
    message.price, message.volume = tick.price, tick.volume
    message.turnover = round(tick.price * tick.volume, 4)
    message.recvTime, message.timestamp = time.time(), tick.timestamp
    message.type, message.pushDataType = 1, kind


def write_book(security: Security, depth: int, s2c: Any) -> None:
    """Both sides of the order book, best first; volumes in shares."""
    message_of(security.code, s2c.security)
    offer(s2c, name=security.name)
    for level in range(1, max(1, min(depth, 10)) + 1):
        for side, sign in ((s2c.orderBookAskList, 1), (s2c.orderBookBidList, -1)):
            price = security.round(security.price + sign * level * security.tick)
            if price <= 0:
                continue
            row = side.add()
            row.price, row.volume = price, security.lot * (3 + 7 * level % 11)
            row.orederCount = 1 + level % 4
    s2c.svrRecvTimeBid = s2c.svrRecvTimeAsk = clock.text(security.prefix, security.updated, milliseconds=True)
    s2c.svrRecvTimeBidTimestamp = s2c.svrRecvTimeAskTimestamp = security.updated


def write_candle(security: Security, candle: Candle, message: Any) -> None:
    """``Qot_Common.KLine``."""
    message.time = candle.time.strftime("%Y-%m-%d %H:%M:%S")
    message.timestamp = clock.timestamp(security.prefix, candle.time)
    message.isBlank = False
    message.openPrice, message.closePrice = candle.open, candle.close
    message.highPrice, message.lowPrice = candle.high, candle.low
    message.lastClosePrice, message.volume = candle.last_close, candle.volume
    message.turnover = round(candle.volume * candle.close, 2)
    message.turnoverRate, message.pe = 0.01, 25.0
    message.changeRate = round((candle.close / candle.last_close - 1) * 100, 4) if candle.last_close else 0.0


def write_minute(security: Security, candle: Candle, message: Any) -> None:
    """``Qot_Common.TimeShare``."""
    message.time = candle.time.strftime("%Y-%m-%d %H:%M:%S")
    message.timestamp = clock.timestamp(security.prefix, candle.time)
    message.minute, message.isBlank = candle.time.hour * 60 + candle.time.minute, False
    message.price, message.avgPrice = candle.close, round((candle.open + candle.close) / 2, 6)
    message.lastClosePrice, message.volume = security.last_close, candle.volume
    message.turnover = round(candle.volume * candle.close, 2)


def write_brokers(security: Security, s2c: Any) -> None:
    """A broker queue of two on either side."""
    message_of(security.code, s2c.security)
    offer(s2c, name=security.name)
    for side in (s2c.brokerAskList, s2c.brokerBidList):
        for place, name in enumerate(("Simulated Broker A", "Simulated Broker B"), start=1):
            row = side.add()
            row.id, row.name, row.pos = 1000 + place, name, place
