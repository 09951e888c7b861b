"""Serves a Futu or moomoo account through the vendor's SDK and OpenD; the only module that imports the SDK."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import threading
from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Dict, List, Mapping, Optional, Sequence

from brokerbus import limits
from brokerbus.broker import Broker, Context, OrderRequest
from brokerbus.contract import Contract
from brokerbus.errors import NotFound, Unavailable
from brokerbus.model import Account, Balance, Cash, Fill, MarketStatusMap, Number, Order, Position, Quote
from brokerbus_futu import codes, convert, outcomes
from brokerbus_futu import settings as settings_of
from brokerbus_futu.accounts import Accounts
from brokerbus_futu.asking import Shared
from brokerbus_futu.finding import ABSENCE_SECONDS
from brokerbus_futu.link import Link
from brokerbus_futu.listings import read
from brokerbus_futu.orders import Desk
from brokerbus_futu.pacing import Pace
from brokerbus_futu.progress import Progress
from brokerbus_futu.pushes import Pushes
from brokerbus_futu.session import Links, Session

log = logging.getLogger("brokerbus.futu")

GLOBAL_STATE, SNAPSHOT = 1002, 3203
ACCOUNT_LIST, UNLOCK, SUBSCRIBE_PUSHES, FUNDS, POSITIONS = 2001, 2005, 2008, 2101, 2102
"""Protocol ids. Source: SDK source."""


@dataclass(frozen=True)
class Vendor:
    """One of the two names under which the same SDK is sold."""

    module: str
    name: str
    display: str


VENDORS: Dict[str, Vendor] = {
    "futu": Vendor("futu", "futu", "富途证券"),
    "moomoo": Vendor("moomoo", "moomoo", "moomoo"),
}
"""The configuration's ``broker`` → the SDK's module, and httptrading's names."""


EXECUTIONS = "fills.sqlite3"
"""File in the instance's home with the executions of accounts whose deals the vendor does not tell."""


class FutuBroker(Broker):
    """Futu through OpenD. Without ``trade_env`` it trades REAL, as httptrading does."""

    name = "futu"
    display = "富途证券"
    sdk = "futu-api"
    regions = ("US", "HK", "CN")
    kinds = ("status", "order", "fill")
    settings = settings_of.KINDS

    absence_proves_after: ClassVar[Optional[float]] = ABSENCE_SECONDS

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> None:
        """Raises BadRequest with the name of the setting that does not fit."""
        settings_of.parse(settings)

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        self._settings = settings_of.parse(settings)
        self._vendor = VENDORS.get(getattr(context, "broker", self.name), VENDORS[self.name])
        self._sdk: Any = None
        self._pace = Pace(times=self._settings.pace)
        self._session = Session(
            self._settings.host, self._settings.port, self._build, self._verify, context.session, context.fail
        )
        self._progress = None if self._settings.real else Progress(os.path.join(context.home, EXECUTIONS))
        self._desk = Desk(self._session, self._pace, self._progress)
        self._pushes = Pushes(self._desk, context)
        self._pings = Shared(self._logged_in)

    # -- session -----------------------------------------------------------------------------------
    def connect(self) -> None:
        if self._sdk is None:
            self._sdk = load_sdk(self._vendor.module, self.context.home, self._settings.pk_path)
        self._session.start()

    def close(self) -> None:
        self._session.close()
        if self._progress is not None:
            self._progress.close()

    def _build(self, address: str, lost: Callable[[], None]) -> List[Link]:
        sdk, at = self._sdk, {"host": address, "port": self._settings.port}
        trading = {
            **at,
            "filter_trdmarket": sdk.TrdMarket.NONE,
            "security_firm": self._settings.security_firm or sdk.SecurityFirm.NONE,
        }
        return [
            Link("quote", sdk.OpenQuoteContext, lost, at),
            Link("trade", sdk.OpenSecTradeContext, lost, trading),
        ]

    def _verify(self, links: Links) -> None:
        """Whatever a new link may lack without a word: an answering OpenD, accounts, order pushes, the unlock."""
        read(links.quote, "get_global_state", GLOBAL_STATE)
        self._desk.accounts = self._list_accounts(links.trade)
        self._pushes.attach(self._sdk, links.trade.context)
        self._subscribe_pushes(links.trade)
        self._desk.locked = self._unlock(links.trade)

    def _list_accounts(self, trade: Link) -> Accounts:
        trace = trade.call("get_acc_list")
        step = trace.step(ACCOUNT_LIST)
        if step is None or not step.done or not trace.ok:
            raise outcomes.of_reading(trace, ACCOUNT_LIST)
        usable = [int(number) for number in trace.data["acc_id"].tolist()]
        return Accounts(convert.plain(step.body).get("accList", []), usable, self._settings)

    def _subscribe_pushes(self, trade: Link) -> None:
        """Subscribes the order pushes and waits for the answer; the SDK does so, too, but never reads it."""
        accounts = self._desk.accounts
        if accounts is None or not accounts.used:
            return
        request = importlib.import_module(f"{self._vendor.module}.trade.trade_query").SubAccPush
        numbers = [account.number for account in accounts.used]
        trace = trade.query("sub_acc_push", request.pack_req, request.unpack_rsp, acc_id_list=numbers)
        if not trace.ok:
            raise outcomes.of_reading(trace, SUBSCRIBE_PUSHES)

    def _unlock(self, trade: Link) -> str:
        """Unlocks REAL trading, once per link; why it stays locked, if the vendor refused."""
        if not (self._settings.real and self._settings.unlock_pin):
            return ""
        trace = trade.call("unlock_trade", UNLOCK, password_md5=self._settings.unlock_pin)
        step = trace.step(UNLOCK)
        if trace.ok or (step is not None and step.done):
            return ""
        if step is not None and step.ret_type == outcomes.FAILED:
            log.error("OpenD does not unlock trading: %s", step.message)
            return step.message or "OpenD gave no reason"
        if step is None:
            return trace.text
        raise outcomes.of_reading(trace, UNLOCK)

    # -- reading -----------------------------------------------------------------------------------
    def ping(self) -> bool:
        return self._session.up and self._pings.ask(limits.PING_SECONDS)

    def _logged_in(self) -> bool:
        state = read(self._session.require().quote, "get_global_state", GLOBAL_STATE)
        return bool(state.get("qotLogined") and state.get("trdLogined"))

    def accounts(self) -> Sequence[Account]:
        return self._desk.using()[1].listed

    def cash(self) -> Cash:
        account = self._desk.using()[1].for_cash()
        return convert.cash(self._funds(account), account.base_currency)

    def balances(self) -> Sequence[Balance]:
        found: List[Balance] = []
        for account in self._desk.using()[1].used:
            found += convert.balances(self._funds(account), account.base_currency)
        return convert.added(found)

    def _funds(self, account: Any) -> Dict[str, Any]:
        self._pace.take("funds", account.number)
        answer = read(
            self._session.require().trade,
            "accinfo_query",
            FUNDS,
            trd_env=account.env,
            acc_id=account.number,
            refresh_cache=True,
            currency=account.base_currency,
        )
        funds: Dict[str, Any] = answer.get("funds", {})
        return funds

    def positions(self) -> Sequence[Position]:
        links, accounts = self._desk.using()
        found: List[Optional[Position]] = []
        for account in accounts.used:
            self._pace.take("positions", account.number)
            answer = read(
                links.trade,
                "position_list_query",
                POSITIONS,
                trd_env=account.env,
                acc_id=account.number,
                refresh_cache=True,
            )
            rows = answer.get("positionList", [])
            found += [convert.position(row, self._vendor.name, self._vendor.display) for row in rows]
        return [position for position in found if position is not None]

    def quote(self, contract: Contract) -> Quote:
        return self.quotes([contract])[0]

    def quotes(self, contracts: Sequence[Contract]) -> Sequence[Quote]:
        wanted = [codes.code_of(contract) for contract in contracts]
        links = self._session.require()
        self._pace.take("snapshot")
        answer = read(links.quote, "get_market_snapshot", SNAPSHOT, code_list=wanted)
        found = convert.quotes(answer.get("snapshotList", []))
        missing = [code for code in wanted if code not in found]
        if missing:
            raise NotFound(f"Futu has no quote of {', '.join(missing):.200}")
        return [convert.quote(found[code], contract) for code, contract in zip(wanted, contracts)]

    def market_status(self) -> MarketStatusMap:
        links = self._session.require()
        self._pace.take("market_state")
        trace = links.quote.call("get_global_state")
        if not trace.ok:
            raise outcomes.of_reading(trace, GLOBAL_STATE)
        return convert.market_status(trace.data)

    # -- trading -----------------------------------------------------------------------------------
    def place_order(self, request: OrderRequest) -> str:
        return self._desk.place(request)

    def modify_order(self, order_id: str, qty: Optional[Number], price: Optional[Number]) -> None:
        self._desk.modify(order_id, qty, price)

    def cancel_order(self, order_id: str) -> None:
        self._desk.cancel(order_id)

    def order(self, order_id: str) -> Order:
        return self._desk.order(order_id)

    def order_by_tag(self, tag: str, since: int) -> Optional[Order]:
        return self._desk.order_by_tag(tag, since)

    def orders(self, open_only: bool, since: Optional[int]) -> Sequence[Order]:
        return self._desk.orders(open_only, since)

    def fills(self, since: Optional[int]) -> Sequence[Fill]:
        return self._desk.fills(since)


class MoomooBroker(FutuBroker):
    """The same under the vendor's other name."""

    name = "moomoo"
    display = "moomoo"
    sdk = "moomoo-api"


def load_sdk(module: str, home: str, pk_path: str) -> Any:
    """Imports the SDK quietly, with its log below ``home`` and threads that do not outlive us.

    Source: SDK source. The import needs a writable HOME, takes SIGINT over when it happens in the main
    thread, and calls ``sys.exit`` when a package is missing; key and encryption are process-wide.
    """
    os.environ["HOME"] = home
    main_thread = threading.current_thread() is threading.main_thread()
    interrupt = signal.getsignal(signal.SIGINT) if main_thread else None
    try:
        sdk: Any = importlib.import_module(module)
    except SystemExit:
        raise Unavailable(f"{module}: a package that the SDK needs is missing; rebuild this virtualenv") from None
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, interrupt)
    if not hasattr(sdk, "OpenQuoteContext"):
        raise Unavailable(f"{module}: {getattr(sdk, '__file__', 'a folder')} of the same name hides the SDK")
    logger = importlib.import_module(f"{module}.common.ft_logger").logger
    logger.file_level = logger.console_level = logging.CRITICAL + 1
    sdk.SysConfig.set_all_thread_daemon(True)
    if pk_path:
        encrypt(sdk, pk_path)
    return sdk


def encrypt(sdk: Any, pk_path: str) -> None:
    """Encrypts every link of this process with the key shared with OpenD."""
    path = os.path.expanduser(pk_path)
    if not os.access(path, os.R_OK):
        raise Unavailable(f"settings.pk_path: no readable file at {path}")
    sdk.SysConfig.enable_proto_encrypt(True)
    sdk.SysConfig.set_init_rsa_file(path)
