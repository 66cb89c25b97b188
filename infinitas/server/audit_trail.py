"""The audit trail: each change through the server, with its token, reason and origin."""

from collections.abc import Collection

from fastapi import Request
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken
from infinitas.core.changes import changes
from infinitas.core.names import MAX_REASON_CHARS
from infinitas.core.text import clean

REASON_HEADER = "x-reason"
QUEUE = "default"


def note(
    request: Request,
    *,
    target: str | None = None,
    before: BaseModel | None = None,
    after: BaseModel | None = None,
    without: Collection[str] = (),
) -> None:
    """Add to the record of this request what it has changed.

    Args:
        target: of a route that has none in its path.
        before, after: as the API shows it: None if it was not, or is no more.
        without: fields that change by themselves.
    """
    shown = [each.model_dump(mode="json", exclude=set(without)) if each else {} for each in (before, after)]
    request.state.changes = changes(*shown)
    if target is not None:
        request.state.target = target


async def record(client: RedisClient, request: Request, token: AccessToken, reason: str) -> None:
    """Record that a request has changed something. Raises ServerUnreachable."""
    values = request.path_params
    target = getattr(request.state, "target", None) or str(next(iter(values.values()), ""))
    found = getattr(request.state, "changes", None)
    await (await client.broker(QUEUE)).audit(
        action=request.scope["route"].name,
        actor=token.name,
        target=target,
        reason=reason,
        origin=request.client.host if request.client else "",
        changes=to_json(found).decode() if found else "",
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
