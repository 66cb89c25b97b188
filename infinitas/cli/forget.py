"""`infinitas archiver --forget` and `notifier --forget`: Redis stops keeping events for it."""

from collections.abc import Sequence

import click

from infinitas.broker.connection import Connection
from infinitas.broker.events import EventStream
from infinitas.broker.inspect.queues import list_queues
from infinitas.cli.output import print_json
from infinitas.wire.system import Forgotten


async def forget_readers(connection: Connection, queues: Sequence[str] | None, *readers: str) -> list[str]:
    """Returns the queues that kept events for one of these readers."""
    forgotten = []
    for queue in sorted(queues or await list_queues(connection)):
        known = [await EventStream(connection, queue, reader).forget() for reader in readers]
        if any(known):
            forgotten.append(queue)
    return forgotten


def print_forgotten(queues: list[str], output: str | None, reader: str) -> None:
    if output == "json":
        print_json(Forgotten(forgotten=queues))
    elif queues:
        click.echo(f"The {reader} is forgotten; old events are dropped again in: {', '.join(queues)}")
    else:
        click.echo(f"There was no {reader} to forget.")
