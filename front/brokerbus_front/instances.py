"""The configured instances, each with its connection to its worker."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from brokerbus.client import Client
from brokerbus.errors import Unavailable
from brokerbus.wire import Reply
from brokerbus_front import codec
from brokerbus_front.settings import FrontFile, InstanceEntry

Result = TypeVar("Result")


class Instance:
    """One instance: what it is called, who may ask it, and the way to its worker.

    ``alias`` stands for the id before callers that may not see ids.
    """

    def __init__(self, entry: InstanceEntry, alias: str, client: Client) -> None:
        self.id, self.broker, self.alias = entry.id, entry.broker, alias
        self.name, self.display = entry.name, entry.display
        self.token_digests = [bytes.fromhex(token) for token in entry.tokens]
        self.client = client
        self._end = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether a worker is there; it may still be starting."""
        return self.client.connected

    @property
    def ended(self) -> bool:
        """Whether the front is stopping: nothing more can be sent."""
        return self._end.is_set()

    def send(self, method: str, params: object, deadline: float) -> asyncio.Future[Reply]:
        """One request; the reply's result is still msgpack (``msgspec.Raw``)."""
        if self._end.is_set():
            raise Unavailable("the front is stopping")
        request_id = self.client.next_id()
        return self.client.exchange(
            request_id, codec.encode_request(request_id, method, params, deadline), deadline, method
        )

    async def ask(self, method: str, kind: type[Result], deadline: float) -> Result:
        """One request without params and its result as ``kind``; raises the BusError that answers it."""
        reply = await self.send(method, {}, deadline)
        return codec.decode_result(msgspec.msgpack.Decoder(kind), reply.value())

    async def pause(self, seconds: float) -> None:
        """Returns after ``seconds``, or when the front is stopping."""
        await _first(seconds, self._end.wait())

    async def worker(self, seconds: float) -> None:
        """Returns when a worker is connected, after ``seconds``, or when the front is stopping."""
        await _first(seconds, self.client.ready(), self._end.wait())

    def end(self) -> None:
        """Closes the connection; what is in flight is answered with what is known of it."""
        if not self._end.is_set():
            self._end.set()
            self.client.close()


def connect(settings: FrontFile) -> list[Instance]:
    """The instances of a front file; their workers may come and go, before and after."""
    made = []
    for number, entry in enumerate(settings.instances, 1):
        client = Client(settings.run_dir, entry.id, decode=codec.decode_reply)
        made.append(Instance(entry, f"{entry.broker}-{number}", client))
    return made


def fail_in_flight(instances: Sequence[Instance]) -> None:
    """Ends the connection to every worker."""
    for instance in instances:
        instance.end()


async def _first(seconds: float, *events: Coroutine[Any, Any, Any]) -> None:
    """Returns when the first of ``events`` is there, or after ``seconds``."""
    waits = [asyncio.ensure_future(event) for event in events]
    try:
        await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
