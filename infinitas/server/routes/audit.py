"""`/audit`: changes made through a server, with their reasons."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from infinitas.core.errors import ConfigError
from infinitas.core.records import AuditEntry
from infinitas.server.auth import MayRead
from infinitas.server.dependencies import ClientOf
from infinitas.wire.values import Name

router = APIRouter(tags=["system"])


class AuditPage(BaseModel):
    """`next` is the `before` of the next page; null on the last."""

    items: list[AuditEntry]
    next: int | None


@router.get("/audit")
async def list_audit(
    client: ClientOf,
    _: MayRead,
    target: Name | None = None,
    actor: Name | None = None,
    before: Annotated[int | None, Query(ge=1, lt=1 << 62)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> AuditPage:
    """Changes made through a server, newest first; they are stored in Postgres."""
    if client.archive is None:
        raise ConfigError("The audit is stored in Postgres; set INFINITAS_POSTGRES_URL to have one.")
    found = await client.archive.audit.page(target=target, actor=actor, before=before, limit=limit)
    return AuditPage(items=found, next=found[-1].id if len(found) == limit else None)
