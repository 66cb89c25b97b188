"""Incidents of jobs: opened once, silent while open, closed with the recovery."""

from infinitas.broker.queue import QueueBroker
from infinitas.core.notice import NoticeReason
from tests.notifier.parts import notifier


async def test_a_failed_job_is_an_incident_and_a_message_and_a_success_ends_it(
    broker: QueueBroker, postgres_url: str
) -> None:
    async with notifier(broker, postgres_url) as parts:
        await parts.run(3)
        await parts.follow()
        (incident,) = parts.incidents()
        assert (incident["kind"], incident["subject"], incident["count"]) == ("failing", "t", 3)
        assert incident["error"] == "ConnectionError: crm.local:443"
        (notice,) = await parts.compose()
        assert (notice.reason, notice.channel, notice.rule) == (NoticeReason.OPENED, "ops", "all")
        (trouble,) = notice.troubles
        assert (trouble.arguments, trouble.attempt, trouble.attempts) == ("[[7],{}]", 1, 1)
        assert trouble.link == "https://infinitas.example/jobs/t-2"

        await parts.run(2, first=10)
        await parts.follow()
        assert not await parts.compose(), "silent while open"
        assert parts.incidents()[0]["count"] == 5

        await parts.succeed()
        await parts.follow()
        (incident,) = parts.incidents()
        assert incident["closed_at"] is not None
        (notice,) = await parts.compose()
        assert notice.reason is NoticeReason.RECOVERED
        assert notice.troubles[0].incident.closed_at == incident["closed_at"]
