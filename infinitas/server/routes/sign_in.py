"""`/login/oidc`: people sign in through a provider of OpenID Connect (docs/security.md)."""

import hmac
import secrets
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from infinitas.broker.logins import Logins
from infinitas.core.access import digest_of
from infinitas.core.errors import Forbidden, ServerUnreachable, Unauthorized
from infinitas.runtime.logging import get_logger
from infinitas.server.audit_trail import origin_of, write
from infinitas.server.auth import NO_TOKEN_NEEDED
from infinitas.server.dependencies import ClientOf
from infinitas.server.login_cookie import set_login, set_sign_in, sign_in_name, unset_sign_in

if TYPE_CHECKING:
    from infinitas.server.provider import Provider, SignIn

router = APIRouter(prefix="/login", tags=["system"])
_log = get_logger("server")
_SECRET_BYTES = 32
CALLBACK = "api/v1/login/oidc/callback"


class SignInOptions(BaseModel):
    """`oidc`: the host of the provider that people may sign in through; null: with a token alone."""

    oidc: str | None


@router.get("/options", openapi_extra=NO_TOKEN_NEEDED)
async def show_sign_in_options(request: Request) -> SignInOptions:
    """How people can log in."""
    provider: Provider | None = request.app.state.provider
    return SignInOptions(oidc=provider.name if provider else None)


@router.get("/oidc", status_code=303, response_class=RedirectResponse, openapi_extra=NO_TOKEN_NEEDED)
async def begin_sign_in(request: Request) -> Response:
    """Send the browser to the provider."""
    from infinitas.server.provider import SignIn

    provider = _provider(request)
    sign_in = SignIn.begin()
    response = RedirectResponse(await provider.authorization_url(sign_in, _callback(request)), 303)
    set_sign_in(request, response, f"{sign_in.state}.{sign_in.nonce}.{sign_in.verifier}")
    return response


@router.get("/oidc/callback", status_code=303, response_class=RedirectResponse, openapi_extra=NO_TOKEN_NEEDED)
async def end_sign_in(
    client: ClientOf,
    request: Request,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4_000)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The provider sends the browser here. It gets the cookie of a login, and goes on to the page."""
    provider = _provider(request)
    fault, response = "", RedirectResponse(_page(request), 303)
    try:
        sign_in = _begun(request, state)
        if error or not code:
            raise Forbidden("The provider has refused the sign-in.")
        person = await provider.person(sign_in, code, _callback(request))
        if not person.scopes:
            fault = "no-role"
            raise Forbidden(f"No role of {person.name!r} has a scope here (oidc_roles).")
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        login = await Logins(client.connection).add(digest_of(secret), person, origin_of(request))
        await write(client, action="sign_in", actor=person.name, target=login.id, origin=origin_of(request))
        set_login(request, response, secret)
    except (Unauthorized, Forbidden, ServerUnreachable) as refused:
        request.app.state.refusals.count(refused.code, origin_of(request))
        _log.warning("A sign-in through %s has failed: %s", provider.name, refused)
        response = RedirectResponse(f"{_page(request)}#{fault or 'sign-in-failed'}", 303)
    unset_sign_in(request, response)
    return response


def _provider(request: Request) -> "Provider":
    """Raises Forbidden: none is set up."""
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise Forbidden("This server has no provider: log in with a token (docs/security.md).")
    return provider


def _begun(request: Request, state: str) -> "SignIn":
    """The sign-in that this browser has begun. Raises Unauthorized: it has begun none, or another."""
    from infinitas.server.provider import SignIn

    kept = request.cookies.get(sign_in_name(request), "").split(".")
    if len(kept) != 3 or not hmac.compare_digest(kept[0].encode(), state.encode()):
        raise Unauthorized("This browser has begun no such sign-in, or begun it too long ago.")
    return SignIn(state=kept[0], nonce=kept[1], verifier=kept[2])


def _page(request: Request) -> str:
    """The page's address, as the browser has it."""
    chosen: str | None = request.app.state.page_url
    return (chosen or str(request.base_url)).rstrip("/") + "/"


def _callback(request: Request) -> str:
    return _page(request) + CALLBACK
