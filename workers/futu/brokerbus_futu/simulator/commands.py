"""Carries out what a test or a demo asks of the simulator."""

from __future__ import annotations

import inspect
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Callable

from .accounts import Holding
from .codes import MARKET_STATES, OrderType, Refused, Side, Status, trade_market
from .orders import Order

if TYPE_CHECKING:
    from .server import Running

Command = Callable[..., Any]
COMMANDS: dict[str, Command] = {}


def command(function: Command) -> Command:
    """Make a function a command of its own name; its parameters are the fields of the JSON line."""
    COMMANDS[function.__name__] = function
    return function


async def carry_out(running: Running, request: Any) -> dict[str, Any]:
    """The answer to one command, as it goes over the wire."""
    try:
        return {"ok": True, "result": await _result(running, request)}
    except (Refused, ValueError, TypeError, KeyError) as error:
        text = f"missing {error}" if isinstance(error, KeyError) else str(error)
        return {"ok": False, "error": text}
    finally:
        running.gateway.pusher.flush()


async def _result(running: Running, request: Any) -> Any:
    if not isinstance(request, dict) or request.get("do") not in COMMANDS:
        raise ValueError(f'expected a map whose "do" is one of {", ".join(sorted(COMMANDS))}')
    fields = {name: value for name, value in request.items() if name not in ("do", "id")}
    result = COMMANDS[request["do"]](running, **fields)
    return await result if inspect.isawaitable(result) else result


@command
def ping(running: Running) -> dict[str, Any]:
    """Ports and number of connections."""
    gateway = running.gateway
    return {"port": running.port, "listening": running.listening, "connections": len(gateway.connections)}


@command
def fault(running: Running, kind: str, **details: Any) -> dict[str, Any]:
    """Ask for a fault."""
    return asdict(running.gateway.faults.add(kind, **details))


@command
def faults(running: Running) -> list[dict[str, Any]]:
    """Faults in force."""
    return running.gateway.faults.facts()


@command
def clear(running: Running, kind: str | None = None) -> int:
    """Forget faults."""
    return running.gateway.faults.clear(kind)


@command
def set(running: Running, **values: Any) -> dict[str, Any]:  # noqa: A001  the verb that users type
    """Change behaviour, see ``Options``."""
    return running.gateway.options.change(values)


@command
def orders(running: Running, acc_id: Any = None, remark: str | None = None) -> list[dict[str, Any]]:
    """Orders, oldest first."""
    return [
        order.facts()
        for order in running.gateway.world.desk.orders.values()
        if str(acc_id or order.acc_id) == str(order.acc_id) and remark in (None, order.remark)
    ]


@command
def fills(running: Running) -> list[dict[str, Any]]:
    """Fills, oldest first."""
    return [fill.facts() for fill in running.gateway.world.desk.fills]


@command
def evidence(running: Running, since: int = 0, proto: int | None = None) -> dict[str, Any]:
    """What was received, and who is connected."""
    facts = running.gateway.evidence.facts(since, proto)
    facts["faults"] = list(running.gateway.faults.struck)
    facts["orders"] = orders(running)
    facts["links"] = [link.facts() for link in running.gateway.world.links.values()]
    return facts


@command
def reset_evidence(running: Running) -> None:
    """Forget what was received."""
    running.gateway.evidence.clear()
    running.gateway.faults.struck.clear()


@command
def set_price(running: Running, code: str, price: float, volume: int = 0) -> dict[str, Any]:
    """Trade a security at a price."""
    tick = running.gateway.trade(code, float(price), int(volume))
    return {**tick._asdict(), "sequence": str(tick.sequence)}


@command
def tick(running: Running, code: str, price: float | None = None, volume: int = 0, count: int = 1) -> int:
    """Send ticks, by the walk when no price is given."""
    gateway = running.gateway
    for _ in range(count):
        security = gateway.world.securities.get(code)
        step = security.tick * gateway.world.securities.random.randint(-3, 3)
        walked = max(security.tick, security.round(security.price + step))
        gateway.trade(code, float(price) if price else walked, volume)
    return count


@command
async def burst(running: Running, code: str, count: int, rate: float = 0.0, per_push: int = 1) -> dict[str, Any]:
    """Send many ticks, encoded beforehand; answered when they are written."""
    gateway = running.gateway
    return await gateway.pusher.burst(gateway, code, int(count), float(rate), max(1, int(per_push)))


@command
def security(running: Running, code: str, **values: Any) -> dict[str, Any]:
    """Look at a security, or change its status, lot, name, last_close..."""
    found = running.gateway.world.securities.get(code)
    for name, value in values.items():
        if name not in ("status", "lot", "tick", "name", "last_close", "sec_type"):
            raise ValueError(f"cannot change {name!r} of a security")
        setattr(found, name, value)
    return {name: getattr(found, name) for name in ("code", "name", "lot", "tick", "price", "status", "volume")}


@command
def market_state(running: Running, market: str, state: str) -> dict[str, int]:
    """Set the state of HK, US, SH or SZ by the SDK's name."""
    states = running.gateway.world.market_states
    if market not in states or state not in MARKET_STATES:
        raise ValueError(f"expected a market of {sorted(states)} and a state of {sorted(MARKET_STATES)}")
    states[market] = MARKET_STATES[state]
    return states


@command
def accounts(running: Running) -> list[dict[str, Any]]:
    """Accounts with cash and positions."""
    return [{**asdict(account), "acc_id": str(account.acc_id)} for account in running.gateway.world.accounts.all]


@command
def cash(running: Running, acc_id: Any, currency: str, amount: float) -> None:
    """Set the cash of an account."""
    running.gateway.world.accounts.find(int(acc_id)).cash[currency] = float(amount)


@command
def position(running: Running, acc_id: Any, code: str, qty: float, cost: float = 0.0) -> None:
    """Set a position of an account; quantity 0 removes it."""
    account = running.gateway.world.accounts.find(int(acc_id))
    price = running.gateway.world.securities.get(code).price
    account.holdings[code] = Holding(account.position_id(code), float(qty), float(cost or price))
    if not qty:
        del account.holdings[code]


@command
def accept(running: Running, order_id: Any) -> dict[str, Any]:
    """Accept an order that waits because ``auto_accept`` is off."""
    return _on(running, order_id, running.gateway.world.desk.accept)


@command
def fill(running: Running, order_id: Any, qty: float | None = None, price: float | None = None) -> dict[str, Any]:
    """Fill an order, in part or whole, at its own or another price."""
    desk = running.gateway.world.desk
    order = desk.find(order_id)
    default = order.price or running.gateway.world.securities.get(order.code).price
    desk.fill(order, order.remaining if qty is None else float(qty), default if price is None else float(price))
    return order.facts()


@command
def reject(
    running: Running,
    order_id: Any = None,
    message: str = "rejected by the exchange",
    next: int = 1,
    how: str = "answer",
) -> Any:
    """Reject a resting order, or (without order_id) the next placements: ``how`` is ``answer`` or ``push``."""
    desk = running.gateway.world.desk
    if order_id is not None:
        return _on(running, order_id, lambda order: desk.fail(order, message))
    if how not in ("answer", "push"):
        raise ValueError('how is "answer" or "push"')
    desk.refuse_next(int(next), message, how)
    return None


@command
def cancel(running: Running, order_id: Any) -> dict[str, Any]:
    """Let the exchange cancel an order, also one whose cancellation waits because ``auto_cancel`` is off."""
    return _on(running, order_id, running.gateway.world.desk.cancelled)


@command
def age(running: Running, order_id: Any = None, days: float = 1.0) -> int:
    """Move an order (without order_id: all) into the past: out of today's lists, into the history."""
    desk = running.gateway.world.desk
    chosen = [desk.find(order_id)] if order_id is not None else list(desk.orders.values())
    for order in chosen:
        order.today = False
        order.created -= days * 86400
        order.updated -= days * 86400
        for item in desk.fills:
            if item.order is order:
                item.created -= days * 86400
    return len(chosen)


@command
def hide(running: Running, order_id: Any, seconds: float) -> None:
    """Keep an order out of all lists for some seconds from now."""
    running.gateway.world.desk.find(order_id).visible_from = time.time() + seconds


@command
def place(
    running: Running,
    acc_id: Any,
    code: str,
    side: str,
    qty: float,
    price: float = 0.0,
    remark: str | None = None,
    order_type: int = OrderType.NORMAL,
) -> dict[str, Any]:
    """Place an order as if in the broker's own app."""
    world = running.gateway.world
    account, found = world.accounts.find(int(acc_id)), world.securities.get(code)
    terms = {
        "trd_market": trade_market(found.prefix, account.env),
        "side": Side[side],
        "order_type": order_type,
        "qty": float(qty),
        "price": float(price),
        "remark": remark,
        "origin": "app",
    }
    return world.desk.place(account, found, terms).facts()


@command
def status(running: Running, order_id: Any, status: str, message: str = "") -> dict[str, Any]:
    """Put an order into any status by name, pushed like any change."""
    desk = running.gateway.world.desk
    order = desk.find(order_id)
    order.status, order.error, order.updated = Status[status], message, time.time()
    desk.order_changed(order)
    return order.facts()


@command
def lock(running: Running) -> int:
    """Lock REAL trading on every connection."""
    links = running.gateway.world.links.values()
    for link in links:
        link.unlocked = False
    return len(links)


@command
def links(running: Running) -> list[dict[str, Any]]:
    """Connections and their subscriptions."""
    return [link.facts() for link in running.gateway.world.links.values()]


@command
def drop(running: Running, conn: int | None = None) -> int:
    """Cut one connection or all."""
    if conn is None:
        return running.gateway.drop_all()
    running.gateway.connections[conn].abort()
    return 1


@command
def garbage(running: Running, count: int = 200) -> int:
    """Send random bytes on every connection."""
    connections = list(running.gateway.connections.values())
    for connection in connections:
        connection.random_bytes(count)
    return len(connections)


@command
async def stop_listening(running: Running, seconds: float | None = None) -> int:
    """Close the port and cut every connection; come back after some seconds, or at ``listen``."""
    return await running.close_port(seconds)


@command
async def listen(running: Running) -> None:
    """Open the port again, the same as before."""
    await running.open_port()


@command
def stop(running: Running) -> None:
    """End the simulator."""
    running.finish()


def _on(running: Running, order_id: Any, act: Callable[[Order], None]) -> dict[str, Any]:
    order = running.gateway.world.desk.find(order_id)
    act(order)
    return order.facts()
