"""Runs one Broker: loads it, keeps its session open, and calls its methods in bounded threads."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import platform
import queue
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Type

from brokerbus import PROTOCOL, limits, methods, model, redact
from brokerbus.broker import METHODS, WRITES, Broker, Context, OrderRequest, implemented
from brokerbus.errors import (
    BusError,
    Expired,
    InternalError,
    Unavailable,
    UnknownMethod,
    UnknownOutcome,
    Unsupported,
)
from brokerbus.instance import Instance
from brokerbus.journal import JournalFromTheFuture
from brokerbus.trading import JOURNALED, OWN, REPORTED, Trading
from brokerbus.wire import Reply, Request

log = logging.getLogger("brokerbus.engine")

Push = Callable[[str, str, Mapping[str, Any], Optional[int]], None]
Done = Callable[[Reply], None]
Reached = Callable[[str], None]


def load_broker(entry: str) -> Type[Broker]:
    """The class named by ``package.module:Class``."""
    module, _, name = entry.partition(":")
    found = getattr(importlib.import_module(module), name)
    if not (isinstance(found, type) and issubclass(found, Broker)):
        raise TypeError(f"{entry} is no brokerbus.broker.Broker")
    return found


def describe(broker: Type[Broker], name: str = "") -> Dict[str, Any]:
    """The ``capabilities`` of a broker class; ``name`` is the configuration's name of the broker."""
    return {
        "protocol": PROTOCOL,
        "broker": name or broker.name,
        "brokerDisplay": broker.display or name or broker.name,
        "sdk": sdk_version(broker),
        "python": platform.python_version(),
        "methods": ["status", "capabilities", *implemented(broker), *(OWN if _trades(broker) else ())],
        "kinds": list(broker.kinds),
        "regions": list(broker.regions),
    }


def _trades(broker: Type[Broker]) -> bool:
    return "place_order" in implemented(broker)


def sdk_version(broker: Type[Broker]) -> Optional[str]:
    """``futu-api 10.11.7108``, as installed; None for a broker without SDK."""
    if not broker.sdk:
        return None
    try:
        return f"{broker.sdk} {importlib.metadata.version(broker.sdk)}"
    except importlib.metadata.PackageNotFoundError:
        return broker.sdk


class Engine:
    """One broker, its session and the threads of its methods; knows no socket.

    ``push`` receives the broker's pushes, ``changed`` is called whenever state or session change, and
    ``fail`` ends the process: all from any thread.
    """

    def __init__(
        self,
        instance: Instance,
        entry: str,
        push: Push,
        changed: Callable[[], None],
        fail: Callable[[str], None],
        reached: Optional[Reached] = None,
    ) -> None:
        self._instance, self._entry, self._push = instance, entry, push
        self._reached = reached or (lambda point: None)
        self._context = _EngineContext(self, fail)
        self._changed = changed
        self._broker: Optional[Broker] = None
        self._trading: Optional[Trading] = None
        self._lanes: Dict[str, _Lane] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._keeper = threading.Thread(target=self._keep_session, name="session", daemon=True)
        self._capabilities: Optional[Dict[str, Any]] = None
        self.state = "starting"
        self.session = "unknown"
        self.reason = "starting"

    def start(self) -> None:
        """Loads the broker and opens its session, in a thread of its own."""
        self._keeper.start()

    def stop(self) -> None:
        """Closes the broker's session; waits for it no longer than CLOSE_SECONDS."""
        self._stopping = True
        self._wake.set()
        broker = self._broker
        if self._trading is not None:
            self._trading.stop()
        if broker is not None:
            closing = threading.Thread(target=_quietly, args=(broker.close,), daemon=True)
            closing.start()
            closing.join(limits.CLOSE_SECONDS)

    @property
    def capabilities(self) -> Dict[str, Any]:
        """Raises Unavailable until the broker is made."""
        if self._capabilities is None:
            raise self._starting()
        return self._capabilities

    def session_is(self, session: str, reason: str) -> None:
        """Notes what the broker says of its session."""
        if session not in model.SESSIONS:
            raise ValueError(f"session: expected one of {model.SESSIONS}, found {session!r}")
        with self._lock:
            before = (self.state, self.session, self.reason)
            self.session, self.reason = session, redact.clean(reason)
            if session == "up":
                self.state = "ready"
            elif self.state == "ready":
                self.state = "degraded"
            changed = before != (self.state, self.session, self.reason)
        if changed:
            log.info("session %s%s", session, f": {reason}" if reason else "")
            self._changed()
            if session == "up" and self._trading is not None:
                self._trading.session_came_up()

    def push(self, kind: str, subject: str, data: Mapping[str, Any]) -> None:
        """Publishes a broker's push; what tells of orders is journaled first."""
        if kind in REPORTED and self._trading is not None:
            self._trading.report(kind, data)
        else:
            self._push(kind, subject, data, None)

    def facts(self) -> Dict[str, Any]:
        """What ``status`` adds for an instance that trades."""
        return {} if self._trading is None else self._trading.facts()

    # -- calls -------------------------------------------------------------------------------------
    def submit(self, request: Request, deadline: float, done: Done) -> None:
        """Has ``done`` called with the reply, once, from any thread; never blocks."""
        try:
            run = self._prepare(request, deadline, done)
        except BusError as error:
            done(Reply(request.id, error=error))
            return
        if self._is_instant(request.method):
            run()
        else:
            self._lane(request.method).put(run)

    def _is_instant(self, method: str) -> bool:
        """Whether a method never blocks: not when the journal has its part in it."""
        return method in self._broker_now().instant and (self._trading is None or method not in JOURNALED)

    def _prepare(self, request: Request, deadline: float, done: Done) -> _Run:
        if request.method not in METHODS and request.method not in OWN:
            raise UnknownMethod(f"no method {request.method!r:.60}")
        broker = self._broker_now()
        if request.method not in self.capabilities["methods"]:
            raise Unsupported(f"{broker.display or broker.name} has no {request.method}")
        arguments = methods.arguments(request.method, request.params, deadline)
        trading = self._trading
        if trading is not None and request.method in OWN:
            return _Run(request, deadline, lambda: trading.answer(request.method, arguments), done)
        if trading is not None and request.method == "place_order":
            return _Placement(request, deadline, trading, arguments[0], done)
        if request.method == "ping" and self._is_down():
            return _Run(request, deadline, lambda: {"pong": False}, done)
        by_tag = request.method == "order" and arguments[0] is None
        if not by_tag:  # what became of a clientOrderId, the journal may know by itself
            self._refuse_if_down()
        if trading is not None:
            if request.method in JOURNALED:
                return _Run(request, deadline, lambda: trading.answer(request.method, arguments), done)
            if request.method == "modify_order":
                trading.refuse_if_halted()
        return _Run(request, deadline, _bound(broker, request.method, arguments), done)

    def _broker_now(self) -> Broker:
        if self._broker is None:
            raise self._starting()
        return self._broker

    def _lane(self, method: str) -> _Lane:
        lane = self._lanes.get(method)
        if lane is None:
            lane = self._lanes[method] = _Lane(method)
        return lane

    # -- session -----------------------------------------------------------------------------------
    def _keep_session(self) -> None:
        """Loads the broker, then tries until its session is open; the broker keeps it open itself."""
        try:
            kind = load_broker(self._entry)
            capabilities = describe(kind, self._instance.broker)
            redact.hide(self._instance.settings.get(name) for name, setting in kind.settings.items() if setting.secret)
            broker = kind(self._instance.settings, self._context)
        except BusError as error:
            self._context.fail(f"the broker refuses its settings: {error.message}")
            return
        except BaseException as error:
            log.exception("the broker did not load")
            self._context.fail(f"the broker did not load: {type(error).__name__}: {error}")
            return
        if _trades(kind):
            try:
                self._trading = self._open_trading(broker)
            except JournalFromTheFuture as error:
                self._context.fail(str(error))
                return
        self._broker, self._capabilities = broker, capabilities
        self._connect(broker)

    def _open_trading(self, broker: Broker) -> Trading:
        path = self._instance.state_dir / f"{self._instance.id}.orders.sqlite3"
        trading = Trading(self._instance.id, path, broker, self._push, self._refuse_if_down, self._reached)
        trading.read_halt()
        trading.start()
        return trading

    def _is_down(self) -> bool:
        return self.session == "down" or self.state == "starting"

    def _refuse_if_down(self) -> None:
        if self.state == "starting":
            raise self._starting()
        if self.session == "down":
            raise Unavailable(f"the broker's session is down: {self.reason}", retry_after=limits.RETRY_MOST_SECONDS)

    def _starting(self) -> Unavailable:
        """Refuses for now; ``detail`` tells a client that it is worth asking again."""
        text = f"the worker is starting: {self.reason}"
        return Unavailable(text, retry_after=limits.RETRY_FIRST_SECONDS, detail={"state": "starting"})

    def _connect(self, broker: Broker) -> None:
        pause = limits.RETRY_FIRST_SECONDS
        while not self._stopping:
            self._context.told = False
            try:
                broker.connect()
            except BaseException as error:
                if not isinstance(error, BusError):
                    log.warning("connect failed", exc_info=True)
                self._down(str(error) or type(error).__name__)
                self._wake.wait(pause)
                pause = min(pause * 2, limits.RETRY_MOST_SECONDS)
                continue
            if not self._context.told:
                self.session_is("up", "")
            return

    def _down(self, reason: str) -> None:
        with self._lock:
            if self.state == "starting":
                self.state = "degraded"
        self.session_is("down", reason)


class _EngineContext(Context):
    def __init__(self, engine: Engine, fail: Callable[[str], None]) -> None:
        self._engine, self._fail = engine, fail
        self.instance = engine._instance.id
        self.broker = engine._instance.broker
        self.home = str(_private(engine._instance.home))
        self.told = False

    def push(self, kind: str, subject: str, data: Mapping[str, Any]) -> None:
        self._engine.push(kind, subject, data)

    def session(self, state: str, reason: str = "") -> None:
        self.told = True
        self._engine.session_is(state, reason)

    def fail(self, reason: str) -> None:
        self._fail(reason)


class _Run:
    """One call on its way: checks its deadline when its turn comes, and answers once."""

    __slots__ = ("_call", "_deadline", "_done", "_request")

    def __init__(self, request: Request, deadline: float, call: Callable[[], Any], done: Done) -> None:
        self._request, self._deadline, self._call, self._done = request, deadline, call, done

    def __call__(self) -> None:
        request = self._request
        if time.monotonic() >= self._deadline:
            self._done(Reply(request.id, error=Expired("the deadline passed before the call was started")))
            return
        try:
            result = self._call()
        except BusError as error:
            self._done(Reply(request.id, error=error))
        except BaseException as error:  # SystemExit and CancelledError too: they would end this thread unseen
            log.exception("%s failed", request.method)
            self._done(Reply(request.id, error=_defect(request.method, error)))
        else:
            self._done(Reply(request.id, result))

    def refuse(self, reason: str) -> None:
        self._done(Reply(self._request.id, error=Unavailable(reason, retry_after=1.0)))


class _Placement(_Run):
    """One order on its way; its outcome may come later, from another thread."""

    __slots__ = ("_order", "_trading")

    def __init__(self, request: Request, deadline: float, trading: Trading, order: OrderRequest, done: Done) -> None:
        super().__init__(request, deadline, lambda: None, done)
        self._trading, self._order = trading, order

    def __call__(self) -> None:
        try:
            self._trading.place(self._order, self._answer)
        except BaseException as error:
            log.exception("place_order failed")
            self._done(Reply(self._request.id, error=_defect("place_order", error)))

    def _answer(self, result: Any, error: Optional[BusError]) -> None:
        self._done(Reply(self._request.id, result, error))


class _Lane:
    """The threads of one method, made as they are needed, and the bounded queue before them."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._queue: queue.SimpleQueue[_Run] = queue.SimpleQueue()
        self._threads: List[threading.Thread] = []
        self._idle = threading.Semaphore(0)
        self._waiting = 0
        self._lock = threading.Lock()

    def put(self, run: _Run) -> None:
        with self._lock:
            if self._waiting >= limits.LANE_QUEUE:
                full = True
            else:
                full = False
                self._waiting += 1
                if not self._idle.acquire(blocking=False) and len(self._threads) < limits.LANE_THREADS:
                    thread = threading.Thread(target=self._work, name=self._method, daemon=True)
                    self._threads.append(thread)
                    thread.start()
        if full:
            run.refuse(f"{limits.LANE_QUEUE} calls of {self._method} wait already")
        else:
            self._queue.put(run)

    def _work(self) -> None:
        while True:
            run = self._queue.get()
            with self._lock:
                self._waiting -= 1
            run()
            self._idle.release()


def _defect(method: str, error: BaseException) -> BusError:
    """What an exception that is no BusError says: about an order nothing, so that is what we say."""
    text = f"{method}: {type(error).__name__} in the broker's code; the log has it"
    return UnknownOutcome(text) if method in WRITES else InternalError(text)


def _quietly(call: Callable[[], None]) -> None:
    try:
        call()
    except BaseException:
        log.warning("close failed", exc_info=True)


def _private(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _bound(broker: Broker, name: str, arguments: Tuple[Any, ...]) -> Callable[[], Any]:
    """The call of a broker's method, with its result as the wire carries it."""
    method = getattr(broker, name)
    if name == "modify_order":
        return lambda: (method(*arguments), {"orderId": arguments[0]})[1]
    if name == "order":
        return lambda: model.to_plain(method(arguments[0]))
    present = _PRESENT.get(name, model.to_plain)
    return lambda: present(method(*arguments))


_PRESENT: Dict[str, Callable[[Any], Any]] = {
    "ping": lambda pong: {"pong": bool(pong)},
    "quote": lambda quote: quote.to_map(),
    "market_status": model.market_status_map,
    "cancel_order": lambda _: {"canceled": True},
}
