"""Every flood and stall that a stranger, a reader or a worker can try, for a number of seconds."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count, islice

import httpx

from tests.server.attacks.floods import CONTROL, TEXT, RawSocket, frame
from tests.server.attacks.intrusions import INTRUSIONS, RARE
from tests.server.attacks.target import Attack, Target

Make = Callable[[int], Mapping[str, object]]
"""Makes the frame of a number."""
SLOW_COOKIE = 'a="' + '\\"' * 30_000 + '"'


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


ATTACKS: dict[str, Attack] = {
    **{f"S2 {kind}": control(kind) for kind in CONTROL},
    "S2 slow cookies": requests("/livez", cookie=SLOW_COOKIE),
    "S2 the description": requests("/api/v1/asyncapi.json"),
    "S2 a timeline": requests("/api/v1/timeline?bucket=1", scope="read"),
    "S2 a timeline of the year 8999": requests("/api/v1/timeline?since=8999-01-01T00:00:00Z", scope="read"),
    "S2 a preview": requests("/api/v1/schedules/preview?n=1000", scope="read", body=RARE),
    "S3 frames without a token": frames(lambda n: {"t": "beat"}, identifies=False),
    "S3 ends of unknown jobs": frames(_about("done", id="d")),
    "S3 checkpoints of unknown jobs": frames(_about("checkpoint", id="c", value="x" * 10_000)),
    "S3 lines of unknown jobs": frames(_about("log", lines=[{"seq": 0, "at": 1, "text": "x"}])),
    "S3 progress": frames(_about("progress", value=0.5)),
    "S3 beats": frames(lambda n: {"t": "beat"}),
    "S3 capacities": frames(lambda n: {"t": "capacity", "n": n % 3}),
    "S3 frames of the future": frames(lambda n: {"t": "of-the-future", "n": n}),
    "S3 invalid frames": frames(lambda n: {"t": "capacity", "n": "many"}),
    "S13 subscriptions": frames(
        lambda n: {"t": "subscribe", "topics": [f"task:{n}-{m}" for m in range(100)]},
        "feed",
        identifies=False,
    ),
    **INTRUSIONS,
}
