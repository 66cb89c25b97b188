"""What "well" means for each kind of process: what `infinitas healthcheck` decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from infinitas.broker.connection import Connection
from infinitas.broker.events import ARCHIVER, NOTIFIER
from infinitas.broker.health import Health
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.inspect.workers import live_workers
from infinitas.broker.processes import Processes
from infinitas.core.plural import counted
from infinitas.core.records import WorkerInfo
from infinitas.core.status import ProcessInfo
from infinitas.runtime.http_request import RequestFailed, request

KINDS = ("scheduler", "worker", "archiver", "server", "notifier")
READERS = {"archiver": ARCHIVER, "notifier": NOTIFIER}
"""Kinds of processes that read the events."""
SILENT_AFTER = timedelta(seconds=20)
"""Four times what processes need between two signs of life."""
BEHIND_AFTER_S = 60.0
READY_WITHIN_S = 0.9
"""A server that works answers its readiness probe within 0.8 s, also while Redis is silent."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One process of the host, or one kind of which there is none (without pid).

    Attributes:
        text: what it does or what is wrong with it, for people.
    """

    kind: str
    host: str
    pid: int | None
    well: bool
    text: str


async def check_processes(
    connection: Connection, host: str, kinds: Iterable[str], lease_s: float
) -> list[Finding]:
    """Check all processes of these kinds on one host. Empty where none has been there.

    Args:
        lease_s: seconds without a heartbeat after which a worker counts as dead.

    Raises:
        ServerUnreachable: Redis gave no answer.
    """
    now = await connection.now()
    processes = [each for each in await Processes(connection).all() if each.host == host]
    found: list[Finding] = []
    for kind in kinds:
        if kind == "worker":
            found += check_workers(await live_workers(connection), host, now, lease_s)
            continue
        of_kind = [each for each in processes if each.kind == kind]
        # What was killed stays for an hour: it counts only where no other has taken its place.
        alive = [each for each in of_kind if now - each.at <= SILENT_AFTER]
        found += [await _check_process(connection, each, now) for each in alive or of_kind]
    return found


async def _check_process(connection: Connection, info: ProcessInfo, now: datetime) -> Finding:
    trouble = "; ".join(info.troubles)
    if not trouble and now - info.at > SILENT_AFTER:
        trouble = f"no sign of life for {(now - info.at).total_seconds():,.0f} s"
    if not trouble and info.kind in READERS:
        trouble = await _behind(connection, READERS[info.kind])
    if not trouble and info.kind == "server":
        trouble = await _unready(info.address)
    return Finding(info.kind, info.host, info.pid, not trouble, trouble or info.status)


def check_workers(workers: Iterable[WorkerInfo], host: str, now: datetime, lease_s: float) -> list[Finding]:
    """Check those of these workers that run on one host."""
    return [_check_worker(each, now, lease_s) for each in workers if each.host == host]


def _check_worker(info: WorkerInfo, now: datetime, lease_s: float) -> Finding:
    silent_s = (now - info.last_beat).total_seconds()
    well = silent_s <= lease_s
    counts = f"{counted(len(info.tasks), 'task')}, {info.busy:,} running"
    text = counts if well else f"no heartbeat for {silent_s:,.0f} s"
    return Finding("worker", info.host, info.pid, well, text)


async def _behind(connection: Connection, reader: str) -> str:
    for queue in await list_queues(connection):
        waiting_s = await Health(connection, queue).lag_of(reader)
        if waiting_s is not None and waiting_s > BEHIND_AFTER_S:
            return f"events of queue {queue} have waited for {waiting_s:,.0f} s"
    return ""


async def _unready(address: str) -> str:
    try:
        status = await request("GET", f"{address}/readyz", within_s=READY_WITHIN_S, trusts_all=True)
    except RequestFailed as error:
        return f"{address}: {error}"
    return "" if status == 200 else f"{address}/readyz answers {status}"
