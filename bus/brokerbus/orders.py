"""Places each order once, whatever dies: intent, send, outcome, and the vendor asked about the rest.

The order of work is the promise: claim the clientOrderId, check deadline and halt, journal the intent,
send it with the id as its tag, journal the outcome, answer. What a crash or a lost answer leaves open
waits for :mod:`brokerbus.reconcile`; nothing is sent again before its absence is proven.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Set

import msgpack

from brokerbus.alarms import Alarms
from brokerbus.broker import Broker, OrderRequest
from brokerbus.contract import parse
from brokerbus.errors import (
    MAYBE,
    NOT_SENT,
    BadRequest,
    BusError,
    Conflict,
    Expired,
    Halted,
    NotFound,
    Unavailable,
    UnknownOutcome,
)
from brokerbus.journal import Intent, Journal, JournalUnavailable
from brokerbus.outcome import Answer, Outcome

log = logging.getLogger("brokerbus.orders")

POINTS = (
    "before intent",
    "after intent",
    "before the SDK call",
    "inside the SDK call",
    "after the SDK call",
    "before outcome",
    "before reply",
)
"""Where a placement can be cut; the chaos tests kill the worker at each of them."""


class _Waiter(NamedTuple):
    deadline: float
    answer: Answer


class OrderDesk:
    """Placements of one instance over its journal; any thread may call.

    ``accepted`` hears of each order id with its clientOrderId, ``unsure`` of each id whose outcome has to
    be looked up. ``refuse_if_down`` raises Unavailable while nothing can be sent: an id that is known is
    answered all the same. ``reached`` is told each of :data:`POINTS` as a placement passes it.
    """

    def __init__(
        self,
        journal: Journal,
        broker: Broker,
        accepted: Callable[[str, str], None],
        unsure: Callable[[str], None],
        refuse_if_down: Callable[[], None] = lambda: None,
        reached: Callable[[str], None] = lambda point: None,
    ) -> None:
        self._journal, self._broker = journal, broker
        self._accepted, self._unsure, self._reached = accepted, unsure, reached
        self._refuse_if_down = refuse_if_down
        self._lock = threading.Lock()
        self._in_flight: Set[str] = set()
        self._resending: Set[str] = set()
        self._waiters: Dict[str, List[_Waiter]] = {}
        self._unwritten: Dict[str, Outcome] = {}
        self._unforgotten: Set[str] = set()
        self._alarms = Alarms()
        self._ended: Dict[str, float] = {}
        self._began = time.monotonic()

    # -- placing -----------------------------------------------------------------------------------
    def place(self, request: OrderRequest, answer: Answer) -> None:
        """Places an order once; ``answer`` is called now, or when the outcome is known."""
        tag = request.client_order_id
        try:
            outcome = self._settled(request)
            if outcome is None:
                with self._claimed(tag):
                    outcome = self._place(request)
        except BusError as error:
            answer(None, error)
            return
        if outcome is None:
            self._unsure(tag)
            self._wait(request, answer)
        else:
            self._reached("before reply")
            outcome.tell(answer)

    def _place(self, request: OrderRequest) -> Optional[Outcome]:
        """The outcome of a new placement, or of the one that has this id already; None while nobody knows."""
        tag, content = request.client_order_id, content_of(request)
        digest = digest_of(content)
        known = self._journal.intent(tag)
        if known is None:
            self._refuse_if_late(request)
            self.refuse_if_halted()
            self._refuse_if_down()
            self._reached("before intent")
            known = self._journal.begin(tag, digest, content)
            if known is None and self._is_there(tag, content):
                return None  # an order of this id was reported before it was asked for: it is looked up, not sent
        if known is not None:
            return self._repeated(known, digest)
        self._reached("after intent")
        return self._send(request)

    def _settled(self, request: OrderRequest) -> Optional[Outcome]:
        """The outcome of a placement that has one, whoever works on its id at this moment."""
        known = self._journal.intent(request.client_order_id)
        if known is None or known.outcome is None:
            return None
        return self._repeated(known, digest_of(content_of(request)))

    def _repeated(self, known: Intent, digest: bytes) -> Optional[Outcome]:
        if known.digest != digest:
            told = {"reason": "content", "orderId": known.order_id}
            raise Conflict(f"clientOrderId {known.tag} stands for another order", detail=told)
        if known.tag in self._unforgotten:
            raise Unavailable("the order journal cannot be written", retry_after=1.0)
        unwritten = self._unwritten.get(known.tag)
        if unwritten is not None or known.outcome is None:
            return unwritten
        return Outcome.unpack(known.state, known.order_id, known.outcome)

    def _send(self, request: OrderRequest) -> Optional[Outcome]:
        """Sends a journaled intent, and journals what is certain of it."""
        tag = request.client_order_id
        self._reached("before the SDK call")
        try:
            self._refuse_if_late(request)  # the disk took its time, or this process was stopped
            self.refuse_if_halted()
        except BusError as error:
            self.forget(tag, error)
            raise
        try:
            order_id: Any = self._broker.place_order(request)
        except BusError as error:
            return self._failed(tag, error)
        except BaseException as error:  # SystemExit and CancelledError too: whatever it is, it proves nothing
            log.exception("place_order failed")
            return self._failed(tag, UnknownOutcome(f"{type(error).__name__} in the broker's code"))
        finally:
            self._ended[tag] = time.monotonic()
        self._reached("after the SDK call")
        if isinstance(order_id, bool) or not isinstance(order_id, (str, int)) or not str(order_id):
            return self._failed(tag, UnknownOutcome(f"the broker's code returned {order_id!r:.40} as the order's id"))
        if self._journal_tag(str(order_id)) not in (None, tag):
            return self._failed(tag, UnknownOutcome(f"the broker's code returned {order_id}, the id of another order"))
        return self.settle(tag, Outcome.accepted(str(order_id), tag))

    def _journal_tag(self, order_id: str) -> Optional[str]:
        try:
            return self._journal.tag_of(order_id)
        except JournalUnavailable:
            return None  # the order is there, whatever the disk does

    def _refuse_if_late(self, request: OrderRequest) -> None:
        if time.monotonic() >= request.deadline:
            raise Expired("the deadline passed before the order was sent")

    def _failed(self, tag: str, error: BusError) -> Optional[Outcome]:
        if error.outcome == MAYBE or error.code == "internal":
            log.warning("order %s: %s; looking it up", tag, error.message)
            return None
        intent = self._journal_intent(tag)
        if intent is not None and self._is_there(tag, intent.content, alive=True):
            log.error("order %s: the broker said %r, and has reported the order; looking it up", tag, error.message)
            return None
        if error.outcome == NOT_SENT:
            self.forget(tag, error)
            raise error
        return self.settle(tag, Outcome.refused(error))

    def _is_there(self, tag: str, content: Mapping[str, Any], alive: bool = False) -> bool:
        """Whether the broker has reported an order that can only be this one; ``alive``: and did not refuse it."""
        try:
            found = [order for order in self._journal.orders_of_tag(tag) if is_of(content, order)]
        except JournalUnavailable:
            return False
        return any(not (alive and order.get("errorReason")) for order in found)

    def _journal_intent(self, tag: str) -> Optional[Intent]:
        try:
            return self._journal.intent(tag)
        except JournalUnavailable:
            return None

    @contextmanager
    def _claimed(self, tag: str) -> Iterator[None]:
        with self._lock:
            if tag in self._in_flight:
                raise Conflict(f"clientOrderId {tag} is in flight", retry_after=0.1, detail={"reason": "in_flight"})
            self._in_flight.add(tag)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight.discard(tag)

    # -- outcomes ----------------------------------------------------------------------------------
    def settle(self, tag: str, outcome: Outcome) -> Outcome:
        """Journals an outcome and tells who waits for it; one that cannot be written now is written later.

        Returns the outcome that stands, which is the first. Whatever the disk does, the truth is told.
        """
        self._reached("before outcome")
        with self._lock:
            outcome = self._written(tag, outcome)
            self._ended.pop(tag, None)
            waiters = self._waiters.pop(tag, [])
        for waiter in waiters:
            outcome.tell(waiter.answer)
        if outcome.order_id is not None:
            self._accepted(outcome.order_id, tag)
        return outcome

    def _written(self, tag: str, outcome: Outcome) -> Outcome:
        try:
            stands = self._journal.settle(tag, outcome.state, outcome.order_id, outcome.packed)
            self._unwritten.pop(tag, None)
            known = None if stands else self._journal.intent(tag)
        except JournalUnavailable as error:
            log.error("the outcome of order %s stays in memory for now: %s", tag, error.message)
            return self._unwritten.setdefault(tag, outcome)
        if known is None or known.outcome is None:
            return outcome
        return Outcome.unpack(known.state, known.order_id, known.outcome)

    def forget(self, tag: str, error: BusError) -> None:
        """Of this order it is proven that nothing was sent: its id is free again; who waits is told why."""
        with self._lock:
            try:
                self._journal.forget(tag)
                self._unforgotten.discard(tag)
            except JournalUnavailable:
                log.error("the intent of order %s, which was not sent, stays in the journal for now", tag)
                self._unforgotten.add(tag)
            self._ended.pop(tag, None)
            waiters = self._waiters.pop(tag, [])
        for waiter in waiters:
            waiter.answer(None, error)

    def write_what_waits(self) -> None:
        """Journals what could not be written when it came."""
        for tag, outcome in list(self._unwritten.items()):
            self.settle(tag, outcome)
        for tag in list(self._unforgotten):
            self.forget(tag, Unavailable("the order was not sent", retry_after=1.0))

    def _wait(self, request: OrderRequest, answer: Answer) -> None:
        """Has ``answer`` called when the outcome is known, or at the request's deadline."""
        tag, waiter = request.client_order_id, _Waiter(request.deadline, answer)
        with self._lock:
            self._waiters.setdefault(tag, []).append(waiter)
        self._alarms.at(request.deadline, lambda: self._give_up(tag, waiter))
        try:
            known = self._journal.intent(tag)  # it may have been settled in between
        except JournalUnavailable:
            return  # it is looked up, and told at the deadline at the latest
        if known is None or known.outcome is not None:
            with self._lock:
                mine = self._waiters.pop(tag, [])
            for waiter in mine:
                if known is not None and known.outcome is not None:
                    Outcome.unpack(known.state, known.order_id, known.outcome).tell(waiter.answer)
                else:
                    waiter.answer(None, Unavailable("the order was not sent", retry_after=1.0))

    def _give_up(self, tag: str, waiter: _Waiter) -> None:
        """Tells one caller at its deadline that nobody knows yet; the look-ups go on."""
        with self._lock:
            waiting = self._waiters.get(tag, [])
            if waiter not in waiting:
                return
            waiting.remove(waiter)
        waiter.answer(None, UnknownOutcome(f"nothing proves yet what became of clientOrderId {tag}; it is looked up"))

    # -- what reconciliation asks for --------------------------------------------------------------
    def open_intents(self) -> List[Intent]:
        """Placements whose outcome nobody knows, but for those that are being sent right now."""
        with self._lock:
            busy = self._in_flight | set(self._unwritten) | self._unforgotten
        return [intent for intent in self._journal.open_intents() if intent.tag not in busy]

    @property
    def unknown(self) -> int:
        """How many placements may be at the broker or not: all open ones but those in their first call."""
        with self._lock:
            first = self._in_flight - self._resending
        return sum(intent.tag not in first for intent in self._journal.open_intents())

    def sent_until(self, tag: str) -> float:
        """Until when (CLOCK_MONOTONIC) a placement may have been on its way out of this host.

        The end of its call, not its beginning: a slow SDK sends late. One of an earlier life of the worker
        ended when that life did, before this one began.
        """
        return self._ended.get(tag, self._began)

    def never_arrived(self, intent: Intent, asked_at: float) -> None:
        """A look-up that began at ``asked_at`` proved that an intent is not at the broker.

        Sends it, if a caller of this process still waits for it; nobody else has not been told otherwise.
        """
        self._resending.add(intent.tag)
        try:
            with self._claimed(intent.tag):
                if self._is_still(intent, asked_at):
                    self._send_or_forget(intent)
        except BusError as error:
            log.warning("order %s: %s", intent.tag, error.message)
        finally:
            self._resending.discard(intent.tag)

    def _is_still(self, intent: Intent, asked_at: float) -> bool:
        """Whether the proof is about the present: not if the id was resolved, or used anew, while we asked."""
        known = self._journal.intent(intent.tag)
        same = known is not None and known.outcome is None and known.made_at == intent.made_at
        return same and self.sent_until(intent.tag) < asked_at

    def _send_or_forget(self, intent: Intent) -> None:
        with self._lock:
            deadline = max((waiter.deadline for waiter in self._waiters.get(intent.tag, [])), default=0.0)
        halted = self.halted
        if halted is not None:
            self.forget(intent.tag, Halted(f"trading is halted: {halted}"))
        elif deadline <= time.monotonic():
            self.forget(intent.tag, Expired("the order never reached the broker, and nobody waits for it any more"))
        else:
            self._send(request_of(intent, deadline))

    def resolve(self, tag: str, order_id: Optional[str]) -> Dict[str, Any]:
        """A person's word on an open placement: the id that it has at the broker, or that there is none."""
        with self._claimed(tag):
            known = self._journal.intent(tag)
            if known is None:
                raise NotFound(f"no order with clientOrderId {tag}")
            if known.outcome is not None:
                raise BadRequest(f"clientOrderId: {tag} is resolved already, as {known.state}")
            if order_id is None:
                self.forget(tag, Expired("a person said that the order never reached the broker"))
                return {"clientOrderId": tag, "orderId": None}
            return self.settle(tag, Outcome.accepted(order_id, tag)).value

    # -- halt --------------------------------------------------------------------------------------
    @property
    def halted(self) -> Optional[str]:
        """Why trading is halted; None when it is not. A journal that cannot be read halts nothing by itself."""
        return self._journal.fact("halted")

    def refuse_if_halted(self) -> None:
        reason = self.halted
        if reason is not None:
            raise Halted(f"trading is halted: {reason}" if reason else "trading is halted")

    def halt(self, reason: str) -> Dict[str, Any]:
        """Stops placements and changes of orders, over restarts too; cancelling stays allowed."""
        self._journal.note("halted", reason)
        log.warning("trading is halted: %s", reason)
        return {"halted": True, "reason": reason}

    def resume(self) -> Dict[str, Any]:
        """Allows trading again."""
        self._journal.note("halted", None)
        log.warning("trading is resumed")
        return {"halted": False, "reason": None}


def content_of(request: OrderRequest) -> Dict[str, Any]:
    """What makes two orders the same: everything but the clientOrderId and the deadline."""
    return {
        "contract": request.contract.to_map(),
        "direction": request.direction,
        "orderType": request.order_type,
        "qty": request.qty,
        "price": request.price,
        "timeInForce": request.time_in_force,
        "lifecycle": request.lifecycle,
    }


def is_of(content: Mapping[str, Any], order: Mapping[str, Any]) -> bool:
    """Whether an order can be the one that was asked for: a tag may have been typed by hand elsewhere."""
    contract, direction = order.get("contract"), order.get("direction")
    return contract in (None, content["contract"]) and direction in (None, content["direction"])


def digest_of(content: Mapping[str, Any]) -> bytes:
    """A hash of an order's content in one spelling: 100 and 100.0 are the same quantity."""
    spelled = {**content, "qty": float(content["qty"])}
    if content["price"] is not None:
        spelled["price"] = float(content["price"])
    spelled["contract"] = sorted(content["contract"].items())
    return hashlib.sha256(msgpack.packb(sorted(spelled.items()), use_bin_type=True)).digest()


def request_of(intent: Intent, deadline: float) -> OrderRequest:
    """The request that an intent was made of."""
    content = intent.content
    return OrderRequest(
        contract=parse(content["contract"]),
        direction=content["direction"],
        order_type=content["orderType"],
        qty=content["qty"],
        price=content["price"],
        time_in_force=content["timeInForce"],
        lifecycle=content["lifecycle"],
        client_order_id=intent.tag,
        deadline=deadline,
    )
