"""Halts or resumes trading on every instance of a key at once."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import msgspec

from brokerbus import limits
from brokerbus.errors import BusError, Unavailable
from brokerbus_front import codec
from brokerbus_front.errand import Errand
from brokerbus_front.instances import Instance
from brokerbus_front.v1 import models

_trading = msgspec.msgpack.Decoder(models.Trading)


async def tell_all(method: str, params: dict[str, Any], instances: Iterable[Instance]) -> list[models.TradingOf]:
    """The new state of each instance; raises Unavailable, with every instance's, when one is not certain."""
    deadline = time.monotonic() + limits.READ_SECONDS
    told = await asyncio.gather(*(_tell(method, params, instance, deadline) for instance in instances))
    silent = [one.instance for one in told if one.error is not None]
    if silent:
        text = f"{method}: not certain on {', '.join(silent)}"
        states = {one.instance: one.error or f"halted: {str(one.halted).lower()}" for one in told}
        raise Unavailable(text, retry_after=1.0, detail=states)
    return list(told)


async def _tell(method: str, params: dict[str, Any], instance: Instance, deadline: float) -> models.TradingOf:
    def read(result: msgspec.Raw) -> models.Trading:
        return codec.decode_result(_trading, result)

    try:
        trading = await Errand(instance, method, params, deadline, read).run()
    except BusError as error:
        return models.TradingOf(instance.id, error=f"{error.code}: {error.message}")
    return models.TradingOf(instance.id, trading.halted, trading.reason)
