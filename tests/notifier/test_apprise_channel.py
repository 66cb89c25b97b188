"""Apprise: what it gets, what it refuses, and what is reported without it."""

import json
import sys

import pytest

from infinitas.core.channel_config import Apprise, read_channel
from infinitas.core.errors import ConfigError
from infinitas.notifier.channels.apprise import AppriseChannel
from infinitas.notifier.channels.sending import SendFailed
from tests.notifier import notices
from tests.notifier.receivers import receiver, response


def channel(url: str) -> AppriseChannel:
    config = read_channel("any", {"type": "apprise", "url": url})
    assert isinstance(config, Apprise)
    assert "s3cret" not in f"{config!r} {config.target} {config.shown}"
    return AppriseChannel(config)


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Those of apprise."""


async def test_a_service_of_apprise_gets_the_short_form() -> None:
    pytest.importorskip("apprise")
    async with receiver(response("200 OK"), response("500 no")) as found:
        service = channel(found.url.replace("http://", "json://"))
        assert await service.send(notices.notice()) == "accepted"
        with pytest.raises(SendFailed, match="did not accept"):
            await service.send(notices.notice())
    sent = json.loads(found.requests[0].body)
    assert sent["title"] == "shop.invoices fails"
    assert "Attempt: 3 of 3" in sent["message"]


async def test_a_url_that_apprise_does_not_know() -> None:
    pytest.importorskip("apprise")
    with pytest.raises(ConfigError, match=r"can't use the URL nothing://\*\*\*"):
        await channel("nothing://s3cret").send(notices.notice())


async def test_without_apprise_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match=r"pip install 'infinitas\[apprise\]'"):
        await channel("json://localhost/s3cret").send(notices.notice())
