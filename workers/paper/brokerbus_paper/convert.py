"""The vendor's values as the bus's model objects."""

from __future__ import annotations

from brokerbus.model import Fill, Order, quantity
from brokerbus_paper.matching import CANCELED, EXPIRED, Execution, Ticket


def to_order(ticket: Ticket) -> Order:
    """An order as the bus tells it; ``avgPrice`` is 0 before the first fill."""
    return Order(
        order_id=ticket.order_id,
        currency=ticket.currency,
        qty=quantity(ticket.qty),
        filled_qty=quantity(ticket.filled),
        avg_price=float(round(ticket.cost / ticket.filled, 6)) if ticket.filled else 0.0,
        is_canceled=ticket.status in (CANCELED, EXPIRED),
        client_order_id=ticket.tag,
        direction=ticket.direction,
        order_type=ticket.order_type,
        price=None if ticket.price is None else float(ticket.price),
        time_in_force=ticket.time_in_force,
        contract=ticket.contract,
        status=ticket.status,
        origin="bus" if ticket.tag else "external",
        created_at=ticket.created,
        updated_at=ticket.updated,
    )


def to_fill(fill_id: str, trade: Execution) -> Fill:
    """An execution as the bus tells it."""
    return Fill(
        fill_id=fill_id,
        order_id=trade.order_id,
        contract=trade.contract,
        direction=trade.direction,
        qty=quantity(trade.qty),
        price=float(trade.price),
        timestamp=trade.timestamp,
        client_order_id=trade.tag,
    )
