"""Redis over TLS with a certificate authority of its own, client certificates and IPv6."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infinitas.broker.connection import Connection
from infinitas.broker.messages import NewJob
from infinitas.broker.queue import QueueBroker
from infinitas.broker.sync_enqueue import SyncEnqueuer
from infinitas.client.job_ids import fresh_id
from infinitas.core.errors import ConfigError, ServerUnreachable
from infinitas.core.task_definition import TaskDefinition
from infinitas.devservers.servers import Urls
from infinitas.runtime.urls import checked_redis_url

NAMES = "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost"


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-days", "1", "-subj", f"/CN={name}", "-addext", NAMES]
    subprocess.run([*new, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("redis", "client"):
        certificate(folder, name)
    return folder


@asynccontextmanager
async def tls_to(redis_url: str, folder: Path, host: str, *, asks: bool) -> AsyncIterator[int]:
    """The port of a TLS server in front of a Redis on a socket; `asks`: for a certificate of the client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "redis.pem", folder / "redis.key")
    if asks:
        context.load_verify_locations(folder / "client.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    tasks: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()
        with suppress(OSError):
            await sink.wait_closed()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(urlsplit(redis_url).path)
        for source, sink in ((reader, ours), (theirs, writer)):
            tasks.add(asyncio.create_task(pump(source, sink)))

    server = await asyncio.start_server(connect, host, 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("asks", [False, True])
async def test_tls_with_an_authority_and_certificates_of_its_own(
    servers: Urls, redis: object, folder: Path, host: str, asks: bool
) -> None:
    async with tls_to(servers.redis, folder, host, asks=asks) as port:
        where = f"rediss://[{host}]:{port}/2" if ":" in host else f"rediss://{host}:{port}/2"
        options = f"ssl_ca_certs={folder}/redis.pem"
        if asks:
            options += f"&ssl_certfile={folder}/client.pem&ssl_keyfile={folder}/client.key"
        url = checked_redis_url(f"{where}?{options}")
        connection, direct = Connection(url, "test"), SyncEnqueuer(url)
        await connection.check()
        await QueueBroker(connection, "default").declarations.declare([TaskDefinition(name="t")], [])
        job = NewJob(id=fresh_id(), task="t", args="[[],{}]")
        answers = await asyncio.to_thread(direct.enqueue, "default", [job])
        assert [answer.accepted for answer in answers] == [True]
        await connection.close()
        direct.close()
        refused = [(where, "certificate verify failed"), (where.replace("rediss", "redis"), "gave no answer")]
        if asks:
            refused.append((f"{where}?ssl_ca_certs={folder}/redis.pem", "gave no answer"))
        for wrong, words in refused:
            connection = Connection(checked_redis_url(wrong), "test")
            with pytest.raises(ServerUnreachable, match=words):
                await connection.check()
            await connection.close()


async def test_a_certificate_of_another_host_is_refused(servers: Urls, folder: Path) -> None:
    async with tls_to(servers.redis, folder, "127.0.0.1", asks=False) as port:
        for host, good in (("localhost", True), ("127.0.0.1", True), ("127.0.0.2", False)):
            url = f"rediss://{host}:{port}?ssl_ca_certs={folder}/redis.pem"
            connection = Connection(url.replace("127.0.0.2", "127.1"), "test")
            if good:
                await connection.check()
            else:
                with pytest.raises(ServerUnreachable, match="mismatch"):
                    await connection.check()
            await connection.close()


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"])
def test_a_file_that_is_missing_is_named(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option} of redis_url .*nowhere/file.pem"):
        Connection(f"rediss://127.0.0.1:1?{option}=/nowhere/file.pem", "test")
