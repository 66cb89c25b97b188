"""`infinitas archiver --forget` and `notifier --forget`: Redis stops keeping events for it."""

from collections.abc import Sequence

import click

from infinitas.broker.connection import Connection
from infinitas.broker.events import EventStream
from infinitas.broker.inspect.queues import list_queues
from infinitas.cli.output import print_json


async def forget_reader(connection: Connection, queues: Sequence[str] | None, reader: str) -> list[str]:
    """Returns the queues that kept events for this reader."""
    found = sorted(queues or await list_queues(connection))
    return [queue for queue in found if await EventStream(connection, queue, reader).forget()]


def print_forgotten(queues: list[str], output: str | None, reader: str) -> None:
    if output == "json":
        print_json({"forgotten": queues})
    elif queues:
        click.echo(f"The {reader} is forgotten; old events are dropped again in: {', '.join(queues)}")
    else:
        click.echo(f"There was no {reader} to forget.")
