"""One HTTP request, of which only the status is read. It always ends, and follows no redirect."""

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from infinitas.runtime.version import VERSION

WITHIN_S = 5.0
MAX_STATUS_BYTES = 1_000
_SAFE = "/:?=&%+,;@!$'()*~-._"
_PORTS = {"http": 80, "https": 443}


class RequestFailed(Exception):
    """There was no answer; the text does not have the address, which may be secret."""


async def request(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    within_s: float = WITHIN_S,
    *,
    trusts_all: bool = False,
) -> int:
    """Send a request. Returns the status.

    Args:
        url: a checked one.
        within_s: seconds after which it ends, whatever the other side does.
        trusts_all: accept any certificate, of a server on this machine.

    Raises:
        RequestFailed: there was no answer in time.
    """
    try:
        async with asyncio.timeout(within_s):
            return await _send(method, url, headers or {}, body, trusts_all)
    except TimeoutError:
        raise RequestFailed(f"no answer within {within_s:g} s") from None
    except (OSError, ValueError, KeyError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise RequestFailed(type(error).__name__) from None


async def _send(method: str, url: str, headers: Mapping[str, str], body: bytes, trusts_all: bool) -> int:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or _PORTS[parts.scheme]
    context = ssl.create_default_context() if secure else None
    if context is not None and trusts_all:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        parts.hostname, port, ssl=context, limit=MAX_STATUS_BYTES, happy_eyeballs_delay=0.25
    )
    try:
        target = quote(parts.path or "/", safe=_SAFE)
        target += f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
        fields = {
            "Host": parts.netloc.rpartition("@")[2],
            "User-Agent": f"infinitas/{VERSION}",
            "Connection": "close",
            "Content-Length": str(len(body)),
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        await writer.drain()
        return _status(await reader.readline())
    finally:
        # Not closed in peace: a peer that never ends its answer would hold us.
        writer.transport.abort()


def _status(line: bytes) -> int:
    protocol, _, rest = line.partition(b" ")
    if not protocol.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise ValueError("that is no answer of HTTP")
    return int(rest[:3])
