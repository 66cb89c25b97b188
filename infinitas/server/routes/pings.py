"""`/ping/TOKEN`: runs that other hosts report; `/pings`: the external tasks that they belong to."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from infinitas.core.access import digest_of
from infinitas.core.ping_report import read_report
from infinitas.core.task_definition import TaskDefinition
from infinitas.server.audit_trail import note
from infinitas.server.auth import NO_TOKEN_NEEDED, MayChangeTasks, MayRead
from infinitas.server.dependencies import ClientOf
from infinitas.wire.pings import ExternalTaskView, NewExternalTask, PingAddress, PingView
from infinitas.wire.values import Name, Text

router = APIRouter(prefix="/pings", tags=["pings"])
"""Not idempotent by a key: that would store the response, which has the token."""
pings = APIRouter(prefix="/ping", tags=["pings"])
RATE = 5.0
"""Pings a second of one token."""

Rid = Annotated[Text, Query(max_length=100, description="Names the run, where several may overlap.")]
Duration = Annotated[float | None, Query(ge=0, le=10**9, description="Seconds that the run took.")]


async def _receive(
    request: Request, client: ClientOf, token: Text, what: str, rid: str, duration: float | None
) -> PingView:
    # Tokens that are guessed count for the address that they come from.
    request.app.state.rate_limit.take(f"pings of {request.client.host if request.client else ''}")
    request.app.state.ping_limit.take(digest_of(token))
    found = await client.external.token(token)
    report = read_report(what, await request.body(), duration)
    answer = await client.external.ping(found, report, rid)
    return PingView.model_validate({"result": answer.result, "job": answer.job, "state": answer.state})


async def ping(
    token: Text, request: Request, client: ClientOf, rid: Rid = "", duration: Duration = None
) -> PingView:
    """A run has succeeded; it began with `/start`, or now. No `Authorization`: the address has the token."""
    return await _receive(request, client, token, "", rid, duration)


async def ping_what(
    token: Text, what: Text, request: Request, client: ClientOf, rid: Rid = "", duration: Duration = None
) -> PingView:
    """`what`: start, fail, log, or an exit code. The body, up to its last 10 kB, is the run's log."""
    return await _receive(request, client, token, what, rid, duration)


for _path, _handler in (("/{token}", ping), ("/{token}/{what}", ping_what)):
    for _method in ("GET", "POST"):
        pings.add_api_route(
            _path,
            _handler,
            methods=[_method],
            name=f"{_handler.__name__}_{_method.lower()}",
            openapi_extra=NO_TOKEN_NEEDED,
        )
    pings.add_api_route(_path, _handler, methods=["HEAD"], include_in_schema=False)


@router.get("")
async def list_external_tasks(client: ClientOf, _: MayRead) -> list[ExternalTaskView]:
    """All external tasks, by name, without their tokens."""
    return [ExternalTaskView.of(each) for each in await client.external.all(await client.tasks())]


@router.post("", status_code=201)
async def add_external_task(
    body: NewExternalTask, client: ClientOf, _: MayChangeTasks, request: Request
) -> PingAddress:
    """Make an external task. The response has its ping address, this once."""
    task = TaskDefinition(name=body.name, external=True, timeout=body.timeout, monitor=body.monitor)
    made, token = await client.external.add(task, body.rule(), body.options())
    note(request, target=body.name, after=ExternalTaskView.of(made))
    return PingAddress.of(body.name, token)


@router.post("/{name:path}/rotate")
async def rotate_ping_token(name: Name, client: ClientOf, _: MayChangeTasks) -> PingAddress:
    """Give an external task a new ping address; the old one ends at once."""
    return PingAddress.of(name, await client.external.rotate(name))


@router.delete("/{name:path}", status_code=204)
async def remove_external_task(name: Name, client: ClientOf, _: MayChangeTasks) -> None:
    """Remove an external task with its schedule and address, and cancel what waits. History stays."""
    await client.external.remove(name)
