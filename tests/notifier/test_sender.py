"""From the outbox to the channels: each message arrives, each try is recorded, no kill loses one."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from infinitas.archive.channels import Channels
from infinitas.archive.connection import Archive
from infinitas.archive.outbox import Outbox
from infinitas.core.channel_config import read_channel
from infinitas.core.channel_records import Attempted
from infinitas.core.errors import ServerUnreachable
from infinitas.core.notice import Notice, NoticeReason
from infinitas.core.notice_json import notice_to_json
from infinitas.notifier import sender as module
from infinitas.notifier.channels.addresses import ANYWHERE
from infinitas.notifier.sender import DELAYS_S, LEASE_S, Sender
from infinitas.runtime.channel_settings import read_channels
from infinitas.runtime.loop import Loop, cancel_all
from tests.databases import Databases
from tests.notifier import notices
from tests.notifier.receivers import Mailbox, mail_server, receiver, response
from tests.notifier.sending_process import start
from tests.support import Processes, aeventually


class World:
    """One database, its channels and its outbox."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.archive = Archive(url, "test")
        self.channels = Channels(self.archive)
        self.outbox = Outbox(self.archive)
        self._db = psycopg.connect(url, autocommit=True, row_factory=dict_row)

    async def add(self, name: str, url: str) -> None:
        await self.channels.add(name, read_channel(name, {"type": "webhook", "url": url}), "test")

    def put(self, *ids: str, channel: str = "ops", text: str | None = None) -> None:
        for place, id in enumerate(ids):
            notice = replace(notices.notice(), id=id, channel=channel)
            self._db.execute(
                "INSERT INTO infinitas_notices (id, channel, reason, due_at, notice)"
                " VALUES (%s, %s, 'opened', now() + %s * interval '1 microsecond', %s)",
                (id, channel, place, text or notice_to_json(notice)),
            )

    def rows(self, query: str) -> list[dict[str, Any]]:
        return self._db.execute(query.encode()).fetchall()

    def states(self) -> dict[str, str]:
        return {row["id"]: row["state"] for row in self.rows("SELECT id, state FROM infinitas_notices")}

    def deliveries(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM infinitas_deliveries ORDER BY id")

    def let_time_pass(self) -> None:
        """What waits for a try is due."""
        self._db.execute("UPDATE infinitas_channels SET retry_at = NULL")
        self._db.execute(
            "UPDATE infinitas_notices SET due_at = now() - interval '1 min' WHERE due_at > now()"
        )

    def end_claims(self) -> None:
        """As some seconds after the death of their sender."""
        self._db.execute("UPDATE infinitas_notices SET claimed_until = now() WHERE claimed_until > now()")

    async def settled(self, **states: str) -> None:
        async def reached() -> bool:
            found = self.states()
            return all(found.get(id) == state for id, state in states.items())

        await aeventually(reached)

    async def tried(self, number: int) -> list[dict[str, Any]]:
        async def reached() -> list[dict[str, Any]] | None:
            found = self.deliveries()
            return found if len(found) >= number else None

        return await aeventually(reached)

    async def close(self) -> None:
        await self.archive.close()
        self._db.close()


@pytest.fixture(scope="module")
def database_url(databases: Databases) -> Iterator[str]:
    """One for all tests of this file: each begins with empty tables."""
    with databases.database() as url:
        yield url


@pytest.fixture
async def world(databases: Databases, database_url: str) -> AsyncIterator[World]:
    databases.empty(database_url)
    found = World(database_url)
    yield found
    await found.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_EVERY_S", 0.02)


@asynccontextmanager
async def sending(world: World, lease_s: float = LEASE_S, **channels: object) -> AsyncIterator[Sender]:
    archive = Archive(world.url, "test")
    sender = Sender(archive, read_channels(channels), ANYWHERE, lease_s)
    task = asyncio.create_task(Loop("sender", sender.run_once).run())
    try:
        yield sender
    finally:
        await cancel_all([task])
        await archive.close()


async def test_messages_arrive_in_order_and_each_try_is_recorded(world: World) -> None:
    async with receiver() as found:
        await world.add("ops", found.url)
        world.put("n1", "n2", "n3")
        async with sending(world):
            await world.settled(n1="sent", n2="sent", n3="sent")
            await world.tried(3)
    assert [request.headers["webhook-id"] for request in found.requests] == ["n1", "n2", "n3"]
    delivery = world.deliveries()[0]
    assert (delivery["notice"], delivery["outcome"], delivery["answer"], delivery["try"]) == (
        "n1",
        "sent",
        "204",
        1,
    )
    assert delivery["title"] == "shop.invoices fails"
    info = await world.channels.find("ops")
    assert (info.state, info.waiting, info.failures) == ("ok", 0, 0)
    assert "s3cret" not in f"{info} {world.deliveries()}"


async def test_a_failing_channel_is_tried_again_until_it_works(world: World) -> None:
    async with receiver(response("500 no"), response("500 no"), response("204 yes")) as found:
        await world.add("ops", found.url)
        world.put("n1")
        async with sending(world):
            await world.tried(1)
            info = await world.channels.find("ops")
            assert (info.state, info.failures, info.last_error) == ("failing", 1, "Status 500.")
            waits = world.rows("SELECT due_at - now() AS notice FROM infinitas_notices")[0]["notice"]
            assert timedelta(seconds=4) < waits < timedelta(seconds=6.5)
            world.let_time_pass()
            await world.tried(2)
            assert await world.channels.failing() == []
            world.let_time_pass()
            await world.settled(n1="sent")
    assert [(row["try"], row["outcome"]) for row in world.deliveries()] == [
        (1, "failed"),
        (2, "failed"),
        (3, "sent"),
    ]
    assert {request.headers["webhook-id"] for request in found.requests} == {"n1"}
    assert (await world.channels.find("ops")).failures == 0


async def test_what_the_other_side_wants_is_respected(world: World) -> None:
    async with receiver(response("429 slow down", "Retry-After: 1000")) as found:
        await world.add("ops", found.url)
        world.put("n1", "n2")
        async with sending(world):
            await world.tried(1)
            row = world.rows("SELECT retry_at - now() AS left FROM infinitas_channels")[0]
            assert timedelta(seconds=900) < row["left"] <= timedelta(seconds=1000)
    assert len(found.requests) == 1


async def test_a_message_is_given_up_after_all_its_tries_or_at_once(world: World) -> None:
    async with receiver(response("500 no")) as broken, receiver(response("410 Gone")) as gone:
        await world.add("ops", broken.url)
        await world.add("gone", gone.url)
        world.put("n1")
        world.put("n2", channel="gone")
        world.rows(f"UPDATE infinitas_notices SET tries = {len(DELAYS_S)} WHERE id = 'n1' RETURNING id")
        async with sending(world):
            await world.settled(n1="failed", n2="failed")
            await world.tried(2)
    assert {row["outcome"] for row in world.deliveries()} == {"given_up"}


async def test_a_slow_channel_delays_no_other(world: World) -> None:
    async with receiver("slow") as slow, receiver() as found:
        await world.add("slow", slow.url)
        await world.add("ops", found.url)
        world.put("s1", "s2", channel="slow")
        async with sending(world):
            await aeventually(lambda: asyncio.sleep(0, bool(slow.requests)))
            world.put("n1", "n2")
            await world.settled(n1="sent", n2="sent")
    assert len(slow.requests) == 1


async def test_a_failing_channel_is_reported(world: World) -> None:
    async with receiver(response("503 no")) as found:
        await world.add("ops", found.url)
        world.put("n1")
        world.put("lost", channel="nowhere")
        # No notifier has a channel of this name.
        world._db.execute("UPDATE infinitas_notices SET due_at = now() - interval '1 day' WHERE id = 'lost'")
        async with sending(world):
            for number in (2, 4, 6):
                await world.tried(number)
                world.let_time_pass()
    faults = await world.channels.failing()
    assert [(fault.channel, fault.error) for fault in faults] == [
        ("nowhere", "No channel has this name."),
        ("ops", "Status 503."),
    ]
    assert faults[1].failures >= 3
    assert faults[1].since > datetime.now(UTC) - timedelta(minutes=5)


async def test_channels_of_a_file_are_listed_without_their_secrets(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "https://example.com/s3cret")
    await world.add("ops", "https://example.com/of-the-api")
    table = {"type": "slack", "url_env": "HOOK"}
    missing = {"type": "slack", "url_env": "NOT_SET"}
    async with sending(world, ops=table, other=missing):
        world.put("n1", channel="other")
        await world.tried(1)
    ops, other = await world.channels.all()
    assert (ops.origin, ops.type, ops.target) == ("file", "slack", "https://example.com/…")
    assert json.loads(ops.shown) == table
    assert (other.target, other.last_error) == (
        "(its secrets can't be read)",
        "The channel 'other' needs the variable 'NOT_SET', which is not set.",
    )
    assert "s3cret" not in str(world.rows("SELECT * FROM infinitas_channels"))
    async with sending(world):

        async def gone() -> bool:
            return await world.channels.all() == []

        await aeventually(gone)


async def test_a_channel_of_another_notifiers_file_is_left_to_that_notifier(world: World) -> None:
    """As in a deploy, while one has the new file and the other the old one."""
    async with receiver() as found:
        await world.add("stored", found.url)
        world.put("n1", channel="ops")
        world.put("n2", channel="stored")
        async with sending(world):
            await world.settled(n2="sent")
            async with sending(world, ops={"type": "webhook", "url": found.url}):
                await world.settled(n1="sent")
    assert [row["outcome"] for row in world.deliveries()] == ["sent", "sent"]


async def test_what_is_no_notice_stops_nothing(world: World) -> None:
    async with receiver() as found:
        await world.add("ops", found.url)
        world.put("n1", text='{"id": 7}')
        world.put("n2")
        async with sending(world):
            await world.settled(n2="sent", n1="failed")
    assert world.deliveries()[0]["answer"] == "The stored message can't be read."
    assert (await world.channels.find("ops")).failures == 0


async def test_a_test_and_a_replay(world: World) -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        values = {"host": "localhost", "port": port, "security": "none", "sender": "a@example.com"}
        config = read_channel("mail", {"type": "email", "to": ["b@example.com"], **values})
        await world.channels.add("mail", config, "test")
        test = Notice(id="t1", reason=NoticeReason.TEST, channel="mail", at=datetime.now(UTC), troubles=())
        async with sending(world):
            await world.outbox.add_test(test)
            [delivery] = await world.tried(1)
            assert await world.outbox.replay(delivery["id"]) == ("t1", "mail")
            await world.tried(2)
    assert [mail["Subject"] for mail in mailbox.mails] == ["[Infinitas] Test of the channel mail"] * 2
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1


async def test_a_test_and_a_replay_from_the_command_line(world: World, processes: Processes) -> None:
    processes.environment["INFINITAS_POSTGRES_URL"] = world.url
    answers = [response("204 yes"), response("500 no", body="out of order"), response("204 yes")]
    async with receiver(*answers) as found:
        await world.add("ops", found.url)

        async def run(*arguments: str) -> tuple[int, str]:
            ran = await asyncio.to_thread(processes.call, "channel", *arguments)
            return ran.returncode, ran.stdout + ran.stderr

        async with sending(world):
            code, text = await run("test", "ops")
            assert (code, text.startswith("Sent to ops in "), "(204)" in text) == (0, True, True)
            code, text = await run("replay", str(world.deliveries()[0]["id"]))
            assert (code, "ops did not take the message: Status 500: out of order" in text) == (1, True)
            code, text = await run("replay", str(world.deliveries()[1]["id"]), "-o", "json")
            assert (code, json.loads(text)["outcome"]) == (0, "sent")
            code, text = await run("deliveries", "ops")
    assert [line.split("\t")[2] for line in text.splitlines()] == ["OUTCOME", "sent", "failed", "sent"]
    assert len({request.headers["webhook-id"] for request in found.requests}) == 1


async def test_old_deliveries_are_deleted(world: World) -> None:
    async with receiver() as found:
        await world.add("ops", found.url)
        world.put("n1", "n2")
        async with sending(world):
            await world.tried(2)
    world.rows(
        "UPDATE infinitas_deliveries SET at = now() - interval '31 days' WHERE notice = 'n1' RETURNING 1"
    )
    await world.outbox.drop_old()
    assert [row["notice"] for row in world.deliveries()] == ["n2"]


async def test_an_outage_of_postgres_between_sending_and_recording(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender stores the end as soon as it can: the message is not sent twice."""
    real, failed = Outbox.record, 0

    async def away(self: Outbox, sender: str, end: Attempted) -> None:
        nonlocal failed
        failed += 1
        if failed < 4:
            raise ServerUnreachable("away")
        await real(self, sender, end)

    monkeypatch.setattr(Outbox, "record", away)
    async with receiver() as found:
        await world.add("ops", found.url)
        world.put("n1")
        async with sending(world):
            await world.settled(n1="sent")
    assert len(found.requests) == 1


async def test_a_message_that_takes_longer_than_a_claim_is_sent_once(world: World) -> None:
    """The claim is renewed: no other sender takes the message meanwhile."""
    enough = asyncio.Event()
    async with receiver(enough) as found:
        await world.add("ops", found.url)
        world.put("n1")
        async with sending(world, 0.4), sending(world, 0.4):
            await aeventually(lambda: asyncio.sleep(0, bool(found.requests)))
            ended = "SELECT FROM infinitas_notices WHERE now() > due_at + interval '2 s'"
            await aeventually(lambda: asyncio.sleep(0, world.rows(ended)))
            enough.set()
            await world.settled(n1="sent")
    assert len(found.requests) == 1


async def test_a_kill_between_sending_and_recording_makes_a_twin_with_the_same_id(world: World) -> None:
    async with receiver() as found:
        await world.add("ops", found.url)
        world.put("n1")
        process = start(world.url, die_before_recording=True)
        await aeventually(lambda: asyncio.sleep(0, process.exitcode))
        assert (process.exitcode, world.states()) == (-9, {"n1": "pending"})
        world.end_claims()
        async with sending(world):
            await world.settled(n1="sent")
    assert [request.headers["webhook-id"] for request in found.requests] == ["n1", "n1"]
    assert [(row["try"], row["outcome"]) for row in world.deliveries()] == [(2, "sent")]


@pytest.mark.long
async def test_twenty_kills_lose_nothing(world: World) -> None:
    ids = [f"n{number:03}" for number in range(120)]
    async with receiver() as found:
        for channel in ("ops", "other"):
            await world.add(channel, found.url)
        world.put(*ids[::2])
        world.put(*ids[1::2], channel="other")
        for kill in range(20):
            process, begun = start(world.url), len(found.requests)
            # Somewhere in between: at each kill after another number of messages.
            await aeventually(lambda b=begun, k=kill: asyncio.sleep(0, len(found.requests) > b + k % 4))  # type: ignore[misc]
            process.kill()
            process.join()
            world.end_claims()
        async with sending(world):
            await world.settled(**dict.fromkeys(ids, "sent"))
    counts = Counter(request.headers["webhook-id"] for request in found.requests)
    assert sorted(counts) == ids
    # A kill makes twins of no more than what was being sent: one message of each channel.
    assert sum(counts.values()) - len(ids) <= 40


async def test_of_many_that_claim_at_once_one_has_the_message(world: World) -> None:
    archives = [Archive(world.url, "test") for _ in range(8)]
    claims: list[str] = []
    for number in range(15):
        world.put(f"n{number:02}")
        found = await asyncio.gather(
            *(Outbox(archive).claim(f"s{place}", ["ops"], 30.0, 5) for place, archive in enumerate(archives))
        )
        claims += [claimed.id for each in found for claimed in each]
        world.rows("UPDATE infinitas_notices SET state = 'sent' RETURNING 1")
    for archive in archives:
        await archive.close()
    assert claims == [f"n{number:02}" for number in range(15)]


async def test_two_senders_send_each_message_once(world: World) -> None:
    ids = [f"n{number:03}" for number in range(40)]
    async with receiver() as found:
        for channel in ("a", "b", "c"):
            await world.add(channel, found.url)
        for number, id in enumerate(ids):
            world.put(id, channel="abc"[number % 3])
        async with sending(world), sending(world):
            await world.settled(**dict.fromkeys(ids, "sent"))
    assert sorted(request.headers["webhook-id"] for request in found.requests) == ids
