"""Fixtures for tests of apps; pytest finds them once `infinitas[embedded]` is installed."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Imported only when a fixture is used: pytest loads this file in every project.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from infinitas.app.app import Infinitas
    from infinitas.devservers.servers import Urls
    from infinitas.testing.inline_app import InlineJobs
    from infinitas.testing.kit import Kit, KitMaker


@pytest.fixture(scope="session")
def infinitas_servers() -> Iterator[Urls]:
    """A real Redis and a real Postgres for this test session, in a temporary folder."""
    from infinitas.devservers.servers import EmbeddedServers

    folder = Path(tempfile.mkdtemp(prefix="infinitas-test-"))
    try:
        with EmbeddedServers(folder) as urls:
            yield urls
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def infinitas_kit(infinitas_servers: Urls) -> KitMaker:
    """`async with infinitas_kit(app, now) as kit:` puts an app on an empty Redis; see `Kit`."""
    from infinitas.broker.virtual_clock import empty
    from infinitas.testing.kit import Kit

    def make(app: Infinitas, now: datetime) -> Kit:
        empty(infinitas_servers.redis)
        return Kit(app, now, infinitas_servers.redis)

    return make


@pytest.fixture
def infinitas_inline() -> Iterator[Callable[[Infinitas], InlineJobs]]:
    """`jobs = infinitas_inline(app)` runs the jobs of an app where they are sent, until the test ends."""
    from infinitas.testing.inline_app import inline

    with ExitStack() as stack:
        yield lambda app: stack.enter_context(inline(app))
