"""Prints for people: progress on stderr, tables that are never cut short."""

from __future__ import annotations

from rich.console import Console

TABLE_WIDTH = 200
"""Columns that a table may take; a narrower terminal wraps its lines rather than lose an id."""


def wide() -> Console:
    """A console for tables."""
    console = Console(highlight=False)
    return Console(highlight=False, width=max(console.width, TABLE_WIDTH))


def say(text: str) -> None:
    """A line of progress on stderr: plain, so that it reads the same in a terminal and in a log."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)
