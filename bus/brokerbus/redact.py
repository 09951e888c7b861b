"""Keeps secrets out of what leaves this process: errors, session reasons, logs."""

from __future__ import annotations

import logging
from typing import Any, Iterable, List

SHORTEST = 6
"""Characters of the shortest secret that is looked for: a shorter one would blank ordinary words."""

HIDDEN = "***"

_secrets: List[str] = []


def hide(values: Iterable[Any]) -> None:
    """Has these values blanked from now on, in this process; what is no text of some length is left alone."""
    found = {value for value in values if isinstance(value, str) and len(value) >= SHORTEST}
    _secrets[:] = sorted(found.union(_secrets), key=len, reverse=True)


def clean(text: str) -> str:
    """The text without any secret."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


class Formatter(logging.Formatter):
    """Formats log records without secrets, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))


def log_to_stderr() -> None:
    """The logging of a worker: one line a record on stderr, without secrets."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
