"""Writes moments in the local time of an exchange, as OpenD does."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))

SESSIONS = {
    "US": ((570, 960),),
    "HK": ((570, 720), (780, 960)),
    "SH": ((570, 690), (780, 900)),
    "SZ": ((570, 690), (780, 900)),
}
"""Regular trading in minutes after midnight, exchange-local."""


def _sunday(year: int, month: int, which: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (which - 1))


def _eastern_offset(moment: datetime) -> timedelta:
    """By rule, not by tzdata: Python 3.8 has no zoneinfo. Daylight time runs from 07:00 UTC to 06:00 UTC."""
    start = datetime.combine(_sunday(moment.year, 3, 2), datetime.min.time(), timezone.utc) + timedelta(hours=7)
    end = datetime.combine(_sunday(moment.year, 11, 1), datetime.min.time(), timezone.utc) + timedelta(hours=6)
    return timedelta(hours=-4 if start <= moment < end else -5)


def local(prefix: str, timestamp: float) -> datetime:
    """Epoch seconds in the exchange's zone: US Eastern for US, Beijing for the others."""
    moment = datetime.fromtimestamp(timestamp, timezone.utc)
    if prefix == "US":
        return moment.astimezone(timezone(_eastern_offset(moment)))
    return moment.astimezone(BEIJING)


def text(prefix: str, timestamp: float, milliseconds: bool = False) -> str:
    """``yyyy-MM-dd HH:mm:ss``, with ``.SSS`` on demand, without a zone, as the vendor writes it."""
    moment = local(prefix, timestamp)
    written = moment.strftime("%Y-%m-%d %H:%M:%S")
    return f"{written}.{moment.microsecond // 1000:03d}" if milliseconds and moment.microsecond >= 1000 else written


def timestamp(prefix: str, moment: datetime) -> float:
    """Epoch seconds of a naive exchange-local moment."""
    if prefix == "US":
        guess = moment.replace(tzinfo=timezone.utc) + timedelta(hours=5)
        return guess.timestamp() - (3600.0 if _eastern_offset(guess) == timedelta(hours=-4) else 0.0)
    return moment.replace(tzinfo=BEIJING).timestamp()


def parse(written: str) -> datetime | None:
    """A naive moment from the vendor's formats, None when the text is none of them."""
    for form in ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            return datetime.strptime(written, form)
        except ValueError:
            continue
    return None
