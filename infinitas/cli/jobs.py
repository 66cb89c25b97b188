"""`infinitas job ls|show|logs|cancel|retry|rerun|wait`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click

from infinitas.cli.context import ask, ask_of_task, output_option, settings
from infinitas.cli.job_ends import end_of, exit_code, follow_log, print_line, repeat, retry_jobs
from infinitas.cli.output import moment, now, print_facts, print_json, print_rows, printable, relative
from infinitas.cli.spans import Since
from infinitas.client.interface import Client
from infinitas.core.interval import describe_ms
from infinitas.core.namespace import Namespace
from infinitas.core.plural import counted
from infinitas.core.records import JobInfo
from infinitas.core.states import State
from infinitas.wire.jobs import JobView, JobWithAttempts, Retried

HEADINGS = ("STATE", "WHEN", "TOOK", "TRY", "TASK", "JOB", "WHY")
MOST = 1000


@click.group("job", help="Jobs: list, show, logs, cancel, retry, run again, wait for.")
def job_group() -> None: ...


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that select jobs."""
    for option in reversed(
        (
            click.option("-t", "--task", help="Only jobs of this task."),
            click.option("-s", "--state", type=click.Choice([state.value for state in State])),
            click.option("-a", "--arg", metavar="NAME:VALUE", help="Only jobs with this argument."),
            click.option("--schedule", metavar="KEY", help="Only jobs of this schedule."),
            click.option("--since", type=Since(), help="Due since then: 2h, or 2026-12-24T18:00+01:00."),
        )
    ):
        command = option(command)
    return command


@job_group.command("ls")
@filter_options
@click.option("-n", "limit", type=click.IntRange(1, MOST), default=20, show_default=True)
@click.option("-w", "--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@output_option
@click.pass_context
def list_jobs(ctx: click.Context, /, limit: int, watch: bool, output: str | None, **selected: Any) -> None:
    """List jobs: running and waiting ones first, then the newest finished ones."""
    if watch and output == "json":
        raise click.UsageError("--watch is for people: leave out -o json.")

    def show() -> None:
        jobs = find_jobs(ctx, limit, **selected)
        if output == "json":
            print_json([JobView.of(job) for job in jobs])
        else:
            print_jobs(jobs)

    repeat(show) if watch else show()


def find_jobs(
    ctx: click.Context,
    limit: int,
    task: str | None = None,
    state: str | None = None,
    arg: str | None = None,
    schedule: str | None = None,
    since: datetime | None = None,
) -> list[JobInfo]:
    """The jobs that the options select; names are short or full ones."""
    wanted = State(state) if state else None
    namespace = Namespace(settings(ctx).app_name)

    async def find(client: Client, name: str | None) -> list[JobInfo]:
        for key in (None,) if schedule is None else namespace.meanings(schedule):
            if found := await client.jobs(name, wanted, limit, arg, schedule=key, since=since):
                return found
        return []

    return ask_of_task(ctx, task, find)


def print_jobs(jobs: Sequence[JobInfo]) -> None:
    """A table of jobs."""
    at = now()
    rows = [
        (
            job.state.value,
            relative(job.ended or job.started or job.due, at),
            _duration(job),
            str(job.attempt),
            job.task,
            job.id,
            _why(job, at),
        )
        for job in jobs
    ]
    empty = "No jobs. Send one: infinitas task run NAME"
    print_rows(HEADINGS, rows, empty, ("TRY", "TOOK", "WHEN"), ("TASK",), ("WHY",))


@job_group.command("show")
@click.argument("id")
@output_option
@click.pass_context
def show_job(ctx: click.Context, id: str, output: str | None) -> None:
    """Show one job with its log."""
    job = ask(ctx, lambda client: client.job(id))
    if output == "json":
        print_json(JobWithAttempts.of(job))
        return
    at = now()
    waits = job.state is State.RETRYING
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
            ("next try", f"{moment(job.ready)} ({relative(job.ready, at)})" if waits else ""),
            ("rejected", "; ".join(f"by {worker}: {why}" for worker, why in job.rejections.items())),
            ("crashes", str(job.crashes) if job.crashes else ""),
            ("progress", _progress(job)),
            ("checkpoint", job.checkpoint_json or ""),
            ("key", job.key or ""),
            ("headers", ", ".join(f"{name}={value}" for name, value in job.headers.items())),
            ("args", job.args_json),
            ("result", job.result_json or ""),
            ("error", job.error or ""),
            ("unreadable", job.unreadable or ""),
        ]
    )
    if job.traceback:
        click.echo("traceback")
        for text in job.traceback.splitlines():
            click.echo(f"  {printable(text)}")
    if len(job.attempts) > 1:
        click.echo("attempts")
        print_rows(
            ("TRY", "OUTCOME", "STARTED", "TOOK", "WORKER", "ERROR"), _attempts(job), "", ("WORKER", "ERROR")
        )
    if job.log:
        click.echo("log")
    for line in job.log:
        print_line(line, "  ")


@job_group.command("cancel")
@click.argument("id")
@click.option("-r", "--reason", default="", help="Kept with the job.")
@output_option
@click.pass_context
def cancel_job(ctx: click.Context, id: str, reason: str, output: str | None) -> None:
    """Cancel a job: one that waits at once, one that runs as soon as its worker can stop it."""
    job = ask(ctx, lambda client: client.cancel(id, reason))
    said = "is cancelled" if job.ended else f"runs in {job.worker}, which will stop it"
    _tell(job, said, output)


@job_group.command("logs")
@click.argument("id")
@click.option("-f", "--follow", is_flag=True, help="Until it has ended; exit codes as those of job wait.")
@click.pass_context
def show_log(ctx: click.Context, id: str, follow: bool) -> None:
    """Print a job's log."""
    if follow:
        ctx.exit(exit_code(ask(ctx, lambda client: follow_log(client, id))))
    for line in ask(ctx, lambda client: client.job(id)).log:
        print_line(line)


@job_group.command("retry")
@click.argument("id", required=False)
@click.option("--all", "many", is_flag=True, help="All jobs that the options select, up to 1,000.")
@filter_options
@click.option("--dry-run", is_flag=True, help="With --all: only list them.")
@output_option
@click.pass_context
def retry_job(
    ctx: click.Context, /, id: str | None, many: bool, dry_run: bool, output: str | None, **selected: Any
) -> None:
    """Give a failed, cancelled or skipped job a fresh set of tries.

    `job retry --all --state failed --task crawl --since 2h --dry-run` lists those that it would retry.
    """
    if many == (id is not None):
        raise click.UsageError("Name one job, or select several with --all.")
    if not many:
        if dry_run or any(value is not None for value in selected.values()):
            raise click.UsageError("What selects jobs is for --all.")
        _tell(ask(ctx, lambda client: client.retry(str(id))), "is queued again", output)
        return
    if selected["state"] is None:
        raise click.UsageError("--all needs --state, e.g. --state failed.")
    found = find_jobs(ctx, MOST, **selected)
    done, refused = (found, []) if dry_run else ask(ctx, lambda client: retry_jobs(client, found))
    if output == "json":
        print_json(Retried.of(done, refused, dry_run=dry_run))
        return
    if dry_run:
        print_jobs(done)
    for job, error in refused:
        click.echo(f"{job.id}  {printable(str(error))}", err=True)
    verb = "Would retry" if dry_run else "Retried"
    more = " There may be more: run it again." if len(found) == MOST else ""
    click.echo(f"{verb} {counted(len(done), 'job')}.{more}")


@job_group.command("rerun")
@click.argument("id")
@output_option
@click.pass_context
def rerun_job(ctx: click.Context, id: str, output: str | None) -> None:
    """Send a new job with the arguments of an old one."""

    async def rerun(client: Client) -> JobInfo:
        return await client.job(await client.rerun(id))

    _tell(ask(ctx, rerun), "is queued", output)


@job_group.command("wait")
@click.argument("id")
@click.option("-t", "--timeout", type=float, help="Seconds. Default: as long as it takes.")
@output_option
@click.pass_context
def wait_for_job(ctx: click.Context, id: str, timeout: float | None, output: str | None) -> None:
    """Wait for a job's end.

    Exit codes: 0 it succeeded, 3 it ended otherwise, 4 it has not ended in time, 5 there is no such job.
    """
    job = ask(ctx, lambda client: client.wait_for_end(id, timeout))
    _tell(job, end_of(job), output)
    ctx.exit(exit_code(job))


def _tell(job: JobInfo, said: str, output: str | None) -> None:
    if output == "json":
        print_json(JobView.of(job))
    else:
        click.echo(f"{job.id}  {printable(said)}")


def _attempts(job: JobInfo) -> list[tuple[str, ...]]:
    return [
        (
            str(attempt.attempt),
            attempt.outcome,
            moment(attempt.started),
            _span(attempt.started, attempt.ended),
            attempt.worker or "",
            printable(attempt.error or attempt.reason or ""),
        )
        for attempt in job.attempts
    ]


def _why(job: JobInfo, at: datetime) -> str:
    """The line that explains a job in this state."""
    if job.unreadable:
        return f"unreadable: {job.unreadable}"
    if job.state is State.RUNNING:
        return _progress(job)
    if job.state is State.RETRYING:
        return f"{relative(job.ready, at)}: {printable(job.error or '')}"
    return printable((job.error or job.reason or "").splitlines()[-1] if job.error or job.reason else "")


def _progress(job: JobInfo) -> str:
    done = f"{job.progress:.0%}" if job.progress is not None else ""
    return printable(" ".join(filter(None, (done, job.step))))


def _span(started: datetime | None, ended: datetime | None) -> str:
    return describe_ms(round((ended - started).total_seconds() * 1000)) if started and ended else ""


def _duration(job: JobInfo) -> str:
    return "" if job.duration is None else describe_ms(round(job.duration * 1000))
