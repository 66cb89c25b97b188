"""The sender: takes messages from the outbox, sends them through their channels, records each try.

A sender renews its claims while it sends. At least once: one that dies between sending and recording leaves
its claim, and when that ends another sender sends the message again, with the same id.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import orjson

from infinitas.archive.channels import Channels
from infinitas.archive.connection import Archive
from infinitas.archive.outbox import Outbox
from infinitas.core.channel_config import read_channel
from infinitas.core.channel_records import Attempted, ClaimedNotice, Outcome
from infinitas.core.errors import ConfigError, InfinitasError, ServerUnreachable
from infinitas.core.notice import Notice
from infinitas.core.notice_json import notice_from_json
from infinitas.notifier.channels.addresses import ANYWHERE, Networks
from infinitas.notifier.channels.opening import open_channel
from infinitas.notifier.channels.sending import Channel, SendFailed
from infinitas.notifier.messages.facts import headline
from infinitas.notifier.messages.rendering import render
from infinitas.notifier.messages.safe_text import line
from infinitas.runtime.channel_settings import FileChannel
from infinitas.runtime.logging import get_logger
from infinitas.runtime.loop import cancel_all

_log = get_logger("notifier")
LEASE_S = 8.0
"""How long a sender that has died holds the channels to which it was sending."""
RENEWALS_PER_LEASE = 4
RECORD_WITHIN_S = 60.0
"""How long the end of a try is kept while Postgres is away."""
CHECK_EVERY_S = 0.5
MOST_AT_ONCE = 50
DELAYS_S = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0)
"""After each failed try of a message; after the last of about 16 hours it is given up."""
JITTER = 0.2
DROP_EVERY_S = 3_600.0
MAX_ANSWER_CHARS = 500

Open = Callable[[ClaimedNotice], Channel]


class Sender:
    """Several may run: each message is claimed by one.

    Args:
        channels: those of infinitas.toml.
        networks: private ones that channels may connect to.
        lease_s: how long a claim holds that is not renewed.
    """

    def __init__(
        self,
        archive: Archive,
        channels: Mapping[str, FileChannel],
        networks: Networks = (),
        lease_s: float = LEASE_S,
    ) -> None:
        self._outbox = Outbox(archive)
        self._table = Channels(archive)
        self._channels = channels
        self._networks = networks
        self._lease_s = lease_s
        self._id = uuid.uuid4().hex[:12]
        self._sending: set[asyncio.Task[None]] = set()
        self._renewed_at = float("-inf")
        self._published = False
        self._dropped_at = float("-inf")
        self.sent = 0
        """Messages that a channel has taken."""

    async def run_once(self) -> None:
        """Begin to send what is due, at most one message of each channel; rest when nothing is.

        A slow channel delays no other: what is being sent goes on beside the next passes.
        """
        try:
            await self._prepare()
            await self._renew_claims()
            room = MOST_AT_ONCE - len(self._sending)
            own = self._channels.keys()
            claimed = await self._outbox.claim(self._id, own, self._lease_s, room) if room > 0 else []
            for each in claimed:
                self._sending.add(asyncio.create_task(self._send(each), name=f"send to {each.channel}"))
            await self._rest()
        except asyncio.CancelledError:
            await cancel_all(self._sending)
            raise

    async def _prepare(self) -> None:
        if not self._published:
            await self._table.publish({name: _listed(each) for name, each in self._channels.items()})
            self._published = True
        if time.monotonic() - self._dropped_at > DROP_EVERY_S:
            await self._outbox.drop_old()
            self._dropped_at = time.monotonic()

    async def _renew_claims(self) -> None:
        now = time.monotonic()
        if self._sending and now - self._renewed_at > self._lease_s / RENEWALS_PER_LEASE:
            await self._outbox.renew(self._id, self._lease_s)
            self._renewed_at = now

    async def _rest(self) -> None:
        """Until a message has left, so that the next of its channel follows at once, or for a moment."""
        if not self._sending:
            await asyncio.sleep(CHECK_EVERY_S)
            return
        done, self._sending = await asyncio.wait(
            self._sending, timeout=CHECK_EVERY_S, return_when=asyncio.FIRST_COMPLETED
        )
        for each in done:
            each.result()

    async def _send(self, claimed: ClaimedNotice) -> None:
        begun = time.monotonic()
        title, failure, answer, readable = claimed.id, None, "", False
        try:
            notice = _notice(claimed)
            title, readable = render(headline, notice), True
            answer = await self._open(claimed).send(notice)
            self.sent += 1
        except InfinitasError as error:
            failure = error if isinstance(error, SendFailed) else SendFailed(str(error))
        except Exception as error:  # noqa: BLE001 - whatever a channel's library raises
            _log.exception("Channel %s failed with a defect.", claimed.channel)
            failure = SendFailed(f"A defect: {type(error).__name__}.")
        took_ms = round((time.monotonic() - begun) * 1000)
        end = _end(claimed, title, failure, answer, took_ms)
        await self._record(replace(end, of_channel=readable), begun)

    def _open(self, claimed: ClaimedNotice) -> Channel:
        """Raises ConfigError, SendFailed."""
        if (found := self._channels.get(claimed.channel)) is not None:
            return open_channel(found.resolve(), ANYWHERE if found.allow_private else self._networks)
        if claimed.config is None:
            raise SendFailed("No channel has this name.")
        return open_channel(read_channel(claimed.channel, orjson.loads(claimed.config)), self._networks)

    async def _record(self, end: Attempted, begun: float) -> None:
        """Store the end, for RECORD_WITHIN_S while Postgres is away: after that the message has a twin."""
        _report(end)
        while True:
            try:
                return await self._outbox.record(self._id, end)
            except ServerUnreachable:
                if time.monotonic() - begun > RECORD_WITHIN_S:
                    _log.error(
                        "The end of message %s (%s) can't be stored: channel %s may get it twice.",
                        end.claimed.id,
                        end.outcome,
                        end.claimed.channel,
                    )
                    return None
                await asyncio.sleep(CHECK_EVERY_S)


def _listed(channel: FileChannel) -> tuple[str, str, str]:
    """Type, target and values of a channel of a file, for the list of channels."""
    target = "(its secrets can't be read)"
    with suppress(ConfigError):
        target = channel.resolve().target
    return channel.type, target, orjson.dumps(channel.shown).decode()


def _notice(claimed: ClaimedNotice) -> Notice:
    try:
        return notice_from_json(claimed.notice)
    except ValueError:
        raise SendFailed("The stored message can't be read.", final=True) from None


def _end(
    claimed: ClaimedNotice, title: str, failure: SendFailed | None, answer: str, took_ms: int
) -> Attempted:
    if failure is None:
        return Attempted(
            claimed=claimed, title=title, outcome=Outcome.SENT, answer=_short(answer), took_ms=took_ms
        )
    last = failure.final or claimed.tries > len(DELAYS_S)
    wanted = failure.retry_after or 0.0
    delay = 0.0 if last else DELAYS_S[claimed.tries - 1] * (1 + random.random() * JITTER)
    return Attempted(
        claimed=claimed,
        title=title,
        outcome=Outcome.GIVEN_UP if last else Outcome.FAILED,
        answer=_short(str(failure)),
        took_ms=took_ms,
        wait_s=max(delay, wanted),
        wanted_s=wanted,
    )


def _short(answer: str) -> str:
    return line(answer, MAX_ANSWER_CHARS)


def _report(end: Attempted) -> None:
    claimed = end.claimed
    if end.outcome == Outcome.SENT:
        _log.debug("Sent to %s: %s (%s).", claimed.channel, end.title, claimed.id)
    elif end.outcome == Outcome.GIVEN_UP:
        _log.error("Gave up to send to %s: %s (%s): %s", claimed.channel, end.title, claimed.id, end.answer)
    else:
        again = f"again in {end.wait_s:.0f} s"
        _log.warning(
            "Sending to %s failed, try %d, %s: %s", claimed.channel, claimed.tries, again, end.answer
        )
