"""A program that ends while it sends: it ends, prints no traceback, and an atexit handler may send."""

import os
import subprocess
import sys

import pytest

from infinitas.devservers.servers import Urls
from tests.support import PATIENCE_S, ROOT


def output_of(case: str, url: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.apps.exits", case],
        env={**os.environ, "INFINITAS_REDIS_URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    return ran.stdout.splitlines()


def test_the_first_use_is_at_exit(servers: Urls, redis: object) -> None:
    late, send, fetch = output_of("first use", servers.redis)
    # Python 3.12 starts no thread any more, and what needs one is refused.
    assert late in ("late fetch works", "late fetch no_event_loop")
    assert send == "send works"
    assert fetch in ("fetch works", "fetch no_event_loop")


@pytest.mark.parametrize("time", range(2))
def test_threads_send_and_wait_at_exit(servers: Urls, redis: object, time: int) -> None:
    assert output_of("under way", servers.redis) == ["send works", "fetch works"]
