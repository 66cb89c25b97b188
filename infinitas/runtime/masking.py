"""Keeps secrets out of logs, pages and events.

A configured URL may be wrong in any way, so only parts that are known to be harmless are shown: its
scheme, and after the last `@` its host, port and path.
"""

import re
from urllib.parse import unquote

HIDDEN = "***"
_SCHEME = re.compile(
    r"(?i)((?:redis|valkey)s?(?:\+sentinel|\+cluster)?|unix|postgres|postgresql|https?|wss?)://"
)
_HOST = r"(?:\[[0-9a-fA-F:.]+\]|[\w.%-]+)(?::\d{1,5})?"
_HEAD = re.compile(rf"(?s)(?:(?P<user>.*)@)?(?P<address>(?:{_HOST}(?:,{_HOST})*)?(?:/[^\s@:#]*)?)")
_BARE = re.compile(r"[\w.-]+:\d{1,5}(?:/\d{0,3})?")
_HARMLESS = {"db", "host", "port", "dbname", "sslmode", "ssl_cert_reqs"}
_HARMLESS_VALUE = re.compile(r"[\w./:,-]*")
_URL = re.compile(rf"{_SCHEME.pattern}[^\s'\"<>]+")
_PARAMETER = re.compile(r"(?i)\b(\w*(?:pass|pwd|secret|token)\w*)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]+)")
_QUOTED = re.compile(
    r"""(?ix) (["'] \w*(?:pass|pwd|secret|token)\w* ["'] \s*:\s*) ("(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')"""
)
_CREDENTIALS = re.compile(
    r"""(?i)(\bauthorization["']?\s*[:=]\s*["']?|\bbearer\s+)(?:[a-z]+\s+)?[^\s"',;]{8,}"""
)
_PING = re.compile(r"(/ping/)[0-9a-z]{20,40}\b")
_TOKEN = re.compile(r"\b(inf_[0-9a-z]{8}_)[A-Za-z0-9-]{8,}")
_FRAGMENT = re.compile(r"/.*#")
"""In front of an `@`: what follows it is no host but the end of a fragment."""
_SEPARATOR = re.compile(r"[:@/?#&=,\s]")
_SHORTEST_SECRET = 3


def mask_url(url: str) -> str:
    """A URL, right or wrong, with `***` in place of user, password and options."""
    scheme = _SCHEME.match(url)
    if scheme is None:
        return url if _BARE.fullmatch(url) else HIDDEN
    head, question, query = url[scheme.end() :].partition("?")
    found = _HEAD.fullmatch(head)
    if found is None or "@" in query or _FRAGMENT.search(found["user"] or ""):
        return scheme[0].lower() + HIDDEN
    user = "" if found["user"] is None else f"{HIDDEN}@"
    return scheme[0].lower() + user + found["address"] + question + "&".join(map(_option, query.split("&")))


def mask_text(text: str, url: str = "") -> str:
    """A text, such as a client library's error, without the secrets of `url`, without URLs' and tokens."""
    shown = mask_url(url)
    text = text.replace(url, shown) if url else text
    for secret in _secrets(url, shown):
        text = text.replace(secret, HIDDEN)
    text = _URL.sub(lambda found: mask_url(found[0]), text)
    for names_a_secret in (_QUOTED, _CREDENTIALS, _TOKEN, _PING):
        text = names_a_secret.sub(rf"\1{HIDDEN}", text)
    return _PARAMETER.sub(rf"\1={HIDDEN}", text)


def _option(text: str) -> str:
    name, _, value = text.partition("=")
    harmless = not text or (name in _HARMLESS and _HARMLESS_VALUE.fullmatch(value))
    return text if harmless else HIDDEN


def _secrets(url: str, shown: str) -> list[str]:
    """Every part of a URL that is not shown; the longest first."""
    behind = url[scheme.end() :] if (scheme := _SCHEME.match(url)) else url
    user = behind.rpartition("@")[0]
    # In a mistyped URL the start of the password is unknown.
    pieces = {text[found.end() :] for text in (user, behind) for found in _SEPARATOR.finditer(text)}
    pieces |= {option.partition("=")[2] for option in behind.partition("?")[2].split("&")}
    pieces |= {user, *_SEPARATOR.split(behind)}
    pieces |= {unquote(piece) for piece in pieces}
    hidden = [piece for piece in pieces if len(piece) >= _SHORTEST_SECRET and piece not in shown]
    return sorted(hidden, key=len, reverse=True)
