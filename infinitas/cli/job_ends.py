"""Waiting for jobs, following them, and retrying many: parts of `infinitas job` and `task run`."""

import asyncio
import time
from collections.abc import Callable, Sequence

import click

from infinitas.cli.context import AMISS
from infinitas.cli.output import clock, printable
from infinitas.client.interface import Client
from infinitas.core.errors import Refused
from infinitas.core.records import JobInfo, LogLine
from infinitas.core.states import FINAL, State

EVERY_S = 1.0


def exit_code(job: JobInfo) -> int:
    """Of a command that waited for this job: 0 only if it succeeded."""
    return 0 if job.state is State.SUCCEEDED else AMISS


def end_of(job: JobInfo) -> str:
    """How a job ended, in one line."""
    return " ".join(filter(None, (job.state, job.error or job.result_json)))


def print_line(line: LogLine, margin: str = "") -> None:
    """One line of a job's log."""
    click.echo(f"{margin}{clock(line.at)}  {printable(line.level):<7}  {printable(line.text)}")


async def follow_log(client: Client, id: str, every_s: float = EVERY_S) -> JobInfo:
    """Print a job's log as it grows, until the job has ended. Raises UnknownJob."""
    printed = 0
    while True:
        job = await client.job(id)
        for line in job.log[printed:]:
            print_line(line)
        printed = max(printed, len(job.log))
        if job.state in FINAL:
            return job
        await asyncio.sleep(every_s)


async def retry_jobs(
    client: Client, jobs: Sequence[JobInfo]
) -> tuple[list[JobInfo], list[tuple[JobInfo, Refused]]]:
    """Retry each: those that were, and those that could not be, with the reason."""
    done, refused = [], []
    for job in jobs:
        try:
            done.append(await client.retry(job.id))
        except Refused as error:
            refused.append((job, error))
    return done, refused


def repeat(show: Callable[[], None], rest: Callable[[float], None] = time.sleep) -> None:
    """Show a screen again and again, until Ctrl-C."""
    while True:
        click.clear()
        show()
        rest(EVERY_S * 2)
