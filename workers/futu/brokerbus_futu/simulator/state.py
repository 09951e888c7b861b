"""Keeps orders and fills in a file, a line for each change, so that a killed simulator comes back with them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .codes import Status
from .desk import Desk
from .orders import Fill, Order

FILL_FIELDS = ("fill_id", "qty", "price", "created", "status")


class State:
    """What one simulated house has executed: written before anybody is told, read at the next start.

    A line is whole in the page cache once it is written, which a kill -9 leaves alone; a power loss is not simulated.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._file = -1

    def attach(self, desk: Desk) -> None:
        """Restore what the file holds, write every change from now on, and finish what was begun."""
        self._restore(desk)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        order_changed, filled = desk.order_changed, desk.filled

        def write_order(order: Order) -> None:
            self._write({"order": asdict(order)})
            order_changed(order)

        def write_fill(fill: Fill) -> None:
            kept = {name: getattr(fill, name) for name in FILL_FIELDS}
            self._write({"fill": kept, "of": fill.order.order_id_ex})
            filled(fill)

        desk.order_changed, desk.filled = write_order, write_fill
        for order in [item for item in desk.orders.values() if item.status == Status.SUBMITTING]:
            if desk.options.auto_accept:
                desk.accept(order)

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def _restore(self, desk: Desk) -> None:
        orders: dict[str, Order] = {}
        fills: dict[str, list[dict[str, Any]]] = {}
        for line in self.lines(repair=True):
            if "fill" in line:
                fills.setdefault(line["of"], []).append(line["fill"])
            else:
                order = Order(**{**line["order"], "packet": tuple(line["order"]["packet"] or ()) or None})
                orders[order.order_id_ex] = order
        for name, order in orders.items():
            desk.restore(order, [Fill(order=order, **fill) for fill in fills.get(name, [])])
        desk.fills.sort(key=lambda fill: fill.fill_id)

    def lines(self, repair: bool) -> list[dict[str, Any]]:
        """The whole lines; half a line at the end, of a write that was cut short, is left out, or cut off."""
        if not self._path.exists():
            return []
        text = self._path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if repair and len(whole) < len(text):
            os.truncate(self._path, len(whole))
        return [json.loads(line) for line in whole.splitlines()]


def executed(path: str) -> list[tuple[str, str]]:
    """Every order that the simulated house ever took, as (order id, remark), oldest first; empty without the file.

    For tests: reads the file from outside, whether a simulator runs or not.
    """
    lines = State(path).lines(repair=False)
    found = {line["order"]["order_id_ex"]: line["order"]["remark"] or "" for line in lines if "order" in line}
    return list(found.items())
