"""What sync and async senders have in common: batches of jobs, and what their answers mean."""

from collections.abc import Iterator, Sequence

from infinitas.broker.answers import EnqueueAnswer, Enqueued
from infinitas.broker.messages import NewJob
from infinitas.core.errors import BacklogFull, ExternalTask, KeyTaken, UnknownTask

ENQUEUE_BATCH = 200
"""Jobs of one round trip: Redis serves nothing else while it accepts them."""


def batches(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    for i in range(0, len(jobs), ENQUEUE_BATCH):
        yield jobs[i : i + ENQUEUE_BATCH]


def check_accepted(batch: Sequence[NewJob], answers: Sequence[EnqueueAnswer]) -> None:
    """Raises KeyTaken, BacklogFull, UnknownTask, ExternalTask: a job was refused; the others are accepted."""
    for job, answer in zip(batch, answers, strict=True):
        if answer.result is Enqueued.TAKEN:
            raise key_taken(job.task, job.key or "", answer.live_job)
        if answer.result is Enqueued.FULL:
            raise BacklogFull(f"Task {job.task!r} accepts no jobs now: {answer.live_job}")
        if answer.result is Enqueued.EXTERNAL_TASK:
            raise external_task(job.task)
        if answer.result is Enqueued.UNKNOWN_TASK:
            raise UnknownTask(f"Task {job.task!r} was removed from Redis meanwhile: send the job again.")


def key_taken(task: str, key: str, job: str) -> KeyTaken:
    """The error for a key that a live job has."""
    return KeyTaken(f"Task {task!r} has a live job with the key {key!r} already: {job}.", job)


def external_task(task: str) -> ExternalTask:
    """The error for a job that would have to run here."""
    return ExternalTask(f"Task {task!r} runs elsewhere: its jobs are made by pings (docs/pings.md).")
