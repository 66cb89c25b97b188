"""The definitions of tasks in Redis, kept for some seconds."""

import asyncio
import time
from collections.abc import Collection, Mapping

from infinitas.broker.connection import Connection
from infinitas.broker.inspect.tasks import find_definitions
from infinitas.core.errors import InfinitasError
from infinitas.core.task_definition import TaskDefinition

KEPT_S = 10.0
MOST_KEPT = 10_000
PATIENCE_S = 2.0


class TaskOptions:
    """Definitions by name. While Redis gives no answer, those of tasks that are not known stay unknown."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kept: dict[str, tuple[float, TaskDefinition | None]] = {}

    async def of(self, names: Collection[str]) -> Mapping[str, TaskDefinition]:
        """The definitions of those of these tasks that are declared."""
        now = time.monotonic()
        wanted = [name for name in names if now - self._kept.get(name, (-KEPT_S, None))[0] >= KEPT_S]
        if wanted:
            if len(self._kept) + len(wanted) > MOST_KEPT:
                self._kept.clear()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    found = await find_definitions(self._connection, wanted)
            except (InfinitasError, TimeoutError):
                pass
            else:
                self._kept |= {name: (now, found.get(name)) for name in wanted}
        known = {name: self._kept.get(name, (0.0, None))[1] for name in names}
        return {name: definition for name, definition in known.items() if definition is not None}
