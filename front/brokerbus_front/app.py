"""The whole application: httptrading's API and /v1, and FastAPI behind them for the rest."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.types import ASGIApp

from brokerbus_front import docs, openapi, ops, problems
from brokerbus_front.access import Access
from brokerbus_front.httptrading import Httptrading
from brokerbus_front.instances import Instance
from brokerbus_front.metrics import Metrics
from brokerbus_front.v1.surface import V1


def build(instances: Sequence[Instance], metrics: Metrics) -> ASGIApp:
    """The ASGI application that serves these instances."""
    access = Access(instances)
    rest = documented(access, instances, metrics)
    return Httptrading(instances, access, metrics, V1(instances, access, metrics, rest))


def documented(access: Access, instances: Sequence[Instance], metrics: Metrics) -> FastAPI:
    """What FastAPI itself answers."""
    app = FastAPI(title="brokerbus", docs_url=None, redoc_url=None, redirect_slashes=False)
    problems.install(app)
    openapi.install(app)
    app.include_router(ops.router(access, instances, metrics))
    app.include_router(docs.router())
    return app
