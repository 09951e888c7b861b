"""A third-party style worker over the paper broker that sends itself a signal at a named point of a placement."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from pathlib import Path

from brokerbus import instance as instances
from brokerbus.broker import OrderRequest
from brokerbus_paper.broker import PaperBroker


def reached(point: str) -> None:
    """Sends the signal that the file `at` in the instance's home asks for at this point, once."""
    order = instances.load(Path(sys.argv[1])).home / "at"
    with contextlib.suppress(FileNotFoundError):
        number, _, wanted = order.read_text().partition(" ")
        if wanted == point:
            order.unlink()
            signal.pthread_kill(threading.get_ident(), signal.Signals[number])  # this thread goes no further


class PointedBroker(PaperBroker):
    """The paper broker, with two points of its own inside the SDK call."""

    def place_order(self, request: OrderRequest) -> str:
        reached("inside the SDK call, before acting")
        order_id = super().place_order(request)
        reached("inside the SDK call")
        return order_id


if __name__ == "__main__":
    from brokerbus.worker import main

    sys.path.insert(0, str(Path(__file__).parent))
    main("pointed_worker:PointedBroker", reached=reached)
