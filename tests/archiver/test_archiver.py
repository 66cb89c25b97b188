"""A program starts without Postgres: jobs run at once, and the archive follows when Postgres answers."""

import asyncio
import logging
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from infinitas import Infinitas
from infinitas.app import embed
from infinitas.archive.reader import Reader
from infinitas.core.states import State
from tests.silent_proxy import Proxy
from tests.support import aeventually, finished


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@pytest.mark.parametrize("postgres", ["refuses", "hangs"])
async def test_a_program_begins_without_postgres_and_its_archive_follows(
    make_app: Callable[..., Infinitas],
    empty_postgres_url: str,
    postgres: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "infinitas")
    proxy, port = Proxy(empty_postgres_url), free_port()
    server = await proxy.start(port) if postgres == "hangs" else None
    proxy.silence()
    app = make_app(
        postgres_url=f"postgresql://infinitas@127.0.0.1:{port}/{urlsplit(empty_postgres_url).path[1:]}"
    )

    @app.task
    async def noop() -> None: ...

    reader = Reader(empty_postgres_url, "test")
    async with app.embedded():
        handle = await noop.asend()
        assert (await finished(app, handle)).state == State.SUCCEEDED

        async def reported() -> bool:
            return any("recorder default: Postgres" in record.message for record in caplog.records)

        await aeventually(reported)
        proxy.forward()
        server = server or await proxy.start(port)

        async def archived() -> bool:
            try:
                found = await reader.jobs.find(handle.id)
            except Exception:  # noqa: BLE001 - no tables yet
                return False
            return found is not None and found.state == State.SUCCEEDED

        await aeventually(archived)
    warnings = [
        r for r in caplog.records if r.levelno >= logging.WARNING and r.message.startswith("recorder")
    ]
    assert len(warnings) == 1, "once an outage"
    await reader.close()
    server.close()
    await proxy.close()


async def test_a_part_that_ends_with_an_error_is_logged_at_once(
    make_app: Callable[..., Infinitas], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fails = asyncio.Event()

    async def dies(*_: object) -> None:
        await fails.wait()
        raise RuntimeError("a defect")

    monkeypatch.setattr(embed, "run_archiver", dies)
    app = make_app(archive=True)

    @app.task
    async def noop() -> None: ...

    async def reported() -> bool:
        return any("archiver of this program has ended" in record.message for record in caplog.records)

    went_on: list[State] = []

    async def program() -> None:
        async with app.embedded():
            fails.set()
            await aeventually(reported)
            went_on.append((await finished(app, await noop.asend())).state)

    await program()
    assert went_on == [State.SUCCEEDED]
