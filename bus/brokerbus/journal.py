"""What must survive any crash about orders: one SQLite file per instance, synced before anyone is told.

It knows no broker and no socket. Every method is one transaction; a failure to write is
:class:`JournalUnavailable` and changes nothing. Any thread may call; one writes at a time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import msgpack

from brokerbus.errors import Unavailable

SCHEMA = 1
"""Version of the tables; a file of a later one is refused, so that an older program never harms it."""

KEEP_SECONDS = 8 * 24 * 3600.0
"""A settled clientOrderId is remembered this long (the promise is 7 days)."""

KEEP_EVENTS = 200_000
"""Order and fill events kept for replay at the least; older ones go with the intents."""

KEEP_ORDERS_SECONDS = 90 * 24 * 3600.0
"""A completed order and its fills are remembered this long; the broker's own history has the older ones."""

OPEN, ACCEPTED, REFUSED = "open", "accepted", "refused"
"""An intent without known outcome; one that became an order; one that the broker refused."""

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
    tag TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    content BLOB NOT NULL,
    state TEXT NOT NULL,
    order_id TEXT,
    outcome BLOB,
    made_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS intents_order ON intents (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS intents_open ON intents (state) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS events (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    data BLOB NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY,
    data BLOB NOT NULL,
    updated REAL NOT NULL,
    completed INTEGER NOT NULL,
    tag TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_tag ON orders (tag) WHERE tag IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_open ON orders (completed) WHERE completed = 0;
CREATE TABLE IF NOT EXISTS fills (
    fill_id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL,
    data BLOB NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
"""


class JournalUnavailable(Unavailable):
    """The journal cannot be written: the disk is full, read-only or broken. Nothing was sent."""


class JournalFromTheFuture(RuntimeError):
    """The file was written by a later version of this program."""


@dataclass(frozen=True)
class Intent:
    """An order that somebody asked for, and what became of it.

    ``tag`` is the clientOrderId; ``digest`` tells whether two requests mean the same; ``made_at`` is Unix s.
    """

    tag: str
    digest: bytes
    content: Dict[str, Any]
    state: str
    order_id: Optional[str]
    outcome: Optional[bytes]
    made_at: float


class Event(NamedTuple):
    """One change of an order, or one execution; ``cursor`` grows over restarts."""

    cursor: int
    kind: str
    subject: str
    data: Dict[str, Any]
    ts: int


class Journal:
    """The file, open for writing. ``path`` is made when absent, mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._database: Optional[sqlite3.Connection] = None
        with self._lock, contextlib.suppress(JournalUnavailable):
            self._connected()

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    # -- intents -----------------------------------------------------------------------------------
    def begin(self, tag: str, digest: bytes, content: Mapping[str, Any]) -> Optional[Intent]:
        """Notes an intent, synced; returns None, or the intent that the tag stands for already."""
        with self._writing() as database:
            known = self._intent(database, tag)
            if known is not None:
                return known
            database.execute(
                "INSERT INTO intents (tag, digest, content, state, made_at) VALUES (?,?,?,?,?)",
                (tag, digest, _packed(content), OPEN, time.time()),
            )
        return None

    def settle(self, tag: str, state: str, order_id: Optional[str], outcome: bytes) -> bool:
        """Notes the outcome of an open intent, synced; False when it has one already, which stands."""
        with self._writing() as database:
            changed = database.execute(
                "UPDATE intents SET state = ?, order_id = ?, outcome = ? WHERE tag = ? AND state = ?",
                (state, order_id, outcome, tag, OPEN),
            )
        return changed.rowcount > 0

    def forget(self, tag: str) -> None:
        """Removes an intent of which it is proven that nothing was sent, so that the tag may be used again."""
        with self._writing() as database:
            database.execute("DELETE FROM intents WHERE tag = ? AND state = ?", (tag, OPEN))

    def intent(self, tag: str) -> Optional[Intent]:
        """What a clientOrderId stands for."""
        with self._reading() as database:
            return self._intent(database, tag)

    def tag_of(self, order_id: str) -> Optional[str]:
        """The clientOrderId under which an order was placed here; None for one made elsewhere."""
        with self._reading() as database:
            row = database.execute("SELECT tag FROM intents WHERE order_id = ?", (order_id,)).fetchone()
        return str(row[0]) if row else None

    def open_intents(self) -> List[Intent]:
        """The intents whose outcome nobody knows, oldest first."""
        with self._reading() as database:
            rows = database.execute("SELECT * FROM intents WHERE state = ? ORDER BY made_at", (OPEN,)).fetchall()
        return [_intent_of(row) for row in rows]

    # -- orders, fills, events ---------------------------------------------------------------------
    def record_order(self, order_id: str, data: Mapping[str, Any]) -> Optional[int]:
        """Notes the state of an order; returns the cursor of the event, or None when nothing changed."""
        packed = _packed(data)
        with self._writing() as database:
            row = database.execute("SELECT data FROM orders WHERE order_id = ?", (order_id,)).fetchone()
            if row is not None and row[0] == packed:
                return None
            now = time.time()
            found = (order_id, packed, now, int(bool(data.get("isCompleted"))), data.get("clientOrderId"))
            database.execute("INSERT OR REPLACE INTO orders VALUES (?,?,?,?,?)", found)
            return _event(database, "order", order_id, packed, now)

    def record_fill(self, fill_id: str, order_id: str, data: Mapping[str, Any]) -> Optional[int]:
        """Notes an execution; returns the cursor of the event, or None when it is known."""
        packed = _packed(data)
        with self._writing() as database:
            now = time.time()
            made = database.execute("INSERT OR IGNORE INTO fills VALUES (?,?,?,?)", (fill_id, order_id, packed, now))
            return _event(database, "fill", order_id, packed, now) if made.rowcount else None

    def order(self, order_id: str) -> Optional[Dict[str, Any]]:
        """The last known state of an order."""
        with self._reading() as database:
            row = database.execute("SELECT data FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        return _unpacked(row[0]) if row else None

    def orders_of_tag(self, tag: str) -> List[Dict[str, Any]]:
        """The orders that were reported with this clientOrderId."""
        with self._reading() as database:
            rows = database.execute("SELECT data FROM orders WHERE tag = ?", (tag,)).fetchall()
        return [_unpacked(row[0]) for row in rows]

    def orders(self, since: float = 0.0) -> List[Dict[str, Any]]:
        """The last known states of all orders that changed after ``since`` (Unix s), oldest change first."""
        with self._reading() as database:
            rows = database.execute("SELECT data FROM orders WHERE updated > ? ORDER BY updated", (since,)).fetchall()
        return [_unpacked(row[0]) for row in rows]

    def has_open_orders(self) -> bool:
        """Whether an order is known that can still change."""
        with self._reading() as database:
            return database.execute("SELECT 1 FROM orders WHERE completed = 0 LIMIT 1").fetchone() is not None

    def fills(self, since: float = 0.0) -> List[Dict[str, Any]]:
        """All executions noted after ``since`` (Unix s)."""
        with self._reading() as database:
            rows = database.execute("SELECT data FROM fills WHERE at > ? ORDER BY at", (since,)).fetchall()
        return [_unpacked(row[0]) for row in rows]

    def events(self, after: int, most: int = 1_000) -> Tuple[List[Event], bool]:
        """Events with a cursor above ``after``, and whether some are missing: no longer kept, or of another file."""
        with self._reading() as database:
            rows = database.execute(
                "SELECT cursor, kind, subject, data, at FROM events WHERE cursor > ? ORDER BY cursor LIMIT ?",
                (after, most),
            ).fetchall()
            oldest = database.execute("SELECT min(cursor) FROM events").fetchone()[0]
        found = [
            Event(cursor, kind, subject, _unpacked(data), int(at * 1e9)) for cursor, kind, subject, data, at in rows
        ]
        return found, after > self.cursor or (oldest is not None and after + 1 < oldest)

    @property
    def cursor(self) -> int:
        """The newest cursor; 0 before the first event."""
        with self._reading() as database:
            row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        return int(row[0]) if row else 0

    # -- facts -------------------------------------------------------------------------------------
    def fact(self, name: str) -> Optional[str]:
        """A named fact: ``halted`` holds the reason while trading is halted."""
        with self._reading() as database:
            row = database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def note(self, name: str, value: Optional[str]) -> None:
        """Sets a fact, or with None removes it; synced."""
        with self._writing() as database:
            if value is None:
                database.execute("DELETE FROM facts WHERE name = ?", (name,))
            else:
                database.execute("INSERT OR REPLACE INTO facts VALUES (?,?)", (name, value))

    # -- the file ----------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            database = self._connected()
            try:
                database.execute("BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back(database)
                raise JournalUnavailable(f"the order journal cannot be written: {error}", retry_after=1.0) from None
            except BaseException:
                self._roll_back(database)
                raise

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            database = self._connected()
            try:
                yield database
            except sqlite3.Error as error:
                self._give_up(database)
                raise JournalUnavailable(f"the order journal cannot be read: {error}", retry_after=1.0) from None

    def _connected(self) -> sqlite3.Connection:
        """The open file; opened again after a failure, so that a disk that has room again is enough."""
        if self._database is None:
            try:
                self._database = _opened(self._path)
            except (sqlite3.Error, OSError) as error:
                raise JournalUnavailable(f"the order journal cannot be opened: {error}", retry_after=1.0) from None
        return self._database

    def _roll_back(self, database: sqlite3.Connection) -> None:
        """Undoes a transaction and keeps the file open: opening it anew would need room that may not be there."""
        try:
            if database.in_transaction:
                database.execute("ROLLBACK")
        except sqlite3.Error:
            self._give_up(database)

    def _give_up(self, database: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.Error):
            database.close()
        self._database = None

    def _intent(self, database: sqlite3.Connection, tag: str) -> Optional[Intent]:
        row = database.execute("SELECT * FROM intents WHERE tag = ?", (tag,)).fetchone()
        return _intent_of(row) if row else None

    def prune(self, before: float) -> None:
        """Removes what was settled before ``before`` (Unix s); open intents and open orders stay."""
        with self._writing() as database:
            database.execute("DELETE FROM intents WHERE state != ? AND made_at < ?", (OPEN, before))
            database.execute(
                "DELETE FROM events WHERE at < ? AND cursor <= (SELECT max(cursor) FROM events) - ?",
                (before, KEEP_EVENTS),
            )
            long_ago = before + KEEP_SECONDS - KEEP_ORDERS_SECONDS
            database.execute("DELETE FROM orders WHERE completed = 1 AND updated < ?", (long_ago,))
            database.execute("DELETE FROM fills WHERE at < ?", (long_ago,))


def _opened(path: Path) -> sqlite3.Connection:
    os.close(os.open(str(path), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA:
            raise JournalFromTheFuture(f"{path}: schema {version}; this program knows {SCHEMA}")
        if version < SCHEMA:
            database.executescript(_TABLES + f"PRAGMA user_version = {SCHEMA};")
    except BaseException:
        database.close()
        raise
    return database


def _event(database: sqlite3.Connection, kind: str, subject: str, packed: bytes, now: float) -> int:
    made = database.execute(
        "INSERT INTO events (kind, subject, data, at) VALUES (?,?,?,?)", (kind, subject, packed, now)
    )
    return int(made.lastrowid or 0)


def _intent_of(row: Tuple[Any, ...]) -> Intent:
    tag, digest, content, *rest = row
    return Intent(tag, digest, _unpacked(content), *rest)


def _packed(value: Mapping[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _unpacked(packed: bytes) -> Dict[str, Any]:
    value: Dict[str, Any] = msgpack.unpackb(packed, raw=False)
    return value
