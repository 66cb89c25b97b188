"""What an error of Redis becomes, and what its text proposes."""

from pathlib import Path

import pytest

from infinitas.broker.connection import Connection
from infinitas.broker.refusals import translated
from infinitas.core.errors import ServerUnreachable


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "redis://localhost:1/0", "unix://{folder}/redis.sock"]
)
async def test_where_nothing_listens_the_text_has_the_ways_to_a_redis(url: str, tmp_path: Path) -> None:
    connection = Connection(url.format(folder=tmp_path), "test")
    with pytest.raises(ServerUnreachable) as refused:
        await connection.command("ping")
    await connection.close()
    assert "gave no answer" in str(refused.value)
    for way in ("infinitas dev", "INFINITAS_REDIS_URL", "INFINITAS_DATA_DIR"):
        assert way in str(refused.value)


def test_of_a_redis_that_is_only_slow_the_text_proposes_no_other() -> None:
    for error in (
        TimeoutError("Timeout reading from 127.0.0.1:6379"),
        ConnectionError("Error -2 connecting"),
    ):
        assert "infinitas dev" not in str(translated(error, "redis://127.0.0.1:6379/0"))
