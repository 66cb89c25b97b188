"""Every error Infinitas raises, one tree, each with a stable `code`.

InfinitasError
├── ConfigError          bad_setting        a setting is wrong; names it, its value and what is allowed
├── BadApp               bad_app            `module:object` does not lead to an Infinitas app
├── ServerUnreachable    server_unreachable Redis or Postgres gave no answer
├── UnsafeBroker         unsafe_broker      Redis may evict keys, so jobs could vanish
├── EmbeddedError        embedded_failed    an embedded server can't be had or does not start
├── Refused              (one code each)    what was asked is refused, and nothing was stored
│   ├── BadName · DuplicateTask · UnknownTask · UnknownJob
│   └── BadSchedule · BadArgs · PayloadTooLarge
└── JobEnded             (one code each)    the job is over, so this call came too late
    └── JobDone · JobFailed · JobTimedOut · JobCancelled · JobLost
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


class UnsafeBroker(InfinitasError):
    code = "unsafe_broker"


class EmbeddedError(InfinitasError):
    code = "embedded_failed"


class Refused(InfinitasError):
    """The request is refused at the edge; nothing was stored."""


class BadName(Refused):
    code = "bad_name"


class DuplicateTask(Refused):
    code = "duplicate_task"


class UnknownTask(Refused):
    code = "unknown_task"


class UnknownJob(Refused):
    code = "unknown_job"


class BadSchedule(Refused):
    code = "bad_schedule"


class BadArgs(Refused):
    code = "bad_args"


class PayloadTooLarge(Refused):
    code = "payload_too_large"


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


class JobLost(JobEnded):
    code = "job_lost"
