"""The routes under /v1/instances: one table, which the surface serves and /openapi.json tells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from brokerbus import limits
from brokerbus.broker import WRITES
from brokerbus_front import models as old
from brokerbus_front.v1 import examples, members, models, questions
from brokerbus_front.v1.members import Body, Query
from brokerbus_front.v1.questions import Ask

PREFIX = "/v1"
ALL, ONE = "/v1/instances", "/v1/instances/{instanceId}"
LISTING, DESCRIPTION = "instances", "instance"
HALT_ALL, RESUME_ALL = "halt_all", "resume_all"
"""Methods of the front's own."""


@dataclass(frozen=True)
class Route:
    """One route; ``status`` is a success's, ``example`` an answer of it."""

    verb: str
    path: str
    method: str
    ask: Ask
    result: Any
    summary: str
    example: Any
    status: int = 200
    query: tuple[Query, ...] = ()
    body: Body | None = None
    segments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.path.split("/")[2:]))

    @property
    def writes(self) -> bool:
        return self.method in WRITES

    @property
    def settled(self) -> bool:
        """Whether it is asked until its outcome is known: what trades, and what stops trading."""
        return self.writes or self.method in ("halt", "resume")

    @property
    def seconds(self) -> float:
        """How long the worker has to answer."""
        return limits.ORDER_SECONDS if self.writes else limits.READ_SECONDS


ROUTES = (
    Route(
        "GET",
        ALL,
        LISTING,
        questions.nothing,
        list[models.ShownInstance],
        "The instances of this key.",
        [examples.STANDING],
    ),
    Route(
        "GET",
        ONE,
        DESCRIPTION,
        questions.nothing,
        models.DescribedInstance,
        "One instance and what it can do.",
        {**examples.STANDING, "capabilities": examples.CAPABILITIES},
    ),
    Route(
        "GET",
        f"{ONE}/accounts",
        "accounts",
        questions.nothing,
        list[models.Account],
        "The accounts behind the instance.",
        [{"accountId": "1", "env": "SIMULATE", "type": "CASH", "status": "ACTIVE", "markets": ["US"]}],
    ),
    Route(
        "GET",
        f"{ONE}/cash",
        "cash",
        questions.nothing,
        old.Cash,
        "What can be spent.",
        {"type": "cash", "currency": "USD", "amount": 100000.0},
    ),
    Route(
        "GET",
        f"{ONE}/balances",
        "balances",
        questions.nothing,
        list[models.Balance],
        "Cash by currency.",
        [examples.BALANCE],
    ),
    Route(
        "GET",
        f"{ONE}/positions",
        "positions",
        questions.nothing,
        list[old.Position],
        "Everything that is held.",
        [examples.POSITION],
    ),
    Route(
        "GET",
        f"{ONE}/markets",
        "market_status",
        questions.nothing,
        old.MarketStatusMap,
        "The state of every market.",
        examples.MARKETS,
    ),
    Route(
        "GET",
        f"{ONE}/quotes",
        "quotes",
        questions.quotes,
        list[old.Quote],
        "Snapshots of contracts.",
        [examples.QUOTE],
        query=(members.SYMBOLS,),
    ),
    Route(
        "GET",
        f"{ONE}/fills",
        "fills",
        questions.since,
        list[models.Fill],
        "Executions; today's without `since`.",
        [examples.FILL],
        query=(members.SINCE,),
    ),
    Route(
        "GET",
        f"{ONE}/orders",
        "orders",
        questions.orders,
        list[models.TrackedOrder],
        "Orders; today's without `since`.",
        [examples.ORDER],
        query=(members.OPEN, members.SINCE, members.BY_TAG),
    ),
    Route(
        "POST",
        f"{ONE}/orders",
        "place_order",
        questions.place,
        models.PlacedOrder,
        "Places an order, once for each clientOrderId; the same again is answered the same, also with 201.",
        {"orderId": examples.ORDER_ID, "clientOrderId": "my-order_1"},
        201,
        body=members.PLACE,
    ),
    Route(
        "GET",
        f"{ONE}/orders/{{orderId}}",
        "order",
        questions.order,
        models.TrackedOrder,
        "One order's state.",
        examples.ORDER,
    ),
    Route(
        "PATCH",
        f"{ONE}/orders/{{orderId}}",
        "modify_order",
        questions.modify,
        models.Modified,
        "Asks for another quantity or price.",
        {"orderId": examples.ORDER_ID},
        202,
        body=members.MODIFY,
    ),
    Route(
        "DELETE",
        f"{ONE}/orders/{{orderId}}",
        "cancel_order",
        questions.order,
        old.Canceled,
        "Asks to cancel; whether it is cancelled is told by the order's state.",
        {"canceled": True},
        202,
    ),
    Route(
        "POST",
        f"{ONE}/halt",
        "halt",
        questions.reason,
        models.Trading,
        "Stops trading on this instance, until it is resumed, over restarts.",
        {"halted": True, "reason": "fat finger"},
        body=members.REASON,
    ),
    Route(
        "POST",
        f"{ONE}/resume",
        "resume",
        questions.reason,
        models.Trading,
        "Allows trading again.",
        {"halted": False, "reason": None},
        body=members.REASON,
    ),
    Route(
        "POST",
        f"{PREFIX}/halt",
        HALT_ALL,
        questions.reason,
        list[models.TradingOf],
        "Stops trading on every instance of this key; 503 names those that did not answer.",
        [{"instance": examples.STANDING["id"], "halted": True, "reason": "fat finger"}],
        body=members.REASON,
    ),
    Route(
        "POST",
        f"{PREFIX}/resume",
        RESUME_ALL,
        questions.reason,
        list[models.TradingOf],
        "Allows trading again on every instance of this key.",
        [{"instance": examples.STANDING["id"], "halted": False, "reason": None}],
        body=members.REASON,
    ),
)


def match(segments: Sequence[str]) -> dict[str, Route]:
    """The routes of a path by verb; empty for an unknown path."""
    found = _BY_LENGTH.get(len(segments), ())
    return {route.verb: route for route in found if _fits(route.segments, segments)}


def _fits(template: Sequence[str], segments: Sequence[str]) -> bool:
    return all(part == found or (part[0] == "{" and found) for part, found in zip(template, segments, strict=True))


_BY_LENGTH = {size: [route for route in ROUTES if len(route.segments) == size] for size in range(1, 6)}
