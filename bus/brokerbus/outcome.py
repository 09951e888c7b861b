"""What became of a placement, in the form in which it is journaled and told again."""

from __future__ import annotations

from typing import Any, Callable, Dict, NamedTuple, Optional

import msgpack

from brokerbus.errors import BusError, InternalError
from brokerbus.journal import ACCEPTED, REFUSED

Answer = Callable[[Any, Optional[BusError]], None]
"""Takes the result or the error of a placement; called once."""


class Outcome(NamedTuple):
    """A settled placement: the order that it became, or the broker's refusal."""

    state: str
    order_id: Optional[str]
    value: Dict[str, Any]

    @staticmethod
    def accepted(order_id: str, tag: str) -> Outcome:
        """The order exists at the broker."""
        return Outcome(ACCEPTED, order_id, {"orderId": order_id, "clientOrderId": tag})

    @staticmethod
    def refused(error: BusError) -> Outcome:
        """The broker said no."""
        return Outcome(REFUSED, None, error.to_map())

    @staticmethod
    def unpack(state: str, order_id: Optional[str], packed: bytes) -> Outcome:
        """The outcome as it was journaled; the same answer, byte for byte."""
        return Outcome(state, order_id, msgpack.unpackb(packed, raw=False))

    @property
    def packed(self) -> bytes:
        packed: bytes = msgpack.packb(self.value, use_bin_type=True)
        return packed

    @property
    def error(self) -> Optional[BusError]:
        """The refusal; None for an accepted order."""
        return BusError.from_map(self.value) if self.state == REFUSED else None

    def tell(self, answer: Answer) -> None:
        """Gives the outcome to whoever asked."""
        error = self.error
        if error is not None:
            answer(None, error)
        elif self.state == ACCEPTED:
            answer(self.value, None)
        else:
            answer(None, InternalError(f"an outcome of state {self.state!r}"))
