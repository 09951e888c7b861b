"""Asks the vendor what became of what nobody knows: open placements by their tag, missed changes by its lists.

One thread per worker. It runs at the start, after every reconnect, after every ambiguous answer, and while
something is open; crash recovery and start are the same code.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

from brokerbus import limits
from brokerbus.blotter import Blotter
from brokerbus.broker import Broker, implemented
from brokerbus.errors import BusError
from brokerbus.journal import KEEP_SECONDS, Intent, Journal, JournalUnavailable
from brokerbus.model import Order
from brokerbus.orders import OrderDesk, is_of
from brokerbus.outcome import Outcome

log = logging.getLogger("brokerbus.reconcile")

SEEN_UNTIL = "seen_until"
"""The fact that holds the Unix ms up to which the broker's lists were journaled."""

PRUNE_SECONDS = 3600.0
"""How often the journal is rid of what it need not keep."""

OVERLAP_MS = 120_000
"""How far before that a list is asked again: clocks differ, and vendors list late."""


DAY_MS = 24 * 3600 * 1000
"""How far before an intent's time its order is looked for: this host's clock may be wrong."""


class _Turn(NamedTuple):
    at: float
    pause: float


class Reconciler:
    """Keeps desk and blotter in step with the broker; ``refuse_if_down`` raises while that cannot be asked."""

    def __init__(
        self,
        journal: Journal,
        desk: OrderDesk,
        blotter: Blotter,
        broker: Broker,
        refuse_if_down: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal, self._desk, self._blotter, self._broker = journal, desk, blotter, broker
        self._refuse_if_down = refuse_if_down
        self._can = set(implemented(type(broker)))
        self._turns: Dict[str, _Turn] = {}
        self._doubted: Set[str] = set()
        self._wake = threading.Event()
        self._stopping = False
        self._behind = True
        self._listed_at, self._pruned_at = 0.0, -PRUNE_SECONDS
        self._active_at = time.monotonic()
        self.unknown = 0
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def unsure(self, tag: str) -> None:
        """An outcome is open: look it up now."""
        self._turns[tag] = _Turn(time.monotonic(), limits.LOOKUP_FIRST_SECONDS)
        self._wake.set()

    def doubt(self, order_id: str) -> None:
        """An order is said to be cancelled: ask for it before that is believed."""
        self._doubted.add(order_id)
        self._wake.set()

    def behind(self) -> None:
        """Changes may have been missed: ask for the lists now."""
        self._behind = True
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            pause = limits.LOOKUP_MOST_SECONDS
            try:
                self._desk.write_what_waits()
                if self._session_up():
                    pause = self._round()
                self.unknown = self._desk.unknown
                self._prune(time.monotonic())
            except JournalUnavailable as error:
                log.warning("reconciliation waits: %s", error.message)
                pause = 1.0
            except BaseException:  # some SDKs call sys.exit
                log.exception("reconciliation failed; it goes on")
            self._wake.wait(max(0.01, pause))

    def _prune(self, now: float) -> None:
        """Now and then removes from the journal what has been kept long enough."""
        if now - self._pruned_at >= PRUNE_SECONDS:
            self._pruned_at = now
            self._journal.prune(time.time() - KEEP_SECONDS)

    def _session_up(self) -> bool:
        try:
            self._refuse_if_down()
        except BusError:
            return False
        return True

    def _round(self) -> float:
        """One look at everything that is due; the seconds until the next is."""
        now = time.monotonic()
        intents = self._desk.open_intents()
        for tag in set(self._turns) - {intent.tag for intent in intents}:
            del self._turns[tag]
        for intent in intents:
            if self._turns.get(intent.tag, _Turn(0.0, 0.0)).at <= now:
                self._look_up(intent)
        for order_id in list(self._doubted):
            self._ask_for(order_id)
        self._follow_orders(now)
        turns = [turn.at for turn in self._turns.values()]
        return min([limits.LOOKUP_MOST_SECONDS, *(at - time.monotonic() for at in turns)])

    # -- placements --------------------------------------------------------------------------------
    def _look_up(self, intent: Intent) -> None:
        if "orders" not in self._can and type(self._broker).order_by_tag is Broker.order_by_tag:
            self._later(intent, limits.LOOKUP_MOST_SECONDS)
            return
        asked_at = time.monotonic()
        try:
            found = self._reported(intent) or self._asked(intent)
        except BusError as error:
            log.info("order %s cannot be looked up now: %s", intent.tag, error.message)
            self._later(intent, error.retry_after)
            return
        except BaseException:
            log.exception("the look-up of order %s failed", intent.tag)
            self._later(intent)
            return
        if found is not None:
            self._found(intent, found)
        elif self._absence_proves(intent, asked_at):
            log.warning("order %s never reached the broker", intent.tag)
            self._later(intent)
            # In a thread of its own: the call that sends it may take as long as the SDK's time-out.
            threading.Thread(target=self._desk.never_arrived, args=(intent, asked_at), daemon=True).start()
        else:
            self._later(intent)

    def _reported(self, intent: Intent) -> Optional[Dict[str, Any]]:
        """An order that was pushed or listed with this tag, whatever the vendor's list says now."""
        return next((order for order in self._journal.orders_of_tag(intent.tag) if is_of(intent.content, order)), None)

    def _asked(self, intent: Intent) -> Optional[Dict[str, Any]]:
        """The order that the vendor has under this tag."""
        found = self._broker.order_by_tag(intent.tag, int(intent.made_at * 1000) - DAY_MS)
        if found is None:
            return None
        if not is_of(intent.content, found.to_map()):
            log.error(
                "order %s at the broker carries clientOrderId %s, but is another order", found.order_id, intent.tag
            )
            return None
        return found.to_map()

    def _found(self, intent: Intent, order: Dict[str, Any]) -> None:
        log.warning("order %s is %s at the broker", intent.tag, order["orderId"])
        self._desk.settle(intent.tag, Outcome.accepted(order["orderId"], intent.tag))
        self._blotter.confirm("order", {**order, "clientOrderId": intent.tag})

    def _absence_proves(self, intent: Intent, asked_at: float) -> bool:
        """Whether the look-up began long enough after the last send that the order would have been there."""
        after = self._broker.absence_proves_after
        return after is not None and asked_at - self._desk.sent_until(intent.tag) >= after

    def _later(self, intent: Intent, pause: Optional[float] = None) -> None:
        """Sets the next look-up: with backoff, but not later than absence begins to prove something."""
        turn, now = self._turns.get(intent.tag, _Turn(0.0, limits.LOOKUP_FIRST_SECONDS)), time.monotonic()
        at = now + (turn.pause if pause is None else max(pause, 0.05))
        after = self._broker.absence_proves_after
        if pause is None and after is not None:
            proves_at = self._desk.sent_until(intent.tag) + after + 0.01
            at = min(at, proves_at) if proves_at > now else at
        self._turns[intent.tag] = _Turn(at, min(turn.pause * 2, limits.LOOKUP_MOST_SECONDS))

    def _ask_for(self, order_id: str) -> None:
        """Journals what the broker says of a doubted order; one that it cannot tell of now stays doubted."""
        try:
            found = self._broker.order(order_id)
        except BaseException as error:  # it stays doubted; whatever the broker's code does, the lists are read
            log.info("order %s cannot be asked for now: %s", order_id, error)
            return
        self._doubted.discard(order_id)
        self._blotter.confirm("order", found.to_map())

    # -- what was missed ---------------------------------------------------------------------------
    def _follow_orders(self, now: float) -> None:
        """Reads the broker's lists: after every reconnect, and now and then while orders are open."""
        if self._journal.has_open_orders():
            self._active_at = now
        lively = now - self._active_at < limits.FOLLOW_IDLE_SECONDS / 2  # the last fill's push may have been lost
        due = limits.FOLLOW_OPEN_SECONDS if lively else limits.FOLLOW_IDLE_SECONDS
        if "orders" not in self._can or not (self._behind or now - self._listed_at >= due):
            return
        self._listed_at, behind, self._behind = now, self._behind, False
        began = int(time.time() * 1000)
        seen = self._journal.fact(SEEN_UNTIL)
        since = int(seen) - OVERLAP_MS if seen is not None else None
        try:
            orders: List[Order] = list(self._broker.orders(False, since))
            fills = list(self._broker.fills(since)) if "fills" in self._can else []
        except BusError as error:
            log.info("the broker's lists cannot be read now: %s", error.message)
            self._behind = behind
            return
        self._blotter.catch_up(orders, fills)
        if not self._behind:
            self._journal.note(SEEN_UNTIL, str(began))
