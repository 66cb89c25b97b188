"""URLs of servers, checked and brought into one form before anything connects.

`@`, `%`, spaces and the like may stand in a password as they are; `/`, `?` and `#` end what is in front
of them, so they must be percent-encoded. The errors complete "allowed: …" and show nothing of the URL.
"""

import re
from collections.abc import Collection
from urllib.parse import quote

_PARTS = re.compile(r"(?s)(?P<scheme>[A-Za-z]+)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>.*))?")
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[\w.%-]+)?(?::(?P<port>\d{1,5}))?", re.ASCII)
_PATH = re.compile(r"[^\s@]*")
_BARE_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")
_OPTION = re.compile(r"[a-z_]+=[^=\s]*")
_TLS = {
    f"ssl_{name}"
    for name in ("keyfile", "certfile", "cert_reqs", "ca_certs", "ca_path", "ca_data", "check_hostname")
} | {"ssl_ciphers", "ssl_password"}
_REDIS_OPTIONS = {"db", "username", "password"}
_ENCODED = (
    ", where user and password are percent-encoded (/ is %2F, ? is %3F, # is %23, @ is %40), as in "
    "user:p%23ss@host"
)
_LAST_PORT = 65_535


def checked_redis_url(url: str) -> str:
    """`redis://`, `rediss://` or `unix://`. Raises ValueError."""
    scheme, user, place, path, query = _divide(url, ("redis", "rediss", "unix"))
    if scheme == "unix":
        if place or not _PATH.fullmatch(path) or len(path) < 2:
            raise ValueError(f"unix://[user:password@]/path/of/the/socket{_ENCODED}")
    elif not _is_place(place) or not re.fullmatch(r"/?|/\d+/?", path):
        raise ValueError(f"{scheme}://[user:password@]host[:port][/number]{_ENCODED}")
    allowed = _REDIS_OPTIONS | (_TLS if scheme == "rediss" else set())
    for option in query.split("&") if query else ():
        name, equals, value = option.partition("=")
        if not equals or name not in allowed or (name == "db" and not value.isdecimal()):
            raise ValueError(
                f"a URL whose options behind the ? are of {', '.join(sorted(allowed))}"
                + (": those for TLS need rediss://" if name in _TLS else "")
            )
    return _together(scheme, user, place, path, query)


def checked_postgres_url(url: str) -> str:
    """`postgresql://`. Raises ValueError."""
    scheme, user, places, path, query = _divide(url, ("postgresql", "postgres"))
    if not all(_is_place(place) for place in places.split(",")) or not _PATH.fullmatch(path):
        raise ValueError(f"{scheme}://[user:password@]host[:port][/database]{_ENCODED}")
    if query and not all(_OPTION.fullmatch(option) for option in query.split("&")):
        raise ValueError("a URL whose options behind the ? have the form name=value, joined by &")
    url = _together(scheme, user, places, path, query)
    if "%00" in url:
        raise ValueError("a URL without the character %00, which Postgres has no use for")
    return url


def checked_server_url(url: str) -> str:
    """`wss://` and `ws://`; `https://` and `http://` mean the same. Raises ValueError."""
    scheme, user, place, path, query = _divide(url, ("wss", "ws", "https", "http"))
    if not place or not _is_place(place) or not _PATH.fullmatch(path):
        raise ValueError(f"{scheme}://host[:port]")
    return _together(scheme.replace("http", "ws"), user, place, path, query)


def _divide(url: str, schemes: Collection[str]) -> tuple[str, str | None, str, str, str]:
    """Scheme, user and password (None: there are none), host and port, path, options."""
    url = url.strip()
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in schemes:
        raise ValueError(f"a URL that starts with {', '.join(s + '://' for s in schemes)}")
    found = _PARTS.fullmatch(url)
    if found is None or "#" in (found["query"] or ""):
        raise ValueError(f"a URL without #{_ENCODED}")
    user, at, place = found["authority"].rpartition("@")
    return scheme, user if at else None, place, found["path"], found["query"] or ""


def _together(scheme: str, user: str | None, place: str, path: str, query: str) -> str:
    behind = f"{place}{path}?{query}" if query else place + path
    front = "" if user is None else quote(_encode_percent(user), safe="%:!$&'()*+,;=-._~") + "@"
    return f"{scheme}://{front}{_encode_percent(behind)}"


def _encode_percent(text: str) -> str:
    return _BARE_PERCENT.sub("%25", text)


def _is_place(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and (not found["port"] or 0 < int(found["port"]) <= _LAST_PORT)
