"""What lists show of one queue: each list is one script, however many tasks there are."""

from collections.abc import Sequence
from typing import Any

from infinitas.broker.connection import Connection
from infinitas.broker.keys import QueueKeys
from infinitas.core.codec import json_text


class Lists:
    """Replies as the scripts give them; `inspect` makes records of them. All raise ServerUnreachable."""

    def __init__(self, connection: Connection, keys: QueueKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def list_tasks(
        self, names: Sequence[str], slots: int, *, runs: bool
    ) -> tuple[list[Any], list[Any]]:
        """A row for each of these tasks, None for one that is gone; and the next schedules of other keys.

        Args:
            slots: how many of the next schedules to read.
            runs: with the last ten runs of each task.
        """
        rows, others = await self._connection.run_script(
            "list_tasks", self._keys, names=json_text(names), runs="1" if runs else "", slots=slots
        )
        return rows, others

    async def list_running(self, names: Sequence[str], limit: int) -> dict[str, str]:
        """Ids of up to `limit` jobs of each of these tasks that workers have claimed, with their tasks."""
        found = await self._connection.run_script(
            "list_running", self._keys, names=json_text(names), most=limit
        )
        return dict(zip(found[::2], found[1::2], strict=True))

    async def count_queue(self) -> list[Any]:
        """How much waits and runs."""
        return list(await self._connection.run_script("count_queue", self._keys))
