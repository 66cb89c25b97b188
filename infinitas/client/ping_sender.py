"""Sends the pings of a run to a server, in threads: the command waits for none of them."""

import threading
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

TIMEOUT_S = 5.0
"""Of one try."""
START_WITHIN_S = 30.0
END_WITHIN_S = 10.0
"""How long the end of a run is reported at most: so much longer a command may take."""
AFTER_START_S = 5.0
"""How long the report of the end waits for the one of the start, which would open the run again."""
FIRST_PAUSE_S = 0.2
_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class PingSender:
    """The pings of one run, with a `rid` of its own.

    Args:
        url: the ping address of its task.
        warn: called once with a reason, without the address, if the end could not be reported.
    """

    def __init__(self, url: str, warn: Callable[[str], None]) -> None:
        self._url = url.rstrip("/")
        self._warn = warn
        self._rid = uuid.uuid4().hex
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._starting: threading.Thread | None = None

    def start(self) -> None:
        """Report the start; a failure is found at the end."""
        self._began = time.monotonic()
        url = f"{self._url}/start?rid={quote(self._rid)}"
        deadline = self._began + START_WITHIN_S
        self._starting = _in_thread(lambda: _send(url, b"", deadline, self._ended))

    def end(self, code: int, output: bytes) -> None:
        """Report the end; waits for the server, but not for long."""
        now = time.monotonic()
        deadline = now + END_WITHIN_S
        self._ended.set()
        if self._starting is not None:
            self._starting.join(min(AFTER_START_S, END_WITHIN_S / 2))
        what = str(code) if 0 <= code <= 255 else "fail"
        url = f"{self._url}/{what}?rid={quote(self._rid)}&duration={now - self._began:.3f}"
        failures: list[str | None] = []
        thread = _in_thread(lambda: failures.append(_send(url, output, deadline, threading.Event())))
        thread.join(deadline - time.monotonic())
        failure = failures[0] if failures else "the server did not answer"
        if failure is not None:
            self._warn(failure)


def why_no_address(url: str) -> str | None:
    """What is wrong with a ping address, without its token; None for a good one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "the ping address is no URL"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "the ping address does not begin with http:// or https:// and a host"
    return None


def _in_thread(send: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=send, daemon=True, name="ping")
    thread.start()
    return thread


def _send(url: str, body: bytes, deadline: float, outdated: threading.Event) -> str | None:
    """Send until the server has taken it, or refused it, or the time is over. Returns why it failed.

    What is outdated is tried once.
    """
    pause = FIRST_PAUSE_S
    while True:
        failure, again = _try(url, body, min(TIMEOUT_S, max(deadline - time.monotonic(), 0.1)))
        if failure is None or not again or time.monotonic() + pause >= deadline:
            return failure
        if outdated.wait(pause):
            return failure
        pause *= 2


def _try(url: str, body: bytes, timeout_s: float) -> tuple[str | None, bool]:
    """One try: why it failed, and whether another may do better."""
    request = Request(url, data=body, method="POST", headers={"Content-Type": "text/plain"})
    try:
        with urlopen(request, timeout=timeout_s):
            return None, False
    except HTTPError as error:
        error.close()
        return f"the server answered {error.code}", error.code >= 500 or error.code in _AGAIN
    except (OSError, ValueError) as error:
        # Not the error's text: it may have the address.
        reason = getattr(error, "reason", error)
        return f"the server can't be reached ({type(reason).__name__})", True
