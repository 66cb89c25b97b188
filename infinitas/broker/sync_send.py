"""What a send from sync code needs beside the enqueue itself: seldom, and in the caller's own thread too."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from infinitas.broker.answers import UNKNOWN_TASK
from infinitas.broker.declarations import new_definition
from infinitas.broker.enqueue_batches import batches, check_accepted
from infinitas.broker.keys import QUEUES
from infinitas.broker.messages import NewJob
from infinitas.broker.refusals import NotPermitted
from infinitas.broker.sync_enqueue import SyncEnqueuer
from infinitas.broker.trails import search
from infinitas.broker.vetting import check_info, parse_greeting, parse_info
from infinitas.core.codec import json_text
from infinitas.core.task_definition import TaskDefinition


def open_checked(url: str) -> SyncEnqueuer:
    """An enqueuer for a Redis in which jobs are safe; the caller closes it.

    Raises:
        UnsafeBroker: they are not. ServerUnreachable: Redis gave no answer.
    """
    enqueuer = SyncEnqueuer(url)
    check_info(_info(enqueuer), url)
    return enqueuer


def send(enqueuer: SyncEnqueuer, task: TaskDefinition, jobs: Sequence[NewJob]) -> None:
    """As `Client.send`, and raises what it does."""
    for batch in batches(jobs):
        answers = enqueuer.enqueue(task.queue, batch)
        if UNKNOWN_TASK in answers:
            # It has moved, or Redis is new or was flushed.
            queue, name = _home(enqueuer, task)
            batch = [replace(job, task=name) for job in batch]
            answers = enqueuer.enqueue(queue, batch)
            if UNKNOWN_TASK in answers:
                _declare(enqueuer, replace(task, queue=queue, name=name, aliases=()))
                answers = enqueuer.enqueue(queue, batch)
        check_accepted(batch, answers)


def _declare(enqueuer: SyncEnqueuer, task: TaskDefinition) -> None:
    enqueuer.command("SADD", QUEUES, task.queue)
    enqueuer.run_script("declare", task.queue, declarations=json_text([new_definition(task, None)]))


def _home(enqueuer: SyncEnqueuer, task: TaskDefinition) -> tuple[str, str]:
    """As `find_home`."""
    lookup, answer = search(task.queue, task.name), None
    while True:
        try:
            command = lookup.send(answer)
        except StopIteration as end:
            found: tuple[str, str] = end.value
            return found
        answer = enqueuer.command(*command)


def _info(enqueuer: SyncEnqueuer) -> Mapping[str, object]:
    """INFO of Redis; where its user has no permission, HELLO, or nothing."""
    try:
        return parse_info(str(enqueuer.command("INFO")))
    except NotPermitted:
        pass
    try:
        return parse_greeting(enqueuer.command("HELLO"))
    except NotPermitted:
        return {}
