"""The certificates that channels trust: those of the system, or of SSL_CERT_FILE."""

import ssl
from functools import cache


@cache
def system_certificates() -> ssl.SSLContext:
    """Verifies certificates and names. Made once: reading them takes some 50 ms."""
    return ssl.create_default_context()
