"""`infinitas job ls|show|cancel|retry|rerun|wait`."""

from datetime import datetime

import click

from infinitas.cli.context import ask, ask_of_task, output_option
from infinitas.cli.output import moment, now, print_facts, print_json, print_rows, printable, relative
from infinitas.client.interface import Client
from infinitas.core.interval import describe_ms
from infinitas.core.records import JobInfo
from infinitas.core.states import State
from infinitas.wire.jobs import JobView, JobWithAttempts


@click.group("job", help="Jobs: list, show, cancel, retry, run again, wait for.")
def job_group() -> None: ...


@job_group.command("ls")
@click.option("-t", "--task", help="Only jobs of this task.")
@click.option("-s", "--state", type=click.Choice([state.value for state in State]))
@click.option("-a", "--arg", metavar="NAME:VALUE", help="Only jobs with this argument, by name or position.")
@click.option("-n", "limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@output_option
@click.pass_context
def list_jobs(
    ctx: click.Context, task: str | None, state: str | None, arg: str | None, limit: int, output: str | None
) -> None:
    """List jobs: running and waiting ones first, then the newest finished ones."""
    wanted = State(state) if state else None
    jobs = ask_of_task(ctx, task, lambda client, name: client.jobs(name, wanted, limit, arg))
    if output == "json":
        print_json([JobView.of(job) for job in jobs])
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
            _why(job, at),
        )
        for job in jobs
    ]
    headings = ("STATE", "WHEN", "TOOK", "TRY", "TASK", "JOB", "WHY")
    print_rows(headings, rows, "No jobs. Send one: infinitas task run NAME", ("TRY", "WHY", "TOOK"))


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
        click.echo(f"  {moment(line.at)}  {printable(line.level):<7}  {printable(line.text)}")


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


@job_group.command("retry")
@click.argument("id")
@output_option
@click.pass_context
def retry_job(ctx: click.Context, id: str, output: str | None) -> None:
    """Give a failed, cancelled or skipped job a fresh set of tries."""
    _tell(ask(ctx, lambda client: client.retry(id)), "is queued again", output)


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
    """Wait for a job's end. The exit code is 0 only if it succeeded."""
    job = ask(ctx, lambda client: client.wait_for_end(id, timeout))
    _tell(job, " ".join(filter(None, (job.state, job.error or job.result_json))), output)
    ctx.exit(0 if job.state is State.SUCCEEDED else 1)


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
