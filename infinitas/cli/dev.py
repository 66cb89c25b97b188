"""`infinitas dev`: servers and all processes in one, and a line per job."""

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
from infinitas.cli.feed import Feed, log_lines, print_events, show_with_jobs_alone
from infinitas.core.errors import ConfigError
from infinitas.core.plural import counted
from infinitas.devservers.servers import EmbeddedServers, Urls, running_servers
from infinitas.notifier.notifier import run_notifier
from infinitas.runtime.config import DEFAULT_REDIS, Settings, load_settings
from infinitas.runtime.logging import hide_records_of_jobs
from infinitas.runtime.loop import Loop, run_loops
from infinitas.runtime.masking import mask_url
from infinitas.runtime.signals import StopSignal, run_until_signal
from infinitas.scheduler.scheduler import run_scheduler
from infinitas.worker.worker import Worker

DEFAULT_PORT = 3000


def run_dev(app: Infinitas, port: int | None) -> None:
    """Run until Ctrl-C; the server on `port`, as `server_port` found it.

    Raises:
        EmbeddedError, ConfigError.
    """
    own = load_settings()
    _check_alone(app, own)
    with ExitStack() as stack:
        as_text = app.settings.log_format == "text"
        urls: Urls | None = None
        if app.settings.redis_url in (None, DEFAULT_REDIS) and own.redis_url is None:
            click.echo(f"Starting Redis and Postgres in {app.settings.data_dir}/ …", err=not as_text)
            urls = stack.enter_context(EmbeddedServers(app.settings.data_dir))
            app.configure(redis_url=urls.redis, postgres_url=own.postgres_url or urls.postgres)
        else:
            click.echo(f"Using Redis at {mask_url(app.settings.redis_url or '')}", err=not as_text)
        stack.callback(app.close)
        if as_text:
            _show_where(app, port, urls)
            show_with_jobs_alone()
        else:
            hide_records_of_jobs()
        run_until_signal(lambda stop: _run(app, port, stop))
        if as_text:
            click.echo("Stopped.")


def _check_alone(app: Infinitas, own: Settings) -> None:
    """Raises ConfigError: a server is configured, or another `dev` runs on this folder."""
    if app.settings.server is not None:
        raise ConfigError(
            f"`infinitas dev` runs everything here, but the setting `server` is {app.settings.server}. Unset "
            "INFINITAS_SERVER, or start a worker of that server: `infinitas worker`."
        )
    folder = app.settings.data_dir
    running = running_servers(folder) if own.redis_url is None else None
    if running is not None and app.settings.redis_url in (None, DEFAULT_REDIS, running.redis):
        raise ConfigError(
            f"Another `infinitas dev` runs on {folder.resolve()}. Stop it first, or give this one a "
            "folder of its own: INFINITAS_DATA_DIR=.infinitas-2."
        )


async def _run(app: Infinitas, port: int | None, stop: StopSignal) -> None:
    queues = sorted({task.definition.queue for task in app.tasks.values()})
    connection = Connection(app.settings.redis_url or DEFAULT_REDIS, "dev")
    show = print_events if app.settings.log_format == "text" else log_lines
    feeds = [Feed(EventStream(connection, queue, "dev"), show) for queue in queues]
    parts = [
        Worker(app.registry, app.settings).run(stop),
        run_scheduler(app.settings, queues, stop),
        run_loops([Loop("feed", feed.run_once) for feed in feeds], stop.requested),
    ]
    if app.settings.postgres_url:
        parts.append(run_archiver(app.settings, queues, stop))
        parts.append(run_notifier(app.settings, queues, stop, app.registry.plugins))
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


def _show_where(app: Infinitas, port: int | None, own: Urls | None) -> None:
    """What to look at, and how. Only the URLs of our own servers have no password."""
    redis_cli = f"redis-cli -s {own.redis.removeprefix('unix://')}" if own else "redis-cli"
    if port is not None:
        click.echo(f"\n  The page: {click.style(f'http://127.0.0.1:{port}/', bold=True)}\n")
    click.echo(f"  {counted(len(app.tasks), 'task')}: {', '.join(sorted(app.tasks))}")
    click.echo("  Look inside, from another terminal in this folder:")
    cli = _own_command()
    lines = [
        (f"{cli} task ls", "next, last and streak of every task"),
        (f"{cli} job ls", "what runs, waits, and has ended"),
    ]
    if os.path.exists("scripts/inspect"):
        lines.append(("scripts/inspect", "the same, from Redis alone"))
    lines.append((redis_cli, "the keys themselves: docs/redis-keys.md"))
    if port is not None:
        lines.append((f"curl http://127.0.0.1:{port}/api/v1/tasks", "over HTTP: docs/http.md"))
    if postgres := app.settings.postgres_url:
        lines.append(
            (
                f"psql '{postgres}'" if own and postgres == own.postgres else "psql",
                "the history: docs/postgres.md",
            )
        )
    width = max(len(line) for line, _ in lines)
    for line, meaning in lines:
        click.echo(f"    {line:<{width}}  {click.style(meaning, dim=True)}")
    click.echo("  Ctrl-C stops.\n")


def server_port(wanted: int | None) -> int | None:
    """The port of the server. None: the default one or, if that is taken, another.

    Returns None where the server is not installed.

    Raises:
        ConfigError: the wanted port can't be used. In place of the default one a free one is found.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        if wanted is not None:
            raise ConfigError("--port is for the server, which needs: pip install 'infinitas[server]'.")
        return None
    try:
        return _bindable(DEFAULT_PORT if wanted is None else wanted)
    except OSError as error:
        if wanted is not None:
            raise ConfigError(
                f"The server can't listen on 127.0.0.1:{wanted}: {error.strerror}. "
                "Choose another with --port, or leave it out for a free one."
            ) from None
    free = _bindable(0)
    click.echo(f"Port {DEFAULT_PORT} is taken: the server listens on {free}.", err=True)
    return free


def _bindable(port: int) -> int:
    """The port itself, or a free one for 0. Raises OSError: it can't be used."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        return int(listening.getsockname()[1])


def _own_command() -> str:
    """How to call this command from the same folder."""
    if shutil.which("infinitas"):
        return "infinitas"
    return os.path.relpath(Path(sys.executable).with_name("infinitas"))
