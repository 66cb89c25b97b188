"""`infinitas archiver --forget`: Redis stops keeping events for an archiver."""

from collections.abc import Sequence

import click

from infinitas.broker.connection import Connection
from infinitas.broker.events import ARCHIVER, EventStream
from infinitas.broker.inspect.queues import list_queues
from infinitas.cli.output import print_json


async def forget_archiver(connection: Connection, queues: Sequence[str] | None) -> list[str]:
    """Returns the queues that kept events for an archiver."""
    found = sorted(queues or await list_queues(connection))
    return [queue for queue in found if await EventStream(connection, queue, ARCHIVER).forget()]


def print_forgotten(queues: list[str], output: str | None) -> None:
    if output == "json":
        print_json({"forgotten": queues})
    elif queues:
        click.echo(f"The archiver is forgotten; old events are dropped again in: {', '.join(queues)}")
    else:
        click.echo("There was no archiver to forget.")
