"""Webhook and slack, against a receiver with every bad manner."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from infinitas.core.channel_config import Slack, Webhook, read_channel
from infinitas.core.errors import BadArgs
from infinitas.notifier.channels import addresses
from infinitas.notifier.channels.addresses import ANYWHERE, may_connect
from infinitas.notifier.channels.http_post import Poster
from infinitas.notifier.channels.opening import open_channel
from infinitas.notifier.channels.sending import SendFailed, message_id
from infinitas.notifier.channels.slack import SlackChannel
from infinitas.notifier.channels.webhook import WebhookChannel
from tests.notifier import notices
from tests.notifier.receivers import make_certificate, receiver, response

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def webhook(url: str, secret: str | None = None, **more: Any) -> WebhookChannel:
    values = {"type": "webhook", "url": url} | ({"secret": secret} if secret else {})
    config = read_channel("hook", values)
    assert isinstance(config, Webhook)
    return WebhookChannel(
        config, Poster(url, more.pop("networks", LOOPBACK), **more), clock=lambda: 1764252005.9
    )


async def failure(channel: WebhookChannel | SlackChannel) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        await channel.send(notices.notice())
    assert "s3cret" not in str(caught.value)
    return caught.value


async def test_a_webhook_is_signed_as_the_standard_has_it() -> None:
    second = base64.b64encode(b"z" * 24).decode()
    async with receiver() as found:
        assert await webhook(found.url, f"{SECRET} whsec_{second}").send(notices.notice()) == "204"
    request = found.requests[0]
    assert request.path == "/hook/s3cret"
    assert request.headers["host"] in found.url
    assert request.headers["webhook-id"] == "ntc_01kb2v7a9s"
    assert request.headers["webhook-timestamp"] == "1764252005"
    assert request.headers["content-type"] == "application/json"
    signed = b"ntc_01kb2v7a9s.1764252005." + request.body
    expected = [
        f"v1,{base64.b64encode(hmac.new(key, signed, 'sha256').digest()).decode()}"
        for key in (KEY, b"z" * 24)
    ]
    assert request.headers["webhook-signature"].split(" ") == expected
    assert json.loads(request.body)["type"] == "incident.opened"


async def test_an_unsigned_webhook_has_an_id_all_the_same() -> None:
    odd = replace(notices.notice(), id="failing:crawl é\r\nX: y.1")
    async with receiver() as found:
        await webhook(found.url).send(odd)
    headers = found.requests[0].headers
    assert headers["webhook-id"] == message_id(odd)
    assert headers["webhook-id"].startswith("msg_")
    assert "webhook-signature" not in headers


async def test_what_the_receiver_refuses_is_a_failure_with_its_reason() -> None:
    answers = [
        response("500 Internal Server Error", body="<b>boom</b>\r\n\x1b[31m"),
        response("302 Found", "Location: http://169.254.169.254/latest/meta-data/"),
        response("410 Gone"),
        response("404 Not Found"),
    ]
    async with receiver(*answers) as found:
        channel = webhook(found.url)
        boom, moved, gone, unknown = [await failure(channel) for _ in answers]
    assert str(boom) == "Status 500: <b>boom</b>"
    assert "redirect, which is not followed" in str(moved)
    assert (gone.final, unknown.final) == (True, False)
    assert len(found.requests) == 4


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("999999999999", 3600), ("soon", None), ("-5", None), ("١٢", None), ("", None)],
)
async def test_retry_after_is_read_and_bounded(value: str, seconds: float | None) -> None:
    async with receiver(response("429 Too Many Requests", f"Retry-After: {value}")) as found:
        assert (await failure(webhook(found.url))).retry_after == seconds


async def test_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    async with receiver(response("503 Service Unavailable", f"Retry-After: {date}")) as found:
        wanted = (await failure(webhook(found.url))).retry_after
    assert wanted is not None
    assert 80 < wanted <= 90


@pytest.mark.parametrize("manner", ["slow", "endless", "headers", "drop"])
async def test_a_bad_manner_ends_in_time(manner: str) -> None:
    async with receiver(manner) as found:
        begun = time.monotonic()
        error = await failure(webhook(found.url, limit_s=0.3))
        assert time.monotonic() - begun < 2
    assert not error.final


async def test_an_endless_answer_with_a_good_status_is_a_success() -> None:
    async with receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nx") as found:
        assert await webhook(found.url, limit_s=5).send(notices.notice()) == "200"


async def test_a_port_where_nothing_listens() -> None:
    async with receiver() as found:
        pass
    assert "No answer" in str(await failure(webhook(found.url)))


async def test_certificates_are_verified(tmp_path: Path) -> None:
    good, other = make_certificate(tmp_path), make_certificate(tmp_path, "elsewhere.example")
    async with receiver(certificate=good.server) as found:
        assert await webhook(found.url, certificates=good.trusting).send(notices.notice()) == "204"
        assert "certificate" in str(await failure(webhook(found.url)))
    async with receiver(certificate=other.server) as wrong_name:
        assert "certificate" in str(await failure(webhook(wrong_name.url, certificates=other.trusting)))
    assert not wrong_name.requests


PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.100.100.200", "192.0.0.192", "168.63.129.16", "224.0.0.1", "255.255.255.255", "240.0.0.1",
    "198.18.0.1", "192.0.2.1",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a00:1", "::127.0.0.1",
    "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2002:7f00:1::",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "2001:0:7f00:1::", "fec0::1", "100::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1",
    "93.184.215.14",
    "2606:4700:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
    "2002:101:101::",
]


def test_which_addresses_are_public() -> None:
    assert not [address for address in PRIVATE if may_connect(address, ())]
    assert [address for address in PUBLIC if may_connect(address, ())] == PUBLIC
    assert may_connect("10.1.2.3", (ip_network("10.1.2.0/24"),))
    assert may_connect("::ffff:10.1.2.3", (ip_network("10.1.2.0/24"),))
    assert not may_connect("10.1.3.3", (ip_network("10.1.2.0/24"),))
    assert all(may_connect(address, ANYWHERE) for address in ["10.1.2.3", "::1", "127.0.0.1"])


async def test_private_addresses_are_refused_whatever_their_form(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as found:
        port = found.url.split(":")[2].split("/")[0]
        forms = (
            "localhost",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "[::ffff:127.0.0.1]",
        )
        for form in forms:
            url = f"http://{form}:{port}/"
            with pytest.raises((SendFailed, BadArgs), match=r"no public address|can't be resolved"):
                await open_channel(read_channel("x", {"type": "slack", "url": url}), ()).send(
                    notices.notice()
                )
    assert found.connections == 0


async def test_a_name_that_changes_its_address_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what is checked is what is connected to."""
    loop = asyncio.get_running_loop()
    answers = ["203.0.113.1", "127.0.0.1", "127.0.0.1"]
    asked: list[str] = []
    real: Callable[..., Any] = loop.getaddrinfo

    async def rebinding(host: Any, port: Any, **more: Any) -> Any:
        if host != "rebinding.example":
            return await real(host, port, **more)
        asked.append(host)
        return await real(answers[len(asked) - 1], port, **more)

    monkeypatch.setattr(loop, "getaddrinfo", rebinding)
    monkeypatch.setattr(addresses, "may_connect", lambda address, _networks: address == "203.0.113.1")
    async with receiver() as found:
        port = found.url.split(":")[2].split("/")[0]
        await failure(webhook(f"http://rebinding.example:{port}/s3cret", networks=(), limit_s=0.3))
        assert (found.connections, len(asked)) == (0, 1)
        # The second answer is refused by itself.
        assert "no public" in str(await failure(webhook(f"http://rebinding.example:{port}/", networks=())))
    assert found.connections == 0


async def test_slack_gets_markup_of_its_own() -> None:
    async with receiver(response("200 OK", body="ok")) as found:
        channel = SlackChannel(Poster(found.url, LOOPBACK))
        assert await channel.send(notices.notice()) == "200"
    body = json.loads(found.requests[0].body)
    assert body["text"] == "*shop.invoices fails*"
    assert isinstance(open_channel(Slack.model_validate({"url": found.url}), ()), SlackChannel)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "http://", "https://user:pw@example.com/",
        "https://exa mple.com/", "http://example.com\\@127.0.0.1/", "http://example.com:99999/",
        "http://[fe80::1%25eth0]/", "https://example.com/#x", "https://bücher.example/", "gopher://x",
        "http://example.com/\r\nX: y", "",
    ],
)  # fmt: skip
def test_urls_that_no_channel_takes(url: str) -> None:
    with pytest.raises(BadArgs) as caught:
        read_channel("hook", {"type": "webhook", "url": url})
    assert "pw@" not in str(caught.value)


@pytest.mark.parametrize(
    "secret", ["abc", "whsec_", "whsec_abc", "whsec_" + "A" * 8, "whsec_é", "whsec_" + "A" * 400]
)
def test_secrets_that_no_webhook_takes(secret: str) -> None:
    with pytest.raises(BadArgs, match="whsec_ and 24 to 64 bytes"):
        read_channel("hook", {"type": "webhook", "url": "https://example.com/", "secret": secret})
