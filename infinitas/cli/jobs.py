"""`infinitas job ls|show`."""

import click

from infinitas.cli.context import ask, output_option
from infinitas.cli.output import moment, now, print_facts, print_json, print_rows, printable, relative
from infinitas.core.interval import describe_ms
from infinitas.core.records import JobInfo
from infinitas.core.states import State


@click.group("job", help="Jobs: list, show.")
def job_group() -> None: ...


@job_group.command("ls")
@click.option("-t", "--task", help="Only jobs of this task.")
@click.option("-s", "--state", type=click.Choice([state.value for state in State]))
@click.option("-n", "limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@output_option
@click.pass_context
def list_jobs(
    ctx: click.Context, task: str | None, state: str | None, limit: int, output: str | None
) -> None:
    """Running and waiting jobs first, then the newest finished ones."""
    wanted = State(state) if state else None
    jobs = ask(ctx, lambda client: client.jobs(task, wanted, limit))
    if output == "json":
        print_json(jobs)
        return
    at = now()
    rows = [
        (
            job.state.value,
            relative(job.ended or job.started or job.due, at),
            _duration(job),
            str(job.attempt),
            job.task,
            job.id,
            printable((job.error or "").splitlines()[-1] if job.error else ""),
        )
        for job in jobs
    ]
    headings = ("STATE", "WHEN", "TOOK", "TRY", "TASK", "JOB", "ERROR")
    print_rows(headings, rows, "No jobs. Send one: infinitas task run NAME", ("TRY", "ERROR", "TOOK"))


@job_group.command("show")
@click.argument("id")
@output_option
@click.pass_context
def show_job(ctx: click.Context, id: str, output: str | None) -> None:
    """One job with its log."""
    job = ask(ctx, lambda client: client.job(id))
    if output == "json":
        print_json(job)
        return
    at = now()
    print_facts(
        [
            ("job", job.id),
            ("task", job.task),
            ("state", f"{job.state} ({job.reason})" if job.reason else str(job.state)),
            ("attempt", str(job.attempt)),
            ("schedule", job.schedule or ""),
            ("due", f"{moment(job.due)} ({relative(job.due, at)})"),
            ("started", moment(job.started)),
            ("ended", moment(job.ended)),
            ("took", _duration(job)),
            ("worker", job.worker or ""),
            ("progress", f"{job.progress:.0%} {job.step or ''}" if job.progress is not None else ""),
            ("args", job.args),
            ("result", job.result or ""),
            ("error", job.error or ""),
        ]
    )
    if job.log:
        click.echo("log")
    for line in job.log:
        click.echo(f"  {moment(line.at)}  {line.level:<7}  {printable(line.text)}")


def _duration(job: JobInfo) -> str:
    return "" if job.duration_ms is None else describe_ms(job.duration_ms)
