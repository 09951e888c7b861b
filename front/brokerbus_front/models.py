"""What httptrading 1.0.8 answers with: exactly its keys, checked on the way from the worker to the client."""

from typing import Annotated

import msgspec

Number = int | float
OrderId = Annotated[str, msgspec.Meta(min_length=1)]


class Contract(msgspec.Struct, rename="camel", tag_field="type", tag="contract", omit_defaults=True):
    """``exchange`` is there only where region and symbol alone would name another one."""

    trade_type: str
    region: str
    symbol: str
    exchange: str = ""


class Quote(msgspec.Struct, rename="camel", tag_field="type", tag="quote"):
    """``timestamp`` is in Unix ms; a number that the broker does not know is null."""

    contract: Contract
    currency: str | None
    is_tradable: bool
    latest: Number | None
    pre_close: Number | None
    high_price: Number | None
    low_price: Number | None
    open_price: Number | None
    timestamp: int | None


class Cash(msgspec.Struct, rename="camel", tag_field="type", tag="cash"):
    """What can be spent."""

    currency: str
    amount: Number | None


class Position(msgspec.Struct, rename="camel", tag_field="type", tag="position"):
    """What is held of one contract."""

    broker: str
    broker_display: str
    contract: Contract
    unit: str
    currency: str | None
    qty: Number


class MarketStatus(msgspec.Struct, rename="camel", tag_field="type", tag="marketStatus"):
    """The state of one region's market: the broker's word and the unified one."""

    region: str
    origin_status: str | int | None
    unified_status: str


class Order(msgspec.Struct, rename="camel", tag_field="type", tag="order"):
    """The state of an order."""

    order_id: str
    currency: str | None
    qty: Number
    filled_qty: Number
    avg_price: Number | None
    error_reason: str
    is_canceled: bool
    is_filled: bool
    is_completed: bool
    is_cancelable: bool


class Pong(msgspec.Struct, rename="camel"):
    """Whether the broker behind the SDK answers."""

    pong: bool


class Canceled(msgspec.Struct, rename="camel"):
    """The cancel was asked for; whether the order is cancelled is told by its state."""

    canceled: bool


class Placed(msgspec.Struct, rename="camel"):
    """The broker's id of a new order."""

    order_id: OrderId


MarketStatusMap = dict[str, dict[str, MarketStatus] | str]
"""Trade type in lower case (``securities``) to region to status, beside ``"type": "marketStatusMap"``."""
