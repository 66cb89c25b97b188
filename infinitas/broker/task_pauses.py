"""Pauses of tasks, or of a whole queue: their jobs wait, and are not claimed."""

from datetime import datetime

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.core.codec import json_text, to_ms

WHOLE_QUEUE = ""
"""In place of a task's name."""


class TaskPauses:
    """Every method may be called again after a lost reply. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, keys: QueueKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def pause_task(self, task: str, reason: str, now: datetime) -> bool:
        """No job of the task is claimed until `resume_task`. False: there is no such task."""
        record = json_text({"reason": reason, "since": to_ms(now)})
        return bool(await self._connection.run_script("pause_task", self._keys, task=task, record=record))

    async def resume_task(self, task: str) -> bool:
        """Its jobs are claimed again. False: it was not paused."""
        return bool(await self._connection.run_script("resume_task", self._keys, task=task))
