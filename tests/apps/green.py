"""`python -m tests.apps.green gevent|eventlet [late]`: uses an app in greenlets, and asserts what must hold.

`late`: the patches come after the app was imported and used, as under `gunicorn --preload`.
"""

import importlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

LIBRARY, LATE = sys.argv[1], "late" in sys.argv
MOST_AT_ONCE = 100


def patch() -> None:
    if LIBRARY == "gevent":
        importlib.import_module("gevent.monkey").patch_all()
    else:
        importlib.import_module("eventlet").monkey_patch()


warnings.simplefilter("ignore")
if not LATE:
    patch()

import asyncio  # noqa: E402

import django  # noqa: E402
from django.conf import settings  # noqa: E402

from infinitas import Infinitas, KeyTaken, NotInTime, UnknownTask  # noqa: E402
from infinitas.runtime.threads import green_library  # noqa: E402

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()
app = Infinitas()


@app.task
def work(n: int) -> None: ...


def query() -> bool:
    """As any view does: Django refuses it in a thread with a running event loop."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


async def answer() -> int:
    return 5


def is_untouched() -> bool:
    return query() and asyncio.run(answer()) == 5


def at_once(function: Callable[[int], Any]) -> int:
    """Call it in many greenlets at once; returns how often another greenlet ran meanwhile."""
    ticks, over, found = [0], threading.Event(), list[Any]()

    def tick() -> None:
        while not over.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    ticking = threading.Thread(target=tick)
    threads = [threading.Thread(target=lambda n=n: found.append(function(n))) for n in range(MOST_AT_ONCE)]
    for thread in (ticking, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    ticking.join()
    assert len(found) == MOST_AT_ONCE, found
    return ticks[0]


def outwait(n: int) -> str:
    try:
        return str(work.send(n).get(timeout=0.3))
    except NotInTime as error:
        return error.code


def unknown() -> object:
    return app.fetch_task("nothing")


if LATE:
    work.send(0)
    assert app.fetch_task("work").name == "work"
    # A prefork server patches in the child: the thread of the parent's portal is gone there.
    if child := os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    patch()
assert green_library() == LIBRARY
assert is_untouched()
work.send(0)
assert is_untouched()
assert app.fetch_job(work.send(0).id).state == "queued"
assert is_untouched()
assert at_once(work.send) > 1
assert at_once(lambda n: app.fetch_task("work").name) > 1
assert at_once(outwait) > 5, "a wait blocks no other greenlet"
work.using(key="k").send(1)
for refusal, verb in ((KeyTaken, lambda: work.using(key="k").send(1)), (UnknownTask, unknown)):
    try:
        verb()
    except refusal:
        continue
    raise AssertionError(f"{refusal} was not raised")
app.close()
work.send(2)
assert app.fetch_task("work").name == "work"
assert is_untouched()
print("green")
