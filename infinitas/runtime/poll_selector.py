"""A selector for an event loop in a real thread, by poll().

The default one, epoll, is shared with a forked child, in which a closed socket would end its parent's
reads. Those of gevent and eventlet wait for greenlets.
"""

import select
import selectors
from collections.abc import Callable, Mapping
from typing import Any

from infinitas.runtime.threads import original

Poll = Callable[[], Any]


class PollSelector(selectors.BaseSelector):
    """As `selectors.PollSelector`, over Python's own `select.poll`, whatever has patched it."""

    def __init__(self, new_poll: Poll) -> None:
        self._poll = new_poll()
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, _number(fileobj), events, data)
        if key.fd in self._keys:
            raise KeyError(f"{fileobj!r} is already registered")
        self._poll.register(key.fd, _mask(events))
        self._keys[key.fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._keys.pop(_number(fileobj))
        self._poll.unregister(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        wait_ms = None if timeout is None else max(0.0, timeout) * 1000
        found = self._poll.poll(wait_ms)
        return [(key, _events(mask) & key.events) for fd, mask in found if (key := self._keys.get(fd))]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


def new_selector() -> selectors.BaseSelector:
    """A selector for this platform."""
    if not hasattr(select, "POLLIN"):
        return selectors.DefaultSelector()
    return PollSelector(original(select, "poll"))


def _number(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())


def _mask(events: int) -> int:
    reads = select.POLLIN if events & selectors.EVENT_READ else 0
    return reads | (select.POLLOUT if events & selectors.EVENT_WRITE else 0)


def _events(mask: int) -> int:
    """An error or a hang-up is noticed by reading and by writing."""
    reads = selectors.EVENT_READ if mask & ~select.POLLOUT else 0
    return reads | (selectors.EVENT_WRITE if mask & ~select.POLLIN else 0)
