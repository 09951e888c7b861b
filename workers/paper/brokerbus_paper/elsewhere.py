"""Trades in a paper account while its worker is down: ``python -I -m brokerbus_paper.elsewhere HOME COMMANDS``."""

from __future__ import annotations

import json
import sys
from typing import Any, List, Mapping, Sequence

from brokerbus.broker import Context
from brokerbus.errors import BusError
from brokerbus_paper.broker import PaperBroker


class _Nobody(Context):
    """A host that nobody listens to."""

    def __init__(self, home: str) -> None:
        self.instance, self.broker, self.home = "elsewhere", "paper", home

    def push(self, kind: str, subject: str, data: Mapping[str, Any]) -> None:
        pass

    def session(self, state: str, reason: str = "") -> None:
        pass


def carry_out(home: str, commands: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> List[Any]:
    """Does ``[{"name": "vendor_place", "params": {...}}, ...]`` to the account in ``home``; the results in order.

    ``settings`` are the worker's. Prices start where a new worker's start.
    """
    broker = PaperBroker({**settings, "tick_interval": 0, "test_controls": True, "faults": []}, _Nobody(home))
    broker.open()
    try:
        return [broker.raw(str(command.get("name")), command.get("params") or {}) for command in commands]
    finally:
        broker.close()


def main(words: Sequence[str]) -> int:
    """Exit status 0, or 1 with the reason on stderr; prints the results as JSON."""
    home, commands, *settings = words
    try:
        print(json.dumps(carry_out(home, json.loads(commands), json.loads(settings[0]) if settings else {})))
    except BusError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
