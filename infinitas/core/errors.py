"""Every error Infinitas raises, one tree, each with a stable `code`.

InfinitasError
├── ConfigError          bad_setting        a setting is wrong; names it, its value and what is allowed
├── BadApp               bad_app            `module:object` does not lead to an Infinitas app
├── ServerUnreachable    server_unreachable Redis or Postgres gave no answer, or can't do its work now
├── UnsafeBroker         unsafe_broker      this Redis can't be trusted with jobs: too old, evicts, no primary
├── EmbeddedError        embedded_failed    an embedded server can't be found or does not start
├── BlocksEventLoop      blocks_event_loop  a sync verb that waits for a job was called in an event loop
├── NoEventLoop          no_event_loop      an async verb was called outside asyncio, or the program is ending
├── Refused              (one code each)    the request is refused, and nothing was stored
│   ├── BadName · DuplicateTask · UnknownTask · UnknownJob · UnknownSchedule · UnknownToken
│   ├── UnknownIncident · UnknownMute · UnknownRule
│   ├── UnknownChannel · UnknownDelivery · ChannelOfFile
│   ├── BadSchedule · BadArgs · PayloadTooLarge
│   ├── Unauthorized · Forbidden · Changed · Conflict · BadFrame · RateLimited
│   ├── BacklogFull
│   └── NameTaken · KeyTaken · StillServed · NotEnded · AlreadyEnded · AlreadySucceeded · ExternalTask
├── BadResult            bad_result         a result is not what the task's return annotation promises
├── WorkerGone           worker_gone        this worker was declared dead; it joins again
├── NotInTime            not_in_time        a result was not there within the given time
└── JobEnded             (one code each)    the job is over, so this call came too late
    └── JobDone · JobFailed · JobTimedOut · JobCancelled · JobSkipped · JobLost

Not an error but raised like one: `Retry`, by a processor that wants another attempt.
"""

from typing import ClassVar


class InfinitasError(Exception):
    """Base of all errors; `code` is the same on Python, the CLI, HTTP and WebSocket."""

    code: ClassVar[str] = "error"


class ConfigError(InfinitasError):
    code = "bad_setting"


class BadApp(InfinitasError):
    code = "bad_app"


class ServerUnreachable(InfinitasError):
    code = "server_unreachable"


class ServerFull(ServerUnreachable):
    """Redis refuses writes that need memory; it accepts those that free memory."""


class UnsafeBroker(InfinitasError):
    code = "unsafe_broker"


class EmbeddedError(InfinitasError):
    code = "embedded_failed"


class BlocksEventLoop(InfinitasError):
    code = "blocks_event_loop"


class NoEventLoop(InfinitasError):
    code = "no_event_loop"


class Refused(InfinitasError):
    """The request is refused before anything is stored."""


class BadName(Refused):
    code = "bad_name"


class Unauthorized(Refused):
    code = "unauthorized"


class Forbidden(Refused):
    code = "forbidden"


class DuplicateTask(Refused):
    code = "duplicate_task"


class UnknownTask(Refused):
    code = "unknown_task"


class UnknownJob(Refused):
    code = "unknown_job"


class UnknownSchedule(Refused):
    code = "unknown_schedule"


class UnknownToken(Refused):
    code = "unknown_token"


class UnknownLogin(Refused):
    code = "unknown_login"


class UnknownIncident(Refused):
    code = "unknown_incident"


class UnknownMute(Refused):
    code = "unknown_mute"


class UnknownRule(Refused):
    code = "unknown_rule"


class UnknownChannel(Refused):
    code = "unknown_channel"


class UnknownDelivery(Refused):
    code = "unknown_delivery"


class ChannelOfFile(Refused):
    """The channel is one of infinitas.toml, and is changed there."""

    code = "channel_of_file"


class UnknownWorker(Refused):
    code = "unknown_worker"


class UnknownQueue(Refused):
    code = "unknown_queue"


class BadSchedule(Refused):
    """`column`: where the fault is in a cron text, counted from 1; None for other faults."""

    code = "bad_schedule"

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.column = column


class BadArgs(Refused):
    code = "bad_args"


class PayloadTooLarge(Refused):
    code = "payload_too_large"


class Changed(Refused):
    code = "changed"


class Conflict(Refused):
    code = "in_progress"


class RateLimited(Refused):
    """Too many requests; `retry_after`: whole seconds to wait."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadFrame(Refused):
    """A WebSocket frame that the protocol doesn't have, or doesn't allow at this point."""

    code = "bad_frame"


class ExternalTask(Refused):
    """The jobs of this task run elsewhere: nothing here could run one."""

    code = "external_task"


class NameTaken(Refused):
    """Live workers serve a task of that name with other code, or in another queue."""

    code = "name_taken"


class StillServed(Refused):
    """A live worker serves the task that is to be removed."""

    code = "still_served"


class KeyTaken(Refused):
    """A live job has that business key, and `job` is its id; or another task has that schedule's key."""

    code = "key_taken"

    def __init__(self, message: str, job: str = "") -> None:
        super().__init__(message)
        self.job = job


class BacklogFull(Refused):
    """The queue, or Redis, has no room for more jobs now; sending the same jobs later is safe."""

    code = "backlog_full"


class NotEnded(Refused):
    code = "not_ended"


class AlreadyEnded(Refused):
    code = "already_ended"


class AlreadySucceeded(Refused):
    code = "already_succeeded"


class BadResult(InfinitasError):
    """A job succeeded with a result that is no value of its return annotation; `json`: its JSON text."""

    code = "bad_result"

    def __init__(self, message: str, json: str = "null") -> None:
        super().__init__(message)
        self.json = json


class WorkerGone(InfinitasError):
    code = "worker_gone"


class NotInTime(InfinitasError):
    code = "not_in_time"


class JobEnded(InfinitasError):
    """The job is over: the call that raised this changed nothing."""


class JobDone(JobEnded):
    code = "job_done"


class JobFailed(JobEnded):
    code = "job_failed"


class JobTimedOut(JobEnded):
    code = "job_timed_out"


class JobCancelled(JobEnded):
    code = "job_cancelled"


class JobSkipped(JobEnded):
    code = "job_skipped"


class JobLost(JobEnded):
    code = "job_lost"


class Retry(Exception):
    """Raised by a processor: fail this attempt and try again `after` seconds.

    It counts against the task's `retries`; without any left the job fails.
    """

    def __init__(self, why: str = "another attempt was requested", *, after: float | None = None) -> None:
        super().__init__(why)
        if after is not None and not 0 <= after <= 365 * 86_400:
            raise ValueError(f"after={after!r}: seconds from 0 to a year")
        self.after = after


def by_code(code: str, default: type[InfinitasError] = InfinitasError) -> type[InfinitasError]:
    """The class of errors with this code; `default` if this version has none."""
    return _CLASSES.get(code, default)


_CLASSES: dict[str, type[InfinitasError]] = {
    kind.code: kind
    for kind in list(vars().values())
    if isinstance(kind, type) and issubclass(kind, InfinitasError) and "code" in vars(kind)
}
