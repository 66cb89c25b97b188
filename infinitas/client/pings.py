"""External tasks: made, pinged and removed. A ping finds its task by the token in its address."""

import re
from collections.abc import Sequence
from datetime import timedelta

from infinitas.broker.messages import DueSlot
from infinitas.broker.ping_tokens import PingToken, PingTokens
from infinitas.broker.pings import Ping, PingAnswer, Pinged, PingKind, Pings
from infinitas.broker.schedules import Schedules
from infinitas.client.backend import Backend
from infinitas.client.job_ids import fresh_id
from infinitas.client.redis_schedules import RedisSchedules
from infinitas.client.removal import remove_task
from infinitas.core.errors import BadArgs, NameTaken, UnknownTask, UnknownToken
from infinitas.core.interval import Rule
from infinitas.core.ping_report import PingReport
from infinitas.core.planner import Fire, plan
from infinitas.core.records import ExternalTaskInfo, TaskInfo, TaskLine
from infinitas.core.schedule_options import Entry, ScheduleOptions, make_schedule
from infinitas.core.task_definition import TaskDefinition

EARLY = timedelta(seconds=10)
"""A ping so long before its slot is that slot's: the clock of its host is fast."""
_TRIES = 5
"""Of firing slots before a ping; 500 slots are fired at once."""
_RID = re.compile(r"[A-Za-z0-9._-]{0,100}")


class ExternalTasks:
    """All methods raise ServerUnreachable."""

    def __init__(self, backend: Backend, schedules: RedisSchedules, job_ttl_s: int) -> None:
        self._backend = backend
        self._schedules = schedules
        self._tokens = PingTokens(backend.connection)
        self._job_ttl_s = job_ttl_s

    async def add(
        self, task: TaskDefinition, rule: Rule | None, options: ScheduleOptions
    ) -> tuple[ExternalTaskInfo, str]:
        """Make an external task, with a schedule if there is a rule. Returns it with its token's text.

        Raises:
            NameTaken: there is a task of that name. BadSchedule: the rule is wrong; nothing is stored.
        """
        if await self._find(task.name) is not None:
            raise NameTaken(
                f"There is a task {task.name!r} already. `infinitas ping rotate` gives an external task a "
                "new token, `infinitas schedule change` another schedule."
            )
        if rule is None:
            await self._backend.declare(task)
        else:
            now = await self._backend.connection.now()
            # Checked before the task is stored.
            make_schedule(rule, key=task.name, task=task.name, now=now, options=options)
            await self._schedules.put(task, [Entry(key=task.name, rule=rule)], options)
        token = await self._tokens.issue(task.name, task.queue)
        return await self.find(task.name), token

    async def find(self, name: str) -> ExternalTaskInfo:
        """Raises UnknownTask: there is no external task of that name."""
        info = await self._find(name)
        if info is None or not info.definition.external:
            raise UnknownTask(f"There is no external task {name[:200]!r}. `infinitas ping ls` lists them.")
        made = {each.task: each.created for each in await self._tokens.all()}
        return ExternalTaskInfo(task=info, token_made=made.get(name))

    async def all(self, tasks: Sequence[TaskLine]) -> list[ExternalTaskInfo]:
        """Those of `tasks` that are external."""
        made = {each.task: each.created for each in await self._tokens.all()}
        found = [await self._find(line.name) for line in tasks if line.external]
        return [ExternalTaskInfo(task=info, token_made=made.get(info.name)) for info in found if info]

    async def rotate(self, name: str) -> str:
        """Give an external task a new token; the old one ends. Returns its text. Raises UnknownTask."""
        found = await self.find(name)
        return await self._tokens.issue(name, found.task.queue)

    async def remove(self, name: str) -> None:
        """Remove an external task, its schedule, its token and what waits. History stays.

        Raises UnknownTask.
        """
        found = await self.find(name)
        await self._tokens.remove(name)
        await remove_task(self._backend, found.task, self._job_ttl_s)

    async def token(self, text: str) -> PingToken:
        """The token with this text. Raises UnknownToken."""
        found = await self._tokens.find(text)
        if found is None:
            raise UnknownToken("No task has this ping address; `infinitas ping rotate` makes a new one.")
        return found

    async def ping(self, token: PingToken, report: PingReport, rid: str = "") -> PingAnswer:
        """Apply a ping. A ping that comes again is applied once, if it has a `rid`.

        Raises:
            UnknownTask: the task is gone, or not external any more. BadArgs: the rid is wrong.
        """
        if not _RID.fullmatch(rid):
            raise BadArgs("A rid has up to 100 of the characters A-Z a-z 0-9 . _ -")
        ping = Ping(
            task=token.task,
            kind=PingKind(report.kind),
            rid=rid,
            lines=report.lines,
            failure=report.failure,
            result=report.result,
        )
        answer = await self._apply(token.queue, ping)
        if answer.result is Pinged.NOT_EXTERNAL:
            # It may have moved since its token was made.
            answer = await self._apply((await self.find(token.task)).task.queue, ping)
        if answer.result is Pinged.NOT_EXTERNAL:
            raise UnknownTask(f"The task {token.task!r} is not external any more.")
        return answer

    async def _apply(self, queue: str, ping: Ping) -> PingAnswer:
        edges, job = Pings(self._backend.connection, queue), fresh_id()
        early_ms = EARLY // timedelta(milliseconds=1)
        schedules = (await self._backend.broker(queue)).schedules
        for _ in range(_TRIES):
            answer = await edges.ping(ping, job, self._job_ttl_s, early_ms)
            if answer.result is not Pinged.SLOT_FIRST or not await _fire(schedules, ping.task):
                break
        if answer.result is Pinged.SLOT_FIRST:
            answer = await edges.ping(ping, job, self._job_ttl_s, None)
        return answer

    async def _find(self, name: str) -> TaskInfo | None:
        try:
            return await self._backend.live_task(name)
        except UnknownTask:
            return None


async def _fire(schedules: Schedules, key: str) -> bool:
    """Fire the slots of a schedule that are due, or the one that a ping may be early for.

    Returns whether the next ping may find another slot.
    """
    due = await schedules.due(1, key)
    for each in due.found:
        if not isinstance(each, DueSlot):
            return False
        if each.slot <= due.now:
            await schedules.fire(list(plan(each.schedule, each.slot, due.now, each.seen)))
            return True
        following = each.schedule.next_after(each.slot)
        # A ping in the first half of an interval is not for the slot at its end.
        room = EARLY if following is None else (following - each.slot) / 2
        if each.slot - due.now <= min(EARLY, room, each.schedule.expected_by(each.slot) - each.slot):
            one = Fire(schedule=each.schedule, slot=each.slot, next_slot=following, seen=each.seen)
            await schedules.fire([one])
            return True
    return False
