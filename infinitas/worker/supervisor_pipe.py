"""What a worker tells the supervisor that started it, over a pipe: its name, at every beat."""

import os
import signal

import orjson

from infinitas.runtime.signals import end_with_parent

VARIABLE = "INFINITAS_TELL_FD"


class Teller:
    """Silent in a worker that nobody supervises."""

    def __init__(self) -> None:
        number = os.environ.get(VARIABLE, "")
        self._fd = int(number) if number.isdigit() else None
        if self._fd is not None:
            end_with_parent(signal.SIGTERM)

    def tell(self, worker: str, queues: list[str]) -> bool:
        """False if the supervisor is gone."""
        if self._fd is None:
            return True
        try:
            os.write(self._fd, orjson.dumps({"worker": worker, "queues": queues}) + b"\n")
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True
