"""`/tokens`: list, make and revoke access tokens."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from infinitas.broker.tokens import LONGEST_S
from infinitas.core.access import Scope
from infinitas.server.audit_trail import note
from infinitas.server.auth import THIS_MACHINE, MayAdminister
from infinitas.server.dependencies import ClientOf
from infinitas.wire.tokens import NewToken, TokenView
from infinitas.wire.values import NUMBER, Name, Text

router = APIRouter(prefix="/tokens", tags=["system"])
FIRST = "From now on every request needs a token: log in with this one."
NO_ADMIN = " It lacks the scope admin: `infinitas token add` makes one that has it."


class TokenBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Text = Field(max_length=200)
    scopes: list[Annotated[Text, Field(max_length=220)]] = Field(min_length=1, max_length=100)
    expires_in: Annotated[float, Field(gt=0, le=LONGEST_S), NUMBER] | None = None
    """Seconds from now; null: never."""


@router.get("")
async def list_tokens(client: ClientOf, _: MayAdminister) -> list[TokenView]:
    """All tokens, oldest first, expired ones included."""
    return [TokenView.of(token) for token in await client.tokens.all()]


@router.post("", status_code=201)
async def add_token(body: TokenBody, client: ClientOf, caller: MayAdminister, request: Request) -> NewToken:
    """Make a token. The first one ends the open access of this machine: `warning` is set then."""
    token, text = await client.tokens.issue(body.name, body.scopes, body.expires_in)
    view = TokenView.of(token)
    note(request, target=token.id, after=view)
    warning = FIRST + ("" if token.allows(Scope.ADMIN) else NO_ADMIN) if caller is THIS_MACHINE else None
    return NewToken.of(token, token=text, warning=warning)


@router.delete("/{id}", status_code=204)
async def remove_token(id: Name, client: ClientOf, _: MayAdminister, request: Request) -> None:
    """Revoke a token at once, and with it its logins. Without the last one, access is open to localhost."""
    found = await client.tokens.find(id)
    await client.tokens.revoke(id)
    if found is not None:
        note(request, before=TokenView.of(found))
