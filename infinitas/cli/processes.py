"""`infinitas dev|worker|scheduler|archiver|notifier`: the processes."""

import logging
import os
import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

import click

from infinitas.app.app import Infinitas
from infinitas.broker.events import ARCHIVER, NOTIFIER, PINGS
from infinitas.cli.context import (
    ask_redis,
    configured_app,
    log_options,
    output_option,
    print_error,
    settings,
)
from infinitas.cli.forget import forget_readers, print_forgotten
from infinitas.core.errors import ConfigError, InfinitasError
from infinitas.runtime.config import Settings
from infinitas.runtime.logging import set_up_logging
from infinitas.runtime.signals import StopSignal, run_until_signal

app_argument = click.argument("path", required=False, metavar="[MODULE:APP]")


def queues_option(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "Only these queues, separated by commas."
    return click.option("-q", "--queues", callback=_split, metavar="A,B", help=text)(command)


def _split(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[str] | None:
    return [name.strip() for name in value.split(",") if name.strip()] if value else None


@click.command()
@app_argument
@click.option("-c", "--concurrency", type=int, help="Jobs at once in each process. Default: 10.")
@queues_option
@click.option(
    "-p",
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    help="Processes, under a supervisor.",
)
@click.option("--reload", is_flag=True, help="Restart when a Python file in this folder changes.")
@click.option("--burst", is_flag=True, help="Stop when there is nothing left to do.")
@click.option("--max-jobs", type=click.IntRange(1), help="Stop after this many jobs (with -p: restart).")
@log_options
@click.pass_context
def worker(
    ctx: click.Context,
    path: str | None,
    concurrency: int | None,
    queues: list[str] | None,
    processes: int,
    reload: bool,
    burst: bool,
    max_jobs: int | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Run jobs. `infinitas worker ls` lists the workers that do, `infinitas worker drain ID` stops one.

    Ctrl-C or SIGTERM: take no more, let running jobs finish. A second one hands them back.
    SIGHUP: the same, then start afresh. SIGUSR1: print what every thread and job is doing.
    """
    if processes > 1 or reload:
        if burst:
            raise click.UsageError("--burst is for one process: leave out --processes and --reload.")
        found = settings(ctx, log_level=log_level, log_format=log_format)
        if found.server is not None:
            raise ConfigError("--processes and --reload are for workers beside Redis: start several workers.")
        set_up_logging(found.log_level, found.log_format)
        _supervise(ctx, found, processes, os.getcwd() if reload else None)
    app = configured_app(ctx, path, concurrency=concurrency, log_level=log_level, log_format=log_format)
    set_up_logging(app.settings.log_level, app.settings.log_format)
    _work(app, queues, burst, max_jobs)


def _work(app: Infinitas, queues: list[str] | None, burst: bool, max_jobs: int | None) -> None:
    from infinitas.worker.worker import Worker

    running = Worker(app.registry, app.settings, queues, burst=burst, max_jobs=max_jobs, interrupts=True)

    async def main(stop: StopSignal) -> None:
        try:
            await running.run(stop)
        except InfinitasError as error:
            if running.abandoned:
                end_now(code=print_error(error))
            raise
        if running.abandoned:
            # Code that could not be stopped, in a thread or in the loop, must not keep this process.
            end_now(stop.restart)

    if run_until_signal(main):
        end_now(restart=True)


def end_now(restart: bool = False, code: int = 0) -> None:
    """Without waiting for threads or tasks; a restart begins in this same process."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if restart:
        os.execv(sys.executable, [sys.executable, "-m", "infinitas", *sys.argv[1:]])
    os._exit(code)


def _supervise(ctx: click.Context, found: Settings, processes: int, reload: str | None) -> None:
    from infinitas.worker.supervisor import Supervisor, child_command

    if reload:
        try:
            import watchfiles  # noqa: F401
        except ImportError:
            raise ConfigError("--reload needs watchfiles: pip install 'infinitas[reload]'.") from None
    command = child_command(_without_supervision(sys.argv[1:]))
    code = 0

    async def run(stop: StopSignal) -> None:
        nonlocal code
        code = await Supervisor(found, command, processes, reload).run(stop)

    run_until_signal(run)
    ctx.exit(code)


def _without_supervision(arguments: list[str]) -> list[str]:
    """The same command for one process."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip or argument == "--reload" or argument.startswith("--processes="):
            skip = False
        elif argument in ("-p", "--processes"):
            skip = True
        elif not (argument.startswith("-p") and argument[2:].isdigit()):
            kept.append(argument)
    return kept


@click.command()
@queues_option
@log_options
@click.pass_context
def scheduler(
    ctx: click.Context, queues: list[str] | None, log_level: str | None, log_format: str | None
) -> None:
    """Fire due schedules, rescue jobs of dead workers. Any number may run: no slot fires twice."""
    from infinitas.scheduler.scheduler import run_scheduler

    found = settings(ctx, log_level=log_level, log_format=log_format)
    _run(found, lambda stop: run_scheduler(found, queues, stop))


@click.command()
@queues_option
@click.option(
    "--forget", is_flag=True, help="Remove the archiver from Redis, so that old events are dropped again."
)
@output_option
@log_options
@click.pass_context
def archiver(
    ctx: click.Context,
    queues: list[str] | None,
    forget: bool,
    output: str | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Record history in Postgres.

    Redis keeps each event until an archiver that was there once has recorded it. Where none is to come back,
    `--forget` ends that, after the last archiver was stopped.
    """
    if forget:
        forgotten = ask_redis(ctx, lambda client: forget_readers(client.connection, queues, ARCHIVER))
        print_forgotten(forgotten, output, ARCHIVER)
        return
    if output is not None:
        raise click.UsageError("-o is for --forget: an archiver that runs prints its log.")
    from infinitas.archiver.archiver import run_archiver

    found = settings(ctx, log_level=log_level, log_format=log_format)
    _run(found, lambda stop: run_archiver(found, queues, stop))


@click.command()
@queues_option
@click.option(
    "--forget", is_flag=True, help="Remove the notifier from Redis, so that old events are dropped again."
)
@output_option
@log_options
@click.pass_context
def notifier(
    ctx: click.Context,
    queues: list[str] | None,
    forget: bool,
    output: str | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Notify people of failures, missed slots, dead workers. Any number may run.

    Incidents are stored in Postgres: `infinitas incident ls` lists them. Redis keeps each event until a
    notifier that was there once has read it; where none is to come back, `--forget` ends that.
    """
    if forget:
        forgotten = ask_redis(ctx, lambda client: forget_readers(client.connection, queues, NOTIFIER, PINGS))
        print_forgotten(forgotten, output, NOTIFIER)
        return
    if output is not None:
        raise click.UsageError("-o is for --forget: a notifier that runs prints its log.")
    _require("httpcore", "notifier")
    from infinitas.notifier.notifier import run_notifier

    found = settings(ctx, log_level=log_level, log_format=log_format)
    plugins = configured_app(ctx, None).registry.plugins if ctx.obj["app"] else None
    _run(found, lambda stop: run_notifier(found, queues, stop, plugins))


def _require(package: str, extra: str) -> None:
    """Raise ConfigError: a package of an extra is not installed. Before imports that name a part of it."""
    if find_spec(package) is None:
        raise ConfigError(f"This command needs the package {package}: pip install 'infinitas[{extra}]'.")


def _run(found: Settings, main: Callable[[StopSignal], Awaitable[None]]) -> None:
    set_up_logging(found.log_level, found.log_format)
    if run_until_signal(main):
        end_now(restart=True)


@click.command()
@app_argument
@click.option("-c", "--concurrency", type=int, help="Jobs at once. Default: 10.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The server's. Default: 3000 or, if taken, a free one."
)
@log_options
@click.pass_context
def dev(
    ctx: click.Context,
    path: str | None,
    concurrency: int | None,
    port: int | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Run everything in one process, with its own Redis and Postgres; prints each job and its log.

    Servers that are configured (INFINITAS_REDIS_URL, INFINITAS_POSTGRES_URL, infinitas.toml) are
    used in place of the embedded ones.
    """
    _require("httpcore", "embedded")
    from infinitas.cli.dev import run_dev, server_port

    found = server_port(port)
    app = configured_app(ctx, path, concurrency=concurrency, log_level=log_level, log_format=log_format)
    set_up_logging(app.settings.log_level, app.settings.log_format)
    run_dev(app, found)
