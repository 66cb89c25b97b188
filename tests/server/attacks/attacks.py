"""Every flood and stall that a stranger, a reader or a worker can try, for a number of seconds."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice

import httpx

from tests.server.attacks.floods import CONTROL, TEXT, RawSocket, frame

Make = Callable[[int], Mapping[str, object]]
"""Makes the frame of a number."""
Attack = Callable[["Target", float], None]
SLOW_COOKIE = 'a="' + '\\"' * 30_000 + '"'
RARE = {"cron": "0 0 29 2 0#5", "timezone": "Australia/Lord_Howe"}


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and tokens of an attacker: for the scopes `read` and `worker`."""

    address: str
    read: str
    worker: str

    def http(self, token: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.address, headers=headers, timeout=60)


def control(kind: str) -> Attack:
    """Frames that never reach the application; a connection that is cut off is opened again."""

    def attack(target: Target, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            raw = RawSocket(target.address)
            begins, repeated = CONTROL[kind]
            raw.socket.sendall(begins)
            raw.flood(repeated, ends - time.monotonic())
            raw.close()

    return attack


def requests(path: str, *, scope: str = "", cookie: str = "", body: object = None) -> Attack:
    """One request after the other; a connection that is cut off is opened again."""

    def attack(target: Target, seconds: float) -> None:
        ends = time.monotonic() + seconds
        with target.http(getattr(target, scope) if scope else None) as http:
            while time.monotonic() < ends:
                headers = {"Cookie": cookie} if cookie else {}
                with suppress(httpx.TransportError):
                    http.request("GET" if body is None else "POST", path, json=body, headers=headers)

    return attack


def frames(make: Make, path: str = "worker", *, identifies: bool = True) -> Attack:
    """Text frames as fast as the server reads them."""

    def attack(target: Target, seconds: float) -> None:
        ends = time.monotonic() + seconds
        numbers = count()
        while time.monotonic() < ends:
            token = target.read if path == "feed" else target.worker
            raw = RawSocket(target.address, f"/api/v1/{path}", token)
            if identifies:
                begin = {"t": "identify", "tasks": [{"name": "noise", "options": {}}], "capacity": 1}
                raw.socket.sendall(frame(TEXT, json.dumps(begin).encode()))
            many = b"".join(frame(TEXT, json.dumps(make(n)).encode()) for n in islice(numbers, 200))
            raw.flood(many, ends - time.monotonic())
            raw.close()

    return attack


def _about(t: str, **fields: object) -> Make:
    return lambda n: {"t": t, "job": f"unknown-{n}", "attempt": 1, **fields}


def _subscribe(n: int) -> Mapping[str, object]:
    return {"t": "subscribe", "topics": [f"task:{n}-{m}" for m in range(100)]}


ATTACKS: dict[str, Attack] = {
    **{kind: control(kind) for kind in CONTROL},
    "slow cookies": requests("/livez", cookie=SLOW_COOKIE),
    "the description": requests("/api/v1/asyncapi.json"),
    "frames without a token": frames(lambda n: {"t": "beat"}, identifies=False),
    "a timeline": requests("/api/v1/timeline?bucket=1", scope="read"),
    "a preview": requests("/api/v1/schedules/preview?n=1000", scope="read", body=RARE),
    "subscriptions": frames(
        lambda n: {"t": "subscribe", "topics": [f"task:{n}-{m}" for m in range(100)]},
        "feed",
        identifies=False,
    ),
    "ends of unknown jobs": frames(_about("done", id="d")),
    "checkpoints of unknown jobs": frames(_about("checkpoint", id="c", value="x" * 10_000)),
    "lines of unknown jobs": frames(_about("log", lines=[{"seq": 0, "at": 1, "text": "x"}])),
    "progress": frames(_about("progress", value=0.5)),
    "beats": frames(lambda n: {"t": "beat"}),
    "capacities": frames(lambda n: {"t": "capacity", "n": n % 3}),
    "frames of the future": frames(lambda n: {"t": "of-the-future", "n": n}),
    "invalid frames": frames(lambda n: {"t": "capacity", "n": "many"}),
}
