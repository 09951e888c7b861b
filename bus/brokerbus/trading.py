"""Everything of one instance that has to do with orders, put together: journal, desk, blotter, reconciliation."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from brokerbus import PROTOCOL, limits, model
from brokerbus.blotter import Blotter, Publish
from brokerbus.broker import Broker, OrderRequest
from brokerbus.errors import Unsupported
from brokerbus.journal import Event, Journal, JournalUnavailable
from brokerbus.orders import OrderDesk
from brokerbus.outcome import Answer
from brokerbus.reconcile import Reconciler

log = logging.getLogger("brokerbus.trading")

REPORTED = ("order", "fill")
"""Kinds of pushes that are journaled before they are published."""

JOURNALED = ("order", "orders", "fills")
"""Methods that the broker and the journal answer together."""

OWN = ("halt", "resume", "replay", "resolve_order")
"""Methods that the journal answers, whatever the state of the broker."""


class Trading:
    """The order side of one worker. ``publish`` takes the pushes that come of it, from any thread."""

    def __init__(
        self,
        instance: str,
        path: Path,
        broker: Broker,
        publish: Publish,
        refuse_if_down: Callable[[], None],
        reached: Callable[[str], None],
    ) -> None:
        self._instance, self._broker = instance, broker
        self._journal = Journal(path)
        self._reports: queue.Queue[Optional[Tuple[str, Mapping[str, Any]]]] = queue.Queue(limits.REPORT_QUEUE)
        doubt = self._doubt if broker.invents_cancels else None
        self._blotter = Blotter(self._journal, publish, self.session_came_up, doubt)
        self._desk = OrderDesk(self._journal, broker, self._accepted, self._unsure, refuse_if_down, reached)
        self._reconciler = Reconciler(self._journal, self._desk, self._blotter, broker, refuse_if_down)
        self._halted: Optional[str] = None
        self._known = False

    def start(self) -> None:
        """Starts to look up what was left open, once the session is up."""
        threading.Thread(target=self._take_reports, name="blotter", daemon=True).start()
        self._reconciler.start()

    def stop(self) -> None:
        """Journals the reports that wait, and closes the file."""
        self._reconciler.stop()
        with contextlib.suppress(queue.Full):
            self._reports.put_nowait(None)

    def session_came_up(self) -> None:
        """What happened meanwhile has to be asked for."""
        self._reconciler.behind()

    def _doubt(self, order_id: str) -> None:
        self._reconciler.doubt(order_id)

    def _accepted(self, order_id: str, tag: str) -> None:
        with contextlib.suppress(queue.Full):
            self._reports.put_nowait(("accepted", {"orderId": order_id, "clientOrderId": tag}))

    def _unsure(self, tag: str) -> None:
        self._reconciler.unsure(tag)

    def report(self, kind: str, data: Mapping[str, Any]) -> None:
        """Takes a broker's push of an order or a fill; any thread, returns at once."""
        try:
            self._reports.put_nowait((kind, model.to_plain_map(data)))
        except queue.Full:
            self._reconciler.behind()  # nothing is lost: the broker's lists have it
        except Exception as error:
            log.error("a report of kind %s cannot be read: %s", kind, error)

    def place(self, request: OrderRequest, answer: Answer) -> None:
        """Places an order once; ``answer`` is called with the outcome, perhaps later and from another thread."""
        self._desk.place(request, answer)

    def answer(self, method: str, arguments: Tuple[Any, ...]) -> Any:
        """The result of one of JOURNALED or OWN."""
        call: Callable[..., Any] = getattr(self, f"_{method}")
        return call(*arguments)

    def refuse_if_halted(self) -> None:
        """Raises Halted while trading is halted."""
        self._desk.refuse_if_halted()

    def facts(self) -> Dict[str, Any]:
        """What ``status`` tells of trading; never waits for the disk."""
        return {"halted": self._halted, "unknown": self._reconciler.unknown}

    def read_halt(self) -> None:
        """Reads once whether trading is halted."""
        if not self._known:
            try:
                self._halted, self._known = self._desk.halted, True
            except JournalUnavailable:
                log.warning("whether trading is halted cannot be read yet")

    # -- methods -----------------------------------------------------------------------------------
    def _order(self, order_id: Optional[str], tag: Optional[str]) -> Dict[str, Any]:
        if order_id is not None:
            return self._blotter.order(self._broker, order_id)
        return self._blotter.order_of_tag(self._broker, str(tag))

    def _orders(self, open_only: bool, since: Optional[int]) -> Any:
        return self._blotter.orders(self._broker, open_only, since)

    def _fills(self, since: Optional[int]) -> Any:
        return self._blotter.fills(self._broker, since)

    def _halt(self, reason: str) -> Dict[str, Any]:
        answer = self._desk.halt(reason)
        self._halted, self._known = reason, True
        return answer

    def _resume(self) -> Dict[str, Any]:
        answer = self._desk.resume()
        self._halted, self._known = None, True
        return answer

    def _resolve_order(self, tag: str, order_id: Optional[str]) -> Dict[str, Any]:
        return self._desk.resolve(tag, order_id)

    def _replay(self, cursor: Optional[int]) -> Dict[str, Any]:
        if cursor is None:
            raise Unsupported("replay: only by cursor for now")
        events, gap = self._journal.events(cursor, limits.REPLAY_EVENTS)
        return {"pushes": [self._push_of(event) for event in events], "gap": gap, "cursor": self._journal.cursor}

    def _push_of(self, event: Event) -> Dict[str, Any]:
        """The body of a push as it was published, but for epoch and seq, which belong to a worker's life."""
        return {
            "v": PROTOCOL,
            "instance": self._instance,
            "kind": event.kind,
            "subject": event.subject,
            "epoch": 0,
            "seq": 0,
            "ts": event.ts,
            "cursor": event.cursor,
            "data": event.data,
        }

    def _take_reports(self) -> None:
        while True:
            report = self._reports.get()
            if report is None:
                return
            try:
                self._blotter.report(*report)
            except Exception:
                log.exception("a report of kind %s was not taken", report[0])
