"""Sessions of the US, Hong Kong and mainland markets at any instant, by their real calendars."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Dict, Mapping, Optional, Tuple

from brokerbus.model import MarketStatus
from brokerbus_paper.tradingdays import ends_early, is_trading_day

if sys.version_info >= (3, 9):
    from zoneinfo import ZoneInfo
else:
    from backports.zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_LOOK_AHEAD = 30
"""Days within which every market has a session: the longest closure is the Spring Festival."""

ZONES = {"US": ZoneInfo("America/New_York"), "HK": ZoneInfo("Asia/Hong_Kong"), "CN": ZoneInfo("Asia/Shanghai")}

Hours = Tuple[str, str, str, str]
"""From, to (local ``HH:MM``; a from later than its to is of the evening before), unified status, the market's word."""

_US: Tuple[Hours, ...] = (
    ("20:00", "04:00", "OVERNIGHT", "OVERNIGHT"),
    ("04:00", "09:30", "PRE_HOURS", "PRE_MARKET"),
    ("09:30", "16:00", "RTH", "REGULAR"),
    ("16:00", "20:00", "AFTER_HOURS", "AFTER_HOURS"),
)
_US_EARLY = (*_US[:2], ("09:30", "13:00", "RTH", "REGULAR"), ("13:00", "17:00", "AFTER_HOURS", "AFTER_HOURS"))
_HK_EARLY: Tuple[Hours, ...] = (("09:00", "09:30", "PRE_HOURS", "AUCTION"), ("09:30", "12:00", "RTH", "MORNING"))
_HK = (*_HK_EARLY, ("12:00", "13:00", "REST", "LUNCH_BREAK"), ("13:00", "16:00", "RTH", "AFTERNOON"))
_CN: Tuple[Hours, ...] = (
    ("09:15", "09:30", "PRE_HOURS", "AUCTION"),
    ("09:30", "11:30", "RTH", "MORNING"),
    ("11:30", "13:00", "REST", "LUNCH_BREAK"),
    ("13:00", "15:00", "RTH", "AFTERNOON"),
)
_HOURS = {"US": (_US, _US_EARLY), "HK": (_HK, _HK_EARLY), "CN": (_CN, _CN)}


@dataclass(frozen=True)
class Session:
    """A stretch of one trading day; ``start`` and ``end`` are Unix ms, the end excluded."""

    start: int
    end: int
    unified: str
    origin: str


@lru_cache(maxsize=4096)
def sessions(region: str, day: date) -> Tuple[Session, ...]:
    """The sessions of one trading day in their order; none on a day without trading.

    The overnight session of New York belongs to the day on which it ends, so that it opens on Sunday
    evening and on no evening before a holiday.
    """
    if not is_trading_day(region, day):
        return ()
    hours = _HOURS[region][ends_early(region, day)]
    return tuple(_session(region, day, each) for each in hours)


def _session(region: str, day: date, hours: Hours) -> Session:
    start, end, unified, origin = hours
    first = day - _DAY if start > end else day
    return Session(_instant(region, first, start), _instant(region, day, end), unified, origin)


def _instant(region: str, day: date, clock: str) -> int:
    return int(datetime.combine(day, time.fromisoformat(clock), ZONES[region]).timestamp()) * 1000


def local_date(region: str, now: int) -> date:
    """The date in the region at ``now`` (Unix ms)."""
    return datetime.fromtimestamp(now / 1000, ZONES[region]).date()


def session_at(region: str, now: int) -> Tuple[Optional[Session], int]:
    """The session at ``now`` (Unix ms), None while closed; and the instant until which this answer holds."""
    today = local_date(region, now)
    upcoming = sessions(region, today) + sessions(region, today + _DAY)
    for session in upcoming:
        if session.start <= now < session.end:
            return session, session.end
    starts = [session.start for session in upcoming if session.start > now]
    return None, min([*starts, _instant(region, today + _DAY, "00:00")])


def close_after(region: str, lifecycle: str, now: int) -> int:
    """When a DAY order placed at ``now`` expires: the close of that trading day, in Unix ms.

    For RTH it is the regular close, for ETH and OVERNIGHT the end of after-hours trading; Hong Kong and
    the mainland have the regular close alone.
    """
    wanted = ("RTH",) if lifecycle == "RTH" else ("RTH", "AFTER_HOURS")
    day = local_date(region, now)
    for _ in range(_LOOK_AHEAD):
        ends = [session.end for session in sessions(region, day) if session.unified in wanted]
        if ends and max(ends) > now:
            return max(ends)
        day += _DAY
    raise LookupError(f"{region} has no session within {_LOOK_AHEAD} days of {local_date(region, now)}")


class MarketHours:
    """The state of every market, worked out anew only when a session begins or ends."""

    def __init__(self) -> None:
        self._cached: Dict[str, Tuple[int, int, MarketStatus]] = {}

    def status(self, region: str, now: int) -> MarketStatus:
        """The state of one market at ``now`` (Unix ms)."""
        cached = self._cached.get(region)
        if cached is not None and cached[0] <= now < cached[1]:
            return cached[2]
        session, until = session_at(region, now)
        words = (session.origin, session.unified) if session else ("CLOSED", "CLOSED")
        status = MarketStatus(region, *words)
        self._cached[region] = (now, until, status)
        return status

    def statuses(self, now: int) -> Mapping[str, Mapping[str, MarketStatus]]:
        """The states of all markets at ``now`` (Unix ms), as ``market_status`` answers."""
        return {"Securities": {region: self.status(region, now) for region in ZONES}}
