"""The vendor's books on disk: one SQLite file, synced before anything is acknowledged."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from contextlib import suppress
from decimal import Decimal
from typing import Any, Iterable, List, Optional, Sequence, Tuple
from urllib.parse import quote

from brokerbus.contract import Contract, parse
from brokerbus.errors import Unavailable, UnknownOutcome
from brokerbus_paper.account import Holdings
from brokerbus_paper.limits import BUSY_SECONDS
from brokerbus_paper.matching import Execution, Ticket

VERSION = 1

_SCHEMA = """
CREATE TABLE account (currency TEXT NOT NULL, cash TEXT NOT NULL);
CREATE TABLE holdings (contract TEXT PRIMARY KEY, qty TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE orders (
    number INTEGER PRIMARY KEY, tag TEXT NOT NULL, contract TEXT NOT NULL, currency TEXT NOT NULL,
    direction TEXT NOT NULL, order_type TEXT NOT NULL, time_in_force TEXT NOT NULL, lifecycle TEXT NOT NULL,
    qty TEXT NOT NULL, price TEXT, max_price TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,
    expires INTEGER, filled TEXT NOT NULL, cost TEXT NOT NULL, status TEXT NOT NULL);
CREATE INDEX orders_by_tag ON orders (tag);
CREATE INDEX orders_by_status ON orders (status) WHERE status IN ('SUBMITTED', 'PARTIALLY_FILLED');
CREATE INDEX orders_by_update ON orders (updated);
CREATE TABLE fills (
    number INTEGER PRIMARY KEY AUTOINCREMENT, order_number INTEGER NOT NULL, tag TEXT NOT NULL, contract TEXT NOT NULL,
    currency TEXT NOT NULL, direction TEXT NOT NULL, qty TEXT NOT NULL, price TEXT NOT NULL,
    timestamp INTEGER NOT NULL);
CREATE INDEX fills_by_time ON fills (timestamp);
"""

_WRITE_ORDER = "REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_FILL = "INSERT INTO fills VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
_OPEN_ORDERS = "SELECT * FROM orders WHERE status IN ('SUBMITTED', 'PARTIALLY_FILLED') ORDER BY number"

Row = Tuple[Any, ...]


class Ledger:
    """Orders, executions, cash and holdings of one account. Every ``write`` is one synced transaction."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read_lock = threading.Lock()
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._file = self._connect()
        # Readers have a connection of their own: they never wait for a writer that waits for the disk.
        self._reader = self._connect()
        self._doubtful = False
        try:
            self._prepare()
        except Exception:
            self.close()
            raise

    def open_account(self, currency: str, cash: Decimal) -> Tuple[str, Holdings]:
        """The account's currency and holdings; a new account gets this currency and cash."""
        row = self._one("SELECT currency, cash FROM account")
        if row is None:
            with self._lock:
                self._file.execute("INSERT INTO account VALUES (?, ?)", (currency, str(cash)))
            row = (currency, str(cash))
        held = {_contract(text): Decimal(qty) for text, qty in self._all("SELECT contract, qty FROM holdings")}
        return row[0], Holdings(Decimal(row[1]), held)

    def write(self, tickets: Sequence[Ticket], trades: Sequence[Execution], holdings: Optional[Holdings]) -> List[str]:
        """Makes these changes durable, all or none, and returns the fill ids of the executions.

        ``holdings`` is None when they did not change. Unavailable when the file cannot be written: then
        nothing has changed. UnknownOutcome when it may be written nevertheless.
        """
        with self._lock:
            try:
                self._file.execute("BEGIN IMMEDIATE")
                self._file.executemany(_WRITE_ORDER, map(_order_row, tickets))
                ids = [self._insert_fill(trade) for trade in trades]
                if holdings is not None:
                    self._write_holdings(holdings, {trade.contract for trade in trades})
            except sqlite3.Error as error:
                self._roll_back()
                raise Unavailable(f"the paper account cannot be written: {error}") from error
            self._commit()
        return ids

    def _commit(self) -> None:
        try:
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            if "full" in str(error):  # its last page never reached the file
                raise Unavailable(f"the paper account cannot be written: {error}") from error
            self._doubtful = True
            raise UnknownOutcome(f"the paper account may not be written: {error}") from error
        self._doubtful = False

    def settle(self) -> None:
        """Makes a write whose end is unknown certain; Unavailable while that cannot be done.

        Rolled back here, it may still stand whole in the log behind the file, and would count after a
        restart. The next write goes over it.
        """
        if not self._doubtful:
            return
        with self._lock:
            try:
                self._file.execute("BEGIN IMMEDIATE")
                self._file.execute("UPDATE account SET cash = cash")
                self._file.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise Unavailable(f"the paper account cannot be written: {error}") from error
            self._doubtful = False

    def open_orders(self) -> List[Ticket]:
        """Every open order, oldest first."""
        return [_ticket(row) for row in self._all(_OPEN_ORDERS)]

    def order(self, order_id: str) -> Optional[Ticket]:
        """One order; None when there is none of that id."""
        if not (order_id.isascii() and order_id.isdigit() and len(order_id) <= 18):
            return None
        row = self._one("SELECT * FROM orders WHERE number = ?", (int(order_id),))
        return None if row is None else _ticket(row)

    def tagged(self, tag: str) -> List[Ticket]:
        """The orders that carry a tag, oldest first; an order that is not among them never will be."""
        self.settle()
        return [_ticket(row) for row in self._all("SELECT * FROM orders WHERE tag = ? ORDER BY number", (tag,))]

    def orders(self, since: int, limit: int) -> List[Ticket]:
        """The newest orders that changed at or after ``since`` (Unix ms), oldest first."""
        text = "SELECT * FROM orders WHERE updated >= ? ORDER BY number DESC LIMIT ?"
        return [_ticket(row) for row in reversed(self._all(text, (since, limit)))]

    def fills(self, since: int, limit: int) -> List[Tuple[str, Execution]]:
        """The newest executions at or after ``since`` (Unix ms) with their ids, oldest first."""
        text = "SELECT * FROM fills WHERE timestamp >= ? ORDER BY number DESC LIMIT ?"
        return [_execution(row) for row in reversed(self._all(text, (since, limit)))]

    def last_number(self) -> int:
        """The highest order number ever given; 0 without orders."""
        row = self._one("SELECT max(number) FROM orders")
        return int(row[0]) if row and row[0] is not None else 0

    def close(self) -> None:
        """Closes the file."""
        with self._lock, self._read_lock:
            self._reader.close()
            self._file.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _prepare(self) -> None:
        version = self._file.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._file.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise Unavailable(f"{self.path}: expected version {VERSION} of the paper account, found {version}")

    def _insert_fill(self, trade: Execution) -> str:
        return _fill_id(int(trade.order_id), self._file.execute(_ADD_FILL, _fill_row(trade)).lastrowid)

    def _write_holdings(self, holdings: Holdings, traded: Iterable[Contract]) -> None:
        self._file.execute("UPDATE account SET cash = ?", (str(holdings.cash),))
        for contract in traded:
            qty = holdings.shares.get(contract)
            if qty is None:
                self._file.execute("DELETE FROM holdings WHERE contract = ?", (_text(contract),))
            else:
                self._file.execute("REPLACE INTO holdings VALUES (?, ?)", (_text(contract), str(qty)))

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # closed meanwhile, or rolled back by SQLite itself
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")

    def _all(self, text: str, values: Sequence[Any] = ()) -> List[Row]:
        with self._read_lock:
            try:
                return self._reader.execute(text, values).fetchall()
            except sqlite3.Error as error:
                raise Unavailable(f"the paper account cannot be read: {error}") from error

    def _one(self, text: str, values: Sequence[Any] = ()) -> Optional[Row]:
        rows = self._all(text, values)
        return rows[0] if rows else None


def _text(contract: Contract) -> str:
    return json.dumps(contract.to_map(), sort_keys=True)


def _contract(text: str) -> Contract:
    return parse(json.loads(text))


def _order_row(ticket: Ticket) -> Row:
    price = None if ticket.price is None else str(ticket.price)
    return (
        int(ticket.order_id), ticket.tag, _text(ticket.contract), ticket.currency, ticket.direction,
        ticket.order_type, ticket.time_in_force, ticket.lifecycle, str(ticket.qty), price, str(ticket.limit),
        ticket.created, ticket.updated, ticket.expires, str(ticket.filled), str(ticket.cost), ticket.status,
    )  # fmt: skip


def _ticket(row: Row) -> Ticket:
    return Ticket(
        order_id=str(row[0]), tag=row[1], contract=_contract(row[2]), currency=row[3], direction=row[4],
        order_type=row[5], time_in_force=row[6], lifecycle=row[7], qty=Decimal(row[8]),
        price=None if row[9] is None else Decimal(row[9]), limit=Decimal(row[10]), created=row[11], updated=row[12],
        expires=row[13], filled=Decimal(row[14]), cost=Decimal(row[15]), status=row[16],
    )  # fmt: skip


def _fill_row(trade: Execution) -> Row:
    return (
        int(trade.order_id), trade.tag, _text(trade.contract), trade.currency, trade.direction,
        str(trade.qty), str(trade.price), trade.timestamp,
    )  # fmt: skip


def _execution(row: Row) -> Tuple[str, Execution]:
    qty, price = Decimal(row[6]), Decimal(row[7])
    execution = Execution(str(row[1]), row[2], _contract(row[3]), row[4], row[5], qty, price, row[8])
    return _fill_id(row[1], row[0]), execution


def _fill_id(order_number: int, number: Optional[int]) -> str:
    """With the order's number, which the clock gives: so that no id comes twice, even after the file was deleted."""
    return f"{order_number}-{number}"


def executed(path: str) -> List[Tuple[str, str]]:
    """Every order that the vendor ever took, as (order id, tag), oldest first; empty without the file.

    For tests: reads the account's file from outside, also while a worker writes it.
    """
    address = f"file:{quote(os.path.abspath(path))}?mode=rw"
    if not os.path.exists(path):
        return []
    connection = sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True)
    try:
        connection.execute("PRAGMA query_only = 1")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'orders'").fetchone():
            return []
        rows = connection.execute("SELECT number, tag FROM orders ORDER BY number").fetchall()
    finally:
        connection.close()
    return [(str(number), tag) for number, tag in rows]
