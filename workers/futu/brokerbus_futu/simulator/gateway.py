"""Applies requests to the world and keeps the connections, faults and evidence of one simulated OpenD."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from . import answers_base, answers_quote, answers_trade
from .cipher import RsaKey
from .codes import Proto, Refused
from .connection import Connection
from .evidence import Evidence
from .faults import Faults
from .messages import complete
from .options import Options
from .pushes import Pusher
from .securities import Tick
from .state import State
from .world import Answer, Link, World

logger = logging.getLogger("brokerbus_futu.simulator")

ANSWERS: dict[int, Answer] = {**answers_base.ANSWERS, **answers_trade.ANSWERS, **answers_quote.ANSWERS}


class Gateway:
    """One simulated OpenD; everything runs on its event loop, so nothing is locked."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.world = World(options)
        self.key = RsaKey(options.rsa_key) if options.rsa_key else None
        self.evidence = Evidence(self.world.catalogue)
        self.faults = Faults()
        self.pusher = Pusher(self.world, self._push)
        if options.state:
            State(options.state).attach(self.world.desk)
        self.connections: dict[int, Connection] = {}
        self._opened = 0
        # Above 2^53, like the vendor's: a client that keeps it as a float gets it wrong.
        self._first_conn_id = 7_000_000_000_000_000_000 + secrets.randbelow(10**12) * 1000

    def open_link(self, peer: str) -> Link:
        """A number and a connID for a new connection."""
        self._opened += 1
        offset = 0 if self.options.same_conn_id else self._opened
        return Link(self._opened, self._first_conn_id + offset, peer)

    def connected(self, connection: Connection) -> None:
        """A connection came up."""
        number = connection.link.number
        self.connections[number] = connection
        self.world.links[number] = connection.link
        self.evidence.connection(number, "open")
        logger.info("connection %d from %s", number, connection.link.peer)

    def disconnected(self, connection: Connection) -> None:
        """A connection is gone, and its subscriptions with it."""
        number = connection.link.number
        self.connections.pop(number, None)
        self.world.links.pop(number, None)
        self.evidence.connection(number, "closed")
        logger.info("connection %d closed", number)

    def drop_all(self) -> int:
        """Cut every connection at once; returns how many."""
        dropped = list(self.connections.values())
        for connection in dropped:
            connection.abort()
        return len(dropped)

    def apply(self, link: Link, proto: int, c2s: Any) -> Any:
        """The Response to a request; pushes it causes wait in the pusher."""
        try:
            if not link.ready and proto != Proto.INIT_CONNECT:
                raise Refused("InitConnect comes first")
            response = self.world.catalogue.ok(proto)
            self._fill(link, proto, c2s, response)
            complete(response)
        except Refused as refusal:
            return self.world.catalogue.failed(proto, str(refusal))
        except Exception:
            logger.exception("protocol %d", proto)
            return self.world.catalogue.failed(proto, "internal error of the simulator")
        self.pusher.first(link)
        return response

    def _fill(self, link: Link, proto: int, c2s: Any, response: Any) -> None:
        answer = ANSWERS.get(proto)
        if answer:
            answer(self.world, link, c2s, response.s2c)
        elif _has(c2s, "header") and _has(response, "s2c") and _has(response.s2c, "header"):
            response.s2c.header.CopyFrom(c2s.header)

    def trade(self, code: str, price: float, volume: int = 0) -> Tick:
        """Let the exchange trade: ticks go out, resting orders may fill."""
        tick = self.world.securities.trade(code, price, volume)
        self._traded(code, tick)
        return tick

    def step(self) -> None:
        """One step of the price walk for every security."""
        for code in self.world.securities.all:
            self._traded(code, self.world.securities.step(code))
        self.pusher.flush()

    def _traded(self, code: str, tick: Tick) -> None:
        self.pusher.tick(code, tick)
        self.world.desk.on_price(code)

    def _push(self, link: Link, proto: int, body: bytes) -> None:
        connection = self.connections.get(link.number)
        if connection:
            self.evidence.pushes[proto] += 1
            connection.push(proto, body)

    def send_all(self, links: list[Link], proto: int, bodies: list[bytes]) -> None:
        """Send the same pushes to several clients, in one write each."""
        for link in links:
            connection = self.connections.get(link.number)
            if connection:
                self.evidence.pushes[proto] += len(bodies)
                with connection.corked():
                    for body in bodies:
                        connection.push(proto, body)

    def buffered(self, link: Link) -> int:
        """Bytes not yet taken by a client."""
        connection = self.connections.get(link.number)
        return connection.buffered() if connection else 0


def _has(message: Any, name: str) -> bool:
    return name in message.DESCRIPTOR.fields_by_name
