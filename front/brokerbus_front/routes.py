"""The eight routes of httptrading's API: one table, which the hot path serves and /openapi.json tells."""

from dataclasses import dataclass
from typing import Any

from brokerbus import limits
from brokerbus.broker import WRITES
from brokerbus_front import models, questions
from brokerbus_front.questions import Ask

PREFIX = "/httptrading/"


@dataclass(frozen=True)
class Route:
    """One route. ``key`` names the result in the answer; without one its members stand in the answer itself."""

    verb: str
    path: str
    method: str
    ask: Ask
    result: Any
    key: str
    summary: str

    @property
    def writes(self) -> bool:
        return self.method in WRITES

    @property
    def seconds(self) -> float:
        """How long the worker has to answer."""
        return limits.ORDER_SECONDS if self.writes else limits.READ_SECONDS

    def full_path(self, instance: str) -> str:
        return f"{PREFIX}api/{instance}/{self.path}"


ROUTES = (
    Route("GET", "ping/state", "ping", questions.nothing, models.Pong, "", "Does the broker behind the SDK answer?"),
    Route("GET", "market/quote", "quote", questions.quote, models.Quote, "quote", "A snapshot of one contract."),
    Route(
        "GET",
        "market/state",
        "market_status",
        questions.nothing,
        models.MarketStatusMap,
        "marketStatus",
        "The state of every market.",
    ),
    Route("GET", "cash/state", "cash", questions.nothing, models.Cash, "cash", "What can be spent."),
    Route(
        "GET",
        "position/state",
        "positions",
        questions.nothing,
        list[models.Position],
        "positions",
        "Everything that is held.",
    ),
    Route("POST", "order/place", "place_order", questions.place, models.Placed, "", "Places an order."),
    Route("POST", "order/cancel", "cancel_order", questions.cancel, models.Canceled, "", "Asks to cancel an order."),
    Route("GET", "order/state", "order", questions.order, models.Order, "order", "The state of one order."),
)
