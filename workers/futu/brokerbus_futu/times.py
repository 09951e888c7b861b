"""Turns the vendor's exchange-local times into Unix milliseconds."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Optional

from brokerbus.model import number

HOURS_EAST: Dict[str, int] = {"HK": 8, "SH": 8, "SZ": 8, "CN": 8, "SG": 8, "MY": 8, "JP": 9}
"""Markets without daylight saving."""

EASTERN = frozenset(("US", "CA"))
"""Markets on the time of New York."""

_TIME = re.compile(r"(\d{4})[-/](\d{2})[-/](\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?")


def milliseconds(seconds: Any) -> Optional[int]:
    """Unix milliseconds of the vendor's epoch seconds; None where it sent none."""
    value = number(seconds)
    return round(value * 1000) if value else None


def local(text: Any, market: str) -> Optional[int]:
    """Unix milliseconds of ``yyyy-MM-dd HH:mm:ss[.SSS]`` at a market; None for anything else.

    Hong Kong and mainland times are Beijing's, American ones New York's (source: vendor documentation).
    """
    found = _TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    parts = [int(part or 0) for part in found.groups()[:6]]
    fraction = (found.group(7) or "").ljust(6, "0")
    try:
        moment = datetime(*parts, microsecond=int(fraction))  # type: ignore[misc,arg-type]
        east = hours_east(moment, market)
        if east is None:
            return None
        return round((moment - timedelta(hours=east)).replace(tzinfo=timezone.utc).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def hours_east(moment: datetime, market: str) -> Optional[int]:
    """Hours east of Greenwich at a market's wall-clock time; None where it is not known."""
    if market in EASTERN:
        return -4 if _daylight_saving(moment) else -5
    return HOURS_EAST.get(market)


def _daylight_saving(moment: datetime) -> bool:
    """Between the second Sunday of March and the first of November, 02:00: the rule since 2007.

    Reckoned here because Python 3.8 has no zone database and a host need not have one either. In the
    hour that comes twice it is the first.
    """
    return _sunday(moment.year, 3, 8) <= moment < _sunday(moment.year, 11, 1)


def _sunday(year: int, month: int, first: int) -> datetime:
    day = datetime(year, month, first, 2)
    return day + timedelta(days=(6 - day.weekday()) % 7)
