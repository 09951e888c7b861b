"""A paper account with a clock that stands still, and everything it pushed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Type

import pytest

from brokerbus.broker import Context, OrderRequest
from brokerbus.contract import parse
from brokerbus.model import Number, Order
from brokerbus_paper.broker import PaperBroker
from brokerbus_paper.instruments import UNIT

MONDAY_1000_NEW_YORK = 1_795_446_000_000


class Recorder(Context):
    """A host that keeps what it is told."""

    def __init__(self, home: str) -> None:
        self.instance, self.home = "PaperPaperPaper1", home
        self.pushes: List[Tuple[str, str, Mapping[str, Any]]] = []
        self.sessions: List[Tuple[str, str]] = []

    def push(self, kind: str, subject: str, data: Mapping[str, Any]) -> None:
        self.pushes.append((kind, subject, data))

    def session(self, state: str, reason: str = "") -> None:
        self.sessions.append((state, reason))


class Desk:
    """A broker, its clock and its host. Prices move only by ``move``, time only by ``now``."""

    def __init__(self, home: str, **settings: Any) -> None:
        self.now = MONDAY_1000_NEW_YORK
        self.settings: Dict[str, Any] = {"tick_interval": 0, **settings}
        self.host = Recorder(home)
        self.broker = self._open()

    def _open(self) -> PaperBroker:
        broker = PaperBroker(self.settings, self.host, clock=lambda: self.now)
        broker.open()
        return broker

    def reopen(self) -> None:
        """Ends the broker and starts another one on the same files."""
        self.broker.close()
        self.broker = self._open()

    def place(self, code: str, direction: str, qty: Number, price: Optional[Number] = None, **more: Any) -> str:
        fields: Dict[str, Any] = {"time_in_force": "DAY", "lifecycle": "RTH", "client_order_id": "tag", **more}
        kind = "Market" if price is None else "Limit"
        return self.broker.place_order(OrderRequest(parse(code), direction, kind, qty, price, deadline=0.0, **fields))

    def order(self, order_id: str) -> Order:
        return self.broker.order(order_id)

    def move(self, code: str, price: float) -> None:
        """The market trades at a price, and open orders meet the new book."""
        self.broker.market.securities[parse(code)].trade_at(round(price * UNIT), self.now)
        self.broker.vendor.step(self.now)

    def offered(self, code: str, side: str) -> Number:
        """Shares on one side of the book."""
        return sum(level[1] for level in self.broker.depth(parse(code), 10)[side])

    def held(self, code: str) -> Number:
        return {position.contract.code: position.qty for position in self.broker.positions()}.get(code, 0)

    def pushed(self, kind: str) -> List[Tuple[str, Mapping[str, Any]]]:
        return [(subject, data) for name, subject, data in self.host.pushes if name == kind]


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Opens desks with settings of one's own; closes them."""
    desks: List[Desk] = []

    def make(**settings: Any) -> Desk:
        desks.append(Desk(str(tmp_path), **settings))
        return desks[-1]

    yield make
    for desk in desks:
        desk.broker.close()


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    """A new account with a million dollars."""
    return open_desk()


@pytest.fixture(scope="session")
def desk_class() -> Type[Desk]:
    """The class itself, for tests that open many accounts."""
    return Desk
