"""What /v1 answers with: the maps of the bus, checked on their way and passed on whole."""

import msgspec

from brokerbus_front import models
from brokerbus_front.models import Contract, Number, OrderId


class Account(msgspec.Struct, rename="camel"):
    """An account at the broker; a closed one is listed and never used."""

    account_id: str
    env: str
    type: str | None = None
    status: str | None = None
    markets: list[str] = []


class Balance(msgspec.Struct, rename="camel", tag_field="type", tag="balance"):
    """One currency of an account."""

    currency: str
    cash: Number | None
    available: Number | None = None
    net_assets: Number | None = None


class TrackedOrder(models.Order, rename="camel", tag_field="type", tag="order"):
    """The state of an order, and what was asked for; ``origin`` tells `bus` from `external`."""

    client_order_id: str | None = None
    direction: str | None = None
    order_type: str | None = None
    price: Number | None = None
    time_in_force: str | None = None
    contract: Contract | None = None
    status: str | None = None
    origin: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Fill(msgspec.Struct, rename="camel", tag_field="type", tag="fill"):
    """One execution; ``fillId`` is the broker's and unique in the account."""

    fill_id: str
    order_id: str
    contract: Contract
    direction: str | None
    qty: Number
    price: Number | None
    timestamp: int | None
    client_order_id: str | None = None


class PlacedOrder(msgspec.Struct, rename="camel"):
    """The broker's id of an order, and the caller's."""

    order_id: OrderId
    client_order_id: str | None = None


class Modified(msgspec.Struct, rename="camel"):
    """The change was asked for; whether it was made is told by the order's state."""

    order_id: OrderId


class Trading(msgspec.Struct, rename="camel"):
    """Whether trading is halted on this instance, and why."""

    halted: bool
    reason: str | None = None


class TradingOf(msgspec.Struct, rename="camel"):
    """Whether trading is halted on one of several instances, and why."""

    instance: str
    halted: bool
    reason: str | None = None


class Capabilities(msgspec.Struct, rename="camel"):
    """What a worker can do, and what it runs on."""

    methods: list[str]
    kinds: list[str] = []
    regions: list[str] = []
    sdk: str | None = None
    python: str | None = None


class Status(msgspec.Struct, rename="camel"):
    """What a worker says of itself."""

    state: str
    session: str
    reason: str | None = None
    halted: str | None = None
    unknown: int = 0
    inflight: int = 0
    subscriptions: int = 0
    last_push_age: Number | None = None


class ShownInstance(msgspec.Struct, rename="camel"):
    """An instance; ``halted`` is the reason for which trading is halted, ``unknown`` counts unknown outcomes."""

    id: str
    broker: str
    broker_display: str
    state: str
    session: str
    reason: str | None
    halted: str | None
    unknown: int
    inflight: int
    subscriptions: int
    last_push_age: Number | None


class DescribedInstance(ShownInstance, rename="camel"):
    """An instance and what its worker can do; null while the worker is away or starting."""

    capabilities: Capabilities | None
