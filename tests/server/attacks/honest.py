"""An honest worker and an honest client, while others attack the same server."""

import contextlib
import threading
import time

import httpx
from websockets.exceptions import ConnectionClosed

from tests.server.calls import of, send
from tests.server.peer import Peer

BEAT_S = 0.3


class HonestWorker:
    """Holds one job of the task `held` all the time, and runs those of `honest`."""

    def __init__(self, http: httpx.Client, token: str) -> None:
        self._peer = Peer(str(http.base_url).rstrip("/"), token)
        self._peer.identify("held", "honest", capacity=5)
        self.held = send(http, "held")
        self._got = self._peer.expect("job", job=self.held)
        self._peer.send("accept", **of(self._got))
        self.closed: str | None = None
        """Why its connection has ended."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def finish(self) -> None:
        """End the job."""
        self._stop.set()
        self._thread.join()
        self._peer.send("done", id="held", **of(self._got))
        self._peer.expect("ack", re="held")

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._peer.drop()

    def _run(self) -> None:
        beaten_at = 0.0
        try:
            while not self._stop.is_set():
                if time.monotonic() - beaten_at > BEAT_S:
                    beaten_at = time.monotonic()
                    self._peer.send("beat")
                with contextlib.suppress(AssertionError):
                    got = self._peer.expect("job", patience=BEAT_S / 2, task="honest")
                    self._peer.send("done", id=got["job"], **of(got))
        except ConnectionClosed as closed:
            self.closed = str(closed)


def latencies(http: httpx.Client, count: int) -> list[float]:
    """Seconds of so many requests, one after the other, the fastest first."""
    found = []
    for _ in range(count):
        begun = time.monotonic()
        assert http.get("/api/v1/workers").status_code == 200
        found.append(time.monotonic() - begun)
    return sorted(found)
