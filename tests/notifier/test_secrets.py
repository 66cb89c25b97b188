"""Values that `redact` hides leave in no message, incident or ping: not in errors, log lines or arguments."""

from typing import Any

import pytest
from redis import Redis

from infinitas.broker.messages import ClaimRequest, NewJob, Report, Settlement
from infinitas.broker.queue import QueueBroker
from infinitas.core.notice_json import notice_to_json
from infinitas.core.states import State
from infinitas.core.verdict import Verdict
from tests.notifier.parts import P, Parts, declare, notifier

IBAN, CARD, KEY = "DK5000400440116243", "4111111111111111", "s3cr3t-k3y"
ARGS = f'[["{IBAN}"],{{"card":{{"number":{CARD}}},"api_key":"{KEY}"}}]'


async def fail(broker: QueueBroker) -> None:
    """A job whose error and log quote its arguments."""
    await broker.jobs.enqueue([NewJob(id="j1", task="t", args=ARGS)])
    await broker.jobs.claim(ClaimRequest("w1", [["t"]], 1, 60))
    lines = f'[[0,1,"info","paying {IBAN} by {CARD}, {KEY}"]]'
    await broker.jobs.report("w1", [Report(job="j1", attempt=1, lines=lines)], 60)
    verdict = Verdict(state=State.FAILED, reason="error", error=f"ValueError: no {IBAN} {CARD} {KEY}")
    await broker.jobs.settle("w1", [Settlement(job="j1", attempt=1, verdict=verdict, ttl_s=60)])


async def texts(parts: Parts) -> str:
    (notice,) = await parts.compose()
    return f"{notice_to_json(notice)} {parts.incidents()}"


async def test_a_message_and_an_incident_quote_no_secret_argument(
    broker: QueueBroker, redis: Redis, postgres_url: str
) -> None:
    await declare(broker, redis, redact=("0",))
    async with notifier(broker, postgres_url) as parts:
        await fail(broker)
        # The job keeps the paths that held when it was made; those that hold now count too.
        await declare(broker, redis, redact=("card.number",))
        await parts.follow()
        found = await texts(parts)
        assert "paying ***" in found
        assert "ValueError: no ***" in found
        for secret in (IBAN, CARD, KEY):
            assert secret not in found


@pytest.mark.parametrize("gone", ["job", "definition", "arguments"])
async def test_where_it_is_not_known_what_is_secret_an_error_is_not_quoted(
    broker: QueueBroker, redis: Any, postgres_url: str, gone: str
) -> None:
    await declare(broker, redis, redact=("0", "card.number"))
    async with notifier(broker, postgres_url) as parts:
        await fail(broker)
        if gone == "job":
            redis.delete(f"{P}job:j1")
        elif gone == "definition":
            redis.hdel(f"{P}tasks", "t")
        else:
            redis.hset(f"{P}job:j1", "args", "{broken")
        await parts.follow()
        found = await texts(parts)
        assert "ValueError" in found
        for secret in (IBAN, CARD, KEY):
            assert secret not in found
