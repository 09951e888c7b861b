"""What a broker implements: one class, plain methods; nothing here about sockets or files.

A worker is one module with a class derived from :class:`Broker` and two lines that host it::

    from brokerbus.worker import main
    main("my_broker:MyBroker")          # started as: python -I -m my_broker INSTANCE_FILE

Every method of :data:`METHODS` that the class overrides is a capability; the others answer
``unsupported``. Methods run in threads of the host, a few for each method, so they may block; those
named in ``instant`` never block and run at once.

Errors are raised as :mod:`brokerbus.errors`. What they say about an order is a promise: raise
``Rejected`` only on the broker's own word, ``UnknownOutcome`` whenever the request may have arrived.
Any other exception becomes ``unknown_outcome`` where it may hide an order, else ``internal``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from brokerbus.contract import Contract
from brokerbus.errors import Unsupported
from brokerbus.model import Account, Balance, Cash, Fill, MarketStatusMap, Number, Order, Position, Quote, Tick

METHODS = (
    "ping",
    "accounts",
    "cash",
    "balances",
    "positions",
    "quote",
    "quotes",
    "depth",
    "ticks",
    "candles",
    "market_status",
    "place_order",
    "modify_order",
    "cancel_order",
    "order",
    "orders",
    "fills",
    "raw",
)
"""What a broker may implement. Each runs in threads of its own, so that a slow one holds up no other."""

WRITES = frozenset(("place_order", "modify_order", "cancel_order"))
"""Methods after which, unanswered, the outcome is unknown."""


@dataclass(frozen=True)
class OrderRequest:
    """An order to be placed; checked, but not yet against the broker's own rules.

    ``client_order_id`` goes to the vendor in its tag field. ``price`` is None for a market order.
    ``deadline`` (CLOCK_MONOTONIC, s) is when the caller stops waiting.
    """

    contract: Contract
    direction: str
    order_type: str
    qty: Number
    price: Optional[Number]
    time_in_force: str
    lifecycle: str
    client_order_id: str
    deadline: float


class Context:
    """What the host offers a broker. Every method may be called from any thread and returns at once.

    ``broker`` is the configuration's name (one class may serve ``futu`` and ``moomoo``); ``home`` is a
    private, writable directory that outlives restarts.
    """

    instance: str
    broker: str
    home: str

    def push(self, kind: str, subject: str, data: Mapping[str, Any]) -> None:
        """Publishes one push; ``subject`` is a contract's code, an order id or empty."""
        raise NotImplementedError

    def session(self, state: str, reason: str = "") -> None:
        """Tells whether the broker behind the SDK answers: ``up``, ``down`` or ``unknown``."""
        raise NotImplementedError

    def fail(self, reason: str) -> None:
        """Ends this process because its SDK is beyond repair; supervisord starts a new one."""
        raise NotImplementedError


@dataclass(frozen=True)
class SettingKind:
    """One setting of a broker: its type, whether it must be there, what it means."""

    type: type
    help: str
    default: Any = None
    required: bool = False
    choices: Tuple[Any, ...] = ()
    secret: bool = field(default=False)


class Broker:
    """One connection to one broker. Override what the SDK can do."""

    name: ClassVar[str] = ""
    """The configuration's name: ``futu``, ``paper``..."""

    display: ClassVar[str] = ""
    """The broker's name for people, as httptrading shows it."""

    httptrading_name: ClassVar[str] = ""
    """httptrading's name of the broker where it is another one (``interactiveBrokers``)."""

    sdk: ClassVar[str] = ""
    """Distribution name of the SDK; empty without one. Its installed version is reported."""

    regions: ClassVar[Tuple[str, ...]] = ()
    """Regions whose securities it trades."""

    kinds: ClassVar[Tuple[str, ...]] = ("status",)
    """Kinds of pushes it publishes."""

    instant: ClassVar[FrozenSet[str]] = frozenset()
    """Methods that never block: they run without a thread."""

    absence_proves_after: ClassVar[Optional[float]] = None
    """Seconds after a send from which a look-up that finds nothing proves that it never arrived.

    None: absence proves nothing, and an order with unknown outcome waits for a person.
    """

    invents_cancels: ClassVar[bool] = False
    """True for a vendor that reports orders as cancelled when only the link broke: such a report is asked again."""

    settings: ClassVar[Mapping[str, SettingKind]] = {}
    """The instance's ``settings`` that it understands; anything else is refused before it is made."""

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> None:
        """Raises BadRequest that names the setting which does not fit; asked before anything is started."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.context = context

    def connect(self) -> None:
        """Opens the broker session. May block; raise to have it tried again after a pause.

        Called in a thread of its own. On return the session is ``up`` unless the broker said otherwise.
        """

    def close(self) -> None:
        """Ends the session within a few seconds."""

    # -- reading -----------------------------------------------------------------------------------
    def ping(self) -> bool:
        """True only if the broker behind the SDK answers."""
        raise Unsupported("ping")

    def accounts(self) -> Sequence[Account]:
        raise Unsupported("accounts")

    def cash(self) -> Cash:
        raise Unsupported("cash")

    def balances(self) -> Sequence[Balance]:
        raise Unsupported("balances")

    def positions(self) -> Sequence[Position]:
        raise Unsupported("positions")

    def quote(self, contract: Contract) -> Quote:
        raise Unsupported("quote")

    def quotes(self, contracts: Sequence[Contract]) -> Sequence[Quote]:
        raise Unsupported("quotes")

    def depth(self, contract: Contract, levels: int) -> Mapping[str, Any]:
        raise Unsupported("depth")

    def ticks(self, contract: Contract, limit: int) -> Sequence[Tick]:
        raise Unsupported("ticks")

    def candles(self, contract: Contract, interval: str, limit: int) -> Sequence[Mapping[str, Any]]:
        raise Unsupported("candles")

    def market_status(self) -> MarketStatusMap:
        raise Unsupported("market_status")

    # -- trading -----------------------------------------------------------------------------------
    def place_order(self, request: OrderRequest) -> str:
        """Sends one order with ``request.client_order_id`` as its tag; returns the broker's order id."""
        raise Unsupported("place_order")

    def modify_order(self, order_id: str, qty: Optional[Number], price: Optional[Number]) -> None:
        """Asks for another quantity or price."""
        raise Unsupported("modify_order")

    def cancel_order(self, order_id: str) -> None:
        """Asks to cancel; returning means asked, not done. NotFound when there is no such order."""
        raise Unsupported("cancel_order")

    def order(self, order_id: str) -> Order:
        """The state of one order, today's or older; NotFound when the broker has none of that id."""
        raise Unsupported("order")

    def orders(self, open_only: bool, since: Optional[int]) -> Sequence[Order]:
        """All orders of this account changed at or after ``since`` (Unix ms); None: today's."""
        raise Unsupported("orders")

    def fills(self, since: Optional[int]) -> Sequence[Fill]:
        """All executions of this account at or after ``since`` (Unix ms); None: today's."""
        raise Unsupported("fills")

    def order_by_tag(self, tag: str, since: int) -> Optional[Order]:
        """The order that carries ``tag``, placed at or after ``since`` (Unix ms).

        None only when every list that could hold it was asked and has none; raises when they could not
        be asked. Unless overridden, looks through :meth:`orders`.
        """
        return next((order for order in self.orders(False, since) if order.client_order_id == tag), None)

    def raw(self, name: str, params: Mapping[str, Any]) -> Any:
        """The vendor's own call, JSON in and out."""
        raise Unsupported("raw")


def implemented(broker: type) -> List[str]:
    """The methods that a broker class overrides: its capabilities."""
    return [name for name in METHODS if getattr(broker, name) is not getattr(Broker, name)]
