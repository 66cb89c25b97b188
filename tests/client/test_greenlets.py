"""Under gevent and eventlet: a program is the same after a send, and a wait blocks no other greenlet."""

import os
import subprocess
import sys

import pytest

from infinitas.devservers.servers import Urls
from tests.support import PATIENCE_S, ROOT


@pytest.mark.parametrize("arguments", [["gevent"], ["eventlet"], ["gevent", "late"]], ids=" ".join)
def test_greenlets(servers: Urls, redis: object, postgres_url: str, arguments: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.apps.green", *arguments],
        env={**os.environ, "INFINITAS_REDIS_URL": servers.redis, "INFINITAS_POSTGRES_URL": postgres_url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    assert ran.stdout == "green\n"
