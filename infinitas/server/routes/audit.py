"""`/audit`: changes made through a server, with their reasons."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import BaseModel, JsonValue
from pydantic_core import from_json

from infinitas.core.errors import ConfigError
from infinitas.core.records import AuditEntry, AuditFilter
from infinitas.server.auth import MayRead
from infinitas.server.dependencies import ClientOf
from infinitas.wire.values import Instant, Name, Text

router = APIRouter(tags=["system"])


class AuditView(BaseModel):
    """A change; `changes` has each changed field with its value before and after."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    reason: str
    origin: str
    changes: dict[str, tuple[JsonValue, JsonValue]] | None

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls.model_validate({**asdict(entry), "changes": _changes(entry.changes)})


class AuditPage(BaseModel):
    """`next` is the `before` of the next page; null on the last."""

    items: list[AuditView]
    next: int | None


@router.get("/audit")
async def list_audit(
    client: ClientOf,
    _: MayRead,
    target: Name | None = None,
    actor: Name | None = None,
    action: Name | None = None,
    since: Instant | None = None,
    q: Annotated[Text | None, Query(max_length=200)] = None,
    before: Annotated[int | None, Query(ge=1, lt=1 << 62)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> AuditPage:
    """Changes made through a server, newest first; they are stored in Postgres. `q` searches their texts."""
    if client.archive is None:
        raise ConfigError("The audit is stored in Postgres; set INFINITAS_POSTGRES_URL to have one.")
    wanted = AuditFilter(target=target, actor=actor, action=action, since=since, q=q)
    found = await client.archive.audit.page(wanted, before, limit)
    following = found[-1].id if len(found) == limit else None
    return AuditPage(items=[AuditView.of(entry) for entry in found], next=following)


def _changes(text: str | None) -> object:
    """None also for what no server has written."""
    try:
        found = from_json(text or "null")
    except ValueError:
        return None
    pairs = isinstance(found, dict) and all(isinstance(v, list) and len(v) == 2 for v in found.values())
    return found if pairs else None
