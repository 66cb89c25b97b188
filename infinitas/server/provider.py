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

from infinitas.core.errors import ConfigError, ServerUnreachable, Unauthorized
from infinitas.core.roles import Person, name_by, scopes_by
from infinitas.runtime.oidc_settings import OidcSettings

TIMEOUT_S = 10.0
KEEP_S = 3600.0
"""How long the provider's description and keys are used."""
AGAIN_S = 30.0
"""After so long they are read again for a key that is unknown: providers change theirs."""
CLOCKS_DIFFER_S = 60
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures with a public key alone; never `none`, nor one with the client's secret."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


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
        parts = urlsplit(settings.issuer)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise ConfigError("oidc_issuer must begin with https://, or a forged answer signs in as anyone.")
        self.name = parts.netloc
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, verify=ssl.create_default_context())
        self._one_at_a_time = asyncio.Lock()
        self._described: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at = float("-inf")

    async def close(self) -> None:
        await self._http.aclose()

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
            except (JoseError, ValueError) as error:
                fault = error
            else:
                return dict(claims)
        raise Unauthorized(f"The provider's ID token is not valid for this sign-in ({type(fault).__name__}).")

    async def _read(self, keep_s: float) -> None:
        """Read the provider's description and keys, unless they are as fresh as that."""
        async with self._one_at_a_time:
            if time.monotonic() - self._read_at < keep_s:
                return
            issuer = self._settings.issuer.rstrip("/")
            described = await self._json("GET", f"{issuer}/.well-known/openid-configuration")
            if str(described.get("issuer", "")).rstrip("/") != issuer:
                raise ServerUnreachable("The provider names itself otherwise than oidc_issuer.")
            keys = await self._json("GET", str(described.get("jwks_uri", "")))
            try:
                self._keys = KeySet.import_key_set(keys)  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError):
                raise ServerUnreachable("The provider's keys can't be read.") from None
            self._described, self._read_at = described, time.monotonic()

    async def _json(self, method: str, url: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Raises Unauthorized: refused with 400 or 401. ServerUnreachable: no answer that can be used."""
        try:
            response = await self._http.request(method, url, data=form)
            if form is not None and response.status_code in (400, 401):
                raise Unauthorized("The provider refused the code of this sign-in.")
            response.raise_for_status()
            found = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ServerUnreachable(
                f"The provider {self.name} gave no usable answer ({type(error).__name__})."
            ) from None
        if not isinstance(found, dict):
            raise ServerUnreachable(f"The provider {self.name} gave no usable answer.")
        return found
