"""`infinitas dev|worker|scheduler|archiver`: the processes."""

from collections.abc import Callable
from typing import Any

import click

from infinitas.cli.context import configured_app, settings
from infinitas.runtime.logging import set_up_logging
from infinitas.runtime.process import run_until_signal

_LEVELS = click.Choice(["debug", "info", "warning", "error"])
app_argument = click.argument("path", required=False, metavar="[MODULE:APP]")


def queues_option(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "Only these queues, separated by commas."
    return click.option("-q", "--queues", callback=_split, metavar="A,B", help=text)(command)


def _split(_ctx: click.Context, _param: click.Parameter, value: str | None) -> list[str] | None:
    return [name.strip() for name in value.split(",") if name.strip()] if value else None


@click.command()
@app_argument
@click.option("-c", "--concurrency", type=int, help="Jobs at once. Default: 10.")
@queues_option
@click.option("-l", "--log-level", type=_LEVELS)
@click.pass_context
def worker(
    ctx: click.Context,
    path: str | None,
    concurrency: int | None,
    queues: list[str] | None,
    log_level: str | None,
) -> None:
    """Run jobs. `infinitas worker ls` lists the workers that do.

    Ctrl-C or SIGTERM: take no more, let running jobs finish. A second one hands them back.
    """
    from infinitas.worker.process import Worker

    app = configured_app(ctx, path, concurrency=concurrency, log_level=log_level)
    set_up_logging(app.settings.log_level)
    run_until_signal(Worker(app, queues).run)


@click.command()
@queues_option
@click.pass_context
def scheduler(ctx: click.Context, queues: list[str] | None) -> None:
    """Fire due schedules. Run as many as you like: no slot fires twice."""
    from infinitas.scheduler.process import run_scheduler

    found = settings(ctx)
    set_up_logging(found.log_level)
    run_until_signal(lambda stop: run_scheduler(found, queues, stop))


@click.command()
@queues_option
@click.pass_context
def archiver(ctx: click.Context, queues: list[str] | None) -> None:
    """Record history in Postgres."""
    from infinitas.archiver.process import run_archiver

    found = settings(ctx)
    set_up_logging(found.log_level)
    run_until_signal(lambda stop: run_archiver(found, queues, stop))


@click.command()
@app_argument
@click.option("-c", "--concurrency", type=int, help="Jobs at once. Default: 10.")
@click.pass_context
def dev(ctx: click.Context, path: str | None, concurrency: int | None) -> None:
    """Everything in one process, on embedded servers, with the jobs flowing by.

    Servers that are configured (INFINITAS_REDIS_URL, INFINITAS_POSTGRES_URL, infinitas.toml) are
    used in place of the embedded ones.
    """
    from infinitas.cli.dev import run_dev

    app = configured_app(ctx, path, concurrency=concurrency)
    set_up_logging("warning" if app.settings.log_level == "info" else app.settings.log_level)
    run_dev(app)
