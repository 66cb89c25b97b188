"""The tables `[channels.NAME]` of infinitas.toml: a channel's values, its secrets by reference."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from infinitas.core.channel_config import HIDDEN, TYPES, ChannelConfig, check_channel_name, read_channel
from infinitas.core.errors import BadArgs, ConfigError
from infinitas.core.unknown_options import remedy

MOST_CHANNELS = 100
MAX_SECRET_BYTES = 10_000
_ENV, _FILE, _PRIVATE = "_env", "_file", "allow_private"
_MAY_BE_PLAIN = {"webhook": ("url",)}
"""Secrets that may stand in the file: a webhook's URL often is none."""
_EXAMPLES = {"url": "https://example.com/", "secret": "whsec_" + "A" * 32, "password": "x"}
"""In place of secrets, to check the other values at the start; secrets are read when they are used."""


@dataclass(frozen=True, slots=True)
class FileChannel:
    """A channel of infinitas.toml.

    Attributes:
        values: as in the file: of a secret `url` the name of a variable (`url_env`) or a file (`url_file`).
        allow_private: it may connect to any address.
    """

    name: str
    values: Mapping[str, Any]
    allow_private: bool = False

    @property
    def type(self) -> str:
        return str(self.values["type"])

    @property
    def shown(self) -> dict[str, Any]:
        """The values, with `***` for a secret that stands in the file."""
        secrets = TYPES[self.type].secrets
        return {name: HIDDEN if name in secrets else value for name, value in self.values.items()}

    def resolve(self, environment: Mapping[str, str] | None = None) -> ChannelConfig:
        """The channel with its secrets, read now. Raises ConfigError: one is not there, or not valid."""
        environment = os.environ if environment is None else environment
        found = dict(self.values)
        for secret in TYPES[self.type].secrets:
            if (variable := found.pop(secret + _ENV, None)) is not None:
                found[secret] = _variable(self.name, str(variable), environment)
            if (file := found.pop(secret + _FILE, None)) is not None:
                found[secret] = _content(self.name, str(file))
        try:
            return read_channel(self.name, found)
        except BadArgs as error:
            raise ConfigError(str(error)) from None


def read_channels(value: object) -> dict[str, FileChannel]:
    """The channels of a file. Raises ValueError; its text has no secret."""
    if not isinstance(value, Mapping) or len(value) > MOST_CHANNELS:
        raise ValueError(f"up to {MOST_CHANNELS} tables [channels.NAME] in infinitas.toml")
    return {
        name: each if isinstance(each, FileChannel) else _read(name, each) for name, each in value.items()
    }


def read_networks(value: object) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks such as `10.1.0.0/16`, as a list or separated by commas. Raises ValueError."""
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)):
        raise ValueError('networks such as "10.1.0.0/16"')
    return tuple(ip_network(str(text).strip()) for text in texts if str(text).strip())


def _read(name: object, table: object) -> FileChannel:
    try:
        name = check_channel_name(str(name))
        if not isinstance(table, Mapping) or table.get("type") not in TYPES:
            raise BadArgs(f"The channel {name!r} has no known type; allowed: {', '.join(TYPES)}.")
        values = dict(table)
        private = values.pop(_PRIVATE, False)
        if not isinstance(private, bool):
            raise BadArgs(f"{_PRIVATE} of the channel {name!r} is true or false.")
        _check(name, values)
    except BadArgs as error:
        raise ValueError(str(error)) from None
    return FileChannel(name, values, private)


def _check(name: str, values: Mapping[str, Any]) -> None:
    """Raises BadArgs."""
    model = TYPES[values["type"]]
    references = [secret + end for secret in model.secrets for end in (_ENV, _FILE)]
    known = [*model.model_fields, *references, _PRIVATE]
    for option in values:
        if option not in known:
            raise BadArgs(f"The channel {name!r} has the unknown option {option!r}; {remedy(option, known)}")
    sample = {option: value for option, value in values.items() if option not in references}
    for secret in model.secrets:
        forms = [form for form in (secret, secret + _ENV, secret + _FILE) if form in values]
        if len(forms) > 1:
            raise BadArgs(f"The channel {name!r} has {' and '.join(forms)}; one is enough.")
        if forms == [secret] and secret not in _MAY_BE_PLAIN.get(values["type"], ()):
            raise BadArgs(
                f"The channel {name!r} has {secret} in the file. Name a variable of the environment, "
                f"{secret}{_ENV}, or a file, {secret}{_FILE}."
            )
        if forms and forms != [secret]:
            sample[secret] = _EXAMPLES[secret]
    read_channel(name, sample)


def _variable(channel: str, name: str, environment: Mapping[str, str]) -> str:
    if not (value := environment.get(name, "").strip()):
        raise ConfigError(f"The channel {channel!r} needs the variable {name[:100]!r}, which is not set.")
    return value


def _content(channel: str, file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MAX_SECRET_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"The channel {channel!r} needs the file {file[:200]!r}: {why}.") from None
