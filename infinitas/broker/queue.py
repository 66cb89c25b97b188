"""One queue in Redis: the only way to its jobs, workers, schedules, declarations and waits."""

from datetime import datetime

from infinitas.broker.connection import Connection
from infinitas.broker.declarations import Declarations
from infinitas.broker.jobs import Jobs
from infinitas.broker.keys import QueueKeys
from infinitas.broker.messages import ClockReading
from infinitas.broker.schedules import Schedules
from infinitas.broker.task_pauses import TaskPauses
from infinitas.broker.waits import Waits
from infinitas.broker.workers import Workers
from infinitas.core.codec import from_ms, to_ms


class QueueBroker:
    """One queue: `.jobs .workers .schedules .declarations .task_pauses .waits`, and the queue as a whole.

    A method runs the Lua file of its name: one atomic edge. Every method may be called again after a
    lost reply. All raise ServerUnreachable.
    """

    def __init__(self, connection: Connection, queue: str) -> None:
        self.connection = connection
        self.keys = QueueKeys(queue)
        self.jobs = Jobs(connection, self.keys)
        self.workers = Workers(connection, self.keys)
        self.schedules = Schedules(connection, self.keys)
        self.declarations = Declarations(connection, self.keys, self.schedules)
        self.task_pauses = TaskPauses(connection, self.keys)
        self.waits = Waits(connection, self.keys)

    async def now(self) -> datetime:
        """Redis TIME, the one clock."""
        return await self.connection.now()

    async def audit(
        self,
        *,
        action: str,
        actor: str,
        target: str,
        reason: str,
        origin: str,
        changes: str = "",
        intent: str = "",
        was_cut_off: bool = False,
    ) -> None:
        """Append a change by a person to the events, for the archive.

        Args:
            changes: a JSON object, or empty.
            intent: what was noted before the change (`broker/intents.py`); it ends in the same step.
            was_cut_off: of a request that another server has begun; nothing if its intent has ended.
        """
        await self.connection.run_script(
            "audit",
            self.keys,
            action=action,
            actor=actor,
            target=target,
            reason=reason,
            origin=origin,
            changes=changes,
            intent=intent,
            was_cut_off=int(was_cut_off),
        )

    async def clock(self, earliest: datetime | None, ahead_ms: int = 0, done: str = "") -> ClockReading:
        """Read Redis' clock; a jump is one event.

        `earliest`: the least that it must show; `ahead_ms`: a jump forward that was seen; `done`: the
        mark of a jump back whose consequences have been dealt with.
        """
        now, jump, behind = await self.connection.run_script(
            "clock", self.keys, earliest=to_ms(earliest) if earliest else 0, ahead=ahead_ms, done=done
        )
        return ClockReading(now=from_ms(now), jump_ms=int(jump), behind=behind)

    async def rewind(self, cursor: str, most: int) -> tuple[str, int]:
        """Move back what a fast clock has put off. Returns the next cursor, and how many jobs were moved."""
        following, moved = await self.connection.run_script("rewind", self.keys, cursor=cursor, most=most)
        return str(following), int(moved)
