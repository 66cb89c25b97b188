"""Workers of one queue: join, beat, leave, rescue; and the facts that each stores about itself."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import orjson

from infinitas.broker.answers import Rival, parse_rival
from infinitas.broker.connection import Connection
from infinitas.broker.inspect.queues import list_queues
from infinitas.broker.keys import QueueKeys, worker
from infinitas.broker.messages import HeartbeatAnswer, Home, Rescued
from infinitas.core.codec import from_ms, json_text
from infinitas.core.errors import WorkerGone

MOST_CRASHES = 3
RESCUE_BATCH = 200
ORPHANS_PER_TASK = 1000
_KEEP_LEASES = 3
NOWHERE: Mapping[str, Home] = MappingProxyType({})


class Workers:
    """Every method may be called again after a lost reply. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, keys: QueueKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def join(
        self,
        worker: str,
        tasks: Sequence[str],
        lease_s: float,
        homes: Mapping[str, Home] = NOWHERE,
        ignored: Collection[str] = (),
    ) -> Rival | None:
        """Register a worker for these tasks, unless a live one serves one of them with other code.

        Args:
            homes: where the code of tasks is; those that are not named are in conflict with nothing.
            ignored: workers that have been found dead.
        """
        answer = await self._connection.run_script(
            "join",
            self._keys,
            worker=worker,
            names=json_text(tasks),
            lease=round(lease_s * 1000),
            **_encoded(homes, ignored),
        )
        return parse_rival(answer)

    async def rivals(self, homes: Mapping[str, Home], ignored: Collection[str] = ()) -> Rival | None:
        """The first live worker, of any queue, that serves one of these tasks with other code."""
        if not homes:
            return None
        arguments = _encoded(homes, ignored)
        for queue in await list_queues(self._connection):
            answer = await self._connection.run_script("rivals", QueueKeys(queue), **arguments)
            if rival := parse_rival(answer):
                return rival
        return None

    async def beat(self, worker: str, held: Sequence[tuple[str, int]], lease_s: float) -> HeartbeatAnswer:
        """Count one heartbeat; `held` are the (id, attempt) that the worker runs.

        Raises:
            WorkerGone: it was declared dead.
        """
        alive, *answer = await self._connection.run_script(
            "beat", self._keys, worker=worker, held=json_text(held), lease=round(lease_s * 1000)
        )
        if not alive:
            raise WorkerGone(f"The worker {worker} was declared dead.")
        now, lost, cancels, stops = answer
        return HeartbeatAnswer(
            now=from_ms(now),
            lost=list(lost),
            cancels=[(id, reason) for id, reason in cancels],
            stops=bool(stops),
        )

    async def beat_for(self, worker: str) -> bool:
        """Send a heartbeat for a child process. False if it was declared dead."""
        return bool(await self._connection.run_script("beat_for", self._keys, worker=worker))

    async def rest(self, worker: str) -> None:
        """A worker stops: if it is killed before it has left, no crash is charged to its jobs."""
        await self._connection.run_script("rest", self._keys, worker=worker)

    async def drain(self, worker: str) -> bool:
        """Ask a worker to stop. False: it is no live worker of this queue."""
        return bool(await self._connection.run_script("drain", self._keys, worker=worker))

    async def leave(self, worker: str, job_ttl_s: int) -> bool:
        """Remove a stopping worker. False if it still holds jobs: a rescuer will move them on."""
        left = await self._connection.run_script("leave", self._keys, worker=worker, job_ttl=job_ttl_s * 1000)
        return bool(left)

    async def beats(self) -> dict[str, int | None]:
        """Every worker and its heartbeat counter; None for one whose rescue was cut short.

        Raises:
            ServerUnreachable: also while Redis answers reads and refuses heartbeats.
        """
        living, cut_short = await self._connection.run_script("beats", self._keys)
        counters = dict(zip(living[::2], map(int, living[1::2]), strict=True))
        return {**dict.fromkeys(cut_short), **counters}

    async def rescue(self, worker: str, seen: int, limit: int, job_ttl_s: int) -> Rescued:
        """Declare a worker dead, if its heartbeat counter is still `seen`, and move its jobs on."""
        answer = await self._connection.run_script(
            "rescue",
            self._keys,
            worker=worker,
            seen=seen,
            most_crashes=MOST_CRASHES,
            most=limit,
            job_ttl=job_ttl_s * 1000,
        )
        if answer[0] < 0:
            return Rescued(alive=True)
        return Rescued(alive=False, moved=int(answer[0]), more=bool(answer[1]))

    async def rescue_all(self, worker: str, seen: int, job_ttl_s: int) -> int | None:
        """`rescue` until nothing is left. Returns how many jobs moved on; None if the worker lives."""
        moved = 0
        while True:
            rescued = await self.rescue(worker, seen, RESCUE_BATCH, job_ttl_s)
            if rescued.alive:
                return None
            moved += rescued.moved
            if not rescued.more:
                return moved

    async def orphan(self) -> list[str]:
        """Tasks whose last worker is gone; their waiting slot jobs get a deadline."""
        return list(await self._connection.run_script("orphan", self._keys, most=ORPHANS_PER_TASK))


def _encoded(homes: Mapping[str, Home], ignored: Collection[str]) -> dict[str, str]:
    return {
        "homes": json_text({task: [home.place, home.takes_over] for task, home in homes.items()}),
        "ignored": json_text(dict.fromkeys(ignored, 1)),
    }


class WorkerFacts:
    """Where workers run and how busy they are, for people. All raise ServerUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def store(self, worker_id: str, facts: Mapping[str, str | int], lease_s: float) -> None:
        """Store a worker's facts; they expire three leases after the last time."""
        key = worker(worker_id)
        pipe = self._connection.pipeline()
        pipe.hset(key, mapping=dict(facts))
        pipe.pexpire(key, int(lease_s * 1000) * _KEEP_LEASES)
        await self._connection.execute(pipe)

    async def owner(self, worker_id: str) -> str | None:
        """Id of the access token of a remote worker; None for an unknown worker."""
        found: str | None = await self._connection.command("hget", worker(worker_id), "owner")
        return found

    async def take(self, worker_id: str, owner: str, lease_s: float) -> bool:
        """Make this the id of a new worker. False if it is another worker's: of two callers one gets it."""
        key = worker(worker_id)
        pipe = self._connection.pipeline()
        pipe.hsetnx(key, "owner", owner)
        pipe.pexpire(key, int(lease_s * 1000) * _KEEP_LEASES)
        taken, _ = await self._connection.execute(pipe)
        return bool(taken)

    async def next_connection(self, worker_id: str, now_ms: int) -> int:
        """The number of a new connection that serves this remote worker; those before are over.

        It begins with the time: also after the facts have expired it is higher than those before.
        """
        key = worker(worker_id)
        pipe = self._connection.pipeline()
        pipe.hsetnx(key, "connection", now_ms)
        pipe.hincrby(key, "connection", 1)
        _, number = await self._connection.execute(pipe)
        return int(number)

    async def connection(self, worker_id: str) -> int:
        """The number of the connection that serves this remote worker now."""
        return int(await self._connection.command("hget", worker(worker_id), "connection") or 0)

    async def served(self, worker_id: str) -> tuple[list[str], list[str]]:
        """Queues and tasks of a worker, as it has stored them; none for an unknown worker."""
        found = await self._connection.command("hmget", worker(worker_id), ["queues", "tasks"])
        queues, tasks = ([] if text is None else orjson.loads(text) for text in found)
        return queues, tasks

    async def delete(self, worker_id: str) -> None:
        await self._connection.command("delete", worker(worker_id))
