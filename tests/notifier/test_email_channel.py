"""Mail, through a real SMTP server."""

import asyncio
import time
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from infinitas.core.channel_config import Email, read_channel
from infinitas.core.errors import BadArgs
from infinitas.core.notice import NoticeReason
from infinitas.notifier.channels.email import EmailChannel
from infinitas.notifier.channels.sending import SendFailed
from tests.notifier import notices
from tests.notifier.receivers import Mailbox, mail_server, make_certificate
from tests.notifier.test_rendered_messages import EVIL, evil_notices

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
VALUES = {"type": "email", "host": "localhost", "sender": "cron@example.com", "to": ["ops@example.com"]}


def config(port: int = 25, **more: object) -> Email:
    found = read_channel("mail", {**VALUES, "port": port, **more})
    assert isinstance(found, Email)
    return found


def channel(port: int, security: str = "none", **more: Any) -> EmailChannel:
    options = {name: more.pop(name) for name in ("certificates", "limit_s") if name in more}
    return EmailChannel(config(port, security=security, **more), LOOPBACK, **options)


async def failure(found: EmailChannel) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        await found.send(notices.notice())
    return caught.value


async def test_a_mail_has_text_and_html_and_the_id_of_its_twin() -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        found = channel(port, to=["ops@example.com", "on-call@example.com"])
        for reason in (NoticeReason.OPENED, NoticeReason.OPENED, NoticeReason.RECOVERED):
            sent = replace(notices.notice(reason), id=f"ntc_{reason}")
            assert await found.send(sent) == "accepted"
    first, twin, recovery = mailbox.mails
    assert first["Message-ID"] == twin["Message-ID"] == "<ntc_opened@example.com>"
    assert recovery["Message-ID"] == "<ntc_recovered@example.com>"
    assert first["References"] == recovery["References"]
    assert first["From"] == "Infinitas <cron@example.com>"
    assert first["To"] == "ops@example.com, on-call@example.com"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["List-Id"] == "<ops.infinitas.example.com>"
    assert first["Subject"].startswith("[Infinitas] shop.invoices fails: ConnectionError")
    text, html = first.get_body(("plain",)), first.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "Last 3 log lines" in text.get_content()
    assert "&lt;b&gt;refused" in html.get_content()
    assert mailbox.envelopes[0].rcpt_tos == ["ops@example.com", "on-call@example.com"]
    assert mailbox.envelopes[0].mail_from == "cron@example.com"


HEADERS = {"From", "To", "Subject", "Date", "Message-ID", "References", "List-Id", "MIME-Version"} | {
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Content-Type",
    "X-Peer",
}


async def test_no_text_of_a_task_becomes_a_header() -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        for evil in evil_notices(EVIL):
            await channel(port).send(replace(evil, id=EVIL))
    for mail in mailbox.mails:
        assert mail["Bcc"] is None
        assert mail["To"] == "ops@example.com"
        assert set(mail.keys()) - HEADERS == set()
    assert mailbox.mails[0]["Subject"].isprintable()


async def test_starttls_and_a_login(tmp_path: Path) -> None:
    mailbox, good = Mailbox(), make_certificate(tmp_path)
    login = {"username": "ops", "password": "pa ss"}
    async with mail_server(mailbox, starttls=good.server, login=True) as port:
        found = channel(port, "starttls", certificates=good.trusting, **login)
        assert await found.send(notices.notice()) == "accepted"
        wrong = channel(port, "starttls", certificates=good.trusting, username="ops", password="s3cret")
        assert str(await failure(wrong)) == "The mail server refused the login (535)."
        assert "certificate" in str(await failure(channel(port, "starttls", **login)))
    assert mailbox.tls == [True]


async def test_tls_from_the_start(tmp_path: Path) -> None:
    mailbox, good, other = (
        Mailbox(),
        make_certificate(tmp_path),
        make_certificate(tmp_path, "elsewhere.example"),
    )
    async with mail_server(mailbox, tls=good.server, login=True) as port:
        found = channel(port, "tls", certificates=good.trusting, username="ops", password="pa ss")
        assert await found.send(notices.notice()) == "accepted"
    async with mail_server(mailbox, tls=other.server) as port:
        assert "certificate" in str(await failure(channel(port, "tls", certificates=other.trusting)))
    assert len(mailbox.mails) == 1


async def test_without_tls_on_the_other_side_nothing_is_sent(tmp_path: Path) -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        error = await failure(channel(port, "starttls", username="ops", password="s3cret"))
    assert "STARTTLS" in str(error)
    assert not mailbox.mails


async def test_refused_recipients_are_named() -> None:
    mailbox = Mailbox(refuses="gone")
    async with mail_server(mailbox) as port:
        assert "all recipients: gone@example.com 550 no such mailbox" in str(
            await failure(channel(port, to=["gone@example.com"]))
        )
        both = channel(port, to=["gone@example.com", "ops@example.com"])
        assert "not for 1 recipient: gone@example.com 550" in await both.send(notices.notice())
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("manner", ["silent", "endless greeting", "endless answer", "closes"])
async def test_a_bad_manner_ends_in_time(manner: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if manner == "closes":
                return
            if manner == "silent":
                await reader.read()
            if manner == "endless answer":
                writer.write(b"220 hello\r\n")
                await reader.readline()
            while not writer.is_closing():
                writer.write(b"220-more\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        begun = time.monotonic()
        await failure(channel(port, limit_s=0.3))
        assert time.monotonic() - begun < 2


async def test_a_private_mail_server_is_refused() -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        with pytest.raises(SendFailed, match="no public address"):
            await EmailChannel(config(port, security="none")).send(notices.notice())
    assert not mailbox.envelopes


@pytest.mark.parametrize(
    "values",
    [
        {"to": ["ops@example.com\r\nBcc: x@example.com"]},
        {"to": ["ops@example.com, x@example.com"]},
        {"to": []},
        {"to": ["ops@example.com"] * 51},
        {"sender": "Ops <ops@example.com>"},
        {"sender": "ops"},
        {"host": "localhost\r\nEHLO x"},
        {"host": "a/b"},
        {"port": 0},
        {"security": "maybe"},
        {"username": "ops\nx", "password": "x"},
        {"password": "without a user"},
        {"username": "ops", "password": "in the clear", "security": "none"},
        {"bcc": "x@example.com"},
    ],
    ids=str,
)
def test_values_that_no_mail_channel_takes(values: dict[str, object]) -> None:
    with pytest.raises(BadArgs) as caught:
        config(**values)  # type: ignore[arg-type]
    assert "in the clear" not in str(caught.value)


def test_a_password_stays_with_its_server_alone() -> None:
    before = config(587, username="ops", password="pa ss")
    assert config(587, username="ops", to=["new@example.com"]).keeping(before).password is not None
    for other in (
        config(25, username="ops"),
        config(587, username="root"),
        config(587, username="ops", host="evil.example"),
        config(587, username="ops", security="tls"),
    ):
        assert other.keeping(before).password is None
