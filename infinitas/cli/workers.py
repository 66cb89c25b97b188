"""`infinitas worker ls`."""

import click

from infinitas.cli.context import ask, output_option
from infinitas.cli.output import now, print_json, print_rows, relative
from infinitas.core.records import WorkerInfo

EXPENDABLE = ("HOST", "STARTED", "TASKS")


@click.command("ls")
@output_option
@click.pass_context
def list_workers(ctx: click.Context, output: str | None) -> None:
    """List live workers: where they run, how busy they are, their last heartbeat."""
    workers = ask(ctx, lambda client: client.workers())
    if output == "json":
        print_json(workers)
        return
    at = now()
    rows = [
        (
            worker.id,
            worker.host,
            str(worker.pid),
            f"{worker.busy}/{worker.capacity}",
            relative(worker.last_beat, at),
            relative(worker.started, at),
            _tasks(worker),
        )
        for worker in workers
    ]
    headings = ("WORKER", "HOST", "PID", "BUSY", "BEAT", "STARTED", "TASKS")
    print_rows(headings, rows, "No workers. Start one: infinitas worker MODULE:APP", EXPENDABLE)


def _tasks(worker: WorkerInfo) -> str:
    if worker.unreadable:
        return f"unreadable: {worker.unreadable}"
    return ", ".join(worker.tasks[:5]) + (" …" if len(worker.tasks) > 5 else "")
