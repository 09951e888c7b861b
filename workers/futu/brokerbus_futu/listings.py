"""Reads OpenD's lists of orders and deals: whole, fresh where it matters, and within the vendor's limits."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, Mapping, Optional, Tuple

from brokerbus.errors import NotFound
from brokerbus_futu import convert, outcomes
from brokerbus_futu.accounts import Chosen
from brokerbus_futu.link import Link
from brokerbus_futu.pacing import Pace
from brokerbus_futu.terms import of_account

ORDER_LIST, FILL_LIST, HISTORY, FILL_HISTORY = 2201, 2211, 2221, 2222
"""Protocol ids. Source: SDK source."""

HISTORY_DAYS = 88
"""The vendor answers 90 days at most; a day on either side for its time zones."""

DAY_MS = 86_400_000

KEPT = 5
"""Calls within the vendor's limit that a poll leaves to those who look for an order."""

Row = Dict[str, Any]


def read(link: Link, name: str, proto: int, **arguments: Any) -> Dict[str, Any]:
    """The fields of the answer to ``proto``, sent by one call of the SDK; raises what the lack of it proves."""
    trace = link.call(name, proto, **arguments)
    step = trace.step(proto)
    if step is None or not step.done:
        raise outcomes.of_reading(trace, proto)
    fields: Dict[str, Any] = convert.plain(step.body)
    return fields


class Listings:
    """The lists of orders and deals of one account or another."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._whole: Dict[int, Tuple[Link, int, int]] = {}

    def today(self, link: Link, account: Chosen, order_id: str = "", keep: int = 0) -> List[Row]:
        """Today's orders, fresh from the vendor while its limit allows, else as OpenD has them from its pushes."""
        fresh = self._pace.free("orders", account.number, keep)
        return self._orders(link, account, order_id=order_id, refresh_cache=fresh)

    def cached(self, link: Link, account: Chosen) -> List[Row]:
        """Today's orders as OpenD has them from its pushes; costs the vendor nothing."""
        return self._orders(link, account, refresh_cache=False)

    def fresh(self, link: Link, account: Chosen) -> List[Row]:
        """Today's orders from the vendor itself: what is not in there, it did not have when this was called."""
        self._pace.take("orders", account.number)
        return self._orders(link, account, refresh_cache=True)

    def older(self, link: Link, account: Chosen, since: Optional[int] = None) -> List[Row]:
        """Orders placed since the day before ``since`` (Unix ms), as far back as the vendor goes when None."""
        self._pace.take("history", account.number)
        days = range_of(since)
        return _rows(link, "history_order_list_query", HISTORY, "orderList", **days, **of_account(account))

    def changed(self, link: Link, account: Chosen, since: int) -> List[Row]:
        """Orders that may have changed at or after ``since`` (Unix ms), however long ago they were placed.

        The first time on a link that is all that the vendor has; it raises when that cannot be read. Later on the
        same link, where pushes tell every change, it is what the vendor's limits leave room for.
        """
        whole, seen_since, oldest = self._whole.get(account.number, (None, 0, 0))
        if whole is link and seen_since <= since:
            rows = self.today(link, account, keep=KEPT)
            if not self._pace.spare("history", account.number, KEPT):
                return rows
        else:
            rows = self.fresh(link, account)
        return self._with_older(link, account, since, rows, oldest if seen_since <= since else 0)

    def _with_older(self, link: Link, account: Chosen, since: int, rows: List[Row], oldest: int) -> List[Row]:
        """The history is by the time of placing: it is read from the oldest order on that could still change.

        Today's list came first: an order that moves into the history meanwhile is then in both rather than in none.
        """
        asked = round(time.time() * 1000) - DAY_MS  # the vendor's clock is not ours
        rows = [*self.older(link, account, min(oldest, since) if oldest else None), *rows]
        moving = [_placed_at(row) for row in rows if _moves(row, since)]
        self._whole[account.number] = (link, since, min([asked, *moving]))
        return rows

    def deals(self, link: Link, account: Chosen, since: Optional[int]) -> List[Row]:
        """Today's deals, with those since the day before ``since`` (Unix ms)."""
        self._pace.take("fills", account.number)
        of = of_account(account)
        rows = _rows(link, "deal_list_query", FILL_LIST, "orderFillList", refresh_cache=True, **of)
        if since is None:
            return rows
        self._pace.take("fill_history", account.number)
        older = _rows(link, "history_deal_list_query", FILL_HISTORY, "orderFillList", **range_of(since), **of)
        return [*older, *rows]

    @staticmethod
    def _orders(link: Link, account: Chosen, **arguments: Any) -> List[Row]:
        return _rows(link, "order_list_query", ORDER_LIST, "orderList", **arguments, **of_account(account))


def _rows(link: Link, name: str, proto: int, field: str, **arguments: Any) -> List[Row]:
    try:
        return list(read(link, name, proto, **arguments).get(field, []))
    except NotFound:
        return []


def _placed_at(row: Mapping[str, Any]) -> int:
    """When an order was placed; the beginning of time when that is not told, so that nothing is left out."""
    return convert.order(row).created_at or 0


def _moves(row: Mapping[str, Any], since: int) -> bool:
    """Whether an order may still change, or did since."""
    order = convert.order(row)
    return not order.is_completed or (order.updated_at or since) >= since


def range_of(since: Optional[int]) -> Dict[str, str]:
    """The range of a history query. Its end is tomorrow: 'today' of this host may be yesterday at the market."""
    today = datetime.now(timezone.utc)
    start = today - timedelta(days=HISTORY_DAYS)
    if since is not None:
        start = max(start, datetime.fromtimestamp(since / 1000, timezone.utc) - timedelta(days=1))
    end = today + timedelta(days=1)
    return {"start": start.strftime("%Y-%m-%d"), "end": end.strftime("%Y-%m-%d")}
