"""Keeps who changed what through the server, and why."""

from fastapi import Request
from pydantic_core import from_json

from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken
from infinitas.core.text import clean

WHY = "x-reason"
MAX_WHY_CHARS = 500
QUEUE = "default"


async def record(client: RedisClient, request: Request, token: AccessToken, why: str) -> None:
    """Keep that a request has changed something. Raises ServerUnreachable."""
    values = request.path_params
    target = str(next(iter(values.values()), ""))
    await (await client.broker(QUEUE)).audit(
        what=request.scope["route"].name,
        who=token.name,
        target=target,
        why=why,
        origin=request.client.host if request.client else "",
    )


async def reason_of(request: Request) -> str:
    """The reason in the body, or in the header `X-Reason`."""
    why = request.headers.get(WHY, "")
    try:
        body = from_json(await request.body())
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("reason"), str):
        why = body["reason"]
    return clean(why)[:MAX_WHY_CHARS]
