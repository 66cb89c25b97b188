"""Random commands from random workers, living, dead and zombie, against a simple model of a job's life.

The model is docs/lifecycle.md as a page of Python; the server is real.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from infinitas.broker.answers import ALREADY, APPLIED, GONE, KNOWN, NEW, Revived, stale
from infinitas.broker.connection import Connection
from infinitas.broker.messages import ClaimRequest, Declarer, NewJob, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.broker.workers import MOST_CRASHES
from infinitas.core.errors import WorkerGone
from infinitas.core.states import FINAL, Reason, State
from infinitas.core.task_definition import TaskDefinition
from infinitas.core.verdict import Verdict
from infinitas.devservers.servers import Urls
from tests.support import events

P = "{infinitas:default}:"
WORKERS = st.sampled_from(["w1", "w2"])
JOBS = st.sampled_from(["j1", "j2", "j3"])
VERDICTS = {
    "succeeded": Verdict(state=State.SUCCEEDED),
    "failed": Verdict(state=State.FAILED, reason=Reason.ERROR, error="e"),
    "retrying": Verdict(state=State.RETRYING, reason=Reason.ERROR, error="e", delay_ms=3_600_000),
}


@dataclass
class Job:
    state: str = "queued"
    reason: str = ""
    attempt: int = 0
    worker: str = ""
    crashes: int = 0
    cancel: bool = False
    entry: int = 0
    ends: int = 0

    def end(self, state: str, reason: str = "") -> None:
        self.state, self.reason, self.cancel = state, reason, False
        self.ends += 1

    def held_by(self, worker: str) -> bool:
        return self.state == "running" and self.worker == worker


@dataclass
class Model:
    jobs: dict[str, Job] = field(default_factory=dict)
    ready: list[str] = field(default_factory=list)
    beats: dict[str, int] = field(default_factory=dict)
    entries: int = 0

    def make_ready(self, id: str, reason: str = "") -> None:
        self.entries += 1
        job = self.jobs[id]
        job.state, job.reason, job.entry = "queued", reason, self.entries
        self.ready.append(id)

    def held(self, worker: str) -> list[str]:
        held = [id for id, job in self.jobs.items() if job.held_by(worker)]
        return sorted(held, key=lambda id: self.jobs[id].entry)


class Lifecycle(RuleBasedStateMachine):
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.redis: Any = Redis.from_url(self.url, decode_responses=True)
        self.redis.flushall()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.runner.run(self.connect())

    async def connect(self) -> None:
        self.connection = Connection(self.url, "model")
        self.broker = QueueBroker(self.connection, "default")
        await self.broker.declarations.declare(
            [TaskDefinition(name="t")], [], Declarer(born=await self.broker.now())
        )

    def teardown(self) -> None:
        self.runner.run(self.connection.close())
        self.runner.close()
        self.redis.close()

    @rule(worker=WORKERS)
    def join(self, worker: str) -> None:
        # A name is used again only once nothing of it is left, as random names are.
        if worker not in self.model.beats and not self.model.held(worker):
            self.runner.run(self.broker.workers.join(worker, ["t"], 60))
            self.model.beats[worker] = 1

    @rule(id=JOBS)
    def enqueue(self, id: str) -> None:
        job = NewJob(id=id, task="t", args="[[],{}]")
        known = id in self.model.jobs
        assert self.runner.run(self.broker.jobs.enqueue([job])) == [KNOWN if known else NEW]
        if not known:
            self.model.jobs[id] = Job()
            self.model.make_ready(id)

    @rule(worker=WORKERS, count=st.integers(1, 4))
    def claim(self, worker: str, count: int) -> None:
        try:
            claim = self.runner.run(self.broker.jobs.claim(ClaimRequest(worker, [["t"]], count, 3600)))
        except WorkerGone:
            assert worker not in self.model.beats
            return
        assert worker in self.model.beats
        taken, self.model.ready = self.model.ready[:count], self.model.ready[count:]
        for id in taken:
            job = self.model.jobs[id]
            job.state, job.reason, job.worker = "running", "", worker
            job.attempt += 1
        assert [(job.id, job.attempt) for job in claim.jobs] == [
            (id, self.model.jobs[id].attempt) for id in taken
        ]
        assert claim.more == bool(self.model.ready)

    def running(self) -> list[str]:
        return sorted(id for id, job in self.model.jobs.items() if job.state == "running")

    @precondition(lambda self: self.running())
    @rule(
        pick=st.integers(0, 2),
        thief=st.sampled_from([None, None, "w1", "w2"]),
        back=st.sampled_from([0, 0, 1]),
        how=st.sampled_from(sorted(VERDICTS)),
    )
    def settle_what_runs(self, pick: int, thief: str | None, back: int, how: str) -> None:
        """By its worker or a thief, for this attempt or the one before."""
        running = self.running()
        id = running[pick % len(running)]
        self.settle(thief or self.model.jobs[id].worker, id, back, how)

    @precondition(lambda self: self.running())
    @rule(pick=st.integers(0, 2), thief=st.sampled_from([None, "w1", "w2"]))
    def release_what_runs(self, pick: int, thief: str | None) -> None:
        running = self.running()
        id = running[pick % len(running)]
        self.release(thief or self.model.jobs[id].worker, id)

    @rule(worker=WORKERS, id=JOBS, back=st.integers(0, 1), how=st.sampled_from(sorted(VERDICTS)))
    def settle_anything(self, worker: str, id: str, back: int, how: str) -> None:
        """Repeated, unknown, of a job that has ended or waits."""
        self.settle(worker, id, back, how)

    def settle(self, worker: str, id: str, back: int, how: str) -> None:
        job = self.model.jobs.get(id)
        number = (job.attempt if job else 1) - back
        settlement = Settlement(job=id, attempt=number, verdict=VERDICTS[how], ttl_s=3600)
        (answer,) = self.runner.run(self.broker.jobs.settle(worker, [settlement]))
        if job is None:
            assert answer is GONE
            return
        reason = VERDICTS[how].reason or ""
        current = job.worker == worker and number == job.attempt
        if current and job.state == "running":
            assert answer is APPLIED
            if how != "retrying":
                job.end(how, reason)
            elif job.cancel:
                job.end("cancelled", "why")
            else:
                job.state, job.reason = "retrying", reason
        elif current and (job.state, job.reason) == (how, reason):
            assert answer is ALREADY
        else:
            assert answer == stale(job.state, job.reason)

    def release(self, worker: str, id: str) -> None:
        job = self.model.jobs.get(id)
        released = self.runner.run(self.broker.jobs.release(worker, [(id, job.attempt if job else 1)], 3600))
        assert released == (job is not None and job.held_by(worker))
        if job is not None and released:
            if job.cancel:
                job.end("cancelled", "why")
            else:
                self.model.make_ready(id)

    @rule(id=JOBS)
    def cancel(self, id: str) -> None:
        job = self.model.jobs.get(id)
        (answer,) = self.runner.run(self.broker.jobs.cancel([id], "why", 3600))
        if job is None:
            assert answer == "gone"
        elif job.state in FINAL:
            assert answer == "ended"
        elif job.state == "running":
            assert answer == "asked"
            job.cancel = True
        else:
            assert answer == "cancelled"
            self.model.ready = [other for other in self.model.ready if other != id]
            job.end("cancelled", "why")

    @rule(worker=WORKERS, known=st.booleans(), back=st.integers(0, 1))
    def beat(self, worker: str, known: bool, back: int) -> None:
        """`known`: it lists all that it holds; else it lists every job that there is."""
        ids = self.model.held(worker) if known else sorted(self.model.jobs)
        held = [(id, self.model.jobs[id].attempt - back) for id in ids]
        try:
            answer = self.runner.run(self.broker.workers.beat(worker, held, 60))
        except WorkerGone:
            assert worker not in self.model.beats
            return
        self.model.beats[worker] += 1
        really = [id for id in ids if not back and self.model.jobs[id].held_by(worker)]
        assert answer.lost == [id for id in ids if id not in really]
        assert [id for id, _ in answer.cancels] == [id for id in really if self.model.jobs[id].cancel]

    @rule(worker=WORKERS, behind=st.integers(0, 1))
    def rescue(self, worker: str, behind: int) -> None:
        count = self.model.beats.get(worker)
        if count is None:
            return
        moved = self.runner.run(self.broker.workers.rescue_all(worker, count - behind, 3600))
        if behind:
            assert moved is None
            return
        held = self.model.held(worker)
        assert moved == len(held)
        del self.model.beats[worker]
        for id in held:
            job = self.model.jobs[id]
            job.crashes += 1
            if job.cancel:
                job.end("cancelled", "why")
            elif job.crashes >= MOST_CRASHES:
                job.end("failed", "quarantined")
            else:
                self.model.make_ready(id, "lost")

    @rule(worker=WORKERS)
    def leave(self, worker: str) -> None:
        if worker in self.model.beats:
            left = self.runner.run(self.broker.workers.leave(worker, 60))
            assert left == (not self.model.held(worker))
            if left:
                del self.model.beats[worker]

    @rule()
    def promote(self) -> None:
        waiting = sorted(id for id, job in self.model.jobs.items() if job.state == "retrying")
        for id in waiting:
            self.redis.zadd(f"{P}later", {id: 1})
        self.runner.run(self.broker.jobs.promote(100, 3600))
        for id in waiting:
            self.model.make_ready(id, self.model.jobs[id].reason)

    @rule(id=JOBS)
    def revive(self, id: str) -> None:
        job = self.model.jobs.get(id)
        result = self.runner.run(self.broker.jobs.revive(id)).result
        if job is None:
            assert result is Revived.GONE
        elif job.state == "succeeded":
            assert result is Revived.SUCCEEDED
        elif job.state not in FINAL:
            assert result is Revived.LIVE
        else:
            assert result is Revived.REVIVED
            job.crashes = 0
            self.model.make_ready(id)

    @invariant()
    def redis_agrees(self) -> None:
        for id, job in self.model.jobs.items():
            found = self.redis.hmget(f"{P}job:{id}", "state", "reason", "attempt")
            assert (found[0], found[1] or "", int(found[2] or 0)) == (job.state, job.reason, job.attempt), id
        running = [id for id, job in self.model.jobs.items() if job.state == "running"]
        stream = f"{P}stream:t"
        if self.redis.exists(stream):
            assert self.redis.xlen(stream) == len(self.model.ready) + len(running)
            groups = self.redis.xinfo_groups(stream)
            assert [group["pending"] for group in groups] == [len(running)] * len(groups)
        assert sorted(self.redis.zrange(f"{P}beats", 0, -1)) == sorted(self.model.beats)

    @invariant()
    def what_a_worker_holds_is_what_it_can_find(self) -> None:
        for worker in self.model.beats:
            held = self.runner.run(self.broker.jobs.list_held(worker))
            assert [job.id for job in held] == self.model.held(worker)

    @invariant()
    def each_end_is_one_event(self) -> None:
        finals = [f"job.{state}" for state in FINAL]
        ends = Counter(event.fields["job"] for event in events(self.redis, *finals))
        assert ends == {id: job.ends for id, job in self.model.jobs.items() if job.ends}


def test_the_scripts_do_what_the_model_does(servers: Urls) -> None:
    class OnThisServer(Lifecycle):
        url = servers.redis

    run_state_machine_as_test(
        OnThisServer,
        settings=settings(
            max_examples=50,
            stateful_step_count=50,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
