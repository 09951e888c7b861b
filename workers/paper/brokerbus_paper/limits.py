"""Every size and count that bounds the paper broker: one named constant, one sentence each."""

from __future__ import annotations

BOOK_LEVELS = 10
"""Price levels on each side of a book."""

TAPE = 1_000
"""Ticks kept for one security; the oldest gives way."""

BARS = 2_000
"""One-minute bars kept for one security: a day and a half without a pause."""

MAX_SYMBOLS = 400
"""Securities of one market; as many as one ``quotes`` request may name."""

MAX_OPEN_ORDERS = 10_000
"""Open orders of one account; the next is rejected."""

RECENT_ORDERS = 10_000
"""Finished orders kept in memory; older ones are read from the file."""

LISTED = 1_000
"""Orders or fills in one answer without ``since``, the newest ones, so that it stays below the bus's 1 MiB."""

LISTED_SINCE = 100_000
"""Orders or fills with ``since``, the newest ones: what a reconciliation may have missed is told in whole."""

CLOCK_SLACK_MS = 86_400_000
"""How far an order's time and the caller's may lie apart: a tag is for 7 days, a clock that is set may jump."""

FAULTS = 1_000
"""Faults in force at a time."""

MAX_FAULT_SECONDS = 600.0
"""Longest wait that a fault may cause."""

OFFLINE_COMMANDS = 1_000
"""Commands that may be carried out while the session is down."""

QTY_PLACES = 6
"""Decimal places of a fractional quantity."""

PRICE_PLACES = 6
"""Decimal places of a limit price."""

MIN_TICK_SECONDS = 0.01
"""The fastest market: a hundred ticks a second for each security."""

MAX_TICK_SECONDS = 3_600.0
"""The slowest moving market; 0 is a still one."""

STILL_SECONDS = 1.0
"""How often a still market looks for orders that expire."""

BUSY_SECONDS = 5.0
"""How long the account's file may be locked by another process before a write is given up."""
