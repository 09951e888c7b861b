"""Which instances serve: one question to every worker at once, shared by all who ask at the same time."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from brokerbus.errors import BusError
from brokerbus_front import limits
from brokerbus_front.instances import Instance


class _Status(msgspec.Struct):
    state: str
    session: str
    reason: str | None = None
    halted: str | None = None
    unknown: int = 0


@dataclass(frozen=True)
class Standing:
    """What one worker says of itself. ``code`` is empty when it serves and its broker answers.

    ``halted`` is why trading is halted, ``unknown`` how many orders' outcomes are.
    """

    instance: Instance
    state: str
    session: str
    code: str = ""
    message: str = ""
    halted: str | None = None
    unknown: int = 0

    def to_map(self, name: str) -> dict[str, Any]:
        """The standing under the name that the caller may see."""
        shown: dict[str, Any] = {"instance": name, "broker": self.instance.broker}
        shown |= {"state": self.state, "session": self.session}
        if self.halted is not None:
            shown["halted"] = True  # why is for those who may trade: /readyz is open to all
        return {**shown, "code": self.code, "message": self.message} if self.code else shown


class Readiness:
    """The standing of every instance, asked for at most once in READY_FRESH_SECONDS."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._instances = instances
        self._round: asyncio.Task[list[Standing]] | None = None
        self._asked = 0.0

    async def standings(self) -> list[Standing]:
        """One per instance, within READY_SECONDS."""
        now = time.monotonic()
        stale = now - self._asked > limits.READY_FRESH_SECONDS
        if self._round is None or (stale and self._round.done()):
            self._asked = now
            self._round = asyncio.ensure_future(self._ask_all())
        return await asyncio.shield(self._round)

    async def _ask_all(self) -> list[Standing]:
        return list(await asyncio.gather(*map(_standing, self._instances)))


async def _standing(instance: Instance) -> Standing:
    try:
        status = await instance.ask("status", _Status, time.monotonic() + limits.READY_SECONDS)
    except BusError as error:
        return Standing(instance, "stopped", "unknown", error.code, error.message)
    code = message = ""
    if status.session != "up":
        code, message = "unavailable", status.reason or f"the broker's session is {status.session}"
    return Standing(instance, status.state, status.session, code, message, status.halted, status.unknown)
