"""The HTTP API as an ASGI app; its OpenAPI description is at `/api/v1/openapi.json`."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from infinitas.client.channel_access import ChannelAccess
from infinitas.client.redis_client import RedisClient
from infinitas.core.notify_rules import NotifyRule
from infinitas.server import problems
from infinitas.server.body_limit import BodyLimit
from infinitas.server.edge import Edge
from infinitas.server.open_access import OpenAccess
from infinitas.server.own_cookie import OwnCookie
from infinitas.server.page import routes as page
from infinitas.server.problems import Problem
from infinitas.server.rate_limit import RateLimit
from infinitas.server.refusals import Refusals
from infinitas.server.routes import (
    audit,
    channels,
    incidents,
    jobs,
    login,
    logins,
    logs,
    metrics,
    pings,
    schedules,
    sign_in,
    statistics,
    system,
    tasks,
    timeline,
    tokens,
)
from infinitas.server.shared_reads import SharedReads
from infinitas.server.streams import OpenStreams
from infinitas.server.websocket import routes as websocket
from infinitas.server.websocket.gateway import Gateway
from infinitas.wire.paths import PREFIX

if TYPE_CHECKING:
    from infinitas.server.provider import Provider

RATE = 500.0
LOGINS_A_SECOND = 5.0
"""Of each token: a login stays for 12 h."""
TOKEN = "A token of `infinitas token add`; without any token requests to localhost need none."


def make_api(
    client: RedisClient,
    gateway: Gateway,
    access: OpenAccess,
    channel_access: ChannelAccess,
    *,
    rate: float = RATE,
    notify_rules: Sequence[NotifyRule] = (),
    provider: "Provider | None" = None,
    page_url: str | None = None,
) -> FastAPI:
    """The API over one client, one gateway and the channels, which the caller closes.

    Args:
        access: whether it works without any token.
        rate: requests a second that each token may make; 0: no limit.
        notify_rules: of infinitas.toml, to be shown.
        provider: through which people sign in; the caller closes it.
        page_url: the public address of the page; None: as each request has it.
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
    api.state.channels = channel_access
    api.state.open_access = access
    api.state.notify_rules = notify_rules
    api.state.provider = provider
    api.state.page_url = page_url
    api.state.login_limit = RateLimit(LOGINS_A_SECOND)
    api.state.rate_limit = RateLimit(rate)
    api.state.ping_limit = RateLimit(min(rate, pings.RATE))
    api.state.refusals = Refusals()
    api.state.streams = OpenStreams()
    problems.install(api)
    api.add_middleware(BodyLimit)
    api.add_middleware(Edge)
    api.add_middleware(OwnCookie)
    # Logs before jobs, whose `/{id}` also matches `/{id}/logs`.
    first = (logs, tasks, schedules, jobs, timeline, statistics, audit)
    for router in (*first, incidents, channels, sign_in, login, logins, tokens, system, pings):
        api.include_router(router.router, prefix=PREFIX)
    api.include_router(pings.pings, prefix=PREFIX)
    api.include_router(websocket.router, prefix=PREFIX)
    api.include_router(metrics.router)
    api.include_router(system.probes)
    api.include_router(page.router)
    describe = api.openapi
    api.openapi = lambda: _with_security(describe())  # type: ignore[method-assign]
    return api


def _with_security(description: dict[str, Any]) -> dict[str, Any]:
    """How a generated client presents its token; routes that need none have `NO_TOKEN_NEEDED`."""
    schemes = {"token": {"type": "http", "scheme": "bearer", "description": TOKEN}}
    description.setdefault("components", {})["securitySchemes"] = schemes
    description["security"] = [{"token": []}]
    return description
