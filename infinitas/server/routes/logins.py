"""`/logins`: list and end the logins of people."""

from datetime import datetime
from typing import Self

from fastapi import APIRouter, Request
from pydantic import BaseModel

from infinitas.broker.logins import Logins
from infinitas.core.errors import UnknownLogin
from infinitas.core.login import Login
from infinitas.server.audit_trail import note
from infinitas.server.auth import MayAdminister
from infinitas.server.dependencies import ClientOf
from infinitas.wire.values import Name

router = APIRouter(prefix="/logins", tags=["system"])


class LoginView(BaseModel):
    """A login: of a token (`token` is its id), or of a person that a provider has authenticated (null)."""

    id: str
    name: str
    token: str | None
    origin: str
    created: datetime
    expires: datetime

    @classmethod
    def of(cls, login: Login) -> Self:
        return cls(**{name: getattr(login, name) for name in cls.model_fields})


@router.get("")
async def list_logins(client: ClientOf, _: MayAdminister) -> list[LoginView]:
    """All logins that have not ended, newest first."""
    tokens = {None, *(token.id for token in await client.tokens.all())}
    return [LoginView.of(login) for login in await Logins(client.connection).all() if login.token in tokens]


@router.delete("/{id}", status_code=204)
async def end_login(id: Name, client: ClientOf, _: MayAdminister, request: Request) -> None:
    """End a login: its page is logged out with the next request."""
    ended = await Logins(client.connection).end(id)
    if ended is None:
        raise UnknownLogin(f"There is no login {id[:40]!r}.")
    note(request, before=LoginView.of(ended))
