"""An app with a plugin around its code: for jobs in threads and in processes of their own."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from infinitas import Infinitas, Job, Plugin

entered = threading.local()
left: list[str] = []


class Around(Plugin):
    @contextmanager
    def around_code(self, job: Job) -> Iterator[None]:
        if job.task == "refused":
            raise ConnectionError("no connection")
        entered.by = f"{os.getpid()} {threading.get_ident()} {job.id}"
        try:
            yield
        except ValueError as error:
            left.append(f"{job.task} raised {error}")
            if job.task != "suppressed":
                raise
        finally:
            entered.by = None


app = Infinitas(plugins=[Around()])


def where() -> bool:
    """Whether the hook was entered in this thread."""
    return getattr(entered, "by", "").startswith(f"{os.getpid()} {threading.get_ident()} ")


@app.task
def in_thread() -> bool:
    return where()


@app.task(runner="process")
def in_process() -> bool:
    return where()


@app.task(runner="process")
async def async_in_process() -> bool:
    return where()


@app.task
def fails() -> None:
    raise ValueError("as the code does")


@app.task
def suppressed() -> None:
    raise ValueError("what a plugin suppresses")


@app.task
def refused() -> None: ...
