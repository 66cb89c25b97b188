"""The audit trail: each change through the server, with its token, reason and origin."""

from fastapi import Request
from pydantic_core import from_json

from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken
from infinitas.core.names import MAX_REASON_CHARS
from infinitas.core.text import clean

REASON_HEADER = "x-reason"
QUEUE = "default"


async def record(client: RedisClient, request: Request, token: AccessToken, reason: str) -> None:
    """Record that a request has changed something. Raises ServerUnreachable."""
    values = request.path_params
    target = str(next(iter(values.values()), ""))
    await (await client.broker(QUEUE)).audit(
        action=request.scope["route"].name,
        actor=token.name,
        target=target,
        reason=reason,
        origin=request.client.host if request.client else "",
    )


async def reason_of(request: Request) -> str:
    """The reason in the body, or in the header `X-Reason`."""
    reason = request.headers.get(REASON_HEADER, "")
    try:
        body = from_json(await request.body())
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("reason"), str):
        reason = body["reason"]
    return clean(reason)[:MAX_REASON_CHARS]
