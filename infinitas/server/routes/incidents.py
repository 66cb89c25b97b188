"""`/incidents`, `/mutes` and `/notify-rules`: what is wrong, and which channels are notified."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from infinitas.core.incident import IncidentFilter, IncidentKind
from infinitas.core.notify_rules import Mute
from infinitas.server.audit_trail import note
from infinitas.server.auth import MayAdminister, MayChangeTasks, MayRead
from infinitas.server.dependencies import ClientOf
from infinitas.wire.incidents import (
    IncidentPage,
    IncidentView,
    MuteBody,
    ReasonBody,
    RuleBody,
    RuleView,
)
from infinitas.wire.values import Name

router = APIRouter(tags=["incidents"])


@router.get("/incidents")
async def list_incidents(
    client: ClientOf,
    _: MayRead,
    open: bool | None = None,
    task: Name | None = None,
    kind: IncidentKind | None = None,
    before: Name | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> IncidentPage:
    """Incidents, the newest first; `open`: only those that are, or only those that are over."""
    wanted = IncidentFilter(open=open, task=task, kind=kind)
    items = await client.incidents.page(wanted, before, limit)
    return IncidentPage(items=items, next=items[-1].id if len(items) == limit else None)


@router.get("/incidents/{id}")
async def get_incident(id: Name, client: ClientOf, _: MayRead) -> IncidentView:
    """An incident, and which channels were notified of it."""
    incident, announced = await client.incidents.find(id)
    return IncidentView(incident=incident, announced=announced)


@router.post("/incidents/{id}/acknowledge")
async def acknowledge_incident(
    id: Name, client: ClientOf, caller: MayChangeTasks, request: Request, body: ReasonBody | None = None
) -> IncidentView:
    """Take it on: no reminder follows, its recovery is sent all the same."""
    before, announced = await client.incidents.find(id)
    after = await client.incidents.acknowledge(id, caller.name)
    view = IncidentView(incident=after, announced=announced)
    note(request, before=IncidentView(incident=before, announced=announced), after=view)
    return view


@router.get("/mutes")
async def list_mutes(client: ClientOf, _: MayRead, ended: bool = False) -> list[Mute]:
    """Mutes in force, the newest first; with `ended` also those that were."""
    return await client.incidents.mutes(ended=ended)


@router.post("/mutes", status_code=201)
async def add_mute(body: MuteBody, client: ClientOf, caller: MayChangeTasks, request: Request) -> Mute:
    """Send no message about these incidents until then. They open and close all the same."""
    found = await client.incidents.mute(body.to_record(), caller.name)
    note(request, target=str(found.id), after=body)
    return found


@router.post("/mutes/{id}/end")
async def end_mute(
    id: int, client: ClientOf, _: MayChangeTasks, request: Request, body: ReasonBody | None = None
) -> Mute:
    """End a mute: messages about what is still open leave within seconds."""
    return await client.incidents.unmute(id)


@router.get("/notify-rules")
async def list_rules(client: ClientOf, request: Request, _: MayRead) -> list[RuleView]:
    """The rules of this server's infinitas.toml, then those that were made here."""
    own = [RuleView.of(rule, "file") for rule in request.app.state.notify_rules]
    return own + [RuleView.of(rule, "api") for rule in await client.incidents.rules()]


@router.put("/notify-rules/{name}")
async def put_rule(
    name: Name, body: RuleBody, client: ClientOf, caller: MayAdminister, request: Request
) -> RuleView:
    """Add a rule, or replace the one of that name; it applies to what happens from now on."""
    rule = body.named(name)
    known = {each.name: each for each in await client.incidents.rules()}
    await client.incidents.put_rule(rule, caller.name)
    before = known.get(name)
    view = RuleView.of(rule, "api")
    note(request, before=RuleView.of(before, "api") if before else None, after=view)
    return view


@router.delete("/notify-rules/{name}", status_code=204)
async def remove_rule(name: Name, client: ClientOf, _: MayAdminister) -> None:
    """Remove a rule that was made here."""
    await client.incidents.remove_rule(name)
