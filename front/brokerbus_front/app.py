"""The whole application: FastAPI with the documented routes, and httptrading's API ahead of it."""

from collections.abc import Sequence

from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from brokerbus_front import docs, openapi, ops, problems
from brokerbus_front.access import Access
from brokerbus_front.httptrading import Httptrading
from brokerbus_front.instances import Instance
from brokerbus_front.metrics import Metrics
from brokerbus_front.readiness import Readiness

_ALL_VERBS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build(instances: Sequence[Instance], metrics: Metrics) -> ASGIApp:
    """The ASGI application that serves these instances."""
    access = Access(instances)
    return Httptrading(instances, access, metrics, documented(access, Readiness(instances), metrics))


def documented(access: Access, readiness: Readiness, metrics: Metrics) -> FastAPI:
    """What FastAPI itself answers."""
    app = FastAPI(title="brokerbus", docs_url=None, redoc_url=None, redirect_slashes=False)
    problems.install(app)
    openapi.install(app)
    app.include_router(ops.router(access, readiness, metrics))
    app.include_router(docs.router())

    def bearer(request: Request) -> None:
        """To a caller without a valid token, every path under /v1 looks the same."""
        if not access.bearer(request.scope).instances:
            raise HTTPException(401, "expected Authorization: Bearer", {"WWW-Authenticate": "Bearer"})

    @app.api_route("/v1/{path:path}", methods=_ALL_VERBS, include_in_schema=False, dependencies=[Depends(bearer)])
    @app.api_route("/v1", methods=_ALL_VERBS, include_in_schema=False, dependencies=[Depends(bearer)])
    async def unknown() -> None:
        raise HTTPException(404, "no such path")

    return app
