"""Sessions of the three markets on known days, and the reuse of what was worked out."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest

from brokerbus_paper import calendars
from brokerbus_paper.calendars import ZONES, MarketHours, close_after, sessions
from brokerbus_paper.tradingdays import ends_early, is_trading_day, lunar_new_year

KNOWN = [
    ("US", "2026-11-23 09:29", "PRE_HOURS"),
    ("US", "2026-11-23 09:30", "RTH"),
    ("US", "2026-11-23 15:59", "RTH"),
    ("US", "2026-11-23 16:00", "AFTER_HOURS"),
    ("US", "2026-11-23 20:00", "OVERNIGHT"),
    ("US", "2026-11-24 03:59", "OVERNIGHT"),
    ("US", "2026-11-24 04:00", "PRE_HOURS"),
    ("US", "2026-11-25 19:59", "AFTER_HOURS"),
    ("US", "2026-11-25 20:00", "CLOSED"),  # no overnight trading into Thanksgiving
    ("US", "2026-11-26 12:00", "CLOSED"),  # Thanksgiving
    ("US", "2026-11-26 20:00", "OVERNIGHT"),
    ("US", "2026-11-27 12:59", "RTH"),  # the day after ends at 13:00
    ("US", "2026-11-27 13:00", "AFTER_HOURS"),
    ("US", "2026-11-27 17:00", "CLOSED"),
    ("US", "2026-11-27 21:00", "CLOSED"),  # Friday evening
    ("US", "2026-11-29 19:59", "CLOSED"),
    ("US", "2026-11-29 20:00", "OVERNIGHT"),  # Sunday evening
    ("US", "2026-12-24 13:30", "AFTER_HOURS"),
    ("US", "2026-07-03 12:00", "CLOSED"),  # Independence Day, observed
    ("US", "2027-12-24 12:00", "CLOSED"),  # Christmas, observed: no early close, no trading
    ("HK", "2026-11-23 09:15", "PRE_HOURS"),
    ("HK", "2026-11-23 11:59", "RTH"),
    ("HK", "2026-11-23 12:00", "REST"),
    ("HK", "2026-11-23 13:00", "RTH"),
    ("HK", "2026-11-23 16:00", "CLOSED"),
    ("HK", "2026-12-24 11:59", "RTH"),
    ("HK", "2026-12-24 13:30", "CLOSED"),  # Christmas Eve is a half day
    ("HK", "2026-02-16 13:30", "CLOSED"),  # so is the eve of the Lunar New Year
    ("HK", "2026-02-17 10:00", "CLOSED"),
    ("HK", "2026-04-03 10:00", "CLOSED"),  # Good Friday
    ("HK", "2026-10-02 10:00", "RTH"),  # trades while the mainland's golden week goes on
    ("CN", "2026-11-23 09:20", "PRE_HOURS"),
    ("CN", "2026-11-23 11:29", "RTH"),
    ("CN", "2026-11-23 11:30", "REST"),
    ("CN", "2026-11-23 13:00", "RTH"),
    ("CN", "2026-11-23 15:00", "CLOSED"),
    ("CN", "2026-09-30 10:00", "RTH"),
    ("CN", "2026-10-01 10:00", "CLOSED"),  # golden week
    ("CN", "2026-10-07 10:00", "CLOSED"),
    ("CN", "2026-10-08 10:00", "RTH"),
    ("CN", "2026-10-10 10:00", "CLOSED"),  # a working Saturday, but exchanges rest at weekends
    ("CN", "2027-10-05 10:00", "CLOSED"),  # not announced yet: the usual golden week
]


def instant(region: str, local: str) -> int:
    return int(datetime.fromisoformat(local).replace(tzinfo=ZONES[region]).timestamp() * 1000)


def utc(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(("region", "local", "unified"), KNOWN)
def test_known_instants(region: str, local: str, unified: str) -> None:
    """Each market is in the session that its exchange's published hours name for that minute."""
    assert MarketHours().status(region, instant(region, local)).unified_status == unified


@pytest.mark.parametrize(
    ("day", "opens"),
    [
        (date(2026, 3, 6), "2026-03-06 14:30"),
        (date(2026, 3, 9), "2026-03-09 13:30"),
        (date(2026, 10, 30), "2026-10-30 13:30"),
        (date(2026, 11, 2), "2026-11-02 14:30"),
    ],
)
def test_daylight_saving(day: date, opens: str) -> None:
    """New York opens an hour earlier in UTC from the Monday after the clocks go forward, and back again in November."""
    regular = [session for session in sessions("US", day) if session.unified == "RTH"]
    assert [utc(session.start) for session in regular] == [opens]


def test_overnight_on_the_evening_of_a_clock_change() -> None:
    """The Sunday evening session after a change of clocks is eight hours long."""
    overnight = sessions("US", date(2026, 3, 9))[0]
    assert (utc(overnight.start), utc(overnight.end)) == ("2026-03-09 00:00", "2026-03-09 08:00")


@pytest.mark.parametrize("year", [2026, 2027])
@pytest.mark.parametrize("region", ["US", "HK", "CN"])
def test_two_years_are_covered(region: str, year: int) -> None:
    """2026 and 2027 have as many trading days as such years have, so no data set ends in between."""
    days = [date.fromordinal(number) for number in range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal())]
    assert 238 <= sum(is_trading_day(region, day) for day in days) <= 253


def test_early_closes_of_two_years() -> None:
    """The early closes are New York's three and Hong Kong's six of 2026 and 2027, and no others."""
    days = [date.fromordinal(number) for number in range(date(2026, 1, 1).toordinal(), date(2028, 1, 1).toordinal())]
    assert [str(day) for day in days if ends_early("US", day)] == ["2026-11-27", "2026-12-24", "2027-11-26"]
    half_days = ["2026-02-16", "2026-12-24", "2026-12-31", "2027-02-05", "2027-12-24", "2027-12-31"]
    assert [str(day) for day in days if ends_early("HK", day)] == half_days
    assert not any(ends_early("CN", day) for day in days)


def test_lunar_new_year() -> None:
    """The first day of the Spring Festival is found on every version of the calendar library."""
    assert [str(lunar_new_year(year)) for year in (2025, 2026, 2027)] == ["2025-01-29", "2026-02-17", "2027-02-06"]


@pytest.mark.parametrize(
    ("region", "lifecycle", "placed", "expires"),
    [
        ("US", "RTH", "2026-11-23 10:00", "2026-11-23 16:00"),
        ("US", "ETH", "2026-11-23 10:00", "2026-11-23 20:00"),
        ("US", "RTH", "2026-11-23 16:00", "2026-11-24 16:00"),
        ("US", "RTH", "2026-11-25 17:00", "2026-11-27 13:00"),
        ("US", "OVERNIGHT", "2026-11-29 21:00", "2026-11-30 20:00"),
        ("HK", "RTH", "2026-11-23 12:30", "2026-11-23 16:00"),
        ("HK", "ETH", "2026-12-24 10:00", "2026-12-24 12:00"),
        ("CN", "RTH", "2026-09-30 15:00", "2026-10-08 15:00"),
    ],
)
def test_close_after(region: str, lifecycle: str, placed: str, expires: str) -> None:
    """A DAY order lasts until the close of its market's running or next trading day."""
    assert close_after(region, lifecycle, instant(region, placed)) == instant(region, expires)


def test_statuses_are_worked_out_once_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a session the state of a market is read from memory, and the next session is noticed."""
    asked = []
    real = calendars.session_at
    monkeypatch.setattr(calendars, "session_at", lambda region, now: asked.append(region) or real(region, now))
    hours = MarketHours()
    for minute in ("10:00", "10:01", "15:59"):
        assert hours.status("US", instant("US", f"2026-11-23 {minute}")).unified_status == "RTH"
    assert asked == ["US"]
    assert hours.status("US", instant("US", "2026-11-23 16:00")).unified_status == "AFTER_HOURS"


def test_statuses_have_every_region() -> None:
    """market_status answers for the US, Hong Kong and the mainland, with the market's own word."""
    found = MarketHours().statuses(instant("HK", "2026-11-23 12:10"))["Securities"]
    assert list(found) == ["US", "HK", "CN"]
    assert (found["HK"].origin_status, found["HK"].unified_status) == ("LUNCH_BREAK", "REST")
