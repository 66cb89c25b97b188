"""Sends jobs of a task: builds them, runs the send hooks, enqueues them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, Never, ParamSpec, TypeVar

from infinitas.broker.messages import NewJob
from infinitas.client.job_ids import fresh_id
from infinitas.client.lazy import LazyClient
from infinitas.core.errors import BadArgs, ConfigError
from infinitas.core.lists import several
from infinitas.core.records import JobInfo
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.unknown_options import refuse_unknown
from infinitas.tasks.arguments import Signature
from infinitas.tasks.handle import Handle
from infinitas.tasks.plugins import Plugins
from infinitas.tasks.send_options import SEND_OPTIONS, SendOptions, check_delay

Send = ParamSpec("Send")
Value = TypeVar("Value")
FEW = 100
"""Jobs that sync code sends in one call from its own thread."""


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
            KeyTaken: a live job has the key of `using`. BacklogFull: there is no room for more jobs now.
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
        return self._send(self._encode_calls(calls))

    async def asend_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """`send_many` for async code."""
        return await self._asend(self._encode_calls(calls))

    def using(
        self,
        *,
        id: str | None = None,
        key: str | None = None,
        at: datetime | None = None,
        delay: float | timedelta | None = None,
        expires: float | None = None,
        headers: Mapping[str, str] | None = None,
        **unknown: Never,
    ) -> "Sender[Send, Value]":
        """Options for one send.

        Args:
            id: an id of your own, a ULID in lower case: sending the same job again makes no second one.
            key: a business key; while a job of this task with that key lives, a second is refused.
            at: not before this aware moment.
            delay: seconds, or a timedelta, from when Redis accepts the job, by Redis' clock; up to 100 years.
            expires: seconds after its time at which the job is skipped if it has not started.
            headers: text that travels with the job, e.g. a trace id.

        Returns:
            A sender of the same task with these options alone.

        Raises:
            BadArgs, BadName: an option is wrong. ConfigError: there is no such option.

        >>> later = add.using(key="order-7", delay=3600).send(1, 2)
        >>> app.fetch_job(later.id).state.value
        'scheduled'
        >>> app.cancel(later.id, reason="not needed").state.value
        'cancelled'
        """
        refuse_unknown(unknown, SEND_OPTIONS, f"using() of task {self.definition.name!r}", ConfigError)
        if delay is not None and at is not None:
            raise BadArgs("Give either at= or delay=.")
        wait = None if delay is None else check_delay(delay)
        options = SendOptions(id=id, key=key, at=at, delay=wait, expires=expires, headers=dict(headers or {}))
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

    def _encode_calls(self, calls: Iterable[Sequence[object]]) -> list[str]:
        return [self.signature.encode(several(args, "A call", BadArgs), {}) for args in calls]

    def _new_jobs(self, texts: list[str]) -> list[NewJob]:
        """A job for each text: checked arguments as JSON."""
        options, jobs = self._options, []
        if options.id is not None and len(texts) > 1:
            raise BadArgs("An id= is for one job: use `send`.")
        for text in texts:
            headers = dict(options.headers)
            self._plugins.call("before_send", self.definition, headers)
            jobs.append(
                NewJob(
                    id=options.id or fresh_id(),
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
        return self.signature.read_result(job.result_json)

    def _sent(self, jobs: Sequence[NewJob]) -> list[Handle[Value]]:
        if self._plugins:
            for job in jobs:
                self._plugins.call("after_send", self.definition, job.id)
        return [Handle(self.client, job.id, self._read_result) for job in jobs]
