"""For ops: is the front alive, do the workers serve, and how much is going on.

None of it needs a key. Instance ids are half a secret at httptrading, so /readyz and /metrics show them
only to callers on this host and to bearers of a valid token; to others an instance is its broker's name
and its place in the configuration (``futu-1``).
"""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from brokerbus_front import problems
from brokerbus_front.access import Access
from brokerbus_front.instances import Instance
from brokerbus_front.metrics import Metrics
from brokerbus_front.readiness import Readiness

_ALIVE = b'{"status":"ok"}'
_NO_STORE = {"Cache-Control": "no-store"}
_ALIVE_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "The front serves.", "content": {"application/json": {"example": {"status": "ok"}}}}
}
_READY_INSTANCE = {"instance": "paper-1", "broker": "paper", "state": "ready", "session": "up"}
_READY_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Every worker serves and every broker behind one answers.",
        "content": {"application/json": {"example": {"status": "ready", "instances": [_READY_INSTANCE]}}},
    },
    503: {
        "description": "Some do not; `reasons` says which and why.",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}


def router(access: Access, instances: Sequence[Instance], metrics: Metrics) -> APIRouter:
    """/livez, /readyz, /health and /metrics."""
    # Each has its own: who scrapes must not age what /readyz tells.
    readiness, watched = Readiness(instances), Readiness(instances)
    made = APIRouter(tags=["ops"])

    @made.get("/livez", summary="Is the front alive?", responses=_ALIVE_ANSWER)
    @made.get("/health", summary="Is the front alive? (as the Futu gateway has it)", responses=_ALIVE_ANSWER)
    async def alive() -> Response:
        return Response(_ALIVE, 200, _NO_STORE, "application/json")

    @made.get("/readyz", summary="Does every instance serve?", responses=_READY_ANSWERS)
    async def ready(request: Request) -> Response:
        name = _namer(access, request)
        standings = await readiness.standings()
        reasons = [standing.to_map(name(standing.instance)) for standing in standings if standing.code]
        if reasons:
            detail = f"{len(reasons)} of {len(standings)} instances do not serve"
            return problems.response(503, "unavailable", detail, _NO_STORE, reasons=reasons)
        shown = [standing.to_map(name(standing.instance)) for standing in standings]
        return JSONResponse({"status": "ready", "instances": shown}, 200, _NO_STORE)

    @made.get("/metrics", summary="Counts and latencies for Prometheus.", response_class=Response)
    async def scrape(request: Request) -> Response:
        standings = await watched.standings()
        return Response(metrics.text(_namer(access, request), standings), 200, _NO_STORE, CONTENT_TYPE_LATEST)

    return made


def _namer(access: Access, request: Request) -> Any:
    sees = access.sees_ids(request.scope)

    def name(instance: Instance) -> str:
        return instance.id if sees else instance.alias

    return name
