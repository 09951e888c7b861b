"""What /v1 shows of instances: the worker's own word, or that there is none."""

import asyncio
import time
from collections.abc import Iterable

import msgspec

from brokerbus.errors import BusError
from brokerbus_front import limits
from brokerbus_front.instances import Instance
from brokerbus_front.v1.models import Capabilities, DescribedInstance, ShownInstance, Status


async def shown(instances: Iterable[Instance]) -> list[ShownInstance]:
    """Every instance, asked at once, within READY_SECONDS."""
    return list(await asyncio.gather(*map(_shown, instances)))


async def described(instance: Instance) -> DescribedInstance:
    """One instance with its capabilities, within READY_SECONDS."""
    standing, capabilities = await asyncio.gather(_shown(instance), _capabilities(instance))
    return DescribedInstance(**msgspec.structs.asdict(standing), capabilities=capabilities)


async def _shown(instance: Instance) -> ShownInstance:
    try:
        status = await instance.ask("status", Status, time.monotonic() + limits.READY_SECONDS)
    except BusError as error:
        status = Status("stopped", "unknown", error.message)
    return ShownInstance(
        id=instance.id, broker=instance.broker, broker_display=instance.display, **msgspec.structs.asdict(status)
    )


async def _capabilities(instance: Instance) -> Capabilities | None:
    try:
        return await instance.ask("capabilities", Capabilities, time.monotonic() + limits.READY_SECONDS)
    except BusError:
        return None
