"""Asks a worker to trade until it is known what became of it: the same request again, never another one.

A worker executes a clientOrderId once, so an order whose answer is lost is asked for again under the same
one. What an answer means depends on whether anything that was sent before it *may have arrived*:

    answer                         nothing may have arrived       something may have arrived
    result                         the answer                     the answer
    rejected, other content        the answer                     order: the answer; else unknown_outcome
    unknown_outcome, internal      may have arrived from now on   again
    conflict, in flight            the answer: the client's twin  again: it is our own twin
    unavailable, worker away       again, RESTART_SECONDS long    again
    unavailable, worker there      the answer                     again
    rate_limited, halted, expired  the answer                     again
    any other                      the answer                     unknown_outcome

*Again* ends at the deadline of the first try, or with the front: then the answer is ``unknown_outcome`` if
anything may have arrived, else what was found last. Only orders and cancels, which are safe to repeat, are
asked again once they may have arrived.
"""

import enum
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

import structlog

from brokerbus.broker import WRITES
from brokerbus.errors import (
    MAYBE,
    BusError,
    Conflict,
    Expired,
    Halted,
    InternalError,
    RateLimited,
    Rejected,
    Unavailable,
    UnknownOutcome,
)
from brokerbus.wire import Reply
from brokerbus_front import limits

log = structlog.stdlib.get_logger("brokerbus.front")

Result = TypeVar("Result")

_REPEATABLE = frozenset(("place_order", "cancel_order"))
_PASSING = (UnknownOutcome, InternalError, Unavailable, RateLimited, Halted, Expired)
"""Errors that may be gone at the next try."""

_NAMES = ("clientOrderId", "orderId")
"""What an order is called in params and in an error's detail."""

OTHER_CONTENT = "content"
"""``detail.reason`` of a conflict: the clientOrderId stands for another order."""

_BETWEEN_LIVES = frozenset(("starting", "stopping"))
"""``detail.state`` of an ``unavailable`` from a worker that will serve after a restart."""


class Way(Protocol):
    """The way to one worker, as :class:`brokerbus_front.instances.Instance` is it."""

    @property
    def connected(self) -> bool:
        """Whether a worker is there."""

    @property
    def ended(self) -> bool:
        """Whether the front is stopping: nothing more can be sent."""

    def send(self, method: str, params: Any, deadline: float) -> Awaitable[Reply]:
        """One request and its reply."""

    async def pause(self, seconds: float) -> None:
        """Returns after ``seconds``, or when the way has ended."""

    async def worker(self, seconds: float) -> None:
        """Returns when a worker is there, after ``seconds``, or when the way has ended."""


class Verdict(enum.Enum):
    """What one error means for the errand."""

    ANSWER = "this is the answer"
    AGAIN = "ask again"
    UNKNOWN = "nothing more can be learned"


def may_have_arrived(method: str, error: BusError) -> bool:
    """Whether the request behind ``error`` may be an order now; an answer that cannot be read proves nothing."""
    return method in WRITES and (error.outcome == MAYBE or isinstance(error, InternalError))


def judge(method: str, error: BusError, maybe: bool, away: bool) -> Verdict:
    """The table above; ``maybe``: something may have arrived, the request behind ``error`` included."""
    if not maybe:
        return Verdict.AGAIN if away and isinstance(error, Unavailable) else Verdict.ANSWER
    if method == "place_order" and (isinstance(error, Rejected) or _other_content(error)):
        return Verdict.ANSWER
    if method in _REPEATABLE and (isinstance(error, _PASSING) or _in_flight(error)):
        return Verdict.AGAIN
    return Verdict.UNKNOWN


class Errand(Generic[Result]):
    """One request that trades, from its first try to its answer.

    ``read`` makes the answer of a result; what it raises is an answer that does not fit. ``clock`` is
    CLOCK_MONOTONIC but for tests.
    """

    def __init__(
        self,
        way: Way,
        method: str,
        params: dict[str, Any],
        deadline: float,
        read: Callable[[Any], Result],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._way, self._method, self._params, self._deadline = way, method, params, deadline
        self._read, self._clock = read, clock
        self._patience = min(deadline, clock() + limits.RESTART_SECONDS)
        self._pause = limits.AGAIN_FIRST_SECONDS
        self._maybe = self._told = False
        self.tries = 0

    async def run(self) -> Result:
        """The answer; raises the BusError that is it."""
        while True:
            try:
                return await self._try()
            except BusError as error:
                await self._before_next(error)

    async def _try(self) -> Result:
        self.tries += 1
        try:
            reply = await self._way.send(self._method, self._params, self._deadline)
            return self._read(reply.value())
        except BusError:
            raise
        except Exception as error:
            if not self._told:
                log.error("defect", method=self._method, exc_info=error)
            self._told = True
            raise InternalError(f"a defect of the front: {type(error).__name__}") from None

    async def _before_next(self, error: BusError) -> None:
        """Returns when it is time to ask again; raises the final answer when there is nothing to ask for."""
        self._maybe = self._maybe or may_have_arrived(self._method, error)
        verdict = judge(self._method, error, self._maybe, self._away(error))
        if verdict is Verdict.ANSWER:
            raise error
        if verdict is Verdict.UNKNOWN or self._over():
            raise self._final(error)
        await self._way.pause(min(self._pause, self._left()))
        self._pause = min(2 * self._pause, limits.AGAIN_MOST_SECONDS)
        if not self._way.connected and not self._over():
            await self._way.worker(self._left())
        if self._over():
            raise self._final(error)

    def _away(self, error: BusError) -> bool:
        return not self._way.connected or error.detail.get("state") in _BETWEEN_LIVES

    def _left(self) -> float:
        return (self._deadline if self._maybe else self._patience) - self._clock()

    def _over(self) -> bool:
        return self._way.ended or self._left() <= 0

    def _final(self, error: BusError) -> BusError:
        """What is told when the errand ends without its answer: never that nothing went out if something may have."""
        if not self._maybe:
            return error
        text = error.message
        if error.outcome != MAYBE:
            text = f"{self._method}: an earlier try may have arrived; the last answer was {error.code}: {text}"
        named: dict[str, Any] = {
            name: self._params[name] for name in ("clientOrderId", "orderId") if name in self._params
        }
        shown = "".join(f" ({name} {value})" for name, value in named.items())
        return UnknownOutcome(text + shown, retry_after=error.retry_after, detail={**error.detail, **named})


def _other_content(error: BusError) -> bool:
    return isinstance(error, Conflict) and error.detail.get("reason") == OTHER_CONTENT


def _in_flight(error: BusError) -> bool:
    return isinstance(error, Conflict) and not _other_content(error)
