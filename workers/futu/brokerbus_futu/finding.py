"""Finds orders and executions at OpenD, by id, by tag and in lists, and remembers where they were."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from brokerbus.errors import BusError, NotFound, Unavailable
from brokerbus.model import Fill, Order
from brokerbus_futu import convert
from brokerbus_futu.accounts import Accounts, Chosen
from brokerbus_futu.link import Link
from brokerbus_futu.listings import DAY_MS, KEPT, Listings, Row
from brokerbus_futu.pacing import Pace
from brokerbus_futu.progress import Progress
from brokerbus_futu.session import Links, Session

log = logging.getLogger("brokerbus.futu")

ABSENCE_SECONDS = 15.0
"""After this time an order that is in no list never arrived.

A request may stay inside OpenD as long as the SDK waits for it: 12 s, which it checks once a second. The rest is
for the order to come into the lists. No vendor document promises either.
"""

LOOK_AGAIN_SECONDS = 1.0
"""How soon OpenD's own lists, which cost the vendor nothing, are worth another look."""

MOMENT_SECONDS = 1.0
"""How long a list of orders answers for their executions, too."""

REMEMBERED = 10_000
"""Orders whose account and tag are remembered, tags whose order is, and tags that were sent."""

CLOCK_SLACK_MS = DAY_MS
"""How far an order's time and the caller's may lie apart: a tag is for 7 days, clocks differ."""


class _Listed(NamedTuple):
    """Orders as they were listed on a link; ``begun`` on CLOCK_MONOTONIC."""

    links: Links
    since: Optional[int]
    begun: float
    orders: List[Order]


class Finder:
    """The orders and executions of the accounts in use. ``accounts`` are those of the current link.

    ``progress`` tells the executions of accounts without deals; None where the vendor tells them (REAL).
    ``tell`` hears each execution that a list, rather than a push, showed first.
    """

    def __init__(self, session: Session, pace: Pace, progress: Optional[Progress] = None) -> None:
        self._session, self._pace, self._progress = session, pace, progress
        self._listings = Listings(pace)
        self.tell: Callable[[Fill], None] = lambda fill: None
        self.accounts: Optional[Accounts] = None
        self._known: OrderedDict[str, Tuple[int, str]] = OrderedDict()
        self._tagged: OrderedDict[str, Order] = OrderedDict()
        self._sent: OrderedDict[str, float] = OrderedDict()
        self._last: Optional[_Listed] = None
        self._lock = threading.Lock()

    def using(self) -> Tuple[Links, Accounts]:
        """The links and the accounts; raises Unavailable when the session is down."""
        links = self._session.require()
        assert self.accounts is not None, "a session that is up has listed its accounts"
        return links, self.accounts

    # -- finding -----------------------------------------------------------------------------------
    def order_by_tag(self, tag: str, since: int) -> Optional[Order]:
        """The order placed with a tag at or after ``since``; None only when every list was asked and has none."""
        links, accounts = self.using()
        seen = self._tagged.get(tag)  # by a push or in a list
        if seen is not None and _meant(seen, since):
            return seen
        early = ABSENCE_SECONDS - (time.monotonic() - self._sent.get(tag, float("-inf")))
        if early > 0 and not self._spare(accounts):
            found = self._search(links, accounts, self._listings.cached, tag, since)
            if found is None:
                words = f"no order {tag} yet; the vendor's lists are kept for when that proves something"
                raise Unavailable(words, retry_after=min(early, LOOK_AGAIN_SECONDS))
            return found
        return self._search(links, accounts, self._listings.fresh, tag, since) or self._search(
            links, accounts, lambda link, account: self._listings.older(link, account, since), tag, since
        )

    def _spare(self, accounts: Accounts) -> bool:
        """Whether an early look leaves the vendor's limits room for the one that proves something."""
        kinds = ("orders", "history")
        return all(self._pace.spare(kind, account.number, KEPT) for kind in kinds for account in accounts.used)

    def _search(
        self, links: Links, accounts: Accounts, listed: Callable[[Link, Chosen], List[Row]], tag: str, since: int
    ) -> Optional[Order]:
        for account in accounts.used:
            for row in listed(links.trade, account):
                if row.get("remark") == tag and _meant(convert.order(row), since):
                    return self._noted(account, [row])[0]
        return None

    def order(self, order_id: str) -> Order:
        """One order, today's or older; raises NotFound."""
        account, row = self._find(order_id, *self.using())
        return self._noted(account, [row])[0]

    def _find(self, order_id: str, links: Links, accounts: Accounts) -> Tuple[Chosen, Row]:
        known = self._known.get(order_id)
        likely = sorted(accounts.used, key=lambda account: known is None or account.number != known[0])
        for account in likely:
            for row in self._listings.today(links.trade, account, order_id):
                if convert.order_id(row) == order_id:
                    return account, row
        for account in likely:
            for row in self._listings.older(links.trade, account):
                if convert.order_id(row) == order_id:
                    return account, row
        raise NotFound(f"no order {order_id!r:.80} in the accounts in use")

    def orders(self, open_only: bool, since: Optional[int]) -> List[Order]:
        """Orders of all accounts in use: those that changed at or after ``since``; None: today's and the open ones."""
        return [order for order in self._listed(since) if not (open_only and order.is_completed)]

    def fills(self, since: Optional[int]) -> List[Fill]:
        """Executions of all accounts in use at or after ``since``; None: today's."""
        if self._progress is not None:
            orders = self._just_listed(since)
            self._progress.note(orders)
            found = self._progress.fills(orders)
        else:
            found = list(self._dealt(since))
        return [fill for fill in found if since is None or (fill.timestamp or since) >= since]

    def _just_listed(self, since: Optional[int]) -> List[Order]:
        """The orders of a list that was read for the same question a moment ago, while pushes tell what followed."""
        links, _ = self.using()
        last = self._last
        fits = last is not None and last.links is links and last.since == since
        if last is not None and fits and time.monotonic() - last.begun < MOMENT_SECONDS:
            return last.orders
        return self._listed(since)

    def _listed(self, since: Optional[int]) -> List[Order]:
        begun = time.monotonic()
        links, accounts = self.using()
        found: Dict[str, Order] = {}
        for account in accounts.used:
            if since is None:
                rows = self._listings.today(links.trade, account)
            else:
                rows = self._listings.changed(links.trade, account, since)
            changed = [row for row in rows if since is None or (convert.order(row).updated_at or since) >= since]
            found.update({order.order_id: order for order in self._noted(account, changed)})
        self._last = _Listed(links, since, begun, list(found.values()))
        return list(found.values())

    def _dealt(self, since: Optional[int]) -> Iterable[Fill]:
        links, accounts = self.using()
        found: Dict[str, Fill] = {}
        for account in accounts.used:
            for row in self._listings.deals(links.trade, account, since):
                item = self.fill(row)
                if item is not None:
                    found[item.fill_id] = item
        return found.values()

    def _account_of(self, order_id: str, accounts: Accounts) -> Chosen:
        known = self._known.get(order_id)
        account = accounts.by_number().get(known[0]) if known else None
        return account or self._find(order_id, *self.using())[0]

    # -- remembering -------------------------------------------------------------------------------
    def seen(self, order: Order, account: int) -> List[Fill]:
        """Takes note of an order's state from a push; the executions that it adds, where progress tells them."""
        self._remember_order(order, account)
        return [] if self._progress is None else self._progress.note([order])

    def _noted(self, account: Chosen, rows: Iterable[Mapping[str, Any]]) -> List[Order]:
        orders = [convert.order(row) for row in rows]
        for order in orders:
            self._remember_order(order, account.number)
        if self._progress is not None:
            try:
                for fill in self._progress.note(orders):
                    self.tell(fill)
            except BusError as error:
                log.warning("executions are told later: %s", error.message)  # an order can be read all the same
        return orders

    def _remember_order(self, order: Order, account: int) -> None:
        self.remember(order.order_id, account, order.client_order_id)
        if order.client_order_id:
            with self._lock:
                _keep(self._tagged, order.client_order_id, order)

    def remember(self, order_id: str, account: int, tag: str) -> None:
        """Keeps where an order is, for calls that name it by id alone."""
        with self._lock:
            _keep(self._known, order_id, (account, tag))

    def fill(self, row: Mapping[str, Any]) -> Optional[Fill]:
        """An execution with the tag of its order, when that was seen."""
        return convert.fill(row, self._known.get(convert.order_id(row), (0, ""))[1])

    @property
    def tells_deals(self) -> bool:
        """Whether the vendor's own deals are the executions."""
        return self._progress is None

    def sending(self, tag: str) -> None:
        """Notes that an order with a tag is about to go out."""
        with self._lock:
            _keep(self._sent, tag, time.monotonic())


def _keep(kept: OrderedDict[str, Any], key: str, value: Any) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _meant(order: Order, since: int) -> bool:
    """False for an order of the same tag from a time when it meant another one."""
    return order.created_at is None or order.created_at >= since - CLOCK_SLACK_MS
