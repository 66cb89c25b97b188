"""What a channel needs to send: one model for each type. Secrets are masked wherever a model is shown."""

import base64
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from infinitas.core.errors import BadArgs

HIDDEN = "***"
MOST_RECIPIENTS = 50
MAX_CHARS = 2_000
LEAST_KEY_BYTES, MOST_KEY_BYTES = 24, 64
KEY_PREFIX = "whsec_"
"""Of the secrets of Standard Webhooks."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|[0-9A-Fa-f:.]+")
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{1,255}")


def check_channel_name(name: str) -> str:
    """Return `name` if it may name a channel. Raises BadArgs."""
    if not _NAME.fullmatch(name):
        raise BadArgs(
            f"A channel's name has up to 63 letters, digits, -, _ and ., and begins with a letter or digit; "
            f"not {name[:80]!r}."
        )
    return name


def http_address(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port, and path with query, of an `http(s)://` URL. Raises ValueError."""
    found = urlsplit(url)
    if found.scheme not in ("http", "https") or not found.hostname:
        raise ValueError("a URL that starts with https:// or http:// and has a host")
    if found.username is not None or found.password is not None or found.fragment:
        raise ValueError("a URL without user, password and fragment")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("a URL of printable ASCII characters (hosts in punycode, others percent-encoded)")
    if not _HOST.fullmatch(found.hostname):
        raise ValueError("a URL whose host has letters, digits, - and dots")
    path = (found.path or "/") + (f"?{found.query}" if found.query else "")
    return found.scheme, found.hostname, found.port or (443 if found.scheme == "https" else 80), path


def signing_keys(secret: str) -> list[bytes]:
    """The keys of one or more `whsec_…`, separated by spaces. Raises ValueError."""
    keys: list[bytes] = []
    for text in secret.split():
        try:
            key = base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
        except ValueError:
            key = b""
        if not text.startswith(KEY_PREFIX) or not LEAST_KEY_BYTES <= len(key) <= MOST_KEY_BYTES:
            raise ValueError(
                f"{KEY_PREFIX} and {LEAST_KEY_BYTES} to {MOST_KEY_BYTES} bytes in base64; several for a "
                "change of keys, separated by spaces"
            )
        keys.append(key)
    if not keys:
        raise ValueError(f"a secret that starts with {KEY_PREFIX}")
    return keys


def _check_url(url: SecretStr) -> SecretStr:
    http_address(url.get_secret_value())
    return url


def _check_keys(secret: SecretStr) -> SecretStr:
    signing_keys(secret.get_secret_value())
    return secret


def _check_host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise ValueError("a host's name or address")
    return host


def _check_address(address: str) -> str:
    if not _ADDRESS.fullmatch(address) or not address.isprintable() or not address.isascii():
        raise ValueError("a mail address such as ops@example.com")
    return address


def _check_text(text: SecretStr) -> SecretStr:
    value = text.get_secret_value()
    if not value.isprintable() or len(value) > MAX_CHARS or not value:
        raise ValueError(f"1 to {MAX_CHARS:,} printable characters")
    return text


SecretText = Annotated[SecretStr, AfterValidator(_check_text)]
HttpUrl = Annotated[SecretText, AfterValidator(_check_url)]
SigningSecret = Annotated[SecretText, AfterValidator(_check_keys)]
MailAddress = Annotated[str, Field(max_length=320), AfterValidator(_check_address)]
Host = Annotated[str, Field(max_length=253), AfterValidator(_check_host)]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    secrets: ClassVar[tuple[str, ...]] = ()

    @property
    def target(self) -> str:
        """Where messages go, without secrets."""
        raise NotImplementedError

    @property
    def shown(self) -> dict[str, Any]:
        """All values, with `***` for secrets."""
        found = self.model_dump(mode="json", exclude_none=True)
        return {name: HIDDEN if name in self.secrets else value for name, value in found.items()}

    @property
    def stored(self) -> dict[str, Any]:
        """All values, the secrets in plain text: for Postgres alone."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        plain = {n: v.get_secret_value() if isinstance(v, SecretStr) else v for n, v in values.items()}
        return {name: value for name, value in plain.items() if value is not None}

    def keeping(self, before: "_Config | None") -> Self:
        """This, with the secrets of `before` that it leaves out, where they go to the same target."""
        if type(before) is not type(self) or before is None or before.target != self.target:
            return self
        kept = {n: getattr(before, n) for n in self.secrets if getattr(self, n) is None}
        return self.model_copy(update=kept)


class Webhook(_Config):
    """POSTs JSON; signed where there is a `secret`."""

    secrets: ClassVar = ("url", "secret")
    type: Literal["webhook"] = "webhook"
    url: HttpUrl
    secret: SigningSecret | None = None

    @property
    def target(self) -> str:
        return _origin(self.url)


class Email(_Config):
    """Sends mail over SMTP. `security`: STARTTLS, TLS from the start, or none."""

    secrets: ClassVar = ("password",)
    type: Literal["email"] = "email"
    host: Host
    port: int | None = Field(default=None, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, Field(min_length=1, max_length=320, pattern=r"^[ -~]+$")] | None = None
    password: SecretText | None = None
    sender: MailAddress
    to: Annotated[tuple[MailAddress, ...], Field(min_length=1, max_length=MOST_RECIPIENTS)]

    @model_validator(mode="after")
    def _login(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("a password goes with a username")
        if self.username is not None and self.security == "none":
            raise ValueError("a login needs security starttls or tls")
        return self

    @property
    def real_port(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]

    @property
    def target(self) -> str:
        return f"{', '.join(self.to)} via {self.username or ''}{'@' if self.username else ''}{self.server}"

    @property
    def server(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.real_port} ({self.security})"

    def keeping(self, before: _Config | None) -> Self:
        # Other recipients are no other target of the password; another server or login is.
        if isinstance(before, Email) and (before.server, before.username) == (self.server, self.username):
            return self.model_copy(update={"password": self.password or before.password})
        return self


class Slack(_Config):
    """An incoming webhook of Slack, or of what takes the same JSON."""

    secrets: ClassVar = ("url",)
    type: Literal["slack"] = "slack"
    url: HttpUrl

    @property
    def target(self) -> str:
        return _origin(self.url)


class Apprise(_Config):
    """A URL of apprise, such as `ntfy://…` or `tgram://…`."""

    secrets: ClassVar = ("url",)
    type: Literal["apprise"] = "apprise"
    url: SecretText

    @property
    def target(self) -> str:
        return f"{self.url.get_secret_value().partition('://')[0][:20]}://{HIDDEN}"


ChannelConfig = Webhook | Email | Slack | Apprise
TYPES: Mapping[str, type[ChannelConfig]] = {
    "webhook": Webhook,
    "email": Email,
    "slack": Slack,
    "apprise": Apprise,
}
_ANY: TypeAdapter[ChannelConfig] = TypeAdapter(Annotated[ChannelConfig, Field(discriminator="type")])


def read_channel(name: str, values: Mapping[str, object]) -> ChannelConfig:
    """A channel's values as its model.

    Raises:
        BadArgs: a value is missing or wrong; the text names it and what is allowed, never the value.
    """
    try:
        return _ANY.validate_python(dict(values))
    except ValidationError as error:
        raise BadArgs("\n".join(_explain(name, dict(e)) for e in error.errors(include_url=False))) from None


def _explain(name: str, fault: Mapping[str, Any]) -> str:
    # The first step of the place is the type.
    place = ".".join(map(str, fault["loc"][1:]))
    if fault["type"] == "missing":
        return f"The channel {name!r} needs {place}."
    if fault["type"] == "extra_forbidden":
        return f"The channel {name!r} has the unknown option {place!r}."
    if fault["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"The channel {name!r} has no known type; allowed: {', '.join(TYPES)}."
    what = str(fault["msg"]).removeprefix("Value error, ")
    if not place:
        return f"The channel {name!r} is wrong: {what}."
    return f"{place} of the channel {name!r} is wrong; allowed: {what}."


def _origin(url: SecretStr) -> str:
    """Scheme, host and port of a URL: its path may be a secret."""
    scheme, host, port, path = http_address(url.get_secret_value())
    host = f"[{host}]" if ":" in host else host
    default = 443 if scheme == "https" else 80
    return f"{scheme}://{host}{'' if port == default else f':{port}'}{'/' if path == '/' else '/…'}"
