"""`/login`: people sign in with a token once, and a cookie stands for it (docs/http.md)."""

import secrets
from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from infinitas.broker.logins import Logins
from infinitas.core.access import digest_of
from infinitas.core.errors import Unauthorized
from infinitas.server.audit_trail import origin_of, write
from infinitas.server.auth import NO_TOKEN_NEEDED, Authenticated, find_token, refuse_other_sites
from infinitas.server.dependencies import ClientOf
from infinitas.server.login_cookie import cookie_name, set_login, unset_login

router = APIRouter(prefix="/login", tags=["system"])
_SECRET_BYTES = 32


class LoginBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: str = Field(max_length=200)


class Login(BaseModel):
    name: str
    scopes: list[str]
    expires: datetime | None


@router.post("", openapi_extra=NO_TOKEN_NEEDED)
async def sign_in(body: LoginBody, client: ClientOf, request: Request, response: Response) -> Login:
    """Exchange a token for a cookie that scripts can't read and other sites can't send."""
    refuse_other_sites(request)
    try:
        token = await find_token(client, body.token)
    except Unauthorized as error:
        request.app.state.refusals.count(error.code, origin_of(request))
        raise
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    request.app.state.login_limit.take(token.id)
    await Logins(client.connection).add(digest_of(secret), token, origin_of(request))
    await write(client, action="sign_in", actor=token.name, target=token.id, origin=origin_of(request))
    set_login(request, response, secret)
    return Login(name=token.name, scopes=list(token.scopes), expires=token.expires)


@router.get("")
async def show_login(token: Authenticated) -> Login:
    """The token of these requests, and its scopes."""
    return Login(name=token.name, scopes=[str(scope) for scope in token.scopes], expires=token.expires)


@router.delete("", status_code=204, openapi_extra=NO_TOKEN_NEEDED)
async def sign_out(client: ClientOf, request: Request, response: Response) -> None:
    """Delete the login, and the cookie."""
    refuse_other_sites(request)
    if secret := request.cookies.get(cookie_name(request)):
        logins = Logins(client.connection)
        login = await logins.find(digest_of(secret))
        await logins.remove(digest_of(secret))
        if login is not None:
            target = login.token or login.id
            await write(client, action="sign_out", actor=login.name, target=target, origin=origin_of(request))
    unset_login(request, response)
