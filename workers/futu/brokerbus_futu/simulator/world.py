"""Joins everything that the answers draw on: options, securities, accounts, orders, and who is connected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from .accounts import Accounts
from .cipher import PlainCipher
from .codes import MARKET_STATES
from .desk import Desk
from .messages import Catalogue
from .options import Options
from .securities import Securities


@dataclass
class Link:
    """What OpenD remembers of one connection; subscriptions end with it.

    ``number`` counts connections from 1 and names this one in evidence and faults; ``conn_id`` is the vendor's connID.
    """

    number: int
    conn_id: int
    peer: str = ""
    ready: bool = False
    rsa: bool = False
    cipher: PlainCipher = field(default_factory=PlainCipher)
    next_cipher: PlainCipher | None = None
    subscribed: set[tuple[str, int]] = field(default_factory=set)
    pushed: set[tuple[str, int]] = field(default_factory=set)
    first_pushes: list[tuple[str, int]] = field(default_factory=list)
    acc_push: set[int] = field(default_factory=set)
    unlocked: bool = False

    def facts(self) -> dict[str, Any]:
        """As evidence: plain values."""
        return {
            "conn": self.number,
            "conn_id": str(self.conn_id),
            "peer": self.peer,
            "ready": self.ready,
            "encrypted": type(self.cipher) is not PlainCipher,
            "subscriptions": sorted([code, subtype] for code, subtype in self.subscribed),
            "pushes": sorted([code, subtype] for code, subtype in self.pushed),
            "acc_push": sorted(str(acc_id) for acc_id in self.acc_push),
            "unlocked": self.unlocked,
        }


class World:
    """One simulated OpenD without its sockets."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.catalogue = Catalogue()
        self.securities = Securities(options.seed, options.securities)
        self.accounts = Accounts(options.accounts)
        self.desk = Desk(options, self.accounts, self.securities)
        self.links: dict[int, Link] = {}
        self.seen_packets: set[tuple[int, int]] = set()
        self.market_states = dict.fromkeys(("HK", "US", "SH", "SZ"), MARKET_STATES["AFTERNOON"])

    def unlocked(self, link: Link) -> bool:
        """Whether REAL orders may go out on this connection."""
        shared = self.options.unlock_shared and any(other.unlocked for other in self.links.values())
        return link.unlocked or shared


Answer = Callable[[World, Link, Any, Any], None]
"""Fills the S2C of a request from its C2S; raises Refused to answer retType -1."""
