"""What a provider of OpenID Connect may answer by mistake or by malice: a sign-in fails, and nothing else."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from infinitas.core.errors import ServerUnreachable, Unauthorized
from infinitas.core.roles import Person
from infinitas.runtime.oidc_settings import OidcSettings
from infinitas.server import provider as module
from infinitas.server.provider import Provider, SignIn
from tests.support import PATIENCE_S

KEY = RSAKey.generate_key(2048, {"kid": "k"})
SIGN_IN = SignIn(state="s", nonce="n", verifier="v" * 43)
BACK = "https://jobs.example/callback"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Malicious:
    """Answers by path; `changed` replaces facts of its description, its keys and its token."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked = 0
        self.answer: Answer | None = None
        """What comes in place of the description, after the headers."""
        self.keys: object = {"keys": [KEY.as_dict(private=False)]}
        self.token: object = self.sign()
        self.description: dict[str, object] = {
            "issuer": address,
            "authorization_endpoint": f"{address}/authorize",
            "token_endpoint": f"{address}/token",
            "jwks_uri": f"{address}/keys",
        }

    def sign(self, algorithm: str = "RS256", key: Any = KEY, **claims: Any) -> str:
        now = int(time.time())
        facts = {"iss": self.address, "aud": "i", "sub": "ada", "nonce": "n", "iat": now, "exp": now + 60}
        return jwt.encode(
            {"alg": algorithm, "kid": "k"},
            facts | claims | {"groups": ["ops"]},
            key,
            ["RS256", "HS256", "none"],
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            self.asked += 1
            writer.write(HEAD)
            if "well-known" in path and self.answer is not None:
                await self.answer(writer)
            found = {"/keys": self.keys, "/token": {"id_token": self.token}}.get(path, self.description)
            writer.write(json.dumps(found).encode())
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def person(self, provider: Provider) -> Person:
        await provider.authorization_url(SIGN_IN, BACK)
        return await provider.person(SIGN_IN, "code", BACK)


@pytest.fixture
async def malicious() -> AsyncIterator[Malicious]:
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        await found.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found = Malicious(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    yield found
    server.close()
    # Their client is closed by now.
    await asyncio.gather(*filter(None, serving))


@pytest.fixture
async def provider(malicious: Malicious) -> AsyncIterator[Provider]:
    roles = {"ops": ("read",)}
    found = Provider(
        OidcSettings(issuer=malicious.address, client_id="i", client_secret=None, claim="groups", roles=roles)
    )
    yield found
    await found.close()


async def test_the_right_answers_are_a_person(malicious: Malicious, provider: Provider) -> None:
    assert (await malicious.person(provider)).scopes == ("read",)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("value", [None, 5, "", "nowhere", "http://id.example/x", "http://[", []])
async def test_an_endpoint_that_is_none(
    malicious: Malicious, provider: Provider, name: str, value: object
) -> None:
    malicious.description[name] = value
    with pytest.raises(ServerUnreachable):
        await malicious.person(provider)


@pytest.mark.parametrize("keys", [[], {"keys": 5}, {"keys": [None]}, {"keys": [{"kty": "RSA"}]}])
async def test_keys_that_are_none(malicious: Malicious, provider: Provider, keys: object) -> None:
    malicious.keys = keys
    with pytest.raises(ServerUnreachable):
        await malicious.person(provider)


@pytest.mark.parametrize(
    "claims",
    [{"iss": "https://other"}, {"aud": "j"}, {"aud": ["i", "j"]}, {"nonce": "m"}, {"exp": 1}, {"sub": 5}],
)
async def test_a_token_for_another(malicious: Malicious, provider: Provider, claims: dict[str, Any]) -> None:
    malicious.token = malicious.sign(**claims)
    with pytest.raises(Unauthorized):
        await malicious.person(provider)


async def test_a_token_that_is_not_signed_by_it(malicious: Malicious, provider: Provider) -> None:
    head, facts, _ = malicious.sign().split(".")
    secret = OctKey.generate_key(256, {"kid": "k"})
    other = RSAKey.generate_key(2048, {"kid": "k"})
    tokens = [
        malicious.sign("HS256", secret),
        malicious.sign(key=other),
        f"{head}.{facts}.",
        "a.b.c",
        5,
        None,
    ]
    for token in tokens:
        malicious.token = token
        with pytest.raises(Unauthorized):
            await malicious.person(provider)


async def pour(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()


async def drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def nest(writer: asyncio.StreamWriter) -> None:
    writer.write(b"[" * 200_000)


@pytest.mark.parametrize("answer", [pour, drip, nest])
async def test_an_answer_without_an_end(
    malicious: Malicious, provider: Provider, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.5 if answer is drip else PATIENCE_S)
    malicious.answer = answer
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(ServerUnreachable):
            await malicious.person(provider)


async def test_many_that_sign_in_wait_for_a_silent_provider_once(
    malicious: Malicious, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    malicious.answer = drip
    failures = await asyncio.gather(*(malicious.person(provider) for _ in range(200)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {ServerUnreachable}
    assert malicious.asked == 1
    malicious.answer = None
    assert await malicious.person(provider)
