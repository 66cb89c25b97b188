"""Shared by all commands: the app, the settings, a client, exit codes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from infinitas.app.app import Infinitas
from infinitas.cli.app_path import load_app
from infinitas.client.interface import Client
from infinitas.client.names import by_name
from infinitas.client.open import open_client
from infinitas.client.redis_client import RedisClient
from infinitas.core.errors import (
    BadApp,
    ConfigError,
    InfinitasError,
    NameTaken,
    NotInTime,
    ServerUnreachable,
    UnknownChannel,
    UnknownDelivery,
    UnknownIncident,
    UnknownJob,
    UnknownMute,
    UnknownQueue,
    UnknownRule,
    UnknownSchedule,
    UnknownTask,
    UnknownToken,
    UnknownWorker,
    UnsafeBroker,
)
from infinitas.core.namespace import Namespace
from infinitas.devservers.urls import fill_urls
from infinitas.runtime.config import Settings, load_settings

T = TypeVar("T")
ERROR, USAGE, AMISS, NOT_IN_TIME, NOT_FOUND, UNREACHABLE = 1, 2, 3, 4, 5, 6
EXIT_CODES = {
    ConfigError.code: USAGE,
    BadApp.code: USAGE,
    NameTaken.code: USAGE,
    UnknownTask.code: NOT_FOUND,
    UnknownJob.code: NOT_FOUND,
    UnknownSchedule.code: NOT_FOUND,
    UnknownToken.code: NOT_FOUND,
    UnknownIncident.code: NOT_FOUND,
    UnknownMute.code: NOT_FOUND,
    UnknownRule.code: NOT_FOUND,
    UnknownChannel.code: NOT_FOUND,
    UnknownDelivery.code: NOT_FOUND,
    UnknownWorker.code: NOT_FOUND,
    UnknownQueue.code: NOT_FOUND,
    ServerUnreachable.code: UNREACHABLE,
    NotInTime.code: NOT_IN_TIME,
    UnsafeBroker.code: ERROR,
}

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default=None,
    help="Default: a table on a terminal, else plain columns.",
)


def print_error(error: InfinitasError) -> int:
    """Print an error with its code, as JSON where the process logs as JSON. Returns the exit code for it."""
    from infinitas.runtime.logging import get_logger, logs_as_json

    if logs_as_json():
        get_logger("cli").critical("%s (%s)", error, error.code)
    else:
        click.echo(f"infinitas: {error}\n  [{error.code}]", err=True)
    return EXIT_CODES.get(error.code, ERROR)


def configured_app(ctx: click.Context, path: str | None, **arguments: object) -> Infinitas:
    """The app, with the command line's settings over its own."""
    return load_app(path or ctx.obj["app"] or load_settings().app).configure(**urls(ctx), **arguments)


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--log-level` and `--log-format`, which every process has."""
    levels, formats = click.Choice(["debug", "info", "warning", "error"]), click.Choice(["text", "json"])
    level = click.option("-l", "--log-level", type=levels, help="Default: info.")
    return level(click.option("--log-format", type=formats, help="Default: text.")(command))


def urls(ctx: click.Context) -> dict[str, object]:
    return {name: ctx.obj[name] for name in ("redis_url", "postgres_url")}


def settings(ctx: click.Context, **arguments: object) -> Settings:
    """Settings for commands that need no app (with one, the app's own arguments count)."""
    if ctx.obj["app"]:
        return configured_app(ctx, None, **arguments).settings
    return fill_urls(load_settings({**urls(ctx), **arguments}))


def ask_redis(ctx: click.Context, question: Callable[[RedisClient], Awaitable[T]]) -> T:
    """`ask`, for commands that work on Redis itself. Raises ConfigError: a server is configured."""

    async def put(client: Client) -> T:
        if not isinstance(client, RedisClient):
            raise ConfigError("This command works on Redis itself: run it without a server setting.")
        return await question(client)

    return ask(ctx, put)


def ask_by_name(ctx: click.Context, name: str, question: Callable[[Client, str], Awaitable[T]]) -> T:
    """`ask` about a task or schedule. With an app, or the setting `app_name`, its short names are known."""
    namespace = Namespace(settings(ctx).app_name)
    return ask(ctx, lambda client: by_name(namespace, name, lambda full: question(client, full)))


def ask_of_task(
    ctx: click.Context, task: str | None, question: Callable[[Client, str | None], Awaitable[list[T]]]
) -> list[T]:
    """`ask` for a list, of one task or all; the first of the names that `task` may have which finds some."""
    names = Namespace(settings(ctx).app_name).meanings(task) if task is not None else (None,)

    async def find(client: Client) -> list[T]:
        for name in names:
            if found := await question(client, name):
                return found
        return []

    return ask(ctx, find)


def ask(ctx: click.Context, question: Callable[[Client], Awaitable[T]]) -> T:
    """Open a client, run `question` with it, close it."""

    async def run() -> Any:
        found = settings(ctx)
        client = open_client(found)
        try:
            return await question(client)
        finally:
            await client.close()

    answer: T = asyncio.run(run())
    return answer
