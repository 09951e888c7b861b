"""One link to OpenD: an SDK context with a life of one connection, whose requests can be looked at one by one."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, Optional, Type

from brokerbus.errors import Unavailable
from brokerbus_futu.outcomes import Step, Trace

READY = "READY"
"""``ContextStatus`` of a link that serves. Source: SDK source."""

WAIT_SECONDS = 0.001
"""How long a call waits for a lost link: not at all. The SDK's default is for ever."""

POLL_SECONDS = 0.005

_current = threading.local()


class _Calling(Trace):
    """A call in progress: wraps the SDK's packing and unpacking of each request."""

    def __init__(self, name: str, last: int) -> None:
        super().__init__(name)
        self._last = last

    def packing(self, pack: Callable[..., Any]) -> Callable[..., Any]:
        def packed(**fields: Any) -> Any:
            step = Step()
            self.steps.append(step)
            request = pack(**fields)
            step.packed, step.proto = request[0] == 0, int(request[3] or 0)
            return request

        return packed

    def unpacking(self, unpack: Callable[..., Any]) -> Callable[..., Any]:
        def unpacked(answer: Any) -> Any:
            step = self.steps[-1]
            step.ret_type, step.message = int(answer.retType), str(answer.retMsg)
            step.code = int(getattr(answer, "errCode", 0))
            step.body = getattr(answer, "s2c", None)
            # The answer that matters ends the call: the SDK would make a table of it, and place_order ask on.
            return (-1, "taken", None) if step.proto == self._last and step.done else unpack(answer)

        return unpacked


class Traced:
    """Mixed in before a context class of the SDK; its hooks exist from 9.6 to 10.11 and in moomoo-api.

    The SDK's own reconnecting is switched off: it can die for good, and it loses subscriptions and order
    pushes without a word. A lost context is closed and replaced.
    """

    heard = 0.0
    """When the last whole packet came, on CLOCK_MONOTONIC."""

    _last_recv_time: Any = None

    refusal = ""
    """Why OpenD did not let us in."""

    _entered = False
    _lost: Optional[Callable[[], None]] = None

    def _init_connect_sync(self) -> Any:
        # Otherwise a refused constructor sleeps 6 s, connects again even when closed, and leaks each connection.
        self._auto_reconnect = False
        if self._entered:
            return -1
        self._entered = True
        base: Any = super()
        return base._init_connect_sync()

    def _send_init_connect_sync(self) -> Any:
        base: Any = super()
        ret, words = base._send_init_connect_sync()
        if ret != 0:
            self.refusal = str(words) or "no reason given"
        return ret, words

    def _get_sync_query_processor(self, pack: Any, unpack: Any) -> Any:
        base: Any = super()
        call: Optional[_Calling] = getattr(_current, "call", None)
        if call is None:
            return base._get_sync_query_processor(pack, unpack)
        return base._get_sync_query_processor(call.packing(pack), call.unpacking(unpack))

    def on_recv(self, conn_id: Any, data: Any) -> None:
        before = self._last_recv_time
        base: Any = super()
        base.on_recv(conn_id, data)
        # Bytes are no sign of life: after garbage or half a frame the SDK waits for the rest for ever.
        if before is None or self._last_recv_time != before:
            self.heard = time.monotonic()

    def on_disconnect(self, conn_id: Any, reason: Any, msg: Any) -> None:
        base: Any = super()
        try:
            base.on_disconnect(conn_id, reason, msg)
        finally:
            self._release()
            if self._lost is not None:
                self._lost()

    def _release(self) -> None:
        """Ends the requests that still wait: futu-api 9.6 fails at it and lets them wait for 20 s."""
        for request in list(getattr(self, "_req_map", {}).values()):
            request.err = request.msg = "Disconnect"
            if request.event is not None:
                request.event.set()


class Link:
    """A context being built in a thread of its own, then used from any thread."""

    def __init__(self, name: str, base: Type[Any], lost: Callable[[], None], options: Dict[str, Any]) -> None:
        self.name = name
        kind: Any = type(base.__name__, (Traced, base), {})
        self.context: Any = kind.__new__(kind)
        self.context._lost = lost
        self._conn_id = 0
        self._beat = 0.0
        self._error: Optional[BaseException] = None
        self._thread = threading.Thread(target=self._build, args=(options,), name=f"futu-{name}", daemon=True)
        self._thread.start()

    def _build(self, options: Dict[str, Any]) -> None:
        try:
            self.context.__init__(**options)
        except BaseException as error:
            self._error = error

    @property
    def status(self) -> str:
        try:
            return str(self.context.status)
        except AttributeError:
            return "NEW"

    def wait_ready(self, until: float) -> None:
        """Returns when the link serves; raises Unavailable when it does not by ``until``, or was refused."""
        while self.status != READY:
            if not self._thread.is_alive() and self.status != READY:
                raise self._ended()
            if time.monotonic() > until:
                raise Silent(f"{self.name}: OpenD accepts connections and does not answer (status {self.status})")
            time.sleep(POLL_SECONDS)
        self.context.set_sync_query_connect_timeout(WAIT_SECONDS)
        self._conn_id = self.context.get_sync_conn_id()

    def _ended(self) -> Unavailable:
        """Why the constructor came back without a link."""
        if self._error is not None:
            return Refused(f"{self.name}: {type(self._error).__name__}: {self._error}")
        if self.context.refusal:
            return Refused(f"{self.name}: OpenD refused InitConnect: {self.context.refusal}")
        return Silent(f"{self.name}: no connection to OpenD (status {self.status})")

    @property
    def serving(self) -> bool:
        """True while the connection that was built is the one in use."""
        return self.status == READY and self.context.get_sync_conn_id() == self._conn_id

    @property
    def heard(self) -> float:
        return float(self.context.heard)

    def beat(self, now: float, seconds: float) -> None:
        """Sends a KeepAlive when nothing was heard for some seconds; its answer counts as hearing."""
        if now - max(self.heard, self._beat) >= seconds:
            self._beat = now
            self.context.keep_alive()

    def call(self, name: str, last: int = 0, **arguments: Any) -> Trace:
        """One call of the SDK and its trace; never raises. It ends with the answer to ``last``, read from the trace."""
        return self.run(name, lambda: getattr(self.context, name)(**arguments), last)

    def query(self, name: str, pack: Any, unpack: Any, **fields: Any) -> Trace:
        """One request that no call of the SDK sends synchronously, through its own packing and connection."""

        def ask() -> Any:
            conn_id = self.context.get_sync_conn_id()
            return self.context._get_sync_query_processor(pack, unpack)(conn_id=conn_id, **fields)[:2]

        return self.run(name, ask)

    @staticmethod
    def run(name: str, ask: Callable[[], Any], last: int = 0) -> Trace:
        call = _Calling(name, last)
        _current.call = call
        try:
            ret, call.data = ask()
            call.ok = ret == 0
        except (Exception, SystemExit) as error:
            call.error = error
        finally:
            _current.call = None
        return call

    def close(self) -> None:
        """Ends the connection and its threads; what is in flight gets 'Disconnect'."""
        self.context._lost = None
        self.context._entered = True
        try:
            self.context.close()
            # A context that never connected is 'closed' already and keeps its callback thread.
            self.context._callback_executor.close()
        except AttributeError:
            pass  # its constructor has not come so far; _entered keeps it from connecting


class Silent(Unavailable):
    """OpenD takes connections and says nothing, or the SDK does not come on."""


class Refused(Unavailable):
    """OpenD answered, and the answer was no."""
