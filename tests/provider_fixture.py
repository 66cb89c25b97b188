"""A provider of OpenID Connect, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.own_redis import free_port
from tests.support import ROOT, eventually


@pytest.fixture(scope="session")
def issuer() -> Iterator[str]:
    """The address of `tests.apps.provider`."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.apps.provider", str(port)], cwd=ROOT)
    url = f"http://localhost:{port}"

    def answers() -> bool:
        try:
            return httpx.get(url).is_success
        except httpx.TransportError:
            return False

    eventually(answers)
    yield url
    process.kill()
    process.wait()
