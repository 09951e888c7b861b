"""/v1 as a small ASGI function ahead of FastAPI: who, which route, which params, the worker's answer.

To a caller without a valid token everything under /v1 is the same 401; to one with a token, an instance
that the token does not open is an unknown path.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from brokerbus.errors import BusError, InternalError, NotFound, UnknownMethod, UnknownOutcome
from brokerbus_front import codec, problems
from brokerbus_front.access import Access
from brokerbus_front.asgi import Answer, read_body, respond
from brokerbus_front.errand import Errand
from brokerbus_front.instances import Instance
from brokerbus_front.metrics import Metrics
from brokerbus_front.v1 import everywhere, listing, models, questions
from brokerbus_front.v1.questions import Call
from brokerbus_front.v1.routes import DESCRIPTION, PREFIX, ROUTES, Route, match

log = structlog.stdlib.get_logger("brokerbus.front")

_JSON = (b"Content-Type", b"application/json")
_NO_STORE = (b"Cache-Control", b"no-store")
_PROBLEM = (b"Content-Type", problems.MEDIA_TYPE.encode())
_STRANGER = Answer(
    401,
    (_PROBLEM, (b"WWW-Authenticate", b"Bearer")),
    problems.body(401, "bad_request", "expected Authorization: Bearer with a token of an instance"),
)
_UNKNOWN = Answer(404, (_PROBLEM,), problems.body(404, "not_found", "no such path"))

_encode = msgspec.json.Encoder().encode
_plain = msgspec.msgpack.Decoder()
_DECODERS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    **{route.method: msgspec.msgpack.Decoder(route.result) for route in ROUTES},
}


class V1:
    """Answers every path under /v1 and hands the others to ``rest``."""

    def __init__(self, instances: Sequence[Instance], access: Access, metrics: Metrics, rest: ASGIApp) -> None:
        self._access, self._metrics, self._rest = access, metrics, rest
        self._opened = {grant.digest: {one.id: one for one in grant.instances} for grant in access.grants}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["type"] != "http" or not (path == PREFIX or path.startswith(PREFIX + "/")):
            await self._rest(scope, receive, send)
        else:
            await respond(send, *await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        opened = self._opened.get(self._access.bearer(scope).digest)
        if not opened:
            return _STRANGER
        segments = [unquote(part) for part in scope["raw_path"].decode("ascii", "replace").split("/")[2:]]
        routes = match(segments)
        if not routes or (len(segments) > 1 and segments[1] not in opened):
            return _UNKNOWN
        verb = "GET" if scope["method"] == "HEAD" else scope["method"]
        if verb not in routes:
            return _not_allowed(verb, ", ".join(routes))
        if len(segments) == 1:
            return await self._for_all(routes[verb], opened.values(), scope, receive)
        served = Served(routes[verb], opened[segments[1]], segments[3] if len(segments) > 3 else "")
        return await served.answer(self._metrics, scope, receive)

    async def _for_all(self, route: Route, instances: Iterable[Instance], scope: Scope, receive: Receive) -> Answer:
        """What concerns every instance that a token opens."""
        if route.body is None:
            return _found(200, _encode(await listing.shown(instances)))
        try:
            fields = questions.fields(await read_body(receive), route.body.members, route.body.needed)
            params = route.ask(Call(scope, {}, fields, ""))
            return _found(200, _encode(await everywhere.tell_all(route.path.rpartition("/")[2], params, instances)))
        except BusError as error:
            return problems.answer(error)


class Served:
    """One request to one instance, on its route."""

    def __init__(self, route: Route, instance: Instance, order_id: str) -> None:
        self._route, self._instance, self._order_id = route, instance, order_id
        self._params: dict[str, Any] = {}

    async def answer(self, metrics: Metrics, scope: Scope, receive: Receive) -> Answer:
        """The answer; never raises but when this task is cancelled."""
        meter, started = metrics.meter(self._instance, self._route.method), time.monotonic()
        try:
            call = await self._call(scope, receive)
            self._params = self._route.ask(call)
            made = await self._ask(started + self._route.seconds)
        except BusError as error:
            meter.record(error.code, time.monotonic() - started)
            return self._problem(error)
        except Exception as error:
            log.error("defect", method=self._route.method, exc_info=error)
            meter.record(InternalError.code, time.monotonic() - started)
            return self._problem(self._defect(error))
        meter.record("ok", time.monotonic() - started)
        return made

    async def _call(self, scope: Scope, receive: Receive) -> Call:
        route, fields = self._route, {}
        query = questions.query(scope["query_string"], (one.name for one in route.query))
        if route.body is not None:
            fields = questions.fields(await read_body(receive), route.body.members, route.body.needed)
        return Call(scope, query, fields, self._order_id)

    async def _ask(self, deadline: float) -> Answer:
        route, params = self._route, self._params
        if route.method == DESCRIPTION:
            return _found(200, _encode(await listing.described(self._instance)))
        if "clientOrderId" in params and not route.writes:
            return await self._by_client_order_id(deadline)
        if route.settled:
            return await Errand(self._instance, route.method, params, deadline, self._read).run()
        return self._read((await self._instance.send(route.method, params, deadline)).value())

    async def _by_client_order_id(self, deadline: float) -> Answer:
        """The one order of that name in a list, as the collection's other queries answer."""
        try:
            reply = await self._instance.send("order", self._params, deadline)
            return _found(200, b"[" + _checked("order", reply.value()) + b"]")
        except NotFound:
            return _found(200, b"[]")

    def _read(self, result: msgspec.Raw) -> Answer:
        """A worker's result as an answer; raises InternalError when it does not fit."""
        route = self._route
        if route.method != "place_order":
            return _found(route.status, _checked(route.method, result))
        order_id = codec.decode_result(_DECODERS["place_order"], result).order_id
        placed = models.PlacedOrder(order_id, self._params["clientOrderId"])
        at = f"{PREFIX}/instances/{self._instance.id}/orders/{quote(order_id, safe='')}"
        return _found(route.status, _encode(placed), (b"Location", at.encode()))

    def _problem(self, error: BusError) -> Answer:
        """An order's clientOrderId is told with every error too: it may be asked for again under the same one."""
        named = {}
        if self._route.method == "place_order" and "clientOrderId" in self._params:
            named["clientOrderId"] = self._params["clientOrderId"]
        return problems.answer(error, **named)

    def _defect(self, error: Exception) -> BusError:
        """A defect after the params were made may have come after sending."""
        text = f"a defect of the front: {type(error).__name__}"
        return UnknownOutcome(text) if self._route.writes and self._params else InternalError(text)


def _not_allowed(verb: str, allowed: str) -> Answer:
    body = problems.body(405, UnknownMethod.code, f"expected {allowed}, found {verb:.20}")
    return Answer(405, (_PROBLEM, (b"Allow", allowed.encode())), body)


def _found(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> Answer:
    return Answer(status, (_JSON, _NO_STORE, *headers), body)


def _checked(method: str, result: msgspec.Raw) -> bytes:
    """A result that has the shape of its method, whole, as JSON; raises InternalError."""
    codec.decode_result(_DECODERS[method], result)
    try:
        return _encode(_plain.decode(result))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise InternalError(f"the worker's answer does not fit: {error}") from None
