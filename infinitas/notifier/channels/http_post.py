"""POSTs a message to a URL of a person's choice. Follows no redirect, uses no proxy, and always ends."""

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from infinitas.core.errors import ConfigError
from infinitas.notifier.channels.addresses import Networks, resolve
from infinitas.notifier.channels.certificates import system_certificates
from infinitas.notifier.channels.sending import LONGEST_SEND_S, SendFailed
from infinitas.notifier.messages.safe_text import line
from infinitas.runtime.version import VERSION

try:
    import httpcore
except ImportError as missing:  # pragma: no cover - a broken install
    raise ConfigError(
        "The notifier needs the package httpcore: pip install 'infinitas[notifier]'."
    ) from missing

CONNECT_S = 5.0
MAX_ANSWER_BYTES = 2_000
"""Of a refusal, for the delivery log; the rest of an answer is not read."""
LONGEST_RETRY_AFTER_S = 3_600.0
_GONE = 410


class Poster:
    """Sends POST requests to one URL.

    Args:
        networks: private networks that are allowed beside public addresses.
        certificates: trusted ones, for tests; None: those of the system (or of SSL_CERT_FILE).
        limit_s: seconds after which a request ends, whatever the other side does.
    """

    def __init__(
        self,
        url: str,
        networks: Networks = (),
        certificates: ssl.SSLContext | None = None,
        limit_s: float = LONGEST_SEND_S,
    ) -> None:
        self._url = url
        self._backend = _CheckedBackend(networks)
        self._certificates = certificates
        self._limit_s = limit_s

    async def post(self, body: bytes, headers: Mapping[str, str]) -> str:
        """Returns the status, such as `204`.

        Raises:
            SendFailed: no answer with a status of 2xx came in time.
        """
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._post(body, headers)
        except TimeoutError:
            raise SendFailed(f"No answer within {self._limit_s:g} s.") from None
        except httpcore.TimeoutException:
            raise SendFailed(f"No connection within {CONNECT_S:g} s.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise SendFailed(f"No answer ({line(error, 200) or type(error).__name__}).") from None

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> str:
        everything = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": f"Infinitas/{VERSION}",
            "Accept-Encoding": "identity",
            **headers,
        }
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._certificates or system_certificates(),
            max_connections=1,
            network_backend=self._backend,
        )
        async with (
            pool,
            pool.stream(
                "POST",
                self._url,
                headers=list(everything.items()),
                content=body,
                extensions={"timeout": {"connect": CONNECT_S}},
            ) as response,
        ):
            if 200 <= response.status < 300:
                return str(response.status)
            raise SendFailed(
                await _refusal(response),
                retry_after=_retry_after(response),
                final=response.status == _GONE,
            )


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses alone; TLS still verifies the name in the URL."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await resolve(host, port, self._networks):
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failure = failure or error
        assert failure is not None
        raise failure

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _refusal(response: httpcore.Response) -> str:
    status = response.status
    if 300 <= status < 400:
        return f"Status {status}: a redirect, which is not followed. Set the URL to where it leads."
    if status == _GONE:
        return f"Status {status}: the receiver wants no more messages."
    body = b""
    async for part in response.aiter_stream():
        body += part
        if len(body) >= MAX_ANSWER_BYTES:
            break
    text = line(body[:MAX_ANSWER_BYTES].decode(errors="replace"), 200)
    return f"Status {status}: {text}" if text else f"Status {status}."


def _retry_after(response: httpcore.Response) -> float | None:
    """Seconds of `Retry-After`, at most an hour; None if there is none that can be read."""
    values = [value for name, value in response.headers if name.lower() == b"retry-after"]
    text = values[0].decode("ascii", "replace").strip() if values else ""
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - datetime.fromtimestamp(time.time(), UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)
