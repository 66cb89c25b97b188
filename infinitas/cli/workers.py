"""`infinitas worker ls|drain`."""

import click

from infinitas.cli.context import ask, output_option
from infinitas.cli.output import now, print_json, print_rows, relative
from infinitas.core.records import WorkerInfo
from infinitas.wire.system import Draining

EXPENDABLE = ("HOST", "STARTED", "PID", "TASKS", "BEAT")


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
            "stops" if worker.stops else "",
            _tasks(worker),
        )
        for worker in workers
    ]
    headings = ("WORKER", "HOST", "PID", "BUSY", "BEAT", "STARTED", "STATE", "TASKS")
    print_rows(headings, rows, "No workers. Start one: infinitas worker MODULE:APP", EXPENDABLE)


def _tasks(worker: WorkerInfo) -> str:
    if worker.unreadable:
        return f"unreadable: {worker.unreadable}"
    return ", ".join(worker.tasks[:5]) + (" …" if len(worker.tasks) > 5 else "")


@click.command("drain")
@click.argument("id")
@output_option
@click.pass_context
def drain_worker(ctx: click.Context, id: str, output: str | None) -> None:
    """Stop a worker, wherever it runs: it claims no more jobs, finishes those that it runs, and ends."""
    ask(ctx, lambda client: client.drain_worker(id))
    if output == "json":
        print_json(Draining(worker=id))
    else:
        click.echo(f"The worker {id} claims no more jobs. It ends when those that it runs have ended.")
