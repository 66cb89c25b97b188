"""A system with one honest task, job, schedule and worker, and every view of it."""

from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from infinitas import Infinitas
from infinitas.devservers.servers import Urls
from tests.views.system import System


@pytest.fixture
def system(
    servers: Urls,
    redis: Redis,
    postgres_url: str,
    make_app: Callable[..., Infinitas],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[System]:
    monkeypatch.setenv("INFINITAS_REDIS_URL", servers.redis)
    monkeypatch.setenv("INFINITAS_POSTGRES_URL", postgres_url)
    with System(make_app(archive=True), redis).open() as system:
        yield system
