"""Trust in a server's certificate: the system's authorities, `SSL_CERT_FILE`, or that of `server_ca`."""

import ssl
from pathlib import Path
from urllib.parse import urlsplit

from infinitas.core.errors import ConfigError
from infinitas.runtime.logging import get_logger
from infinitas.runtime.masking import mask_url

_log = get_logger("server")
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def client_context(ca: Path | None) -> ssl.SSLContext:
    """For HTTP and WebSockets alike. Raises ConfigError: the file can't be used."""
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"server_ca is {str(ca)!r}, which is no certificate in PEM form: {error}."
        ) from None


def warn_of_plain_text(url: str, token: str | None) -> None:
    """Log that a token crosses the network readable."""
    parts = urlsplit(url)
    if token and parts.scheme in ("ws", "http") and parts.hostname not in _THIS_MACHINE:
        _log.warning(
            "The token for %s is sent without TLS: whatever lies between can read it.", mask_url(url)
        )
