"""`infinitas queue ls|pause|resume|purge`."""

from collections.abc import Sequence

import click

from infinitas.cli.context import ask, output_option
from infinitas.cli.output import now, print_json, print_rows, relative
from infinitas.core.plural import counted
from infinitas.core.records import QueueInfo
from infinitas.wire.system import Purged, QueueName

HEADINGS = ("QUEUE", "TASKS", "READY", "RUNNING", "LATER", "OLDEST", "CAME", "ENDED", "NOTE")


@click.group("queue", help="Queues: list, pause, resume, purge.")
def queue_group() -> None: ...


@queue_group.command("ls")
@output_option
@click.pass_context
def list_queues(ctx: click.Context, output: str | None) -> None:
    """List queues: what waits and runs in each; jobs a minute that came and ended."""
    found = ask(ctx, lambda client: client.queue_infos())
    print_json(found) if output == "json" else print_queues(found)


def print_queues(queues: Sequence[QueueInfo]) -> None:
    """A table of queues."""
    at = now()
    rows = [
        (
            queue.name,
            str(queue.tasks),
            str(queue.queued),
            str(queue.running),
            str(queue.waiting),
            relative(queue.oldest, at) or "–",
            _rate(queue.came),
            _rate(queue.ended),
            queue.unreadable or (f"paused: {queue.paused.reason}" if queue.paused else ""),
        )
        for queue in queues
    ]
    empty = "No queues: a worker, or `infinitas sync`, makes those of its tasks."
    print_rows(HEADINGS, rows, empty, ("CAME", "ENDED", "OLDEST"), ("QUEUE",), ("NOTE",))


def _rate(jobs: float | None) -> str:
    return "–" if jobs is None else f"{jobs:.1f}/min"


@queue_group.command("pause")
@click.argument("queue")
@click.option("-r", "--reason", required=True, help="Why; it is shown and kept.")
@output_option
@click.pass_context
def pause_queue(ctx: click.Context, queue: str, reason: str, output: str | None) -> None:
    """Let all jobs of a queue wait until `resume`. Those that run go on; schedules go on to make jobs."""
    ask(ctx, lambda client: client.pause_queue(queue, reason))
    if output == "json":
        print_json(QueueName(queue=queue))
    else:
        click.echo(f"The queue {queue} is paused: its jobs wait.")


@queue_group.command("resume")
@click.argument("queue")
@output_option
@click.pass_context
def resume_queue(ctx: click.Context, queue: str, output: str | None) -> None:
    """End the pause of a queue; tasks that are paused themselves stay so."""
    ask(ctx, lambda client: client.resume_queue(queue))
    print_json(QueueName(queue=queue)) if output == "json" else click.echo(f"The queue {queue} goes on.")


@queue_group.command("purge")
@click.argument("queue")
@click.option("-t", "--task", help="Only jobs of this task.")
@click.option("-r", "--reason", default="", help="Kept with the jobs.")
@click.option("-y", "--yes", is_flag=True, help="Do it; without, only count them.")
@output_option
@click.pass_context
def purge_queue(
    ctx: click.Context, queue: str, task: str | None, reason: str, yes: bool, output: str | None
) -> None:
    """Cancel the jobs that wait in a queue. Those that run go on; history keeps the cancelled ones."""

    why = reason or "the queue was purged"
    count = ask(ctx, lambda client: client.purge(queue, task, why, dry_run=not yes))
    if output == "json":
        print_json(Purged(queue=queue, dry_run=not yes, jobs=count))
        return
    verb = "are" if count != 1 else "is"
    click.echo(
        f"{counted(count, 'waiting job')} {verb} cancelled."
        if yes
        else f"{counted(count, 'waiting job')} would be cancelled. To do it: add --yes."
    )
