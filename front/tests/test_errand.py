"""The errand of an order: every answer that a worker can give, every point at which it can die, no real time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from brokerbus import errors, limits
from brokerbus.errors import BY_CODE, MAYBE, NOT_SENT, BusError, Conflict, InternalError, Unavailable, UnknownOutcome
from brokerbus.wire import Reply
from brokerbus_front import limits as bounds
from brokerbus_front.errand import Errand, Verdict, judge

ORDER = {"clientOrderId": "c1", "qty": 1}
IN_FLIGHT = Conflict("in flight", detail={"reason": "in_flight"})
OTHER = Conflict("another order", detail={"reason": "content", "orderId": "o9"})


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Script:
    """A worker that answers each try as told, and then forever as told last.

    A step is a result, an error or a function of this script; ``away`` is how long a worker that died
    takes to come back.
    """

    def __init__(self, steps: Iterable[Any], away: float = 1.0) -> None:
        self.clock = Clock()
        self.steps, self.away = list(steps), away
        self.back_at = 0.0
        self.ended = False
        self.end_at = float("inf")
        self.sent: list[tuple[str, Any, float]] = []

    @property
    def connected(self) -> bool:
        return self.clock.now >= self.back_at

    async def send(self, method: str, params: Any, deadline: float) -> Reply:
        if self.ended:
            raise Unavailable("the front is stopping")
        if not self.connected:
            return Reply("", error=Unavailable("no worker serves this instance now"))
        if self.clock.now >= deadline:
            return Reply("", error=errors.Expired("late"))
        self.sent.append((method, params, deadline))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        found = step(self) if callable(step) else step
        return Reply("", error=found) if isinstance(found, BusError) else Reply("", found)

    async def pause(self, seconds: float) -> None:
        self.clock.now += seconds
        self._end()

    async def worker(self, seconds: float) -> None:
        self.clock.now += max(0.0, min(seconds, self.back_at - self.clock.now))
        self._end()

    def die(self) -> BusError:
        """What the client says of a call whose worker went away."""
        self.back_at = self.clock.now + self.away
        return UnknownOutcome("the worker went away before it answered")

    def silent(self, until: float) -> BusError:
        self.clock.now = until
        return UnknownOutcome("no answer before the deadline")

    def _end(self) -> None:
        if self.clock.now >= self.end_at:
            self.ended = True


def run(script: Script, method: str = "place_order", read: Callable[[Any], Any] = lambda result: result) -> Any:
    """The answer of an errand: a result, or the error that it raises."""
    deadline = script.clock.now + limits.ORDER_SECONDS
    errand = Errand(script, method, dict(ORDER), deadline, read, script.clock)
    try:
        return asyncio.run(errand.run())
    except BusError as error:
        return error


def lost(script: Script) -> BusError:
    return script.die()


ERRORS = [kind("x") for kind in BY_CODE.values() if kind is not Conflict] + [IN_FLIGHT, OTHER]
AFTER_MAYBE = {
    "place_order": {
        Verdict.ANSWER: {"rejected", "content"},
        Verdict.UNKNOWN: {"bad_request", "unknown_method", "unsupported", "not_found"},
    },
    "cancel_order": {
        Verdict.ANSWER: set(),
        Verdict.UNKNOWN: {"bad_request", "unknown_method", "unsupported", "not_found", "rejected", "content"},
    },
}


def name(error: BusError) -> str:
    return error.detail.get("reason", error.code)


@pytest.mark.parametrize("error", ERRORS, ids=name)
@pytest.mark.parametrize("method", AFTER_MAYBE)
def test_the_table_once_something_may_have_arrived(method: str, error: BusError) -> None:
    """Each code, for orders and cancels: the answer, the end, or another try."""
    wanted = next((verdict for verdict, names in AFTER_MAYBE[method].items() if name(error) in names), Verdict.AGAIN)
    assert judge(method, error, True, True) is wanted
    assert judge(method, error, True, False) is wanted
    assert judge("modify_order", error, True, True) is Verdict.UNKNOWN


@pytest.mark.parametrize("error", ERRORS, ids=name)
def test_the_table_while_nothing_may_have_arrived(error: BusError) -> None:
    """Every error is the answer, but `unavailable` while the worker is away."""
    for method in ("place_order", "cancel_order", "modify_order", "halt"):
        assert judge(method, error, False, False) is Verdict.ANSWER
        assert judge(method, error, False, True) is (Verdict.AGAIN if error.code == "unavailable" else Verdict.ANSWER)


@pytest.mark.parametrize("error", ERRORS, ids=name)
def test_a_first_answer(error: BusError) -> None:
    """What proves something is told at once and as it is; what proves nothing is asked again, and then answered."""
    script = Script([error, "o1"])
    if error.outcome == MAYBE or error.code == "internal":
        assert run(script) == "o1"
        assert script.sent[0] == script.sent[1], "the same method, params and deadline"
        assert script.clock.now < 1000.2
    else:
        assert run(script) is error
        assert (len(script.sent), script.clock.now) == (1, 1000.0)


def test_a_twin_of_our_own() -> None:
    """`conflict` in flight after a lost answer is the first try still at work: it is waited for."""
    assert run(Script([lost, IN_FLIGHT, IN_FLIGHT, "o1"])) == "o1"
    assert run(Script([IN_FLIGHT, "o1"])) is IN_FLIGHT


@pytest.mark.parametrize(
    "last", [Unavailable("x"), errors.Expired("x"), errors.Halted("x"), IN_FLIGHT, InternalError("x")]
)
def test_what_may_have_arrived_is_never_called_not_sent(last: BusError) -> None:
    """After a lost answer, whatever comes until the deadline ends in `unknown_outcome` with the order's name."""
    script = Script([lost, last])
    answer = run(script)
    assert isinstance(answer, UnknownOutcome)
    assert "(clientOrderId c1)" in answer.message
    assert answer.detail["clientOrderId"] == "c1"
    assert script.clock.now == pytest.approx(1000 + limits.ORDER_SECONDS, abs=bounds.AGAIN_MOST_SECONDS)
    assert len(script.sent) < 2 * limits.ORDER_SECONDS / bounds.AGAIN_MOST_SECONDS


def test_a_worker_that_stays_away() -> None:
    """Nothing sent: `unavailable` after RESTART_SECONDS. Something sent: unknown at the deadline; no busy waiting."""
    script = Script(["o1"])
    script.back_at = float("inf")
    answer = run(script)
    assert (answer.code, script.clock.now) == ("unavailable", 1000 + bounds.RESTART_SECONDS)
    script = Script([lost, "o1"], away=float("inf"))
    assert (run(script).code, script.clock.now) == ("unknown_outcome", 1000 + limits.ORDER_SECONDS)
    assert len(script.sent) == 1


@pytest.mark.parametrize("away", [0.0, 0.01, 1.0, 2.5, 4.9])
def test_a_worker_that_comes_back(away: float) -> None:
    """An order that finds no worker, or loses it, is placed as soon as it is back."""
    for steps, start in ((["o1"], away), ([lost, "o1"], 0.0)):
        script = Script(steps, away)
        script.back_at = 1000.0 + start
        assert run(script) == "o1"
        assert script.clock.now <= 1000.0 + away + bounds.AGAIN_FIRST_SECONDS


@pytest.mark.parametrize("state", ["starting", "stopping"])
def test_a_worker_between_two_lives(state: str) -> None:
    """A worker that says that it is starting or stopping is waited for; one whose broker is down is not."""
    assert run(Script([Unavailable("x", detail={"state": state}), "o1"])) == "o1"
    down = Unavailable("x", detail={"state": "degraded"})
    assert run(Script([down, "o1"])) is down


def test_no_answer_until_the_deadline() -> None:
    """A silent worker costs the deadline, not more, and the order is not asked for after it."""
    script = Script([lambda script: script.silent(1000 + limits.ORDER_SECONDS), "o1"])
    assert run(script).code == "unknown_outcome"
    assert len(script.sent) == 1


def test_the_front_stops() -> None:
    """When the front ends while it waits, what is known is told: unknown after a lost answer, else unavailable."""
    for steps, back_at, code in (([lost], 0.0, "unknown_outcome"), (["o1"], float("inf"), "unavailable")):
        script = Script(steps, away=2.0)
        script.back_at, script.end_at = back_at, 1000.5
        assert run(script).code == code
        assert script.clock.now < 1006


def test_an_answer_that_does_not_fit() -> None:
    """A result that cannot be read proves nothing: asked again, and unknown in the end; a defect of ours likewise."""

    def read(result: Any) -> Any:
        if result == "misfit":
            raise InternalError("the worker's answer does not fit")
        return 1 / 0 if result == "defect" else result

    assert run(Script(["misfit", "o1"]), read=read) == "o1"
    for odd in ("misfit", "defect"):
        assert run(Script([odd]), read=read).code == "unknown_outcome"
        assert run(Script([odd]), "halt", read=read).code == "internal"


def test_a_cancel_is_asked_again() -> None:
    """A cancel whose answer was lost is repeated; the broker's no to the repetition proves nothing about the first."""
    assert run(Script([lost, True]), "cancel_order") is True
    script = Script([lost, errors.Rejected("cancelled already")])
    answer = run(script, "cancel_order")
    assert (answer.code, len(script.sent)) == ("unknown_outcome", 2)
    assert "rejected: cancelled already" in answer.message
    assert run(Script([errors.Rejected("filled")]), "cancel_order").code == "rejected"


def test_a_change_is_not_asked_again() -> None:
    """A change of an order whose answer was lost is told as unknown at once."""
    script = Script([lost, True])
    assert (run(script, "modify_order").code, len(script.sent)) == ("unknown_outcome", 1)


class Journaling(Script):
    """A worker that places each order once over a journal, and whose fate at each try is scripted."""

    def __init__(self, fates: Iterable[str], away: float) -> None:
        super().__init__([getattr(type(self), fate) for fate in fates], away)
        self.intent = self.placed = False
        self.orders = 0

    def place(self) -> Any:
        """What a sound worker does: the look-up by tag tells whether an open intent arrived."""
        self.intent = True
        if not self.placed:
            self.orders, self.placed = self.orders + 1, True
        return "o1"

    def answers(self) -> Any:
        return self.place()

    def dies_before_intent(self) -> Any:
        return self.die()

    def dies_after_intent(self) -> Any:
        self.intent = True
        return self.die()

    def dies_inside_the_call(self) -> Any:
        self.place()
        return self.die()

    def cannot_tell(self) -> Any:
        self.place()
        return UnknownOutcome("no answer from the broker")

    def cannot_tell_and_nothing_arrived(self) -> Any:
        self.intent = True
        return UnknownOutcome("no answer from the broker")

    def answers_garbage(self) -> Any:
        self.place()
        return InternalError("the answer cannot be encoded")

    def answers_late(self) -> Any:
        self.clock.now += 20.0
        return self.place()

    def is_still_at_it(self) -> Any:
        return IN_FLIGHT if self.placed or self.intent else self.place()

    def is_starting(self) -> Any:
        return Unavailable("starting", detail={"state": "starting"})

    def has_no_session(self) -> Any:
        return Unavailable("session down")

    def is_halted(self) -> Any:
        return self.place() if self.placed else errors.Halted("lunch")

    def is_too_late(self) -> Any:
        return errors.Expired("late")


FATES = [
    name
    for name, member in vars(Journaling).items()
    if callable(member) and not name.startswith("_") and name != "place"
]


@pytest.mark.parametrize("first", FATES)
def test_every_fate_after_every_other(first: str) -> None:
    """Four tries of any fates, and a worker that then answers or never does: one order at most, and no answer lies."""
    for others in itertools.product(FATES, repeat=2):
        for last, away in (("answers", 1.0), ("has_no_session", 1.0), ("answers", 40.0)):
            worker = Journaling((first, *others, last), away)
            answer = run(worker)
            told = (first, *others, last, away, answer)
            assert worker.orders <= 1, told
            assert worker.clock.now <= 1000 + limits.ORDER_SECONDS + 20, told
            if isinstance(answer, BusError):
                assert answer.outcome == MAYBE or (answer.outcome == NOT_SENT and worker.orders == 0), told
            else:
                assert (answer, worker.orders) == ("o1", 1), told
