"""httptrading's API as a small ASGI function ahead of FastAPI: bytes in, one bus request, bytes out.

A token opens a table of paths; a request whose path is not in it gets 1.0.8's 404. Everything after that
is answered 200, with what went wrong under ``ex``. Each path's Endpoint has all it needs made ready:

    scope, body → route.ask → params → worker → result → route.key → envelope
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from brokerbus.errors import BadRequest, BusError, InternalError
from brokerbus_front import codec
from brokerbus_front.access import Access
from brokerbus_front.asgi import Answer, read_body, respond
from brokerbus_front.errand import Errand
from brokerbus_front.instances import Instance
from brokerbus_front.metrics import Meter, Metrics
from brokerbus_front.questions import Question
from brokerbus_front.routes import PREFIX, ROUTES, Route

log = structlog.stdlib.get_logger("brokerbus.front")

_encode = msgspec.json.Encoder().encode
_JSON = ((b"Content-Type", b"application/json; charset=utf-8"),)
_NOT_FOUND = Answer(404, ((b"Content-Type", b"text/plain; charset=utf-8"),), b"404: Not Found")


class Httptrading:
    """Answers every path under /httptrading/ and hands the others to ``rest``."""

    def __init__(self, instances: Sequence[Instance], access: Access, metrics: Metrics, rest: ASGIApp) -> None:
        self._access, self._metrics, self._rest = access, metrics, rest
        endpoints = {
            instance: [Endpoint(instance, route, metrics.meter(instance, route.method)) for route in ROUTES]
            for instance in instances
        }
        self._opened = {
            grant.digest: {endpoint.path: endpoint for instance in grant.instances for endpoint in endpoints[instance]}
            for grant in access.grants
        }
        self._nothing: dict[str, Endpoint] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._rest(scope, receive, send)
            return
        endpoint = self._endpoint(scope)
        if endpoint is None:
            self._metrics.refused += 1
            await respond(send, *_NOT_FOUND)
        else:
            await respond(send, 200, _JSON, await endpoint.answer(scope, receive))

    def _endpoint(self, scope: Scope) -> "Endpoint | None":
        opened = self._opened.get(self._access.grant(scope).digest, self._nothing)
        if len(scope["raw_path"]) != len(scope["path"]) and b"%2f" in scope["raw_path"].lower():
            return None  # an escaped slash separates nothing
        return opened.get(scope["path"])


class Endpoint:
    """One route of one instance."""

    def __init__(self, instance: Instance, route: Route, meter: Meter) -> None:
        self.path = route.full_path(instance.id)
        self._instance, self._route, self._meter = instance, route, meter
        self._decoder = msgspec.msgpack.Decoder(route.result)
        named = {"instanceId": instance.id, "broker": instance.name, "brokerDisplay": instance.display}
        self._head = _encode({"type": "apiResponse", **named})[:-1] + b',"time":"'
        self._key = b'","ex":null,' + (b'"%s":' % route.key.encode() if route.key else b"")

    async def answer(self, scope: Scope, receive: Receive) -> bytes:
        """The body of the answer; never raises but when this task is cancelled."""
        started = time.monotonic()
        try:
            question = await self._question(scope, receive)
            members = await self._ask(question, started + self._route.seconds)
        except BusError as error:
            self._meter.record(error.code, time.monotonic() - started)
            return self._ex(error)
        self._meter.record("ok", time.monotonic() - started)
        return b"".join((self._head, _now(), self._key, members, question.echo, b"}"))

    async def _question(self, scope: Scope, receive: Receive) -> Question:
        route = self._route
        if scope["method"] != route.verb:
            raise BadRequest(f"expected {route.verb}, found {scope['method']}")
        body = await read_body(receive) if route.verb == "POST" else b""
        try:
            return route.ask(scope, body)
        except BusError:
            raise
        except Exception as error:
            raise _defect(error, self._route.method) from None

    async def _ask(self, question: Question, deadline: float) -> bytes:
        route = self._route
        if route.writes:
            return await Errand(self._instance, route.method, question.params, deadline, self._read).run()
        try:
            reply = await self._instance.send(route.method, question.params, deadline)
            if reply.error is not None:
                raise reply.error
            return self._read(reply.result)
        except BusError:
            raise
        except Exception as error:
            raise _defect(error, route.method) from None

    def _read(self, result: msgspec.Raw) -> bytes:
        """A worker's result as members of the answer."""
        encoded = _encode(codec.decode_result(self._decoder, result))
        return encoded if self._route.key else encoded[1:-1]

    def _ex(self, error: BusError) -> bytes:
        text = _encode(f"{error.code}: {error.message}")
        return b"".join((self._head, _now(), b'","ex":', text, b"}"))


def _now() -> bytes:
    return datetime.now(UTC).isoformat().encode()


def _defect(error: Exception, method: str) -> InternalError:
    """An exception that is nobody's answer: a defect, told to the log and not to the caller."""
    log.error("defect", method=method, exc_info=error)
    return InternalError(f"a defect of the front: {type(error).__name__}")
