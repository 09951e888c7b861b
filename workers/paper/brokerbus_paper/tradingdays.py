"""Which days the US, Hong Kong and mainland exchanges trade, and which of them end early."""

from __future__ import annotations

import warnings
from datetime import date, timedelta
from functools import lru_cache
from typing import FrozenSet, Iterable, Mapping

import chinese_calendar

with warnings.catch_warnings():
    # The last release for Python 3.8 warns on import of a version 1.0 to come; pyproject.toml keeps below it.
    warnings.simplefilter("ignore")
    from holidays import country_holidays, financial_holidays

_DAY = timedelta(days=1)


@lru_cache(maxsize=4096)
def is_trading_day(region: str, day: date) -> bool:
    """True when the region's exchanges hold a session on that local date."""
    if day.weekday() >= 5:
        return False
    if region == "CN":
        return not _mainland_holiday(day)
    return day not in _closures(region, day.year)


@lru_cache(maxsize=4096)
def ends_early(region: str, day: date) -> bool:
    """True for an early close in New York (13:00) or a half day in Hong Kong (12:00)."""
    if region == "CN" or not is_trading_day(region, day):
        return False
    if region == "US":
        return (day.month, day.day) in ((7, 3), (12, 24)) or _after_thanksgiving(day)
    return (day.month, day.day) in ((12, 24), (12, 31)) or day + _DAY == lunar_new_year(day.year)


@lru_cache(maxsize=64)
def lunar_new_year(year: int) -> date:
    """The first day of the Spring Festival."""
    names: Mapping[date, str] = country_holidays("CN", years=year)
    return min(day for day, name in names.items() if "春节" in name or "Spring Festival" in name)


@lru_cache(maxsize=64)
def _closures(region: str, year: int) -> FrozenSet[date]:
    if region == "US":
        return frozenset(financial_holidays("NYSE", years=year))
    # Hong Kong's exchange closes on general holidays: those of the employment law and the optional ones.
    both = (frozenset(country_holidays("HK", years=year, categories=(kind,))) for kind in ("public", "optional"))
    return frozenset().union(*both)


def _after_thanksgiving(day: date) -> bool:
    return day.month == 11 and day.weekday() == 4 and 23 <= day.day <= 29


def _mainland_holiday(day: date) -> bool:
    try:
        return bool(chinese_calendar.is_holiday(day))
    except NotImplementedError:
        return day in _expected_closures(day.year)


@lru_cache(maxsize=64)
def _expected_closures(year: int) -> FrozenSet[date]:
    """Before the State Council announces a year: statutory holidays, and the three long ones at their usual length."""
    festival = lunar_new_year(year)
    statutory: Iterable[date] = country_holidays("CN", years=year)
    long_ones = [festival + _DAY * offset for offset in range(-1, 7)]
    long_ones += [date(year, 5, first) for first in range(1, 6)] + [date(year, 10, first) for first in range(1, 8)]
    return frozenset(statutory) | frozenset(long_ones)
