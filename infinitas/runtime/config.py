"""Settings: arguments > environment (`INFINITAS_*`) > infinitas.toml > defaults, checked once."""

import logging
import os
import re
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    SecretStr,
    ValidationError,
)

from infinitas.core.errors import ConfigError, Refused
from infinitas.core.notify_rules import MOST_RULES, NotifyRule, read_rule
from infinitas.core.task_definition import parse_rate
from infinitas.core.unknown_options import remedy
from infinitas.runtime.certificates import Certificates
from infinitas.runtime.channel_settings import FileChannel, read_channels, read_networks
from infinitas.runtime.masking import HIDDEN, mask_text, mask_url
from infinitas.runtime.oidc_settings import OidcSettings, read_roles
from infinitas.runtime.ownership import other_owner
from infinitas.runtime.urls import (
    checked_http_url,
    checked_page_url,
    checked_postgres_url,
    checked_redis_url,
    checked_server_url,
)

_log = logging.getLogger("infinitas.config")
CONFIG_FILE = "infinitas.toml"
ENVIRONMENT = "the environment"
DEFAULT_REDIS = "redis://127.0.0.1:6379/0"
URLS = ("redis_url", "postgres_url", "server")


RedisUrl = Annotated[str, AfterValidator(checked_redis_url)]
PostgresUrl = Annotated[str, AfterValidator(checked_postgres_url)]
ServerUrl = Annotated[str, AfterValidator(checked_server_url)]
PageUrl = Annotated[str, AfterValidator(checked_page_url)]


def _rules(value: object) -> tuple[NotifyRule, ...]:
    if not isinstance(value, (list, tuple)) or len(value) > MOST_RULES:
        raise ValueError(f"up to {MOST_RULES} tables [[notify]] in {CONFIG_FILE}")
    found: dict[str, NotifyRule] = {}
    for place, each in enumerate(value, 1):
        if isinstance(each, NotifyRule):
            found[each.name] = each
            continue
        if not isinstance(each, Mapping):
            raise ValueError(f"tables [[notify]] in {CONFIG_FILE}")
        values = dict(each)
        name = str(values.pop("name", f"notify {place}"))
        if name in found:
            raise ValueError(f"rules with different names, not {name!r:.80} twice")
        try:
            found[name] = read_rule(name, values)
        except Refused as error:
            raise ValueError(str(error)) from None
    return tuple(found.values())


def _checked_rate(text: str) -> str:
    if parse_rate(text) is None:
        raise ValueError('a number per period, e.g. "20/h"')
    return text


Rules = Annotated[tuple[InstanceOf[NotifyRule], ...], BeforeValidator(_rules)]
Channels = Annotated[dict[str, InstanceOf[FileChannel]], BeforeValidator(read_channels)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(read_networks)]


PingUrl = Annotated[str, AfterValidator(checked_http_url)]
_DSN = re.compile(
    r"https?://[A-Za-z0-9]{1,100}(:[A-Za-z0-9]{0,100})?@[\w.\[\]:-]{1,300}(/[\w.-]{1,100}){0,5}/\d{1,20}"
)
SECRETS = (
    "token",
    "oidc_client_secret",
    "healthchecks_ping_key",
    "cronitor_api_key",
    "sentry_dsn",
    "heartbeat_url",
    "pings",
)


def _checked_secret_url(value: SecretStr) -> SecretStr:
    return SecretStr(checked_http_url(value.get_secret_value()))


def _checked_dsn(value: SecretStr) -> SecretStr:
    if not _DSN.fullmatch(value.get_secret_value()):
        raise ValueError("https://PUBLIC_KEY@HOST/PROJECT, as Sentry shows it")
    return value


class Settings(BaseModel):
    """All settings (docs/settings.md).

    Attributes:
        app: what `worker`, `dev` and `sync` run, e.g. `shop.app:app`, unless the command names another.
        app_name: the name of an app that is given none in code: `Infinitas("shop")`.
        redis_url: Redis, for live state. None: the embedded server of `data_dir` if one runs, else
            redis://127.0.0.1:6379/0.
        postgres_url: Postgres, for history. None: the embedded server if one runs, else no archive.
        server: a server to use instead of Redis and Postgres, e.g. wss://host:3000.
        token: the token for that server (`infinitas token add`).
        server_ca: file with the certificate of a private authority that has signed the server's; None: the
            system's authorities.
        client_cert: file with the certificate that the server demands of its clients; None: none.
        client_key: file with its private key; None: it is in the same file.
        oidc_issuer: address of the provider that people sign in through; None: with tokens alone.
        oidc_client_id, oidc_client_secret: of this server, at the provider.
        oidc_claim: the claim of the ID token that has a person's roles.
        oidc_roles: value of that claim → scopes.
        oidc_scope: what the provider is asked for.
        data_dir: folder of the embedded servers and their data.
        concurrency: most jobs that one worker runs at once.
        shutdown_timeout: seconds that a stopping worker lets its jobs finish.
        lease: seconds after which a silent worker counts as gone.
        jobs_per_process: after so many jobs, a process of `runner="process"` is replaced.
        process_memory: once it has so many bytes of resident memory after a job, it is replaced; 0: never.
        job_ttl: seconds that a finished job stays in Redis (the archive keeps it).
        events_max: entries of events that Redis keeps while the archiver is away.
        backlog_jobs: jobs that may wait in one queue, for a worker or for their time; beyond that senders get
            `backlog_full`. None: no limit.
        backlog_mb: about how many 10^6 bytes they may take. None: no limit.
        archive_max_gb: size of the archive's database, in 10^9 bytes, that a check warns of from 90 % on.
        notify: rules for which channels are notified of which incidents; tables `[[notify]]` in the file.
        notify_rate: most messages to one channel in a period; what is more is summed up in one message.
        notify_group: seconds between two messages to one channel; what happens between them is one message.
        backlog_after: seconds that ready jobs of a task may wait before that is an incident.
        slow_factor: a job that runs so many times longer than usual is an incident.
        paused_after: seconds that a schedule may be paused without an end before that is an incident.
        page_url: the public address of the page, for links in messages.
        channels: where messages go; tables `[channels.NAME]` in the file.
        channel_networks: private networks that channels may connect to.
        healthchecks_url: of Healthchecks; another one if you host it yourself.
        healthchecks_ping_key, cronitor_api_key, sentry_dsn: for tasks with a `monitor` (docs/pings.md).
        heartbeat_url: an address that schedulers request each minute while they fire.
        pings: task → ping address, for `infinitas exec`.
        log_level: lowest level that the command-line processes print.
        log_format: `text`, or `json`: one object a line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: str = ""
    app_name: str = ""
    redis_url: RedisUrl | None = Field(default=None, repr=False)
    postgres_url: PostgresUrl | None = Field(default=None, repr=False)
    server: ServerUrl | None = Field(default=None, repr=False)
    token: SecretStr | None = None
    server_ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    oidc_issuer: PingUrl | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_claim: str = Field(default="groups", min_length=1, max_length=200)
    oidc_roles: Annotated[dict[str, tuple[str, ...]], BeforeValidator(read_roles)] = Field(
        default_factory=dict
    )
    oidc_scope: str = "openid profile email"
    data_dir: Path = Path(".infinitas")
    concurrency: int = Field(default=10, ge=1, le=10_000)
    shutdown_timeout: float = Field(default=8.0, ge=0, le=86_400)
    lease: float = Field(default=10.0, ge=1, le=3_600)
    jobs_per_process: int = Field(default=500, ge=1, le=1_000_000)
    process_memory: int = Field(default=0, ge=0, le=2**50)
    job_ttl: int = Field(default=3_600, ge=1, le=31_536_000)
    events_max: int = Field(default=1_000_000, ge=1_000, le=5_000_000)
    backlog_jobs: int | None = Field(default=None, ge=1)
    backlog_mb: float | None = Field(default=None, gt=0)
    archive_max_gb: float | None = Field(default=None, gt=0)
    notify: Rules = ()
    notify_rate: Annotated[str, AfterValidator(_checked_rate)] = "20/h"
    notify_group: float = Field(default=30.0, ge=0, le=3_600)
    backlog_after: float = Field(default=300.0, ge=1, le=31_536_000)
    slow_factor: float = Field(default=3.0, ge=1.1, le=1_000)
    paused_after: float = Field(default=604_800.0, ge=1, le=31_536_000)
    page_url: PageUrl | None = None
    channels: Channels = Field(default_factory=dict, repr=False)
    channel_networks: Networks = ()
    healthchecks_url: PingUrl = Field(default="https://hc-ping.com", repr=False)
    healthchecks_ping_key: SecretStr | None = None
    cronitor_api_key: SecretStr | None = None
    sentry_dsn: Annotated[SecretStr, AfterValidator(_checked_dsn)] | None = None
    heartbeat_url: Annotated[SecretStr, AfterValidator(_checked_secret_url)] | None = None
    pings: dict[str, SecretStr] = Field(default_factory=dict)
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    log_format: str = Field(default="text", pattern="^(text|json)$")

    @property
    def oidc(self) -> OidcSettings | None:
        """The provider that people sign in through. Raises ConfigError: a setting of it is missing."""
        if self.oidc_issuer is None:
            return None
        if not self.oidc_client_id or not self.oidc_roles:
            raise ConfigError("oidc_issuer needs oidc_client_id and oidc_roles (docs/security.md).")
        return OidcSettings(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id,
            client_secret=self.oidc_client_secret,
            claim=self.oidc_claim,
            roles=self.oidc_roles,
            scope=self.oidc_scope,
        )

    @property
    def certificates(self) -> Certificates:
        """For TLS to the server."""
        return Certificates(ca=self.server_ca, cert=self.client_cert, key=self.client_key)

    @property
    def token_text(self) -> str | None:
        return self.token.get_secret_value() if self.token else None


def load_settings(
    arguments: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Merge the four sources, field by field; None in `arguments` means not given.

    Raises:
        ConfigError: a value is wrong or a setting unknown; the text names it, its value and the allowed
            values.
    """
    environment = os.environ if environment is None else environment
    file = Path(CONFIG_FILE) if file is None else file
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    given = {name: value for name, value in (arguments or {}).items() if value is not None}
    for source, found in (
        (str(file), _from_file(file)),
        (ENVIRONMENT, _from_environment(environment)),
        ("the arguments", given),
    ):
        values.update(found)
        origins.update(dict.fromkeys(found, source))
    if origins.get("token") == ENVIRONMENT and origins.get("server") == str(file):
        raise ConfigError(
            f"The token is from the environment and the server from {file}: a token is sent only to a server "
            "that is named in the same place, or in code. Set INFINITAS_SERVER too."
        )
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(e, origins) for e in error.errors())) from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    # A table has its place in the file.
    names = {f"INFINITAS_{name.upper()}": name for name in Settings.model_fields if name != "pings"}
    return {names[name]: value for name, value in environment.items() if name in names and value}


def _from_file(file: Path) -> dict[str, object]:
    if (why := other_owner(file)) is not None:
        _log.warning("%s", why)
        return {}
    try:
        return tomllib.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} can't be read as TOML: {error}.") from None


def _explain(error: object, origins: Mapping[str, str]) -> str:
    assert isinstance(error, dict)
    name = str(error["loc"][0])
    where = origins.get(name, "the defaults")
    if error["type"] == "extra_forbidden":
        return f"Settings from {where}: unknown option {name!r}; {remedy(name, Settings.model_fields)}"
    allowed = str(error["msg"]).removeprefix("Value error, ")
    if name == "channels":  # Its value may have secrets in it.
        return f"{name} (from {where}): {allowed}"
    return f"{name} (from {where}) is {_shown(name, str(error['input']))[:120]!r}; allowed: {allowed}."


def _shown(name: str, value: str) -> str:
    if name in SECRETS:
        return HIDDEN
    return mask_url(value.strip()) if name in URLS else mask_text(value)
