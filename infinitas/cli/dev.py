"""`infinitas dev`: servers, scheduler, worker and archiver in one process, and a line per job."""

import asyncio
import os
import shutil
import socket
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import click

from infinitas.app.app import Infinitas
from infinitas.archiver.archiver import run_archiver
from infinitas.broker.connection import Connection
from infinitas.broker.events import EventStream
from infinitas.cli.output import moment, printable
from infinitas.core.codec import from_ms
from infinitas.core.event_kinds import EventKind
from infinitas.core.events import Event
from infinitas.core.interval import describe_ms
from infinitas.devservers.servers import EmbeddedServers
from infinitas.runtime.config import DEFAULT_REDIS, load_settings
from infinitas.runtime.loop import Loop, run_loops
from infinitas.runtime.masking import mask_url
from infinitas.runtime.signals import StopSignal, run_until_signal
from infinitas.scheduler.scheduler import run_scheduler
from infinitas.worker.worker import Worker

_MARKS: dict[str, tuple[str, str]] = {
    EventKind.JOB_SUCCEEDED: ("✓", "green"),
    EventKind.JOB_FAILED: ("✗", "red"),
    EventKind.JOB_RETRYING: ("↻", "yellow"),
    EventKind.JOB_MISSED: ("◌", "magenta"),
    EventKind.JOB_SKIPPED: ("◌", "magenta"),
    EventKind.JOB_CANCELLED: ("⊘", "magenta"),
    EventKind.JOB_LOST: ("☠", "red"),
}


def run_dev(app: Infinitas, port: int) -> None:
    """Run until Ctrl-C; the server on `port` or, if that is taken, another.

    Raises:
        EmbeddedError, ConfigError.
    """
    with ExitStack() as stack:
        own = load_settings()
        if app.settings.redis_url in (None, DEFAULT_REDIS) and own.redis_url is None:
            click.echo(f"Starting Redis and Postgres in {app.settings.data_dir}/ …")
            urls = stack.enter_context(EmbeddedServers(app.settings.data_dir))
            app.configure(redis_url=urls.redis, postgres_url=own.postgres_url or urls.postgres)
        else:
            click.echo(f"Using Redis at {mask_url(app.settings.redis_url or '')}")
        stack.callback(app.close)
        found = _server_port(port)
        _say_where(app, found)
        run_until_signal(lambda stop: _run(app, found, stop))
        click.echo("Stopped.")


async def _run(app: Infinitas, port: int | None, stop: StopSignal) -> None:
    queues = sorted({task.definition.queue for task in app.tasks.values()})
    connection = Connection(app.settings.redis_url or DEFAULT_REDIS, "dev")
    feeds = [Feed(EventStream(connection, queue, "dev")) for queue in queues]
    parts = [
        Worker(app.registry, app.settings).run(stop),
        run_scheduler(app.settings, queues, stop),
        run_loops([Loop("feed", feed.run_once) for feed in feeds], stop.requested),
    ]
    if app.settings.postgres_url:
        parts.append(run_archiver(app.settings, queues, stop))
    if port is not None:
        from infinitas.server.server import Binding, run_server

        parts.append(run_server(app.settings, Binding(port=port), stop))
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        # One part that can't start ends the others in good order.
        if not stop.requested.is_set():
            stop.request()
        await asyncio.gather(*tasks)
    finally:
        await connection.close()


class Feed:
    """Prints jobs as they end, from the same event stream that the archiver reads."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._position: str | None = None

    async def run_once(self) -> None:
        if self._position is None:
            self._position = await self._stream.newest()
        for event in await self._stream.read(self._position, count=500, block_ms=10_000):
            self._position = event.position
            if event.kind in _MARKS:
                click.echo(_line(event))


def _line(event: Event) -> str:
    mark, colour = _MARKS[event.kind]
    fields = event.fields
    started = fields.get("started")
    took = describe_ms(event.at_ms - int(started)) if started else ""
    said = fields.get("error") or fields.get("result") or fields.get("reason") or ""
    said = printable(" ".join(said.split()))
    said = said if len(said) <= 90 else f"{said[:89]}…"
    name = printable(fields["task"])
    when = moment(from_ms(event.at_ms))
    return f"{when}  {click.style(mark, fg=colour)} {name:<24} {took:>8}  {click.style(said, dim=True)}"


def _say_where(app: Infinitas, port: int | None) -> None:
    redis, postgres = app.settings.redis_url or "", app.settings.postgres_url
    command = f"redis-cli -s {redis.removeprefix('unix://')}" if redis.startswith("unix:") else "redis-cli"
    if port is not None:
        click.echo(f"\n  The page: {click.style(f'http://127.0.0.1:{port}/', bold=True)}\n")
    click.echo(f"  {len(app.tasks)} tasks: {', '.join(sorted(app.tasks))}")
    click.echo("  Look inside, from another terminal in this folder:")
    cli = _own_command()
    for line, meaning in (
        (f"{cli} task ls", "next, last and streak of every task"),
        (f"{cli} job ls", "what runs, waits, and has ended"),
        *([("scripts/inspect", "the same, from Redis alone")] if os.path.exists("scripts/inspect") else []),
        (command, "the keys themselves: docs/redis-keys.md"),
    ):
        click.echo(f"    {line:<34}  {click.style(meaning, dim=True)}")
    if port is not None:
        url = f"curl http://127.0.0.1:{port}/api/v1/tasks"
        click.echo(f"    {url}  {click.style('over HTTP: docs/http.md', dim=True)}")
    if postgres:
        click.echo(f"    psql '{postgres}'" if "host=/" in postgres else "    psql")
    click.echo("  Ctrl-C stops.\n")


def _server_port(wanted: int) -> int | None:
    """A free port, the wanted one if it is; None where the server is not installed."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        return None
    for port in (wanted, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as listening:
                return int(listening.getsockname()[1])
        except OSError:
            continue
    return None


def _own_command() -> str:
    """How to call this command from the same folder."""
    if shutil.which("infinitas"):
        return "infinitas"
    return os.path.relpath(Path(sys.executable).with_name("infinitas"))
