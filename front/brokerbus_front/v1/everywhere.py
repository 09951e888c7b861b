"""Halts or resumes trading on every instance of a key at once."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import msgspec

from brokerbus import limits
from brokerbus.errors import BusError, InternalError, Unavailable
from brokerbus_front import codec
from brokerbus_front.errand import Errand
from brokerbus_front.instances import Instance
from brokerbus_front.v1 import models

_trading = msgspec.msgpack.Decoder(models.Trading)


async def tell_all(method: str, params: dict[str, Any], instances: Iterable[Instance]) -> list[models.TradingOf]:
    """The new state of each instance; raises Unavailable, with every instance's, when one is not certain."""
    deadline = time.monotonic() + limits.READ_SECONDS
    every = list(instances)
    told = await asyncio.gather(*(_tell(method, params, one, deadline) for one in every), return_exceptions=True)
    certain = [one for one in told if isinstance(one, models.TradingOf)]
    if len(certain) < len(every):
        states = {one.id: _state(answer) for one, answer in zip(every, told, strict=True)}
        silent = ", ".join(one.id for one in every if one.id not in {said.instance for said in certain})
        raise Unavailable(f"{method}: not certain on {silent}", retry_after=1.0, detail=states)
    return certain


def _state(answer: models.TradingOf | BaseException) -> str:
    if isinstance(answer, models.TradingOf):
        return "halted" if answer.halted else "not halted"
    return answer.code if isinstance(answer, BusError) else InternalError.code


async def _tell(method: str, params: dict[str, Any], instance: Instance, deadline: float) -> models.TradingOf:
    def read(result: msgspec.Raw) -> models.TradingOf:
        trading = codec.decode_result(_trading, result)
        return models.TradingOf(instance.id, trading.halted, trading.reason)

    return await Errand(instance, method, params, deadline, read).run()
