"""A task's definition: its options, as stored in Redis and Postgres."""

from dataclasses import dataclass

import orjson

from infinitas.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """Options of a task.

    Attributes:
        timeout: seconds an attempt may take; None means no limit.
        retries: how many further attempts a job gets after a failed one.
        retry_delay: seconds before the first retry; doubles with each, up to one hour.
        doc: first line of the processor's docstring.
    """

    name: str
    queue: str = "default"
    timeout: float | None = None
    retries: int = 0
    retry_delay: float = 1.0
    doc: str = ""

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout <= 365 * 86_400:
            raise ConfigError(
                f"timeout of task {self.name!r} is {self.timeout!r}; "
                "allowed: seconds above 0, up to a year, or None."
            )
        if not isinstance(self.retries, int) or not 0 <= self.retries <= 10_000:
            raise ConfigError(f"retries of task {self.name!r} is {self.retries!r}; allowed: 0 to 10,000.")
        if not 0 <= self.retry_delay <= 86_400:
            raise ConfigError(
                f"retry_delay of task {self.name!r} is {self.retry_delay!r}; "
                "allowed: seconds from 0 to 86,400."
            )

    def to_json(self) -> str:
        return orjson.dumps(self, option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def from_json(cls, text: str) -> "TaskDefinition":
        return cls(**orjson.loads(text))
