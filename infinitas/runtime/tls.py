"""TLS to a server: which authorities are trusted, and the certificate that the client presents."""

import ssl
from urllib.parse import urlsplit

from infinitas.core.errors import ConfigError
from infinitas.runtime.certificates import Certificates
from infinitas.runtime.logging import get_logger
from infinitas.runtime.masking import mask_url

_log = get_logger("server")
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def client_context(files: Certificates) -> ssl.SSLContext:
    """For HTTP and WebSockets alike. Raises ConfigError: a file can't be used."""
    try:
        context = ssl.create_default_context(cafile=files.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"server_ca is {str(files.ca)!r}, which is no certificate in PEM form: {error}."
        ) from None
    if files.cert is None:
        return context
    try:
        # An empty password: OpenSSL would ask for one on the terminal.
        context.load_cert_chain(files.cert, files.key, password=b"")
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"client_cert is {str(files.cert)!r} and client_key {str(files.key)!r}, which are no certificate "
            f"and its key in PEM form, without a password: {error}."
        ) from None
    return context


def warn_of_plain_text(url: str, token: str | None) -> None:
    """Log that a token crosses the network readable."""
    parts = urlsplit(url)
    if token and parts.scheme in ("ws", "http") and parts.hostname not in _THIS_MACHINE:
        _log.warning(
            "The token for %s is sent without TLS: whatever lies between can read it.", mask_url(url)
        )
