"""The pipe from a worker to its supervisor: the worker reports its id and queues at every heartbeat."""

import os
import signal

import orjson

from infinitas.runtime.signals import end_with_parent

VARIABLE = "INFINITAS_SUPERVISOR_FD"


class SupervisorPipe:
    """The worker's end. Does nothing in a worker without a supervisor."""

    def __init__(self) -> None:
        number = os.environ.get(VARIABLE, "")
        self._fd = int(number) if number.isdigit() else None
        if self._fd is not None:
            end_with_parent(signal.SIGTERM)

    def report(self, worker: str, queues: list[str]) -> bool:
        """Send the worker's id and queues. Returns False if the supervisor is gone."""
        if self._fd is None:
            return True
        try:
            os.write(self._fd, orjson.dumps({"worker": worker, "queues": queues}) + b"\n")
        except BlockingIOError:
            return True  # The supervisor reads slowly; the next heartbeat reports again.
        except OSError:
            return False
        return True
