"""Processors that behave badly, for the tests that launch real workers."""

import asyncio
import functools
import logging
import operator
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, model_serializer

from infinitas import Infinitas, Job, current_job

app = Infinitas()


def note(file: str, text: object) -> None:
    """Leave a trace outside: one line, atomically appended."""
    with Path(file).open("a") as trace:
        trace.write(f"{text}\n")


@app.task
async def noop() -> None: ...


@app.task
async def hold(file: str, seconds: float) -> str:
    note(file, os.getpid())
    await asyncio.sleep(seconds)
    return "held"


@app.task
async def hold_until(file: str, gate: str) -> str:
    """Ends once the test has made the second file."""
    note(file, os.getpid())
    while not os.path.exists(gate):  # noqa: ASYNC110, ASYNC240 - a file, not an event
        await asyncio.sleep(0.02)
    return "held"


@app.task(on_lost="fail")
async def hold_once(file: str, seconds: float) -> None:
    note(file, os.getpid())
    await asyncio.sleep(seconds)


@app.task
def poison(file: str) -> None:
    note(file, os.getpid())
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
async def block(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - blocking the loop is the point
    return "unblocked"


@app.task
def hog(seconds: int) -> str:
    """Keeps the interpreter to itself: not even another thread of the worker runs."""
    import ctypes

    ctypes.PyDLL(None).sleep(seconds)
    return "gave it back"


@app.task(timeout=0.5)
async def block_for_ever() -> None:
    while True:
        pass


@app.task(timeout=0.3)
async def refuse_to_go() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


@app.task(timeout=0.3)
def never_return() -> None:
    while True:
        time.sleep(0.05)


@app.task
def exit_interpreter() -> None:
    sys.exit(3)


@app.task
async def interrupt() -> None:
    raise KeyboardInterrupt


@app.task
def fork(file: str) -> str:
    pid = os.fork()
    note(file, pid)
    return "parent" if pid else "child"


@app.task
def recurse() -> None:
    recurse()


@app.task
def not_json() -> object:
    return object()


@app.task
def huge() -> str:
    return "x" * 100_000_000


@app.task
def log_binary(job: Job) -> None:
    job.log(b"\x00\xff\xfe")
    job.log("\ud800 surrogate \x00 nul")
    logging.getLogger("binary").warning("%s", bytes(range(256)))


@app.task
def flood(megabytes: int) -> str:
    line = "x" * 1000
    for _ in range(megabytes * 1000):
        logging.getLogger("flood").info(line)
    return "flooded"


# In a process of its own:


@app.task(runner="process")
def compute(job: Job, a: int, b: int) -> dict[str, Any]:
    job.progress(0.5, "half")
    job.log("computing")
    logging.getLogger("sums").info("adding")
    return {"sum": a + b, "pid": os.getpid()}


@app.task(runner="process", timeout=4)
def spin(file: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    note(file, os.getpid())
    note(file, child.pid)
    while True:
        pass


@app.task(runner="process", timeout=30)
def spin_long(file: str) -> None:
    note(file, os.getpid())
    while True:
        pass


@app.task(runner="process")
def segfault() -> None:
    import ctypes

    ctypes.string_at(0)


@app.task(runner="process")
def vanish() -> None:
    os._exit(7)


@app.task(runner="process")
async def compute_async(job: Job) -> str:
    await job.checkpoint({"page": 7})
    await job.done("explicitly")
    return "too late"


@app.task(runner="process", timeout=2, soft_timeout=1)
def warned(job: Job, file: str) -> None:
    job.on_soft_timeout(lambda limit: note(file, f"soft {limit}"))
    job.on_timeout(lambda limit: note(file, f"hard {limit}"))
    time.sleep(60)


@app.task(runner="process")
def pack(day: date, raw: bytes) -> tuple[date, bytes]:
    return day, raw


@app.task(runner="process")
def settle_packed(job: Job, day: date) -> set[date]:
    job.done({day})
    return set()


@app.task(runner="process", capture_print=True)
def prints() -> None:
    print("printed there")


class Session:
    """Logs that nothing closed it, wherever the collector finds it: in the middle of another line too."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        logging.getLogger("sessions").warning("unclosed")


@app.task(runner="process", capture_print=True)
def leaks(count: int) -> None:
    for number in range(count):
        Session()
        print(number)


@app.task(runner="process")
def send_from_there() -> str:
    return noop.send().id


@app.task(timeout=0.5)
async def encode_for_ever() -> object:
    class Endless(BaseModel):
        @model_serializer
        def serialize(self) -> dict[str, int]:
            while True:
                pass

    return Endless()


def add(a: int, b: int) -> int:
    return a + b


class Counter:
    def __call__(self, a: int) -> int:
        return a + 2


bound = app.task(runner="process", name="bound")(functools.partial(add, b=2))
counted = app.task(runner="process", name="counted")(Counter())
renamed = app.task(runner="process", name="renamed")(functools.partial(operator.add, 2))


@app.task(runner="process")
def lie(kind: str) -> None:
    """Untrusted code that sends its own messages to the worker."""
    import gc
    from multiprocessing.connection import Connection

    (pipe,) = (found for found in gc.get_objects() if isinstance(found, Connection))
    messages = {
        "nonsense": b"no JSON",
        "result": b'{"kind":"outcome","Succeeded":{"result":"{broken"}}',
        "fields": b'{"kind":"outcome","Succeeded":{"result":null,"state":"x"}}',
        "reason": b'{"kind":"outcome","Failed":{"error":"e","reason":"quarantined"}}',
        "delay": b'{"kind":"outcome","Failed":{"error":"e","reason":"error","after_s":"nan"}}',
        "huge": b" " * 5_000_000,
    }
    pipe.send_bytes(messages[kind])
    time.sleep(60)


@app.task(runner="process")
def who_runs_here(job: Job) -> list[Any]:
    """The ids in a bare thread and in the function, and whether the object is the job's own."""
    seen: list[Any] = []

    def in_a_thread() -> None:
        found = current_job()
        seen.append(found and found.id)
        logging.getLogger("contract").info("from a thread")

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    logging.getLogger("contract").info("from the function")
    found = current_job()
    return [*seen, found and found.id, found is job]
