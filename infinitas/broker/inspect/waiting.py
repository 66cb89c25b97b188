"""Why a live job does not run yet."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import orjson

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.workers import live_workers
from infinitas.broker.keys import QueueKeys
from infinitas.broker.reading import moment, read_pause
from infinitas.broker.task_pauses import WHOLE_QUEUE
from infinitas.core.records import JobInfo
from infinitas.core.states import State
from infinitas.core.waiting import Facts, Waiting, why_waiting

MOST_AHEAD = 1_000
"""Jobs ahead are counted so far."""
_ENTRY = re.compile(r"\d+-\d+")
_WAITS = (State.SCHEDULED, State.RETRYING, State.QUEUED)


async def find_waiting(connection: Connection, job: JobInfo) -> Waiting | None:
    """Why this job, as Redis has just shown it, waits; None if it does not. Raises ServerUnreachable."""
    if job.state not in _WAITS:
        return None
    keys = QueueKeys(job.queue)
    stream = keys.of("stream", job.task)
    pipe = connection.pipeline()
    pipe.zscore(keys["later"], job.id)
    pipe.zscore(keys["processors"], job.task)
    pipe.hget(keys["limits"], job.task)
    pipe.hmget(keys.of("job", job.id), ["entry", "wait", "external"])
    pipe.hget(keys["live"], job.schedule or "")
    pipe.xpending(stream, "workers")
    pipe.scard(keys.of("lingering", job.task))
    pipe.hmget(keys["paused_tasks"], [job.task, WHOLE_QUEUE])
    replies = await connection.execute_each(pipe)
    timer, served, limits, own, live, pending, lingering, pauses = (
        None if isinstance(reply, Exception) else reply for reply in replies
    )
    entry, wait, external = own or (None, None, None)
    now = await connection.now()
    facts = Facts(
        now=now,
        timer=_moment(timer),
        served_until=_moment(served),
        ready_since=_moment(entry.partition("-")[0] if entry else None),
        wait=timedelta(milliseconds=int(wait)) if wait and wait.isdecimal() else None,
        running=int(pending["pending"] if pending else 0) + int(lingering or 0),
        external=external is not None,
        paused=next((pause for text in pauses or () if text and (pause := read_pause(text))), None),
    )
    if job.state is State.SCHEDULED and live and await _follows(connection, keys, live, job.id):
        facts = replace(facts, behind=live)
    if job.state is State.QUEUED:
        facts = await _with_limits(connection, keys, job, facts, _rules(limits))
        claimed = str(pending["max"] or "") if pending else ""
        facts = replace(facts, ahead=await _ahead(connection, stream, claimed, entry))
    return why_waiting(job, facts)


async def _follows(connection: Connection, keys: QueueKeys, before: str, id: str) -> bool:
    pipe = connection.pipeline()
    pipe.hget(keys.of("job", before), "follower")
    return bool((await connection.execute_each(pipe))[0] == id)


async def _with_limits(
    connection: Connection, keys: QueueKeys, job: JobInfo, facts: Facts, rules: Mapping[str, int]
) -> Facts:
    """What the task's options and its workers allow now."""
    workers = [each for each in await live_workers(connection) if job.task in each.tasks]
    free = sum(max(each.capacity - each.busy, 0) for each in workers)
    rate, until = rules.get("rate"), None
    if rate:
        # The oldest of the last `rate` starts: the next may begin a period after it.
        pipe = connection.pipeline()
        pipe.lindex(keys.of("starts", job.task), -rate)
        (oldest,) = await connection.execute_each(pipe)
        began = None if isinstance(oldest, Exception) else _moment(oldest)
        until = began and began + timedelta(milliseconds=rules.get("per", 0))
    return replace(facts, free=free, max_running=rules.get("max_running"), rate=rate, rate_until=until)


async def _ahead(connection: Connection, stream: str, claimed: str, entry: str | None) -> int:
    """Entries behind the newest one that is `claimed` and before this one: they are claimed in order."""
    if not entry or not _ENTRY.fullmatch(entry):
        return 0
    pipe = connection.pipeline()
    pipe.xrange(stream, f"({claimed}" if claimed else "-", f"({entry}", MOST_AHEAD)
    (found,) = await connection.execute_each(pipe)
    return 0 if isinstance(found, Exception) else len(found)


def _rules(text: str | None) -> Mapping[str, int]:
    """The limits of a task that are whole numbers, as the claim applies them."""
    try:
        found = orjson.loads(text or "{}")
    except ValueError:
        return {}
    rules = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in rules if isinstance(value, int)}


def _moment(ms: object) -> datetime | None:
    """None for none, and for what is no moment."""
    try:
        return None if ms is None else moment(ms)
    except (ValueError, TypeError, OverflowError):
        return None
