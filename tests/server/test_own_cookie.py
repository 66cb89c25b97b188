"""Cookies of others cost nothing."""

import time

import httpx

from infinitas.server.own_cookie import own_cookies
from tests.server_fixtures import MakeToken

COOKIE = "infinitas_login=abc_DEF-123"


def kept(*values: str) -> list[tuple[bytes, bytes]]:
    return own_cookies([(b"host", b"h"), *((b"cookie", value.encode()) for value in values)])[1:]


def test_only_the_own_cookie_is_kept() -> None:
    own = [(b"cookie", COOKIE.encode())]
    assert kept(COOKIE) == own
    assert kept(f"theme=dark; {COOKIE}; a=b") == own
    assert kept("theme=dark", COOKIE) == own
    assert kept("theme=dark", f'a="{COOKIE}', f"x{COOKIE}", f'{COOKIE}"') == []
    assert kept(f"{COOKIE};" + "a=b;" * 10_000) == []


def test_cookies_that_are_slow_to_parse_are_not_parsed(http: httpx.Client, make_token: MakeToken) -> None:
    slow = 'a="' + '\\"' * 30_000 + '"'
    begun = time.monotonic()
    for path in ("/livez", "/api/v1/workers", "/api/v1/login"):
        assert http.get(path, headers={"Cookie": slow}).status_code in (200, 400, 431)
    assert time.monotonic() - begun < 3


def test_a_login_works_beside_other_cookies(http: httpx.Client, make_token: MakeToken) -> None:
    answer = http.post("/api/v1/login", json={"token": make_token("read")})
    name, value = next(iter(answer.cookies.items()))
    http.cookies.clear()
    headers = {"Cookie": f"theme=dark; {name}={value}; lang=en"}
    assert http.get("/api/v1/login", headers=headers).status_code == 200
