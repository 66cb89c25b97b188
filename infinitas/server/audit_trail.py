"""The audit trail: each change through the server, with its token, reason and origin."""

import time
from collections.abc import Collection
from ipaddress import ip_address

from fastapi import HTTPException, Request
from fastapi.requests import HTTPConnection
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from infinitas.broker.intents import QUEUE, Intents
from infinitas.client.redis_client import RedisClient
from infinitas.core.access import AccessToken
from infinitas.core.changes import changes
from infinitas.core.errors import Forbidden, Refused
from infinitas.core.names import MAX_REASON_CHARS
from infinitas.core.text import clean
from infinitas.runtime.masking import mask_text
from infinitas.server.refusals import Refusals

REASON_HEADER = "x-reason"
SWEEP_EVERY_S = 60.0


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


def note_done(request: Request, **done: object) -> None:
    """Add to the record of this request what it has made or ended; also if it is refused in the end."""
    request.state.changes = {name: [None, value] for name, value in done.items()}
    request.state.done = True


def note_dry_run(request: Request) -> None:
    """This request changes nothing: it has no record."""
    request.state.dry_run = True


class Trail:
    """The record of one request, from before it changes anything. All methods raise ServerUnreachable."""

    def __init__(self, client: RedisClient, request: Request, token: AccessToken, reason: str) -> None:
        self._client = client
        self._intents = Intents(client.connection)
        self._request = request
        self._id = ""
        values = request.path_params
        self._facts = {
            "action": request.scope["route"].name,
            "actor": token.name,
            "target": str(next(iter(values.values()), "")),
            "reason": reason,
            "origin": origin_of(request),
        }

    async def begin(self) -> None:
        """Store what is about to happen; if this server ends before `end`, another one records it."""
        await self._sweep()
        self._id = await self._intents.add(self._facts)

    async def end(self, error: Exception | None = None) -> None:
        """Record what has happened. A request that was refused has changed nothing."""
        state = self._request.state
        refused = isinstance(error, (Refused, HTTPException)) and not getattr(state, "done", False)
        if refused or getattr(state, "dry_run", False):
            await self._intents.drop(self._id)
            return
        found = getattr(state, "changes", None)
        if error is not None:
            found = {**(found or {}), "outcome": [None, getattr(error, "code", "error")]}
        target = getattr(state, "target", None) or self._facts["target"]
        await write(self._client, changes=found, intent=self._id, **{**self._facts, "target": target})

    async def _sweep(self) -> None:
        """Once a minute, record the requests that were cut off."""
        state = self._request.app.state
        if time.monotonic() < getattr(state, "next_sweep", 0.0):
            return
        state.next_sweep = time.monotonic() + SWEEP_EVERY_S
        await record_cut_off(self._client)


async def record_cut_off(client: RedisClient) -> None:
    """Record the changes of servers that ended before they could. Raises ServerUnreachable."""
    for id, facts in await Intents(client.connection).cut_off():
        await write(client, changes={"outcome": [None, "cut_off"]}, intent=id, was_cut_off=True, **facts)


async def note_refusal(
    connection: HTTPConnection, client: RedisClient, token: AccessToken, action: str, target: str
) -> None:
    """Count that a valid token lacks a right, and record it if that is news. Raises ServerUnreachable."""
    refusals: Refusals = connection.app.state.refusals
    origin = origin_of(connection)
    refusals.count(Forbidden.code, origin)
    if refusals.is_news(token.id, action):
        refused = {"outcome": [None, Forbidden.code]}
        await write(client, action=action, actor=token.name, target=target, origin=origin, changes=refused)


async def write(
    client: RedisClient,
    *,
    action: str,
    actor: str,
    target: str,
    reason: str = "",
    origin: str = "",
    changes: object = None,
    intent: str = "",
    was_cut_off: bool = False,
) -> None:
    """One entry; `intent`, `was_cut_off`: as `QueueBroker.audit`. Raises ServerUnreachable."""
    await (await client.broker(QUEUE)).audit(
        action=action,
        actor=actor,
        target=target,
        reason=reason,
        origin=origin,
        changes=to_json(changes).decode() if changes else "",
        intent=intent,
        was_cut_off=was_cut_off,
    )


def origin_of(request: HTTPConnection) -> str:
    """The caller's address; empty for what is none, since a proxy may pass on any text."""
    try:
        return str(ip_address(request.client.host)) if request.client else ""
    except ValueError:
        return ""


async def reason_of(request: Request) -> str:
    """The reason in the body, or in the header `X-Reason`."""
    reason = request.headers.get(REASON_HEADER, "")
    try:
        body = from_json(await request.body())
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("reason"), str):
        reason = body["reason"]
    # A token or a password that was pasted there stays out of the audit.
    return mask_text(clean(reason))[:MAX_REASON_CHARS]
