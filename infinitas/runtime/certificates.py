"""The certificate files of a client of a server, as settings have them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Files in PEM form.

    Attributes:
        ca: the authority that has signed the server's certificate; None: the system's, or `SSL_CERT_FILE`.
        cert: the certificate that the client presents, with those between it and its authority.
        key: its private key; None: it is in the file `cert`.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
