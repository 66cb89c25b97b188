"""Pings of one queue: a run of an external task begins, reports or ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from infinitas.broker.connection import Connection
from infinitas.broker.jobs import LOG_CHUNKS_KEPT
from infinitas.broker.keys import QueueKeys
from infinitas.core.codec import json_text


class PingKind(StrEnum):
    """What a ping reports."""

    START = "start"
    OK = "ok"
    FAIL = "fail"
    LOG = "log"


class Pinged(StrEnum):
    """What became of a ping."""

    APPLIED = "ok"
    KNOWN = "known"
    """The same ping came before."""
    NO_RUN = "no_run"
    """A log without a run that it could belong to."""
    SLOT_FIRST = "slot_first"
    """A slot must be fired first."""
    NOT_EXTERNAL = "not_external"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """One ping, as it came in.

    Attributes:
        rid: names the run, where several may overlap.
        lines: log lines.
        failure: the error of a run that failed.
        result: JSON text.
    """

    task: str
    kind: PingKind
    rid: str = ""
    lines: Sequence[str] = ()
    failure: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class PingAnswer:
    """`job`, `state`: of the run, where there is one."""

    result: Pinged
    job: str | None = None
    state: str | None = None


class Pings:
    """All methods raise ServerUnreachable."""

    def __init__(self, connection: Connection, queue: str) -> None:
        self._connection = connection
        self._keys = QueueKeys(queue)

    async def ping(self, ping: Ping, job_id: str, job_ttl_s: int, early_ms: int | None) -> PingAnswer:
        """Apply one ping; `job_id`: of a job that it makes.

        `early_ms`: how long before its slot it may come; None never answers SLOT_FIRST.
        """
        answer = await self._connection.run_script(
            "ping",
            self._keys,
            task=ping.task,
            kind=ping.kind,
            rid=ping.rid,
            job_id=job_id,
            lines=json_text(list(ping.lines)),
            failure=ping.failure,
            result=ping.result,
            early="" if early_ms is None else early_ms,
            kept=LOG_CHUNKS_KEPT,
            job_ttl=job_ttl_s * 1000,
        )
        result, *facts = answer
        return PingAnswer(Pinged(result), *facts)
