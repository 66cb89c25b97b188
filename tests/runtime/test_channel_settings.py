"""Channels in infinitas.toml: secrets by reference, every mistake named, no secret shown."""

from pathlib import Path

import pytest

from infinitas import ConfigError
from infinitas.core.channel_config import Email, Webhook
from infinitas.runtime.config import load_settings

GOOD = """
channel_networks = ["10.1.0.0/16", "::1/128"]

[channels.ops]
type = "webhook"
url = "https://example.com/hook/s3cret"
secret_env = "OPS_SECRET"

[channels.mail]
type = "email"
host = "localhost"
security = "starttls"
username = "ops"
password_file = "{folder}/password"
sender = "cron@example.com"
to = ["ops@example.com"]
allow_private = true
"""
SECRET = "whsec_" + "B" * 32


def write(folder: Path, text: str) -> Path:
    file = folder / "infinitas.toml"
    file.write_text(text)
    return file


def test_secrets_are_read_when_they_are_used(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pa ss\n")
    found = load_settings({}, {}, write(tmp_path, GOOD.format(folder=tmp_path)))
    ops, mail = found.channels["ops"], found.channels["mail"]
    assert (ops.allow_private, mail.allow_private) == (False, True)
    assert str(found.channel_networks[0]) == "10.1.0.0/16"
    hook = ops.resolve({"OPS_SECRET": SECRET})
    assert isinstance(hook, Webhook)
    assert hook.secret is not None
    assert hook.secret.get_secret_value() == SECRET
    sent = mail.resolve({})
    assert isinstance(sent, Email)
    assert sent.password is not None
    assert sent.password.get_secret_value() == "pa ss"
    assert "s3cret" not in f"{ops.shown} {found!r} {hook!r}"
    with pytest.raises(ConfigError, match="'OPS_SECRET', which is not set"):
        ops.resolve({})
    (tmp_path / "password").unlink()
    with pytest.raises(ConfigError, match="No such file"):
        mail.resolve({})
    with pytest.raises(ConfigError, match="whsec_ and 24"):
        ops.resolve({"OPS_SECRET": "s3cret"})


def test_networks_by_the_environment() -> None:
    found = load_settings({}, {"INFINITAS_CHANNEL_NETWORKS": "10.0.0.0/8, fd00::/8"}, Path("absent.toml"))
    assert [str(each) for each in found.channel_networks] == ["10.0.0.0/8", "fd00::/8"]
    with pytest.raises(ConfigError, match="channel_networks"):
        load_settings({}, {"INFINITAS_CHANNEL_NETWORKS": "10.0.0.1/8"}, Path("absent.toml"))


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ('type = "fax"', "no known type; allowed: webhook, email, slack, apprise"),
        ('type = "webhook"', "needs url"),
        ('type = "webhook"\nurl = "ftp://s3cret"', "starts with https://"),
        ('type = "webhook"\nurl_env = "A"\nurl_file = "b"', "one is enough"),
        ('type = "webhook"\nurl_env = "A"\nsecret = "s3cret"', "secret_env"),
        ('type = "slack"\nurl = "https://hooks.slack.com/s3cret"', "url_env"),
        ('type = "slack"\nurl_envi = "s3cret"', "did you mean 'url_env'"),
        ('type = "email"\nhost = "h"\nsender = "a@b"\nto = ["x"]', "a mail address"),
        ('type = "slack"\nurl_env = "A"\nallow_private = "s3cret"', "true or false"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, table: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({}, {}, write(tmp_path, f"[channels.ops]\n{table}\n"))
    assert part in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ['channels = "x"', "[[channels]]\nname = 1", '["channels"."a b"]\ntype = "slack"']
)
def test_other_shapes_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="channels"):
        load_settings({}, {}, write(tmp_path, text))
