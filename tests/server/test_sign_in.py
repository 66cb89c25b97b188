"""People sign in through a real provider of OpenID Connect; their roles are scopes."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from redis import Redis

from infinitas.core.errors import ConfigError, Unauthorized
from infinitas.devservers.servers import Urls
from infinitas.runtime.config import Settings, load_settings
from infinitas.server.provider import Provider, SignIn
from infinitas.server.server import serving
from tests.own_redis import free_port
from tests.support import PATIENCE_S, events

API = "/api/v1"
BASE = "http://localhost:3000"


@pytest.fixture
def settings(servers: Urls, redis: Redis, issuer: str) -> Settings:
    return Settings(
        redis_url=servers.redis,
        oidc_issuer=issuer,
        oidc_client_id="infinitas",
        oidc_client_secret=SecretStr("secret"),
        oidc_roles={"ops": ("read", "admin"), "staff": ("read",)},
    )


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[FastAPI]:
    async with serving(settings, local=True) as api:
        yield api


@pytest.fixture
async def browser(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=BASE) as client:
        yield client


async def at_provider(browser: httpx.AsyncClient, person: str) -> str:
    """Begin a sign-in, and let the person agree at the provider. Returns where that sends the browser."""
    begun = await browser.get(f"{API}/login/oidc")
    assert begun.status_code == 303
    asked = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) == len(asked["nonce"]) == 43
    cookie = begun.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    async with httpx.AsyncClient(timeout=PATIENCE_S) as provider:
        agreed = await provider.post(begun.headers["location"], data={"sub": person})
    assert agreed.status_code == 302, agreed.text
    return str(agreed.headers["location"])


async def test_a_person_signs_in_and_out(browser: httpx.AsyncClient, redis: Redis) -> None:
    assert (await browser.get(f"{API}/tasks")).status_code == 401, "no open access where people sign in"
    assert "localhost" in (await browser.get(f"{API}/login/options")).json()["oidc"]
    back = await at_provider(browser, "ada")
    assert back.startswith(f"{BASE}{API}/login/oidc/callback?")
    signed = await browser.get(back)
    assert (signed.status_code, signed.headers["location"]) == (303, f"{BASE}/")
    shown = (await browser.get(f"{API}/login")).json()
    assert (shown["name"], shown["scopes"]) == ("ada", ["admin", "read"])
    assert shown["expires"] is not None
    assert (await browser.get(f"{API}/tokens")).status_code == 200
    (login,) = (await browser.get(f"{API}/logins")).json()
    assert (login["name"], login["token"]) == ("ada", None)
    (entry,) = events(redis, "audit.sign_in")
    assert (entry.fields["actor"], entry.fields["target"]) == ("ada", login["id"])
    assert "location" in (await browser.get(back)).headers, "a code is for one sign-in"
    assert (await browser.get(f"{API}/login")).status_code == 200
    assert (await browser.delete(f"{API}/login")).status_code == 204
    assert (await browser.get(f"{API}/login")).status_code == 401
    (left,) = events(redis, "audit.sign_out")
    assert left.fields["actor"] == "ada"


async def test_what_is_no_sign_in_of_this_browser_is_refused(
    browser: httpx.AsyncClient, redis: Redis, api: FastAPI
) -> None:
    async def refused(back: str, mark: str = "sign-in-failed") -> None:
        answer = await browser.get(back)
        assert answer.headers["location"] == f"{BASE}/#{mark}"
        assert (await browser.get(f"{API}/login")).status_code == 401

    back = await at_provider(browser, "bob")
    await refused(back, "no-role")
    back = await at_provider(browser, "ada")
    await refused(back.replace("state=", "state=x"))
    await refused(back)  # Its cookie is used up.
    back = await at_provider(browser, "ada")
    browser.cookies.clear()
    await refused(back)
    # The code of another browser: its challenge is of another verifier (PKCE).
    foreign = dict(parse_qsl(urlsplit(await at_provider(browser, "ada")).query))
    own = dict(parse_qsl(urlsplit(await at_provider(browser, "ada")).query))
    await refused(f"{API}/login/oidc/callback?code={foreign['code']}&state={own['state']}")
    await refused(f"{API}/login/oidc/callback?error=access_denied&state=x")
    await refused(f"{API}/login/oidc/callback")
    assert redis.keys("infinitas:login:*") == []
    assert api.state.refusals.counts.total() >= 7


async def test_the_id_token_is_for_this_sign_in(browser: httpx.AsyncClient, api: FastAPI) -> None:
    provider: Provider = api.state.provider
    for changed in (False, True):
        back = dict(parse_qsl(urlsplit(await at_provider(browser, "ada")).query))
        state, nonce, verifier = str(next(iter(browser.cookies.jar)).value).split(".")
        sign_in = SignIn(state=state, nonce="n" * 43 if changed else nonce, verifier=verifier)
        person = provider.person(sign_in, back["code"], f"{BASE}{API}/login/oidc/callback")
        if changed:
            with pytest.raises(Unauthorized, match="not valid for this sign-in"):
                await person
        else:
            assert (await person).name == "ada"


async def test_an_administrator_ends_a_login(api: FastAPI, browser: httpx.AsyncClient) -> None:
    await browser.get(await at_provider(browser, "ada"))
    _, text = await api.state.client.tokens.issue("boss", ["admin"], None)
    boss = {"Authorization": f"Bearer {text}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=BASE) as http:
        await http.post(f"{API}/login", json={"token": text})
        listed = (await http.get(f"{API}/logins", headers=boss)).json()
        assert [each["name"] for each in listed] == ["boss", "ada"]
        assert listed[0]["token"] == text.split("_")[1]
        assert (await http.delete(f"{API}/logins/{listed[1]['id']}", headers=boss)).status_code == 204
        assert (await http.delete(f"{API}/logins/{listed[1]['id']}", headers=boss)).status_code == 404
        assert [each["name"] for each in (await http.get(f"{API}/logins", headers=boss)).json()] == ["boss"]
    assert (await browser.get(f"{API}/login")).status_code == 401


async def test_a_provider_that_is_away(settings: Settings) -> None:
    away = settings.model_copy(update={"oidc_issuer": f"http://localhost:{free_port()}"})
    async with (
        serving(away, local=True) as api,
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=BASE) as http,
    ):
        assert (await http.get(f"{API}/login/oidc")).status_code == 503
        assert (await http.get(f"{API}/login/options")).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_ISSUER", "http://id.example"),
        ("OIDC_CLIENT_ID", ""),
        ("OIDC_ROLES", ""),
        ("OIDC_ROLES", '{"ops": ["root"]}'),
        ("OIDC_ROLES", '{"ops": "read"}'),
        ("OIDC_ROLES", "ops"),
    ],
)
def test_wrong_settings_are_named(name: str, value: str) -> None:
    right = {
        "INFINITAS_OIDC_ISSUER": "https://id.example",
        "INFINITAS_OIDC_CLIENT_ID": "i",
        "INFINITAS_OIDC_ROLES": '{"ops": ["read"]}',
    }
    assert provider_of(right).name == "id.example"
    with pytest.raises(ConfigError, match="oidc_"):
        provider_of(right | {f"INFINITAS_{name}": value})


def provider_of(environment: dict[str, str]) -> Provider:
    oidc = load_settings({}, environment).oidc
    assert oidc is not None
    return Provider(oidc)
