"""Checks URLs of servers and normalizes them before anything connects.

A password may contain `@`, `%`, spaces and the like as they are; `/`, `?` and `#` are delimiters and must
be percent-encoded. The errors complete "allowed: …" and show nothing of the URL.
"""

import re
from collections.abc import Collection
from urllib.parse import quote

_PARTS = re.compile(
    r"(?s)(?P<scheme>[A-Za-z+]+)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>.*))?"
)
_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[\w.%-]+)?(?::(?P<port>\d{1,5}))?", re.ASCII)
_PATH = re.compile(r"[^\s@]*")
_BARE_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")
_OPTION = re.compile(r"[a-z_]+=[^=\s]*")
_SCHEMA = re.compile(r"schema=(?!pg_|information_schema$)[A-Za-z_][A-Za-z0-9_-]{0,62}")
_TLS = {
    f"ssl_{name}"
    for name in ("keyfile", "certfile", "cert_reqs", "ca_certs", "ca_path", "ca_data", "check_hostname")
} | {"ssl_ciphers", "ssl_password"}
_REDIS_OPTIONS = {"db", "username", "password"}
_SENTINEL_OPTIONS = {"sentinel_username", "sentinel_password"}
_SERVICE = re.compile(r"/[\w.-]+(?:/\d+)?/?", re.ASCII)
_REDIS_SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
_ENCODED = (
    ", where user and password are percent-encoded (/ is %2F, ? is %3F, # is %23, @ is %40), as in "
    "user:p%23ss@host"
)
_LAST_PORT = 65_535


def checked_redis_url(url: str) -> str:
    """`redis://`, `rediss://`, `unix://`, or `redis+sentinel://`; valkey means redis. Raises ValueError."""
    url = re.sub(r"(?i)^\s*valkey(?=s?(?:\+\w+)?://)", "redis", url)
    scheme, user, address, path, query = _split(url, _REDIS_SCHEMES)
    if scheme == "unix":
        if address or not _PATH.fullmatch(path) or len(path) < 2:
            raise ValueError(f"unix://[user:password@]/path/of/the/socket{_ENCODED}")
    elif scheme.endswith("+sentinel"):
        if not all(host and _is_address(host) for host in address.split(",")) or not _SERVICE.fullmatch(path):
            raise ValueError(
                f"{scheme}://[user:password@]host[:port],host[:port]/service[/number], with the hosts of "
                f"the Sentinels{_ENCODED}"
            )
    elif scheme.endswith("+cluster"):
        if not all(host and _is_address(host) for host in address.split(",")) or path not in ("", "/"):
            raise ValueError(
                f"{scheme}://[user:password@]host[:port],host[:port], with nodes of the Cluster{_ENCODED}"
            )
    elif not _is_address(address) or not re.fullmatch(r"/?|/\d+/?", path):
        raise ValueError(f"{scheme}://[user:password@]host[:port][/number]{_ENCODED}")
    _check_redis_options(scheme, query)
    return _join(scheme, user, address, path, query)


def _check_redis_options(scheme: str, query: str) -> None:
    allowed = _REDIS_OPTIONS | (_TLS if scheme.startswith("rediss") else set())
    allowed |= _SENTINEL_OPTIONS if scheme.endswith("+sentinel") else set()
    allowed -= {"db"} if scheme.endswith("+cluster") else set()
    for option in query.split("&") if query else ():
        name, equals, value = option.partition("=")
        if not equals or name not in allowed or (name == "db" and not value.isdecimal()):
            raise ValueError(
                f"a URL whose options behind the ? are of {', '.join(sorted(allowed))}"
                + (": those for TLS need rediss://" if name in _TLS else "")
            )


def checked_postgres_url(url: str) -> str:
    """`postgresql://`. Raises ValueError."""
    scheme, user, addresses, path, query = _split(url, ("postgresql", "postgres"))
    if not all(_is_address(address) for address in addresses.split(",")) or not _PATH.fullmatch(path):
        raise ValueError(f"{scheme}://[user:password@]host[:port][/database]{_ENCODED}")
    if query and not all(_OPTION.fullmatch(option) for option in query.split("&")):
        raise ValueError("a URL whose options behind the ? have the form name=value, joined by &")
    schema = [option for option in query.split("&") if option.startswith("schema=")]
    if schema and not (len(schema) == 1 and _SCHEMA.fullmatch(schema[0])):
        raise ValueError(
            "a URL whose schema= is one name of letters, digits, _ and -, which is not one of Postgres"
        )
    url = _join(scheme, user, addresses, path, query)
    if "%00" in url:
        raise ValueError("a URL without the character %00, which Postgres has no use for")
    return url


def split_schema(url: str) -> tuple[str, str | None]:
    """A Postgres URL without its option `schema`, which is ours, and that schema."""
    head, _, query = url.partition("?")
    options = query.split("&") if query else []
    schema = next(
        (option.removeprefix("schema=") for option in options if option.startswith("schema=")), None
    )
    if schema is None:
        return url, None
    others = "&".join(option for option in options if not option.startswith("schema="))
    return (f"{head}?{others}" if others else head), schema


def checked_server_url(url: str) -> str:
    """`wss://` and `ws://`; `https://` and `http://` mean the same. Raises ValueError."""
    scheme, user, address, path, query = _split(url, ("wss", "ws", "https", "http"))
    if not address or not _is_address(address) or not _PATH.fullmatch(path):
        raise ValueError(f"{scheme}://host[:port]")
    return _join(scheme.replace("http", "ws"), user, address, path, query)


def checked_page_url(url: str) -> str:
    """`https://host/path` without a slash at its end. Raises ValueError."""
    scheme, user, address, path, query = _split(url, ("https", "http"))
    if user is not None or query or not address or not _is_address(address) or not _PATH.fullmatch(path):
        raise ValueError(f"{scheme}://host[:port][/path]")
    return _join(scheme, None, address, path, "").rstrip("/")


def checked_http_url(url: str) -> str:
    """`http://` or `https://`, with any path and options. Raises ValueError."""
    _, _, address, _, _ = _split(url, ("https", "http"))
    if not address or not _is_address(address):
        raise ValueError("https://host[:port][/path]")
    return url.strip().rstrip("/")


def _split(url: str, schemes: Collection[str]) -> tuple[str, str | None, str, str, str]:
    """Split into scheme, user and password (or None), host and port, path, options."""
    url = url.strip()
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in schemes:
        raise ValueError(f"a URL that starts with {', '.join(s + '://' for s in schemes)}")
    found = _PARTS.fullmatch(url)
    if found is None or "#" in (found["query"] or ""):
        raise ValueError(f"a URL without #{_ENCODED}")
    user, at, address = found["authority"].rpartition("@")
    return scheme, user if at else None, address, found["path"], found["query"] or ""


def _join(scheme: str, user: str | None, address: str, path: str, query: str) -> str:
    rest = f"{address}{path}?{query}" if query else address + path
    credentials = "" if user is None else quote(_encode_percent(user), safe="%:!$&'()*+,;=-._~") + "@"
    return f"{scheme}://{credentials}{_encode_percent(rest)}"


def _encode_percent(text: str) -> str:
    return _BARE_PERCENT.sub("%25", text)


def _is_address(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and (not found["port"] or 0 < int(found["port"]) <= _LAST_PORT)
