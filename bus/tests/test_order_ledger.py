"""The order ledger against a model: whatever dies wherever, each order is at the vendor once, and no answer lies."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from brokerbus.blotter import Blotter
from brokerbus.broker import Broker, OrderRequest
from brokerbus.contract import Contract
from brokerbus.errors import NOT_SENT, BusError, NotFound, RateLimited, Rejected, Unavailable, UnknownOutcome
from brokerbus.journal import Journal
from brokerbus.model import Order
from brokerbus.orders import POINTS, OrderDesk
from brokerbus.reconcile import Reconciler

TAGS = st.sampled_from(["a", "b", "c"])
QUANTITIES = st.sampled_from([1, 2])
BEHAVIOURS = st.sampled_from(
    ["accept", "lose answer", "lose request", "reject", "refuse", "raise after", "raise before"]
)
RUNS = int(os.environ.get("BROKERBUS_LEDGER_RUNS", "150"))


class Crash(BaseException):
    """The process is gone; nothing of it runs on."""


class Vendor(Broker):
    """What survives every crash of ours: the broker's own list of orders."""

    absence_proves_after = 0.0

    def __init__(self) -> None:
        self.orders_by_id: dict = {}
        self.behaviour = "accept"
        self.hidden = False

    def place_order(self, request: OrderRequest) -> str:
        behaviour = self.behaviour
        if behaviour == "reject":
            raise Rejected("no")
        if behaviour == "refuse":
            raise RateLimited("not now", retry_after=1.0)
        if behaviour in ("lose request", "raise before"):
            raise UnknownOutcome("nothing came back") if behaviour == "lose request" else RuntimeError("broken")
        order_id = str(len(self.orders_by_id) + 1)
        self.orders_by_id[order_id] = Order(order_id, "USD", request.qty, client_order_id=request.client_order_id)
        if behaviour == "lose answer":
            raise UnknownOutcome("nothing came back")
        if behaviour == "raise after":
            raise RuntimeError("broken")
        return order_id

    def orders(self, open_only, since):
        if self.hidden:
            raise Unavailable("the list cannot be had")
        return list(self.orders_by_id.values())

    def order(self, order_id):
        if order_id not in self.orders_by_id:
            raise NotFound(order_id)
        return self.orders_by_id[order_id]

    def of(self, tag):
        return [order for order in self.orders_by_id.values() if order.client_order_id == tag]


class Ledger(RuleBasedStateMachine):
    """Places, crashes, restarts and reconciles at random; the vendor's list is the truth."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bb-"))
        self.vendor = Vendor()
        self.accepted: dict = {}
        self.refused: dict = {}
        self.answers: list = []
        self.crash_at = ""
        self.start()

    def start(self):
        self.journal = Journal(self.folder / "orders.sqlite3")
        self.events: list = []
        blotter = Blotter(self.journal, lambda *push: self.events.append(push), lambda: None)
        self.desk = OrderDesk(self.journal, self.vendor, blotter.adopt, lambda tag: None, reached=self.reached)
        self.reconciler = Reconciler(self.journal, self.desk, blotter, self.vendor)

    def reached(self, point):
        if point == self.crash_at:
            raise Crash

    def restart(self):
        self.journal.close()
        self.start()

    def teardown(self):
        if hasattr(self, "folder"):
            self.settle_all()
            self.journal.close()
            shutil.rmtree(self.folder)

    @rule(tag=TAGS, qty=QUANTITIES, behaviour=BEHAVIOURS, late=st.booleans())
    def place(self, tag, qty, behaviour, late):
        """A client places; the answer has to be true."""
        self.vendor.behaviour = behaviour
        self.ask(tag, qty, late)

    @rule(tag=TAGS, qty=QUANTITIES, point=st.sampled_from(POINTS))
    def place_and_crash(self, tag, qty, point):
        """The process dies at one of the seven points of a placement."""
        self.vendor.behaviour = "accept"
        # Inside the call, before the vendor acted or after it: the points around the call are the same to us.
        self.crash_at = "after the SDK call" if point == "inside the SDK call" else point
        try:
            self.ask(tag, qty, False)
        except Crash:
            pass
        self.crash_at = ""
        self.restart()

    @rule()
    def crash(self):
        """The process dies between two requests."""
        self.restart()

    @rule(behaviour=BEHAVIOURS, hidden=st.booleans())
    def reconcile(self, behaviour, hidden):
        """One round of look-ups, while the vendor behaves in some way."""
        self.vendor.behaviour, self.vendor.hidden = behaviour, hidden
        self.round()
        self.vendor.hidden = False

    def round(self):
        """One round of the reconciler, with whatever it sends."""
        before = set(threading.enumerate())
        self.reconciler._turns.clear()
        self.reconciler._round()
        for thread in set(threading.enumerate()) - before:
            if thread.name != "alarms":
                thread.join()

    @rule()
    def settle_all(self):
        """When the vendor is well, one round leaves nothing unknown."""
        self.vendor.behaviour = "accept"
        self.round()
        assert self.desk.open_intents() == []
        for tag, order_id in self.accepted.items():
            assert self.journal.intent(tag).order_id == order_id

    @invariant()
    def every_order_once(self):
        """At the vendor there is at most one order for each clientOrderId."""
        for tag in "abc":
            assert len(self.vendor.of(tag)) <= 1, tag

    def ask(self, tag, qty, late):
        deadline = time.monotonic() + (-1 if late else 60)
        request = OrderRequest(Contract("US", "AAPL"), "BUY", "Limit", qty, 1.0, "DAY", "RTH", tag, deadline)
        before = len(self.vendor.of(tag))
        answers: list = []
        self.desk.place(request, lambda result, error: answers.append((result, error)))
        if answers:
            result, error = answers[0]
            if error is not None and error.code == "unknown_outcome":
                assert late, "told before the deadline"
            else:
                self.check(tag, qty, before, result, error)

    def check(self, tag, qty, before, result, error):
        if error is None:
            assert result == {"orderId": self.vendor.of(tag)[0].order_id, "clientOrderId": tag}
            assert self.accepted.setdefault(tag, result["orderId"]) == result["orderId"]
            assert self.vendor.of(tag)[0].qty == qty
        else:
            self.check_error(tag, before, error)

    def check_error(self, tag, before, error: BusError):
        """An error that proves that nothing was sent has sent nothing; a refusal is one for ever."""
        if error.code == "conflict":
            assert error.detail["reason"] == "content"
        elif error.code == "rejected":
            assert not self.vendor.of(tag)
        else:
            assert error.outcome == NOT_SENT, error.code
            assert len(self.vendor.of(tag)) == before
            assert tag not in self.accepted


Ledger.TestCase.settings = settings(
    max_examples=RUNS,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLedger = Ledger.TestCase
