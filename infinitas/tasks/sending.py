"""Sends jobs of a task: builds them, runs the send hooks, enqueues them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, ParamSpec, TypeVar

import orjson

from infinitas.broker.messages import NewJob
from infinitas.client.job_ids import fresh_id
from infinitas.client.lazy import LazyClient
from infinitas.core.codec import instant_ms
from infinitas.core.errors import BadArgs
from infinitas.core.names import check_name, shorten
from infinitas.core.numbers import is_number
from infinitas.core.task_definition import YEAR_S, TaskDefinition
from infinitas.tasks.arguments import Signature
from infinitas.tasks.handle import Handle
from infinitas.tasks.plugins import Plugins

Send = ParamSpec("Send")
Value = TypeVar("Value")
MAX_HEADERS_BYTES = 8 * 1024
MAX_DELAY_S = 100 * 366 * 86_400


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
            instant_ms(self.at, "at")
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
    """A task with options for sending; see `Task.using`."""

    def __init__(
        self,
        client: LazyClient,
        plugins: Plugins,
        definition: TaskDefinition,
        signature: Signature,
        options: SendOptions,
    ) -> None:
        self._client = client
        self._plugins = plugins
        self._definition = definition
        self._signature = signature
        self._options = options

    def send(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """Send one job, from sync code. Raises what `Task.send` does, and KeyTaken."""
        return self._send([self._signature.encode(args, kwargs)])[0]

    async def asend(self, *args: Send.args, **kwargs: Send.kwargs) -> Handle[Value]:
        """`send` for async code."""
        return (await self._asend([self._signature.encode(args, kwargs)]))[0]

    def send_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """Send one job per tuple of positional arguments, some hundred in a round trip."""
        return self._send([self._signature.encode(args, {}) for args in calls])

    async def asend_many(self, calls: Iterable[Sequence[object]]) -> list[Handle[Value]]:
        """`send_many` for async code."""
        return await self._asend([self._signature.encode(args, {}) for args in calls])

    def with_options(self, options: SendOptions) -> "Sender[Send, Value]":
        """The same task with other options."""
        return Sender(self._client, self._plugins, self._definition, self._signature, options)

    def _send(self, texts: list[str]) -> list[Handle[Value]]:
        jobs = self._new_jobs(texts)
        self._client.send(self._definition, jobs)
        return self._sent(jobs)

    async def _asend(self, texts: list[str]) -> list[Handle[Value]]:
        jobs = self._new_jobs(texts)
        await self._client.asend(self._definition, jobs)
        return self._sent(jobs)

    def _new_jobs(self, texts: list[str]) -> list[NewJob]:
        """A job for each text: checked arguments as JSON."""
        options, jobs = self._options, []
        for text in texts:
            headers = dict(options.headers)
            self._plugins.call("before_send", self._definition, headers)
            jobs.append(
                NewJob(
                    id=fresh_id(),
                    task=self._definition.name,
                    args=text,
                    headers=headers,
                    key=options.key,
                    due=options.at,
                    delay_s=options.delay,
                    expires_s=options.expires,
                )
            )
        return jobs

    def _sent(self, jobs: Sequence[NewJob]) -> list[Handle[Value]]:
        if self._plugins:
            for job in jobs:
                self._plugins.call("after_send", self._definition, job.id)
        return [Handle(self._client, job.id) for job in jobs]
