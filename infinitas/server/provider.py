"""A provider of OpenID Connect: authorization code flow with state, nonce and PKCE (extra `oidc`)."""

import asyncio
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic_core import from_json

from infinitas.core.errors import ConfigError, ServerUnreachable, Unauthorized
from infinitas.core.roles import Person, name_by, scopes_by
from infinitas.runtime.oidc_settings import OidcSettings

TIMEOUT_S = 10.0
"""For a whole answer, however slowly its bytes come."""
MOST_BYTES = 1024 * 1024
"""Of an answer; the largest sets of keys have some 50 kB."""
KEEP_S = 3600.0
"""How long the provider's description and keys are used."""
AGAIN_S = 30.0
"""After so long they are read again for a key that is unknown: providers change theirs."""
CLOCKS_DIFFER_S = 60
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures with a public key alone; never `none`, nor one with the client's secret."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What the browser keeps from the beginning of a sign-in to its end."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def begin(cls) -> "SignIn":
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (32, 32, 48))
        return cls(state=state, nonce=nonce, verifier=verifier)


class Provider:
    """The provider that the settings name."""

    def __init__(self, settings: OidcSettings) -> None:
        """Raises ConfigError: it would be reached without TLS."""
        self._settings = settings
        if not _is_safe(settings.issuer):
            raise ConfigError("oidc_issuer must begin with https://, or a forged answer signs in as anyone.")
        self.name = urlsplit(settings.issuer).netloc
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            verify=ssl.create_default_context(),
            # The limit is of what is read, not of what it becomes.
            headers={"Accept-Encoding": "identity"},
        )
        self._one_at_a_time = asyncio.Lock()
        self._described: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at = self._failed_at = float("-inf")
        self._failure = ""

    async def close(self) -> None:
        await self._http.aclose()

    def has_signed_in(self, person: Person) -> bool:
        """Whether it was this provider, not the one of earlier settings."""
        return person.subject.startswith(f"{self._settings.issuer}|")

    async def authorization_url(self, sign_in: SignIn, redirect_uri: str) -> str:
        """Where the browser goes. Raises ServerUnreachable."""
        await self._read(KEEP_S)
        return str(
            prepare_grant_uri(
                self._described["authorization_endpoint"],
                self._settings.client_id,
                "code",
                redirect_uri,
                self._settings.scope,
                sign_in.state,
                nonce=sign_in.nonce,
                code_challenge=create_s256_code_challenge(sign_in.verifier),
                code_challenge_method="S256",
            )
        )

    async def person(self, sign_in: SignIn, code: str, redirect_uri: str) -> Person:
        """Exchange the code for an ID token, and read the person in it.

        Raises:
            Unauthorized: the provider refuses the code, or the token is not for this sign-in.
            ServerUnreachable: the provider gave no answer.
        """
        await self._read(KEEP_S)
        secret = self._settings.client_secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._settings.client_id,
            "code_verifier": sign_in.verifier,
        }
        if secret is not None:
            form["client_secret"] = secret.get_secret_value()
        answer = await self._json("POST", self._described["token_endpoint"], form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Unauthorized("The provider returned no ID token.")
        claims = await self._claims(token, sign_in.nonce)
        scopes = scopes_by(claims, self._settings.claim, self._settings.roles)
        subject = f"{self._settings.issuer}|{claims['sub']}"
        return Person(subject=subject, name=name_by(claims), scopes=scopes)

    async def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        for keep_s in (KEEP_S, AGAIN_S):
            await self._read(keep_s)
            assert self._keys is not None
            try:
                decoded = jwt.decode(token, self._keys, algorithms=list(ALGORITHMS))
                options = {
                    "iss": {"essential": True, "value": self._described["issuer"]},
                    "aud": {"essential": True, "value": self._settings.client_id},
                    "nonce": {"essential": True, "value": nonce},
                }
                params = {"nonce": nonce, "client_id": self._settings.client_id}
                claims = CodeIDToken(decoded.claims, decoded.header, options, params)
                claims.validate(leeway=CLOCKS_DIFFER_S)
                str(claims["sub"]).encode()
            except (JoseError, ValueError) as error:
                fault = error
            else:
                return dict(claims)
        raise Unauthorized(f"The provider's ID token is not valid for this sign-in ({type(fault).__name__}).")

    async def _read(self, keep_s: float) -> None:
        """Read the provider's description and keys, unless they are as fresh as that."""
        began = time.monotonic()
        async with self._one_at_a_time:
            if time.monotonic() - self._read_at < keep_s:
                return
            if self._failed_at > began:
                # It failed while this one waited: else each of many would wait for the provider anew.
                raise ServerUnreachable(self._failure)
            try:
                self._described, self._keys = await self._read_both()
            except ServerUnreachable as error:
                self._failed_at, self._failure = time.monotonic(), str(error)
                raise
            self._read_at = time.monotonic()

    async def _read_both(self) -> tuple[Mapping[str, Any], KeySet]:
        issuer = self._settings.issuer.rstrip("/")
        described = await self._json("GET", f"{issuer}/.well-known/openid-configuration")
        if str(described.get("issuer", "")).rstrip("/") != issuer:
            raise ServerUnreachable("The provider names itself otherwise than oidc_issuer.")
        for name in _ENDPOINTS:
            if not _is_safe(described.get(name)):
                raise ServerUnreachable(f"The provider's {name} is no address that begins with https://.")
        keys = await self._json("GET", described["jwks_uri"])
        try:
            return described, KeySet.import_key_set(keys)  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError):
            raise ServerUnreachable("The provider's keys can't be read.") from None

    async def _json(self, method: str, url: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Raises Unauthorized: refused with 400 or 401. ServerUnreachable: no answer that can be used."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self._http.stream(method, url, data=form) as response:
                if form is not None and response.status_code in (400, 401):
                    raise Unauthorized("The provider refused the code of this sign-in.")
                response.raise_for_status()
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise ServerUnreachable(f"An answer of the provider {self.name} is too long.")
            found = from_json(bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            raise ServerUnreachable(
                f"The provider {self.name} gave no usable answer ({type(error).__name__})."
            ) from None
        if not isinstance(found, dict):
            raise ServerUnreachable(f"The provider {self.name} gave no usable answer.")
        return found


def _is_safe(url: object) -> bool:
    """Whether nothing between here and there can read or change what goes to it."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        return False
    return parts.scheme == "https" or parts.hostname in _LOOPBACK
