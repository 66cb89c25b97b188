"""An archive with its tables, in its own database."""

from collections.abc import AsyncIterator

import pytest

from infinitas.archive.connection import Archive
from infinitas.archive.migrate import migrate
from infinitas.archive.reader import Reader


@pytest.fixture
async def archive(postgres_url: str) -> AsyncIterator[Archive]:
    archive = Archive(postgres_url, "test")
    await migrate(archive)
    yield archive
    await archive.close()


@pytest.fixture
async def reader(postgres_url: str, archive: Archive) -> AsyncIterator[Reader]:
    reader = Reader(postgres_url, "test")
    yield reader
    await reader.close()
