"""Writes pushes and hands them to the connections that asked for them."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Callable, Protocol

from . import candles, render_quote, render_trade
from .codes import KL_TYPES, Proto, SubType
from .messages import complete, offer
from .orders import Fill, Order
from .securities import Tick, message_of
from .world import Link, World

Send = Callable[[Link, int, bytes], None]

BATCH = 0.01
"""Seconds between the batches of a burst."""

MOST_IN_BATCH = 500
"""Pushes written at once: more would keep the event loop from everything else."""

MOST_BUFFERED = 8 * 1024 * 1024
"""Bytes waiting for a slow client at which a burst pauses."""


class Pipes(Protocol):
    """What a burst needs of the connections."""

    def buffered(self, link: Link) -> int:
        """Bytes that a client has not taken yet."""

    def send_all(self, links: list[Link], proto: int, bodies: list[bytes]) -> None:
        """Send the same pushes to several clients, in one write each."""


class Pusher:
    """Collects pushes until they are flushed, so that they can go out before or after an answer."""

    def __init__(self, world: World, send: Send) -> None:
        self._world, self._send = world, send
        self._outbox: list[tuple[Link, int, bytes]] = []
        world.desk.order_changed = self.order_changed
        world.desk.filled = self.filled

    def flush(self) -> None:
        """Send what was collected."""
        while self._outbox:
            outbox, self._outbox = self._outbox, []
            for link, proto, body in outbox:
                self._send(link, proto, body)

    def order_changed(self, order: Order) -> None:
        """2208 to every connection that sent 2008 for the account."""
        response = self._world.catalogue.ok(Proto.UPDATE_ORDER)
        render_trade.write_order(order, response.s2c.order)
        self._to_account(order, Proto.UPDATE_ORDER, response)

    def filled(self, fill: Fill) -> None:
        """2218 likewise; simulated accounts have none when ``simulate_deals`` is off."""
        if not fill.order.env and not self._world.options.simulate_deals:
            return
        response = self._world.catalogue.ok(Proto.UPDATE_FILL)
        render_trade.write_fill(fill, response.s2c.orderFill)
        self._to_account(fill.order, Proto.UPDATE_FILL, response)

    def _to_account(self, order: Order, proto: int, response: Any) -> None:
        header = response.s2c.header
        header.trdEnv, header.accID, header.trdMarket = order.env, order.acc_id, order.trd_market
        body = response.SerializeToString()
        for link in self._world.links.values():
            if order.acc_id in link.acc_push:
                self._outbox.append((link, proto, body))

    def first(self, link: Link) -> None:
        """What is known already, after a registration that asked for it."""
        for code, subtype in link.first_pushes:
            security = self._world.securities.get(code)
            recent = list(security.ticks)[-1:]
            self._outbox.append((link, *self._quote(code, subtype, recent, render_quote.CACHED)))
        link.first_pushes.clear()

    def tick(self, code: str, tick: Tick) -> None:
        """All quote pushes that one trade causes."""
        written: dict[int, tuple[int, bytes]] = {}
        for link in self._world.links.values():
            for pushed, subtype in link.pushed:
                if pushed == code:
                    if subtype not in written:
                        written[subtype] = self._quote(code, subtype, [tick], render_quote.REALTIME)
                    self._outbox.append((link, *written[subtype]))

    def _quote(self, code: str, subtype: int, ticks: list[Tick], kind: int) -> tuple[int, bytes]:
        security = self._world.securities.get(code)
        proto = PUSH_OF.get(subtype, Proto.UPDATE_KL)
        response = self._world.catalogue.ok(proto)
        s2c = response.s2c
        if proto == Proto.UPDATE_BASIC_QOT:
            render_quote.write_basic(security, s2c.basicQotList.add())
        elif proto == Proto.UPDATE_ORDER_BOOK:
            render_quote.write_book(security, 10, s2c)
        elif proto == Proto.UPDATE_BROKER:
            render_quote.write_brokers(security, s2c)
        else:
            message_of(code, s2c.security)
            offer(s2c, name=security.name)
            self._series(security, subtype, ticks, kind, s2c)
        complete(response)
        return proto, response.SerializeToString()

    @staticmethod
    def _series(security: Any, subtype: int, ticks: list[Tick], kind: int, s2c: Any) -> None:
        if subtype == SubType.TICKER:
            for tick in ticks:
                render_quote.write_tick(security, tick, s2c.tickerList.add(), kind)
        elif subtype == SubType.RT:
            for candle in candles.newest(security, 1, 1, time.time()):
                render_quote.write_minute(security, candle, s2c.rtList.add())
        else:
            s2c.rehabType, s2c.klType = 1, KL_TYPES[subtype]
            for candle in candles.newest(security, KL_TYPES[subtype], 1, time.time()):
                render_quote.write_candle(security, candle, s2c.klList.add())

    async def burst(self, pipes: Pipes, code: str, count: int, rate: float, per_push: int) -> dict[str, Any]:
        """Send ``count`` ticks encoded beforehand, ``rate`` a second (0: as fast as they are read)."""
        bodies = self._encode(code, count, per_push)
        links = [link for link in self._world.links.values() if (code, int(SubType.TICKER)) in link.pushed]
        started = time.monotonic()
        sent = 0
        while sent < len(bodies):
            passed = time.monotonic() - started
            due = len(bodies) if rate <= 0 else int((passed + BATCH) * rate / per_push) + 1
            if max(map(pipes.buffered, links), default=0) < MOST_BUFFERED:
                batch = bodies[sent : min(due, sent + MOST_IN_BATCH)]
                pipes.send_all(links, Proto.UPDATE_TICKER, batch)
                sent += len(batch)
            await asyncio.sleep(0 if sent < due else BATCH)
        return {"ticks": count, "pushes": sent, "links": len(links), "seconds": round(time.monotonic() - started, 4)}

    def _encode(self, code: str, count: int, per_push: int) -> list[bytes]:
        security = self._world.securities.get(code)
        bodies: list[bytes] = []
        for start in range(0, count, per_push):
            response = self._world.catalogue.ok(Proto.UPDATE_TICKER)
            message_of(code, response.s2c.security)
            offer(response.s2c, name=security.name)
            for _ in range(start, min(start + per_push, count)):
                tick = self._world.securities.trade(code, security.price, security.lot)
                render_quote.write_tick(security, tick, response.s2c.tickerList.add())
            bodies.append(response.SerializeToString())
        return bodies


PUSH_OF: dict[int, Proto] = {
    SubType.BASIC: Proto.UPDATE_BASIC_QOT,
    SubType.ORDER_BOOK: Proto.UPDATE_ORDER_BOOK,
    22: Proto.UPDATE_ORDER_BOOK,
    SubType.TICKER: Proto.UPDATE_TICKER,
    SubType.RT: Proto.UPDATE_RT,
    SubType.BROKER: Proto.UPDATE_BROKER,
}
"""Subscription type to its push; all others are candles."""
