"""`python -m tests.apps.exits CASE`: ends while an app is in use; prints what worked, and nothing else."""

import atexit
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from infinitas import Infinitas, NoEventLoop

app = Infinitas()


@app.task
def work(n: int) -> None: ...


def report(name: str, verb: Callable[[], Any]) -> None:
    try:
        verb()
        print(name, "works")
    except NoEventLoop as error:
        print(name, error.code)


def send_late() -> None:
    time.sleep(0.1)
    for n in range(20):
        work.send(n)
    report("late fetch", lambda: app.fetch_task("work"))


def send_for_ever() -> None:
    while True:
        work.send(1)


match sys.argv[1]:
    case "first use":
        atexit.register(report, "fetch", lambda: app.fetch_task("work"))
        atexit.register(report, "send", lambda: work.send(1))
        threading.Thread(target=send_late).start()
    case "under way":
        handle = work.send(1)
        app.fetch_job(handle.id)
        atexit.register(report, "fetch", lambda: app.fetch_task("work"))
        atexit.register(report, "send", lambda: work.send(1))
        for target in (send_for_ever, handle.get) * 3:
            threading.Thread(target=target, daemon=True).start()
