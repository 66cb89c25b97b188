"""Real threads, and waits for them, also where gevent or eventlet has replaced Python's by greenlets.

Under their monkey patches a `threading.Thread` is a greenlet of the caller's own thread. An event loop
in it would be the running loop of the whole program, and one blocking wait would stop all greenlets.
"""

import _thread
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

Begin = Callable[[Callable[[], None]], object]
"""Begins some work, which calls the function it is given once it is done, from any thread."""


def green_library() -> str | None:
    """`gevent` or `eventlet`, if it has patched the threads or the sockets of this program."""
    gevent: Any = sys.modules.get("gevent.monkey")
    if gevent is not None and any(map(gevent.is_module_patched, ("threading", "socket"))):
        return "gevent"
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if eventlet is not None and any(map(eventlet.is_monkey_patched, ("thread", "socket"))):
        return "eventlet"
    return None


def original(module: ModuleType, name: str) -> Any:
    """A function of the standard library as Python has it, whatever has patched it."""
    match green_library():
        case "gevent":
            from gevent.monkey import get_original

            return get_original(module.__name__, name)
        case "eventlet":
            from eventlet import patcher

            return getattr(patcher.original(module.__name__), name)
        case _:
            return getattr(module, name)


def start_thread(run: Callable[[], object], name: str) -> None:
    """Run `run` in a real thread, which doesn't keep the process alive.

    Raises:
        RuntimeError: the interpreter is ending, or there are too many threads.
    """
    if green_library() is None:
        threading.Thread(target=run, name=name, daemon=True).start()
    else:
        original(_thread, "start_new_thread")(run, ())


def wait_for(begin: Begin) -> None:
    """Wait until the work is done. Other greenlets run meanwhile, where there are greenlets."""
    match green_library():
        case "gevent":
            _wait_in_gevent(begin)
        case "eventlet":
            _wait_in_eventlet(begin)
        case _:
            done = threading.Lock()
            done.acquire()
            begin(done.release)
            done.acquire()


def _wait_in_gevent(begin: Begin) -> None:
    from gevent import get_hub
    from gevent.event import Event

    done, watcher = Event(), get_hub().loop.async_()
    try:
        watcher.start(done.set)
        begin(watcher.send)
        done.wait()
    finally:
        watcher.stop()
        watcher.close()


def _wait_in_eventlet(begin: Begin) -> None:
    from eventlet.green.socket import socketpair

    # Locks of eventlet don't work between threads; a socket does.
    waiting, notifying = socketpair()

    def notify() -> None:
        with suppress(OSError):
            notifying.send(b"\0")

    with waiting, notifying:
        begin(notify)
        waiting.recv(1)
