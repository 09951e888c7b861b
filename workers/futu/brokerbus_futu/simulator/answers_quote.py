"""Answers the requests about quotes and subscriptions."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from . import candles, clock, render_quote
from .codes import KL_SUBTYPES, KL_TYPES, PREFIXES, Proto, Refused, SubType
from .messages import offer
from .securities import Security, message_of
from .world import Answer, Link, World

SUBTYPES = frozenset(KL_TYPES) | {1, 2, 4, 5, 14, 22}
MOST_SNAPSHOTS = 400
"""Codes of one snapshot request (vendor's documentation of get_market_snapshot)."""


def subscribe(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Subscribe, register pushes, or undo either, for this connection alone."""
    if c2s.isUnsubAll:
        link.subscribed.clear()
        link.pushed.clear()
        return
    wanted = _pairs(world, c2s)
    if not c2s.isSubOrUnSub:
        link.subscribed -= wanted
        link.pushed -= wanted
        return
    used = len({pair for other in world.links.values() for pair in other.subscribed} | wanted)
    if used > world.options.quota:
        raise Refused(f"Insufficient subscription quota: {used} needed, {world.options.quota} allowed")
    link.subscribed |= wanted
    if c2s.HasField("isRegOrUnRegPush"):
        first = c2s.isFirstPush or not c2s.HasField("isFirstPush")
        _register(link, wanted, c2s.isRegOrUnRegPush, first)


def register_push(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Register or unregister pushes of what is subscribed already."""
    wanted = _pairs(world, c2s)
    if not wanted <= link.subscribed:
        raise Refused("Subscribe first, then register the push")
    _register(link, wanted, c2s.isRegOrUnReg, c2s.isFirstPush or not c2s.HasField("isFirstPush"))


def _pairs(world: World, c2s: Any) -> set[tuple[str, int]]:
    if not c2s.securityList or not c2s.subTypeList:
        raise Refused("Securities and subscription types are required")
    for subtype in c2s.subTypeList:
        if subtype not in SUBTYPES:
            raise Refused(f"Unknown subscription type {subtype}")
    codes = [world.securities.of_message(item).code for item in c2s.securityList]
    return {(code, subtype) for code in codes for subtype in c2s.subTypeList}


def _register(link: Link, wanted: set[tuple[str, int]], on: bool, first: bool) -> None:
    if not on:
        link.pushed -= wanted
        return
    link.pushed |= wanted
    if first:
        link.first_pushes += sorted(wanted)


def sub_info(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Subscriptions of this connection, or of all, and the quota."""
    for other in world.links.values() if c2s.isReqAllConn else [link]:
        row = s2c.connSubInfoList.add()
        row.usedQuota, row.isOwnConnData = len(other.subscribed), other is link
        for subtype in sorted({subtype for _, subtype in other.subscribed}):
            info = row.subInfoList.add()
            info.subType = subtype
            for code in sorted(code for code, kind in other.subscribed if kind == subtype):
                message_of(code, info.securityList.add())
    used = len({pair for other in world.links.values() for pair in other.subscribed})
    s2c.totalUsedQuota, s2c.remainQuota = used, max(0, world.options.quota - used)


def _subscribed(world: World, link: Link, message: Any, subtype: int) -> Security:
    security = world.securities.of_message(message)
    if (security.code, subtype) not in link.subscribed:
        raise Refused(f"Please subscribe {security.code} to type {subtype} first")
    return security


def basic_qot(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Quotes of subscribed securities."""
    for item in c2s.securityList:
        render_quote.write_basic(_subscribed(world, link, item, SubType.BASIC), s2c.basicQotList.add())


def candle_list(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """The newest candles of a subscribed security."""
    if c2s.klType not in KL_SUBTYPES:
        raise Refused(f"Unknown candle type {c2s.klType}")
    security = _subscribed(world, link, c2s.security, KL_SUBTYPES[c2s.klType])
    s2c.security.CopyFrom(c2s.security)
    offer(s2c, name=security.name)
    for candle in candles.newest(security, c2s.klType, c2s.reqNum, time.time()):
        render_quote.write_candle(security, candle, s2c.klList.add())


def minutes(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """The day's minutes of a subscribed security."""
    security = _subscribed(world, link, c2s.security, SubType.RT)
    s2c.security.CopyFrom(c2s.security)
    offer(s2c, name=security.name)
    for candle in candles.newest(security, 1, 60, time.time()):
        render_quote.write_minute(security, candle, s2c.rtList.add())


def tick_list(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """The last ticks of a subscribed security, rising."""
    security = _subscribed(world, link, c2s.security, SubType.TICKER)
    s2c.security.CopyFrom(c2s.security)
    offer(s2c, name=security.name)
    for tick in list(security.ticks)[-max(1, c2s.maxRetNum) :]:
        render_quote.write_tick(security, tick, s2c.tickerList.add())


def order_book(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """The order book of a subscribed security."""
    security = _subscribed(world, link, c2s.security, SubType.ORDER_BOOK)
    render_quote.write_book(security, c2s.num, s2c)


def broker_queue(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """The broker queue of a subscribed security."""
    render_quote.write_brokers(_subscribed(world, link, c2s.security, SubType.BROKER), s2c)


def history_candles(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Candles between two moments, in pages; needs no subscription."""
    security = world.securities.of_message(c2s.security)
    begin, end = clock.parse(c2s.beginTime), clock.parse(c2s.endTime)
    if begin is None or end is None:
        raise Refused(f"Unreadable time {c2s.beginTime!r} or {c2s.endTime!r}")
    if end.hour == end.minute == 0 and len(c2s.endTime) <= 10:
        end += timedelta(days=1, seconds=-1)
    labels = candles.between(security, c2s.klType, begin, end)
    start = int(c2s.nextReqKey or b"0")
    page = min(c2s.maxAckKLNum or candles.MOST, candles.MOST)
    s2c.security.CopyFrom(c2s.security)
    offer(s2c, name=security.name)
    for candle in candles.series(security, c2s.klType, labels[start : start + page]):
        render_quote.write_candle(security, candle, s2c.klList.add())
    if start + page < len(labels):
        s2c.nextReqKey = str(start + page).encode()


def static_info(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Static facts of the codes asked for, or of a market and type."""
    if c2s.securityList:
        chosen = [world.securities.of_message(item) for item in c2s.securityList]
    else:
        prefix = PREFIXES.get(c2s.market, "")
        kinds = (0, c2s.secType) if c2s.secType else None
        chosen = [item for item in world.securities.all.values() if item.prefix == prefix]
        chosen = [item for item in chosen if kinds is None or item.sec_type in kinds]
    for security in chosen:
        render_quote.write_static(security, s2c.staticInfoList.add())


def snapshot(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Snapshots; needs no subscription."""
    if len(c2s.securityList) > MOST_SNAPSHOTS:
        raise Refused(f"At most {MOST_SNAPSHOTS} codes in one request, got {len(c2s.securityList)}")
    for item in c2s.securityList:
        render_quote.write_snapshot(world.securities.of_message(item), s2c.snapshotList.add())


def market_state(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """State of the market that each security trades in."""
    for item in c2s.securityList:
        security = world.securities.of_message(item)
        row = s2c.marketInfoList.add()
        message_of(security.code, row.security)
        row.name, row.marketState = security.name, world.market_states[security.prefix]


def trade_dates(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Every weekday between two dates: this world has no holidays."""
    day, end = clock.parse(c2s.beginTime), clock.parse(c2s.endTime)
    if day is None or end is None:
        raise Refused(f"Unreadable date {c2s.beginTime!r} or {c2s.endTime!r}")
    prefix = {1: "HK", 2: "US"}.get(c2s.market, "SH")
    while day <= end:
        if day.weekday() < 5:
            row = s2c.tradeDateList.add()
            row.time, row.tradeDateType = day.strftime("%Y-%m-%d"), 0
            row.timestamp = clock.timestamp(prefix, day)
        day += timedelta(days=1)


ANSWERS: dict[int, Answer] = {
    Proto.SUB: subscribe,
    Proto.REG_PUSH: register_push,
    Proto.SUB_INFO: sub_info,
    Proto.BASIC_QOT: basic_qot,
    Proto.KL: candle_list,
    Proto.RT: minutes,
    Proto.TICKER: tick_list,
    Proto.ORDER_BOOK: order_book,
    Proto.BROKER: broker_queue,
    Proto.HISTORY_KL: history_candles,
    Proto.STATIC_INFO: static_info,
    Proto.SNAPSHOT: snapshot,
    Proto.MARKET_STATE: market_state,
    Proto.TRADE_DATE: trade_dates,
}
