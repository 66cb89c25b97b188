"""The HTTP API as an ASGI app; its OpenAPI description is at `/api/v1/openapi.json`."""

from importlib.metadata import version

from fastapi import FastAPI

from infinitas.client.redis_client import RedisClient
from infinitas.server import problems
from infinitas.server.body_limit import BodyLimit
from infinitas.server.page import routes as page
from infinitas.server.problems import Problem
from infinitas.server.rate_limit import RateLimit
from infinitas.server.routes import (
    audit,
    jobs,
    login,
    logs,
    metrics,
    schedules,
    statistics,
    system,
    tasks,
    timeline,
    tokens,
)
from infinitas.server.shared_reads import SharedReads
from infinitas.server.websocket import routes as websocket
from infinitas.server.websocket.gateway import Gateway
from infinitas.wire.paths import PREFIX

RATE = 500.0


def make_api(client: RedisClient, gateway: Gateway, *, local: bool = False, rate: float = RATE) -> FastAPI:
    """The API over one client and one gateway, which the caller closes.

    Args:
        local: only this machine can reach it; only then it works without any token.
        rate: requests a second that each token may make; 0: no limit.
    """
    api = FastAPI(
        title="Infinitas",
        version=version("infinitas"),
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses={
            status: {"model": Problem, "content": {problems.MEDIA_TYPE: {}}}
            for status in (400, 401, 403, 404, 409, 412, 413, 422, 429, 503)
        },
    )
    api.state.client = client
    api.state.reads = SharedReads()
    api.state.gateway = gateway
    api.state.local = local
    api.state.rate_limit = RateLimit(rate)
    problems.install(api)
    api.add_middleware(BodyLimit)
    # Logs before jobs, whose `/{id}` also matches `/{id}/logs`.
    for router in (logs, tasks, schedules, jobs, timeline, statistics, audit, login, tokens, system):
        api.include_router(router.router, prefix=PREFIX)
    api.include_router(websocket.router, prefix=PREFIX)
    api.include_router(metrics.router)
    api.include_router(system.probes)
    api.include_router(page.router)
    return api
