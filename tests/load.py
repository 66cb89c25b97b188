"""Jobs that are sent all the time, while a test does something to Redis."""

import itertools
import threading
from collections.abc import Sequence

from infinitas import Infinitas, ServerUnreachable
from tests.support import eventually


class Load:
    """Sends jobs of these tasks in turn, one after the other; `ids`: of those that were accepted."""

    def __init__(self, app: Infinitas, tasks: Sequence[str]) -> None:
        self.ids: list[str] = []
        self._tasks = [app.find(task) for task in tasks]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def more(self, count: int = 20) -> None:
        """Wait until so many more jobs were accepted."""
        before = len(self.ids)
        eventually(lambda: len(self.ids) >= before + count)

    def _send(self) -> None:
        for task in itertools.cycle(self._tasks):
            if self._stop.wait(0.02):
                return
            try:
                self.ids.append(task.send().id)
            except ServerUnreachable:
                continue
