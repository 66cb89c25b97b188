"""Sends jobs of a task: builds them, runs the send hooks, enqueues them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, TypeVar

import orjson

from infinitas.broker.messages import NewJob
from infinitas.client.job_ids import fresh_id
from infinitas.client.lazy import LazyClient
from infinitas.core.codec import instant
from infinitas.core.errors import BadArgs
from infinitas.core.names import check_name, shorten
from infinitas.core.numbers import MAX_DELAY_S, is_number
from infinitas.core.records import JobInfo
from infinitas.core.task_definition import YEAR_S, TaskDefinition
from infinitas.tasks.arguments import Signature
from infinitas.tasks.handle import Handle
from infinitas.tasks.plugins import Plugins

Send = ParamSpec("Send")
Value = TypeVar("Value")
FEW = 100
"""Jobs that sync code sends in one call from its own thread."""
MAX_HEADERS_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How a job is sent, beside its arguments; see `Task.using`."""

    key: str | None = None
    at: datetime | None = None
    delay: float | None = None
    expires: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.key is not None:
            check_name(self.key, "key")
        if self.at is not None:
            object.__setattr__(self, "at", instant(self.at, "at"))
        if self.expires is not None and not (is_number(self.expires) and 0 < self.expires <= YEAR_S):
            raise BadArgs(f"expires={shorten(self.expires)}: seconds above 0, up to a year.")
        check_headers(self.headers)


def check_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """`headers`, if they can travel with a job. Raises BadArgs."""
    if not isinstance(headers, Mapping) or not all(
        isinstance(part, str) for item in headers.items() for part in item
    ):
        raise BadArgs("Headers are text: names and values.")
    try:
        orjson.dumps(dict(headers))
    except TypeError as error:
        raise BadArgs(f"The headers are not valid Unicode: {error}.") from None
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADERS_BYTES:
        raise BadArgs(f"The headers are longer than {MAX_HEADERS_BYTES:,} characters.")
    return headers


def check_delay(delay: object) -> float:
    """Seconds of a delay; one below 0 is none. Raises BadArgs."""
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds <= MAX_DELAY_S:
        raise BadArgs(f"delay={shorten(delay)}: seconds, or a timedelta, up to 100 years.")
    return max(seconds, 0)


class Sender(Generic[Send, Value]):
    """The verbs that send jobs of one task, with the options of `using`."""

    def __init__(
        self,
        client: LazyClient,
        plugins: Plugins,
        definition: TaskDefinition,
        signature: Signature,
        options: SendOptions,
    ) -> None:
        self.client = client
        self._plugins = plugins
        self.definition = definition
        self.signature = signature
        self._options = options

    def send(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """Send one job now, from sync code.

        Args:
            args, kwargs: the processor's own, without the Job.

        Returns:
            A handle: its `id`, and the job's result once it has ended.

        Raises:
            BadArgs: the arguments don't match the annotations, or would not arrive as they are.
            PayloadTooLarge: their JSON has more than 256 kB.
            KeyTaken: a live job has the key of `using`.
            ServerUnreachable: Redis gave no answer; the job may or may not be stored.

        >>> handle = add.send(1, b=2)
        >>> app.fetch_job(handle.id).task
        'add'
        """
        return self._send([self.signature.encode(args, kwargs)])[0]

    delay = send

    async def asend(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """`send` for async code."""
        return (await self._asend([self.signature.encode(args, kwargs)]))[0]

    def send_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """Send one job per tuple of positional arguments, some hundred in a round trip.

        Raises what `send` does; with BadArgs and PayloadTooLarge none is sent.

        >>> [handle.get(timeout=20) for handle in add.send_many([(1, 2), (3, 4)])]
        [3, 7]
        """
        return self._send([self.signature.encode(args, {}) for args in calls])

    async def asend_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """`send_many` for async code."""
        return await self._asend([self.signature.encode(args, {}) for args in calls])

    def using(
        self,
        *,
        key: str | None = None,
        at: datetime | None = None,
        delay: float | timedelta | None = None,
        expires: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Sender[Send, Value]":
        """Options for one send.

        Args:
            key: a business key; while a job of this task with that key lives, a second is refused.
            at: not before this aware moment.
            delay: seconds, or a timedelta, from when Redis accepts the job, by Redis' clock; up to 100 years.
            expires: seconds after its time at which the job is skipped if it has not started.
            headers: text that travels with the job, e.g. a trace id.

        Returns:
            A sender of the same task with these options alone.

        Raises:
            BadArgs, BadName: an option is wrong.

        >>> later = add.using(key="order-7", delay=3600).send(1, 2)
        >>> app.fetch_job(later.id).state.value
        'scheduled'
        >>> app.cancel(later.id, reason="not needed").state.value
        'cancelled'
        """
        if delay is not None and at is not None:
            raise BadArgs("Give either at= or delay=.")
        wait = None if delay is None else check_delay(delay)
        options = SendOptions(key=key, at=at, delay=wait, expires=expires, headers=dict(headers or {}))
        return Sender(self.client, self._plugins, self.definition, self.signature, options)

    def _send(self, texts: list[str]) -> list[Handle[Value]]:
        jobs = self._new_jobs(texts)
        direct = self.client.direct if len(jobs) <= FEW else None
        if direct is None or not all(a.accepted for a in direct.enqueue(self.definition.queue, jobs)):
            self.client.send(self.definition, jobs)
        return self._sent(jobs)

    async def _asend(self, texts: list[str]) -> list[Handle[Value]]:
        jobs = self._new_jobs(texts)
        await self.client.asend(self.definition, jobs)
        return self._sent(jobs)

    def _new_jobs(self, texts: list[str]) -> list[NewJob]:
        """A job for each text: checked arguments as JSON."""
        options, jobs = self._options, []
        for text in texts:
            headers = dict(options.headers)
            self._plugins.call("before_send", self.definition, headers)
            jobs.append(
                NewJob(
                    id=fresh_id(),
                    task=self.definition.name,
                    args=text,
                    headers=headers,
                    key=options.key,
                    due=options.at,
                    delay_s=options.delay,
                    expires_s=options.expires,
                )
            )
        return jobs

    def _read_result(self, job: JobInfo) -> Any:
        return self.signature.read_result(job.result)

    def _sent(self, jobs: Sequence[NewJob]) -> list[Handle[Value]]:
        if self._plugins:
            for job in jobs:
                self._plugins.call("after_send", self.definition, job.id)
        return [Handle(self.client, job.id, self._read_result) for job in jobs]
