"""Jobs that leave something behind in their process, and jobs that find it or not."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from typing import Any

from infinitas import Infinitas

app = Infinitas()
tenant: ContextVar[str] = ContextVar("tenant", default="none")
ticking = threading.Event()


@app.task(runner="process")
def pid() -> int:
    return os.getpid()


@app.task(runner="process", isolate="job")
def own_pid() -> int:
    return os.getpid()


@app.task(runner="process")
def see() -> dict[str, Any]:
    umask = os.umask(0o022)
    os.umask(umask)
    return {
        "pid": os.getpid(),
        "folder": os.getcwd(),
        "variable": os.environ.get("POOLED"),
        "path": "PATH" in os.environ,
        "umask": umask,
        "handler": str(signal.getsignal(signal.SIGUSR2)),
        "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
        "timer": signal.getitimer(signal.ITIMER_REAL)[0],
        "tenant": tenant.get(),
        "output": sys.stdout is None,
    }


@app.task(runner="process")
def change_everything(folder: str) -> int:
    os.chdir(folder)
    os.environ["POOLED"] = "changed"
    del os.environ["PATH"]
    os.umask(0o000)
    signal.signal(signal.SIGUSR2, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    signal.setitimer(signal.ITIMER_REAL, 600)
    tenant.set("other")
    sys.stdout = None
    return os.getpid()


@app.task(runner="process")
def leave_a_thread() -> int:
    def tick() -> None:
        while True:
            logging.getLogger("pooled").info("tick")
            ticking.set()
            time.sleep(0.01)

    threading.Thread(target=tick, name="ticker", daemon=True).start()
    return os.getpid()


@app.task(runner="process")
def wait_for_a_tick() -> int:
    ticking.clear()
    ticking.wait(30)
    ticking.clear()
    ticking.wait(30)
    return os.getpid()


@app.task(runner="process")
def leave_a_process() -> list[int]:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return [os.getpid(), left.pid]


@app.task(runner="process")
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(runner="process", timeout=30)
def hold(file: str, gate: str) -> int:
    with open(file, "w") as trace:
        trace.write(str(os.getpid()))
    while not os.path.exists(gate):
        time.sleep(0.01)
    return os.getpid()
