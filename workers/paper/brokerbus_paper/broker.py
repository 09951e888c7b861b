"""The paper broker: the bus's methods over the paper vendor, and the thread that moves the market."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any, Callable, ClassVar, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from brokerbus.broker import Broker, Context, OrderRequest, SettingKind
from brokerbus.contract import Contract
from brokerbus.errors import NotFound, Unavailable, Unsupported
from brokerbus.model import (
    CURRENCY_OF_REGION,
    Account,
    Balance,
    Cash,
    Fill,
    MarketStatusMap,
    Number,
    Order,
    Position,
    Quote,
    Tick,
    quantity,
)
from brokerbus_paper.calendars import MarketHours
from brokerbus_paper.controls import Controls, FaultyVendor
from brokerbus_paper.convert import to_fill, to_order
from brokerbus_paper.faults import Faults, Trouble, TroubledPushes
from brokerbus_paper.instruments import REGIONS
from brokerbus_paper.ledger import Ledger, executed
from brokerbus_paper.limits import CLOCK_SLACK_MS, STILL_SECONDS
from brokerbus_paper.market import Market, Security
from brokerbus_paper.settings import KINDS, read
from brokerbus_paper.vendor import AccountView, News, Vendor

log = logging.getLogger("brokerbus_paper")

ACCOUNT_ID = "paper"
FILE = "paper.sqlite3"


def wall_clock() -> int:
    """The time in Unix ms."""
    return time.time_ns() // 1_000_000


class PaperBroker(Broker):
    """One paper account. Quotes are there from the start; the account once ``connect`` opened its file."""

    name: ClassVar[str] = "paper"
    display: ClassVar[str] = "Paper"
    regions: ClassVar[Tuple[str, ...]] = REGIONS
    kinds: ClassVar[Tuple[str, ...]] = ("status", "quote", "tick", "depth", "order", "fill", "position", "cash")
    settings: ClassVar[Mapping[str, SettingKind]] = KINDS
    absence_proves_after: ClassVar[Optional[float]] = 1.0
    instant: ClassVar[FrozenSet[str]] = frozenset(
        ("ping", "accounts", "cash", "balances", "positions", "quote", "quotes", "depth", "market_status", "order")
    )

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> None:
        """Raises BadRequest with the name of the setting that does not fit."""
        read(settings)

    def __init__(self, settings: Mapping[str, Any], context: Context, clock: Callable[[], int] = wall_clock) -> None:
        super().__init__(settings, context)
        self._settings = read(settings)
        self._clock = clock
        self._hours = MarketHours()
        self._vendor: Optional[Vendor] = None
        self._stop = threading.Event()
        self._pulse: Optional[threading.Thread] = None
        self._offline = False
        self._push = context.push
        self._controls: Optional[Controls] = None
        if self._settings.test_controls:
            self._prepare_trouble()
        self.market = Market(self._settings.instruments, self._settings.seed, clock())

    def _prepare_trouble(self) -> None:
        # Another draw at each start: the same one would let a worker that dies by chance die of it for ever.
        faults = Faults(f"{self._settings.seed} {self._clock()}")
        for fields in self._settings.faults:
            faults.add(fields)
        self._push = TroubledPushes(faults, self.context.push)
        self._controls = Controls(faults, self._open_vendor, self._switch_session)
        self._trouble = Trouble(faults)

    # -- session -----------------------------------------------------------------------------------
    def connect(self) -> None:
        """Opens the account, does what fell due while the worker was down, and starts the market."""
        self.close()
        self.open()
        self._stop = threading.Event()
        self._pulse = threading.Thread(target=self._beat, args=(self._stop,), name="paper-market", daemon=True)
        self._pulse.start()

    def open(self) -> None:
        """Opens the account without a market thread: time passes only with ``tick``."""
        ledger = Ledger(os.path.join(self.context.home, FILE))
        kind = Vendor if self._controls is None else FaultyVendor
        vendor = kind(ledger, self.market, self._clock, self._tell)
        if isinstance(vendor, FaultyVendor):
            vendor.trouble = self._trouble
        try:
            vendor.open_account(self._settings.currency, self._settings.cash)
            vendor.step(self._clock())
        except Exception:
            ledger.close()
            raise
        self._vendor = vendor

    def close(self) -> None:
        """Stops the market and closes the account's file."""
        self._stop.set()
        if self._pulse is not None:
            self._pulse.join(STILL_SECONDS)
            self._pulse = None
        vendor, self._vendor = self._vendor, None
        if vendor is not None:
            vendor.ledger.close()

    def tick(self) -> None:
        """One beat: a moving market trades and publishes; orders expire or trade."""
        now = self._clock()
        if self._settings.tick_interval:
            self.market.step(now)
            self._publish_market()
        self._open_vendor().step(now)

    @property
    def vendor(self) -> Vendor:
        """The vendor behind this broker; Unavailable while the account is not open or the session is down."""
        if self._offline:
            raise Unavailable("the paper vendor is offline, as was asked for")
        return self._open_vendor()

    def _open_vendor(self) -> Vendor:
        if self._vendor is None:
            raise Unavailable("the paper account is not open")
        return self._vendor

    def _switch_session(self, up: bool) -> None:
        self._offline = not up
        self.context.session("up" if up else "down", "" if up else "offline, as was asked for")

    # -- reading -----------------------------------------------------------------------------------
    def ping(self) -> bool:
        """True while the account is open."""
        return self._vendor is not None and not self._offline

    def accounts(self) -> Sequence[Account]:
        """The one account."""
        return [Account(ACCOUNT_ID, "SIMULATE", "CASH", markets=REGIONS)]

    def cash(self) -> Cash:
        """The cash that open orders leave free."""
        account = self.vendor.account
        return Cash(account.currency, float(account.available))

    def balances(self) -> Sequence[Balance]:
        """The one currency of the account; holdings count at their latest prices and fixed rates."""
        account, worth = self.vendor.account, self.vendor.net_assets()
        return [Balance(account.currency, float(account.cash), float(account.available), float(worth))]

    def positions(self) -> Sequence[Position]:
        """What is held, by code."""
        account = self.vendor.account
        held = sorted(account.shares, key=lambda contract: contract.code)
        return [self._position(contract, account) for contract in held]

    def quote(self, contract: Contract) -> Quote:
        """The newest quote; a look-up."""
        return self._security(contract).quote

    def quotes(self, contracts: Sequence[Contract]) -> Sequence[Quote]:
        """The newest quotes, in the order asked for."""
        return [self._security(contract).quote for contract in contracts]

    def depth(self, contract: Contract, levels: int) -> Mapping[str, Any]:
        """The book: ``[price, qty, orders]`` a level, best first, ten at most."""
        return self._security(contract).depth(levels)

    def ticks(self, contract: Contract, limit: int) -> Sequence[Tick]:
        """The newest trades on the tape, oldest first, since the worker's start."""
        tape = list(self._security(contract).tape)
        return tape[-limit:] if limit > 0 else []

    def candles(self, contract: Contract, interval: str, limit: int) -> Sequence[Mapping[str, Any]]:
        """The newest candles (1m to 4h, 1d), oldest first, since the worker's start."""
        return self._security(contract).candles(interval, limit)

    def market_status(self) -> MarketStatusMap:
        """The state of the US, Hong Kong and mainland markets by their calendars."""
        return self._hours.statuses(self._clock())

    # -- trading -----------------------------------------------------------------------------------
    def place_order(self, request: OrderRequest) -> str:
        """Places an order; it is on disk when this returns, and has traded what the book offered."""
        return self.vendor.place(request)

    def modify_order(self, order_id: str, qty: Optional[Number], price: Optional[Number]) -> None:
        """Changes an open order at once."""
        self.vendor.modify(order_id, qty, price)

    def cancel_order(self, order_id: str) -> None:
        """Cancels an open order at once; Rejected when it is filled, cancelled or expired."""
        self.vendor.cancel(order_id)

    def order(self, order_id: str) -> Order:
        """The state of one order, however old."""
        return to_order(self.vendor.order(order_id))

    def orders(self, open_only: bool, since: Optional[int]) -> Sequence[Order]:
        """The orders that changed at or after ``since`` (Unix ms), oldest first; None: the newest 1,000."""
        return [to_order(ticket) for ticket in self.vendor.orders(open_only, since)]

    def fills(self, since: Optional[int]) -> Sequence[Fill]:
        """The executions at or after ``since`` (Unix ms), oldest first; None: the newest 1,000."""
        return [to_fill(fill_id, trade) for fill_id, trade in self.vendor.fills(since)]

    def order_by_tag(self, tag: str, since: int) -> Optional[Order]:
        """The order with this tag; one that is not in the account's file, and not being placed, does not exist."""
        found = (ticket for ticket in self.vendor.tagged(tag) if ticket.created >= since - CLOCK_SLACK_MS)
        return next(map(to_order, found), None)

    def raw(self, name: str, params: Mapping[str, Any]) -> Any:
        """``executed``: every order the vendor ever took, as ``[orderId, tag]``; else what tests may do."""
        if name == "executed":
            return [list(pair) for pair in executed(self._open_vendor().ledger.path)]
        if self._controls is None:
            raise Unsupported(f"raw: {name!r:.40} needs settings.test_controls = true")
        return self._controls.do(name, params)

    # -- inside ------------------------------------------------------------------------------------
    def _security(self, contract: Contract) -> Security:
        security = self.market.find(contract)
        if security is None:
            raise NotFound(f"unknown symbol {contract.code}")
        return security

    def _position(self, contract: Contract, account: AccountView) -> Position:
        currency = CURRENCY_OF_REGION[contract.region]
        return Position(self.name, self.display, contract, currency, quantity(account.shares.get(contract, 0)))

    def _beat(self, stop: threading.Event) -> None:
        healthy = True
        while not stop.wait(self._settings.tick_interval or STILL_SECONDS):
            try:
                self.tick()
            except Exception as error:
                # Not a lost session: quotes go on, and orders say by themselves why they cannot be taken.
                if healthy and not stop.is_set():
                    log.warning("open orders cannot trade or expire: %s: %s", type(error).__name__, error)
                healthy = False
            else:
                if not healthy:
                    log.warning("open orders trade and expire again")
                healthy = True

    def _publish_market(self) -> None:
        for security in self.market.securities.values():
            code = security.contract.code
            self.context.push("quote", code, security.quote.to_map())
            self.context.push("tick", code, security.tape[-1].to_map())
            self.context.push("depth", code, security.depth())

    def _tell(self, news: News) -> None:
        if self._offline:
            return
        for ticket in news.orders:
            self._push("order", ticket.order_id, to_order(ticket).to_map())
        for fill_id, trade in news.fills:
            self._push("fill", trade.order_id, to_fill(fill_id, trade).to_map())
        traded: List[Contract] = list(dict.fromkeys(trade.contract for _, trade in news.fills))
        for contract in traded:
            self.context.push("position", contract.code, self._position(contract, news.account).to_map())
        cash = Cash(news.account.currency, float(news.account.available))
        self.context.push("cash", "", cash.to_map())
